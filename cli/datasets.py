"""The commands `labelloop import`, `export` and `images`: datasets into a deployment, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.output import CommandError
from cli.session import AsJson, Name, open_session

ImportFormat = Literal["coco", "voc", "yolo", "csv", "manifest", "folders", "unlabelled"]
ExportFormat = Literal["coco", "yolo", "manifest"]
SplitChoice = Literal["keep", "ignore"]
ImageStatus = Literal["unlabelled", "labelled", "conflict", "excluded"]
"""The statuses of the catalogue, which is not imported for the sake of --help."""
DatasetTypeChoice = Literal["TRAIN", "TEST"]

images_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find, show and correct single images of the catalogue.",
)
Hash = Annotated[
    str, typer.Argument(help="SHA-256 of the image, or its first characters.", show_default=False)
]
Hashes = Annotated[
    list[str], typer.Argument(help="SHA-256s of the images, or their first characters.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("import")(import_)
    app.command("export")(export)
    app.add_typer(images_app, name="images")


def import_(  # noqa: PLR0917 one for each option
    context: typer.Context,
    path: Annotated[
        str,
        typer.Argument(
            help="Folder or annotation file, on this machine or as s3://bucket/prefix.", show_default=False
        ),
    ],
    format: Annotated[
        ImportFormat | None,
        typer.Option("--format", "-f", help="Format of the dataset. Without it, it is recognised."),
    ] = None,
    dataset_name: Annotated[
        str,
        typer.Option(
            "--dataset-name", help="Folder of the dataset in the bucket. Without it, the name of PATH."
        ),
    ] = "",
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            help="Columns of a table, by name or number: image=file,label=class,left=xmin,... or"
            " image=1,label=2; label=2+ takes every cell from there on. It makes a table of any .csv.",
        ),
    ] = "",
    split: Annotated[
        SplitChoice,
        typer.Option(
            "--split", help="Keep the dataset's own split into training and test images, or ignore it."
        ),
    ] = "keep",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be imported, and send nothing.")
    ] = False,
    resend: Annotated[
        bool, typer.Option("--resend", help="Send everything, also what an earlier import has sent.")
    ] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Bring in a dataset: COCO, Pascal VOC, YOLO, CSV, manifests, labelled folders, or images alone.

    An import that was interrupted goes on where it was when it is started again. Files that cannot be used
    are listed, and do not stop the others. Exit code: 0 if anything was imported, 1 if nothing could be, 2 if
    the dataset's format is not clear.

    [dim]labelloop import photos/ --dry-run[/dim]

    [dim]labelloop import s3://bucket/coco/ --dataset-name parts-2026[/dim]
    """
    from cli.importing import command

    session = open_session(context, name, as_json)
    options = command.Options(
        name=dataset_name,
        format=format or "",
        columns=_columns(columns),
        keep_split=split == "keep",
    )
    command.run(session, path, options, dry_run=dry_run, resend=resend)


def _columns(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not field.strip() or not column.strip() for field, _, column in pairs):
        raise CommandError(f"--columns {text!r}: write image=filename,label=class,...", exit_code=2)
    return {field.strip(): column.strip() for field, _, column in pairs}


def export(  # noqa: PLR0917 one for each option
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(help="Folder to write to. It has to be new or empty.", show_default=False)
    ],
    format: Annotated[
        ExportFormat | None,
        typer.Option("--format", "-f", help="Format to write. Without it, coco for boxes, else manifest."),
    ] = None,
    snapshot: Annotated[
        str, typer.Option("--snapshot", help="Id of the snapshot to export. Without it, the whole catalogue.")
    ] = "",
    with_images: Annotated[
        bool, typer.Option("--images/--no-images", help="Write the images, or the annotations only.")
    ] = True,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Write labelled images with their labels and their split: the whole catalogue, or a snapshot.

    Images get the names that they were imported under.

    [dim]labelloop export parts/ --format yolo[/dim]
    """
    from cli import exporting

    session = open_session(context, name, as_json)
    exporting.run(session, path, exporting.Options(format or "", snapshot, with_images))


@images_app.command("find")
def find(  # noqa: PLR0917 one for each option
    context: typer.Context,
    label: Annotated[str | None, typer.Option("--label", "-l", help="Only images with this label.")] = None,
    status: Annotated[
        ImageStatus | None, typer.Option("--status", help="Only images of this status.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Only images that came under a key with this text in it.")
    ] = None,
    dataset_type: Annotated[
        DatasetTypeChoice | None,
        typer.Option("--dataset-type", help="Only images for training, or only those for testing."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of images to show at most.")] = 20,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Find images by their label, status, origin or dataset type.

    [dim]labelloop images find --label bolt --dataset-type TEST[/dim]
    """
    from cli import images

    session = open_session(context, name, as_json)
    query = images.Query(label, status, source, dataset_type, limit)
    deployment = session.deployment()
    documents = session.wait_for("Reading the catalogue", lambda: images.find(deployment, query))
    session.print_result(documents, lambda: images.show_list(session.out.console, documents, limit))


