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
MAX_SIDE = 4096
"""Pixels of a network's input, at most: an image has no more."""
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
            ModelFileError: they are of a newer form, lack something, or say what no model can be like.
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
            facts = cls(**parts)
            wrong = facts.problem()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"The model's metadata lacks something: {error}") from error
        if wrong:
            raise ModelFileError(f"The model's metadata is wrong: {wrong}")
        return facts

    def problem(self) -> str:
        """What no model can be like; nothing if all of it can be."""
        if self.task not in ("detection", "classification"):
            return f"the task {self.task!r}"
        if not self.labels or {type(label) for label in self.labels} != {str}:
            return "its labels are no names"
        if len(set(self.labels)) < len(self.labels):
            return "two labels have one name"
        sides = [
            *vars(self.canvas).values(),
            *(vars(self.second_stage).values() if self.second_stage else ()),
        ]
        if not all(type(side) is int and 0 < side <= MAX_SIDE for side in sides):
            return f"images of {' x '.join(map(str, sides))} pixels"
        outside = [label for label, share in self.thresholds.items() if not 0 <= share <= 1]
        return f"the threshold of {outside[0]}" if outside else ""
