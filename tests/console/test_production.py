"""What the console says of a version in production, and of what waits for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.console import home, production, versions
from lambdas.domain.costs.budget import MonthSpending
from lambdas.domain.drift import counting
from lambdas.domain.drift.counts import Counts
from lambdas.domain.drift.watch import DriftState, Finding
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage
from lambdas.domain.review.results import precision
from lambdas.domain.review.results.reviewer_statistics import add_request
from lambdas.domain.shared.boxes import RelativeBox
from lambdas.domain.shared.records import ModelVersion, Run, SnapshotSummary
from lambdas.domain.shared.scores import LabelScore
from tests.drift.test_counting import seen
from tests.fixtures.api_gateway import Gateway
from tests.fixtures.deployment import World


def reviewed(world: World, part: str, images: int, confirmed: int, detections: int = 1) -> None:
    """Reviews of images with so many detections each are counted, as results are."""
    false = detections - confirmed
    squares = (detections**2, confirmed**2, detections * confirmed)
    of_one = vars(precision.Precision(confirmed, false, 0, 1, 1, *squares))
    counted = {name: images * number for name, number in of_one.items()}
    table = world.reviews.table
    request: Any = add_request(table.name, "precision#v1", part, counted)
    table.meta.client.update_item(**request)


def arrived(world: World, day: str, sure: int, unsure: int, source: str = "detect") -> None:
    counts = Counts()
    for number in range(sure + unsure):
        name = f"{day}-{source}-{number:03}"
        counts.add_observation(
            seen(
                name,
                source=source,
                is_unsure=number >= sure,
                labels={"cat": 1},
                confidence=60.0 + number % 30,
            )
        )
    key = {"id": "version#v1", "part": f"day#{day}#0"}
    known = world.observations.table.get_item(Key=key).get("Item")
    if known:
        counts.merge(counting._read(known))
    world.observations.table.put_item(Item=key | counting._item(counts))


def read(world: World) -> production.Production:
    return production.read(world.reviews, world.observations, "v1")


def test_all_answers_are_weighted_by_what_arrived(world: World) -> None:
    reviewed(world, "day#2026-11-28#detect#sure", 40, 1)
    reviewed(world, "day#2026-11-28#applications#sure", 10, 0)
    reviewed(world, "day#2026-11-28#detect#unsure", 20, 1)
    reviewed(world, "day#2026-11-28#applications#unsure", 20, 0)
    reviewed(world, "day#2026-11-28#clips#sure", 5, 1)
    arrived(world, "2026-11-28", 80, 10)
    arrived(world, "2026-11-28", 0, 10, "applications")
    known = read(world)
    assert (known.images, known.detections, known.unsure_detections) == (100, 100, 20)
    assert (known.answers.sure.value, known.answers.unsure.value) == (0.8, 0.5)
    assert known.answers.whole is not None
    assert known.answers.whole.value == pytest.approx(0.8 * 0.8 + 0.2 * 0.5)
    assert known.others["clips"].sure.images == 5
    assert known.others["clips"].whole is None
    (period,) = known.periods
    assert (period.first_day, period.images, period.answers) == ("2026-11-28", 100, known.answers)


def test_nothing_is_said_of_all_answers_before_both_kinds_are_known(world: World) -> None:
    assert read(world).answers == production.JudgedAnswers(precision.Precision(), precision.Precision(), None)
    reviewed(world, "day#2026-11-28#detect#sure", 40, 1)
    assert read(world).answers.whole is None, "it is not known what arrived"
    arrived(world, "2026-11-28", 10, 0)
    assert read(world).answers.whole is not None
    arrived(world, "2026-11-28", 10, 5)
    assert read(world).answers.whole is None, "unsure ones came, and none was reviewed"


def test_labels_are_weighted_by_what_arrived_of_them(world: World) -> None:
    for label, confirmed in (("cat", 1), ("a#b", 0)):
        reviewed(world, f"label#detect#sure#{label}", 10, confirmed)
    arrived(world, "2026-11-28", 10, 0)
    labels = read(world).labels
    assert list(labels) == ["a#b", "cat"]
    assert (labels["cat"].sure.value, labels["a#b"].sure.value) == (1, 0)
    assert labels["cat"].whole is not None
    assert labels["a#b"].whole is None, "none arrived"


@pytest.mark.parametrize(("days", "lengths"), [(1, [1]), (16, [1] * 16), (17, [1] + [2] * 8), (28, [2] * 14)])
def test_many_days_are_some_periods_and_the_newest_is_whole(
    days: int, lengths: list[int], world: World
) -> None:
    names = [f"2026-11-{day:02}" for day in range(1, days + 1)]
    for name in names:
        arrived(world, name, 1, 0)
    periods = read(world).periods
    assert [period.images for period in periods] == lengths
    assert (periods[0].first_day, periods[-1].last_day) == (names[0], names[-1])


STATE = DriftState("v1", looked_at="2026-11-28T12:00:00.000000Z", test_images=3)
LOWER = Finding("confidence", "", "today", 1e-9, 90.0, 62.0, "lower")
MORE_CATS = Finding("label", "cat", "today", 1e-9, 0.2, 0.9, "more cats")


def answered(confidence: float, label: str = "cat") -> TestImage:
    box = RelativeBox(label, 0.1, 0.1, 0.2, 0.2)
    return TestImage(f"images/{label}{confidence}.jpg", 100, 80, (), (Detection(label, confidence, box),))


def test_pictures_show_what_has_changed(world: World) -> None:
    arrived(world, "2026-11-28", 24, 0)
    state = replace(STATE, findings=(LOWER,))
    confidences = [one.confidence for one in production.arrived_pictures(world.observations, state)]
    assert confidences[:2] == [62.0, 61.0]
    assert len(confidences) == production.PICTURES
    evaluation = Evaluation("training", "detection", (answered(0.5), answered(0.91), answered(0.99)), {})
    assert [one.confidence for one in production.tested_pictures(evaluation, {}, state)] == [91.0, 99.0, 50.0]
    assert production.tested_pictures(evaluation, {"cat": 60}, state)[-1].detections == 0


def test_pictures_of_a_label_show_it_where_it_is_more_frequent(world: World) -> None:
    evaluation = Evaluation("training", "detection", (answered(0.9, "cat"), answered(0.9, "dog")), {})
    for finding, first in ((MORE_CATS, "dog"), (replace(MORE_CATS, before=0.9, now=0.2), "cat")):
        state = replace(STATE, findings=(finding,))
        assert production.tested_pictures(evaluation, {}, state)[0].labels == (first,)


# What waits

MONTH = MonthSpending("2026-11", 10.0, None)


def waiting(world: World, runs: Sequence[Run], drift: DriftState | None, month: MonthSpending) -> list[Any]:
    kinds = home.waiting(world.loop_state, world.reviews, runs, drift, month)
    return [one for read in kinds.values() for one in read()]


def test_nothing_waits_where_there_is_nothing(world: World) -> None:
    assert waiting(world, [], None, MONTH) == []
    assert home.images_by_label(home.newest_snapshot(world.loop_state, [])) == ([], 0)


def test_what_waits_is_named_the_most_urgent_first(world: World) -> None:
    world.loop_state.open_incident("champion", "v1 is the champion and does not serve")
    runs = [
        Run("b", outcome="running"),
        Run("a", outcome="failed", ended_at="2026-11-28T12:00:00.000000Z", reason="no quota"),
    ]
    drift = replace(STATE, since="2026-11-28T12:00:00.000000Z", findings=(LOWER,))
    first_to_last = waiting(world, runs, drift, MonthSpending("2026-11", 12.0, 10.0))
    assert [(one.kind, one.subject) for one in first_to_last] == [
        ("incident", ""),
        ("run", "a"),
        ("budget", ""),
        ("drift", "v1"),
    ]
    assert first_to_last[1].text == "the last run failed: no quota"
    ended = Run("c", outcome="rejected", ended_at="2026-11-28T13:00:00.000000Z")
    assert waiting(world, [ended, *runs], None, MONTH)[1:] == []


def test_labels_with_the_fewest_images_come_first(world: World) -> None:
    """Those of the newest run that made a snapshot; the list of runs has no counts by label."""
    summary = SnapshotSummary("detection", 5, 2, 2, {"cat": 5, "dog": 1}, {"cat": 1, "dog": 1})
    score = (LabelScore("cat", 0.9, 0.9, 0.9, 3, 0.5),)
    made = Run("a", images=summary, started_at="2026-11-28T12:00:00.000000Z", f1=0.9, labels=score)
    world.loop_state.update_run(made)
    world.loop_state.update_run(Run("b", started_at="2026-11-28T13:00:00.000000Z"))
    outlines = world.loop_state.run_outlines()
    assert [one.id for one in outlines] == ["b", "a"]
    bare = replace(summary, train_labels={}, test_labels={})
    assert outlines[1] == replace(made, images=bare, labels=())
    labels, images = home.images_by_label(home.newest_snapshot(world.loop_state, outlines))
    assert [(one.label, one.train, one.test) for one in labels] == [("dog", 1, 1), ("cat", 5, 1)]
    assert images == 7


def test_the_home_page_shows_the_champions_f1_however_many_are_newer() -> None:
    newest_first = [ModelVersion(f"v{number}", f1=None if number == 8 else 0.5) for number in range(9, 0, -1)]
    for champion, names in (
        ("v9", ["v6", "v7", "v9"]),
        ("v6", ["v6", "v7", "v9"]),
        ("v2", ["v2", "v7", "v9"]),
        ("", ["v6", "v7", "v9"]),
        ("v8", ["v6", "v7", "v9"]),
    ):
        shown = versions.evaluated(newest_first, champion, 3)
        assert [version.id for version in shown] == names, champion
    assert versions.evaluated([], "v1", 3) == []


def test_the_home_page_of_an_empty_deployment(world: World, gateway: Gateway) -> None:
    document = gateway.ask("GET /api/home").document
    assert (document["unread"], document["waiting"], document["serving"]["champion"]) == ([], [], None)
    assert document["costs"] == {"units": 0, "usd_per_hour": 0, "month_usd": 0, "budget_usd": None}
    assert (document["runs"], document["labels"]) == ([], [])
    quality = gateway.ask("GET /api/home/quality").document
    assert quality == {"unread": [], "versions": [], "production": None, "drift": None}
