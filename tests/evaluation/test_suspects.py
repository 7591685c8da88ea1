"""Labels that a version contradicts: which, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import wrong_labels
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, TrueObject
from lambdas.domain.evaluation.suspects import suspects
from lambdas.domain.shared.boxes import RelativeBox


def true(label: str, left: float = 0.1) -> TrueObject:
    return TrueObject(label, RelativeBox(label, left, 0.1, 0.2, 0.2))


def seen(label: str, confidence: float, left: float = 0.1, width: float = 0.2) -> Detection:
    return Detection(label, confidence, RelativeBox(label, left, 0.1, width, 0.2))


def image(*things: TrueObject | Detection, key: str = "images/a.jpg") -> TestImage:
    truths = tuple(thing for thing in things if isinstance(thing, TrueObject))
    found = [thing for thing in things if isinstance(thing, Detection)]
    found.sort(key=lambda detection: -detection.confidence)
    return TestImage(key, 1000, 1000, truths, tuple(found))


def evaluation(*images: TestImage) -> Evaluation:
    return Evaluation("training", "detection", images)


@pytest.mark.parametrize(
    ("things", "accusation"),
    [
        ((true("cat"), seen("dog", 0.9)), "wrong_label"),
        ((seen("dog", 0.9),), "missing"),
        ((true("cat"), seen("cat", 0.9, width=0.8)), "loose"),
        ((true("cat"),), "nothing_there"),
        ((true("cat"), seen("cat", 0.6), seen("dog", 0.9)), "wrong_label"),
    ],
    ids=["confusion", "background", "loose", "missed", "surer of another label"],
)
def test_what_is_accused(things: tuple[TrueObject | Detection, ...], accusation: str) -> None:
    (suspect,) = suspects(evaluation(image(*things)))
    assert suspect.accusation == accusation
    assert 0 < suspect.suspicion < 1


def test_what_is_right_is_not_accused() -> None:
    assert suspects(evaluation(image(true("cat"), seen("cat", 0.9), seen("dog", 0.6)))) == []


def test_the_word_of_a_label_that_is_often_seen_wrongly_is_worth_less() -> None:
    good = [image(true("cat"), seen("cat", 0.9), key=f"images/{number}.jpg") for number in range(9)]
    bad = [image(seen("dog", 0.9), key=f"images/x{number}.jpg") for number in range(4)]
    accused = suspects(evaluation(*good, *bad, image(seen("cat", 0.8), key="images/y.jpg")))
    assert accused[0].detection is not None
    assert accused[0].detection.label == "cat"


def test_an_accusation_keeps_its_id_when_another_version_makes_it() -> None:
    first, other = (
        suspects(evaluation(image(true("cat"), seen("dog", confidence, left=left))))[0].id
        for confidence, left in ((0.9, 0.1), (0.7, 0.102))
    )
    assert first == other
    assert suspects(evaluation(image(true("cat"), seen("cow", 0.9))))[0].id != first
    moved = replace(image(true("cat"), seen("dog", 0.9)), key="images/b.jpg")
    assert suspects(evaluation(moved))[0].id != first


def test_planted_errors_of_a_good_detector_come_first() -> None:
    known, planted = wrong_labels.simulated(seed=1, quality=0.95)
    assert wrong_labels.recalls(known, planted)[0.1] >= wrong_labels.WANTED
