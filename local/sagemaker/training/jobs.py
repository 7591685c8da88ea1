"""Training jobs: their operations.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from local.sagemaker.errors import (
    AccessDeniedException,
    ResourceInUse,
    ResourceLimitExceeded,
    ValidationException,
)
from local.sagemaker.host import AccessError, Caller, Host
from local.sagemaker.protocol import timestamp
from local.sagemaker.store import Resource, Store
from local.sagemaker.training.runner import Outcome, Runner
from local.sagemaker.workers.forms import FormError
from local.sagemaker.workers.queue import bucket_and_key

logger = logging.getLogger("labelloop.training_jobs")

Request = Mapping[str, Any]
Answer = dict[str, Any]

KIND = "training-job"
DETAIL_TYPE = "SageMaker Training Job State Change"
PAGE = 10
"""Jobs that ListTrainingJobs answers with unless MaxResults says otherwise: the API's model."""
MAX_RUNTIME_SECONDS = 86_400
"""Of a job that names none: StoppingCondition in the API's model."""
MAX_JOBS = 1
"""Jobs at once: the quotas of new accounts are small, and differ by the type of machine.
https://docs.aws.amazon.com/general/latest/gr/sagemaker.html"""
SPOT_SHARE = 0.3
"""Of the seconds of a spot machine, those that are billed. AWS says that they may be as few as a tenth:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-managed-spot-training.html"""
_SORTED = {"Name": "name", "CreationTime": "created", "Status": "status"}
"""By what SortBy sorts."""
_DESCRIBED = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "CheckpointConfig",
    "Environment",
    "RetryStrategy",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
)
"""Members of a request that its description has as well."""
_TOLD = (
    "HyperParameters",
    "AlgorithmSpecification",
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "ResourceConfig",
    "StoppingCondition",
)
"""Members of a request that its events have as well."""


