"""What attacks have done: the rows of the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

COLUMNS = ("attack", "tried", "lost", "doubled", "wrong", "unserved s", "orphan min", "outlived")


@dataclass
class Tally:
    """What came of all attacks of a kind.

    Attributes:
        tried: attacks that struck.
        lost: images, events and letters that never came, and runs without an end.
        doubled: what came twice.
        wrong: labels on content that they were not written for, and records that differ from what is.
        unserved_seconds: how long the champion did not serve.
        orphan_seconds: for how long models ran that are neither champion nor challenger.
        outlived: attacks that sweeps did not put right in time.
        details: a line for each thing that is not as it should be.
    """

    kind: str
    tried: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    unserved_seconds: float = 0
    orphan_seconds: float = 0
    outlived: int = 0
    details: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return any((self.lost, self.doubled, self.wrong, self.outlived))

    def report(self, what: str, attack: str, text: str, count: int = 1) -> None:
        """Count something as `lost`, `doubled`, `wrong` or `outlived`."""
        setattr(self, what, getattr(self, what) + count)
        self.details.append(f"{self.kind}, {attack}: {what}: {text}")

    @property
    def cells(self) -> tuple[str, ...]:
        counts = (self.tried, self.lost, self.doubled, self.wrong)
        seconds = (f"{self.unserved_seconds:.0f}", f"{self.orphan_seconds / 60:.1f}", str(self.outlived))
        return (self.kind, *map(str, counts), *seconds)


def table(tallies: Iterable[Tally]) -> Iterator[str]:
    """The lines of a Markdown table."""
    rows = [COLUMNS, *(tally.cells for tally in tallies)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for number, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'|'.join('-' * (width + 2) for width in widths)}|"
