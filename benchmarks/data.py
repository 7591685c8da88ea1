"""Dataset snapshots of 2,500 and of 250,000 images in the embedded stack's DynamoDB and S3."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box
from lambdas.domain.snapshot import snapshots
from local import embedded

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

FEW, MANY = 2_500, 250_000
"""Images; the latter are the most that Custom Labels trains a detection model with:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""
ROUNDS = 3
"""Of snapshots after the first, of which the median counts."""
LABELS = 250
LIMIT_S, LIMIT_MB, LIMIT_RATIO = 60, 512, 1.2

Run = dict[str, Any]
"""Seconds that a snapshot took, and megabytes at its peak."""


def measure() -> None:
    """A first snapshot, which assigns every image, and a second one; each in a process of its own."""
    with tempfile.TemporaryDirectory() as home, embedded.stack_in(Path(home)) as stack:
        environment = os.environ | stack.environment
        for count in (FEW, MANY):
            _run("fill", f"data-{count}", count, environment)
        first = {count: _snapshot(count, environment) for count in (FEW, MANY)}
        # By turns, as the machine is not always equally fast.
        again: dict[int, list[Run]] = {FEW: [], MANY: []}
        for _ in range(ROUNDS):
            again[FEW] += [_snapshot(FEW, environment) for _ in range(ROUNDS)]
            again[MANY].append(_snapshot(MANY, environment))
    results = {count: (first[count], _median(again[count])) for count in (FEW, MANY)}
    for count, runs in results.items():
        for turn, run in zip(("first", "again"), runs, strict=True):
            figures = f"{run['seconds']:6.2f} s, {1e6 * run['seconds'] / count:6.1f} us an image"
            print(f"  {count:7,} images, {turn}: {figures}, peak {run['mb']:.0f} MB")
    ratios = [
        many["seconds"] / few["seconds"] * FEW / MANY
        for few, many in zip(results[FEW], results[MANY], strict=True)
    ]
    print(f"  an image of many to one of few: {ratios[0]:.2f} first, {ratios[1]:.2f} again")
    print(f"  limits: {LIMIT_S} s, {LIMIT_MB} MB, {LIMIT_RATIO}")


def _snapshot(count: int, environment: dict[str, str]) -> Run:
    return _run("snapshot", f"data-{count}", count, environment)


def _median(runs: list[Run]) -> Run:
    return sorted(runs, key=lambda run: float(run["seconds"]))[len(runs) // 2]


def _run(step: str, name: str, count: int, environment: dict[str, str]) -> Run:
    command = [sys.executable, "-m", "benchmarks.data", step, name, str(count)]
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    result: Run = json.loads(output)
    return result


def fill(name: str, count: int) -> dict[str, Any]:
    """A bucket and a catalogue with so many images, one in ten a near-duplicate of another."""
    boto3.client("s3").create_bucket(Bucket=name)
    with create_table(name).batch_writer() as batch:
        for image in images(count):
            batch.put_item(Item=catalogue_images.as_item(image))
    return {}


def snapshot(name: str, count: int) -> dict[str, Any]:
    """Seconds that a snapshot takes, and what the process needs at its peak."""
    table, s3 = boto3.resource("dynamodb").Table(name), boto3.client("s3")
    table.load()
    began = time.perf_counter()
    made = snapshots.make(table, s3, name)
    seconds = time.perf_counter() - began
    if made.train_images + made.test_images != count:
        raise SystemExit(f"{made.summary()}: {count} images were expected")
    return {"seconds": seconds, "mb": _peak_mb()}


def _peak_mb() -> float:
    """Linux's own figure, as getrusage's begins with what the process had that started this one."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def create_table(name: str) -> Table:
    """The catalogue's table with its indexes."""
    sorts = {"by_status": "changed_at", "by_status_and_id": "id"}
    included = {"by_status": ["key", "conflict_reason"], "by_status_and_id": ["row"]}
    return boto3.resource("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in ("id", "status", "changed_at")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": "status", "KeyType": "HASH"},
                    {"AttributeName": sort, "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": included[index]},
            }
            for index, sort in sorts.items()
        ],
    )


def images(count: int) -> Iterator[CatalogueImage]:
    """So many images, one in ten a near-duplicate of another; the same for each call but for their times."""
    chance = random.Random(count)  # noqa: S311 not for secrets
    looks = 0
    for _ in range(count):
        looks = looks ^ 1 << chance.randrange(64) if chance.random() < 0.1 else chance.getrandbits(64)
        sha256 = f"{chance.getrandbits(256):064x}"
        labels = [f"part {chance.randrange(LABELS)}" for _ in range(chance.randint(1, 4))]
        yield CatalogueImage(
            sha256=sha256,
            key=f"images/{sha256}.jpg",
            width=1280,
            height=960,
            format="JPEG",
            bytes=200_000,
            registered_at=clock.now(),
            perceptual_hash=f"{looks:016x}",
            sources=frozenset({f"incoming/annotations/{sha256[:8]}.jpg"}),
            status="labelled",
            kind="detection",
            boxes=tuple(Box(label, chance.randrange(1000), 20, 200, 300) for label in labels),
            label_origin="annotation",
            annotation_order=clock.now(),
            changed_at=clock.now(),
            revision=1,
        )


if __name__ == "__main__":
    print(json.dumps({"fill": fill, "snapshot": snapshot}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))))
