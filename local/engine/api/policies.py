"""PutProjectPolicy, ListProjectPolicies, DeleteProjectPolicy.

- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-project-policy-document.html
- https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-attach-project-policy.html
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from local.engine.api.context import Answer, Caller, Context, Request
from local.engine.errors import (
    InvalidPolicyRevisionIdException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    ResourceAlreadyExistsException,
    ResourceNotFoundException,
)
from local.engine.quotas import POLICIES_PAGE
from local.engine.storage.store import AlreadyThereError, NotThereError, Policy, TooManyError

ACTION = "rekognition:CopyProjectVersion"
VERSIONS = {"2012-10-17", "2008-10-17"}
_REQUIRED = ("Effect", "Principal", "Action", "Resource")
_PROHIBITED = ("NotAction", "NotResource", "NotPrincipal")


class Policies:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._store = context.store

    def put_project_policy(self, request: Request, caller: Caller) -> Answer:
        project = self._context.project(request["ProjectArn"], caller)
        document, name = request["PolicyDocument"], request["PolicyName"]
        check_document(document)
        now = time.time()
        policy = Policy(project.arn, name, secrets.token_hex(16), document, now, now)
        revision = request.get("PolicyRevisionId")
        if revision is not None:
            if not self._store.change_policy(policy, revision=revision):
                raise InvalidPolicyRevisionIdException(
                    f"PolicyRevisionId {revision} is not the latest revision of a policy named {name}"
                )
            return {"PolicyRevisionId": policy.revision}
        try:
            self._store.add_policy(policy, limit=self._context.quotas.policies_per_project)
        except AlreadyThereError as error:
            raise ResourceAlreadyExistsException(
                f"PolicyName: the project has a policy named {name}; give its PolicyRevisionId to update it"
            ) from error
        except TooManyError as error:
            raise LimitExceededException(f"The project has {error} policies; delete one first") from error
        except NotThereError as error:
            raise ResourceNotFoundException(f"{project.arn} was deleted") from error
        return {"PolicyRevisionId": policy.revision}

    def list_project_policies(self, request: Request, caller: Caller) -> Answer:
        project = self._context.project(request["ProjectArn"], caller)
        page, more = self._context.pages.page(
            "ListProjectPolicies",
            request,
            self._store.policies(project.arn),
            lambda policy: policy.name,
            size=POLICIES_PAGE,
        )
        return {"ProjectPolicies": [_describe(policy) for policy in page], **more}

    def delete_project_policy(self, request: Request, caller: Caller) -> Answer:
        project = self._context.project(request["ProjectArn"], caller)
        name, revision = request["PolicyName"], request.get("PolicyRevisionId")
        if not self._store.delete_policy(project.arn, name, revision=revision):
            if any(policy.name == name for policy in self._store.policies(project.arn)):
                raise InvalidPolicyRevisionIdException(
                    f"PolicyRevisionId {revision} is not the latest revision of {name}"
                )
            raise ResourceNotFoundException(f"PolicyName: {project.arn} has no policy named {name}")
        return {}


def check_document(document: str) -> None:
    """Check that a text is a project policy document.

    Raises:
        MalformedPolicyDocumentException: it is not.
    """
    try:
        policy = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicyDocumentException("PolicyDocument is not JSON") from error
    if not isinstance(policy, dict):
        raise MalformedPolicyDocumentException("PolicyDocument must be a JSON object")
    version = policy.get("Version", "2012-10-17")
    if not isinstance(version, str) or version not in VERSIONS:
        raise MalformedPolicyDocumentException("PolicyDocument.Version must be 2012-10-17")
    statements = policy.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedPolicyDocumentException("PolicyDocument needs a Statement")
    for number, statement in enumerate(statements):
        _check_statement(statement, f"PolicyDocument.Statement[{number}]")


def _check_statement(statement: Any, where: str) -> None:
    if not isinstance(statement, dict):
        raise MalformedPolicyDocumentException(f"{where} must be a JSON object")
    for name in _PROHIBITED:
        if name in statement:
            raise MalformedPolicyDocumentException(f"{where} must not have {name}")
    for name in _REQUIRED:
        if name not in statement:
            raise MalformedPolicyDocumentException(f"{where} needs {name}")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise MalformedPolicyDocumentException(f"{where}.Effect must be Allow or Deny")
    if any(action != ACTION for action in _strings(statement["Action"], f"{where}.Action")):
        raise MalformedPolicyDocumentException(f"{where}.Action must be {ACTION}, the only one supported")
    _strings(statement["Resource"], f"{where}.Resource")
    principal = statement["Principal"]
    if principal != "*":
        if not isinstance(principal, dict) or set(principal) != {"AWS"}:
            raise MalformedPolicyDocumentException(f'{where}.Principal must be "*" or have the member AWS')
        _strings(principal["AWS"], f"{where}.Principal.AWS")
    if not isinstance(statement.get("Condition", {}), dict):
        raise MalformedPolicyDocumentException(f"{where}.Condition must be a JSON object")


def _strings(value: Any, where: str) -> list[str]:
    strings = value if isinstance(value, list) else [value]
    if not strings or not all(isinstance(item, str) and item for item in strings):
        raise MalformedPolicyDocumentException(f"{where} must be a string or a list of strings")
    return strings


def _describe(policy: Policy) -> Answer:
    return {
        "ProjectArn": policy.project_arn,
        "PolicyName": policy.name,
        "PolicyRevisionId": policy.revision,
        "PolicyDocument": policy.document,
        "CreationTimestamp": policy.created,
        "LastUpdatedTimestamp": policy.updated,
    }
