"""When a run starts, that there is only one, and what remains of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from lambdas.domain import catalogue, clock, money
from lambdas.domain.records import CLOSED, Progress, Records
from lambdas.domain.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType
    from mypy_boto3_stepfunctions import SFNClient

EVENT_SOURCE = "labelloop"
RUN_FINISHED = "Run Finished"
UNREGISTERED: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
)
"""What counts the messages that wait, and those that are being worked on or will be again."""
MAX_TOLD_BYTES = 200_000
"""Of a letter or an event: SNS and EventBridge take 256 KB, an event's other parts counted.
https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""


@dataclass(frozen=True)
class Burst:
    """Whether uploads have come to rest, and if not, how long to wait before looking again."""

    settled: bool
    wait_seconds: int


def run_id(execution_arn: str) -> str:
    """A run is named by its state machine execution."""
    return execution_arn.rsplit(":", 1)[1]


def automatic_run(progress: Progress) -> str:
    """The name of the next run that starts by itself: the same until a run has used it up."""
    return f"images-{progress.ticket}"


def request_run_if_due(
    table: Table, records: Records, stepfunctions: SFNClient, machine_arn: str, tuning: Tuning
) -> bool:
    """Start a run if enough images are new. Any number of requests for the same images start one run."""
    progress = records.progress()
    if changes_missing(table, progress, tuning):
        return False
    try:
        stepfunctions.start_execution(
            stateMachineArn=machine_arn,
            name=automatic_run(progress),
            input=json.dumps({"trigger": "images"}),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        return False
    return True


def changes_missing(table: Table, progress: Progress, tuning: Tuning) -> int:
    """How many more changes it takes until a run starts by itself.

    After a run that was stopped by what is wrong with the data set it takes one, which may have mended it:
    such a run costs next to nothing.
    """
    wanted = tuning.min_new_images
    missing = wanted - catalogue.count_changed_since(table, progress.cutoff, wanted)
    if missing <= 0 and progress.stopped_at:
        missing = 1 - catalogue.count_changed_since(table, progress.stopped_at, 1)
    return max(0, missing)


def count_unregistered(sqs: SQSClient, queue_url: str) -> int:
    """About how many files have been dropped and are not registered yet.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
    """
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=list(UNREGISTERED))["Attributes"]
    return sum(int(attributes[name]) for name in UNREGISTERED)


def settle(newest_change: str | None, unregistered: int, started_at: str, now: str, tuning: Tuning) -> Burst:
    """A burst has settled once every file is registered and nothing changed for a while, or once it was
    waited for long enough."""
    if newest_change is None and not unregistered:
        return Burst(True, 0)
    if newest_change is None or unregistered:
        # Each of them is going to be a change.
        missing: float = max(1, tuning.settle_seconds)
    else:
        missing = tuning.settle_seconds - clock.seconds_between(newest_change, now)
    patience = tuning.settle_limit_seconds - clock.seconds_between(started_at, now)
    missing = min(missing, patience)
    return Burst(missing <= 0, max(1, math.ceil(missing)) if missing > 0 else 0)


def wait_for_reviews(open_tasks: int, started_at: str, now: str, tuning: Tuning) -> Burst:
    """A run goes on once no review task is open, or once it has waited for people long enough."""
    patience = tuning.review_wait_seconds - clock.seconds_between(started_at, now)
    if open_tasks == 0 or patience <= 0 or tuning.review_route == "none":
        return Burst(True, 0)
    return Burst(False, max(1, math.ceil(min(patience, tuning.poll_seconds))))


def begin_run(records: Records, execution_arn: str, trigger: str, started_at: str) -> tuple[bool, str]:
    """Take the lease for this run: whether it was free, and if not, why the run ends here."""
    lease = records.take_lease("retrain", execution_arn)
    if lease.holder == CLOSED:
        return False, "the deployment is being destroyed"
    if lease.holder != execution_arn:
        return False, f"run {run_id(lease.holder)} is under way since {lease.since}"
    records.note_run(
        run_id(execution_arn),
        execution=execution_arn,
        trigger=trigger,
        started_at=started_at,
        outcome="running",
    )
    return True, ""


