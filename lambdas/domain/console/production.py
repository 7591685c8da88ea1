"""How a version does in production: its precision by day and by label, and pictures of what has changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lambdas.domain.drift import counting, counts, reference, watch
from lambdas.domain.drift.counts import Counts
from lambdas.domain.drift.observations import Look, Observations
from lambdas.domain.drift.watch import DriftState
from lambdas.domain.evaluation.records import Evaluation
from lambdas.domain.review.desk.tasks import ReviewTable
from lambdas.domain.review.results import precision, production
from lambdas.domain.review.results.precision import Estimate, Precision, Stratum
from lambdas.domain.review.results.production import Judged

WEIGHTED = ("detect", "applications")
"""Sources of which it is counted how many detections arrived."""
MAX_PERIODS = 16
"""Points of a line over time: days, or as many days together as it takes."""
PICTURES = 6
"""Of either side."""


@dataclass(frozen=True)
class JudgedAnswers:
    """How right answers are, as far as reviews tell."""

    sure: Precision
    unsure: Precision
    whole: Estimate | None
    """Of all answers; None if a kind of them was never reviewed, or it is not counted how many there were."""


@dataclass(frozen=True)
class Period:
    """Some days in a row."""

    first_day: str
    last_day: str
    images: int
    """That arrived."""
    detections: int
    answers: JudgedAnswers


@dataclass(frozen=True)
class Production:
    """How right a version is in production, as far as it is known."""

    version: str
    images: int
    detections: int
    unsure_detections: int
    answers: JudgedAnswers
    """Of images under detect/ and of applications."""
    others: Mapping[str, JudgedAnswers]
    """Of clips and batches, by source."""
    periods: Sequence[Period]
    labels: Mapping[str, JudgedAnswers]


@dataclass(frozen=True)
class Picture:
    """An image as it looks to the version."""

    key: str
    labels: tuple[str, ...]
    detections: int
    confidence: float | None
    size: float | None


def read(reviews: ReviewTable, observations: Observations, version: str) -> Production:
    """What is known of a version, from what was counted: two queries, however many images there were."""
    reviewed = production.read(reviews, version)
    days = _by_day(observations, version)
    together = counts.merged(days.values())
    label_names = sorted({*reviewed.labels, *together.label_kinds})
    in_all = reviewed.in_all()
    return Production(
        version=version,
        images=together.images,
        detections=together.kinds.total(),
        unsure_detections=_arrived(together.kinds, "unsure"),
        answers=_answers(in_all, together.kinds, WEIGHTED),
        others={
            source: _answers(in_all, Counter(), (source,))
            for source in production.SOURCES
            if source not in WEIGHTED and any(kind.source == source for kind in in_all)
        },
        periods=_periods(reviewed.days, days),
        labels={
            label: _answers(
                reviewed.labels.get(label, {}), together.label_kinds.get(label, Counter()), WEIGHTED
            )
            for label in label_names
        },
    )


def _by_day(observations: Observations, version: str) -> dict[str, Counts]:
    days: dict[str, Counts] = {}
    for (day, _), counted in counting.counts_of(observations, version).items():
        days[day] = counts.merged([days[day], counted]) if day in days else counted
    return days


def _answers(judged: Judged, arrived: Counter[str], sources: Sequence[str]) -> JudgedAnswers:
    parts: dict[Stratum, Precision] = {
        stratum: sum(
            (one for kind, one in judged.items() if kind.source in sources and kind.stratum == stratum),
            Precision(),
        )
        for stratum in production.STRATA
    }
    weights = [(part, _arrived(arrived, stratum)) for stratum, part in parts.items()]
    return JudgedAnswers(parts["sure"], parts["unsure"], precision.weighted(weights))


def _arrived(kinds: Counter[str], stratum: Stratum) -> int:
    """Detections of images of which it is counted how many arrived."""
    return sum(kinds[f"{source}#{stratum}"] for source in WEIGHTED)


def _periods(reviewed: Mapping[str, Judged], arrived: Mapping[str, Counts]) -> list[Period]:
    days = sorted({*reviewed, *arrived})
    size = math.ceil(len(days) / MAX_PERIODS) or 1
    # The newest is whole.
    first = len(days) % size
    groups = [days[:first], *(days[start : start + size] for start in range(first, len(days), size))]
    return [_period(group, reviewed, arrived) for group in groups if group]


def _period(days: Sequence[str], reviewed: Mapping[str, Judged], arrived: Mapping[str, Counts]) -> Period:
    judged = production.merged(reviewed[day] for day in days if day in reviewed)
    counted = [arrived[day] for day in days if day in arrived]
    # Without what was counted of each label, which takes as long again as all else.
    images, kinds = sum(one.images for one in counted), sum((one.kinds for one in counted), Counter[str]())
    return Period(days[0], days[-1], images, kinds.total(), _answers(judged, kinds, WEIGHTED))


# Pictures


def arrived_pictures(observations: Observations, state: DriftState) -> list[Picture]:
    """Images of the last four weeks that show what has changed most clearly, or what arrives."""
    days = _by_day(observations, state.version)
    examples = counts.merged(
        counted for day, counted in sorted(days.items())[-watch.WINDOWS["28 days"] :]
    ).examples
    pictures = [Picture(one.key, one.labels, one.detections, one.confidence, one.size) for one in examples]
    return _typical(pictures, state, lambda finding: finding.now)


def tested_pictures(
    evaluation: Evaluation, thresholds: Mapping[str, float], state: DriftState
) -> list[Picture]:
    """Test images that are as test images are where what arrives has changed.

    Args:
        thresholds: percent by label, the deployment's own.
    """
    looks = reference.of_evaluation(evaluation, thresholds)
    pictures = [_picture(key, look) for key, look in sorted(looks.items())]
    return _typical(pictures, state, lambda finding: finding.before)


def _picture(key: str, look: Look) -> Picture:
    return Picture(key, tuple(sorted(look.labels)), look.detections, look.confidence, look.size)


def _typical(
    pictures: Iterable[Picture], state: DriftState, usual: Callable[[watch.Finding], float | None]
) -> list[Picture]:
    """Those that come closest to what is usual on their side of the surest change."""
    chosen = list(pictures)
    if state.findings:
        finding = state.findings[0]
        chosen.sort(key=lambda picture: _distance(picture, finding, usual(finding)))
    return chosen[:PICTURES]


def _distance(picture: Picture, finding: watch.Finding, usual: float | None) -> float:
    if finding.kind == "label":
        # On the side where it is the more frequent, images that show it.
        is_more = usual == max(finding.now or 0, finding.before or 0)
        return float((finding.label in picture.labels) != is_more)
    values: dict[str, float | None] = {
        "detections": picture.detections,
        "confidence": picture.confidence,
        "size": picture.size,
    }
    value = values[finding.kind]
    return math.inf if value is None or usual is None else abs(value - usual)
