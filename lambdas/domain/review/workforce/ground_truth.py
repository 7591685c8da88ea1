"""Reviews by Amazon SageMaker Ground Truth: one labeling job for each batch of tasks.

What a job takes is in the API's model (botocore's `sagemaker`, CreateLabelingJob), what it writes on
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html . The functions that AWS runs before and
after the workers are in ground_truth_lambdas.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from lambdas.domain.review.workforce import (
    ground_truth_lambdas,
    worker_answers,
    worker_image,
    worker_template,
)
from lambdas.domain.review.workforce.errors import RouteError, bucket_and_key, get_object
from lambdas.domain.review.workforce.worker_answers import WorkerAnswer, WorkerAnswerError
from lambdas.domain.shared import clock, manifests
from lambdas.domain.shared.annotation import Kind
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.review.desk.task import Answer, Task

PREFIX = "reviews/groundtruth/"
"""Under this lie a batch's input and output."""
ATTRIBUTE = "labelloop"
"""The label attribute that a job writes; it may not end in -ref or -metadata."""
TASK_ATTRIBUTE = "labelloop-task"
"""The task of a line; Ground Truth leaves attributes that are not its own as they are."""

LABELS_FILE = "labels.json"
"""The label category configuration file, in a batch's folder."""

MAX_NAME = 63
MAX_TASK_SECONDS = 8 * 3600
"""Both from the model; the second is that of image labeling jobs."""
MIN_AVAILABLE_SECONDS, MAX_AVAILABLE_SECONDS = 60, 30 * 24 * 3600
"""TaskAvailabilityLifetimeInSeconds of a private workforce: the model's text."""
MAX_POLLS = 2000
"""Of a job while it runs. Each takes 9 events of the execution's history, which holds 25,000:
https://docs.aws.amazon.com/step-functions/latest/dg/bp-history-limit.html"""
DOCUMENT_VERSION = "2018-11-28"
"""Of a label category configuration file; the model's text of LabelCategoryConfigS3Uri."""

State = Literal["running", "finished", "failed", "stopped"]
_STATES: Mapping[str, State] = {
    "Initializing": "running",
    "InProgress": "running",
    "Stopping": "running",
    "Completed": "finished",
    "Failed": "failed",
    "Stopped": "stopped",
}
_CHUNK = 1024 * 1024
_MULTILABEL_TYPE = "groundtruth/image-classification-multilabel"
_TITLES: Mapping[Kind, tuple[str, str]] = {
    "detection": ("Draw boxes around objects", "Bounding Box"),
    "classification": ("Say what an image shows", "Image Classification"),
}


@frozen
class JobSettings:
    """How a deployment asks Ground Truth."""

    region: str
    deployment: str
    bucket: str
    role_arn: str
    """The role that Ground Truth works with: reads the bucket, writes under PREFIX."""
    workteam_arn: str
    workers: int = 1
    """That answer for each image, 1 to 9."""
    task_seconds: int = 3600
    """That a worker has for one image."""
    available_seconds: int = MAX_AVAILABLE_SECONDS
    """After which an image that nobody labelled is given back."""


@frozen
class JobStatus:
    """How a labeling job stands."""

    state: State
    output: tuple[str, str] | None
    """Bucket and key of the output manifest, if there is one: also of a job that was stopped."""
    reason: str
    """Why it failed or was stopped; empty otherwise."""


@frozen
class Unanswered:
    """A task that its job brought no answer of."""

    reason: Literal["failed", "expired", "bad_answer", "missing"]
    detail: str


# Starting


def available_seconds(timeout_seconds: int) -> int:
    """How long an image waits for workers, if it may wait so long."""
    return min(max(timeout_seconds, MIN_AVAILABLE_SECONDS), MAX_AVAILABLE_SECONDS)


def job_name(deployment: str, batch_id: str) -> str:
    """The job's name: unique in the account and Region, and the same whenever it is asked for.

    Raises:
        RouteError: it would be longer than Ground Truth takes.
    """
    name = f"{deployment}-{batch_id}"
    if len(name) > MAX_NAME:
        raise RouteError(f"labeling job {name} has {len(name)} characters; the limit is {MAX_NAME}")
    return name


def start_job(  # noqa: PLR0917 two services, and all that makes a job
    sagemaker: Any,
    s3: S3Client,
    batch_id: str,
    tasks: Sequence[Task],
    labels: Sequence[str],
    settings: JobSettings,
    *,
    instructions: str = "",
) -> str:
    """Have a batch labelled; the same batch again does not start a second job.

    Args:
        sagemaker: a client of sagemaker.
        tasks: all of one kind.
        labels: those that workers can choose from.

    Returns:
        the labeling job's name.

    Raises:
        UnusableLabelsError: workers cannot choose from these labels.
        RouteError: the batch cannot be a job, or Ground Truth refuses it.
        ClientError: SageMaker or S3 cannot answer now, or this function may not ask them.
    """
    kind = _kind(batch_id, tasks)
    worker_answers.check_labels(labels, kind)
    name = job_name(settings.deployment, batch_id)
    request = _request(name, batch_id, kind, settings)
    folder = f"{PREFIX}{batch_id}/"
    _put(s3, settings.bucket, f"{folder}input.manifest", _input_manifest(s3, tasks, settings.bucket))
    _put(s3, settings.bucket, f"{folder}{LABELS_FILE}", _label_categories(kind, labels))
    page = worker_template.for_jobs(kind, instructions)
    _put(s3, settings.bucket, f"{folder}template.liquid.html", page)
    try:
        sagemaker.create_labeling_job(**request)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code == "ResourceInUse":
            return name
        if code in ("ValidationException", "ResourceLimitExceeded"):
            raise RouteError(f"Ground Truth does not start labeling job {name}: {code}: {message}") from error
        raise
    return name


