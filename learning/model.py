"""A trained model: what it sees in an image, and how it is kept in a folder."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from PIL import Image
from torch import nn

from learning.classifier import ClassifierNetwork, classify
from learning.data import canvas_tensor, normalised
from learning.detector import DetectorNetwork, detect, on_image, propose
from learning.network import for_serving
from learning.second_stage import classify_proposals, crop_tensor
from learning.types import Prediction, Task
from portable.facts import SecondStage
from portable.images import Canvas, read, read_side, upright
from portable.model import MAX_PROPOSALS, MIN_PROPOSAL_CONFIDENCE

_WEIGHTS = "weights.pt"
_FACTS = "model.json"
_SECOND_STAGE = "second_stage."


@dataclass(frozen=True)
class Facts:
    """Everything about a model but its weights.

    `thresholds` are the assumed thresholds on its own training images, 0 to 1; `evaluate` gives the ones on
    test images. `exclusive`: whether an image has exactly one of the labels. `cell`: pixels of the canvas to
    a cell of a detector's heat map. `pretrained`: whether the networks stand on the trunk that had seen
    ImageNet, or on a small backbone that has learned from these images alone.
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
    second_stage: SecondStage | None = None
    pretrained: bool = False


class Model:
    """A trained detector or classifier. Threads may share one.

    Args:
        network: the detector or classifier.
        second_stage: classifies the detector's boxes, if `facts.second_stage` says that there is one.
    """

    def __init__(self, facts: Facts, network: nn.Module, second_stage: nn.Module | None = None) -> None:
        self.facts = facts
        self._networks = (network.eval(), second_stage.eval() if second_stage else None)
        self._network = for_serving(network)
        self._second_stage = for_serving(second_stage) if second_stage else None
        self._device = next(network.parameters()).device

    @property
    def task(self) -> Task:
        """The task that the model was trained for, "detection" or "classification"."""
        return self.facts.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the model knows, sorted."""
        return self.facts.labels

    def predict(self, image: Image.Image) -> list[Prediction]:
        """The model's predictions for an image, the surest first: at most 100, none under 1 % confidence.

        Boxes are in pixels of the image turned upright, and inside it.
        """
        whole = upright(image)
        return self._predict(whole, (whole.width, whole.height))

    def predict_file(self, source: Path | IO[bytes]) -> list[Prediction]:
        """The model's predictions for an image file, as `predict` gives them.

        Raises:
            ValueError: the file is no image that can be read.
        """
        return self.predict_sized(source)[0]

    def predict_sized(self, source: Path | IO[bytes]) -> tuple[list[Prediction], tuple[int, int]]:
        """The model's predictions for an image file, and the image's upright width and height."""
        canvas, second_stage = self.facts.canvas, self.facts.second_stage
        image, size = read(source, side=max(read_side(canvas), second_stage.detail if second_stage else 0))
        return self._predict(image, size), size

    def networks(self) -> tuple[nn.Module, nn.Module | None]:
        """Copies of the network and of the second stage, if there is one, in the processors' memory."""
        network, second = (copy.deepcopy(each).cpu() if each else None for each in self._networks)
        assert network  # noqa: S101 - every model has one
        return network, second

    def with_facts(self, facts: Facts) -> Model:
        """A model of the same networks with other facts."""
        return Model(facts, *self._networks)

    def save(self, directory: Path) -> None:
        """Write the model into a folder, made if there is none."""
        directory.mkdir(parents=True, exist_ok=True)
        weights = {
            prefix + name: value.cpu()
            for prefix, network in zip(("", _SECOND_STAGE), self._networks, strict=True)
            if network
            for name, value in network.state_dict().items()
        }
        torch.save(weights, directory / _WEIGHTS)
        (directory / _FACTS).write_text(json.dumps(asdict(self.facts), indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path) -> Model:
        """The model that `save` wrote; on a CUDA device where there is one.

        Raises:
            ValueError: the folder holds no such model.
        """
        try:
            facts = _facts(json.loads((directory / _FACTS).read_text()))
            weights = torch.load(directory / _WEIGHTS, map_location="cpu", weights_only=True)
            network, second = networks_for(facts)
            if second:
                second.load_state_dict(
                    {
                        name.removeprefix(_SECOND_STAGE): weights.pop(name)
                        for name in list(weights)
                        if name.startswith(_SECOND_STAGE)
                    }
                )
            network.load_state_dict(weights)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{directory} holds no model that this version can load: {error}") from error
        return cls(facts, network.to(device()), second.to(device()) if second else None)

    def _predict(self, image: Image.Image, size: tuple[int, int]) -> list[Prediction]:
        pixels = normalised(canvas_tensor(image, self.facts.canvas)[None].to(self._device))
        if self.task == "classification":
            return list(classify(self._network, pixels, self.labels, exclusive=self.facts.exclusive)[0])
        if self.facts.second_stage is None or self._second_stage is None:
            return self._on_image(detect(self._network, pixels, self.labels)[0], size)
        proposals = self._on_image(propose(self._network, pixels)[0], size)
        sure = [each for each in proposals if each.confidence >= MIN_PROPOSAL_CONFIDENCE][:MAX_PROPOSALS]
        scale, side = image.width / size[0], self.facts.second_stage.side
        crops = [crop_tensor(image, scale, proposal.box, side) for proposal in sure if proposal.box]
        if not crops:
            return []
        pixels = torch.stack(crops).to(self._device)
        return list(classify_proposals(self._second_stage, self.labels, sure, pixels))

    def _on_image(self, predictions: Sequence[Prediction], size: tuple[int, int]) -> list[Prediction]:
        """Predictions moved from the canvas onto an image of this size, without those that lie beside it."""
        moved = (on_image(prediction, size, self.facts.canvas) for prediction in predictions)
        return [prediction for prediction in moved if prediction]


def _facts(document: dict[str, Any]) -> Facts:
    stage = document["second_stage"]
    parts: dict[str, Any] = {
        **document,
        "labels": tuple(document["labels"]),
        "canvas": Canvas(**document["canvas"]),
        "second_stage": SecondStage(**stage) if stage else None,
    }
    return Facts(**parts)


def networks_for(facts: Facts) -> tuple[nn.Module, nn.Module | None]:
    """Untrained networks: the detector or classifier, and the second stage if there is one."""
    labels = len(facts.labels)
    if facts.task == "classification":
        return ClassifierNetwork(labels, pretrained=facts.pretrained), None
    second = ClassifierNetwork(labels + 1, pretrained=facts.pretrained) if facts.second_stage else None
    return DetectorNetwork(labels, facts.cell, pretrained=facts.pretrained), second


def device() -> torch.device:
    """The device to compute on: CUDA where there is one, else the processors."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
