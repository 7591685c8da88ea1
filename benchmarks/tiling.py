"""How well small objects in images of 8,000 x 6,000 pixels are detected in tiles, and otherwise.

Rekognition takes no image of that size. Beside tiles stand the two things that people do instead: the image
scaled down until it is taken, and tiles that do not overlap and are not merged. Tiles are cut, labelled and
merged by the code of the loop; the engine learns and answers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

import learning
from lambdas.domain.images import tile_labels, tiles
from lambdas.domain.images.files import MAX_SIDE
from lambdas.domain.images.tiles import LargeImage, TilePlan, Tiling
from lambdas.domain.promote import scoring
from lambdas.domain.promote.scoring import GroundTruth
from lambdas.domain.shared import merging
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import RelativeBox
from learning import Example, Model
from local import scenes
from local.scenes import Scene

TRAIN, THRESHOLDS, TEST = 32, 8, 2
"""Scenes to learn from, to find thresholds with, and to find the objects of."""
SMALLER, PARTS = (2176, 1664), 40
"""Those to learn from are smaller, and with more parts: so many benches are seen in few tiles."""
TILING = Tiling(side=640, overlap=128)
SECONDS = 900
"""What the training may take."""
MIN_F1 = 0.95

Labels = list[dict[str, Any]]
Detect = Callable[[LargeImage, TilePlan], Labels]


def measure(seconds: float = SECONDS) -> None:
    """Train once on the tiles of large scenes, and find the objects of others."""
    model, thresholds = _trained(seconds)
    drawn = [(scene, _opened(scene)) for scene in scenes.large_scenes(TEST, 2)]
    predict = _predictor(model, thresholds)
    _print("as it is, which Rekognition refuses", drawn, TILING.overlap, lambda image, plan: [])
    _print(f"scaled down to {MAX_SIDE} pixels", drawn, TILING.overlap, _scaled_down(predict))
    _print("tiles side by side, answers put together", drawn, 0, _put_together(predict))
    _print(
        f"tiles that overlap by {TILING.overlap}, put together", drawn, TILING.overlap, _put_together(predict)
    )
    f1 = _print(f"tiles that overlap by {TILING.overlap}, merged", drawn, TILING.overlap, _merged(predict))
    print(f"  to be reached: {MIN_F1}; {'reached' if f1 >= MIN_F1 else 'NOT reached'}")


def _trained(seconds: float) -> tuple[Model, dict[str, float]]:
    """A model of the scenes' parts, and from which confidence on its labels count."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = (
            [
                example
                for scene in scenes.large_scenes(count, seed, size=SMALLER, parts=PARTS)
                for example in _examples(scene, Path(folder))
            ]
            for count, seed in ((TRAIN, 1), (THRESHOLDS, 3))
        )
        began = time.monotonic()
        model = learning.train("detection", train, budget_seconds=seconds, seed=1)
        took, canvas = time.monotonic() - began, model.facts.canvas
        evaluation = learning.evaluate(model, test)
    size = f"{canvas.width} x {canvas.height}"
    print(
        f"{len(train)} tiles of {TRAIN} scenes learned in {took:.0f} s, input {size};"
        f" F1 {evaluation.f1:.3f} on {len(test)} tiles of {THRESHOLDS} others",
        flush=True,
    )
    return model, {label.label: 100 * label.assumed_threshold for label in evaluation.labels}


def _examples(scene: Scene, folder: Path) -> list[Example]:
    """The tiles of a scene as registration cuts and labels them."""
    image = _opened(scene)
    plan = tiles.plan(image.width, image.height, tiling=replace(TILING, tile=True))
    assert plan
    boxes = [Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes]
    examples = []
    for number, tile in enumerate(tile_labels.labelled_tiles(plan, boxes).tiles):
        path = folder / f"{scene.name}-{number:04d}.jpg"
        path.write_bytes(tiles.cut(image, tile.tile, hidden=tile.hidden, shown=tile.boxes))
        examples.append(Example(path, boxes=tuple(learning.Box(**asdict(box)) for box in tile.boxes)))
    return examples


def _opened(scene: Scene) -> LargeImage:
    return tiles.load(BytesIO(scene.jpeg()))


def _plan(image: LargeImage, overlap: int) -> TilePlan:
    plan = tiles.plan(image.width, image.height, tiling=Tiling(TILING.side, overlap))
    assert plan
    return plan


def _predictor(model: Model, thresholds: Mapping[str, float]) -> Callable[[bytes], Labels]:
    """What the model sees in image files, as DetectCustomLabels answers without MinConfidence."""

    def predict(data: bytes) -> Labels:
        with Image.open(BytesIO(data)) as image:
            seen, (width, height) = model.predict(image), image.size
        return [
            {
                "label": each.label,
                "confidence": each.confidence,
                "box": {
                    "left": each.box.left / width,
                    "top": each.box.top / height,
                    "width": each.box.width / width,
                    "height": each.box.height / height,
                },
            }
            for each in seen
            if each.box and each.confidence >= thresholds[each.label]
        ]

    return predict


def _scaled_down(predict: Callable[[bytes], Labels]) -> Detect:
    def detect(image: LargeImage, plan: TilePlan) -> Labels:
        scale = MAX_SIDE / max(plan.width, plan.height)
        return predict(tiles.overview(image, (round(plan.width * scale), round(plan.height * scale))))

    return detect


def _put_together(predict: Callable[[bytes], Labels]) -> Detect:
    def detect(image: LargeImage, plan: TilePlan) -> Labels:
        answers = [predict(tiles.cut(image, tile)) for tile in plan.tiles]
        size = (plan.width, plan.height)
        return [
            label
            for tile, answer in zip(plan.tiles, answers, strict=True)
            for label in merging.merge(size, [tile], [answer])
        ]

    return detect


def _merged(predict: Callable[[bytes], Labels]) -> Detect:
    def detect(image: LargeImage, plan: TilePlan) -> Labels:
        overview = predict(tiles.overview(image, plan.overview)) if plan.overview else None
        answers = [predict(tiles.cut(image, tile)) for tile in plan.tiles]
        size = (plan.width, plan.height)
        return merging.merge(size, plan.tiles, answers, overview=overview, overlap=plan.overlap)

    return detect


def _print(name: str, drawn: Sequence[tuple[Scene, LargeImage]], overlap: int, detect: Detect) -> float:
    """Print the F1 of a way to detect, which is returned, and how long an image takes."""
    began = time.monotonic()
    answers = [(scene, detect(image, _plan(image, overlap))) for scene, image in drawn]
    seconds = (time.monotonic() - began) / len(drawn)
    scores = scoring.score((_truth(scene), labels) for scene, labels in answers)
    seen, true = sum(len(labels) for _, labels in answers), sum(len(scene.boxes) for scene, _ in answers)
    print(
        f"  {name}: F1 {scores.f1:.3f}, {seen} boxes of {true} objects, {seconds:.0f} s an image", flush=True
    )
    return scores.f1


def _truth(scene: Scene) -> GroundTruth:
    width, height = scene.image.size
    boxes = [
        RelativeBox(box.label, box.left / width, box.top / height, box.width / width, box.height / height)
        for box in scene.boxes
    ]
    return GroundTruth(scene.labels, tuple(boxes))
