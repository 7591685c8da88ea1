"""Two versions side by side: the test images that one of them does better on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lambdas.domain.evaluation.matching import Judged, judge
from lambdas.domain.evaluation.measures import label_counts, overall_f1
from lambdas.domain.evaluation.records import Evaluation, TestImage, Thresholds


@dataclass(frozen=True)
class ImageChange:
    """An image that both versions were tested on, with the number of mistakes of each."""

    image: TestImage
    """As the version saw it."""
    other: TestImage
    mistakes: int
    other_mistakes: int


@dataclass(frozen=True)
class SideBySide:
    """What two versions were like on the test images of both that were labelled the same."""

    images: int
    f1: float | None
    other_f1: float | None
    better: tuple[ImageChange, ...]
    """Images that the version makes fewer mistakes on, the most improved first."""
    worse: tuple[ImageChange, ...]
    relabelled: int
    """Images of both that were labelled otherwise in between: nothing is compared on them."""


def compare(
    version: Evaluation, other: Evaluation, thresholds: Thresholds, other_thresholds: Thresholds
) -> SideBySide:
    """Compare two versions, each with its own thresholds."""
    others = {image.key: image for image in other.images}
    in_both = [image for image in version.images if image.key in others]
    pairs = [(image, others[image.key]) for image in in_both if _same_truth(image, others[image.key])]
    judged = [(image, judge(image, thresholds)) for image, _ in pairs]
    other_judged = [(theirs, judge(theirs, other_thresholds)) for _, theirs in pairs]
    changes = [
        ImageChange(image, theirs, _mistakes(mine), _mistakes(its))
        for (image, mine), (theirs, its) in zip(judged, other_judged, strict=True)
    ]
    return SideBySide(
        images=len(pairs),
        f1=overall_f1(label_counts(judged).values()),
        other_f1=overall_f1(label_counts(other_judged).values()),
        better=_changed(change for change in changes if change.mistakes < change.other_mistakes),
        worse=_changed(change for change in changes if change.mistakes > change.other_mistakes),
        relabelled=len(in_both) - len(pairs),
    )


def _mistakes(judged: Iterable[Judged]) -> int:
    return sum(not one.is_right for one in judged)


def _same_truth(image: TestImage, other: TestImage) -> bool:
    """Whether an image is labelled the same in both, to the pixel."""
    return sorted(map(_written, _in_pixels(image))) == sorted(map(_written, _in_pixels(other)))


def _in_pixels(image: TestImage) -> Iterable[tuple[str, int, int, int, int] | tuple[str]]:
    for truth in image.truths:
        box = truth.box
        if box is None:
            yield (truth.label,)
        else:
            across, down = (box.left, box.width), (box.top, box.height)
            sides = [round(side * image.width) for side in across] + [
                round(side * image.height) for side in down
            ]
            yield (truth.label, sides[0], sides[1], sides[2], sides[3])


def _written(truth: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(str, truth))


def _changed(changes: Iterable[ImageChange]) -> tuple[ImageChange, ...]:
    return tuple(sorted(changes, key=lambda one: (-abs(one.mistakes - one.other_mistakes), one.image.key)))
