"""Label issues: labels that are probably wrong, as a version contradicts them with confidence.

A version's word against a label is worth as much as it usually is: how often it is right about the label that
it sees, and how often it finds the label that it does not see. Both are measured on the same images, with
every mistake counted as the version's, so one that is often wrong weighs little. It is the idea of confident
learning (https://arxiv.org/abs/1911.00068), for boxes. What it says of images that it has learned from is
worth nothing; so of training images only the word of models counts that had not seen them.

Near-duplicates that are labelled differently contradict each other, without any model.

Label issues are ranked by what mending them is worth: how likely the label is wrong, then the share of its
labels' images in the dataset that one image is. That is how far it can move the F1 that gates decide by, and
how much of what a label is learned from is wrong.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Literal

from lambdas.domain.evaluation.matching import Judged, Judgement, judge, judge_all
from lambdas.domain.evaluation.measures import JudgedImages, label_counts
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, TrueObject
from lambdas.domain.shared import boxes
from lambdas.domain.shared.annotation import DatasetType
from lambdas.domain.shared.comparison import Counts

SeenBy = Literal["version", "champion", "near_duplicate"]
"""What contradicts the label: the version itself, or models of its training that had not seen the image; the
champion, which had not either; or an image that looks much like it and is labelled otherwise."""
IssueType = Literal["wrong_label", "missing", "loose", "spurious"]
"""`wrong_label`: an object is labelled as something else; `missing`: one is not labelled; `loose`: its box
is not where the object is; `spurious`: a box is where no object is."""
_LOOSE_WEIGHT, _ABSENCE_WEIGHT = 0.6, 0.4
"""Boxes that fit badly, and objects that are missed, are the detector's fault more often than the label's."""
_LEVELS, _NEAR_LEVELS = 20, 4
"""Of confidence, and how many levels apart two detections still tell something of each other."""
_ANY, _OTHERS_WEIGHT = "", 0.2
"""All labels together, and how much a detection of any label tells of one of another."""
MAX_COMPARED = 50
"""Images that look the same with which each is compared. Those of a camera that does not move all do, and all
pairs of some thousands take longer than there is time for."""
BANDS = 10
"""Of mistakenness: among label issues that are about as likely, those come first that are worth most to mend.
With the likelihood as coarse as it is, effect alone would put what is hardly wrong before what surely is."""


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
    """How likely the label is wrong, between 0 and 1, as far as can be told."""
    dataset: DatasetType = "TEST"
    seen_by: SeenBy = "version"
    effect: float = 1.0
    """The share of its labels' images that the image is, on average over the dataset's labels: between 0 and
    1."""
    twin: str = ""
    """Key of an image that looks much like it and is labelled otherwise."""

    @property
    def worth(self) -> float:
        """What mending it is worth."""
        return self.mistakenness * self.effect

    @property
    def id(self) -> str:
        """The same for the same label issue, whichever version raises it."""
        truth = _written(self.truth) if self.truth else ""
        # Another version sees the object some pixels off.
        seen = f"{self.detection.label} {_about(self.detection)}" if self.detection else ""
        text = "\n".join((self.image.sha256, self.issue_type, truth, seen))
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def label_issues(
    evaluation: Evaluation, dataset: DatasetType = "TEST", seen_by: SeenBy = "version"
) -> list[LabelIssue]:
    """Every label that is contradicted by what was seen, the likeliest to be wrong first."""
    judged = judge_all(evaluation, evaluation.thresholds())
    words = [(image, word) for image, of_image in judged for word in _words(of_image)]
    rates = _Rates(judged, (word.judged for _, word in words))
    issues = [
        replace(issue, dataset=dataset, seen_by=seen_by)
        for image, word in words
        if (issue := _issue(image, word, rates))
    ]
    return sorted(issues, key=lambda issue: (-issue.mistakenness, issue.image.key, issue.id))


def disagreements(alike: Sequence[tuple[TestImage, DatasetType]]) -> list[LabelIssue]:
    """Labels of images that look the same, where some of the images are labelled otherwise.

    Of two either may be wrong; of more, rather the one that the others contradict. Boxes have to be in the
    same place, so that only what is called differently is one; which of several objects are drawn is told
    where at least one object is drawn in both.
    """
    issues = []
    for number, (image, dataset) in enumerate(alike):
        others = [
            alike[(number + step) % len(alike)][0] for step in range(1, min(len(alike), MAX_COMPARED + 1))
        ]
        for issue in _against(image, others):
            issues.append(replace(issue, dataset=dataset, seen_by="near_duplicate"))
    return issues


def ranked(issues: Iterable[LabelIssue], images: Mapping[DatasetType, Mapping[str, int]]) -> list[LabelIssue]:
    """The label issues in the order in which mending them is worth most, each label once.

    Args:
        images: of each dataset, how many show each label.
    """
    by_image = sorted(issues, key=lambda issue: (issue.image.key, -issue.mistakenness, issue.id))
    merged = [one for _, of in groupby(by_image, key=attrgetter("image.key")) for one in _merged(of)]
    weighed = [replace(issue, effect=_effect(issue, images.get(issue.dataset, {}))) for issue in merged]
    return sorted(
        weighed,
        key=lambda one: (
            -int(one.mistakenness * BANDS),
            -one.worth,
            -one.mistakenness,
            one.image.key,
            one.id,
        ),
    )


def _effect(issue: LabelIssue, images: Mapping[str, int]) -> float:
    labels = {thing.label for thing in (issue.truth, issue.detection) if thing}
    shares = sum(1 / max(1, images.get(label, 0)) for label in labels)
    return min(1.0, shares / max(1, len(images)))


def _merged(issues: Iterable[LabelIssue]) -> list[LabelIssue]:
    """The label issues of an image, the surest first; what two say of one label is one."""
    merged: list[LabelIssue] = []
    for issue in issues:
        same = next((number for number, one in enumerate(merged) if is_same(one, issue)), None)
        if same is None:
            merged.append(issue)
            continue
        first = merged[same]
        both = 1 - (1 - first.mistakenness) * (1 - issue.mistakenness)
        merged[same] = replace(first, mistakenness=both, twin=first.twin or issue.twin)
    return merged


def is_same(one: LabelIssue, other: LabelIssue) -> bool:
    """Whether both are about one label of the image, or about one that is missing."""
    if one.truth or other.truth:
        return one.truth == other.truth
    seen, others = one.detection, other.detection
    if seen is None or others is None or seen.label != others.label:
        return False
    return seen.box is None or others.box is None or boxes.iou(seen.box, others.box) >= boxes.MIN_IOU


def _against(image: TestImage, others: Sequence[TestImage]) -> list[LabelIssue]:
    """The labels of an image that others, which look the same, contradict."""
    issues: dict[str, list[LabelIssue]] = {}
    for other in others:
        seen = tuple(Detection(truth.label, 1.0, truth.box) for truth in other.truths)
        judged = judge(replace(image, detections=seen), {})
        is_still = any(one.is_right for one in judged)
        for one in judged:
            if one.judgement == "confusion" or (one.judgement in ("background", "missed") and is_still):
                issue = _disagreement(image, other, one)
                issues.setdefault(issue.id, []).append(issue)
    shares = {id: len(each) / (len(others) + 1) for id, each in issues.items()}
    return [replace(each[0], mistakenness=shares[id]) for id, each in issues.items()]


def _disagreement(image: TestImage, other: TestImage, one: Judged) -> LabelIssue:
    kinds: dict[str, IssueType] = {"confusion": "wrong_label", "background": "missing", "missed": "spurious"}
    return LabelIssue(image, kinds[one.judgement], one.truth, one.detection, 0.0, twin=other.key)


class _Rates:
    """How much a version's word is worth, by the label that it says and how sure it is.

    Detections of about the same confidence tell most, those of the same label more than others.
    """

    def __init__(self, judged: JudgedImages, words: Iterable[Judged]) -> None:
        self._counts: Mapping[str, Counts] = label_counts(judged)
        outcomes: Counter[tuple[str, int, Judgement]] = Counter(
            (one.detection.label, _level(one.detection), one.judgement) for one in words if one.detection
        )
        self._outcomes: dict[str, dict[int, Counter[Judgement]]] = {}
        for (label, level, judgement), count in outcomes.items():
            for name in (label, _ANY):
                levels = self._outcomes.setdefault(name, {})
                levels.setdefault(level, Counter())[judgement] += count

    def is_right(self, detection: Detection) -> float:
        """How often such a detection, on an object, has the object's label."""
        return self._share(detection, ("right",), ("confusion",))

    def is_there(self, detection: Detection) -> float:
        """How often there is an object where there is such a detection."""
        return self._share(detection, ("right", "confusion", "loose"), ("background",))

    def recall(self, label: str) -> float:
        """How often an object of the label is found; one found and one missed are added, for rare labels."""
        right, _, missed = self._counts.get(label, Counts())
        return (right + 1) / (right + missed + 2)

    def _share(self, detection: Detection, good: Sequence[Judgement], bad: Sequence[Judgement]) -> float:
        """One good and one bad outcome are added, for what is rare."""
        sums = [1.0, 1.0]
        for name, weight in ((detection.label, 1.0), (_ANY, _OTHERS_WEIGHT)):
            for level, outcomes in self._outcomes.get(name, {}).items():
                near = weight * max(0.0, 1 - abs(level - _level(detection)) / _NEAR_LEVELS)
                sums[0] += near * sum(outcomes[judgement] for judgement in good)
                sums[1] += near * sum(outcomes[judgement] for judgement in bad)
        return sums[0] / sum(sums)


