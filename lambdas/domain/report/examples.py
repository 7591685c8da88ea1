"""Which images are shown: few, chosen as if by lot, and always the same ones for the same images."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lambdas.domain.report.image_check import ImageCheck
from lambdas.domain.report.model import Example, Finding
from lambdas.domain.shared.annotation import Box

MOST = 12
"""Of one finding."""
MOST_IN_ALL = 120
MOST_BOXES = 20
"""On one example."""

_Order = tuple[int, str, str, tuple[tuple[str, int, int, int, int], ...]]


class Examples:
    """Counts what is offered, and keeps the few of the lowest ranks."""

    def __init__(self, most: int = MOST) -> None:
        self.images = 0
        self._most = most
        self._kept: list[tuple[_Order, Example]] = []

    def offer(self, look: ImageCheck, boxes: Sequence[Box] = (), caption: str = "") -> None:
        self.images += 1
        if len(self._kept) == self._most and look.rank > self._kept[-1][0][0]:
            return
        example = example_of(look, boxes, caption)
        order = (look.rank, look.image.key, look.image.side, tuple(_numbers(box) for box in example.boxes))
        insort(self._kept, (order, example), key=lambda entry: entry[0])
        del self._kept[self._most :]

    def chosen(self) -> tuple[Example, ...]:
        return tuple(example for _, example in self._kept)


def example_of(look: ImageCheck, boxes: Sequence[Box] = (), caption: str = "") -> Example:
    image = look.image
    return Example(
        image.key, image.width, image.height, image.side, look.names, tuple(boxes[:MOST_BOXES]), caption
    )


def share_out(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings with so many examples each that all of them are not too many."""
    found = tuple(findings)
    most = MOST
    while sum(min(len(finding.examples), most) for finding in found) > MOST_IN_ALL:
        most -= 2  # examples may come in pairs
    return tuple(replace(finding, examples=finding.examples[:most]) for finding in found)


def _numbers(box: Box) -> tuple[str, int, int, int, int]:
    return box.label, box.left, box.top, box.width, box.height
