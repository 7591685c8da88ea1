"""The split ledger."""

from __future__ import annotations

import hashlib
import zlib

import pytest

from lambdas.domain.catalogue import split_ledger
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.split_ledger import BUCKETS, AssignedImage, Ledger
from tests.fixtures.deployment import World


def assigned(name: str, bucket: str = "ab") -> AssignedImage:
    sha256 = bucket + hashlib.sha256(name.encode()).hexdigest()[2:]
    looks = hashlib.md5(name.encode()).hexdigest()[:16]  # noqa: S324 a number like any other
    return AssignedImage(sha256, "TEST" if name.startswith("test") else "TRAIN", looks)


@pytest.mark.long
def test_what_was_assigned_is_read(world: World) -> None:
    ledger = Ledger.read(world.catalogue)
    assert [ledger.bucket(bucket) for bucket in BUCKETS] == [[]] * 256
    one, two, other = assigned("one"), assigned("test two"), assigned("three", "ff")
    ledger.assign(world.catalogue, "ab", [two])
    ledger.assign(world.catalogue, "ab", [one])
    ledger.assign(world.catalogue, "ff", [other])
    for known in (ledger, Ledger.read(world.catalogue)):
        assert known.bucket("ab") == sorted([one, two], key=lambda each: each.sha256)
        assert known.bucket("ff") == [other]
        assert [known.dataset_type_of(each.sha256) for each in (one, other, two)] == [
            "TRAIN",
            "TRAIN",
            "TEST",
        ]
        assert known.dataset_type_of(assigned("none").sha256) is None
    assert split_ledger.dataset_type_of(world.catalogue, two.sha256) == "TEST"
    assert split_ledger.dataset_type_of(world.catalogue, other.sha256) == "TRAIN"
    assert split_ledger.dataset_type_of(world.catalogue, assigned("none").sha256) is None
    assert split_ledger.dataset_type_of(world.catalogue, "00" * 32) is None


def test_a_perceptual_hash_is_not_taken_for_an_image(world: World) -> None:
    """Lines are searched for whole hashes."""
    one = assigned("one")
    Ledger.read(world.catalogue).assign(world.catalogue, "ab", [one])
    assert split_ledger.dataset_type_of(world.catalogue, "ab" + one.sha256[:62]) is None


def test_of_two_that_write_at_once_one_is_refused(world: World) -> None:
    first, second = Ledger.read(world.catalogue), Ledger.read(world.catalogue)
    first.assign(world.catalogue, "ab", [assigned("one")])
    with pytest.raises(CatalogueError, match=r"split#ab .*another snapshot"):
        second.assign(world.catalogue, "ab", [assigned("test one")])
    again = Ledger.read(world.catalogue)
    again.assign(world.catalogue, "ab", [assigned("two")])
    with pytest.raises(CatalogueError, match="another snapshot"):
        first.assign(world.catalogue, "ab", [assigned("three")])
    assert len(Ledger.read(world.catalogue).bucket("ab")) == 2


def test_a_full_bucket_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_ledger, "MAX_BYTES", 1000)
    ledger = Ledger.read(world.catalogue)
    ledger.assign(world.catalogue, "ab", [assigned(str(number)) for number in range(15)])
    with pytest.raises(CatalogueError, match=r"30 make .* bytes in split#ab, which takes 1000"):
        ledger.assign(world.catalogue, "ab", [assigned(f"more {number}") for number in range(15)])
    assert len(Ledger.read(world.catalogue).bucket("ab")) == 15


def test_the_ledger_has_room_for_two_million_images() -> None:
    """8,000 in a bucket: hashes do not get smaller by compression."""
    lines = "".join(split_ledger._line(assigned(str(number))) for number in range(8000))
    assert len(zlib.compress(lines.encode())) < split_ledger.MAX_BYTES
