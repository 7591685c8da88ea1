"""A review task: an image that waits for a person, its claims, suggestions and answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box, Kind

if TYPE_CHECKING:
    pass


State = Literal["open", "done", "given_back", "deleted"]
STATES: tuple[State, ...] = ("open", "done", "given_back", "deleted")


Reason = Literal["unlabelled", "low_confidence", "sample", "requested"]
Verdict = Literal["labelled", "nothing", "unusable"]


Route = Literal["builtin", "a2i", "groundtruth"]
ClaimKind = Literal["claimed", "handed_on"]
"""The reviewer is at it; the reviewer has answered, and somebody else tells the answer (worker_portal.py)."""


class TaskBusyError(RuntimeError):
    """Too many others write this task; try again."""

    status = 503
    code = "busy"


@dataclass(frozen=True)
class Suggestion:
    """What the champion sees, to be corrected rather than drawn. Confidence from 0 to 100; the box in whole
    pixels of the upright image, of no size where it is a label of the whole image."""

    label: str
    confidence: float
    left: int = 0
    top: int = 0
    width: int = 0
    height: int = 0

    @property
    def box(self) -> Box:
        return Box(self.label, self.left, self.top, self.width, self.height)


@dataclass(frozen=True)
class Suggestions:
    boxes: tuple[Suggestion, ...] = ()
    labels: tuple[Suggestion, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A reviewer's claim."""

    reviewer: str
    name: str
    until: str
    kind: ClaimKind = "claimed"


@dataclass(frozen=True)
class Answer:
    """What one reviewer said of the image. Boxes in whole pixels of the upright image."""

    reviewer: str
    name: str
    verdict: Verdict
    boxes: tuple[Box, ...] = ()
    labels: tuple[str, ...] = ()
    """Image-level, sorted."""
    reason: str = ""
    seconds: float = 0.0
    at: str = ""

    def says_the_same(self, other: Answer) -> bool:
        """Whether this is the other one, sent again."""
        return (self.reviewer, self.verdict, frozenset(self.boxes), self.labels) == (
            other.reviewer,
            other.verdict,
            frozenset(other.boxes),
            other.labels,
        )


@dataclass(frozen=True)
class Task:
    """An image to be looked at by people. Width and height in pixels."""

    id: str
    image: str
    key: str
    width: int
    height: int
    kind: Kind
    state: State = "open"
    reason: Reason = "unlabelled"
    why: str = ""
    """The reason in words, or why it was given back."""
    route: Route = "builtin"
    wanted: int = 1
    """Answers that it takes; one more whenever reviewers disagree."""
    seats: tuple[Claim, ...] = ()
    answers: tuple[Answer, ...] = ()
    skipped: tuple[str, ...] = ()
    """Reviewers who do not want it."""
    declined: bool = False
    """So many do not want it that the answers which are there have to do."""
    suggestions: Suggestions = Suggestions()
    suggested_by: str = ""
    """Model version."""
    created_at: str = ""
    available_at: str = ""
    finished_at: str = ""
    outcome: str = ""
    """Of a task that is done: the verdict that holds."""
    token: str = ""
    """Of the execution that waits for it."""
    execution: str = ""
    """Name of the execution that waits for it and others, where it is not the task's own."""
    revision: int = 0

    def seat_of(self, reviewer: str, now: str) -> Claim | None:
        """The reviewer's claim, unless it has ended."""
        return next((seat for seat in self.claims if seat.reviewer == reviewer and seat.until > now), None)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Seats of reviewers who have not answered."""
        return tuple(seat for seat in self.seats if seat.kind != "handed_on")

    def taken(self, now: str) -> tuple[Claim, ...]:
        """The seats that nobody else can have."""
        return tuple(seat for seat in self.seats if seat.kind == "handed_on" or seat.until > now)

    def free_seats(self, now: str) -> int:
        return self.wanted - len(self.answers) - len(self.taken(now))

    def answer_of(self, reviewer: str) -> Answer | None:
        return next((answer for answer in self.answers if answer.reviewer == reviewer), None)

    @property
    def seen_by(self) -> frozenset[str]:
        """Who has answered or skipped it."""
        handed_on = {seat.reviewer for seat in self.seats if seat.kind == "handed_on"}
        return frozenset({answer.reviewer for answer in self.answers} | handed_on | set(self.skipped))


def task_id(sha256: str, round: int) -> str:
    """A task is named by its image and by how often that was asked about."""
    return f"{sha256[:20]}-{round}"


def finished(task: Task, state: State, why: str = "", outcome: str = "") -> Task:
    now = clock.now()
    return replace(
        task, state=state, why=why or task.why, outcome=outcome, seats=(), finished_at=now, available_at=now
    )
