"""Learning a model from examples, in a given time at most and in less where it can learn no more.

A classifier takes one training schedule. A detector takes one to localize objects, and where it confuses
what they are, another one in which a classifier learns to tell its boxes apart: the second stage.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from learning import checkpoint, threads
from learning.checkpoint import Checkpoints
from learning.classifier import ClassifierLearner
from learning.detector import DetectorLearner
from learning.evaluation import evaluate
from learning.frozen_head import FrozenHead
from learning.model import Facts, Model, device
from learning.schedule import MAX_STEPS, Learner, TrainingSchedule
from learning.second_stage import SecondStageLearner
from learning.types import Example, Progress, Task
from learning.validation_split import MAX_VALIDATION
from portable.facts import SecondStage

USED_SHARE = 0.96
"""The share of the time that steps may fill."""
FEATURES_SHARE = 0.45
"""The share of the time that a pretrained trunk may look at a classifier's images before it learns."""
FINE_TUNED_BELOW = 0.95
"""The F1 of a last layer, on images that it was not fitted to, below which the trunk learns as well."""
MIN_FINE_TUNED_IMAGES = 40
"""Of fewer, those held back could not tell whether that has helped."""
READING_SHARE = 0.3
"""The share of the time left that reading images for the second stage may take."""

CHANCE = 0.05
"""The loss of F1 on few validation images that says nothing against a detector which has learned longer: what
it is compared with is the best of several validations."""


