"""The mistakes of an evaluation one by one: filtered, and the telling ones first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lambdas.domain.evaluation.matching import Judged, Judgement
from lambdas.domain.evaluation.measures import NOTHING, JudgedImages
from lambdas.domain.evaluation.records import Size, TestImage

Kind = Literal["false_positive", "missed", "confusion", "loose", "right"]
KINDS: tuple[Kind, ...] = ("false_positive", "missed", "confusion", "loose", "right")
_KIND_OF: dict[Judgement, Kind] = {
    "background": "false_positive",
    "duplicate": "false_positive",
    "missed": "missed",
    "confusion": "confusion",
    "loose": "loose",
    "right": "right",
}


@dataclass(frozen=True)
class Wanted:
    """Which mistakes are wanted; what is empty or None does not matter."""

    kinds: frozenset[Kind] = frozenset()
    """Empty: every kind but `right`."""
    label: str = ""
    """Of the object or of the detection."""
    truth: str | None = None
    """Of the object; NOTHING: where none is."""
    detected: str | None = None
    """Of the detection; NOTHING: where none is."""
    size: Size | None = None
    min_confidence: float = 0.0
    """Of the detection, between 0 and 1; mistakes without one are left out where it is above 0."""
    max_confidence: float = 1.0


@dataclass(frozen=True)
class Mistake:
    """A mistake on an image, or an object that was found."""

    image: TestImage
    judged: Judged

    @property
    def kind(self) -> Kind:
        return _KIND_OF[self.judged.judgement]

    @property
    def size(self) -> Size | None:
        """How large the object is, or the detection where there is no object."""
        thing = self.judged.truth or self.judged.detection
        return self.image.size_of(thing) if thing else None


def mistakes(judged: JudgedImages, wanted: Wanted) -> list[Mistake]:
    """The wanted ones: what the version was surest of first, then the largest objects that it missed."""
    chosen = [
        mistake
        for image, of_image in judged
        for one in of_image
        if _is_wanted(mistake := Mistake(image, one), wanted)
    ]
    return sorted(chosen, key=_order)


def _is_wanted(mistake: Mistake, wanted: Wanted) -> bool:
    truth, detection = mistake.judged.truth, mistake.judged.detection
    confidence = detection.confidence if detection else None
    kinds = wanted.kinds or frozenset(KINDS) - {"right"}
    return (
        mistake.kind in kinds
        and wanted.label in ("", truth and truth.label, detection and detection.label)
        and _fits(mistake, wanted)
        and wanted.size in (None, mistake.size)
        and (wanted.min_confidence <= 0 if confidence is None else confidence >= wanted.min_confidence)
        and (confidence is None or confidence <= wanted.max_confidence)
    )


def _fits(mistake: Mistake, wanted: Wanted) -> bool:
    """Whether the mistake is one of the wanted cell of the confusion matrix."""
    one = mistake.judged
    truth = one.truth.label if one.truth and one.judgement != "duplicate" else NOTHING
    detected = one.detection.label if one.detection else NOTHING
    cells = [(truth, NOTHING), (NOTHING, detected)] if one.judgement == "loose" else [(truth, detected)]
    return any(
        wanted.truth in (None, cell_truth) and wanted.detected in (None, cell_detected)
        for cell_truth, cell_detected in cells
    )


def _order(mistake: Mistake) -> tuple[float, float, str]:
    truth, detection = mistake.judged.truth, mistake.judged.detection
    area = truth.box.width * truth.box.height if truth and truth.box else 0.0
    return (-detection.confidence if detection else 0.0, -area, mistake.image.key)
