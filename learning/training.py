"""Learning a model from examples, in a given time at most and in less where it can learn no more.

A classifier takes one course. A detector takes one to find things, and where it confuses what they are, a
second course in which a classifier learns to tell its boxes apart.
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
from learning.model import Facts, Look, Model, device
from learning.schedule import MOST_STEPS, Course
from learning.second_stage import LookLearner
from learning.types import Example, Progress, Task
from learning.validation_split import MOST_HELD_BACK

USED = 0.96
"""The share of the time that steps may fill."""
CUTTING = 0.3
"""The share of the time left that reading for the second look may take."""


def train(
    task: Task,
    examples: Sequence[Example],
    *,
    budget_seconds: float,
    most_steps: int | None = None,
    seed: int,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Model:
    """A model of the labels in the examples, within `budget_seconds` and `most_steps`, and earlier where it
    stops getting better. Reading the images comes out of the same time, and is not cut short.

    On processors of one kind, the same examples, seed and number of threads give the same model, as long as
    time cuts nothing short: neither the course nor the watching of the held-back images, which has its share.
    On a CUDA device the last digits may differ.

    Sets the number of threads of PyTorch for the whole process.

    Raises:
        ValueError: no example shows a label, every box lies beside its image, or an image cannot be read.
    """
    labels = _labels(task, examples)
    torch.set_num_threads(threads.most())
    began = time.monotonic()
    ends = began + USED * budget_seconds
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        learner: ClassifierLearner | DetectorLearner
        if task == "classification":
            learner = ClassifierLearner(examples, labels, device())
        else:
            learner = DetectorLearner(examples, labels, device())
        course = Course(
            learner,
            began=began,
            ends=ends,
            most_steps=most_steps or MOST_STEPS,
            seed=seed,
            progress=progress,
        )
        course.run()
        model = Model(_facts(task, learner, course), learner.network)
        if isinstance(learner, DetectorLearner) and course.settled:
            model = _with_second_look(model, learner, course, began=began, ends=ends, progress=progress)
    return _with_thresholds(model, examples)


def _with_second_look(
    model: Model,
    detector: DetectorLearner,
    course: Course,
    *,
    began: float,
    ends: float,
    progress: Callable[[Progress], None],
) -> Model:
    """The detector with a second look, learned in what is left of the time, if that is better."""
    detector.forget_images()
    now = time.monotonic()
    learner = LookLearner(
        detector.examples,
        detector.labels,
        lambda images: detector.proposals(course.mean, images),
        course.held_back,
        read_side=detector.read_side,
        until=now + CUTTING * (ends - now),
        tell=lambda: course.report("cutting out boxes"),
        device=detector.device,
        random=torch.Generator().manual_seed(course.seed),
    )
    again = Course(
        learner,
        began=began,
        ends=ends,
        most_steps=course.steps_left,
        seed=course.seed,
        progress=progress,
        fraction=course.fraction,
    )
    again.run()
    if not _is_better(again, course):
        return model
    facts = replace(
        model.facts, look=Look(learner.side, learner.detail), steps=model.facts.steps + again.step
    )
    return Model(facts, detector.network, learner.network)


def _is_better(again: Course, course: Course) -> bool:
    """By images that neither had learned from when it was asked."""
    return again.best > course.best


def _facts(task: Task, learner: ClassifierLearner | DetectorLearner, course: Course) -> Facts:
    return Facts(
        task=task,
        labels=learner.labels,
        canvas=learner.canvas,
        exclusive=isinstance(learner, ClassifierLearner) and learner.exclusive,
        cell=learner.cell if isinstance(learner, DetectorLearner) else 0,
        seed=course.seed,
        epochs=round(course.epoch, 2),
        steps=course.step,
    )


def _with_thresholds(model: Model, examples: Sequence[Example]) -> Model:
    """The model with the assumed thresholds that some of its training images give."""
    some = [one for one in examples if one.boxes or one.labels][:MOST_HELD_BACK]
    found = evaluate(model, some)
    thresholds = {label.label: round(label.assumed_threshold, 4) for label in found.labels}
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
