"""Whatever a request says, the engine answers as botocore's model says and changes nothing when it refuses.

Requests are made from the operations' own input shapes, right and wrong, and go in as bodies, as they do from
a client. Each finds the same state.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.engine import shapes
from local.engine.errors import RekognitionError
from local.engine.quotas import Quotas
from tests.fixtures.engine import BUCKET, Bench, Everybody, classified, eventually, picture

OPERATIONS = [
    "CopyProjectVersion",
    "CreateDataset",
    "CreateProject",
    "CreateProjectVersion",
    "DeleteDataset",
    "DeleteProject",
    "DeleteProjectPolicy",
    "DeleteProjectVersion",
    "DescribeDataset",
    "DescribeProjectVersions",
    "DescribeProjects",
    "DetectCustomLabels",
    "DistributeDatasetEntries",
    "ListDatasetEntries",
    "ListDatasetLabels",
    "ListProjectPolicies",
    "ListTagsForResource",
    "PutProjectPolicy",
    "StartProjectVersion",
    "StopProjectVersion",
    "TagResource",
    "UntagResource",
    "UpdateDatasetEntries",
]
COMMON = {"ValidationException", "SerializationException"}
"""Errors that any operation may answer with, beside those of its model."""
NEEDED = {"OutputConfig": ["S3Bucket"], "S3Object": ["Bucket", "Name"]}
"""What the model leaves open, and the operations do not."""
ONE_OF = {"Image", "DatasetSource"}
"""Structures that need one of their members."""
REFUSED = {"FeatureConfig", "AutoUpdate"}
"""Members that are refused wherever they are; they come as mutations."""
EXAMPLES = 40
ROOMY = Quotas(projects=1000, versions_per_project=1000, concurrent_trainings=1000, running_versions=1000)
IN_TRANSITION = {
    "CREATE_IN_PROGRESS",
    "UPDATE_IN_PROGRESS",
    "TRAINING_IN_PROGRESS",
    "COPYING_IN_PROGRESS",
    "STARTING",
    "STOPPING",
}
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": "111122223333"},
            "Action": "rekognition:CopyProjectVersion",
            "Resource": "*",
        },
    }
)
KINDS = {"ProjectArn": "project", "DatasetArn": "dataset", "ProjectVersionArn": "version"}
MANIFEST = "\n".join(classified(f"{n}.png", "cat" if n % 2 else "dog") for n in range(10)).encode()

ANYTHING = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from(["", " ", "\x00", "é" * 300, "a" * 3000, "aws:x", "-1", "null", "{}"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


class World:
    """An engine over a copy of a state that holds everything that requests may be about."""

    def __init__(self, state: Path, template: World | None = None) -> None:
        if template:
            shutil.copytree(template.state, state)
        self.state: Path = state
        self.bench = Bench(state, ROOMY)
        if template:
            self.bench.objects.held.update(template.bench.objects.held)
            self.bench.api.recover()

    def fill(self) -> None:
        """A project with a model that runs and one that may, one to be distributed, and an empty one."""
        self.bench.objects.held[BUCKET, "m.manifest"] = MANIFEST
        self.bench.objects.held[BUCKET, "broken.manifest"] = b"\xff\xfe nonsense"
        self.bench.objects.held[BUCKET, "a.png"] = picture((1, 2, 3))
        full = self.bench.project("full")
        version = self.bench.running(full)
        self.bench.version(full, "v2")
        self.bench.until(full, "TRAINING_COMPLETED", name="v2")
        self.bench.call("PutProjectPolicy", ProjectArn=full, PolicyName="p", PolicyDocument=POLICY)
        self.bench.call("TagResource", ResourceArn=version, Tags={"a": "b"})
        split = self.bench.project("split")
        self.bench.dataset(split, "TRAIN", MANIFEST.decode().splitlines())
        self.bench.dataset(split, "TEST", [])
        self.bench.project("empty")

    def projects(self) -> list[dict[str, Any]]:
        projects: list[dict[str, Any]] = self.bench.call("DescribeProjects")["ProjectDescriptions"]
        return projects

    def arns(self, kind: str) -> list[str]:
        projects = self.projects()
        if kind == "project":
            return [project["ProjectArn"] for project in projects]
        if kind == "dataset":
            return [dataset["DatasetArn"] for project in projects for dataset in project["Datasets"]]
        return [version["ProjectVersionArn"] for version in self.versions(projects)]

    def versions(self, projects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            version
            for project in projects
            for version in self.bench.call("DescribeProjectVersions", ProjectArn=project["ProjectArn"])[
                "ProjectVersionDescriptions"
            ]
        ]

    def is_at_rest(self) -> bool:
        projects = self.projects()
        statuses = {dataset["Status"] for project in projects for dataset in project["Datasets"]}
        statuses |= {version["Status"] for version in self.versions(projects)}
        return not statuses & IN_TRANSITION

    def dump(self) -> list[str]:
        """All that the store holds."""
        with sqlite3.connect(self.state / "engine.sqlite") as database:
            return list(database.iterdump())


class Worlds:
    """The same world for each request: another copy of it once a request has changed it."""

    def __init__(self, template: World) -> None:
        self._template = template
        self._world: World | None = None
        self._first: list[str] = []

    def unchanged(self) -> World:
        if self._world and self._world.dump() == self._first:
            return self._world
        self.close()
        self._world = World(Path(tempfile.mkdtemp(dir=self._template.state.parent)) / "state", self._template)
        eventually(self._world.is_at_rest, 30)
        self._first = self._world.dump()
        return self._world

    def close(self) -> None:
        if self._world:
            self._world.bench.close()
            shutil.rmtree(self._world.state)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("template") / "state")
    world.fill()
    world.bench.close()
    return world


def likely(draw: st.DrawFn, where: str, shape: Shape) -> Any:
    """A value that the operation may well accept."""
    name = where.rpartition(".")[2]
    kind = KINDS.get(shape.name)
    if name == "ResourceArn":
        kind = draw(st.sampled_from(["project", "dataset", "version"]))
    if kind:
        tail = draw(st.sampled_from(["", "", "", "", "", "", "0", "x"]))
        # Project 0 has everything, 2 has nothing: those are what most operations need.
        number = draw(st.sampled_from([0, 0, 1, 2, 2] if kind == "project" else [0, 1, 2, 3]))
        number = 0 if name == "SourceProjectArn" else number
        return f"@{kind}:{number}:{tail}"
    known: dict[str, list[Any]] = {
        "Bucket": [BUCKET],
        "S3Bucket": [BUCKET],
        "Name": ["a.png", "m.manifest", "a.png", "m.manifest", "broken.manifest", "gone"],
        "Bytes": [base64.b64encode(picture((9, 9, 9))).decode(), base64.b64encode(b"no image").decode()],
        "GroundTruth": [base64.b64encode(MANIFEST).decode(), base64.b64encode(b"\xff\n{}").decode()],
        "KmsKeyId": ["mine"],
        "PolicyDocument": [POLICY],
        "PolicyName": ["p", "q"],
        "ProjectName": ["full", "empty", "a", "b"],
        "VersionName": ["v1", "v2", "v3"],
        "MinInferenceUnits": [1, 2, 6],
        "MaxInferenceUnits": [1, 3],
        "Feature": ["CUSTOM_LABELS"],
    }
    if name in known:
        return draw(st.sampled_from(known[name]))
    if shape.metadata.get("enum"):
        return draw(st.sampled_from(shape.metadata["enum"]))
    return by_type(draw, shape)


def by_type(draw: st.DrawFn, shape: Shape) -> Any:
    least = shape.metadata.get("min", 0)
    if shape.type_name == "string":
        return draw(st.text("abc019_.", min_size=least, max_size=max(least, 8)))
    if shape.type_name == "boolean":
        return draw(st.booleans())
    if shape.type_name in ("integer", "long"):
        return draw(st.integers(least, shape.metadata.get("max", 10)))
    if shape.type_name == "float":
        return draw(st.floats(least, shape.metadata.get("max", 100)))
    raise AssertionError(f"no values for {shape}")


def requested(draw: st.DrawFn, shape: Shape, where: str = "") -> Any:
    if isinstance(shape, StructureShape):
        members = {*shape.required_members, *NEEDED.get(shape.name, ())}
        optional = [name for name in shape.members if name not in members and name not in REFUSED]
        if shape.name in ONE_OF and draw(st.integers(0, 3)):
            members.add(draw(st.sampled_from(optional)))
        elif draw(st.booleans()):
            members |= {name for name in optional if draw(st.booleans())}
        return {
            name: requested(draw, member, f"{where}.{name}")
            for name, member in shape.members.items()
            if name in members
        }
    if shape.name == "DistributeDatasetMetadataList" and draw(st.booleans()):
        return [{"Arn": "@dataset:2:"}, {"Arn": "@dataset:3:"}]
    if isinstance(shape, ListShape):
        least = max(1, shape.metadata.get("min", 1))
        size = draw(st.integers(least, min(least + 1, shape.metadata.get("max", 2))))
        return [requested(draw, shape.member, where) for _ in range(size)]
    if isinstance(shape, MapShape):
        return draw(
            st.dictionaries(st.text("abc", min_size=1, max_size=3), st.text("abc", max_size=3), max_size=3)
        )
    return likely(draw, where, shape)


def mutated(draw: st.DrawFn, value: Any) -> Any:
    """The request with one thing in it wrong: another value, a member too few, or one too many."""
    if isinstance(value, dict) and value and draw(st.integers(0, 3)):
        name = draw(st.sampled_from(sorted(value)))
        how = draw(st.sampled_from(["inside", "inside", "lacks", "extra"]))
        if how == "lacks":
            return {key: item for key, item in value.items() if key != name}
        if how == "extra":
            return {**value, draw(st.text(max_size=8)): draw(ANYTHING)}
        return {**value, name: mutated(draw, value[name])}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [*value[:-1], mutated(draw, value[-1])]
    if isinstance(value, str) and value and draw(st.booleans()):
        cut = draw(st.integers(0, len(value) - 1))
        return value[:cut] + draw(st.text(max_size=3)) + value[cut + 1 :]
    return draw(ANYTHING)


def resolved(world: World, value: Any) -> Any:
    """The request with the engine's ARNs in the place of @kind:number:tail."""
    if isinstance(value, dict):
        return {name: resolved(world, item) for name, item in value.items()}
    if isinstance(value, list):
        return [resolved(world, item) for item in value]
    if isinstance(value, str) and (match := re.fullmatch(r"@(project|dataset|version):(\d):(.?)", value)):
        kind, number, tail = match.groups()
        arns = world.arns(kind)
        return f"{arns[int(number) % len(arns)]}{tail}" if arns else value
    return value


