"""TRAIN and TEST as images arrive over time."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.catalogue.snapshot_rows import Row
from lambdas.domain.catalogue.split_ledger import Ledger
from lambdas.domain.shared.annotation import RequestedDatasetType
from lambdas.domain.snapshot import near_duplicates, split
from lambdas.domain.snapshot.assignment import Assignment, Images
from lambdas.domain.snapshot.near_duplicates import DISTANCE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

LOOKS = 0x123456789ABCDEF0
FAR = 0xFF00FF00FF00FF00


class Shelf:
    """A table that takes whatever it is given: the ledger remembers for itself."""

    def put_item(self, **request: Any) -> None:
        pass


class Arrivals:
    """A dataset that grows."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.dataset_types: dict[str, str] = {}
        self._ledger = Ledger({})

    def add(self, looks: int, requested: RequestedDatasetType = "") -> str:
        sha256 = hashlib.sha256(str(len(self.rows)).encode()).hexdigest()
        key = f"images/{sha256}.jpg"
        self.rows[sha256] = Row(key, 80, 70, f"{looks:016x}", "", "classification", ("cat",), requested, "")
        return sha256

    def snapshot(self, present: float = 1.0) -> Assignment:
        """Assign what is new; of what is assigned, so large a share is still in the dataset."""
        gone = set(sorted(self.dataset_types)[int(present * len(self.dataset_types)) :])
        names = sorted(set(self.rows) - gone)
        images = Images()
        for name in names:
            images.add(self.rows[name])
        assignment = Assignment(images, self._ledger)
        assignment.write(cast("Table", Shelf()))
        self.dataset_types |= {name: assignment.dataset_type(index) for index, name in enumerate(names)}
        return assignment

    def looks(self, name: str) -> int:
        return int(self.rows[name].perceptual_hash, 16)

    def types_near(self, name: str, among: set[str]) -> set[str]:
        return {
            self.dataset_types[other]
            for other in among - {name}
            if (self.looks(name) ^ self.looks(other)).bit_count() <= DISTANCE
        }


IMAGE = st.tuples(
    st.sampled_from([LOOKS, LOOKS ^ FAR]),
    st.sets(st.integers(0, 15), max_size=6),
    st.sampled_from(["", "", "", "TRAIN", "TEST"]),
)
BATCHES = st.lists(st.tuples(st.lists(IMAGE, max_size=6), st.sampled_from([0.0, 0.5, 1.0])), max_size=4)


@pytest.mark.long
@settings(max_examples=40)
@given(BATCHES, st.integers(1, 6))
def test_an_image_keeps_its_dataset_and_takes_that_of_its_near_duplicates(
    batches: list[tuple[list[tuple[int, set[int], RequestedDatasetType]], float]], most: int
) -> None:
    """Whatever group it is in, and however full that is."""
    arrivals = Arrivals()
    with patch.object(near_duplicates, "MAX_GROUP", most):
        for batch, present in batches:
            before = dict(arrivals.dataset_types)
            new = {
                arrivals.add(looks ^ sum(1 << bit for bit in bits), requested)
                for looks, bits, requested in batch
            }
            arrivals.snapshot(present)
            assert before.items() <= arrivals.dataset_types.items()
            asked = {name for name in new if arrivals.rows[name].requested_dataset_type}
            assert all(
                arrivals.dataset_types[name] == arrivals.rows[name].requested_dataset_type for name in asked
            )
            for name in new - asked:
                near = arrivals.types_near(name, set(before) | asked)
                assert len(near) != 1 or {arrivals.dataset_types[name]} == near


def test_in_a_group_in_both_datasets_the_nearest_counts() -> None:
    arrivals = Arrivals()
    arrivals.add(LOOKS, "TRAIN")
    arrivals.add(LOOKS ^ 0b1111, "TEST")
    arrivals.snapshot()
    by_train, by_test = arrivals.add(LOOKS ^ 0b1), arrivals.add(LOOKS ^ 0b1111)
    between, beyond = arrivals.add(LOOKS ^ 0b11), arrivals.add(LOOKS ^ 0xFF)
    beyond_that = arrivals.add(LOOKS ^ 0xFFF)
    arrivals.snapshot()
    assert [arrivals.dataset_types[name] for name in (by_train, by_test, beyond)] == ["TRAIN", "TEST", "TEST"]
    assert arrivals.dataset_types[between] == "TRAIN", "as like the one as the other"
    assert arrivals.dataset_types[beyond_that] == "TEST", "it is like what is like the test image"


def test_requests_that_were_not_granted_are_counted() -> None:
    arrivals = Arrivals()
    with patch.object(split, "MAX_TEST_IMAGES", 2):
        for number in range(3):
            arrivals.add(LOOKS ^ FAR >> number, "TEST")
        assert arrivals.snapshot().not_as_requested() == 1
    name = arrivals.add(LOOKS ^ 0xF0F0F0F0, "TRAIN")
    assert arrivals.snapshot().not_as_requested() == 1
    arrivals.rows[name] = replace(arrivals.rows[name], requested_dataset_type="TEST")
    assert arrivals.snapshot().not_as_requested() == 2, "it was assigned before"
