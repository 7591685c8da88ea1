"""An alarm says what has changed, once; it ends, and may start a run."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from lambdas import drift as handler
from lambdas.domain.drift import counting, watch
from lambdas.domain.drift.counts import Counts
from lambdas.domain.drift.observations import Look, slot_of, thresholds_name
from lambdas.domain.drift.watch import DriftState, run_name
from lambdas.domain.evaluation import shadow_answers
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Run, released_name
from lambdas.domain.shared.scores import LabelScore
from lambdas.services import services
from tests.drift.test_counting import seen
from tests.fixtures.deployment import BUCKET, CONSOLE, World, context
from tests.fixtures.metrics import published

NOON = "2026-11-28T12:00:00.000000Z"
CAT = LabelScore("cat", f1=0.9, precision=0.9, recall=0.9, test_images=200, threshold=0.3)


def hours_later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    now = clock.to_iso(clock.parse(NOON) + timedelta(hours=hours))
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.fixture(autouse=True)
def tested(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The champion was asked about 200 test images, and is about 90 % sure of a cat on each."""
    hours_later(monkeypatch, 0)
    world.champion("v1", labels=(CAT,))
    chance = random.Random(1)  # noqa: S311
    answers = {f"images/{number}.jpg": [detection(chance.gauss(90, 3))] for number in range(200)}
    others = {f"images/new-{number}.jpg": [detection(55)] for number in range(300)}
    shadow_answers.keep(world.s3, BUCKET, "v1", answers | others)
    tested = [
        {"key": key, "width": 80, "height": 60, "perceptual_hash": "", "group": "", "changed_at": ""}
        for key in answers
    ]
    lines = "\n".join(json.dumps(line) for line in tested)
    world.s3.put_object(Bucket=BUCKET, Key="datasets/s/test.images.jsonl", Body=lines.encode())
    # All that had arrived is counted but for the last half hour.
    head = {"id": "head", "part": "head", "until": slot_of("2026-11-28T11:30")}
    world.observations.table.put_item(Item=head)


def detection(confidence: float) -> dict[str, Any]:
    box = {"left": 0.1, "top": 0.1, "width": 0.2, "height": 0.2}
    return {"label": "cat", "confidence": round(confidence, 3), "box": box}


def arrive(world: World, confidence: float, day: str = "2026-11-28", thresholds: str = "") -> None:
    """A day's 300 images are counted."""
    chance, counts = random.Random(2), Counts()  # noqa: S311
    for _ in range(300):
        counts.add(Look({"cat": 1}, chance.gauss(confidence, 3), 0.2))
    key = {"id": "version#v1", "part": f"day#{day}#{thresholds or thresholds_name({})}"}
    world.observations.table.put_item(Item=key | counting._item(counts))


def look() -> dict[str, Any]:
    return handler.handle({}, context())


def state(world: World) -> DriftState:
    return watch.read_state(world.observations, "v1")


def test_what_arrives_as_the_test_images_raises_nothing(world: World) -> None:
    arrive(world, 90)
    assert look()["changed"] == []
    known = state(world)
    assert (known.looked_at, known.test_images, known.problem, known.since) == (NOON, 200, "", "")
    assert known.arrived == {"today": 300, "7 days": 300, "28 days": 300}
    assert world.received("people") == []


def test_an_alarm_says_once_what_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arrive(world, 70)
    assert look()["changed"] == ["confidence"]
    assert published(capsys)["DriftedFeatures"] == [1]
    (letter,) = world.received("people")
    assert letter["Subject"] == "LabelLoop pets: what v1 is asked about has changed"
    assert "mean confidence of about 69 % or less, of the test images 91 %" in letter["Message"]
    assert f"{CONSOLE}production/v1" in letter["Message"]
    known = state(world)
    assert (known.since, known.announced, known.findings[0].window) == (NOON, ("confidence",), "today")
    assert known.findings[0].p_value < 1e-9
    for hours in (0.5, 1):
        hours_later(monkeypatch, hours)
        look()
    assert world.received("people") == []
    assert (state(world).looked_at, state(world).since) == (clock.now(), NOON)


def test_people_hear_of_what_joins_an_alarm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(world, 70)
    look()
    world.received("people")
    counts = Counts()
    for _ in range(300):
        counts.add(Look({"cat": 5}, 70.0, 0.2))
    item = {"id": "version#v1", "part": f"day#2026-11-28#{thresholds_name({})}"} | counting._item(counts)
    world.observations.table.put_item(Item=item)
    hours_later(monkeypatch, 1)
    look()
    (letter,) = world.received("people")
    assert "half of the images today have 5 detections or fewer, of the test images 1" in letter["Message"]
    assert "confidence" not in letter["Message"]


