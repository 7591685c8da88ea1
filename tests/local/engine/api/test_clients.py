"""The embedded engine in front of the clients that people use: boto3, the AWS CLI, the SDK for JavaScript.

Every request is signed by an IAM user who may do no more than the test needs.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local import scenes
from local.embedded import ACCOUNT, REGION, Running, stack_in
from tests.fixtures import rekognition_clients
from tests.fixtures.engine import BUCKET, boxed, eventually
from tests.fixtures.rekognition_clients import Boto3, CallFailedError, Client, CommandLine, JavaScript, Key

pytestmark = pytest.mark.embedded

TRAINING_STEPS = 4
"""As little as a training takes: it is of no interest how well the model does."""
TRAIN, TEST = 24, 8
OTHER_PROJECTS = ("first", "second", "third")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """MiniStack and the engine, with nothing deployed but a bucket with images and manifests."""
    variables = {
        "LABELLOOP_TRAINING_STEPS": str(TRAINING_STEPS),
        "LABELLOOP_LABEL_CHECK_SECONDS": "0",
        "LABELLOOP_ENGINE_FAULTS": "1",
    }
    with stack_in(tmp_path_factory.mktemp("clients"), variables=variables) as started:
        s3 = as_root(started, "s3")
        s3.create_bucket(Bucket=BUCKET)
        for kind, count in (("train", TRAIN), ("test", TEST)):
            lines = []
            for scene in scenes.detection_scenes(count, seed=len(kind)):
                key = f"images/{scene.name}.jpg"
                s3.put_object(Bucket=BUCKET, Key=key, Body=scene.jpeg())
                boxes = [(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes]
                lines.append(boxed(key, *boxes, size=scene.image.size))
            s3.put_object(Bucket=BUCKET, Key=f"{kind}.manifest", Body="\n".join(lines).encode())
        yield started


@pytest.fixture(scope="module")
def image(stack: Running) -> tuple[str, bytes]:
    """The key and the bytes of an image."""
    s3 = as_root(stack, "s3")
    key = s3.list_objects_v2(Bucket=BUCKET, Prefix="images/")["Contents"][0]["Key"]
    return key, s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


@pytest.fixture(scope="module")
def nobody(stack: Running) -> Key:
    """The key of a user without permissions."""
    return user(stack, "nobody")


@pytest.fixture(scope="module", params=["boto3", "cli", "javascript"])
def client(
    request: pytest.FixtureRequest, stack: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    name: str = request.param
    images = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    output = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{BUCKET}/{name}/*"}
    custom_labels = {"Effect": "Allow", "Action": "rekognition:*", "Resource": "*"}
    key = user(stack, name, images, output, custom_labels)
    where = (stack.endpoint, REGION, key)
    made: Client
    if name == "boto3":
        made = Boto3(*where)
    elif name == "cli":
        made = CommandLine(*where, tmp_path_factory.mktemp(name))
    else:
        made = JavaScript(*where)
    yield made
    made.close()


@pytest.fixture(scope="module")
def projects(stack: Running) -> list[str]:
    """Projects that are there whatever the clients make."""
    rekognition = as_root(stack, "rekognition")
    return [rekognition.create_project(ProjectName=name)["ProjectArn"] for name in OTHER_PROJECTS]


@pytest.fixture
def dataset(stack: Running, projects: list[str]) -> Iterator[str]:
    """The ARN of a dataset of TEST lines."""
    rekognition = as_root(stack, "rekognition")
    source = manifest("test")
    arn = rekognition.create_dataset(ProjectArn=projects[0], DatasetType="TEST", DatasetSource=source)[
        "DatasetArn"
    ]
    eventually(lambda: created(rekognition, arn))
    yield arn
    rekognition.delete_dataset(DatasetArn=arn)


def as_root(stack: Running, service: str, **options: Any) -> Any:
    keys = stack.environment
    return boto3.client(  # pyrefly: ignore[no-matching-overload]
        service,
        endpoint_url=stack.endpoint,
        region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        **options,
    )


def user(stack: Running, name: str, *statements: dict[str, Any]) -> Key:
    """The access key of a new IAM user with these permissions."""
    iam = as_root(stack, "iam")
    iam.create_user(UserName=name)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}


def manifest(kind: str) -> dict[str, Any]:
    return {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": f"{kind}.manifest"}}}


def stored(key: str) -> dict[str, Any]:
    return {"S3Object": {"Bucket": BUCKET, "Name": key}}


def fault(stack: Running, **wanted: Any) -> None:
    """Ask the engine for a fault."""
    url, body = f"{stack.endpoint}/_labelloop/faults", json.dumps(wanted).encode()
    urllib.request.urlopen(urllib.request.Request(url, body), timeout=5).close()  # noqa: S310


def statuses(rekognition: Any, project: str) -> list[str]:
    """Of the project's versions."""
    versions = rekognition.describe_project_versions(ProjectArn=project)["ProjectVersionDescriptions"]
    return [version["Status"] for version in versions]


