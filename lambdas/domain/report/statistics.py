"""The dataset in numbers: counters and histograms that grow by one image at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.report.image_check import ImageCheck
from lambdas.domain.report.model import ReportImage
from lambdas.domain.shared.annotation import DatasetType, Kind
from lambdas.domain.shared.intervals import wilson

ASSUMED_RECALL = 0.8
"""A label's test images bound how exactly its recall can be known; this is what for."""
MAX_LABELS = 1000
"""In the JSON; more than this is no dataset to train with."""


@dataclass
class LabelTally:
    """One label's images and boxes; `usable` counts the images that Custom Labels learns it from."""

    train_images: int = 0
    test_images: int = 0
    train_boxes: int = 0
    test_boxes: int = 0
    usable_train: int = 0
    usable_test: int = 0

    @property
    def images(self) -> int:
        return self.train_images + self.test_images

    def count(self, dataset_type: DatasetType, *, usable: bool) -> None:
        if dataset_type == "TRAIN":
            self.train_images += 1
            self.usable_train += usable
        else:
            self.test_images += 1
            self.usable_test += usable

    def count_box(self, dataset_type: DatasetType) -> None:
        if dataset_type == "TRAIN":
            self.train_boxes += 1
        else:
            self.test_boxes += 1


@dataclass
class Histogram:
    """How many of what: `names` has one name more than there are edges; an edge belongs to the bin above."""

    title: str
    unit: str
    edges: Sequence[float]
    names: Sequence[str]
    train: list[int] = field(default_factory=list)
    test: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.train, self.test = [0] * len(self.names), [0] * len(self.names)

    def count(self, value: float, dataset_type: DatasetType) -> None:
        (self.train if dataset_type == "TRAIN" else self.test)[bisect_right(self.edges, value)] += 1

    def as_dict(self) -> dict[str, Any]:
        bins = zip(self.names, self.train, self.test, strict=True)
        return {
            "title": self.title,
            "unit": self.unit,
            "bins": [{"name": name, "train": train, "test": test} for name, train, test in bins],
        }


def _long_sides() -> Histogram:
    edges = (64, 128, 256, 512, 1024, 2048, 4097)
    names = ("< 64", "64-127", "128-255", "256-511", "512-1023", "1024-2047", "2048-4096", "> 4096")
    return Histogram("Longer side of the image, pixels", "images", edges, names)


def _aspects() -> Histogram:
    edges = (0.05, 0.5, 0.75, 0.95, 1.06, 1.34, 2.0, 20.001)
    tall = ("below 1:20", "1:20 to 1:2", "1:2 to 3:4", "3:4 to 1:1")
    names = (*tall, "square", "1:1 to 4:3", "4:3 to 2:1", "2:1 to 20:1", "over 20:1")
    return Histogram("Width to height", "images", edges, names)


def _boxes_per_image() -> Histogram:
    edges = (1, 2, 3, 6, 11, 21, 51)
    names = ("0", "1", "2", "3-5", "6-10", "11-20", "21-50", "> 50")
    return Histogram("Boxes on an image", "images", edges, names)


def _labels_per_image() -> Histogram:
    return Histogram("Labels on an image", "images", (1, 2, 3, 6, 51), ("0", "1", "2", "3-5", "6-50", "> 50"))


def _box_areas() -> Histogram:
    edges = (0.001, 0.01, 0.05, 0.2, 0.5, 0.95)
    names = ("< 0.1%", "0.1-1%", "1-5%", "5-20%", "20-50%", "50-95%", "> 95%")
    return Histogram("Box, as a share of its image", "boxes", edges, names)


