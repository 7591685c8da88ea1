"""The files of a batch in the data bucket: their names, and the lines that its input and results consist of.

    batches/<name>/source.json              what it was made from (written by who made it)
    batches/<name>/images/                  images that were uploaded for it from a folder
    batches/<name>/input/part-00000.jsonl   its images, PART_LINES a part
    batches/<name>/results/part-00000.jsonl one line for each image of the part of that name
    batches/<name>/summaries/part-00000.json what these lines come to
    batches/<name>/map/                     what Step Functions writes about the workers
    batches/<name>/review/<id>              copies of images that are proposed for review
    batches/<name>/manifest.json, summary.json the shards, and what they come to
    batches/<name>/coco/                    the results in COCO's format, where they were wanted so

A part of the input is what one worker answers for at a time, and its results are one object of the same name:
so whoever does a part twice writes the same object, and a part that has all of its lines is not asked about
again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Literal

from lambdas.domain.shared.frozen import frozen

PREFIX = "batches/"
PART_LINES = 100
"""Images of a part of the input; the last one may have fewer."""
MAX_NAME_LETTERS = 48
MAX_BAD_TEXT = 200
"""Letters of a line that names no image, in what is said of it."""
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_PART = "part-{:05d}.jsonl"


class BatchNameError(ValueError):
    """A batch cannot have this name."""


@frozen
class InputLine:
    """An image that a batch asks about."""

    id: str
    """Its position in the batch, from 0 on, as text."""
    bucket: str
    key: str
    version_id: str = ""
    """Of the object; empty: whichever is the newest when it is asked about."""


@frozen
class BadLine:
    """A line of a batch's input that names no image, as people may write one."""

    id: str
    """Of the result that says so: the part and the line's number in it."""
    text: str
    """Its beginning."""


@frozen
class ResultLine:
    """What the model version saw in an image of a batch, or why it saw nothing."""

    id: str
    bucket: str
    """Empty, as the key is, of a line of the input that named no image."""
    key: str
    status: Literal["detected", "failed"]
    labels: tuple[dict[str, Any], ...] = ()
    """Each with `label`, `confidence` in percent and, from a detection model, `box`: left, top, width and
    height as shares of the image."""
    width: int | None = None
    """Of the image upright, in pixels; None if it could not be read."""
    height: int | None = None
    error: str = ""
    """A short name of what went wrong, such as NoSuchKey."""
    reason: str = ""
    """What went wrong and what helps, in a sentence."""
    version_id: str = ""


def check_name(name: str) -> str:
    """The name, which becomes part of keys and of executions' names.

    Raises:
        BatchNameError: it cannot be used.
    """
    if len(name) > MAX_NAME_LETTERS or not _NAME.fullmatch(name):
        raise BatchNameError(
            f"{name!r} cannot name a batch: use up to {MAX_NAME_LETTERS} small letters, digits and hyphens,"
            " with a letter or digit at both ends"
        )
    return name


def folder(name: str) -> str:
    """The prefix of all of a batch's objects."""
    return f"{PREFIX}{name}/"


def source_key(name: str) -> str:
    """The key of what a batch was made from."""
    return f"{folder(name)}source.json"


def input_prefix(name: str) -> str:
    """The prefix of the parts of a batch's input, and of nothing else."""
    return f"{folder(name)}input/"


def input_key(name: str, number: int) -> str:
    """The key of a part of the input, counted from 0."""
    return f"{input_prefix(name)}{_PART.format(number)}"


def results_prefix(name: str) -> str:
    """The prefix of the shards of a batch's results, and of nothing else."""
    return f"{folder(name)}results/"


def result_key(name: str, input_key: str) -> str:
    """The key of the results for a part of the input."""
    return f"{results_prefix(name)}{_base(input_key)}"


def shard_summaries_prefix(name: str) -> str:
    """The prefix of the shards' summaries, and of nothing else."""
    return f"{folder(name)}summaries/"


def shard_summary_key(name: str, input_key: str) -> str:
    """The key of the summary of a part's results."""
    return f"{shard_summaries_prefix(name)}{_base(input_key).removesuffix('.jsonl')}.json"


def images_prefix(name: str) -> str:
    """The prefix of images that were uploaded for a batch from a folder of somebody's machine."""
    return f"{folder(name)}images/"


def manifest_key(name: str) -> str:
    """The key of the list of a batch's shards, written once it has ended."""
    return f"{folder(name)}manifest.json"


def summary_key(name: str) -> str:
    """The key of what a whole batch comes to, written once it has ended."""
    return f"{folder(name)}summary.json"


def coco_key(name: str, document: str) -> str:
    """The key of a document of the results in COCO's format."""
    return f"{folder(name)}coco/{document}"


def review_key(name: str, id: str) -> str:
    """The key of the copy of an image that is proposed for review."""
    return f"{folder(name)}review/{id}"


def _base(key: str) -> str:
    return key.rsplit("/", 1)[-1]


def input_lines(input_key: str, text: str) -> Iterator[InputLine | BadLine]:
    """The images that a part of the input names. A line with the id of one before it names none."""
    ids: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        named = _input_line(line)
        if named is None or named.id in ids:
            yield BadLine(f"{_base(input_key)}:{number}", line[:MAX_BAD_TEXT])
            continue
        ids.add(named.id)
        yield named


def _input_line(line: str) -> InputLine | None:
    """The image that a line names; None if it names none."""
    try:
        values = json.loads(line)
        named = InputLine(
            id=values["id"],
            bucket=values["bucket"],
            key=values["key"],
            version_id=values.get("version_id") or "",
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return named if all(isinstance(value, str) for value in asdict(named).values()) else None


def result_lines(text: str) -> list[ResultLine]:
    """The results that a shard holds."""
    return [_result_line(json.loads(line)) for line in text.split("\n") if line.strip()]


def _result_line(values: dict[str, Any]) -> ResultLine:
    values["labels"] = tuple(values.get("labels", ()))
    return ResultLine(**values)


def as_text(lines: Iterable[InputLine | ResultLine]) -> str:
    """The lines as JSON Lines; what is empty or unknown is left out, but for what each line has to have."""
    return "".join(json.dumps(_as_json(line), ensure_ascii=False) + "\n" for line in lines)


_ALWAYS = ("id", "bucket", "key")


def _as_json(line: InputLine | ResultLine) -> dict[str, Any]:
    kept = {
        name: value for name, value in asdict(line).items() if name in _ALWAYS or value not in ("", None, ())
    }
    return kept | ({"labels": list(line.labels)} if isinstance(line, ResultLine) else {})
