"""Label issues: labels that are probably wrong, as a version contradicts them with confidence.

A version's word against a label is worth as much as it usually is: how often it is right about the label that
it sees, and how often it finds the label that it does not see. Both are measured on the same images, with
every mistake counted as the version's, so one that is often wrong weighs little. It is the idea of confident
learning (https://arxiv.org/abs/1911.00068), for boxes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lambdas.domain.evaluation.matching import Judged, judge_all
from lambdas.domain.evaluation.measures import JudgedImages, label_counts
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, TrueObject
from lambdas.domain.shared.comparison import Counts

IssueType = Literal["wrong_label", "missing", "loose", "spurious"]
"""`wrong_label`: an object is labelled as something else; `missing`: one is not labelled; `loose`: its box
is not where the object is; `spurious`: a box is where no object is."""
_LOOSE_WEIGHT, _ABSENCE_WEIGHT = 0.6, 0.4
"""Boxes that fit badly, and objects that are missed, are the detector's fault more often than the label's."""


@dataclass(frozen=True)
class LabelIssue:
    """A label that is probably wrong, and what it should be."""

    image: TestImage
    issue_type: IssueType
    truth: TrueObject | None
    """As it is labelled; None where a label is missing."""
    detection: Detection | None
    """As the version sees it; None where it sees nothing."""
    mistakenness: float
    """How likely the label is wrong, between 0 and 1, as far as the version can tell."""

    @property
    def id(self) -> str:
        """The same for the same label issue, whichever version raises it."""
        truth = _written(self.truth) if self.truth else ""
        # Another version sees the object some pixels off.
        seen = f"{self.detection.label} {_about(self.detection)}" if self.detection else ""
        text = "\n".join((self.image.sha256, self.issue_type, truth, seen))
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def label_issues(evaluation: Evaluation) -> list[LabelIssue]:
    """Every label that the version contradicts, the likeliest to be wrong first."""
    judged = judge_all(evaluation, evaluation.thresholds())
    rates = _Rates(judged)
    issues = [
        issue
        for image, of_image in judged
        for issue in (_issue(image, one, rates) for one in [*of_image, *_surer_of_another(of_image)])
        if issue
    ]
    return sorted(issues, key=lambda issue: (-issue.mistakenness, issue.image.key, issue.id))


class _Rates:
    """How often a version is right about a label, and how often it finds it."""

    def __init__(self, judged: JudgedImages) -> None:
        self._counts: Mapping[str, Counts] = label_counts(judged)

    def precision(self, label: str) -> float:
        """How often a detection of the label is right; one right and one wrong are added, for rare labels."""
        right, wrong, _ = self._counts.get(label, Counts())
        return (right + 1) / (right + wrong + 2)

    def recall(self, label: str) -> float:
        """How often an object of the label is found; one found and one missed are added, for rare labels."""
        right, _, missed = self._counts.get(label, Counts())
        return (right + 1) / (right + missed + 2)


def _issue(image: TestImage, one: Judged, rates: _Rates) -> LabelIssue | None:
    truth, detection = one.truth, one.detection
    if one.judgement == "missed" and truth:
        return LabelIssue(image, "spurious", truth, None, _ABSENCE_WEIGHT * rates.recall(truth.label))
    if detection is None:
        return None
    mistakenness = detection.confidence * rates.precision(detection.label)
    if one.judgement == "confusion" and truth:
        return LabelIssue(image, "wrong_label", truth, detection, mistakenness)
    if one.judgement == "background":
        return LabelIssue(image, "missing", None, detection, mistakenness)
    if one.judgement == "loose" and truth:
        return LabelIssue(image, "loose", truth, detection, _LOOSE_WEIGHT * mistakenness)
    return None


def _surer_of_another(judged: Sequence[Judged]) -> list[Judged]:
    """Objects that the version finds under their label, but is surer of under another one."""
    right = {id(one.truth): one.detection for one in judged if one.is_right and one.truth and one.detection}
    return [
        Judged("confusion", one.truth, one.detection, one.overlap)
        for one in judged
        if one.judgement == "duplicate" and one.truth and one.detection
        if one.detection.label != one.truth.label
        and (its := right.get(id(one.truth))) is not None
        and one.detection.confidence > its.confidence
    ]


def _written(thing: TrueObject | Detection) -> str:
    box = thing.box
    sides = [round(10_000 * side) for side in (box.left, box.top, box.width, box.height)] if box else []
    return f"{thing.label} {sides}"


def _about(detection: Detection) -> list[int]:
    """Where a detection is, to a twentieth of the image."""
    box = detection.box
    return (
        [round(20 * middle) for middle in (box.left + box.width / 2, box.top + box.height / 2)] if box else []
    )
