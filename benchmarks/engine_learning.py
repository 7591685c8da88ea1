"""How well the embedded engine learns, label by label, in how much time.

On generated images, and on every dataset in the folder --data: each in a folder of its own,
with a train and a test part, as Pascal VOC or as a folder for each label. `--weights none` learns from
nothing, as a peer with the same time. Seconds are those of the clock, and beside them those of the
processors, which other programs hardly change. On a busy machine `--processor` lets a training take so many
seconds of one processor, on one thread, instead of the clock's: half of what two idle processors give. With
several seeds it prints how far they lie apart. With `--peer` a detector of others (`benchmarks.peer`) learns
from the same images in the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from PIL import ImageEnhance

import learning
from benchmarks import average_precision, error_pictures, hard_scenes, peer
from lambdas.domain.annotations import folders, voc
from lambdas.domain.annotations.format_detection import detect_format
from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox
from learning import Box, Example, Progress, Task
from learning.trunk import chosen_weights
from local import scenes
from local.engine.training import progress, trainer
from local.engine.training.budget import Budget

SECONDS: dict[Task, int] = {"detection": 600, "classification": 240}
"""What a training may take at most."""
SECONDS_OF = {"clothing": 90, "rooms": 600}
"""What it may take of datasets for which something else is set."""
GENERATED_SECONDS = 90
TRAIN, TEST = 150, 50
LIMITS = {"parts": 0.95, "trays": 0.95, "cards": 0.94, "clothing": 0.97, "rooms": 0.92}
"""The F1 to reach, where one is set."""
MEAN_PRECISION_LIMITS = {"cells": 0.90, "cells, 20 images": 0.75}
"""The mAP50 to reach, likewise."""
FEW, FEW_SECONDS = (5, 10), 60
"""Images a label, of datasets for whole images, and the seconds for learning from so few."""
FEW_BOXES, FEW_BOXES_SECONDS = 20, 120
"""Images of datasets with boxes, and the seconds for learning from so few."""
MANY, MANY_SECONDS = 20_000, 120
"""Small images for the question of scale, a fifth of them to test with, and the seconds for learning."""
SMALL = (320, 240)
DRAWN = 400
"""Scenes that are drawn for them; the others differ from these in light, contrast and colour alone."""


@dataclass(frozen=True)
class Reached:
    """The figures of one training in so many seconds; the mAP50 of one for boxes."""

    seconds: float
    f1: float
    mean_precision: float | None


@dataclass(frozen=True)
class Dataset:
    """Images to learn from and to test with."""

    name: str
    task: Task
    train: Sequence[Example]
    test: Sequence[Example]


def measure(
    data: Path | None = None,
    shares: Sequence[float] = (0.25, 1.0),
    *,
    seeds: Sequence[int] = (1,),
    errors: Path | None = None,
    weights: str = "",
    only: Sequence[str] = (),
    peer_weights: str = "",
) -> None:
    """Train on every dataset within each share of the time that it may take at most; pictures of what is
    wrong after the last of them are left in the folder `errors`.

    Args:
        weights: what learning begins with, as `learning.trunk.chosen_weights` reads it.
        only: the names of the datasets to train on; all if there are none.
        peer_weights: what a peer begins with, as `peer.predictions` reads it; empty if there shall be none.
    """
    begin = chosen_weights(weights)
    print(f"learning begins with {begin.name if begin else 'nothing'}")
    with tempfile.TemporaryDirectory() as folder:
        for generated in _generated(Path(folder), only):
            _print_spread(
                [
                    _measure(generated, GENERATED_SECONDS, shares, seed=seed, weights=begin, errors=errors)
                    for seed in seeds
                ]
            )
        for path in sorted(data.iterdir()) if data else ():
            if path.is_dir():
                _measure_real(
                    read(path),
                    shares,
                    seeds=seeds,
                    weights=begin,
                    only=only,
                    errors=errors,
                    peer_weights=peer_weights,
                )
    print(
        "No figures of other detectors or classifiers on just these images and splits were found published."
    )


def _measure_real(
    real: Dataset,
    shares: Sequence[float],
    *,
    seeds: Sequence[int],
    weights: Path | None,
    only: Sequence[str],
    errors: Path | None,
    peer_weights: str,
) -> None:
    """Train on a real dataset, and on few of its images, which each seed chooses anew."""
    seconds = SECONDS_OF.get(real.name, SECONDS[real.task])
    if _is_chosen(real.name, only):
        _print_spread(
            [_measure(real, seconds, shares, seed=seed, weights=weights, errors=errors) for seed in seeds]
        )
        if peer_weights and real.task == "detection":
            _measure_peer(real, shares[-1] * seconds, seeds[0], peer_weights)
    for parts in zip(*(_fewer(real, seed) for seed in seeds), strict=True):
        if _is_chosen(parts[0][0].name, only):
            _print_spread(
                [
                    _measure(few, few_seconds, [1.0], seed=seed, weights=weights)
                    for seed, (few, few_seconds) in zip(seeds, parts, strict=True)
                ]
            )


def _print_spread(trainings: Sequence[Sequence[Reached]]) -> None:
    """Print how far several seeds lie apart, within each share of the time."""
    if len(trainings) < 2:
        return
    for of_seeds in zip(*trainings, strict=True):
        lines = [("F1", [each.f1 for each in of_seeds])]
        lines.append(("mAP50", [each.mean_precision for each in of_seeds if each.mean_precision is not None]))
        for name, figures in lines:
            if figures:
                print(
                    f"  {len(figures)} seeds within {of_seeds[0].seconds / 60:.1f} min: {name}"
                    f" {statistics.fmean(figures):.3f}, {min(figures):.3f} to {max(figures):.3f}",
                    flush=True,
                )


def _is_chosen(name: str, only: Sequence[str]) -> bool:
    return not only or name in only


@contextmanager
def _on_one_processor() -> Iterator[None]:
    """Trainings on one thread, whose seconds are those of the processor."""
    clock = SimpleNamespace(monotonic=time.process_time, time=time.process_time)
    with (
        peer.on_clock(clock),
        mock.patch("learning.threads.max_threads", lambda: 1),
        mock.patch("learning.training.time", clock),
        mock.patch("learning.schedule.time", clock),
        mock.patch("learning.second_stage.time", clock),
        mock.patch("learning.frozen_head.time", clock),
    ):
        yield


def scale(count: int = MANY, seconds: float = MANY_SECONDS) -> None:
    """A training of many small images in the engine's own process: does it keep to its time and to memory?"""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        examples = _many(count, folder / "images")
        split = count // 5
        _write_job(folder / "job.json", train=examples[split:], test=examples[:split])
        seconds_of: dict[str, float] = {}
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            training = pool.submit(trainer.learn_in_child, folder, Budget(seconds), threading.Event())
            while not training.done():
                time.sleep(0.2)
                if state := progress.read(folder):
                    seconds_of[state.phase] = state.seconds
            training.result()
        took = time.monotonic() - began
        f1 = json.loads((folder / "evaluation.json").read_text())["f1"]
    # Linux says kilobytes, of the largest child there was.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    kept = "kept" if seconds_of["learning"] <= seconds else "NOT kept"
    print(f"scale: detection, {count - split} images of {SMALL[0]} x {SMALL[1]}, {split} to test with")
    print(f"  learning took {seconds_of['learning']:.0f} s of {seconds:.0f} s: {kept}")
    testing = seconds_of["testing"] - seconds_of["learning"]
    print(f"  testing took {testing:.0f} s, {split / testing:.0f} images/s; F1 {f1:.3f}")
    print(f"  all of it {took:.0f} s; peak memory of the process {peak:.0f} MB", flush=True)


