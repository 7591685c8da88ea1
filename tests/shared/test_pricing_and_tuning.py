from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from lambdas.domain.shared import pricing
from lambdas.domain.shared.records import LedgerEntry
from lambdas.domain.shared.tuning import AMOUNTS, CHOICES, FLAGS, FREQUENCIES, LIMITS, Tuning, TuningError


@pytest.mark.parametrize(("seconds", "usd"), [(0, 0), (3600, 1.0), (1800, 0.5), (1, 0.0003)])
def test_what_a_training_costs(seconds: float, usd: float) -> None:
    assert pricing.prices("us-east-1", Tuning()).training_usd(seconds) == usd


@pytest.mark.parametrize(
    ("seconds", "units", "usd"), [(0, 1, 0), (3600, 1, 4.0), (3600, 3, 12.0), (900, 2, 2.0)]
)
def test_what_a_running_model_costs(seconds: float, units: int, usd: float) -> None:
    assert pricing.prices("us-east-1", Tuning()).inference_usd(seconds, units) == usd


def test_a_region_whose_prices_are_not_known_costs_what_the_dearest_known_one_does() -> None:
    unknown = pricing.prices("eu-west-9", Tuning())
    assert unknown.is_estimate
    assert not pricing.prices("us-east-1", Tuning()).is_estimate
    for known in pricing.PRICES.values():
        assert unknown.training_per_hour >= known.training_per_hour
        assert unknown.inference_per_unit_hour >= known.inference_per_unit_hour


def test_prices_of_the_settings_come_first() -> None:
    half = pricing.prices("eu-west-9", Tuning(training_usd_per_hour=2))
    assert (half.training_per_hour, half.is_estimate) == (2, True)
    both = pricing.prices("eu-west-9", Tuning(training_usd_per_hour=2, inference_usd_per_unit_hour=3.5))
    assert (both.inference_usd(3600, 2), both.is_estimate) == (7, False)


def test_a_training_is_paid_at_its_engines_price() -> None:
    prices = pricing.prices("us-east-1", Tuning(serverless_training_usd_per_hour=0.5))
    day = "2026-11-28T00:00:00Z"
    rekognition = LedgerEntry("training", "v1-s", "us-east-1", day, day, 7200)
    assert prices.entry_usd(rekognition) == 2.0
    assert prices.entry_usd(replace(rekognition, version="v1-s-serverless")) == 1.0
    assert not pricing.is_serverless_estimate("us-east-1", Tuning(serverless_training_usd_per_hour=0.5))
    usual = pricing.prices("eu-west-1", Tuning()).serverless_training_per_hour
    assert usual == pricing.prices("us-east-1", Tuning()).serverless_training_per_hour
    estimates = [pricing.is_serverless_estimate(region, Tuning()) for region in ("eu-west-1", "us-east-1")]
    assert estimates == [False, True]


