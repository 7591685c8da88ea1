"""Boxes that Custom Labels refuses, that are hard to learn from, or that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lambdas.domain.report.examples import Examples
from lambdas.domain.report.image_check import ImageCheck
from lambdas.domain.report.limits import LINE_ERRORS_PAGE, Limits
from lambdas.domain.report.model import Finding, Severity
from lambdas.domain.report.statistics import Statistics
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import iou
from lambdas.domain.shared.wording import counted, share


class _Boxes:
    """Boxes of which a finding speaks."""

    def __init__(self) -> None:
        self.boxes = 0
        self.examples = Examples()

    def add(self, checked: ImageCheck, boxes: Sequence[Box]) -> None:
        if boxes:
            self.boxes += len(boxes)
            self.examples.offer(checked, boxes)


class BoxChecks:
    """Checks of each image's boxes, alone and in pairs."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._outside, self._too_small = _Boxes(), _Boxes()
        self._small, self._giant = _Boxes(), _Boxes()
        self._doubled, self._contradicting = _Boxes(), _Boxes()

    def add(self, checked: ImageCheck) -> None:
        image = checked.image
        if not image.boxes:
            return
        self._outside.add(checked, checked.outside)
        self._too_small.add(checked, checked.too_small)
        usable = [box for box in image.boxes if box not in checked.outside and box not in checked.too_small]
        area = image.width * image.height
        small, giant = self._limits.small_box_share * area, self._limits.giant_box_share * area
        self._small.add(checked, [box for box in usable if box.width * box.height < small])
        self._giant.add(checked, [box for box in usable if box.width * box.height > giant])
        if not checked.refusals:
            doubled, contradicting = self._pairs(usable)
            self._doubled.add(checked, doubled)
            self._contradicting.add(checked, contradicting)

    def _pairs(self, boxes: list[Box]) -> tuple[list[Box], list[Box]]:
        """Of each box drawn several times all but the first; both boxes of each contradiction."""
        ordered = sorted(boxes, key=lambda box: (box.left, box.top, box.width, box.height, box.label))
        doubled: set[int] = set()
        contradicting: set[int] = set()
        for index, first in enumerate(ordered):
            right = first.left + first.width
            for other in range(index + 1, len(ordered)):
                second = ordered[other]
                if second.left >= right:
                    break
                if first.label == second.label:
                    if iou(first, second) >= self._limits.doubled_iou:
                        doubled.add(other)
                elif iou(first, second) >= self._limits.contradicting_iou:
                    contradicting |= {index, other}
        return [ordered[n] for n in sorted(doubled)], [ordered[n] for n in sorted(contradicting)]

    def findings(self, statistics: Statistics) -> Iterator[Finding]:
        if self._outside.boxes:
            yield _finding(
                "box_outside",
                self._outside,
                "reaching out of the image",
                "Custom Labels leaves such a box out, so the object counts as background: the model learns"
                " not to find it.",
                "Draw them again. Boxes of a whole source that all reach out were drawn on another size of"
                " the image, or after an EXIF rotation.",
                source=LINE_ERRORS_PAGE,
            )
        if self._too_small.boxes:
            yield _finding(
                "box_too_small",
                self._too_small,
                "of 1 pixel or less, once scaled to train with",
                f"Custom Labels scales images down to {self._limits.training_side} pixels and leaves such a"
                " box out.",
                "They are mostly clicks by mistake: delete them, or draw them again.",
                source=LINE_ERRORS_PAGE,
            )
        if self._contradicting.boxes:
            yield _finding(
                "box_contradiction",
                self._contradicting,
                "with a box of another label in the same place",
                "The image teaches two answers to one question, and one of them counts as wrong in the"
                " evaluation.",
                "Decide which label is right, and delete the other box.",
            )
        if self._doubled.boxes:
            yield _finding(
                "box_doubled",
                self._doubled,
                "drawn twice",
                "The model learns to say an object twice; in TEST the second box counts as missed.",
                "Delete one of each pair.",
            )
        if self._small.boxes:
            yield _finding(
                "box_small",
                self._small,
                f"below {self._limits.small_box_share:.1%} of the image"
                f" ({share(self._small.boxes, statistics.boxes)} of all)",
                "So little is left of the object after scaling down that it is hard to learn, and is missed.",
                "Cut the images to the part with the objects, or take them from nearer.",
            )
        if self._giant.boxes:
            yield _finding(
                "box_giant",
                self._giant,
                f"over {self._limits.giant_box_share:.0%} of the image"
                f" ({share(self._giant.boxes, statistics.boxes)} of all)",
                "Such a box says what is on the image and hardly where; right for close-ups, but if many are"
                " so, the model learns that boxes fill the image.",
                "If whole images are meant, use image-level labels; else draw the boxes around the objects.",
                severity="info",
            )


def _finding(
    code: str,
    boxes: _Boxes,
    what: str,
    what_it_does: str,
    how_to_fix: str,
    *,
    severity: Severity = "warning",
    source: str = "",
) -> Finding:
    title = f"{counted(boxes.boxes, 'box', 'boxes')} {what}"
    details = (f"on {counted(boxes.examples.images, 'image')}",)
    return Finding(
        code,
        severity,
        title,
        what_it_does,
        how_to_fix,
        boxes.boxes,
        boxes.examples.chosen(),
        details=details,
        source=source,
    )
