"""What all documents of the HTTP APIs have in common, and the one shape of their errors."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

Timestamp = Annotated[str, Meta(description="UTC, as in 2026-01-31T12:00:00.000000Z.")]


class Request(Struct, forbid_unknown_fields=True):
    """The body of a request: a JSON object with no other members than these."""

    error_code: ClassVar[str] = "bad_request"
    """The code of the error where a member is not as it has to be."""


class Response(Struct, forbid_unknown_fields=True):
    """A document with all of its members, and no others."""


class ErrorDetail(Response):
    """Why a request was refused."""

    code: Annotated[str, Meta(description="For programs.")]
    message: Annotated[str, Meta(description="For people: what to do.")]
    field: Annotated[str, Meta(description="The member that is wrong.")] | UnsetType = UNSET


class ErrorResponse(Response):
    """The one shape of every error."""

    error: ErrorDetail
