"""Who asks, and whether they may: MiniStack's own checks of signatures and policies, for Rekognition.

Actions and resource types: "Actions, resources, and condition keys for Amazon Rekognition",
https://docs.aws.amazon.com/service-authorization/latest/reference/list_rekognition.html . That table gives
CreateProject no resource type, so a policy has to name all resources; the Custom Labels guide denies it by
the ARN of the project (https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/sc-introduction.html).
Both are held to: it has to be allowed on all resources, and not be denied on the one.

MiniStack keeps its state for the thread of its event loop, so everything here that asks it runs there.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, quote

from local.engine import arns
from local.engine.errors import AccessDeniedException

T = TypeVar("T")

SERVICE = "rekognition"

RESOURCE_MEMBER = {
    "CreateDataset": "ProjectArn",
    "CreateProjectVersion": "ProjectArn",
    "DeleteDataset": "DatasetArn",
    "DeleteProject": "ProjectArn",
    "DeleteProjectPolicy": "ProjectArn",
    "DeleteProjectVersion": "ProjectVersionArn",
    "DescribeDataset": "DatasetArn",
    "DescribeProjectVersions": "ProjectArn",
    "DetectCustomLabels": "ProjectVersionArn",
    "ListDatasetEntries": "DatasetArn",
    "ListDatasetLabels": "DatasetArn",
    "ListProjectPolicies": "ProjectArn",
    "ListTagsForResource": "ResourceArn",
    "PutProjectPolicy": "ProjectArn",
    "StartProjectVersion": "ProjectVersionArn",
    "StopProjectVersion": "ProjectVersionArn",
    "TagResource": "ResourceArn",
    "UntagResource": "ResourceArn",
    "UpdateDatasetEntries": "DatasetArn",
}
"""The member of an operation's request that names the resource its action is checked on."""


class Resources(Protocol):
    """What conditions and resource policies are evaluated with."""

    def tags_of(self, resource_arn: str) -> dict[str, str]: ...

    def policies_of(self, project_arn: str) -> list[str]:
        """Documents of the project's policies."""


class CredentialsError(Exception):
    """The request is not signed by a key MiniStack knows; holds the answer to give."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(status)
        self.answer = (status, headers, body)


@dataclass(frozen=True)
class SignedRequest:
    """An HTTP request to Rekognition with its caller established for MiniStack's context variables."""

    operation: str
    headers: Mapping[str, str]
    body: bytes
    access_key: str
    account: str
    region: str


def pin(scope: Mapping[str, Any], operation: str, body: bytes, request_id: str) -> SignedRequest:
    """Tell MiniStack of the request, as its own application does at the head of every one.

    Raises:
        CredentialsError: more than one account has the access key.
    """
    from ministack import app as ministack  # noqa: PLC0415 - reads the environment when first imported
    from ministack.core import iam_evaluator, responses, router  # noqa: PLC0415

    raw_headers = scope.get("headers", [])
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw_headers}
    query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
    client = (scope.get("client") or ("127.0.0.1",))[0]
    responses.set_request_client_ip(client)
    access_key = router.extract_access_key_id(headers, query)
    region = router.extract_region(headers, query)
    responses.set_request_region(region)
    if not ministack.AUTH:
        responses.set_request_account_id(access_key)
        return SignedRequest(operation, headers, body, access_key, responses.get_account_id(), region)
    iam_evaluator.pin_request_origin(client, scope.get("scheme") == "https")
    try:
        responses.set_request_account_id(iam_evaluator.find_iam_access_key_account(access_key) or access_key)
    except iam_evaluator.AmbiguousAccessKeyError as error:
        refused = iam_evaluator.AuthError("UnrecognizedClientException", "The security token is ambiguous.")
        raise _refused(operation, refused, headers, request_id) from error
    raw_path = scope.get("raw_path") or quote(scope["path"]).encode()
    iam_evaluator.pin_signed_request(scope["method"], raw_path.decode("latin-1"), query, raw_headers)
    iam_evaluator.pin_signed_body(body)
    iam_evaluator.pin_request_caller(headers, query)
    return SignedRequest(operation, headers, body, access_key, responses.get_account_id(), region)


def authenticate(request: SignedRequest, request_id: str) -> None:
    """Check signature and session token only.

    Raises:
        CredentialsError: the signature, key or token is not good.
    """
    from ministack.app import AUTH  # noqa: PLC0415
    from ministack.core import iam_evaluator  # noqa: PLC0415

    action = f"{SERVICE}:{request.operation}"
    denied = iam_evaluator.enforce(request.access_key, action, SERVICE, request.region) if AUTH else None
    if isinstance(denied, iam_evaluator.AuthError):
        raise _refused(request.operation, denied, request.headers, request_id)


