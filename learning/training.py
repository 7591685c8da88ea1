"""Learning a model from examples, in a given time at most and in less where it can learn no more.

A classifier takes one training schedule. A detector takes one to localize objects, and where it confuses
what they are, another one in which a classifier learns to tell its boxes apart: the second stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from learning import threads
from learning.classifier import ClassifierLearner
from learning.detector import DetectorLearner
from learning.evaluation import evaluate
from learning.model import Facts, Model, device
from learning.schedule import MAX_STEPS, TrainingSchedule
from learning.second_stage import SecondStageLearner
from learning.types import Example, Progress, Task
from learning.validation_split import MAX_VALIDATION
from portable.facts import SecondStage

USED_SHARE = 0.96
"""The share of the time that steps may fill."""
READING_SHARE = 0.3
"""The share of the time left that reading images for the second stage may take."""


def train(
    task: Task,
    examples: Sequence[Example],
    *,
    budget_seconds: float,
    max_steps: int | None = None,
    seed: int,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Model:
    """Train a model of the labels in the examples, within `budget_seconds` and `max_steps`.

    Training ends earlier where it stops getting better. Reading the images comes out of the same time, and is
    not cut short.

    On processors of one kind, the same examples, seed and number of threads give the same model, as long as
    time cuts nothing short: neither the schedule nor validation, which has its share. On a CUDA device the
    last digits may differ.

    Sets the number of threads of PyTorch for the whole process.

    Raises:
        ValueError: no example shows a label, every box lies beside its image, or an image cannot be read.
    """
    labels = _labels(task, examples)
    torch.set_num_threads(threads.max_threads())
    began = time.monotonic()
    ends = began + USED_SHARE * budget_seconds
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        learner: ClassifierLearner | DetectorLearner
        if task == "classification":
            learner = ClassifierLearner(examples, labels, device())
        else:
            learner = DetectorLearner(examples, labels, device())
        schedule = TrainingSchedule(
            learner,
            began=began,
            ends=ends,
            max_steps=max_steps or MAX_STEPS,
            seed=seed,
            progress=progress,
        )
        schedule.run()
        model = Model(_facts(task, learner, schedule), learner.network)
        if isinstance(learner, DetectorLearner) and schedule.ready_for_second_stage:
            model = _with_second_stage(model, learner, schedule, began=began, ends=ends, progress=progress)
    return _with_thresholds(model, examples)


def _with_second_stage(
    model: Model,
    detector: DetectorLearner,
    schedule: TrainingSchedule,
    *,
    began: float,
    ends: float,
    progress: Callable[[Progress], None],
) -> Model:
    """The detector with a second stage, learned in what is left of the time, if that is better."""
    detector.forget_images()
    now = time.monotonic()
    learner = SecondStageLearner(
        detector.examples,
        detector.labels,
        lambda images: detector.proposals(schedule.averaged, images),
        schedule.validation,
        read_side=detector.read_side,
        until=now + READING_SHARE * (ends - now),
        report=lambda: schedule.report("cropping boxes"),
        device=detector.device,
        random=torch.Generator().manual_seed(schedule.seed),
    )
    second = TrainingSchedule(
        learner,
        began=began,
        ends=ends,
        max_steps=schedule.steps_left,
        seed=schedule.seed,
        progress=progress,
        fraction=schedule.fraction,
    )
    second.run()
    if not _is_better(second, schedule):
        return model
    facts = replace(
        model.facts,
        second_stage=SecondStage(learner.side, learner.detail),
        steps=model.facts.steps + second.step,
    )
    return Model(facts, detector.network, learner.network)


def _is_better(second: TrainingSchedule, first: TrainingSchedule) -> bool:
    """Whether the second stage is better than the detector, on images that neither had learned from."""
    return second.best_f1 > first.best_f1


def _facts(task: Task, learner: ClassifierLearner | DetectorLearner, schedule: TrainingSchedule) -> Facts:
    return Facts(
        task=task,
        labels=learner.labels,
        canvas=learner.canvas,
        exclusive=isinstance(learner, ClassifierLearner) and learner.exclusive,
        cell=learner.cell if isinstance(learner, DetectorLearner) else 0,
        seed=schedule.seed,
        epochs=round(schedule.epoch, 2),
        steps=schedule.step,
    )


def _with_thresholds(model: Model, examples: Sequence[Example]) -> Model:
    """The model with the assumed thresholds that some of its training images give."""
    labelled = [example for example in examples if example.boxes or example.labels][:MAX_VALIDATION]
    evaluation = evaluate(model, labelled)
    thresholds = {label.label: round(label.assumed_threshold, 4) for label in evaluation.labels}
    return model.with_facts(replace(model.facts, thresholds=thresholds))


def _labels(task: Task, examples: Sequence[Example]) -> tuple[str, ...]:
    if task == "detection":
        labels = {box.label for example in examples for box in example.boxes}
        if not labels:
            raise ValueError("No training example has a box; a detector needs images with labelled boxes")
    else:
        labels = {label for example in examples for label in example.labels}
        if not labels:
            raise ValueError("No training example has a label; a classifier needs labelled images")
    return tuple(sorted(labels))
