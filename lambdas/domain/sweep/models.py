"""Model versions: the champion runs, nothing else does, and each is recorded as what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambdas.domain.promote import promotion
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.rekognition.custom_labels import Version
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import LoopState
from lambdas.domain.sweep import differences
from lambdas.domain.sweep.differences import Difference

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient


class ChampionDownError(RuntimeError):
    """The champion does not serve, and to start it has not helped."""


def by_name(rekognition: RekognitionClient, project_arn: str) -> dict[str, Version]:
    """The project's versions as Rekognition has them now."""
    return {version.name: version for version in custom_labels.versions(rekognition, project_arn)}


def stop_for_nobody(rekognition: RekognitionClient, loop_state: LoopState, project_arn: str) -> list[Version]:
    """Stop what runs and is not the champion: those that are still not stopped.

    While a promotion is under way its state machine takes care of that itself.
    """

    def may_stop(version: Version) -> bool:
        # In this order: a promotion that ended in between has its champion in the second answer.
        return loop_state.lease("promote") is None and not promotion.serves(loop_state, version)

    return promotion.stop_versions(rekognition, project_arn, may_stop)


def settle(loop_state: LoopState, versions: Mapping[str, Version]) -> list[ModelVersion]:
    """Record what has become of versions that nobody works on any more: those that were settled."""
    return [
        after
        for before, after in differences.unsettled(loop_state, versions)
        if loop_state.settle_version(after, before)
    ]


def is_on_its_way(down: Difference, versions: Mapping[str, Version]) -> bool:
    """Whether the champion starts already, or has to stop before it can be started."""
    version = versions.get(down.subject)
    return version is not None and version.status in ("STARTING", "STOPPING")


def start_champion(
    rekognition: RekognitionClient, loop_state: LoopState, down: Difference, versions: Mapping[str, Version]
) -> None:
    """Start the champion that does not serve, if it is the champion still.

    Raises:
        ChampionDownError: Rekognition does not have it any more.
    """
    version = versions.get(down.subject)
    if version is None:
        raise ChampionDownError(f"{down.text}; `labelloop rollback` goes back to another")
    if promotion.serves(loop_state, version):
        custom_labels.start(rekognition, version, version.inference_units)
