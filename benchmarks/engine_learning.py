"""How well the embedded engine learns, label by label, in how much time.

On generated images, and on every data set in the folder --data: each in a folder of its own,
with a train and a test part, as Pascal VOC or as a folder for each label.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdas.domain.annotations import folders, voc
from lambdas.domain.annotations.recognise import recognise
from lambdas.domain.annotations.types import Found
from local import scenes
from local.engine import learning
from local.engine.learning import Box, Example, Progress, Task

SECONDS: dict[Task, int] = {"detection": 600, "classification": 240}
"""What a training may take at most."""
GENERATED_SECONDS = 90
TRAIN, TEST = 150, 50
LIMITS = {"parts": 0.95, "trays": 0.95, "cards": 0.75, "clothing": 0.80}
"""The F1 to reach, where one is set."""


@dataclass(frozen=True)
class DataSet:
    """Images to learn from and to test with."""

    name: str
    task: Task
    train: Sequence[Example]
    test: Sequence[Example]


def measure(data: Path | None = None, shares: Sequence[float] = (0.25, 1.0), seed: int = 1) -> None:
    """Train on every data set within each share of the time that it may take at most."""
    with tempfile.TemporaryDirectory() as folder:
        for found in _generated(Path(folder)):
            _measure(found, GENERATED_SECONDS, shares, seed)
        for path in sorted(data.iterdir()) if data else ():
            if path.is_dir():
                real = _read(path)
                _measure(real, SECONDS[real.task], shares, seed)
    print(
        "No figures of other detectors or classifiers on just these images and splits were found published."
    )


def _measure(data: DataSet, seconds: int, shares: Sequence[float], seed: int) -> None:
    limit = f", to reach {LIMITS[data.name]:.2f}" if data.name in LIMITS else ""
    images = f"{len(data.train)} images to learn from, {len(data.test)} to test with"
    print(f"{data.name}: {data.task}, {images}{limit}", flush=True)
    for share in shares:
        watched: list[Progress] = []
        began = time.monotonic()
        model = learning.train(
            data.task, data.train, budget_seconds=share * seconds, seed=seed, progress=watched.append
        )
        took = time.monotonic() - began
        result = learning.evaluate(model, data.test)
        shown = model.facts.epochs * len(data.train)
        facts = f"input {model.facts.canvas.width} x {model.facts.canvas.height}"
        facts += f", second look at {model.facts.look.side}" if model.facts.look else ""
        print(
            f"  within {share * seconds / 60:.1f} min: F1 {result.f1:.3f}"
            f" (precision {result.precision:.3f}, recall {result.recall:.3f})"
            f" after {took:.0f} s, {model.facts.steps} steps; {facts}; {shown / took:.0f} images/s",
            flush=True,
        )
        _minutes(watched)
    for label in result.labels:
        print(
            f"    {label.label:12} F1 {label.f1:.3f}, precision {label.precision:.3f},"
            f" recall {label.recall:.3f}, {label.test_images} test images"
        )


def _minutes(watched: Iterable[Progress]) -> None:
    """What the training said of the images that it held back, once a minute."""
    said: dict[int, str] = {}
    for state in watched:
        if "held-back" in state.message:
            said[int(state.seconds // 60) + 1] = state.message.rpartition(" ")[2]
    if len(said) > 1:
        print("    held-back images: " + ", ".join(f"{f1} in minute {minute}" for minute, f1 in said.items()))


def _generated(folder: Path) -> Iterable[DataSet]:
    yield DataSet(
        "parts",
        "detection",
        _written(scenes.detection_scenes(TRAIN, 1), folder / "parts-train"),
        _written(scenes.detection_scenes(TEST, 2), folder / "parts-test"),
    )
    yield DataSet(
        "trays",
        "classification",
        _written(scenes.classification_scenes(TRAIN, 1), folder / "trays-train"),
        _written(scenes.classification_scenes(TEST, 2), folder / "trays-test"),
    )


def _written(found: Iterable[scenes.Scene], folder: Path) -> list[Example]:
    folder.mkdir()
    examples = []
    for scene in found:
        path = folder / f"{scene.name}.jpg"
        path.write_bytes(scene.jpeg())
        boxes = tuple(Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes)
        examples.append(Example(path, scene.labels, boxes))
    return examples


def _read(root: Path) -> DataSet:
    reader = voc.read if recognise(root).format == "voc" else folders.read
    found = [one for one in reader(root) if isinstance(one, Found) and one.kind]
    sides = {
        side: [
            Example(root / one.image, one.labels, tuple(Box(**vars(box)) for box in one.boxes))
            for one in found
            if one.split == side
        ]
        for side in ("TRAIN", "TEST")
    }
    task: Task = "detection" if any(one.boxes for one in found) else "classification"
    return DataSet(root.name, task, sides["TRAIN"], sides["TEST"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_learning", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of data sets")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=(0.25, 1.0), help="of the time that a training may take"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    measure(arguments.data, arguments.shares, arguments.seed)


if __name__ == "__main__":
    main()
