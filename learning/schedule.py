"""One course of learning: the learning rate rises, stays, and falls to nothing.

It stays up until some images that are held back are no longer found better (then a detector that is not good
yet may go on with finer images), or until what is left of the time or the steps is needed for the fall.
Through the fall, which is a share of the steps before it, the images held back are learned from too.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import torch
from torch import nn

from learning import threads
from learning.data import Canvas
from learning.optimizer import Optimizer
from learning.replicas import Replicas, parts
from learning.types import Evaluation, Progress
from learning.validation_split import Labelled

WARM_STEPS = 20
FIRST_STEPS = 4
"""These take longer than others and tell nothing about the time that others need."""
GOOD = 0.97
"""A held-back F1 that needs no improving."""
POOR = 0.93
"""A held-back F1 which finer images might improve."""
BETTER = 0.01
HOPE = 0.4
"""Labels that are not learned even so well after HOPE_EPOCHS are wrong ones, as a rule."""
HOPE_EPOCHS = 25
COARSE_EPOCHS = 10
"""After so many, a model that is still poor looks closer, if its learner does so early."""
ENOUGH_STEPS = 300
HELPED = 0.03
"""By how much more finer images must have improved that F1 for still finer ones."""
FALL = 0.5
"""Steps of the fall for each step before it."""
LEAST_FALL = 40
PATIENCE = 120
"""Steps that may pass, at least, before learning counts as over: the first good boxes take as many."""
PATIENT = 0.6
"""The share of all steps that may pass, likewise: the few images held back show no small progress."""
FINER_UNTIL = 0.6
"""The share of the time or the steps after which finer images come too late."""
MOST_STEPS = 45_000
"""Of a training for which no other number is given."""
MOST_REPEATS = 4.0
"""How often, at most, an image of a rare label is shown for once that others are."""
WATCHING = 0.15
"""The share of the time that watching the images held back may take."""


class Learner(Protocol):
    """What the course needs to know of a task."""

    network: nn.Module
    device: torch.device
    batch: int
    looks_closer_early: bool
    """Whether finer images help before all is learned from coarse ones."""

    @property
    def canvas(self) -> Canvas: ...
    def __len__(self) -> int: ...
    def labels_of(self, index: int) -> set[str]: ...
    def hold_back(self, random: torch.Generator) -> tuple[list[int], list[int]]: ...
    def loss(self, network: nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        """Of several networks at once, each in a thread of its own."""

    def figures(self, network: nn.Module, indices: Sequence[int]) -> Evaluation: ...
    def is_settled(self, evaluation: Evaluation, share_spent: float) -> bool:
        """Whether the rest is for a later course to learn."""

    def ask_symmetry(self, network: nn.Module, indices: Sequence[int], score: float) -> None:
        """Let the images held back say how images may be mirrored and turned."""

    def look_closer(self) -> bool:
        """Go on with finer images; False if there are none."""


class Course:
    """One training, from a network that knows nothing to one that has learned what it can.

    Args:
        began, ends: when the whole training began and must end, of the monotonic clock.
        most_steps: how many the course may take.
        fraction: the share of the whole training that lies behind.
    """

    def __init__(
        self,
        learner: Learner,
        *,
        began: float,
        ends: float,
        seed: int,
        progress: Callable[[Progress], None],
        most_steps: int,
        fraction: float = 0.0,
    ) -> None:
        self.learner = learner
        self.step = 0
        self.best = 0.0
        """The best F1 of images that the network had not learned from."""
        self.settled = False
        """Whether the rest is for a later course to learn."""
        self.seed = seed
        self.fraction = fraction
        self._random = torch.Generator().manual_seed(seed)
        self._progress = progress
        self._began, self._ends, self._most_steps = began, ends, most_steps
        self._started = time.monotonic()
        self._learned, self.held_back = learner.hold_back(self._random)
        self._repeats = repeats(learner)
        self._queue: list[int] = []
        self._parts = parts(learner.batch, learner.device)
        self._replicas = Replicas(learner.network, self._parts, seed)
        self._optimizer = Optimizer(learner.network)
        self.mean = copy.deepcopy(learner.network).eval()
        """The mean of the weights over the last steps before the fall."""
        self._means, self._values = _weights(self.mean), _weights(learner.network)
        self._times: list[float] = []
        self._watched = 0.0
        self._losses: list[float] = []
        self._reported = 0.0
        self._score: float | None = None
        """The F1 of the images held back when they were last watched."""

    @property
    def epoch(self) -> float:
        """How many times each image has been shown."""
        return self.step * self.learner.batch / len(self.learner)

    @property
    def steps_left(self) -> int:
        return self._most_steps - self.step

    def run(self) -> None:
        """Learn; the learner's network has learned in the end."""
        self.report("started", now=True)
        with threads.pool(self._parts) as pool:
            self._stay(pool)
            self._fall(0.5 if self.settled else 1.0, pool)
        self.learner.network.eval()
        self.report(f"done after {self.step} steps", now=True)

    def _stay(self, pool: ThreadPoolExecutor) -> None:
        """At the full rate, until nothing gets better or can, or the time is needed for the fall."""
        every = max(15, min(150, round(2 * len(self._learned) / self.learner.batch)))
        best_step, good, coarse = 0, 0, -1.0
        while not self._must_fall():
            self._learn(min(1.0, (self.step + 1) / WARM_STEPS), pool)
            self.fraction = max(self.fraction, 0.75 * self._share_spent())
            self.report(f"step {self.step}")
            if self.step % every or self._watched > WATCHING * (time.monotonic() - self._started):
                continue
            evaluation = self._watch()
            good = good + 1 if evaluation.f1 >= GOOD else 0
            if evaluation.f1 > self.best + BETTER:
                best_step = self.step
            self.best = max(self.best, evaluation.f1)
            hopeless = self.best < HOPE and self._shown_enough(HOPE_EPOCHS)
            if good >= 2 or hopeless:
                return
            if self._shown_enough(COARSE_EPOCHS):
                self.settled = self.learner.is_settled(evaluation, self._share_spent())
            over = self.step - best_step >= max(PATIENCE, 5 * every, PATIENT * self.step)
            early = self.learner.looks_closer_early and coarse < 0 and self._shown_enough(COARSE_EPOCHS)
            if not self.settled and self.best < POOR and (over or early):
                # Finer images that bring nothing are no reason for still finer ones.
                if self.best > coarse + HELPED and self._share_spent() < FINER_UNTIL and self._look_closer():
                    coarse, best_step = self.best, self.step
                    continue
                coarse = max(coarse, 0.0)
            if over or self.settled:
                return

    def _watch(self) -> Evaluation:
        began = time.monotonic()
        evaluation = self.learner.figures(self.mean, self.held_back)
        self._score = evaluation.f1
        self.learner.ask_symmetry(self.mean, self.held_back, evaluation.f1)
        self._watched += time.monotonic() - began
        return evaluation

    def _shown_enough(self, epochs: float) -> bool:
        return self.step >= ENOUGH_STEPS and self.epoch >= epochs

    def _fall(self, end: float, pool: ThreadPoolExecutor) -> None:
        """From the full rate to nothing, from all images."""
        self.mean = copy.deepcopy(self.mean)
        self._means = []
        self._learned = list(range(len(self.learner)))
        self._queue = []
        wanted, done = min(self._fall_steps(), self.steps_left), 0
        rate, rise = min(1.0, (self.step + 1) / WARM_STEPS), self.fraction
        end = max(end, rise)
        while True:
            # Where the machine is slower than it was, the fall is steeper.
            left = int((self._ends - time.monotonic()) / self._step_seconds())
            steps = min(wanted, done + left)
            if done >= steps:
                self.fraction = end
                return
            self._learn(rate * (1 - done / steps), pool)
            done += 1
            self.fraction = max(self.fraction, rise + (end - rise) * done / steps)
            self.report(f"step {self.step}, rate falling, {steps - done} steps to go")

    def _learn(self, rate: float, pool: ThreadPoolExecutor) -> None:
        started = time.monotonic()
        loss = self._replicas.learn(self.learner.loss, self._next_batch(), pool)
        self._optimizer.step(rate, pool)
        self.step += 1
        self._follow()
        self._losses = [*self._losses[-19:], loss]
        if self.step >= FIRST_STEPS:
            self._times = [*self._times[-19:], time.monotonic() - started]

    def _follow(self) -> None:
        """Let the mean of the weights over the last steps follow; it is what held-back images are shown."""
        if self._means:
            with torch.no_grad():
                torch._foreach_lerp_(self._means, self._values, max(0.04, 1 / (1 + self.step)))

    def _next_batch(self) -> list[int]:
        size = self.learner.batch
        while len(self._queue) < size:
            self._queue += self._order()
        batch, self._queue = self._queue[:size], self._queue[size:]
        return batch

    def _order(self) -> list[int]:
        """Every image that is learned from, those of rare labels more than once."""
        wanted = torch.tensor([self._repeats[index] for index in self._learned])
        times = (wanted + torch.rand(len(wanted), generator=self._random)).floor().long()
        indices = torch.tensor(self._learned).repeat_interleave(times)
        order: list[int] = indices[torch.randperm(len(indices), generator=self._random)].tolist()
        return order

    def _look_closer(self) -> bool:
        self.report("looking closer", now=True)
        if not self.learner.look_closer():
            return False
        self._times = []
        return True

    def _must_fall(self) -> bool:
        if self._fall_steps() >= self.steps_left:
            return True
        left = self._ends - time.monotonic()
        return self.step >= FIRST_STEPS and left < 1.1 * self._fall_steps() * self._step_seconds()

    def _fall_steps(self) -> int:
        return max(LEAST_FALL, round(FALL * self.step))

    def _step_seconds(self) -> float:
        return statistics.median(self._times) if self._times else 0.01

    def _share_spent(self) -> float:
        """Of the time or of the steps, whichever is nearer to its end."""
        of_time = (time.monotonic() - self._began) / max(1e-9, self._ends - self._began)
        return min(1.0, max(of_time, self.step / max(1, self._most_steps)))

    def report(self, message: str, *, now: bool = False) -> None:
        """Tell the progress, if it was not told just before."""
        seconds = time.monotonic() - self._began
        if not now and seconds - self._reported < 0.5:
            return
        self._reported = seconds
        loss = statistics.fmean(self._losses) if self._losses else None
        self._progress(Progress(self.fraction, self.step, self.epoch, seconds, loss, self._score, message))


def repeats(learner: Labelled) -> list[float]:
    """How often each example is shown in an epoch, 1 to MOST_REPEATS: the more, the rarer its rarest label.

    After "LVIS" (https://arxiv.org/abs/1908.03195), against the usual label instead of a fixed share.
    """
    labels = [learner.labels_of(index) for index in range(len(learner))]
    shown = Counter(label for each in labels for label in each)
    usual = statistics.median(shown.values()) if shown else 1.0
    factor = {label: min(MOST_REPEATS, max(1.0, (usual / count) ** 0.5)) for label, count in shown.items()}
    return [max((factor[label] for label in each), default=1.0) for each in labels]


def _weights(network: nn.Module) -> list[torch.Tensor]:
    return [value for value in network.state_dict().values() if value.is_floating_point()]
