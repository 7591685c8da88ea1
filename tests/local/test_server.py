"""The whole engine: the real server on a port of its own, MiniStack beside it, IAM on, boto3 in front."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from PIL import Image, ImageDraw

from tests.fixtures.engine import classified, eventually
from tests.fixtures.engine_server import ACCOUNT, REGION, ROOT_KEY, Server, is_engine_process

OTHER_ACCOUNT = "222222222222"
BUCKET = "engine-bucket"
SHAPES = {"circle": (220, 60, 50), "square": (40, 90, 220)}

pytestmark = pytest.mark.embedded


def drawing(shape: str, seed: int) -> bytes:
    rng = random.Random(seed)  # noqa: S311
    image = Image.new("RGB", (96, 96), tuple(rng.randint(160, 255) for _ in range(3)))
    left, top, side = rng.randint(4, 30), rng.randint(4, 30), rng.randint(36, 56)
    draw = ImageDraw.Draw(image)
    outline = (left, top, left + side, top + side)
    if shape == "circle":
        draw.ellipse(outline, fill=SHAPES[shape])
    else:
        draw.rectangle(outline, fill=SHAPES[shape])
    out = io.BytesIO()
    image.save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def server(state: Path) -> Iterator[Server]:
    started = Server(state)
    yield started
    started.end()


@pytest.fixture(scope="module")
def rekognition(server: Server) -> Any:
    return server.client("rekognition")


@pytest.fixture(scope="module")
def project(server: Server, rekognition: Any) -> str:
    """A project with images, manifests and both datasets."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    arn = str(rekognition.create_project(ProjectName="shapes")["ProjectArn"])
    for seed, (kind, count) in enumerate((("TRAIN", 8), ("TEST", 4))):
        lines = []
        for number in range(count * len(SHAPES)):
            shape = list(SHAPES)[number % len(SHAPES)]
            key = f"images/{kind}-{number}.jpg"
            s3.put_object(Bucket=BUCKET, Key=key, Body=drawing(shape, 1000 * seed + number))
            lines.append(classified(key, shape, bucket=BUCKET))
        key = f"datasets/{kind}.manifest"
        s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(lines).encode())
        source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}
        rekognition.create_dataset(ProjectArn=arn, DatasetType=kind, DatasetSource=source)
    eventually(lambda: dataset_statuses(rekognition) == ["CREATE_COMPLETE", "CREATE_COMPLETE"])
    return arn


