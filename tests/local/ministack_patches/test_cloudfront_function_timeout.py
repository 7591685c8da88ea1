"""The time that a function of CloudFront may take, with and without the patch."""

from __future__ import annotations

from typing import Any

import pytest

from local.ministack_patches import cloudfront_function_timeout

START_OF_NODE_SECONDS = 30.0
"""What the start of Node takes on a machine that is very busy."""


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that each evaluation of a function is given from now on."""
    from ministack.core import cloudfront_js

    given: list[float] = []

    def call(_request: dict[str, Any], timeout: float) -> dict[str, Any]:
        given.append(timeout)
        return {"status": "ok", "value": {}}

    monkeypatch.setattr(cloudfront_js, "_EVAL_TIMEOUT", cloudfront_js._EVAL_TIMEOUT)
    monkeypatch.setattr(cloudfront_js._pool, "call", call)
    return given


def evaluate() -> None:
    from ministack.core import cloudfront_js

    cloudfront_js.evaluate(b"function handler(event) { return event.request }", {})


def test_the_patch_is_needed(limits: list[float]) -> None:
    evaluate()
    assert limits[0] < START_OF_NODE_SECONDS


def test_a_function_has_more_time_than_node_takes_to_start(limits: list[float]) -> None:
    cloudfront_function_timeout.apply_patch()
    evaluate()
    assert limits == [60.0]
