"""An administrator's threshold of a label: written into the settings, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas import serve
from lambdas.domain.serve import thresholds
from lambdas.domain.shared import settings_parameter
from lambdas.domain.shared.errors import ApiError
from tests.fixtures.deployment import TUNING, World, context


def settings(world: World) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(world.ssm.get_parameter(Name=TUNING)["Parameter"]["Value"])
    return document


def test_a_threshold_is_set_changed_and_taken_away(world: World) -> None:
    before = settings(world)
    assert thresholds.set_threshold(world.ssm, TUNING, "cat", 62.5) == {"cat": 62.5}
    assert thresholds.set_threshold(world.ssm, TUNING, "a:b/c", 0) == {"cat": 62.5, "a:b/c": 0}
    assert settings(world) == {**before, "label_thresholds": {"cat": 62.5, "a:b/c": 0}}
    assert thresholds.set_threshold(world.ssm, TUNING, "cat", None) == {"a:b/c": 0}
    assert thresholds.set_threshold(world.ssm, TUNING, "cat", None) == {"a:b/c": 0}


def test_what_others_write_at_the_same_time_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = settings_parameter._write
    others = [{"min_f1": 0.6}, {"min_f1": 0.6, "label_thresholds": {"dog": 30}}]

    def write(ssm: Any, parameter: str, document: dict[str, Any]) -> int:
        if others:
            real(ssm, parameter, {**settings(world), **others.pop(0)})
        return real(ssm, parameter, document)

    monkeypatch.setattr(settings_parameter, "_write", write)
    assert thresholds.set_threshold(world.ssm, TUNING, "cat", 70) == {"dog": 30, "cat": 70}
    assert settings(world)["min_f1"] == 0.6


def test_others_who_never_stop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_parameter, "_write", lambda *_: 2)
    monkeypatch.setattr(settings_parameter, "read_settings", lambda *_: ({}, 5))
    with pytest.raises(ApiError, match="try again"):
        thresholds.set_threshold(world.ssm, TUNING, "cat", 70)


def test_what_others_write_stays_where_it_does_not_go_with_the_threshold(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, others = settings_parameter._write, [{"serving_policy": "sometimes"}]

    def write(ssm: Any, parameter: str, document: dict[str, Any]) -> int:
        if others:
            real(ssm, parameter, others.pop(0))
        return real(ssm, parameter, document)

    monkeypatch.setattr(settings_parameter, "_write", write)
    with pytest.raises(ApiError, match="nothing is changed"):
        thresholds.set_threshold(world.ssm, TUNING, "cat", 70)
    assert settings(world) == {"serving_policy": "sometimes"}


def test_a_threshold_that_cannot_be(world: World) -> None:
    before = settings(world)
    with pytest.raises(ApiError, match="between 0 and 100"):
        thresholds.set_threshold(world.ssm, TUNING, "cat", 101)
    with pytest.raises(ApiError, match="a parameter takes 4096"):
        thresholds.set_threshold(world.ssm, TUNING, "x" * 4096, 50)
    assert settings(world) == before


def test_the_function_answers_why_it_refuses(world: World) -> None:
    asked = {"label": "cat", "percent": 55, "by": "ann"}
    assert serve.set_threshold(asked, context()) == {"label_thresholds": {"cat": 55}}
    refused = serve.set_threshold({**asked, "percent": 101}, context())
    assert (refused["error"]["status"], refused["error"]["code"]) == (422, "bad_request")
