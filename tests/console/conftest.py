from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lambdas import console, desk, review_documents
from lambdas.services import services
from tests.fixtures.api_gateway import Gateway
from tests.fixtures.console_deployment import ConsoleDeployment
from tests.fixtures.deployment import aws, deployed, world
from tests.fixtures.reviews import begun

__all__ = ["aws", "world"]


@pytest.fixture(scope="module")
def kept_deployment(aws: dict[str, Any]) -> Iterator[ConsoleDeployment]:
    with pytest.MonkeyPatch.context() as patched:
        yield ConsoleDeployment(begun(deployed(aws, patched), patched))
    services.cache_clear()


@pytest.fixture
def deployment(kept_deployment: ConsoleDeployment) -> ConsoleDeployment:
    """A deployment in use, as if nobody had tested it yet; what the handlers remember is forgotten."""
    caches = (
        services().tuning,
        review_documents.offered_labels,
        desk.run_requested,
        console.earlier_runs,
    )
    for cache in caches:
        cache.clear()
    desk._remember.cache_clear()
    console.evaluations.cache_clear()
    console.issue_finder.cache_clear()
    kept_deployment.restore()
    return kept_deployment


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()
