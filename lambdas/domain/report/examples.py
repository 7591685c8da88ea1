"""Which images are shown: few, chosen as if by lot, and always the same ones for the same images."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lambdas.domain.report.image_check import ImageCheck
from lambdas.domain.report.model import Example, Finding
from lambdas.domain.shared.annotation import Box

MAX_EXAMPLES = 12
"""Of one finding."""
MAX_EXAMPLES_IN_ALL = 120
MAX_BOXES_SHOWN = 20
"""On one example."""

_Order = tuple[int, str, str, tuple[tuple[str, int, int, int, int], ...]]


class Examples:
    """Counts what is offered, and keeps the few of the lowest ranks."""

    def __init__(self, limit: int = MAX_EXAMPLES) -> None:
        self.images = 0
        self._limit = limit
        self._kept: list[tuple[_Order, Example]] = []

    def offer(self, checked: ImageCheck, boxes: Sequence[Box] = (), caption: str = "") -> None:
        self.images += 1
        if len(self._kept) == self._limit and checked.rank > self._kept[-1][0][0]:
            return
        example = example_of(checked, boxes, caption)
        order = (
            checked.rank,
            checked.image.key,
            checked.image.dataset_type,
            tuple(_numbers(box) for box in example.boxes),
        )
        insort(self._kept, (order, example), key=lambda entry: entry[0])
        del self._kept[self._limit :]

    def chosen(self) -> tuple[Example, ...]:
        return tuple(example for _, example in self._kept)


def example_of(checked: ImageCheck, boxes: Sequence[Box] = (), caption: str = "") -> Example:
    image = checked.image
    return Example(
        image.key,
        image.width,
        image.height,
        image.dataset_type,
        checked.names,
        tuple(boxes[:MAX_BOXES_SHOWN]),
        caption,
    )


def share_out(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Cut the findings' examples so far that all of them together are not too many."""
    all_findings = tuple(findings)
    limit = MAX_EXAMPLES
    while sum(min(len(finding.examples), limit) for finding in all_findings) > MAX_EXAMPLES_IN_ALL:
        limit -= 2  # examples may come in pairs
    return tuple(replace(finding, examples=finding.examples[:limit]) for finding in all_findings)


def _numbers(box: Box) -> tuple[str, int, int, int, int]:
    return box.label, box.left, box.top, box.width, box.height
