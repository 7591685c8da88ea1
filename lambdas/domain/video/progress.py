"""What is known of a clip under detect/: the JSON document beside it under results/, and how far it is.

A clip that takes longer than a function may run is worked on by several, one after the other; each begins
where the last one wrote that it had stopped.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lambdas.domain.shared import clock
from lambdas.domain.video.frames import Choice, Place

DONE = frozenset({"answered", "unusable"})
"""Of a clip that nothing more is done about."""


@dataclass
class Progress:
    """A clip's document. It begins as that of a clip of which nothing is known."""

    clip: str
    version_id: str
    """Of the object; another upload under the same key is another clip."""
    frames_per_second: float
    """That are looked at: as it was set when the clip was begun."""
    status: str = "in progress"
    """Or `waiting` for a champion, `answered`, or `unusable`."""
    reason: str = ""
    """Why it waits, or cannot be used, or was not looked at to its end."""
    error: str = ""
    """The kind of reason of a clip that cannot be used."""
    seconds: float = 0.0
    """Of the clip, up to where it was looked at."""
    duration: float | None = None
    """In seconds, as its header says."""
    frames: int = 0
    """That were looked at."""
    asked: int = 0
    """Of these, those that the champion was asked about; the others look like the one before them."""
    proposed: int = 0
    """Of these, those that were proposed for review."""
    damaged: int = 0
    """Packets that could not be decoded."""
    model_versions: list[str] = field(default_factory=list)
    """That have answered."""
    answers: str = ""
    """The key of the answers."""
    annotated: str = ""
    """The key of the annotated clip; empty if there is none."""
    annotated_frames: int = 0
    """That it has: fewer than were looked at if it became too large."""
    annotated_bytes: int = 0
    annotated_size: list[int] = field(default_factory=list)
    """Its width and height in pixels."""
    next: dict[str, Any] | None = None
    """From where to go on; None at the beginning and at the end."""

    @property
    def choice(self) -> Choice:
        """What frames are chosen from here on."""
        known = self.next or {}
        return Choice(
            self.frames_per_second,
            due=float(known.get("due", 0)),
            look=b64decode(known.get("look", "")),
            before=float(known.get("before", 0)),
        )

    @property
    def place(self) -> Place | None:
        """Of the frame that was read last."""
        return Place(self.next["frame"], self.next["pts"]) if self.next else None

    def go_on_from(self, place: Place, choice: Choice) -> None:
        """Note where to go on."""
        self.next = {
            "frame": place.position,
            "pts": place.pts,
            "due": choice.due,
            "before": choice.before,
            "look": b64encode(choice.look).decode(),
        }

    def as_json(self) -> str:
        """The document, without what says nothing."""
        document = {name: value for name, value in asdict(self).items() if value not in ("", None, [])}
        return json.dumps({**document, "at": clock.now()}, indent=2, ensure_ascii=False)


def read(document: str) -> Progress | None:
    """The progress that a document tells; None if it tells of something else."""
    values = json.loads(document)
    if not isinstance(values, dict) or "clip" not in values or "version_id" not in values:
        return None
    known = {member.name for member in fields(Progress)}
    return Progress(**{name: value for name, value in values.items() if name in known})
