"""How often the training schedule shows an image."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from learning.schedule import MAX_REPEATS, repeats


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
