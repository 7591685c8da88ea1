"""A run's training: Rekognition's datasets brought to its snapshot, a version trained on them and watched."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.costs import budget
from lambdas.domain.engines.port import (
    MAX_UNDESCRIBED_SECONDS,
    Datasets,
    EngineError,
    LimitReachedError,
    NotYetError,
    Step,
    Version,
)
from lambdas.domain.retrain import version_room
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import ModelVersion, Run
from lambdas.domain.shared.state import FencedState, LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Engine

_NOT_IN_TAGS = re.compile(r"[^\w.:/=+@-]")
"""https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html"""
_MAX_IN_USE_SECONDS = 3600
"""Datasets that changed, or a version that was just begun, are in use for minutes."""


def sync_datasets(datasets: Datasets, loop_state: FencedState, run_id: str, snapshot_id: str) -> Step:
    """Bring the engine's datasets a step closer to the snapshot; to be called until they are ready."""
    step = datasets.sync(snapshot_id)
    if step.ready:
        loop_state.update_run(Run(run_id, flagged_entries=datasets.flagged(), waits_for=""))
    elif step.waits_for:
        loop_state.update_run(Run(run_id, waits_for=step.waits_for))
    elif step.error:
        loop_state.update_run(Run(run_id, stopped=True))
    return step


@frozen
class Begun:
    """A version, and why its training has not begun; empty if it has."""

    version: str
    waits_for: str = ""
    """What has to happen before it can begin."""
    held: str = ""
    """Why it does not begin in this run."""


def begin_training(
    engine: Engine,
    loop_state: FencedState,
    *,
    bucket: str,
    run_id: str,
    snapshot_id: str,
    tuning: Tuning,
    waited_seconds: float = 0,
) -> Begun:
    """Begin to train a version on the project's datasets; to be called until it has begun.

    A training of the snapshot that another run has left behind is gone on with, and so is the one that the
    run began before. While the run waited the month's budget may have been used up: then none begins.

    Args:
        waited_seconds: how long the run has tried.

    Raises:
        LeaseLostError: the run has ended meanwhile. The sweeper records how its training ends.
        NotYetError: the datasets or the version have been in use for too long.
    """
    name = _version_name(engine, loop_state, run_id, snapshot_id)
    if held := _over_budget(engine, loop_state, run_id, name, tuning):
        loop_state.update_run(Run(run_id, waits_for="", held=True))
        loop_state.update_version(ModelVersion(name, state="failed", reason=held))
        return Begun(name, held=held)
    if not _is_begun(loop_state, name):
        # Of one that waited for a slot, too: whoever misses it in Rekognition has to know how new it is.
        loop_state.update_version(ModelVersion(name, created_at=clock.now()))
    try:
        version = engine.train_version(
            name,
            bucket=bucket,
            # Whoever starts an execution by hand may name it with more than a tag may have.
            tags={"labelloop:snapshot": snapshot_id, "labelloop:run": _NOT_IN_TAGS.sub("_", run_id)},
        )
    except LimitReachedError as limit:
        waits_for = version_room.make_room(engine, loop_state, limit) or limit.waits_for
        loop_state.update_run(Run(run_id, waits_for=waits_for))
        return Begun(name, waits_for)
    except NotYetError as error:
        if waited_seconds > _MAX_IN_USE_SECONDS:
            raise
        waits_for = f"what is in use: {error}"
        loop_state.update_run(Run(run_id, waits_for=waits_for))
        return Begun(name, waits_for)
    loop_state.update_run(Run(run_id, waits_for=""))
    loop_state.update_version(ModelVersion(name, arn=version.arn))
    return Begun(name)


def _over_budget(
    engine: Engine,
    loop_state: FencedState,
    run_id: str,
    name: str,
    tuning: Tuning,
) -> str:
    """Why the budget does not allow the training; empty if it does, or it was begun and is paid for."""
    run = loop_state.run(run_id)
    expected = run.forecast_usd if run and run.forecast_usd else 0.0
    verdict = budget.check(loop_state, tuning, clock.now(), adds_usd=expected)
    if verdict.allowed or _is_begun(loop_state, name):
        return ""
    is_described = engine.describe_version(name) is not None
    return "" if is_described else verdict.reason


def _version_name(
    engine: Engine,
    loop_state: FencedState,
    run_id: str,
    snapshot_id: str,
) -> str:
    """The name of the version that the run trains, which is on record: so the sweeper knows what to settle if
    the run stops in between."""
    run = loop_state.run(run_id)
    if run and run.version:
        return run.version
    if left := _left_behind(engine, loop_state, snapshot_id):
        loop_state.update_version(replace(left, run=run_id, state="training", reason=""))
        loop_state.update_run(Run(run_id, version=left.id))
        return left.id
    number = loop_state.version_number(run_id)
    name = engine.version_name(number, snapshot_id)
    loop_state.update_version(
        ModelVersion(name, number=number, snapshot=snapshot_id, run=run_id, state="training")
    )
    loop_state.update_run(Run(run_id, version=name))
    return name


def _left_behind(engine: Engine, loop_state: LoopState, snapshot_id: str) -> ModelVersion | None:
    """A version of this snapshot that no gate has judged, as its run has ended, while its training goes on or
    is complete: it was paid for.

    Only the run that has the lease asks, so no other works on it.
    """
    for record in loop_state.versions():
        if (
            record.trained_on == snapshot_id
            and record.state in ("training", "trained")
            and not record.verdicts
        ):
            version = engine.describe_version(record.id)
            if version and (version.status == "TRAINING_IN_PROGRESS" or version.is_trained):
                return record
    return None


def watch_training(
    engine: Engine,
    loop_state: FencedState,
    name: str,
    waited_seconds: float = 0,
) -> Version:
    """The version as Rekognition describes it now; a training that failed is recorded.

    Args:
        waited_seconds: how long ago the training began: right after that it need not be described yet.

    Raises:
        EngineError: the version was deleted.
    """
    version = engine.describe_version(name)
    if version is None and waited_seconds < MAX_UNDESCRIBED_SECONDS and _is_begun(loop_state, name):
        return Version("", name, "TRAINING_IN_PROGRESS", "not described yet", None, None, 0)
    version = version or describe(engine, name)
    if version.status == "TRAINING_FAILED":
        loop_state.update_version(ModelVersion(name, state="failed", reason=version.message))
    # What is always on runs from then on: the run goes on with what it was waiting for.
    return replace(version, status="TRAINING_COMPLETED") if version.is_trained else version


def _is_begun(loop_state: LoopState, name: str) -> bool:
    record = loop_state.version(name)
    return bool(record and record.arn)


def describe(engine: Engine, name: str) -> Version:
    """A run's version as Rekognition describes it.

    Raises:
        EngineError: it was deleted.
    """
    version = engine.describe_version(name)
    if version is None:
        raise EngineError(f"model version {name} was deleted")
    return version
