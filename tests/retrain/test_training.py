"""A run's training: without a slot or room for it, for days, left behind by another run, and redriven."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest

from lambdas import promote, retrain
from lambdas.domain.engines.port import EngineError, NotYetError
from lambdas.domain.engines.rekognition import custom_labels
from lambdas.domain.shared import clock, lineage, polling
from lambdas.domain.shared.records import ModelVersion, VersionState
from lambdas.domain.shared.state import LeaseLostError
from lambdas.domain.sweep import leases
from tests.fixtures.deployment import World, context

MAX_EVENTS = 25_000
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
EVENTS_OF_A_LOOK = 9
"""Of a Task that calls a function five, and two of each of the Choice and the Wait after it."""
HOUR = 3600


def call(handler: Any, **event: Any) -> dict[str, Any]:
    return cast(dict[str, Any], handler(event, context()))


def begun(world: World, name: str = "a") -> str:
    arn = world.execution("retrain", name)
    assert call(retrain.take_lease, run=arn, trigger="manual", started_at=clock.now())["taken"]
    return arn


def train(run: str, since: float = 0) -> dict[str, Any]:
    return call(retrain.train, run=run, snapshot="s", since=clock.in_seconds(-since))


def test_a_run_of_any_name_can_tag_its_training(world: World) -> None:
    assert train(begun(world, "Ann's-run(2)!"))["begun"]
    (request,) = world.fake.called("create_project_version")
    assert request["Tags"]["labelloop:run"] == "Ann_s-run_2__"


# Quotas


def test_a_training_waits_for_a_free_slot_and_says_so(world: World) -> None:
    run = begun(world)
    for name in ("one", "two"):
        world.fake.add_elsewhere(name, "TRAINING_IN_PROGRESS")
    world.fake.fail_next("create_project_version", *["LimitExceededException"] * 2)
    world.tune(poll_seconds=60)
    assert train(run) == {"version": "v1-s", "begun": False, "reason": "", "wait_seconds": 60}
    assert world.run_record().waits_for == "a free training slot: 2 trainings run in this account"
    assert train(run, 10 * HOUR)["wait_seconds"] in (900, 901)
    assert train(run, 10 * HOUR)["begun"]
    assert world.run_record().waits_for == ""
    assert list(world.fake.versions) == ["v1-s"], "one version, however often it was tried"


def test_what_is_in_use_is_waited_for_to_a_limit(world: World) -> None:
    run = begun(world)
    world.fake.fail_next("create_project_version", *["ResourceInUseException"] * 2)
    assert not train(run)["begun"]
    assert "cannot be trained yet" in str(world.run_record().waits_for)
    with pytest.raises(NotYetError):
        train(run, 2 * HOUR)


def fill(world: World, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(custom_labels, "MAX_VERSIONS", count)


def old(world: World, name: str, state: str, status: str = "STOPPED", **facts: Any) -> None:
    number = len(world.fake.versions)
    world.version(name, status, state=state, created_at=f"2026-01-01T00:00:{number:02}.000000Z", **facts)


def test_a_full_project_loses_the_oldest_version_that_nobody_needs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(world)
    old(world, "first", "retired", promoted_at="2026-01-01T00:00:00Z")
    old(world, "runs", "retired", "RUNNING", promoted_at="2026-01-01T00:00:00Z")
    old(world, "failed", "failed", "TRAINING_FAILED")
    old(world, "rejected", "rejected")
    for number in range(lineage.EARLIER_VERSIONS):
        old(world, f"served-{number}", "retired", promoted_at=f"2026-01-02T00:00:{number:02}Z")
    old(world, "previous", "retired", promoted_at="2026-01-03T00:00:00Z")
    world.champion("previous")
    world.champion("champion")
    world.fake.add_version("not ours", "STOPPED")
    fill(world, monkeypatch, len(world.fake.versions))
    for name in ("first", "failed", "rejected"):
        for _ in range(2):
            world.fake.fail_next("create_project_version", "LimitExceededException")
            assert not train(run)["begun"]
            assert name in str(world.run_record().waits_for), "one at a time"
        assert world.fake.statuses()[name] == "DELETING"
        assert world.version_record(name).deleted_at
        world.fake.finish()
        fill(world, monkeypatch, len(world.fake.versions))
    world.fake.fail_next("create_project_version", "LimitExceededException")
    assert not train(run)["begun"]
    assert "LabelLoop may delete none of the project's 14. Delete those" in str(world.run_record().waits_for)
    assert "DELETING" not in world.fake.statuses().values()


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceNotFoundException"])
def test_a_version_that_is_being_deleted_already_is_no_failure(
    code: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(world)
    old(world, "rejected", "rejected")
    fill(world, monkeypatch, 1)
    world.fake.fail_next("create_project_version", "LimitExceededException")
    world.fake.fail_next("delete_project_version", code)
    assert not train(run)["begun"]


def test_nothing_is_deleted_while_it_is_a_slot_that_is_missing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(world)
    old(world, "rejected", "rejected")
    for name in ("one", "two"):
        world.fake.add_elsewhere(name, "TRAINING_IN_PROGRESS")
    fill(world, monkeypatch, 1)
    world.fake.fail_next("create_project_version", "LimitExceededException")
    assert not train(run)["begun"]
    assert world.fake.statuses()["rejected"] == "STOPPED"
    assert "free training slot" in str(world.run_record().waits_for)


def test_nothing_is_deleted_while_a_promotion_is_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a rollback to just that version."""
    run = begun(world)
    old(world, "rejected", "rejected")
    fill(world, monkeypatch, 1)
    assert world.loop_state.take_lease("promote", "a rollback").holder == "a rollback"
    world.fake.fail_next("create_project_version", "LimitExceededException")
    assert not train(run)["begun"]
    assert world.fake.statuses()["rejected"] == "STOPPED"
    assert not world.version_record("rejected").deleted_at
    assert "once the promotion under way has ended" in str(world.run_record().waits_for)


