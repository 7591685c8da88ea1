"""Applications as the console shows them: who may ask for detections, and how much they do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from lambdas.domain.applications.directory import applications_in
from lambdas.domain.applications.records import Records, Use
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MAX_LISTED = 100
"""Applications that are listed, those that have asked last."""
_NOTHING = Use(0, 0, 0)


@frozen
class Line:
    """Who may ask, or has asked."""

    name: str
    kind: Literal["application", "aws", "removed"]
    rate: int
    """Requests a minute that it may make; 0 of one that may not any more."""
    created_at: str
    """Empty of those that nobody has added."""
    asked_at: str
    """To the minute; empty: not for as long as detections are kept."""
    use: Use


def listed(table: Table, records: Records, aws_rate: int) -> list[Line]:
    """Applications and callers of AWS, those that have asked last first.

    Args:
        table: of the applications.
        aws_rate: requests a minute that each caller of AWS may make.
    """
    now, asked = clock.seconds(), records.callers()
    known = {application.id: application for application in applications_in(table)}
    names = sorted(known | asked, key=lambda name: (-asked.get(name, 0), name))[:MAX_LISTED]
    lines: list[Line] = []
    for name in names:
        application, at = known.get(name), asked.get(name)
        # No application's name has a colon.
        kind = "application" if application else "aws" if ":" in name else "removed"
        rate = application.rate if application else aws_rate if kind == "aws" else 0
        lines.append(
            Line(
                name,
                kind,
                rate,
                application.created_at if application else "",
                clock.to_iso(datetime.fromtimestamp(at, UTC)) if at else "",
                records.use(name, rate, now) if at and rate else _NOTHING,
            )
        )
    return lines
