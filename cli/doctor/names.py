"""Names that a deployment will want: its stack, its project, and what an earlier one may have left."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from cli.doctor.account import Account
from cli.doctor.findings import Finding, Findings, State, fails, fine, hurts
from infra.settings import Settings, SettingsError
from lambdas.domain.engines.port import DEPLOYMENT_TAG

ABSENT = {
    "ParameterNotFound",
    "ResourceNotFoundException",
    "StateMachineDoesNotExist",
}
"""Codes by which services say that there is nothing of a name."""
MACHINES = ("retrain", "promote", "batch", "review")
"""State machines of a deployment, called <name>-<step>; their logs are called by them, too."""


def judge_name(name: str) -> Finding:
    """Whether a deployment may be called so."""
    try:
        Settings(name=name)
    except SettingsError as error:
        return fails("name", str(error), "npx cdk deploy -c name=<name>")
    return fine("name", f"{name} fits")


# The stack


def look_at_stack(account: Account) -> Findings:
    return [judge_stack(account.name, find_stack(account))]


def find_stack(account: Account) -> dict[str, Any] | None:
    """The stack of the deployment's name, if there is one."""
    try:
        (stack,) = account.client("cloudformation").describe_stacks(StackName=account.name)["Stacks"]
    except ClientError as error:
        # Of a stack that is not there: "Stack with id ... does not exist".
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    return dict(stack)


def outputs_of(stack: Mapping[str, Any] | None) -> dict[str, str]:
    outputs = stack.get("Outputs", []) if stack else []
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


_EVENTS = "aws cloudformation describe-stack-events --stack-name {name}"
_DELETE = "aws cloudformation delete-stack --stack-name {name}"
_FAILED_CREATION = (
    State.HURTS,
    "an earlier creation failed; the next `npx cdk deploy` deletes it and begins anew",
    "why it failed: " + _EVENTS,
)
UNFIT: Mapping[str, tuple[State, str, str]] = {
    "UPDATE_ROLLBACK_FAILED": (
        State.FAILS,
        "nothing can be deployed until its rollback is finished",
        "aws cloudformation continue-update-rollback --stack-name {name}",
    ),
    "DELETE_FAILED": (State.FAILS, "it could not be deleted as a whole", _EVENTS + "; then " + _DELETE),
    "ROLLBACK_COMPLETE": _FAILED_CREATION,
    "ROLLBACK_FAILED": _FAILED_CREATION,
    "CREATE_FAILED": _FAILED_CREATION,
    "REVIEW_IN_PROGRESS": (State.HURTS, "it has a change set that was never carried out", _DELETE),
}
"""What to do about a stack in this state:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html"""


def judge_stack(name: str, stack: Mapping[str, Any] | None) -> Finding:
    """Whether a stack can be made, or updated."""
    if stack is None:
        return fine("stack", f"{name} is free")
    status: str = stack["StackStatus"]
    if status in UNFIT:
        state, text, mend = UNFIT[status]
        reason = stack.get("StackStatusReason")
        why = f" ({reason})" if reason else ""
        return Finding("stack", state, f"{name} is {status}{why}: {text}", mend.format(name=name))
    if status.endswith("_IN_PROGRESS"):
        text = f"{name} is {status}: something works on it now"
        return hurts("stack", text, _EVENTS.format(name=name))
    if "ProjectArn" not in outputs_of(stack):
        text = f"{name} is a stack of something else: it has no output ProjectArn"
        return fails("stack", text, "deploy under another name: npx cdk deploy -c name=<name>")
    return fine("stack", f"{name} is deployed, {status}")


# The project


@dataclass(frozen=True)
class Project:
    """A Rekognition project of the deployment's name, with its tags."""

    arn: str
    tags: Mapping[str, str]


def look_at_project(account: Account) -> Findings:
    projects = account.client("rekognition").describe_projects(ProjectNames=[account.name])
    arns = [project["ProjectArn"] for project in projects["ProjectDescriptions"]]
    tags: dict[str, str] = {}
    if arns:
        tags = account.client("rekognition").list_tags_for_resource(ResourceArn=arns[0])["Tags"]
    own = outputs_of(find_stack(account)).get("ProjectArn", "")
    return [judge_project(account.name, Project(arns[0], tags) if arns else None, own)]


def judge_project(name: str, project: Project | None, own: str) -> Finding:
    """Whether the project's name is free, or the deployment's own.

    Args:
        own: ARN of the project of the deployment's stack; empty without one.
    """
    if project is None:
        return fine("Rekognition project", f"{name} is free")
    if project.arn == own:
        return fine("Rekognition project", f"{name} is the deployment's own")
    if project.tags.get(DEPLOYMENT_TAG) == name:
        return fine(
            "Rekognition project", f"{name} is of an earlier deployment of the name, and is gone on with"
        )
    return fails(
        "Rekognition project",
        f"{name} is there already, and LabelLoop has not made it",
        "deploy under another name: npx cdk deploy -c name=<name>; or, if its models may be stopped and its"
        " datasets replaced, with -c adopt_project=true",
    )


# What has a fixed name


def look_at_fixed_names(account: Account) -> Findings:
    """Names that CloudFormation cannot give twice, of resources that no stack of this name has."""
    if outputs_of(find_stack(account)):
        return [fine("fixed names", "they are the deployment's own")]
    return judge_fixed_names([name for name, exists in _fixed(account) if exists()])