@dataclass
class Statistics:
    """Counts of the images as they come; complete after the last one."""

    images: Counter[DatasetType] = field(default_factory=Counter)
    backgrounds: Counter[DatasetType] = field(default_factory=Counter)
    """Images with no label."""
    refused: Counter[DatasetType] = field(default_factory=Counter)
    """Images that Custom Labels leaves out because something about them is invalid."""
    kinds: Counter[Kind] = field(default_factory=Counter)
    labels: dict[str, LabelTally] = field(default_factory=dict)
    long_sides: Histogram = field(default_factory=_long_sides)
    aspects: Histogram = field(default_factory=_aspects)
    boxes_per_image: Histogram = field(default_factory=_boxes_per_image)
    labels_per_image: Histogram = field(default_factory=_labels_per_image)
    box_areas: Histogram = field(default_factory=_box_areas)

    def add(self, checked: ImageCheck) -> None:
        image, dataset_type = checked.image, checked.image.dataset_type
        self.images[dataset_type] += 1
        self.kinds[image.kind] += 1
        self.backgrounds[dataset_type] += not checked.names
        self.refused[dataset_type] += bool(checked.names) and not checked.usable_names
        for name in checked.names:
            self._label(name).count(dataset_type, usable=name in checked.usable_names)
        self.long_sides.count(max(image.width, image.height), dataset_type)
        self.aspects.count(image.width / max(image.height, 1), dataset_type)
        if image.kind == "detection":
            self._add_boxes(image)
        else:
            self.labels_per_image.count(len(checked.names), dataset_type)

    def _add_boxes(self, image: ReportImage) -> None:
        self.boxes_per_image.count(len(image.boxes), image.dataset_type)
        area = max(image.width * image.height, 1)
        for box in image.boxes:
            self._label(box.label).count_box(image.dataset_type)
            self.box_areas.count(box.width * box.height / area, image.dataset_type)

    def _label(self, name: str) -> LabelTally:
        tally = self.labels.get(name)
        if tally is None:
            tally = self.labels[name] = LabelTally()
        return tally

    def with_objects(self, dataset_type: DatasetType) -> int:
        """Images that are not backgrounds: Custom Labels learns from these alone."""
        return self.images[dataset_type] - self.backgrounds[dataset_type]

    @property
    def total(self) -> int:
        return sum(self.images.values())

    @property
    def boxes(self) -> int:
        return sum(self.box_areas.train) + sum(self.box_areas.test)

    @property
    def kind(self) -> Kind:
        """The kind of model that Rekognition trains: boxes anywhere make one that finds objects."""
        return "detection" if self.kinds["detection"] else "classification"

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        """The histograms that say something about this dataset."""
        of_detections = (self.boxes_per_image, self.box_areas) if self.kinds["detection"] else ()
        of_classifications = (self.labels_per_image,) if self.kinds["classification"] else ()
        return (self.long_sides, self.aspects, *of_detections, *of_classifications)

    def by_name(self) -> list[tuple[str, LabelTally]]:
        return sorted(self.labels.items())

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "images": {"train": self.images["TRAIN"], "test": self.images["TEST"]},
            "boxes": {"train": sum(self.box_areas.train), "test": sum(self.box_areas.test)},
            "backgrounds": {"train": self.backgrounds["TRAIN"], "test": self.backgrounds["TEST"]},
            "refused": {"train": self.refused["TRAIN"], "test": self.refused["TEST"]},
            "label_count": len(self.labels),
            "labels": [_label_dict(name, tally) for name, tally in self.by_name()[:MAX_LABELS]],
            "histograms": [histogram.as_dict() for histogram in self.histograms],
        }


def _label_dict(name: str, tally: LabelTally) -> dict[str, Any]:
    low, high = recall_interval(tally.usable_test)
    return {
        "label": name,
        "train_images": tally.train_images,
        "test_images": tally.test_images,
        "train_boxes": tally.train_boxes,
        "test_boxes": tally.test_boxes,
        "usable_train_images": tally.usable_train,
        "usable_test_images": tally.usable_test,
        "recall_interval_width": round(high - low, 3),
    }


def recall_interval(images: int) -> tuple[float, float]:
    """Between what the true recall lies, with 95% certainty, if 0.8 was measured on so many images.

    Wilson's interval; all of 0 to 1 without an image. F1 is no more certain than the recall in it.
    """
    if not images:
        return 0.0, 1.0
    return wilson(ASSUMED_RECALL, images)
