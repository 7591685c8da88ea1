"""How a batch begins: its version pinned and held, and brought to run."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.batch import estimate, start
from lambdas.domain.batch.start import BatchLostError, BatchRefusedError, VersionUnavailableError
from lambdas.domain.batch.worker import THREADS
from lambdas.domain.promote.promotion import OverBudgetError
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.batches import EXECUTION, NAME, begin, put_images
from tests.fixtures.deployment import World

SECOND = EXECUTION.replace("night-1", "night-2")


@pytest.fixture
def ready(world: World) -> World:
    """A champion that sleeps, and the input of a batch."""
    world.champion("v1", "STOPPED")
    put_images(world, 1)
    return world


def wake(world: World, execution: str = EXECUTION, **tuning: Any) -> start.Awake:
    return start.wake(world.fake.engine, world.loop_state, NAME, execution, tuning=Tuning.from_dict(tuning))


def test_it_pins_the_champion_of_the_moment(ready: World) -> None:
    assert begin(ready).version == "v1"
    ready.champion("v2")
    # The same execution, and one that goes on after it has ended.
    assert begin(ready).version == "v1"
    ready.loop_state.end_batch(NAME, EXECUTION, state="failed")
    resumed = begin(ready, SECOND)
    assert (resumed.version, resumed.state, resumed.execution_arn) == ("v1", "waking", SECOND)
    (hold,) = ready.loop_state.holds()
    assert (hold.version, hold.execution_arn) == ("v1", SECOND)


def test_it_asks_the_version_that_is_named(ready: World) -> None:
    ready.version("v0")
    assert begin(ready, version="v0").version == "v0"


def test_what_a_resumed_batch_does_not_say_is_as_before(ready: World) -> None:
    begin(ready, source="s3://a", created_by="ann", units=3, review_limit=5, coco=True)
    ready.loop_state.count_answers(NAME, answered=1, failed=1)
    ready.loop_state.end_batch(NAME, EXECUTION, state="failed", reason="x", ended_at="2026")
    again = begin(ready, SECOND)
    assert (again.source, again.created_by, again.units, again.review_limit) == ("s3://a", "ann", 3, 5)
    assert (again.answered, again.failed, again.coco, again.reason, again.ended_at) == (1, 1, True, "", "")


@pytest.mark.parametrize(
    ("order", "match"),
    [
        ({"version": "v9"}, "there is no model version v9"),
        ({"total": 101}, "not complete: 1 of 2 parts"),
        ({"total": 0}, "not complete: 1 of 0 parts"),
    ],
)
def test_what_cannot_begin_says_what_helps(order: dict[str, Any], match: str, ready: World) -> None:
    with pytest.raises(BatchRefusedError, match=match):
        begin(ready, **order)
    assert ready.loop_state.batch(NAME) is None
    assert ready.loop_state.holds() == []


def test_without_a_champion_a_version_has_to_be_named(world: World) -> None:
    put_images(world, 1)
    with pytest.raises(BatchRefusedError, match="--model-version"):
        begin(world)


def test_one_execution_at_a_time(ready: World) -> None:
    begin(ready)
    with pytest.raises(BatchRefusedError, match="under way already"):
        begin(ready, SECOND, alive=True)
    assert begin(ready, SECOND).execution_arn == SECOND
    ready.loop_state.end_batch(NAME, SECOND, state="done")
    with pytest.raises(BatchRefusedError, match="is done"):
        begin(ready)


def test_a_version_that_sleeps_is_started_with_the_units_that_are_wanted(ready: World) -> None:
    begin(ready, units=3)
    awake = wake(ready)
    assert (awake.runs, awake.waits_for) == (False, "v1 to start")
    (call,) = ready.fake.called("start_project_version")
    assert call["MinInferenceUnits"] == 3
    batch = ready.loop_state.batch(NAME)
    assert batch is not None
    assert (batch.state, batch.started_units, batch.waits_for) == ("waking", 3, "v1 to start")
    assert ready.loop_state.lease("promote") is None
    assert wake(ready).waits_for == "v1, which is STARTING"
    ready.fake.finish()
    assert wake(ready).runs
    assert len(ready.fake.called("start_project_version")) == 1


def test_a_version_that_runs_keeps_its_units(ready: World) -> None:
    ready.fake.versions["v1"] |= {"Status": "RUNNING", "MinInferenceUnits": 2}
    begin(ready, units=5)
    awake = wake(ready)
    assert (awake.runs, awake.workers) == (True, 2)
    assert not ready.fake.called("start_project_version")
    batch = ready.loop_state.batch(NAME)
    assert batch is not None
    assert (batch.state, batch.started_units) == ("running", 0)


def test_what_its_rate_is_reckoned_with_is_noted_once(ready: World) -> None:
    ready.fake.versions["v1"] |= {"Status": "RUNNING", "MinInferenceUnits": 2}
    begin(ready)
    wake(ready)
    first = ready.loop_state.batch(NAME)
    wake(ready)
    assert first and first == ready.loop_state.batch(NAME)
    assert first.asks_since and first.asks_units == 2
    ready.fake.versions["v1"] |= {"MaxInferenceUnits": 4}
    begin(ready, "arn:another")
    wake(ready, "arn:another")
    batch = ready.loop_state.batch(NAME)
    assert batch and batch.asks_units == 0, "nobody knows how many there will be"


@pytest.mark.parametrize(("units", "workers"), [(1, 2), (2, 2), (3, 2), (4, 3), (5, 3), (10, 6)])
def test_workers_keep_the_units_busy(units: int, workers: int) -> None:
    assert estimate.workers(units) == workers
    at_once = (workers - 1) * THREADS  # while one of them takes its next part
    assert at_once >= 2.6 * units


def test_a_quota_that_is_used_up_is_waited_for(ready: World) -> None:
    begin(ready)
    ready.fake.fail_next("start_project_version", "LimitExceededException")
    assert "room for another running model" in wake(ready).waits_for
    assert wake(ready).waits_for == "v1 to start"


def test_a_promotion_under_way_is_waited_for(ready: World) -> None:
    begin(ready)
    ready.loop_state.take_lease("promote", "arn:promotion")
    assert wake(ready).waits_for == "the promotion under way to end"
    assert not ready.fake.called("start_project_version")


def test_without_budget_nothing_is_started(ready: World) -> None:
    begin(ready, units=5)
    with pytest.raises(OverBudgetError, match=r"v1 was not started: it would cost about 20\.00 USD"):
        wake(ready, monthly_budget_usd=19)
    assert not ready.fake.called("start_project_version")


def test_a_start_that_fails_is_said(ready: World) -> None:
    begin(ready)
    wake(ready)
    ready.fake.versions["v1"] |= {"Status": "FAILED", "StatusMessage": "out of capacity"}
    # It may be described as it was before.
    assert wake(ready).waits_for == "v1 to start"
    ready.loop_state.update_batch(NAME, EXECUTION, start_asked_at="2026-01-01T00:00:00.000000Z")
    with pytest.raises(VersionUnavailableError, match=r"out of capacity.*batch resume night"):
        wake(ready)
    assert len(ready.fake.called("start_project_version")) == 1


def test_a_version_that_falls_over_is_started_again(ready: World) -> None:
    begin(ready, units=2)
    wake(ready)
    ready.fake.finish()
    assert wake(ready).runs
    ready.fake.versions["v1"]["Status"] = "FAILED"
    assert wake(ready).waits_for == "v1 to start"
    assert len(ready.fake.called("start_project_version")) == 2


def test_a_version_that_is_gone_is_said(ready: World) -> None:
    begin(ready)
    del ready.fake.versions["v1"]
    with pytest.raises(VersionUnavailableError, match="no model version v1 any more"):
        wake(ready)


def test_an_execution_that_has_lost_its_batch_starts_nothing(ready: World) -> None:
    begin(ready)
    ready.loop_state.end_batch(NAME, EXECUTION, state="cancelled")
    with pytest.raises(BatchLostError):
        wake(ready)
    assert not ready.fake.called("start_project_version")
