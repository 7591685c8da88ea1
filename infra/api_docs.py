"""Makes the documents and the pages of the HTTP APIs from their handlers: `python -m infra.api_docs`.

The console's are docs/openapi.json and docs/api.md; the applications' docs/detection-api.md and
lambdas/contract/detections.openapi.json, which they can ask for.

The routes are those that the handlers register, the schemas are the models of their requests and responses
(lambdas/contract/), the words are docstrings: the document cannot promise anything else than the code does.
The console's types are made of the document in turn: `npm run api-types`. tests/infra/test_api_docs.py fails
when one of them is not what this would write.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from lambdas import admin, applications, console, dataset, desk
from lambdas.contract.base import ErrorResponse
from lambdas.contract.detections import DetectionRequest
from lambdas.domain.applications.detections import MAX_IMAGE_BYTES, MAX_KEY, MAX_UPLOAD_BYTES
from lambdas.domain.applications.directory import APPLICATION_SECONDS, SCOPE
from lambdas.http import Operation

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "openapi.json"
PAGE = ROOT / "docs" / "api.md"
FUNCTIONS: dict[str, ModuleType] = {"desk": desk, "admin": admin, "console": console, "dataset": dataset}
DETECTION_DOCUMENT = applications.OPENAPI
DETECTION_PAGE = ROOT / "docs" / "detection-api.md"
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
| 409 | `changed`, `conflict` | somebody else has changed it: look at it again |
| 409 | `not_yours`, `already_done`, `elsewhere`, `no_champion`, `champion_sleeps`, `no_reviews` | not now |
| 410 | `gone` | the task was deleted or given back |
| 413 | `too_large` | the body has over 1 MiB |
| 422 | `unknown_member`, `unknown_reviewer`, `bad_request` | `field` is wrong |
| 422 | `bad_answer`, `bad_label`, `bad_image` | the same of an answer, a label, an image |
| 503 | `asleep` | the champion is being started; the header `Retry-After` says when to try again |
| 503 | `busy` | too many others write the task; try again |
"""


_DETECTION_HEAD = (Path(__file__).parent / "detection_api_head.md").read_text()
"""The beginning of the applications' page, with limits to be filled in."""
_LIMITS = {
    "scope": SCOPE,
    "application_seconds": APPLICATION_SECONDS,
    "max_image_bytes": f"{MAX_IMAGE_BYTES:,}",
    "max_upload_bytes": f"{MAX_UPLOAD_BYTES:,}",
    "max_key": MAX_KEY,
}


@dataclass(frozen=True)
class Described:
    """An API, and where it is described."""

    functions: Mapping[str, ModuleType]
    document: Path
    page: Path
    title: str
    description: str
    head: str
    schemes: Mapping[str, Any]
    """The ways to be somebody, by their names."""


