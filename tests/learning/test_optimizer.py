"""The optimizer's steps."""

from __future__ import annotations

import pytest

from learning.optimizer import orthogonal

import torch  # isort: skip - after the library, which sets how torch's threads wait


def test_the_optimizers_steps_go_all_ways_alike() -> None:
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(1))
    lengths = torch.linalg.svdvals(orthogonal(matrix))
    assert lengths.min() > 0.5 and lengths.max() < 1.4


@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (32, 32)])
def test_the_optimizers_steps_are_those_of_newton_and_schulz(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    wanted = (matrix if shape[0] <= shape[1] else matrix.T).double()
    wanted = wanted / wanted.norm()
    for _ in range(5):
        square = wanted @ wanted.T
        wanted = 3.4445 * wanted + (-4.7750 * square + 2.0315 * square @ square) @ wanted
    steps = orthogonal(matrix if shape[0] <= shape[1] else matrix.T).double()
    assert torch.allclose(steps, wanted, atol=1e-4)
    assert torch.allclose(orthogonal(matrix.T), orthogonal(matrix).T, atol=1e-4)
