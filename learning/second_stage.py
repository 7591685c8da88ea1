"""The second stage: a detector's boxes are cropped out of the image, brought to one size, and classified.

A detector localizes objects long before it can tell those that look alike: its labels are learned from one
cell of a heat map for each box. Crops show every box alike in size and place, so that a classifier learns
their labels from far fewer of them, from the image's own pixels, in a small part of the time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat, zip_longest
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from learning import augment
from learning.boxes import sides_of
from learning.classifier import ClassifierNetwork, load_into
from learning.data import CACHE_BYTES, DECODERS, channels_first, normalised
from learning.metrics import measure
from learning.network import for_learning
from learning.symmetry import Change, Symmetry
from learning.types import Box, Evaluation, Example, Prediction
from portable.boxes import iou
from portable.images import CROP_MARGIN, Canvas, crop, read, size
from portable.model import MAX_PROPOSALS, MIN_PROPOSAL_CONFIDENCE, Proposal, classified

AROUND = 1.5
"""How much more than a crop is kept for learning, so that it can be moved and turned."""

_SIDES = (48, 112)
_BACKGROUND_IOU = 0.3
"""The overlap with every true box below which a proposal shows background."""
_BACKGROUND_SHARE = 0.2
"""The most crops of background, as a share of all crops."""
_SMOOTHED = 0.05
_DEGREES = 15.0
_MAX_CROPS = 12_000
_MAX_IMAGES = 3_000
_MIN_IMAGES = 16
"""The images that are read even when the time is over, so that there is something to learn from and to
validate with."""
_MAX_PROPOSED_IMAGES = 300
"""Images whose wrong proposals are learned from."""
_MAX_DETAIL = 4096


def side_for(examples: Sequence[Example]) -> int:
    """The side of crops in pixels, so that the usual box need not be enlarged."""
    longest = [max(box.width, box.height) for example in examples for box in example.boxes]
    usual = CROP_MARGIN * statistics.median(longest) if longest else _SIDES[0]
    return min(_SIDES[1], max(_SIDES[0], round(usual / 16) * 16))


def detail_for(examples: Sequence[Example], side: int) -> int:
    """The longer side in pixels that images must be read with, so that most crops are not enlarged."""
    wanted = [
        max(whole) * min(1.0, side / (CROP_MARGIN * max(box.width, box.height)))
        for example in examples[:_MAX_IMAGES]
        if example.boxes
        for whole in [size(example.path)]
        for box in example.boxes
    ]
    if len(wanted) < 2:
        return _MAX_DETAIL
    return min(_MAX_DETAIL, round(statistics.quantiles(wanted, n=10, method="inclusive")[-1]))


def crop_tensor(image: Image.Image, scale: float, box: Box, side: int, around: float = 1.0) -> torch.Tensor:
    """The square about a box, as bytes of shape (3, side, side); `portable.images.crop` says of what."""
    return channels_first(crop(image, scale, (box.left, box.top, box.width, box.height), side, around))


def classify_proposals(
    network: nn.Module,
    labels: Sequence[str],
    proposals: Sequence[Prediction],
    crops: torch.Tensor,
) -> tuple[Prediction, ...]:
    """The proposals with the labels that their crops (boxes, 3, side, side; bytes) show, the surest first.

    `portable.model.classified` says how sure.
    """
    if not proposals:
        return ()
    with torch.inference_mode():
        scores = network(normalised(crops)).softmax(1).cpu().numpy()
    places = [
        Proposal(0, seen.confidence, (seen.box.left, seen.box.top, seen.box.width, seen.box.height))
        for seen in proposals
        if seen.box
    ]
    return tuple(
        Prediction(labels[seen.number], seen.confidence, Box(labels[seen.number], *seen.box))
        for seen in classified(places, scores)
    )


@dataclass(frozen=True)
class _Proposed:
    """What the detector proposes in a validation image, and the crops of it."""

    example: Example
    proposals: tuple[Prediction, ...]
    crops: torch.Tensor


@dataclass(frozen=True)
class _ImageCrops:
    """What one image gives: the crops of its boxes, one of background that the detector takes for an object,
    if it has some, and of a validation image what the detector proposes."""

    boxes: list[torch.Tensor]
    background: torch.Tensor | None
    proposed: _Proposed | None


Read = tuple[Image.Image, tuple[int, int]]
"""An image, and the size that its file has, as `data.read` gives them."""


class SecondStageLearner:
    """What training needs to know of the second stage: the loss of a batch, the score of the whole detector.

    Args:
        propose: what a detector sees in images, in pixels of their files.
        training: the examples which that detector has learned from.
        validation: those that it was validated with; of few examples, the same ones.
        read_side: the longer side in pixels that `propose` needs of images.
        until: when to read no more images, of the monotonic clock; a few are read whatever the time.
        images_read: how many to read instead, as before a kill.
        report: called again and again while images are read.
    """

    batch = 16
    increases_resolution_early = False

    def __init__(
        self,
        examples: Sequence[Example],
        labels: tuple[str, ...],
        propose: Callable[[Sequence[Read]], Sequence[Sequence[Prediction]]],
        training: Sequence[int],
        validation: Sequence[int],
        *,
        read_side: int,
        until: float,
        images_read: int | None = None,
        report: Callable[[], None],
        device: torch.device,
        random: torch.Generator,
        weights: Path | None = None,
    ) -> None:
        self.labels = labels
        self.device = device
        self.side = side_for(examples)
        self.detail = detail_for(examples, self.side)
        self.symmetry = Symmetry()
        network = ClassifierNetwork(len(labels) + 1, pretrained=weights is not None)
        if weights:
            load_into(network, weights)
        self.network: nn.Module = for_learning(network, device)
        self._big = round(AROUND * self.side)
        self._regions: list[str | None] = []
        self._crops: list[torch.Tensor] = []
        self._example_of: list[int] = []
        self._proposed: list[_Proposed] = []
        self._training, self._validation = set(training), set(validation)
        self._images_read = 0
        room = min(_MAX_CROPS, CACHE_BYTES // (3 * self._big**2))
        chosen = _interleaved(len(examples), self._validation, random)
        proposed = len(self._validation) + _MAX_PROPOSED_IMAGES
        with ThreadPoolExecutor(DECODERS) as pool:
            for start in range(0, len(chosen), DECODERS):
                late = start >= _MIN_IMAGES and time.monotonic() > until
                if len(self._crops) >= room or (late if images_read is None else start >= images_read):
                    break
                chunk = chosen[start : start + DECODERS]
                side = max(self.detail, read_side if start < proposed else 0)
                shown = [examples[index] for index in chunk]
                images = list(pool.map(read, [example.path for example in shown], repeat(side)))
                proposals = propose(images) if start < proposed else [()] * len(chunk)
                crops = pool.map(self._crop_image, chunk, shown, images, proposals)
                for index, example, image_crops in zip(chunk, shown, crops, strict=True):
                    self._keep(index, example, image_crops)
                self._images_read += len(chunk)
                report()

    def __len__(self) -> int:
        return len(self._crops)

    @property
    def canvas(self) -> Canvas:
        """The crops' sides."""
        return Canvas(self.side, self.side)

    def increase_resolution(self) -> bool:
        """Change nothing: crops have one resolution only."""
        return False

    def state(self) -> dict[str, Any]:
        """What a learner of as many images, and `load_state`, need to go on from here, beside the network."""
        return {"symmetry": self.symmetry.allowed, "images_read": self._images_read}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.symmetry.allowed = list(state["symmetry"])

    def labels_of(self, index: int) -> set[str]:
        """The label of a crop; none of one that shows background."""
        label = self._regions[index]
        return set() if label is None else {label}

    def split_validation(self, random: torch.Generator) -> tuple[list[int], list[int]]:
        """The crops of the images that the detector has learned from, and of its validation images.

        Where none of the former that were read shows an object, all are learned from.
        """
        everything = range(len(self))
        learned = [index for index in everything if self._example_of[index] in self._training]
        validation = [index for index in everything if self._example_of[index] in self._validation]
        return learned if any(map(self.labels_of, learned)) else list(everything), validation

    def is_ready_for_second_stage(self, evaluation: Evaluation, step: int, share_spent: float) -> bool:
        """The second stage is the last one."""
        return False

    def loss(self, network: nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        """The loss of these crops, each placed, turned and coloured anew."""
        count, window, canvas = len(indices), self.canvas, Canvas(self._big, self._big)
        middle = torch.full((count, 2), self._big / 2)
        how = augment.placements(middle, window, canvas, random, low=0.8, high=1.25)
        how = augment.Placements(
            how.scale,
            window.width / 2 - middle * how.scale + self._moved(count, random),
            augment.angles(count, _DEGREES, random),
        )
        images = normalised(torch.stack([self._crops[index] for index in indices])).to(self.device)
        images = augment.recolour(augment.place(images, how, window), random)
        images = self.symmetry.apply(images, random)
        truth = torch.tensor([self._number(index) for index in indices]).to(self.device)
        return functional.cross_entropy(network(images), truth, label_smoothing=_SMOOTHED)

    def evaluate(self, network: nn.Module, indices: Sequence[int]) -> Evaluation:
        """How well the detector does with this second stage on the validation images."""
        return self._evaluate(network, lambda images: images)

    def update_symmetry(self, network: nn.Module, indices: Sequence[int], score: float) -> None:
        """Allow the ways of mirroring and turning that leave the labels what they are."""
        self.symmetry.update(score, lambda change: self._evaluate(network, change).f1)

    def _evaluate(self, network: nn.Module, change: Change) -> Evaluation:
        predictions = [
            classify_proposals(network, self.labels, image.proposals, change(image.crops.to(self.device)))
            for image in self._proposed
        ]
        return measure("detection", [image.example for image in self._proposed], predictions)

    def _crop_image(
        self, index: int, example: Example, read: Read, proposals: Sequence[Prediction]
    ) -> _ImageCrops:
        image, (width, _) = read
        scale = image.width / width
        boxes = [crop_tensor(image, scale, box, self._big, AROUND) for box in example.boxes]
        surest = sorted(proposals, key=lambda proposal: -proposal.confidence)[:MAX_PROPOSALS]
        wrong = _without_objects([proposal.box for proposal in surest if proposal.box], example.boxes)
        background = crop_tensor(image, scale, wrong[0], self._big, AROUND) if wrong else None
        if index not in self._validation:
            return _ImageCrops(boxes, background, None)
        sure = tuple(
            proposal for proposal in surest if proposal.confidence >= MIN_PROPOSAL_CONFIDENCE and proposal.box
        )
        crops = [crop_tensor(image, scale, proposal.box, self.side) for proposal in sure if proposal.box]
        empty = torch.zeros(0, 3, self.side, self.side, dtype=torch.uint8)
        proposed = _Proposed(example, sure, torch.stack(crops) if crops else empty)
        return _ImageCrops(boxes, background, proposed)

    def _keep(self, index: int, example: Example, image: _ImageCrops) -> None:
        for box, pixels in zip(example.boxes, image.boxes, strict=True):
            self._keep_crop(pixels, box.label, index)
        few = self._regions.count(None) < _BACKGROUND_SHARE * (1 + len(self._regions))
        if image.background is not None and few:
            self._keep_crop(image.background, None, index)
        if image.proposed:
            self._proposed.append(image.proposed)

    def _keep_crop(self, pixels: torch.Tensor, label: str | None, index: int) -> None:
        self._crops.append(pixels)
        self._regions.append(label)
        self._example_of.append(index)

    def _number(self, index: int) -> int:
        label = self._regions[index]
        return len(self.labels) if label is None else self.labels.index(label)

    def _moved(self, count: int, random: torch.Generator) -> torch.Tensor:
        return (torch.rand((count, 2), generator=random) - 0.5) * 0.16 * self.side


def _without_objects(boxes: Sequence[Box], objects: Sequence[Box]) -> list[Box]:
    """The boxes that overlap none of the objects, or hardly."""
    overlaps = iou(sides_of(boxes), sides_of(objects)).max(1, initial=0.0)
    return [box for box, overlap in zip(boxes, overlaps, strict=True) if overlap < _BACKGROUND_IOU]


def _interleaved(count: int, validation: set[int], random: torch.Generator) -> list[int]:
    """Validation images and others by chance by turns, so that wherever reading ends, there are both."""
    others = [i for i in torch.randperm(count, generator=random).tolist() if i not in validation]
    pairs = zip_longest(sorted(validation), others)
    return [index for pair in pairs for index in pair if index is not None][:_MAX_IMAGES]
