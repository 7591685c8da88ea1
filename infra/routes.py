"""The routes of the HTTP API, and which function answers each, as docs/openapi.json lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_DOCUMENT = Path(__file__).parent.parent / "docs" / "openapi.json"


def _routes() -> dict[str, list[str]]:
    routes: dict[str, list[str]] = {}
    for path, operations in json.loads(_DOCUMENT.read_text())["paths"].items():
        for method, operation in operations.items():
            routes.setdefault(operation["tags"][0], []).append(f"{method.upper()} {path}")
    return routes


ROUTES: Mapping[str, list[str]] = _routes()
"""By the name of the function, as API Gateway writes them: "GET /api/tasks/{task}"."""
