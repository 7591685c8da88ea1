"""What is seen in images by classifiers that had not learned from them, for training images too.

A model has learned the labels of its training images, wrong ones as well, so that it cannot contradict them.
Here a last layer on the pretrained trunk, which has seen none of these images, is fitted to four fifths of
them and asked about the last fifth, for each fifth: cross-validation, in seconds instead of five trainings.
Of a detector it classifies crops: every labelled box, and boxes where the detector sees something and nothing
is labelled. Where boxes lie the detector itself says, whose sense for anything being there hangs little on a
box more or less.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from learning.boxes import sides_of
from learning.classifier import ClassifierNetwork, is_exclusive, load_into, probabilities
from learning.data import canvas_for, canvas_tensor, normalised
from learning.frozen_head import FOLDS, fitted
from learning.model import Model
from learning.second_stage import crop_tensor
from learning.types import Box, Example, Prediction
from portable.boxes import SAME_THING_IOU, iou
from portable.images import CROP_MARGIN, read, read_side
from portable.model import MIN_CONFIDENCE

MIN_OBJECTS = 2 * FOLDS
"""Objects of a label from which on anything is said of it: of fewer, too few are left to know it by."""
_SIDES = (112, 224)
"""Of crops, and of whole images, in pixels: the trunk was taught with the second."""
_DETAIL = 1600
"""The longer side in pixels that images are read with."""
_MIN_OBJECTNESS = 10.0
"""Percent from which on a box is looked at that nothing is labelled at."""
_MAX_EXTRA = 8
"""Of those, looked at in an image, the surest first."""
_ON, _NEAR = 0.5, 0.1
"""Overlaps from which on a box is on an object, and is about it."""

Seen = tuple[Prediction, ...]


@dataclass(frozen=True)
class _Crop:
    """Something in an image to be told what it is."""

    example: int
    box: Box
    truth: str
    """What it is labelled with; empty where nothing is labelled."""
    place: Box | None
    """Where the detector sees it; None if it sees nothing there."""
    is_placed_well: bool
    """Whether that is where it is labelled."""
    confidence: float
    """Of there being something, from 0 to 100."""


def held_out(
    model: Model,
    examples: Sequence[Example],
    *,
    weights: Path,
    seconds: float,
    seed: int,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Seen | None]:
    """What is seen in each example by who has not learned from it; None of those that there is no time for.

    Args:
        model: has learned from examples of these labels. A classifier's own word is not asked for.
        weights: of the pretrained trunk.
        seconds: that looking at images may take; chance decides which are left out. Fitting takes some more.
        progress: called after each image with the share of them, 0 to 1, that is done.

    Raises:
        ValueError: an image file cannot be read.
    """
    order: list[int] = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed)).tolist()
    network = ClassifierNetwork(len(model.labels), pretrained=True)
    load_into(network, weights)
    network.eval()
    look = _classified if model.task == "classification" else _detected
    seen: list[Seen | None] = [None] * len(examples)
    for index, predictions in look(model, network, examples, _in_time(order, seconds, progress)).items():
        seen[index] = predictions
    return seen


def _in_time(order: Sequence[int], seconds: float, progress: Callable[[float], None]) -> Iterator[int]:
    until = time.monotonic() + seconds
    for number, index in enumerate(order):
        if time.monotonic() > until:
            break
        yield index
        progress((number + 1) / len(order))


# Labels of whole images


def _classified(
    model: Model, network: ClassifierNetwork, examples: Sequence[Example], order: Iterable[int]
) -> dict[int, Seen]:
    canvas = canvas_for([(1, 1)], _SIDES[1])
    rows: list[torch.Tensor] = []
    indices: list[int] = []
    for index in order:
        indices.append(index)
        image, _ = read(examples[index].path, side=read_side(canvas))
        rows.append(_features(network, canvas_tensor(image, canvas)[None]))
    if not rows:
        return {}
    truth = torch.zeros(len(rows), len(model.labels))
    for row, index in enumerate(indices):
        for label in examples[index].labels:
            if label in model.labels:
                truth[row, model.labels.index(label)] = 1
    exclusive = is_exclusive([examples[index] for index in indices], model.labels)
    scores = _cross_validated(torch.cat(rows), truth, list(range(len(rows))), exclusive=exclusive)
    rare = _rare(truth)
    seen: dict[int, Seen] = {}
    for row, index in enumerate(indices):
        shown = set(truth[row].nonzero().flatten().tolist())
        chosen = (
            {int(scores[row].argmax())}
            if exclusive
            else set((scores[row] > _ON).nonzero().flatten().tolist())
        )
        # Of a rare label nothing is said, whatever else is seen.
        chosen = (chosen - rare) | (shown & rare) if not shown <= rare else shown
        seen[index] = tuple(
            Prediction(model.labels[number], _percent(float(scores[row, number])))
            for number in sorted(chosen)
        )
    return seen


# Boxes


def _detected(
    model: Model, network: ClassifierNetwork, examples: Sequence[Example], order: Iterable[int]
) -> dict[int, Seen]:
    side = _side(examples)
    crops: list[_Crop] = []
    rows: list[torch.Tensor] = []
    looked_at: list[int] = []
    for index in order:
        mine = _crops(index, examples[index], model.predict_file(examples[index].path))
        looked_at.append(index)
        if mine:
            image, size = read(examples[index].path, side=_DETAIL)
            scale = image.width / size[0]
            shown = torch.stack([crop_tensor(image, scale, crop.box, side) for crop in mine])
            rows.append(_features(network, shown))
            crops += mine
    if not rows:
        return {}
    truth = torch.zeros(len(crops), len(model.labels) + 1)
    for row, crop in enumerate(crops):
        truth[row, model.labels.index(crop.truth) if crop.truth in model.labels else -1] = 1
    folds = {index: number for number, index in enumerate(looked_at)}
    scores = _cross_validated(torch.cat(rows), truth, [folds[crop.example] for crop in crops], exclusive=True)
    rare = _rare(truth)
    seen: dict[int, list[Prediction]] = {index: [] for index in looked_at}
    for row, crop in enumerate(crops):
        seen[crop.example] += _predictions(crop, scores[row], model.labels, rare)
    return {index: tuple(each) for index, each in seen.items()}


def _crops(index: int, example: Example, predictions: Sequence[Prediction]) -> list[_Crop]:
    """Each labelled box, with where the detector sees it, and boxes where it sees something else."""
    places = _one_for_each_thing(predictions)
    overlaps = iou(sides_of(example.boxes), sides_of([place.box for place in places if place.box])).tolist()
    free = dict.fromkeys(range(len(places)))
    crops = []
    for box, row in zip(example.boxes, overlaps, strict=True):
        best = max(free, key=row.__getitem__, default=None)
        if best is None or row[best] < _NEAR:
            crops.append(_Crop(index, box, box.label, None, False, 0.0))
            continue
        del free[best]
        place = places[best]
        crops.append(_Crop(index, box, box.label, place.box, row[best] >= _ON, place.confidence))
    extra = [
        places[number]
        for number in free
        if places[number].confidence >= _MIN_OBJECTNESS and all(row[number] < _ON for row in overlaps)
    ]
    return crops + [
        _Crop(index, place.box, "", place.box, True, place.confidence)
        for place in extra[:_MAX_EXTRA]
        if place.box
    ]


def _one_for_each_thing(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Predictions of anything, whatever its label: the surest of each thing, the surest first."""
    kept: list[Prediction] = []
    for prediction in sorted(predictions, key=lambda prediction: -prediction.confidence):
        if prediction.box is None:
            continue
        others = [other.box for other in kept if other.box]
        if not others or iou(sides_of([prediction.box]), sides_of(others)).max() < SAME_THING_IOU:
            kept.append(prediction)
    return kept


