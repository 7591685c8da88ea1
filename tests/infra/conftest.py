from __future__ import annotations

import pytest
from aws_cdk.assertions import Template

from tests.fixtures import built


@pytest.fixture(scope="session")
def template() -> Template:
    """The template as it is deployed to AWS, with every setting at its default."""
    return Template.from_json(built.template())
