"""What readers tell beside what they find: why something cannot be used, and what was decided often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lambdas.domain.annotations.types import Note, Problem
from lambdas.domain.shared.errors import UnusableInputError


class AnnotationError(UnusableInputError):
    """Something that an annotation file says cannot be used."""

    def problem(self, file: str, line: int = 0, image: str = "") -> Problem:
        return Problem(file, line, self.reason, self.detail, image)


class Problems:
    """Notes that many rows give rise to: said once, with how many they are."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, file: str, detail: str, number: int = 1) -> None:
        self._counts[file, detail] += number

    def notes(self) -> Iterator[Note]:
        for (file, detail), number in sorted(self._counts.items()):
            if number:
                yield Note(file, f"{number} times: {detail}" if number > 1 else detail)
