"""How soon planted label errors are shown to whoever looks through what a model version contradicts.

Five percent of all boxes get another label, five percent are taken away, in the images to learn from as in
those to test with. A detector learns from them. Looked at is what its evaluation says of test images, and
what is kept after a training: label issues of all images, training images by who has not learned from them.
`--simulated` asks a detector of known quality instead, that nobody has to train.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.engine_learning import Dataset, read, written
from lambdas.domain.evaluation.label_issues import LabelIssue, label_issues, ranked
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, TrueObject
from lambdas.domain.shared.annotation import DatasetType
from lambdas.domain.shared.boxes import RelativeBox, iou
from learning import Box, Example, Model, Prediction
from local import scenes
from portable import images

WRONG, MISSING = 0.05, 0.05
SHOWN = (0.05, 0.1, 0.2)
"""Shares of what is shown that are looked at; 0.1 is the one that counts."""
WANTED = 0.8
"""Of the planted errors that are to be found in the first tenth."""
TRAIN, TEST = 150, 60
SECONDS = 90
"""That a training may take."""
SIMULATED = 400


@dataclass(frozen=True)
class Planted:
    """An error that was planted: a box with a wrong label, or one that was taken away."""

    image: str
    box: RelativeBox
    """As it truly is."""
    is_missing: bool


@dataclass(frozen=True)
class Noisy:
    """An image with planted errors."""

    example: Example
    planted: tuple[Planted, ...]


def plant(examples: Iterable[Example], labels: Sequence[str], seed: int) -> Iterator[Noisy]:
    """The images with errors in their boxes."""
    draw = random.Random(seed)  # noqa: S311 not for secrets
    for example in examples:
        size = _size(example.path)
        boxes: list[Box] = []
        planted: list[Planted] = []
        for box in example.boxes:
            chance = draw.random()
            if chance < WRONG:
                boxes.append(
                    replace(box, label=draw.choice([label for label in labels if label != box.label]))
                )
            if chance < WRONG + MISSING:
                planted.append(Planted(str(example.path), _relative(box, size), chance >= WRONG))
            else:
                boxes.append(box)
        shown = tuple(sorted({box.label for box in boxes}))
        yield Noisy(Example(example.path, shown, tuple(boxes)), tuple(planted))


@dataclass(frozen=True)
class Shown:
    """What is shown to who looks for wrong labels: label issues, then all other objects."""

    issues: Sequence[LabelIssue]
    objects: int
    """That are labelled in all images looked at."""
    planted: Sequence[Planted]

    def recalls(self) -> dict[float, float]:
        """The share of the planted errors in the first part of what is shown."""
        shown = self.objects + sum(issue.truth is None for issue in self.issues)
        by_image: dict[str, list[Planted]] = {}
        for error in self.planted:
            by_image.setdefault(error.image, []).append(error)
        caught: list[int] = []
        for number, issue in enumerate(self.issues, start=1):
            errors = by_image.get(issue.image.key, [])
            if error := next((error for error in errors if _is_of(issue, error)), None):
                errors.remove(error)
                caught.append(number)
        return {part: sum(number <= part * shown for number in caught) / len(self.planted) for part in SHOWN}


def of_evaluation(evaluation: Evaluation, planted: Sequence[Planted]) -> Shown:
    """What one evaluation has to show."""
    objects = sum(len(image.truths) for image in evaluation.images)
    return Shown(label_issues(evaluation), objects, planted)


def _is_of(issue: LabelIssue, error: Planted) -> bool:
    """Whether the label issue leads to the error: it is on the object."""
    contradicted = issue.truth or issue.detection
    box = contradicted.box if contradicted else None
    if box is None or (issue.truth is None) is not error.is_missing:
        return False
    return iou(box, error.box) >= 0.5


# A detector of known quality


def simulated(seed: int, quality: float) -> tuple[Evaluation, list[Planted]]:
    """What a detector sees of generated scenes, of which it finds the share `quality`, and so often sees
    something where nothing is, or another label; surer of what is right than of what is wrong."""
    draw = random.Random(seed)  # noqa: S311 not for secrets
    labels = scenes.DETECTION_LABELS
    images: list[TestImage] = []
    planted: list[Planted] = []
    for number in range(SIMULATED):
        key = f"images/{number}.jpg"
        true = [_placed(draw, draw.choice(labels)) for _ in range(draw.randint(2, 7))]
        seen = []
        for box in true:
            if draw.random() < quality:
                label = box.label if draw.random() < quality else draw.choice(labels)
                seen.append(_seen(draw, _shaken(draw, box), label, label == box.label))
            if draw.random() > quality:
                seen.append(_seen(draw, _placed(draw, draw.choice(labels)), draw.choice(labels), False))
        noisy = []
        for box in true:
            chance = draw.random()
            if chance < WRONG:
                wrong = draw.choice([label for label in labels if label != box.label])
                noisy.append(TrueObject(wrong, replace(box, label=wrong)))
            elif chance >= WRONG + MISSING:
                noisy.append(TrueObject(box.label, box))
            if chance < WRONG + MISSING:
                planted.append(Planted(key, box, chance >= WRONG))
        seen.sort(key=lambda detection: -detection.confidence)
        images.append(TestImage(key, 1000, 1000, tuple(noisy), tuple(seen)))
    return Evaluation("training", "detection", tuple(images), dict.fromkeys(labels, 0.3)), planted


def _placed(draw: random.Random, label: str) -> RelativeBox:
    width, height = draw.uniform(0.05, 0.15), draw.uniform(0.05, 0.15)
    return RelativeBox(label, draw.uniform(0, 1 - width), draw.uniform(0, 1 - height), width, height)


def _shaken(draw: random.Random, box: RelativeBox) -> RelativeBox:
    return replace(box, left=box.left + draw.gauss(0, 0.005), top=box.top + draw.gauss(0, 0.005))


def _seen(draw: random.Random, box: RelativeBox, label: str, is_right: bool) -> Detection:
    confidence = 0.3 + 0.7 * (draw.betavariate(8, 1.5) if is_right else draw.betavariate(1.5, 4))
    return Detection(label, confidence, replace(box, label=label))


# A detector that learns from the errors


@dataclass(frozen=True)
class Trained:
    """A detector that has learned from images with planted errors."""

    tested: Shown
    """By its evaluation of the test images."""
    everything: Shown
    """As a run keeps it: of all images."""
    f1: float
    """By test labels with errors."""
    seconds: float
    """That looking at all images took."""


def trained(dataset: Dataset, seconds: int, seed: int, steps: int | None = None) -> Trained:
    """Plant errors, learn from them, and look for them."""
    import learning  # noqa: PLC0415 - PyTorch takes seconds, and not everybody needs it
    from learning.trunk import packaged_weights  # noqa: PLC0415 - likewise

    labels = sorted({box.label for example in dataset.train for box in example.boxes})
    train = list(plant(dataset.train, labels, seed))
    test = list(plant(dataset.test, labels, seed + 1))
    examples = [noisy.example for noisy in train]
    weights = packaged_weights()
    model = learning.train(
        "detection", examples, budget_seconds=seconds, max_steps=steps, seed=seed, weights=weights
    )
    return looked_for(model, train, test, seed)


def looked_for(model: Model, train: Sequence[Noisy], test: Sequence[Noisy], seed: int) -> Trained:
    """Look for the planted errors with a model that has learned from them."""
    import learning  # noqa: PLC0415 - as above
    from learning.held_out import held_out  # noqa: PLC0415
    from learning.trunk import packaged_weights  # noqa: PLC0415

    result = learning.evaluate(model, [noisy.example for noisy in test])
    floors = {label.label: label.assumed_threshold for label in result.labels}
    tested = _evaluation(test, result.predictions, floors)
    weights = packaged_weights()
    if weights is None:
        raise RuntimeError("the weights of the pretrained trunk are not installed")
    began = time.process_time()
    examples = [noisy.example for noisy in (*train, *test)]
    seen = held_out(model, examples, weights=weights, seconds=3600, seed=seed)
    seconds = time.process_time() - began
    parts: dict[DatasetType, Sequence[Noisy]] = {"TRAIN": train, "TEST": test}
    looked_at = {
        "TRAIN": _evaluation(train, seen[: len(train)], {}),
        "TEST": _evaluation(test, seen[len(train) :], {}),
    }
    issues = [
        *label_issues(tested),
        *(issue for dataset in parts for issue in label_issues(looked_at[dataset], dataset)),
    ]
    images: dict[DatasetType, Mapping[str, int]] = {
        dataset: Counter(label for noisy in part for label in noisy.example.labels)
        for dataset, part in parts.items()
    }
    everything = [*train, *test]
    return Trained(
        of_evaluation(tested, _errors(test)),
        Shown(ranked(issues, images), sum(len(one.example.boxes) for one in everything), _errors(everything)),
        result.f1,
        seconds,
    )


def _errors(images: Iterable[Noisy]) -> list[Planted]:
    return [error for noisy in images for error in noisy.planted]


def _evaluation(
    images: Sequence[Noisy], predictions: Iterable[Sequence[Prediction] | None], floors: Mapping[str, float]
) -> Evaluation:
    """What was seen in images, from the floors on."""
    evaluated = []
    for noisy, given in zip(images, predictions, strict=True):
        size = _size(noisy.example.path)
        seen = [
            Detection(one.label, one.confidence / 100, _relative(one.box, size))
            for one in given or ()
            if one.box and one.confidence / 100 >= (floors.get(one.label, 1.0) if floors else 0.0)
        ]
        seen.sort(key=lambda detection: -detection.confidence)
        truths = tuple(TrueObject(box.label, _relative(box, size)) for box in noisy.example.boxes)
        evaluated.append(TestImage(str(noisy.example.path), *size, truths, tuple(seen)))
    return Evaluation("training", "detection", tuple(evaluated), floors)


def _size(path: Path) -> tuple[int, int]:
    return images.size(path)


def _relative(box: Box, size: tuple[int, int]) -> RelativeBox:
    width, height = size
    return RelativeBox(box.label, box.left / width, box.top / height, box.width / width, box.height / height)


def _print(name: str, shown: Shown) -> None:
    shares = shown.recalls()
    verdict = "reached" if shares[0.1] >= WANTED else "NOT reached"
    figures = ", ".join(f"{share:.0%} in the first {part:.0%}" for part, share in shares.items())
    print(f"{name}: {len(shown.planted)} planted errors, {len(shown.issues)} label issues; {figures}")
    types = Counter(issue.issue_type for issue in shown.issues)
    print(f"  {dict(sorted(types.items()))}; {WANTED:.0%} in the first tenth is {verdict}", flush=True)


def show(name: str, trained: Trained) -> None:
    """Print the figures of a detector."""
    _print(
        f"{name}, F1 {trained.f1:.3f} by the labels with errors, its evaluation of test images",
        trained.tested,
    )
    _print(
        f"{name}, all images as a run keeps them, {trained.seconds:.0f} s of a processor", trained.everything
    )


def measure(
    data: Path | None = None, seconds: int = SECONDS, seed: int = 1, steps: int | None = None
) -> None:
    """Of detectors of known quality, and of one that learns from the errors; also of a given dataset."""
    measure_simulated(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train = written(scenes.detection_scenes(TRAIN, 1), folder / "train")
        test = written(scenes.detection_scenes(TEST, 2), folder / "test")
        datasets = [Dataset("parts", "detection", train, test)]
        datasets += [read(data)] if data else []
        for dataset in datasets:
            show(dataset.name, trained(dataset, seconds, seed, steps))


def measure_simulated(seed: int = 1) -> None:
    """Of detectors of known quality, which nobody has to train."""
    for quality in (0.9, 0.95, 0.98):
        _print(f"simulated, finds {quality:.0%}", of_evaluation(*simulated(seed, quality)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.label_issues", description=__doc__)
    parser.add_argument("--simulated", action="store_true", help="detectors of known quality alone")
    parser.add_argument("--data", type=Path, help="a dataset with a train and a test part as well")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="that a training may take")
    parser.add_argument(
        "--steps", type=int, help="that it may take: then it does not depend on how busy it is"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.simulated:
        measure_simulated(arguments.seed)
    else:
        measure(arguments.data, arguments.seconds, arguments.seed, arguments.steps)


if __name__ == "__main__":
    main()
