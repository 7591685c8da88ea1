"""Learning a model from examples, in a given time at most and in less where it can learn no more.

The course has three parts: the learning rate rises, stays, and falls to nothing. It stays up until some
images that are held back are no longer found better (then a detector that is not good yet may go on with
finer images), or until what is left of the time is needed for the fall. Through the fall, which is a share of
the steps before it, the images held back are learned from too.
"""

from __future__ import annotations

import copy
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import nn

from local.engine.learning.classifier import ClassifierLearner
from local.engine.learning.data import Canvas
from local.engine.learning.detector import DetectorLearner, DetectorNetwork
from local.engine.learning.model import Facts, Model, device
from local.engine.learning.optimizer import Optimizer
from local.engine.learning.types import Evaluation, Example, Progress, Task

WARM_STEPS = 20
FIRST_STEPS = 4
"""These take longer than others and tell nothing about the time that others need."""
BATCH = {"detection": 8, "classification": 16}
GOOD = 0.97
"""A held-back F1 that needs no improving."""
POOR = 0.93
"""A held-back F1 which finer images might improve."""
BETTER = 0.01
HOPE = 0.4
"""Labels that are not learned even so well after HOPE_EPOCHS are wrong ones, as a rule."""
HOPE_EPOCHS = 25
COARSE_EPOCHS = 10
"""After so many, a model that is still poor looks closer without waiting until nothing gets better."""
ENOUGH_STEPS = 300
HELPED = 0.03
"""By how much more finer images must have improved that F1 for still finer ones."""
FALL = 0.5
"""Steps of the fall for each step before it."""
LEAST_FALL = 40
PATIENCE = 120
"""Steps that may pass, at least, before learning counts as over: the first good boxes take as many."""
MOST_STEPS = 30_000
MOST_HELD_BACK = 40
MOST_THREADS = 8
USED = 0.96
"""The share of the time that steps may fill."""


class Learner(Protocol):
    """What the course needs to know of a task."""

    network: nn.Module

    @property
    def canvas(self) -> Canvas: ...
    def __len__(self) -> int: ...
    def labels_of(self, index: int) -> set[str]: ...
    def loss(self, indices: Sequence[int], random: torch.Generator) -> torch.Tensor: ...
    def figures(self, network: nn.Module, indices: Sequence[int]) -> Evaluation: ...
    def look_closer(self) -> bool: ...


