"""Data sets on disk, and what readers tell of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdas.domain.annotations.types import Event, Found, LabelledBox, Note, Problem


@dataclass
class Said:
    """A reader's events, sorted by what they are."""

    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def reasons(self) -> dict[str, int]:
        return dict(Counter(problem.reason for problem in self.problems))

    @property
    def boxes(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            each.image: [(box.label, box.left, box.top, box.width, box.height) for box in each.boxes]
            for each in self.found
        }

    def of(self, image: str) -> Found:
        [found] = [found for found in self.found if found.image == image]
        return found

    def noted(self, text: str) -> bool:
        return any(text in note.detail for note in self.notes)


def said(events: Iterable[Event]) -> Said:
    sorted_events = Said()
    for event in events:
        if isinstance(event, Found):
            sorted_events.found.append(event)
        elif isinstance(event, Problem):
            assert event.reason.isidentifier() and event.detail
            sorted_events.problems.append(event)
        else:
            sorted_events.notes.append(event)
    return sorted_events


def touch(root: Path, *names: str) -> Path:
    """Empty files: readers ask for names only."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def coco(
    images: Iterable[str] = ("a.jpg",),
    annotations: Iterable[Mapping[str, Any]] = (),
    categories: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Images of 100 x 80 pixels with ids from 1; annotations get an id, an image, a category and a box."""
    usual = {"image_id": 1, "category_id": 1, "bbox": [10, 20, 30, 40]}
    return {
        "images": [
            {"id": number, "file_name": name, "width": 100, "height": 80}
            for number, name in enumerate(images, start=1)
        ],
        "categories": [
            {"id": id, "name": name} for id, name in (categories or {1: "bolt", 2: "nut"}).items()
        ],
        "annotations": [
            {"id": number, **usual, **annotation} for number, annotation in enumerate(annotations, start=1)
        ],
    }


def write_json(path: Path, value: Any) -> Path:
    return write(path, json.dumps(value))


BOX = LabelledBox("bolt", 10, 20, 30, 40)


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"
