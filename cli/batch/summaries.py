"""What a batch has come to, and its results as files of this machine."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError
from rich.markup import escape
from rich.table import Table

from cli import formatting
from cli.deployment import Deployment
from cli.output import CommandError
from cli.progress import Meter
from lambdas.domain.batch import coco, files, results
from lambdas.domain.batch.files import ResultLine
from lambdas.domain.shared import boxes

if TYPE_CHECKING:
    from rich.console import Console

    from lambdas.domain.shared.records import Batch

Format = Literal["jsonl", "coco", "csv"]
MAX_SHOWN = 20
"""Labels and kinds of failures that are printed."""
_BAR = 30
_BOX = ("left", "top", "width", "height")
_COLUMNS = (
    *("id", "bucket", "key", "version_id", "status", "label", "confidence"),
    *(f"box_{side}" for side in _BOX),
    *(f"box_{side}_pixels" for side in _BOX),
    *("image_width", "image_height", "error", "reason"),
)


def stored(deployment: Deployment, name: str) -> dict[str, Any] | None:
    """What a batch came to as it was written at its end; None before that."""
    try:
        answer = deployment.s3.get_object(Bucket=deployment.bucket, Key=files.summary_key(name))
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return None
        raise
    summary: dict[str, Any] = json.loads(answer["Body"].read())
    return summary


def gathered(deployment: Deployment, batch: Batch) -> dict[str, Any]:
    """What a batch comes to by the results that there are by now."""
    summary = results.gather(deployment.s3, deployment.bucket, batch.id, batch.total)
    return {
        "batch": batch.id,
        "model_version": batch.version,
        "images": batch.total,
        **results.document(summary),
        "results": f"s3://{deployment.bucket}/{files.results_prefix(batch.id)}",
    }


def show(console: Console, summary: dict[str, Any]) -> None:
    """Print what a batch comes to: labels, confidence, failures."""
    empty, failed, missing = summary["without_objects"], summary["failed"], summary["missing"]
    console.print(
        f"{summary['detected']:,} images looked at, {empty:,} of them without objects; {failed:,} failed"
        + (f"; {missing:,} without an answer" if missing else "")
    )
    if summary["labels"]:
        console.print(_labels(summary["labels"]))
        console.print(_histogram(summary))
    for failure in summary["failures"][:MAX_SHOWN]:
        text = f"{failure['error']}: {formatting.count(failure['images'], 'image')}, such as"
        console.print(f"{text} {failure['examples'][0]}: {failure['reason']}", markup=False, soft_wrap=True)


def _labels(labels: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("label", overflow="fold")
    table.add_column("objects", justify="right")
    table.add_column("images", justify="right")
    for each in labels[:MAX_SHOWN]:
        table.add_row(escape(each["label"]), f"{each['objects']:,}", f"{each['images']:,}")
    if len(labels) > MAX_SHOWN:
        table.add_row(f"and {len(labels) - MAX_SHOWN} more", "", "")
    return table


def _histogram(summary: dict[str, Any]) -> Table:
    bins, step = summary["histogram"], summary["histogram_step"]
    table = Table(box=None, pad_edge=False)
    table.add_column("confidence %", justify="right")
    table.add_column("objects", justify="right")
    table.add_column("")
    first = next((number for number, count in enumerate(bins) if count), 0)
    for number, count in list(enumerate(bins))[first:]:
        bar = "█" * round(_BAR * count / max(bins)) if count else ""
        table.add_row(f"{number * step:g} to {(number + 1) * step:g}", f"{count:,}", bar)
    return table


def save(
    deployment: Deployment, batch: Batch, folder: Path, form: Format, progress: Meter
) -> tuple[list[Path], coco.Written | None]:
    """Write the results into a folder: the files, and of COCO's format what could be said in that.

    They are read while they are written, so that memory does not grow with them. A file is there under its
    name once it is complete.

    Raises:
        CommandError: the folder cannot be written to.
    """

    def lines() -> Iterator[ResultLine]:
        for line in results.lines(deployment.s3, deployment.bucket, batch.id, batch.total):
            progress.advance()
            yield line

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if form == "coco":
            return _save_coco(deployment, batch, folder, lines())
        target = folder / f"{batch.id}.{form}"
        with _Target(target) as file:
            if form == "jsonl":
                for line in lines():
                    file.write(files.as_text([line]))
            else:
                _write_csv(file, lines())
        return [target], None
    except OSError as error:
        raise CommandError(f"{folder} cannot be written to: {error.strerror or error}") from error


class _Target:
    """A text file that gets its name once it is complete. Used in a `with` block."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f"{path.name}.part")
        self._file = self._part.open("w", encoding="utf-8", newline="")

    def __enter__(self) -> Any:
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink()


def _save_coco(
    deployment: Deployment, batch: Batch, folder: Path, lines: Iterator[ResultLine]
) -> tuple[list[Path], coco.Written]:
    summary = results.gather(deployment.s3, deployment.bucket, batch.id, batch.total).summary
    version = deployment.loop_state.version(batch.version)
    trained = [score.label for score in version.labels] if version else []
    numbers = deployment.loop_state.class_ids().numbers
    categories = coco.category_ids([*trained, *summary.counts.labels], numbers)
    targets = [folder / coco.IMAGES, folder / coco.RESULTS]
    with ExitStack() as stack:
        images, detections = (stack.enter_context(_Target(target)) for target in targets)
        return targets, coco.write(batch.id, lines, categories, images.write, detections.write)


def _write_csv(file: Any, lines: Iterator[ResultLine]) -> None:
    writer = csv.DictWriter(file, _COLUMNS, restval="")
    writer.writeheader()
    for line in lines:
        image = {
            "id": line.id,
            "bucket": line.bucket,
            "key": line.key,
            "version_id": line.version_id,
            "status": line.status,
            "image_width": line.width,
            "image_height": line.height,
            "error": line.error,
            "reason": line.reason,
        }
        for label in line.labels or ({},):
            writer.writerow(image | _cells(label, line))


def _cells(label: dict[str, Any], line: ResultLine) -> dict[str, Any]:
    if not label:
        return {}
    cells = {"label": label["label"], "confidence": label["confidence"]}
    if box := label.get("box"):
        cells |= {f"box_{side}": box[side] for side in _BOX}
        if line.width and line.height:
            pixels = boxes.in_pixels(box, line.width, line.height)
            cells |= {f"box_{side}_pixels": size for side, size in pixels.items()}
    return cells