def train(
    task: Task,
    examples: Sequence[Example],
    *,
    budget_seconds: float,
    seed: int,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Model:
    """A model of the labels in the examples, within `budget_seconds`, and earlier where it stops getting
    better. Reading the images comes out of the same time, and is not cut short.

    On processors of one kind, the same examples, seed and number of threads give the same model, as long as
    the course ends by itself; how far it comes when the time cuts it short depends on the machine's speed.
    On a CUDA device the last digits may differ.

    Sets the number of threads of PyTorch for the whole process.

    Raises:
        ValueError: no example shows a label, every box lies beside its image, or an image cannot be read.
    """
    labels = _labels(task, examples)
    torch.set_num_threads(min(MOST_THREADS, _processors()))
    began = time.monotonic()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        learner: Learner
        if task == "detection":
            learner = DetectorLearner(examples, labels, device())
        else:
            learner = ClassifierLearner(examples, labels, device())
        ends = began + USED * budget_seconds
        course = Course(learner, BATCH[task], began=began, ends=ends, seed=seed, progress=progress)
        course.run()
        some = [index for index in range(len(learner)) if learner.labels_of(index)][:MOST_HELD_BACK]
        found = learner.figures(learner.network, some).labels
        thresholds = {label.label: round(label.assumed_threshold, 4) for label in found}
    facts = Facts(
        task=task,
        labels=labels,
        canvas=learner.canvas,
        exclusive=isinstance(learner, ClassifierLearner) and learner.exclusive,
        cell=learner.network.cell if isinstance(learner.network, DetectorNetwork) else 0,
        seed=seed,
        epochs=round(course.epoch, 2),
        steps=course.step,
        thresholds=thresholds,
    )
    return Model(facts, learner.network)


class Course:
    """One training, from a network that knows nothing to one that has learned what it can."""

    def __init__(
        self,
        learner: Learner,
        batch: int,
        *,
        began: float,
        ends: float,
        seed: int,
        progress: Callable[[Progress], None],
    ) -> None:
        self.learner = learner
        self.step = 0
        self._random = torch.Generator().manual_seed(seed)
        self._progress = progress
        self._began, self._ends = began, ends
        self._batch = batch
        self._learned, self._held_back = hold_back(learner, self._random)
        self._queue: list[int] = []
        self._optimizer = Optimizer(learner.network)
        self._mean = copy.deepcopy(learner.network).eval()
        self._means, self._values = _weights(self._mean), _weights(learner.network)
        self._times: list[float] = []
        self._losses: list[float] = []
        self._reported = 0.0
        self._fraction = 0.0
        self._score = 0.0

    @property
    def epoch(self) -> float:
        """How many times each image has been shown."""
        return self.step * self._batch / len(self.learner)

    def run(self) -> None:
        """Learn; the learner's network has learned in the end."""
        self._report("started", now=True)
        self._stay()
        self._fall()
        self.learner.network.eval()
        self._fraction = 1.0
        self._report(f"done after {self.step} steps", now=True)

    def _stay(self) -> None:
        """At the full rate, until nothing gets better or can, or the time is needed for the fall."""
        every = max(15, min(150, round(2 * len(self._learned) / self._batch)))
        best, best_step, good, coarse = 0.0, 0, 0, -1.0
        while self.step < MOST_STEPS and not self._must_fall():
            self._learn(min(1.0, (self.step + 1) / WARM_STEPS))
            self._fraction = max(self._fraction, 0.75 * self._share_of_time())
            self._report(f"step {self.step}, F1 of held-back images {self._score:.2f}")
            if self.step % every:
                continue
            self._score = self.learner.figures(self._mean, self._held_back).f1
            good = good + 1 if self._score >= GOOD else 0
            if self._score > best + BETTER:
                best, best_step = self._score, self.step
            hopeless = best < HOPE and self._shown_enough(HOPE_EPOCHS)
            if good >= 2 or hopeless:
                return
            over = self.step - best_step >= max(PATIENCE, 5 * every, 0.4 * self.step)
            seen_enough = coarse < 0 and self._shown_enough(COARSE_EPOCHS)
            if best < POOR and (over or seen_enough):
                # Finer images that bring nothing are no reason for still finer ones.
                if best > coarse + HELPED and self._share_of_time() < 0.5 and self._look_closer():
                    coarse, best_step = best, self.step
                    continue
                coarse = max(coarse, 0.0)
            if over:
                return

    def _shown_enough(self, epochs: float) -> bool:
        return self.step >= ENOUGH_STEPS and self.epoch >= epochs

    def _fall(self) -> None:
        """From the full rate to nothing, from all images."""
        self._learned, self._queue = list(range(len(self.learner))), []
        wanted, done = self._fall_steps(), 0
        rate, rise = min(1.0, (self.step + 1) / WARM_STEPS), self._fraction
        while True:
            # Where the machine is slower than it was, the fall is steeper.
            left = int((self._ends - time.monotonic()) / self._step_seconds())
            steps = min(wanted, done + left)
            if done >= steps:
                return
            self._learn(rate * (1 - done / steps))
            done += 1
            self._fraction = max(self._fraction, rise + (1 - rise) * done / steps)
            self._report(f"step {self.step}, rate falling, {steps - done} steps to go")

    def _learn(self, rate: float) -> None:
        started = time.monotonic()
        self.learner.network.train()
        loss = self.learner.loss(self._next_batch(), self._random)
        self._optimizer.step(loss, rate)
        self.step += 1
        self._follow()
        self._losses = [*self._losses[-19:], float(loss.detach())]
        if self.step >= FIRST_STEPS:
            self._times = [*self._times[-19:], time.monotonic() - started]

    def _follow(self) -> None:
        """Let the mean of the weights over the last steps follow; it is what held-back images are shown."""
        share = max(0.04, 1 / (1 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self._means, self._values, share)

    def _next_batch(self) -> list[int]:
        while len(self._queue) < self._batch:
            order = torch.randperm(len(self._learned), generator=self._random).tolist()
            self._queue += [self._learned[place] for place in order]
        batch, self._queue = self._queue[: self._batch], self._queue[self._batch :]
        return batch

    def _look_closer(self) -> bool:
        self._report("looking closer", now=True)
        if not self.learner.look_closer():
            return False
        self._times = []
        return True

    def _must_fall(self) -> bool:
        left = self._ends - time.monotonic()
        return self.step >= FIRST_STEPS and left < 1.1 * self._fall_steps() * self._step_seconds()

    def _fall_steps(self) -> int:
        return max(LEAST_FALL, round(FALL * self.step))

    def _step_seconds(self) -> float:
        return statistics.median(self._times) if self._times else 0.01

    def _share_of_time(self) -> float:
        return min(1.0, (time.monotonic() - self._began) / max(1e-9, self._ends - self._began))

    def _report(self, message: str, *, now: bool = False) -> None:
        seconds = time.monotonic() - self._began
        if not now and seconds - self._reported < 0.5:
            return
        self._reported = seconds
        loss = statistics.fmean(self._losses) if self._losses else None
        self._progress(Progress(self._fraction, self.step, self.epoch, seconds, loss, message))


def _weights(network: nn.Module) -> list[torch.Tensor]:
    return [value for value in network.state_dict().values() if value.is_floating_point()]


def hold_back(learner: Learner, random: torch.Generator) -> tuple[list[int], list[int]]:
    """Which examples to learn from, and about one in five to watch the learning by.

    No label loses more than a quarter of its examples. Of less than 20 examples none is held back: they are
    then watched themselves.

    Raises:
        ValueError: every box lies beside its image.
    """
    count = len(learner)
    everything = list(range(count))
    watched = [index for index in everything if learner.labels_of(index)][:MOST_HELD_BACK]
    if not watched:
        raise ValueError("No box lies inside its image; boxes are in pixels of the upright image")
    if count < 20:
        return everything, watched
    shown = Counter(label for index in everything for label in learner.labels_of(index))
    free = {label: number // 4 for label, number in shown.items()}
    held_back: set[int] = set()
    for index in torch.randperm(count, generator=random).tolist():
        labels = learner.labels_of(index)
        if len(held_back) == min(MOST_HELD_BACK, count // 5):
            break
        if labels and all(free[label] > 0 for label in labels):
            held_back.add(index)
            for label in labels:
                free[label] -= 1
    learned = [index for index in everything if index not in held_back]
    return learned, sorted(held_back) or watched


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


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