# Trainings that take long


def looks(seconds: float, poll_seconds: int) -> int:
    """How often something is looked at that takes so long."""
    waited, count = 0.0, 0
    while waited < seconds:
        waited += polling.next_look(waited, poll_seconds)
        count += 1
    assert waited <= seconds * (1 + 1 / 40) + poll_seconds + 1, "nobody hears of the end much later"
    return count


@pytest.mark.parametrize("poll_seconds", [1, 60, 3600])
@pytest.mark.parametrize("hours", [1, 46, 72, 30 * 24])
def test_waiting_never_uses_up_the_history_of_an_execution(hours: int, poll_seconds: int) -> None:
    """A run waits for five things one after the other, and for 30 days at most."""
    assert EVENTS_OF_A_LOOK * looks(hours * HOUR, poll_seconds) < MAX_EVENTS / 3
    assert 5 * EVENTS_OF_A_LOOK * looks(hours * HOUR / 5, poll_seconds) < MAX_EVENTS * 0.8


def test_a_training_of_72_hours_is_watched_to_its_end(world: World) -> None:
    run = begun(world)
    version = train(run)["version"]

    def watch(waited: float) -> dict[str, Any]:
        return call(retrain.watch_training, run=run, version=version, since=clock.in_seconds(-waited))

    waited, count = 0.0, 0
    while waited < 72 * HOUR:
        answer = watch(waited)
        assert answer["status"] == "TRAINING_IN_PROGRESS"
        waited += answer["wait_seconds"]
        count += 1
    world.fake.finish()
    assert watch(waited)["status"] == "TRAINING_COMPLETED"
    assert count == pytest.approx(40 + 40 * math.log(72 * 1.5), rel=0.05), "not 4,320, one a minute"


def test_a_version_is_not_missed_right_after_its_training_began(world: World) -> None:
    run = begun(world)
    version = train(run)["version"]
    del world.fake.versions[version]
    watched = {"run": run, "version": version}
    answer = call(retrain.watch_training, **watched, since=clock.in_seconds(-60))
    assert (answer["status"], answer["message"]) == ("TRAINING_IN_PROGRESS", f"{version}: not described yet")
    with pytest.raises(EngineError, match="was deleted"):
        call(retrain.watch_training, **watched, since=clock.in_seconds(-HOUR))


