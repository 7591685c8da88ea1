"""The record of a batch: one execution at a time writes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.shared.records import Batch, Hold
from tests.fixtures.deployment import World

FIRST, SECOND = (
    "arn:aws:states:eu-west-1:1:execution:batch:night-1",
    "arn:aws:states:eu-west-1:1:execution:batch:night-2",
)
NIGHT = Batch(
    "night", source="s3://pictures/", state="running", total=3, execution_arn=FIRST, created_at="2026-11-28"
)


HOLD = Hold("night", "pets-1", "arn:version", FIRST, "2026-11-28", units=2)
SECOND_NIGHT = Batch("night", execution_arn=SECOND)


def test_it_is_read_as_it_was_written(world: World) -> None:
    assert world.loop_state.batch("night") is None
    assert world.loop_state.begin_batch(NIGHT, HOLD, None)
    assert world.loop_state.batch("night") == NIGHT
    assert world.loop_state.batches() == [NIGHT]
    assert world.loop_state.holds() == [HOLD]


def test_of_two_executions_one_begins(world: World) -> None:
    assert world.loop_state.begin_batch(NIGHT, HOLD, None)
    assert not world.loop_state.begin_batch(SECOND_NIGHT, replace(HOLD, execution_arn=SECOND), None)
    assert world.loop_state.holds() == [HOLD]
    assert world.loop_state.begin_batch(SECOND_NIGHT, replace(HOLD, execution_arn=SECOND), NIGHT)
    assert not world.loop_state.begin_batch(NIGHT, HOLD, NIGHT)


def test_an_execution_that_has_been_followed_writes_nothing(world: World) -> None:
    world.loop_state.begin_batch(NIGHT, HOLD, None)
    assert world.loop_state.update_batch("night", FIRST, state="merging")
    followed = replace(HOLD, execution_arn=SECOND)
    world.loop_state.begin_batch(SECOND_NIGHT, followed, NIGHT)
    assert not world.loop_state.update_batch("night", FIRST, state="failed")
    assert not world.loop_state.end_batch("night", FIRST, state="failed")
    assert not world.loop_state.release_hold("night", FIRST)
    assert world.loop_state.batch("night") == SECOND_NIGHT
    assert world.loop_state.holds() == [followed]


def test_a_batch_that_ends_lets_go(world: World) -> None:
    world.loop_state.begin_batch(NIGHT, HOLD, None)
    assert world.loop_state.end_batch("night", FIRST, state="done")
    ended = world.loop_state.batch("night")
    assert ended is not None
    assert ended.state == "done"
    assert world.loop_state.holds() == []


def test_of_several_holds_the_one_with_the_most_units_counts(world: World) -> None:
    assert world.loop_state.hold_on("arn:version") is None
    world.loop_state.begin_batch(NIGHT, HOLD, None)
    more = replace(HOLD, id="noon", units=4)
    world.loop_state.begin_batch(replace(NIGHT, id="noon"), more, None)
    assert world.loop_state.hold_on("arn:version") == more


def test_answers_are_added_up(world: World) -> None:
    world.loop_state.begin_batch(NIGHT, HOLD, None)
    world.loop_state.count_answers("night", answered=2, failed=1)
    world.loop_state.count_answers("night", answered=1, failed=0)
    counted = world.loop_state.batch("night")
    assert counted is not None
    assert (counted.answered, counted.failed) == (3, 1)


def test_nothing_is_counted_for_a_batch_that_is_not_there(world: World) -> None:
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        world.loop_state.count_answers("night", answered=1, failed=0)


def test_no_more_is_proposed_than_may_be(world: World) -> None:
    world.loop_state.begin_batch(replace(NIGHT, review_limit=2), HOLD, None)
    assert [world.loop_state.take_proposal("night") for _ in range(3)] == [True, True, False]
    world.loop_state.begin_batch(replace(NIGHT, id="noon"), replace(HOLD, id="noon"), None)
    assert not world.loop_state.take_proposal("noon")