def judge_fixed_names(taken: Sequence[str]) -> Findings:
    return [
        fails(
            "fixed names",
            f"{name} is there already, though the stack is not: CloudFormation could not make it",
            "delete it if nobody needs it, or deploy under another name: npx cdk deploy -c name=<name>",
        )
        for name in taken
    ] or [fine("fixed names", "those of parameter, state machines, logs, sign-in and page are free")]


def _fixed(account: Account) -> Iterable[tuple[str, Callable[[], bool]]]:
    name, identity = account.name, account.identity
    parameter, domain = f"/labelloop/{name}/tuning", f"{name}-{identity.account}"
    yield (
        f"parameter {parameter}",
        lambda: _exists(lambda: account.client("ssm").get_parameter(Name=parameter)),
    )
    yield (
        f"sign-in domain {domain}",
        lambda: bool(
            account.client("cognito-idp")
            .describe_user_pool_domain(Domain=domain)["DomainDescription"]
            .get("UserPoolId")
        ),
    )
    for kind, wanted in cloudfront_names(name, account.region):
        yield (
            f"CloudFront's {kind} {wanted}",
            lambda kind=kind, wanted=wanted: wanted in _of_cloudfront(account, kind),
        )
    for step in MACHINES:
        machine = (
            f"arn:{account.partition}:states:{account.region}:{identity.account}:stateMachine:{name}-{step}"
        )
        yield (
            f"state machine {name}-{step}",
            lambda machine=machine: _exists(
                lambda: account.client("stepfunctions").describe_state_machine(stateMachineArn=machine)
            ),
        )
    for group in log_groups(name):
        yield f"log group {group}", lambda group=group: _has_log_group(account, group)


def log_groups(name: str) -> list[str]:
    """Log groups of a deployment that have fixed names."""
    machines = [f"/aws/vendedlogs/states/{name}-{step}" for step in MACHINES]
    return [*machines, *(f"/aws/vendedlogs/apis/{name}-{api}" for api in ("console", "detection"))]


def cloudfront_names(name: str, region: str) -> list[tuple[str, str]]:
    """Names of a deployment that are taken in the whole account, whichever the Region: what has which."""
    return [
        ("function", f"{name}-pages-{region}"),
        ("function", f"{name}-thumbnails-{region}"),
        ("response headers policy", f"{name}-headers-{region}"),
        ("origin access control", f"{name}-page-{region}"),
    ]


def _of_cloudfront(account: Account, kind: str) -> set[str]:
    """The names of that kind in the account."""
    client = account.client("cloudfront")
    match kind:
        case "function":
            functions = _listed(client.list_functions, "FunctionList")
            return {function["Name"] for function in functions}
        case "response headers policy":
            policies = _listed(partial(client.list_response_headers_policies, Type="custom"), _POLICIES)
            return {each["ResponseHeadersPolicy"]["ResponseHeadersPolicyConfig"]["Name"] for each in policies}
        case _:
            controls = _listed(client.list_origin_access_controls, "OriginAccessControlList")
            return {control["Name"] for control in controls}


_POLICIES = "ResponseHeadersPolicyList"


def _listed(list_page: Callable[..., Any], member: str) -> Iterator[Any]:
    """What CloudFront lists, from page to page; boto3 has no paginators for these."""
    page = list_page()[member]
    yield from page.get("Items", [])
    while marker := page.get("NextMarker"):
        page = list_page(Marker=marker)[member]
        yield from page.get("Items", [])


def _has_log_group(account: Account, name: str) -> bool:
    listed = account.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(group["logGroupName"] == name for group in listed)


def _exists(look: Callable[[], Any]) -> bool:
    try:
        look()
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return False
        raise
    return True


# What an earlier deployment has left


def look_at_leftovers(account: Account) -> Findings:
    """Buckets and tables that are called like a deployment's and are not of its stack."""
    mine: set[str] = set()
    if find_stack(account):
        mine = {
            resource.get("PhysicalResourceId", "")
            for page in account.pages("cloudformation", "list_stack_resources", StackName=account.name)
            for resource in page["StackResourceSummaries"]
        }
    return judge_leftovers(account.name, kept(account, mine))


def kept(account: Account, mine: Collection[str] = ()) -> list[str]:
    """Buckets and tables of the deployment's name but these."""
    buckets = [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]]
    tables = [name for page in account.pages("dynamodb", "list_tables") for name in page["TableNames"]]
    return left_behind(account.name, buckets, tables, mine)


_BUCKETS, _TABLES = (
    "databucket|dataaccesslogs|consolesite",
    ("LoopStateLoop|RegisterCatalogue|ReviewTasks|DriftObservations|ApplicationsD(irectory|etections)"),
)
"""How the names of what a stack keeps go on after the stack's own; a test holds them to the template."""


def left_behind(name: str, buckets: Iterable[str], tables: Iterable[str], mine: Collection[str]) -> list[str]:
    """What is called like a resource of the deployment's and is not one."""
    kinds = (("bucket", buckets, _BUCKETS), ("table", tables, _TABLES))
    return [
        f"{kind} {each}"
        for kind, all_names, goes_on in kinds
        for each in all_names
        if re.match(f"{re.escape(name)}-({goes_on})", each) and each not in mine
    ]


def judge_leftovers(name: str, left: Sequence[str]) -> Findings:
    """What an earlier deployment of the name has kept: nothing in the way, and not seen by a new one."""
    if not left:
        return [fine("kept data", f"no earlier deployment of {name} has left any")]
    return [
        hurts(
            "kept data",
            f"an earlier deployment of {name} has left {', '.join(left)}: it costs storage, and a new"
            " deployment does not see it",
            "copy from it what is needed (`aws s3 sync`), and delete it",
        )
    ]
