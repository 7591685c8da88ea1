"""Functions that wake up after their execution was stopped: they change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from lambdas import promote, retrain
from lambdas.domain.promote import promotion
from lambdas.domain.retrain import runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Run
from lambdas.domain.shared.state import FencedState, LeaseLostError
from tests.fixtures.deployment import World, context
from tests.fixtures.sweeping import sweep

Sleeper = Callable[[str, Callable[[], Any]], None]


@pytest.fixture
def asleep_before(world: World, monkeypatch: pytest.MonkeyPatch) -> Sleeper:
    """Something happens while a function sleeps, before it calls the loop's table or Rekognition."""

    def sleep(operation: str, meanwhile: Callable[[], Any]) -> None:
        owner: Any = FencedState if hasattr(FencedState, operation) else world.fake
        real = getattr(owner, operation)

        def woken(*arguments: Any, **named: Any) -> Any:
            monkeypatch.setattr(owner, operation, real)
            meanwhile()
            return real(*arguments, **named)

        monkeypatch.setattr(owner, operation, woken)

    return sleep


def call(handler: Any, **event: Any) -> dict[str, Any]:
    return cast(dict[str, Any], handler(event, context()))


def begin_promotion(world: World) -> str:
    arn = world.execution("promote", "p")
    world.loop_state.take_lease("promote", arn)
    return arn


def begin_run(world: World) -> str:
    arn = world.execution("retrain", "a")
    runs.begin_run(world.loop_state, arn, "images", clock.now())
    return arn


def stop_and_sweep(world: World, *executions: str) -> Callable[[], None]:
    def stopped() -> None:
        for arn in executions:
            world.end_execution(arn)
        sweep(world)

    return stopped


def records(world: World) -> Any:
    """Everything on record."""
    return sorted(world.loop.scan()["Items"], key=lambda item: (item["kind"], item["id"]))


def test_a_promotion_that_was_stopped_in_its_switch_leaves_the_champion(
    world: World, asleep_before: Sleeper
) -> None:
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    holder = begin_promotion(world)
    asleep_before("switch_champion", stop_and_sweep(world, holder))
    with pytest.raises(LeaseLostError, match="p does not have the lease of promote any more"):
        call(promote.switch, holder=holder, run="", version="new")
    champion = world.loop_state.champion()
    assert champion is not None and champion.version_name == "old"
    assert world.fake.statuses() == {"old": "RUNNING", "new": "STOPPING"}
    before = records(world)
    sweep(world)
    assert records(world) == before
    assert world.fake.statuses()["old"] == "RUNNING"


def test_a_promotion_does_not_outlive_its_run(world: World) -> None:
    """Step Functions stops the child of a run that is stopped, in its own time."""
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    run, holder = begin_run(world), begin_promotion(world)
    world.loop_state.update_run(Run("a", version="new"))
    stop_and_sweep(world, run)()
    for handler in (promote.start, promote.watch_start, promote.switch):
        with pytest.raises(LeaseLostError, match="a does not have the lease of retrain any more"):
            call(handler, holder=holder, run=run, version="new", rollback=False)
    champion = world.loop_state.champion()
    assert champion is not None and champion.version_name == "old"
    assert world.run_record().outcome == "failed"
    call(promote.stop_other_versions, holder=holder)
    finished = {"version": "new", "outcome": "failed", "reason": "LeaseLostError"}
    call(promote.finish, holder=holder, run=run, **finished)
    assert world.fake.statuses() == {"old": "RUNNING", "new": "STOPPING"}
    assert world.version_record("new").state == "failed"
    assert world.loop_state.lease("promote") is None
    assert world.run_record().verdicts == ()


def test_a_run_that_was_stopped_after_its_switch_was_promoted(world: World) -> None:
    """Its record agrees with the champion."""
    run, holder = begin_run(world), begin_promotion(world)
    world.version("new", "RUNNING", state="challenger")
    world.loop_state.update_run(Run("a", version="new"))
    call(promote.switch, holder=holder, run=run, version="new")
    stop_and_sweep(world, run)()
    ended = world.run_record()
    assert ended.outcome == "promoted"
    assert ended.reason == "new serves, and then: the execution aborted"