def _kind(batch_id: str, tasks: Sequence[Task]) -> Kind:
    kinds: set[Kind] = {task.kind for task in tasks}
    if len(kinds) != 1:
        raise RouteError(
            f"batch {batch_id} has tasks of {len(kinds)} kinds; a labeling job labels images of one"
        )
    return kinds.pop()


def _request(name: str, batch_id: str, kind: Kind, settings: JobSettings) -> dict[str, Any]:
    functions = ground_truth_lambdas.of(settings.region, kind)
    at = f"s3://{settings.bucket}/{PREFIX}{batch_id}"
    title, keyword = _TITLES[kind]
    return {
        "LabelingJobName": name,
        "LabelAttributeName": ATTRIBUTE,
        "InputConfig": {"DataSource": {"S3DataSource": {"ManifestS3Uri": f"{at}/input.manifest"}}},
        "OutputConfig": {"S3OutputPath": f"{at}/output"},
        "RoleArn": settings.role_arn,
        "LabelCategoryConfigS3Uri": f"{at}/{LABELS_FILE}",
        "HumanTaskConfig": {
            "WorkteamArn": settings.workteam_arn,
            "UiConfig": {"UiTemplateS3Uri": f"{at}/template.liquid.html"},
            "PreHumanTaskLambdaArn": functions.before,
            "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": functions.after},
            "TaskKeywords": [keyword],
            "TaskTitle": title,
            "TaskDescription": worker_template.HEADERS[kind],
            "NumberOfHumanWorkersPerDataObject": settings.workers,
            "TaskTimeLimitInSeconds": min(settings.task_seconds, MAX_TASK_SECONDS),
            "TaskAvailabilityLifetimeInSeconds": settings.available_seconds,
        },
    }


def _input_manifest(s3: S3Client, tasks: Sequence[Task], bucket: str) -> str:
    lines = [
        manifests.entry_line(
            {
                "source-ref": f"s3://{bucket}/{worker_image.key(s3, bucket, task.key)}",
                TASK_ATTRIBUTE: task.id,
            }
        )
        for task in tasks
    ]
    return "".join(f"{line}\n" for line in lines)


def _label_categories(kind: Kind, labels: Sequence[str]) -> str:
    names = worker_answers.choices(labels, kind)
    document = {"document-version": DOCUMENT_VERSION, "labels": [{"label": name} for name in names]}
    return json.dumps(document, ensure_ascii=False)


def _put(s3: S3Client, bucket: str, key: str, text: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode())


# Watching


