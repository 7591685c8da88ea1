"""How the project's datasets are brought to a snapshot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.engines.port import Step
from lambdas.domain.engines.rekognition import dataset_sync
from lambdas.domain.engines.rekognition.dataset_sync import RemovedError
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import Box
from lambdas.domain.snapshot import snapshots
from lambdas.domain.snapshot.snapshots import Snapshot
from tests.fixtures.deployment import BUCKET, World


def make(world: World) -> Snapshot:
    return snapshots.make(world.catalogue, world.s3, BUCKET)


def step(world: World, snapshot: Snapshot) -> Step:
    datasets = world.fake.engine.datasets(world.s3, world.loop_state, BUCKET)
    return datasets.sync(snapshot.id)


def sync(world: World, snapshot: Snapshot) -> bool:
    outcome = step(world, snapshot)
    assert not outcome.error
    return outcome.ready


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
    assert {kind: dataset["manifest"] for kind, dataset in world.fake.datasets.items()} == {
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


def sent(world: World) -> list[list[str]]:
    """Keys of the images in each document that was sent."""
    documents = [
        update["Changes"]["GroundTruth"].decode() for update in world.fake.called("update_dataset_entries")
    ]
    return [
        [json.loads(line)["source-ref"].removeprefix(f"s3://{BUCKET}/") for line in document.splitlines()]
        for document in documents
    ]


def with_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Snapshot, list[str]]:
    """Datasets that are at a snapshot, and a next one with ten more images to train with, of which a
    document takes two."""
    world.images("cat", 6)
    until_synced(world, make(world))
    new = [world.image(f"new {number}", "dog", wanted="TRAIN") for number in range(10)]
    made = make(world)
    entry = next(snapshots.entries(world.s3, BUCKET, made.id, "TRAIN"))
    monkeypatch.setattr(dataset_sync, "MAX_UPDATE_BYTES", 2 * len(entry) + 10)
    return made, [f"images/{name}.jpg" for name in sorted(new)]


def test_more_changes_than_one_update_takes_are_sent_in_several(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, new = with_changes(world, monkeypatch)
    until_synced(world, made, rounds=10)
    assert sent(world) == [new[begin : begin + 2] for begin in range(0, 10, 2)]
    assert world.fake.called("delete_dataset") == []


@pytest.mark.parametrize("noted", [False, True])
def test_whoever_comes_after_a_crash_goes_on(
    noted: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document is sent twice at most, which changes nothing; none is left out."""
    made, new = with_changes(world, monkeypatch)
    sync(world, made)
    world.fake.finish()
    real = world.loop_state.record_sent
    with monkeypatch.context() as crash:
        crash.setattr(
            world.loop_state,
            "record_sent",
            lambda kind, target, count, at: real(kind, target, count, at) if count == 2 or noted else 1 / 0,  # pyrefly: ignore[division-by-zero]
        )
        if noted:
            sync(world, made)
        else:
            with pytest.raises(ZeroDivisionError):
                sync(world, made)
    world.fake.finish()
    until_synced(world, made, rounds=10)
    documents = sent(world)
    assert sorted({key for document in documents for key in document}) == new
    assert len(documents) == (5 if noted else 6)


def test_what_is_on_its_way_to_another_snapshot_is_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds neither the old one nor the new one."""
    made, _ = with_changes(world, monkeypatch)
    sync(world, made)
    world.fake.finish()
    world.image("new 0", "dog", status="conflict")
    third = make(world)
    until_synced(world, third)
    assert len(world.fake.called("delete_dataset")) == 1
    assert world.fake.datasets["TRAIN"]["manifest"]["Name"] == f"datasets/{third.id}/train.manifest"


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
    error = f"the TRAIN dataset cannot be made of snapshot {made.id}: the manifest is empty"
    assert step(world, made) == Step(False, error)


def test_every_dataset_that_cannot_be_created_is_told_at_once(world: World) -> None:
    """Else the next run would hear of the second one before it tried anything."""
    world.images("cat", 6)
    made = make(world)
    sync(world, made)
    for dataset in world.fake.datasets.values():
        dataset["Status"] = "CREATE_FAILED"
    error = step(world, made).error
    assert "TRAIN" in error and "TEST" in error
    until_synced(world, made)


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
    assert step(world, made).error
    until_synced(world, made)


def test_a_crash_while_a_dataset_is_created_leaves_no_other_content_on_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next snapshot would be sent as changes to a content that the dataset does not have."""
    world.images("cat", 10)
    until_synced(world, make(world))
    splits = world.splits()
    lost = next(number for number in range(10) if splits[world.image(f"cat {number}", "cat")] == "TRAIN")
    world.image(f"cat {lost}", "cat", status="excluded")
    world.image("only then", "cat", wanted="TRAIN")
    second = make(world)
    sync(world, second)
    world.fake.finish()
    real = world.fake.create_dataset

    def crash(**request: Any) -> None:
        real(**request)
        raise RuntimeError("crashed")

    with monkeypatch.context() as crashing:
        crashing.setattr(world.fake, "create_dataset", crash)
        with pytest.raises(RuntimeError, match="crashed"):
            step(world, second)
    world.fake.finish()
    world.image(f"cat {lost}", "cat")
    world.image("only then", "cat", status="excluded")
    world.image("one more", "cat", wanted="TRAIN")
    third = make(world)
    until_synced(world, third)
    assert world.fake.datasets["TRAIN"]["manifest"]["Name"] == f"datasets/{third.id}/train.manifest"
    assert sent(world) == []


