"""A trained model: what it sees in an image, and how it is kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import torch
from PIL import Image
from torch import nn

from learning.classifier import ClassifierNetwork, classify
from learning.data import Canvas, normalised, read, read_side, to_canvas, upright
from learning.detector import DetectorNetwork, detect, on_image, propose
from learning.network import for_serving
from learning.second_stage import LEAST_SURE, MOST_LOOKS, cut_out, look_again
from learning.types import Prediction, Task

_WEIGHTS = "weights.pt"
_FACTS = "model.json"
_LOOK = "look."


@dataclass(frozen=True)
class Look:
    """A detector's second look: cut-outs of `side` pixels, from images whose longer side is `detail` pixels
    or more, as far as they have so many."""

    side: int
    detail: int


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
    look: Look | None = None


class Model:
    """A trained detector or classifier. Threads may share one.

    Args:
        network: the detector or classifier.
        look: names the detector's boxes, if `facts.look` says that there is a second look.
    """

    def __init__(self, facts: Facts, network: nn.Module, look: nn.Module | None = None) -> None:
        self.facts = facts
        self._networks = (network.eval(), look.eval() if look else None)
        self._network = for_serving(network)
        self._look = for_serving(look) if look else None
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

    def predict_file(self, source: Path | IO[bytes]) -> list[Prediction]:
        """What it sees in an image file, as `predict`.

        Raises:
            ValueError: the file is no image that can be read.
        """
        return self.predict_sized(source)[0]

    def predict_sized(self, source: Path | IO[bytes]) -> tuple[list[Prediction], tuple[int, int]]:
        """What it sees in an image file, as `predict_file`, and the upright width and height of the image."""
        canvas, look = self.facts.canvas, self.facts.look
        image, size = read(source, side=max(read_side(canvas), look.detail if look else 0))
        return self._predict(image, size), size

    def with_facts(self, facts: Facts) -> Model:
        """The same networks with other facts."""
        return Model(facts, *self._networks)

    def save(self, directory: Path) -> None:
        """Write the model into a folder, made if there is none."""
        directory.mkdir(parents=True, exist_ok=True)
        weights = {
            prefix + name: value.cpu()
            for prefix, network in zip(("", _LOOK), self._networks, strict=True)
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
            found: dict[str, Any] = json.loads((directory / _FACTS).read_text())
            look = Look(**found["look"]) if found["look"] else None
            canvas = Canvas(**found["canvas"])
            found |= {"labels": tuple(found["labels"]), "canvas": canvas, "look": look}
            facts = Facts(**found)
            weights = torch.load(directory / _WEIGHTS, map_location="cpu", weights_only=True)
            network, second = networks_for(facts)
            if second:
                second.load_state_dict(
                    {
                        name.removeprefix(_LOOK): weights.pop(name)
                        for name in list(weights)
                        if name.startswith(_LOOK)
                    }
                )
            network.load_state_dict(weights)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{directory} holds no model that this version can load: {error}") from error
        return cls(facts, network.to(device()), second.to(device()) if second else None)

    def _predict(self, image: Image.Image, size: tuple[int, int]) -> list[Prediction]:
        pixels = normalised(to_canvas(image, self.facts.canvas)[None].to(self._device))
        if self.task == "classification":
            return list(classify(self._network, pixels, self.labels, exclusive=self.facts.exclusive)[0])
        canvas, look = self.facts.canvas, self.facts.look
        found = propose(self._network, pixels)[0] if look else detect(self._network, pixels, self.labels)[0]
        boxes = [moved for one in found if (moved := on_image(one, size, canvas))]
        if look is None or self._look is None:
            return boxes
        return self._looked_again(image, image.width / size[0], boxes, self._look, look.side)

    def _looked_again(
        self, image: Image.Image, scale: float, boxes: list[Prediction], network: nn.Module, side: int
    ) -> list[Prediction]:
        sure = [one for one in boxes if one.confidence >= LEAST_SURE][:MOST_LOOKS]
        cut_outs = [cut_out(image, scale, one.box, side) for one in sure if one.box]
        if not cut_outs:
            return []
        return list(look_again(network, self.labels, sure, torch.stack(cut_outs).to(self._device)))


def networks_for(facts: Facts) -> tuple[nn.Module, nn.Module | None]:
    """Networks that have learned nothing: the detector or classifier, and the second look if there is one."""
    labels = len(facts.labels)
    if facts.task == "classification":
        return ClassifierNetwork(labels), None
    return DetectorNetwork(labels, facts.cell), ClassifierNetwork(labels + 1) if facts.look else None


def device() -> torch.device:
    """Where to compute."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
