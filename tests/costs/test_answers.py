"""What the engine serverless answers, day by day in the ledger, by CloudWatch's count."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lambdas.domain.costs import accounts, answers
from lambdas.domain.shared import pricing
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.deployment import World

FUNCTION, REGION = "parts-serving", "eu-west-1"


class CloudWatch:
    """Sums of days, as GetMetricStatistics answers with them."""

    def __init__(self, **sums: dict[str, float]) -> None:
        self.sums = sums

    def get_metric_statistics(self, **asked: Any) -> dict[str, Any]:
        assert (asked["Namespace"], asked["Period"], asked["Statistics"]) == ("AWS/Lambda", 86400, ["Sum"])
        assert asked["Dimensions"] == [{"Name": "FunctionName", "Value": FUNCTION}]
        assert asked["StartTime"].hour == 0
        days: Sequence[tuple[str, float]] = list(self.sums[asked["MetricName"]].items())
        moments = [(datetime.fromisoformat(day).replace(tzinfo=UTC), value) for day, value in days]
        return {
            # In any order, as AWS gives them.
            "Datapoints": [
                {"Timestamp": moment, "Sum": value}
                for moment, value in reversed(moments)
                if asked["StartTime"] <= moment < asked["EndTime"]
            ]
        }


def book(world: World, cloudwatch: CloudWatch, at: str) -> int:
    return answers.book(cloudwatch, world.loop_state, FUNCTION, REGION, at)


def test_every_day_has_an_entry_that_grows(world: World) -> None:
    cloudwatch = CloudWatch(Invocations={"2026-11-30": 1000}, Duration={"2026-11-30": 200_000})
    assert book(world, cloudwatch, "2026-11-30T12:00:00.000000Z") == 1
    assert book(world, cloudwatch, "2026-11-30T12:15:00.000000Z") == 0, "nobody has asked since"
    cloudwatch.sums["Invocations"] |= {"2026-11-30": 3000, "2026-12-01": 7}
    cloudwatch.sums["Duration"] |= {"2026-11-30": 500_000, "2026-12-01": 3_500}
    assert book(world, cloudwatch, "2026-12-01T00:10:00.000000Z") == 2
    entries = world.loop_state.ledger_entries()
    assert [(entry.id[:18], entry.units, entry.seconds) for entry in entries] == [
        ("2026-11#answers#20", 3000, 500.0),
        ("2026-12#answers#20", 7, 3.5),
    ]
    assert entries[1].until == "2026-12-01T00:10:00.000000Z"


def test_answers_are_in_the_accounts_and_in_the_month(world: World) -> None:
    cloudwatch = CloudWatch(Invocations={"2026-11-30": 30_000}, Duration={"2026-11-30": 6_000_000})
    book(world, cloudwatch, "2026-11-30T12:00:00.000000Z")
    (day,) = accounts.accounts(accounts.entries(world.loop_state), "day", Tuning())
    usd = pricing.serving_usd(30_000, 6000)
    assert (day.name, day.answers, day.answers_usd, day.usd) == ("2026-11-30", 30_000, usd, usd)
    assert 0.1 < usd < 0.3, "6,000 s of 1,769 MB at 0.0000133334 USD a GB-second, and the requests"
    assert accounts.month_usd(world.loop_state, "2026-11", Tuning()) == usd
    (version,) = accounts.accounts(accounts.entries(world.loop_state), "version", Tuning())
    assert version.name == "serving function"


def test_what_lies_too_far_back_is_left_alone(world: World) -> None:
    cloudwatch = CloudWatch(Invocations={"2026-11-10": 5}, Duration={"2026-11-10": 5})
    assert book(world, cloudwatch, "2026-11-30T12:00:00.000000Z") == 0


def test_a_call_that_took_no_time_counts(world: World) -> None:
    cloudwatch = CloudWatch(Invocations={"2026-11-30": 2}, Duration={})
    assert book(world, cloudwatch, "2026-11-30T12:00:00.000000Z") == 1
