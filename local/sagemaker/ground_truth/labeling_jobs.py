"""Labeling jobs: their operations, and what a job writes when it ends.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateLabelingJob.html
https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from local.sagemaker.errors import AccessDeniedException, ResourceInUse, ResourceNotFound, ValidationException
from local.sagemaker.ground_truth import consolidation
from local.sagemaker.host import AccessError, Caller, Host, Objects
from local.sagemaker.protocol import timestamp
from local.sagemaker.store import Resource, Store, Work
from local.sagemaker.workers import forms
from local.sagemaker.workers.forms import FormError
from local.sagemaker.workers.queue import bucket_and_key

logger = logging.getLogger("labelloop.groundtruth")

Request = Mapping[str, Any]
Answer = dict[str, Any]
Consolidate = Callable[[Sequence[Mapping[str, Any]], Sequence[str]], tuple[Any, dict[str, Any]]]

AVAILABLE_SECONDS = 2_592_000
"""How long work is available, 30 days of a private workforce: HumanTaskConfig in the API's model."""
MAX_TASK_SECONDS = 28_800
"""The longest that a task of an image labeling job may take: the same."""
PAGE = 100
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:(PRE|ACS)-([A-Za-z]+)")
_TASK_TYPES: Mapping[str, tuple[str, Consolidate]] = {
    "BoundingBox": (forms.BOXES, consolidation.boxes),
    "ImageMultiClass": (forms.ONE_LABEL, consolidation.single_label),
    "ImageMultiClassMultiLabel": (forms.LABELS, consolidation.multilabel),
}
"""The element that a task type's template has, and what its ACS function does."""


