"""`labelloop train` and `labelloop rollback`: the state machines started by hand, and followed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from cli import following, history
from cli.deployment import Deployment, DeploymentError
from cli.following import FollowedPromotion, FollowedRun
from cli.user import user
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.retrain import runs
from lambdas.domain.shared import records

EXIT_CODES = {"promoted": 0, "rejected": 3, "skipped": 3, "failed": 1}


def train(deployment: Deployment, *, force: bool) -> tuple[FollowedRun, bool]:
    """The run that was started, or the one that is under way already: then False comes with it."""
    if run := following.under_way(deployment):
        return run, False
    given = {"trigger": "manual", "started_by": user(), **({"force": True} if force else {})}
    arn = _start(deployment, deployment.retrain_machine_arn, "manual", given)
    return FollowedRun(deployment, arn), True


def overtaking(deployment: Deployment, record: records.Run) -> FollowedRun | None:
    """The run under way that took the lease before the one of this record could; None if none did.

    Images that were dropped start a run, too, and both wait until the last of them is registered.
    """
    overtaken = record.outcome == "skipped" and record.snapshot is None
    return following.under_way(deployment) if overtaken else None


def rollback(deployment: Deployment, name: str) -> tuple[str, FollowedPromotion]:
    """The version's full name and the promotion that goes back to it.

    Raises:
        DeploymentError: there is no such version, or it serves already. A champion that was stopped can be
            gone back to: that starts it.
    """
    version = history.version(deployment, name).id
    champion = deployment.loop_state.champion()
    if champion and champion.version_name == version and _runs(deployment, version):
        raise DeploymentError(f"{version} is the champion already; `labelloop versions` shows the others")
    given = {"version": version, "rollback": True, "started_by": user()}
    arn = _start(deployment, deployment.promote_machine_arn, "rollback", given)
    return version, FollowedPromotion(deployment, arn)


def _runs(deployment: Deployment, version: str) -> bool:
    described = custom_labels.describe_version(deployment.rekognition, deployment.project_arn, version)
    return described is not None and described.status == "RUNNING"


def verdict(promotion: FollowedPromotion) -> dict[str, Any]:
    """How a promotion that has ended came out: outcome and reason."""
    execution = promotion.execution.description
    if output := execution.get("output"):
        ended: dict[str, Any] = json.loads(output)
        return ended
    reason = runs.readable(str(execution.get("cause", ""))) or f"its execution is {execution.get('status')}"
    return {"outcome": "failed", "reason": reason}


def exit_code(outcome: str) -> int:
    """0 promoted, 3 rejected or skipped, 1 anything else."""
    return EXIT_CODES.get(outcome, 1)


def _start(deployment: Deployment, machine_arn: str, kind: str, given: Mapping[str, Any]) -> str:
    # Milliseconds: two people may well ask in the same second.
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")[:-3] + "Z"
    return deployment.stepfunctions.start_execution(
        stateMachineArn=machine_arn, name=f"{kind}-{stamp}", input=json.dumps(given)
    )["executionArn"]