def test_a_project_from_creation_to_deletion(
    client: Client, stack: Running, image: tuple[str, bytes], request: pytest.FixtureRequest
) -> None:
    # Whose questions cost nothing: a command of the AWS CLI takes a second of the processor.
    rekognition = as_root(stack, "rekognition")
    name = request.node.callspec.params["client"]
    began = datetime.now(UTC)
    project = client.call("CreateProject", ProjectName=name)["ProjectArn"]
    datasets = []
    for kind in ("TRAIN", "TEST"):
        source = manifest(kind.lower())
        made = client.call("CreateDataset", ProjectArn=project, DatasetType=kind, DatasetSource=source)
        datasets.append(made["DatasetArn"])
    for arn, entries in zip(datasets, (TRAIN, TEST), strict=True):
        eventually(lambda arn=arn: created(rekognition, arn), 30)
        described = client.call("DescribeDataset", DatasetArn=arn)["DatasetDescription"]
        assert described["DatasetStats"]["TotalEntries"] == entries
        assert began - timedelta(seconds=1) <= described["CreationTimestamp"] <= datetime.now(UTC)
    labels = client.call("ListDatasetLabels", DatasetArn=datasets[0])["DatasetLabelDescriptions"]
    assert [label["LabelName"] for label in labels] == list(scenes.DETECTION_LABELS)

    output = {"S3Bucket": BUCKET, "S3KeyPrefix": f"{name}/v1"}
    version = client.call(
        "CreateProjectVersion", ProjectArn=project, VersionName="v1", OutputConfig=output, Tags={"by": name}
    )["ProjectVersionArn"]
    assert client.call("ListTagsForResource", ResourceArn=version)["Tags"] == {"by": name}
    with refused("ResourceNotReadyException"):
        client.call("DetectCustomLabels", ProjectVersionArn=version, Image={"Bytes": image[1]})
    client.wait("ProjectVersionTrainingCompleted", ProjectArn=project, VersionNames=["v1"])
    (trained,) = client.call("DescribeProjectVersions", ProjectArn=project)["ProjectVersionDescriptions"]
    assert began < trained["CreationTimestamp"] < trained["TrainingEndTimestamp"] <= datetime.now(UTC)
    assert 0 <= trained["EvaluationResult"]["F1Score"] <= 1
    assert trained["EvaluationResult"]["Summary"]["S3Object"]["Bucket"] == BUCKET

    started = client.call("StartProjectVersion", ProjectVersionArn=version, MinInferenceUnits=1)
    assert started["Status"] == "STARTING"
    client.wait("ProjectVersionRunning", ProjectArn=project, VersionNames=["v1"])
    sent, kept = (
        client.call("DetectCustomLabels", ProjectVersionArn=version, Image=which, MinConfidence=0)
        for which in ({"Bytes": image[1]}, stored(image[0]))
    )
    assert sent == kept
    check_detected(sent["CustomLabels"])
    few = client.call(
        "DetectCustomLabels", ProjectVersionArn=version, Image=stored(image[0]), MinConfidence=0, MaxResults=1
    )
    assert few["CustomLabels"] == sent["CustomLabels"][:1]
    with refused("ResourceInUseException"):
        client.call("DeleteProjectVersion", ProjectVersionArn=version)

    assert client.call("StopProjectVersion", ProjectVersionArn=version)["Status"] == "STOPPING"
    eventually(lambda: statuses(rekognition, project) == ["STOPPED"], 30)
    assert client.call("DeleteProjectVersion", ProjectVersionArn=version)["Status"] == "DELETING"
    eventually(lambda: statuses(rekognition, project) == [])
    assert client.call("DescribeProjectVersions", ProjectArn=project)["ProjectVersionDescriptions"] == []
    for arn in datasets:
        client.call("DeleteDataset", DatasetArn=arn)
    assert client.call("DeleteProject", ProjectArn=project)["Status"] == "DELETING"
    eventually(lambda: not rekognition.describe_projects(ProjectNames=[name])["ProjectDescriptions"])
    assert client.call("DescribeProjects", ProjectNames=[name])["ProjectDescriptions"] == []


def created(rekognition: Any, dataset: str) -> bool:
    """Whether the dataset is there; it may not have failed."""
    status = rekognition.describe_dataset(DatasetArn=dataset)["DatasetDescription"]["Status"]
    assert status in ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    return bool(status == "CREATE_COMPLETE")


