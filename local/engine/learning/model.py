"""A trained model: what it sees in an image, and how it is kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from local.engine.learning.classifier import ClassifierNetwork, classify
from local.engine.learning.data import Canvas, fit, normalised, read, to_canvas, upright
from local.engine.learning.detector import DetectorNetwork, detect
from local.engine.learning.types import Box, Prediction, Task

_WEIGHTS = "weights.pt"
_FACTS = "model.json"


@dataclass(frozen=True)
class Facts:
    """All of a model but its weights.

    `thresholds` are the assumed thresholds on its own training images, 0 to 1; `evaluate` gives the ones on
    test images. `exclusive`: whether an image has exactly one of the labels. `cell`: pixels of the canvas to
    a cell of a detector's heat map.
    """

    task: Task
    labels: tuple[str, ...]
    canvas: Canvas
    exclusive: bool
    cell: int
    seed: int
    epochs: float
    steps: int
    thresholds: Mapping[str, float] = field(default_factory=dict)


class Model:
    """A trained detector or classifier. Threads may share one."""

    def __init__(self, facts: Facts, network: nn.Module) -> None:
        self.facts = facts
        self._network = network.eval()
        self._device = next(network.parameters()).device

    @property
    def task(self) -> Task:
        """ "detection" or "classification"."""
        return self.facts.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels it knows, sorted."""
        return self.facts.labels

    def predict(self, image: Image.Image) -> list[Prediction]:
        """What it sees in an image, the surest first: at most 100, none under 1 % confidence.

        Boxes are in pixels of the image turned upright, and inside it.
        """
        whole = upright(image)
        return self._predict(whole, (whole.width, whole.height))

    def predict_file(self, path: Path) -> list[Prediction]:
        """What it sees in an image file.

        Raises:
            ValueError: the file is no image that can be read.
        """
        canvas = self.facts.canvas
        return self._predict(*read(path, side=2 * max(canvas.width, canvas.height)))

    def save(self, directory: Path) -> None:
        """Write the model into a folder, made if there is none."""
        directory.mkdir(parents=True, exist_ok=True)
        torch.save(
            {name: value.cpu() for name, value in self._network.state_dict().items()}, directory / _WEIGHTS
        )
        (directory / _FACTS).write_text(json.dumps(asdict(self.facts), indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Model:
        """The model that `save` wrote; on a CUDA device where there is one.

        Raises:
            ValueError: the folder holds no such model.
        """
        try:
            found: dict[str, Any] = json.loads((directory / _FACTS).read_text())
            facts = Facts(**{**found, "labels": tuple(found["labels"]), "canvas": Canvas(**found["canvas"])})
            network = network_for(facts)
            network.load_state_dict(torch.load(directory / _WEIGHTS, map_location="cpu", weights_only=True))
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{directory} holds no model that this version can load: {error}") from error
        return cls(facts, network.to(device()))

    def _predict(self, image: Image.Image, size: tuple[int, int]) -> list[Prediction]:
        pixels = normalised(to_canvas(image, self.facts.canvas)[None].to(self._device))
        if self.task == "classification":
            return list(classify(self._network, pixels, self.labels, exclusive=self.facts.exclusive)[0])
        found = detect(self._network, pixels, self.labels)[0]
        boxes = [_on_image(one, size, self.facts.canvas) for one in found]
        return [one for one in boxes if one is not None]


def network_for(facts: Facts) -> nn.Module:
    """A network that has learned nothing."""
    labels = len(facts.labels)
    return DetectorNetwork(labels, facts.cell) if facts.task == "detection" else ClassifierNetwork(labels)


def device() -> torch.device:
    """Where to compute."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _on_image(seen: Prediction, size: tuple[int, int], canvas: Canvas) -> Prediction | None:
    """A prediction moved from the canvas onto the image; None if it lies beside it."""
    if seen.box is None:
        return seen
    place = fit(*size, canvas)
    left = max(0.0, (seen.box.left - place.left) / place.scale)
    top = max(0.0, (seen.box.top - place.top) / place.scale)
    right = min(float(size[0]), (seen.box.left + seen.box.width - place.left) / place.scale)
    bottom = min(float(size[1]), (seen.box.top + seen.box.height - place.top) / place.scale)
    if right - left < 1 or bottom - top < 1:
        return None
    box = Box(seen.label, left, top, right - left, bottom - top)
    return Prediction(seen.label, seen.confidence, box)