def authorise(
    request: SignedRequest,
    request_id: str,
    members: Mapping[str, Any],
    resources: Resources,
    millis: int,
) -> None:
    """Check signature, session token and policies; nothing to check when MiniStack runs without AUTH.

    Args:
        members: of the request, as `shapes` has validated them.
        millis: the time, for the ARN of what the request creates.

    Raises:
        CredentialsError: the signature, key or token is not good.
        AccessDeniedException: the caller's policies do not allow the operation on its resource.
    """
    from ministack.app import AUTH  # noqa: PLC0415
    from ministack.core import iam_actions, iam_evaluator  # noqa: PLC0415

    if not AUTH:
        return
    for action, resource in _checks(request, members, millis):
        denied = _denial(request, action, resource, members, resources)
        if isinstance(denied, iam_evaluator.AuthError):
            raise _refused(request.operation, denied, request.headers, request_id)
        if denied is not None:
            raise AccessDeniedException(
                iam_actions.identity_denial_message(
                    action, denied.principal_arn, resource, denied.decision == "Deny"
                )
            )


def _denial(
    request: SignedRequest, action: str, resource: str, members: Mapping[str, Any], resources: Resources
) -> Any:
    """MiniStack's AuthError or EvalResult that says why not; None if the action is allowed."""
    from ministack.core import iam_evaluator  # noqa: PLC0415

    context = _context(members, resources.tags_of(resource))
    denied = iam_evaluator.enforce(
        request.access_key, action, SERVICE, request.region, resource_arn=resource, service_context=context
    )
    source = members.get("SourceProjectVersionArn")
    if resource != source or isinstance(denied, iam_evaluator.AuthError):
        return denied
    return _by_project_policies(
        request,
        action=action,
        version_arn=resource,
        context=context,
        denied=denied,
        documents=resources.policies_of(str(members["SourceProjectArn"])),
    )


def _by_project_policies(
    request: SignedRequest,
    *,
    action: str,
    version_arn: str,
    context: Mapping[str, Any],
    denied: Any,
    documents: Sequence[str],
) -> Any:
    """The caller's own policies' decision (None allows), and the project policies', as IAM joins the two:
    a Deny in either wins, another account needs an Allow in both, the own account one in either.

    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-project-policy-document.html
    """
    from ministack.core import iam_evaluator  # noqa: PLC0415

    checked = iam_evaluator.authenticate(request.access_key, request.account)
    principal = iam_evaluator.resolve_principal(request.access_key, request.account, checked)
    if isinstance(principal, iam_evaluator.AuthError):
        return denied
    identity = denied or iam_evaluator.EvalResult("Allow", principal.arn, "", "")
    evaluated = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=version_arn,
        region=request.region,
        service_context={key.lower(): value for key, value in context.items()},
        principal_keys=principal.keys,
    )
    owner = arns.parse(version_arn)
    joined = iam_evaluator.combine_resource_policy(
        identity,
        evaluated,
        _one_document(documents),
        owner.account if owner else None,
        limits=principal.limits,
    )
    joined.principal_arn = principal.arn
    return None if joined.decision == "Allow" else joined


def _one_document(documents: Sequence[str]) -> dict[str, Any]:
    statements: list[Any] = []
    for document in documents:
        statement = json.loads(document)["Statement"]
        statements += statement if isinstance(statement, list) else [statement]
    return {"Version": "2012-10-17", "Statement": statements}


class MiniStackCaller:
    """The caller of an authorised request; asked from the threads that do the work."""

    def __init__(self, request: SignedRequest, loop: asyncio.AbstractEventLoop) -> None:
        self.account = request.account
        self.region = request.region
        self._access_key = request.access_key
        self._loop = loop
        # The caller's account and verified key are context variables of MiniStack's.
        self._request = contextvars.copy_context()

    def permission(self, action: str) -> Callable[[Iterable[str]], bool]:
        """What the caller's policies, as they are now, allow of an action of S3: to be asked of the ARNs of
        objects, later and from any thread."""
        return self._ask(
            functools.partial(_object_permission, action, self._access_key, self.region, self._ask)
        )

    def _ask(self, question: Callable[[], T]) -> T:
        """The answer, found where MiniStack keeps its state, in the context of the request."""

        async def answer() -> T:
            return question()

        asked = self._request.copy().run(asyncio.run_coroutine_threadsafe, answer(), self._loop)
        return asked.result()

    def may(self, action: str, *resources: str) -> bool:
        return self._ask(functools.partial(self._may, action, resources))

    def _may(self, action: str, resources: tuple[str, ...]) -> bool:
        from ministack.app import AUTH  # noqa: PLC0415
        from ministack.core.iam_evaluator import enforce  # noqa: PLC0415

        service = action.partition(":")[0]
        return not AUTH or all(
            enforce(self._access_key, action, service, self.region, resource_arn=resource) is None
            for resource in resources
        )


