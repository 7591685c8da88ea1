"""Model versions as people compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lambdas.domain.review.results.precision import Precision
from lambdas.domain.shared.records import Approval, Champion, ModelVersion, PendingApproval, Run


def document(
    version: ModelVersion,
    champion: Champion | None,
    precision: Precision | None,
    pending: PendingApproval | None,
) -> dict[str, Any]:
    """A model version: how good it was at its evaluation, and is in production.

    Args:
        precision: None if it is not known.
    """
    return {
        "name": version.id,
        "status": version.state or "unknown",
        "reason": version.reason,
        "f1": version.f1,
        "created_at": version.created_at or "",
        "champion": champion is not None and champion.version_name == version.id,
        "snapshot": version.trained_on,
        "run": version.run,
        "verdicts": version.verdicts,
        "approval": approval_document(version.approval, pending),
        "labels": version.labels,
        "production_precision": precision_document(precision) if precision else None,
    }


def evaluated(versions: Sequence[ModelVersion], champion: str, limit: int) -> Sequence[ModelVersion]:
    """The newest versions that were evaluated, oldest first, and the champion however old it is.

    Args:
        versions: newest first.
    """
    known = [version for version in versions if version.f1 is not None]
    place = next((place for place, version in enumerate(known) if version.id == champion), 0)
    shown = known[:limit] if place < limit else [*known[: limit - 1], known[place]]
    return shown[::-1]


def decisions(run: Run, version: ModelVersion | None, pending: PendingApproval | None) -> dict[str, Any]:
    """What gates and people have decided about the version of a run: its verdicts and its approval.

    The run's own record has the shadow gate's verdict once the promotion has ended, which may wait for a
    person who decides by that verdict.
    """
    if version is None or version.run != run.id:
        return {"verdicts": run.verdicts, "approval": None}
    if pending and pending.run != run.execution:
        pending = None
    approval = version.approval
    if approval and run.ended_at and approval.asked_at > run.ended_at:
        # The version was promoted again later, by itself.
        approval = None
    verdicts = run.verdicts if run.ended_at else version.verdicts or run.verdicts
    return {"verdicts": verdicts, "approval": approval_document(approval, pending)}


def approval_document(approval: Approval | None, pending: PendingApproval | None) -> dict[str, Any] | None:
    """What was decided about a version, or that it waits; None where nobody was asked."""
    if pending:
        asked = {"asked_at": pending.asked_at, "deadline": pending.deadline}
        return {"decision": None, "by": "", "why": "", "at": None, **asked}
    if approval is None:
        return None
    names = ("decision", "by", "why", "at", "asked_at")
    return {**{name: getattr(approval, name) for name in names}, "deadline": None}


def precision_document(precision: Precision) -> dict[str, Any] | None:
    """The share of confirmed detections and its interval; None before a sample was reviewed."""
    if precision.value is None or precision.interval is None:
        return None
    low, high = precision.interval
    return {
        "confirmed": precision.confirmed,
        "false": precision.false,
        "missed": precision.missed,
        "images": precision.images,
        "precision": round(precision.value, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }
