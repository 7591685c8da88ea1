"""Images that stand apart: of an odd size or shape, with nothing on them, with several labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from math import log2

from lambdas.domain.report.examples import MAX_EXAMPLES, Examples
from lambdas.domain.report.image_check import ImageCheck
from lambdas.domain.report.limits import IGNORED_LINES_PAGE, PREPARING_PAGE, Limits
from lambdas.domain.report.model import Example, Finding, ReportImage
from lambdas.domain.report.statistics import Statistics
from lambdas.domain.shared.wording import counted, share

_FAR = 2.0
"""Doublings from the median: a quarter or four times of it."""
_STEPS = 4
"""Bins for each doubling."""


class _Spread:
    """A histogram over doublings that remembers examples of every bin."""

    def __init__(self, measure: Callable[[ReportImage], float]) -> None:
        self._measure = measure
        self._bins: dict[int, Examples] = defaultdict(Examples)

    def add(self, checked: ImageCheck) -> None:
        self._bins[round(_STEPS * log2(max(self._measure(checked.image), 1e-9)))].offer(checked)

    def outliers(self, odd_share: float) -> tuple[int, tuple[Example, ...]]:
        """How many images are far from the median, and some; none if so many are that it is no accident."""
        total = sum(images.images for images in self._bins.values())
        median = self._median(total)
        far = [images for place, images in sorted(self._bins.items()) if abs(place - median) > _FAR * _STEPS]
        count = sum(images.images for images in far)
        if not 0 < count <= odd_share * total:
            return 0, ()
        return count, tuple(example for images in far for example in images.chosen())[:MAX_EXAMPLES]

    def _median(self, total: int) -> int:
        passed = 0
        for place, images in sorted(self._bins.items()):
            passed += images.images
            if 2 * passed >= total:
                return place
        return 0


class PictureChecks:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sizes = _Spread(lambda image: max(image.width, image.height))
        self._shapes = _Spread(lambda image: image.width / max(image.height, 1))
        self._backgrounds, self._several = Examples(), Examples()

    def add(self, checked: ImageCheck) -> None:
        self._sizes.add(checked)
        self._shapes.add(checked)
        if not checked.names:
            self._backgrounds.offer(checked)
        if len(checked.names) > 1 and checked.image.kind == "classification":
            self._several.offer(checked)

    def findings(self, statistics: Statistics) -> Iterator[Finding]:
        yield from self._odd()
        if self._backgrounds.images:
            yield Finding(
                "backgrounds",
                "info",
                f"{counted(self._backgrounds.images, 'image')} with nothing on it"
                if self._backgrounds.images == 1
                else f"{counted(self._backgrounds.images, 'image')} with nothing on them",
                "Custom Labels takes them and does not learn from them. The shadow gate sends those of TEST"
                " to challenger and champion, and what these find there counts as wrong.",
                "Nothing has to be done. If the model finds things on empty images, show it the scene with"
                " another thing on it, and a label for that.",
                self._backgrounds.images,
                self._backgrounds.chosen(),
                source=IGNORED_LINES_PAGE,
            )
        several, classified = self._several.images, statistics.kinds["classification"]
        if 0 < several <= self._limits.few_multi_label_share * classified:
            yield Finding(
                "few_multi_label",
                "info",
                f"{counted(several, 'image')} with several labels, where nearly all have one",
                "If an image can show several labels, those with one label lack the others, which teaches"
                " that they are absent; if it cannot, these images are mistakes.",
                "Decide which it is: add the missing labels to the others, or take all but one off these.",
                several,
                self._several.chosen(),
                details=(f"{share(several, classified)} of the images",),
            )

    def _odd(self) -> Iterator[Finding]:
        kinds = (
            (
                "odd_sizes",
                self._sizes,
                "far larger or smaller than the others",
                "Objects on them appear far larger or smaller than elsewhere",
            ),
            (
                "odd_shapes",
                self._shapes,
                "of a shape far from the others'",
                "Objects on them appear at another scale than elsewhere",
            ),
        )
        for code, spread, what, effect in kinds:
            count, examples = spread.outliers(self._limits.odd_share)
            if count:
                yield Finding(
                    code,
                    "info",
                    f"{counted(count, 'image')} {what}",
                    f"{effect}, and may not be learnt. They often come from another source, as screenshots"
                    " or crops.",
                    "Keep them if the model will meet such images; else exclude them.",
                    count,
                    examples,
                    source=PREPARING_PAGE,
                )