def test_a_challenger_that_was_started_too_late_is_stopped(world: World, asleep_before: Sleeper) -> None:
    world.champion("old")
    world.version("new")
    holder = begin_promotion(world)
    asleep_before("start_project_version", stop_and_sweep(world, holder))
    with pytest.raises(LeaseLostError):
        call(promote.start, holder=holder, run="", version="new")
    assert [
        request["ProjectVersionArn"].split("/")[3] for request in world.fake.called("stop_project_version")
    ] == ["new"]
    assert world.version_record("new").state != "challenger"


def test_a_function_that_stops_versions_stops_none_of_the_next_promotion(
    world: World, asleep_before: Sleeper
) -> None:
    """The next one has made another version the champion in the meantime."""
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    world.version("next", "RUNNING")
    first = begin_promotion(world)

    def meanwhile() -> None:
        world.loop_state.release_lease("promote", first)
        world.loop_state.take_lease("promote", "another")
        promotion.promote(world.fake.engine, world.loop_state, "next")

    asleep_before("stop_project_version", meanwhile)
    call(promote.stop_other_versions, holder=first)
    assert world.fake.statuses()["next"] == "RUNNING"


@pytest.mark.parametrize(
    ("handler", "operation"),
    [
        (retrain.snapshot, "update_run"),
        (retrain.train, "update_version"),
        (retrain.train, "create_project_version"),
        (retrain.sync_datasets, "record_synced"),
        (retrain.watch_training, "update_version"),
    ],
)
def test_a_run_that_was_stopped_writes_nothing_more(
    handler: Any, operation: str, world: World, asleep_before: Sleeper
) -> None:
    world.images("cat", 10)
    world.fake.add_version("v1", "TRAINING_FAILED", StatusMessage="too few images")
    run = begin_run(world)
    asleep_before(operation, lambda: (stop_and_sweep(world, run)(), kept.extend(records(world))))
    kept: list[Any] = []
    with pytest.raises(LeaseLostError, match="a does not have the lease of retrain any more"):
        # The step that makes a snapshot gets one only if that is to be trained on again.
        snapshot = "" if handler is retrain.snapshot else "s"
        call(handler, run=run, force=False, snapshot=snapshot, version="v1")
    assert kept and records(world) == kept


def test_a_report_that_wakes_up_changes_and_tells_nothing(world: World, asleep_before: Sleeper) -> None:
    run = begin_run(world)
    asleep_before("end_run", stop_and_sweep(world, run))
    with pytest.raises(LeaseLostError):
        call(retrain.report, run=run, outcome="rejected", reason="F1 is too low")
    assert world.run_record().outcome == "failed"
    assert world.received("people") == []


def test_a_lease_that_is_taken_too_late_is_given_back(world: World) -> None:
    """The function slept until its run was over: nothing is begun again."""
    run = world.execution("retrain", "a")
    call(retrain.report, run=run, outcome="failed", reason="TakeLease: timed out")
    before = world.run_record()
    answer = call(retrain.take_lease, run=run, trigger="images", started_at=clock.now())
    assert answer == {"taken": False, "reason": "the run has ended already"}
    assert world.loop_state.lease("retrain") is None
    assert world.run_record() == before


def test_the_sweeper_takes_a_lease_before_it_settles_anything(world: World, asleep_before: Sleeper) -> None:
    """A function of the promotion that it settles switches in between: too late."""
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    holder = begin_promotion(world)
    world.end_execution(holder)

    def switch() -> None:
        with pytest.raises(LeaseLostError):
            call(promote.switch, holder=holder, run="", version="new")

    asleep_before("versions", switch)
    sweep(world)
    champion = world.loop_state.champion()
    assert champion is not None and champion.version_name == "old"
    assert world.loop_state.lease("promote") is None


def test_two_sweeps_at_once_settle_once(world: World, asleep_before: Sleeper) -> None:
    run, holder = begin_run(world), begin_promotion(world)
    for arn in (run, holder):
        world.end_execution(arn)
    asleep_before("end_run", lambda: sweep(world))
    sweep(world)
    assert world.run_record().outcome == "failed"
    assert (world.loop_state.lease("retrain"), world.loop_state.lease("promote")) == (None, None)
