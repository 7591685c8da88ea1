"""Which ways of mirroring and turning images leave their labels what they are, as the data show.

A network that has learned from images as they are is shown validation images mirrored or turned. If it knows
them as well as before, that change means nothing to these labels, and learning goes on with it. Where a
mirrored letter is another one, or up and down differ, the network fails, and the change stays out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Change = Callable[[torch.Tensor], torch.Tensor]

CHANGES: dict[str, Change] = {
    "mirrored": lambda images: images.flip(-1),
    "upside down": lambda images: images.flip(-2, -1),
    "quarter turn": lambda images: images.rot90(1, (-2, -1)),
}
MIN_SCORE = 0.6
"""The score from which a network has learned enough to show anything."""
MAX_SCORE_LOSS = 0.05
"""By how much the score may fall if the change means nothing."""


class Symmetry:
    """The changes that are allowed; none before `update`."""

    def __init__(self, *, square: bool = True) -> None:
        self.allowed: list[str] = []
        self._changes = {name: change for name, change in CHANGES.items() if square or name != "quarter turn"}

    def update(self, score: float, score_of: Callable[[Change], float]) -> None:
        """Allow what leaves the score of validation images, 0 to 1, where it is."""
        if score < MIN_SCORE:
            return
        for name, change in self._changes.items():
            if name not in self.allowed and score_of(change) >= score - MAX_SCORE_LOSS:
                self.allowed.append(name)

    def apply(self, images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Each image (batch, 3, h, w) with each allowed change or without, by chance."""
        for name in self.allowed:
            chosen = (torch.rand(len(images), generator=random) < 0.5).to(images.device)
            images = torch.where(chosen[:, None, None, None], self._changes[name](images), images)
        return images
