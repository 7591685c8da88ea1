"""What Custom Labels refuses: the whole training, or an image of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from lambdas.domain.report.examples import Examples
from lambdas.domain.report.image_check import ImageCheck
from lambdas.domain.report.limits import (
    LIMITS_PAGE,
    LINE_ERRORS_PAGE,
    PREPARING_PAGE,
    RULES_PAGE,
    Limits,
)
from lambdas.domain.report.model import Finding
from lambdas.domain.report.statistics import Statistics
from lambdas.domain.shared.annotation import DATASET_TYPES, DatasetType
from lambdas.domain.shared.wording import counted, share, short


class RefusedImages:
    """Images that Custom Labels leaves out of the training as a whole."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._refused: dict[str, Examples] = defaultdict(Examples)

    def add(self, checked: ImageCheck) -> None:
        for code in checked.refusals:
            self._refused[code].offer(checked, checked.image.boxes if code == "too_many_boxes" else ())
        if any(len(name) > self._limits.max_label_characters for name in checked.names):
            self._refused["label_too_long"].offer(checked)

    def findings(self, statistics: Statistics) -> Iterator[Finding]:
        for code, (what, fix, source) in self._words().items():
            if code in self._refused:
                refused = self._refused[code]
                yield Finding(
                    code,
                    "warning",
                    f"{counted(refused.images, 'image')} {what}",
                    "Custom Labels leaves them out of the training, and of its evaluation: what they show is"
                    " not learnt.",
                    fix,
                    refused.images,
                    refused.chosen(),
                    source=source,
                )

    def _words(self) -> dict[str, tuple[str, str, str]]:
        limits = self._limits
        return {
            "image_too_small": (
                f"below {limits.min_side} pixels in width or height",
                "Exclude them, and drop larger originals in their place.",
                LIMITS_PAGE,
            ),
            "image_too_large": (
                f"above {limits.max_side} pixels in width or height",
                "Scale them down and drop them again; training works on"
                f" {limits.training_side} pixels at most anyhow.",
                LIMITS_PAGE,
            ),
            "image_too_elongated": (
                f"longer than {limits.max_aspect_ratio}:1",
                "Crop them to what matters, and drop them again.",
                LIMITS_PAGE,
            ),
            "too_many_boxes": (
                f"with more than {limits.max_boxes_per_image} boxes",
                "Cut such an image into several, each with its own boxes.",
                LINE_ERRORS_PAGE,
            ),
            "too_many_labels_on_image": (
                f"with more than {limits.max_labels_per_image} labels",
                "Keep the labels that a model has to tell apart.",
                LIMITS_PAGE,
            ),
            "label_too_long": (
                f"with a label of more than {limits.max_label_characters} characters",
                "Give the label a shorter name.",
                LINE_ERRORS_PAGE,
            ),
        }


def findings(statistics: Statistics, limits: Limits) -> Iterator[Finding]:
    """The findings for which the training of this dataset fails or is wasted."""
    empty = [dataset_type for dataset_type in DATASET_TYPES if not statistics.with_objects(dataset_type)]
    if empty:
        yield _empty(empty)
        return
    yield from _label_numbers(statistics, limits)
    yield from _image_numbers(statistics, limits)
    yield from _refused_share(statistics, limits)
    if len([kind for kind, images in statistics.kinds.items() if images]) > 1:
        yield _mixed(statistics)
    if statistics.with_objects("TRAIN") < limits.advised_train_images:
        yield _few_images(statistics, limits)


def _empty(dataset_types: list[DatasetType]) -> Finding:
    return Finding(
        "no_images",
        "error",
        f"No image in {' and '.join(dataset_types)}",
        "Custom Labels refuses an empty dataset, so the training fails.",
        "Label images: of each label's first two, one goes to TRAIN and one to TEST.",
        len(dataset_types),
        source=RULES_PAGE,
    )