def train(
    task: Task,
    examples: Sequence[Example],
    *,
    budget_seconds: float,
    max_steps: int | None = None,
    seed: int,
    weights: Path | None = None,
    checkpoints: Path | None = None,
    checkpoint_seconds: float = checkpoint.SECONDS,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Model:
    """Train a model of the labels in the examples, within `budget_seconds` and `max_steps`.

    Training ends earlier where it stops getting better. Reading the images comes out of the same time, and is
    not cut short.

    With the weights of a pretrained trunk (`learning.trunk`), networks stand on that. A classifier then
    learns its last layer alone, unless more helps on images that were held back. Without, all is learned
    from these images.

    On processors of one kind, the same examples, seed and number of threads give the same model, as long as
    time decides nothing: it may cut short the schedule, and validation, which has its share, and the second
    stage of a pretrained detector begins after a share of the time. On a CUDA device the last digits may
    differ.

    With a folder for `checkpoints`, what is learned is written down there every so many seconds. Called with
    the same arguments after a kill, the training goes on from the last checkpoint and comes to the same
    model; the time in between does not count.

    Sets the number of threads of PyTorch for the whole process.

    Raises:
        ValueError: no example shows a label, every box lies beside its image, or an image cannot be read.
    """
    labels = _labels(task, examples)
    torch.set_num_threads(threads.max_threads())
    kept = None
    if checkpoints:
        settings = (budget_seconds, max_steps, seed, weights and weights.name, threads.max_threads())
        training = checkpoint.fingerprint(task, examples, *settings)
        kept = Checkpoints(checkpoints, training, checkpoint_seconds)
    state = kept.load() if kept else None
    began = time.monotonic() - (state["seconds"] if state else 0.0)
    ends = began + USED_SHARE * budget_seconds
    limits = _Limits(began, ends, max_steps or MAX_STEPS, seed, progress, kept, state)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if task == "classification":
            model = _classifier(ClassifierLearner(examples, labels, device(), weights), limits)
        else:
            model = _detector(DetectorLearner(examples, labels, device(), weights), limits, weights)
    model = _with_thresholds(model, examples)
    if kept:
        kept.clear()
    return model


@dataclass(frozen=True)
class _Limits:
    """What a training may spend: when it began and must end, of the monotonic clock, and its steps; its
    checkpoints, and the one that it goes on from."""

    began: float
    ends: float
    max_steps: int
    seed: int
    progress: Callable[[Progress], None]
    checkpoints: Checkpoints | None
    state: Mapping[str, Any] | None

    def schedule(
        self,
        learner: Learner,
        fraction: float = 0.0,
        *,
        name: str = "first",
        first: TrainingSchedule | None = None,
        to_beat: float = -1.0,
    ) -> TrainingSchedule:
        """A schedule, gone on with if the training was killed in it.

        Args:
            first: the schedule before it, which has ended.
            to_beat: as `TrainingSchedule` has it.
        """
        schedule = TrainingSchedule(
            learner,
            began=self.began,
            ends=self.ends,
            max_steps=self.max_steps,
            seed=self.seed,
            progress=self.progress,
            fraction=fraction,
            second_stage=name == "second",
            to_beat=to_beat,
            checkpoint=lambda now: self._save({name: now, **({"first": first} if first else {})}),
        )
        if self.state and name in self.state:
            schedule.load_state(self.state[name])
        return schedule

    def _save(self, schedules: Mapping[str, TrainingSchedule]) -> None:
        if self.checkpoints and self.checkpoints.due:
            states = {name: schedule.state() for name, schedule in schedules.items()}
            self.checkpoints.save({"seconds": time.monotonic() - self.began, **states})

    def report(self, fraction: float, f1: float | None, message: str, *, step: int = 0) -> None:
        """Report progress that no schedule makes."""
        self.progress(Progress(fraction, step, 0.0, time.monotonic() - self.began, None, f1, message))

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


def _classifier(learner: ClassifierLearner, limits: _Limits) -> Model:
    """A classifier: a last layer on a pretrained trunk if that is good, else all of it learns."""
    if not learner.pretrained:
        schedule = limits.schedule(learner)
        schedule.run()
        return Model(_facts("classification", learner, schedule), learner.network)
    limits.report(0.0, None, "started")
    spent = limits.began + FEATURES_SHARE * (limits.ends - limits.began)
    frozen = FrozenHead(
        learner,
        until=spent,
        report=lambda share: limits.report(FEATURES_SHARE * share, None, "looking at images"),
        # Not the chance that splits images: where time is short, only validation images would be read.
        random=torch.Generator().manual_seed(limits.seed + 1),
    )
    kept = copy.deepcopy(learner.network)
    frozen.fit(kept)
    model = Model(_facts("classification", learner, None, limits.seed), kept)
    if frozen.f1 < FINE_TUNED_BELOW and len(learner) >= MIN_FINE_TUNED_IMAGES:
        training, validation = learner.split_validation(limits.generator())
        frozen.fit(learner.network, training)
        before = learner.evaluate(learner.network, validation).f1
        # It splits the images in the same way, since its seed is the same.
        schedule = limits.schedule(learner, FEATURES_SHARE)
        schedule.run()
        if schedule.best_f1 > before:
            return Model(_facts("classification", learner, schedule), learner.network)
    limits.report(1.0, frozen.f1, "done")
    return model


def _detector(learner: DetectorLearner, limits: _Limits, weights: Path | None) -> Model:
    """A detector, with a second stage where it confuses labels."""
    schedule = limits.schedule(learner)
    schedule.run()
    model = Model(_facts("detection", learner, schedule), learner.network)
    if schedule.ready_for_second_stage:
        if limits.state and "third" in limits.state:
            return _without_second_stage(model, learner, schedule, limits, schedule.fraction)
        return _with_second_stage(model, learner, schedule, limits, weights)
    return model


def _with_second_stage(
    model: Model,
    detector: DetectorLearner,
    schedule: TrainingSchedule,
    limits: _Limits,
    weights: Path | None,
) -> Model:
    """The detector with a second stage, learned in what is left of the time, if that is better.

    Where crops do not show what tells labels apart, as of things of different sizes, the detector learns on.
    """
    detector.forget_images()
    now = time.monotonic()
    killed = (limits.state or {}).get("second")
    learner = SecondStageLearner(
        detector.examples,
        detector.labels,
        lambda images: detector.proposals(schedule.averaged, images),
        schedule.training,
        schedule.validation,
        read_side=detector.read_side,
        until=now + READING_SHARE * (limits.ends - now),
        images_read=killed["learner"]["images_read"] if killed else None,
        report=lambda: schedule.report("cropping boxes"),
        device=detector.device,
        random=limits.generator(),
        weights=weights,
    )
    left = replace(limits, max_steps=schedule.steps_left)
    second = left.schedule(
        learner, schedule.fraction, name="second", first=schedule, to_beat=schedule.best_f1
    )
    second.run()
    if second.given_up:
        left = replace(limits, max_steps=second.steps_left)
        return _without_second_stage(model, detector, schedule, left, second.fraction)
    if not _is_better(second, schedule):
        return _kept(model, schedule, limits, "done without the second stage, which is no better")
    facts = replace(
        model.facts,
        second_stage=SecondStage(learner.side, learner.detail),
        steps=model.facts.steps + second.step,
    )
    return Model(facts, detector.network, learner.network)


def _without_second_stage(
    model: Model, detector: DetectorLearner, schedule: TrainingSchedule, limits: _Limits, fraction: float
) -> Model:
    """The detector, which learns on from before its rate decayed in what is left of the time; as it was, if
    that makes it worse."""
    learner = copy.copy(detector)
    learner.network, learner.takes_second_stage = copy.deepcopy(schedule.averaged), False
    third = limits.schedule(learner, fraction, name="third", first=schedule)
    third.run()
    if third.best_f1 < schedule.best_f1 - CHANCE:
        return _kept(model, schedule, limits, "done without what was learned since, which is worse")
    facts = _facts("detection", learner, third)
    return Model(replace(facts, steps=model.facts.steps + third.step), learner.network)


def _kept(model: Model, schedule: TrainingSchedule, limits: _Limits, message: str) -> Model:
    """The model as the schedule left it, whose figures are reported last."""
    limits.report(1.0, schedule.best_f1, message, step=schedule.step)
    return model


def _is_better(second: TrainingSchedule, first: TrainingSchedule) -> bool:
    """Whether the second of both is better, on images that neither had learned from."""
    return second.best_f1 > first.best_f1


def _facts(
    task: Task,
    learner: ClassifierLearner | DetectorLearner,
    schedule: TrainingSchedule | None,
    seed: int = 0,
) -> Facts:
    return Facts(
        task=task,
        labels=learner.labels,
        canvas=learner.canvas,
        exclusive=isinstance(learner, ClassifierLearner) and learner.exclusive,
        cell=learner.cell if isinstance(learner, DetectorLearner) else 0,
        seed=schedule.seed if schedule else seed,
        epochs=round(schedule.epoch, 2) if schedule else 1.0,
        steps=schedule.step if schedule else 0,
        pretrained=learner.pretrained,
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
