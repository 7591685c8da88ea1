"""The record of a batch: one execution at a time writes it."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.shared.records import Batch
from tests.fixtures.deployment import World

FIRST, SECOND = (
    "arn:aws:states:eu-west-1:1:execution:batch:night-1",
    "arn:aws:states:eu-west-1:1:execution:batch:night-2",
)
NIGHT = Batch(
    "night", source="s3://pictures/", state="running", total=3, execution_arn=FIRST, created_at="2026-11-28"
)


def test_it_is_read_as_it_was_written(world: World) -> None:
    assert world.loop_state.batch("night") is None
    assert world.loop_state.begin_batch(NIGHT, None)
    assert world.loop_state.batch("night") == NIGHT
    assert world.loop_state.batches() == [NIGHT]


def test_of_two_executions_one_begins(world: World) -> None:
    assert world.loop_state.begin_batch(NIGHT, None)
    assert not world.loop_state.begin_batch(Batch("night", execution_arn=SECOND), None)
    assert world.loop_state.begin_batch(Batch("night", execution_arn=SECOND), NIGHT)
    assert not world.loop_state.begin_batch(Batch("night", execution_arn=FIRST), NIGHT)


def test_an_execution_that_has_been_followed_writes_nothing(world: World) -> None:
    world.loop_state.begin_batch(NIGHT, None)
    assert world.loop_state.update_batch("night", FIRST, state="merging")
    world.loop_state.begin_batch(Batch("night", execution_arn=SECOND), NIGHT)
    assert not world.loop_state.update_batch("night", FIRST, state="failed")
    assert world.loop_state.batch("night") == Batch("night", execution_arn=SECOND)


def test_answers_are_added_up(world: World) -> None:
    world.loop_state.begin_batch(NIGHT, None)
    world.loop_state.count_answers("night", answered=2, failed=1)
    world.loop_state.count_answers("night", answered=1, failed=0)
    counted = world.loop_state.batch("night")
    assert counted is not None
    assert (counted.answered, counted.failed) == (3, 1)


def test_nothing_is_counted_for_a_batch_that_is_not_there(world: World) -> None:
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        world.loop_state.count_answers("night", answered=1, failed=0)
