"""Which images teach and which ones test: about 80 to 20 for each label, once and for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["TRAIN", "TEST"]

TEST_SHARE = 0.2


@dataclass
class Split:
    """How many images of each label stand on each side; grows as images are assigned."""

    train: Counter[str] = field(default_factory=Counter)
    test: Counter[str] = field(default_factory=Counter)

    def count(self, labels: Iterable[str], side: Side) -> None:
        (self.train if side == "TRAIN" else self.test).update(set(labels))

    def assign(self, labels: Sequence[str]) -> Side:
        """The side for a new image with these labels: where its labels are furthest from their share.

        The label with the fewest images decides first, so that every label comes to stand on both sides.
        A label's first image teaches, its second tests.
        """
        side: Side = "TEST" if self._lack(labels) > 0 else "TRAIN"
        self.count(labels, side)
        return side

    def _lack(self, labels: Sequence[str]) -> float:
        """Test images that are missing, of the rarest label; 0 or less if it has its share."""
        rarest = min(set(labels), key=lambda label: (self.train[label] + self.test[label], label))
        seen = self.train[rarest] + self.test[rarest]
        if self.test[rarest] == 0:
            return float(self.train[rarest] > 0)
        return TEST_SHARE * (seen + 1) - self.test[rarest] - 0.5
