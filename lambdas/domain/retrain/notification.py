"""The letter and the event that say how a run has ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Run
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient


EVENT_SOURCE = "labelloop"
RUN_FINISHED = "Run Finished"


MAX_NOTIFICATION_BYTES = 200_000
"""Of a letter or an event: SNS and EventBridge take 256 KB, an event's other parts counted.
https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""


class NotificationError(RuntimeError):
    """EventBridge refused an event; it is tried again."""


@frozen
class Notifier:
    """Says how runs have ended: to people by SNS, to machines by EventBridge."""

    sns: SNSClient
    events: EventBridgeClient
    topic_arn: str
    deployment: str
    console: str
    """The console's address, with a slash at its end."""

    def notify(self, loop_state: LoopState, run: Run) -> None:
        """Send a letter and an event with the record of a run that has ended, each once however often this is
        called."""
        _once(loop_state, run.id, "letter", lambda: self._send_letter(run))
        _once(loop_state, run.id, "event", lambda: self._send_event(run))

    def warn(self, subject: str, text: str) -> None:
        """Send a letter about what nobody asked for."""
        self._send(subject, text)

    def _send_letter(self, run: Run) -> None:
        self._send(f"run {run.outcome}", _letter(self.deployment, self.console, run))

    def _send(self, subject: str, text: str) -> None:
        subject = f"LabelLoop {self.deployment}: {subject}"[:100]
        self.sns.publish(TopicArn=self.topic_arn, Subject=subject, Message=_cut(text))

    def _send_event(self, run: Run) -> None:
        detail = _detail({"deployment": self.deployment, **run.as_dict()})
        answer = self.events.put_events(
            Entries=[{"Source": EVENT_SOURCE, "DetailType": RUN_FINISHED, "Detail": detail}]
        )
        # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
        if answer["FailedEntryCount"]:
            raise NotificationError(
                f"EventBridge did not take the event of run {run.id}: {answer['Entries']}"
            )


def _once(loop_state: LoopState, run_id: str, effect: str, send: Callable[[], None]) -> None:
    """Do it unless it was done; if it fails it is to be done by the next who tries.

    Raises:
        Exception: whatever `send` does.
    """
    if not loop_state.claim_notice(run_id, effect):
        return
    try:
        send()
    except Exception:
        loop_state.settle_notice(run_id, effect, is_sent=False)
        raise
    loop_state.settle_notice(run_id, effect, is_sent=True)


def _detail(document: dict[str, Any]) -> str:
    """The run's record as an event takes it: of one that is too large, the lists and counts stay behind."""
    whole = json.dumps(document)
    if len(whole) <= MAX_NOTIFICATION_BYTES:
        return whole
    short = {name: value for name, value in document.items() if not isinstance(value, (dict, list))}
    return json.dumps({**short, "reason": _cut(str(short.get("reason", "")), MAX_NOTIFICATION_BYTES // 8)})


def _cut(text: str, limit: int = MAX_NOTIFICATION_BYTES) -> str:
    return text.encode()[:limit].decode(errors="ignore")


def flagged_words(run: Run) -> str:
    """How many entries of which dataset Rekognition found errors in; empty if there are none."""
    flagged = sorted((run.flagged_entries or {}).items())
    return ", ".join(f"{count} of {dataset_type}" for dataset_type, count in flagged if count)


def _letter(deployment: str, console: str, run: Run) -> str:
    lines = [f"Run {run.id} of {deployment}: {run.outcome}."]
    if run.reason:
        lines.append(run.reason)
    if run.version:
        f1 = "unknown" if run.f1 is None else run.f1
        lines.append(f"Model version: {run.version}, F1 {f1}, snapshot {run.snapshot}")
    for verdict in run.verdicts:
        passed = "passed" if verdict.passed else "rejected"
        lines.append(f"Gate {verdict.gate}: {passed}. {verdict.reason}")
    if flagged := flagged_words(run):
        lines.append(f"Rekognition found errors in entries, and trained without them: {flagged}.")
    if run.stopped:
        lines.append(
            "Once it is corrected the next run starts by itself, if enough is new since the last training;"
            " `labelloop train` starts one at once."
        )
    elif run.outcome == "failed":
        due = "" if run.verdicts else "The next run starts once anything else has changed; "
        lines.append(f"{due}`labelloop train` tries again{' at once' if due else ''}.")
    what = "The run, its dataset report" if run.data_report else "The run"
    lines.append(f"{what} and its steps: {console}runs/{quote(run.id, safe='')}")
    lines.append(f"Took {run.seconds} s; training and shadow evaluation cost about {run.estimated_usd} USD.")
    if run.usd_per_hour:
        lines.append(f"{run.version} now costs {run.usd_per_hour:g} USD an hour until it is stopped.")
    return "\n".join(lines)
