"""What training a detector and training a classifier have in common."""

from __future__ import annotations

import statistics
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from learning.data import Images, canvas_for, finer_side
from learning.types import Example
from learning.validation_split import split_validation
from portable.images import Canvas, size


class ImageLearner(ABC):
    """Examples, and the canvas that their images are shown in.

    Args:
        sides: the least and the largest side of a canvas; the usual image's own side lies between them.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        labels: tuple[str, ...],
        device: torch.device,
        sides: tuple[int, int],
    ) -> None:
        self.examples = examples
        self.labels = labels
        self.device = device
        self._sizes = [size(example.path) for example in examples]
        smallest, largest = sides
        self._largest = min(largest, max(smallest, int(statistics.median(map(max, self._sizes)))))

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def canvas(self) -> Canvas:
        """The canvas that images are shown in now."""
        return self._images.canvas

    def increase_resolution(self) -> bool:
        """Go on with a finer canvas, if the images have more to show."""
        side = finer_side(self.canvas, self._largest)
        if side is None:
            return False
        self._use(side)
        return True

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on from here, beside the network."""
        return {"side": self._side}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        if state["side"] != self._side:
            self._use(state["side"])

    @abstractmethod
    def labels_of(self, index: int) -> set[str]:
        """The labels that an example shows."""

    def split_validation(self, random: torch.Generator) -> tuple[list[int], list[int]]:
        """The examples to learn from, and those to validate the learning with."""
        return split_validation(self, random)

    def _use(self, side: int) -> None:
        """Show images in a canvas with this longer side from now on."""
        self._side = side
        self._images = Images(self.examples, canvas_for(self._sizes, side))
