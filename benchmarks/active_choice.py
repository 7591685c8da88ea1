"""How many labelled images reach the same F1: images chosen by what they tell, against images at random.

By frozen features and the head that drafts labels. Where boxes are labelled, a detector that has learned from
the first images says where the objects of the others are, as a champion does, and choice goes by these. F1 is
that of a head on the objects to test with: which label each has, not where it is, as a detector trained
2 x 5 x 10 times would take a day. Of each dataset all images are divided anew for each seed, 65 percent to
choose from and the rest to test with.

`--data` names a folder of datasets (DATA with make), else generated images are measured.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import engine_learning
from benchmarks.engine_learning import Dataset
from infra import lambda_asset
from lambdas.domain.drafts import choice, head
from lambdas.domain.drafts.head import Matrix, Truth
from lambdas.domain.review.desk.drafts import MIN_CONFIDENCE
from lambdas.domain.shared.tuning import Tuning
from portable.embedding import Embedder

if TYPE_CHECKING:
    from learning import Box, Example

SEEDS = 5
POOL_SHARE = 0.65
STEP = 5
"""Labels between two heads; at the desk there is a new one after each."""
SIZES = (5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100, 120, 140, 160)
COMPARED = (40, 60, 80, 100, 120, 160)
"""Random labels whose F1 choice has to reach with fewer."""
LIMIT = 0.6
"""Of the labels, at most; at `COMPARED_MOST` random ones."""
COMPARED_MOST = 100
GENERATED = 200
BEFORE_CHAMPION = 20
"""Images that the first detector learns from: they are chosen as long as nothing says where objects are."""
CHAMPION_STEPS = 150
SEEN = 20.0
"""Percent from which on the detector's boxes count: about where such a detector's own thresholds are."""


def measure(data: Path | None = None) -> None:
    """The learning curves of choice and of chance, and how many labels each needs, of every dataset."""
    trunk = lambda_asset.build_trunk()
    if trunk is None:
        print("no pretrained trunk is installed: nothing to measure")
        return
    embedder = Embedder.load(trunk)
    if data is None and "DATA" in os.environ:
        data = Path(os.environ["DATA"])
    with tempfile.TemporaryDirectory() as folder:
        if data is None:
            trays = engine_learning.written(
                engine_learning.scenes.classification_scenes(GENERATED, 1), Path(folder) / "trays"
            )
            _measure(Dataset("trays", "classification", trays, []), embedder)
            return
        for path in sorted(data.iterdir()):
            if path.is_dir():
                _measure(engine_learning.read(path), embedder)


@dataclass(frozen=True)
class _View:
    """What images are chosen by."""

    unlabelled: Matrix
    """Features of each image as long as nobody has labelled it (images, features)."""
    labelled: Matrix
    """And from then on (images, features)."""
    counts: Sequence[int]
    """How many objects are seen in each."""


@dataclass(frozen=True)
class _Known:
    """All there is to know of a dataset's images."""

    truth: Truth
    """Their labels (images, labels)."""
    parts: Sequence[Matrix]
    """Of each image that which has a label, itself or its objects (parts, features)."""
    part_truth: Sequence[Truth]
    """The labels of these (parts, labels)."""
    first: _View
    """What images are chosen by at first."""
    then: Callable[[Sequence[int], int], _View] | None = None
    """And once BEFORE_CHAMPION of them are labelled; of these, and a seed."""

    def f1(self, asked: Sequence[int], test: Sequence[int]) -> float:
        """How well a head that has learned from the images asked about tells labels in those to test with."""
        fitted = head.fit(*self._of(asked))
        features, truth = self._of(test)
        return head.macro_f1(fitted.predicted(fitted.scores(features)), truth)

    def count(self, asked: Sequence[int]) -> int:
        return sum(len(self.parts[row]) for row in asked)

    def _of(self, rows: Sequence[int]) -> tuple[Matrix, Truth]:
        parts, truth = [self.parts[row] for row in rows], [self.part_truth[row] for row in rows]
        return np.concatenate(parts), np.concatenate(truth)


