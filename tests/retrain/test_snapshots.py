"""Dataset snapshots: immutable, named by content, split for ever; and how the datasets come to them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain import catalogue, clock, custom_labels, snapshots
from lambdas.domain.custom_labels import CustomLabelsError
from lambdas.domain.manifests import Box
from lambdas.domain.snapshots import Snapshot
from lambdas.domain.tuning import Tuning
from tests.retrain.world import BUCKET, PROJECT, World

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


def sources(world: World, snapshot: Snapshot, side: str) -> list[str]:
    lines = world.read(f"datasets/{snapshot.id}/{side}.manifest").splitlines()
    return [json.loads(line)["source-ref"] for line in lines]


# Making


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
    assert train == sorted(train)
    assert snapshots.read(world.s3, BUCKET, made.id) == made
    assert (
        list(snapshots.entries(world.s3, BUCKET, made.id, "TEST"))
        == world.read(f"datasets/{made.id}/test.manifest").splitlines()
    )


def test_the_same_content_has_the_same_id(world: World) -> None:
    world.images("cat", 6)
    first = make(world)
    second = make(world)
    assert second.id == first.id
    assert replace(second, cutoff=first.cutoff) == first
    assert second.cutoff > first.cutoff


def test_other_content_has_another_id_and_leaves_the_old_one(world: World) -> None:
    names = world.images("cat", 6)
    first = make(world)
    manifests = {key: world.read(key) for key in world.keys(f"datasets/{first.id}/")}
    assert len(manifests) == 3
    world.image("cat 0", "dog")
    second = make(world)
    world.image("another", "cat")
    third = make(world)
    assert len({first.id, second.id, third.id}) == 3
    assert {key: world.read(key) for key in manifests} == manifests
    assert len(names) == 6


def test_a_side_is_for_ever(world: World) -> None:
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
    assert "UNASSIGNED" not in after.values()


def test_an_image_under_dispute_leaves_and_comes_back_to_its_side(world: World) -> None:
    (name, *_) = world.images("cat", 10)
    first = make(world)
    side = world.splits()[name]
    world.image("cat 0", "cat", status="conflict")
    without = make(world)
    assert without.train_images + without.test_images == 9
    world.image("cat 0", "cat")
    again = make(world)
    assert again.train_images == first.train_images
    assert world.splits()[name] == side


def test_what_changes_after_the_cutoff_is_not_in_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.images("cat", 4)
    monkeypatch.setattr(clock, "now", lambda: "2020-01-01T00:00:00.000000Z")
    made = make(world)
    assert (made.train_images, made.test_images) == (0, 0)
    assert made.cutoff == "2020-01-01T00:00:00.000000Z"
    assert set(world.splits().values()) == {"UNASSIGNED"}


def test_nothing_at_all_is_a_snapshot_too(world: World) -> None:
    made = make(world)
    assert (made.train_images, made.test_images, made.test_labels) == (0, 0, {})
    assert world.read(f"datasets/{made.id}/train.manifest") == ""


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
    assert made.left_out == {f"not of the data set's kind, {kind}": min(boxed, 5)}
    assert set(made.test_labels) == ({"cat", "dog"} if kind == "detection" else {"cat"})


def test_images_with_nothing_on_them_are_left_out_and_counted(world: World) -> None:
    for number in range(4):
        world.image(f"boxed {number}", boxes=(box("cat"),))
    backgrounds = [world.image(f"empty {number}", boxes=()) for number in range(3)]
    made = make(world)
    assert (made.train_images, made.test_images) == (3, 1)
    assert made.left_out == {"nothing on the image": 3}
    assert {world.splits()[name] for name in backgrounds} == {"UNASSIGNED"}
    assert make(world).left_out == made.left_out


def test_boxes_are_in_the_manifest_in_pixels(world: World) -> None:
    name = world.image("boxed", boxes=(box("cat"), box("dog")))
    made = make(world)
    (line,) = snapshots.entries(world.s3, BUCKET, made.id, "TRAIN")
    entry = json.loads(line)
    assert entry["source-ref"] == f"s3://{BUCKET}/images/{name}.jpg"
    assert entry["bounding-box"]["image_size"] == [{"width": 100, "height": 100, "depth": 3}]
    assert [a["left"] for a in entry["bounding-box"]["annotations"]] == [10, 10]


def test_an_image_that_the_index_shows_twice_is_taken_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index of DynamoDB is eventually consistent: an image may stand on its old and on its new side."""
    world.images("cat", 5)
    first = make(world)
    stale = list(catalogue.labelled_images(world.catalogue, "TRAIN"))
    real = catalogue.labelled_images
    monkeypatch.setattr(
        catalogue,
        "labelled_images",
        lambda table, split: iter(stale) if split == "UNASSIGNED" else real(table, split),
    )
    again = make(world)
    assert again.id == first.id
    assert (again.train_images, again.test_images) == (first.train_images, first.test_images)


