"""Rows of tables: cells between commas, semicolons, tabs or bars, in UTF-8 or UTF-16."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from lambdas.domain.annotations import image_references
from lambdas.domain.annotations.types import Problem

MAX_ROW = 1_000_000
"""Characters, so that a quote that is never closed does not take the file for one cell."""
MAX_ROW_LINES = 50
_SAMPLE = 64 * 1024
_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)
"""What Excel writes in the first line of a table: no row, but what is between cells."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def of_beginning(file: IO[bytes]) -> list[list[str]]:
    """The rows that a file begins with; those before the first that is broken."""
    sample = decoded(file.read(_SAMPLE))
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(row for row in csv.reader(io.StringIO(sample), delimiter=delimiter(sample)) if any(row))
    lines = sample.splitlines()
    if rows and _SEPARATOR.fullmatch(lines[0].strip()):
        del rows[0]
    return rows


class Rows:
    """The table's rows that are not blank, with the numbers of the lines that they begin on."""

    def __init__(self, path: Path, file: str, *, spaces: bool = False) -> None:
        """Open a table.

        Args:
            spaces: whether cells may be told apart by spaces, where nothing else does.
        """
        self.problems: list[Problem] = []
        self._file = file
        with path.open("rb") as opened:
            sample = opened.read(_SAMPLE)
        self._utf16 = sample.startswith(_UTF16)
        self._path = path
        self._delimiter = delimiter(decoded(sample), spaces=spaces)
        self._width = 0
        self._rows = self._read()

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        return next(self._rows)

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        encoding = "utf-16" if self._utf16 else "utf-8-sig"
        with self._path.open(encoding=encoding, errors="surrogateescape", newline="") as text:
            lines = _Lines(text)
            while True:
                row, error = None, ""
                try:
                    row = next(csv.reader(lines.of_row(), delimiter=self._delimiter, strict=True))
                except StopIteration:
                    return
                except UnicodeDecodeError as broken:
                    self._problem(lines, "wrong_encoding", f"the table cannot be read on ({broken.reason})")
                    return
                except csv.Error as broken:
                    error = f"{broken}: is a quote missing?"
                if row and lines.several and len(row) != (self._width or len(row)):
                    row, error = (
                        None,
                        "a quoted cell over several lines, and then not as many cells as before",
                    )
                if row is None:
                    lines.keep_only_first()
                    self._problem(lines, "broken_row", error)
                elif any(_undecoded(cell) for cell in row):
                    detail = "the row is not UTF-8 text: save the table as UTF-8 (in Excel: CSV UTF-8)"
                    self._problem(lines, "wrong_encoding", detail)
                elif lines.begins == 1 and _SEPARATOR.fullmatch("".join(lines.shown).strip()):
                    continue
                elif any(cell.strip() for cell in row):
                    self._width = self._width or len(row)
                    yield lines.begins, row

    def _problem(self, lines: _Lines, reason: str, detail: str) -> None:
        self.problems.append(Problem(self._file, lines.begins, reason, detail))


class _Lines:
    """Lines of text, counted, which can be read again if they turn out to be no row together."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._again: list[str] = []
        self._row: list[str] = []
        self.begins = 1

    def of_row(self) -> Iterator[str]:
        """The lines of the next row, as many as are asked for."""
        self.begins += sum(1 for line in self._row if line.endswith(("\n", "\r")))
        self._row = []
        while line := self._again.pop() if self._again else self._text.readline(MAX_ROW):
            self._row.append(line)
            if len(self._row) > MAX_ROW_LINES:
                raise csv.Error(f"a row of more than {MAX_ROW_LINES} lines")
            yield line

    @property
    def shown(self) -> tuple[str, ...]:
        """The lines of the row."""
        return tuple(self._row)

    @property
    def several(self) -> bool:
        """Whether the row goes over more lines than one."""
        return len(self._row) > 1

    def keep_only_first(self) -> None:
        """Give all lines of the row but its first back."""
        self._again += reversed(self._row[1:])
        del self._row[1:]


def _is_image(cell: str) -> bool:
    return image_references.is_image(cell.strip('" '))


def _undecoded(cell: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in cell)


def decoded(sample: bytes) -> str:
    """A beginning of the file as text, its last line left out if it is cut."""
    text = sample.decode("utf-16" if sample.startswith(_UTF16) else "utf-8-sig", errors="replace")
    return text if len(sample) < _SAMPLE else text.rpartition("\n")[0]


def delimiter(sample: str, *, spaces: bool = False) -> str:
    """The delimiter of cells. A header decides, for it has no delimiters in its names."""
    lines = [line for line in sample.splitlines() if line.strip()]
    if lines and (separator := _SEPARATOR.fullmatch(lines[0].strip("\ufeff \t"))):
        return separator[1]
    counts = {delimiter: lines[0].count(delimiter) if lines else 0 for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: counts[delimiter])
    if spaces and lines and not counts[best]:
        return " "
    several = [delimiter for delimiter in _DELIMITERS if counts[delimiter]]
    if len(several) <= 1:
        return best
    naming = [delimiter for delimiter in several if any(map(_is_image, lines[0].split(delimiter)))]
    if len(naming) == 1:
        return naming[0]
    try:
        return csv.Sniffer().sniff("\n".join(lines[:50]), _DELIMITERS).delimiter
    except csv.Error:
        return best
