"""The training schedule: the learning rate warms up, stays constant, and decays to nothing.

It stays up until the validation images are no longer predicted better (then a detector that is not good yet
may go on with a higher resolution), or until what is left of the time or the steps is needed for the decay.
Through the decay, which is a share of the steps before it, the validation images are learned from too.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import nn

from learning import threads
from learning.optimizer import Optimizer
from learning.replicas import Replicas, parts
from learning.types import Evaluation, Progress
from learning.validation_split import Labelled
from portable.images import Canvas

WARMUP_STEPS = 20
UNTIMED_STEPS = 4
"""The first steps, which take longer than others: they tell nothing about the time that others need."""
GOOD_F1 = 0.97
"""A validation F1 that needs no improving."""
POOR_F1 = 0.93
"""A validation F1 which a higher resolution might improve."""
MIN_IMPROVEMENT = 0.01
"""A gain in validation F1 that counts as one."""
EARLY_STOP_F1 = 0.4
"""Labels that are not learned even so well after EARLY_STOP_EPOCHS are wrong ones, as a rule."""
EARLY_STOP_EPOCHS = 25
COARSE_EPOCHS = 10
"""The epochs after which a model that is still poor gets a higher resolution, if its learner does so
early."""
MIN_STEPS = 300
"""The steps before any number of epochs counts as passed."""
MIN_FINER_IMPROVEMENT = 0.03
"""By how much a higher resolution must have improved the validation F1 for a still higher one."""
DECAY_SHARE = 0.5
"""Steps of the decay for each step before it."""
MIN_DECAY_STEPS = 40
PATIENCE_STEPS = 120
"""Steps without improvement, at least, before learning stops: the first good boxes take as many."""
PATIENCE_SHARE = 0.6
"""The share of all steps that may pass, likewise: the few validation images show no small progress."""
FINER_UNTIL = 0.6
"""The share of the time or the steps after which a higher resolution comes too late."""
MAX_STEPS = 45_000
"""The most steps of a training for which no other number is given."""
MAX_REPEATS = 4.0
"""How often, at most, an image of a rare label is shown for once that others are."""
REPORT_SECONDS = 0.5
"""How often, at most, the progress is reported."""
MAX_VALIDATION_SHARE = 0.15
"""The share of the time that validation may take."""


_PLAIN = (
    "step",
    "best_f1",
    "ready_for_second_stage",
    "fraction",
    "_middle",
    "_max_steps",
    "training",
    "validation",
    "_queue",
    "_times",
    "_validation_seconds",
    "_losses",
    "_f1",
)
"""The attributes of a schedule that are numbers, or lists of them."""


class Learner(Protocol):
    """What the schedule needs to know of a task."""

    network: nn.Module
    device: torch.device
    batch: int
    increases_resolution_early: bool
    """Whether a higher resolution helps before all is learned at the first one."""

    @property
    def canvas(self) -> Canvas: ...
    def __len__(self) -> int: ...
    def labels_of(self, index: int) -> set[str]: ...
    def split_validation(self, random: torch.Generator) -> tuple[list[int], list[int]]: ...
    def loss(self, network: nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        """The mean loss of these examples, of several networks at once, each in a thread of its own."""

    def evaluate(self, network: nn.Module, indices: Sequence[int]) -> Evaluation: ...
    def is_ready_for_second_stage(self, evaluation: Evaluation, step: int, share_spent: float) -> bool:
        """Whether the rest is for the second stage to learn, after these steps and this share of the time."""

    def update_symmetry(self, network: nn.Module, indices: Sequence[int], score: float) -> None:
        """Let the validation images show how images may be mirrored and turned."""

    def increase_resolution(self) -> bool:
        """Go on with a higher resolution; False if there is none."""

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on from here, beside the network."""

    def load_state(self, state: dict[str, Any]) -> None: ...


@dataclass
class _FullRate:
    """What learning at the full rate has come to: the step of the best F1, that of the last validation, how
    often in a row it was good, and the best F1 of the resolution before, -1 at the first."""

    best_step: int = 0
    validated_step: int = 0
    good: int = 0
    coarse: float = -1.0


