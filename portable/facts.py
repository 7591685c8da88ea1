"""What a model's files say about it: a JSON document in the metadata of model.onnx."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from portable.errors import ModelFileError
from portable.images import Canvas

FORMAT = 1
"""The form of a model's files; a change that older code cannot read makes it one more."""
METADATA_KEY = "labelloop"
MODEL_FILE, SECOND_STAGE_FILE = "model.onnx", "second_stage.onnx"


@dataclass(frozen=True)
class SecondStage:
    """A detector's second stage: crops of `side` pixels, from images whose longer side is `detail` pixels or
    more, as far as they have so many."""

    side: int
    detail: int


@dataclass(frozen=True)
class PortableFacts:
    """All that a program needs to know of a model beside its graphs.

    `thresholds` are the assumed thresholds of the labels, 0 to 1. `license` says under what the files may be
    used.
    """

    task: Literal["detection", "classification"]
    labels: tuple[str, ...]
    canvas: Canvas
    thresholds: Mapping[str, float] = field(default_factory=dict)
    second_stage: SecondStage | None = None
    license: str = ""

    def to_json(self) -> str:
        """The document that `from_json` reads."""
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> PortableFacts:
        """The facts in a model's metadata.

        Raises:
            ModelFileError: they are of a newer form, or no facts.
        """
        try:
            document: dict[str, Any] = json.loads(text)
            form = int(document.pop("format"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"The model's metadata cannot be read: {error}") from error
        if form > FORMAT:
            raise ModelFileError(
                f"The model is of format {form}, and this version of LabelLoop knows {FORMAT} at most: "
                "take a newer one"
            )
        try:
            stage = document["second_stage"]
            parts: dict[str, Any] = {
                **document,
                "labels": tuple(document["labels"]),
                "canvas": Canvas(**document["canvas"]),
                "second_stage": SecondStage(**stage) if stage else None,
            }
            return cls(**parts)
        except (KeyError, TypeError) as error:
            raise ModelFileError(f"The model's metadata lacks something: {error}") from error