def _predictions(
    crop: _Crop, scores: torch.Tensor, labels: Sequence[str], rare: set[int]
) -> list[Prediction]:
    """What a crop shows, and where; beside that how much it shows what it is labelled with."""
    background = float(scores[-1])
    number = int(scores[:-1].argmax())
    if not crop.truth:
        sure = math.sqrt(crop.confidence / 100 * float(scores[number]))
        return [Prediction(labels[number], _percent(sure), _moved(crop.box, labels[number]))]
    if crop.place is None and background > _ON:
        return []
    if crop.truth not in labels or labels.index(crop.truth) in rare:
        return [Prediction(crop.truth, 100.0, _moved(crop.box, crop.truth))]
    shares = {
        labels[each]: _percent(float(scores[each]) / max(1e-6, 1 - background))
        for each in {number, labels.index(crop.truth)}
    }
    well = crop.place if crop.is_placed_well else None
    return [
        Prediction(label, share, _moved((crop.place if label == crop.truth else well) or crop.box, label))
        for label, share in shares.items()
        if share >= MIN_CONFIDENCE
    ]


def _moved(box: Box, label: str) -> Box:
    return Box(label, box.left, box.top, box.width, box.height)


def _side(examples: Sequence[Example]) -> int:
    longest = [max(box.width, box.height) for example in examples for box in example.boxes]
    return _SIDES[CROP_MARGIN * statistics.median(longest) > _SIDES[0]] if longest else _SIDES[0]


# Both


def _features(network: ClassifierNetwork, pixels: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network.features(normalised(pixels))


def _cross_validated(
    features: torch.Tensor, truth: torch.Tensor, groups: Sequence[int], *, exclusive: bool
) -> torch.Tensor:
    """The probabilities (rows, labels) of each row, by a layer that was fitted to rows of other groups."""
    features = features.clone()
    scores = torch.zeros_like(truth)
    folds = torch.tensor([group % FOLDS for group in groups])
    for fold in range(FOLDS):
        held = folds == fold
        if not held.any() or held.all():
            continue
        layer = fitted(features[~held], truth[~held], exclusive=exclusive)
        with torch.inference_mode():
            scores[held] = probabilities(layer(features[held]), exclusive=exclusive)
    return scores


def _rare(truth: torch.Tensor) -> set[int]:
    return {number for number, count in enumerate(truth.sum(0).tolist()) if count < MIN_OBJECTS}


def _percent(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 4)