def check_detected(labels: list[dict[str, Any]]) -> None:
    """Something was found, and each is what the API promises."""
    assert labels
    confidences = [label["Confidence"] for label in labels]
    assert confidences == sorted(confidences, reverse=True)
    for label in labels:
        assert label["Name"] in scenes.DETECTION_LABELS
        assert 0 <= label["Confidence"] <= 100
        box = label["Geometry"]["BoundingBox"]
        assert 0 <= box["Left"] <= box["Left"] + box["Width"] <= 1.000001
        assert 0 <= box["Top"] <= box["Top"] + box["Height"] <= 1.000001


def refused(code: str) -> Any:
    return pytest.raises(CallFailedError, match=f"^{code}: .+")


def test_listings_come_in_pages(client: Client, projects: list[str], dataset: str) -> None:
    every = client.items("DescribeProjects", "ProjectDescriptions", 1)
    assert {project["ProjectArn"] for project in every} >= set(projects)
    assert len({project["ProjectArn"] for project in every}) == len(every)
    entries = client.items("ListDatasetEntries", "DatasetEntries", 3, DatasetArn=dataset)
    assert entries == client.call("ListDatasetEntries", DatasetArn=dataset)["DatasetEntries"]
    assert len(entries) == TEST
    page = client.call("ListDatasetEntries", DatasetArn=dataset, MaxResults=5)
    assert page["DatasetEntries"] == entries[:5]
    rest = client.call("ListDatasetEntries", DatasetArn=dataset, NextToken=page["NextToken"])
    assert rest == {"DatasetEntries": entries[5:]}


def test_errors_are_the_clients_own(client: Client, projects: list[str], dataset: str) -> None:
    project = projects[0]
    taken = {"ProjectArn": project, "DatasetType": "TEST", "DatasetSource": manifest("test")}
    nowhere = {"ProjectArn": project, "DatasetType": "TRAIN", "DatasetSource": manifest("none")}
    cases: list[tuple[str, str, dict[str, Any]]] = [
        ("ResourceNotFoundException", "DescribeProjectVersions", {"ProjectArn": project + "0"}),
        ("ResourceInUseException", "CreateProject", {"ProjectName": OTHER_PROJECTS[0]}),
        ("ResourceInUseException", "DeleteProject", {"ProjectArn": project}),
        ("ResourceAlreadyExistsException", "CreateDataset", taken),
        ("InvalidS3ObjectException", "CreateDataset", nowhere),
        ("InvalidPaginationTokenException", "DescribeProjects", {"NextToken": "bm9uZQ=="}),
    ]
    for code, operation, members in cases:
        with refused(code):
            client.call(operation, **members)


def test_who_is_not_allowed_is_told_so(client: Client, projects: list[str], nobody: Key) -> None:
    with refused("AccessDeniedException") as denied:
        client.call("DescribeProjectVersions", nobody, ProjectArn=projects[0])
    assert f"arn:aws:iam::{ACCOUNT}:user/nobody" in str(denied.value)
    assert "rekognition:DescribeProjectVersions" in str(denied.value)
    forged = {**nobody, "aws_secret_access_key": "guessed"}
    with refused("InvalidSignatureException"):
        client.call("DescribeProjectVersions", forged, ProjectArn=projects[0])


def test_throttled_requests_are_tried_again(client: Client, stack: Running, projects: list[str]) -> None:
    fault(stack, operation="DescribeProjects", error="ThrottlingException", times=2)
    descriptions = client.call("DescribeProjects", ProjectNames=[OTHER_PROJECTS[0]])["ProjectDescriptions"]
    assert [project["ProjectArn"] for project in descriptions] == projects[:1]
    # Both have struck, so it asked three times.
    once = Config(retries={"total_max_attempts": 1})
    assert as_root(stack, "rekognition", config=once).describe_projects()["ProjectDescriptions"]


@pytest.mark.parametrize(
    ("client", "missing", "advice"),
    [
        (CommandLine, "AWS", "make setup-dev"),
        (JavaScript, "SDK", "npm ci"),
        (JavaScript, "PATH", "Node.js 20"),
    ],
)
def test_a_client_that_is_not_there_fails_and_says_what_to_install(
    client: Any, missing: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "nowhere"
    if missing == "PATH":
        monkeypatch.setenv("PATH", str(nowhere))
    else:
        monkeypatch.setattr(rekognition_clients, missing, nowhere)
    folder = [tmp_path] if client is CommandLine else []
    with pytest.raises(pytest.fail.Exception, match=advice):
        client("http://127.0.0.1:1", REGION, {}, *folder)
