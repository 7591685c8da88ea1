"""The optimizer: Muon for the convolutions, AdamW for everything else.

Muon (https://kellerjordan.github.io/posts/muon/) makes each step equally large in all directions of a layer.
These small networks learn from a few hundred steps what takes AdamW alone about twice as many.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn

from learning.trunk import Head, Trunk

RATE = 2.5e-3
"""The learning rate of AdamW."""
WEIGHT_DECAY = 0.02
TURN = 0.05
"""How long Muon's step is, as a share of the length of the layer's weights."""
GENTLE = 0.15
"""The learning rate of AdamW for weights that have learned before, as a share of that for others."""
MOMENTUM = 0.9
MAX_GRADIENT_NORM = 10.0
_MIN_CHANNELS = 8
_ROUNDS = 5


class Optimizer:
    """Moves a network's weights against their gradients."""

    def __init__(self, network: nn.Module) -> None:
        self._all = [weight for weight in network.parameters() if weight.requires_grad]
        trained = {
            id(weight)
            for part in network.modules()
            if isinstance(part, (Trunk, Head))
            for weight in part.parameters()
        }
        gentle = [weight for weight in self._all if id(weight) in trained]
        # The largest first, so that no thread is left alone with one of them.
        self._matrices = sorted(
            (
                weight
                for weight in self._all
                if weight.ndim == 4 and weight.shape[0] > _MIN_CHANNELS and id(weight) not in trained
            ),
            key=lambda weight: -weight.numel(),
        )
        chosen = trained | {id(weight) for weight in self._matrices}
        others = [weight for weight in self._all if id(weight) not in chosen]
        self._rates = [RATE, *([GENTLE * RATE] if gentle else [])]
        groups = [{"params": others}, *([{"params": gentle}] if gentle else [])]
        self._others = torch.optim.AdamW(groups, lr=RATE, weight_decay=WEIGHT_DECAY, fused=True)
        self._moments = [torch.zeros_like(weight) for weight in self._matrices]

    def state(self) -> dict[str, Any]:
        """What `load_state` needs to go on from here."""
        return {"others": self._others.state_dict(), "moments": self._moments}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._others.load_state_dict(state["others"])
        for moment, kept in zip(self._moments, state["moments"], strict=True):
            moment.copy_(kept)

    def step(self, rate: float, pool: ThreadPoolExecutor) -> None:
        """Take one step, `rate` (0 to 1) of the usual length."""
        nn.utils.clip_grad_norm_(self._all, MAX_GRADIENT_NORM)
        for group, own in zip(self._others.param_groups, self._rates, strict=True):
            group["lr"] = own * rate
        self._others.step()
        list(
            pool.map(lambda weight, moment: _turn(weight, moment, TURN * rate), self._matrices, self._moments)
        )


@torch.no_grad()
def _turn(weight: torch.Tensor, moment: torch.Tensor, share: float) -> None:
    gradient = weight.grad
    if gradient is None:
        return
    moment.mul_(MOMENTUM).add_(gradient)
    way = orthogonal((gradient + MOMENTUM * moment).flatten(1)).reshape(weight.shape)
    weight.sub_(way * (share * weight.norm() / (way.norm() + 1e-7)))


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The matrix with its singular values all brought near 1, by a Newton-Schulz iteration.

    A round multiplies the matrix from the left by a polynomial of its square. The polynomials are multiplied
    with one another first: they are much smaller than the matrix, as a rule.
    """
    x: torch.Tensor = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    square = x @ x.T
    product = torch.eye(len(square), device=x.device)
    for _ in range(_ROUNDS):
        factor = torch.addmm(square, square, square, beta=-4.7750, alpha=2.0315)
        factor.diagonal().add_(3.4445)
        product = factor @ product
        square = factor @ square @ factor
    x = product @ x
    return x.T if tall else x
