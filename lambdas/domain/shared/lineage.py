"""Which model versions served last: those that a challenger is held against."""

from __future__ import annotations

from collections.abc import Container, Sequence

from lambdas.domain.shared.records import ModelVersion

EARLIER_VERSIONS = 10
"""How many of the versions that served last a challenger is held against, beside the champion."""


def served_before(
    records: Sequence[ModelVersion], *, among: Container[str], besides: Container[str]
) -> list[str]:
    """Names of the versions that served last and could serve again, the latest first: those that nobody has
    rolled back from.

    Args:
        among: names of the versions that Rekognition has.
        besides: names of versions that do not count.
    """
    served = [
        version
        for version in records
        if version.promoted_at
        and version.id in among
        and version.id not in besides
        and not _was_rolled_back(version, records)
    ]
    served.sort(key=lambda version: version.promoted_at or "", reverse=True)
    return [version.id for version in served[:EARLIER_VERSIONS]]


def _was_rolled_back(version: ModelVersion, versions: Sequence[ModelVersion]) -> bool:
    """Whether a person has made an older version serve instead of this one, and so decided against it."""
    return any(
        (older.created_at or "") < (version.created_at or "")
        and (older.promoted_at or "") > (version.promoted_at or "")
        and any(verdict.gate == "rollback" for verdict in older.verdicts)
        for older in versions
    )
