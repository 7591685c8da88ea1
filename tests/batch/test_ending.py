"""How a batch ends, by itself or by force: nothing runs on for nobody, and everybody knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.batch import coco, ending, files, start
from lambdas.domain.promote import promotion
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.serve import policy
from lambdas.domain.serve.policy import Facts
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Batch, Hold, Serving
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.sweep import batches, differences, models
from tests.fixtures.batches import EXECUTION, NAME, PART, begin, put_images, worker
from tests.fixtures.deployment import BUCKET, CONSOLE, TOPIC, World
from tests.fixtures.rekognition import error as fails


@pytest.fixture
def night(world: World) -> World:
    """A batch of a version that is not the champion, and runs for it."""
    world.champion("v2")
    world.version("v1", "RUNNING", state="retired")
    put_images(world, 3)
    begin(world, version="v1", total=3)
    return world


def record(world: World) -> Batch:
    batch = world.loop_state.batch(NAME)
    assert batch is not None
    return batch


def give_back(world: World, **tuning: Any) -> bool:
    settings = Tuning.from_dict(tuning)
    return ending.release(world.fake.engine, world.loop_state, NAME, EXECUTION, tuning=settings)


def notifier(world: World) -> Notifier:
    return Notifier(world.sns, world.events, TOPIC, "pets", CONSOLE)


def finish(world: World, state: Any = "done", reason: str = "") -> str:
    return ending.finish(world.loop_state, notifier(world), NAME, EXECUTION, state=state, reason=reason)


def stop_for_nobody(world: World) -> list[str]:
    return [version.name for version in models.stop_for_nobody(world.fake.engine, world.loop_state)]


def merged(world: World, *, missing: int = -1, idle: int = 0) -> ending.Merged:
    return ending.merge(
        world.s3, world.loop_state, BUCKET, NAME, EXECUTION, missing_before=missing, idle_rounds=idle
    )


def test_a_held_version_goes_on_beside_the_champion(night: World) -> None:
    holder = "arn:promotion"
    night.loop_state.take_lease("promote", holder)
    assert promotion.stop_other_versions(night.fake.engine, night.loop_state, holder, tuning=Tuning())
    night.loop_state.release_lease("promote", holder)
    assert stop_for_nobody(night) == []
    assert night.fake.statuses()["v1"] == "RUNNING"
    assert not differences.differences(night.fake.engine, night.stepfunctions, night.loop_state)


def test_it_is_stopped_when_the_batch_ends(night: World) -> None:
    assert give_back(night)
    assert night.fake.statuses() == {"v1": "STOPPING", "v2": "RUNNING"}
    assert night.loop_state.holds() == []
    # Also if this function had been killed in between.
    assert give_back(night)


def test_a_version_that_just_starts_is_waited_for(night: World) -> None:
    night.fake.versions["v1"]["Status"] = "STARTING"
    assert not give_back(night)
    night.fake.finish()
    assert give_back(night)
    assert night.fake.statuses()["v1"] == "STOPPING"


def test_a_version_that_another_batch_asks_goes_on(night: World) -> None:
    start.take_hold(
        night.s3,
        night.loop_state,
        BUCKET,
        start.Order(_other_batch(night), version="v1", total=1),
        "arn:other",
        tuning=Tuning(),
        is_alive=lambda execution: True,
    )
    assert give_back(night)
    assert night.fake.statuses()["v1"] == "RUNNING"


def _other_batch(world: World) -> str:
    world.s3.put_object(Bucket=BUCKET, Key="batches/noon/input/part-00000.jsonl", Body=b"{}")
    return "noon"


def test_the_champion_is_left_to_the_step_serve_unless_it_has_more_units(world: World) -> None:
    world.champion("v1", "STOPPED")
    put_images(world, 1)
    begin(world, units=1)
    start.wake(world.fake.engine, world.loop_state, NAME, EXECUTION, tuning=Tuning())
    world.fake.finish()
    give_back(world)
    assert world.fake.statuses()["v1"] == "RUNNING"


def test_a_champion_with_the_batchs_units_is_stopped(world: World) -> None:
    world.champion("v1", "STOPPED")
    put_images(world, 1)
    begin(world, units=4)
    start.wake(world.fake.engine, world.loop_state, NAME, EXECUTION, tuning=Tuning())
    world.fake.finish()
    give_back(world)
    assert world.fake.statuses()["v1"] == "STOPPING"


def test_rounds_go_on_while_they_bring_answers(night: World) -> None:
    nothing = merged(night)
    assert (nothing.missing, nothing.again, nothing.complete) == (3, True, False)
    idle = [merged(night, missing=3, idle=rounds) for rounds in (0, 1, 2)]
    assert [(each.again, each.idle_rounds) for each in idle] == [(True, 1), (True, 2), (False, 3)]
    worker(night).answer_part(NAME, PART)
    done = merged(night, missing=3, idle=2)
    assert (done.complete, done.again, done.missing) == (True, False, 0)
    assert (record(night).answered, record(night).failed, record(night).state) == (3, 0, "merging")


def test_how_quick_its_units_were_is_on_record_for_the_next_estimates(
    night: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = clock.in_seconds(-100)
    beginning = {"asks_since": since, "asks_units": 2, "answered_before": 50}
    night.loop_state.update_batch(NAME, EXECUTION, **beginning, answered=449)
    monkeypatch.setattr(ending, "MIN_MEASURED", 400)
    assert merged(night) and record(night).unit_rate == 0, "of too few nobody can tell"
    monkeypatch.setattr(ending, "MIN_MEASURED", 399)
    night.loop_state.update_batch(NAME, EXECUTION, **beginning, answered=449)
    assert merged(night)
    assert record(night).unit_rate == pytest.approx(399 / 100 / 2, rel=0.05)
    night.loop_state.update_batch(NAME, EXECUTION, answered=450)
    rate = record(night).unit_rate
    assert merged(night) and record(night).unit_rate == rate, "later rounds wait for single images"


def test_coco_is_written_once_nothing_is_missing(world: World) -> None:
    world.champion("v1")
    put_images(world, 1)
    begin(world, coco=True)
    key = files.coco_key(NAME, coco.RESULTS)
    assert not merged(world).complete
    assert key not in set(world.keys())
    worker(world).answer_part(NAME, PART)
    assert merged(world).complete
    assert {key, files.coco_key(NAME, coco.IMAGES)} <= set(world.keys())


def test_the_end_is_recorded_and_told_once(night: World) -> None:
    assert finish(night, "failed", 'Runtime: {"errorMessage": "no budget"}') == "Runtime: no budget"
    finish(night, "failed", "again")
    assert (record(night).state, record(night).reason) == ("failed", "Runtime: no budget")
    assert record(night).ended_at
    (letter,) = night.received("people")
    assert letter["Subject"] == "LabelLoop pets: batch night failed"
    assert "`labelloop batch resume night`" in letter["Message"]


def test_an_execution_that_was_refused_ends_nothing_of_the_other(night: World) -> None:
    ending.finish(
        night.loop_state, notifier(night), NAME, "arn:refused", state="failed", reason="under way already"
    )
    assert record(night).is_live
    assert ending.release(night.fake.engine, night.loop_state, NAME, "arn:refused", tuning=Tuning())
    assert night.fake.statuses()["v1"] == "RUNNING"


def test_a_hold_goes_with_the_execution_that_has_it(night: World) -> None:
    """Also if the batch is another execution's, or is not on record: its version would run for ever."""
    hold = night.loop_state.holds()[0]
    another = replace(record(night), execution_arn="arn:another")
    assert night.loop_state.begin_batch(another, hold, record(night))
    assert give_back(night)
    assert night.loop_state.holds() == []


