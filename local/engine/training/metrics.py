"""What the summary file of an evaluation holds beside precision, recall and F1.

https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-summary-file.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from learning.metrics import MATCHING_IOU
from learning.types import Box, Example, Prediction

_ANY_AREA = [[0.0, 1e12]]
_MAX_PREDICTIONS = 100
"""The most predictions of an image: as many as a model makes."""

Truth = tuple[int, Box]
"""An object in a test image: the number of the image, and the box."""
PredictedBox = tuple[int, Box, float]
"""A predicted object: the number of the image, the box, and the confidence."""


def mean_precision_and_recall(
    examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]
) -> tuple[float, float]:
    """Mean average precision and mean recall over the labels that the examples show, from 0 to 1.

    COCO's definitions with every prediction counted, at the overlap that the other figures are taken at;
    Custom Labels' documentation does not name an overlap.
    """
    truths, predicted = _boxes_by_label(examples, predictions)
    if not truths:
        return 0.0, 0.0
    # One label at a time, which bounds what the library holds in memory.
    figures = [_precision_and_recall(boxes, predicted[label]) for label, boxes in truths.items()]
    precisions, recalls = zip(*figures, strict=True)
    return sum(precisions) / len(figures), sum(recalls) / len(figures)


def confusion_matrix(
    examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]
) -> list[dict[str, Any]]:
    """How many images of each label are most surely predicted to show each label.

    The count is divided by the number of test images of the predicted label, as in the example on
    https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-summary-file-api.html, whose figures are
    388/390 and 2/234 for its 390 caps, and 70/390 and 164/234 for its 234 watches.
    """
    images: Counter[str] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for example, seen in zip(examples, predictions, strict=True):
        images.update(set(example.labels))
        if seen:
            surest = max(seen, key=lambda prediction: prediction.confidence).label
            counts.update((truth, surest) for truth in set(example.labels))
    return [
        {"GroundTruthLabel": truth, "PredictedLabel": predicted, "Value": count / images[predicted]}
        for (truth, predicted), count in sorted(counts.items())
        if images[predicted]
    ]


def _boxes_by_label(
    examples: Sequence[Example], predictions: Sequence[Sequence[Prediction]]
) -> tuple[dict[str, list[Truth]], dict[str, list[PredictedBox]]]:
    truths: dict[str, list[Truth]] = defaultdict(list)
    predicted: dict[str, list[PredictedBox]] = defaultdict(list)
    for number, (example, seen) in enumerate(zip(examples, predictions, strict=True), start=1):
        for box in example.boxes:
            truths[box.label].append((number, box))
        for prediction in seen:
            if prediction.box is not None:
                predicted[prediction.label].append((number, prediction.box, prediction.confidence))
    return truths, predicted


def _precision_and_recall(truths: Sequence[Truth], boxes: Sequence[PredictedBox]) -> tuple[float, float]:
    if not boxes:
        return 0.0, 0.0
    images = sorted({truth[0] for truth in truths} | {box[0] for box in boxes})
    dataset = COCO(
        {
            "images": [{"id": image} for image in images],
            "categories": [{"id": 1}],
            "annotations": [{"id": id_, **_annotation(*truth)} for id_, truth in enumerate(truths, start=1)],
        }
    )
    predicted = dataset.loadRes([{**_annotation(image, box), "score": sure} for image, box, sure in boxes])
    run = COCOeval_faster(dataset, predicted, "bbox", print_function=_print_nothing)
    run.params.iouThrs = np.array([MATCHING_IOU])
    run.params.areaRng, run.params.areaRngLbl = _ANY_AREA, ["all"]
    run.params.maxDets = [_MAX_PREDICTIONS]
    run.evaluate()
    run.accumulate()
    return float(run.eval["precision"].mean()), float(run.eval["recall"].mean())


def _annotation(image: int, box: Box) -> dict[str, Any]:
    return {
        "image_id": image,
        "category_id": 1,
        "bbox": [box.left, box.top, box.width, box.height],
        "area": box.width * box.height,
        "iscrowd": 0,
    }


def _print_nothing(*words: object) -> None:
    """Take the place of `print` in the library, which reports its progress on standard output otherwise."""
