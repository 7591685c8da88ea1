"""Each line of `labelloop doctor`, by what it is judged from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.deployment import OUTPUTS
from cli.doctor import access, deployed, machine, models, names
from cli.doctor.account import Account, Identity
from cli.doctor.findings import Findings, State
from cli.doctor.machine import Machine
from cli.doctor.models import Model
from cli.doctor.names import Project
from lambdas.domain.engines.port import DEPLOYMENT_TAG

FINE, HURTS, FAILS, UNSEEN = State
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANNA = Identity("123456789012", "arn:aws:iam::123456789012:user/anna")
PROJECT = "arn:aws:rekognition:eu-west-1:123456789012:project/parts"


def account(**identity: Any) -> Account:
    return Account("parts", "eu-west-1", replace(ANNA, **identity))


def states(findings: Findings) -> list[State]:
    return [finding.state for finding in findings]


# This machine

READY = Machine("v20.20.2", npx=True, project=True, cdk=True, interpreter=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"node": ""}, "not installed"),
        ({"node": "v18.19.0"}, "too old"),
        ({"npx": False}, "npx is not"),
        ({"project": False}, "without the project's folder"),
        ({"cdk": False}, "node_modules"),
        ({"cdk": False, "interpreter": False}, "node_modules and .venv"),
    ],
)
def test_a_machine_that_cannot_deploy(changes: dict[str, Any], words: str) -> None:
    (bad,) = [finding for finding in machine.judge(replace(READY, **changes)) if finding.state is FAILS]
    assert words in bad.text and bad.mend


def test_a_machine_that_can_deploy() -> None:
    assert states(machine.judge(READY)) == [FINE, FINE]


def test_what_is_installed_here_is_seen() -> None:
    """The tests need Node.js and the project's folder themselves."""
    here = machine.look()
    assert here.node.startswith("v") and here.npx and here.project


# Region and credentials


def test_regions() -> None:
    assert access.judge_region("eu-west-1").state is FINE
    elsewhere = access.judge_region("eu-north-1")
    assert elsewhere.state is FAILS and "us-east-1" in elsewhere.mend
    assert access.judge_region("").state is FAILS


@pytest.mark.parametrize(
    ("minutes", "renewed", "state"),
    [(-1, False, FAILS), (5, False, HURTS), (5, True, FINE), (60, False, FINE)],
)
def test_credentials_that_expire(minutes: int, renewed: bool, state: State) -> None:
    expiring = replace(ANNA, temporary=True, renewed=renewed, expires=NOW + timedelta(minutes=minutes))
    assert states(access.judge_identity(expiring, NOW, embedded=False)) == [state]


def test_temporary_credentials_of_unknown_end_are_said_to_be_so() -> None:
    (finding,) = access.judge_identity(replace(ANNA, temporary=True), NOW, embedded=False)
    assert finding.state is FINE and "not known" in finding.text


def test_the_root_user_is_advised_against_but_in_the_embedded_stack() -> None:
    root = replace(ANNA, arn="arn:aws:iam::123456789012:root")
    assert states(access.judge_identity(root, NOW, embedded=False)) == [FINE, HURTS]
    assert states(access.judge_identity(root, NOW, embedded=True)) == [FINE]


# Permissions


@pytest.mark.parametrize(
    ("kind", "why_not"),
    [
        ("iam::123456789012:user/anna", ""),
        ("sts::123456789012:assumed-role/Admin/anna", ""),
        ("iam::123456789012:root", "root user"),
        ("sts::123456789012:federated-user/anna", "neither"),
    ],
)
def test_whose_policies_are_simulated(kind: str, why_not: str) -> None:
    principal, reason = access.simulated_principal(replace(ANNA, arn=f"arn:aws:{kind}"))
    assert bool(principal) != bool(reason)
    assert why_not in reason


def test_what_is_missing_is_named_with_what_it_is_for() -> None:
    simulated = access.Simulated({"add images": ["s3:PutObject"], "detect": []})
    (finding,) = access.judge_permissions(simulated)
    assert finding.state is FAILS
    assert "may not add images: s3:PutObject is not allowed" in finding.text
    (allowed,) = access.judge_permissions(access.Simulated({"detect": []}))
    assert allowed.state is FINE and "session policies" in allowed.text


