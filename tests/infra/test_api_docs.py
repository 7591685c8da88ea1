"""The HTTP API's document, its page and the console's types are what the handlers say."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from infra import api_docs
from infra.routes import ROUTES
from lambdas.http import Api, Caller, Operation

TYPES = api_docs.ROOT / "console" / "src" / "api-types.ts"
GENERATOR = api_docs.ROOT / "node_modules" / ".bin" / "openapi-typescript"


def test_the_document_is_what_the_handlers_say() -> None:
    written = json.loads(api_docs.DOCUMENT.read_text())
    assert written == api_docs.document(), "run `python -m infra.api_docs`"


def test_the_page_is_what_the_handlers_say() -> None:
    assert api_docs.PAGE.read_text() == api_docs.page(), "run `python -m infra.api_docs`"


def test_the_console_s_types_are_made_of_the_document(tmp_path: Path) -> None:
    package = json.loads((api_docs.ROOT / "package.json").read_text())
    command = package["scripts"]["api-types"].split()
    made = tmp_path / "api-types.ts"
    command = [str(GENERATOR), *command[1:-1], str(made)]
    subprocess.run(command, cwd=api_docs.ROOT, check=True, capture_output=True, timeout=120)
    assert made.read_text() == TYPES.read_text(), "run `npm run api-types`"


def test_every_route_that_is_deployed_is_documented_by_the_function_that_answers_it() -> None:
    documented = {
        (function, f"{operation.method} {operation.path}") for function, operation in api_docs.operations()
    }
    assert documented == {(function, route) for function, routes in ROUTES.items() for route in routes}


def test_operations_have_names_of_their_own() -> None:
    names = [operation.function.__name__ for _, operation in api_docs.operations()]
    assert len(names) == len(set(names))


def test_a_route_without_a_docstring_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unexplained(caller: Caller) -> None:
        return None

    api = Api("reviewers")
    api.operations.append(Operation("GET", "/api/odd", unexplained))
    monkeypatch.setattr(api_docs.desk, "app", api)
    with pytest.raises(api_docs.UndocumentedError, match="GET /api/odd has no docstring"):
        api_docs.document()