def test_a_failed_update_makes_the_dataset_anew(world: World) -> None:
    world.images("cat", 6)
    until_synced(world, make(world))
    world.images("dog", 2)
    made = make(world)
    sync(world, made)
    world.fake.finish()
    world.fake.datasets["TRAIN"]["Status"] = "UPDATE_FAILED"
    until_synced(world, made)
    assert len(world.fake.called("delete_dataset")) == 1
    assert world.fake.datasets["TRAIN"]["manifest"]["Name"] == f"datasets/{made.id}/train.manifest"


# What is described later than it is done


@pytest.mark.parametrize("lag", [1, 2, 5])
@pytest.mark.parametrize("change", ["none", "added", "removed"])
def test_datasets_get_ready_however_late_they_are_described(change: str, lag: int, world: World) -> None:
    world.images("cat", 10)
    if change != "none":
        until_synced(world, make(world))
    if change == "added":
        world.images("dog", 10)
    if change == "removed":
        for number in range(10):
            world.image(f"cat {number}", "cat", status="excluded" if number < 2 else "")
    made = make(world)
    world.fake.lag = lag
    until_synced(world, made, rounds=20)
    world.fake.lag = 0
    assert sync(world, made), "and they are what is on record"


def test_changes_are_not_there_before_they_are_described_so(world: World) -> None:
    """Read straight after it was sent, a dataset is as complete as before."""
    world.images("cat", 6)
    until_synced(world, make(world))
    world.images("dog", 6)
    made = make(world)
    world.fake.lag = 4
    assert not sync(world, made)
    assert not sync(world, made)
    assert {dataset["Status"] for dataset in world.fake.datasets.values()} == {"UPDATE_IN_PROGRESS"}


def test_a_service_that_does_not_say_when_it_updated_is_believed_after_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.images("cat", 6)
    until_synced(world, make(world))
    world.images("dog", 6)
    made = make(world)
    world.fake.says_when_updated = False
    sync(world, made)
    world.fake.finish()
    assert not sync(world, made)
    monkeypatch.setattr(dataset_sync, "_SETTLES_SECONDS", 0)
    assert sync(world, made)


