"""A person's approval between the shadow gate and the switch."""

from __future__ import annotations

from dataclasses import replace

from aws_lambda_powertools import Logger

from lambdas.domain.retrain import runs
from lambdas.domain.retrain.notification import Notifier
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Approval, ApprovalDecision, ModelVersion, PendingApproval, Run
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

logger = Logger(child=True)


@frozen
class Decided:
    """Whether the version may serve, and who has said so."""

    approved: bool
    reason: str


def seconds(tuning: Tuning) -> int:
    """How long people have to decide; 0: nobody is asked."""
    return tuning.approval_deadline_hours * 3600 if tuning.approval == "on_promotion" else 0


def ask(
    loop_state: LoopState,
    notifier: Notifier,
    *,
    holder: str,
    name: str,
    run: str,
    token: str,
    waits_seconds: int,
) -> None:
    """Ask people about a version that has passed the gates; it does not run any more.

    The promotion's lease is given back, so that the champion can be looked after, and gone back from, in the
    meantime. Doing this again changes the token, and nothing else.

    Args:
        holder: the promotion's execution.
        run: the execution of the run that it belongs to; empty if there is none.
        token: lets the execution go on.

    Raises:
        LeaseLostError: the promotion, or its run, has ended meanwhile.
    """
    if not loop_state.update_approval(holder, name, token=token):
        champion = loop_state.champion()
        pending = PendingApproval(
            name,
            token,
            execution=holder,
            run=run,
            champion=champion.version_name if champion else "",
            asked_at=clock.now(),
            deadline=clock.in_seconds(waits_seconds),
        )
        fenced = loop_state.fenced(promote=holder, retrain=run)
        if run:
            fenced.update_run(Run(runs.run_id(run), waits_for=in_words(pending)))
        fenced.ask_approval(pending, ModelVersion(name, state="pending"))
    asked = loop_state.approval(name)
    if asked:
        tell(loop_state, notifier, asked)


def tell(loop_state: LoopState, notifier: Notifier, pending: PendingApproval) -> None:
    """Send people their letter, if they have not got it. Whether that succeeds or not the version waits: the
    console shows it, and the sweeper tries again."""
    if pending.notified:
        return
    try:
        notifier.warn(f"{pending.id} waits for approval", _letter(loop_state, notifier.console, pending))
    except Exception:
        logger.exception("nobody was told that a version waits for approval")
        return
    loop_state.update_approval(pending.execution, pending.id, notified=True)


def is_overdue(deadline: str) -> bool:
    """Whether the time to decide is over; a moment later the promotion records what follows."""
    return clock.now() >= deadline


def overdue_words(version: str, deadline: str) -> str:
    """That nobody can decide about a version any more, which its record does not say yet."""
    return (
        f"the time to decide about {version} ended at {clock.minute(deadline)};"
        " what follows is shown once it is on record"
    )


def in_words(pending: PendingApproval) -> str:
    """What is waited for, and how it is given."""
    if is_overdue(pending.deadline):
        return f"its promotion to go on: {overdue_words(pending.id, pending.deadline)}"
    return (
        f"the approval of {pending.id} until {clock.minute(pending.deadline)}:"
        f" `labelloop approve {pending.id}` or `labelloop decline {pending.id} --reason TEXT`"
    )


def decide(
    loop_state: LoopState,
    *,
    holder: str,
    name: str,
    run: str,
    decision: ApprovalDecision | None,
    by: str,
    why: str,
    tuning: Tuning,
) -> Decided:
    """Record what was decided about a version, and whether it may serve.

    Args:
        decision: None: the deadline has passed.

    Raises:
        LeaseLostError: the promotion, or its run, has ended meanwhile.
    """
    fenced = loop_state.fenced(promote=holder, retrain=run)
    pending = loop_state.approval(name)
    if pending and pending.execution == holder:
        at_deadline: ApprovalDecision = "approved" if tuning.approval_at_deadline == "approve" else "declined"
        approval = Approval(decision or at_deadline, by, clock.now(), why, pending.asked_at, holder)
        approval = _unless_replaced(loop_state, pending, approval)
        fenced.end_approval(pending, ModelVersion(name, state="challenger", approval=approval))
    if run:
        fenced.update_run(Run(runs.run_id(run), waits_for=""))
    fenced.check()
    record = loop_state.version(name)
    if record is None or record.approval is None or record.approval.promotion != holder:
        return Decided(False, f"nobody was asked about {name}")
    return Decided(record.approval.decision == "approved", approval_words(record.approval))


def approval_words(approval: Approval) -> str:
    """Who has decided what, and why."""
    by = f"by {approval.by}" if approval.by else "as nobody had decided in time (approval_at_deadline)"
    return f"{approval.decision} {by}" + (f": {approval.why}" if approval.why else "")


def _unless_replaced(loop_state: LoopState, pending: PendingApproval, approval: Approval) -> Approval:
    """The same, unless another champion serves than the one that the version was compared with."""
    champion = loop_state.champion()
    serving = champion.version_name if champion else ""
    if approval.decision == "declined" or serving in (pending.champion, pending.id):
        return approval
    why = (
        f"approved by {approval.by or 'the deadline'}, but {serving or 'no version'} has become the champion"
        f" since, and {pending.id} was not compared with it; `labelloop rollback {pending.id}` makes it serve"
    )
    return replace(approval, decision="declined", by="labelloop", why=why)


def _letter(loop_state: LoopState, console: str, pending: PendingApproval) -> str:
    record = loop_state.version(pending.id)
    compared = f"It was compared with {pending.champion}." if pending.champion else "No version serves yet."
    lines = [f"Model version {pending.id} has passed the gates and waits for approval. {compared}"]
    for verdict in record.verdicts if record else ():
        lines.append(f"Gate {verdict.gate}: {verdict.reason}")
    lines.append(f"Approve or decline it: {console}versions")
    lines.append(f"Or: labelloop approve {pending.id}, labelloop decline {pending.id} --reason TEXT")
    lines.append(f"It does not run and costs nothing until {clock.minute(pending.deadline)}, the deadline.")
    return "\n".join(lines)
