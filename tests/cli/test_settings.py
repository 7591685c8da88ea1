"""`labelloop settings`: what is in force, and changes that lose nobody's."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from lambdas.domain.shared import settings_parameter
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.cli import Cli

PARAMETER = "/parts/tuning"


def document() -> Any:
    return json.loads(boto3.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Value"])


def write(values: Any) -> None:
    text = values if isinstance(values, str) else json.dumps(values)
    boto3.client("ssm").put_parameter(Name=PARAMETER, Value=text, Overwrite=True)


def versions() -> int:
    return boto3.client("ssm").get_parameter(Name=PARAMETER)["Parameter"]["Version"]


def write_before_next_write(monkeypatch: pytest.MonkeyPatch, *others: Any) -> None:
    """Let somebody else write between our reading and our writing, once for each document."""
    real, waiting = settings_parameter._write, list(others)

    def write_after_them(ssm: Any, parameter: str, edited: Any) -> int:
        if waiting:
            write(waiting.pop(0))
        return real(ssm, parameter, edited)

    monkeypatch.setattr(settings_parameter, "_write", write_after_them)


def test_all_settings_are_shown_with_what_is_not_the_default(cli: Cli) -> None:
    shown = cli("settings", "show").stdout
    assert len([line for line in shown.splitlines() if line]) == len(Tuning().as_dict()) + 2
    (line,) = (line for line in shown.splitlines() if line.startswith("min_new_images"))
    assert line.split() == ["min_new_images", "20", "50"]
    entries = {entry["name"]: entry for entry in cli.json("settings", "show")}
    assert entries["min_new_images"]["value"] == 20
    assert entries["serving_policy"]["value"] == entries["serving_policy"]["default"] == "idle"


def test_one_setting_is_shown_with_its_meaning(cli: Cli) -> None:
    shown = cli("settings", "show", "min_new_images").stdout
    assert shown.startswith("min_new_images = 20 (default 50)\nNumber of newly labelled")
    assert "(the default)" in cli("settings", "show", "min_f1").stdout


def test_a_change_keeps_the_others(cli: Cli) -> None:
    shown = cli("settings", "set", "serving_policy", "always", "min_f1", "0.7").stdout
    assert "serving_policy = always (was idle)" in shown and "min_f1 = 0.7 (was 0.8)" in shown
    assert document() == {"min_new_images": 20, "serving_policy": "always", "min_f1": 0.7}


def test_a_setting_gets_its_default_again(cli: Cli) -> None:
    assert cli.json("settings", "unset", "min_new_images") == {
        "before": {"min_new_images": 20},
        "after": {"min_new_images": 50},
        "unknown_labels": [],
    }
    assert document() == {}


def test_a_label_gets_a_threshold_of_its_own(cli: Cli) -> None:
    shown = cli("settings", "set", "label_thresholds.bolt", "80", "label_thresholds.m.4", "60.5").stdout
    assert "label_thresholds.bolt = 80 (was the model's own)" in shown
    assert document()["label_thresholds"] == {"bolt": 80, "m.4": 60.5}
    assert (
        "label_thresholds.bolt is 80 already" in cli("settings", "set", "label_thresholds.bolt", "80").stdout
    )
    cli("settings", "unset", "label_thresholds.bolt")
    assert document()["label_thresholds"] == {"m.4": 60.5}
    cli("settings", "set", "label_thresholds", '{"nut": 70}')
    assert document()["label_thresholds"] == {"nut": 70}
    assert '{"nut": 70}' in cli("settings", "show", "label_thresholds").stdout


def test_a_label_that_the_champion_does_not_have_is_named(history: Cli) -> None:
    set_blot = ("settings", "set", "label_thresholds.blot", "80")
    assert "The champion has no label blot" in history(*set_blot).stdout
    assert history.json(*set_blot)["unknown_labels"] == ["blot"]
    assert history.json("settings", "set", "label_thresholds.bolt", "80")["unknown_labels"] == []


def test_what_is_so_already_is_not_written(cli: Cli) -> None:
    assert "min_new_images is 20 already" in cli("settings", "set", "min_new_images", "20").stdout
    assert versions() == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["set", "min_f1", "2"], "min_f1=2: expected a number between 0 and 1"),
        (["set", "min_f1", "NaN"], "min_f1=nan: expected a number between 0 and 1"),
        (["set", "min_f1", "high"], "min_f1='high': expected a number between 0 and 1"),
        (["set", "min_new_images", "1.5"], "expected a whole number"),
        (["set", "budget_stops_champion", "yes"], "expected true or false"),
        (["set", "serving_policy", "sometimes"], "one of always, hours"),
        (["set", "serving_hours", "Mon 25:00-26:00"], "serving_hours='Mon 25:00-26:00'"),
        (["set", "min_f1", "0.5", "serving_policy", "sometimes"], "one of always, hours"),
        (["set", "min_f1"], "min_f1 has no value"),
        (["set", "min_f1=0.5"], "write `labelloop settings set min_f1 0.5`"),
        (["set", "min_f1=0.5", "min_label_f1=0.5"], "write `labelloop settings set min_f1 0.5`"),
        (["set", "min_f1", "1", "min_f1", "0"], "min_f1 is given twice"),
        (["set", "minf1", "1"], "do you mean min_f1?"),
        (["set", "retain_data", "false"], "a deployment changes it"),
        (["set", "label_thresholds.bolt", "101"], "bolt=101: expected a number between 0 and 100"),
        (["set", "label_thresholds.bolt", "high"], "bolt='high': expected a number"),
        (["set", "label_thresholds", "80"], "expected an object with a percentage for each label"),
        (["set", "label_thresholds.", "80"], "is no setting"),
        (["set", "min_f1.bolt", "0.5"], "is no setting"),
        (["unset", "colour"], "`labelloop settings show` lists them"),
        (["unset", "min_f1", "colour"], "colour is no setting"),
    ],
)
def test_what_cannot_be_used_is_refused_and_nothing_written(
    cli: Cli, arguments: list[str], message: str
) -> None:
    result = cli("settings", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert versions() == 1


def test_what_somebody_else_changes_meanwhile_stays(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write_before_next_write(monkeypatch, {"min_new_images": 30}, {"min_new_images": 30, "min_f1": 0.6})
    assert cli.json("settings", "set", "serving_policy", "never")["after"] == {"serving_policy": "never"}
    assert document() == {"min_new_images": 30, "min_f1": 0.6, "serving_policy": "never"}


def test_a_change_that_does_not_go_with_somebody_elses_leaves_theirs(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"min_inference_units": 3, "max_inference_units": 3}
    write_before_next_write(monkeypatch, theirs)
    result = cli("settings", "set", "max_inference_units", "2")
    assert result.exit_code == 2
    assert "nothing is changed: max_inference_units=2" in result.stderr
    assert document() == theirs


def test_others_who_never_cease_are_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [{"min_new_images": number} for number in range(1, settings_parameter.ATTEMPTS + 1)]
    write_before_next_write(monkeypatch, *others)
    assert "others are changing the settings" in cli("settings", "set", "min_f1", "0.5").stderr


def test_settings_that_cannot_be_used_are_mended(cli: Cli) -> None:
    write({"min_f1": 2, "colour": "red"})
    assert cli("settings", "set", "min_f1", "0.8").exit_code == 2
    assert cli("settings", "set", "min_f1", "0.8", "min_new_images", "5").exit_code == 2
    assert cli("settings", "unset", "min_f1", "colour").exit_code == 0
    assert document() == {}


def test_a_parameter_that_is_no_document_says_where_the_last_one_is(cli: Cli) -> None:
    for broken in ("{", "[1]"):
        write(broken)
        result = cli("settings", "set", "min_f1", "0.8")
        assert result.exit_code == 1
        assert "aws ssm get-parameter-history --name /parts/tuning" in result.stderr


def test_more_than_a_parameter_takes_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_parameter, "MAX_BYTES", 40)
    assert cli("settings", "set", "min_new_images", "30").exit_code == 0
    result = cli("settings", "set", "review_sample_rate", "0.5")
    assert result.exit_code == 1
    assert "a parameter takes 40" in result.stderr
    assert document() == {"min_new_images": 30}
