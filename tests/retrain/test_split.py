from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.split import Split

FEW = settings(deadline=None, max_examples=60)
LABELS = st.sampled_from(["cat", "dog", "fox", "owl"])


def assign(images: list[tuple[str, ...]], split: Split | None = None) -> Split:
    split = split or Split()
    for labels in images:
        split.count(labels, split.side_for(labels))
    return split


@FEW
@given(st.lists(LABELS.map(lambda label: (label,)), max_size=200))
def test_each_label_stands_on_both_sides_with_about_a_fifth_to_test(images: list[tuple[str, ...]]) -> None:
    split = assign(images)
    for label, count in Counter(labels[0] for labels in images).items():
        train, test = split.train[label], split.test[label]
        assert train + test == count
        if count == 1:
            assert (train, test) == (1, 0)
        else:
            assert train >= 1
            assert test >= 1
            # Nearer to a fifth than one image more or less, but for the one that must be there.
            assert abs(test - 0.2 * count) <= 0.7 or test == 1


@FEW
@given(st.lists(st.lists(LABELS, min_size=1, max_size=4, unique=True).map(tuple), min_size=40, max_size=100))
def test_images_with_many_labels_share_about_alike(images: list[tuple[str, ...]]) -> None:
    """An image's rarest label decides; the others get their share by that."""
    split = assign(images)
    tests = sum(1 for side in sides(images) if side == "TEST")
    assert 0.05 <= tests / len(images) <= 0.4
    assert sum((split.train + split.test).values()) == sum(len(labels) for labels in images)


def sides(images: list[tuple[str, ...]]) -> list[str]:
    split = Split()
    found: list[str] = []
    for labels in images:
        side = split.side_for(labels)
        split.count(labels, side)
        found.append(side)
    return found


@FEW
@given(st.lists(st.lists(LABELS, min_size=1, max_size=3).map(tuple), max_size=50))
def test_the_same_images_in_the_same_order_split_alike(images: list[tuple[str, ...]]) -> None:
    assert sides(images) == sides(images)


def test_the_first_teaches_and_the_second_tests() -> None:
    assert sides([("cat",)] * 12) == ["TRAIN", "TEST", *["TRAIN"] * 5, "TEST", *["TRAIN"] * 4]


@pytest.mark.parametrize(
    ("train", "test", "side"),
    [(0, 0, "TRAIN"), (1, 0, "TEST"), (9, 0, "TEST"), (0, 1, "TRAIN"), (0, 9, "TRAIN"), (80, 20, "TRAIN")],
)
def test_what_is_there_already_decides(train: int, test: int, side: str) -> None:
    """A label may have lost its images of a side: they were labelled anew."""
    split = Split(Counter(cat=train), Counter(cat=test))
    assert split.side_for(("cat",)) == side


def test_a_label_that_an_image_has_twice_counts_once() -> None:
    split = Split()
    split.count(["cat", "cat"], "TRAIN")
    assert split.train == Counter(cat=1)


def test_the_rarest_label_decides() -> None:
    split = assign([("cat",)] * 20)
    assert split.side_for(("cat", "fox")) == "TRAIN"
    split.count(("cat", "fox"), "TRAIN")
    assert split.side_for(("cat", "fox")) == "TEST"
