"""The network that serves against the one that was trained."""

from __future__ import annotations

from learning.model import Facts, networks_for
from learning.network import for_serving
from portable.images import Canvas
from tests.fixtures.learning import seeded

import torch  # isort: skip - after the library, which sets how torch's threads wait


def test_the_network_that_serves_says_the_same() -> None:
    network = networks_for(Facts("detection", ("a",), Canvas(64, 64), False, 8, 1, 1.0, 1))[0].train()
    images = torch.randn(4, 3, 64, 64, generator=seeded(1))
    network(images)  # moves the running means of batch normalisation away from their beginnings
    network.eval()
    with torch.inference_mode():
        for slow, fast in zip(network(images), for_serving(network)(images), strict=True):
            assert torch.allclose(slow, fast, atol=1e-4, rtol=1e-4)
