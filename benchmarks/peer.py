"""A detector of others on the same images and in the same time: YOLO11n of the package `ultralytics`.

That package is no part of LabelLoop, and its licence, AGPL-3.0, is another one; who wants to compare installs
it. It learns from random weights, or from a file of weights that somebody has.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch

from learning import Box, Example, Prediction
from learning.threads import max_threads
from portable.images import size

PACKAGE = "ultralytics"
RANDOM = "yolo11n.yaml"
"""The network as the package describes it, with random weights."""
SIDE = 320
"""The longer side in pixels that it is shown images with, while our own detector looks at 224 to 480."""


def predictions(
    train: Sequence[Example],
    test: Sequence[Example],
    *,
    seconds: float,
    seed: int,
    weights: str = RANDOM,
) -> list[tuple[Prediction, ...]]:
    """What the peer sees in each test image after it has learned for so long.

    Raises:
        ModuleNotFoundError: the package is not installed.
    """
    package: Any = importlib.import_module(PACKAGE)
    torch.set_num_threads(max_threads())
    labels = sorted({box.label for example in train for box in example.boxes})
    with TemporaryDirectory() as name:
        folder = Path(name)
        model = package.YOLO(weights)
        model.train(
            data=_written(train, labels, folder),
            time=seconds / 3600,
            imgsz=SIDE,
            seed=seed,
            device="cpu",
            workers=0,
            # With validation after each epoch it would learn for a part of the time only.
            val=False,
            plots=False,
            amp=False,
            verbose=False,
            project=str(folder),
        )
        # Without validation the best epoch is unknown; the last one's weights are means over many steps.
        learned = package.YOLO(model.trainer.last)
        return [_seen(learned, example, labels) for example in test]


def on_clock(clock: object) -> AbstractContextManager[object]:
    """Let trainings go by another clock, where the package is installed."""
    if not importlib.util.find_spec(PACKAGE):
        return nullcontext()
    return mock.patch(f"{PACKAGE}.engine.trainer.time", clock)


def _written(train: Sequence[Example], labels: Sequence[str], folder: Path) -> str:
    """The images and boxes in the package's own form; the path of the file that describes them."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for number, example in enumerate(train):
        (folder / "images" / f"{number}{example.path.suffix.lower()}").symlink_to(example.path.resolve())
        lines = [_line(box, labels, size(example.path)) for box in example.boxes]
        (folder / "labels" / f"{number}.txt").write_text("\n".join(lines))
    described = folder / "data.yaml"
    # JSON is YAML, too. It wants images to validate with even where none are.
    described.write_text(
        json.dumps(
            {"path": str(folder), "train": "images", "val": "images", "names": dict(enumerate(labels))}
        )
    )
    return str(described)


def _line(box: Box, labels: Sequence[str], whole: tuple[int, int]) -> str:
    x, y = (box.left + box.width / 2) / whole[0], (box.top + box.height / 2) / whole[1]
    return f"{labels.index(box.label)} {x} {y} {box.width / whole[0]} {box.height / whole[1]}"


def _seen(model: Any, example: Example, labels: Sequence[str]) -> tuple[Prediction, ...]:
    (result,) = model.predict(
        str(example.path), imgsz=SIDE, conf=0.01, max_det=100, device="cpu", verbose=False
    )
    return tuple(
        Prediction(
            labels[int(number)],
            100 * confidence,
            Box(labels[int(number)], left, top, right - left, bottom - top),
        )
        for left, top, right, bottom, confidence, number in result.boxes.data.tolist()
    )
