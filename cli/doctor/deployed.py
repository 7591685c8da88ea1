"""A deployment as it is: whether its mails arrive, and whether what should be is so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cli.deployment import OUTPUTS, Deployment
from cli.doctor.access import simulate, to_use
from cli.doctor.account import Account
from cli.doctor.findings import Finding, Findings, State, fails, fine, hurts
from cli.doctor.names import find_stack, judge_stack, outputs_of
from lambdas.domain.sweep import differences

UNCONFIRMED = "PendingConfirmation"
"""https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptionsByTopic.html"""


def look_at_stack(account: Account) -> Findings:
    return [judge_deployed(account.name, account.region, find_stack(account))]


def judge_deployed(name: str, region: str, stack: Mapping[str, Any] | None) -> Finding:
    """Whether there is a deployment that this release of the command line can use."""
    if stack is None:
        mend = "labelloop doctor --before-deploy; then npx cdk deploy; or name another with --name"
        return fails("stack", f"there is no stack {name} in {region}", mend)
    finding = judge_stack(name, stack)
    outputs = outputs_of(stack)
    if not outputs and not stack["StackStatus"].endswith("_IN_PROGRESS"):
        return replace(finding, state=State.FAILS)
    missing = sorted(set(OUTPUTS.values()) - set(outputs))
    if finding.state is State.FINE and missing:
        text = f"{name} is of another release: it lacks the outputs {', '.join(missing)}"
        return fails("stack", text, "npx cdk deploy with the settings of before")
    return finding


def _outputs(account: Account) -> dict[str, str]:
    """The outputs of the deployment's stack; none while it is not complete, which has a line of its own."""
    outputs = outputs_of(find_stack(account))
    return outputs if set(OUTPUTS.values()) <= set(outputs) else {}


def look_at_user(account: Account) -> Findings:
    """Whether whoever asks may use the deployment."""
    outputs = _outputs(account)
    return simulate(account, to_use(account, outputs)) if outputs else []


# Mails


def look_at_mails(account: Account) -> Findings:
    topic = _outputs(account).get("NotificationTopicArn")
    if topic is None:
        return []
    pages = account.pages("sns", "list_subscriptions_by_topic", TopicArn=topic)
    return judge_subscriptions([each for page in pages for each in page["Subscriptions"]])


def judge_subscriptions(subscriptions: Sequence[Mapping[str, Any]]) -> Findings:
    """Whether somebody hears of runs and alarms."""
    waiting = [each for each in subscriptions if each["SubscriptionArn"] == UNCONFIRMED]
    findings: list[Finding] = [
        hurts(
            "mails",
            f"{each['Endpoint']} has not confirmed its subscription, and gets no mail",
            "open the link in the mail from AWS Notifications; look among the spam",
        )
        for each in waiting
    ]
    if not subscriptions:
        return [
            hurts(
                "mails",
                "nobody is told of runs and alarms",
                "set notification_email in cdk.json, and npx cdk deploy with the settings of before",
            )
        ]
    confirmed = [str(each["Endpoint"]) for each in subscriptions if each not in waiting]
    return findings + ([fine("mails", f"to {', '.join(confirmed)}")] if confirmed else [])


# What should be, and what is


def look_at_drift(account: Account) -> Findings:
    if not _outputs(account):
        return []
    deployment = Deployment.find(account.name)
    different = differences.differences(deployment.engine, deployment.stepfunctions, deployment.loop_state)
    return judge_drift([each.text for each in different])


def judge_drift(different: Sequence[str]) -> Findings:
    """What the sweeper has to put right."""
    return [
        hurts("state", text, "the next sweep puts it right, or raises an alarm: labelloop status")
        for text in different
    ] or [fine("state", "leases, versions and champion are as they should be")]


def look_at_dead_letters(account: Account) -> Findings:
    outputs, sqs = _outputs(account), account.client("sqs")
    urls = {
        name.removesuffix("DeadLettersUrl"): url
        for name, url in outputs.items()
        if name.endswith("DeadLettersUrl")
    }
    counts = {
        name: int(
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])[
                "Attributes"
            ]["ApproximateNumberOfMessages"]
        )
        for name, url in urls.items()
    }
    return judge_dead_letters(counts) if counts else []


def judge_dead_letters(counts: Mapping[str, int]) -> Findings:
    """Messages that were tried often enough."""
    return [
        hurts(
            "dead letters",
            f"{count} of {name.lower()} failed four times and wait",
            "look at the function's log, then redrive the queue: docs/troubleshooting.md",
        )
        for name, count in counts.items()
        if count
    ] or [fine("dead letters", "none")]
