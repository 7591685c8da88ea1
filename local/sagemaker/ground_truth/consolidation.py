"""Many workers' answers about one image made one, and the lines of the output manifest.

https://docs.aws.amazon.com/sagemaker/latest/dg/sms-data-output.html . How AWS's own functions consolidate is
told in words only (https://docs.aws.amazon.com/sagemaker/latest/dg/sms-annotation-consolidation.html); here a
box stays that more than half of the workers drew alike, and every label that anybody chose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

ALIKE = 0.5
"""Overlap (intersection over union) above which two workers mean one object."""

BOXES_TYPE = "groundtruth/object-detection"
LABELS_TYPE = "groundtruth/image-classification-multilabel"
LABEL_TYPE = "groundtruth/image-classification"

Content = Mapping[str, Any]


def boxes(answers: Sequence[Content], labels: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Value and metadata of a bounding-box attribute, from what each crowd-bounding-box handed over."""
    first, others = answers[0], answers[1:]
    kept: list[tuple[Content, float]] = []
    for box in first["boundingBoxes"]:
        agreed = 1 + sum(any(_alike(box, other) for other in answer["boundingBoxes"]) for answer in others)
        if agreed * 2 > len(answers):
            kept.append((box, agreed / len(answers) if others else 0.0))
    size = first["inputImageProperties"]
    annotations = [
        {
            "class_id": labels.index(box["label"]),
            "left": box["left"],
            "top": box["top"],
            "width": box["width"],
            "height": box["height"],
        }
        for box, _ in kept
    ]
    value = {
        "image_size": [{"width": size["width"], "height": size["height"], "depth": 3}],
        "annotations": annotations,
    }
    names = {str(labels.index(box["label"])): box["label"] for box, _ in kept}
    objects = [{"confidence": round(confidence, 2)} for _, confidence in kept]
    return value, {"objects": objects, "class-map": names, "type": BOXES_TYPE}


def multilabel(answers: Sequence[Content], labels: Sequence[str]) -> tuple[list[int], dict[str, Any]]:
    """Value and metadata of a multi-label image classification; each answer is {"labels": [...]}."""
    chosen = [label for label in labels if any(label in answer["labels"] for answer in answers)]
    ids = [labels.index(label) for label in chosen]
    shares = {
        str(id): round(sum(label in answer["labels"] for answer in answers) / len(answers), 2)
        if len(answers) > 1
        else 0.0
        for id, label in zip(ids, chosen, strict=True)
    }
    names = {str(id): label for id, label in zip(ids, chosen, strict=True)}
    return ids, {"class-map": names, "confidence-map": shares, "type": LABELS_TYPE}


def single_label(answers: Sequence[Content], labels: Sequence[str]) -> tuple[int, dict[str, Any]]:
    """Value and metadata of an image classification; each answer is {"label": ...}. The first of equals
    wins."""
    names = [answer["label"] for answer in answers]
    name = max(names, key=names.count)
    confidence = names.count(name) / len(names) if len(names) > 1 else 0.0
    return labels.index(name), {"class-name": name, "confidence": round(confidence, 2), "type": LABEL_TYPE}


def _alike(box: Content, other: Content) -> bool:
    if box["label"] != other["label"]:
        return False
    width = min(box["left"] + box["width"], other["left"] + other["width"]) - max(box["left"], other["left"])
    height = min(box["top"] + box["height"], other["top"] + other["height"]) - max(box["top"], other["top"])
    both = max(width, 0) * max(height, 0)
    either = box["width"] * box["height"] + other["width"] * other["height"] - both
    return bool(both / either >= ALIKE)
