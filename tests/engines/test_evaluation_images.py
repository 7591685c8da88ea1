"""The evaluations of two trainings, image by image, read as the engine writes them."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from lambdas.domain.engines import evaluation_images
from lambdas.domain.engines.evaluation_images import Evaluated
from lambdas.domain.shared import comparison
from lambdas.domain.shared.comparison import Counts
from learning import evaluation_files
from local.engine.manifests import lines as manifest_lines
from local.engine.manifests.lines import Task
from tests.fixtures.deployment import BUCKET, World

ENDED = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
BOX = {"left": 10, "top": 10, "width": 50, "height": 50}


def boxes(name: str, *labels: str) -> dict[str, Any]:
    """A manifest line with a box of each label."""
    return {
        "source-ref": f"s3://{BUCKET}/images/{name}.jpg",
        "boxes": {
            "image_size": [{"width": 200, "height": 100, "depth": 3}],
            "annotations": [{"class_id": number, **BOX} for number, _ in enumerate(labels)],
        },
        "boxes-metadata": {
            "objects": [{"confidence": 1} for _ in labels],
            "class-map": {str(number): label for number, label in enumerate(labels)},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "creation-date": "2026-01-01T00:00:00",
        },
    }


def whole(name: str, label: str) -> dict[str, Any]:
    """A manifest line with a label of the whole image."""
    metadata = {
        "class-name": label,
        "confidence": 1,
        "type": "groundtruth/image-classification",
        "human-annotated": "yes",
        "creation-date": "2026-01-01T00:00:00",
    }
    return {"source-ref": f"s3://{BUCKET}/images/{name}.jpg", "label": 1, "label-metadata": metadata}


def judged(label: str, confidence: float, present: bool) -> dict[str, Any]:
    return {"label": label, "confidence": confidence, "present": present, "box": BOX}


def evaluated(
    world: World, version: str, task: Task, *images: tuple[dict[str, Any], list[dict[str, Any]]]
) -> Evaluated:
    """What is read of a version whose evaluation has these verdicts about these lines."""
    lines = [manifest_lines.parse(json.dumps(line)) for line, _ in images]
    thresholds = {"cat": 0.5, "dog": 0.5}
    written = evaluation_files.testing_snapshot(
        lines, task, [verdicts for _, verdicts in images], thresholds, ENDED
    )
    key = f"training/{version}/tested.json"
    world.s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(written).encode())
    asset = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}
    world.fake.add_version(version, "TRAINING_COMPLETED", TestingDataResult={"Output": {"Assets": [asset]}})
    described = world.fake.engine.describe_version(version)
    assert described is not None
    return evaluation_images.read(world.s3, described)


@pytest.mark.parametrize(
    ("task", "line"), [("detection", boxes("a", "cat", "dog")), ("classification", whole("a", "cat"))]
)
def test_verdicts_are_counted_by_the_assumed_threshold(
    task: Task, line: dict[str, Any], world: World
) -> None:
    verdicts = [
        judged("cat", 90, present=True),
        judged("dog", 40, present=True),
        judged("dog", 70, present=False),
        judged("cat", 20, present=False),
    ]
    (image,) = evaluated(world, "v1", task, (line, verdicts)).values()
    counts = {label: counted for label, counted in image.counts.items() if any(counted)}
    assert counts == {"cat": Counts(right=1), "dog": Counts(wrong=1, missed=1)}


def test_two_versions_are_compared_on_the_images_of_both(world: World) -> None:
    right, missed = [judged("cat", 90, present=True)], [judged("cat", 0, present=True)]
    older = evaluated(world, "v1", "detection", *((boxes(name, "cat"), right) for name in "abcdef"))
    newer = evaluated(world, "v2", "detection", *((boxes(name, "cat"), missed) for name in "efgh"))
    mine, theirs = evaluation_images.shared(newer, older)
    assert len(mine) == len(theirs) == 2
    assert (comparison.f1(mine), comparison.f1(theirs)) == (0, 1)


def test_an_image_that_was_labelled_otherwise_is_not_compared(world: World) -> None:
    right = [judged("cat", 90, present=True)]
    older = evaluated(world, "v1", "detection", (boxes("a", "cat"), right), (boxes("b", "cat"), right))
    newer = evaluated(world, "v2", "detection", (boxes("a", "cat"), right), (boxes("b", "dog"), right))
    assert len(evaluation_images.shared(newer, older)[0]) == 1


def test_a_line_of_another_form_is_left_out(world: World) -> None:
    right = [judged("cat", 90, present=True)]
    evaluated(world, "v1", "detection", (boxes("a", "cat"), right))
    key = "training/v1/tested.json"
    written = world.read(key)
    good = json.loads(written)
    without_details = good | {"source-ref": "b"}
    del without_details["rekognition-custom-labels-evaluation-metadata"]["objects"][0][
        "rekognition-custom-labels-evaluation-details"
    ]
    lines = [json.dumps(without_details), "[]", "{", "", '{"source-ref": 3}', written]
    world.s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(lines).encode())
    version = world.fake.engine.describe_version("v1")
    assert version is not None
    images = evaluation_images.read(world.s3, version)
    assert images[f"s3://{BUCKET}/images/a.jpg"].counts == {"cat": Counts(right=1)}
    assert "b" not in images


def test_versions_without_an_evaluation_have_nothing_in_common(world: World) -> None:
    world.fake.add_version("v1", "TRAINING_COMPLETED")
    asset = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "gone"}}}
    world.fake.add_version("v2", "TRAINING_COMPLETED", TestingDataResult={"Output": {"Assets": [asset]}})
    for name in ("v1", "v2"):
        version = world.fake.engine.describe_version(name)
        assert version is not None
        assert evaluation_images.read(world.s3, version) == {}
    assert evaluation_images.shared({}, {}) == ([], [])
