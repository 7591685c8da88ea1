"""Requests and answers against botocore's models: SageMaker, JSON 1.1; the A2I runtime, REST-JSON."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator

from local.engine import shapes
from local.sagemaker.errors import SageMakerError, UnknownOperationException, ValidationException

TARGET = "SageMaker."
LOOPS = "/human-loops"
SAGEMAKER = "sagemaker"
A2I = "sagemaker-a2i-runtime"


@dataclass(frozen=True)
class Received:
    """A request that one of the two services is asked with, not looked into yet."""

    service: str
    operation: str
    path: str
    query: str
    body: bytes


@cache
def model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def operation_of(method: str, path: str, headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Service and operation that a request asks for; None if it is for neither of the two services.

    An operation that there is not is "".
    """
    target = headers.get("x-amz-target", "")
    if target.startswith(TARGET):
        name = target.removeprefix(TARGET)
        return SAGEMAKER, name if name in model(SAGEMAKER).operation_names else ""
    if "/sagemaker/aws4_request" not in headers.get("authorization", ""):
        return None
    if path != LOOPS and not path.startswith(f"{LOOPS}/"):
        return None
    return A2I, next((name for name in model(A2I).operation_names if _asks(name, method, path)), "")


def _asks(name: str, method: str, path: str) -> bool:
    http = model(A2I).operation_model(name).http
    pattern, _, variable = http["requestUri"].partition("{")
    if http["method"] != method:
        return False
    return path.startswith(pattern) and len(path) > len(pattern) if variable else path == pattern


def parse(received: Received) -> dict[str, Any]:
    """The request's members.

    Raises:
        UnknownOperationException: the service has no such operation.
        ValidationException: the request does not fit the operation's shape.
    """
    if not received.operation:
        raise UnknownOperationException(f"{received.service} has no such operation")
    operation = model(received.service).operation_model(received.operation)
    shape = operation.input_shape
    if shape is None:
        return {}
    request = _members(received, operation, shape)
    if problems := shapes.violations(shape, request):
        raise ValidationException(f"{len(problems)} validation error(s) detected: {'; '.join(problems)}")
    return request


def dump(service: str, operation: str, answer: Mapping[str, Any]) -> bytes:
    """The answer as JSON; ValueError if it is not what the model says, which is a defect of the emulation."""
    shape = model(service).operation_model(operation).output_shape
    if shape is None:
        return b"{}"
    report = ParamValidator().validate(answer, shape)
    if report.has_errors() or (set(answer) - set(shape.members)):
        raise ValueError(f"{operation} answers against its model: {report.generate_report()} {answer}")
    return json.dumps(_encoded(shape, answer)).encode()


def dump_error(service: str, error: SageMakerError) -> tuple[int, dict[str, str], bytes]:
    """An error's status, headers and body."""
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    headers = {"content-type": content_type(service), "x-amzn-errortype": error.code}
    return error.status, headers, json.dumps(body).encode()


def content_type(service: str) -> str:
    return "application/json" if service == A2I else "application/x-amz-json-1.1"


def _members(received: Received, operation: OperationModel, shape: StructureShape) -> dict[str, Any]:
    request = _json_object(received.body, shape)
    if received.service == SAGEMAKER:
        return request
    query = parse_qs(received.query, keep_blank_values=True)
    for name, member in shape.members.items():
        location, key = member.serialization.get("location"), member.serialization.get("name", name)
        if location == "uri":
            request[name] = unquote(received.path.rpartition("/")[2])
        elif location == "querystring" and key in query:
            request[name] = _scalar(member, query[key][-1], name)
    return request


def _json_object(body: bytes, shape: StructureShape) -> dict[str, Any]:
    try:
        request = json.loads(body.decode() or "{}")
    except (ValueError, RecursionError) as error:
        raise ValidationException(f"The body of the request is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise ValidationException("The body of the request must be a JSON object")
    return {name: value for name, value in request.items() if name in shape.members and value is not None}


def _scalar(shape: Shape, text: str, name: str) -> Any:
    try:
        if shape.type_name == "integer":
            return int(text)
        return parse_timestamp(text) if shape.type_name == "timestamp" else text
    except (ValueError, OverflowError) as error:
        raise ValidationException(f"{name} cannot be {text!r}") from error


def _encoded(shape: Shape, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {name: _encoded(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list":
        return [_encoded(shape.member, item) for item in value]  # pyrefly: ignore[missing-attribute]
    if isinstance(value, datetime.datetime):
        # JSON 1.1 has seconds since the epoch; the A2I runtime's model asks for ISO 8601.
        iso = shape.serialization.get("timestampFormat") == "iso8601"
        return moment(value.timestamp()) if iso else round(value.timestamp(), 3)
    return value


def moment(seconds: float) -> str:
    """A time as A2I's and Ground Truth's files have it: UTC, milliseconds, Z."""
    date = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def timestamp(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
