from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import embedded
from tests.fixtures.deployed_loop import Loop

TUNING = {
    "min_new_images": "1000",  # runs are started by hand, except where a test is about starting by itself
    "burst_quiet_seconds": "2",
    "drain_seconds": "1",
    "min_f1": "0.8",  # saying every label of every picture reaches 0.5 already
    "min_label_f1": "0.3",
    "min_test_images_per_label": "1",
    "shadow_test_images": "6",
    "f1_tolerance": "0.3",
    "label_f1_tolerance": "1",
    "retry_seconds": "3",
}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Running]:
    """An embedded stack of its own, IAM enforced, whose trainings are short and may be told to fail."""
    home: Path = tmp_path_factory.mktemp("embedded")
    variables = {
        "LABELLOOP_ENGINE_FAULTS": "1",
        # Steps, not seconds: a model has to be as good on a busy machine.
        "LABELLOOP_TRAINING_STEPS": "160",
        "SFN_WAIT_SCALE": "0.3",
    }
    with embedded.stack_in(home, variables=variables) as running:
        yield running


@pytest.fixture(scope="session")
def loop(stack: embedded.Running) -> Loop:
    embedded.deploy(stack, name="trays", context=TUNING)
    return Loop(stack, "trays")
