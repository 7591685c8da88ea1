"""What administrators say of a version that waits for approval: it is sent to the execution that waits.

That execution records it, so that whoever decides needs no permission to write the loop's state.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lambdas.domain.console.control import ControlError
from lambdas.domain.promote.approval import approval_words
from lambdas.domain.shared import clock, task_tokens
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import ApprovalDecision, ModelVersion
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

MAX_WHY = 500


def answer(
    stepfunctions: SFNClient,
    loop_state: LoopState,
    version: str,
    decision: ApprovalDecision,
    *,
    by: str,
    why: str,
) -> None:
    """Approve or decline a version that waits for it; its promotion goes on at once.

    Raises:
        ApiError: there is no such version, it does not wait (any more), or it is declined without a reason.
    """
    if decision == "declined" and not why.strip():
        raise ApiError(422, "bad_request", "say why it is declined: whoever trained it will ask", "why")
    # In this order: of a decision in between, the version's record knows.
    pending = loop_state.approval(version)
    record = loop_state.version(version)
    if record is None:
        raise ApiError(404, "not_found", f"there is no model version {version[:80]}")
    if pending is None:
        raise ControlError(_why_not(record))
    if clock.now() >= pending.deadline:
        raise ControlError(_too_late(version, f"its deadline was {clock.minute(pending.deadline)}"))
    output = json.dumps({"decision": decision, "by": by, "why": why.strip()[:MAX_WHY]})
    if not task_tokens.succeed(stepfunctions, pending.token, output):
        raise ControlError(
            f"{version} was decided about already: somebody did just now, or its promotion has ended"
        )


def _why_not(record: ModelVersion) -> str:
    if record.deleted_at:
        return f"{record.id} was deleted from Rekognition"
    if record.approval:
        return f"{record.id} was decided about already: {approval_words(record.approval)}"
    return f"{record.id} does not wait for approval: it is {record.state or 'unknown'}"


def _too_late(version: str, why: str) -> str:
    return (
        f"{version} can not be decided about any more: {why}. `labelloop rollback {version}` makes it serve"
    )
