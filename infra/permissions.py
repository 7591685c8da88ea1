"""Roles that are allowed single actions on named resources. A wildcard without a reason does not synthesize.

The reason is written into the template, into the metadata of the policy under WILDCARD_REASONS, and is the
answer to what the security linter finds about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct

WILDCARD_REASONS = "labelloop:wildcards"


class UnexplainedWildcardError(ValueError):
    """A permission has a wildcard in a resource and no reason for it."""


class Permissions(Construct):
    """A role that one AWS service takes, and its only policy."""

    def __init__(self, scope: Construct, id: str, *, service: str) -> None:
        super().__init__(scope, id)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal(service))  # pyrefly: ignore[bad-argument-type]
        self._policy = iam.Policy(self, "Policy", roles=[self.role])  # pyrefly: ignore[bad-argument-type]
        self._reasons: list[dict[str, Any]] = []

    def allow(
        self, *actions: str, on: Sequence[str], why: str = "", when: Mapping[str, Any] | None = None
    ) -> None:
        """Allow `actions` on the resources whose ARNs are `on`.

        Args:
            why: why a wildcard in `on` cannot be avoided; required if there is one.
            when: Condition of the statement.

        Raises:
            UnexplainedWildcardError: there is a wildcard and no reason.
        """
        wildcards = [arn for arn in on if "*" in arn]
        if wildcards and not why:
            raise UnexplainedWildcardError(f"{self.node.path}: {', '.join(actions)} on {wildcards}")
        self._policy.add_statements(
            iam.PolicyStatement(actions=list(actions), resources=list(on), conditions=when)
        )
        if wildcards:
            self._explain(actions, wildcards, why)

    def before(self, dependent: Construct) -> None:
        """Put the policy in force before `dependent` is created, and until after it is deleted."""
        dependent.node.add_dependency(self._policy)

    def _explain(self, actions: Sequence[str], wildcards: list[str], why: str) -> None:
        resources = Stack.of(self).resolve(wildcards)
        self._reasons.append({"actions": list(actions), "resources": resources, "reason": why})
        policy = self._policy.node.default_child
        assert isinstance(policy, CfnResource)  # noqa: S101
        policy.add_metadata(WILDCARD_REASONS, list(self._reasons))
        for resource in resources:
            finding = f"AwsSolutions::AwsSolutions-IAM5[Resource::{_as_nag_writes(resource)}]"
            Validations.of(self._policy).acknowledge(Acknowledgment(id=finding, reason=why))


def _as_nag_writes(value: Any) -> str:
    """A resource ARN as cdk-nag writes it in its findings: with references in angle brackets."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Ref":
        return f"<{argument}>"
    if function == "Fn::GetAtt":
        return f"<{'.'.join(argument)}>"
    return "".join(_as_nag_writes(part) for part in argument[1])