@pytest.mark.parametrize(
    ("state", "status"), [("training", "TRAINING_IN_PROGRESS"), ("trained", "TRAINING_COMPLETED")]
)
def test_a_run_goes_on_with_the_training_that_another_left_behind(
    state: VersionState, status: str, world: World
) -> None:
    first = begun(world)
    version = train(first)["version"]
    world.fake.versions[version]["Status"] = status
    world.end_execution(first)
    assert leases.give_back_run(world.fake.engine, world.stepfunctions, world.loop_state)
    world.loop_state.update_version(ModelVersion(version, state=state))
    second = begun(world, "b")
    assert train(second)["version"] == version
    assert train(second)["version"] == version
    assert len(world.fake.called("create_project_version")) == 1
    assert world.run_record("b").version == version
    record = world.version_record(version)
    assert (record.run, record.state) == ("b", "training")


@pytest.mark.parametrize("status", ["TRAINING_FAILED", "DELETING"])
def test_a_training_that_came_to_nothing_is_not_gone_on_with(status: str, world: World) -> None:
    world.version("v7-s", status, state="training", run="an older one")
    assert train(begun(world))["version"] == "v1-s"


def test_a_version_that_was_judged_is_not_trained_on(world: World) -> None:
    world.version("v7-s", state="rejected", run="an older one")
    assert train(begun(world))["version"] == "v1-s"


def test_a_version_that_was_released_and_is_not_judged_yet_is_not_trained_on(world: World) -> None:
    world.version("v7-a-of-123456789012", "TRAINING_COMPLETED", state="trained", snapshot="s")
    assert train(begun(world))["version"] == "v1-s"


# Redriven executions


def ended(world: World) -> str:
    """A run that was aborted while it trained, and given back by the sweeper: its execution."""
    run = begun(world)
    train(run)
    world.end_execution(run)
    assert leases.give_back_run(world.fake.engine, world.stepfunctions, world.loop_state)
    assert world.run_record().outcome == "failed"
    return run


def holder(world: World) -> str:
    lease = world.loop_state.lease("retrain")
    return lease.holder if lease else ""


def test_a_redriven_run_goes_on_as_if_it_had_not_ended(world: World) -> None:
    run = ended(world)
    with pytest.raises(LeaseLostError):
        train(run)
    world.fake.finish()
    answer = call(retrain.watch_training, run=run, version="v1-s", redrives=1, since=clock.now())
    assert answer["status"] == "TRAINING_COMPLETED"
    record = world.run_record()
    assert (record.outcome, record.ended_at, record.reason, record.steps) == ("running", None, None, ())
    assert holder(world) == run
    call(retrain.report, run=run, outcome="rejected", reason="F1 0.4")
    assert world.run_record().outcome == "rejected"
    assert world.loop_state.lease("retrain") is None


def test_a_redriven_run_begins_again_where_it_took_its_lease(world: World) -> None:
    run = ended(world)
    answer = call(retrain.take_lease, run=run, trigger="manual", started_at=clock.now(), redrives=1)
    assert answer["taken"]
    assert (world.run_record().outcome, world.run_record().ended_at) == ("running", None)


def test_a_redriven_promotion_takes_the_lease_of_its_run(world: World) -> None:
    run = ended(world)
    call(promote.take_lease, holder="arn:promotion", run=run, redrives=1)
    assert holder(world) == run


def test_a_run_is_not_redriven_beside_another(world: World) -> None:
    run, other = ended(world), begun(world, "b")
    with pytest.raises(LeaseLostError, match="start a new run once it ended"):
        call(retrain.watch_training, run=run, version="v1-s", redrives=1)
    assert holder(world) == other
    assert world.run_record().outcome == "failed"
    world.loop_state.close()
    with pytest.raises(LeaseLostError, match="is being destroyed"):
        call(retrain.watch_training, run=run, version="v1-s", redrives=1)


def test_a_run_of_an_execution_that_was_not_redriven_stays_ended(world: World) -> None:
    """A function that wakes up after its execution was stopped must not bring the run back."""
    run = ended(world)
    with pytest.raises(LeaseLostError):
        call(retrain.train, run=run, snapshot="s", redrives=0)
    assert world.run_record().outcome == "failed"
