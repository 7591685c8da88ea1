"""What a crash left behind is put right, and nothing that is alive is touched."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas import sweep as handler
from lambdas.domain.promote import promotion
from lambdas.domain.retrain import requests, runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Run
from lambdas.domain.sweep import lost_events, models, reviews
from lambdas.domain.sweep.reviews import Reconciled
from tests.fixtures.deployment import BUCKET, World, context
from tests.fixtures.metrics import published
from tests.fixtures.sweeping import Swept, sweep


def handle() -> dict[str, Any]:
    return handler.handle({}, context())


def begin(world: World, name: str = "a") -> str:
    """A run that has its lease and is under way."""
    arn = world.execution("retrain", name)
    runs.begin_run(world.loop_state, arn, "images", clock.now())
    return arn


# Leases


def test_where_all_is_well_nothing_happens(world: World) -> None:
    world.champion("v1")
    assert sweep(world) == Swept()
    assert world.fake.statuses() == {"v1": "RUNNING"}


def test_a_live_run_is_left_alone(world: World) -> None:
    arn = begin(world)
    assert sweep(world) == Swept()
    lease = world.loop_state.lease("retrain")
    assert lease is not None
    assert lease.holder == arn


def test_a_live_promotion_and_its_models_are_left_alone(world: World) -> None:
    """Two models run on purpose; its own state machine cleans up."""
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    arn = world.execution("promote", "p")
    world.loop_state.take_lease("promote", arn)
    assert sweep(world) == Swept()
    assert set(world.fake.statuses().values()) == {"RUNNING"}


def test_a_run_that_crashed_is_recorded_as_failed(world: World) -> None:
    arn = begin(world)
    cutoff = clock.now()
    world.loop_state.update_run(Run("a", cutoff=cutoff, snapshot="s", version="v1", billable_seconds=3600))
    before = world.loop_state.progress()
    world.end_execution(arn)
    swept = sweep(world)
    assert swept.leases == ["retrain"]
    (run,) = swept.runs
    assert (run.id, run.outcome, run.snapshot, run.estimated_usd) == ("a", "failed", "s", 1)
    assert run.reason
    assert world.loop_state.lease("retrain") is None
    assert world.loop_state.progress().stopped_at == cutoff
    assert world.loop_state.progress().ticket != before.ticket
    assert sweep(world) == Swept()


def test_a_run_whose_execution_is_gone_is_over(world: World) -> None:
    """History is kept for 90 days only."""
    arn = world.machines["retrain"].replace(":stateMachine:", ":execution:") + ":long-ago"
    runs.begin_run(world.loop_state, arn, "images", clock.now())
    assert sweep(world).runs[0].reason == "its execution is gone"


def test_a_promotion_that_crashed_leaves_no_challenger(world: World) -> None:
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    arn = world.execution("promote", "p")
    world.loop_state.take_lease("promote", arn)
    world.end_execution(arn)
    swept = sweep(world)
    assert swept.leases == ["promote"]
    assert swept.stopped == ["new"]
    assert world.fake.statuses() == {"old": "RUNNING", "new": "STOPPING"}
    version = world.version_record("new")
    assert version.state == "failed"
    assert version.reason


def test_a_promotion_that_crashed_after_its_switch_leaves_the_new_champion(world: World) -> None:
    world.champion("old")
    world.version("new", "RUNNING", state="challenger")
    promotion.promote(world.fake.engine, world.loop_state, "new")
    arn = world.execution("promote", "p")
    world.loop_state.take_lease("promote", arn)
    world.end_execution(arn)
    sweep(world)
    assert world.fake.statuses() == {"old": "STOPPING", "new": "RUNNING"}
    version = world.version_record("new")
    assert version.state != "failed"


def test_both_crashed(world: World) -> None:
    world.version("new", "STARTING", state="challenger")
    run, promotion_arn = begin(world), world.execution("promote", "a")
    world.loop_state.take_lease("promote", promotion_arn)
    for arn in (run, promotion_arn):
        world.end_execution(arn)
    assert sweep(world).leases == ["retrain", "promote"]
    world.fake.finish()
    assert sweep(world).stopped == ["new"]
    world.fake.finish()
    assert world.fake.statuses() == {"new": "STOPPED"}


def test_a_forgotten_model_is_stopped(world: World) -> None:
    world.champion("v1")
    world.version("forgotten", "RUNNING")
    world.fake.add_version("handmade", "RUNNING")
    assert sweep(world).stopped == ["forgotten", "handmade"]
    assert world.fake.statuses() == {"v1": "RUNNING", "forgotten": "STOPPING", "handmade": "STOPPING"}


def test_a_stack_that_is_being_destroyed_is_left_alone(world: World) -> None:
    """Its own custom resource stops the models and says which."""
    world.version("v1", "RUNNING")
    world.loop_state.close()
    assert sweep(world) == Swept()
    assert world.fake.called("stop_project_version") == []


def test_errors_of_step_functions_are_raised(world: World) -> None:
    world.loop_state.take_lease("retrain", "no ARN")
    with pytest.raises(world.stepfunctions.exceptions.InvalidArn):
        sweep(world)


# The handler


def test_the_handler_tells_of_a_crashed_run(world: World) -> None:
    world.end_execution(begin(world))
    assert handle() == {
        "leases": ["retrain"],
        "batches": [],
        "approvals": [],
        "runs": ["a"],
        "stopped": [],
        "settled": {},
        "renewed": 0,
        "stopped_later": [],
        "resent": [],
        "stuck_objects": 0,
        "requested_run": False,
        "reviews": {},
        "unowned": [],
    }
    assert world.received("people")[0]["Subject"] == "LabelLoop pets: run failed"
    assert world.received("machines")[0]["detail"]["id"] == "a"
    assert not any(handle().values())
    assert world.received("people") == []


@pytest.mark.parametrize(
    "failing", ["stop_for_nobody", "resend_lost_events", "request_run_if_due", "reconcile"]
)
def test_a_part_that_fails_keeps_no_other_from_its_work(
    failing: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is asked to do something, and the one that failed does so in the next sweep."""
    world.tune(min_new_images=2, resend_event_after_seconds=60)
    world.images("cat", 2)
    world.version("forgotten", "RUNNING")
    reconciled: list[str] = []

    def reconcile(*asked: Any) -> Reconciled:
        reconciled.append("once")
        return Reconciled(resolved=1)

    monkeypatch.setattr(reviews, "reconcile", reconcile)
    monkeypatch.setattr(lost_events, "resend_lost_events", lambda *asked: lost_events.Resent(["key"]))

    def broken(*asked: Any) -> Any:
        raise RuntimeError(failing)

    def done() -> dict[str, bool]:
        return {
            "stop_for_nobody": world.fake.statuses() == {"forgotten": "STOPPING"},
            "request_run_if_due": len(world.running("retrain")) == 1,
            "reconcile": len(reconciled) == 1,
        }

    where = {
        "reconcile": reviews,
        "request_run_if_due": requests,
        "resend_lost_events": lost_events,
    }.get(failing, models)
    with monkeypatch.context() as patched:
        patched.setattr(where, failing, broken)
        with pytest.raises(ExceptionGroup) as raised:
            handle()
    assert [str(error) for error in raised.value.exceptions] == [failing]
    assert {name for name, is_done in done().items() if not is_done} == {failing} - {"resend_lost_events"}
    reconciled.clear()
    assert handle()["reviews"] == {"resolved": 1}
    assert all(done().values())


