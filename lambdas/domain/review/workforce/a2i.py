"""Reviews by Amazon Augmented AI: one human loop for each task, whose end is an event.

Names and limits are those of the API's model (botocore's `sagemaker-a2i-runtime`). What a loop writes:
https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-output-data.html . The event of its end:
https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-cloudwatch-events.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from lambdas.domain.review.desk.answers import MAX_SECONDS
from lambdas.domain.review.workforce import worker_answers, worker_image, worker_template
from lambdas.domain.review.workforce.errors import RouteError, bucket_and_key, get_object
from lambdas.domain.review.workforce.worker_answers import WorkerAnswer, WorkerAnswerError
from lambdas.domain.shared import clock
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.review.desk.task import Answer, Task

SOURCE = "aws.sagemaker"
DETAIL_TYPE = "SageMaker A2I HumanLoop Status Change"

MAX_NAME = 63
MAX_INPUT_BYTES = 3_145_728
MAX_OUTPUT_BYTES = 8 * 1024 * 1024
"""Far more than workers can say of one image, and the input that the output repeats."""

_REFUSED = ("ValidationException", "ResourceNotFoundException", "ServiceQuotaExceededException")

LoopStatus = Literal["InProgress", "Stopping", "Completed", "Failed", "Stopped"]
STATUSES: tuple[LoopStatus, ...] = ("InProgress", "Stopping", "Completed", "Failed", "Stopped")


class NotJsonError(RouteError):
    """The output is no JSON object as A2I writes them."""


class OtherLoopError(RouteError):
    """The output is of another human loop."""


class NoAnswersError(RouteError):
    """Nobody answered, or no answer can be used."""


@frozen
class LoopChange:
    """What became of a human loop."""

    task_id: str
    loop: str
    status: LoopStatus
    output: tuple[str, str] | None
    """Bucket and key of the workers' answers; of a completed loop."""
    reason: str
    """Why it is not completed, for people; empty if it is."""

    @property
    def ended(self) -> bool:
        return self.status not in {"InProgress", "Stopping"}


@frozen
class LoopAnswers:
    """The answers of a human loop's workers."""

    answers: tuple[Answer, ...]
    refused: tuple[str, ...]
    """Of each worker whose answer cannot be used: who, and why."""


# Starting and stopping


def loop_name(deployment: str, task_id: str) -> str:
    """The loop's name: unique in the account and Region, and the same whenever it is asked for.

    Raises:
        RouteError: it would be longer than A2I takes.
    """
    name = f"{deployment}-{task_id}"
    if len(name) > MAX_NAME:
        raise RouteError(f"human loop {name} has {len(name)} characters; A2I takes up to {MAX_NAME}")
    return name


def task_of(deployment: str, name: str) -> str | None:
    """Id of the task that a loop of this deployment asks for; None of any other loop."""
    task_id = name.removeprefix(f"{deployment}-")
    image, _, round_ = task_id.rpartition("-")
    # A deployment can be called what another one's name begins with.
    return task_id if task_id != name and "-" not in image and image and round_.isdecimal() else None


def start_loop(
    a2i: Any,
    s3: S3Client,
    task: Task,
    labels: Sequence[str],
    *,
    deployment: str,
    bucket: str,
    flow_definition_arn: str,
    instructions: str = "",
) -> str:
    """Ask for a task; asking again for the same task does not ask twice.

    Args:
        a2i: a client of sagemaker-a2i-runtime.
        labels: those that workers can choose from.
        bucket: of the image.

    Returns:
        ARN of the human loop.

    Raises:
        UnusableLabelsError: workers cannot choose from these labels.
        RouteError: A2I refuses the loop, or one of this name has ended already.
        ClientError: A2I or S3 cannot answer now, or this function may not ask them.
    """
    worker_answers.check_labels(labels, task.kind)
    name = loop_name(deployment, task.id)
    shown = worker_image.key(s3, bucket, task.key)
    content = _input_content(task, labels, f"s3://{bucket}/{shown}", instructions)
    try:
        started = a2i.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=flow_definition_arn,
            HumanLoopInput={"InputContent": content},
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConflictException":
            return _running(a2i, name)
        if code in _REFUSED:
            message = error.response["Error"].get("Message", "")
            raise RouteError(
                f"A2I does not start {name} for {flow_definition_arn}: {code}: {message}"
            ) from error
        raise
    return str(started["HumanLoopArn"])


def _running(a2i: Any, name: str) -> str:
    """ARN of the loop that has the name already: of the same task, started before labels or words changed."""
    loop = a2i.describe_human_loop(HumanLoopName=name)
    status = loop["HumanLoopStatus"]
    if status != "InProgress":
        raise RouteError(f"human loop {name} is {status} already: open the image's review again")
    return str(loop["HumanLoopArn"])


