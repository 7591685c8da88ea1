"""Where a version comes from: its snapshot, whose labels those are, its run, its settings, its cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambdas.domain.costs import accounts
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import snapshots
from lambdas.domain.snapshot.snapshots import Snapshot

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def started_by(loop_state: LoopState, version: ModelVersion) -> str:
    """The person who started the version's run by hand; empty if nobody did."""
    run = loop_state.run(version.run) if version.run else None
    return (run.started_by or "") if run else ""


def usd(loop_state: LoopState, version: ModelVersion, tuning: Tuning) -> float | None:
    """The version's training and what it ran, by the ledger; None if nothing is booked."""
    entries = [entry for entry in accounts.entries(loop_state) if entry.version == version.id]
    account = next(iter(accounts.accounts(entries, "version", tuning)), None)
    return account.usd if account else None


def changed_settings(settings: Mapping[str, object]) -> dict[str, str]:
    """Those that are not the defaults, as JSON."""
    defaults = Tuning().as_dict()
    return {
        name: json.dumps(value)
        for name, value in sorted(settings.items())
        if name not in defaults or value != defaults[name]
    }


def snapshot(s3: S3Client, bucket: str, version: ModelVersion) -> Snapshot | None:
    """What the version was trained on; None if it was not trained by this deployment, or that is gone."""
    if not version.trained_on:
        return None
    try:
        return snapshots.read(s3, bucket, version.trained_on)
    except s3.exceptions.NoSuchKey:
        return None