CONSOLE = Described(
    FUNCTIONS,
    DOCUMENT,
    PAGE,
    "LabelLoop",
    "The review desk, its administration, runs and model versions.",
    _HEAD,
    {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
)
DETECTION = Described(
    {"applications": applications},
    DETECTION_DOCUMENT,
    DETECTION_PAGE,
    "LabelLoop detection",
    "What the champion sees on images, for applications.",
    _DETECTION_HEAD.format(**_LIMITS),
    {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
)


class UndocumentedError(ValueError):
    """A function of a route has no docstring, so the document cannot say what it does."""


# The OpenAPI document


def document(api: Described = CONSOLE) -> dict[str, Any]:
    """The whole document, as its file has to be (https://spec.openapis.org/oas/v3.1.0)."""
    paths: dict[str, dict[str, Any]] = {}
    for function, operation in operations(api):
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(
            function, operation, list(api.functions[function].app.groups)
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": api.title, "version": "1", "description": api.description},
        "security": [{name: []} for name in api.schemes],
        "paths": paths,
        "components": {
            "securitySchemes": dict(api.schemes),
            "schemas": dict(sorted(_schemas(api).items())),
        },
    }


def operations(api: Described = CONSOLE) -> Iterator[tuple[str, Operation]]:
    """Every route, with the name of the function that answers it."""
    for name, module in api.functions.items():
        for operation in module.app.operations:
            yield name, operation


def _operation(function: str, operation: Operation, groups: list[str]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.function.__name__,
        "summary": _summary(operation),
        "tags": [function],
    }
    if groups:
        described["x-groups"] = groups
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {"required": True, "content": _content(operation.body)}
    if _takes_image(operation):
        described["requestBody"] = {"required": True, "content": _image_content()}
    returned = operation.types["return"]
    succeeded: dict[str, Any] = {"204": {"description": "Done."}}
    if _is_model(returned):
        succeeded = {"200": {"description": _text(returned), "content": _content(returned)}}
    elif returned is not type(None):
        content = {"application/json": {"schema": {"type": "object"}}}
        succeeded = {"200": {"description": "A JSON object.", "content": content}}
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
    in_header: list[dict[str, Any]] = []
    if _takes_image(operation):
        schema = {"type": "string", "maxLength": MAX_KEY}
        in_header = [{"name": "Idempotency-Key", "in": "header", "schema": schema}]
    return in_path + in_query + _options(operation) + in_header


def _options(operation: Operation) -> list[dict[str, Any]]:
    """The parameters of a query string that has a model."""
    if operation.options is None:
        return []
    schemas = msgspec.json.schema_components([operation.options])[1]
    (properties,) = (schema["properties"] for schema in schemas.values())
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _takes_image(operation: Operation) -> bool:
    """Whether the body is an image, or the key of one."""
    return "sent" in operation.function.__annotations__


def _image_content() -> dict[str, Any]:
    image = {"schema": {"type": "string", "format": "binary"}}
    return {"image/jpeg": image, "image/png": image, **_content(DetectionRequest)}


def _is_model(returned: Any) -> bool:
    return isinstance(returned, type) and issubclass(returned, msgspec.Struct)


def _content(model: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=model.__name__)}}}


def _schemas(api: Described) -> dict[str, Any]:
    models: list[Any] = [ErrorResponse]
    for _, operation in operations(api):
        models += [operation.body] if operation.body else []
        models += [DetectionRequest] if _takes_image(operation) else []
        models += [operation.types["return"]] if _is_model(operation.types["return"]) else []
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


def page(api: Described = CONSOLE) -> str:
    """The whole page, as its file has to be."""
    described = document(api)
    parts = [api.head]
    for function, module in api.functions.items():
        groups = f"\nGroups: {', '.join(module.app.groups)}.\n" if module.app.groups else ""
        parts.append(f"\n## {_text(module).rstrip('.')}\n{groups}")
        for path, methods in described["paths"].items():
            parts += [
                _route(method, path, route) for method, route in methods.items() if function in route["tags"]
            ]
    parts.append("\n## Documents\n")
    parts += [_schema(name, schema) for name, schema in described["components"]["schemas"].items()]
    return "".join(parts)


def _route(method: str, path: str, route: dict[str, Any]) -> str:
    lines = [f"\n### {method.upper()} {path}\n", route["summary"], ""]
    for parameter in route.get("parameters", []):
        if parameter["in"] != "path":
            schema = parameter["schema"]
            meaning = f". {_meaning(schema)}" if "description" in schema else ""
            lines.append(
                f"- {parameter['in']} `{parameter['name']}`: {_type(schema)}{_default(schema)}{meaning}"
            )
    if "requestBody" in route:
        content = route["requestBody"]["content"]
        image = "the image (`image/jpeg`, `image/png`), or " if "image/jpeg" in content else ""
        lines.append(f"- sends {image}{_type(content['application/json']['schema'])}")
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
    return f", else `{json.dumps(schema['default'])}`" if schema.get("default") not in (None, "", []) else ""


if __name__ == "__main__":
    for api in (CONSOLE, DETECTION):
        api.document.write_text(json.dumps(document(api), indent=2) + "\n")
        api.page.write_text(page(api))