def job_status(sagemaker: Any, name: str) -> JobStatus:
    """How a labeling job stands.

    Raises:
        RouteError: there is no such job.
        ClientError: SageMaker cannot answer now.
    """
    try:
        job = sagemaker.describe_labeling_job(LabelingJobName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFound":
            raise RouteError(f"there is no labeling job {name}") from error
        raise
    status = job["LabelingJobStatus"]
    if status not in _STATES:
        raise RouteError(f"labeling job {name} is {status!r}, which is no status of Ground Truth")
    uri = job.get("LabelingJobOutput", {}).get("OutputDatasetS3Uri", "")
    state = _STATES[status]
    reason = ""
    if state in ("failed", "stopped"):
        reason = ": ".join(filter(None, [f"labeling job {name} {status}", job.get("FailureReason")]))
    return JobStatus(state, bucket_and_key(uri) if uri else None, reason)


def seconds_between_polls(poll_seconds: int, timeout_seconds: int) -> int:
    """How long to wait before a job is polled again, if its images wait so long for workers."""
    return max(poll_seconds, -(-available_seconds(timeout_seconds) // MAX_POLLS))


def stop_job(sagemaker: Any, name: str) -> None:
    """End a job; what is labelled is kept. Nothing if there is none to end."""
    try:
        sagemaker.stop_labeling_job(LabelingJobName=name)
    except ClientError as error:
        # A job that has ended is refused as invalid.
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise


# The workers' answers


def labels_of(s3: S3Client, bucket: str, batch_id: str) -> list[str]:
    """The labels that a batch was asked with: some may have been retired while the workers worked.

    Raises:
        RouteError: the batch was never started.
        ClientError: S3 cannot give them now.
    """
    categories = json.loads(get_object(s3, bucket, f"{PREFIX}{batch_id}/{LABELS_FILE}")["Body"].read())
    names = [str(category["label"]) for category in categories["labels"]]
    return [name for name in names if name != worker_answers.NOTHING]


def read_output(s3: S3Client, status: JobStatus) -> Iterator[bytes]:
    """The output manifest of a job that has ended, in chunks; nothing if it names none.

    Raises:
        RouteError: it is not where the job says, or S3 refuses it.
        ClientError: S3 cannot give it now.
    """
    if status.output is not None:
        yield from get_object(s3, *status.output)["Body"].iter_chunks(_CHUNK)


def answers_of(
    chunks: Iterable[bytes], tasks: Sequence[Task], labels: Sequence[str]
) -> dict[str, Answer | Unanswered]:
    """The answer to every task of a batch, by task id, from the output manifest of its job.

    A line as it was put in is of an image that nobody labelled in time.

    Raises:
        RouteError: it is no output manifest of this batch.
    """
    by_id = {task.id: task for task in tasks}
    answers: dict[str, Answer | Unanswered] = {}
    lines = 0
    for number, text in manifests.numbered_lines(chunks):
        lines += 1
        line = _line(number, text)
        task = by_id.get(str(line.get(TASK_ATTRIBUTE)))
        if task is not None:
            answers[task.id] = _answer(line, task, labels)
    if lines and not answers:
        raise RouteError("no line of the output manifest is of a task of this batch")
    missing = Unanswered("missing", "the output manifest has no line of it")
    return {id: answers.get(id, missing) for id in by_id}


def _line(number: int, text: bytes) -> dict[str, Any]:
    try:
        line = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise RouteError(f"line {number} of the output manifest is not JSON: {error}") from error
    if not isinstance(line, dict):
        raise RouteError(f"line {number} of the output manifest has to be a JSON object")
    return line


def _answer(line: Mapping[str, Any], task: Task, labels: Sequence[str]) -> Answer | Unanswered:
    metadata = line.get(f"{ATTRIBUTE}-metadata")
    if isinstance(metadata, dict) and "failure-reason" in metadata:
        return Unanswered("failed", str(metadata["failure-reason"]))
    if ATTRIBUTE not in line:
        return Unanswered("expired", "nobody labelled it while the job ran")
    try:
        if not isinstance(metadata, dict):
            raise WorkerAnswerError(f"{ATTRIBUTE}-metadata has to be an object")
        worker_answer = _worker_answer(line[ATTRIBUTE], metadata, task, labels)
        at = _moment(metadata.get("creation-date"))
    except WorkerAnswerError as error:
        return Unanswered("bad_answer", str(error))
    return worker_answers.answer(worker_answer, "groundtruth", "Ground Truth", seconds=0.0, at=at)


def _worker_answer(
    value: Any, metadata: Mapping[str, Any], task: Task, labels: Sequence[str]
) -> WorkerAnswer:
    type = metadata.get("type")
    if task.kind == "detection" and type == manifests.DETECTION_TYPE:
        return _boxes(value, metadata, task, labels)
    if task.kind == "classification" and type == _MULTILABEL_TYPE:
        return worker_answers.of_labels(_names(value, metadata), labels)
    if task.kind == "classification" and type == manifests.CLASSIFICATION_TYPE:
        return worker_answers.of_labels([metadata.get("class-name")], labels)
    raise WorkerAnswerError(f"type {type!r} is no answer to a {task.kind}"[:200])


def _boxes(value: Any, metadata: Mapping[str, Any], task: Task, labels: Sequence[str]) -> WorkerAnswer:
    if not isinstance(value, dict) or not isinstance(annotations := value.get("annotations"), list):
        raise WorkerAnswerError(f"{ATTRIBUTE} has no list annotations")
    sizes = value.get("image_size")
    size = sizes[0] if isinstance(sizes, list) and sizes and isinstance(sizes[0], dict) else {}
    names = _class_map(metadata)
    items = [
        {**item, "label": names.get(str(item.get("class_id")))} if isinstance(item, dict) else item
        for item in annotations
    ]
    drawn_on = size.get("width"), size.get("height")
    return worker_answers.of_boxes(items, drawn_on, (task.width, task.height), labels)


def _names(value: Any, metadata: Mapping[str, Any]) -> list[Any]:
    names = _class_map(metadata)
    if not isinstance(value, list):
        raise WorkerAnswerError(f"{ATTRIBUTE} has to be a list of class ids")
    return [names.get(str(id)) for id in value]


def _class_map(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    names = metadata.get("class-map")
    if not isinstance(names, dict):
        raise WorkerAnswerError(f"{ATTRIBUTE}-metadata has no class-map")
    return names


def _moment(text: Any) -> str:
    """Ground Truth writes UTC without saying so."""
    try:
        return clock.to_iso(clock.parse(f"{str(text).removesuffix('Z')}Z"))
    except ValueError as error:
        raise WorkerAnswerError(f"creation-date is {text!r}, which is no time"[:200]) from error
