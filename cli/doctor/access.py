"""Who asks, where, and what they may do: Region, credentials, permissions, the CDK's bootstrap, Lambda."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from cli.doctor.account import Account, Identity
from cli.doctor.findings import Finding, Findings, fails, fine, hurts, unseen
from lambdas.domain.shared.regions import CUSTOM_LABELS_REGIONS

DEPLOYMENT_TAKES = timedelta(minutes=20)
"""A first deployment, CloudFront's distribution included; credentials should outlive it."""
MIN_BOOTSTRAP = 6
"""What the template's rule CheckBootstrapVersion asks for; a test holds the two together."""
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
"""https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html"""
DEPLOY_ROLES = ("deploy", "file-publishing")
"""Of the roles that the bootstrap makes, those that `cdk deploy` assumes:
https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html#bootstrapping-env-roles"""
COMFORTABLE_CONCURRENCY = 20
"""Functions at once with which nothing waits: the queues take 10 at most with the settings as they are
(docs/architecture.md, events and queues), and runs, the desk and the console the others."""

# Region


def judge_region(region: str) -> Finding:
    """Whether Custom Labels is offered in the Region."""
    others = ", ".join(CUSTOM_LABELS_REGIONS)
    if not region:
        return fails("Region", "no Region is set", f"export AWS_DEFAULT_REGION=<one of {others}>")
    if region not in CUSTOM_LABELS_REGIONS:
        return fails(
            "Region",
            f"{region} is not known to have Rekognition Custom Labels",
            f"export AWS_DEFAULT_REGION=<one of {others}>; or, if AWS lists it by now"
            " (https://aws.amazon.com/rekognition/pricing/), npx cdk deploy -c other_region=true",
        )
    return fine("Region", f"{region}, {CUSTOM_LABELS_REGIONS[region]}")


# Credentials


def judge_identity(identity: Identity, now: datetime, *, embedded: bool) -> Findings:
    """Whether the credentials last, and are a person's; the embedded stack has none but root's."""
    findings = [_judge_expiry(identity, now)]
    if _is_root(identity) and not embedded:
        findings.append(
            hurts(
                "root user",
                "these are the account's root credentials, which AWS advises to use for nothing of this kind",
                "https://docs.aws.amazon.com/IAM/latest/UserGuide/root-user-best-practices.html",
            )
        )
    return findings


def _judge_expiry(identity: Identity, now: datetime) -> Finding:
    who = identity.arn.rpartition(":")[2]
    if identity.expires is None or identity.renewed:
        lasting = (
            ""
            if identity.renewed or not identity.temporary
            else "; they are temporary, until when is not known"
        )
        return fine("credentials", f"{who} in account {identity.account}{lasting}")
    left = identity.expires - now
    until = f"{identity.expires.astimezone(UTC):%H:%M} UTC"
    if left <= timedelta(0):
        return fails("credentials", f"those of {who} expired at {until}", "sign in again, as for the AWS CLI")
    if left < DEPLOYMENT_TAKES:
        return hurts(
            "credentials",
            f"those of {who} expire at {until}, and a first deployment may take longer",
            "sign in again, as for the AWS CLI",
        )
    return fine("credentials", f"{who} in account {identity.account}, until {until}")


def _is_root(identity: Identity) -> bool:
    return identity.arn.endswith(":root")


# Permissions


@dataclass(frozen=True)
class Simulated:
    """What IAM's simulation says: for each purpose, the actions that are not allowed."""

    denied: Mapping[str, Sequence[str]]


NOT_ALL_IS_SEEN = "IAM's simulation knows no session policies, and not every policy of an organisation"


Wanted = Mapping[str, tuple[Sequence[str], str]]
"""What people want to do, the actions that this takes, and on which resource."""


def look_at_deployer(account: Account) -> Findings:
    """Whether whoever asks may deploy."""
    return simulate(account, to_deploy(account))


def simulate(account: Account, wanted: Wanted) -> Findings:
    """Ask IAM's simulation whether whoever asks may do what is wanted.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
    """
    principal, why_not = simulated_principal(account.identity)
    if why_not:
        return [unseen("permissions", why_not)]
    if principal.startswith("assumed-role/"):
        principal = account.client("iam").get_role(RoleName=principal.split("/")[1])["Role"]["Arn"]
    denied = {
        purpose: _denied(account.client("iam"), principal, actions, resource)
        for purpose, (actions, resource) in wanted.items()
    }
    return judge_permissions(Simulated(denied))


def simulated_principal(identity: Identity) -> tuple[str, str]:
    """The ARN of whose policies are simulated, `assumed-role/...` of a role of which the path is not known;
    or why nobody's can be."""
    kind = identity.arn.split(":", 5)[5]
    if _is_root(identity):
        return "", "IAM does not simulate the root user, who may do everything in the account"
    if kind.startswith("assumed-role/"):
        return kind, ""
    if kind.startswith("user/"):
        return identity.arn, ""
    return "", f"IAM simulates users and roles, and {kind} is neither"


def judge_permissions(simulated: Simulated) -> Findings:
    """A line for each purpose that something is missing for."""
    findings = [
        fails(
            "permissions",
            f"you may not {purpose}: {', '.join(actions)} {'is' if len(actions) == 1 else 'are'} not allowed",
            "ask whoever manages IAM in this account",
        )
        for purpose, actions in simulated.denied.items()
        if actions
    ]
    return findings or [fine("permissions", f"allowed, by IAM's simulation; {NOT_ALL_IS_SEEN}")]