class LabelingJobs:
    def __init__(self, store: Store, host: Host) -> None:
        self._store = store
        self._host = host

    def create_labeling_job(self, request: Request, caller: Caller) -> Answer:
        self._check(request, caller)
        now, name = time.time(), request["LabelingJobName"]
        body = {"request": dict(request), "failure_reason": "", "expires": now + _available(request)}
        job = Resource("labeling-job", caller.account, caller.region, name, now, now, "InProgress", body)
        with self._store.transaction():
            if self._store.get("labeling-job", caller.account, caller.region, name):
                raise ResourceInUse(f"Labeling job {name} exists already")
            self._store.put(job)
            self._prepare(job)
        return {"LabelingJobArn": job.arn}

    def describe_labeling_job(self, request: Request, caller: Caller) -> Answer:
        job = self._get(request["LabelingJobName"], caller)
        asked = job.body["request"]
        kept = (
            "LabelAttributeName",
            "InputConfig",
            "OutputConfig",
            "RoleArn",
            "LabelCategoryConfigS3Uri",
            "HumanTaskConfig",
        )
        answer: Answer = {
            "LabelingJobStatus": job.status,
            "LabelCounters": self._counters(job),
            "CreationTime": timestamp(job.created),
            "LastModifiedTime": timestamp(job.changed),
            "JobReferenceCode": hashlib.sha256(job.arn.encode()).hexdigest()[:8],
            "LabelingJobName": job.name,
            "LabelingJobArn": job.arn,
            **{name: asked[name] for name in kept if name in asked},
        }
        if job.body["failure_reason"]:
            answer["FailureReason"] = job.body["failure_reason"]
        if job.body.get("written"):
            answer["LabelingJobOutput"] = {"OutputDatasetS3Uri": _output_uri(job)}
        return answer

    def stop_labeling_job(self, request: Request, caller: Caller) -> Answer:
        with self._store.transaction():
            job = self._get(request["LabelingJobName"], caller)
            if job.status != "InProgress":
                raise ValidationException(f"Labeling job {job.name} is {job.status}: it cannot be stopped")
            self._store.end_work(job, "stopped")
            self._finish(job, "Stopped")
        return {}

    def resolve(self, job: Resource) -> None:
        """End a job whose images are all labelled, or whose time is over."""
        if job.status != "InProgress":
            return
        work = self._store.work_of(job)
        if any(image.state == "waiting" for image in work):
            return
        labelled = any(image.state == "answered" for image in work)
        self._finish(job, "Completed" if labelled else "Failed")

    def _finish(self, job: Resource, status: str) -> None:
        reason = "No image was labelled in time" if status == "Failed" else ""
        try:
            objects = self._host.objects(job.body["request"]["RoleArn"], job.region)
            objects.put(*bucket_and_key(_output_uri(job)), self._output(job, objects))
            written = True
        except (FormError, AccessError, ValueError) as error:
            status, reason, written = "Failed", f"the output cannot be written: {error}"[:1024], False
        self._end(job, status, reason, written=written)

    def _end(self, job: Resource, status: str, reason: str, *, written: bool = False) -> None:
        body = {**job.body, "failure_reason": reason, "written": written}
        self._store.put(replace(job, status=status, changed=time.time(), body=body))
        logger.info("%s: %s %s", job.name, status, reason)

    # Beginning

    def _check(self, request: Request, caller: Caller) -> None:
        attribute, config = request["LabelAttributeName"], request["HumanTaskConfig"]
        if attribute.endswith(("-ref", "-metadata")):
            raise ValidationException(f"LabelAttributeName of this task type cannot end as {attribute} does")
        if "S3DataSource" not in request["InputConfig"]["DataSource"]:
            raise ValidationException("Only jobs with an S3DataSource are emulated")
        if "UiTemplateS3Uri" not in config["UiConfig"] or "LabelCategoryConfigS3Uri" not in request:
            raise ValidationException(
                "Image jobs need UiTemplateS3Uri in UiConfig and LabelCategoryConfigS3Uri"
            )
        if config["TaskTimeLimitInSeconds"] > MAX_TASK_SECONDS:
            raise ValidationException(f"TaskTimeLimitInSeconds is at most {MAX_TASK_SECONDS}")
        _task_type(request)
        if not caller.may_pass(request["RoleArn"]):
            raise AccessDeniedException(
                f"You are not authorized to perform iam:PassRole on {request['RoleArn']}"
            )

    def _prepare(self, job: Resource) -> None:
        """Put every image before workers, or fail the job."""
        request = job.body["request"]
        try:
            objects = self._host.objects(request["RoleArn"], job.region)
            lines, labels = _input(request, objects), _labels(request, objects)
            template = _read(objects, request["HumanTaskConfig"]["UiConfig"]["UiTemplateS3Uri"]).decode()
            work = [_form(request, template, line, labels) for line in lines]
            for bucket in {bucket_and_key(form["image"])[0] for form in work}:
                self._host.check_cors(job.account, job.region, bucket)
        except (FormError, AccessError, ValueError) as error:
            self._end(job, "Failed", f"ClientError: {error}"[:1024])
            return
        wanted = request["HumanTaskConfig"]["NumberOfHumanWorkersPerDataObject"]
        self._store.add_work(job, work, wanted, job.body["expires"])

    # Ending

    def _output(self, job: Resource, objects: Objects) -> bytes:
        """The output manifest: of what was not labelled, the line as it was put in."""
        request = job.body["request"]
        lines, labels = _input(request, objects), _labels(request, objects)
        by_position = {work.position: work for work in self._store.work_of(job)}
        _, consolidate = _task_type(request)
        written = [
            json.dumps(_labelled(job, line, by_position.get(position), consolidate, labels))
            for position, line in enumerate(lines)
        ]
        return "".join(f"{line}\n" for line in written).encode()

    def _counters(self, job: Resource) -> dict[str, int]:
        states = [work.state for work in self._store.work_of(job)]
        labelled = states.count("answered")
        return {
            "TotalLabeled": labelled,
            "HumanLabeled": labelled,
            "MachineLabeled": 0,
            "FailedNonRetryableError": states.count("expired"),
            "Unlabeled": len(states) - labelled - states.count("expired"),
        }

    def _get(self, name: str, caller: Caller) -> Resource:
        job = self._store.get("labeling-job", caller.account, caller.region, name)
        if job is None:
            raise ResourceNotFound(f"There is no labeling job {name} in this account and Region")
        return job


