"""Which examples to learn from, and which to watch the learning by."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import torch

MOST_HELD_BACK = 40


class Labelled(Protocol):
    """Examples by number."""

    def __len__(self) -> int: ...
    def labels_of(self, index: int) -> set[str]: ...


def hold_back(learner: Labelled, random: torch.Generator) -> tuple[list[int], list[int]]:
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
