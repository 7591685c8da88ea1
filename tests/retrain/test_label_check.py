"""Label issues that a run finds and keeps: from which predictions, about which images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lambdas import retrain
from lambdas.domain.evaluation import issue_file, shadow_answers
from lambdas.domain.evaluation.issue_file import KeptIssues
from tests.fixtures.deployment import BUCKET, World
from tests.fixtures.rekognition import label
from tests.retrain.test_handlers import call, evaluated, snapshot, the_run

TRAINING, EVALUATION = "rekognition-custom-labels-training-0", "rekognition-custom-labels-evaluation-0"


def line(key: str, truth: str, seen: str) -> str:
    details = {"is-true-positive": truth == seen, "is-false-positive": truth != seen}
    return json.dumps(
        {
            "source-ref": f"s3://{BUCKET}/{key}",
            TRAINING: 1,
            f"{TRAINING}-metadata": {"class-name": truth},
            EVALUATION: 0,
            f"{EVALUATION}-metadata": {
                "class-name": seen,
                "confidence": 0.9,
                "rekognition-custom-labels-evaluation-details": details,
            },
        }
    )


def images_of(world: World, snapshot_id: str, dataset: str) -> dict[str, str]:
    """The labels of a dataset's images, by their keys."""
    lines = world.read(f"datasets/{snapshot_id}/{dataset}.manifest").splitlines()
    entries = [json.loads(text) for text in lines]
    return {
        entry["source-ref"].removeprefix(f"s3://{BUCKET}/"): next(
            value["class-name"] for name, value in entry.items() if name.endswith("-metadata")
        )
        for entry in entries
    }


def leave(
    world: World, seen: Mapping[str, str], truth: Mapping[str, str], name: str = "TestingGroundTruth"
) -> None:
    """Leave a file of the training of v1, with what was seen in these images."""
    key = f"training/v1/{name}-p-v1.json"
    lines = [line(image, truth[image], label) for image, label in seen.items()]
    world.s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(lines).encode())
    if name == "TestingGroundTruth":
        asset = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}
        world.fake.versions["v1"]["TestingDataResult"] = {"Output": {"Assets": [asset]}}


def check(world: World, snapshot_id: str) -> tuple[dict[str, Any], KeptIssues]:
    answer = call(retrain.find_label_issues, run=the_run(world), version="v1", snapshot=snapshot_id)
    kept = issue_file.read(world.s3, BUCKET, "v1")
    assert kept is not None
    return answer, kept


def test_training_images_are_looked_at_by_who_has_not_learned_from_them(world: World) -> None:
    made = snapshot(world)
    evaluated(world, "v1", made, 0.9, cat=0.9, dog=0.9)
    train, test = images_of(world, made, "train"), images_of(world, made, "test")
    wrong_train, wrong_test = next(iter(train)), next(iter(test))
    leave(world, test, test)
    other = {"cat": "dog", "dog": "cat"}
    seen = {**train, **test} | {key: other[{**train, **test}[key]] for key in (wrong_train, wrong_test)}
    leave(world, seen, {**train, **test}, "HeldOutPredictions")
    answer, kept = check(world, made)
    assert answer == {"issues": 2, "images": {"TEST": len(test), "TRAIN": len(train)}, "asked": 0}
    issues = {(one.image.key, one.dataset): one for one in kept.issues}
    assert issues.keys() == {(wrong_test, "TEST"), (wrong_train, "TRAIN")}
    # A test image is a larger share of its dataset than a training image is of its own.
    assert issues[wrong_test, "TEST"].effect > issues[wrong_train, "TRAIN"].effect
    assert world.fake.called("detect_custom_labels") == []