def test_a_dataset_that_somebody_made_in_the_place_of_ours_is_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what it holds."""
    world.images("cat", 6)
    made = make(world)
    until_synced(world, made)
    world.fake.datasets["TRAIN"] |= {"DatasetArn": world.fake.datasets["TRAIN"]["DatasetArn"] + "0"}
    monkeypatch.setattr(dataset_sync, "_SETTLES_SECONDS", 0)
    until_synced(world, made)
    assert len(world.fake.called("delete_dataset")) == 1
    assert world.fake.datasets["TRAIN"]["manifest"]["Name"] == f"datasets/{made.id}/train.manifest"


@pytest.mark.parametrize("operation", ["create_dataset", "update_dataset_entries", "delete_dataset"])
def test_an_account_that_changes_as_many_datasets_as_it_may_is_waited_for(
    operation: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.images("cat", 6)
    if operation != "create_dataset":
        until_synced(world, make(world))
        status = "unlabelled" if operation == "delete_dataset" else ""
        for number in range(6):
            world.image(f"cat {number}", "dog", status=status if number else "")
    made = make(world)
    world.fake.fail_next(operation, "LimitExceededException")
    outcome = step(world, made)
    assert not outcome.ready
    assert outcome.waits_for.startswith("room for a change of the T")
    monkeypatch.setattr(dataset_sync, "_SETTLES_SECONDS", 0)
    world.fake.finish()
    until_synced(world, made)


def test_a_dataset_that_stays_in_use_is_an_error_in_the_end(world: World) -> None:
    world.images("cat", 6)
    made = make(world)
    world.fake.fail_next("create_dataset", *["ResourceAlreadyExistsException"] * 3)
    assert not sync(world, made)
    datasets = world.fake.engine.datasets(world.s3, world.loop_state, BUCKET, waited_seconds=7 * 3600)
    with pytest.raises(ClientError, match="AlreadyExists"):
        datasets.sync(made.id)


# Entries


def entry(source: str, label: str = "cat") -> str:
    return json.dumps({"source-ref": source, "label": label})


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ([], [], []),
        ([entry("a")], [entry("a")], []),
        ([entry("a")], [entry("a"), entry("b")], [entry("b")]),
        ([entry("b")], [entry("a"), entry("b")], [entry("a")]),
        ([entry("a")], [entry("a", "dog")], [entry("a", "dog")]),
        (
            [entry("a"), entry("c")],
            [entry("a"), entry("b"), entry("c", "dog")],
            [entry("b"), entry("c", "dog")],
        ),
    ],
)
def test_entries_that_changed(old: list[str], new: list[str], changes: list[str]) -> None:
    assert list(dataset_sync.changed(iter(old), iter(new))) == changes


@pytest.mark.parametrize("gone", ["a", "b", "c"])
def test_an_entry_that_is_gone(gone: str) -> None:
    old = [entry(name) for name in "abc"]
    new = [entry(name) for name in "abcd" if name != gone]
    with pytest.raises(RemovedError, match=f"^{gone} is gone"):
        list(dataset_sync.changed(iter(old), iter(new)))


BOXES = [Box("cat", 1, 2, 3, 4), Box("dog", 5, 6, 7, 8), Box("fox", 9, 10, 11, 12)]
CHANGED_AT = "2026-01-01T00:00:00.000000Z"


def classified(*labels: str) -> dict[str, Any]:
    return manifests.classification_entry(BUCKET, "a.jpg", labels, CHANGED_AT)


def boxed(*boxes: Box) -> dict[str, Any]:
    return manifests.detection_entry(
        BUCKET, "a.jpg", width=100, height=100, boxes=boxes, changed_at=CHANGED_AT
    )


def merged(old: Any, new: Any, *, deep: bool) -> Any:
    """An entry as it is if the one that was sent is merged into the one before."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return old | {
        name: merged(old.get(name), value, deep=deep) if deep else value for name, value in new.items()
    }


ENTRIES = st.one_of(
    st.lists(st.sampled_from(["cat", "dog", "fox"]), min_size=1, unique=True).map(lambda x: classified(*x)),
    st.lists(st.sampled_from(BOXES)).map(lambda x: boxed(*x)),
)


@given(old=ENTRIES, new=ENTRIES)
def test_an_entry_that_is_sent_again_is_the_new_one_whether_it_is_merged_or_replaces(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    lines = [manifests.entry_line(entry) for entry in (old, new)]
    try:
        sent = list(dataset_sync.changed(iter(lines[:1]), iter(lines[1:])))
    except RemovedError:
        return
    assert sent == ([] if old == new else lines[1:])
    assert merged(old, new, deep=True) == merged(old, new, deep=False) == new


@pytest.mark.parametrize(
    ("old", "new", "is_sent"),
    [
        (classified("cat"), classified("dog"), True),
        (classified("cat"), classified("cat", "dog"), True),
        (classified("cat", "dog"), classified("cat"), False),
        (boxed(*BOXES[:1]), boxed(*BOXES[:2]), True),
        (boxed(BOXES[0], BOXES[0]), boxed(BOXES[0]), True),
        (boxed(*BOXES[:2]), boxed(*BOXES[:1]), False),
        (boxed(*BOXES[:1]), boxed(), False),
        (classified("cat"), boxed(*BOXES[:1]), False),
    ],
)
def test_an_image_that_has_lost_a_label_needs_a_new_dataset(
    old: dict[str, Any], new: dict[str, Any], is_sent: bool
) -> None:
    entries = [iter([manifests.entry_line(entry)]) for entry in (old, new)]
    if is_sent:
        assert list(dataset_sync.changed(*entries)) == [manifests.entry_line(new)]
    else:
        with pytest.raises(RemovedError, match=r"a\.jpg has lost a label"):
            list(dataset_sync.changed(*entries))
