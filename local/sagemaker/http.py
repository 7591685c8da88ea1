"""Requests for the two services: read, authorised by MiniStack's IAM, answered.

Actions and resource types: "Actions, resources, and condition keys for Amazon SageMaker",
https://docs.aws.amazon.com/service-authorization/latest/reference/list_sagemaker.html
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import uuid
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any

from local.engine.access import authorization
from local.sagemaker import protocol
from local.sagemaker.errors import (
    AccessDeniedException,
    InternalServerException,
    RequestEntityTooLargeException,
    SageMakerError,
)
from local.sagemaker.host import SERVICE_PRINCIPAL
from local.sagemaker.protocol import Received
from local.sagemaker.service import SageMaker

logger = logging.getLogger("labelloop.sagemaker")

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest body that is read: more than any request of the two models has, of which InputContent's 3 MiB
are the most."""

SERVICE = "sagemaker"
_NAMED = {
    "FlowDefinition": ("flow-definition", "FlowDefinitionName"),
    "HumanTaskUi": ("human-task-ui", "HumanTaskUiName"),
    "HumanLoop": ("human-loop", "HumanLoopName"),
    "LabelingJob": ("labeling-job", "LabelingJobName"),
    "TrainingJob": ("training-job", "TrainingJobName"),
}

Reply = tuple[int, dict[str, str], bytes]


def operation_of(scope: Mapping[str, Any]) -> tuple[str, str] | None:
    """Service and operation that an HTTP request is for; None if it is for neither of the two."""
    return protocol.operation_of(scope["method"], scope["path"], headers_of(scope))


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    headers = scope.get("headers", [])
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


async def answer(
    scope: Mapping[str, Any], body: bytes, asked: tuple[str, str], sagemaker: SageMaker, threads: Executor
) -> Reply:
    """The answer to a request: status, headers and body."""
    service, operation = asked
    request_id = str(uuid.uuid4())
    identified = {"x-amzn-requestid": request_id}
    received = Received(service, operation, scope["path"], scope.get("query_string", b"").decode(), body)
    try:
        # Who is not known learns nothing of the request, not even that it is wrong.
        signed = authorization.pin(scope, operation, body, request_id)
        _enforce(signed, request_id, "", "*", authenticate_only=True)
        if len(body) > MAX_BODY_BYTES:
            raise RequestEntityTooLargeException(f"A request's body has up to {MAX_BODY_BYTES} bytes")
        request = protocol.parse(received)
        resource = resource_arn(operation, request, signed.region, signed.account)
        loop = asyncio.get_running_loop()
        # In a thread: who has the store may be waiting for this loop, with an event for EventBridge.
        tags = await loop.run_in_executor(threads, sagemaker.tags, resource)
        context = _context(operation, request, tags)
        for action in (operation, "AddTags") if request.get("Tags") else (operation,):
            _enforce(signed, request_id, f"{SERVICE}:{action}", resource, context=context)
        caller = SignedCaller(signed, loop)
        work = functools.partial(_call, received, request, caller, sagemaker)
        run = contextvars.copy_context().run
        answered = await loop.run_in_executor(threads, functools.partial(run, work))
        return 200, {"content-type": protocol.content_type(service), **identified}, answered
    except authorization.CredentialsError as refused:
        status, headers, answered = refused.answer
        return status, {**headers, **identified}, answered
    except SageMakerError as error:
        failure = error
    except Exception as error:
        logger.exception("%s", operation)
        failure = InternalServerException(f"The emulation failed: {error!r}")
    logger.info("%s: %s: %s", operation, failure.code, failure.message)
    status, headers, answered = protocol.dump_error(service, failure)
    return status, {**headers, **identified}, answered


def _call(
    received: Received,
    request: Mapping[str, Any],
    caller: SignedCaller,
    sagemaker: SageMaker,
) -> bytes:
    answered = sagemaker.call(received.service, received.operation, request, caller)
    return protocol.dump(received.service, received.operation, answered)


def resource_arn(operation: str, request: Mapping[str, Any], region: str, account: str) -> str:
    """The ARN that the operation's action is checked on."""
    if operation == "StartHumanLoop":
        return str(request["FlowDefinitionArn"])
    for ending, (kind, member) in _NAMED.items():
        if operation.endswith(ending) and member in request:
            return f"arn:aws:sagemaker:{region}:{account}:{kind}/{request[member]}"
    return "*"


def _context(operation: str, request: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Condition keys that a request brings, and the resource that it is about, with these tags."""
    config = request.get("HumanTaskConfig") or request.get("HumanLoopConfig") or {}
    context: dict[str, Any] = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    if "WorkteamArn" in config:
        context["sagemaker:WorkteamArn"] = config["WorkteamArn"]
    if operation == "CreateTrainingJob" and "EnableNetworkIsolation" in request:
        context["sagemaker:NetworkIsolation"] = str(request["EnableNetworkIsolation"]).lower()
    if added := {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])}:
        context |= {f"aws:RequestTag/{key}": value for key, value in added.items()}
        context["aws:TagKeys"] = list(added)
    return context


class SignedCaller:
    """The caller of an authorised request; asked from the threads that do the work."""

    def __init__(self, signed: authorization.SignedRequest, loop: asyncio.AbstractEventLoop) -> None:
        self.account = signed.account
        self.region = signed.region
        self._access_key = signed.access_key
        self._loop = loop

    def may_pass(self, role_arn: str) -> bool:
        return asyncio.run_coroutine_threadsafe(self._may_pass(role_arn), self._loop).result()

    async def _may_pass(self, role_arn: str) -> bool:
        from ministack.app import AUTH  # noqa: PLC0415
        from ministack.core.iam_evaluator import enforce  # noqa: PLC0415

        context = {"iam:PassedToService": SERVICE_PRINCIPAL}
        asked = self._access_key, "iam:PassRole", "iam", self.region
        return not AUTH or enforce(*asked, resource_arn=role_arn, service_context=context) is None


def _enforce(
    signed: authorization.SignedRequest,
    request_id: str,
    action: str,
    resource: str,
    *,
    context: Mapping[str, Any] | None = None,
    authenticate_only: bool = False,
) -> None:
    """Check signature, session token and policies; nothing to check when MiniStack runs without AUTH.

    Raises:
        CredentialsError: the signature, key or token is not good.
        AccessDeniedException: the caller's policies do not allow the action on the resource.
    """
    from ministack.app import AUTH  # noqa: PLC0415 - reads the environment when first imported
    from ministack.core import iam_actions, iam_evaluator  # noqa: PLC0415

    if not AUTH:
        return
    checked = action or f"{SERVICE}:{signed.operation}"
    denied = iam_evaluator.enforce(
        signed.access_key,
        checked,
        SERVICE,
        signed.region,
        resource_arn=resource,
        service_context=dict(context or {}),
    )
    if isinstance(denied, iam_evaluator.AuthError):
        refused = iam_actions.access_denied_response(
            SERVICE,
            checked,
            "",
            request_id,
            error_code=denied.code,
            message=denied.message,
            headers=dict(signed.headers),
        )
        raise authorization.CredentialsError(*refused)
    if denied is not None and not authenticate_only:
        explicit = denied.decision == "Deny"
        raise AccessDeniedException(
            iam_actions.identity_denial_message(checked, denied.principal_arn, resource, explicit)
        )
