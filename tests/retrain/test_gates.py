from __future__ import annotations

import pytest

from lambdas.domain.gates import LabelScore, Scores, Verdict, evaluation_gate, rollback_gate, shadow_gate
from lambdas.domain.tuning import Tuning

TUNING = Tuning(
    min_f1=0.8,
    min_label_f1=0.5,
    min_test_images_per_label=2,
    f1_tolerance=0.05,
    label_f1_tolerance=0.25,
)


def scores(f1: float, **labels: float) -> Scores:
    return Scores(f1, tuple(LabelScore(label, value, value, value, 5) for label, value in labels.items()))


# Gate 1


def test_a_good_version_passes_with_its_scores_as_the_reason() -> None:
    verdict = evaluation_gate(scores(0.8, cat=0.5, dog=1), {"cat": 2, "dog": 9}, TUNING)
    assert verdict == Verdict("evaluation", True, ("overall F1 0.800, every label 0.500 or more",))
    assert verdict.as_dict() == {"gate": "evaluation", "passed": True, "reasons": list(verdict.reasons)}


@pytest.mark.parametrize(
    ("found", "images", "reason"),
    [
        (scores(0.799, cat=1), {"cat": 2}, "overall F1 0.799 is below 0.800"),
        (scores(1, cat=0.499), {"cat": 2}, "cat: F1 0.499 is below 0.500"),
        (scores(1, cat=1), {"cat": 1}, "cat: 1 test images, fewer than 2"),
        (scores(1, cat=1), {"cat": 2, "dog": 2}, "dog: the evaluation says nothing about this label"),
    ],
)
def test_each_shortcoming_is_a_refusal(found: Scores, images: dict[str, int], reason: str) -> None:
    assert evaluation_gate(found, images, TUNING) == Verdict("evaluation", False, (reason,))


def test_every_reason_is_given() -> None:
    verdict = evaluation_gate(scores(0.1, cat=0.1, dog=0.2), {"cat": 1, "dog": 3, "fox": 0}, TUNING)
    assert not verdict.passed
    assert [reason.split(":")[0] for reason in verdict.reasons] == [
        "overall F1 0.100 is below 0.800",
        "cat",
        "cat",
        "dog",
        "fox",
        "fox",
    ]


# Gate 2


@pytest.mark.parametrize(("f1", "passed"), [(0.8, True), (0.79, False)])
def test_the_first_challenger_has_to_keep_what_its_training_promised(f1: float, passed: bool) -> None:
    verdict = shadow_gate(scores(f1, cat=0), None, TUNING)
    assert verdict.passed is passed
    assert "no champion yet" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("challenger", "champion", "passed"),
    [
        pytest.param(scores(0.9, cat=0.9), scores(0.8, cat=0.8), True, id="better"),
        pytest.param(scores(0.8, cat=0.8), scores(0.8, cat=0.8), True, id="the same"),
        pytest.param(scores(0.76, cat=0.8), scores(0.8, cat=0.8), True, id="worse within tolerance"),
        pytest.param(scores(0.74, cat=0.8), scores(0.8, cat=0.8), False, id="worse"),
        pytest.param(scores(0.9, cat=0.5), scores(0.8, cat=0.8), False, id="one label worse"),
        pytest.param(scores(0.9, cat=0.6), scores(0.8, cat=0.8), True, id="one label within tolerance"),
        pytest.param(
            scores(0.8, cat=0.8, fox=0), scores(0.8, cat=0.8), True, id="a label the champion lacks"
        ),
        pytest.param(scores(0.3, cat=0.3), scores(0.2, cat=0.2), True, id="both are bad"),
    ],
)
def test_the_challenger_must_not_be_worse(challenger: Scores, champion: Scores, passed: bool) -> None:
    verdict = shadow_gate(challenger, champion, TUNING)
    assert verdict.passed is passed
    assert verdict.reasons
    assert verdict.gate == "shadow"


def test_a_rollback_is_a_person_s_decision() -> None:
    verdict = rollback_gate(scores(0.1))
    assert verdict.passed
    assert "0.100" in verdict.reasons[0]
