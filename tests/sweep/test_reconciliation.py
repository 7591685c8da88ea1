"""What should be is compared with what is, and put right: runs, versions, the champion, waiting images."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambdas import promote, retrain
from lambdas import sweep as handler
from lambdas.domain.engines.port import Version
from lambdas.domain.engines.serverless import released
from lambdas.domain.promote import redrive
from lambdas.domain.retrain import requests, runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import (
    Champion,
    ModelVersion,
    PendingApproval,
    Run,
    Serving,
    VersionState,
)
from lambdas.domain.snapshot import snapshots
from lambdas.domain.sweep import differences, leases, models
from lambdas.services import services
from tests.fixtures.deployment import BUCKET, World, context
from tests.fixtures.serving import serve
from tests.fixtures.sleeping import sleeps
from tests.fixtures.sweeping import Swept, sweep


def handle(**event: Any) -> dict[str, Any]:
    return handler.handle(event, context())


def begin(world: World, name: str = "a") -> str:
    arn = world.execution("retrain", name)
    runs.begin_run(world.loop_state, arn, "images", clock.now())
    return arn


def differing(world: World) -> list[str]:
    different = differences.differences(world.fake.engine, world.stepfunctions, world.loop_state)
    return [difference.text for difference in different]


# Versions whose run has ended


@pytest.mark.parametrize(
    ("status", "age", "state", "reason"),
    [
        ("TRAINING_IN_PROGRESS", 9999, "training", None),
        ("TRAINING_COMPLETED", 9999, "trained", "its run ended before a gate judged it"),
        ("TRAINING_FAILED", 9999, "failed", "too few images"),
        (None, 9999, "failed", "Rekognition has no such version"),
        (None, 60, "training", None),
    ],
)
def test_a_training_is_settled_by_what_rekognition_says(
    status: str | None, age: float, state: VersionState, reason: str | None, world: World
) -> None:
    """One that has just begun need not be described yet."""
    created_at = clock.in_seconds(-age)
    world.version("v1", status or "TRAINING_IN_PROGRESS", state="training", run="a", created_at=created_at)
    if status:
        world.fake.versions["v1"]["StatusMessage"] = "too few images"
    else:
        del world.fake.versions["v1"]
    arn = begin(world)
    assert sweep(world) == Swept(), "its run goes on"
    world.end_execution(arn)
    sweep(world)
    version = world.version_record("v1")
    assert (version.state, version.reason) == (state, reason)


def test_images_of_a_run_that_was_stopped_in_its_training_are_evaluated_by_the_next(world: World) -> None:
    world.images("cat", 10)
    world.images("dog", 10)
    world.tune(min_new_images=20)
    arn = begin(world)
    made = retrain.snapshot({"run": arn, "force": False}, context())
    retrain.train({"run": arn, "snapshot": made["id"]}, context())
    world.end_execution(arn)
    handle()
    taken = snapshots.read(world.s3, BUCKET, made["id"])
    assert not snapshots.why_trained(world.s3, BUCKET, world.loop_state, taken)
    world.image("one more", "cat")
    assert requests.request_run_if_due(
        world.catalogue, world.loop_state, world.stepfunctions, world.machines["retrain"], services().tuning()
    )
    again = retrain.snapshot({"run": begin(world, "b"), "force": False}, context())
    assert again["enough"]


def test_a_stopped_rollback_leaves_a_good_version_as_it_was(world: World) -> None:
    world.champion("old")
    world.champion("new")
    holder = world.execution("promote", "rollback")
    world.loop_state.take_lease("promote", holder)
    promote.start({"holder": holder, "version": "old", "run": ""}, context())
    assert world.version_record("old").state == "challenger"
    world.end_execution(holder)
    sweep(world)
    version = world.version_record("old")
    assert (version.state, version.reason) == ("retired", "")


def test_a_challenger_that_nobody_promotes_is_settled(world: World) -> None:
    """Its function wrote it after the lease was given back, before it was fenced."""
    world.version("v1", "STOPPED", state="challenger")
    assert sweep(world).settled == {"v1": "failed"}
    world.version("v2", "STOPPED", state="challenger")
    world.loop_state.take_lease("promote", world.execution("promote", "p"))
    assert sweep(world) == Swept(), "a promotion is under way"


def wait_for_approval(world: World, **facts: Any) -> str:
    """A version of a run waits for its approval: the execution that waits."""
    world.champion("v0")
    holder = world.execution("promote", "p")
    world.version("v1", "STOPPED", **facts)
    pending = PendingApproval(
        "v1",
        token="t",
        execution=holder,
        run="",
        champion="v0",
        asked_at=clock.now(),
        deadline=clock.in_seconds(60),
        notified=True,
    )
    world.loop_state.ask_approval(pending, ModelVersion("v1", state="pending"))
    return holder


def test_a_version_that_waits_for_approval_is_left_alone(world: World) -> None:
    """Though no promotion has the lease, and its run may have ended."""
    wait_for_approval(world)
    handle()
    assert sweep(world) == Swept()
    assert world.loop_state.approval("v1") is not None
    assert world.version_record("v1").state == "pending"


def test_nobody_is_asked_about_a_version_whose_promotion_has_ended(world: World) -> None:
    holder = wait_for_approval(world)
    world.end_execution(holder)
    assert differing(world) == ["v1 waits for approval, and its promotion has ended: the execution aborted"]
    handle()
    assert world.loop_state.approval("v1") is None
    version = world.version_record("v1")
    assert (version.state, version.reason) == (
        "failed",
        "not approved before its promotion ended: the execution aborted",
    )
    assert differing(world) == []


def test_a_version_that_waits_is_not_settled_with_another_promotion_that_has_ended(world: World) -> None:
    wait_for_approval(world)
    rollback = world.execution("promote", "rollback")
    world.loop_state.take_lease("promote", rollback)
    world.end_execution(rollback)
    handle()
    assert world.loop_state.lease("promote") is None
    assert world.version_record("v1").state == "pending"


def test_a_version_that_serves_since_stays_the_champion_once_nobody_is_asked_about_it(world: World) -> None:
    """A rollback has made it serve before its dead approval was swept."""
    holder = wait_for_approval(world)
    world.end_execution(holder)
    world.champion("v1")
    handle()
    assert world.loop_state.approval("v1") is None
    assert world.version_record("v1").state == "champion"


def test_people_hear_of_a_version_that_nobody_could_be_told_about(world: World) -> None:
    holder = wait_for_approval(world)
    world.loop_state.update_approval(holder, "v1", notified=False)
    handle()
    handle()
    (letter,) = world.received("people")
    assert "waits for approval" in letter["Message"]


def test_a_version_that_a_promotion_takes_up_meanwhile_is_left_to_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.version("v1", "STOPPED", state="challenger")
    ((before, after),) = differences.unsettled(world.loop_state, {})
    world.loop_state.take_lease("promote", "h")
    assert not world.loop_state.settle_version(after, before)
    assert world.version_record("v1").state == "challenger"


# Runs


def test_a_run_that_the_sweeper_completes_has_its_steps(world: World) -> None:
    arn = begin(world)
    world.end_execution(arn)
    sweep(world)
    history = world.stepfunctions.get_execution_history(executionArn=arn)["events"]
    entered = [
        event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event
    ]
    assert [step.step for step in world.run_record().steps] == entered
    assert entered


def test_a_run_that_was_stopped_while_it_waited_for_uploads_does_not_stop_the_loop(world: World) -> None:
    """Its name cannot be used again."""
    world.tune(min_new_images=2)
    world.images("cat", 2)
    assert handle()["requested_run"]
    (name,) = world.running("retrain")
    world.end_execution(f"{world.machines['retrain'].replace(':stateMachine:', ':execution:')}:{name}")
    swept = handle()
    assert (swept["runs"], swept["requested_run"]) == ([name], True)
    assert world.run_record(name).outcome == "failed"
    assert len(world.running("retrain")) == 1
    assert not handle()["runs"]


def test_the_sweep_of_an_end_by_force_completes_that_run(world: World) -> None:
    """A manual run that was stopped before it had the lease is on record, and people hear of it."""
    arn = world.execution("retrain", "manual-one")
    world.end_execution(arn)
    event = {"detail": {"executionArn": arn, "status": "ABORTED"}}
    assert handle(**event)["runs"] == ["manual-one"]
    assert world.received("people")[0]["Subject"] == "LabelLoop pets: run failed"
    assert handle(**event)["runs"] == []
    assert world.received("people") == []


def test_a_promotion_s_end_is_no_run_s(world: World) -> None:
    arn = world.execution("promote", "p")
    world.end_execution(arn)
    assert handle(detail={"executionArn": arn})["runs"] == []
    assert world.loop_state.runs() == []


def test_what_a_promotion_was_starting_is_stopped_once_it_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that starts can be stopped, and until the next sweep it would cost money."""
    world.version("v1", "STARTING", state="challenger")
    holder = world.execution("promote", "p")
    world.loop_state.take_lease("promote", holder)
    world.end_execution(holder)
    slept = sleeps(monkeypatch, meanwhile=world.fake.finish)
    assert handler.handle({"detail": {"executionArn": holder}}, context(900))["stopped_later"] == ["v1"]
    assert len(slept) == 1
    assert world.fake.statuses() == {"v1": "STOPPING"}