class TrainingJobs:
    """Jobs run one after the other, each in a child process.

    Args:
        state: where the jobs' folders are, while they run.
    """

    def __init__(self, store: Store, host: Host, state: Path) -> None:
        self._store, self._host = store, host
        self._runner = Runner(host, state / "training-jobs", self._note)
        self._end_abandoned()

    def close(self) -> None:
        """End what runs; it is found as failed when the store is opened again."""
        self._runner.close()

    def create_training_job(self, request: Request, caller: Caller) -> Answer:
        _check(request, caller)
        self._check_data(request, caller)
        now, name = time.time(), request["TrainingJobName"]
        body = {"request": dict(request), "secondary": "Starting", "transitions": [["Starting", now]]}
        job = Resource(KIND, caller.account, caller.region, name, now, now, "InProgress", body)
        with self._store.transaction():
            if self._store.get(KIND, caller.account, caller.region, name):
                raise ResourceInUse(
                    f"Training job names must be unique within an AWS account and region: {name}"
                )
            jobs = self._store.resources(KIND, caller.account, caller.region)
            if sum(other.status in ("InProgress", "Stopping") for other in jobs) >= MAX_JOBS:
                machine = request["ResourceConfig"]["InstanceType"]
                raise ResourceLimitExceeded(
                    f"The account-level service limit '{machine} for training job usage' is {MAX_JOBS}"
                    f" Instances, with current utilization of {MAX_JOBS} Instances and a request delta of 1"
                    " Instances. Please use AWS Service Quotas to request an increase for this quota."
                )
            self._store.put(job)
        self._runner.submit(job)
        return {"TrainingJobArn": job.arn}

    def _check_data(self, request: Request, caller: Caller) -> None:
        """Look whether the role sees something below each prefix.

        Raises:
            ValidationException: it does not: "No S3 objects found under S3 URL":
                https://github.com/aws/amazon-sagemaker-examples/issues/2489
        """
        for channel in request.get("InputDataConfig", []):
            source = channel["DataSource"]["S3DataSource"]
            if source["S3DataType"] == "S3Prefix":
                try:
                    objects = self._host.objects(request["RoleArn"], caller.region)
                    listed = objects.keys(*bucket_and_key(source["S3Uri"]))
                except (AccessError, FormError) as error:
                    raise ValidationException(str(error)) from error
                if not listed:
                    raise ValidationException(
                        f'No S3 objects found under S3 URL "{source["S3Uri"]}" given in input data source'
                    )

    def describe_training_job(self, request: Request, caller: Caller) -> Answer:
        job = self._get(request["TrainingJobName"], caller)
        body, asked = job.body, job.body["request"]
        answer: Answer = {
            "TrainingJobName": job.name,
            "TrainingJobArn": job.arn,
            "TrainingJobStatus": job.status,
            "SecondaryStatus": body["secondary"],
            "ModelArtifacts": {"S3ModelArtifacts": body.get("artifacts", "")},
            "StoppingCondition": {
                "MaxRuntimeInSeconds": MAX_RUNTIME_SECONDS,
                **asked.get("StoppingCondition", {}),
            },
            "CreationTime": timestamp(job.created),
            "LastModifiedTime": timestamp(job.changed),
            "SecondaryStatusTransitions": _transitions(body["transitions"]),
            **{name: asked[name] for name in _DESCRIBED if name in asked},
        }
        for member, key in (("TrainingStartTime", "began"), ("TrainingEndTime", "ended")):
            if body.get(key):
                answer[member] = timestamp(body[key])
        if body.get("ended") and body.get("began"):
            seconds = max(1, round(body["ended"] - body["began"]))
            share = SPOT_SHARE if asked.get("EnableManagedSpotTraining") else 1
            billed = max(1, round(share * seconds))
            answer |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": billed}
        if body.get("failure_reason"):
            answer["FailureReason"] = body["failure_reason"]
        return answer

    def list_training_jobs(self, request: Request, caller: Caller) -> Answer:
        jobs = [
            job
            for job in self._store.resources(KIND, caller.account, caller.region)
            if request.get("NameContains", "") in job.name
            and request.get("StatusEquals", job.status) == job.status
            and _is_between(job.created, request, "CreationTime")
            and _is_between(job.changed, request, "LastModifiedTime")
        ]
        jobs.sort(key=attrgetter(_SORTED[request.get("SortBy", "CreationTime")]))
        if request.get("SortOrder", "Descending") == "Descending":
            jobs.reverse()
        first = _position(request.get("NextToken", ""))
        last = first + request.get("MaxResults", PAGE)
        answer: Answer = {"TrainingJobSummaries": [_summary(job) for job in jobs[first:last]]}
        if last < len(jobs):
            answer["NextToken"] = base64.b64encode(str(last).encode()).decode()
        return answer

    def stop_training_job(self, request: Request, caller: Caller) -> Answer:
        with self._store.transaction():
            job = self._get(request["TrainingJobName"], caller)
            if job.status != "InProgress":
                raise ValidationException(
                    f"The request was rejected because the training job is in status {job.status}"
                )
            self._change(job, "Stopping", "Stopping")
        self._runner.stop(job)
        return {}

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of the job of that ARN, which it was created with; none if there is no such job."""
        _, _, _, region, account, resource = [*arn.split(":", 5), *[""] * 5][:6]
        job = self._store.get(KIND, account, region, resource.removeprefix(f"{KIND}/"))
        return {tag["Key"]: tag["Value"] for tag in job.body["request"].get("Tags", [])} if job else {}

    def resolve(self, job: Resource) -> None:
        """Send the event of the job's last change, if it was not sent yet."""
        if not job.event_sent:
            self._host.put_event(job.account, job.region, _event(job))
            self._store.put(replace(job, event_sent=True))

    def _note(self, job: Resource, outcome: Outcome) -> None:
        """Write down what has become of a job."""
        with self._store.transaction():
            now = self._store.get(job.kind, job.account, job.region, job.name)
            if now is None or now.status in ("Completed", "Failed", "Stopped"):
                return
            status = (
                now.status if now.status == "Stopping" and outcome.status == "InProgress" else outcome.status
            )
            secondary = "Stopping" if status == "Stopping" else outcome.secondary
            # A job begins once, on however many spot machines.
            began = {"began": now.body["began"]} if "began" in now.body else {}
            self._change(now, status, secondary, **{**outcome.facts, **began})

    def _change(self, job: Resource, status: str, secondary: str, **facts: Any) -> None:
        at = time.time()
        body = {**job.body, **facts, "secondary": secondary}
        body["transitions"] = [*job.body["transitions"], [secondary, at]]
        self._store.put(replace(job, status=status, changed=at, body=body, event_sent=False))
        logger.info("%s: %s %s %s", job.name, status, secondary, facts.get("failure_reason", ""))

    def _end_abandoned(self) -> None:
        """Jobs that ran when the embedded stack ended have failed."""
        for job in self._store.all_of(KIND):
            if job.status in ("InProgress", "Stopping"):
                reason = "InternalServerError: the embedded stack was ended before the training job was"
                self._change(job, "Failed", "Failed", failure_reason=reason, ended=time.time())

    def _get(self, name: str, caller: Caller) -> Resource:
        job = self._store.get(KIND, caller.account, caller.region, name)
        if job is None:
            # The model has ResourceNotFound; what comes is "(ValidationException) ... Requested resource not
            # found.": https://github.com/aws/aws-sdk/issues/165
            raise ValidationException("Requested resource not found.")
        return job