class Stopped:
    """Step Functions, where every execution was stopped by ann."""

    def __init__(self, error: str) -> None:
        self.error = error

    def describe_execution(self, executionArn: str) -> dict[str, str]:
        return {"status": "ABORTED", "error": self.error, "cause": "by ann"}


@pytest.mark.parametrize(("error", "state"), [("Cancelled", "cancelled"), ("", "failed")])
def test_the_sweeper_ends_a_batch_whose_execution_is_dead(error: str, state: str, world: World) -> None:
    world.champion("v2")
    world.version("v1", "RUNNING", state="retired")
    put_images(world, 3)
    begin(world, version="v1", total=3)
    stepfunctions: Any = Stopped(error)
    ended: list[tuple[str, ...]] = []

    def sweep() -> list[str]:
        return batches.end_dead(
            world.fake.engine,
            stepfunctions,
            world.loop_state,
            notifier(world),
            tuning=Tuning(),
            summarise=lambda *batch: ended.append(batch),
        )

    assert sweep() == [NAME]
    assert ended == [(NAME, EXECUTION)]
    assert (record(world).state, record(world).is_live) == (state, False)
    assert "by ann" in record(world).reason
    assert world.loop_state.holds() == []
    assert world.fake.statuses()["v1"] == "STOPPING"
    assert sweep() == []