# Judging


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        (
            {"train_images": 0, "test_images": 0, "train_labels": {}, "test_labels": {}},
            "no image has a label yet",
        ),
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
    assert not snapshots.is_trained(world.records, SNAPSHOT)
    world.version("v1", snapshot="other", state="champion")
    world.version("v2", snapshot="s", state="failed")
    assert not snapshots.is_trained(world.records, SNAPSHOT)
    world.version("v3", snapshot="s", state="refused")
    assert snapshots.is_trained(world.records, SNAPSHOT)


# Bringing the datasets to a snapshot


def sync(world: World, snapshot: Snapshot | str) -> bool:
    datasets = snapshots.Datasets(world.fake.client, world.s3, world.records, PROJECT, BUCKET)
    return datasets.sync(snapshot if isinstance(snapshot, str) else snapshot.id)


def until_synced(world: World, snapshot: Snapshot, rounds: int = 6) -> int:
    """How often `sync` had to be called."""
    for number in range(rounds):
        if sync(world, snapshot):
            return number + 1
        world.fake.finish()
    raise AssertionError("the datasets do not get ready")


def test_datasets_are_created_from_the_manifests(world: World) -> None:
    world.images("cat", 6)
    made = make(world)
    assert not sync(world, made)
    assert {kind: found["manifest"] for kind, found in world.fake.datasets.items()} == {
        "TRAIN": {"Bucket": BUCKET, "Name": f"datasets/{made.id}/train.manifest"},
        "TEST": {"Bucket": BUCKET, "Name": f"datasets/{made.id}/test.manifest"},
    }
    assert not sync(world, made), "they are still being created"
    world.fake.finish()
    assert sync(world, made)
    assert sync(world, made)
    assert len(world.fake.called("create_dataset")) == 2
    assert world.fake.called("update_dataset_entries") == []


def test_what_was_added_is_all_that_is_sent(world: World) -> None:
    world.images("cat", 6)
    until_synced(world, make(world))
    new = [world.image(f"new {number}", "dog") for number in range(2)]
    made = make(world)
    assert not sync(world, made)
    updates = world.fake.called("update_dataset_entries")
    sent = [
        json.loads(line)["source-ref"]
        for update in updates
        for line in update["Changes"]["GroundTruth"].decode().splitlines()
    ]
    assert sorted(sent) == sorted(f"s3://{BUCKET}/images/{name}.jpg" for name in new)
    assert not sync(world, made), "the update is under way"
    world.fake.finish()
    assert sync(world, made)
    assert world.fake.called("delete_dataset") == []


def test_a_label_that_changed_is_sent_as_well(world: World) -> None:
    names = world.images("cat", 6)
    until_synced(world, make(world))
    world.image("cat 2", "dog")
    until_synced(world, make(world))
    (update,) = world.fake.called("update_dataset_entries")
    (line,) = update["Changes"]["GroundTruth"].decode().splitlines()
    assert json.loads(line)["source-ref"].endswith(f"{names[2]}.jpg")
    assert '"class-name":"dog"' in line


def test_a_dataset_that_lost_an_image_is_made_anew(world: World) -> None:
    """UpdateDatasetEntries removes nothing."""
    world.images("cat", 10)
    until_synced(world, make(world))
    splits = world.splits()
    lost = next(number for number in range(10) if splits[world.image(f"cat {number}", "cat")] == "TRAIN")
    world.image(f"cat {lost}", "cat", status="conflict")
    made = make(world)
    until_synced(world, made)
    (deleted,) = world.fake.called("delete_dataset")
    assert "/dataset/train/" in deleted["DatasetArn"]
    assert world.fake.datasets["TRAIN"]["manifest"]["Name"] == f"datasets/{made.id}/train.manifest"
    assert world.fake.called("update_dataset_entries") == []


