"""The champion's sleep as the console shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.domain.detect.backlog import MAX_COUNTED
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.shared import pricing
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


def document(
    rekognition: RekognitionClient, loop_state: LoopState, project_arn: str, tuning: Tuning
) -> dict[str, Any]:
    """Whether the champion runs and is to run, who said so and why, and what waits for it."""
    champion, serving = loop_state.champion(), loop_state.serving()
    version = None
    region = project_arn.split(":")[3]
    if champion:
        version = custom_labels.describe_version(rekognition, project_arn, champion.version_name)
    return {
        "champion": champion.version_name if champion else None,
        "status": version.status if version else None,
        "state": serving.state,
        "since": serving.since or None,
        "reason": serving.reason,
        "trouble": serving.trouble,
        "asked": serving.asked or None,
        "policy": tuning.serving_policy,
        "usd_per_hour": pricing.prices(region, tuning).inference_usd(3600, tuning.min_inference_units),
        "waiting_images": loop_state.count_waiting(MAX_COUNTED),
        "changes": [change.__dict__ for change in reversed(serving.changes)],
    }
