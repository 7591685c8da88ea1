"""A deployment's stores on an embedded stack with many images, and with what grows with them.

The catalogue's items are written straight into the stack's state, in the shape in which the code writes them:
by requests it would take an hour. Runs, versions, answers and counts go in by the code that keeps them.
"""

from __future__ import annotations

import base64
import compileall
import json
import os
import random
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from boto3.dynamodb.types import TypeSerializer

from benchmarks import data
from infra import lambda_asset
from infra.lambda_asset import ROOT
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import label_entries, split_ledger
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.catalogue.split_ledger import AssignedImage, Ledger
from lambdas.domain.drift import counting
from lambdas.domain.drift.counts import Counts
from lambdas.domain.drift.observations import Observation, thresholds_name
from lambdas.domain.evaluation import issue_file, shadow_answers
from lambdas.domain.evaluation.issue_file import KeptIssues
from lambdas.domain.evaluation.label_issues import LabelIssue
from lambdas.domain.evaluation.records import Detection, TestImage, TrueObject
from lambdas.domain.review.desk.task import Task
from lambdas.domain.review.desk.tasks import as_item
from lambdas.domain.review.results.precision import Precision
from lambdas.domain.review.results.reviewer_statistics import add_request
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import DatasetType
from lambdas.domain.shared.boxes import RelativeBox
from lambdas.domain.shared.manifests import entry_line
from lambdas.domain.shared.records import ModelVersion, Run, SnapshotSummary
from lambdas.domain.shared.scores import LabelScore
from lambdas.domain.shared.state import FencedState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import files as snapshot_files
from lambdas.services import services
from local import embedded
from local.ministack_state.database import DATABASE, Change, Database
from tests.fixtures.tables import TableName, definition

NAME = "many-images"
CHAMPION = "v12-0123456789ab"
SNAPSHOT = "0123456789abcdef"
TEST_SHARE = 5
"""One image in so many is tested with."""
NEWEST = 600
"""Images that people are asked about, those that the wall shows first."""
RUNS, VERSIONS, DAYS, OPEN_TASKS = 60, 12, 28, 2000
_PART = 20_000
_TABLES: Mapping[TableName, str] = {
    "catalogue": "CATALOGUE_TABLE",
    "loop": "LOOP_STATE_TABLE",
    "observations": "OBSERVATION_TABLE",
    "reviews": "REVIEW_TABLE",
}
"""Each with the variable that names it to functions."""
_CATALOGUE_ITEM = f"item:arn:aws:dynamodb:{embedded.REGION}:{embedded.ACCOUNT}:table/catalogue"
"""What MiniStack's state calls the table's items."""
_PROJECT = f"arn:aws:rekognition:{embedded.REGION}:{embedded.ACCOUNT}:project/{NAME}/1700000000000"
_MACHINE = f"arn:aws:states:{embedded.REGION}:{embedded.ACCOUNT}:stateMachine:{NAME}"


@dataclass(frozen=True)
class Filled:
    """What to ask for in what was filled: a label, a hash, the end of a key; and the stack's process."""

    label: str
    sha256: str
    text: str
    stack: int


@contextmanager
def filled(home: Path, count: int) -> Iterator[Filled]:
    """The deployment's stores with so many images, and the functions' environment, for as long as the block
    runs."""
    with embedded.stack_in(home) as stack, _environment(stack):
        _fill_judgement(count)
    _fill_catalogue(home / "state" / DATABASE, count)
    stack = embedded.start(home, keep=True)
    try:
        with _environment(stack):
            _wake()
            first = next(data.images(count))
            yield Filled(first.label_names[0], first.sha256, min(first.sources)[-12:], stack.pid)
    finally:
        embedded.stop(home)


def _wake() -> None:
    """Have the stack load what it answers with: AWS's services run before the first request."""
    # Of its own session: what the functions' session reads of these services, it is to read itself.
    session = boto3.session.Session()
    session.client("ssm").get_parameter(Name=f"/{NAME}/tuning")
    session.client("rekognition").describe_projects()
    session.client("stepfunctions").list_executions(stateMachineArn=_MACHINE)


