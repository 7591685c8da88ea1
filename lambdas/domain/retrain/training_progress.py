"""How far a training is, and how long it may still take.

Amazon Rekognition tells of a training only that it is in progress: DescribeProjectVersions has a
StatusMessage and no share that is done. So the time left is an estimate, by how long the trainings of earlier
runs took. Where the service's message names a percentage of the whole training, as the embedded stack's does,
that is the progress.
https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import median
from typing import Literal

from lambdas.domain.retrain.steps import STEPS
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Run, is_serverless

TRAINING = "train the model"
"""The step of a run (steps.STEPS) that this is about."""
_COMPARED_RUNS = 5
"""Of the newest runs that went through a step, so many tell how long it takes."""
_MIN_FRACTION = 0.05
"""Before that, how long a training has taken says too little of how long it will take."""
_PERCENT = re.compile(r"being (?:trained|tested|checked): (\d{1,3}) ?%")

Basis = Literal["service", "earlier_runs", "none"]


@frozen
class TrainingProgress:
    """How far a training is. Seconds so far and left, and the share that is done, from 0 to 1."""

    message: str
    """The service's own words; empty if it has none."""
    elapsed_seconds: float
    basis: Basis
    """What share and time left are by: the service's percentage, earlier runs, or nothing."""
    fraction: float | None = None
    seconds_left: float | None = None
    """None if nothing is known, or if it takes longer than those before."""
    estimated_seconds: float | None = None
    """How long the trainings of earlier runs took: their median."""
    earlier_runs: int = 0
    """How many runs that is of."""


def training_progress(elapsed_seconds: float, message: str, runs: Iterable[Run]) -> TrainingProgress:
    """How far a training is that is under way.

    Args:
        message: what the service says of the version in training.
        runs: the newest first; those count that trained a version to its end.
    """
    earlier = step_seconds(TRAINING, runs)
    usual = round(median(earlier), 1) if earlier else None
    named = _PERCENT.search(message)
    if named and (fraction := int(named[1]) / 100) <= 1:
        left = elapsed_seconds * (1 - fraction) / fraction if fraction >= _MIN_FRACTION else None
        basis: Basis = "service"
    elif usual:
        fraction = min(elapsed_seconds / usual, 0.99)
        left = usual - elapsed_seconds if elapsed_seconds < usual else None
        basis = "earlier_runs"
    else:
        return TrainingProgress(message, elapsed_seconds, "none")
    return TrainingProgress(
        message,
        elapsed_seconds,
        basis,
        fraction=round(fraction, 3),
        seconds_left=None if left is None else round(left, 1),
        estimated_seconds=usual,
        earlier_runs=len(earlier),
    )


def of_engine(runs: Iterable[Run], engine: str) -> list[Run]:
    """The runs whose versions an engine of this name trained: another takes its own time."""
    return [run for run in runs if is_serverless(run.version or "") == (engine == "serverless")]


def step_seconds(name: str, runs: Iterable[Run]) -> list[float]:
    """Seconds that a step (steps.STEPS) took in the newest runs that went through it.

    Of a run that failed nobody knows whether it trained to the end, so it does not count.
    """
    return [
        sum(each.seconds for each in run.steps if each.step in STEPS[name])
        for run in runs
        if run.outcome in ("promoted", "rejected") and any(each.step in STEPS[name] for each in run.steps)
    ][:_COMPARED_RUNS]
