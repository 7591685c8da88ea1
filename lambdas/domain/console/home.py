"""What waits for people, over all that the loop does: for the console's home page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lambdas.domain.costs import unowned
from lambdas.domain.costs.budget import MonthSpending
from lambdas.domain.promote.approval import is_overdue, overdue_words
from lambdas.domain.serve import serving
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Run, SnapshotSummary

if TYPE_CHECKING:
    from lambdas.domain.drift.watch import DriftState
    from lambdas.domain.review.desk.tasks import ReviewTable
    from lambdas.domain.shared.state import LoopState

COUNTED = 1000
"""Open review tasks are counted no further than to this."""
INCIDENTS = (serving.DOWN, serving.WAITING, unowned.INCIDENT)
MAX_LABELS = 250
Source = Literal["incidents", "runs", "costs", "approvals", "drift", "reviews"]
"""What is read to know what waits."""


@dataclass(frozen=True)
class Waiting:
    """Something that waits for somebody."""

    kind: Literal["incident", "run", "budget", "approval", "drift", "reviews"]
    text: str
    """A sentence without a full stop."""
    subject: str = ""
    """The version or the run that it is about."""


@dataclass(frozen=True)
class LabelImages:
    """Images of a snapshot that show a label."""

    label: str
    train: int
    test: int


def waiting(
    loop_state: LoopState,
    reviews: ReviewTable,
    runs: Sequence[Run],
    drift: DriftState | None,
    month: MonthSpending | None,
) -> dict[Source, Callable[[], list[Waiting]]]:
    """What people are waited for, the most urgent first, each kind read by itself.

    Args:
        runs: newest first.
        drift: of the champion; None without one.
        month: None if it is not known.
    """
    return {
        "incidents": lambda: list(_incidents(loop_state)),
        "runs": lambda: list(_failed(runs)),
        "costs": lambda: list(_budget(month)),
        "approvals": lambda: list(_approvals(loop_state)),
        "drift": lambda: list(_drift(drift)),
        "reviews": lambda: list(_open_reviews(reviews)),
    }


def newest_snapshot(loop_state: LoopState, runs: Sequence[Run]) -> SnapshotSummary:
    """The newest snapshot with the images of each label, which lists of runs leave out.

    Args:
        runs: newest first.
    """
    newest = next((run.id for run in runs if run.images), None)
    images = loop_state.run_images(newest) if newest else None
    return images or SnapshotSummary()


def images_by_label(newest: SnapshotSummary) -> tuple[list[LabelImages], int]:
    """Images of a snapshot by label, fewest first, and how many it has in all."""
    labels = [
        LabelImages(label, newest.train_labels.get(label, 0), newest.test_labels.get(label, 0))
        for label in {*newest.train_labels, *newest.test_labels}
    ]
    labels.sort(key=lambda one: (one.train + one.test, one.label))
    return labels[:MAX_LABELS], newest.train_images + newest.test_images


def _incidents(loop_state: LoopState) -> Iterator[Waiting]:
    incidents = {incident.id: incident for incident in loop_state.incidents()}
    for id in INCIDENTS:
        if id in incidents:
            yield Waiting("incident", incidents[id].text)


def _failed(runs: Sequence[Run]) -> Iterator[Waiting]:
    ended = next((run for run in runs if run.ended_at), None)
    if ended and ended.outcome == "failed":
        yield Waiting("run", f"the last run failed: {ended.reason or 'its page says where'}", ended.id)


def _budget(month: MonthSpending | None) -> Iterator[Waiting]:
    if month and month.is_used_up:
        yield Waiting("budget", f"the budget of {month.month} is used up, so nothing is started")


def _approvals(loop_state: LoopState) -> Iterator[Waiting]:
    for approval in loop_state.approvals():
        if is_overdue(approval.deadline):
            text = overdue_words(approval.id, approval.deadline)
        else:
            text = f"{approval.id} waits for approval until {clock.minute(approval.deadline)}"
        yield Waiting("approval", text, approval.id)


def _drift(drift: DriftState | None) -> Iterator[Waiting]:
    if drift and drift.since:
        yield Waiting("drift", f"what arrives has changed: {drift.findings[0].text}", drift.version)


def _open_reviews(reviews: ReviewTable) -> Iterator[Waiting]:
    count = reviews.count("open", limit=COUNTED)
    if count:
        number = f"{count} or more" if count == COUNTED else str(count)
        yield Waiting("reviews", f"{number} {'image waits' if count == 1 else 'images wait'} for review")