def test_a_running_champion_is_asked_about_new_training_images_within_its_budget(world: World) -> None:
    before = snapshot(world)
    world.champion("v0", snapshot=before)
    for number in range(6):
        world.image(f"new {number}", "cat")
    made = str(call(retrain.snapshot, run=the_run(world), force=False)["id"])
    new = images_of(world, made, "train").keys() - images_of(world, before, "train").keys()
    assert len(new) > 3, "else there is nothing to choose from"
    evaluated(world, "v1", made, 0.9, cat=0.9, dog=0.9)
    world.fake.finds = lambda version, key: [label("dog", 95)]
    world.tune(label_check_detections=3)
    answer, kept = check(world, made)
    asked = {call["Image"]["S3Object"]["Name"] for call in world.fake.called("detect_custom_labels")}
    assert answer["asked"] == len(asked) == 3
    assert asked <= new
    assert {one.image.key for one in kept.issues} == asked
    assert {(one.dataset, one.seen_by, one.issue_type) for one in kept.issues} == {
        ("TRAIN", "champion", "wrong_label")
    }
    assert check(world, made)[0]["asked"] == 3
    assert len(world.fake.called("detect_custom_labels")) == 3, "what is known is not asked again"
    assert asked == shadow_answers.read(world.s3, BUCKET, "v0").keys()


def test_what_was_paid_for_is_kept_whatever_follows(world: World) -> None:
    before = snapshot(world)
    world.champion("v0", snapshot=before)
    for number in range(6):
        world.image(f"new {number}", "cat")
    made = str(call(retrain.snapshot, run=the_run(world), force=False)["id"])
    evaluated(world, "v1", made, 0.9, cat=0.9, dog=0.9)
    asked: list[str] = []

    def finds(version: str, key: str) -> list[dict[str, Any]]:
        if len(asked) == 2:
            raise ConnectionResetError
        asked.append(key)
        return [label("dog", 95)]

    world.fake.finds = finds
    with pytest.raises(ConnectionResetError):
        check(world, made)
    assert list(shadow_answers.read(world.s3, BUCKET, "v0")) == asked


def test_an_image_that_is_gone_or_cannot_be_read_ends_no_look_at_the_others(world: World) -> None:
    before = snapshot(world)
    world.champion("v0", snapshot=before)
    for number in range(6):
        world.image(f"new {number}", "cat")
    made = str(call(retrain.snapshot, run=the_run(world), force=False)["id"])
    evaluated(world, "v1", made, 0.9, cat=0.9, dog=0.9)
    world.fake.finds = lambda version, key: [label("dog", 95)]
    world.fake.fail_next("detect_custom_labels", "InvalidS3ObjectException", "InvalidImageFormatException")
    asked = check(world, made)[0]["asked"]
    assert asked == len(world.fake.called("detect_custom_labels")) - 2 > 0


def test_a_champion_that_sleeps_or_may_not_be_asked_is_not(world: World) -> None:
    before = snapshot(world)
    world.champion("v0", "STOPPED", snapshot=before)
    for number in range(6):
        world.image(f"new {number}", "cat")
    made = str(call(retrain.snapshot, run=the_run(world), force=False)["id"])
    evaluated(world, "v1", made, 0.9, cat=0.9, dog=0.9)
    assert check(world, made)[0]["asked"] == 0
    world.tune(label_check_detections=0)
    requests = len(world.fake.called("detect_custom_labels"))
    check(world, made)
    assert len(world.fake.called("detect_custom_labels")) == requests


def test_images_that_look_the_same_contradict_each_other(world: World) -> None:
    for name, shown in (("one", "cat"), ("two", "dog")):
        world.image(name, shown, looks=0xF0F0F0F0F0F0F0F0)
    made = snapshot(world)
    evaluated(world, "v1", made, 0.9, cat=0.9, dog=0.9)
    _, kept = check(world, made)
    assert {(one.truth and one.truth.label, one.seen_by, one.mistakenness) for one in kept.issues} == {
        ("cat", "near_duplicate", 0.5),
        ("dog", "near_duplicate", 0.5),
    }
    first, second = kept.issues
    assert (first.twin, second.twin) == (second.image.key, first.image.key)
