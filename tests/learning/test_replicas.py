"""A batch learned from in parts is learned from as a whole."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from learning import threads
from learning.replicas import Replicas, parts

import torch  # isort: skip - after the library, which sets how torch's threads wait

INPUTS = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))


def network() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return torch.nn.Linear(3, 2)


def loss(network: torch.nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
    mean: torch.Tensor = (network(INPUTS[list(indices)]) ** 2).mean()
    return mean


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("batch", [1, 4, 10])
def test_the_gradient_is_that_of_the_whole_batch(count: int, batch: int) -> None:
    alone, together = network(), network()
    whole = loss(alone, range(batch), torch.Generator())
    whole.backward()
    with threads.pool(count) as pool:
        mean = Replicas(together, count, seed=1).learn(loss, range(batch), pool)
    assert mean == pytest.approx(whole.item())
    for weight, other in zip(alone.parameters(), together.parameters(), strict=True):
        assert weight.grad is not None and other.grad is not None
        assert torch.allclose(weight.grad, other.grad, atol=1e-6)


def test_parts_are_learned_from_at_once_each_with_its_own_chance() -> None:
    barrier = threading.Barrier(2, timeout=10)
    networks: set[int] = set()
    drawn: set[float] = set()

    def met(network: torch.nn.Module, indices: Sequence[int], random: torch.Generator) -> torch.Tensor:
        barrier.wait()
        networks.add(id(network))
        drawn.add(float(torch.rand(1, generator=random)))
        return loss(network, indices, random)

    with threads.pool(2) as pool:
        Replicas(network(), 2, seed=1).learn(met, range(8), pool)
    assert len(networks) == len(drawn) == 2


def test_a_step_moves_every_copy() -> None:
    first = network()
    copies = Replicas(first, 3, seed=1)._networks
    with torch.no_grad():
        first.get_parameter("weight").add_(1)
    for copied in copies:
        assert torch.equal(copied.get_parameter("weight"), first.get_parameter("weight"))


def test_weights_that_a_loss_does_not_know_have_no_gradient() -> None:
    used, unused = network(), torch.nn.Linear(3, 2)
    both = torch.nn.ModuleList([used, unused])
    with threads.pool(2) as pool:
        Replicas(both, 2, seed=1).learn(lambda n, i, r: loss(n.get_submodule("0"), i, r), range(4), pool)
    assert used.weight.grad is not None
    assert unused.weight.grad is None


@pytest.mark.parametrize(
    ("batch", "processors", "wanted"),
    [(8, 2, 2), (8, 8, 2), (16, 8, 4), (16, 1, 1), (2, 8, 2), (1, 2, 1)],
)
def test_parts_are_no_smaller_than_normalisation_needs(
    batch: int, processors: int, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "max_threads", lambda: processors)
    assert parts(batch, torch.device("cpu")) == wanted
    assert parts(batch, torch.device("cuda")) == 1