def _available(request: Request) -> float:
    return float(request["HumanTaskConfig"].get("TaskAvailabilityLifetimeInSeconds", AVAILABLE_SECONDS))


def _task_type(request: Request) -> tuple[str, Consolidate]:
    """A request's task type, by the names of the functions that AWS has for it."""
    config = request["HumanTaskConfig"]
    arns = {
        "PRE": config.get("PreHumanTaskLambdaArn", ""),
        "ACS": config.get("AnnotationConsolidationConfig", {}).get("AnnotationConsolidationLambdaArn", ""),
    }
    functions = {role: _FUNCTION.fullmatch(arn) for role, arn in arns.items()}
    types = {match[2] for role, match in functions.items() if match and match[1] == role}
    if len(types) != 1 or not all(functions.values()) or not types <= set(_TASK_TYPES):
        raise ValidationException(
            f"PreHumanTaskLambdaArn and AnnotationConsolidationLambdaArn have to be the built-in ones of"
            f" {', '.join(_TASK_TYPES)}: {list(arns.values())}"
        )
    return _TASK_TYPES[types.pop()]


def _read(objects: Objects, uri: str) -> bytes:
    return objects.get(*bucket_and_key(uri))


def _input(request: Request, objects: Objects) -> list[dict[str, Any]]:
    text = _read(objects, request["InputConfig"]["DataSource"]["S3DataSource"]["ManifestS3Uri"]).decode()
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    for line in lines:
        if not isinstance(line, dict) or not isinstance(line.get("source-ref"), str):
            raise ValueError("every line of the input manifest needs a source-ref")
    if not lines:
        raise ValueError("the input manifest has no lines")
    return lines


def _labels(request: Request, objects: Objects) -> list[str]:
    document = json.loads(_read(objects, request["LabelCategoryConfigS3Uri"]).decode())
    try:
        labels = [str(label["label"]) for label in document["labels"]]
    except (KeyError, TypeError) as error:
        raise ValueError("the label category configuration file has no labels") from error
    if not labels or len(set(labels)) != len(labels):
        raise ValueError("the label category configuration file needs labels, each once")
    element, _ = _task_type(request)
    if element != forms.BOXES and len(labels) < 2:
        raise ValueError("image classification needs two label categories or more")
    return labels


def _form(
    request: Request, template: str, line: Mapping[str, Any], labels: Sequence[str]
) -> Mapping[str, Any]:
    """What the PRE functions make of a line: the image and the labels."""
    form = forms.of(template, {"taskObject": line["source-ref"], "labels": list(labels)})
    expected, _ = _task_type(request)
    if form.element != expected:
        raise FormError(f"the template of this task type has to have {expected}, not {form.element}")
    return {**asdict(form), "role": request["RoleArn"]}


def _labelled(
    job: Resource,
    line: Mapping[str, Any],
    work: Work | None,
    consolidate: Consolidate,
    labels: Sequence[str],
) -> dict[str, Any]:
    if work is None or work.state != "answered":
        return dict(line)
    answers = [response.content[work.form["name"]] for response in work.responses]
    value, metadata = consolidate(answers, labels)
    attribute = job.body["request"]["LabelAttributeName"]
    submitted = timestamp(work.responses[-1].submitted)
    metadata |= {
        "human-annotated": "yes",
        "creation-date": submitted.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "job-name": f"labeling-job/{job.name}",
    }
    return {**line, attribute: value, f"{attribute}-metadata": metadata}


def _output_uri(job: Resource) -> str:
    path = job.body["request"]["OutputConfig"]["S3OutputPath"].rstrip("/")
    return f"{path}/{job.name}/manifests/output/output.manifest"