@pytest.fixture(scope="module")
def version(rekognition: Any, project: str) -> str:
    """A version that was really trained."""
    output = {"S3Bucket": BUCKET, "S3KeyPrefix": "training/v1"}
    answer = rekognition.create_project_version(ProjectArn=project, VersionName="v1", OutputConfig=output)
    waiter = rekognition.get_waiter("project_version_training_completed")
    waiter.wait(ProjectArn=project, VersionNames=["v1"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return str(answer["ProjectVersionArn"])


def user(
    server: Server, name: str, *statements: dict[str, Any], credentials: dict[str, str] | None = None
) -> dict[str, str]:
    """Credentials of a new IAM user with these statements, in the account of the credentials."""
    iam = server.client("iam", credentials)
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def allow(*actions: str, on: str = "*") -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": on}


def dataset_statuses(rekognition: Any) -> list[str]:
    (project,) = rekognition.describe_projects(ProjectNames=["shapes"])["ProjectDescriptions"]
    return [dataset["Status"] for dataset in project["Datasets"]]


def status(rekognition: Any, project: str, name: str = "v1") -> str:
    (version,) = rekognition.describe_project_versions(ProjectArn=project, VersionNames=[name])[
        "ProjectVersionDescriptions"
    ]
    return str(version["Status"])


def test_a_model_is_trained_started_asked_and_stopped(
    server: Server, rekognition: Any, project: str, version: str
) -> None:
    (described,) = rekognition.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
    where = described["EvaluationResult"]["Summary"]["S3Object"]
    summary = json.load(server.client("s3").get_object(Bucket=where["Bucket"], Key=where["Name"])["Body"])
    assert summary["EvaluationDetails"]["Labels"] == ["circle", "square"]
    assert summary["AggregatedEvaluationResults"]["F1Score"] == pytest.approx(
        described["EvaluationResult"]["F1Score"], abs=1e-6
    )
    rekognition.start_project_version(ProjectVersionArn=version, MinInferenceUnits=1)
    rekognition.get_waiter("project_version_running").wait(
        ProjectArn=project, VersionNames=["v1"], WaiterConfig={"Delay": 1, "MaxAttempts": 40}
    )
    assert len(server.children()) == 1
    # A few seconds teach a model little; that it is this one which answers shows in what it takes for what.
    taken: Counter[tuple[str, str]] = Counter()
    for number in range(4 * len(SHAPES)):
        image = {"S3Object": {"Bucket": BUCKET, "Name": f"images/TEST-{number}.jpg"}}
        answer = rekognition.detect_custom_labels(ProjectVersionArn=version, Image=image, MinConfidence=0)
        labels = answer["CustomLabels"]
        # None is told of that is less than 1 % sure.
        assert labels and {label["Name"] for label in labels} <= set(SHAPES)
        assert all(0 <= label["Confidence"] <= 100 for label in labels)
        taken[list(SHAPES)[number % len(SHAPES)], labels[0]["Name"]] += 1
    evaluated = {
        (cell["GroundTruthLabel"], cell["PredictedLabel"]): cell["Value"]
        for cell in summary["AggregatedEvaluationResults"]["ConfusionMatrix"]
    }
    assert evaluated == {cell: count / 4 for cell, count in taken.items()}
    sent = rekognition.detect_custom_labels(
        ProjectVersionArn=version, Image={"Bytes": drawing("circle", 7)}, MinConfidence=0, MaxResults=1
    )
    assert len(sent["CustomLabels"]) == 1
    rekognition.stop_project_version(ProjectVersionArn=version)
    eventually(lambda: status(rekognition, project) == "STOPPED")
    assert server.children() == []


def test_errors_have_the_names_of_the_model(rekognition: Any, project: str) -> None:
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.describe_project_versions(ProjectArn=project + "0")
    with pytest.raises(rekognition.exceptions.ResourceInUseException):
        rekognition.create_project(ProjectName="shapes")
    with pytest.raises(ClientError, match="DetectFaces") as failed:
        rekognition.detect_faces(Image={"Bytes": b"x"})
    assert failed.value.response["Error"]["Code"] == "UnknownOperationException"


def test_who_has_no_permission_is_refused_and_told_what_lacks(server: Server, project: str) -> None:
    nobody = server.client("rekognition", user(server, "nobody", allow("s3:*")))
    with pytest.raises(nobody.exceptions.AccessDeniedException) as denied:
        nobody.describe_project_versions(ProjectArn=project)
    message = denied.value.response["Error"]["Message"]
    assert "rekognition:DescribeProjectVersions" in message
    assert project in message
    assert ":user/nobody" in message


def test_permissions_hold_for_the_resources_they_name(server: Server, rekognition: Any, project: str) -> None:
    mine = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/mine/*"
    limited = server.client(
        "rekognition",
        user(
            server,
            "limited",
            allow("rekognition:CreateProject", "rekognition:DescribeProjectVersions", on=mine),
        ),
    )
    created = rekognition.create_project(ProjectName="mine")["ProjectArn"]
    assert limited.describe_project_versions(ProjectArn=created)["ProjectVersionDescriptions"] == []
    for refused in (
        lambda: limited.describe_project_versions(ProjectArn=project),
        limited.describe_projects,
    ):
        with pytest.raises(limited.exceptions.AccessDeniedException):
            refused()


def test_projects_are_made_by_whom_may_make_any(server: Server) -> None:
    """CreateProject has no resource type: an ARN in a policy allows nothing, and only denies."""
    mine = f"arn:aws:rekognition:{REGION}:{ACCOUNT}:project/my-own/*"
    denied = allow("rekognition:CreateProject", on=mine) | {"Effect": "Deny"}
    named = server.client(
        "rekognition", user(server, "maker-of-one", allow("rekognition:CreateProject", on=mine))
    )
    any_other = server.client(
        "rekognition", user(server, "maker", allow("rekognition:CreateProject"), denied)
    )
    for refused in (
        lambda: named.create_project(ProjectName="my-own"),
        lambda: any_other.create_project(ProjectName="my-own"),
        lambda: any_other.create_project(ProjectName="any", Tags={"a": "b"}),
    ):
        with pytest.raises(named.exceptions.AccessDeniedException):
            refused()
    assert any_other.create_project(ProjectName="any")["ProjectArn"]


def test_permissions_hold_for_the_tags_they_ask_for(server: Server, rekognition: Any) -> None:
    statement = allow("rekognition:ListTagsForResource")
    statement["Condition"] = {"StringEquals": {"aws:ResourceTag/team": "vets"}}
    tagged = server.client("rekognition", user(server, "by-tag", statement))
    vets = rekognition.create_project(ProjectName="vets", Tags={"team": "vets"})["ProjectArn"]
    cooks = rekognition.create_project(ProjectName="cooks", Tags={"team": "cooks"})["ProjectArn"]
    assert tagged.list_tags_for_resource(ResourceArn=vets)["Tags"] == {"team": "vets"}
    with pytest.raises(tagged.exceptions.AccessDeniedException):
        tagged.list_tags_for_resource(ResourceArn=cooks)


def test_s3_is_read_with_the_callers_permission(server: Server, project: str) -> None:
    key = f"arn:aws:s3:::{BUCKET}/datasets/TEST.manifest"
    allowed = (allow("rekognition:*"), allow("s3:GetObject", on=key))
    reader = server.client("rekognition", user(server, "reader", *allowed))
    copy = reader.create_project(ProjectName="copy")["ProjectArn"]

    def create(name: str) -> Any:
        source = {
            "GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": f"datasets/{name}.manifest"}}
        }
        return reader.create_dataset(ProjectArn=copy, DatasetType="TEST", DatasetSource=source)

    with pytest.raises(reader.exceptions.InvalidS3ObjectException):
        create("TRAIN")
    assert create("TEST")["DatasetArn"]


def test_a_training_needs_the_permission_for_every_image(server: Server, project: str) -> None:
    image = f"arn:aws:s3:::{BUCKET}/images/TEST-7.jpg"
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": image}
    trainer = server.client("rekognition", user(server, "trainer", allow("rekognition:*", "s3:*"), deny))
    output = {"S3Bucket": BUCKET, "S3KeyPrefix": "forbidden"}
    arn = trainer.create_project_version(ProjectArn=project, VersionName="forbidden", OutputConfig=output)
    eventually(lambda: status(trainer, project, "forbidden") == "TRAINING_FAILED")
    (version,) = trainer.describe_project_versions(ProjectArn=project, VersionNames=["forbidden"])[
        "ProjectVersionDescriptions"
    ]
    assert "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET" in version["StatusMessage"]
    trainer.delete_project_version(ProjectVersionArn=arn["ProjectVersionArn"])


def test_a_bucket_that_asks_for_tls_is_read(server: Server, project: str) -> None:
    """As CDK's enforce_ssl writes it; the loopback interface counts as TLS."""
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3 = server.client("s3")
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    reader = server.client("rekognition", user(server, "tls", allow("rekognition:*"), allow("s3:GetObject")))
    safe = reader.create_project(ProjectName="safe")["ProjectArn"]
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "datasets/TEST.manifest"}}}
    assert reader.create_dataset(ProjectArn=safe, DatasetType="TEST", DatasetSource=source)["DatasetArn"]


def test_a_role_is_who_its_session_says(server: Server, project: str) -> None:
    iam = server.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName="watcher", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    document = {
        "Version": "2012-10-17",
        "Statement": [allow("rekognition:DescribeProjectVersions", on=project)],
    }
    iam.put_role_policy(RoleName="watcher", PolicyName="all", PolicyDocument=json.dumps(document))
    assumer = user(server, "assumer", allow("sts:AssumeRole", on=role))
    session = server.client("sts", assumer).assume_role(RoleArn=role, RoleSessionName="session")[
        "Credentials"
    ]
    credentials = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    watcher = server.client("rekognition", credentials)
    assert "ProjectVersionDescriptions" in watcher.describe_project_versions(ProjectArn=project)
    with pytest.raises(watcher.exceptions.AccessDeniedException, match="assumed-role/watcher"):
        watcher.describe_projects()
    with pytest.raises(ClientError) as refused:
        server.client("rekognition", {**credentials, "aws_session_token": "other"}).describe_projects()
    assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"


def raw(server: Server, operation: str, body: bytes, *, signed: bool = True) -> tuple[int, dict[str, Any]]:
    """Status and answer of a request with any body, signed as root."""
    headers = {
        "X-Amz-Target": f"RekognitionService.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
    }
    request = AWSRequest("POST", f"{server.url}/", headers, body)
    if signed:
        credentials = Credentials(ROOT_KEY["aws_access_key_id"], ROOT_KEY["aws_secret_access_key"])
        SigV4Auth(credentials, "rekognition", REGION).add_auth(request)
    asked = urllib.request.Request(f"{server.url}/", body, dict(request.headers))  # noqa: S310
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "SerializationException"),
        (b"\xff\xfe\x00", 400, "SerializationException"),
        (b"[" * 50_000, 400, "SerializationException"),
        (b'{"ResourceArn": {"a": []}, "Tags": [{}]}', 400, "ValidationException"),
        (b'{"ResourceArn": "arn:aws:rekognition:x", "Tags": {}}', 400, "InvalidParameterException"),
        (b'{"a": "' + b"x" * 9_000_000 + b'"}', 413, "RequestEntityTooLargeException"),
    ],
)
def test_no_body_makes_the_server_fail(server: Server, body: bytes, status: int, code: str) -> None:
    answered, answer = raw(server, "TagResource", body)
    assert (answered, answer["__type"]) == (status, code)
    assert "Traceback" not in answer["message"]
    if len(body) < 100_000:
        _, answer = raw(server, "TagResource", body, signed=False)
        assert answer["__type"] == "MissingAuthenticationTokenException"


def test_each_operation_needs_its_permission_on_its_resource(server: Server, project: str) -> None:
    nobody = server.client("rekognition", user(server, "no-one", allow("s3:*", "kms:*")))
    dataset = project.replace("/shapes/", "/shapes/dataset/train/")
    testing = dataset.replace("/train/", "/test/")
    version = project.replace("/shapes/", "/shapes/version/v1/")
    output = {"S3Bucket": BUCKET}
    calls: dict[str, dict[str, Any]] = {
        "CopyProjectVersion": {
            "SourceProjectArn": project,
            "SourceProjectVersionArn": version,
            "DestinationProjectArn": project,
            "VersionName": "v",
            "OutputConfig": output,
        },
        "CreateDataset": {"ProjectArn": project, "DatasetType": "TRAIN"},
        "CreateProject": {"ProjectName": "mine"},
        "CreateProjectVersion": {"ProjectArn": project, "VersionName": "v", "OutputConfig": output},
        "DeleteDataset": {"DatasetArn": dataset},
        "DeleteProject": {"ProjectArn": project},
        "DeleteProjectPolicy": {"ProjectArn": project, "PolicyName": "p"},
        "DeleteProjectVersion": {"ProjectVersionArn": version},
        "DescribeDataset": {"DatasetArn": dataset},
        "DescribeProjectVersions": {"ProjectArn": project},
        "DescribeProjects": {},
        "DetectCustomLabels": {"ProjectVersionArn": version, "Image": {"Bytes": b"x"}},
        "DistributeDatasetEntries": {"Datasets": [{"Arn": dataset}, {"Arn": testing}]},
        "ListDatasetEntries": {"DatasetArn": dataset},
        "ListDatasetLabels": {"DatasetArn": dataset},
        "ListProjectPolicies": {"ProjectArn": project},
        "ListTagsForResource": {"ResourceArn": project},
        "PutProjectPolicy": {"ProjectArn": project, "PolicyName": "p", "PolicyDocument": "{}"},
        "StartProjectVersion": {"ProjectVersionArn": version, "MinInferenceUnits": 1},
        "StopProjectVersion": {"ProjectVersionArn": version},
        "TagResource": {"ResourceArn": project, "Tags": {"a": "b"}},
        "UntagResource": {"ResourceArn": project, "TagKeys": ["a"]},
        "UpdateDatasetEntries": {"DatasetArn": dataset, "Changes": {"GroundTruth": b"{}"}},
    }
    for operation, request in calls.items():
        with pytest.raises(nobody.exceptions.AccessDeniedException) as denied:
            getattr(nobody, xform_name(operation))(**request)
        message = denied.value.response["Error"]["Message"]
        assert f"rekognition:{operation}" in message
        named = next((value for name, value in request.items() if name.endswith("Arn")), "")
        assert operation == "CopyProjectVersion" or named in message


def test_every_resource_of_an_operation_needs_the_permission(
    server: Server, rekognition: Any, project: str
) -> None:
    (description,) = rekognition.describe_projects(ProjectNames=["shapes"])["ProjectDescriptions"]
    arns = {dataset["DatasetType"]: dataset["DatasetArn"] for dataset in description["Datasets"]}
    half = server.client(
        "rekognition", user(server, "half", allow("rekognition:DistributeDatasetEntries", on=arns["TRAIN"]))
    )
    with pytest.raises(half.exceptions.AccessDeniedException, match="dataset/test"):
        half.distribute_dataset_entries(Datasets=[{"Arn": arn} for arn in sorted(arns.values())[::-1]])
    other = rekognition.create_project(ProjectName="copied")["ProjectArn"]
    copier = server.client(
        "rekognition", user(server, "dataset-copier", allow("rekognition:CreateDataset", on=other))
    )
    with pytest.raises(copier.exceptions.AccessDeniedException, match="rekognition:ListDatasetEntries"):
        copier.create_dataset(
            ProjectArn=other, DatasetType="TRAIN", DatasetSource={"DatasetArn": arns["TRAIN"]}
        )


def test_permissions_hold_for_the_tags_that_a_request_gives(server: Server) -> None:
    statement = allow("rekognition:CreateProject", "rekognition:TagResource", "rekognition:UntagResource")
    statement["Condition"] = {
        "StringEqualsIfExists": {"aws:RequestTag/team": "vets"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
    }
    tagger = server.client("rekognition", user(server, "tagger", statement))
    arn = tagger.create_project(ProjectName="tagged", Tags={"team": "vets"})["ProjectArn"]
    calls: dict[str, dict[str, Any]] = {
        "create_project": {"ProjectName": "tagged2", "Tags": {"team": "cooks"}},
        "tag_resource": {"ResourceArn": arn, "Tags": {"team": "vets", "cost": "1"}},
        "untag_resource": {"ResourceArn": arn, "TagKeys": ["cost"]},
    }
    for name, request in calls.items():
        with pytest.raises(tagger.exceptions.AccessDeniedException):
            getattr(tagger, name)(**request)
    tagger.untag_resource(ResourceArn=arn, TagKeys=["team"])


def copy(client: Any, source: str, project: str, destination: str, name: str) -> str:
    answer = client.copy_project_version(
        SourceProjectArn=project,
        SourceProjectVersionArn=source,
        DestinationProjectArn=destination,
        VersionName=name,
        OutputConfig={"S3Bucket": BUCKET, "S3KeyPrefix": f"copies/{name}"},
    )
    return str(answer["ProjectVersionArn"])


def policy(effect: str, principal: str, resource: str) -> str:
    statement = {
        "Effect": effect,
        "Principal": {"AWS": principal},
        "Action": "rekognition:CopyProjectVersion",
        "Resource": resource,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_model_is_copied_as_the_project_policies_say(
    server: Server, rekognition: Any, project: str, version: str
) -> None:
    actions = ("CopyProjectVersion", "CreateProjectVersion")
    statements = (allow(*(f"rekognition:{action}" for action in actions)), allow("s3:*"))
    same = server.client("rekognition", user(server, "copier", *statements))
    target = rekognition.create_project(ProjectName="target")["ProjectArn"]
    # Within an account no policy is needed, but one may deny.
    copy(same, version, project, target, "allowed")
    eventually(lambda: status(rekognition, target, "allowed") == "COPYING_COMPLETED")
    me = f"arn:aws:iam::{ACCOUNT}:user/copier"
    rekognition.put_project_policy(
        ProjectArn=project, PolicyName="deny", PolicyDocument=policy("Deny", me, version)
    )
    with pytest.raises(same.exceptions.AccessDeniedException, match="rekognition:CopyProjectVersion"):
        copy(same, version, project, target, "denied")
    rekognition.delete_project_policy(ProjectArn=project, PolicyName="deny")
    # Another account needs one that allows.
    other = ROOT_KEY | {"aws_access_key_id": OTHER_ACCOUNT}
    there = user(server, "stranger", *statements, credentials=other)
    stranger = server.client("rekognition", there)
    elsewhere = server.client("rekognition", other).create_project(ProjectName="there")["ProjectArn"]
    assert f":{OTHER_ACCOUNT}:" in elsewhere
    with pytest.raises(stranger.exceptions.AccessDeniedException, match="rekognition:CopyProjectVersion"):
        copy(stranger, version, project, elsewhere, "v")
    rekognition.put_project_policy(
        ProjectArn=project, PolicyName="allow", PolicyDocument=policy("Allow", OTHER_ACCOUNT, version)
    )
    assert f":{OTHER_ACCOUNT}:" in copy(stranger, version, project, elsewhere, "v")
    rekognition.delete_project_policy(ProjectArn=project, PolicyName="allow")
    with pytest.raises(stranger.exceptions.AccessDeniedException):
        copy(stranger, version, project, elsewhere, "v2")


def test_a_kms_key_must_be_there(server: Server, rekognition: Any, project: str) -> None:
    request = {"ProjectArn": project, "VersionName": "keyed", "OutputConfig": {"S3Bucket": BUCKET}}
    with pytest.raises(rekognition.exceptions.InvalidParameterException, match="KmsKeyId"):
        rekognition.create_project_version(**request, KmsKeyId="00000000-0000-0000-0000-000000000000")
    key = server.client("kms").create_key()["KeyMetadata"]["KeyId"]
    training = server.client("rekognition", user(server, "keyless", allow("rekognition:*"), allow("s3:*")))
    with pytest.raises(training.exceptions.AccessDeniedException, match="kms:CreateGrant"):
        training.create_project_version(**request, KmsKeyId=key)


def test_a_wrong_signature_an_unknown_key_and_no_key_are_refused(server: Server) -> None:
    key = user(server, "forged", allow("rekognition:*"))
    cases = {
        "InvalidSignatureException": {**key, "aws_secret_access_key": "wrong"},
        "UnrecognizedClientException": {**key, "aws_access_key_id": "AKIAUNKNOWNUNKNOWN00"},
    }
    for code, credentials in cases.items():
        with pytest.raises(ClientError) as refused:
            server.client("rekognition", credentials).describe_projects()
        assert refused.value.response["Error"]["Code"] == code
    headers = {"X-Amz-Target": "RekognitionService.DescribeProjects"}
    unsigned = urllib.request.Request(server.url, b"{}", headers)  # noqa: S310
    with pytest.raises(urllib.error.HTTPError) as nameless:
        urllib.request.urlopen(unsigned)  # noqa: S310
    assert json.load(nameless.value)["__type"] == "MissingAuthenticationTokenException"
    nameless.value.close()


def test_a_browser_that_looks_for_the_sign_in_page_s_icon_is_not_refused(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/favicon.ico") as answer:  # noqa: S310
        assert answer.status == 204
    with pytest.raises(ClientError, match="NoSuchBucket"):
        server.client("s3").list_objects_v2(Bucket="favicon.ico")


def test_a_fault_strikes_over_http(server: Server, rekognition: Any) -> None:
    fault = json.dumps({"operation": "DescribeProjects", "error": "ThrottlingException"}).encode()
    asked = urllib.request.Request(f"{server.url}/_labelloop/faults", fault, method="POST")  # noqa: S310
    urllib.request.urlopen(asked).read()  # noqa: S310
    waiting = json.load(urllib.request.urlopen(f"{server.url}/_labelloop/faults"))["faults"]  # noqa: S310
    assert [(each["operation"], each["times"]) for each in waiting] == [("DescribeProjects", 1)]
    with pytest.raises(rekognition.exceptions.ThrottlingException):
        rekognition.describe_projects()
    assert rekognition.describe_projects()["ProjectDescriptions"]


def test_http_as_sdks_and_browsers_speak_it(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="http-bucket")
    signed = s3.generate_presigned_url("put_object", Params={"Bucket": "http-bucket", "Key": "sent"})
    target = signed.removeprefix(server.url)
    host = f"hOsT: 127.0.0.1:{server.port}"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        # All on one connection, which is kept.
        connection.sendall(f"PUT {target} HTTP/1.1\r\n{host}\r\nEXPECT: 100-continue\r\n".encode())
        connection.sendall(b"Content-length: 10\r\n\r\n")
        assert until_blank_line(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for part in (b"01234", b"56789"):
            connection.sendall(part)
        assert until_blank_line(connection).startswith(b"HTTP/1.1 200 OK\r\n")
        assert s3.get_object(Bucket="http-bucket", Key="sent")["Body"].read() == b"0123456789"

        connection.sendall(f"PUT {target} HTTP/1.1\r\n{host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        connection.sendall(b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n")
        assert until_blank_line(connection).startswith(b"HTTP/1.1 200 OK\r\n")
        assert s3.get_object(Bucket="http-bucket", Key="sent")["Body"].read() == b"helloyou"

        health = f"HEAD /_ministack/health HTTP/1.1\r\n{host}\r\n\r\n".encode()
        connection.sendall(health + health)
        for _ in range(2):
            headers = until_blank_line(connection).lower()
            assert b"\r\ndate: " in headers
            assert b"\r\nserver: " not in headers

        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        connection.sendall(f"GET / HTTP/1.1\r\n{host}\r\n{upgrade}{key}".encode())
        assert until_blank_line(connection).startswith(b"HTTP/1.1 403 ")

    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"no HTTP\r\n\r\n")
        assert until_blank_line(connection).startswith(b"HTTP/1.1 400 ")


def until_blank_line(connection: socket.socket) -> bytes:
    """What comes up to the end of an answer's headers."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, answer
        answer += byte
    return answer


def test_objects_come_back_whatever_their_key_and_size(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="keys-bucket")
    for key in ("a//b", "/a", "ü ö", "100%", "q?x=1", "a+b", "#a", "a/../b"):
        s3.put_object(Bucket="keys-bucket", Key=key, Body=key.encode())
        assert s3.get_object(Bucket="keys-bucket", Key=key)["Body"].read() == key.encode()
    body = random.Random(1).randbytes(30_000_000)  # noqa: S311
    tag = s3.put_object(Bucket="keys-bucket", Key="large", Body=body)["ETag"]
    assert s3.get_object(Bucket="keys-bucket", Key="large")["Body"].read() == body
    assert s3.head_object(Bucket="keys-bucket", Key="large")["ContentLength"] == len(body)
    with pytest.raises(ClientError) as unchanged:
        s3.get_object(Bucket="keys-bucket", Key="large", IfNoneMatch=tag)
    assert unchanged.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304


def test_a_killed_server_keeps_its_state_and_none_leaves_a_child(
    server: Server, rekognition: Any, project: str, version: str, state: Path
) -> None:
    """Last, because it ends the module's server."""
    rekognition.start_project_version(ProjectVersionArn=version, MinInferenceUnits=1)
    eventually(lambda: status(rekognition, project) == "RUNNING", 40)
    output = {"S3Bucket": BUCKET, "S3KeyPrefix": "training/v2"}
    rekognition.create_project_version(ProjectArn=project, VersionName="v2", OutputConfig=output)
    # One holds the running model, one learns.
    before = eventually(lambda: len(children := server.children()) == 2 and children)
    server.end(signal.SIGKILL)
    eventually(lambda: not any(map(is_engine_process, before)))

    again = Server(state)
    try:
        rekognition = again.client("rekognition")
        assert status(rekognition, project, "v2") == "TRAINING_FAILED"
        eventually(lambda: status(rekognition, project) == "RUNNING", 40)
        answer = rekognition.detect_custom_labels(
            ProjectVersionArn=version, Image={"Bytes": drawing("circle", 1)}, MinConfidence=0
        )
        assert answer["CustomLabels"]
        (child,) = again.children()
        os.kill(child, signal.SIGKILL)
        eventually(lambda: status(rekognition, project) == "FAILED")
        rekognition.start_project_version(ProjectVersionArn=version, MinInferenceUnits=1)
        eventually(lambda: status(rekognition, project) == "RUNNING", 40)
        (child,) = again.children()
        started = time.monotonic()
        assert again.end() == 0
        assert time.monotonic() - started < 15
        assert not is_engine_process(child)
    finally:
        again.end()
