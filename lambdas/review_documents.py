"""What the review desk's and the administration's routes share: documents of tasks and labels."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lambdas import http
from lambdas.services import services
from lambdas.ttl_cache import TtlCache

if TYPE_CHECKING:
    from lambdas.contract import responses
    from lambdas.domain.review.desk.labels import LabelDefinition
    from lambdas.domain.review.desk.task import Answer, Task


def _offered_labels() -> list[LabelDefinition]:
    from lambdas.domain.review.desk import labels

    return labels.offered(services().reviews, services().loop_state, services().catalogue)


offered_labels = TtlCache(_offered_labels, 5)
"""The labels: an administrator's change shows within seconds."""


def present_names() -> dict[str, str]:
    """What labels are called now that had other names: by their definitions, without what models know."""
    from lambdas.domain.review.desk import labels

    return labels.present_names(labels.definitions(services().reviews))


def label_document(definition: LabelDefinition) -> responses.Label:
    """A label with links to its example pictures."""
    from lambdas.contract import responses
    from lambdas.domain.catalogue import images as catalogue_images

    images = catalogue_images.get_images(
        services().catalogue, [catalogue_images.image_id(sha256) for sha256 in definition.examples]
    )
    examples = [
        responses.LabelExample(image=image.sha256, url=http.presigned_url(image.key)) for image in images
    ]
    return responses.Label(**{**asdict(definition), "examples": examples})


def given_answer(answer: Answer) -> responses.GivenAnswer:
    """An answer as people see it."""
    from lambdas.contract import requests, responses

    return responses.GivenAnswer(
        reviewer=answer.reviewer,
        name=answer.name,
        verdict=answer.verdict,
        boxes=[requests.AnswerBox(**asdict(box)) for box in answer.boxes],
        labels=list(answer.labels),
        reason=answer.reason,
        at=answer.at,
    )


def task_summary(task: Task) -> dict[str, Any]:
    """The members of a TaskSummary."""
    from lambdas.contract import responses

    return {
        "id": task.id,
        "image": task.image,
        "width": task.width,
        "height": task.height,
        "kind": task.kind,
        "reason": task.reason,
        "why": task.why,
        "created_at": task.created_at,
        "suggestions": responses.TaskSuggestions(
            boxes=[
                responses.SuggestedBox(**asdict(suggestion.box), confidence=suggestion.confidence)
                for suggestion in task.suggestions.boxes
            ],
            labels=[
                responses.SuggestedLabel(label=suggestion.label, confidence=suggestion.confidence)
                for suggestion in task.suggestions.labels
            ],
        ),
        "suggested_by": task.suggested_by or None,
        "drafted_from": task.drafted_from,
        "wanted": task.wanted,
        "answers": len(task.answers),
    }