def _level(detection: Detection) -> int:
    return round(_LEVELS * detection.confidence)


def _issue(image: TestImage, word: _Word, rates: _Rates) -> LabelIssue | None:
    one = word.judged
    truth, detection = one.truth, one.detection
    if one.judgement == "missed" and truth:
        return LabelIssue(image, "spurious", truth, None, _ABSENCE_WEIGHT * rates.recall(truth.label))
    if detection is None:
        return None
    if one.judgement == "background":
        return LabelIssue(image, "missing", None, detection, rates.is_there(detection))
    mistakenness = word.sureness(detection) * rates.is_right(detection)
    if one.judgement == "confusion" and truth:
        return LabelIssue(image, "wrong_label", truth, detection, mistakenness)
    if one.judgement == "loose" and truth:
        return LabelIssue(image, "loose", truth, detection, _LOOSE_WEIGHT * mistakenness)
    return None


@dataclass(frozen=True)
class _Word:
    """What a version says of an object, or of a place where none is labelled."""

    judged: Judged
    for_label: float = 0.0
    """The confidence with which it sees the object's own label as well; 0: that is not known."""

    def sureness(self, detection: Detection) -> float:
        """How sure it is of what it sees; where it sees the object's own label as well, of the two."""
        if not self.for_label:
            return detection.confidence
        return detection.confidence / (detection.confidence + self.for_label)


def _words(judged: Sequence[Judged]) -> list[_Word]:
    """What is said of each object: where another label is seen surer than its own, that one."""
    right = {id(one.truth): one.detection for one in judged if one.is_right and one.truth and one.detection}
    surer: dict[int, _Word] = {}
    for one in judged:
        own = right.get(id(one.truth))
        if one.judgement != "duplicate" or not (one.truth and one.detection and own):
            continue
        if one.detection.label != one.truth.label and one.detection.confidence > own.confidence:
            confusion = Judged("confusion", one.truth, one.detection, one.overlap)
            surer.setdefault(id(one.truth), _Word(confusion, own.confidence))
    kept = [_Word(one) for one in judged if not (one.is_right and id(one.truth) in surer)]
    return [*kept, *surer.values()]


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
