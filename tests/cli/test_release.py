"""`labelloop release`: from one deployment to another one, and all that keeps it from that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli import model_copies
from cli import release as releasing
from cli.deployment import Deployment
from cli.model_copies import FilesCopy, RekognitionCopy
from cli.output import CommandError
from cli.release import Release
from lambdas.domain.engines.port import Version
from lambdas.domain.shared.records import Champion, ModelVersion, Run
from tests.fixtures.cli import PROJECT, V1, V2, Cli, client_error, version_arn

THERE = "arn:aws:rekognition:us-east-1:210987654321:project/production/1700000000009"
JOB = "arn:aws:sagemaker:us-east-1:123456789012:training-job/parts-v3-cccccccccccccccc"
V3 = "v3-cccccccccccccccc-serverless"
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
    monkeypatch.setattr(model_copies, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(model_copies, "POLICY_SECONDS", 0.0)
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


def put_snapshot(history: Cli, labels: dict[str, int], bucket: str = "parts-data") -> None:
    document = {"id": "5a4b", "kind": "detection", "train_images": 80, "test_images": 20}
    document |= {"train_labels": labels, "test_labels": labels}
    key = "datasets/5a4b/snapshot.json"
    history.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(document).encode())


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
    assert isinstance(release.copy, RekognitionCopy)
    account.policies = [{"PolicyName": release.copy.policy, "PolicyRevisionId": "7"}]
    releasing.copy(release, lambda text: None)
    assert account.called("put_project_policy")[0]["PolicyRevisionId"] == "7"


def test_within_an_account_no_policy_is_needed(
    source: Deployment, target: Deployment, account: Account
) -> None:
    there = replace(target, project_arn=PROJECT.replace("parts", "other"))
    there.__dict__.update(rekognition=account, engine=account, loop_state=account)
    releasing.copy(releasing.prepare(source, there, V2), lambda text: None)
    assert account.called("put_project_policy") == account.called("delete_project_policy") == []


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
    assert f"washer only in production of account 210987654321; nut only in {V2}" in error
    history.s3.delete_object(Bucket="parts-data", Key="datasets/5a4b/snapshot.json")
    assert "has no test images" in str(refused(lambda: releasing.prepare(source, target, V2)))
    history.loop_state.update_version(ModelVersion(V2, arn=JOB))
    assert "deploy it there with -c engine=both" in str(
        refused(lambda: releasing.prepare(source, target, V2))
    )
    assert account.calls == [], "nothing was changed"


def test_a_model_for_whole_images_is_not_tested_on_boxes(
    source: Deployment, target: Deployment, history: Cli
) -> None:
    document = json.dumps({"id": "5e4b", "kind": "classification", "train_images": 8, "test_images": 2})
    document = document[:-1] + ', "train_labels": {}, "test_labels": {}}'
    history.s3.put_object(Bucket="parts-data", Key="datasets/5e4b/snapshot.json", Body=document.encode())
    history.loop_state.update_version(ModelVersion(V2, snapshot="5e4b"))
    error = str(refused(lambda: releasing.prepare(source, target, V2)))
    assert "is a model for classification, and" in error
    assert error.endswith("of account 210987654321 are for detection")


@pytest.fixture
def model(source: Deployment, history: Cli) -> dict[str, bytes]:
    """The files of a version of the engine serverless, which a training job has left."""
    files = {"model.onnx": b"graph", "second_stage.onnx": b"another", "evaluation.json": b"{}"}
    for name, body in {**files, "evaluation.manifest": b"of images there"}.items():
        history.s3.put_object(Bucket="parts-data", Key=f"training/job/output/model/{name}", Body=body)
    trained = history.loop_state.version(V2)
    assert trained
    history.loop_state.update_version(replace(trained, id=V3, arn=JOB))
    summary = ("parts-data", "training/job/output/model/evaluation.json")
    described = Version(JOB, V3, "RUNNING", "", None, summary, 0, is_always_on=True)
    source.__dict__["engine"] = SimpleNamespace(describe_version=lambda name: described)
    return files


def test_a_serverless_version_is_copied_file_by_file(
    source: Deployment, target: Deployment, account: Account, history: Cli, model: dict[str, bytes]
) -> None:
    history.s3.create_bucket(Bucket="production-data")
    there = replace(target, bucket="production-data", serverless_engine="{}")
    name = "v3-cccccccccccccccc-of-123456789012-serverless"
    there.__dict__.update(engine=account, loop_state=account, s3=history.s3)
    account.statuses[name] = ["RUNNING"]
    put_snapshot(history, {"bolt": 9, "nut": 8}, "production-data")
    lines: list[str] = []
    release = releasing.prepare(source, there, V3)
    copied = releasing.copy(release, lines.append)
    assert (copied.id, copied.state, copied.snapshot) == (name, "trained", "5a4b")
    keys = history.s3.list_objects_v2(Bucket="production-data", Prefix="training/")["Contents"]
    assert {
        listed["Key"]: history.s3.get_object(Bucket="production-data", Key=listed["Key"])["Body"].read()
        for listed in keys
    } == {f"training/{name}/{file}": body for file, body in model.items()}
    assert account.calls == [], "nothing is opened to the other account, and Rekognition has no part in it"
    releasing.copy(release, lines.append)
    assert len(lines) == 1, "what was copied is not copied again"


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (("list_objects_v2", "AccessDenied"), "it needs s3:ListBucket on production-data"),
        (("put_object", "AccessDenied"), "it needs s3:PutObject on production-data"),
        (("put_object", "KMS.DisabledException"), "production-data does not take the model: why"),
    ],
)
def test_files_that_the_other_bucket_refuses(
    refusal: tuple[str, str], message: str, source: Deployment, target: Deployment, model: dict[str, bytes]
) -> None:
    operation, code = refusal

    def refuse(**given: Any) -> Any:
        raise client_error(code, "why")

    there = replace(target, bucket="production-data")
    calls = {"list_objects_v2": lambda **given: {"KeyCount": 0}, operation: refuse}
    there.__dict__["s3"] = SimpleNamespace(**calls)
    version = ModelVersion(V3, arn=JOB)
    assert message in str(refused(lambda: FilesCopy(source, there, version).make(lambda text: None)))


def test_a_model_that_is_gone_is_not_released(
    source: Deployment, target: Deployment, history: Cli, model: dict[str, bytes]
) -> None:
    history.s3.delete_object(Bucket="parts-data", Key="training/job/output/model/model.onnx")
    copy = FilesCopy(source, target, ModelVersion(V3, arn=JOB))
    assert "model.onnx is gone" in str(refused(lambda: copy.make(lambda text: None)))


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (("put_project_policy", "AccessDeniedException"), "rekognition:PutProjectPolicy"),
        (("copy_project_version", "AccessDeniedException"), "needs rekognition:CopyProjectVersion on"),
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
    assert account.called("delete_project_policy"), "it allows nothing any more"


def test_a_policy_that_stays_behind_is_named(
    source: Deployment, target: Deployment, account: Account
) -> None:
    """Whether the copy was made or not: nobody thinks that the permission is gone."""
    account.errors["delete_project_policy"] = client_error("AccessDeniedException", "not you")
    release = releasing.prepare(source, target, V2)
    assert isinstance(release.copy, RekognitionCopy)
    lines: list[str] = []
    account.errors["copy_project_version"] = client_error("LimitExceededException", "why")
    refused(lambda: releasing.copy(release, lines.append))
    assert f"--policy-name {release.copy.policy}" in lines[-1]
    assert "may still copy" in lines[-1]
    account.errors["delete_project_policy"] = client_error("ResourceNotFoundException", "none")
    count = len(lines)
    refused(lambda: releasing.copy(release, lines.append))
    assert not any("may still copy" in line for line in lines[count:])


def test_a_copy_that_has_failed_says_why(source: Deployment, target: Deployment, account: Account) -> None:
    account.statuses[NAME] = ["COPYING_IN_PROGRESS", "COPYING_FAILED"]
    release = releasing.prepare(source, target, V2)
    assert "has failed: no bucket" in str(refused(lambda: releasing.copy(release, lambda text: None)))
    assert "Delete it" in str(refused(lambda: releasing.copy(release, lambda text: None)))


def test_what_was_decided_there_is_not_decided_again(
    source: Deployment, target: Deployment, account: Account
) -> None:
    release = Release(RekognitionCopy(source, target, ModelVersion(V2)), cast(Any, None))
    rejected = ModelVersion(NAME, state="rejected", reason="worse with 97 % confidence")
    error = refused(lambda: releasing.promote(release, rejected))
    assert (error.exit_code, "worse with 97 %" in str(error)) == (3, True)
    assert "being judged" in str(
        refused(lambda: releasing.promote(release, ModelVersion(NAME, state="pending")))
    )
    account.serves = NAME
    error = refused(lambda: releasing.promote(release, ModelVersion(NAME, state="champion")))
    assert (error.exit_code, "of account 210987654321 already" in str(error)) == (
        0,
        True,
    )


def test_the_command_names_the_profile(history: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    from cli import deployment

    session = deployment.session
    monkeypatch.setattr("cli.deployment.session", lambda profile="": asked.append(profile) or session())
    result = history("release", V2, "--to", "production")
    assert result.exit_code == 1
    assert "leads to the same deployment" in result.output
    assert "production" in asked