def _measure(dataset: Dataset, embedder: Embedder) -> None:
    examples = [*dataset.train, *dataset.test]
    began = time.process_time()
    features = np.array([embedder.embed(example.path) for example in examples], np.float64)
    each = 1000 * (time.process_time() - began) / len(examples)
    labels = sorted({label for example in examples for label in _labels(example)})
    truth = np.array([[label in _labels(example) for label in labels] for example in examples])
    print(
        f"{dataset.name}: {len(examples)} images, {len(labels)} labels;"
        f" {each:.0f} ms of a processor for an embedding",
        flush=True,
    )
    whole = _View(features, features, [1] * len(examples))
    known = _Known(truth, list(features[:, None]), list(truth[:, None]), whole)
    if dataset.task == "detection":
        objects, object_truth = _objects(examples, labels, embedder)
        known = _Known(truth, objects, object_truth, whole, _Champion(examples, features, embedder).view)
    runs = [_run(known, seed) for seed in range(SEEDS)]
    curves = [np.mean(part, 0) for part in zip(*runs, strict=True)]
    _print_curves(curves, dataset)
    _print_drafts(features, truth)


def _labels(example: Example) -> set[str]:
    return {*example.labels, *(box.label for box in example.boxes)}


# Objects


def _objects(
    examples: Sequence[Example], labels: Sequence[str], embedder: Embedder
) -> tuple[list[Matrix], list[Truth]]:
    """The features of each image's objects (objects, features), and their labels (objects, labels)."""
    length = len(embedder.embed(examples[0].path))
    features: list[Matrix] = []
    truth: list[Truth] = []
    for example in examples:
        each = [_embedded(embedder, example, [box]) for box in example.boxes]
        features.append(np.array(each, np.float64).reshape(-1, length))
        known = [[box.label == label for label in labels] for box in example.boxes]
        truth.append(np.array(known, bool).reshape(-1, len(labels)))
    return features, truth


def _embedded(embedder: Embedder, example: Example, boxes: Sequence[Box]) -> np.ndarray:
    return embedder.embed_objects(example.path, [(box.left, box.top, box.width, box.height) for box in boxes])


@dataclass(frozen=True)
class _Champion:
    """What says where objects are, once there is something to learn that from."""

    examples: Sequence[Example]
    features: Matrix
    """Of whole images, for those without objects (images, features)."""
    embedder: Embedder

    def view(self, learned: Sequence[int], seed: int) -> _View:
        """The images by what a detector sees in them that has learned from some of them.

        Those are known by their labelled objects, as there was no detector before. The others are known by
        what it sees, also once they are labelled, and by their labels only where it sees nothing.
        """
        import learning  # noqa: PLC0415 - PyTorch takes seconds, and not everybody needs it
        from learning.trunk import packaged_weights  # noqa: PLC0415 - likewise

        model = learning.train(
            "detection",
            [self.examples[row] for row in learned],
            budget_seconds=3600,
            max_steps=CHAMPION_STEPS,
            seed=seed,
            weights=packaged_weights(),
        )
        unlabelled, labelled = self.features.copy(), self.features.copy()
        counts = [1] * len(self.examples)
        for row, example in enumerate(self.examples):
            seen = [one.box for one in model.predict_file(example.path) if one.box and one.confidence >= SEEN]
            if seen:
                counts[row] = len(seen)
                unlabelled[row] = _embedded(self.embedder, example, seen)
            boxes = seen if seen and row not in learned else example.boxes
            if boxes:
                labelled[row] = _embedded(self.embedder, example, boxes)
        return _View(unlabelled, labelled, counts)


# Curves

Curves = tuple[list[float], list[float], list[float], list[float]]
"""At each of SIZES: F1 by chance and of choice, and how many objects, or images, were labelled for it."""


