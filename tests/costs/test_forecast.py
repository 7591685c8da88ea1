"""What a training is expected to cost, by what others have taken."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lambdas.domain.costs import forecast
from lambdas.domain.shared.pricing import Prices
from lambdas.domain.shared.records import Run, SnapshotSummary
from lambdas.domain.shared.tuning import Tuning

PRICES = Prices(1.0, 4.0)


def images(count: int) -> SnapshotSummary:
    return SnapshotSummary("detection", count - count // 5, count // 5)


def trained(hours: float | None, count: int) -> Run:
    return Run("a", billable_seconds=None if hours is None else hours * 3600, images=images(count))


@pytest.mark.parametrize(
    ("runs", "count", "hours", "trainings"),
    [
        ([trained(2, 100)], 100, 2, 1),
        ([trained(2, 100)], 200, 4, 1),
        ([trained(2, 100), trained(1, 100), trained(9, 100)], 100, 2, 3),
        ([trained(None, 100), trained(3, 100)], 50, 1.5, 1),
        ([trained(1, 100)] * 5 + [trained(50, 100)] * 9, 100, 1, 5),
        ([Run("a", billable_seconds=3600.0), trained(3, 100)], 100, 3, 1),
    ],
)
def test_a_training_takes_as_long_for_each_image_as_the_last_ones(
    runs: list[Run], count: int, hours: float, trainings: int
) -> None:
    expected = forecast.training(runs, images(count), PRICES, 1)
    assert expected.seconds == hours * 3600
    assert expected.usd == hours + 4
    assert expected.trainings == trainings


def test_a_training_of_the_engine_serverless_goes_by_its_own_and_has_nothing_to_start() -> None:
    """Rekognition's trainings take another time at another price."""
    own = Run("b", version="v2-s-serverless", billable_seconds=7200.0, images=images(100))
    runs = [trained(20, 100), own]
    prices = Prices(1.0, 4.0, serverless_training_per_hour=0.5)
    expected = forecast.training(runs, images(200), prices, 1, serverless=True)
    assert (expected.seconds, expected.usd, expected.trainings) == (4 * 3600, 2.0, 1)
    assert expected.text == "a training takes about 4 h by the last one, so about 2.00 USD"
    assert forecast.training(runs, images(100), prices, 1).usd == 24
    first = forecast.training([trained(20, 100)], images(100), prices, 1, serverless=True)
    assert (first.usd, first.trainings) == (0.25, 0)
    assert "half an hour: 0.25 USD, or more" in first.text


def test_without_a_snapshot_it_has_as_many_images_as_the_last() -> None:
    assert forecast.training([trained(2, 70), trained(2, 100)], None, PRICES, 2).usd == 1.7 + 8


def test_of_a_first_training_the_least_is_known_and_said_to_be_it() -> None:
    first = forecast.training([], images(100), PRICES, 1)
    assert (first.usd, first.trainings) == (4.5, 0)
    assert (
        first.text == "a first training takes 30 minutes to 24 hours: 4.50 USD with the shadow gate, or more"
    )


@pytest.mark.parametrize(
    ("hours", "words", "usd"), [(2, "2 h", "6.00"), (0.0142, "51 s", "4.01"), (26.5, "26 h 30 min", "30.50")]
)
def test_it_says_what_it_goes_by_in_a_fitting_unit(hours: float, words: str, usd: str) -> None:
    text = forecast.training([trained(hours, 100)] * 3, images(100), PRICES, 1).text
    assert text == f"a training takes about {words} by the last 3, so about {usd} USD with the shadow gate"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"serving_policy": "always"}, "4.00 USD for each hour .*; it always runs, so 96.00 USD a day"),
        (
            {"serving_policy": "hours", "serving_hours": "Mon-Fri 08:00-18:00, Sat 22:00-02:00"},
            "it runs 54 hours a week, so 216.00 USD a week",
        ),
        (
            {"serving_policy": "idle"},
            "it sleeps once it was not used for 30 min, so a start costs 2.00 USD or more",
        ),
        (
            {"serving_policy": "demand", "serving_idle_seconds": 900},
            "; images .* start it, and it sleeps once",
        ),
        (
            {"serving_policy": "never", "min_inference_units": 2, "max_inference_units": 2},
            "^8.00 .* only `labelloop start` starts it, .* not used for 30 min, so a start costs 4.00",
        ),
        ({"max_inference_units": 5}, "^4.00 USD .*, up to 20.00 with all its units"),
    ],
)
def test_the_champion_costs_what_its_policy_says(settings: dict[str, Any], words: str) -> None:
    assert re.search(words, forecast.serving_words(Tuning(**settings), PRICES))


def test_what_a_person_has_stopped_costs_nothing_whatever_the_policy() -> None:
    words = forecast.serving_words(Tuning(serving_policy="always"), PRICES, "stop")
    assert words.endswith("nothing while it sleeps, until `labelloop start`")


@pytest.mark.parametrize("policy", ["hours", "idle", "demand", "never"])
def test_what_a_person_starts_costs_until_it_was_idle(policy: str) -> None:
    words = forecast.serving_words(Tuning(serving_policy=policy), PRICES, "start")
    assert words.endswith("it sleeps once it was not used for 30 min, so a start costs 2.00 USD or more")
