"""A training whose engine announces its end: the run waits with a task token, and nobody looks meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from lambdas.domain.shared import task_tokens
from lambdas.domain.shared.records import AwaitedTraining
from lambdas.domain.shared.state import FencedState, LoopState

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine

logger = Logger(child=True)


def wait_for_end(
    engine: Engine, stepfunctions: SFNClient, loop_state: FencedState, name: str, token: str
) -> None:
    """Let the run go on once the training of a version ends; at once if it has ended before this.

    Args:
        token: lets the run's execution go on.

    Raises:
        LeaseLostError: the run has ended meanwhile.
    """
    loop_state.await_training(AwaitedTraining(name, token))
    # In this order: what ends in between is seen here, and what ends later finds the token.
    version = engine.describe_version(name)
    if version is None or version.status != "TRAINING_IN_PROGRESS":
        tell_end(stepfunctions, loop_state, name)


def tell_end(stepfunctions: SFNClient, loop_state: LoopState, name: str) -> bool:
    """Let the run go on that waits for the end of this training: whether one waited.

    AWS may tell of an end more than once.
    """
    awaited = loop_state.awaited_training(name)
    if awaited is None:
        return False
    waited = task_tokens.succeed(stepfunctions, awaited.token, "{}")
    loop_state.forget_awaited(awaited)
    logger.info("the training of %s has ended; its run %s", name, "goes on" if waited else "waits no longer")
    return waited