# Effects that happen once


def test_a_run_is_told_of_once_though_what_follows_fails(world: World) -> None:
    arn = begin(world)
    world.loop_state.update_run(Run("a", cutoff=clock.now(), snapshot="s"))
    world.tune_by("broken")
    report: Any = {"run": arn, "outcome": "rejected", "reason": "F1 is too low"}
    for _ in range(3):
        with pytest.raises(Exception, match="not JSON"):
            retrain.report(report, context())
    assert len(world.received("people")) == 1
    assert len(world.received("machines")) == 1
    world.tune()
    retrain.report(report, context())
    assert (world.received("people"), world.received("machines")) == ([], [])


def test_what_could_not_be_sent_is_sent_by_the_next_try(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = begin(world)
    report: Any = {"run": arn, "outcome": "rejected", "reason": ""}
    with monkeypatch.context() as broken:
        broken.setattr(services().events, "put_events", lambda **_: {"FailedEntryCount": 1, "Entries": [{}]})
        with pytest.raises(Exception, match="did not take the event of run a"):
            retrain.report(report, context())
    assert (len(world.received("people")), world.received("machines")) == (1, [])
    world.end_execution(arn)
    handle(detail={"executionArn": arn})
    assert (world.received("people"), len(world.received("machines"))) == ([], 1)


def test_what_a_function_that_was_killed_was_about_to_send_is_sent_by_a_later_sweep(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed_here(**_: Any) -> None:
        raise KeyboardInterrupt

    arn = begin(world)
    report: Any = {"run": arn, "outcome": "rejected", "reason": ""}
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(services().sns, "publish", killed_here)
        retrain.report(report, context())
    retrain.report(report, context())
    assert world.received("people") == [], "the one that was killed may be about to"
    assert len(world.received("machines")) == 1
    moment = clock.to_iso(clock.parse(clock.now()) + timedelta(minutes=3))
    monkeypatch.setattr(clock, "now", lambda: moment)
    for _ in range(2):
        handle()
    assert (len(world.received("people")), world.received("machines")) == (1, [])
    assert world.loop_state.notices() == []


# Waiting images


def wait(world: World, count: int) -> None:
    for number in range(count):
        world.sqs.send_message(QueueUrl=world.queues["dead-letters"], MessageBody=f'"{number}"')


def test_dead_letters_are_sent_again_whenever_a_champion_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "redriven" not in handle(), "nobody serves"
    world.champion("v1", "STARTING")
    assert "redriven" not in handle()
    wait(world, 50)
    world.fake.finish()
    assert handle()["redriven"] == 50
    assert handle()["redriven"] == 0


def test_all_that_wait_are_answered_over_several_sweeps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1")
    wait(world, 25)
    ticks = iter(range(1000))
    monkeypatch.setattr(redrive.time, "monotonic", lambda: next(ticks) * 15.0)
    sent = [
        redrive.redrive(world.sqs, world.queues["dead-letters"], world.queues["detect"]) for _ in range(4)
    ]
    assert sent == [10, 10, 5, 0]


def test_what_cannot_be_answered_is_sent_ever_more_rarely(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, queue, began = world.queues["dead-letters"], world.queues["detect"], clock.parse(clock.now())
    wait(world, 1)
    world.sqs.set_queue_attributes(QueueUrl=dead, Attributes={"VisibilityTimeout": "0"})
    sent_after = []
    for minutes in range(0, 100, 5):
        moment = clock.to_iso(began + timedelta(minutes=minutes))
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        if redrive.redrive(world.sqs, dead, queue, seconds=0.02):
            sent_after.append(minutes)
            (message,) = world.sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
            assert message["Body"] == '"0"'
            # It fails again, and SQS moves it with its attributes.
            world.sqs.send_message(
                QueueUrl=dead, MessageBody=message["Body"], MessageAttributes=message["MessageAttributes"]
            )
            world.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert sent_after == [0, 10, 30, 70]


# Differences


def test_what_differs_is_told_in_sentences(world: World) -> None:
    world.champion("v1", "STOPPED")
    world.version("v2", "RUNNING")
    world.version("v3", state="training", run="gone")
    world.end_execution(begin(world))
    assert differing(world) == [
        "a has the lease of retrain and has ended: the execution aborted",
        "v1 is the champion and does not serve: STOPPED",
        "v2 is RUNNING, costs money and is not the champion",
        "v3 is recorded as training; its run ended before a gate judged it",
    ]
    handle()
    serve(world)
    assert differing(world) == ["v2 is STOPPING, costs money and is not the champion"]
    world.fake.finish()
    assert differing(world) == []


def test_a_champion_that_sleeps_is_no_difference_and_one_that_runs_in_its_sleep_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1")
    world.loop_state.change_serving(lambda before: replace(before, state="asleep", since=clock.now()))
    assert differing(world) == [], "it is about to be stopped"
    later = clock.in_seconds(3600)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert differing(world) == ["v1 is RUNNING and costs money, though it is to sleep"]
    for status in ("STOPPING", "STOPPED", "FAILED"):
        world.fake.versions["v1"]["Status"] = status
        assert differing(world) == []


def test_the_lease_of_a_killed_serve_function_is_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.champion("v1")
    holder = world.loop_state.take_for_serving("1")
    assert handle()["leases"] == []
    assert differing(world) == []
    later = clock.in_seconds(3600)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert differing(world) == ["1 has the lease of promote and has ended: its function was killed"], holder
    assert handle()["leases"] == ["promote"]
    assert world.loop_state.lease("promote") is None
    assert world.fake.statuses() == {"v1": "RUNNING"}


def test_nothing_differs_in_a_deployment_that_is_being_destroyed(world: World) -> None:
    world.champion("v1", "STOPPED")
    world.loop_state.close()
    assert differing(world) == []


def test_errors_of_step_functions_are_raised(world: World) -> None:
    world.loop_state.take_lease("promote", "no ARN")
    with pytest.raises(world.stepfunctions.exceptions.InvalidArn):
        differing(world)


# Versions that cost nothing at rest


NAME = "v9-0123456789abcdef-serverless"


def always_on(status: str) -> Version:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:training-job/pets-v9-0123456789abcdef"
    return Version(arn, NAME, status, "", None, None, 0, is_always_on=True)


@pytest.mark.parametrize("state", ["awake", "asleep"])
def test_a_champion_that_is_always_on_is_as_it_should_be(state: Any) -> None:
    """Put to sleep it is still as RUNNING, and costs no money."""
    champion = Champion(always_on("RUNNING").arn, NAME, clock.now())
    serving = Serving(state=state, since=clock.in_seconds(-86400))
    assert differences.champion_differs(champion, serving, {NAME: always_on("RUNNING")}) == []
    of_rekognition = {NAME: replace(always_on("RUNNING"), is_always_on=False)}
    differs = differences.champion_differs(champion, serving, of_rekognition)
    assert len(differs) == (state == "asleep")


def test_a_version_that_is_always_on_never_runs_for_nobody(world: World) -> None:
    stops: list[Version] = []
    engine: Any = SimpleNamespace(list_versions=lambda: [always_on("RUNNING")], stop_version=stops.append)
    assert differences.differences(engine, world.stepfunctions, world.loop_state) == []
    assert models.stop_for_nobody(engine, world.loop_state) == []
    assert stops == []


def test_a_champion_that_was_released_to_the_deployment_is_not_lost(world: World) -> None:
    """No engine lists it: it is on record."""
    version = released.describe("data", f"v4-{'a' * 16}-of-111122223333-serverless", "aws")
    world.loop_state.update_version(ModelVersion(version.name, state="champion", arn=version.arn))
    world.loop_state.switch_champion(None, version.arn, version.name)
    engine: Any = SimpleNamespace(list_versions=list, describe_version=lambda name: version)
    assert differences.differences(engine, world.stepfunctions, world.loop_state) == []
    engine.describe_version = lambda name: None
    assert len(differences.differences(engine, world.stepfunctions, world.loop_state)) == 1


@pytest.mark.parametrize(
    ("status", "state"),
    [("TRAINING_IN_PROGRESS", "training"), ("RUNNING", "trained"), ("TRAINING_FAILED", "failed")],
)
def test_a_training_job_without_a_run_is_settled_once_it_ends(
    status: str, state: VersionState, world: World
) -> None:
    """As a training of Rekognition is; the next run of its snapshot goes on with it."""
    record = ModelVersion(NAME, snapshot="s", run="a", state="training", created_at=clock.in_seconds(-9999))
    world.loop_state.update_version(record)
    models.settle(world.loop_state, {NAME: always_on(status)})
    assert world.version_record(NAME).state == state


class Cancels:
    """An engine that can end its trainings, with one version."""

    def __init__(self, status: str) -> None:
        self._status = status
        self.cancelled: list[str] = []

    def describe_version(self, name: str) -> Version:
        assert name == NAME
        return always_on(self._status)

    def cancel_training(self, version: Version) -> bool:
        self.cancelled.append(version.name)
        return True


def training(world: World) -> str:
    """A run that trains a version of the engine serverless."""
    run = begin(world)
    world.loop_state.update_version(ModelVersion(NAME, snapshot="s", run="a", state="training"))
    world.loop_state.update_run(Run("a", version=NAME))
    return run


def given_back(world: World, status: str = "TRAINING_IN_PROGRESS") -> Cancels:
    engine = Cancels(status)
    assert leases.give_back_run(cast(Any, engine), world.stepfunctions, world.loop_state)
    return engine


def test_a_stopped_run_ends_its_training_where_the_engine_can(world: World) -> None:
    """No later run may go on with a job that is about to stop."""
    world.end_execution(training(world))
    assert given_back(world).cancelled == [NAME]
    version = world.version_record(NAME)
    assert (version.state, version.reason) == (
        "failed",
        "its training was stopped with its run: the execution aborted",
    )
    assert world.loop_state.lease("retrain") is None


def test_a_training_that_is_complete_outlives_its_stopped_run(world: World) -> None:
    world.end_execution(training(world))
    assert given_back(world, "RUNNING").cancelled == []
    assert world.version_record(NAME).state == "training"


def test_a_run_that_broke_down_leaves_its_training_to_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = world.stepfunctions.describe_execution
    broken = {"status": "TIMED_OUT", "cause": ""}
    monkeypatch.setattr(world.stepfunctions, "describe_execution", lambda **asked: describe(**asked) | broken)
    training(world)
    assert given_back(world).cancelled == []
    assert world.version_record(NAME).state == "training"


def test_a_training_of_rekognition_goes_on_when_its_run_is_stopped(world: World) -> None:
    world.version("v1", "TRAINING_IN_PROGRESS", state="training", run="a")
    run = begin(world)
    world.loop_state.update_run(Run("a", version="v1"))
    world.end_execution(run)
    sweep(world)
    assert world.version_record("v1").state == "training"