@pytest.mark.long
def test_the_handler_starts_the_run_that_nobody_requested(world: World) -> None:
    world.tune(min_new_images=2)
    world.images("cat", 2)
    assert handle()["requested_run"] is True
    assert len(world.running("retrain")) == 1


# Lost events


@pytest.fixture
def versioned(world: World) -> World:
    """The world with versions in its bucket, as the deployment's has them."""
    world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return world


def resend(world: World, after: int, monkeypatch: pytest.MonkeyPatch, later: timedelta) -> list[str]:
    """`later` passes before the sweep."""
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: clock.to_iso(datetime.now(UTC) + later))
        return lost_events.resend_lost_events(
            world.s3, world.sqs, world.catalogue, BUCKET, _queues(world), after
        ).keys


def _queues(world: World) -> list[str]:
    return [world.queues["register"], world.queues["annotations"]]


@pytest.mark.parametrize(("minutes", "resent"), [(1, False), (14, False), (16, True), (25 * 60, True)])
def test_an_object_that_waits_for_too_long_gets_a_new_event(
    minutes: int, resent: bool, versioned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "incoming/labeled/ünïcödé +%20/a b.jpg"
    for name in (key, "incoming/labeled/folder/", "images/other.jpg"):
        versioned.s3.put_object(Bucket=BUCKET, Key=name, Body=b"12345")
    keys = resend(versioned, 900, monkeypatch, timedelta(minutes=minutes))
    assert keys == ([key] if resent else [])
    messages = versioned.received("register")
    version = versioned.s3.head_object(Bucket=BUCKET, Key=key)["VersionId"]
    assert [message["detail"]["object"] for message in messages] == (
        [{"key": key, "size": 5, "version-id": version}] if resent else []
    )
    if messages:
        assert messages[0]["detail"]["bucket"] == {"name": BUCKET}
        assert messages[0]["detail-type"] == "Object Created"
        json.dumps(messages[0])


def test_an_event_is_sent_again_once_and_when_queues_have_forgotten_it(
    versioned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    versioned.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/a.jpg", Body=b"1")
    sent = []
    for hours in (0, 0.2, 0.3, 1, 5, 23, 25, 14 * 24, 14 * 24 + 0.3, 14 * 24 + 5, 27 * 24, 28 * 24 + 0.3):
        if resend(versioned, 900, monkeypatch, timedelta(hours=hours)):
            sent.append(hours)
            versioned.received("register")
    assert sent == [0.3, 14 * 24 + 0.3, 28 * 24 + 0.3]


def test_a_time_that_is_changed_in_between_leaves_no_object_out(
    versioned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one sent twice."""
    versioned.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/a.jpg", Body=b"1")
    sent = []
    for minutes, after in ((10, 900), (11, 300), (12, 3600), (13, 300), (70, 3600), (71, 60)):
        if resend(versioned, after, monkeypatch, timedelta(minutes=minutes)):
            sent.append(minutes)
            versioned.received("register")
    assert sent == [11]


@pytest.mark.parametrize("queue", ["register", "annotations"])
def test_no_event_is_sent_again_while_messages_wait_for_a_function(
    queue: str, versioned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    versioned.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/a.jpg", Body=b"1")
    versioned.sqs.send_message(QueueUrl=versioned.queues[queue], MessageBody="{}")
    assert resend(versioned, 900, monkeypatch, timedelta(minutes=16)) == []
    versioned.sqs.purge_queue(QueueUrl=versioned.queues[queue])
    assert resend(versioned, 900, monkeypatch, timedelta(minutes=21)) == ["incoming/unlabeled/a.jpg"]


def test_what_sqs_did_not_take_is_sent_in_the_next_sweep(
    versioned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    versioned.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/a.jpg", Body=b"1")
    failed = {"Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]}
    with monkeypatch.context() as patched:
        patched.setattr(versioned.sqs, "send_message_batch", lambda **request: failed)
        with pytest.raises(lost_events.UnsentError, match="InternalError"):
            resend(versioned, 900, monkeypatch, timedelta(minutes=16))
    assert resend(versioned, 900, monkeypatch, timedelta(minutes=17)) == ["incoming/unlabeled/a.jpg"]


def test_a_version_that_was_overwritten_is_sent_again_and_one_that_was_deleted_is_not(
    versioned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [
        versioned.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/a.jpg", Body=body)["VersionId"]
        for body in (b"1", b"2")
    ]
    versioned.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/b.jpg", Body=b"3")
    versioned.s3.delete_object(Bucket=BUCKET, Key="incoming/unlabeled/b.jpg")
    assert len(resend(versioned, 900, monkeypatch, timedelta(minutes=16))) == 2
    sent = [message["detail"]["object"]["version-id"] for message in versioned.received("register")]
    assert sorted(sent) == sorted(versions)


def test_what_lies_there_for_very_long_is_told(versioned: World, monkeypatch: pytest.MonkeyPatch) -> None:
    versioned.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/a.jpg", Body=b"1")
    monkeypatch.setattr(clock, "now", lambda: clock.to_iso(datetime.now(UTC) + timedelta(days=2)))
    resent = lost_events.resend_lost_events(
        versioned.s3, versioned.sqs, versioned.catalogue, BUCKET, _queues(versioned), 900
    )
    assert resent == lost_events.Resent(["incoming/unlabeled/a.jpg"], stuck=1)


def test_a_sweep_goes_on_where_the_last_had_sent_enough(
    versioned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_events, "MAX_RESENT", 3)
    for number in range(8):
        versioned.s3.put_object(Bucket=BUCKET, Key=f"incoming/unlabeled/{number}.jpg", Body=b"1")
    sent = []
    for minutes in range(16, 20):
        sent.append(resend(versioned, 900, monkeypatch, timedelta(minutes=minutes)))
        versioned.received("register")
    assert [len(keys) for keys in sent] == [3, 3, 2, 0]
    assert len({key for keys in sent for key in keys}) == 8


def test_open_tasks_are_a_metric(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    handle()
    assert published(capsys) == {"OpenTasks": [0]}