def _many(count: int, folder: Path) -> list[Example]:
    folder.mkdir()
    scenes_drawn = list(scenes.detection_scenes(min(count, DRAWN), 3))
    examples = []
    for number in range(count):
        scene = scenes_drawn[number % len(scenes_drawn)]
        image = scene.image.resize(SMALL)
        across, down = SMALL[0] / scene.image.width, SMALL[1] / scene.image.height
        for turn, change in enumerate((ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)):
            image = change(image).enhance(0.7 + 0.1 * (number // len(scenes_drawn) // 7**turn % 7))
        path = folder / f"{number:06d}.jpg"
        image.save(path, quality=80)
        boxes = tuple(
            Box(box.label, box.left * across, box.top * down, box.width * across, box.height * down)
            for box in scene.boxes
        )
        examples.append(Example(path, scene.labels, boxes))
    return examples


def _write_job(path: Path, *, train: Sequence[Example], test: Sequence[Example]) -> None:
    def documents(examples: Sequence[Example]) -> list[dict[str, object]]:
        return [
            {
                "path": str(example.path),
                "labels": example.labels,
                "boxes": [vars(box) for box in example.boxes],
            }
            for example in examples
        ]

    path.write_text(json.dumps({"task": "detection", "train": documents(train), "test": documents(test)}))


def _fewer(data: Dataset, seed: int) -> Iterator[tuple[Dataset, int]]:
    """Parts of a dataset to learn from, each with its seconds."""
    if data.task == "classification":
        for count in FEW:
            yield _few(data, count, seed), FEW_SECONDS
    elif len(data.train) > FEW_BOXES:
        chosen = random.Random(seed).sample(data.train, FEW_BOXES)  # noqa: S311 - no secret
        yield (
            Dataset(f"{data.name}, {FEW_BOXES} images", data.task, chosen, data.test),
            FEW_BOXES_SECONDS,
        )


def _few(data: Dataset, count: int, seed: int) -> Dataset:
    """So many images of each label to learn from, and all to test with."""
    shuffled = random.Random(seed).sample(data.train, len(data.train))  # noqa: S311 - no secret
    chosen: dict[str, list[Example]] = defaultdict(list)
    for example in shuffled:
        if len(chosen[example.labels[0]]) < count:
            chosen[example.labels[0]].append(example)
    train = [example for label in sorted(chosen) for example in chosen[label]]
    return Dataset(f"{data.name}, {count} images a label", data.task, train, data.test)


def _measure(
    data: Dataset,
    seconds: int,
    shares: Sequence[float],
    *,
    seed: int,
    weights: Path | None,
    errors: Path | None = None,
) -> list[Reached]:
    limit = f", to reach F1 {LIMITS[data.name]:.2f}" if data.name in LIMITS else ""
    if data.name in MEAN_PRECISION_LIMITS:
        limit += f", to reach mAP50 {MEAN_PRECISION_LIMITS[data.name]:.2f}"
    reached = []
    images = f"{len(data.train)} images to learn from, {len(data.test)} to test with"
    print(f"{data.name}: {data.task}, seed {seed}, {images}{limit}", flush=True)
    for share in shares:
        watched: list[Progress] = []
        began, spent = time.monotonic(), time.process_time()
        model = learning.train(
            data.task,
            data.train,
            budget_seconds=share * seconds,
            seed=seed,
            weights=weights,
            progress=watched.append,
        )
        took, spent = time.monotonic() - began, time.process_time() - spent
        result = learning.evaluate(model, data.test)
        boxes = average_precision.of_labels(data.test, result.predictions)
        mean_precision = statistics.fmean(boxes.values()) if boxes else None
        reached.append(Reached(share * seconds, result.f1, mean_precision))
        shown = model.facts.epochs * len(data.train)
        facts = f"input {model.facts.canvas.width} x {model.facts.canvas.height}"
        facts += f", second stage at {stage.side}" if (stage := model.facts.second_stage) else ""
        print(
            f"  within {share * seconds / 60:.1f} min: F1 {result.f1:.3f}"
            f"{'' if mean_precision is None else f', mAP50 {mean_precision:.3f}'}"
            f" (precision {result.precision:.3f}, recall {result.recall:.3f})"
            f" after {took:.0f} s ({spent:.0f} s of the processors), {model.facts.steps} steps; {facts};"
            f" {shown / took:.0f} images/s; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        _print_minutes(watched)
    if errors:
        wrong = error_pictures.write(errors / f"{data.name}.jpg", data.task, data.test, result)
        print(f"    errors in {wrong} of {len(data.test)} test images")
    for label in result.labels:
        print(
            f"    {label.label:12} F1 {label.f1:.3f},"
            f"{f' AP50 {boxes[label.label]:.3f},' if boxes else ''} precision {label.precision:.3f},"
            f" recall {label.recall:.3f}, {label.test_images} test images"
        )
    return reached


def _measure_peer(data: Dataset, seconds: float, seed: int, weights: str) -> None:
    """What a detector of others comes to in the same time."""
    began, spent = time.monotonic(), time.process_time()
    seen = peer.predictions(data.train, data.test, seconds=seconds, seed=seed, weights=weights)
    took, spent = time.monotonic() - began, time.process_time() - spent
    f1 = learning.measure("detection", data.test, seen).f1
    boxes = average_precision.of_labels(data.test, seen)
    mean = statistics.fmean(boxes.values())
    print(
        f"  {weights} within {seconds / 60:.1f} min: F1 {f1:.3f}, mAP50 {mean:.3f}"
        f" after {took:.0f} s ({spent:.0f} s of the processors), with what it does beside learning",
        flush=True,
    )
    for label, area in boxes.items():
        print(f"    {label:12} AP50 {area:.3f}")


def _print_minutes(watched: Iterable[Progress]) -> None:
    """Print how well the validation images were known at the end of each minute. They are of the training
    images, not of the test images: of those, each share of the time gives an F1 of its own."""
    by_minute = {int(state.seconds // 60) + 1: state.f1 for state in watched if state.f1 is not None}
    if len(by_minute) > 1:
        figures = ", ".join(f"{f1:.2f} in minute {minute}" for minute, f1 in by_minute.items())
        print(f"    F1 of validation images: {figures}")


def _generated(folder: Path, only: Sequence[str]) -> Iterable[Dataset]:
    """Generated datasets: usual ones, and ones that are hard for a detector, each in a way of its own."""
    drawn: dict[str, tuple[Task, int, Callable[[int, int], Iterable[scenes.Scene]]]] = {
        "parts": ("detection", TRAIN, scenes.detection_scenes),
        "trays": ("classification", TRAIN, scenes.classification_scenes),
        "small": ("detection", TRAIN, hard_scenes.small),
        "crowded": ("detection", 80, hard_scenes.crowded),
        "rare": ("detection", TRAIN, hard_scenes.rare),
        "few": ("detection", FEW_BOXES, scenes.detection_scenes),
        "hundred labels": ("detection", 400, hard_scenes.hundred_labels),
    }
    for name, (task, count, scenes_of) in drawn.items():
        if _is_chosen(name, only):
            tested = scenes.detection_scenes if name == "rare" else scenes_of
            yield Dataset(
                name,
                task,
                written(scenes_of(count, 1), folder / f"{name}-train"),
                written(tested(TEST, 2), folder / f"{name}-test"),
            )


def written(drawn: Iterable[scenes.Scene], folder: Path) -> list[Example]:
    folder.mkdir()
    examples = []
    for scene in drawn:
        path = folder / f"{scene.name}.jpg"
        path.write_bytes(scene.jpeg())
        examples.append(Example(path, scene.labels, tuple(_box(box) for box in scene.boxes)))
    return examples


def read(root: Path) -> Dataset:
    reader = voc.read if detect_format(root).format == "voc" else folders.read
    images = [entry for entry in reader(root) if isinstance(entry, ImageAnnotation) and entry.kind]
    examples = {
        dataset_type: [
            Example(root / image.image, image.labels, tuple(_box(box) for box in image.boxes))
            for image in images
            if image.dataset_type == dataset_type
        ]
        for dataset_type in ("TRAIN", "TEST")
    }
    task: Task = "detection" if any(image.boxes for image in images) else "classification"
    return Dataset(root.name, task, examples["TRAIN"], examples["TEST"])


def _box(box: LabelledBox | scenes.SceneBox) -> Box:
    return Box(box.label, box.left, box.top, box.width, box.height)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_learning", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder of datasets")
    parser.add_argument(
        "--shares", type=float, nargs="+", default=(0.25, 1.0), help="of the time that a training may take"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=(1,), help="a training for each")
    parser.add_argument(
        "--weights",
        default="",
        help='a file of weights to begin with, or "none" (the package\'s if not given)',
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=(),
        metavar="NAME",
        help='the datasets to train on, as "parts" or "cards"',
    )
    parser.add_argument(
        "--processor",
        action="store_true",
        help="one thread, and the seconds that the processor computes for it instead of the clock's",
    )
    parser.add_argument(
        "--peer",
        nargs="?",
        const=peer.RANDOM,
        default="",
        metavar="WEIGHTS",
        help="let YOLO11n learn from each real dataset with boxes, too; needs the package ultralytics",
    )
    parser.add_argument("--errors", type=Path, help="a folder for pictures of the errors that remain")
    parser.add_argument(
        "--scale", type=int, nargs="?", const=MANY, metavar="IMAGES", help="a training of many images instead"
    )
    parser.add_argument(
        "--scale-seconds", type=float, default=MANY_SECONDS, help="what learning may take there"
    )
    arguments = parser.parse_args()
    if arguments.scale:
        scale(arguments.scale, arguments.scale_seconds)
        return
    with _on_one_processor() if arguments.processor else nullcontext():
        measure(
            arguments.data,
            arguments.shares,
            seeds=arguments.seeds,
            errors=arguments.errors,
            weights=arguments.weights,
            only=arguments.only,
            peer_weights=arguments.peer,
        )


if __name__ == "__main__":
    main()
