from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lambdas import desk
from lambdas.services import services
from tests.fixtures.api_gateway import Gateway
from tests.fixtures.console_deployment import Stage
from tests.fixtures.deployment import aws, deployed
from tests.fixtures.reviews import begun

__all__ = ["aws"]


@pytest.fixture(scope="module")
def kept_stage(aws: dict[str, Any]) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patched:
        yield Stage(begun(deployed(aws, patched), patched))
    services.cache_clear()


@pytest.fixture
def stage(kept_stage: Stage) -> Stage:
    """A deployment in use, as if nobody had tested it yet; what the handlers remember is forgotten."""
    for remembered in (desk.tuning, desk.offered):
        remembered.forget()
    desk._remember.cache_clear()
    kept_stage.restore()
    return kept_stage


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()
