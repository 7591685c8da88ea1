"""How two snapshots differ."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.shared.annotation import Box, DatasetType
from lambdas.domain.snapshot import difference, snapshots
from lambdas.domain.snapshot.difference import LabelDifference, SnapshotEntry, compare
from tests.fixtures.deployment import BUCKET, World


def entry(*labels: str, dataset: DatasetType = "TRAIN", left: float = 0) -> SnapshotEntry:
    return SnapshotEntry(dataset, labels, tuple((left, 0, 10, 10) for _ in labels))


def test_the_same_snapshot_differs_in_nothing() -> None:
    same = compare({"a": entry("cat")}, {"a": entry("cat")})
    assert same.images == ()
    assert set(same.counts.values()) == {0}
    assert same.labels == (LabelDifference("cat", 1, 1, 0, 0),)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (None, entry("cat"), "came"),
        (entry("cat"), None, "went"),
        (entry("cat"), entry("dog"), "relabelled"),
        (entry("cat"), entry("cat", "cat"), "relabelled"),
        (entry("cat"), entry(), "relabelled"),
        (entry("cat"), entry("cat", left=5), "redrawn"),
        (entry("cat"), entry("cat", dataset="TEST"), "moved"),
    ],
)
def test_what_has_become_of_an_image(
    before: SnapshotEntry | None, after: SnapshotEntry | None, change: str
) -> None:
    made = compare({"a": before} if before else {}, {"a": after} if after else {})
    (image,) = made.images
    assert (image.key, image.change) == ("a", change)
    assert image.before == (before.labels if before else None)
    assert image.after == (after.labels if after else None)
    assert image.dataset == (after or before or entry()).dataset
    assert sum(made.counts.values()) == 1


def test_objects_of_a_label_are_counted_as_they_come_and_go() -> None:
    """A label of as many objects as before may have other ones."""
    made = compare(
        {"a": entry("cat", "cat"), "b": entry("dog")}, {"a": entry("dog"), "c": entry("cat", "cat")}
    )
    assert made.labels == (LabelDifference("cat", 2, 2, 2, 2), LabelDifference("dog", 1, 1, 1, 1))


def test_snapshots_are_compared_as_they_are_stored(world: World) -> None:
    for number in range(4):
        world.image(f"{number}", boxes=(Box("cat", 10, 20, 30, 40),))
    first = snapshots.make(world.catalogue, world.s3, BUCKET).id
    world.image("new", boxes=(Box("dog", 10, 20, 30, 40), Box("cat", 0, 0, 9, 9)))
    second = snapshots.make(world.catalogue, world.s3, BUCKET).id
    made = difference.between(world.s3, BUCKET, first, second)
    (image,) = made.images
    assert (made.before, made.after, image.change, image.after) == (4, 5, "came", ("cat", "dog"))
    back = difference.between(world.s3, BUCKET, second, first).as_dict()
    assert (back["went"], back["images_after"]) == (1, 4)
    assert {label["label"]: label["went"] for label in back["labels"]} == {"cat": 1, "dog": 1}


def test_a_snapshot_that_is_gone_is_an_error(world: World) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        difference.between(world.s3, BUCKET, "none", "none")
