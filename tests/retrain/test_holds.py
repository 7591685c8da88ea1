"""A run that is due does not begin a training that the budget, or the last one, keeps back; it does later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas import retrain
from lambdas.domain.costs import ledger
from lambdas.domain.engines.port import Version
from lambdas.domain.retrain import holds, requests, runs
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import ModelVersion, Run, SnapshotSummary
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.deployment import World, context
from tests.fixtures.rekognition import PREFIX

ENOUGH: dict[str, Any] = {"min_new_images": 4, "min_training_images": 1}


def spends(world: World, usd: float) -> None:
    """A version has run this month for so much; it has stopped since."""
    end = datetime.now(UTC)
    seconds = usd / 4 * 3600
    arn = f"{PREFIX}/pets/version/v0/1700000000000"
    running = Version(arn, "v0", "RUNNING", "", None, None, 0, 60)
    for part in (1, 0):
        ledger.observe(
            world.loop_state, [running], clock.to_iso(end - timedelta(seconds=seconds / 60 * part))
        )


def dataset(world: World) -> None:
    world.images("cat", 40)
    world.images("dog", 40)


def request(world: World, tuning: Tuning) -> bool:
    return requests.request_run_if_due(
        world.catalogue, world.loop_state, world.stepfunctions, world.machines["retrain"], tuning
    )


def check(world: World, trigger: str = "images", begun: str = "") -> dict[str, Any]:
    """A run that begins, takes its snapshot and checks it: what the check answers."""
    name = runs.execution_name(trigger) if trigger == "manual" else world.loop_state.progress().next_run
    arn = begun or world.execution("retrain", name)
    runs.begin_run(world.loop_state, arn, trigger, clock.now())
    snapshot = retrain.snapshot({"run": arn, "force": False}, context())
    assert snapshot["enough"], snapshot
    answer = retrain.check_data({"run": arn, "snapshot": snapshot["id"]}, context())
    if not answer["worth"]:
        world.end_execution(arn)
        runs.end_run(world.loop_state, arn, outcome="skipped", reason=answer["reason"], steps=[])
    return {**answer, "run": runs.run_id(arn)}


def test_a_run_within_its_budget_trains_and_says_what_it_will_cost(world: World) -> None:
    dataset(world)
    world.tune(monthly_budget_usd=100, **ENOUGH)
    answer = check(world)
    assert answer["worth"], answer
    record = world.run_record(answer["run"])
    assert (record.forecast_usd, record.held) == (4.5, False)


def test_a_run_over_the_budget_is_skipped_and_its_images_wait(world: World) -> None:
    """They count for the run that starts once the budget allows it, without anything else changing."""
    dataset(world)
    spends(world, 98)
    tuning = world.tune(monthly_budget_usd=100, **ENOUGH)
    answer = check(world)
    assert not answer["worth"]
    assert "it would cost about 4.50 USD" in answer["reason"]
    record = world.run_record(answer["run"])
    assert (record.outcome, record.held, record.forecast_usd) == ("skipped", True, 4.5)
    assert record.cutoff
    assert world.loop_state.progress().cutoff == ""
    assert not request(world, tuning)
    assert world.running("retrain") == []
    assert request(world, world.tune(monthly_budget_usd=200, **ENOUGH))


def test_a_budget_that_is_used_up_while_a_run_waits_for_its_turn_holds_it_back(world: World) -> None:
    dataset(world)
    tuning = world.tune(monthly_budget_usd=100, **ENOUGH)
    run = check(world)["run"]
    event = {"run": str(world.run_record(run).execution), "snapshot": str(world.run_record(run).snapshot)}
    world.fake.fail_next("create_project_version", "LimitExceededException")
    waiting = retrain.train(event, context())
    assert (waiting["begun"], waiting["reason"]) == (False, "")
    spends(world, 98)
    held = retrain.train(event, context())
    assert not held["begun"]
    assert "it would cost about 4.50 USD" in held["reason"]
    assert list(world.fake.versions) == []
    runs.end_run(world.loop_state, event["run"], outcome="skipped", reason=held["reason"], steps=[])
    assert (world.run_record(run).held, world.version_record(held["version"]).state) == (True, "failed")
    assert world.loop_state.progress().cutoff == ""
    assert not request(world, tuning)
    world.end_execution(event["run"])
    assert request(world, world.tune(monthly_budget_usd=200, **ENOUGH))


def test_a_training_that_was_begun_goes_on_whatever_the_budget(world: World) -> None:
    """Rekognition bills it once it has ended, and cannot be told to stop."""
    dataset(world)
    world.tune(monthly_budget_usd=100, **ENOUGH)
    run = world.run_record(check(world)["run"])
    event = {"run": str(run.execution), "snapshot": str(run.snapshot)}
    version = retrain.train(event, context())["version"]
    world.loop_state.update_version(ModelVersion(version, arn=""))
    spends(world, 101)
    assert retrain.train(event, context())["begun"]
    assert world.version_record(version).state == "training"


def test_nothing_asks_for_a_run_again_and_again_that_the_budget_stops(world: World) -> None:
    """What is left would do for a request, and not for what the run has worked out."""
    dataset(world)
    spends(world, 98)
    tuning = world.tune(monthly_budget_usd=100, **ENOUGH)
    assert request(world, tuning)
    (name,) = world.running("retrain")
    begun = world.machines["retrain"].replace(":stateMachine:", ":execution:") + f":{name}"
    assert not check(world, begun=begun)["worth"]
    assert [request(world, tuning) for _ in range(3)] == [False, False, False]


def test_a_person_is_bound_by_the_budget_too(world: World) -> None:
    dataset(world)
    spends(world, 101)
    world.tune(monthly_budget_usd=100, **ENOUGH)
    answer = check(world, "manual")
    assert "is used up" in answer["reason"]


@pytest.mark.parametrize(("trigger", "held"), [("images", True), ("schedule", True), ("manual", False)])
def test_runs_that_start_by_themselves_keep_their_distance(trigger: str, held: bool, world: World) -> None:
    dataset(world)
    world.tune(min_hours_between_trainings=24, **ENOUGH)
    world.loop_state.update_version(ModelVersion("v1", created_at=clock.in_seconds(-3600)))
    answer = check(world, trigger)
    assert answer["worth"] != held
    assert ("min_hours_between_trainings is 24" in answer["reason"]) == held


def test_a_run_is_due_when_the_hours_are_over(world: World) -> None:
    world.loop_state.update_version(ModelVersion("v1", created_at="2026-11-28T10:00:00.000000Z"))
    tuning = Tuning(min_hours_between_trainings=24)

    def held(at: str) -> bool:
        return bool(holds.why_held(world.loop_state, tuning, at, adds_usd=0))

    assert held("2026-11-28T10:00:00.000000Z")
    assert held("2026-11-29T09:59:59.000000Z")
    assert not held("2026-11-29T10:00:00.000000Z")
    assert not held("2026-11-27T10:00:00.000000Z")


def test_a_forecast_goes_by_earlier_runs(world: World) -> None:
    dataset(world)
    world.tune(**ENOUGH)
    before = Run("before", billable_seconds=7200, images=SnapshotSummary("classification", 30, 10))
    world.loop_state.update_run(before)
    answer = check(world)
    assert world.run_record(answer["run"]).forecast_usd == 8.0
