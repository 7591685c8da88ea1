"""Turns detections into what other libraries take: COCO's results, and `supervision.Detections`.

Both are of objects in boxes: a label of a whole image has no place in them, and is left out.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from labelloop.models import DetectedLabel, Detection

NO_CLASS = -1
"""The class id of supervision of a label that has none yet."""


class MissingLibraryError(ImportError):
    """The library that is converted to is not installed."""


class MissingClassError(ValueError):
    """A label has no class id yet, which COCO cannot do without."""


def to_coco(detection: Detection, image_id: int) -> list[dict[str, Any]]:
    """The objects as COCO's results, as `loadRes` of pycocotools takes them: https://cocodataset.org/#format-results

    Args:
        image_id: of the image, in the annotations that it is compared with.

    Raises:
        MissingClassError: a label has no class id.
    """
    return [
        {
            "image_id": image_id,
            "category_id": _class_id(label),
            "bbox": [
                round(share * size, 2)
                for share, size in zip(label.box, 2 * (detection.width, detection.height), strict=True)
            ],
            "score": label.confidence / 100,
        }
        for label in detection.labels
        if label.box
    ]


def coco_categories(detections: Iterable[Detection]) -> list[dict[str, Any]]:
    """COCO's categories of the objects in these detections: class ids with their labels."""
    names = {_class_id(label): label.label for one in detections for label in one.labels if label.box}
    return [{"id": id, "name": name} for id, name in sorted(names.items())]


def to_supervision(detection: Detection) -> Any:
    """The objects as `supervision.Detections`, with the labels as `data["class_name"]`.

    https://supervision.roboflow.com/latest/detection/core/

    Raises:
        MissingLibraryError: supervision is not installed.
    """
    try:
        supervision, numpy = importlib.import_module("supervision"), importlib.import_module("numpy")
    except ImportError as error:
        raise MissingLibraryError(f"{error}: `pip install supervision`") from error
    objects = [(label, label.box) for label in detection.labels if label.box]
    corners = [(box.left, box.top, box.left + box.width, box.top + box.height) for _label, box in objects]
    size = numpy.array(2 * (detection.width, detection.height), dtype=numpy.float32)
    return supervision.Detections(
        xyxy=numpy.array(corners, dtype=numpy.float32).reshape(-1, 4) * size,
        confidence=numpy.array([label.confidence / 100 for label, _box in objects], dtype=numpy.float32),
        class_id=numpy.array(
            [NO_CLASS if label.class_id is None else label.class_id for label, _box in objects], dtype=int
        ),
        data={"class_name": numpy.array([label.label for label, _box in objects], dtype=str)},
    )


def _class_id(label: DetectedLabel) -> int:
    if label.class_id is None:
        raise MissingClassError(f"{label.label} has no class id yet: ask again in a minute")
    return label.class_id