def test_the_roles_of_the_bootstrap_are_asked_about_in_the_partition() -> None:
    wanted = access.to_deploy(account(arn="arn:aws-us-gov:iam::123456789012:user/anna"))
    assert [resource for _, resource in wanted.values()] == [
        f"arn:aws-us-gov:iam::123456789012:role/cdk-hnb659fds-{role}-role-123456789012-eu-west-1"
        for role in ("deploy", "file-publishing")
    ]


# Bootstrap and Lambda


@pytest.mark.parametrize(("version", "state"), [("", FAILS), ("5", FAILS), ("6", FINE), ("old", FAILS)])
def test_bootstrap(version: str, state: State) -> None:
    finding = access.judge_bootstrap(version, account())
    assert finding.state is state
    assert state is FINE or finding.mend == "npx cdk bootstrap aws://123456789012/eu-west-1"


def test_a_new_account_has_few_functions_at_once() -> None:
    assert access.judge_concurrency(10, 10).state is HURTS
    assert access.judge_concurrency(1000, 1000).state is FINE
    reserved = access.judge_concurrency(1000, 12)
    assert reserved.state is HURTS and "of 1000" in reserved.text


# Rekognition


def model(name: str, status: str = "RUNNING", units: int = 1, deployment: str = "") -> Model:
    return Model(f"{PROJECT.replace('parts', name)}/version/v1/17", status, units, deployment)


def test_a_model_outside_any_deployment_is_named_with_what_it_costs() -> None:
    (forgotten,) = models.judge_models([model("old", units=2)], "parts", {models.RUNNING.code: 10})
    assert forgotten.state is HURTS
    assert "old/v1 is RUNNING outside any deployment, and costs about 192.00 USD a day" in forgotten.text
    assert "stop-project-version" in forgotten.mend


def test_a_training_outside_any_deployment_is_named_with_what_it_costs() -> None:
    (forgotten,) = models.judge_models([model("old", "TRAINING_IN_PROGRESS")], "parts", {})
    assert forgotten.state is HURTS and "old/v1 trains outside any deployment" in forgotten.text


def test_others_leave_no_room_for_a_promotion() -> None:
    (room,) = models.judge_models([model("bolts", deployment="bolts")], "parts", {})
    assert room.state is HURTS and "1 of 2 concurrently running models" in room.text
    assert models.RUNNING.code in room.mend and room.mend.endswith("--desired-value 3")
    enough = models.judge_models([model("bolts", deployment="bolts")], "parts", {models.RUNNING.code: 3})
    assert states(enough) == [FINE]


def test_others_train_where_one_may() -> None:
    training = [model("bolts", "TRAINING_IN_PROGRESS", deployment="bolts")]
    assert states(models.judge_models(training, "parts", {models.TRAINING.code: 1})) == [HURTS]
    assert states(models.judge_models(training, "parts", {})) == [FINE]


def test_a_model_whose_owner_cannot_be_seen_is_not_said_to_be_nobodys() -> None:
    (unknown,) = models.judge_models([replace(model("old"), deployment=None)], "parts", {})
    assert unknown.state is UNSEEN and "old/v1 is RUNNING" in unknown.text and "96.00 USD" in unknown.text


def test_own_models_are_told_with_what_they_cost() -> None:
    (own,) = models.judge_models([model("parts", deployment="parts")], "parts", {})
    assert own.state is FINE and "96.00 USD a day" in own.text


def test_quotas() -> None:
    enough = {quota.code: quota.usual for quota in models.QUOTAS}
    (finding,) = models.judge_quotas(enough)
    assert finding.state is FINE and "concurrently running models 2" in finding.text
    (small,) = models.judge_quotas(enough | {models.RUNNING.code: 1})
    assert small.state is HURTS and "challenger" in small.text
    assert UNSEEN in states(models.judge_quotas({}))


def test_what_aws_announces() -> None:
    event = {
        "arn": "arn:aws:health:global::event/REKOGNITION/x",
        "eventTypeCode": "AWS_REKOGNITION_PLANNED_LIFECYCLE_EVENT",
        "statusCode": "upcoming",
        "startTime": NOW,
    }
    (finding,) = models.judge_events([event])
    assert finding.state is HURTS and "2026-01-31" in finding.text
    assert states(models.judge_events([])) == [FINE]


# Names


def test_names_that_a_deployment_may_not_have() -> None:
    assert names.judge_name("parts").state is FINE
    for name in ("Parts", "aws-parts", "p"):
        refused = names.judge_name(name)
        assert refused.state is FAILS and name in refused.text


