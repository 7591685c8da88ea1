from __future__ import annotations

import pytest

from tests.fixtures import built
from tests.fixtures.cloudformation_template import Template


@pytest.fixture(scope="session")
def template() -> Template:
    """The template as it is deployed to AWS, with every setting at its default."""
    return Template(built.template())