def check(world: World, operation: OperationModel, body: bytes, caller: Everybody) -> bool:
    """Call as the server does, and look at what the answer must be; whether it was one."""
    eventually(world.is_at_rest, 30)
    before = world.dump()
    try:
        request = shapes.parse_request(operation.name, body)
        answer = world.bench.api.call(operation.name, request, caller)
        shapes.dump_answer(operation.name, answer)
    except RekognitionError as error:
        allowed = {shape.name for shape in operation.error_shapes} | COMMON
        assert error.code in allowed, f"{operation.name} does not answer with {error.code}: {error.message}"
        assert error.message
        assert world.dump() == before
        return False
    assert operation.output_shape is None or shapes.violations(operation.output_shape, answer) == []
    return True


@pytest.mark.long
@pytest.mark.parametrize("name", OPERATIONS)
def test_any_request_is_answered_as_the_model_says(template: World, name: str) -> None:
    operation = shapes.model().operation_model(name)
    stranger = Everybody()
    stranger.account = "999999999999"
    elsewhere = Everybody()
    elsewhere.region = "eu-west-1"
    forbidden = Everybody("s3:GetObject", "s3:PutObject", "kms:Decrypt")
    callers = [Everybody()] * 9 + [stranger, elsewhere, forbidden]
    answered: list[bool] = []
    worlds = Worlds(template)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        # Requests are small as they come; to make a failing one smaller would take minutes.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def any_request(data: st.DataObject) -> None:
        draw: Any = data.draw
        assert operation.input_shape is not None
        request = requested(draw, operation.input_shape)
        if draw(st.integers(0, 2)) == 2:
            request = mutated(draw, request)
        caller = draw(st.sampled_from(callers))
        world = worlds.unchanged()
        body = json.dumps(resolved(world, request)).encode()
        answered.append(check(world, operation, body, caller))

    try:
        any_request()
    finally:
        worlds.close()
    assert set(answered) == {True, False}, "only errors, or none"


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"ProjectName": "\\ud800"}',
        b'{"MaxResults": NaN, "MinConfidence": Infinity}',
        b'{"MaxResults": ' + b"9" * 5000 + b"}",
    ],
)
def test_a_body_that_is_no_json_object_is_a_serialization_exception(name: str, body: bytes) -> None:
    with pytest.raises(RekognitionError) as refused:
        shapes.parse_request(name, body)
    assert refused.value.code == "SerializationException"
