"""Label issues: which there are, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import label_issues as benchmark
from lambdas.domain.evaluation.label_issues import label_issues
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, TrueObject
from lambdas.domain.shared.boxes import RelativeBox


def true(label: str, left: float = 0.1) -> TrueObject:
    return TrueObject(label, RelativeBox(label, left, 0.1, 0.2, 0.2))


def seen(label: str, confidence: float, left: float = 0.1, width: float = 0.2) -> Detection:
    return Detection(label, confidence, RelativeBox(label, left, 0.1, width, 0.2))


def image(*things: TrueObject | Detection, key: str = "images/a.jpg") -> TestImage:
    truths = tuple(thing for thing in things if isinstance(thing, TrueObject))
    detections = [thing for thing in things if isinstance(thing, Detection)]
    detections.sort(key=lambda detection: -detection.confidence)
    return TestImage(key, 1000, 1000, truths, tuple(detections))


def evaluation(*images: TestImage) -> Evaluation:
    return Evaluation("training", "detection", images)


@pytest.mark.parametrize(
    ("things", "issue_type"),
    [
        ((true("cat"), seen("dog", 0.9)), "wrong_label"),
        ((seen("dog", 0.9),), "missing"),
        ((true("cat"), seen("cat", 0.9, width=0.8)), "loose"),
        ((true("cat"),), "spurious"),
        ((true("cat"), seen("cat", 0.6), seen("dog", 0.9)), "wrong_label"),
    ],
    ids=["confusion", "background", "loose", "missed", "surer of another label"],
)
def test_which_labels_are_issues(things: tuple[TrueObject | Detection, ...], issue_type: str) -> None:
    (issue,) = label_issues(evaluation(image(*things)))
    assert issue.issue_type == issue_type
    assert 0 < issue.mistakenness < 1


def test_what_is_right_is_no_issue() -> None:
    assert label_issues(evaluation(image(true("cat"), seen("cat", 0.9), seen("dog", 0.6)))) == []


def test_the_word_of_a_label_that_is_often_seen_wrongly_is_worth_less() -> None:
    good = [image(true("cat"), seen("cat", 0.9), key=f"images/{number}.jpg") for number in range(9)]
    bad = [image(seen("dog", 0.9), key=f"images/x{number}.jpg") for number in range(4)]
    issues = label_issues(evaluation(*good, *bad, image(seen("cat", 0.8), key="images/y.jpg")))
    assert issues[0].detection is not None
    assert issues[0].detection.label == "cat"


def test_a_label_issue_keeps_its_id_when_another_version_raises_it() -> None:
    first, other = (
        label_issues(evaluation(image(true("cat"), seen("dog", confidence, left=left))))[0].id
        for confidence, left in ((0.9, 0.1), (0.7, 0.102))
    )
    assert first == other
    assert label_issues(evaluation(image(true("cat"), seen("cow", 0.9))))[0].id != first
    moved = replace(image(true("cat"), seen("dog", 0.9)), key="images/b.jpg")
    assert label_issues(evaluation(moved))[0].id != first


def test_planted_errors_of_a_good_detector_come_first() -> None:
    known, planted = benchmark.simulated(seed=1, quality=0.95)
    assert benchmark.recalls(known, planted)[0.1] >= benchmark.WANTED