@dataclass
class _Decay:
    """How far the decay is: the steps wanted and done, the rate that it began at, and the fractions of the
    training at its beginning and end."""

    wanted: int
    rate: float
    rise: float
    end: float
    done: int = 0


class TrainingSchedule:
    """One training, from a network that knows nothing to one that has learned what it can.

    Args:
        began, ends: when the whole training began and must end, of the monotonic clock.
        max_steps: how many the schedule may take.
        fraction: the share of the whole training that lies behind.
        second_stage: whether it is what a second stage learns by.
        to_beat: the F1 that has to be exceeded by the middle of what is left of the time or the steps, else
            learning is given up; at the latest before the decay.
        checkpoint: called whenever the schedule could go on from its `state`.
    """

    def __init__(
        self,
        learner: Learner,
        *,
        began: float,
        ends: float,
        seed: int,
        progress: Callable[[Progress], None],
        max_steps: int,
        fraction: float = 0.0,
        second_stage: bool = False,
        to_beat: float = -1.0,
        checkpoint: Callable[[TrainingSchedule], None] = lambda _: None,
    ) -> None:
        self.learner = learner
        self._is_second_stage = second_stage
        self._checkpoint = checkpoint
        self._full_rate = _FullRate()
        self._falling: _Decay | None = None
        self.step = 0
        self.best_f1 = 0.0
        """The best F1 of images that the network had not learned from."""
        self.ready_for_second_stage = False
        """Whether the rest is for the second stage to learn."""
        self.given_up = False
        """Whether learning has ended early, as it would not come to the F1 that has to be exceeded."""
        self.seed = seed
        self.fraction = fraction
        self._random = torch.Generator().manual_seed(seed)
        self._progress = progress
        self._began, self._ends, self._max_steps = began, ends, max_steps
        self._to_beat, self._middle = to_beat, (1 + self._share_spent()) / 2
        self._learned_seconds = 0.0
        self._started = time.monotonic()
        self.training, self.validation = learner.split_validation(self._random)
        """What is learned from before the decay, and what validates that. Where there is little, both may
        hold the same."""
        self._repeats = repeats(learner)
        self._queue: list[int] = []
        self._parts = parts(learner.batch, learner.device)
        self._replicas = Replicas(learner.network, self._parts, seed)
        self._optimizer = Optimizer(learner.network)
        self.averaged = copy.deepcopy(learner.network).eval()
        """The network with the mean of its weights over the last steps before the decay."""
        self._averages, self._weights = _weights(self.averaged), _weights(learner.network)
        self._times: list[float] = []
        self._validation_seconds = 0.0
        self._losses: list[float] = []
        self._reported = 0.0
        self._f1: float | None = None
        """The F1 of the validation images when they were last evaluated."""

    @property
    def epoch(self) -> float:
        """How many times each image has been shown."""
        return self.step * self.learner.batch / len(self.learner)

    @property
    def steps_left(self) -> int:
        return self._max_steps - self.step

    def run(self) -> None:
        """Train the learner's network."""
        self.report("started", now=True)
        with threads.pool(self._parts) as pool:
            if self._falling is None:
                self._learn_at_full_rate(pool)
                if self.given_up:
                    return
                self._falling = self._begin_decay(0.5 if self.ready_for_second_stage else 1.0)
            self._decay(self._falling, pool)
        self.learner.network.eval()
        self.report(f"done after {self.step} steps", now=True)

    def _learn_at_full_rate(self, pool: ThreadPoolExecutor) -> None:
        """Learn until nothing gets better or can, or the time is needed for the decay."""
        every = max(15, min(150, round(2 * len(self.training) / self.learner.batch)))
        now = self._full_rate
        while not self._must_decay():
            self._checkpoint(self)
            self._learn(min(1.0, (self.step + 1) / WARMUP_STEPS), pool)
            self.fraction = max(self.fraction, 0.75 * self._share_spent())
            self.report(f"step {self.step}")
            if self.step % every or self._validation_seconds > MAX_VALIDATION_SHARE * self._seconds():
                continue
            evaluation = self._validate()
            now.validated_step = self.step
            now.good = now.good + 1 if evaluation.f1 >= GOOD_F1 else 0
            if evaluation.f1 > self.best_f1 + MIN_IMPROVEMENT:
                now.best_step = self.step
            self.best_f1 = max(self.best_f1, evaluation.f1)
            self.given_up = self._is_outdone() and self._share_spent() >= self._middle
            if self.given_up:
                return
            unlearnable = self.best_f1 < EARLY_STOP_F1 and self._shown_enough(EARLY_STOP_EPOCHS)
            if now.good >= 2 or unlearnable:
                return
            self.ready_for_second_stage = self.learner.is_ready_for_second_stage(
                evaluation, self.step, self._share_spent()
            )
            over = self.step - now.best_step >= max(PATIENCE_STEPS, 5 * every, PATIENCE_SHARE * self.step)
            early = (
                self.learner.increases_resolution_early
                and now.coarse < 0
                and self._shown_enough(COARSE_EPOCHS)
            )
            if not self.ready_for_second_stage and self.best_f1 < POOR_F1 and (over or early):
                # A resolution that brings nothing is no reason for a still higher one.
                if (
                    self.best_f1 > now.coarse + MIN_FINER_IMPROVEMENT
                    and self._share_spent() < FINER_UNTIL
                    and self._increase_resolution()
                ):
                    now.coarse, now.best_step = self.best_f1, self.step
                    continue
                now.coarse = max(now.coarse, 0.0)
            if over or self.ready_for_second_stage:
                return
        if self.step > now.validated_step:
            # Where time is short, most may have been learned since, and trainings are compared by this. What
            # images may be turned by takes several times as long, which the decay would lack.
            self.best_f1 = max(self.best_f1, self._validate(update_symmetry=False).f1)
        self.given_up = self._is_outdone()

    def _validate(self, *, update_symmetry: bool = True) -> Evaluation:
        began = time.monotonic()
        evaluation = self.learner.evaluate(self.averaged, self.validation)
        self._f1 = evaluation.f1
        if update_symmetry:
            self.learner.update_symmetry(self.averaged, self.validation, evaluation.f1)
        self._validation_seconds += time.monotonic() - began
        return evaluation

    def _seconds(self) -> float:
        """How long the schedule has taken, not counting the time in which it was killed."""
        return self._learned_seconds + time.monotonic() - self._started

    def _is_outdone(self) -> bool:
        return self.best_f1 <= self._to_beat

    def _shown_enough(self, epochs: float) -> bool:
        return self.step >= MIN_STEPS and self.epoch >= epochs

    def _begin_decay(self, end: float) -> _Decay:
        """From now on learn from all images. The training is done to the share `end` after it."""
        self.averaged = copy.deepcopy(self.averaged)
        self._averages = []
        self._queue = []
        wanted = min(self._decay_steps(), self.steps_left)
        rate = min(1.0, (self.step + 1) / WARMUP_STEPS)
        return _Decay(wanted, rate, self.fraction, max(end, self.fraction))

    def _decay(self, now: _Decay, pool: ThreadPoolExecutor) -> None:
        """Learn while the rate falls from full to nothing."""
        while True:
            # Where the machine is slower than it was, the decay is steeper.
            left = int((self._ends - time.monotonic()) / self._step_seconds())
            steps = min(now.wanted, now.done + left)
            if now.done >= steps:
                self.fraction = now.end
                return
            self._checkpoint(self)
            self._learn(now.rate * (1 - now.done / steps), pool)
            now.done += 1
            self.fraction = max(self.fraction, now.rise + (now.end - now.rise) * now.done / steps)
            self.report(f"step {self.step}, rate decaying, {steps - now.done} steps to go")

    def state(self) -> dict[str, Any]:
        """All that `load_state` needs to go on from here, exactly."""
        return {
            "plain": {name: getattr(self, name) for name in _PLAIN},
            "learned_seconds": self._seconds(),
            "full_rate": asdict(self._full_rate),
            "falling": asdict(self._falling) if self._falling else None,
            "random": self._random.get_state(),
            "network": self.learner.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self._optimizer.state(),
            "replicas": self._replicas.state(),
            "learner": self.learner.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state of a schedule that was made in the same way, with the same number of threads."""
        for name, value in state["plain"].items():
            setattr(self, name, value)
        self._learned_seconds = state["learned_seconds"]
        self._full_rate = _FullRate(**state["full_rate"])
        self._falling = _Decay(**state["falling"]) if state["falling"] else None
        if self._falling:
            self._averages = []
        self._random.set_state(state["random"])
        self.learner.load_state(state["learner"])
        self.learner.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self._optimizer.load_state(state["optimizer"])
        self._replicas.load_state(state["replicas"])

    def _learn(self, rate: float, pool: ThreadPoolExecutor) -> None:
        started = time.monotonic()
        loss = self._replicas.learn(self.learner.loss, self._next_batch(), pool)
        self._optimizer.step(rate, pool)
        self.step += 1
        self._update_average()
        self._losses = [*self._losses[-19:], loss]
        if self.step >= UNTIMED_STEPS:
            self._times = [*self._times[-19:], time.monotonic() - started]

    def _update_average(self) -> None:
        """Let the mean of the weights follow the last step; validation is done with that mean."""
        if self._averages:
            with torch.no_grad():
                torch._foreach_lerp_(self._averages, self._weights, max(0.04, 1 / (1 + self.step)))

    def _next_batch(self) -> list[int]:
        size = self.learner.batch
        while len(self._queue) < size:
            self._queue += self._order()
        batch, self._queue = self._queue[:size], self._queue[size:]
        return batch

    def _order(self) -> list[int]:
        """Every image that is learned from, those of rare labels more than once."""
        learned = range(len(self.learner)) if self._falling else self.training
        wanted = torch.tensor([self._repeats[index] for index in learned])
        times = (wanted + torch.rand(len(wanted), generator=self._random)).floor().long()
        indices = torch.tensor(learned).repeat_interleave(times)
        order: list[int] = indices[torch.randperm(len(indices), generator=self._random)].tolist()
        return order

    def _increase_resolution(self) -> bool:
        self.report("increasing the resolution", now=True)
        if not self.learner.increase_resolution():
            return False
        self._times = []
        return True

    def _must_decay(self) -> bool:
        if self._decay_steps() >= self.steps_left:
            return True
        left = self._ends - time.monotonic()
        return self.step >= UNTIMED_STEPS and left < 1.1 * self._decay_steps() * self._step_seconds()

    def _decay_steps(self) -> int:
        return max(MIN_DECAY_STEPS, round(DECAY_SHARE * self.step))

    def _step_seconds(self) -> float:
        return statistics.median(self._times) if self._times else 0.01

    def _share_spent(self) -> float:
        """The share of the time or of the steps that is spent, whichever is nearer to its end."""
        of_time = (time.monotonic() - self._began) / max(1e-9, self._ends - self._began)
        return min(1.0, max(of_time, self.step / max(1, self._max_steps)))

    def report(self, message: str, *, now: bool = False) -> None:
        """Report the progress, if that was not done just before."""
        seconds = time.monotonic() - self._began
        if not now and seconds - self._reported < REPORT_SECONDS:
            return
        self._reported = seconds
        loss = statistics.fmean(self._losses) if self._losses else None
        done = (self.fraction, self.step, self.epoch, seconds)
        self._progress(Progress(*done, loss, self._f1, message, self._is_second_stage))


def repeats(learner: Labelled) -> list[float]:
    """How often each example is shown in an epoch, 1 to MAX_REPEATS: the more, the rarer its rarest label.

    After "LVIS" (https://arxiv.org/abs/1908.03195), against the usual label instead of a fixed share.
    """
    labels = [learner.labels_of(index) for index in range(len(learner))]
    shown = Counter(label for each in labels for label in each)
    usual = statistics.median(shown.values()) if shown else 1.0
    factor = {label: min(MAX_REPEATS, max(1.0, (usual / count) ** 0.5)) for label, count in shown.items()}
    return [max((factor[label] for label in each), default=1.0) for each in labels]


def _weights(network: nn.Module) -> list[torch.Tensor]:
    return [value for value in network.state_dict().values() if value.is_floating_point()]
