"""The second look: what a detector found is cut out of the image, brought to one size, and named again.

A detector finds things long before it can tell those that look alike: its labels are learned from one cell of
a heat map for each box. Cut-outs show every box alike in size and place, so that a classifier learns their
labels from far fewer of them, from the image's own pixels, in a small part of the time.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat, zip_longest

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional

from learning import augment
from learning.classifier import ClassifierNetwork
from learning.data import CACHE_BYTES, DECODERS, GREY, Canvas, normalised, read, size
from learning.metrics import measure, overlap
from learning.network import for_learning
from learning.symmetry import Change, Symmetry
from learning.types import Box, Evaluation, Example, Prediction

MARGIN = 1.1
"""How much more than the box a cut-out shows."""
AROUND = 1.5
"""How much more than a cut-out is kept for learning, so that it can be moved and turned."""
MOST_LOOKS = 32
"""Boxes of an image that are looked at again, the surest first."""
LEAST_SURE = 10.0
"""Confidence of a box worth another look."""

_SIDES = (48, 112)
_NOTHING = 0.3
"""The overlap with every true box below which a proposal shows nothing."""
_SHARE_OF_NOTHING = 0.2
_SMOOTHED = 0.05
_DEGREES = 15.0
_MOST_CUT_OUTS = 12_000
_MOST_IMAGES = 3_000
_LEAST_IMAGES = 16
"""What is read even when the time is over, so that something can be learned from and watched."""
_MOST_ASKED = 300
"""Images whose wrong proposals are learned from."""
_MOST_DETAIL = 4096


def side_for(examples: Sequence[Example]) -> int:
    """The side of cut-outs in pixels, so that the usual box need not be enlarged."""
    longest = [max(box.width, box.height) for example in examples for box in example.boxes]
    usual = MARGIN * statistics.median(longest) if longest else _SIDES[0]
    return min(_SIDES[1], max(_SIDES[0], round(usual / 16) * 16))


def detail_for(examples: Sequence[Example], side: int) -> int:
    """The longer side in pixels that images must be read with, so that most cut-outs are not enlarged."""
    wanted = [
        max(whole) * min(1.0, side / (MARGIN * max(box.width, box.height)))
        for example in examples[:_MOST_IMAGES]
        if example.boxes
        for whole in [size(example.path)]
        for box in example.boxes
    ]
    if len(wanted) < 2:
        return _MOST_DETAIL
    return min(_MOST_DETAIL, round(statistics.quantiles(wanted, n=10, method="inclusive")[-1]))


def cut_out(image: Image.Image, scale: float, box: Box, side: int, around: float = 1.0) -> torch.Tensor:
    """The square about a box, as bytes of shape (3, side, side); grey beside the image.

    Args:
        scale: the image's pixels for each pixel that the box counts.
        around: how much more than the cut-out is shown.
    """
    half = max(box.width, box.height) / 2 * MARGIN * around * scale
    x, y = (box.left + box.width / 2) * scale, (box.top + box.height / 2) * scale
    # Image.transform takes single pixels, so what is larger is made smaller first.
    shrink = max(1, int(2 * half / side))
    left, top = math.floor(x - half), math.floor(y - half)
    right, bottom = math.ceil(x + half) + 1, math.ceil(y + half) + 1
    inside = (max(0, left), max(0, top), min(image.width, right), min(image.height, bottom))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return torch.full((3, side, side), GREY, dtype=torch.uint8)
    part = Image.new("RGB", (right - left, bottom - top), (GREY, GREY, GREY))
    part.paste(image.crop(inside), (inside[0] - left, inside[1] - top))
    if shrink > 1:
        part = part.reduce(shrink)
    frame = [(edge - corner) / shrink for edge, corner in zip((x - half, y - half), (left, top), strict=True)]
    extent = (frame[0], frame[1], frame[0] + 2 * half / shrink, frame[1] + 2 * half / shrink)
    square = part.transform((side, side), Image.Transform.EXTENT, extent, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def look_again(
    network: nn.Module,
    labels: Sequence[str],
    proposals: Sequence[Prediction],
    cut_outs: torch.Tensor,
) -> tuple[Prediction, ...]:
    """The proposals with the labels that their cut-outs (boxes, 3, side, side; bytes) show, the surest first.

    A proposal's confidence becomes the geometric mean of how sure it is that there is something, and of how
    sure the second look is of what it is; what shows nothing sinks by that.
    """
    if not proposals:
        return ()
    with torch.inference_mode():
        shares = network(normalised(cut_outs)).softmax(1)[:, : len(labels)].cpu()
    seen = []
    for proposal, row in zip(proposals, shares.tolist(), strict=True):
        assert proposal.box is not None  # noqa: S101 - only a detector proposes
        share = max(row)
        label = labels[row.index(share)]
        box = Box(label, proposal.box.left, proposal.box.top, proposal.box.width, proposal.box.height)
        seen.append(Prediction(label, round(math.sqrt(proposal.confidence * 100 * share), 4), box))
    return tuple(sorted(seen, key=lambda one: -one.confidence))


@dataclass(frozen=True)
class _Proposed:
    """What the detector proposes in an image that is held back, and the cut-outs of it."""

    example: Example
    proposals: tuple[Prediction, ...]
    cut_outs: torch.Tensor


@dataclass(frozen=True)
class _Cut:
    """What one image gives: the cut-outs of its boxes, one of a place that shows nothing, if it has one that
    the detector takes for something, and if it is held back, what the detector proposes."""

    boxes: list[torch.Tensor]
    nothing: torch.Tensor | None
    proposed: _Proposed | None


Read = tuple[Image.Image, tuple[int, int]]
"""An image, and the size that its file has, as `data.read` gives them."""


class LookLearner:
    """What training needs to know of the second look: the loss of a batch, the score of the whole detector.

    Args:
        propose: what a detector sees in images, in pixels of their files.
        held_back: the examples which that detector has not learned from.
        read_side: the longer side in pixels that `propose` needs of images.
        until: when to read no more images, of the monotonic clock; a few are read whatever the time.
        tell: called again and again while images are read.
    """

    batch = 16
    looks_closer_early = False

    def __init__(
        self,
        examples: Sequence[Example],
        labels: tuple[str, ...],
        propose: Callable[[Sequence[Read]], Sequence[Sequence[Prediction]]],
        held_back: Sequence[int],
        *,
        read_side: int,
        until: float,
        tell: Callable[[], None],
        device: torch.device,
        random: torch.Generator,
    ) -> None:
        self.labels = labels
        self.device = device
        self.side = side_for(examples)
        self.detail = detail_for(examples, self.side)
        self.symmetry = Symmetry()
        self.network: nn.Module = for_learning(ClassifierNetwork(len(labels) + 1), device)
        self._big = round(AROUND * self.side)
        self._regions: list[str | None] = []
        self._cut_outs: list[torch.Tensor] = []
        self._of: list[int] = []
        self._proposed: list[_Proposed] = []
        self._held_back = set(held_back)
        room = min(_MOST_CUT_OUTS, CACHE_BYTES // (3 * self._big**2))
        chosen = _in_turn(len(examples), self._held_back, random)
        asked = len(self._held_back) + _MOST_ASKED
        with ThreadPoolExecutor(DECODERS) as pool:
            for start in range(0, len(chosen), DECODERS):
                if len(self._cut_outs) >= room or (start >= _LEAST_IMAGES and time.monotonic() > until):
                    break
                chunk = chosen[start : start + DECODERS]
                side = max(self.detail, read_side if start < asked else 0)
                of = [examples[index] for index in chunk]
                images = list(pool.map(read, [example.path for example in of], repeat(side)))
                proposals = propose(images) if start < asked else [()] * len(chunk)
                cut = pool.map(self._cut, chunk, of, images, proposals)
                for index, example, found in zip(chunk, of, cut, strict=True):
                    self._keep(index, example, found)
                tell()

    def __len__(self) -> int:
        return len(self._cut_outs)

    @property
    def canvas(self) -> Canvas:
        """The cut-outs' sides."""
        return Canvas(self.side, self.side)

    def look_closer(self) -> bool:
        """Cut-outs are as fine as they are."""
        return False

    def labels_of(self, index: int) -> set[str]:
        """The label of a cut-out; none of one that shows nothing."""
        label = self._regions[index]
        return set() if label is None else {label}

    def hold_back(self, random: torch.Generator) -> tuple[list[int], list[int]]:
        """The cut-outs of the images that the detector has learned from, and of those held back."""
        everything = range(len(self))
        learned = [index for index in everything if self._of[index] not in self._held_back]
        return learned or list(everything), [i for i in everything if self._of[i] in self._held_back]

    def is_settled(self, evaluation: Evaluation, share_spent: float) -> bool:
        return False

    def loss(self, network: nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        """The loss of these cut-outs, each placed, turned and coloured anew."""
        count, window, canvas = len(indices), self.canvas, Canvas(self._big, self._big)
        middle = torch.full((count, 2), self._big / 2)
        how = augment.placements(middle, window, canvas, random, low=0.8, high=1.25)
        how = augment.Placements(
            how.scale,
            window.width / 2 - middle * how.scale + self._moved(count, random),
            augment.angles(count, _DEGREES, random),
        )
        images = normalised(torch.stack([self._cut_outs[index] for index in indices])).to(self.device)
        images = augment.recolour(augment.place(images, how, window), random)
        images = self.symmetry.apply(images, random)
        truth = torch.tensor([self._number(index) for index in indices]).to(self.device)
        return functional.cross_entropy(network(images), truth, label_smoothing=_SMOOTHED)

    def figures(self, network: nn.Module, indices: Sequence[int]) -> Evaluation:
        """How well the detector does with this second look on the images that are held back."""
        return self._figures(network, lambda images: images)

    def ask_symmetry(self, network: nn.Module, indices: Sequence[int], score: float) -> None:
        """Allow the ways of mirroring and turning that leave the labels what they are."""
        self.symmetry.ask(score, lambda change: self._figures(network, change).f1)

    def _figures(self, network: nn.Module, change: Change) -> Evaluation:
        found = [
            look_again(network, self.labels, one.proposals, change(one.cut_outs.to(self.device)))
            for one in self._proposed
        ]
        return measure("detection", [one.example for one in self._proposed], found)

    def _cut(self, index: int, example: Example, read: Read, proposals: Sequence[Prediction]) -> _Cut:
        image, (width, _) = read
        scale = image.width / width
        boxes = [cut_out(image, scale, box, self._big, AROUND) for box in example.boxes]
        surest = sorted(proposals, key=lambda one: -one.confidence)[:MOST_LOOKS]
        nothing = [
            one.box
            for one in surest
            if one.box and all(overlap(one.box, box) < _NOTHING for box in example.boxes)
        ]
        beside = cut_out(image, scale, nothing[0], self._big, AROUND) if nothing else None
        if index not in self._held_back:
            return _Cut(boxes, beside, None)
        sure = tuple(one for one in surest if one.confidence >= LEAST_SURE and one.box)
        cut_outs = [cut_out(image, scale, one.box, self.side) for one in sure if one.box]
        empty = torch.zeros(0, 3, self.side, self.side, dtype=torch.uint8)
        return _Cut(boxes, beside, _Proposed(example, sure, torch.stack(cut_outs) if cut_outs else empty))

    def _keep(self, index: int, example: Example, cut: _Cut) -> None:
        for box, pixels in zip(example.boxes, cut.boxes, strict=True):
            self._keep_one(pixels, box.label, index)
        few = self._regions.count(None) < _SHARE_OF_NOTHING * (1 + len(self._regions))
        if cut.nothing is not None and few:
            self._keep_one(cut.nothing, None, index)
        if cut.proposed:
            self._proposed.append(cut.proposed)

    def _keep_one(self, pixels: torch.Tensor, label: str | None, index: int) -> None:
        self._cut_outs.append(pixels)
        self._regions.append(label)
        self._of.append(index)

    def _number(self, index: int) -> int:
        label = self._regions[index]
        return len(self.labels) if label is None else self.labels.index(label)

    def _moved(self, count: int, random: torch.Generator) -> torch.Tensor:
        return (torch.rand((count, 2), generator=random) - 0.5) * 0.16 * self.side


def _in_turn(count: int, held_back: set[int], random: torch.Generator) -> list[int]:
    """The held-back images and others by chance by turns, so that wherever reading ends, there are both."""
    others = [i for i in torch.randperm(count, generator=random).tolist() if i not in held_back]
    pairs = zip_longest(sorted(held_back), others)
    return [index for pair in pairs for index in pair if index is not None][:_MOST_IMAGES]
