"""A list of images: a CSV file, JSON Lines, or a key on each line."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from cli.batch import stored
from cli.batch.images import BadEntryError, Image, Kind, Remarks, addressed, checked
from cli.batch.stored import Stored
from cli.output import CommandError

_PLAIN = (".csv", ".jsonl", ".ndjson", ".manifest", ".txt")
SUFFIXES = (*_PLAIN, *(f"{suffix}.gz" for suffix in _PLAIN))
"""Of lists, as their names end."""
COLUMNS = ("bucket", "key", "version_id")
"""Of a CSV file with a heading, and members of an object of JSON Lines."""

Parse = Callable[[str, str], Image]
"""Reads a line with the bucket of keys that name none. Raises BadEntryError."""


class ListSource:
    """The images that a list names, each by its key, or by its bucket and key.

    Keys that come without a bucket are of the list's own bucket or, where it lies on this machine, of the
    data bucket.
    """

    kind: Kind = "list"

    def __init__(self, file: Stored, data_bucket: str) -> None:
        self.where = file.where
        self.bucket = file.bucket or data_bucket
        self.remarks = Remarks()
        self._file = file
        self._name = file.name.lower().removesuffix(".gz")

    @property
    def default_name(self) -> str:
        return self._name.rsplit(".", 1)[0]

    def images(self) -> Iterator[Image]:
        with self._file.unpacked() as file:
            parse: Parse | None = None
            for number, line in enumerate(stored.lines(file), start=1):
                try:
                    text = _decoded(line, number)
                    if not text.strip():
                        continue
                    if parse is None:
                        parse, is_heading = self._reader(text)
                        if is_heading:
                            continue
                    yield parse(text, self.bucket)
                except BadEntryError as error:
                    self.remarks.add_bad(f"line {number}", str(error))

    def _reader(self, first: str) -> tuple[Parse, bool]:
        """How lines are read, by the first one, and whether that is a heading."""
        if self._name.endswith(".txt"):
            return addressed, False
        if not self._name.endswith(".csv"):
            return _from_json, False
        names = [name.strip().lower() for name in _cells(first)]
        if "key" in names:
            if unknown := [name for name in names if names.count(name) > 1 and name in COLUMNS]:
                raise CommandError(f"{self.where} has two columns {unknown[0]}", exit_code=2)
            return _by_columns(names), True
        if len(names) > 1:
            raise CommandError(
                f"{self.where} has {len(names)} columns, and none is called key: begin it with a line that"
                f" names them, such as {','.join(COLUMNS)}",
                exit_code=2,
            )
        return _by_columns(["address"]), False


def _decoded(line: bytes | None, number: int) -> str:
    if line is None:
        raise BadEntryError(f"it has more than {stored.MAX_LINE_BYTES // 1024} kB")
    try:
        return (line.removeprefix(codecs.BOM_UTF8) if number == 1 else line).decode()
    except UnicodeDecodeError as error:
        raise BadEntryError("it is not UTF-8") from error


def _cells(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise BadEntryError(f"it is no line of a CSV file: {error}") from error


def _by_columns(names: list[str]) -> Parse:
    def parse(text: str, bucket: str) -> Image:
        cells = _cells(text)
        if len(cells) != len(names):
            raise BadEntryError(f"it has {len(cells)} columns in place of {len(names)}")
        return _image(dict(zip(names, cells, strict=True)), bucket)

    return parse


def _from_json(text: str, bucket: str) -> Image:
    try:
        value = json.loads(text)
    # A number of thousands of digits is a ValueError, brackets in brackets a RecursionError.
    except (ValueError, RecursionError) as error:
        raise BadEntryError("it is not JSON") from error
    if isinstance(value, str):
        return addressed(value, bucket)
    if not isinstance(value, dict):
        raise BadEntryError("it is neither an object nor a text")
    # Entries of a manifest name their image so:
    # https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file.html
    named = {"address": value["source-ref"]} if "source-ref" in value and "key" not in value else value
    fields = {name: named[name] for name in ("address", *COLUMNS) if named.get(name) is not None}
    if not all(isinstance(field, str) for field in fields.values()):
        raise BadEntryError(f"{', '.join(fields)} have to be text")
    return _image(fields, bucket)


def _image(fields: dict[str, Any], bucket: str) -> Image:
    address = fields.get("address") or fields.get("key") or ""
    version_id = fields.get("version_id") or ""
    if not re.fullmatch(r"[\x21-\x7e]*", version_id):
        raise BadEntryError("the version_id is none of S3's")
    if fields.get("bucket"):
        return checked(fields["bucket"], address, version_id)
    image = addressed(address, bucket)
    return checked(image.bucket, image.key, version_id)
