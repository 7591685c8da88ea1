"""The quotas and limits of Amazon Rekognition Custom Labels, in one table.

Sources, by the names that stand beside the figures:
- GUIDELINES: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
- ENDPOINTS: https://docs.aws.amazon.com/general/latest/gr/rekognition.html
- POLICIES: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-attach-project-policy.html
- API: https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Operations.html
- RULES: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/md-create-manifest-file-validation-rules.html
- LINES: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-debugging-json-line-errors.html
- DATASETS: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/debugging-datasets-terminal-errors.html

Lengths of names, pages and lists stand in botocore's service model, which `shapes` enforces.

Two limits of GUIDELINES are not enforced, as no page on errors says what comes of exceeding them: up to 50
image-level labels per image (the 50 boxes have an error of their own), and up to 1,000 test images per label.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

MIB = 1024 * 1024

SMALL_REGIONS = {"ap-south-1", "eu-west-2"}
"""GUIDELINES: Asia Pacific (Mumbai) and Europe (London) take smaller datasets."""

QUOTAS_VARIABLE = "LABELLOOP_ENGINE_QUOTAS"

TAGGING = {"TagResource", "UntagResource", "ListTagsForResource"}
DATA_PLANE = {"DetectCustomLabels"}


MAX_IMAGES = 250_000
"""GUIDELINES, ENDPOINTS and RULES: images in a dataset, lines in a manifest. 500,000 on request for
classification."""
MAX_LABELS = 250
"""GUIDELINES and RULES: unique labels per manifest."""
MAX_MANIFEST_BYTES = 1024 * MIB
"""GUIDELINES and RULES: size of a dataset's manifest file."""


@dataclass(frozen=True)
class Quotas:
    """What one account may have in one Region. AWS raises some of them on request, so they are fields."""

    projects: int = 100
    """ENDPOINTS: projects per account."""
    versions_per_project: int = 100
    """ENDPOINTS: models per project."""
    concurrent_trainings: int = 2
    """ENDPOINTS: concurrent training jobs per account; 1 in Asia Pacific (Sydney)."""
    running_versions: int = 2
    """ENDPOINTS: concurrently running models per account."""
    inference_units: int = 5
    """ENDPOINTS: inference units per started model."""
    images_per_dataset: int = MAX_IMAGES
    labels_per_dataset: int = MAX_LABELS
    manifest_bytes: int = MAX_MANIFEST_BYTES
    policies_per_project: int = 5
    """POLICIES."""
    tags_per_resource: int = 200
    """API: entries of TagResource's Tags. That a resource has no more in all is this engine's reading."""
    control_plane_tps: int = 5
    """ENDPOINTS: transactions per second per account for each control plane operation."""
    tagging_tps: int = 10
    """ENDPOINTS: the same for each resource tagging operation."""
    detection_tps: int = 50
    """ENDPOINTS: the same for DetectCustomLabels."""
    detection_tps_per_unit: int = 5
    """This engine's own figure: AWS says that a unit's rate depends on the model and names none
    (https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/running-model.html)."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Quotas:
        """The quotas as AWS has them, but for those that LABELLOOP_ENGINE_QUOTAS names, as a JSON object.

        Raises:
            ValueError: it is not one, names no quota of these, or gives one no whole number.
        """
        text = environment.get(QUOTAS_VARIABLE, "").strip() or "{}"
        try:
            quotas = json.loads(text)
            if not all(type(value) is int and value >= 0 for value in quotas.values()):
                raise ValueError("a quota is a whole number")
            return cls(**quotas)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{QUOTAS_VARIABLE}={text!r}: {error}") from error

    def trainings_in(self, region: str) -> int:
        return min(1, self.concurrent_trainings) if region == "ap-southeast-2" else self.concurrent_trainings

    def images_in(self, region: str, dataset_type: str) -> int:
        if region not in SMALL_REGIONS:
            return self.images_per_dataset
        return min(28_000 if dataset_type == "TRAIN" else 7_000, self.images_per_dataset)

    def tps(self, operation: str) -> int:
        if operation in DATA_PLANE:
            return self.detection_tps
        return self.tagging_tps if operation in TAGGING else self.control_plane_tps


MIN_LABELS = {"classification": 2, "detection": 1}
"""GUIDELINES: unique labels per dataset of each task; tm-debugging-aggregate-errors.html has the two numbers
the other way round."""
MIN_LABEL_OVERLAP = 0.5
"""RULES: the share of the training labels that are testing labels too."""
MAX_INVALID_SHARE = 0.2
"""RULES: of a manifest's lines."""
MAX_LINE_LENGTH = 100_000
"""DATASETS: characters."""
MAX_BOXES = 50
"""GUIDELINES and RULES: bounding boxes per image."""
MAX_LABEL_LENGTH = 255
"""Of botocore's DatasetLabel; LINES says 256, which the API could not return."""
LARGEST_TRAINED_SIDE = 1280
"""LINES, pixels: larger images are made smaller for training, and their boxes with them."""

PAGE = 100
"""API: items of a page of which the request does not say the size."""
POLICIES_PAGE = 5
"""API: the same of ListProjectPolicies."""

MAX_STORED_IMAGE_BYTES = 15 * MIB
"""GUIDELINES: an image in S3."""
MAX_SENT_IMAGE_BYTES = 4 * MIB
"""GUIDELINES: an image passed as bytes."""
MIN_IMAGE_SIDE = 64
"""GUIDELINES, pixels."""
MAX_IMAGE_SIDE = 4096
"""GUIDELINES, pixels."""
MAX_ASPECT_RATIO = 20
"""GUIDELINES: 20:1; the page on errors of JSON Lines asks for less than that, which is what is enforced."""
MAX_BODY_BYTES = 8 * MIB
"""This engine's own: the largest blob of the service model (5 MiB) in base64, and room for the rest."""
