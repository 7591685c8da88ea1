"""`labelloop import`, `export` and `images`: data sets into a deployment, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli import exporting, images
from cli.importing import command as importing
from cli.output import CommandError
from cli.session import AsJson, Name, session
from lambdas.domain.catalogue.images import Status
from lambdas.domain.shared.annotation import DatasetType

ImportFormat = Literal["coco", "voc", "yolo", "csv", "manifest", "folders", "unlabelled"]
ExportFormat = Literal["coco", "yolo", "manifest"]
SplitChoice = Literal["keep", "ignore"]

images_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The images of the catalogue: find, show, relabel, withdraw, restore.",
)
Hash = Annotated[str, typer.Argument(help="The image's SHA-256, or how it begins.", show_default=False)]
Hashes = Annotated[
    list[str], typer.Argument(help="The images' SHA-256s, or how they begin.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("import")(import_)
    app.command("export")(export)
    app.add_typer(images_app, name="images")


def import_(  # noqa: PLR0917 one for each option
    context: typer.Context,
    path: Annotated[
        str,
        typer.Argument(help="A folder or an annotation file, here or as s3://bucket/...", show_default=False),
    ],
    format: Annotated[
        ImportFormat | None, typer.Option("--format", "-f", help="What it is, if that is not clear.")
    ] = None,
    data_set: Annotated[
        str, typer.Option("--as", help="The data set's folder in the bucket; PATH's own name if not given.")
    ] = "",
    columns: Annotated[
        str, typer.Option("--columns", help="Of a CSV file: image=filename,label=class,left=xmin,...")
    ] = "",
    split: Annotated[
        SplitChoice, typer.Option("--split", help="Keep the data set's division into train and test, or not.")
    ] = "keep",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported, and send nothing.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Send also what an earlier import has sent.")
    ] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Bring a data set in: COCO, Pascal VOC, YOLO, CSV, manifests, labelled folders, or just images.

    Cut off, it goes on where it was when started again. What cannot be used is listed, and stops nothing:
    exit code 0 if anything was imported, 1 if nothing could be, 2 if the data set is not understood.

    [dim]labelloop import photos/ --dry-run[/dim]

    [dim]labelloop import s3://bucket/coco/ --as parts-2026[/dim]
    """
    using = session(context, name, as_json)
    options = importing.Options(
        name=data_set,
        format=format or "",
        columns=_columns(columns),
        keep_split=split == "keep",
    )
    importing.run(using, path, options, dry_run=dry_run, again=again)


def _columns(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not ours.strip() or not theirs.strip() for ours, _, theirs in pairs):
        raise CommandError(f"--columns {text!r}: write image=filename,label=class,...", exit_code=2)
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


def export(  # noqa: PLR0917 one for each option
    context: typer.Context,
    path: Annotated[
        Path, typer.Argument(help="A folder that is not there yet, or is empty.", show_default=False)
    ],
    format: Annotated[
        ExportFormat | None,
        typer.Option("--format", "-f", help="What to write: coco for boxes, else manifest."),
    ] = None,
    snapshot: Annotated[
        str, typer.Option("--snapshot", help="A snapshot's id, as of a model version; else all of now.")
    ] = "",
    with_images: Annotated[bool, typer.Option("--images/--no-images", help="Also the images.")] = True,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Write the labelled images out, with the side of each: the whole catalogue, or a snapshot.

    Images are called as they were when they were imported.

    [dim]labelloop export parts/ --format yolo[/dim]
    """
    using = session(context, name, as_json)
    exporting.run(using, path, exporting.Options(format or "", snapshot, with_images))


@images_app.command("find")
def find(  # noqa: PLR0917 one for each option
    context: typer.Context,
    label: Annotated[str | None, typer.Option("--label", "-l", help="With this label on them.")] = None,
    status: Annotated[Status | None, typer.Option("--status", help="In this state.")] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Dropped under a key that has this in it.")
    ] = None,
    side: Annotated[
        DatasetType | None, typer.Option("--side", help="To train with, or to test with.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="No more than so many.")] = 20,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Which images there are.

    [dim]labelloop images find --label bolt --side TEST[/dim]
    """
    using = session(context, name, as_json)
    wanted = images.Wanted(
        label=label,
        status=status,
        source=source,
        side=side,
        limit=limit,
    )
    deployment = using.deployment()
    found: list[dict[str, Any]] = using.gather("Looking", lambda: images.find(deployment, wanted))
    using.tell(found, lambda: images.show_found(using.out.console, found, limit))


@images_app.command("show")
def show(  # noqa: PLR0917 one for each option
    context: typer.Context,
    image: Hash,
    save: Annotated[
        Path | None, typer.Option("--save", "-o", help="Write the picture there, with its boxes drawn in.")
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open that picture.")] = False,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Everything on record about an image.

    [dim]labelloop images show 3fa9 --save seen.jpg[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    found = using.gather("Asking", lambda: images.get(deployment, image))
    document = images.as_dict(deployment, found)
    if save or open_it:
        document["picture"] = str(images.draw(deployment, found, save))
    using.tell(document, lambda: images.show_one(using.out.console, document))
    if open_it:
        typer.launch(document["picture"])


@images_app.command("relabel")
def relabel(  # noqa: PLR0917 one for each option
    context: typer.Context,
    image: Hash,
    label: Annotated[
        list[str] | None, typer.Option("--label", "-l", help="An image-level label; once for each.")
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            help='JSON, in pixels: [{"label": "bolt", "left": 1, "top": 2, "width": 3, ...}]',
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--from-manifest", help="A manifest with one line about this image.")
    ] = None,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """Say what is on an image; that stands until somebody says something else.

    [dim]labelloop images relabel 3fa9 --label scratch[/dim]
    """
    using = session(context, name, as_json)
    said = images.judgement(label or [], boxes, manifest)
    deployment = using.deployment()
    document = images.relabel(deployment, image, said)
    using.tell(document, lambda: images.show_one(using.out.console, document))


@images_app.command("withdraw")
def withdraw(
    context: typer.Context, chosen: Hashes, yes: Yes = False, name: Name = None, as_json: AsJson = False
) -> None:
    """Take images out of every later data set; they stay in the catalogue, and in the snapshots they are in.

    [dim]labelloop images withdraw 3fa9 77c0 --yes[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    found = [images.get(deployment, image) for image in chosen]
    if not yes:
        _ask(using.out.as_json, len(found))
    changed = images.withdraw(deployment, found)
    using.tell(changed, lambda: images.show_changed(using.out.console, changed))


@images_app.command("restore")
def restore(context: typer.Context, chosen: Hashes, name: Name = None, as_json: AsJson = False) -> None:
    """Take withdrawn images back, with the labels they had.

    [dim]labelloop images restore 3fa9[/dim]
    """
    using = session(context, name, as_json)
    deployment = using.deployment()
    changed = images.restore(deployment, [images.get(deployment, image) for image in chosen])
    using.tell(changed, lambda: images.show_changed(using.out.console, changed))


def _ask(as_json: bool, number: int) -> None:
    question = f"Withdraw {number} image{'s' if number > 1 else ''}?"
    if as_json or not typer.confirm(question):
        raise CommandError("nothing was withdrawn: say --yes", exit_code=2)
