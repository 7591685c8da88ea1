"""A review task: an image that waits for a person, its claims, suggestions and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from lambdas.domain.review.desk.limits import State, Verdict
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Box, Kind
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.frozen import frozen

Reason = Literal["unlabelled", "low_confidence", "sample", "requested", "needed"]
Route = Literal["builtin", "a2i", "groundtruth"]
Source = Literal["detect", "applications", "clips", "batches"]
"""Images under detect/, of applications, frames of clips, images of batches."""
ClaimKind = Literal["claimed", "handed_on"]
"""Whether the reviewer has still to answer, or the answer is on its way (worker_portal.py)."""


_SOURCES: Mapping[str, Source] = {
    "detect": "detect",
    "applications": "applications",
    "results": "clips",
    "batches": "batches",
}
"""By the first folder of an image that the champion was asked about."""


class TaskBusyError(ApiError):
    """Too many others write this task; try again."""

    def __init__(self, message: str) -> None:
        super().__init__(503, "busy", message)


@frozen
class Suggestion:
    """An object or a label that the champion, or a draft, sees, for reviewers to correct.

    Confidence from 0 to 100; the box in whole pixels of the upright image, of no size where it is a label of
    the whole image.
    """

    label: str
    confidence: float
    left: int = 0
    top: int = 0
    width: int = 0
    height: int = 0
    left_out: bool = False
    """The thresholds keep it from the champion's answer."""

    @property
    def box(self) -> Box:
        return Box(self.label, self.left, self.top, self.width, self.height)


@frozen
class Suggestions:
    """What the champion sees on an image."""

    boxes: tuple[Suggestion, ...] = ()
    labels: tuple[Suggestion, ...] = ()


@frozen
class Claim:
    """A reviewer's claim."""

    reviewer: str
    name: str
    until: str
    kind: ClaimKind = "claimed"


@frozen
class Answer:
    """One reviewer's answer about the image. Boxes in whole pixels of the upright image."""

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
        """Whether this is the other answer, sent again."""
        return (self.reviewer, self.verdict, frozenset(self.boxes), self.labels) == (
            other.reviewer,
            other.verdict,
            frozenset(other.boxes),
            other.labels,
        )


@frozen
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
    claims: tuple[Claim, ...] = ()
    answers: tuple[Answer, ...] = ()
    superseded: tuple[Answer, ...] = ()
    """Answers that their reviewers have corrected, oldest first: what they said before, and when."""
    skipped: tuple[str, ...] = ()
    """Reviewers who do not want it."""
    declined: bool = False
    """So many do not want it that the answers which are there have to do."""
    suggestions: Suggestions = Suggestions()
    suggested_by: str = ""
    """Model version."""
    source: Source | Literal[""] = ""
    """What the image was asked about for; empty where the answer tells nothing of such images."""
    drafted_from: int = 0
    """If no version but a head on frozen features made the suggestions: how many labelled images it was
    fitted to (drafts.py)."""
    created_at: str = ""
    available_at: str = ""
    finished_at: str = ""
    outcome: Verdict | Literal[""] = ""
    """Of a task that is done: the verdict that holds."""
    token: str = ""
    """Of the execution that waits for it."""
    execution: str = ""
    """Name of the execution that waits for it and others, where it is not the task's own."""
    revision: int = 0

    def claim_of(self, reviewer: str, now: str) -> Claim | None:
        """The reviewer's claim, unless it has ended."""
        return next(
            (claim for claim in self.unanswered_claims if claim.reviewer == reviewer and claim.until > now),
            None,
        )

    @property
    def unanswered_claims(self) -> tuple[Claim, ...]:
        """Claims of reviewers who have not answered."""
        return tuple(claim for claim in self.claims if claim.kind != "handed_on")

    def active_claims(self, now: str) -> tuple[Claim, ...]:
        """The claims that keep others from the task."""
        return tuple(claim for claim in self.claims if claim.kind == "handed_on" or claim.until > now)

    def free_claims(self, now: str) -> int:
        """How many more reviewers can claim it."""
        return self.wanted - len(self.answers) - len(self.active_claims(now))

    def answer_of(self, reviewer: str) -> Answer | None:
        return next((answer for answer in self.answers if answer.reviewer == reviewer), None)

    @property
    def seen_by(self) -> frozenset[str]:
        """Who has answered or skipped it."""
        handed_on = {claim.reviewer for claim in self.claims if claim.kind == "handed_on"}
        return frozenset({answer.reviewer for answer in self.answers} | handed_on | set(self.skipped))


def source_of(key: str) -> Source | Literal[""]:
    """What an image of this key of the data bucket was asked about for; empty if that is not known."""
    return _SOURCES.get(key.partition("/")[0], "")


def task_id(sha256: str, round: int) -> str:
    """A task is named by its image and by how often that was asked about."""
    return f"{sha256[:20]}-{round}"


def finished(task: Task, state: State, why: str = "", outcome: Verdict | Literal[""] = "") -> Task:
    """The task as it ends: nobody has claimed it any more."""
    now = clock.now()
    return replace(
        task, state=state, why=why or task.why, outcome=outcome, claims=(), finished_at=now, available_at=now
    )
