"""How long a run waits for what people were asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas import retrain
from lambdas.domain.retrain import waiting
from lambdas.domain.retrain.waiting import Wait
from lambdas.domain.review.desk.task import Task, finished
from lambdas.domain.shared import clock
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.deployment import World, context

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
GO_ON = Wait(True, 0)


def ago(seconds: float) -> str:
    return clock.to_iso(NOW - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("open_tasks", "waited", "expected"),
    [
        (0, 0, GO_ON),
        (1, 0, Wait(False, 60)),
        (1, 2400, Wait(False, 60)),
        (1, 3200, Wait(False, 80)),
        (1, 3539.5, Wait(False, 61)),
        (1, 3570, Wait(False, 30)),
        (1, 3599.9, Wait(False, 1)),
        (1, 3600, GO_ON),
        (1000, 99_999, GO_ON),
    ],
)
def test_a_run_waits_for_people_to_a_limit(open_tasks: int, waited: float, expected: Wait) -> None:
    tuning = Tuning(review_wait_seconds=3600, poll_seconds=60)
    assert waiting.wait_for_reviews(open_tasks, ago(waited), ago(0), tuning) == expected


@pytest.mark.parametrize("tuning", [{"review_wait_seconds": 0}, {"review_route": "none"}])
def test_a_run_that_is_not_to_wait_does_not(tuning: dict[str, Any]) -> None:
    assert waiting.wait_for_reviews(5, ago(0), ago(0), Tuning.from_dict(tuning)) == GO_ON


@given(limit=st.integers(0, 10_000), poll=st.integers(1, 5_000), late=st.floats(0, 5))
def test_whoever_waits_as_told_goes_on_in_the_end_and_not_long_after_the_limit(
    limit: int, poll: int, late: float
) -> None:
    """Every look comes a little later than asked for."""
    tuning = Tuning(review_wait_seconds=limit, poll_seconds=poll)
    waited = 0.0
    for _ in range(limit // poll + 2):
        wait = waiting.wait_for_reviews(1, ago(waited), ago(0), tuning)
        if wait.done:
            break
        assert 1 <= wait.wait_seconds <= max(poll, waited / 40 + 1)
        waited += wait.wait_seconds + late
    assert wait.done
    assert limit <= waited < limit + 1 + late or limit == 0


def test_the_step_counts_what_is_open_on_the_desk(world: World) -> None:
    world.tune(review_wait_seconds=3600, poll_seconds=7)
    image = world.image("a", status="unlabelled")
    task = world.reviews.open_task(Task("", image, f"images/{image}.jpg", 100, 100, "detection"))
    assert task is not None

    def look(started_at: str) -> dict[str, Any]:
        return retrain.count_open_reviews({"run": "r", "started_at": started_at}, context())

    assert look(clock.now()) == {"done": False, "wait_seconds": 7}
    assert look(clock.in_seconds(-3601))["done"] is True
    world.reviews.update(task.id, lambda task: finished(task, "done"))
    assert look(clock.now())["done"] is True
