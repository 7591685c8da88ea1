"""How well a model does on test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from learning import threads
from learning.metrics import measure
from learning.types import Evaluation, Example, Prediction, Task


class Predictor(Protocol):
    """A model, in PyTorch or exported. Threads may share one."""

    @property
    def task(self) -> Task: ...
    def predict_file(self, source: Path, /) -> list[Prediction]: ...


def evaluate(
    model: Predictor, examples: Sequence[Example], *, progress: Callable[[float], None] = lambda _: None
) -> Evaluation:
    """The model's figures on test examples. As in serving, one thread predicts an image.

    Args:
        progress: called after each image with the share of them, 0 to 1, that is done.

    Raises:
        ValueError: an image file cannot be read, or no example shows a label.
    """
    predictions = []
    with threads.pool() as pool:
        for seen in pool.map(lambda example: model.predict_file(example.path), examples):
            predictions.append(seen)
            progress(len(predictions) / len(examples))
    return measure(model.task, examples, predictions)