def _label_numbers(statistics: Statistics, limits: Limits) -> Iterator[Finding]:
    min_labels = limits.min_labels[statistics.kind]
    few: list[str] = []
    for dataset_type in DATASET_TYPES:
        usable = sum(
            bool(tally.usable_train if dataset_type == "TRAIN" else tally.usable_test)
            for tally in statistics.labels.values()
        )
        if usable < min_labels:
            few.append(f"{dataset_type}: {counted(usable, 'label')} that can be used, {min_labels} needed")
    if few:
        yield Finding(
            "too_few_labels",
            "error",
            f"Fewer than {counted(min_labels, 'label')} to learn",
            f"Custom Labels refuses a {statistics.kind} dataset with fewer than {min_labels}, and the"
            " training fails.",
            "Label images with what they are to be told apart from.",
            len(few),
            details=tuple(few),
            source=LIMITS_PAGE,
        )
    labels = len(statistics.labels)
    if labels > limits.max_labels:
        yield Finding(
            "too_many_labels",
            "error",
            f"{labels:,} labels, more than {limits.max_labels:,}",
            "Custom Labels refuses a manifest with so many, and the training fails.",
            "Merge labels, or train a model for a part of them. Labels made from file names by mistake are"
            " the usual cause.",
            labels,
            source=LIMITS_PAGE,
        )


def _image_numbers(statistics: Statistics, limits: Limits) -> Iterator[Finding]:
    allowed = {"TRAIN": limits.max_train_images, "TEST": limits.max_test_images}
    over = [
        dataset_type
        for dataset_type in DATASET_TYPES
        if statistics.images[dataset_type] > allowed[dataset_type]
    ]
    if over:
        yield Finding(
            "too_many_images",
            "error",
            f"More images than Custom Labels takes in {' and '.join(over)}",
            "Custom Labels refuses the dataset.",
            "Exclude images, near-duplicates first; where AWS raises the quota, ask for it.",
            sum(statistics.images[dataset_type] - allowed[dataset_type] for dataset_type in over),
            details=tuple(
                f"{dataset_type}: {statistics.images[dataset_type]:,} images, {allowed[dataset_type]:,} taken"
                for dataset_type in over
            ),
            source=LIMITS_PAGE,
        )
    max_images = limits.max_test_images_per_label
    labels = [(name, tally) for name, tally in statistics.by_name() if tally.test_images > max_images]
    if labels:
        yield Finding(
            "too_many_test_images",
            "error",
            f"{counted(len(labels), 'label')} with more than {max_images:,} images in TEST",
            "It is over Custom Labels' quota for a testing dataset, which may be refused.",
            f"Keep {max_images:,} test images of each such label; more make its F1 hardly more certain.",
            len(labels),
            details=tuple(f"{short(name)}: {tally.test_images:,} test images" for name, tally in labels),
            source=LIMITS_PAGE,
        )


def _refused_share(statistics: Statistics, limits: Limits) -> Iterator[Finding]:
    over = [
        dataset_type
        for dataset_type in DATASET_TYPES
        if statistics.refused[dataset_type] > limits.max_refused_share * statistics.images[dataset_type]
    ]
    if over:
        yield Finding(
            "too_many_refused",
            "error",
            f"Too many invalid images in {' and '.join(over)}",
            f"Custom Labels gives a training up when more than {limits.max_refused_share:.0%} of a"
            " manifest's lines are invalid.",
            "Fix what the findings on refused images and boxes name, the most frequent first.",
            sum(statistics.refused[dataset_type] for dataset_type in over),
            details=tuple(
                f"{dataset_type}: {statistics.refused[dataset_type]:,} of"
                f" {counted(statistics.images[dataset_type], 'image')}"
                f" ({share(statistics.refused[dataset_type], statistics.images[dataset_type])})"
                for dataset_type in over
            ),
            source=RULES_PAGE,
        )


def _mixed(statistics: Statistics) -> Finding:
    classified = statistics.kinds["classification"]
    return Finding(
        "mixed_kinds",
        "warning",
        f"{counted(classified, 'image')} with image-level labels among images with boxes",
        "Boxes anywhere make Custom Labels train a model that finds objects; images without boxes teach it"
        " nothing.",
        "Draw boxes on them, or keep them for a model of their own.",
        classified,
        source=RULES_PAGE,
    )


def _few_images(statistics: Statistics, limits: Limits) -> Finding:
    images = statistics.with_objects("TRAIN")
    return Finding(
        "few_images",
        "warning",
        f"Only {counted(images, 'image')} to train with",
        f"AWS advises {limits.advised_train_images} or more; from fewer a model learns those images rather"
        " than what is on them.",
        "Label more images before this training.",
        images,
        source=PREPARING_PAGE,
    )
