"""The commands `labelloop import` and `labelloop export`: datasets into a deployment, and out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click

from cli.output import CommandError
from cli.session import Session, command

ImportFormat = Literal[
    "coco",
    "voc",
    "yolo",
    "csv",
    "manifest",
    "cvat",
    "labelme",
    "createml",
    "kitti",
    "labelstudio",
    "supervisely",
    "via",
    "vertex",
    "folders",
    "unlabelled",
]
ExportFormat = Literal["coco", "yolo", "manifest"]


def add_to(app: click.Group) -> None:
    """Add these commands to the command line."""
    command(app, "import")(import_)
    command(app, "export")(export)


@click.argument("path", type=click.Path())
@click.option(
    "--format",
    "-f",
    type=click.Choice(get_args(ImportFormat)),
    help="Format of the dataset. Without it, it is detected.",
)
@click.option(
    "--dataset-name",
    default="",
    help="Folder of the dataset in the bucket. Without it, the name of PATH.",
)
@click.option(
    "--columns",
    default="",
    help="Columns of a table, by name or number: image=file,label=class,left=xmin,... or image=1,label=2;"
    " label=2+ takes every cell from there on. It makes a table of any .csv.",
)
@click.option(
    "--split",
    type=click.Choice(("keep", "ignore")),
    default="keep",
    show_default=True,
    help="Keep the dataset's own split into training and test images, or ignore it.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be imported, and send nothing.")
@click.option(
    "--problems",
    type=click.Path(path_type=Path),
    help="CSV file to write all problems to. Without it, it lies beside the import's journal, under"
    " ~/.local/state/labelloop.",
)
@click.option("--resend", is_flag=True, help="Send everything, also what an earlier import has sent.")
def import_(  # noqa: PLR0917 one for each option
    session: Session,
    path: str,
    format: str | None,
    dataset_name: str,
    columns: str,
    split: str,
    dry_run: bool,
    problems: Path | None,
    resend: bool,
) -> None:
    """Import a dataset, labelled or not.

    Recognised are COCO, Pascal VOC, YOLO, CVAT, labelme, Label Studio, VIA, Create ML, KITTI, Supervisely,
    Vertex AI and Open Images, tables (CSV), manifests of SageMaker and Rekognition, folders that are labels,
    and images alone. PATH is a folder, an archive or an annotation file, on this machine or as
    s3://bucket/prefix.

    An import that was interrupted continues where it stopped when it is started again. Files that cannot be
    used are listed, and do not stop the others. Exit code: 0 if anything was imported, 1 if nothing could be,
    2 if the dataset's format is not clear.

    \b
    Examples:
      labelloop import photos/ --dry-run
      labelloop import s3://bucket/coco/ --dataset-name parts-2026
    """
    from cli.importing import command as importing

    options = importing.Options(
        name=dataset_name,
        format=format or "",
        columns=_columns(columns),
        keep_split=split == "keep",
        problems=problems,
    )
    importing.run(session, path, options, dry_run=dry_run, resend=resend)


def _columns(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not field.strip() or not column.strip() for field, _, column in pairs):
        raise CommandError(f"--columns {text!r}: write image=filename,label=class,...", exit_code=2)
    return {field.strip(): column.strip() for field, _, column in pairs}


@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "-f",
    type=click.Choice(get_args(ExportFormat)),
    help="Format to write. Without it, coco for boxes, else manifest.",
)
@click.option("--snapshot", default="", help="Id of the snapshot to export. Without it, the whole catalogue.")
@click.option(
    "--images/--no-images",
    "with_images",
    default=True,
    show_default=True,
    help="Write the images, or the annotations only.",
)
def export(session: Session, path: Path, format: str | None, snapshot: str, with_images: bool) -> None:
    """Export labelled images.

    Writes the whole catalogue or a snapshot, with labels and split. PATH is a folder, which has to be new or
    empty. Images get the names that they were imported under.

    Example: labelloop export parts/ --format yolo
    """
    from cli import exporting

    exporting.run(session, path, exporting.Options(format or "", snapshot, with_images))
