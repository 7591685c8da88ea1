"""Labels that a version contradicts, for people to go through: those that hold still and are unchecked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.console.evaluations import Evaluated, Evaluations, NoEvaluationError, states
from lambdas.domain.evaluation import suspects as evaluation_suspects
from lambdas.domain.evaluation.records import Evaluation
from lambdas.domain.evaluation.suspects import Suspect
from lambdas.domain.review.desk import label_checks
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.review.desk.tasks import ReviewTable

MAX_SHOWN = 500
"""Of a version: what it is less sure of is seldom wrong, and the next training looks again."""


@frozen
class OpenSuspects:
    """Labels that a version contradicts and nobody has checked, under the names that they have now."""

    version: str
    suspects: tuple[Suspect, ...]
    checked: int
    """Those that it contradicts as well, and somebody has checked."""


def evaluated(evaluations: Evaluations, loop_state: LoopState, version: str) -> Evaluated:
    """The evaluation of a version; of the newest that has one, if none is named.

    Raises:
        ApiError: there is none.
    """
    if version:
        return evaluations.read(loop_state, version)
    for record in loop_state.versions()[:_LOOKED_AT]:
        if record.f1 is not None:
            try:
                return evaluations.read(loop_state, record.id)
            except NoEvaluationError:
                continue
    raise NoEvaluationError("no model version has an evaluation yet: it comes with the end of a training")


_LOOKED_AT = 10
"""Versions, the newest first: the labels of older evaluations hold no longer."""


def open_suspects(
    evaluated: Evaluated, reviews: ReviewTable, catalogue: Table, renamed: Mapping[str, str]
) -> OpenSuspects:
    """What a version contradicts, without images that were withdrawn or labelled otherwise since.

    Args:
        renamed: what labels are called now that had other names.
    """
    accused = evaluation_suspects.suspects(_under_present_names(evaluated.evaluation, renamed))
    checked = label_checks.checked(reviews)
    unchecked = [suspect for suspect in accused if suspect.id not in checked][:MAX_SHOWN]
    known = states(catalogue, [suspect.image for suspect in unchecked], {})
    holding = tuple(suspect for suspect in unchecked if not known[suspect.image.key])
    return OpenSuspects(evaluated.name, holding, sum(suspect.id in checked for suspect in accused))


def _under_present_names(evaluation: Evaluation, names: Mapping[str, str]) -> Evaluation:
    """The evaluation with the names that labels have now; of labels that are one by now, the lower floor."""
    if not names:
        return evaluation
    images = tuple(
        replace(
            image,
            truths=tuple(replace(truth, label=names.get(truth.label, truth.label)) for truth in image.truths),
            detections=tuple(
                replace(seen, label=names.get(seen.label, seen.label)) for seen in image.detections
            ),
        )
        for image in evaluation.images
    )
    floors: dict[str, float] = {}
    for label, floor in evaluation.floors.items():
        name = names.get(label, label)
        floors[name] = min(floor, floors.get(name, floor))
    return replace(evaluation, images=images, floors=floors)