def test_more_changes_than_one_update_takes_make_a_dataset_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.images("cat", 6)
    until_synced(world, make(world))
    world.images("dog", 6)
    monkeypatch.setattr(snapshots, "MAX_UPDATE_BYTES", 10)
    until_synced(world, make(world))
    assert world.fake.called("update_dataset_entries") == []
    assert len(world.fake.called("delete_dataset")) == 2


def test_datasets_that_nobody_knows_the_content_of_are_made_anew(world: World) -> None:
    world.images("cat", 6)
    made = make(world)
    for kind in ("TRAIN", "TEST"):
        world.fake.create_dataset(
            DatasetType=kind,
            DatasetSource={"GroundTruthManifest": {"S3Object": {"Bucket": "b", "Name": "n"}}},
        )
    world.fake.finish()
    until_synced(world, made)
    assert len(world.fake.called("delete_dataset")) == 2
    assert world.fake.datasets["TEST"]["manifest"]["Name"] == f"datasets/{made.id}/test.manifest"


def test_the_last_snapshot_s_manifest_may_be_gone(world: World) -> None:
    world.images("cat", 6)
    old = make(world)
    until_synced(world, old)
    for key in world.keys(f"datasets/{old.id}/"):
        world.s3.delete_object(Bucket=BUCKET, Key=key)
    world.images("dog", 2)
    until_synced(world, make(world))
    assert len(world.fake.called("delete_dataset")) == 2


def test_a_dataset_that_cannot_be_created_says_why(world: World) -> None:
    world.images("cat", 6)
    made = make(world)
    sync(world, made)
    world.fake.datasets["TRAIN"] |= {"Status": "CREATE_FAILED", "StatusMessage": "the manifest is empty"}
    with pytest.raises(CustomLabelsError, match=f"TRAIN dataset .* {made.id}: the manifest is empty"):
        sync(world, made)


def test_after_a_failed_creation_the_next_snapshot_gets_its_dataset(world: World) -> None:
    world.images("cat", 6)
    sync(world, make(world))
    world.fake.datasets["TRAIN"]["Status"] = "CREATE_FAILED"
    world.fake.datasets["TEST"]["Status"] = "CREATE_COMPLETE"
    world.images("dog", 2)
    until_synced(world, make(world))
    assert world.fake.datasets["TRAIN"]["Status"] == "CREATE_COMPLETE"


def test_a_later_run_tries_the_same_snapshot_again(world: World) -> None:
    """The creation may have failed for reasons that are gone, a missing permission for one."""
    world.images("cat", 6)
    made = make(world)
    sync(world, made)
    world.fake.datasets["TRAIN"]["Status"] = "CREATE_FAILED"
    with pytest.raises(CustomLabelsError):
        sync(world, made)
    until_synced(world, made)


def test_a_failed_update_makes_the_dataset_anew(world: World) -> None:
    world.images("cat", 6)
    until_synced(world, make(world))
    world.images("dog", 2)
    made = make(world)
    sync(world, made)
    world.fake.datasets["TRAIN"]["Status"] = "UPDATE_FAILED"
    world.fake.datasets["TEST"]["Status"] = "UPDATE_COMPLETE"
    until_synced(world, made)
    assert len(world.fake.called("delete_dataset")) == 1
    assert world.fake.datasets["TRAIN"]["manifest"]["Name"] == f"datasets/{made.id}/train.manifest"


# Entries


def entry(source: str, label: str = "cat") -> str:
    return json.dumps({"source-ref": source, "label": label})


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ([], [], []),
        ([entry("a")], [entry("a")], []),
        ([entry("a")], [entry("a"), entry("b")], [entry("b")]),
        ([entry("a")], [entry("a", "dog")], [entry("a", "dog")]),
        ([entry("a"), entry("b")], [entry("a")], None),
        ([entry("b"), entry("a")], [entry("a"), entry("b")], []),
    ],
)
def test_entries_that_changed(old: list[str], new: list[str], changes: list[str] | None) -> None:
    assert custom_labels.changed_entries(iter(old), iter(new)) == changes
