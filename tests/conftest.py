"""What holds for every test: how properties are tested."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# How long an example takes says more of the machine than of the code. What decides whether a change lands has
# to say the same twice; at a desk every run draws other examples.
settings.register_profile(
    "labelloop",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("labelloop")