def _check(request: Request, caller: Caller) -> None:
    """What the operation's model does not say of its members.

    Raises:
        ValidationException: a member is missing, or contradicts another.
        AccessDeniedException: the caller may not pass the role.
    """
    algorithm, resources = request["AlgorithmSpecification"], request.get("ResourceConfig", {})
    if ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise ValidationException("AlgorithmSpecification needs either TrainingImage or AlgorithmName")
    for member in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        if not resources.get(member):
            raise ValidationException(f"ResourceConfig needs {member}, of 1 or more where it is a number")
    _check_stopping(request)
    _check_channels(request)
    _check_tags(request)
    parameters = request.get("HyperParameters", {})
    for name in ("sagemaker_program", "sagemaker_submit_directory"):
        if name not in parameters:
            raise ValidationException(f"Only script mode is emulated: HyperParameters lacks {name}")
    if not caller.may_pass(request["RoleArn"]):
        raise AccessDeniedException(f"You are not authorized to perform iam:PassRole on {request['RoleArn']}")


def _check_stopping(request: Request) -> None:
    stopping = request.get("StoppingCondition")
    if stopping is None:
        raise ValidationException("StoppingCondition is required")
    runtime = stopping.get("MaxRuntimeInSeconds", MAX_RUNTIME_SECONDS)
    wait = stopping.get("MaxWaitTimeInSeconds")
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < runtime:
            raise ValidationException(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"
                " MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise ValidationException("MaxWaitTimeInSeconds is supported for managed spot training only")


def _check_channels(request: Request) -> None:
    channels = request.get("InputDataConfig", [])
    if len({channel["ChannelName"] for channel in channels}) != len(channels):
        raise ValidationException("Channel names have to be unique")
    for channel in channels:
        source = channel["DataSource"].get("S3DataSource")
        if source is None or source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            raise ValidationException("Only channels of S3Prefix and ManifestFile are emulated")
        mode = channel.get("InputMode", request["AlgorithmSpecification"]["TrainingInputMode"])
        if mode != "File":
            raise ValidationException("Only the input mode File is emulated")


def _check_tags(request: Request) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Tag.html"""
    keys = [tag["Key"] for tag in request.get("Tags", [])]
    if len(set(keys)) != len(keys):
        raise ValidationException("Tag keys must be unique per resource")
    if any(key.lower().startswith("aws:") for key in keys):
        raise ValidationException("Tag keys that begin with aws: are reserved for AWS")


def _is_between(at: float, request: Request, name: str) -> bool:
    after, before = request.get(f"{name}After"), request.get(f"{name}Before")
    return (after is None or at > _seconds(after)) and (before is None or at < _seconds(before))


def _seconds(moment: Any) -> float:
    return float(moment.timestamp()) if hasattr(moment, "timestamp") else float(moment)


def _position(token: str) -> int:
    try:
        return int(base64.b64decode(token)) if token else 0
    except ValueError as error:
        raise ValidationException("Invalid NextToken") from error


def _event(job: Resource) -> Answer:
    """The event of a change, with its times in milliseconds.

    https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html#eventbridge-training
    """
    body, asked = job.body, job.body["request"]
    times = {"CreationTime": job.created, "LastModifiedTime": job.changed}
    times |= {
        member: body[key]
        for member, key in (("TrainingStartTime", "began"), ("TrainingEndTime", "ended"))
        if body.get(key)
    }
    detail: Answer = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": body["secondary"],
        **{name: asked[name] for name in _TOLD if name in asked},
        **{member: round(1000 * at) for member, at in times.items()},
        "SecondaryStatusTransitions": [
            {"Status": status, "StartTime": round(1000 * at)} for status, at in body["transitions"]
        ],
    }
    if job.status == "Failed":
        detail["FailureReason"] = body["failure_reason"]
    return {"DetailType": DETAIL_TYPE, "Resources": [job.arn], "Detail": detail}


def _summary(job: Resource) -> Answer:
    summary: Answer = {
        "TrainingJobName": job.name,
        "TrainingJobArn": job.arn,
        "CreationTime": timestamp(job.created),
        "LastModifiedTime": timestamp(job.changed),
        "TrainingJobStatus": job.status,
    }
    if job.body.get("ended"):
        summary["TrainingEndTime"] = timestamp(job.body["ended"])
    return summary


def _transitions(transitions: list[list[Any]]) -> list[Answer]:
    ends = [at for _, at in transitions[1:]] + [None]
    return [
        {"Status": status, "StartTime": timestamp(at), **({"EndTime": timestamp(end)} if end else {})}
        for (status, at), end in zip(transitions, ends, strict=True)
    ]
