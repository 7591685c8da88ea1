"""Human loops: the operations of the A2I runtime, and the output and the event of a loop that ends.

https://docs.aws.amazon.com/augmented-ai/2019-11-07/APIReference/API_Operations_Amazon_Augmented_AI_Runtime.html
https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-output-data.html
https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-cloudwatch-events.html
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from local.sagemaker.a2i.flow_definitions import Answer, FlowDefinitions, Request
from local.sagemaker.errors import ConflictException, ResourceNotFoundException, ValidationException
from local.sagemaker.host import AccessError, Caller, Host
from local.sagemaker.protocol import moment, timestamp
from local.sagemaker.store import Resource, Response, Store
from local.sagemaker.workers import forms
from local.sagemaker.workers.forms import FormError
from local.sagemaker.workers.queue import bucket_and_key

logger = logging.getLogger("labelloop.a2i")

DETAIL_TYPE = "SageMaker A2I HumanLoop Status Change"
AVAILABLE_SECONDS = 864_000
"""How long a loop is available where its flow definition does not say it; AWS documents no default, and the
emulation takes ten days."""
PAGE = 100
_ISSUER = "https://cognito-idp.{}.amazonaws.com/embedded"


class HumanLoops:
    def __init__(self, store: Store, host: Host, flows: FlowDefinitions) -> None:
        self._store = store
        self._host = host
        self._flows = flows

    def start_human_loop(self, request: Request, caller: Caller) -> Answer:
        flow = self._flows.flow(request["FlowDefinitionArn"], caller)
        if flow is None:
            raise ValidationException(f"There is no flow definition {request['FlowDefinitionArn']}")
        given = _input(request["HumanLoopInput"]["InputContent"])
        name, now = request["HumanLoopName"], time.time()
        body = {"flow": flow.arn, "flow_name": flow.name, "input": given, **_of_flow(flow)}
        loop = Resource("human-loop", caller.account, caller.region, name, now, now, "InProgress", body)
        with self._store.transaction():
            if before := self._store.get("human-loop", caller.account, caller.region, name):
                return _again(before, loop)
            self._store.put(loop)
            ended = self._prepare(loop, flow, caller)
        if ended:
            self.resolve(ended)
        return {"HumanLoopArn": loop.arn}

    def describe_human_loop(self, request: Request, caller: Caller) -> Answer:
        loop = self._get(request["HumanLoopName"], caller)
        answer: Answer = {
            "CreationTime": timestamp(loop.created),
            "HumanLoopStatus": loop.status,
            "HumanLoopName": loop.name,
            "HumanLoopArn": loop.arn,
            "FlowDefinitionArn": loop.body["flow"],
        }
        if loop.status == "Completed":
            answer["HumanLoopOutput"] = {"OutputS3Uri": _output_uri(loop)}
        for member, key in (("FailureCode", "failure_code"), ("FailureReason", "failure_reason")):
            if loop.body.get(key):
                answer[member] = loop.body[key]
        return answer

    def list_human_loops(self, request: Request, caller: Caller) -> Answer:
        if self._flows.flow(request["FlowDefinitionArn"], caller) is None:
            raise ResourceNotFoundException(f"There is no flow definition {request['FlowDefinitionArn']}")
        after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
        loops = [
            loop
            for loop in self._store.resources("human-loop", caller.account, caller.region)
            if loop.body["flow"] == request["FlowDefinitionArn"]
            and (after is None or timestamp(loop.created) > after)
            and (before is None or timestamp(loop.created) < before)
        ]
        if request.get("SortOrder") != "Ascending":
            loops.reverse()
        start, size = _offset(request.get("NextToken", "0")), request.get("MaxResults", PAGE)
        answer: Answer = {"HumanLoopSummaries": [_summary(loop) for loop in loops[start : start + size]]}
        if start + size < len(loops):
            answer["NextToken"] = str(start + size)
        return answer

    def stop_human_loop(self, request: Request, caller: Caller) -> Answer:
        loop = self._get(request["HumanLoopName"], caller)
        with self._store.transaction():
            loop = self._get(loop.name, caller)
            if loop.status != "InProgress":
                raise ValidationException(f"Human loop {loop.name} is {loop.status}: it cannot be stopped")
            self._store.end_work(loop, "stopped")
            stopped = self._end(loop, "Stopped")
        self.resolve(stopped)
        return {}

    def delete_human_loop(self, request: Request, caller: Caller) -> Answer:
        loop = self._get(request["HumanLoopName"], caller)
        if loop.status == "InProgress":
            raise ValidationException(f"Human loop {loop.name} is InProgress: stop it first")
        self._store.delete(loop)
        return {}

    def resolve(self, loop: Resource) -> None:
        """End a loop that has all its answers, or whose time is over, and send the event of its end."""
        if loop.status == "InProgress":
            (work,) = self._store.work_of(loop)
            if work.state == "answered":
                loop = self._complete(loop, work.responses)
            elif work.state == "expired":
                loop = self._end(loop, "Failed", "Expired", "The task was not completed in time")
        if loop.status != "InProgress" and not loop.event_sent:
            self._host.put_event(loop.account, loop.region, _event(loop))
            self._store.put(replace(loop, event_sent=True))

    def _prepare(self, loop: Resource, flow: Resource, caller: Caller) -> Resource | None:
        """Put the loop before workers; the loop as it failed if that cannot be done."""
        try:
            template = self._flows.template(flow, caller)
            if template is None:
                raise FormError("the flow definition's human task UI was deleted")
            form = forms.of(template, loop.body["input"])
            bucket, key = bucket_and_key(form.image)
            self._host.objects(loop.body["role"], loop.region).get(bucket, key)
            self._host.check_cors(loop.account, loop.region, bucket)
        except (FormError, AccessError) as error:
            return self._end(loop, "Failed", "ValidationError", str(error)[:1024])
        expires = loop.created + loop.body["available"]
        kept = {**asdict(form), "role": loop.body["role"]}
        self._store.add_work(loop, [kept], loop.body["wanted"], expires)
        return None

    def _complete(self, loop: Resource, responses: tuple[Response, ...]) -> Resource:
        document = {
            "flowDefinitionArn": loop.body["flow"],
            "humanAnswers": [_human_answer(response, loop.region) for response in responses],
            "humanLoopName": loop.name,
            "inputContent": loop.body["input"],
        }
        try:
            objects = self._host.objects(loop.body["role"], loop.region)
            objects.put(*bucket_and_key(_output_uri(loop)), json.dumps(document).encode())
        except (FormError, AccessError) as error:
            return self._end(loop, "Failed", "InternalError", f"the output cannot be written: {error}"[:1024])
        return self._end(loop, "Completed")

    def _end(self, loop: Resource, status: str, code: str = "", reason: str = "") -> Resource:
        body = {**loop.body, "failure_code": code, "failure_reason": reason}
        ended = replace(loop, status=status, changed=time.time(), body=body, event_sent=False)
        self._store.put(ended)
        logger.info("%s: %s %s", loop.name, status, reason)
        return ended

    def _get(self, name: str, caller: Caller) -> Resource:
        loop = self._store.get("human-loop", caller.account, caller.region, name)
        if loop is None:
            raise ResourceNotFoundException(f"There is no human loop {name} in this account and Region")
        return loop


def _input(text: str) -> Mapping[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValidationException(f"InputContent is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ValidationException("InputContent has to be a JSON object")
    return given


def _of_flow(flow: Resource) -> dict[str, Any]:
    """What a loop keeps of its flow definition, which may be deleted before the loop ends."""
    config = flow.body["HumanLoopConfig"]
    return {
        "role": flow.body["RoleArn"],
        "output": flow.body["OutputConfig"]["S3OutputPath"],
        "wanted": config["TaskCount"],
        "available": config.get("TaskAvailabilityLifetimeInSeconds", AVAILABLE_SECONDS),
    }


def _again(before: Resource, loop: Resource) -> Answer:
    same = all(before.body[key] == loop.body[key] for key in ("flow", "input"))
    if same and before.status == "InProgress":
        return {"HumanLoopArn": before.arn}
    raise ConflictException(f"A human loop {loop.name} with other input, or an ended one, exists already")


def _output_uri(loop: Resource) -> str:
    date = timestamp(loop.created).strftime("%Y/%m/%d/%H/%M/%S")
    return f"{loop.body['output'].rstrip('/')}/{loop.body['flow_name']}/{date}/{loop.name}/output.json"


def _human_answer(response: Response, region: str) -> dict[str, Any]:
    identity = {"identityProviderType": "Cognito", "issuer": _ISSUER.format(region), "sub": response.worker}
    return {
        "acceptanceTime": moment(response.accepted),
        "answerContent": response.content,
        "submissionTime": moment(response.submitted),
        "timeSpentInSeconds": round(response.submitted - response.accepted, 3),
        "workerId": hashlib.sha256(response.worker.encode()).hexdigest()[:16],
        "workerMetadata": {"identityData": identity},
    }


def _event(loop: Resource) -> dict[str, Any]:
    detail = {
        "creationTime": moment(loop.created),
        "failureCode": loop.body["failure_code"] or None,
        "failureReason": loop.body["failure_reason"] or None,
        "flowDefinitionArn": loop.body["flow"],
        "humanLoopArn": loop.arn,
        "humanLoopName": loop.name,
        "humanLoopOutput": {"outputS3Uri": _output_uri(loop)} if loop.status == "Completed" else None,
        "humanLoopStatus": loop.status,
    }
    return {"DetailType": DETAIL_TYPE, "Resources": [loop.arn], "Detail": detail}


def _summary(loop: Resource) -> Answer:
    summary: Answer = {
        "HumanLoopName": loop.name,
        "HumanLoopStatus": loop.status,
        "CreationTime": timestamp(loop.created),
        "FlowDefinitionArn": loop.body["flow"],
    }
    if loop.body.get("failure_reason"):
        summary["FailureReason"] = loop.body["failure_reason"]
    return summary


def _offset(token: str) -> int:
    if not token.isdecimal():
        raise ValidationException("NextToken is none that ListHumanLoops gave")
    return int(token)
