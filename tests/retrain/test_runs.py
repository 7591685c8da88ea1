"""When a run starts, that there is only one, and what remains of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs import ledger
from lambdas.domain.retrain import notification, requests, runs, waiting
from lambdas.domain.retrain import steps as retrain_steps
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.retrain.waiting import Unregistered
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Progress, Run, RunStep
from lambdas.domain.shared.scores import LabelScore, Verdict
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.deployment import CONSOLE, TOPIC, World

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
TUNING = Tuning(burst_quiet_seconds=300, burst_limit_seconds=3600)


def ago(seconds: float) -> str:
    return clock.to_iso(NOW - timedelta(seconds=seconds))


def request(world: World, **tuning: Any) -> bool:
    return requests.request_run_if_due(
        world.catalogue,
        world.loop_state,
        world.stepfunctions,
        world.machines["retrain"],
        Tuning.from_dict({"min_new_images": 3, **tuning}),
    )


def begin(world: World, name: str = "a") -> str:
    """A run that has the lease: its execution's ARN."""
    arn = world.execution("retrain", name)
    assert runs.begin_run(world.loop_state, arn, "manual", clock.now()) == (True, "")
    return arn


def tell(world: World, run: Run, deployment: str = "pets") -> None:
    """Tell of a run that has ended."""
    world.loop.put_item(Item={"kind": "NOTICE", "id": run.id})
    Notifier(world.sns, world.events, TOPIC, deployment, CONSOLE).notify(world.loop_state, run)


# Waiting for a burst to end


@pytest.mark.parametrize(
    ("quiet", "waited", "done", "wait"),
    [
        pytest.param(300, 10, True, 0, id="quiet for long enough"),
        pytest.param(299, 10, False, 1, id="a second is missing"),
        pytest.param(0, 0, False, 300, id="just now"),
        pytest.param(299.5, 10, False, 1, id="half a second is missing"),
        pytest.param(0, 3600, True, 0, id="waited for as long as it may"),
        pytest.param(0, 3590, False, 10, id="no longer than the limit"),
        pytest.param(5000, 0, True, 0, id="nothing new for long"),
    ],
)
def test_a_burst_ends(quiet: float, waited: float, done: bool, wait: int) -> None:
    assert waiting.wait_for_burst(
        ago(quiet), Unregistered(), ago(waited), clock.to_iso(NOW), TUNING
    ) == waiting.Wait(done, wait)


def test_without_a_labelled_image_there_is_nothing_to_wait_for() -> None:
    assert waiting.wait_for_burst(None, Unregistered(), ago(0), clock.to_iso(NOW), TUNING) == waiting.Wait(
        True, 0
    )


@pytest.mark.parametrize("files", [Unregistered(visible=1), Unregistered(hidden=1)])
@pytest.mark.parametrize("newest", [None, ago(5000)])
def test_files_that_are_not_registered_yet_are_waited_for(newest: str | None, files: Unregistered) -> None:
    def burst(waited: float, tuning: Tuning) -> waiting.Wait:
        return waiting.wait_for_burst(newest, files, ago(waited), clock.to_iso(NOW), tuning)

    assert burst(10, TUNING) == waiting.Wait(False, 300)
    assert burst(3600, TUNING) == waiting.Wait(True, 0)
    assert burst(10, Tuning(burst_quiet_seconds=0, burst_limit_seconds=3600)) == waiting.Wait(False, 1)


@pytest.mark.parametrize(
    ("newest", "waited", "waits"),
    [
        pytest.param(ago(5000), 899, True, id="the run has just begun"),
        pytest.param(ago(899), 3000, True, id="something was registered"),
        pytest.param(ago(901), 901, False, id="nothing happens any more"),
        pytest.param(None, 901, False, id="nothing was ever registered"),
    ],
)
def test_a_message_that_fails_again_and_again_holds_no_run_for_an_hour(
    newest: str | None, waited: float, waits: bool
) -> None:
    hidden = Unregistered(hidden=1)
    burst = waiting.wait_for_burst(newest, hidden, ago(waited), clock.to_iso(NOW), TUNING)
    assert burst.done == (not waits)
    waiting_for_a_function = Unregistered(visible=1)
    assert not waiting.wait_for_burst(
        newest, waiting_for_a_function, ago(waited), clock.to_iso(NOW), TUNING
    ).done


