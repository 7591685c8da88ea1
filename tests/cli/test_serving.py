"""`labelloop stop` and `labelloop start`, and what the status says of a champion that sleeps."""

from __future__ import annotations

from dataclasses import replace

from lambdas.domain.shared.records import WaitingImage
from tests.fixtures.cli import V1, Cli

NOW = "2026-01-31T12:00:00.000000Z"


def test_a_stop_is_asked_of_the_function_that_looks_after_the_champion(cli: Cli) -> None:
    cli.promote(V1)
    cli.fake.served = {"act": "sleep", "wanted": False, "reason": "put to sleep by ann: holidays"}
    document = cli.json("stop", "--why", "holidays")
    (request,) = cli.fake.invoked
    assert {**request, "by": ""} == {
        "function": "parts-serve",
        "request": "stop",
        "by": "",
        "why": "holidays",
    }
    assert request["by"]
    assert document == {"request": "stop", "champion": V1, **cli.fake.served, "trouble": ""}
    assert "sleeps, and is stopped once detections under way have ended" in cli("stop").stdout


def test_a_start_says_what_keeps_it_from_starting(cli: Cli) -> None:
    cli.promote(V1)
    cli.fake.served = {"act": "start", "wanted": True, "reason": "asked for by ann"}
    shown = cli("start").stdout
    assert f"{V1} starts, which takes 10 to 20 minutes on AWS; asked for by ann" in shown
    assert "USD for each hour in which the champion runs" in shown
    cli.loop_state.change_serving(lambda before: replace(before, trouble="waits for a running model to stop"))
    shown = cli("start").stdout
    assert f"{V1} is not started yet: waits for a running model to stop. It is started as soon as" in shown
    assert "which takes" not in shown and "It costs" not in shown


def test_a_start_that_is_refused_does_not_say_what_it_would_cost(cli: Cli) -> None:
    cli.promote(V1)
    cli.fake.served = {"act": "none", "wanted": False, "reason": "the month's budget is used up"}
    shown = cli("start").stdout
    assert "sleeps; the month's budget is used up" in shown and "It costs" not in shown


def test_without_a_champion_there_is_nothing_to_stop(cli: Cli) -> None:
    result = cli("stop")
    assert result.exit_code == 1
    assert "no champion to stop: no version has been promoted yet" in result.output
    assert cli.fake.invoked == []


def test_a_function_that_fails_is_told(cli: Cli) -> None:
    cli.promote(V1)
    cli.fake.served = {"errorMessage": "min_f1=2: expected a number between 0 and 1"}
    result = cli("stop")
    assert result.exit_code == 1
    assert "tried again every minute" in result.output


def test_the_status_says_that_it_sleeps_since_when_and_why(cli: Cli) -> None:
    cli.promote(V1)
    cli.loop_state.change_serving(
        lambda before: replace(
            before, state="asleep", since=NOW, reason="put to sleep by ann: [b]", asked="stop"
        )
    )
    cli.loop_state.keep_waiting(WaitingImage(f"{NOW}#1", NOW, "detect/a.jpg"))
    document = cli.json("status")
    assert (document["serving"]["state"], document["waiting_images"]) == ("asleep", 1)
    shown = cli("status").stdout
    assert "sleeps since" in shown
    assert "put to sleep by ann: [b]" in shown
    assert "1 image under detect/ for the champion" in shown


def test_the_status_says_what_keeps_it_from_starting(cli: Cli) -> None:
    cli.promote(V1)
    trouble = "waits for a running model to stop: 2 models run in this account"
    cli.loop_state.change_serving(
        lambda before: replace(before, reason="serving_policy is always", trouble=trouble, start_asked_at=NOW)
    )
    cli.fake.versions = {V1: {"Status": "STARTING"}}
    shown = cli("status").stdout
    assert trouble in shown
    assert "that takes 10 to 20 minutes" in shown
    cli.fake.versions = {V1: {"Status": "RUNNING"}}
    assert "that takes 10 to 20 minutes" not in cli("status").stdout
