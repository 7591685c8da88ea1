"""What a training may spend, as the environment says it."""

from __future__ import annotations

import pytest

from local.engine.training.budget import Budget, label_check_seconds

SECONDS, STEPS = "LABELLOOP_TRAINING_SECONDS", "LABELLOOP_TRAINING_STEPS"


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, Budget(600)),
        ({SECONDS: "", STEPS: ""}, Budget(600)),
        ({SECONDS: "12.5"}, Budget(12.5)),
        ({STEPS: "300"}, Budget(600, 300)),
    ],
)
def test_the_environment_says_how_much(environment: dict[str, str], wanted: Budget) -> None:
    assert Budget.from_environment(environment) == wanted


def test_steps_may_be_more_than_a_floating_point_number_can_be() -> None:
    assert Budget.from_environment({STEPS: "9" * 400}).steps == 10**400 - 1


@pytest.mark.parametrize("name", [SECONDS, STEPS])
@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "inf"])
def test_what_is_no_number_above_zero_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is '{text}'; it has to be a number above 0"):
        Budget.from_environment({name: text})


def test_labels_are_checked_for_as_long_as_is_said() -> None:
    name = "LABELLOOP_LABEL_CHECK_SECONDS"
    assert [label_check_seconds({name: each}) for each in ("", "0", "7.5")] == [120.0, 0.0, 7.5]
    with pytest.raises(ValueError, match=f"{name} is 'long'"):
        label_check_seconds({name: "long"})