def stack(status: str, *outputs: str) -> dict[str, Any]:
    return {
        "StackStatus": status,
        "StackStatusReason": "because",
        "Outputs": [{"OutputKey": output, "OutputValue": output} for output in outputs],
    }


COMPLETE = tuple(OUTPUTS.values())


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("UPDATE_ROLLBACK_FAILED", FAILS),
        ("DELETE_FAILED", FAILS),
        ("ROLLBACK_COMPLETE", HURTS),
        ("REVIEW_IN_PROGRESS", HURTS),
        ("CREATE_IN_PROGRESS", HURTS),
        ("CREATE_COMPLETE", FAILS),
    ],
)
def test_a_stack_in_the_way(status: str, state: State) -> None:
    finding = names.judge_stack("parts", stack(status))
    assert finding.state is state and finding.mend


def test_a_stack_that_is_none_or_fit() -> None:
    assert names.judge_stack("parts", None).state is FINE
    assert names.judge_stack("parts", stack("UPDATE_COMPLETE", *COMPLETE)).state is FINE


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "CREATE_FAILED", "CREATE_COMPLETE"])
def test_half_a_stack_is_no_deployment(status: str) -> None:
    assert deployed.judge_deployed("parts", "eu-west-1", stack(status)).state is FAILS


def test_a_deployment() -> None:
    assert deployed.judge_deployed("parts", "eu-west-1", None).state is FAILS
    assert deployed.judge_deployed("parts", "eu-west-1", stack("CREATE_COMPLETE", *COMPLETE)).state is FINE
    assert deployed.judge_deployed("parts", "eu-west-1", stack("CREATE_IN_PROGRESS")).state is HURTS
    other = deployed.judge_deployed(
        "parts", "eu-west-1", stack("CREATE_COMPLETE", "ProjectArn", "DataBucket")
    )
    assert other.state is FAILS and "another release" in other.text


def test_projects() -> None:
    arn = f"{PROJECT}/17"
    assert names.judge_project("parts", None, "").state is FINE
    assert names.judge_project("parts", Project(arn, {}), arn).state is FINE
    assert names.judge_project("parts", Project(arn, {DEPLOYMENT_TAG: "parts"}), "").state is FINE
    of_nobody: dict[str, str] = {}
    for tags in (of_nobody, {DEPLOYMENT_TAG: "bolts"}):
        refused = names.judge_project("parts", Project(arn, tags), "")
        assert refused.state is FAILS and "adopt_project" in refused.mend


def test_names_that_are_taken() -> None:
    assert states(names.judge_fixed_names([])) == [FINE]
    (taken,) = names.judge_fixed_names(["log group /aws/vendedlogs/states/parts-retrain"])
    assert taken.state is FAILS and "parts-retrain" in taken.text


def test_kept_data_is_of_this_deployment_alone() -> None:
    buckets = ["parts-databucketae34-1", "parts-databucketae34-2", "parts-two-databucketae34-3", "parts-mine"]
    tables = ["parts-RegisterCatalogue1DDD-1", "parts-two-RegisterCatalogue1DDD-1", "parts"]
    left = names.left_behind("parts", buckets, tables, {"parts-databucketae34-2"})
    assert left == ["bucket parts-databucketae34-1", "table parts-RegisterCatalogue1DDD-1"]
    assert states(names.judge_leftovers("parts", left)) == [HURTS]
    assert states(names.judge_leftovers("parts", [])) == [FINE]


# A deployment


def test_mails() -> None:
    waiting = {"SubscriptionArn": "PendingConfirmation", "Endpoint": "anna@example.com"}
    confirmed = {"SubscriptionArn": "arn:aws:sns:...", "Endpoint": "ops@example.com"}
    (nobody,) = deployed.judge_subscriptions([])
    assert nobody.state is HURTS and "notification_email" in nobody.mend
    assert states(deployed.judge_subscriptions([waiting, confirmed])) == [HURTS, FINE]
    assert states(deployed.judge_subscriptions([waiting])) == [HURTS]


def test_state_and_dead_letters() -> None:
    assert states(deployed.judge_drift([])) == [FINE]
    (drifting,) = deployed.judge_drift(["v2 is RUNNING, costs money and is not the champion"])
    assert drifting.state is HURTS and "v2" in drifting.text
    assert states(deployed.judge_dead_letters({"Register": 0, "Detect": 0})) == [FINE]
    (dead,) = deployed.judge_dead_letters({"Register": 3, "Detect": 0})
    assert dead.state is HURTS and "3 of register" in dead.text
