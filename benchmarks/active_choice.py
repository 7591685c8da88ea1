"""How many labels reach the same F1: images chosen by what they tell, against images at random.

By frozen features and the head that drafts labels. Labels of the whole image alone: for cards, of which each
image has several that are a small part of it, a detector trained 2 x 5 x 10 times would take a day, so this
asks only which of them are in it. Of each dataset all images are divided anew for each seed, 65 percent to
choose from and the rest to test with.

`--data` names a folder of datasets (DATA with make), else generated images are measured.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import engine_learning
from benchmarks.engine_learning import Dataset
from infra import lambda_asset
from lambdas.domain.drafts import choice, head
from lambdas.domain.drafts.head import Matrix, Truth
from lambdas.domain.review.desk.drafts import MIN_CONFIDENCE
from lambdas.domain.shared.tuning import Tuning
from portable.embedding import Embedder

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


def _measure(dataset: Dataset, embedder: Embedder) -> None:
    examples = [*dataset.train, *dataset.test]
    began = time.process_time()
    features = np.array([embedder.embed(example.path) for example in examples], np.float64)
    each = 1000 * (time.process_time() - began) / len(examples)
    labels = sorted({label for example in examples for label in _labels(example)})
    truth = np.array([[label in _labels(example) for label in labels] for example in examples])
    print(
        f"{dataset.name}: {len(examples)} images, {len(labels)} labels;"
        f" {each:.0f} ms of a processor for an embedding"
    )
    runs = [_run(features, truth, seed) for seed in range(SEEDS)]
    by_chance = np.mean([run[0] for run in runs], 0)
    chosen = np.mean([run[1] for run in runs], 0)
    sizes = SIZES[: len(by_chance)]
    for name, curve in (("at random", by_chance), ("chosen", chosen)):
        print(f"  {name:9} " + ", ".join(f"{n}: {f1:.3f}" for n, f1 in zip(sizes, curve, strict=True)))
    for compared in COMPARED:
        if compared in sizes:
            _compare(compared, sizes, by_chance, chosen)
    _print_drafts(features, truth)


def _labels(example: engine_learning.Example) -> set[str]:
    return {*example.labels, *(box.label for box in example.boxes)}


def _compare(compared: int, sizes: tuple[int, ...], by_chance: Matrix, chosen: Matrix) -> None:
    wanted = by_chance[sizes.index(compared)]
    enough = [n for n, f1 in zip(sizes, chosen, strict=True) if f1 >= wanted]
    text = f"  F1 {wanted:.3f} of {compared} random labels: "
    if not enough:
        print(f"{text}not reached with {sizes[-1]} chosen ones")
        return
    share = enough[0] / compared
    limit = ""
    if compared == COMPARED_MOST:
        limit = f", limit {LIMIT:.0%}: {'reached' if share <= LIMIT else 'missed'}"
    print(f"{text}with {enough[0]} chosen ones, {share:.0%} of them{limit}")


def _run(features: Matrix, truth: Truth, seed: int) -> tuple[list[float], list[float]]:
    """F1 at each of SIZES, at random and chosen, of one division."""
    order = np.random.default_rng(seed).permutation(len(features))
    split = int(POOL_SHARE * len(order))
    pool, test = order[:split], order[split:]
    by_chance = [_f1(features, truth, pool[:size], test) for size in SIZES if size <= split]
    asked: list[int] = []
    chosen = []
    for size in (size for size in SIZES if size <= split):
        while len(asked) < size:
            asked += _chosen(features, truth, pool, asked, min(STEP, size - len(asked)))
        chosen.append(_f1(features, truth, np.array(asked), test))
    return by_chance, chosen


def _chosen(features: Matrix, truth: Truth, pool: np.ndarray, asked: list[int], count: int) -> list[int]:
    """The next images to ask about, a share of them at random, as the desk does."""
    share = Tuning().review_random_share
    left = np.setdiff1d(pool, asked)
    # As hashes would have it: always the same ones.
    is_random = {int(row) for row in left if random.Random(int(row)).random() < share}  # noqa: S311
    others = np.array([row for row in left if row not in is_random], int)
    weights = np.ones(len(others))
    if len(asked) >= head.MIN_IMAGES:
        weights = choice.unsureness(head.fit(features[asked], truth[asked]), features[others])
    rows = choice.choose(features[others], features[asked], weights, count)
    # The turns of the random ones are counted from the first label on.
    turns = [int((len(asked) + n + 1) * share) > int((len(asked) + n) * share) for n in range(count)]
    chosen, drawn = [int(others[row]) for row in rows], sorted(is_random)
    return [(drawn if turn and drawn else chosen or drawn).pop(0) for turn in turns]


def _f1(features: Matrix, truth: Truth, asked: np.ndarray, test: np.ndarray) -> float:
    fitted = head.fit(features[asked], truth[asked])
    return head.macro_f1(fitted.predicted(fitted.scores(features[test])), truth[test])


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
