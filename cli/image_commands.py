"""The commands `labelloop images ...`: single images of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import click

from cli.session import CONTEXT, Group, Session, command, draws

ImageStatus = Literal["unlabelled", "labelled", "conflict", "excluded"]
"""The statuses of the catalogue, which is not imported for the sake of --help."""
DatasetTypeChoice = Literal["TRAIN", "TEST"]

images_group = Group(
    "images",
    no_args_is_help=True,
    context_settings=CONTEXT,
    help="Find, show and correct single images of the catalogue.\n\nAn IMAGE is given by its SHA-256, or the"
    " first characters of it.",
)
_yes = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")


@command(images_group, "find")
@click.option("--label", "-l", help="Only images with this label.")
@click.option("--status", type=click.Choice(get_args(ImageStatus)), help="Only images of this status.")
@click.option("--source", help="Only images that came under a key with this text in it.")
@click.option(
    "--dataset-type",
    type=click.Choice(get_args(DatasetTypeChoice)),
    help="Only images for training, or only those for testing.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Number of images to show at most.",
)
def find(  # noqa: PLR0917 one for each option
    session: Session,
    label: str | None,
    status: ImageStatus | None,
    source: str | None,
    dataset_type: DatasetTypeChoice | None,
    limit: int,
) -> None:
    """Find images by label, status, origin or dataset type.

    Example: labelloop images find --label bolt --dataset-type TEST
    """
    from cli import images

    query = images.Query(label, status, source, dataset_type, limit)
    deployment = session.deployment()
    documents = session.wait_for("Reading the catalogue", lambda: images.find(deployment, query))
    session.print_result(documents, lambda: images.show_list(session.out.console, documents, limit))


@command(images_group, "show")
@click.argument("image")
@draws
def show(session: Session, image: str, save: Path | None, open_image: bool) -> None:
    """Show everything on record about an image.

    Example: labelloop images show 3fa9 --save seen.jpg
    """
    from cli import images

    deployment = session.deployment()
    catalogued = session.wait_for("Reading the catalogue", lambda: images.get(deployment, image))
    document = images.as_dict(deployment, catalogued)
    if save or open_image:
        document["drawn"] = str(images.draw(deployment, catalogued, save))
    session.print_result(document, lambda: images.show(session.out.console, document))
    if open_image:
        click.launch(document["drawn"])


@command(images_group, "relabel")
@click.argument("image")
@click.option("--label", "-l", multiple=True, help="Image-level label. Can be given several times.")
@click.option(
    "--boxes",
    type=click.Path(path_type=Path),
    help='JSON file of boxes in pixels: [{"label": "bolt", "left": 1, "top": 2, "width": 3, ...}]',
)
@click.option(
    "--from-manifest",
    "manifest",
    type=click.Path(path_type=Path),
    help="Manifest with one line, about this image.",
)
@_yes
def relabel(  # noqa: PLR0917 one for each option
    session: Session,
    image: str,
    label: Sequence[str],
    boxes: Path | None,
    manifest: Path | None,
    yes: bool,
) -> None:
    """Replace the labels of an image.

    Asks first if the image would lose its boxes, or if no image has had the label before. The labels hold
    until somebody labels the image again; `labelloop images undo` takes them back.

    Example: labelloop images relabel 3fa9 --label scratch
    """
    from cli import images

    labels = images.read_labels(label, boxes, manifest)
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


@command(images_group, "history")
@click.argument("image")
def show_history(session: Session, image: str) -> None:
    """List the labels that an image had before: since when, and by whom.

    The newest come first. The first column numbers the states, for `labelloop images undo --to`; the last 20
    are kept. An image that had no labels when a file labelled it begins there: nothing was replaced.

    Example: labelloop images history 3fa9
    """
    from cli import images

    deployment = session.deployment()
    states = session.wait_for("Reading the catalogue", lambda: images.history(deployment, image))
    session.print_result(
        [state.as_dict() for state in states], lambda: images.show_history(session.out.console, states)
    )


@command(images_group, "undo")
@click.argument("image")
@click.option(
    "--to", type=int, help="State to go back to, as `history` numbers it. Without it, the one before."
)
def undo(session: Session, image: str, to: int | None) -> None:
    """Undo the last change of an image's labels.

    Works on what people, annotation files, folders and reviews have changed, exclusions included. Undone
    again, the undo is taken back.

    Example: labelloop images undo 3fa9
    """
    from cli import images

    document = images.undo(session.deployment(), image, to)
    session.print_result(document, lambda: images.show(session.out.console, document))


@command(images_group, "exclude")
@click.argument("chosen", metavar="IMAGE...", nargs=-1, required=True)
@_yes
def exclude(session: Session, chosen: Sequence[str], yes: bool) -> None:
    """Exclude images from every later snapshot.

    They stay in the catalogue, and in the snapshots that they are in.

    Example: labelloop images exclude 3fa9 77c0 --yes
    """
    from cli import formatting, images

    deployment = session.deployment()
    catalogued = [images.get(deployment, image) for image in chosen]
    if not yes:
        session.confirm(f"Exclude {formatting.count(len(catalogued), 'image')}?", "no image was excluded")
    changed = images.exclude(deployment, catalogued)
    session.print_result(changed, lambda: images.show_statuses(session.out.console, changed))


@command(images_group, "restore")
@click.argument("chosen", metavar="IMAGE...", nargs=-1, required=True)
def restore(session: Session, chosen: Sequence[str]) -> None:
    """Restore excluded images, with the labels that they had.

    Example: labelloop images restore 3fa9
    """
    from cli import images

    deployment = session.deployment()
    changed = images.restore(deployment, [images.get(deployment, image) for image in chosen])
    session.print_result(changed, lambda: images.show_statuses(session.out.console, changed))


@command(images_group, "complete")
def complete(session: Session) -> None:
    """Make what images lack that an older version has registered.

    That is their thumbnails, and what finds them by their label on the console's dataset page. It can be
    stopped and taken again: what is complete is passed over.

    Example: labelloop images complete
    """
    from cli import formatting, images

    deployment = session.deployment()
    outcome = images.complete(session.out.console, deployment)
    session.print_result(
        outcome,
        lambda: session.out.console.print(
            f"{formatting.count(outcome['completed'], 'image')} completed, {len(outcome['failed'])} failed"
        ),
    )
