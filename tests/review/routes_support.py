"""Tasks as Amazon A2I and Ground Truth are asked for them."""

from __future__ import annotations

from typing import Any

from lambdas.domain.reviews.tasks import Suggestion, Suggestions, Task

DEPLOYMENT = "labelloop-dev"
SHA = "a1b2c3d4e5f60718293a" + "0" * 44
LABELS = ["cat", "dog"]
CAT = {"label": "cat", "left": 5, "top": 6, "width": 30, "height": 20}


def task(**changed: Any) -> Task:
    values: dict[str, Any] = {
        "id": f"{SHA[:20]}-1",
        "image": SHA,
        "key": "images/a.png",
        "width": 120,
        "height": 80,
        "kind": "detection",
        "suggestions": Suggestions(),
        **changed,
    }
    return Task(**values)


def suggested(*boxes: tuple[str, int, int, int, int], labels: tuple[str, ...] = ()) -> Suggestions:
    return Suggestions(
        boxes=tuple(Suggestion(box[0], 71.5, *box[1:]) for box in boxes),
        labels=tuple(Suggestion(label, 55.0) for label in labels),
    )