def _object_permission(
    action: str, access_key: str, region: str, ask: Callable[[Callable[[], Any]], Any]
) -> Callable[[Iterable[str]], bool]:
    from ministack.app import AUTH  # noqa: PLC0415
    from ministack.core import iam_evaluator, responses  # noqa: PLC0415

    if not AUTH:
        return _all_allowed
    principal = iam_evaluator.resolve_principal(access_key, responses.get_account_id())
    if isinstance(principal, iam_evaluator.AuthError):
        return _none_allowed
    evaluated = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn="*",
        region=region,
        service_context={"aws:tagkeys": None},
        principal_keys=principal.keys,
    )
    return _ObjectPermission(principal, evaluated, ask)


class _ObjectPermission:
    """What policies allow of an action of S3. They are read once: a training asks of every image.

    Decides as MiniStack's `enforce`, which reads them at each call.
    """

    def __init__(self, principal: Any, evaluated: Any, ask: Callable[[Callable[[], Any]], Any]) -> None:
        self._principal, self._evaluated, self._ask = principal, evaluated, ask

    def __call__(self, objects: Iterable[str]) -> bool:
        if self._principal.policies is None:
            return True
        policies: dict[str, Any] = {}
        evaluated = replace(self._evaluated)
        for arn in objects:
            bucket = arn.partition("/")[0]
            if bucket not in policies:
                policies[bucket] = self._ask(functools.partial(_bucket_policy, arn))
            evaluated.resource_arn = arn
            if not self._allows(evaluated, policies[bucket]):
                return False
        return True

    def _allows(self, evaluated: Any, bucket_policy: Any) -> bool:
        from ministack.core import iam_evaluator  # noqa: PLC0415

        limits = self._principal.limits
        result = iam_evaluator.evaluate(evaluated, self._principal.policies, *limits)
        if bucket_policy is not None:
            result = iam_evaluator.combine_resource_policy(result, evaluated, *bucket_policy, limits=limits)
        return bool(result.decision == "Allow")


def _bucket_policy(object_arn: str) -> Any:
    """The policy of the object's bucket and the bucket's owner; None if there is no such bucket."""
    from ministack.services.s3 import bucket_policy_for_arn  # noqa: PLC0415

    policy_and_owner = bucket_policy_for_arn(object_arn)
    return policy_and_owner and (json.loads(policy_and_owner[0] or '{"Statement": []}'), policy_and_owner[1])


def _all_allowed(objects: Iterable[str]) -> bool:
    return True


def _none_allowed(objects: Iterable[str]) -> bool:
    return False


def _checks(request: SignedRequest, members: Mapping[str, Any], millis: int) -> Iterator[tuple[str, str]]:
    """The actions to be allowed, each with the ARN it is checked on."""
    operation, region, account = request.operation, request.region, request.account
    action = f"{SERVICE}:{operation}"
    if operation == "CreateProject":
        created = arns.project(region, account, str(members.get("ProjectName", "")), millis)
        yield action, "*"
        yield action, created
    elif operation == "DistributeDatasetEntries":
        created = ""
        for dataset in members["Datasets"]:
            yield action, dataset["Arn"]
    elif operation == "CopyProjectVersion":
        created = members["DestinationProjectArn"]
        yield action, created
        yield action, members["SourceProjectVersionArn"]
        yield f"{SERVICE}:CreateProjectVersion", created
    else:
        created = str(members.get(RESOURCE_MEMBER.get(operation, "")) or "*")
        yield action, created
    source = members.get("DatasetSource", {})
    if operation == "CreateDataset" and "DatasetArn" in source:
        yield f"{SERVICE}:ListDatasetEntries", source["DatasetArn"]
    if operation.startswith(("Create", "Copy")) and members.get("Tags"):
        yield f"{SERVICE}:TagResource", _to_be_created(operation, members, created, millis)


def _to_be_created(operation: str, members: Mapping[str, Any], project_arn: str, millis: int) -> str:
    project = arns.parse(project_arn)
    if operation == "CreateProject" or project is None:
        return project_arn
    if operation == "CreateDataset":
        kind = str(members.get("DatasetType", ""))
        return arns.dataset(project.region, project.account, project.project, kind, millis)
    name = str(members.get("VersionName", ""))
    return arns.version(project.region, project.account, project.project, name, millis)


def _context(members: Mapping[str, Any], resource_tags: Mapping[str, str]) -> dict[str, Any]:
    context: dict[str, Any] = {f"aws:ResourceTag/{key}": value for key, value in resource_tags.items()}
    tags = members.get("Tags")
    if tags:
        context |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        context["aws:TagKeys"] = list(tags)
    elif members.get("TagKeys"):
        context["aws:TagKeys"] = members["TagKeys"]
    return context


def _refused(operation: str, denied: Any, headers: Mapping[str, str], request_id: str) -> CredentialsError:
    from ministack.core.iam_actions import access_denied_response  # noqa: PLC0415

    status, answer_headers, body = access_denied_response(
        SERVICE,
        f"{SERVICE}:{operation}",
        "",
        request_id,
        error_code=denied.code,
        message=denied.message,
        headers=dict(headers),
    )
    return CredentialsError(status, answer_headers, body)
