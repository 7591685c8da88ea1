"""Which images teach and which ones test: about 80 to 20 for each label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from lambdas.domain.catalogue import Side

TEST_SHARE = 0.2


@dataclass
class Split:
    """How many images of each label stand on each side; grows as images are counted."""

    train: Counter[str] = field(default_factory=Counter)
    test: Counter[str] = field(default_factory=Counter)

    def count(self, labels: Iterable[str], side: Side) -> None:
        (self.train if side == "TRAIN" else self.test).update(set(labels))

    def side_for(self, labels: Sequence[str]) -> Side:
        """The side that a new image with these labels should stand on.

        Its label with the fewest images decides, so that every label comes to stand on both sides: a
        label's first image teaches, its second tests, and of ten about two test.
        """
        rarest = min(set(labels), key=lambda label: (self.train[label] + self.test[label], label))
        train, test = self.train[rarest], self.test[rarest]
        if test == 0:
            return "TEST" if train else "TRAIN"
        return "TEST" if TEST_SHARE * (train + test + 1) >= test + 0.5 else "TRAIN"
