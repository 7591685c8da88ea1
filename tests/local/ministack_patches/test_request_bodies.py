"""Bodies that API Gateway, or Lambda behind it, does not take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from local.ministack_patches import request_bodies
from local.ministack_patches.request_bodies import MAX_BODY, MAX_EVENT

TEXT, IMAGE = {"content-type": "application/json"}, {"content-type": "image/jpeg"}


@pytest.fixture
def apigateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """MiniStack's API Gateway, patched, before a function that answers everything."""
    from ministack.services import apigateway as module

    async def answer(*_: Any, **__: Any) -> tuple[int, dict[str, str], bytes]:
        headers: dict[str, str] = {}
        return 200, headers, b""

    for name in ("handle_execute", "_invoke_lambda_proxy"):
        monkeypatch.setattr(module, name, answer)
    request_bodies.apply_patch()
    return module


@pytest.mark.parametrize(("size", "status"), [(0, 200), (MAX_BODY, 200), (MAX_BODY + 1, 413)])
def test_the_gateway_takes_10_mb(size: int, status: int, apigateway: Any) -> None:
    answer = asyncio.run(apigateway.handle_execute("api", "$default", "/", "POST", {}, bytes(size), {}))
    assert answer[0] == status


@pytest.mark.parametrize(
    ("headers", "size", "status"),
    [
        (TEXT, MAX_EVENT - 10_000, 200),
        (TEXT, MAX_EVENT, 413),
        (IMAGE, MAX_EVENT * 3 // 4 - 10_000, 200),
        (IMAGE, MAX_EVENT * 3 // 4, 413),
    ],
)
def test_a_function_takes_6_mb_and_images_come_in_base64(
    headers: dict[str, str], size: int, status: int, apigateway: Any
) -> None:
    answer = asyncio.run(
        apigateway._invoke_lambda_proxy({}, "api", "$default", "/", "POST", headers, b"a" * size, {})
    )
    assert answer[0] == status


def test_ministack_takes_any() -> None:
    """Once it does not, the patch can go."""
    from ministack.services import apigateway as module

    source = module.__loader__.get_source(module.__name__)
    assert "413" not in source
