"""What the engine serverless answers: its function's requests and time, by CloudWatch's own count.

Duration is "the amount of time that your function code spends processing an event. The billed duration for
an invocation is the value of Duration rounded up to the nearest millisecond". What a cold start takes before
that is not in it: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from lambdas.domain.shared import clock
from lambdas.domain.shared.records import SERVING, LedgerEntry
from lambdas.domain.shared.state import LoopState

DAYS = 14
"""That are looked at again: what nobody booked for longer is not booked any more. CloudWatch keeps them for
longer: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html"""
_DAY = timedelta(days=1)


def book(cloudwatch: Any, loop_state: LoopState, function_name: str, region: str, at: str) -> int:
    """Bring the ledger's entries of the last days up to what CloudWatch says: how many have changed.

    A day (UTC) has one entry, which is written anew as it grows: any number of callers may do so at once.
    """
    now = clock.parse(at)
    since = datetime(now.year, now.month, now.day, tzinfo=UTC) - DAYS * _DAY
    answers = _sums(cloudwatch, function_name, "Invocations", since, now)
    milliseconds = _sums(cloudwatch, function_name, "Duration", since, now)
    known = {entry.id: entry for month in _months(since, now) for entry in loop_state.ledger_entries(month)}
    changed = [
        entry
        for entry in _entries(answers, milliseconds, region, at)
        if not _same(known.get(entry.id), entry)
    ]
    loop_state.write_answers(changed)
    return len(changed)


def _entries(
    answers: dict[datetime, float], milliseconds: dict[datetime, float], region: str, at: str
) -> Iterator[LedgerEntry]:
    for day, count in answers.items():
        since, until = clock.to_iso(day), min(clock.to_iso(day + _DAY), at)
        seconds = round(milliseconds.get(day, 0.0) / 1000, 3)
        yield LedgerEntry("answers", SERVING, region, since, until, seconds, int(count))


def _same(before: LedgerEntry | None, after: LedgerEntry) -> bool:
    return before is not None and replace(before, until=after.until) == after


def _sums(
    cloudwatch: Any, function_name: str, metric: str, since: datetime, until: datetime
) -> dict[datetime, float]:
    """The metric's sum of each day in which the function was called."""
    answer = cloudwatch.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": function_name}],
        StartTime=since,
        EndTime=until,
        Period=int(_DAY.total_seconds()),
        Statistics=["Sum"],
    )
    return {point["Timestamp"].astimezone(UTC): point["Sum"] for point in answer["Datapoints"]}


def _months(since: datetime, until: datetime) -> list[str]:
    return sorted({f"{moment:%Y-%m}" for moment in (since, until)})
