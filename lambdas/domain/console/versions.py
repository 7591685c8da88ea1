"""Model versions as people compare them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.domain.review.results.precision import Precision
from lambdas.domain.shared.state import Champion


def document(version: Mapping[str, Any], champion: Champion | None, precision: Precision) -> dict[str, Any]:
    """A model version: how good it was at its evaluation, and is in production."""
    return {
        "name": version["id"],
        "status": version.get("state", "unknown"),
        "f1": version.get("f1"),
        "created_at": version.get("created_at", ""),
        "champion": champion is not None and champion.version_name == version["id"],
        "snapshot": version.get("snapshot"),
        "run": version.get("run"),
        "verdicts": version.get("verdicts", []),
        "labels": version.get("labels", []),
        "hours": version.get("hours"),
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