@given(
    st.floats(0, 10_000),
    st.builds(Unregistered, st.integers(0, 1), st.integers(0, 1)),
    st.floats(0, 10_000),
)
def test_waiting_is_in_whole_seconds_and_comes_to_an_end(
    quiet: float, unregistered: Unregistered, waited: float
) -> None:
    """Step Functions waits whole seconds: https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""
    burst = waiting.wait_for_burst(ago(quiet), unregistered, ago(waited), clock.to_iso(NOW), TUNING)
    assert isinstance(burst.wait_seconds, int)
    assert burst.done == (burst.wait_seconds == 0)
    assert 0 <= burst.wait_seconds <= TUNING.burst_quiet_seconds


def test_step_functions_start_times_are_understood() -> None:
    burst = waiting.wait_for_burst(
        ago(0), Unregistered(), "2025-01-01T11:59:50.123Z", clock.to_iso(NOW), TUNING
    )
    assert burst == waiting.Wait(False, 300)


# Requests


def test_a_run_is_requested_when_enough_images_are_new(world: World) -> None:
    world.images("cat", 2)
    assert not request(world)
    assert world.running("retrain") == []
    world.images("dog", 1)
    assert request(world)
    (name,) = world.running("retrain")
    assert name == f"images-{world.loop_state.progress().ticket}"
    (execution,) = world.stepfunctions.list_executions(stateMachineArn=world.machines["retrain"])[
        "executions"
    ]
    described = world.stepfunctions.describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["input"]) == {"trigger": "images"}


def test_any_number_of_requests_start_one_run(world: World) -> None:
    world.images("cat", 5)
    for _ in range(5):
        request(world)
    assert len(world.running("retrain")) == 1


def test_who_may_only_read_requests_every_run_but_the_first(world: World) -> None:
    world.images("cat", 5)
    machine, tuning = world.machines["retrain"], Tuning(min_new_images=3)
    asked: Any = (world.catalogue, world.loop_state, world.stepfunctions, machine, tuning)
    assert not requests.request_next_run_if_due(*asked)
    assert world.loop_state.known_progress() == Progress()
    world.loop_state.progress()
    assert requests.request_next_run_if_due(*asked)


def test_images_without_labels_do_not_count(world: World) -> None:
    for number in range(5):
        world.image(f"{number}", status="unlabelled")
        world.image(f"c{number}", "cat", status="conflict")
    assert not request(world)


def test_what_a_run_has_seen_does_not_count_again(world: World) -> None:
    world.images("cat", 5)
    arn = begin(world)
    world.loop_state.update_run(Run("a", cutoff=clock.now(), snapshot="s"))
    runs.end_run(world.loop_state, arn, outcome="rejected", reason="", steps=[])
    assert not request(world)
    world.images("dog", 3)
    assert request(world)


def stop(world: World, name: str) -> None:
    """A run that something in its snapshot stops."""
    arn = begin(world, name)
    world.loop_state.update_run(Run(name, cutoff=clock.now(), snapshot="s", stopped=True))
    runs.end_run(world.loop_state, arn, outcome="skipped", reason="one label", steps=[])


def test_after_a_stopped_run_any_change_starts_one_if_enough_is_new_in_all(world: World) -> None:
    world.images("cat", 2)
    stop(world, "a")
    assert not request(world)
    world.image("one more", "dog")
    assert request(world), "three in all"
    stop(world, "b")
    assert not request(world), "nothing has changed since it was stopped"
    assert requests.changes_missing(world.catalogue, world.loop_state.progress(), TUNING) == 47
    assert request(world, min_new_images=4) is False
    world.image("and one", "dog")
    assert request(world)


@pytest.mark.parametrize("judged", [False, True])
def test_what_no_gate_has_judged_is_trained_on_with_the_next_change(judged: bool, world: World) -> None:
    world.images("cat", 3)
    arn = begin(world)
    verdicts = (Verdict("evaluation", True, ()),) if judged else ()
    world.loop_state.update_run(Run("a", cutoff=clock.now(), snapshot="s", version="v1", verdicts=verdicts))
    runs.end_run(world.loop_state, arn, outcome="failed", reason="AccessDenied", steps=[])
    assert not request(world), "it would fail again"
    world.image("one more", "cat")
    assert request(world) is not judged


def test_images_that_came_during_a_run_are_the_next_run_s(world: World) -> None:
    world.images("cat", 5)
    request(world)
    (first,) = world.running("retrain")
    arn = world.machines["retrain"].replace(":stateMachine:", ":execution:") + f":{first}"
    runs.begin_run(world.loop_state, arn, "images", clock.now())
    world.loop_state.update_run(Run(first, cutoff=clock.now(), snapshot="s"))
    world.images("dog", 5)
    request(world)
    assert world.running("retrain") == [first]
    runs.end_run(world.loop_state, arn, outcome="promoted", reason="", steps=[])
    assert request(world)
    assert len(world.running("retrain")) == 2


def test_a_run_that_failed_before_its_lease_does_not_stop_the_loop(world: World) -> None:
    world.images("cat", 5)
    assert request(world)
    (name,) = world.running("retrain")
    arn = world.machines["retrain"].replace(":stateMachine:", ":execution:") + f":{name}"
    runs.end_run(world.loop_state, arn, outcome="failed", reason="WaitForBurst: bad settings", steps=[])
    world.end_execution(arn)
    request(world)
    assert len(world.running("retrain")) == 1


def test_other_errors_of_step_functions_are_not_swallowed(world: World) -> None:
    world.images("cat", 5)
    with pytest.raises(world.stepfunctions.exceptions.StateMachineDoesNotExist):
        requests.request_run_if_due(
            world.catalogue,
            world.loop_state,
            world.stepfunctions,
            world.machines["retrain"] + "-gone",
            Tuning(min_new_images=3),
        )


# Beginning and ending


def test_one_run_at_a_time(world: World) -> None:
    first = begin(world, "a")
    second = world.execution("retrain", "b")
    taken, reason = runs.begin_run(world.loop_state, second, "images", clock.now())
    assert not taken
    assert reason.startswith("run a is under way since 20")
    assert reason.endswith("what is new counts for the next run")
    assert world.run_record("b").outcome is None
    ended = runs.end_run(world.loop_state, second, outcome="skipped", reason=reason, steps=[])
    assert (ended.trigger, ended.outcome) == ("images", "skipped")
    assert runs.begin_run(world.loop_state, first, "manual", clock.now()) == (True, "")


def test_no_run_begins_while_the_stack_is_being_destroyed(world: World) -> None:
    world.loop_state.close()
    arn = world.execution("retrain", "a")
    taken, reason = runs.begin_run(world.loop_state, arn, "manual", clock.now())
    assert not taken
    assert reason


def test_a_run_leaves_its_record_and_gives_its_lease_back(world: World) -> None:
    arn = begin(world)
    ticket = world.loop_state.progress().ticket
    world.loop_state.update_run(
        Run("a", cutoff="2025-01-01T00:00:00.000000Z", version="v1", billable_seconds=1800)
    )
    steps = (RunStep("Train", 12.5),)
    run = runs.end_run(world.loop_state, arn, outcome="promoted", reason="v1 serves", steps=steps)
    assert run.id == "a"
    assert (run.execution, run.trigger) == (arn, "manual")
    assert (run.outcome, run.reason, run.steps) == ("promoted", "v1 serves", steps)
    assert run.seconds is not None and run.seconds >= 0
    assert run.estimated_usd == 0.5
    assert world.loop_state.lease("retrain") is None
    progress = world.loop_state.progress()
    assert progress.cutoff == "2025-01-01T00:00:00.000000Z"
    assert progress.ticket != ticket


def test_a_run_without_a_snapshot_leaves_the_cutoff(world: World) -> None:
    world.loop_state.progress()
    world.loop_state.advance(cutoff="2025-01-01T00:00:00.000000Z")
    runs.end_run(world.loop_state, begin(world), outcome="failed", reason="", steps=[])
    assert world.loop_state.progress().cutoff == "2025-01-01T00:00:00.000000Z"


def test_a_run_that_was_refused_moves_nothing(world: World) -> None:
    begin(world, "a")
    before = world.loop_state.progress()
    second = world.execution("retrain", "b")
    run = runs.end_run(world.loop_state, second, outcome="skipped", reason="run a is under way", steps=[])
    assert (run.outcome, run.reason) == ("skipped", "run a is under way")
    lease = world.loop_state.lease("retrain")
    assert lease is not None
    assert lease.holder.endswith(":a")
    assert world.loop_state.progress() == before


def test_ending_a_run_twice_moves_the_ticket_once(world: World) -> None:
    """Report is retried when notifying fails."""
    arn = begin(world)
    runs.end_run(world.loop_state, arn, outcome="promoted", reason="", steps=[])
    before = world.loop_state.progress()
    again = runs.end_run(world.loop_state, arn, outcome="promoted", reason="", steps=[])
    assert again.outcome == "promoted"
    assert world.loop_state.progress() == before


def test_a_run_ends_although_the_stack_is_being_destroyed(world: World) -> None:
    arn = begin(world)
    world.loop_state.close()
    assert runs.end_run(world.loop_state, arn, outcome="failed", reason="", steps=[]).outcome == "failed"
    lease = world.loop_state.lease("retrain")
    assert lease is not None
    assert lease.holder == "closed"


# Words


@pytest.mark.parametrize(
    ("cause", "readable"),
    [
        ("plain words", "plain words"),
        ("", ""),
        ('ValueError: {"errorMessage": "too few", "errorType": "ValueError"}', "ValueError: too few"),
        (
            "PromotionFailed: "
            + json.dumps({"Status": "FAILED", "Cause": "Boom: " + json.dumps({"errorMessage": "x"})}),
            "PromotionFailed: Boom: x",
        ),
        ("a set {of braces", "a set {of braces"),
        ('no cause in {"Status": "FAILED"}', 'no cause in {"Status": "FAILED"}'),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_causes_become_readable(cause: str, readable: str) -> None:
    assert runs.readable(cause) == readable


@given(st.text())
def test_any_cause_can_be_read(cause: str) -> None:
    assert isinstance(runs.readable(cause), str)


def test_the_time_spent_in_each_state() -> None:
    def event(kind: str, name: str, seconds: float) -> dict[str, Any]:
        return {"timestamp": NOW + timedelta(seconds=seconds), f"state{kind}EventDetails": {"name": name}}

    history = [
        {"timestamp": NOW, "type": "ExecutionStarted"},
        event("Entered", "WaitForBurst", 0),
        event("Exited", "WaitForBurst", 1.5),
        event("Entered", "Wait", 1.5),
        event("Exited", "Wait", 11.5),
        event("Entered", "WaitForBurst", 11.5),
        event("Exited", "WaitForBurst", 12),
        event("Entered", "Report", 12),
    ]
    numbered = [event | {"id": number} for number, event in enumerate(history, start=1)]
    assert retrain_steps.durations(numbered) == [
        RunStep("WaitForBurst", 2.0),
        RunStep("Wait", 10.0),
        RunStep("Report", 0.0),
    ]


# Notifying


def test_people_and_machines_are_told(world: World) -> None:
    run = Run(
        "a",
        execution="arn:aws:states:us-east-1:1:execution:retrain:a",
        outcome="rejected",
        reason="F1 is too low",
        version="v1-5a4b",
        f1=0.4,
        snapshot="5a4b",
        flagged_entries={"TRAIN": 0, "TEST": 2},
        verdicts=(Verdict("evaluation", False, ("F1 is too low", "cat: 1 test image")),),
        seconds=61.0,
        estimated_usd=0.5,
    )
    tell(world, run)
    (mail,) = world.received("people")
    assert mail["Subject"] == "LabelLoop pets: run rejected"
    assert "an hour" not in mail["Message"]
    for words in (
        f"The run and its steps: {CONSOLE}runs/a",
        "trained without them: 2 of TEST",
        "Run a of pets: rejected.",
        "F1 is too low",
        "v1-5a4b",
        "cat: 1 test image",
        "0.5 USD",
    ):
        assert words in mail["Message"]
    (event,) = world.received("machines")
    assert (event["source"], event["detail-type"]) == ("labelloop", "Run Finished")
    assert event["detail"] == {
        "deployment": "pets",
        "id": "a",
        "execution": "arn:aws:states:us-east-1:1:execution:retrain:a",
        "outcome": "rejected",
        "reason": "F1 is too low",
        "version": "v1-5a4b",
        "f1": 0.4,
        "snapshot": "5a4b",
        "flagged_entries": {"TRAIN": 0, "TEST": 2},
        "verdicts": [
            {"gate": "evaluation", "passed": False, "reasons": ["F1 is too low", "cat: 1 test image"]}
        ],
        "labels": [],
        "steps": [],
        "seconds": 61.0,
        "estimated_usd": 0.5,
    }


def test_people_hear_what_goes_on_to_cost(world: World) -> None:
    run = Run("a", outcome="promoted", version="v7", seconds=1.0, estimated_usd=5.0, usd_per_hour=4.0)
    tell(world, run)
    (mail,) = world.received("people")
    assert "v7 now costs 4 USD an hour until it is stopped." in mail["Message"]


@pytest.mark.parametrize(("status", "usd"), [("RUNNING", 4.0), ("STOPPED", None)])
def test_a_run_s_record_says_what_its_version_costs(status: str, usd: float | None, world: World) -> None:
    arn = begin(world)
    version = world.version("v1", status)
    world.loop_state.update_run(Run("a", version="v1"))
    for at in ("2026-11-28T12:00:00.000000Z", "2026-11-28T12:30:00.000000Z"):
        ledger.observe(world.loop_state, [version], at)
    assert runs.end_run(world.loop_state, arn, outcome="promoted", reason="", steps=[]).usd_per_hour == usd


def test_a_run_that_knows_next_to_nothing_can_be_told_of(world: World) -> None:
    run = Run("a", outcome="failed", seconds=1.0, estimated_usd=0)
    tell(world, run, "p" * 200)
    (mail,) = world.received("people")
    assert len(mail["Subject"]) <= 100
    assert "`labelloop train` tries again" in mail["Message"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"data_report": "Training can start"},
            f"The run, its dataset report and its steps: {CONSOLE}runs/a%20b",
        ),
        ({"stopped": True, "outcome": "skipped"}, "Once it is corrected the next run starts by itself"),
    ],
)
def test_the_letter_says_where_to_look_and_what_comes_next(
    facts: dict[str, Any], words: str, world: World
) -> None:
    run = replace(Run("a b", outcome="promoted", seconds=1.0, estimated_usd=0), **facts)
    tell(world, run)
    (mail,) = world.received("people")
    assert words in mail["Message"]


def test_a_run_with_too_much_to_say_is_told_of_in_short(world: World) -> None:
    """SNS and EventBridge would refuse it, and nobody would hear of the run."""
    run = Run(
        "a",
        outcome="rejected",
        reason="ß" * 300_000,
        labels=(LabelScore("ß" * 255, 0.5, 0.5, 0.5, 10),) * 1000,
        seconds=1.0,
        estimated_usd=0,
    )
    tell(world, run)
    (mail,) = world.received("people")
    assert 100_000 < len(mail["Message"].encode()) <= notification.MAX_NOTIFICATION_BYTES
    (event,) = world.received("machines")
    assert event["detail"]["outcome"] == "rejected"
    assert event["detail"]["reason"].startswith("ßß")
    assert "labels" not in event["detail"]
