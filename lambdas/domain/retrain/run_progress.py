"""How far a run or a promotion is, and how long it may still take, by how long earlier runs took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from lambdas.domain.retrain.steps import STEPS
from lambdas.domain.retrain.training_progress import TRAINING, step_seconds, training_progress
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Run

PROMOTION = "promote"
"""The step of a run (steps.STEPS) in which its promotion is."""


@frozen
class RunProgress:
    """The share of a run that is done, from 0 to 1, and the seconds left; None where nothing tells."""

    fraction: float | None = None
    seconds_left: float | None = None


def run_progress(passed: Sequence[tuple[str, float]], message: str, runs: Iterable[Run]) -> RunProgress:
    """How far a run is. The first training is known by the service's percentage alone, if it names one.

    Args:
        passed: the steps so far (steps.STEPS), with their seconds, the one under way last.
        message: what the service says of the version in training; empty while it does not train.
        runs: runs on record, newest first.
    """
    known = list(runs)
    usual = _usual_seconds(known)
    if not passed:
        return RunProgress()
    step, seconds = passed[-1]
    left, is_known = max(0.0, usual.get(step, 0.0) - seconds), True
    if step == TRAINING:
        training = training_progress(seconds, message, known)
        if TRAINING not in usual:
            return RunProgress(training.fraction, training.seconds_left)
        left = training.seconds_left or 0.0
        is_known = training.seconds_left is not None
    elif TRAINING not in usual:
        return RunProgress()
    left += sum(usual.get(name, 0.0) for name in list(STEPS)[list(STEPS).index(step) + 1 :])
    progress = _progress(sum(took for _, took in passed), left)
    # Nobody knows when a training ends that takes longer than those before.
    return progress if is_known else RunProgress(progress.fraction)


def promotion_progress(seconds: float, runs: Iterable[Run]) -> RunProgress:
    """How far a promotion or rollback is that has taken so many seconds."""
    usual = _usual_seconds(runs).get(PROMOTION)
    return RunProgress() if usual is None else _progress(seconds, max(0.0, usual - seconds))


def _progress(done: float, left: float) -> RunProgress:
    if not left:
        # It takes longer than those before.
        return RunProgress(0.99)
    return RunProgress(round(min(done / (done + left), 0.99), 3), round(left, 1))


def _usual_seconds(runs: Iterable[Run]) -> Mapping[str, float]:
    """How long each step took in earlier runs: the median."""
    known = list(runs)
    return {name: median(seconds) for name in STEPS if (seconds := step_seconds(name, known))}
