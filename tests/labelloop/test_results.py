"""Detections as other libraries take them."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from labelloop import results
from labelloop.models import Box, DetectedLabel, Detection, PixelBox

SEEN = Detection(
    "d-1",
    "2026-01-31T12:00:00.000000Z",
    "v3",
    640,
    480,
    (
        DetectedLabel("bolt", 4, 91.5, Box(0.25, 0.5, 0.125, 0.25), PixelBox(160, 240, 80, 120)),
        DetectedLabel("tray", 7, 80.0),
        DetectedLabel("nut", 2, 60.0, Box(0.0, 0.0, 1.0, 1 / 3), PixelBox(0, 0, 640, 160)),
    ),
)
NOTHING = replace(SEEN, labels=())


@dataclass
class Detections:
    """What supervision 0.31.2 takes, with what it checks of the shapes (`validate_detections_fields`):
    https://supervision.roboflow.com/0.30.0/detection/core/
    """

    xyxy: Any
    mask: Any = None
    confidence: Any = None
    class_id: Any = None
    tracker_id: Any = None
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        objects = len(self.xyxy)
        assert self.xyxy.shape == (objects, 4)
        assert self.confidence.shape == self.class_id.shape == (objects,)
        assert all(len(values) == objects for values in self.data.values())


KINDS = ["stand-in", *(["installed"] if find_spec("supervision") else [])]


@pytest.fixture(params=KINDS)
def supervision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library if it is installed, which the project does not need, and something of the same shape."""
    if request.param == "installed":
        real: Any = import_module("supervision")
        known = list(inspect.signature(real.Detections).parameters)
        assert known == list(inspect.signature(Detections).parameters)
        return
    module = ModuleType("supervision")
    module.__dict__["Detections"] = Detections
    monkeypatch.setitem(sys.modules, "supervision", module)


@pytest.mark.usefixtures("supervision")
def test_objects_are_detections_of_supervision() -> None:
    converted = results.to_supervision(SEEN)
    assert converted.xyxy.tolist() == [[160, 240, 240, 360], [0, 0, 640, 160]]
    assert converted.xyxy.dtype == np.float32
    assert converted.confidence.round(4).tolist() == pytest.approx([0.915, 0.6])
    assert converted.class_id.tolist() == [4, 2]
    assert converted.data["class_name"].tolist() == ["bolt", "nut"]


@pytest.mark.usefixtures("supervision")
def test_an_image_without_objects_is_an_empty_detection_of_supervision() -> None:
    converted = results.to_supervision(NOTHING)
    assert converted.xyxy.shape == (0, 4)
    assert converted.class_id.tolist() == []


def test_who_does_not_have_supervision_hears_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(results.MissingLibraryError, match="pip install supervision"):
        results.to_supervision(SEEN)


def test_objects_are_results_of_coco() -> None:
    assert results.to_coco(SEEN, 17) == [
        {"image_id": 17, "category_id": 4, "bbox": [160, 240, 80, 120], "score": 0.915},
        {"image_id": 17, "category_id": 2, "bbox": [0, 0, 640, 160], "score": 0.6},
    ]
    assert results.to_coco(NOTHING, 17) == []
    assert results.coco_categories([SEEN, NOTHING, SEEN]) == [
        {"id": 2, "name": "nut"},
        {"id": 4, "name": "bolt"},
    ]


@pytest.mark.usefixtures("supervision")
def test_a_label_without_a_class_id_is_one_of_no_class() -> None:
    unknown = replace(SEEN, labels=(replace(SEEN.labels[0], class_id=None),))
    assert results.to_supervision(unknown).class_id.tolist() == [-1]
    with pytest.raises(results.MissingClassError, match="bolt has no class id"):
        results.to_coco(unknown, 17)
