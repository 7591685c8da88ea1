"""The validation split: which examples to learn from, and which to validate the learning with."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

import torch

MAX_VALIDATION = 40
"""The most examples to validate with."""


class Labelled(Protocol):
    """Examples whose labels can be asked for by number."""

    def __len__(self) -> int: ...
    def labels_of(self, index: int) -> set[str]: ...


def split_validation(learner: Labelled, random: torch.Generator) -> tuple[list[int], list[int]]:
    """The examples to learn from, and about one in five to validate the learning with.

    No label loses more than a quarter of its examples. Less than 20 examples are not split: they serve for
    both.
    """
    count = len(learner)
    everything = list(range(count))
    candidates = [index for index in everything if learner.labels_of(index)][:MAX_VALIDATION]
    if count < 20:
        return everything, candidates
    shown = Counter(label for index in everything for label in learner.labels_of(index))
    free = {label: number // 4 for label, number in shown.items()}
    validation: set[int] = set()
    for index in torch.randperm(count, generator=random).tolist():
        labels = learner.labels_of(index)
        if len(validation) == min(MAX_VALIDATION, count // 5):
            break
        if labels and all(free[label] > 0 for label in labels):
            validation.add(index)
            for label in labels:
                free[label] -= 1
    learned = [index for index in everything if index not in validation]
    return learned, sorted(validation) or candidates
