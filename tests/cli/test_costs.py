"""What `labelloop costs`, `status` and `train` say about money."""

from __future__ import annotations

import json

import boto3
import pytest

from lambdas.domain.costs import ledger
from lambdas.domain.engines.port import Version
from lambdas.domain.shared import clock
from tests.fixtures.cli import V1, V2, Cli, version_arn


def tune(**values: object) -> None:
    boto3.client("ssm").put_parameter(
        Name="/parts/tuning", Type="String", Value=json.dumps(values), Overwrite=True
    )


@pytest.fixture
def ran(history: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """v1 has run for three hours over midnight and does so still; v2 was trained for half an hour."""
    monkeypatch.setattr(clock, "now", lambda: "2026-01-31T01:00:00.000000Z")
    running = Version(version_arn(V1), V1, "RUNNING", "", None, None, 0)
    trained = Version(
        version_arn(V2),
        V2,
        "TRAINING_COMPLETED",
        "",
        None,
        None,
        1800,
        training_ended_at="2026-01-30T12:00:00.000000Z",
    )
    for hour in ("30T22", "30T23", "31T00", "31T01"):
        ledger.observe(history.loop_state, [running, trained], f"2026-01-{hour}:00:00.000000Z")
    return history


def test_nothing_has_cost_anything_yet(cli: Cli) -> None:
    result = cli("costs")
    assert "Nothing has been booked yet" in result.output
    assert "there is no budget" in result.output


@pytest.mark.parametrize(
    ("by", "names", "usd"),
    [
        ("day", ["2026-01-31", "2026-01-30"], [4, 8.5]),
        ("month", ["2026-01"], [12.5]),
        ("version", [V1, V2], [12, 0.5]),
    ],
)
def test_costs_are_summed_up(by: str, names: list[str], usd: list[float], ran: Cli) -> None:
    document = ran.json("costs", "--by", by)
    assert [account["name"] for account in document["accounts"]] == names
    assert [account["usd"] for account in document["accounts"]] == usd
    assert (document["usd"], document["usd_per_hour"]) == (12.5, 4)
    assert document["as_of"] == "2026-01-31T01:00:00.000000Z"
    output = ran("costs", "--by", by).output
    assert f"{V1} runs with 1 inference unit: 4.00 USD an hour until it is stopped" in output
    assert "12.50" in output
    assert "the bill is what counts" in output


def test_the_budget_stands_beside_the_month(ran: Cli) -> None:
    tune(monthly_budget_usd=50)
    assert "2026-01 (UTC): 12.50 USD of a budget of 50.00 USD, 25 %" in ran("costs").output
    tune(monthly_budget_usd=10)
    assert "125 %; it is used up, and nothing is started" in ran("costs").output


def test_status_says_what_was_spent_and_what_is_held_back(ran: Cli) -> None:
    spent = ran.json("status")["spent_this_month"]
    assert (spent["usd"], spent["budget_usd"], spent["held"]) == (12.5, None, "")
    tune(monthly_budget_usd=10)
    output = ran("status").output
    assert "held back" in output
    assert "is used up: 12.50 USD" in output
    assert "next training" in output


def test_a_training_that_the_budget_forbids_is_not_started(ran: Cli) -> None:
    tune(monthly_budget_usd=10, min_training_images=0)
    result = ran("train")
    assert result.exit_code == 1
    assert "nothing was started" in result.output
    assert ran.fake.started == []


def test_a_training_says_what_it_will_cost(ran: Cli) -> None:
    ran.catalogue.put_item(Item={"id": "image#a", "status": "labelled", "changed_at": "2026"})
    tune(min_training_images=1)
    output = ran("train").output
    assert "a training takes about 60 min by the last one, so about 5.00 USD with the shadow gate" in output


def test_status_names_models_that_no_deployment_owns(history: Cli) -> None:
    assert history.json("status")["unowned"] == ""
    history.loop_state.open_incident("unowned", "arn:lost is RUNNING and costs 4 USD an hour")
    assert "arn:lost is RUNNING and costs 4 USD an hour" in history("status").output