def _input_content(task: Task, labels: Sequence[str], image: str, instructions: str) -> str:
    """What the worker's template shows (worker_template); the same text for the same task."""
    content = {
        "kind": task.kind,
        "taskObject": image,
        "labels": worker_answers.choices(labels, task.kind),
        "suggestions": _suggested_boxes(task, labels),
        "header": worker_template.HEADERS[task.kind],
        "instructions": instructions,
        "hint": _hint(task, labels),
    }
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    if len(text.encode()) > MAX_INPUT_BYTES:
        raise RouteError(
            f"what {task.id} is asked with has more than {MAX_INPUT_BYTES} bytes: shorten the instructions"
        )
    return text


def _suggested_boxes(task: Task, labels: Sequence[str]) -> list[dict[str, Any]]:
    """As initial-value of crowd-bounding-box: it takes labels of its own only."""
    return [
        {
            "label": box.label,
            "left": box.left,
            "top": box.top,
            "width": box.width,
            "height": box.height,
        }
        for box in task.suggestions.boxes
        if box.label in labels
    ]


def _hint(task: Task, labels: Sequence[str]) -> str:
    if task.kind == "detection":
        boxes = _suggested_boxes(task, labels)
        return "Correct or remove the boxes that are there already: a model suggested them." if boxes else ""
    names = [suggested.label for suggested in task.suggestions.labels if suggested.label in labels]
    return f"A model suggests: {', '.join(names)}." if names else ""


def stop_loop(a2i: Any, deployment: str, task_id: str) -> None:
    """End the loop of a task that nobody needs answered any more; nothing if there is none to end."""
    try:
        a2i.stop_human_loop(HumanLoopName=loop_name(deployment, task_id))
    except ClientError as error:
        # A loop that has ended is refused as invalid.
        if error.response["Error"]["Code"] not in ("ResourceNotFoundException", "ValidationException"):
            raise


# What became of a loop


def status_change(event: Mapping[str, Any], deployment: str) -> LoopChange | None:
    """The status change in an event of EventBridge; None of a loop that this deployment did not start.

    Raises:
        RouteError: it is no status change of a human loop.
    """
    if event.get("source") != SOURCE or event.get("detail-type") != DETAIL_TYPE:
        got = f"{event.get('source')!r}, {event.get('detail-type')!r}"
        raise RouteError(f"an event of {SOURCE!r}, {DETAIL_TYPE!r} was expected, not of {got}")
    detail = event.get("detail")
    name = detail.get("humanLoopName") if isinstance(detail, dict) else None
    if not isinstance(detail, dict) or not isinstance(name, str):
        raise RouteError("the event's detail names no human loop")
    task_id = task_of(deployment, name)
    if task_id is None:
        return None
    output = detail.get("humanLoopOutput") or {}
    return _change(
        task_id,
        name,
        detail.get("humanLoopStatus"),
        output.get("outputS3Uri"),
        (detail.get("failureCode"), detail.get("failureReason")),
    )


