from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.shared.annotation import DatasetType
from lambdas.domain.snapshot import split as snapshot_split
from lambdas.domain.snapshot.split import Split, Unit

FEW = settings(max_examples=80)
LABELS = st.sampled_from(["cat", "dog", "fox", "owl"])
SINGLE = LABELS.map(lambda label: (label,))
SEVERAL = st.lists(LABELS, min_size=1, max_size=3, unique=True).map(tuple)


def unit(*labels: str, images: int = 1) -> Unit:
    return Unit(dict.fromkeys(labels, images))


def assign(images: Sequence[tuple[str, ...]], split: Split | None = None) -> list[DatasetType]:
    return (split or Split()).assign([unit(*labels) for labels in images])


def check_counts(
    images: Sequence[tuple[str, ...]], dataset_types: Sequence[DatasetType], split: Split
) -> None:
    for dataset_type, counted in (("TRAIN", split.train), ("TEST", split.test)):
        expected = Counter(
            label
            for labels, given in zip(images, dataset_types, strict=True)
            if given == dataset_type
            for label in labels
        )
        assert +counted == expected


@FEW
@given(st.lists(SINGLE, max_size=200))
def test_each_label_is_in_both_datasets_with_about_a_fifth_to_test(images: list[tuple[str, ...]]) -> None:
    split = Split()
    check_counts(images, assign(images, split), split)
    for label, count in Counter(labels[0] for labels in images).items():
        train, test = split.train[label], split.test[label]
        if count == 1:
            assert (train, test) == (1, 0)
        else:
            assert train >= 1
            assert test >= 1
            # Nearer to a fifth than one image more or less, but for the one that must be there.
            assert abs(test - 0.2 * count) <= 0.7 or test == 1


@pytest.mark.long
@FEW
@given(st.lists(SEVERAL, min_size=40, max_size=100))
def test_images_with_many_labels_share_about_alike(images: list[tuple[str, ...]]) -> None:
    """An image's rarest label decides; the others get their share by that."""
    split = Split()
    dataset_types = assign(images, split)
    check_counts(images, dataset_types, split)
    assert 0.05 <= dataset_types.count("TEST") / len(images) <= 0.4
    for label, count in Counter(label for labels in images for label in labels).items():
        if count >= 4:
            assert split.train[label]
            assert split.test[label]


@FEW
@given(st.lists(st.lists(SINGLE, max_size=20), max_size=5))
def test_batch_after_batch_each_label_is_in_both_datasets(batches: list[list[tuple[str, ...]]]) -> None:
    split = Split()
    for batch in batches:
        assign(batch, split)
        for label, count in (split.train + split.test).items():
            assert split.train[label] >= 1
            assert split.test[label] >= 1 or count == 1


@FEW
@given(st.lists(st.tuples(SEVERAL, st.integers(1, 5)), max_size=40))
def test_the_same_units_in_the_same_order_get_the_same_answer(
    units: list[tuple[tuple[str, ...], int]],
) -> None:
    made = [unit(*labels, images=images) for labels, images in units]
    assert Split().assign(made) == Split().assign(made)


@pytest.mark.parametrize(
    ("train", "test", "dataset_type"),
    [(0, 0, "TRAIN"), (1, 0, "TEST"), (9, 0, "TEST"), (0, 1, "TRAIN"), (0, 9, "TRAIN"), (80, 20, "TRAIN")],
)
def test_what_is_there_already_decides(train: int, test: int, dataset_type: str) -> None:
    """A label may have lost its images of a dataset: they were labelled anew."""
    split = Split(Counter(cat=train), Counter(cat=test))
    assert assign([("cat",)], split) == [dataset_type]


def test_a_label_that_an_image_has_twice_counts_once() -> None:
    split = Split()
    split.count(["cat", "cat"], "TRAIN")
    assert split.train == Counter(cat=1)


def test_a_label_of_one_image_does_not_decide_for_others() -> None:
    """With ox and emu to decide, both would teach, and nothing would test cat."""
    split = Split()
    assign([("cat", "ox"), ("cat", "emu")], split)
    assert (split.train["cat"], split.test["cat"]) == (1, 1)


def test_a_large_unit_teaches_and_a_small_one_tests() -> None:
    split = Split()
    dataset_types = split.assign([unit("cat"), unit("cat", images=50), unit("cat")])
    assert dataset_types[1] == "TRAIN"
    assert "TEST" in dataset_types
    assert Split().assign([unit("cat", images=50)]) == ["TRAIN"], "it is all there is"


def test_a_label_never_has_more_test_images_than_custom_labels_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_split, "MAX_TEST_IMAGES", 3)
    split = Split()
    assign([("cat",)] * 50 + [("cat", "dog")] * 20 + [("dog",)] * 2, split)
    assert split.test["cat"] == 3
    assert 1 <= split.test["dog"] <= 3
    assert not split.has_room({"cat": 1})
    assert split.assign([unit("cat", images=2)]) == ["TRAIN"]