def to_deploy(account: Account) -> Wanted:
    """What `npx cdk deploy` needs of whoever starts it: the roles of the bootstrap do the rest."""
    whose = f"{account.identity.account}-{account.region}"
    iam = f"arn:{account.partition}:iam::{account.identity.account}:role"
    return {
        f"deploy as cdk-hnb659fds-{role}-role-{whose}": (
            ["sts:AssumeRole"],
            f"{iam}/cdk-hnb659fds-{role}-role-{whose}",
        )
        for role in DEPLOY_ROLES
    }


def to_use(account: Account, outputs: Mapping[str, str]) -> Wanted:
    """What the commands of the command line need.

    Args:
        outputs: of the deployment's stack.
    """

    def arn(service: str, resource: str) -> str:
        return f"arn:{account.partition}:{service}:{account.region}:{account.identity.account}:{resource}"

    machine, project = outputs["RetrainMachineArn"], outputs["ProjectArn"]
    engine = json.loads(outputs.get("ServerlessEngine", "{}"))
    execution = machine.replace(":stateMachine:", ":execution:") + ":any"
    bucket = f"arn:{account.partition}:s3:::{outputs['DataBucket']}"
    table = arn("dynamodb", f"table/{outputs['LoopStateTable']}")
    pool = arn("cognito-idp", f"userpool/{outputs['UserPoolId']}")
    return {
        "add images": (["s3:PutObject"], f"{bucket}/incoming/any.jpg"),
        "see runs and versions": (["dynamodb:Query", "dynamodb:GetItem"], table),
        "see which models run": (["rekognition:DescribeProjectVersions"], project),
        "start runs": (["states:StartExecution"], machine),
        "follow runs": (["states:DescribeExecution", "states:GetExecutionHistory"], execution),
        "stop and start the champion": (
            ["lambda:InvokeFunction"],
            arn("lambda", f"function:{outputs['ServeFunction']}"),
        ),
        "detect": (["rekognition:DetectCustomLabels"], f"{project.rpartition('/')[0]}/version/any/1"),
        "change settings": (
            ["ssm:GetParameter", "ssm:PutParameter"],
            arn("ssm", f"parameter{outputs['TuningParameter']}"),
        ),
        "add people": (["cognito-idp:AdminCreateUser", "cognito-idp:AdminAddUserToGroup"], pool),
        **(_to_use_serverless(engine, arn, bucket) if engine else {}),
    }


def _to_use_serverless(engine: Mapping[str, Any], arn: Callable[[str, str], str], bucket: str) -> Wanted:
    """What the commands need of the engine serverless: models are read with the permissions of who asks."""
    jobs = arn("sagemaker", f"training-job/{engine['training']['deployment']}-v1-any")
    return {
        "see trainings of the engine serverless": (["sagemaker:DescribeTrainingJob"], jobs),
        "list them": (["sagemaker:ListTrainingJobs"], "*"),
        "detect with the engine serverless": (
            ["lambda:InvokeFunction"],
            arn("lambda", f"function:{engine['function']}"),
        ),
        "read its models": (["s3:GetObject"], f"{bucket}/training/any/output/model/model.onnx"),
    }


def _denied(iam: Any, principal: str, actions: Sequence[str], resource: str) -> list[str]:
    answer = iam.simulate_principal_policy(
        PolicySourceArn=principal, ActionNames=list(actions), ResourceArns=[resource]
    )
    return [
        result["EvalActionName"]
        for result in answer["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    ]


# The CDK's bootstrap


def look_at_bootstrap(account: Account) -> Findings:
    try:
        parameter = account.client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        parameter = {"Value": ""}
    return [judge_bootstrap(parameter["Value"], account)]


def judge_bootstrap(version: str, account: Account) -> Finding:
    """Whether the CDK has a bucket and roles in the account.

    Args:
        version: of the bootstrap stack; empty if there is none.
    """
    mend = f"npx cdk bootstrap aws://{account.identity.account}/{account.region}"
    if not version:
        return fails("CDK bootstrap", f"{account.region} of this account was never bootstrapped", mend)
    if not version.isdigit() or int(version) < MIN_BOOTSTRAP:
        return fails("CDK bootstrap", f"version {version}, and {MIN_BOOTSTRAP} or later is needed", mend)
    return fine("CDK bootstrap", f"version {version}")


# Lambda


def look_at_lambda(account: Account) -> Findings:
    limit = account.client("lambda").get_account_settings()["AccountLimit"]
    return [judge_concurrency(limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"])]


def judge_concurrency(total: int, unreserved: int) -> Finding:
    """Whether functions wait for one another.

    New accounts have fewer than the usual 1,000, which AWS raises with use, and does not say how many:
    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """
    if unreserved >= COMFORTABLE_CONCURRENCY:
        return fine("Lambda concurrency", f"{unreserved} functions at once")
    reserved = f", of {total}: the others are reserved by functions" if total != unreserved else ""
    return hurts(
        "Lambda concurrency",
        f"{unreserved} functions at once{reserved}; with fewer than {COMFORTABLE_CONCURRENCY}, people at the"
        " console wait while many images come, and what is throttled is tried again: nothing is lost",
        "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384"
        " --desired-value 1000",
    )