def test_an_alarm_ends_once_nothing_was_seen_for_a_week(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(world, 70)
    look()
    world.observations.table.delete_item(
        Key={"id": "version#v1", "part": f"day#2026-11-28#{thresholds_name({})}"}
    )
    hours_later(monkeypatch, 6 * 24)
    assert look()["changed"] == ["confidence"], "a day without change ends nothing"
    hours_later(monkeypatch, 7 * 24)
    assert look()["changed"] == []
    assert (state(world).since, state(world).announced) == ("", ())


def test_a_letter_that_could_not_be_sent_is_sent_an_hour_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(world, 70)
    with monkeypatch.context() as patched:
        patched.setenv("TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:gone")
        with pytest.raises(Exception, match="does not exist"):
            look()
    look()
    assert len(world.received("people")) == 1


def test_answers_by_other_thresholds_are_not_compared(world: World) -> None:
    arrive(world, 70)
    world.tune(label_thresholds={"cat": 60})
    assert look()["changed"] == []
    assert state(world).arrived["today"] == 0
    arrive(world, 70, thresholds=thresholds_name({"cat": 60}))
    world.observations.table.delete_item(Key={"id": "version#v1", "part": "drift"})
    assert look()["changed"] == ["confidence"]


def test_it_says_why_nothing_is_compared(world: World) -> None:
    world.tune(label_thresholds={"cat": 20})
    assert "threshold of cat lies below the model's own" in look()["problem"]
    world.tune()
    world.observations.table.delete_item(Key={"id": "version#v1", "part": "drift"})
    world.s3.delete_object(Bucket=BUCKET, Key=shadow_answers.key("v1"))
    assert look()["problem"] == "there is no evaluation of v1 on test images"


@pytest.mark.parametrize(("days", "since"), [(6, NOON), (7, "")])
def test_an_alarm_ends_also_where_nothing_can_be_compared_any_more(
    days: int, since: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(world, 70)
    look()
    world.s3.delete_object(Bucket=BUCKET, Key=shadow_answers.key("v1"))
    hours_later(monkeypatch, 24 * days)
    assert "no evaluation" in look()["problem"]
    assert (state(world).since, bool(state(world).findings)) == (since, bool(since))


def test_without_a_champion_there_is_nothing_to_look_at(world: World) -> None:
    world.loop.delete_item(Key={"kind": "CHAMPION", "id": "champion"})
    world.observations.note(seen("a", at="2026-11-28T11:45:00.000000Z"))
    assert look() == {"counted": 1}


def test_an_alarm_starts_a_run_if_the_settings_say_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(world, 70)
    world.tune(drift_starts_training=True)
    services().__dict__["stepfunctions"] = world.stepfunctions
    look()
    assert world.running("retrain") == ["drift-2026-11-28T12-v1"]
    assert "The run drift-2026-11-28T12-v1 was started" in world.received("people")[0]["Message"]


def test_a_run_has_a_name_that_an_execution_may_have() -> None:
    twice = released_name(released_name("v7-0123456789abcdef-serverless", "1" * 12), "2" * 12)
    alarms = [DriftState(twice, since=f"2026-11-28T{hour}:00:00.000000Z") for hour in (12, 13)]
    names = {run_name(alarm) for alarm in alarms}
    assert len(names) == 2
    assert max(map(len, names)) <= 80


@pytest.mark.parametrize(("days", "version", "starts"), [(6, "v1", False), (6, None, True), (8, "v1", True)])
def test_the_next_champion_starts_no_training_of_the_one_after_it(
    days: int, version: str | None, starts: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its test images are mostly those of the one before: what arrives is as unlike them."""
    arrive(world, 70)
    world.tune(drift_starts_training=True)
    services().__dict__["stepfunctions"] = world.stepfunctions
    before = clock.to_iso(clock.parse(NOON) - timedelta(days=days))
    world.loop_state.update_run(Run("drift-v0", trigger="drift", started_at=before, version=version))
    look()
    assert bool(world.running("retrain")) is starts
    if not starts:
        assert "drift started one on 2026-11-22 12:00 UTC already" in world.received("people")[0]["Message"]


def test_a_budget_that_is_used_up_starts_no_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(world, 70)
    world.tune(drift_starts_training=True)
    monkeypatch.setattr("lambdas.domain.retrain.holds.why_held", lambda *a, **k: "the budget is used up")
    look()
    assert world.running("retrain") == []
    assert "No run was started: the budget is used up." in world.received("people")[0]["Message"]