def test_what_a_batch_has_that_was_cancelled_is_brought_together(night: World) -> None:
    worker(night).answer_part(NAME, PART)
    night.loop_state.update_batch(NAME, EXECUTION, answered=1)

    def summarise() -> bool:
        return ending.summarise(night.s3, night.loop_state, BUCKET, NAME, EXECUTION)

    assert not summarise(), "its execution does that"
    finish(night, "cancelled", "by ann")
    assert summarise()
    assert (record(night).answered, record(night).state) == (3, "cancelled")
    assert json.loads(night.read(files.summary_key(NAME)))["detected"] == 3
    begin(night, "arn:another", total=3)
    assert not summarise(), "another execution goes on with it"


def test_a_champion_that_starts_with_a_dead_batchs_units_is_stopped_once_it_runs(world: World) -> None:
    """It would run on with four units for nobody, as the step serve has no eye for their number."""
    world.champion("v1", "STOPPED")
    put_images(world, 1)
    begin(world, units=4)
    start.wake(world.fake.engine, world.loop_state, NAME, EXECUTION, tuning=Tuning())
    stepfunctions: Any = Stopped("Cancelled")

    def sweep() -> list[str]:
        return batches.end_dead(
            world.fake.engine,
            stepfunctions,
            world.loop_state,
            notifier(world),
            tuning=Tuning(),
            summarise=lambda name, execution: None,
        )

    assert world.fake.statuses()["v1"] == "STARTING"
    assert sweep() == []
    world.fake.finish()
    assert sweep() == [NAME]
    assert world.fake.statuses()["v1"] == "STOPPING"


def test_a_champion_with_a_killed_executions_units_is_stopped_by_the_next(world: World) -> None:
    world.champion("v1", "STOPPED")
    put_images(world, 1)
    begin(world, units=4)
    start.wake(world.fake.engine, world.loop_state, NAME, EXECUTION, tuning=Tuning())
    world.fake.finish()
    begin(world, "arn:next", units=4)
    start.wake(world.fake.engine, world.loop_state, NAME, "arn:next", tuning=Tuning())
    assert ending.release(world.fake.engine, world.loop_state, NAME, "arn:next", tuning=Tuning())
    assert world.fake.statuses()["v1"] == "STOPPING"


def test_a_batch_that_cannot_be_ended_keeps_the_sweeper_from_no_other(world: World) -> None:
    class Gone(Stopped):
        def describe_execution(self, executionArn: str) -> dict[str, str]:
            if executionArn == "arn:first":
                raise fails("AccessDeniedException")
            return super().describe_execution(executionArn)

    world.champion("v2")
    put_images(world, 3)
    begin(world, total=3)
    first = replace(record(world), id="a-first", execution_arn="arn:first")
    hold = Hold("a-first", first.version, first.version_arn, "arn:first", clock.now(), 1)
    assert world.loop_state.begin_batch(first, hold, None)
    stepfunctions: Any = Gone("")
    with pytest.raises(ClientError, match="AccessDenied"):
        batches.end_dead(
            world.fake.engine,
            stepfunctions,
            world.loop_state,
            notifier(world),
            tuning=Tuning(),
            summarise=lambda *_: None,
        )
    assert not record(world).is_live


def test_the_champion_stays_awake_for_a_batch_and_no_longer() -> None:
    sleepy = Serving(asked="stop", asked_by="ann")
    now = clock.now()
    held = Facts("v1", "RUNNING", sleepy, batch="night")
    decision = policy.decide(Tuning(), held, now)
    assert (decision.act, decision.wanted, decision.reason) == ("none", True, "the batch night asks it")
    assert not policy.decide(Tuning(), Facts("v1", "RUNNING", sleepy), now).wanted
    assert not policy.decide(
        Tuning(), Facts("v1", "RUNNING", sleepy, batch="night", is_over_budget=True), now
    ).wanted


def test_a_champion_that_falls_over_is_started_with_the_batchs_units() -> None:
    decision = policy.decide(Tuning(), Facts("v1", "STOPPED", batch="night", batch_units=4), clock.now())
    assert (decision.act, decision.units) == ("start", 4)
