from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import embedded
from tests.fixtures.deployed_loop import Loop

TUNING = {
    "min_new_images": "1000",  # runs are started by hand, except where a test is about starting by itself
    "drain_seconds": "1",
    "min_test_images_per_label": "1",
    "f1_margin": "1",  # versions that look alike by few images may follow each other
    "retry_seconds": "3",
}
TRAYS = {
    **TUNING,
    "burst_quiet_seconds": "2",
    "min_f1": "0.8",  # saying every label of every picture reaches 0.5 already
    "min_label_f1": "0.3",
    "shadow_test_images": "6",
}
"""Whole images, of trays: what makes a model good enough to serve."""
WORKTEAM = f"arn:aws:sagemaker:{embedded.REGION}:{embedded.ACCOUNT}:workteam/private-crowd/team"
PARTS = {
    **TUNING,
    "burst_quiet_seconds": "1",
    "min_f1": "0",  # what its models are worth does not matter
    "min_label_f1": "0",
    "shadow_test_images": "2",
    "review_confidence_threshold": "100",
    "review_sample_rate": "0",
    "review_wait_seconds": "0",
    "review_claim_seconds": "120",
    "review_cooldown_seconds": "86400",
    # What is asked about when is up to the tests.
    "sweep_schedule": "rate(30 minutes)",
    "review_timeout_seconds": "3600",
    "review_heartbeat_seconds": "2400",
    "a2i_workteam_arn": WORKTEAM,
    "groundtruth_workteam_arn": WORKTEAM,
}
"""Boxes around parts, and everybody who may be asked about them."""
IN_ORDER = ("test_loop.py", "test_desk.py", "test_console.py", "test_workers.py", "test_applications.py")
"""The desk is used before there is a champion, and the last four share a deployment."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = [place for place, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    mine = sorted((items[place] for place in places), key=lambda item: IN_ORDER.index(item.path.name))
    for place, item in zip(places, mine, strict=True):
        items[place] = item


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Running]:
    """An embedded stack of its own, IAM enforced, whose trainings are short and may be told to fail."""
    home: Path = tmp_path_factory.mktemp("embedded")
    variables = {
        "LABELLOOP_ENGINE_FAULTS": "1",
        # Steps, not seconds: a model has to be as good on a busy machine.
        "LABELLOOP_TRAINING_STEPS": "80",
        "LABELLOOP_LABEL_CHECK_SECONDS": "3",
        # A step on the pretrained trunk takes twice as long, and these scenes need none.
        "LABELLOOP_PRETRAINED": "none",
        "SFN_WAIT_SCALE": "0.3",
    }
    with embedded.stack_in(home, variables=variables) as running:
        yield running


@pytest.fixture(scope="session")
def trays(stack: embedded.Running) -> Loop:
    """A deployment for whole images."""
    embedded.deploy(stack, name="trays", context=TRAYS)
    return Loop(stack, "trays")


@pytest.fixture(scope="session")
def parts(stack: embedded.Running) -> Loop:
    """A deployment for boxes. The files that use it find what the others have left."""
    embedded.deploy(stack, name="parts", context=PARTS)
    return Loop(stack, "parts")
