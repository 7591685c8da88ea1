from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from infra.settings import Settings
from infra.stack import LabelLoopStack

ROOT = Path(__file__).parents[2]
CONTEXT: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]


@pytest.fixture(scope="session")
def stack() -> LabelLoopStack:
    """The stack as it is deployed to AWS, with every setting at its default."""
    app = cdk.App(context=CONTEXT)
    return LabelLoopStack(app, Settings(notification_email="ops@example.com"))


@pytest.fixture(scope="session")
def template(stack: LabelLoopStack) -> Template:
    return Template.from_stack(stack)
