"""Makes docs/openapi.json and docs/api.md from the handlers of the HTTP API: `python -m infra.api_docs`.

The routes are those that the handlers register, the schemas are the models of their requests and responses
(lambdas/contract/), the words are docstrings: the document cannot promise anything else than the code does.
The console's types are made of the document in turn: `npm run api-types`. tests/infra/test_api_docs.py fails
when one of them is not what this would write.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from lambdas import admin, console, desk
from lambdas.contract.responses import ErrorResponse
from lambdas.http import Operation

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "openapi.json"
PAGE = ROOT / "docs" / "api.md"
FUNCTIONS: dict[str, ModuleType] = {"desk": desk, "admin": admin, "console": console}
_REFERENCE = "#/components/schemas/{name}"
_HEAD = """# The HTTP API

<!-- Made by `python -m infra.api_docs` from lambdas/contract/ and the handlers; do not edit. -->

What the console asks, and what programs may ask as well; [openapi.json](openapi.json) is the same as an
OpenAPI document. The base address is the console's. Every request needs an access token of the deployment's
user pool in `Authorization: Bearer TOKEN`, of somebody in the group that is named with the route.

Bodies are JSON objects of up to 1 MiB, without members other than those listed, and without doubled ones. A
request that is refused gets a document with the one member `error`: a `code` for programs, a `message` for
people that says what to do and, where a member of the request is wrong, that member as `field`.

| status | code | when |
|---|---|---|
| 400 | `not_json` | the body is no JSON object |
| 401 | `no_token` | nobody is signed in |
| 403 | `forbidden`, `not_yours` | the caller is in none of the groups, or has not claimed the task |
| 404 | `not_found` | there is no such route, task, run or image |
| 409 | `not_yours`, `already_done`, `elsewhere`, `no_champion`, `champion_sleeps`, `no_reviews` | not now |
| 410 | `gone` | the task was deleted or given back |
| 413 | `too_large` | the body has over 1 MiB |
| 422 | `unknown_member`, `unknown_reviewer`, `bad_request` | `field` is wrong |
| 422 | `bad_answer`, `bad_label`, `bad_image` | the same of an answer, a label, an image |
| 503 | `asleep` | the champion is being started; the header `Retry-After` says when to try again |
| 503 | `busy` | too many others write the task; try again |
"""


class UndocumentedError(ValueError):
    """A function of a route has no docstring, so the document cannot say what it does."""


# The OpenAPI document


def document() -> dict[str, Any]:
    """The whole document, as docs/openapi.json has to be (https://spec.openapis.org/oas/v3.1.0)."""
    paths: dict[str, dict[str, Any]] = {}
    for function, operation in operations():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(function, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LabelLoop",
            "version": "1",
            "description": "The review desk, its administration, runs and model versions.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": dict(sorted(_schemas().items())),
        },
    }


def operations() -> Iterator[tuple[str, Operation]]:
    """Every route, with the name of the function that answers it."""
    for name, module in FUNCTIONS.items():
        for operation in module.app.operations:
            yield name, operation


def _operation(function: str, operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.function.__name__,
        "summary": _summary(operation),
        "tags": [function],
        "x-groups": list(FUNCTIONS[function].app.groups),
    }
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    returned = operation.types["return"]
    succeeded = (
        {"204": {"description": "Done."}}
        if returned is type(None)
        else {"200": {"description": _text(returned), "content": _content(returned)}}
    )
    failed = {"description": "An error.", "content": _content(ErrorResponse)}
    return described | {"responses": {**succeeded, "default": failed}}


def _summary(operation: Operation) -> str:
    if not operation.function.__doc__:
        raise UndocumentedError(f"{operation.method} {operation.path} has no docstring")
    return _text(operation.function)


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    annotated = operation.types
    in_query = [
        {"name": name, "in": "query", "schema": {**msgspec.json.schema(annotated[name]), "default": default}}
        for name, default in operation.query.items()
    ]
    return in_path + in_query


def _content(model: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=model.__name__)}}}


def _schemas() -> dict[str, Any]:
    models: list[Any] = [ErrorResponse]
    for _, operation in operations():
        models += [operation.body] if operation.body else []
        models += [operation.types["return"]] if operation.types["return"] is not type(None) else []
    schemas = msgspec.json.schema_components(models, ref_template=_REFERENCE)[1]
    for schema in schemas.values():
        if "additionalProperties" not in schema:
            # A dataclass of the domain, answered with all of its members: their defaults say nothing here.
            schema["required"] = list(schema["properties"])
            for member in schema["properties"].values():
                member.pop("default", None)
    return schemas


def _text(documented: Any) -> str:
    return " ".join((inspect.getdoc(documented) or "").split())


# The page


def page() -> str:
    """The whole page, as docs/api.md has to be."""
    api = document()
    parts = [_HEAD]
    for function, module in FUNCTIONS.items():
        parts.append(f"\n## {_text(module).rstrip('.')}\n\nGroups: {', '.join(module.app.groups)}.\n")
        for path, methods in api["paths"].items():
            parts += [
                _route(method, path, route) for method, route in methods.items() if function in route["tags"]
            ]
    parts.append("\n## Documents\n")
    parts += [_schema(name, schema) for name, schema in api["components"]["schemas"].items()]
    return "".join(parts)


def _route(method: str, path: str, route: dict[str, Any]) -> str:
    lines = [f"\n### {method.upper()} {path}\n", route["summary"], ""]
    for parameter in route.get("parameters", []):
        if parameter["in"] == "query":
            lines.append(
                f"- query `{parameter['name']}`: {_type(parameter['schema'])}{_default(parameter['schema'])}"
            )
    if "requestBody" in route:
        lines.append(f"- sends {_type(route['requestBody']['content']['application/json']['schema'])}")
    (status,) = set(route["responses"]) - {"default"}
    response = route["responses"][status].get("content", {}).get("application/json", {}).get("schema")
    lines.append(f"- answers {status}" + (f", {_type(response)}" if response else ""))
    return "\n".join(lines) + "\n"


def _schema(name: str, schema: dict[str, Any]) -> str:
    lines = [f"\n### {name}\n", " ".join(schema.get("description", "").split()), ""]
    lines += ["| member | type | meaning |", "|---|---|---|"]
    for member, described in schema["properties"].items():
        optional = "" if member in schema["required"] else _default(described) or ", may be missing"
        lines.append(f"| `{member}` | {_type(described)}{optional} | {_meaning(described)} |")
    return "\n".join(lines) + "\n"


def _meaning(schema: dict[str, Any]) -> str:
    limits = {
        "minimum": "at least {}",
        "maximum": "at most {}",
        "maxLength": "up to {} characters",
        "maxItems": "up to {} of them",
    }
    parts = [text.format(f"{schema[limit]:,}") for limit, text in limits.items() if limit in schema]
    described = [schema.get("description", "")] if schema.get("description") else []
    return " ".join([*described, *([f"{', '.join(parts)}.".capitalize()] if parts else [])])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(choice)}`" for choice in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    kind = schema.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _default(schema: dict[str, Any]) -> str:
    return f", else `{json.dumps(schema['default'])}`" if schema.get("default") not in (None, "") else ""


if __name__ == "__main__":
    DOCUMENT.write_text(json.dumps(document(), indent=2) + "\n")
    PAGE.write_text(page())
