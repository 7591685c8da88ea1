"""The object detector: every label's centres as a heat map, and a box at each of them.

After "Objects as Points" (https://arxiv.org/abs/1904.07850) and "Training-Time-Friendly Network for
Real-Time Object Detection" (https://arxiv.org/abs/1909.00700), on a backbone small enough to learn from
nothing in seconds.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional

from learning import augment
from learning.data import boxes_in_canvas, boxes_inside, canvas_tensor, multiple, normalised
from learning.learner import ImageLearner
from learning.metrics import measure
from learning.network import Backbone, convolution, for_learning
from learning.trunk import FROZEN_BLOCKS, Trunk, load_weights
from learning.types import Box, Evaluation, Example, Prediction
from portable.images import Canvas, from_canvas, read_side
from portable.model import MAX_PREDICTIONS, MAX_PROPOSALS, separate

CELLS = (8, 4)
"""Pixels of the canvas to a cell of the heat map, both ways: usually, and where boxes stay small."""
REACH = 0.54
"""The share of a box, around its centre, whose cells learn the box."""
_SIDES = (192, 1280)
_MIN_WINDOW = 192
_WANTED_BOX = 32
_WANTED_SMALL_BOX = 26
"""The side of a usual box of the label with the smallest ones."""
_MIN_SMALL_BOXES = 15
"""Boxes of a label, at least, for it to have a say in how fine images are shown."""
_MAX_FINER = 2.0
"""How much finer, at most, they are shown for the label with the smallest boxes."""
_FEW_IMAGES = 25
"""The images up to which they are: each is shown often in any time. More of them teach as much if they are
coarse at first, and answers come sooner."""
_SMALL_BOX = 20
_SMALLEST_VISIBLE = 0.35
_WINDOW = 3.0
_ELSEWHERE = 0.15
_TOP = 48
_BOX_WEIGHT = 5.0
_MIN_CONFUSION, _MIN_SOON_CONFUSION = 0.03, 0.15
"""The confusion of labels that is worth a second stage; and before _SOON_STEPS, as it may soon pass."""
_SOON_STEPS = 120
_TO_LOCALIZE, _TO_LOCALIZE_PRETRAINED = (300, 10, 0.0), (40, 3, 0.2)
"""The steps, the epochs and the share of the time after which a network may know where objects are: one that
has learned before soon does, and its second stage soon tells labels that it would take long to tell."""
_GOOD_F1 = 0.9
"""The F1, if labels did not count, which is good enough for one."""
_SHARE_TO_LOCALIZE = 0.35
"""The share of the time after which boxes need not be so good."""
_TOO_LATE = 0.5
"""The share of the time after which there is not enough left for a second stage."""

_MAX_BATCH, _MIN_BATCH = 8, 4
_PIXELS = _MAX_BATCH * _MIN_WINDOW**2
"""What a batch of few images shows, about, on a trunk that has learned before: where windows are larger, more
steps teach it more than more images."""
_MAX_AT_ONCE = 16
_BYTES = 1 << 30
"""What a batch may take in memory, about, while it is learned from, and a quarter of it while it is shown."""
_BYTES_OF_HEAT = 48
"""The memory for each label and cell of an image that is learned from, about."""
_BYTES_OF_PIXEL = 64
"""The memory for each pixel of an image that is learned from, about."""

Floats = NDArray[np.float32]


class DetectorNetwork(nn.Module):
    """A network from images (batch, 3, h, w) to heat logits (batch, labels, h / cell, w / cell) and the
    distances in pixels from each cell's middle to its box's left, top, right and bottom (batch, 4, h / cell,
    w / cell)."""

    reach: torch.Tensor

    def __init__(self, labels: int, cell: int, reach: float = 20.0, *, pretrained: bool = False) -> None:
        super().__init__()
        self.cell = cell
        self.backbone = Trunk() if pretrained else Backbone()
        widths = self.backbone.widths[CELLS[::-1].index(cell) :]
        self.sides = nn.ModuleList(nn.Conv2d(width, _TOP, 1) for width in widths)
        self.smooth = convolution(_TOP, _TOP)
        self.heat = nn.Sequential(convolution(_TOP, _TOP), _last(labels, -4.0))
        self.distances = nn.Sequential(convolution(_TOP, _TOP), _last(4, 0.0))
        # Half a usual box: what the distances are before anything is learned.
        self.register_buffer("reach", torch.tensor(float(reach)))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.backbone(x)[-len(self.sides) :]
        maps = [side(each) for side, each in zip(self.sides, features, strict=True)]
        top = maps.pop()
        while maps:
            top = maps.pop() + functional.interpolate(top, scale_factor=2.0, mode="nearest")
        top = self.smooth(top)
        return self.heat(top), self.reach * torch.exp(self.distances(top).clamp(-4, 4))


def _last(outputs: int, bias: float) -> nn.Conv2d:
    """A last layer which says `bias` everywhere before anything is learned."""
    layer = nn.Conv2d(_TOP, outputs, 1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(cast(torch.Tensor, layer.bias), bias)
    return layer


class DetectorLearner(ImageLearner):
    """What training needs to know of detection: the loss of a batch, the score of some images.

    Raises:
        ValueError: every box lies beside its image.
    """

    batch = _MAX_BATCH
    """Images of a batch; less where many labels or large images would take too much memory."""
    increases_resolution_early = True

    def __init__(
        self,
        examples: Sequence[Example],
        labels: tuple[str, ...],
        device: torch.device,
        weights: Path | None = None,
    ) -> None:
        super().__init__(examples, labels, device, _SIDES)
        # Nothing can be seen of what lies beside an image.
        self.examples = [
            replace(example, boxes=boxes_inside(example.boxes, each))
            for example, each in zip(examples, self._sizes, strict=True)
        ]
        self.pretrained = weights is not None
        shares = _box_shares(self.examples, self._sizes)
        if not shares:
            raise ValueError("No box lies inside its image; boxes are in pixels of the upright image")
        quarters = statistics.quantiles(shares, n=4, method="inclusive") if len(shares) > 1 else shares * 3
        usual, self._large = quarters[0], quarters[2]
        self.cell = CELLS[0] if usual * self._largest >= _SMALL_BOX else CELLS[1]
        self._use(min(self._largest, max(_SIDES[0], round(_first_side(self.examples, self._sizes, usual)))))
        reach = statistics.median(shares) * max(self.canvas.width, self.canvas.height) / 2
        network = DetectorNetwork(len(labels), self.cell, reach, pretrained=self.pretrained)
        self.network: nn.Module = for_learning(network, device)
        if weights and isinstance(network.backbone, Trunk):
            load_weights(weights, network.backbone)
            network.backbone.freeze(FROZEN_BLOCKS)
        self.takes_second_stage = True
        """Whether one may follow."""
        self._unlabelled_f1 = 0.0
        """The F1 of the images last evaluated, if labels did not count."""

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on from here, beside the network."""
        return {**super().state(), "unlabelled_f1": self._unlabelled_f1}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().load_state(state)
        self._unlabelled_f1 = state["unlabelled_f1"]

    def labels_of(self, index: int) -> set[str]:
        """The labels that an example shows, not counting boxes beside the image."""
        return {box.label for box in self._boxes[index]}

    def is_ready_for_second_stage(self, evaluation: Evaluation, step: int, share_spent: float) -> bool:
        """Whether boxes are as good as they need be for a second stage to tell their labels, and so few in
        usual images that it looks at them all."""
        if not self.takes_second_stage:
            return False
        steps, epochs, share = _TO_LOCALIZE_PRETRAINED if self.pretrained else _TO_LOCALIZE
        shown_enough = step >= steps and step * self.batch >= epochs * len(self) and share_spent >= share
        confusion = _MIN_SOON_CONFUSION if step < _SOON_STEPS else _MIN_CONFUSION
        confused = self._unlabelled_f1 > evaluation.f1 + confusion
        localized = self._unlabelled_f1 >= _GOOD_F1 or share_spent >= _SHARE_TO_LOCALIZE
        if not (shown_enough and confused and localized and share_spent <= _TOO_LATE):
            return False
        return statistics.median(len(boxes) for boxes in self._boxes if boxes) <= MAX_PROPOSALS

    def update_symmetry(self, network: nn.Module, indices: Sequence[int], score: float) -> None:
        """Allow no change of images: boxes would have to be mirrored and turned, too, and the second stage is
        where it helps."""

    @property
    def read_side(self) -> int:
        """The longer side in pixels that `proposals` needs of images."""
        return read_side(self.canvas)

    def proposals(
        self, network: nn.Module, images: Sequence[tuple[Image.Image, tuple[int, int]]]
    ) -> list[tuple[Prediction, ...]]:
        """Boxes of anything that the network sees in these images, in pixels of their files' sizes.

        Args:
            images: each with the size of its file.
        """
        proposals: list[tuple[Prediction, ...]] = []
        for start in range(0, len(images), self._at_once):
            chunk = images[start : start + self._at_once]
            pixels = normalised(torch.stack([canvas_tensor(image, self.canvas) for image, _ in chunk]))
            for (_, whole), proposed in zip(chunk, propose(network, pixels.to(self.device)), strict=True):
                moved = [on_image(proposal, whole, self.canvas) for proposal in proposed]
                proposals.append(tuple(proposal for proposal in moved if proposal))
        return proposals

    def forget_images(self) -> None:
        """Give up the memory that holds the images; they are read again if they are needed."""
        self._images.forget()

    def loss(self, network: nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        """The loss of these images, each placed and coloured anew."""
        focus = torch.stack([self._focus(index, random) for index in indices])
        how = augment.placements(focus, self._window, self.canvas, random, low=0.7, high=1.4)
        images = augment.place(self._images.batch(indices).to(self.device), how, self._window)
        images = augment.recolour(images, random)
        boxes = [
            _replaced(self._boxes[index], how.scale[row].tolist(), how.shift[row].tolist(), self._window)
            for row, index in enumerate(indices)
        ]
        heat, sides, weight = targets(boxes, self.labels, self._window, self.cell)
        logits, distances = network(images)
        count = max(1, sum(len(each) for each in boxes))
        return _heat_loss(logits, heat.to(self.device)) / count + _BOX_WEIGHT * _box_loss(
            distances, sides.to(self.device), weight.to(self.device), self.cell
        )

    def evaluate(self, network: nn.Module, indices: Sequence[int]) -> Evaluation:
        """How well a network does on these images, shown as they are."""
        predictions: list[tuple[Prediction, ...]] = []
        proposals: list[tuple[Prediction, ...]] = []
        truth: list[Example] = []
        for start in range(0, len(indices), self._at_once):
            chunk = indices[start : start + self._at_once]
            images = self._images.batch(chunk).to(self.device)
            with torch.inference_mode():
                logits, distances = network(images)
                predictions += _predictions(torch.sigmoid(logits), distances, self.labels, images.shape[3])
                proposals += _predictions(anything(logits), distances, ("",), images.shape[3])
            truth += [Example(self.examples[i].path, boxes=self._boxes[i]) for i in chunk]
        unlabelled = [
            replace(example, boxes=tuple(replace(box, label="") for box in example.boxes))
            for example in truth
        ]
        self._unlabelled_f1 = measure("detection", unlabelled, proposals).f1
        return measure("detection", truth, predictions)

    def _use(self, side: int) -> None:
        super()._use(side)
        canvas = self.canvas
        self._boxes = [
            boxes_in_canvas(example.boxes, each, canvas)
            for example, each in zip(self.examples, self._sizes, strict=True)
        ]
        window = max(_MIN_WINDOW, multiple(_WINDOW * self._large * max(canvas.width, canvas.height)))
        self._window = Canvas(min(canvas.width, window), min(canvas.height, window))
        self.batch = min(_MAX_BATCH, self._fitting(self._window, _BYTES))
        if self.pretrained and len(self.examples) <= _FEW_IMAGES:
            shown = round(_PIXELS / (self._window.width * self._window.height))
            self.batch = min(self.batch, max(_MIN_BATCH, shown))
        self._at_once = min(_MAX_AT_ONCE, self._fitting(canvas, _BYTES // 4))

    def _fitting(self, shown: Canvas, limit: int) -> int:
        """How many images fit into so many bytes while they are learned from; one at least."""
        pixels = shown.width * shown.height
        cells = pixels // self.cell**2
        return max(1, limit // (pixels * _BYTES_OF_PIXEL + cells * len(self.labels) * _BYTES_OF_HEAT))

    def _focus(self, index: int, random: torch.Generator) -> torch.Tensor:
        """The point of an image to show: mostly the middle of one of its boxes, else any point."""
        boxes = self._boxes[index]
        chance, x, y = torch.rand(3, generator=random).tolist()
        if not boxes or chance < _ELSEWHERE:
            return torch.tensor([x * self.canvas.width, y * self.canvas.height])
        box = boxes[int(x * len(boxes))]
        return torch.tensor([box.left + box.width / 2, box.top + box.height / 2])


def detect(network: nn.Module, images: torch.Tensor, labels: Sequence[str]) -> list[tuple[Prediction, ...]]:
    """What the network sees in normalised images (batch, 3, h, w): boxes in canvas pixels, the most
    confident first, at most 100 an image, none under 1 % confidence, none twice."""
    with torch.inference_mode():
        logits, distances = network(images)
        return _predictions(torch.sigmoid(logits), distances, labels, images.shape[3])


def propose(network: nn.Module, images: torch.Tensor) -> list[tuple[Prediction, ...]]:
    """Where the network sees anything, whatever it is: as `detect`, with the empty label."""
    with torch.inference_mode():
        logits, distances = network(images)
        return _predictions(anything(logits), distances, ("",), images.shape[3])


def anything(logits: torch.Tensor) -> torch.Tensor:
    """The heat of there being anything (batch, 1, h, w)."""
    return 1 - (1 - torch.sigmoid(logits)).prod(1, keepdim=True)


def peaks(
    heat: torch.Tensor, distances: torch.Tensor, cell: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The hottest cells of each image, the hottest first: their heat (batch, cells), the numbers of their
    labels (batch, cells), and their boxes' left, top, right and bottom in canvas pixels (batch, cells, 4)."""
    high, wide = heat.shape[2:]
    heat = heat * (heat == functional.max_pool2d(heat, 3, 1, 1))
    scores, places = heat.flatten(1).topk(min(2 * MAX_PREDICTIONS, heat.shape[1] * high * wide))
    numbers, cells = places // (high * wide), places % (high * wide)
    sides = distances.flatten(2).gather(2, cells[:, None].expand(-1, 4, -1))
    x, y = (cells % wide + 0.5) * cell, (cells // wide + 0.5) * cell
    left, top, right, bottom = sides.unbind(1)
    return scores, numbers, torch.stack([x - left, y - top, x + right, y + bottom], 2)


def _predictions(
    heat: torch.Tensor, distances: torch.Tensor, labels: Sequence[str], width: int
) -> list[tuple[Prediction, ...]]:
    cell = width // heat.shape[3]
    canvas = Canvas(width, heat.shape[2] * cell)
    images = [part.cpu().numpy() for part in peaks(heat, distances, cell)]
    predictions = []
    for scores, numbers, corners in zip(*images, strict=True):
        confidences, kept, boxes = separate(scores, numbers, corners, canvas)
        seen = zip(kept.tolist(), confidences.tolist(), boxes.tolist(), strict=True)
        predictions.append(
            tuple(
                Prediction(labels[number], confidence, Box(labels[number], *box))
                for number, confidence, box in seen
            )
        )
    return predictions


def on_image(seen: Prediction, size: tuple[int, int], canvas: Canvas) -> Prediction | None:
    """A prediction moved from the canvas onto the image of this size; None if it lies beside it."""
    if seen.box is None:
        return seen
    box = from_canvas((seen.box.left, seen.box.top, seen.box.width, seen.box.height), size, canvas)
    return Prediction(seen.label, seen.confidence, Box(seen.label, *box)) if box else None


def targets(
    boxes: Sequence[Sequence[Box]], labels: Sequence[str], canvas: Canvas, cell: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the network should say of images with these boxes in canvas pixels: heat (batch, labels, h, w),
    which is 1 at centres; box sides (batch, 4, h, w); and how much each cell's box counts (batch, h, w)."""
    high, wide = canvas.height // cell, canvas.width // cell
    heat = np.zeros((len(boxes), len(labels), high, wide), np.float32)
    sides = np.zeros((len(boxes), 4, high, wide), np.float32)
    weight = np.zeros((len(boxes), high, wide), np.float32)
    for row, each in enumerate(boxes):
        # The small ones last: where boxes lie on one another, the cells belong to the smaller.
        for box in sorted(each, key=lambda box: -box.width * box.height):
            top, left, bump = _bump(box, cell, high, wide)
            here = (slice(top, top + bump.shape[0]), slice(left, left + bump.shape[1]))
            hot = heat[row, labels.index(box.label)][here]
            np.maximum(hot, bump, out=hot)
            weight[row][here] = bump / bump.sum()
            sides[row][(slice(None), *here)] = np.array(
                (box.left, box.top, box.left + box.width, box.top + box.height), np.float32
            )[:, None, None]
    return torch.from_numpy(heat), torch.from_numpy(sides), torch.from_numpy(weight)


def _bump(box: Box, cell: int, high: int, wide: int) -> tuple[int, int, Floats]:
    """The first row and column of the cells about the box's centre, and the bell over them, 1 at its top."""
    x = min(wide - 1, int((box.left + box.width / 2) / cell))
    y = min(high - 1, int((box.top + box.height / 2) / cell))
    across, down = int(box.width / 2 * REACH / cell), int(box.height / 2 * REACH / cell)
    left, right = max(0, x - across), min(wide - 1, x + across)
    top, bottom = max(0, y - down), min(high - 1, y + down)
    xs = (np.arange(left, right + 1) - x) / ((2 * across + 1) / 6)
    ys = (np.arange(top, bottom + 1) - y) / ((2 * down + 1) / 6)
    return top, left, np.exp(-(xs[None] ** 2 + ys[:, None] ** 2) / 2).astype(np.float32)


def _heat_loss(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """The focal loss of the heat, summed; cells near a centre are excused the more the nearer they are."""
    centres = logits[heat == 1]
    missed = torch.sigmoid(-centres) ** 2 * functional.softplus(-centres)
    # Nothing at the centres, where the heat is 1.
    invented = (1 - heat) ** 4 * torch.sigmoid(logits) ** 2 * functional.softplus(logits)
    return missed.sum() + invented.sum()


def _box_loss(distances: torch.Tensor, sides: torch.Tensor, weight: torch.Tensor, cell: int) -> torch.Tensor:
    """One less the generalised overlap of boxes, the mean over weighted cells."""
    chosen = weight > 0
    if not chosen.any():
        return distances.sum() * 0
    share = weight[chosen]
    _, rows, columns = torch.nonzero(chosen, as_tuple=True)
    x, y = (columns + 0.5) * cell, (rows + 0.5) * cell
    left, top, right, bottom = distances.permute(1, 0, 2, 3)[:, chosen]
    left, top, right, bottom = x - left, y - top, x + right, y + bottom
    true_left, true_top, true_right, true_bottom = sides.permute(1, 0, 2, 3)[:, chosen]
    wide = (torch.minimum(right, true_right) - torch.maximum(left, true_left)).clamp(min=0)
    tall = (torch.minimum(bottom, true_bottom) - torch.maximum(top, true_top)).clamp(min=0)
    shared = wide * tall
    union = (right - left) * (bottom - top) + (true_right - true_left) * (true_bottom - true_top) - shared
    around = (torch.maximum(right, true_right) - torch.minimum(left, true_left)) * (
        torch.maximum(bottom, true_bottom) - torch.minimum(top, true_top)
    )
    general = shared / union.clamp(min=1e-6) - (around - union) / around.clamp(min=1e-6)
    loss: torch.Tensor = ((1 - general) * share).sum() / share.sum()
    return loss


def _replaced(
    boxes: Sequence[Box], scale: Sequence[float], shift: Sequence[float], canvas: Canvas
) -> list[Box]:
    """The boxes where they lie in the changed image, without those of which too little is left."""
    moved = []
    for box in boxes:
        left, top = box.left * scale[0] + shift[0], box.top * scale[1] + shift[1]
        right, bottom = left + box.width * scale[0], top + box.height * scale[1]
        area = (right - left) * (bottom - top)
        left, top = max(0.0, left), max(0.0, top)
        right, bottom = min(float(canvas.width), right), min(float(canvas.height), bottom)
        if right > left and bottom > top and (right - left) * (bottom - top) > _SMALLEST_VISIBLE * area:
            moved.append(Box(box.label, left, top, right - left, bottom - top))
    return moved


def _box_shares(examples: Sequence[Example], sizes: Sequence[tuple[int, int]]) -> list[float]:
    """Each box's side, as if it were square, as a share of its image's longer side."""
    return [
        math.sqrt(max(1.0, box.width * box.height)) / max(each)
        for example, each in zip(examples, sizes, strict=True)
        for box in example.boxes
    ]


def _first_side(examples: Sequence[Example], sizes: Sequence[tuple[int, int]], usual: float) -> float:
    """The longer side in pixels in which a usual box is large enough, and one of the label with the smallest.

    Args:
        usual: a usual box's side as a share of its image's.
    """
    if len(examples) > _FEW_IMAGES:
        return _WANTED_BOX / usual
    shares: dict[str, list[float]] = defaultdict(list)
    boxes = (box for example in examples for box in example.boxes)
    for box, share in zip(boxes, _box_shares(examples, sizes), strict=True):
        shares[box.label].append(share)
    medians = [statistics.median(each) for each in shares.values() if len(each) >= _MIN_SMALL_BOXES]
    side = _WANTED_BOX / usual
    return min(_MAX_FINER * side, max([side, *(_WANTED_SMALL_BOX / median for median in medians)]))
