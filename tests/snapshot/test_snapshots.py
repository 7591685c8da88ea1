"""Dataset snapshots: immutable, named by content, split for ever."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from lambdas.domain.catalogue import curation, split_ledger
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.snapshot_rows import Row
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import DATASET_TYPES, Box
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import snapshots, split
from lambdas.domain.snapshot.assignment import Assignment, Images
from lambdas.domain.snapshot.snapshots import Snapshot
from local.engine.manifests import lines as manifest_lines
from tests.fixtures.deployment import BUCKET, World

SNAPSHOT = Snapshot(
    id="s",
    kind="classification",
    train_images=20,
    test_images=4,
    train_labels={"cat": 10, "dog": 10},
    test_labels={"cat": 2, "dog": 2},
)


def make(world: World) -> Snapshot:
    return snapshots.make(world.catalogue, world.s3, BUCKET)


def sources(world: World, snapshot: Snapshot, dataset_type: str) -> list[str]:
    lines = world.read(f"datasets/{snapshot.id}/{dataset_type}.manifest").splitlines()
    return [json.loads(line)["source-ref"] for line in lines]


# Making


@pytest.mark.long
def test_a_snapshot_holds_every_labelled_image_once(world: World) -> None:
    names = world.images("cat", 10) + world.images("dog", 5)
    world.image("unlabelled", status="unlabelled")
    world.image("conflict", "cat", status="conflict")
    made = make(world)
    train, test = sources(world, made, "train"), sources(world, made, "test")
    assert sorted(train + test) == sorted(f"s3://{BUCKET}/images/{name}.jpg" for name in names)
    assert (made.kind, made.train_images, made.test_images) == ("classification", len(train), len(test))
    assert made.train_labels == {"cat": 8, "dog": 4}
    assert made.test_labels == {"cat": 2, "dog": 1}
    assert made.left_out == {}
    assert made.manifest_bytes == {
        dataset_type: len(world.read(f"datasets/{made.id}/{dataset_type.lower()}.manifest").encode())
        for dataset_type in DATASET_TYPES
    }
    assert train == sorted(train)
    assert snapshots.read(world.s3, BUCKET, made.id) == made
    assert (
        list(snapshots.entries(world.s3, BUCKET, made.id, "TEST"))
        == world.read(f"datasets/{made.id}/test.manifest").splitlines()
    )


def test_a_snapshot_counts_whose_labels_it_has(world: World) -> None:
    names = world.images("cat", 6)
    for sha256, by in zip(names, ("review by Ann", "review by Ann", "ben"), strict=False):
        curation.relabel(world.catalogue, sha256, "classification", ("dog",), (), by)
    made = make(world)
    assert made.labelled_by == {"Ann": 2, "ben": 1}
    assert made.origins == {"person": 3, "": 3}
    assert snapshots.read(world.s3, BUCKET, made.id) == made


@pytest.mark.long
def test_the_same_content_has_the_same_id(world: World) -> None:
    world.images("cat", 6)
    first = make(world)
    second = make(world)
    assert second.id == first.id
    assert replace(second, cutoff=first.cutoff) == first
    assert second.cutoff > first.cutoff


@pytest.mark.long
def test_other_content_has_another_id_and_leaves_the_old_one(world: World) -> None:
    names = world.images("cat", 6)
    first = make(world)
    manifests = {key: world.read(key) for key in world.keys(f"datasets/{first.id}/")}
    assert len(manifests) == 5
    world.image("cat 0", "dog")
    second = make(world)
    world.image("another", "cat")
    third = make(world)
    assert len({first.id, second.id, third.id}) == 3
    assert {key: world.read(key) for key in manifests} == manifests
    assert len(names) == 6


@pytest.mark.long
def test_an_assignment_is_for_ever(world: World) -> None:
    """Whatever comes, and however an image is labelled anew."""
    world.images("cat", 20)
    make(world)
    before = world.splits()
    assert Counter(before.values()) == {"TRAIN": 16, "TEST": 4}
    world.images("dog", 30)
    world.image("cat 3", "dog")
    make(world)
    world.images("cat", 20)
    make(world)
    after = world.splits()
    assert {name: after[name] for name in before} == before
    assert len(after) == 50


@pytest.mark.long
def test_an_image_under_dispute_leaves_and_comes_back_to_its_dataset(world: World) -> None:
    (name, *_) = world.images("cat", 10)
    first = make(world)
    dataset_type = world.splits()[name]
    world.image("cat 0", "cat", status="conflict")
    without = make(world)
    assert without.train_images + without.test_images == 9
    world.image("cat 0", "cat")
    again = make(world)
    assert again.train_images == first.train_images
    assert world.splits()[name] == dataset_type


def test_what_changes_after_the_cutoff_is_not_in_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.images("cat", 4)
    monkeypatch.setattr(clock, "now", lambda: "2020-01-01T00:00:00.000000Z")
    made = make(world)
    assert (made.train_images, made.test_images) == (0, 0)
    assert made.cutoff == "2020-01-01T00:00:00.000000Z"
    assert world.splits() == {}


def test_nothing_at_all_is_a_snapshot_too(world: World) -> None:
    made = make(world)
    assert (made.train_images, made.test_images, made.test_labels) == (0, 0, {})
    assert world.read(f"datasets/{made.id}/train.manifest") == ""


# Near-duplicates and wishes

LOOKS = 0x123456789ABCDEF0


def groups(world: World, snapshot: Snapshot) -> dict[str, str]:
    """Group of each image, by its key."""
    return {
        image.key.removeprefix("images/").removesuffix(".jpg"): image.group
        for dataset_type in DATASET_TYPES
        for image in snapshots.images(world.s3, BUCKET, snapshot.id, dataset_type)
    }


def test_the_images_lie_beside_their_entries(world: World) -> None:
    world.images("cat", 9)
    world.image("alike", "cat", looks=LOOKS)
    world.image("alike too", "cat", looks=LOOKS ^ 0b1111)
    made = make(world)
    for dataset_type, count in zip(DATASET_TYPES, (made.train_images, made.test_images), strict=True):
        images = list(snapshots.images(world.s3, BUCKET, made.id, dataset_type))
        entries = [json.loads(line) for line in snapshots.entries(world.s3, BUCKET, made.id, dataset_type)]
        assert [f"s3://{BUCKET}/{image.key}" for image in images] == [
            entry["source-ref"] for entry in entries
        ]
        assert len(images) == count
        assert {(image.width, image.height) for image in images} == {(100, 100)}
        dates = [entry["label-0-metadata"]["creation-date"] + "Z" for entry in entries]
        assert [image.changed_at for image in images] == dates
    looks = {image.perceptual_hash for image in snapshots.images(world.s3, BUCKET, made.id, "TRAIN")}
    assert f"{LOOKS:016x}" in looks


@pytest.mark.long
def test_near_duplicates_are_in_one_dataset(world: World) -> None:
    world.images("cat", 40)
    alike = [world.image(f"alike {number}", "cat", looks=LOOKS ^ 1 << number) for number in range(10)]
    made = make(world)
    assert len({world.splits()[name] for name in alike}) == 1
    grouped = groups(world, made)
    assert {grouped[name] for name in alike} == {min(alike)[:16]}
    assert {group for name, group in grouped.items() if name not in alike} == {""}
    assert made.crossing_groups == 0


@pytest.mark.long
def test_tiles_of_one_image_are_in_one_dataset_and_no_near_duplicates(world: World) -> None:
    """The report would complain of them, as they look alike by their hashes and have other labels."""
    world.images("cat", 40)
    tiles = [world.image(f"tile {n}", "cat", looks=LOOKS, origin=f"whole#{n},0,9,9") for n in range(10)]
    made = make(world)
    assert len({world.splits()[name] for name in tiles}) == 1
    assert set(groups(world, made).values()) == {""}


@pytest.mark.long
@pytest.mark.parametrize("gone", [False, True])
def test_a_near_duplicate_that_comes_later_takes_the_dataset_that_there_is(world: World, gone: bool) -> None:
    """Also that of an image that is out of the dataset at present, for it may come back."""
    names = [world.image(f"cat {number}", "cat", looks=LOOKS ^ 0xFF << number * 8) for number in range(8)]
    make(world)
    before = world.splits()
    assert set(before.values()) == {"TRAIN", "TEST"}
    if gone:
        for number in range(8):
            world.image(f"cat {number}", "cat", status="excluded")
    later = [
        world.image(f"later {number}", "cat", looks=LOOKS ^ 0xFF << number * 8 ^ 1 << (number * 8 + 9) % 64)
        for number in range(8)
    ]
    make(world)
    assert [world.splits()[name] for name in later] == [before[name] for name in names]


def test_a_thousand_images_that_look_the_same() -> None:
    """However many they are, each is looked at a few times."""
    rows = (
        Row(f"images/{number:064x}.jpg", 80, 70, f"{LOOKS:016x}", "", "classification", ("cat",), "", "")
        for number in range(1000)
    )
    images = Images()
    for row in rows:
        images.add(row)
    real = Assignment._present
    with patch.object(Assignment, "_present", autospec=True, side_effect=real) as members:
        assignment = Assignment(images, split_ledger.Ledger({}))
        assert {assignment.group(index) for index in range(1000)} == {"0" * 16}
        assert {assignment.dataset_type(index) for index in range(1000)} == {"TRAIN"}
        assert assignment.crossing_groups() == 0
    assert members.call_count <= 2


@pytest.mark.long
def test_a_dataset_that_was_asked_for_is_given(world: World) -> None:
    world.images("cat", 10)
    train = [world.image(f"train {number}", "cat", wanted="TRAIN") for number in range(5)]
    test = [world.image(f"test {number}", "cat", wanted="TEST") for number in range(15)]
    make(world)
    assert {world.splits()[name] for name in train} == {"TRAIN"}
    assert {world.splits()[name] for name in test} == {"TEST"}
    world.image("test 3", "cat", wanted="TRAIN")
    make(world)
    assert world.splits()[test[3]] == "TEST", "it was assigned before"


@pytest.mark.long
def test_a_group_goes_where_one_of_it_was_asked_to(world: World) -> None:
    world.images("cat", 10)
    names = [world.image(f"alike {number}", "cat", looks=LOOKS ^ 1 << number) for number in range(5)]
    names.append(world.image("wanted", "cat", looks=LOOKS, wanted="TEST"))
    make(world)
    assert {world.splits()[name] for name in names} == {"TEST"}


@pytest.mark.long
def test_a_group_that_is_asked_for_in_both_datasets_crosses(world: World) -> None:
    world.images("cat", 10)
    train = world.image("one", "cat", looks=LOOKS, wanted="TRAIN")
    test = world.image("other", "cat", looks=LOOKS, wanted="TEST")
    neither = world.image("third", "cat", looks=LOOKS)
    made = make(world)
    assert [world.splits()[name] for name in (train, test, neither)] == ["TRAIN", "TEST", "TRAIN"]
    assert made.crossing_groups == 1
    assert snapshots.read(world.s3, BUCKET, made.id).crossing_groups == 1


def test_more_test_images_than_custom_labels_takes_teach(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "MAX_TEST_IMAGES", 4)
    world.images("cat", 20)
    for number in range(3):
        world.image(f"wanted {number}", "cat", wanted="TEST")
    assert make(world).test_labels == {"cat": 4}
    for number in range(3, 6):
        world.image(f"wanted {number}", "cat", wanted="TEST")
    made = make(world)
    assert (made.test_labels, made.train_images) == ({"cat": 4}, 22)


@pytest.mark.long
def test_the_order_of_registration_decides_nothing(world: World) -> None:
    """Two deployments with the same images have the same split."""
    ordered = [(f"{label} {number}", label) for label in ("cat", "dog") for number in range(12)]
    for name, label in ordered:
        world.image(name, label)
    make(world)
    first = world.splits()
    for bucket in split_ledger.BUCKETS:
        world.catalogue.delete_item(Key={"id": f"split#{bucket}"})
    for name, _ in ordered:
        world.catalogue.delete_item(
            Key={"id": catalogue_images.image_id(hashlib.sha256(name.encode()).hexdigest())}
        )
    for name, label in reversed(ordered):
        world.image(name, label)
    make(world)
    assert world.splits() == first


@pytest.mark.long
def test_a_crash_between_two_writes_changes_nobody_s_dataset(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.images("cat", 30)
    real = split_ledger.Ledger.assign
    written: list[str] = []

    def crashing(ledger: split_ledger.Ledger, table: Any, bucket: str, new: Any) -> None:
        if len(written) == 10:
            raise RuntimeError("out of time")
        real(ledger, table, bucket, new)
        written.append(bucket)

    with monkeypatch.context() as crash:
        crash.setattr(split_ledger.Ledger, "assign", crashing)
        with pytest.raises(RuntimeError, match="out of time"):
            make(world)
    assert world.keys("datasets/") == []
    partly = world.splits()
    assert 10 <= len(partly) < 30
    made = make(world)
    after = world.splits()
    assert len(after) == 30
    assert {name: after[name] for name in partly} == partly
    assert (made.train_images, made.test_images) == (24, 6)


# Kinds


def box(label: str) -> Box:
    return Box(label, 10, 20, 30, 40)


@pytest.mark.parametrize(("boxed", "kind"), [(3, "classification"), (7, "detection")])
def test_of_mixed_kinds_the_more_frequent_is_trained_on(boxed: int, kind: str, world: World) -> None:
    world.images("cat", 5)
    for number in range(boxed):
        world.image(f"boxed {number}", boxes=(box("cat"), box("dog")))
    made = make(world)
    assert made.kind == kind
    assert made.train_images + made.test_images == max(boxed, 5)
    assert made.left_out == {f"not of the dataset's kind, {kind}": min(boxed, 5)}
    assert set(made.test_labels) == ({"cat", "dog"} if kind == "detection" else {"cat"})


def test_images_with_nothing_on_them_are_backgrounds_of_both_datasets(world: World) -> None:
    for number in range(10):
        world.image(f"boxed {number}", boxes=(box("cat"),))
    backgrounds = [world.image(f"empty {number}", boxes=()) for number in range(10)]
    made = make(world)
    assert (made.train_images, made.test_images) == (8, 2)
    assert (made.train_backgrounds, made.test_backgrounds) == (8, 2)
    assert (made.train_labels, made.test_labels, made.left_out) == ({"cat": 8}, {"cat": 2}, {})
    assert set(backgrounds) <= set(world.splits())
    assert made.summary().test_backgrounds == 2
    assert snapshots.read(world.s3, BUCKET, made.id) == made
    assert make(world).id == made.id


def test_a_background_s_entry_is_the_documented_one_that_the_engine_takes_and_does_not_learn_from(
    world: World,
) -> None:
    world.image("boxed", boxes=(box("cat"),))
    name = world.image("empty", boxes=())
    made = make(world)
    (line,) = [line for line in snapshots.entries(world.s3, BUCKET, made.id, "TRAIN") if name in line]
    entry = json.loads(line)
    assert entry["bounding-box"] == {
        "image_size": [{"width": 100, "height": 100, "depth": 3}],
        "annotations": [],
    }
    metadata = entry["bounding-box-metadata"]
    assert (metadata["objects"], metadata["class-map"]) == ([], {})
    assert (metadata["type"], metadata["human-annotated"]) == ("groundtruth/object-detection", "yes")
    read = manifest_lines.parse(line)
    assert (read.errors, manifest_lines.is_ignored(read, "detection")) == ((), True)
    codes = [warning["code"] for warning in read.annotated["warnings"]]
    assert codes == ["WARNING_NO_ANNOTATIONS"]


def test_a_classification_has_no_use_for_images_with_nothing_on_them(world: World) -> None:
    world.images("cat", 4)
    for number in range(9):
        world.image(f"empty {number}", boxes=())
    for number in range(2):
        world.image(f"no label fits {number}")
    made = make(world)
    assert made.kind == "classification", "nobody knows what to draw boxes around"
    assert (made.train_images, made.test_images) == (3, 1)
    assert (made.train_backgrounds, made.test_backgrounds) == (0, 0)
    assert made.left_out == {"nothing on the image": 11}
    assert len(world.splits()) == 4


def test_boxes_are_in_the_manifest_in_pixels(world: World) -> None:
    name = world.image("boxed", boxes=(box("cat"), box("dog")))
    made = make(world)
    (line,) = snapshots.entries(world.s3, BUCKET, made.id, "TRAIN")
    entry = json.loads(line)
    assert entry["source-ref"] == f"s3://{BUCKET}/images/{name}.jpg"
    assert entry["bounding-box"]["image_size"] == [{"width": 100, "height": 100, "depth": 3}]
    assert [a["left"] for a in entry["bounding-box"]["annotations"]] == [10, 10]


# Judging


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        (
            {"train_labels": {"cat": 20}, "test_labels": {"cat": 4}},
            "only one label, cat: a classification needs at least two",
        ),
        ({"kind": "detection", "train_labels": {"cat": 20}, "test_labels": {"cat": 4}}, ""),
        ({"train_images": 9}, "9 images to train with (4 more to test with), fewer than 10"),
        ({"train_images": 10}, ""),
        (
            {"test_labels": {"cat": 2, "dog": 0, "fox": 0}, "train_labels": {"cat": 10, "dog": 1, "fox": 1}},
            "no image to test with of: dog, fox; add images with these labels",
        ),
        (
            {"test_labels": {"cat": 2, "dog": 2}, "train_labels": {"cat": 10}},
            "no image to train with of: dog",
        ),
    ],
)
def test_why_a_training_would_be_wasted(changes: dict[str, Any], reason: str) -> None:
    assert snapshots.why_not_train(replace(SNAPSHOT, **changes), Tuning(min_training_images=10)) == reason


def test_a_snapshot_is_trained_once(world: World) -> None:
    assert not why_trained(world, SNAPSHOT)
    world.version("v1", snapshot="other", state="champion")
    for number, state in enumerate(("failed", "training", "trained", "challenger")):
        world.version(f"unjudged-{number}", snapshot="s", state=state)
    assert not why_trained(world, SNAPSHOT)
    world.version("v3", snapshot="s", state="rejected")
    assert why_trained(world, SNAPSHOT) == "nothing has changed since snapshot s was trained"


def test_a_version_that_was_released_has_trained_no_snapshot_here(world: World) -> None:
    world.version("v7-a-of-123456789012", snapshot="s", state="champion")
    assert not why_trained(world, SNAPSHOT)


def test_a_snapshot_may_be_trained_by_each_engine(world: World) -> None:
    world.version("v1-s", snapshot="s", state="champion")
    assert why_trained(world, SNAPSHOT, "rekognition")
    assert not why_trained(world, SNAPSHOT, "serverless")
    world.version("v2-s-serverless", snapshot="s", state="rejected")
    assert why_trained(world, SNAPSHOT, "serverless")


def why_trained(world: World, snapshot: Snapshot, engine: str = "", **more: bool) -> str:
    return snapshots.why_trained(world.s3, BUCKET, world.loop_state, snapshot, engine, **more)


@pytest.mark.long
def test_new_backgrounds_alone_are_not_worth_a_training(world: World) -> None:
    for number in range(4):
        world.image(f"boxed {number}", boxes=(box("cat"),))
    first = make(world)
    world.version("v1", snapshot=first.id, state="champion")
    world.image("empty", boxes=())
    second = make(world)
    assert second.id != first.id
    assert why_trained(world, second).startswith(
        f"only images with nothing on them have changed since snapshot {first.id} was trained"
    )
    assert not why_trained(world, second, learns_from_backgrounds=True)
    assert why_trained(world, first, learns_from_backgrounds=True)
    world.image("boxed, too", boxes=(box("cat"),))
    assert not why_trained(world, make(world))
