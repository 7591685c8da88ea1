"""Rekognition in the account: its quotas, what runs and trains there, and what AWS announces of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli import formatting
from cli.doctor.account import Account
from cli.doctor.findings import Finding, Findings, fine, hurts, unseen
from lambdas.domain.engines.port import BUSY
from lambdas.domain.shared import pricing
from lambdas.domain.shared.pricing import Prices
from lambdas.domain.shared.tuning import Tuning

# Quotas


@dataclass(frozen=True)
class Quota:
    """A quota of Rekognition's, by its code in Service Quotas, and how many of it the loop needs."""

    code: str
    name: str
    usual: int
    needed: int
    why: str


RUNNING = Quota(
    "L-5E225387", "concurrently running models", 2, 2, "a promotion runs the champion and the challenger"
)
TRAINING = Quota("L-F1558568", "concurrent trainings", 2, 1, "a run trains one version")
VERSIONS = Quota("L-9CF05323", "model versions of a project", 100, 10, "a rollback needs earlier ones")
UNITS = Quota("L-4FA65ECB", "inference units of a model", 5, 1, "a model runs on one or more")
PROJECTS = Quota("L-14D0BC19", "projects", 100, 1, "a deployment is one")
QUOTAS = (RUNNING, TRAINING, VERSIONS, UNITS, PROJECTS)
"""https://docs.aws.amazon.com/general/latest/gr/rekognition.html ; codes as ListServiceQuotas has them."""


def look_at_quotas(account: Account) -> Findings:
    return judge_quotas(quota_values(account))


def quota_values(account: Account) -> dict[str, int]:
    """The values of QUOTAS by their codes: those that apply, else AWS's defaults.

    ListServiceQuotas leaves out quotas of which only the default is known:
    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
    """
    wanted, values = {quota.code for quota in QUOTAS}, dict[str, int]()
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        for page in account.pages("service-quotas", operation, ServiceCode="rekognition"):
            values |= {
                each["QuotaCode"]: int(each["Value"])
                for each in page["Quotas"]
                if each["QuotaCode"] in wanted
            }
    return values


def judge_quotas(values: Mapping[str, int]) -> Findings:
    """Whether each quota is large enough; one line for all that are."""
    small = [
        _judge_quota(quota, values[quota.code])
        for quota in QUOTAS
        if values.get(quota.code, quota.needed) < quota.needed
    ]
    known = ", ".join(f"{quota.name} {values[quota.code]}" for quota in QUOTAS if quota.code in values)
    unknown = [quota.name for quota in QUOTAS if quota.code not in values]
    lines = small or ([fine("Rekognition quotas", known)] if known else [])
    if unknown:
        lines.append(
            unseen("Rekognition quotas", f"Service Quotas does not list {', '.join(unknown)}", QUOTAS_PAGE)
        )
    return lines


QUOTAS_PAGE = "https://console.aws.amazon.com/servicequotas/home/services/rekognition/quotas"


def _judge_quota(quota: Quota, value: int) -> Finding:
    return hurts(
        "Rekognition quotas",
        f"{quota.name}: {value}, and {quota.why}",
        "aws service-quotas request-service-quota-increase --service-code rekognition"
        f" --quota-code {quota.code} --desired-value {quota.needed}",
    )


# What runs and trains


@dataclass(frozen=True)
class Model:
    """A model version of the account that runs, or trains.

    Attributes:
        deployment: name of the deployment whose project it is of; empty if that is none's, None if that
            cannot be seen.
    """

    arn: str
    status: str
    units: int = 1
    deployment: str | None = ""

    @property
    def name(self) -> str:
        """Project and version."""
        parts = self.arn.split("/")
        return f"{parts[1]}/{parts[3]}"

    @property
    def trains(self) -> bool:
        """Whether it is being trained; else it runs, or is about to."""
        return self.status == "TRAINING_IN_PROGRESS"

    @property
    def prices(self) -> Prices:
        """What its Region's table of prices has."""
        return pricing.prices(self.arn.split(":")[3], Tuning())

    @property
    def usd_per_day(self) -> float:
        """What it costs while it runs."""
        return self.prices.inference_usd(24 * 3600, self.units)


def look_at_models(account: Account) -> Findings:
    return judge_models(models(account), account.name, _known_quotas(account))


def _known_quotas(account: Account) -> Mapping[str, int]:
    """The quotas that apply; nothing where they cannot be seen, which has a line of its own."""
    try:
        return {} if account.embedded else quota_values(account)
    except (BotoCoreError, ClientError):
        return {}


def models(account: Account) -> list[Model]:
    """Every model version of the Region that runs or trains, whoever's."""
    owners = _owners(account)
    projects = [
        project["ProjectArn"]
        for page in account.pages("rekognition", "describe_projects")
        for project in page["ProjectDescriptions"]
    ]
    return [
        Model(
            version["ProjectVersionArn"],
            version["Status"],
            version.get("MinInferenceUnits") or 1,
            None if owners is None else owners.get(project, ""),
        )
        for project in projects
        for page in account.pages("rekognition", "describe_project_versions", ProjectArn=project)
        for version in page["ProjectVersionDescriptions"]
        if version["Status"] in BUSY or version["Status"] == "TRAINING_IN_PROGRESS"
    ]