@contextmanager
def _environment(stack: embedded.Running) -> Iterator[None]:
    """What the functions know of their deployment."""
    packages = lambda_asset.build(lambda_asset.HERE)
    # As in their asset; else the first request of each kind would compile what it imports.
    compileall.compile_dir(ROOT / "lambdas", quiet=2)
    variables = {
        # What their asset has of AWS's descriptions of services is less, and read in less time.
        "AWS_DATA_PATH": str(packages / "botocore" / "data"),
        "DATA_BUCKET": NAME,
        "DEPLOYMENT": NAME,
        "THUMBNAIL_KEY": "0" * 64,
        "TUNING_PARAMETER": f"/{NAME}/tuning",
        "PROJECT_ARN": _PROJECT,
        "PROMOTE_MACHINE_ARN": _MACHINE,
        **{variable: name for name, variable in _TABLES.items()},
    }
    with mock.patch.dict(os.environ, stack.environment | variables):
        services.cache_clear()
        yield


# Catalogue and ledger


def _fill_catalogue(file: Path, count: int) -> None:
    database = Database(file)
    changes: list[Change] = []
    serialize = TypeSerializer().serialize
    try:
        for item in _items(count):
            written = {name: serialize(value) for name, value in item.items()}
            # The table has no sort key: MiniStack's own word for that.
            key = json.dumps((item["id"], "__no_sort__"))
            changes.append(Change(_CATALOGUE_ITEM, key, json.dumps(written, default=_base64)))
            if len(changes) == _PART:
                database.write(changes)
                changes.clear()
        database.write(changes)
    finally:
        database.close()


def _base64(value: bytes) -> str:
    """Binary values as DynamoDB's JSON has them."""
    return base64.b64encode(value).decode()


def _items(count: int) -> Iterator[dict[str, Any]]:
    """Images, their labels' entries, and the ledger."""
    ledger: dict[str, list[AssignedImage]] = defaultdict(list)
    for number, image in enumerate(data.images(count)):
        yield catalogue_images.as_item(image)
        for label in image.label_names:
            yield label_entries.entry(label, image.sha256, image.changed_at, image.revision)
        assigned = AssignedImage(image.sha256, _dataset_type(number), image.perceptual_hash)
        ledger[image.sha256[:2]].append(assigned)
    for bucket, images in ledger.items():
        written = _Written()
        Ledger({}).assign(written, bucket, images)  # pyrefly: ignore[bad-argument-type]
        yield written.item
    assert set(ledger) <= set(split_ledger.BUCKETS)


def _dataset_type(number: int) -> DatasetType:
    return "TRAIN" if number % TEST_SHARE else "TEST"


class _Written:
    """A table that keeps the item that it is given."""

    def put_item(self, *, Item: dict[str, Any], **_: Any) -> None:
        self.item = Item


# What is known of versions


def _fill_judgement(count: int) -> None:
    _stores()
    chance = random.Random(1)  # noqa: S311 not for secrets
    newest = deque[CatalogueImage](maxlen=NEWEST)
    tested: list[CatalogueImage] = []
    for number, image in enumerate(data.images(count)):
        newest.append(image)
        if _dataset_type(number) == "TEST":
            tested.append(image)
    _runs(tested, count)
    _snapshot(tested)
    seen = [_seen(chance, image) for image in tested[: shadow_answers.MAX_IMAGES]]
    answers = {image.key: [_answer(one) for one in image.detections] for image in seen}
    s3 = services().s3
    shadow_answers.keep(s3, NAME, CHAMPION, answers)
    issues = [_issue(chance, image) for image in seen[: issue_file.MAX_KEPT]]
    kept = KeptIssues(tuple(issues), {"TEST": len(tested)})
    issue_file.write(s3, NAME, CHAMPION, kept)
    _production(chance)
    _tasks(newest)


