"""Requests and answers against botocore's model of Amazon Rekognition: JSON 1.1 in and out, all checked."""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from local.engine.errors import SerializationException, UnknownOperationException, ValidationException

_NUMBERS = {"integer", "long", "float", "double"}
_SEPARATORS = "\\u0020\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"


@cache
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("rekognition")


def parse_request(operation: str, body: bytes) -> dict[str, Any]:
    """The request's members, blobs as bytes.

    Raises:
        UnknownOperationException: Rekognition has no such operation.
        SerializationException: the body is not a JSON object.
        ValidationException: it does not fit the operation's shape.
    """
    if operation not in model().operation_names:
        raise UnknownOperationException(f"Amazon Rekognition has no operation {operation}")
    request = _json_object(body or b"{}")
    shape = model().operation_model(operation).input_shape
    if shape is None:
        return {}
    parsed = _decode(shape, request, "")
    validate(shape, parsed)
    return dict(parsed)


def dump_answer(operation: str, answer: dict[str, Any]) -> bytes:
    """The answer as JSON; ValueError if it is not what the model says, which is a defect of the engine."""
    shape = model().operation_model(operation).output_shape
    if shape is not None:
        report = ParamValidator().validate(answer, shape)
        if report.has_errors():
            raise ValueError(f"{operation} answers against its model: {report.generate_report()}")
        if unknown := set(answer) - set(shape.members):
            raise ValueError(f"{operation} answers with members its model lacks: {sorted(unknown)}")
    return json.dumps(answer, default=_encode).encode()


def validate(shape: Shape, value: Any) -> None:
    """Check a value against a shape.

    Raises:
        ValidationException: with all that the shape forbids.
    """
    if problems := list(violations(shape, value)):
        plural = "s" if len(problems) > 1 else ""
        raise ValidationException(f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}")


def violations(shape: Shape, value: Any) -> list[str]:
    """All that the shape forbids in the value: missing members, wrong types, lengths, patterns, enums."""
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return [" ".join(report.generate_report().split())]
    return list(_violations(shape, value, ""))


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body.decode(), parse_constant=_no_number)
        # Half of a surrogate pair can be escaped in JSON, and then written nowhere.
        json.dumps(request, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise SerializationException(f"The body of the request is not JSON in UTF-8: {error}") from error
    if not isinstance(request, dict):
        raise SerializationException("The body of the request must be a JSON object")
    return request


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _violations(shape: Shape, value: Any, where: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _violations(member, value[name], f"{where}.{name}" if where else name)
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            yield from _violations(shape.member, item, f"{where}[{index}]")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{where} key")
            yield from _violations(shape.value, item, f"{where}.{key}")
    yield from (f"Value at '{where}' failed to satisfy constraint: {rule}" for rule in _broken(shape, value))


def _broken(shape: Shape, value: Any) -> Iterator[str]:
    rules = shape.metadata
    if isinstance(value, bool) and shape.type_name in _NUMBERS:
        yield f"Member must be of type {shape.type_name}, not boolean"
        return
    size = len(value) if isinstance(value, (str, bytes, list, dict)) else value
    what = "value" if isinstance(value, (int, float)) else "length"
    if "min" in rules and size < rules["min"]:
        yield f"Member must have {what} greater than or equal to {rules['min']}"
    if "max" in rules and size > rules["max"]:
        yield f"Member must have {what} less than or equal to {rules['max']}"
    if "pattern" in rules and isinstance(value, str) and not _pattern(rules["pattern"]).fullmatch(value):
        yield f"Member must satisfy regular expression pattern: {rules['pattern']}"
    if rules.get("enum") and value not in rules["enum"]:
        yield f"Member must satisfy enum value set: [{', '.join(rules['enum'])}]"


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # Python's re has no Unicode properties; the model uses these three, and all within sets.
    for java, python in (("\\p{L}", "\\w"), ("\\p{Z}", _SEPARATORS), ("\\p{N}", "\\d")):
        pattern = pattern.replace(java, python)
    return re.compile(pattern, re.DOTALL)


def _decode(shape: Shape, value: Any, where: str) -> Any:
    """`value` with blobs decoded and nulls left out, which is how the JSON protocol says "not given"."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = shape.members
        return {
            name: _decode(members[name], item, f"{where}.{name}" if where else name)
            for name, item in value.items()
            if name in members and item is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_decode(shape.member, item, f"{where}[{index}]") for index, item in enumerate(value)]
    if shape.type_name == "blob":
        if not isinstance(value, str):
            raise SerializationException(f"{where} must be a string of base64")
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise SerializationException(f"{where} is not base64: {error}") from error
    return value


def _encode(value: object) -> object:
    if isinstance(value, datetime.datetime):
        return round(value.timestamp(), 3)
    raise TypeError(f"{type(value)} has no JSON form")
