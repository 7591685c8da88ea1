"""What Custom Labels takes, and from where on LabelLoop warns.

"Guidelines and quotas in Amazon Rekognition Custom Labels":
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
"Validation rules for manifest files", for the label overlap and the share of invalid lines:
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/cd-manifest-files-validation-rules.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lambdas.domain.images.files import MAX_ASPECT_RATIO, MAX_SIDE, MIN_SIDE
from lambdas.domain.shared.annotation import (
    MAX_BOXES_PER_IMAGE,
    MAX_LABEL_CHARACTERS,
    MAX_LABELS_PER_IMAGE,
    TRAINING_SIDE,
    Kind,
)

LIMITS_PAGE = "https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html"
RULES_PAGE = (
    "https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/cd-manifest-files-validation-rules.html"
)
LINE_ERRORS_PAGE = (
    "https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-json-line-errors.html"
)
IGNORED_LINES_PAGE = (
    "https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-scope-json-line.html"
)
PREPARING_PAGE = "https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-prepare-images.html"

PAGES = {
    LIMITS_PAGE: "Guidelines and quotas",
    RULES_PAGE: "Validation rules for manifest files",
    LINE_ERRORS_PAGE: "Non-terminal JSON Line validation errors",
    IGNORED_LINES_PAGE: "Validation result manifests",
    PREPARING_PAGE: "Preparing images",
}


@dataclass(frozen=True)
class Limits:
    """Custom Labels' quotas; then, from `advised_train_images` on, LabelLoop's own lines.

    Sides and boxes in pixels, shares between 0 and 1.
    """

    min_labels: Mapping[Kind, int] = field(default_factory=lambda: {"classification": 2, "detection": 1})
    max_labels: int = 250
    max_train_images: int = 250_000
    max_test_images: int = 250_000
    max_test_images_per_label: int = 1000
    max_manifest_bytes: int = 1_000_000_000
    """ "1 GB" in RULES_PAGE."""
    max_labels_per_image: int = MAX_LABELS_PER_IMAGE
    max_boxes_per_image: int = MAX_BOXES_PER_IMAGE
    max_label_characters: int = MAX_LABEL_CHARACTERS
    min_side: int = MIN_SIDE
    max_side: int = MAX_SIDE
    max_aspect_ratio: int = MAX_ASPECT_RATIO
    training_side: int = TRAINING_SIDE
    min_label_overlap: float = 0.5
    """Labels of both datasets, of those in TRAIN."""
    max_refused_share: float = 0.2
    """Lines of a manifest that may be invalid."""

    advised_train_images: int = 10
    """AWS advises it for a model (md-prepare-images.html); LabelLoop asks it of each label."""
    min_test_images: int = 5
    """Of a label. With fewer, the 95% interval of its recall spans more than half of the scale."""
    advised_test_images: int = 20
    """Of a label. With so many, the interval is still a third of the scale wide."""
    imbalance: float = 10.0
    harmful_imbalance: float = 50.0
    """Training images of the most frequent label for one of the rarest."""
    small_box_share: float = 0.001
    """Of the image's area: 40 x 40 pixels on an image of 1280 x 1280."""
    giant_box_share: float = 0.95
    doubled_iou: float = 0.9
    contradicting_iou: float = 0.8
    few_multi_label_share: float = 0.05
    odd_share: float = 0.02
    """So few images of one size, or shape, are outliers if they stand far from the rest."""
    harmful_left_out_share: float = 0.1


REKOGNITION = Limits()

_SMALLER_REGIONS = ("ap-south-1", "eu-west-2")


def limits_of(region: str) -> Limits:
    """The limits in an AWS Region: Mumbai and London take smaller datasets."""
    if region in _SMALLER_REGIONS:
        return replace(REKOGNITION, max_train_images=28_000, max_test_images=7_000)
    return REKOGNITION
