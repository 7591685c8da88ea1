"""Scores of a model version on test images, and the verdict of a gate on them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from lambdas.domain.shared.frozen import frozen

Gate = Literal["evaluation", "shadow", "rollback"]


@frozen
class LabelScore:
    """How well one label is found; f1, precision and recall between 0 and 1."""

    label: str
    f1: float
    precision: float
    recall: float
    test_images: int
    threshold: float | None = None
    """Confidence between 0 and 1 from which on the model's detections count; None if it is not known."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@frozen
class Scores:
    """How well a model version does on test images."""

    f1: float
    labels: tuple[LabelScore, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"f1": self.f1, "labels": [label.as_dict() for label in self.labels]}


@frozen
class Verdict:
    """A gate's decision and, in words, each of its reasons."""

    gate: Gate
    passed: bool
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Every reason in one line."""
        return "; ".join(self.reasons)

    def as_dict(self) -> dict[str, Any]:
        return {"gate": self.gate, "passed": self.passed, "reasons": list(self.reasons)}