def end_run(
    records: Records, execution_arn: str, *, outcome: str, reason: str, steps: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """Complete the run's record and give its lease back: the record.

    A run that never had the lease leaves no more than its own record.
    """
    name = run_id(execution_arn)
    run = records.run(name) or {"started_at": clock.now(), "trigger": "unknown"}
    ended = clock.now()
    records.note_run(
        name,
        execution=execution_arn,
        trigger=run["trigger"],
        started_at=run["started_at"],
        outcome=outcome,
        reason=readable(reason),
        ended_at=ended,
        seconds=round(clock.seconds_between(run["started_at"], ended), 1),
        steps=list(steps),
        estimated_usd=_estimate(run),
    )
    lease = records.lease("retrain")
    if lease and lease.holder == execution_arn:
        if outcome == "failed" and run.get("version"):
            _fail_version(records, run["version"], readable(reason))
        records.advance(cutoff=run.get("cutoff"), stopped=run.get("stopped", False))
        records.release_lease("retrain", execution_arn)
    elif outcome == "failed" and name == automatic_run(records.progress()):
        # It failed before it had the lease, and the name of an execution cannot be used again.
        records.advance()
    return records.run(name) or {}


def _fail_version(records: Records, name: str, reason: str) -> None:
    """What nobody watches any more must not count as trained, or its snapshot would never be."""
    if (records.version(name) or {}).get("state") == "training":
        records.note_version(name, state="failed", reason=reason)


def readable(cause: str) -> str:
    """The message inside a Step Functions cause, which wraps one JSON document into another."""
    text = cause
    while True:
        start = text.find("{")
        try:
            document = json.loads(text[start:]) if start >= 0 else None
        except json.JSONDecodeError:
            document = None
        if not isinstance(document, dict):
            return text
        inner = document.get("errorMessage") or document.get("Cause")
        if not inner:
            return text
        text = text[:start] + str(inner)


def notify(  # noqa: PLR0917 what to tell, and whom by what
    sns: SNSClient,
    events: EventBridgeClient,
    topic_arn: str,
    deployment: str,
    console: str,
    run: dict[str, Any],
) -> None:
    """Tell people by SNS and machines by EventBridge how a run ended.

    Args:
        console: the console's address, with a slash at its end.
    """
    sns.publish(
        TopicArn=topic_arn,
        Subject=f"LabelLoop {deployment}: run {run['outcome']}"[:100],
        Message=_cut(_letter(deployment, console, run)),
    )
    events.put_events(
        Entries=[
            {
                "Source": EVENT_SOURCE,
                "DetailType": RUN_FINISHED,
                "Detail": _detail({"deployment": deployment, **run}),
            }
        ]
    )


def durations(history: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Seconds spent in each state of an execution, in the order in which they were first entered."""
    entered: dict[str, Any] = {}
    spent: dict[str, float] = {}
    for event in history:
        if details := event.get("stateEnteredEventDetails"):
            entered[details["name"]] = event["timestamp"]
            spent.setdefault(details["name"], 0.0)
        elif (details := event.get("stateExitedEventDetails")) and details["name"] in entered:
            spent[details["name"]] += (event["timestamp"] - entered.pop(details["name"])).total_seconds()
    return [{"step": name, "seconds": round(seconds, 2)} for name, seconds in spent.items()]


def _estimate(run: dict[str, Any]) -> float:
    training = money.training_usd(float(run.get("billable_seconds", 0)))
    return round(training + float(run.get("promotion_usd", 0)), 4)


def _detail(told: dict[str, Any]) -> str:
    """The run's record as an event takes it: of one that is too large, the lists and counts stay behind."""
    whole = json.dumps(told)
    if len(whole) <= MAX_TOLD_BYTES:
        return whole
    short = {name: value for name, value in told.items() if not isinstance(value, (dict, list))}
    return json.dumps({**short, "reason": _cut(str(short.get("reason", "")), MAX_TOLD_BYTES // 8)})


def _cut(text: str, most: int = MAX_TOLD_BYTES) -> str:
    return text.encode()[:most].decode(errors="ignore")


def flagged_words(run: Mapping[str, Any]) -> str:
    """How many entries of which dataset Rekognition found errors in; empty if there are none."""
    flagged = sorted(run.get("flagged_entries", {}).items())
    return ", ".join(f"{count} of {side}" for side, count in flagged if count)


def _letter(deployment: str, console: str, run: dict[str, Any]) -> str:
    lines = [f"Run {run.get('execution', '').rsplit(':', 1)[-1]} of {deployment}: {run['outcome']}."]
    if run.get("reason"):
        lines.append(run["reason"])
    if version := run.get("version"):
        lines.append(
            f"Model version: {version}, F1 {run.get('f1', 'unknown')}, snapshot {run.get('snapshot')}"
        )
    for verdict in run.get("verdicts", []):
        passed = "passed" if verdict["passed"] else "refused"
        lines.append(f"Gate {verdict['gate']}: {passed}. {'; '.join(verdict['reasons'])}")
    if flagged := flagged_words(run):
        lines.append(f"Rekognition found errors in entries, and trained without them: {flagged}.")
    if run.get("stopped"):
        lines.append(
            "Once it is mended the next run starts by itself, if enough is new since the last training;"
            " `labelloop train` starts one at once."
        )
    elif run["outcome"] == "failed":
        lines.append("`labelloop train` tries again.")
    what = "The run, its data-set report" if run.get("data_report") else "The run"
    lines.append(f"{what} and its steps: {console}runs/{quote(str(run['id']), safe='')}")
    lines.append(f"Took {run['seconds']} s; training and verification cost about {run['estimated_usd']} USD.")
    return "\n".join(lines)
