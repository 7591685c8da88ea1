"""`labelloop release`: from one deployment to another one, and all that keeps it from that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli import release as releasing
from cli.deployment import Deployment
from cli.output import CommandError
from cli.release import Release
from lambdas.domain.engines.port import Version
from lambdas.domain.shared.records import Champion, ModelVersion, Run
from tests.fixtures.cli import PROJECT, V1, V2, Cli, client_error, version_arn

THERE = "arn:aws:rekognition:us-east-1:210987654321:project/production/1700000000009"
NAME = f"{V2}-of-123456789012"


@dataclass
class Account:
    """The other account: its project's versions, and what was called of Rekognition in both accounts."""

    statuses: dict[str, list[str]] = field(default_factory=dict)
    """By version, what each further look says; the last for ever."""
    records: dict[str, ModelVersion] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    policies: list[dict[str, str]] = field(default_factory=list)
    serves: str = ""

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return lambda **given: self._call(operation, given)

    def _call(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((operation, given))
        if error := self.errors.get(operation):
            raise error
        if operation == "copy_project_version":
            self.statuses[given["VersionName"]] = ["COPYING_IN_PROGRESS", "COPYING_COMPLETED"]
        return {}

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_project_policies"
        return SimpleNamespace(paginate=lambda **given: [{"ProjectPolicies": self.policies}])

    def describe_version(self, name: str) -> Version | None:
        looks = self.statuses.get(name)
        if not looks:
            return None
        status = looks.pop(0) if len(looks) > 1 else looks[0]
        return Version(f"{THERE}/{name}", name, status, "no bucket", None, None, 0)

    def runs(self) -> list[Run]:
        return [Run("gone", snapshot="gone"), Run("one", snapshot="5a4b")]

    def champion(self) -> Champion | None:
        return Champion("arn", self.serves, "2026-01-01T00:00:00.000000Z") if self.serves else None

    def add_version(self, version: ModelVersion) -> ModelVersion:
        return self.records.setdefault(version.id, version)

    def called(self, operation: str) -> list[dict[str, Any]]:
        return [given for name, given in self.calls if name == operation]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr(releasing, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(releasing, "POLICY_SECONDS", 0.0)
    return Account()


@pytest.fixture
def source(history: Cli) -> Deployment:
    return Deployment.find("parts")


@pytest.fixture
def target(source: Deployment, account: Account, history: Cli) -> Deployment:
    assert source.engine, "made before the client is another one"
    source.__dict__["rekognition"] = account
    there = replace(source, name="production", project_arn=THERE)
    there.__dict__.update(rekognition=account, engine=account, loop_state=account)
    put_snapshot(history, {"bolt": 9, "nut": 8})
    return there


def put_snapshot(history: Cli, labels: dict[str, int]) -> None:
    document = {"id": "5a4b", "kind": "detection", "train_images": 80, "test_images": 20}
    document |= {"train_labels": labels, "test_labels": labels}
    key = "datasets/5a4b/snapshot.json"
    history.s3.put_object(Bucket="parts-data", Key=key, Body=json.dumps(document).encode())


def refused(call: Callable[[], Any]) -> CommandError:
    with pytest.raises(CommandError) as caught:
        call()
    return caught.value


def test_a_version_is_copied_recorded_and_judged_there(
    source: Deployment, target: Deployment, account: Account, history: Cli
) -> None:
    lines: list[str] = []
    release = releasing.prepare(source, target, "v2")
    copied = releasing.copy(release, lines.append)
    (policy,) = account.called("put_project_policy")
    assert json.loads(policy["PolicyDocument"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
                "Action": "rekognition:CopyProjectVersion",
                "Resource": version_arn(V2),
            }
        ],
    }
    (copy,) = account.called("copy_project_version")
    assert (copy["SourceProjectArn"], copy["DestinationProjectArn"]) == (PROJECT, THERE)
    assert (copy["SourceProjectVersionArn"], copy["VersionName"]) == (version_arn(V2), NAME)
    assert copy["OutputConfig"] == {"S3Bucket": "parts-data", "S3KeyPrefix": f"training/{NAME}"}
    (deleted,) = account.called("delete_project_policy")
    assert deleted == {"ProjectArn": PROJECT, "PolicyName": policy["PolicyName"]}
    assert (copied.state, copied.snapshot, copied.arn) == ("trained", "5a4b", f"{THERE}/{NAME}")
    assert [score.label for score in copied.labels] == ["bolt", "nut"]
    assert [line.split(" ")[0] for line in lines] == ["Allowing", "Copying", "Copying"]
    releasing.promote(release, copied)
    (started,) = history.fake.started
    assert started["input"]["version"] == NAME
    assert "rollback" not in started["input"], "the gates judge it"


def test_a_release_that_was_stopped_is_gone_on_with(
    source: Deployment, target: Deployment, account: Account
) -> None:
    account.statuses[NAME] = ["COPYING_IN_PROGRESS", "COPYING_IN_PROGRESS", "COPYING_COMPLETED"]
    release = releasing.prepare(source, target, V2)
    copied = releasing.copy(release, lambda text: None)
    assert account.called("copy_project_version") == []
    assert releasing.copy(release, lambda text: None) == copied, "twice"


def test_a_policy_that_is_there_is_brought_up_to_date(
    source: Deployment, target: Deployment, account: Account
) -> None:
    release = releasing.prepare(source, target, V2)
    account.policies = [{"PolicyName": release.policy, "PolicyRevisionId": "7"}]
    releasing.copy(release, lambda text: None)
    assert account.called("put_project_policy")[0]["PolicyRevisionId"] == "7"


def test_within_an_account_no_policy_is_needed(
    source: Deployment, target: Deployment, account: Account
) -> None:
    there = replace(target, project_arn=PROJECT.replace("parts", "other"))
    there.__dict__.update(rekognition=account, engine=account, loop_state=account)
    releasing.copy(releasing.prepare(source, there, V2), lambda text: None)
    assert account.called("put_project_policy") == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"project_arn": THERE.replace("us-east-1", "eu-west-1")}, "within a Region alone"),
        ({"project_arn": PROJECT}, "leads to the same deployment"),
    ],
)
def test_where_a_version_cannot_go(
    changed: dict[str, str], message: str, source: Deployment, target: Deployment
) -> None:
    assert message in str(refused(lambda: releasing.prepare(source, replace(target, **changed), V2)))


