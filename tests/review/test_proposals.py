"""Which detections are worth a person's time."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import pytest

from lambdas.domain.detect.detection import Detected
from lambdas.domain.review import proposals
from lambdas.domain.review.desk.task import Reason
from lambdas.domain.shared.tuning import Tuning

IMAGES = 20_000


def detected(*confidences: float, left_out: tuple[float, ...] = ()) -> Detected:
    """What a champion answers, and what its thresholds leave out."""
    return Detected("detected", "results/a.json", _labels(confidences), "v1", _labels(left_out))


def _labels(confidences: tuple[float, ...]) -> tuple[dict[str, Any], ...]:
    return tuple({"label": "cat", "confidence": confidence} for confidence in confidences)


def name(number: int) -> str:
    return hashlib.sha256(f"detect/{number}.jpg\0".encode()).hexdigest()


@pytest.mark.parametrize(
    ("detected", "below", "why"),
    [
        (detected(), 60, None),
        (detected(60.0, 99.0), 60, None),
        (detected(59.999, 99.0), 60, "low_confidence"),
        (detected(1.0), 0, None),
        (detected(99.999), 100, "low_confidence"),
        (detected(100.0), 100, None),
        (detected(99.0, left_out=(97.0,)), 60, "low_confidence"),
        (detected(left_out=(50.0,)), 60, "low_confidence"),
    ],
)
def test_what_the_champion_is_unsure_of_is_reviewed(
    detected: Detected, below: float, why: Reason | None
) -> None:
    tuning = Tuning(review_confidence_threshold=below, review_sample_rate=0)
    assert proposals.worth_review(detected, name(0), tuning) == why


def test_images_of_a_label_that_test_images_are_needed_of_are_asked_about() -> None:
    """What the champion is unsure of, and the sample, are what they were."""
    tuning = Tuning(review_sample_rate=0)
    assert proposals.worth_review(detected(99.0), name(0), tuning, {"cat"}) == "needed"
    assert proposals.worth_review(detected(99.0), name(0), tuning, {"dog"}) is None
    assert proposals.worth_review(detected(9.0), name(0), tuning, {"cat"}) == "low_confidence"
    assert proposals.worth_review(detected(99.0), name(0), Tuning(review_sample_rate=1), {"cat"}) == "sample"


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_the_sample_is_the_share_that_is_asked_for(share: float) -> None:
    """Within four standard deviations of as many throws."""
    tuning = Tuning(review_sample_rate=share)
    sampled = sum(proposals.worth_review(detected(90.0), name(n), tuning) == "sample" for n in range(IMAGES))
    assert abs(sampled - share * IMAGES) <= 4 * math.sqrt(IMAGES * share * (1 - share))


def test_a_larger_share_samples_what_a_smaller_one_did() -> None:
    few, many = Tuning(review_sample_rate=0.1), Tuning(review_sample_rate=0.2)
    for number in range(500):
        if proposals.worth_review(detected(), name(number), few):
            assert proposals.worth_review(detected(), name(number), many) == "sample"


@pytest.mark.parametrize(
    ("tuning", "floor"),
    [
        (Tuning(review_min_confidence=45), 45),
        (Tuning(review_confidence_threshold=0), None),
        (Tuning(review_route="none"), None),
    ],
)
def test_what_is_left_out_is_asked_for_only_where_it_is_looked_at(
    tuning: Tuning, floor: float | None
) -> None:
    assert proposals.question(tuning).min_confidence == floor