def _run(known: _Known, seed: int) -> Curves:
    """The curves of one division."""
    order = np.random.default_rng(seed).permutation(len(known.truth)).tolist()
    split = int(POOL_SHARE * len(order))
    pool, test = order[:split], order[split:]
    sizes = [size for size in SIZES if size <= split]
    asked: list[int] = []
    view = known.first
    chosen: list[float] = []
    labels: list[float] = []
    for size in sizes:
        while len(asked) < size:
            asked += _chosen(view, known.truth, pool, asked, min(STEP, size - len(asked)))
        if size == BEFORE_CHAMPION and known.then:
            view = known.then(asked, seed)
        chosen.append(known.f1(asked, test))
        labels.append(float(known.count(asked)))
    by_chance = [known.f1(pool[:size], test) for size in sizes]
    return by_chance, chosen, [float(known.count(pool[:size])) for size in sizes], labels


def _chosen(view: _View, truth: Truth, pool: Sequence[int], asked: Sequence[int], count: int) -> list[int]:
    """The next images to ask about, a share of them at random, as the desk does."""
    share = Tuning().review_random_share
    left = sorted(set(pool) - set(asked))
    # As hashes would have it: always the same ones.
    is_random = {row for row in left if random.Random(row).random() < share}  # noqa: S311
    others = [row for row in left if row not in is_random]
    weights = np.ones(len(others))
    if len(asked) >= head.MIN_IMAGES:
        fitted = head.fit(view.labelled[asked], truth[asked])
        weights = choice.unsureness(fitted, view.unlabelled[others])
    weights *= choice.weights_of_objects([view.counts[row] for row in others])
    before = view.labelled[asked] if asked else view.labelled[:0]
    rows = choice.choose(view.unlabelled[others], before, weights, count)
    # The turns of the random ones are counted from the first label on.
    turns = [int((len(asked) + n + 1) * share) > int((len(asked) + n) * share) for n in range(count)]
    chosen, drawn = [others[row] for row in rows], sorted(is_random)
    return [(drawn if turn and drawn else chosen or drawn).pop(0) for turn in turns]


def _print_curves(curves: Sequence[Matrix], dataset: Dataset) -> None:
    by_chance, chosen, random_objects, chosen_objects = curves
    sizes = SIZES[: len(by_chance)]
    for name, curve in (("at random", by_chance), ("chosen", chosen)):
        print(f"  {name:9} " + ", ".join(f"{n}: {f1:.3f}" for n, f1 in zip(sizes, curve, strict=True)))
    for compared in (size for size in COMPARED if size in sizes):
        wanted = by_chance[sizes.index(compared)]
        text = f"  F1 {wanted:.3f} of {compared} random images: "
        enough = next((n for n, f1 in zip(sizes, chosen, strict=True) if f1 >= wanted), None)
        if enough is None:
            print(f"{text}not reached with {sizes[-1]} chosen ones")
            continue
        share, limit, objects = enough / compared, "", ""
        if compared == COMPARED_MOST:
            limit = f", limit {LIMIT:.0%}: {'reached' if share <= LIMIT else 'missed'}"
        if dataset.task == "detection":
            counts = chosen_objects[sizes.index(enough)], random_objects[sizes.index(compared)]
            objects = f" ({counts[0]:.0f} boxes instead of {counts[1]:.0f})"
        print(f"{text}with {enough} chosen ones{objects}, {share:.0%} of them{limit}")


def _print_drafts(features: Matrix, truth: Truth) -> None:
    """How many of the images that are left get a draft, and how many drafted labels are right."""
    figures = []
    for size in (5, 10, 20, 40):
        drafted, right, labels = 0, 0, 0
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(features))
            asked, rest = order[:size], order[size:]
            fitted = head.fit(features[asked], truth[asked])
            confidences = fitted.confidences(fitted.scores(features[rest]))
            sure = confidences >= MIN_CONFIDENCE / 100
            if fitted.exclusive:
                sure &= confidences == confidences.max(1, keepdims=True)
            drafted += int(sure.any(1).sum())
            labels += int(sure.sum())
            right += int((sure & truth[rest]).sum())
        images = SEEDS * (len(features) - size)
        share = f", {right / labels:.0%} of the labels right" if labels else ""
        figures.append(f"after {size} labels {drafted / images:.0%} of the images{share}")
    print("  drafts: " + "; ".join(figures))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.active_choice", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of datasets")
    measure(parser.parse_args().data)


if __name__ == "__main__":
    main()
