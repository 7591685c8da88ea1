"""Test images are predicted side by side."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import cast

import pytest

from learning import (
    Example,
    Model,
    Prediction,
    Task,
    evaluate,
)

import torch  # isort: skip - after the library, which sets how torch's threads wait


class Together:
    """A model whose threads wait for one another; an image has the label that its file is called."""

    task: Task = "classification"

    def __init__(self, threads: int) -> None:
        self._barrier = threading.Barrier(threads, timeout=5)
        self.computes_with: set[int] = set()

    def predict_file(self, path: Path) -> list[Prediction]:
        self._barrier.wait()
        self.computes_with.add(torch.get_num_threads())
        return [Prediction(path.name, 90.0)]


def test_images_are_evaluated_side_by_side_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("learning.threads.max_threads", lambda: 3)
    model = Together(3)
    before = (torch.get_num_threads(), sys.getswitchinterval())
    shares: list[float] = []
    examples = [Example(Path(f"label-{number}"), (f"label-{number}",)) for number in range(6)]
    evaluation = evaluate(cast(Model, model), examples, progress=shares.append)
    assert evaluation.f1 == 1
    assert shares == [pytest.approx(number / 6) for number in range(1, 7)]
    assert model.computes_with == {1}
    assert (torch.get_num_threads(), sys.getswitchinterval()) == before
