"""Problems and notes of the readers: why something cannot be used, and how often what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lambdas.domain.annotations.types import Note, Problem
from lambdas.domain.shared.errors import UnusableInputError


class AnnotationError(UnusableInputError):
    """Something that an annotation file says cannot be used."""

    def problem(self, file: str, line: int = 0, image: str = "") -> Problem:
        """The error as a problem of a file."""
        return Problem(file, line, self.reason, self.detail, image)


class NoteCounter:
    """Counts notes to which many rows give rise: each comes once, with how many rows they are."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, file: str, detail: str, number: int = 1) -> None:
        """Count a note, or so many of them."""
        self._counts[file, detail] += number

    def collected(self) -> Iterator[Note]:
        """The notes, sorted."""
        for (file, detail), number in sorted(self._counts.items()):
            if number:
                yield Note(file, f"{number} times: {detail}" if number > 1 else detail)
