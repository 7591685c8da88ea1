"""A batch learned from in parts, by several threads at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from learning import threads

MIN_PART = 4
"""Images that batch normalisation needs, at least, to know their mean; fewer do where a batch has no more."""

Loss = Callable[[nn.Module, Sequence[int], torch.Generator], torch.Tensor]
"""The mean loss of a network on the examples of these indices, changed by chance."""


def parts(batch: int, device: torch.device) -> int:
    """The number of parts to learn from so many images in. A CUDA device computes a whole batch at once."""
    if device.type != "cpu":
        return 1
    return min(threads.max_threads(), batch, max(2, batch // MIN_PART))


class Replicas:
    """A network and copies that share its weights, one for each part of a batch.

    Networks must draw nothing by chance themselves, as PyTorch's own generator is one for all threads.
    Normalisation's running figures are those of the first part, which is as good as any other.
    """

    def __init__(self, network: nn.Module, count: int, seed: int) -> None:
        self._weights = [weight for weight in network.parameters() if weight.requires_grad]
        shared = {id(weight): weight for weight in network.parameters()}
        self._networks = [network, *(copy.deepcopy(network, dict(shared)) for _ in range(count - 1))]
        self._randoms = [torch.Generator().manual_seed(seed + number) for number in range(count)]

    def state(self) -> list[torch.Tensor]:
        """The states of the parts' chance; the weights are the network's."""
        return [random.get_state() for random in self._randoms]

    def load_state(self, state: Sequence[torch.Tensor]) -> None:
        """Go on from a state."""
        for random, kept in zip(self._randoms, state, strict=True):
            random.set_state(kept)

    def learn(self, loss: Loss, indices: Sequence[int], pool: ThreadPoolExecutor) -> float:
        """Leave the gradient of the batch's mean loss in the weights' `grad`, and return that loss."""
        count = min(len(self._networks), len(indices))
        chunks = [indices[number::count] for number in range(count)]

        def part(number: int) -> tuple[float, tuple[torch.Tensor | None, ...]]:
            chunk = chunks[number]
            network = self._networks[number].train()
            share = loss(network, chunk, self._randoms[number]) * (len(chunk) / len(indices))
            return float(share.detach()), torch.autograd.grad(share, self._weights, allow_unused=True)

        losses, gradients = zip(*pool.map(part, range(count)), strict=True)
        for weight, *shares in zip(self._weights, *gradients, strict=True):
            known = [gradient for gradient in shares if gradient is not None]
            weight.grad = sum(known[1:], known[0]) if known else None
        return math.fsum(losses)
