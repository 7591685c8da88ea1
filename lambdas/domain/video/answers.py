"""The answers about a clip's frames: a line of JSON for each frame that a model was asked about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lambdas.domain.video.frames import Frame


def line(
    clip: str, frame: Frame, size: tuple[int, int], version: str, labels: Sequence[dict[str, Any]]
) -> str:
    """The line of a frame that a model has answered about.

    Args:
        clip: its name.
        size: width and height of the frame upright, in pixels.
        version: name of the model version.
    """
    return _line(clip, frame, size, {"model_version": version, "labels": list(labels)})


def refused(clip: str, frame: Frame, size: tuple[int, int], error: str, reason: str) -> str:
    """The line of a frame that the service does not take."""
    return _line(clip, frame, size, {"error": error, "reason": reason})


def _line(clip: str, frame: Frame, size: tuple[int, int], answer: dict[str, Any]) -> str:
    facts = {
        "clip": clip,
        "frame": frame.place.position,
        "seconds": round(frame.seconds, 3),
        "size": {"width": size[0], "height": size[1]},
    }
    return json.dumps({**facts, **answer}, ensure_ascii=False) + "\n"
