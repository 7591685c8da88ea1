"""How far a training is, by the service's message and by earlier runs."""

from __future__ import annotations

from lambdas.domain.retrain.training_progress import training_progress
from lambdas.domain.shared.records import Outcome, Run, RunStep


def trained(seconds: float, outcome: Outcome = "promoted") -> Run:
    watched = (RunStep("Train", 1), RunStep("WatchTraining", 4), RunStep("WaitForTraining", seconds - 5))
    return Run("run", outcome=outcome, steps=(RunStep("Snapshot", 50), *watched, RunStep("Report", 9)))


def test_earlier_runs_tell_how_long_a_training_takes() -> None:
    runs = [Run("now", outcome="running"), trained(600), trained(500, "rejected"), trained(700)]
    progress = training_progress(150, "The model is being trained.", runs)
    assert (progress.basis, progress.estimated_seconds, progress.earlier_runs) == ("earlier_runs", 600, 3)
    assert (progress.fraction, progress.seconds_left) == (0.25, 450)


def test_a_training_that_takes_longer_than_usual_promises_nothing() -> None:
    progress = training_progress(900, "", [trained(600)])
    assert (progress.fraction, progress.seconds_left) == (0.99, None)


def test_failed_runs_runs_without_a_training_and_old_ones_do_not_count() -> None:
    short = [trained(10, "failed"), Run("skipped", outcome="skipped", steps=(RunStep("Snapshot", 3),))]
    progress = training_progress(10, "", [*short, *[trained(100)] * 5, trained(9000)])
    assert (progress.estimated_seconds, progress.earlier_runs) == (100, 5)


def test_the_first_training_has_no_estimate() -> None:
    progress = training_progress(60, "The model is being trained.", [Run("now", outcome="running")])
    assert (progress.basis, progress.fraction, progress.seconds_left) == ("none", None, None)


def test_a_percentage_that_the_service_names_counts_more_than_earlier_runs() -> None:
    message = "The model is being trained: 25 %, step 30, F1 of validation images 0.51."
    progress = training_progress(100, message, [trained(1000)])
    assert (progress.basis, progress.fraction, progress.seconds_left) == ("service", 0.25, 300)
    assert training_progress(2, "The model is being trained: 1%, step 1.", []).seconds_left is None
