"""Which images train and which ones test: about 80 to 20 for each label.

Images are divided in units: near-duplicates stay together, for a test image that a model has all but seen in
training tests nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lambdas.domain.shared.annotation import DatasetType

TEST_SHARE = 0.2
BACKGROUND = ""
"""Stands for a label on images with nothing on them, so that they are divided as those of a label are."""
NOTHING_ON_IMAGE = "nothing on the image"
"""Why images are left out that somebody has looked at and that have no label."""
MAX_TEST_IMAGES = 1000
"""Of a label, https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"""


@dataclass(frozen=True)
class Unit:
    """Images that go to one dataset together: how many of them have each label."""

    labels: Mapping[str, int]

    @property
    def size(self) -> int:
        return max(self.labels.values(), default=0)


@dataclass
class Split:
    """How many images of each label are in each dataset."""

    train: Counter[str] = field(default_factory=Counter)
    test: Counter[str] = field(default_factory=Counter)

    def count(self, labels: Iterable[str], dataset_type: DatasetType, images: int = 1) -> None:
        """Count so many images, each with these labels."""
        counted = self.train if dataset_type == "TRAIN" else self.test
        for label in set(labels):
            counted[label] += images

    def has_room(self, labels: Mapping[str, int]) -> bool:
        """Whether so many more images with each label can test."""
        return all(self.test[label] + images <= MAX_TEST_IMAGES for label, images in labels.items())

    def add(self, unit: Unit, dataset_type: DatasetType) -> None:
        (self.train if dataset_type == "TRAIN" else self.test).update(unit.labels)

    def assign(self, units: Sequence[Unit]) -> list[DatasetType]:
        """The dataset types of new units, which are counted.

        A unit's rarest label decides, the rarest of all first, so that every label comes to be in both
        datasets if it has two units for that; a label whose images are all in one unit trains. Images with
        several labels can make that impossible. The same units in the same order get the same answer.
        """
        return _Assignment(self, units).run()


class _Assignment:
    """The assignment of some units, one after the other."""

    def __init__(self, split: Split, units: Sequence[Unit]) -> None:
        self._split, self._units = split, units
        self._left = Counter(label for unit in units for label in unit.labels)
        """Units of each label that are not assigned yet."""
        self._total = split.train + split.test
        for unit in units:
            self._total.update(unit.labels)

    def run(self) -> list[DatasetType]:
        dataset_types: dict[int, DatasetType] = {}
        for index in sorted(range(len(self._units)), key=self._turn):
            unit = self._units[index]
            dataset_types[index] = self._dataset_type(unit)
            self._split.add(unit, dataset_types[index])
            self._left.subtract(unit.labels.keys())
        ordered = [dataset_types[index] for index in range(len(self._units))]
        self._repair(ordered)
        return ordered

    def _turn(self, index: int) -> tuple[bool, int, str, int, int]:
        """Units of the rarest label come first, and of those the largest: a small one can still be moved."""
        unit = self._units[index]
        label = self._by_rarity(unit)[0]
        return (*self._rarity(label), -unit.size, index)

    def _by_rarity(self, unit: Unit) -> list[str]:
        return sorted(unit.labels, key=self._rarity)

    def _rarity(self, label: str) -> tuple[bool, int, str]:
        # A label with one image cannot be in both datasets: it must not decide for those that can.
        return self._total[label] < 2, self._total[label], label

    def _dataset_type(self, unit: Unit) -> DatasetType:
        labels = self._by_rarity(unit)
        if not self._split.has_room(unit.labels):
            return "TRAIN"
        for label in labels:
            if self._total[label] > unit.labels[label] and self._left[label] == 1:
                if not self._split.train[label]:
                    return "TRAIN"
                if not self._split.test[label]:
                    return "TEST"
        rarest = labels[0]
        train, test, images = self._split.train[rarest], self._split.test[rarest], unit.labels[rarest]
        if not train:
            return "TRAIN"
        return "TEST" if TEST_SHARE * (train + test + images) >= test + images / 2 else "TRAIN"

    def _repair(self, dataset_types: list[DatasetType]) -> None:
        """Move single new units to where one of their labels is missing, if none goes missing by that."""
        missing = {
            label for label in self._left if not (self._split.train[label] and self._split.test[label])
        }
        for index in sorted(range(len(dataset_types)), key=lambda index: (self._units[index].size, index)):
            if not missing:
                return
            unit = self._units[index]
            repaired = missing.intersection(unit.labels)
            if repaired and self._can_leave(unit, dataset_types[index]):
                self._move(unit, dataset_types, index)
                missing -= repaired

    def _can_leave(self, unit: Unit, dataset_type: DatasetType) -> bool:
        here = self._split.train if dataset_type == "TRAIN" else self._split.test
        stays = all(here[label] > images for label, images in unit.labels.items())
        return stays and (dataset_type == "TEST" or self._split.has_room(unit.labels))

    def _move(self, unit: Unit, dataset_types: list[DatasetType], index: int) -> None:
        old, new = self._split.train, self._split.test
        if dataset_types[index] == "TEST":
            old, new = new, old
        old.subtract(unit.labels)
        new.update(unit.labels)
        dataset_types[index] = "TEST" if dataset_types[index] == "TRAIN" else "TRAIN"