def test_what_cannot_be_released(
    source: Deployment, target: Deployment, account: Account, history: Cli
) -> None:
    assert "is gone" in str(refused(lambda: releasing.prepare(source, target, V1)))
    history.fake.versions[V2] = {"Status": "TRAINING_IN_PROGRESS"}
    assert "it is TRAINING_IN_PROGRESS" in str(refused(lambda: releasing.prepare(source, target, V2)))
    history.fake.versions[V2] = {"Status": "STOPPED"}
    put_snapshot(history, {"bolt": 9, "washer": 3})
    error = str(refused(lambda: releasing.prepare(source, target, V2)))
    assert f"washer only in production; nut only in {V2}" in error
    history.s3.delete_object(Bucket="parts-data", Key="datasets/5a4b/snapshot.json")
    assert "has no test images" in str(refused(lambda: releasing.prepare(source, target, V2)))
    history.loop_state.update_version(ModelVersion(V2, arn="arn:aws:sagemaker:us-east-1:1:training-job/v2"))
    assert "engine serverless" in str(refused(lambda: releasing.prepare(source, target, V2)))
    assert account.calls == [], "nothing was changed"


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (("put_project_policy", "AccessDeniedException"), "rekognition:PutProjectPolicy"),
        (("copy_project_version", "AccessDeniedException"), "needs rekognition:CopyProjectVersion"),
        (("copy_project_version", "ResourceNotFoundException"), "is gone"),
        (("copy_project_version", "LimitExceededException"), "as many models as it may"),
        (("copy_project_version", "ServiceQuotaExceededException"), "ServiceQuotaExceededException: why"),
    ],
)
def test_a_copy_that_is_refused_says_what_helps(
    refusal: tuple[str, str], message: str, source: Deployment, target: Deployment, account: Account
) -> None:
    operation, code = refusal
    account.errors[operation] = client_error(code, "why")
    release = releasing.prepare(source, target, V2)
    assert message in str(refused(lambda: releasing.copy(release, lambda text: None)))
    assert account.records == {}


def test_a_copy_that_has_failed_says_why(source: Deployment, target: Deployment, account: Account) -> None:
    account.statuses[NAME] = ["COPYING_IN_PROGRESS", "COPYING_FAILED"]
    release = releasing.prepare(source, target, V2)
    assert "has failed: no bucket" in str(refused(lambda: releasing.copy(release, lambda text: None)))
    assert "Delete it" in str(refused(lambda: releasing.copy(release, lambda text: None)))


def test_what_was_decided_there_is_not_decided_again(
    source: Deployment, target: Deployment, account: Account
) -> None:
    release = Release(source, target, ModelVersion(V2), cast(Any, None))
    rejected = ModelVersion(NAME, state="rejected", reason="worse with 97 % confidence")
    error = refused(lambda: releasing.promote(release, rejected))
    assert (error.exit_code, "worse with 97 %" in str(error)) == (3, True)
    assert "being judged" in str(
        refused(lambda: releasing.promote(release, ModelVersion(NAME, state="pending")))
    )
    account.serves = NAME
    error = refused(lambda: releasing.promote(release, ModelVersion(NAME, state="champion")))
    assert (error.exit_code, "serves in production already" in str(error)) == (0, True)


def test_the_command_names_the_profile(history: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    from cli import deployment

    session = deployment.session
    monkeypatch.setattr("cli.deployment.session", lambda profile="": asked.append(profile) or session())
    result = history("release", V2, "--to", "production")
    assert result.exit_code == 1
    assert "leads to the same deployment" in result.output
    assert "production" in asked
