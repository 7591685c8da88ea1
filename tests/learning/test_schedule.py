"""How often the training schedule shows an image, and how long it validates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from learning.schedule import MAX_REPEATS, TrainingSchedule, repeats
from learning.types import Evaluation
from portable.images import Canvas

import torch  # isort: skip - after the library, which sets how torch's threads wait


class Labels:
    def __init__(self, labels: Sequence[set[str]]) -> None:
        self._labels = labels

    def __len__(self) -> int:
        return len(self._labels)

    def labels_of(self, index: int) -> set[str]:
        return self._labels[index]


def test_images_of_rare_labels_are_shown_more_often() -> None:
    shown = repeats(
        Labels([{"usual"}] * 36 + [{"other"}] * 36 + [{"rare"}] * 4 + [{"rarest", "usual"}] + [set()])
    )
    assert shown[:72] == [1.0] * 72
    assert shown[72:76] == [pytest.approx(3, abs=0.1)] * 4 or shown[72] > 2
    assert shown[76] == MAX_REPEATS
    assert shown[77] == 1.0


class Slow:
    """A learner on a clock of its own: a step takes a second, and a validation as long as is said."""

    batch = 1
    increases_resolution_early = False
    canvas = Canvas(64, 64)
    device = torch.device("cpu")

    def __init__(self, seconds: float) -> None:
        self.network: torch.nn.Module = torch.nn.Linear(1, 1)
        self.now, self.looked = 0.0, 0
        self._seconds = seconds

    def monotonic(self) -> float:
        return self.now

    def __len__(self) -> int:
        return 4

    def labels_of(self, index: int) -> set[str]:
        return {"a"}

    def split_validation(self, random: torch.Generator) -> tuple[list[int], list[int]]:
        return [0, 1, 2], [3]

    def loss(self, network: torch.nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        self.now += 1.0
        loss: torch.Tensor = network(torch.ones(1)).sum()
        return loss

    def evaluate(self, network: torch.nn.Module, indices: Sequence[int]) -> Evaluation:
        self.now += self._seconds
        return Evaluation(0.5, 0.5, 0.5, (), ())

    def is_ready_for_second_stage(self, evaluation: Evaluation, step: int, share_spent: float) -> bool:
        return False

    def update_symmetry(self, network: torch.nn.Module, indices: Sequence[int], score: float) -> None:
        self.looked += 1

    def increase_resolution(self) -> bool:
        return False

    def state(self) -> dict[str, object]:
        return {}

    def load_state(self, state: dict[str, object]) -> None:
        pass


def test_how_images_may_be_turned_is_not_looked_at_just_before_the_decay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It needs the time; and what is learned would hang on how long that takes."""
    monkeypatch.setattr("learning.schedule.MIN_DECAY_STEPS", 2)
    learner = Slow(0.1)
    monkeypatch.setattr("learning.schedule.time", learner)
    schedule = TrainingSchedule(learner, began=0.0, ends=1000.0, seed=1, progress=lambda _: None, max_steps=6)
    schedule.run()
    assert (schedule.step, schedule.best_f1, learner.looked) == (6, 0.5, 0)
    assert (schedule.training, schedule.validation) == ([0, 1, 2], [3])


@pytest.mark.parametrize(("to_beat", "steps"), [(0.5, 30), (0.49, 60)])
def test_learning_that_does_not_beat_what_there_is_is_given_up_half_way(
    to_beat: float, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learning.schedule.MIN_DECAY_STEPS", 2)
    learner = Slow(0.1)
    monkeypatch.setattr("learning.schedule.time", learner)
    schedule = TrainingSchedule(
        learner, began=0.0, ends=1000.0, seed=1, progress=lambda _: None, max_steps=60, to_beat=to_beat
    )
    schedule.run()
    assert (schedule.step, schedule.given_up) == (steps, steps == 30)