def describe_loop(a2i: Any, deployment: str, task_id: str) -> LoopChange | None:
    """How the loop of a task stands; None if there is none."""
    name = loop_name(deployment, task_id)
    try:
        loop = a2i.describe_human_loop(HumanLoopName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    output = loop.get("HumanLoopOutput", {}).get("OutputS3Uri")
    failure = loop.get("FailureCode"), loop.get("FailureReason")
    return _change(task_id, name, loop["HumanLoopStatus"], output, failure)


def _change(
    task_id: str, name: str, status: Any, output: str | None, failure: tuple[str | None, str | None]
) -> LoopChange:
    if status not in STATUSES:
        raise RouteError(f"human loop {name} is {status!r}, which is no status of A2I")
    if status == "Completed" and not output:
        raise RouteError(f"human loop {name} is Completed, but names no output")
    reason = (
        "" if status == "Completed" else ": ".join([f"human loop {name} {status}", *filter(None, failure)])
    )
    return LoopChange(task_id, name, status, bucket_and_key(output) if output else None, reason)


# The workers' answers


def read_output(s3: S3Client, change: LoopChange) -> bytes:
    """The output of a completed loop.

    Raises:
        RouteError: the loop has none, S3 refuses it, or it is larger than any that A2I writes.
        ClientError: S3 cannot give it now.
    """
    if change.output is None:
        raise RouteError(change.reason or f"human loop {change.loop} has no output")
    bucket, key = change.output
    stored = get_object(s3, bucket, key)
    if stored["ContentLength"] > MAX_OUTPUT_BYTES:
        raise RouteError(f"s3://{bucket}/{key} has more than {MAX_OUTPUT_BYTES} bytes")
    return stored["Body"].read()


def answers_of(output: bytes, task: Task, labels: Sequence[str], *, deployment: str) -> LoopAnswers:
    """The answers of a loop's workers, in the order in which they were submitted.

    Labels that the loop was asked with count too: one may have been retired while the workers worked.

    Raises:
        NotJsonError: the output is no JSON object with answers.
        OtherLoopError: it is of another human loop.
        NoAnswersError: nobody answered, or nothing that was answered can be used; says why of each worker.
    """
    document = _document(output)
    name = loop_name(deployment, task.id)
    if document.get("humanLoopName") != name:
        raise OtherLoopError(
            f"the output is of human loop {document.get('humanLoopName')!r}, not of {name!r}"
        )
    submitted = document.get("humanAnswers")
    if not isinstance(submitted, list):
        raise NotJsonError(f"the output of {name} has no list humanAnswers")
    if not submitted:
        raise NoAnswersError(f"human loop {name} ended without any answer")
    known = _labels_asked_with(document) | set(labels)
    answers: list[Answer] = []
    refused: list[str] = []
    for number, item in enumerate(submitted, 1):
        try:
            answers.append(_answer(item, number, task, known))
        except WorkerAnswerError as error:
            refused.append(f"answer {number} ({_worker(item, number)[0]}): {error}")
    if not answers:
        raise NoAnswersError(f"human loop {name}: no answer can be used: {'; '.join(refused)}")
    return LoopAnswers(tuple(sorted(answers, key=lambda answer: answer.at)), tuple(refused))


def _labels_asked_with(document: Mapping[str, Any]) -> set[str]:
    content = document.get("inputContent")
    labels = content.get("labels") if isinstance(content, dict) else None
    names = {label for label in labels if isinstance(label, str)} if isinstance(labels, list) else set()
    return names - {worker_answers.NOTHING}


def _document(output: bytes) -> dict[str, Any]:
    try:
        document = json.loads(output.decode())
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"the output of a human loop is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise NotJsonError("the output of a human loop has to be a JSON object")
    return document


def _answer(given: Any, number: int, task: Task, labels: Collection[str]) -> Answer:
    if not isinstance(given, dict) or not isinstance(content := given.get("answerContent"), dict):
        raise WorkerAnswerError("has no object answerContent")
    worker_answer = _worker_answer(content, task, labels)
    reviewer, name = _worker(given, number)
    return worker_answers.answer(
        worker_answer, reviewer, name, seconds=_seconds(given), at=_moment(given.get("submissionTime"))
    )


def _worker_answer(content: Mapping[str, Any], task: Task, labels: Collection[str]) -> WorkerAnswer:
    """The answer in a worker's form, whatever its element is called: a flow definition may have a template
    of its own."""
    elements = [value for value in content.values() if isinstance(value, dict)]
    if task.kind == "detection":
        drawn = [value for value in elements if "boundingBoxes" in value]
        if len(drawn) != 1:
            raise WorkerAnswerError(f"answerContent has {len(drawn)} answers of a crowd-bounding-box, not 1")
        shown = drawn[0].get("inputImageProperties")
        size = (shown.get("width"), shown.get("height")) if isinstance(shown, dict) else (None, None)
        return worker_answers.of_boxes(drawn[0]["boundingBoxes"], size, (task.width, task.height), labels)
    chosen = [value for value in elements if "labels" in value or "label" in value]
    if len(chosen) != 1:
        raise WorkerAnswerError(f"answerContent has {len(chosen)} answers of a crowd-image-classifier, not 1")
    (choice,) = chosen
    return worker_answers.of_labels(choice["labels"] if "labels" in choice else [choice["label"]], labels)


def _worker(given: Any, number: int) -> tuple[str, str]:
    """Id of the worker, in a private workforce's own user pool if there is one, and a name for people."""
    worker = given if isinstance(given, dict) else {}
    name = str(worker.get("workerId") or number)
    metadata = worker.get("workerMetadata")
    identity = metadata.get("identityData") if isinstance(metadata, dict) else None
    sub = identity.get("sub") if isinstance(identity, dict) else None
    return (sub if isinstance(sub, str) and sub else name), f"A2I worker {name}"


def _seconds(given: Mapping[str, Any]) -> float:
    """How long the worker worked; 0 if the output does not say."""
    spent = given.get("timeSpentInSeconds")
    if isinstance(spent, bool) or not isinstance(spent, int | float) or not 0 <= spent < math.inf:
        return 0.0
    return float(min(spent, MAX_SECONDS))


def _moment(text: Any) -> str:
    try:
        return clock.to_iso(clock.parse(text))
    except (AttributeError, TypeError, ValueError) as error:
        raise WorkerAnswerError(f"submissionTime is {text!r}, which is no time"[:200]) from error
