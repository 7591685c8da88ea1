"""JSON files that hold one thing, read whole up to a limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lambdas.domain.annotations.problems import AnnotationError

MAX_BYTES = 64 * 1024 * 1024
"""A picture of 15 MB as text, and more shapes around it than anybody draws."""


def whole(path: Path) -> dict[str, Any]:
    """The object that a file holds.

    Raises:
        AnnotationError: it holds none, or is too large.
        OSError: the disk failed.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise AnnotationError("file_too_large", f"{size} bytes are more than the shapes of an image need")
    data = path.read_bytes()
    if not data.strip():
        raise AnnotationError("empty", "the file has no content: save it again")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AnnotationError("not_json", f"{str(error)[:200]}: save the file again") from error
    if not isinstance(value, dict):
        raise AnnotationError("not_an_object", f"a {type(value).__name__}, not an object of one image")
    return value
