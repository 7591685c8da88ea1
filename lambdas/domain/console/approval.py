"""What administrators say of a version that waits for approval: it is sent to the execution that waits.

That execution records it, so that whoever decides needs no permission to write the loop's state.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lambdas.domain.console.control import ControlError
from lambdas.domain.promote.approval import approval_words, is_overdue
from lambdas.domain.shared import clock, task_tokens
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.reasons import reason_problem
from lambdas.domain.shared.records import ApprovalDecision, ModelVersion
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.engines.port import Engine


def answer(
    engine: Engine,
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
        ApiError: there is no such version, it does not wait (any more), it is to be approved and the engine
            has it no more, or the reason cannot be kept, or is missing where it is declined.
    """
    if problem := reason_problem(why):
        raise ApiError(422, "bad_request", f"the reason {problem}", "why")
    if decision == "declined" and not why.strip():
        raise ApiError(422, "bad_request", "say why it is declined: whoever trained it will ask", "why")
    # In this order: of a decision in between, the version's record knows.
    pending = loop_state.approval(version)
    record = loop_state.version(version)
    if record is None:
        raise ApiError(404, "not_found", f"there is no model version {version[:80]}")
    if pending is None:
        raise ControlError(_why_not(record))
    if is_overdue(pending.deadline):
        raise ControlError(_too_late(version, f"its deadline was {clock.minute(pending.deadline)}"))
    if decision == "approved" and engine.describe_version(version) is None:
        raise ControlError(
            f"{version} was deleted, so that it cannot serve: decline it, or {_again(version)}"
        )
    output = json.dumps({"decision": decision, "by": by, "why": why.strip()})
    if not task_tokens.succeed(stepfunctions, pending.token, output):
        raise ControlError(
            f"{version} was decided about already: somebody did just now, or its promotion has ended"
        )


def _why_not(record: ModelVersion) -> str:
    name, approval = record.id, record.approval
    if record.deleted_at:
        return f"{name} was deleted, so that it cannot serve; {_again(name)}"
    # That of an earlier promotion does not count any more.
    if record.state == "failed" or approval is None:
        why = f": {record.reason}" if record.reason else ""
        return f"{name} does not wait for approval: it is {record.state or 'unknown'}{why}"
    words = f"{name} was decided about already: {approval_words(approval)}"
    if approval.decision == "declined" and _rollback(name) not in words:
        words += f". {_rollback(name)}"
    return words


def _too_late(version: str, why: str) -> str:
    return f"{version} cannot be decided about any more: {why}. {_rollback(version)}"


def _rollback(version: str) -> str:
    return f"`labelloop rollback {version}` makes it serve"


def _again(version: str) -> str:
    return f"`labelloop reproduce {version}` trains its snapshot again"