def _stores() -> None:
    """Tables, bucket, settings, project and state machine, as the deployment has them."""
    dynamodb = boto3.resource("dynamodb")
    for name in _TABLES:
        dynamodb.create_table(TableName=name, **definition(name))
    boto3.client("s3").create_bucket(Bucket=NAME)
    value = json.dumps(Tuning().as_dict())
    boto3.client("ssm").put_parameter(Name=f"/{NAME}/tuning", Value=value, Type="String")
    boto3.client("rekognition").create_project(ProjectName=NAME, Feature="CUSTOM_LABELS")
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = boto3.client("iam").create_role(RoleName=NAME, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    machine = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
    boto3.client("stepfunctions").create_state_machine(name=NAME, definition=machine, roleArn=role)


def _runs(tested: list[CatalogueImage], count: int) -> None:
    state = FencedState(boto3.resource("dynamodb").Table("loop"))
    counts = {f"part {number}": count // data.LABELS for number in range(data.LABELS)}
    summary = SnapshotSummary("detection", count - len(tested), len(tested), data.LABELS, counts, counts)
    for number in range(RUNS):
        at = clock.to_iso(clock.parse(clock.now()) - timedelta(hours=RUNS - number))
        version = f"v{number - RUNS + VERSIONS + 1}-0123456789ab" if number >= RUNS - VERSIONS else ""
        outcome = "promoted" if version else "rejected"
        run = Run(f"run-{number:04}", outcome=outcome, started_at=at, ended_at=at, images=summary)
        state.update_run(replace(run, version=version or None, f1=0.9, snapshot=SNAPSHOT))
        if version:
            scores = tuple(LabelScore(label, 0.9, 0.9, 0.9, 40, 0.3) for label in counts)
            state.update_version(
                ModelVersion(
                    version,
                    number=int(version[1:].partition("-")[0]),
                    arn=f"arn:aws:rekognition:us-east-1:0:project/p/version/{version}/1",
                    state="champion" if version == CHAMPION else "retired",
                    snapshot=SNAPSHOT,
                    run=run.id,
                    created_at=at,
                    f1=0.9,
                    f1_interval=(0.88, 0.92),
                    labels=scores,
                )
            )
    state.switch_champion(None, f"arn:aws:rekognition:us-east-1:0:project/p/version/{CHAMPION}/1", CHAMPION)


def _snapshot(tested: list[CatalogueImage]) -> None:
    lines = [entry_line(image.manifest_entry(NAME)) for image in tested]
    key = snapshot_files.manifest_key(SNAPSHOT, "TEST")
    services().s3.put_object(Bucket=NAME, Key=key, Body="\n".join(lines).encode())


def _seen(chance: random.Random, image: CatalogueImage) -> TestImage:
    """What a version saw: of ten boxes one with another label."""
    truths, detections = list[TrueObject](), list[Detection]()
    for box in image.boxes:
        sides = (
            box.left / image.width,
            box.top / image.height,
            box.width / image.width,
            box.height / image.height,
        )
        truths.append(TrueObject(box.label, RelativeBox(box.label, *sides)))
        label = f"part {chance.randrange(data.LABELS)}" if chance.random() < 0.1 else box.label
        detections.append(Detection(label, chance.uniform(0.3, 1), RelativeBox(label, *sides)))
    return TestImage(image.key, image.width, image.height, tuple(truths), tuple(detections))


def _answer(seen: Detection) -> dict[str, Any]:
    assert seen.box
    sides = {side: getattr(seen.box, side) for side in ("left", "top", "width", "height")}
    return {"label": seen.label, "confidence": 100 * seen.confidence, "box": sides}


def _issue(chance: random.Random, image: TestImage) -> LabelIssue:
    truth, seen = image.truths[0], image.detections[0]
    other = replace(seen, label=f"part {chance.randrange(data.LABELS)}")
    return LabelIssue(replace(image, detections=()), "wrong_label", truth, other, 0.9, effect=0.01)


def _production(chance: random.Random) -> None:
    observations, reviews = services().observations.table, services().reviews.table
    for day in range(DAYS):
        at = clock.to_iso(clock.parse(clock.now()) - timedelta(days=day))
        counts = Counts()
        for number in range(500):
            label = f"part {chance.randrange(data.LABELS)}"
            counts.add_observation(
                Observation(
                    f"{day:02}{number:06}",
                    at,
                    CHAMPION,
                    "detect",
                    f"detect/{number}.jpg",
                    "",
                    number % 5 == 0,
                    {label: 2},
                    chance.gauss(85, 8),
                    chance.uniform(0.1, 0.4),
                    thresholds_name({}),
                )
            )
        key = {"id": f"version#{CHAMPION}", "part": f"day#{at[:10]}#{thresholds_name({})}"}
        observations.put_item(Item=key | counting._item(counts))
        for stratum, right in (("sure", 19), ("unsure", 12)):
            precision = Precision(right, 20 - right, 1, 10, 10, 40, 2 * right, 2 * right)
            part = f"day#{at[:10]}#detect#{stratum}"
            request: Any = add_request(reviews.name, f"precision#{CHAMPION}", part, vars(precision))
            reviews.meta.client.update_item(**request)


def _tasks(newest: deque[CatalogueImage]) -> None:
    with services().reviews.table.batch_writer() as batch:
        for number in range(OPEN_TASKS):
            image = newest[number % len(newest)]
            now = clock.now()
            sides = image.width, image.height
            task = Task(f"{number:032x}", image.sha256, image.key, *sides, "detection", created_at=now)
            batch.put_item(Item=as_item(replace(task, available_at=now)))