def test_the_defaults_are_usable_and_go_through_json() -> None:
    assert Tuning.from_json(json.dumps(Tuning().as_dict())) == Tuning()
    assert Tuning.from_json("{}") == Tuning()
    assert Tuning.from_json('{"min_f1": 0.5, "poll_seconds": 5}') == Tuning(min_f1=0.5, poll_seconds=5)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"min_f1": 1.5}, "min_f1=1.5"),
        ({"f1_margin": 2}, "f1_margin=2"),
        ({"wrong_promotion_rate": 0}, "wrong_promotion_rate=0: expected 0.01 or more"),
        ({"wrong_refusal_rate": 0.6}, "wrong_refusal_rate=0.6: expected a number between 0 and 0.5"),
        ({"undecided": "coin"}, "undecided='coin': one of keep, better"),
        ({"burst_quiet_seconds": -1}, "burst_quiet_seconds=-1"),
        ({"min_new_images": "50"}, "min_new_images='50'"),
        ({"min_new_images": True}, "min_new_images=True"),
        ({"min_new_images": None}, "min_new_images=None"),
        ({"min_new_images": 0}, "min_new_images=0"),
        ({"review_route": "mail"}, "review_route='mail'"),
        ({"review_kind": 1}, "review_kind=1"),
        ({"review_confidence_threshold": 100.5}, "review_confidence_threshold=100.5"),
        ({"review_sample_rate": float("nan")}, "review_sample_rate=nan"),
        ({"review_iou": True}, "review_iou=True"),
        ({"review_min_confidence": 101}, "review_min_confidence=101"),
        ({"review_workers_per_task": 0}, "review_workers_per_task=0"),
        ({"review_workers_per_task": 10}, "review_workers_per_task=10: expected 9 or less"),
        ({"tile_side": 63}, "tile_side=63: expected 64 pixels or more"),
        ({"tile_side": 4097}, "tile_side is too large: expected 4096 or less"),
        ({"tile_side": 256}, "tile_overlap=256: expected less than tile_side=256"),
        ({"review_heartbeat_seconds": 7 * 24 * 3600}, "review_heartbeat_seconds=604800: expected less than"),
        ({"review_timeout_seconds": 3600}, "less than review_timeout_seconds=3600"),
        ({"review_claim_seconds": 10**12}, "review_claim_seconds is too large: expected 99999999"),
        ({"monthly_budget_usd": 10**400}, "monthly_budget_usd is too large: expected 1000000000 USD or less"),
        ({"min_hours_between_trainings": 10**8}, "min_hours_between_trainings is too large: expected 87600"),
        ({"serving_wait_images": 5001}, "serving_wait_images is too large: expected 5000 or less"),
        ({"monthly_budget_usd": 0}, "monthly_budget_usd=0: .* null for no budget"),
        ({"monthly_budget_usd": -5}, "monthly_budget_usd=-5: expected an amount of USD above 0"),
        ({"monthly_budget_usd": float("nan")}, "monthly_budget_usd=nan"),
        ({"monthly_budget_usd": float("inf")}, "monthly_budget_usd=inf"),
        ({"monthly_budget_usd": "100"}, "monthly_budget_usd='100'"),
        ({"monthly_budget_usd": True}, "monthly_budget_usd=True"),
        ({"training_usd_per_hour": 0}, "training_usd_per_hour=0"),
        ({"budget_stops_champion": 1}, "budget_stops_champion=1: expected true or false"),
        ({"min_hours_between_trainings": -1}, "min_hours_between_trainings=-1"),
        ({"poll_seconds": 0}, "poll_seconds=0"),
        ({"min_inference_units": 0}, "min_inference_units=0"),
        ({"min_inference_units": 3, "max_inference_units": 2}, "max_inference_units=2: expected min_inf"),
        ({"serving_policy": "sometimes"}, "serving_policy=.sometimes.: one of always, hours, idle"),
        ({"serving_hours": "Mon 9-10"}, "serving_hours=.Mon 9-10.*expected hours like"),
        ({"serving_hours": 9}, "serving_hours=9: expected text"),
        ({"serving_time_zone": "Mars"}, "serving_time_zone=.Mars.: there is no time zone"),
        ({"serving_idle_seconds": -1}, "serving_idle_seconds=-1"),
        ({"serving_wait_images": -1}, "serving_wait_images=-1"),
        ({"serving_wait_seconds": 0}, "serving_wait_seconds=0"),
        ({"shadow_test_images": 0}, "shadow_test_images=0"),
        ({"resend_event_after_seconds": 0}, "resend_event_after_seconds=0"),
        ({"min_f2": 0.5, "a": 1}, "unknown settings: a, min_f2"),
        ({"label_thresholds": 50}, "label_thresholds=50: expected an object"),
        ({"label_thresholds": {"cat": 101}}, "label_thresholds: cat=101: expected a number between 0"),
        ({"label_thresholds": {"cat": True}}, "label_thresholds: cat=True"),
        ({"label_thresholds": {"cat": float("nan")}}, "label_thresholds: cat=nan"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(TuningError, match=named):
        Tuning.from_dict(values)


@pytest.mark.parametrize("document", ["", "{", "[]", "1", '"text"', "null"])
def test_what_is_no_json_object_is_refused(document: str) -> None:
    with pytest.raises(TuningError, match="settings parameter"):
        Tuning.from_json(document)


WHOLE_NUMBERS = [
    field.name
    for field in fields(Tuning)
    if "f1" not in field.name
    and field.name not in {*CHOICES, *LIMITS, *AMOUNTS, *FLAGS, *FREQUENCIES, "label_thresholds"}
]


def refused(document: str) -> bool:
    try:
        Tuning.from_json(document)
    except TuningError:
        return True
    return False


def test_counts_and_seconds_are_whole() -> None:
    """Step Functions waits whole seconds: https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html"""
    assert [name for name in WHOLE_NUMBERS if not refused(json.dumps({name: 2.5}))] == []


def test_a_threshold_is_a_number() -> None:
    f1s = [field.name for field in fields(Tuning) if "f1" in field.name]
    assert [name for name in f1s if not refused(f'{{"{name}": NaN}}')] == []


def test_no_number_is_beyond_arithmetic() -> None:
    assert [name for name in (*WHOLE_NUMBERS, *AMOUNTS) if not refused(f'{{"{name}": 1{"0" * 400}}}')] == []


def test_no_number_is_infinite() -> None:
    assert [name for name in WHOLE_NUMBERS if not refused(f'{{"{name}": Infinity}}')] == []
