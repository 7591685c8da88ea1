"""How far a run is, by how long earlier runs took."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.retrain.run_progress import RunProgress, promotion_progress, run_progress
from lambdas.domain.retrain.training_progress import of_engine
from lambdas.domain.shared.records import Outcome, Run, RunStep


def earlier(train: float, promote: float, outcome: Outcome = "promoted") -> Run:
    took = (
        RunStep("WaitForBurst", 60.0),
        RunStep("WaitForQuiet", 40.0),
        RunStep("Train", 10.0),
        RunStep("WaitForTraining", train - 10.0),
        RunStep("Promote", promote),
    )
    return Run("run", outcome=outcome, steps=took)


RUNS = [earlier(600, 300), earlier(500, 200), earlier(5000, 9000, "failed"), earlier(700, 300)]
WAITED = ("wait for the burst of uploads to end", 100.0)


@pytest.mark.parametrize(
    ("passed", "message", "fraction", "left"),
    [
        # Of 100 s of waiting 25 are done; the medians of training and promotion are 600 and 300 s.
        ([(WAITED[0], 25.0)], "", 0.025, 975.0),
        ([WAITED, ("train the model", 300.0)], "", 0.4, 600.0),
        ([WAITED, ("train the model", 300.0)], "The model is being trained: 50%", 0.4, 600.0),
        ([WAITED, ("train the model", 900.0)], "", 0.769, None),
        ([WAITED, ("train the model", 600.0), ("promote", 250.0)], "", 0.95, 50.0),
        ([WAITED, ("train the model", 600.0), ("promote", 900.0)], "", 0.99, None),
    ],
)
def test_the_share_that_is_done(
    passed: list[tuple[str, float]], message: str, fraction: float, left: float | None
) -> None:
    assert run_progress(passed, message, RUNS) == RunProgress(fraction, left)


def test_nothing_is_said_without_earlier_runs() -> None:
    for runs in (list[Run](), [earlier(600, 300, "failed")], [Run("a", outcome="promoted")]):
        assert run_progress([WAITED], "", runs) == promotion_progress(9, runs) == RunProgress()


def test_the_first_training_is_known_by_the_service_alone() -> None:
    passed = [WAITED, ("train the model", 90.0)]
    assert run_progress(passed, "v1: The model is being trained: 30%", []) == RunProgress(0.3, 210.0)
    assert run_progress(passed, "v1: it is being trained", []) == RunProgress()


def test_an_engine_is_known_by_its_own_trainings() -> None:
    own = [replace(run, version="v1-abc") for run in RUNS]
    other = replace(earlier(50, 10), version="v2-abc-serverless")
    assert of_engine([other, *own], "rekognition") == own
    assert of_engine([other, *own], "serverless") == [other]


def test_a_promotion_by_hand_takes_as_long_as_those_of_runs() -> None:
    assert promotion_progress(75, RUNS) == RunProgress(0.25, 225.0)
    assert promotion_progress(400, RUNS) == RunProgress(0.99)
