"""A deployment on an embedded stack with many images, and with what grows with them, to look at its console.

The catalogue's items are written straight into the stack's state, in the shape in which the code writes them:
by requests it would take an hour. Runs, versions, answers and counts go in by the code that keeps them.
"""

from __future__ import annotations

import io
import json
import random
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from PIL import Image

from benchmarks import data
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
from lambdas.domain.images import thumbnails
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
from lambdas.domain.snapshot import files as snapshot_files
from local import embedded
from local.console_client import ConsoleClient
from local.ministack_state.database import DATABASE, Change, Database
from local.people import Person, add_person
from tests.fixtures.deployed_loop import Loop

NAME = "many-images"
CHAMPION = "v12-0123456789ab"
SNAPSHOT = "0123456789abcdef"
TEST_SHARE = 5
"""One image in so many is tested with."""
NEWEST = 600
"""Images with thumbnails, those that the wall shows first."""
RUNS, VERSIONS, DAYS, OPEN_TASKS = 60, 12, 28, 2000
_PART = 20_000
_QUIET = {"min_new_images": "99999999"}
"""Nothing is to be trained here."""


@dataclass(frozen=True)
class Filled:
    """The deployment, an administrator's session, and what to ask for: a label, a hash, the end of a key."""

    loop: Loop
    person: Person
    client: ConsoleClient
    label: str
    sha256: str
    text: str


@contextmanager
def filled(home: Path, count: int) -> Iterator[Filled]:
    """A deployment with so many images, for as long as the block runs."""
    with embedded.stack_in(home) as stack:
        embedded.deploy(stack, name=NAME, context=_QUIET)
        loop = Loop(stack, NAME)
        person = add_person(stack, loop.outputs["UserPoolId"], "ann", ["administrators"])
        _fill_judgement(loop, count)
        table = loop.catalogue.table_arn
    _fill_catalogue(home / "state" / DATABASE, table, count)
    stack = embedded.start(home, keep=True)
    try:
        loop = Loop(stack, NAME)
        client = ConsoleClient(loop.outputs["ConsoleAddress"])
        client.sign_in(person.name, person.password)
        first = next(data.images(count))
        text = min(first.sources)[-12:]
        yield Filled(loop, person, client, first.label_names[0], first.sha256, text)
    finally:
        embedded.stop(home)


# Catalogue and ledger


def _fill_catalogue(file: Path, table: str, count: int) -> None:
    database = Database(file)
    changes: list[Change] = []
    serialize = TypeSerializer().serialize
    try:
        for item in _items(count):
            written = {name: serialize(value) for name, value in item.items()}
            # The table has no sort key: MiniStack's own word for that.
            key = json.dumps((item["id"], "__no_sort__"))
            changes.append(Change(f"item:{table}", key, json.dumps(written)))
            if len(changes) == _PART:
                database.write(changes)
                changes.clear()
        database.write(changes)
    finally:
        database.close()


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


def _fill_judgement(loop: Loop, count: int) -> None:
    chance = random.Random(1)  # noqa: S311 not for secrets
    newest = deque[CatalogueImage](maxlen=NEWEST)
    tested: list[CatalogueImage] = []
    for number, image in enumerate(data.images(count)):
        newest.append(image)
        if _dataset_type(number) == "TEST":
            tested.append(image)
    _thumbnails(loop, newest)
    _runs(loop, tested, count)
    _snapshot(loop, tested)
    seen = [_seen(chance, image) for image in tested[: shadow_answers.MAX_IMAGES]]
    answers = {image.key: [_answer(one) for one in image.detections] for image in seen}
    shadow_answers.keep(loop.s3, loop.bucket, CHAMPION, answers)
    issues = [_issue(chance, image) for image in seen[: issue_file.MAX_KEPT]]
    kept = KeptIssues(tuple(issues), {"TEST": len(tested)})
    issue_file.write(loop.s3, loop.bucket, CHAMPION, kept)
    _production(loop, chance)
    _tasks(loop, newest)


def _thumbnails(loop: Loop, images: deque[CatalogueImage]) -> None:
    picture = io.BytesIO()
    Image.effect_noise((320, 240), 40).convert("RGB").save(picture, "JPEG", quality=75)
    for image in images:
        key = thumbnails.key(image.sha256)
        loop.s3.put_object(Bucket=loop.bucket, Key=key, Body=picture.getvalue(), ContentType="image/jpeg")
        loop.s3.put_object(Bucket=loop.bucket, Key=image.key, Body=picture.getvalue())


def _runs(loop: Loop, tested: list[CatalogueImage], count: int) -> None:
    state = FencedState(loop.loop_state._table)
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


def _snapshot(loop: Loop, tested: list[CatalogueImage]) -> None:
    lines = [entry_line(image.manifest_entry(loop.bucket)) for image in tested]
    key = snapshot_files.manifest_key(SNAPSHOT, "TEST")
    loop.s3.put_object(Bucket=loop.bucket, Key=key, Body="\n".join(lines).encode())


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


def _production(loop: Loop, chance: random.Random) -> None:
    resource = loop.session.resource("dynamodb", endpoint_url=loop.stack.endpoint)
    observations = resource.Table(loop.resource("AWS::DynamoDB::Table", "Observations"))
    reviews = loop._table("ReviewTable")
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


def _tasks(loop: Loop, newest: deque[CatalogueImage]) -> None:
    with loop._table("ReviewTable").batch_writer() as batch:
        for number in range(OPEN_TASKS):
            image = newest[number % len(newest)]
            now = clock.now()
            sides = image.width, image.height
            task = Task(f"{number:032x}", image.sha256, image.key, *sides, "detection", created_at=now)
            batch.put_item(Item=as_item(replace(task, available_at=now)))