@images_app.command("show")
def show(  # noqa: PLR0917 one for each option
    context: typer.Context,
    image: Hash,
    save: Annotated[
        Path | None, typer.Option("--save", "-o", help="File to write the image to, with its boxes drawn in.")
    ] = None,
    open_image: Annotated[
        bool, typer.Option("--open", help="Open the image, with its boxes drawn in.")
    ] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Show everything on record about an image.

    [dim]labelloop images show 3fa9 --save seen.jpg[/dim]
    """
    from cli import images

    session = open_session(context, name, as_json)
    deployment = session.deployment()
    catalogued = session.wait_for("Reading the catalogue", lambda: images.get(deployment, image))
    document = images.as_dict(deployment, catalogued)
    if save or open_image:
        document["drawn"] = str(images.draw(deployment, catalogued, save))
    session.print_result(document, lambda: images.show(session.out.console, document))
    if open_image:
        typer.launch(document["drawn"])


@images_app.command("relabel")
def relabel(  # noqa: PLR0917 one for each option
    context: typer.Context,
    image: Hash,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="Image-level label. Can be given several times.")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            help='JSON file of boxes in pixels: [{"label": "bolt", "left": 1, "top": 2, "width": 3, ...}]',
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--from-manifest", help="Manifest with one line, about this image.")
    ] = None,
    yes: Yes = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Replace the labels of an image. They hold until somebody labels it again.

    Asks first if the image would lose its boxes, or if no image has had the label before.
    `labelloop images undo` takes it back.

    [dim]labelloop images relabel 3fa9 --label scratch[/dim]
    """
    from cli import images

    session = open_session(context, name, as_json)
    labels = images.read_labels(label or [], boxes, manifest)
    deployment = session.deployment()
    catalogued = images.get(deployment, image)
    images.check_fits(deployment, catalogued, labels)
    if not yes and (
        doubts := session.wait_for(
            "Reading the labels in use", lambda: images.doubts(deployment, catalogued, labels)
        )
    ):
        question = f"Image {catalogued.sha256[:12]}: {'; '.join(doubts)}. Relabel it?"
        session.confirm(question, "the image was not relabelled")
    document = images.relabel(deployment, catalogued, labels)
    session.print_result(document, lambda: images.show(session.out.console, document))


@images_app.command("history")
def show_history(context: typer.Context, image: Hash, name: Name = None, as_json: AsJson = False) -> None:
    """List the labels that an image has and had before, newest first: since when, and by whom.

    The first column numbers its states, for `labelloop images undo --to`. The last 20 are kept. That a file
    labelled an image which had no labels before is not listed: nothing was replaced.

    [dim]labelloop images history 3fa9[/dim]
    """
    from cli import images

    session = open_session(context, name, as_json)
    deployment = session.deployment()
    states = session.wait_for("Reading the catalogue", lambda: images.history(deployment, image))
    session.print_result(
        [state.as_dict() for state in states], lambda: images.show_history(session.out.console, states)
    )


@images_app.command("undo")
def undo(
    context: typer.Context,
    image: Hash,
    to: Annotated[
        int | None,
        typer.Option("--to", help="State to go back to, as `history` numbers it. Without it, the last one."),
    ] = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Give an image the labels back that it had before the last change. Undone again, that is taken back.

    Works on what people, annotation files, folders and reviews have changed, exclusions included.

    [dim]labelloop images undo 3fa9[/dim]
    """
    from cli import images

    session = open_session(context, name, as_json)
    document = images.undo(session.deployment(), image, to)
    session.print_result(document, lambda: images.show(session.out.console, document))


@images_app.command("exclude")
def exclude(
    context: typer.Context, chosen: Hashes, yes: Yes = False, name: Name = None, as_json: AsJson = False
) -> None:
    """Leave images out of every later snapshot. They stay in the catalogue, and in the snapshots they are in.

    [dim]labelloop images exclude 3fa9 77c0 --yes[/dim]
    """
    from cli import images

    session = open_session(context, name, as_json)
    deployment = session.deployment()
    catalogued = [images.get(deployment, image) for image in chosen]
    if not yes:
        number = f"{len(catalogued)} image{'s' if len(catalogued) > 1 else ''}"
        session.confirm(f"Exclude {number}?", "no image was excluded")
    changed = images.exclude(deployment, catalogued)
    session.print_result(changed, lambda: images.show_statuses(session.out.console, changed))


@images_app.command("restore")
def restore(context: typer.Context, chosen: Hashes, name: Name = None, as_json: AsJson = False) -> None:
    """Take excluded images back, with the labels that they had.

    [dim]labelloop images restore 3fa9[/dim]
    """
    from cli import images

    session = open_session(context, name, as_json)
    deployment = session.deployment()
    changed = images.restore(deployment, [images.get(deployment, image) for image in chosen])
    session.print_result(changed, lambda: images.show_statuses(session.out.console, changed))
