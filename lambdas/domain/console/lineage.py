"""Where a version comes from: its snapshot, whose labels those are, its run, its settings, its cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.costs import accounts
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import snapshots
from lambdas.domain.snapshot.snapshots import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Lineage:
    """Everything that made a version what it is, as far as it is on record."""

    version: ModelVersion
    snapshot: Snapshot | None
    """None if it was not trained by this deployment, or the snapshot is gone."""
    started_by: str
    """The person who started its run by hand; empty if nobody did."""
    settings: Mapping[str, str]
    """Those that were not the defaults when it was judged, as JSON, by name."""
    usd: float | None
    """Its training and what it ran, by the ledger; None if nothing is booked."""


def read(s3: S3Client, bucket: str, loop_state: LoopState, version: ModelVersion, tuning: Tuning) -> Lineage:
    """The lineage of a version."""
    run = loop_state.run(version.run) if version.run else None
    entries = [entry for entry in accounts.entries(loop_state) if entry.version == version.id]
    account = next(iter(accounts.accounts(entries, "version", tuning)), None)
    return Lineage(
        version,
        _snapshot(s3, bucket, version),
        (run.started_by or "") if run else "",
        changed_settings(version.settings or {}),
        account.usd if account else None,
    )


def changed_settings(settings: Mapping[str, object]) -> dict[str, str]:
    """Those that are not the defaults, as JSON."""
    defaults = Tuning().as_dict()
    return {
        name: json.dumps(value)
        for name, value in sorted(settings.items())
        if name not in defaults or value != defaults[name]
    }


def _snapshot(s3: S3Client, bucket: str, version: ModelVersion) -> Snapshot | None:
    if not version.snapshot:
        return None
    try:
        return snapshots.read(s3, bucket, version.snapshot)
    except s3.exceptions.NoSuchKey:
        return None
