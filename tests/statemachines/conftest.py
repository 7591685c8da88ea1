from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures import batch_paths, scripted_stack
from tests.fixtures.scripted_stack import Stage
from tests.fixtures.state_machine_paths import USUAL


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with scripted_stack.raised(tmp_path_factory.mktemp("ministack"), USUAL | batch_paths.USUAL) as raised:
        yield raised
