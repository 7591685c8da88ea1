"""Checkpoints: a training that was killed goes on where it was last written down, to the same model."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from learning.types import Example, Task

logger = logging.getLogger("labelloop.learning.checkpoint")

SECONDS = 60.0
"""How long, at least, lies between two checkpoints."""
FILE = "checkpoint.pt"


class Checkpoints:
    """The last checkpoint of one training, in a folder.

    Args:
        folder: made if there is none; a checkpoint of another training in it is passed over.
        training: what tells this training from others, as `fingerprint` gives it.
        seconds: how long, at least, lies between two.
    """

    def __init__(self, folder: Path, training: str, seconds: float = SECONDS) -> None:
        self._path = folder / FILE
        self._training = training
        self._seconds = seconds
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether another one should be written."""
        return time.monotonic() - self._saved >= self._seconds

    def save(self, state: dict[str, Any]) -> None:
        """Write down a state, so that a kill leaves it or the one before."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        torch.save({"training": self._training, **state}, part)
        part.replace(self._path)
        self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The last state of this training; None if there is none that can be read."""
        if not self._path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
            return state if state["training"] == self._training else None
        except Exception:
            # What is damaged has PyTorch raise anything. Then the training begins anew.
            logger.exception("the checkpoint %s cannot be read", self._path)
            return None

    def clear(self) -> None:
        """Remove the checkpoint: the training has ended."""
        self._path.unlink(missing_ok=True)


def fingerprint(task: Task, examples: Sequence[Example], *settings: object) -> str:
    """What is the same for a training that goes on, and different for another one. Folders do not count:
    another machine may have the images elsewhere."""
    known = [(example.path.name, example.labels, example.boxes) for example in examples]
    return hashlib.sha256(repr((task, known, settings, torch.__version__)).encode()).hexdigest()
