"""How often drafts are right, label by label, from what reviewers made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.domain.review.desk.task import Task
from lambdas.domain.review.results import precision
from lambdas.domain.review.results.consolidation import Consolidated
from lambdas.domain.shared import intervals
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

KEY = {"id": "drafts", "part": "precision"}
_RIGHT, _WRONG = "right ", "wrong "
"""What the names of counters begin with, before the label."""


@frozen
class LabelDrafts:
    """How often drafts of a label were confirmed, and removed; and between which shares, 0 to 1, that of the
    right ones lies with 95 % probability."""

    label: str
    right: int
    wrong: int

    @property
    def interval(self) -> tuple[float, float]:
        return intervals.posterior(self.right, self.wrong)


def counts(task: Task, result: Consolidated, iou: float) -> dict[tuple[str, str], dict[str, Any]]:
    """What is counted of the draft of a task, if it had one, by the key of the item that it is added to."""
    if not task.drafted_from or result.verdict == "unusable":
        return {}
    tally = precision.tally(task.suggestions, result, iou)
    right = {f"{_RIGHT}{label}": number for label, number in tally.confirmed.items()}
    wrong = {f"{_WRONG}{label}": number for label, number in tally.false.items()}
    return {(KEY["id"], KEY["part"]): {"images": 1, **right, **wrong}}


def of_labels(table: Table) -> list[LabelDrafts]:
    """How often drafts were right, label by label."""
    item: dict[str, Any] = table.get_item(Key=KEY).get("Item", {})
    labels = sorted({name[len(_RIGHT) :] for name in item if name.startswith((_RIGHT, _WRONG))})
    return [
        LabelDrafts(label, int(item.get(f"{_RIGHT}{label}", 0)), int(item.get(f"{_WRONG}{label}", 0)))
        for label in labels
    ]