def _owners(account: Account) -> dict[str, str] | None:
    """Deployments by the ARN of their project; None if stacks cannot be seen."""
    try:
        return _owners_by_stack(account)
    except ClientError:
        return None


def _owners_by_stack(account: Account) -> dict[str, str]:
    """Of stacks that have such a project among their outputs."""
    return {
        output["OutputValue"]: stack["StackName"]
        for page in account.pages("cloudformation", "describe_stacks")
        for stack in page["Stacks"]
        for output in stack.get("Outputs", [])
        if output["OutputKey"] == "ProjectArn"
    }


def judge_models(models: Sequence[Model], name: str, quotas: Mapping[str, int]) -> Findings:
    """What runs outside any deployment and costs money, and what room others leave.

    Args:
        name: the deployment that needs room.
        quotas: by code; of those that are not there the default counts.
    """
    running = [model for model in models if not model.trains]
    nobodys = [_nobodys(model) for model in running if model.deployment == ""]
    nobodys += [_nobodys_training(model) for model in models if model.trains and model.deployment == ""]
    unknown = [_unknown(model) for model in running if model.deployment is None]
    room = [
        *_room(RUNNING, [model for model in running if model.deployment not in (name, None)], quotas),
        *_room(
            TRAINING,
            [model for model in models if model.trains and model.deployment not in (name, None)],
            quotas,
        ),
    ]
    own = [model for model in running if model.deployment == name]
    return nobodys + unknown + room or [fine("models", _words(own) if own else "none runs")]


def _nobodys_training(model: Model) -> Finding:
    hourly = model.prices.training_usd(3600)
    return hurts(
        "models",
        f"{model.name} trains outside any deployment, and costs about {formatting.usd(hourly)} USD an hour",
        "a training cannot be ended: it is billed to its end",
    )


def _unknown(model: Model) -> Finding:
    return unseen(
        "models",
        f"{model.name} is {model.status} and costs about {formatting.usd(model.usd_per_day)} USD a day;"
        " whose it is cannot be seen",
        "ask for the permission cloudformation:DescribeStacks",
    )


def _nobodys(model: Model) -> Finding:
    usd = formatting.usd(model.usd_per_day)
    return hurts(
        "models",
        f"{model.name} is {model.status} outside any deployment, and costs about {usd} USD a day",
        f"if nobody needs it: aws rekognition stop-project-version --project-version-arn {model.arn}",
    )


def _room(quota: Quota, others: Sequence[Model], quotas: Mapping[str, int]) -> Iterable[Finding]:
    """That others leave too little of a quota."""
    total = quotas.get(quota.code, quota.usual)
    if not others or total - len(others) >= quota.needed:
        return
    yield hurts(
        "room in Rekognition",
        f"{', '.join(model.name for model in others)} take {len(others)} of {total} {quota.name};"
        f" {quota.why}, and waits until there is room",
        "aws service-quotas request-service-quota-increase --service-code rekognition"
        f" --quota-code {quota.code} --desired-value {len(others) + quota.needed}",
    )


def _words(models: Sequence[Model]) -> str:
    usd = sum(model.usd_per_day for model in models)
    names = ", ".join(f"{model.name} {model.status}" for model in models)
    return f"{names}: about {formatting.usd(usd)} USD a day"


# AWS Health

_HEALTH_REGION = "us-east-1"
"""https://docs.aws.amazon.com/health/latest/ug/health-api.html"""
HEALTH_PAGE = "https://health.aws.amazon.com/health/home"


def look_at_lifecycle(account: Account) -> Findings:
    """What AWS Health says about Rekognition; only accounts with a support plan may ask its API.

    https://docs.aws.amazon.com/health/latest/APIReference/Welcome.html
    """
    health = account.client("health", region=_HEALTH_REGION)
    chosen = {"services": ["REKOGNITION"], "eventStatusCodes": ["open", "upcoming"]}
    try:
        events = [
            event
            for page in health.get_paginator("describe_events").paginate(filter=chosen)
            for event in page["events"]
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "SubscriptionRequiredException":
            raise
        return [
            unseen("AWS Health", "its API needs a paid support plan; its page shows the same", HEALTH_PAGE)
        ]
    return judge_events(events)


def judge_events(events: Sequence[Mapping[str, Any]]) -> Findings:
    """What is announced for Rekognition."""
    return [
        hurts(
            "AWS Health",
            f"{event['eventTypeCode']} in {event.get('region', 'all Regions')}: {event['statusCode']},"
            f" from {event['startTime']:%Y-%m-%d}",
            f"{HEALTH_PAGE}#/account/event-log?eventID={event['arn']}",
        )
        for event in events
    ] or [fine("AWS Health", "nothing is announced for Rekognition")]
