"""Model versions as people compare them."""

from __future__ import annotations

from typing import Any

from lambdas.domain.review.results.precision import Precision
from lambdas.domain.shared.records import Champion, ModelVersion


def document(version: ModelVersion, champion: Champion | None, precision: Precision) -> dict[str, Any]:
    """A model version: how good it was at its evaluation, and is in production."""
    return {
        "name": version.id,
        "status": version.state or "unknown",
        "f1": version.f1,
        "created_at": version.created_at or "",
        "champion": champion is not None and champion.version_name == version.id,
        "snapshot": version.snapshot,
        "run": version.run,
        "verdicts": [verdict.as_dict() for verdict in version.verdicts],
        "labels": [score.as_dict() for score in version.labels],
        "hours": version.hours,
        "production_precision": _precision(precision),
    }


def _precision(found: Precision) -> dict[str, Any] | None:
    """None before a sample was reviewed."""
    if found.value is None or found.interval is None:
        return None
    low, high = found.interval
    return {
        "confirmed": found.confirmed,
        "false": found.false,
        "missed": found.missed,
        "images": found.images,
        "precision": round(found.value, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }
