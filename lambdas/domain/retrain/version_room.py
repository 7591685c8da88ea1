"""Room for another model version in a full project: the oldest one that nobody needs goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.engines.port import DELETABLE, LimitReachedError
from lambdas.domain.shared import clock, lineage
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import FencedState

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Engine

_OVER = ("rejected", "failed", "retired")


def make_room(engine: Engine, loop_state: FencedState, limit: LimitReachedError) -> str:
    """Delete the oldest version that nobody needs, if it is for want of room that no training can begin: what
    is waited for then; empty if there is room enough.

    The champion stays, the version before it, those that a batch asks or a challenger is held against, and
    all that this deployment has not trained. https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/tm-delete-model.html
    """
    if len(limit.holders) >= engine.max_trainings:
        return ""
    versions = {version.name: version for version in engine.list_versions()}
    if len(versions) < engine.max_versions:
        return ""
    if deleting := [name for name, version in versions.items() if version.status == "DELETING"]:
        return f"room for another model version: {deleting[0]} is being deleted"
    if loop_state.lease("promote"):
        return "room for another model version: one is deleted once the promotion under way has ended"
    for record in _unneeded(loop_state, set(versions)):
        version = versions[record.id]
        # Conditional: nobody may be about to promote it again.
        deleted = ModelVersion(record.id, deleted_at=clock.now())
        if version.status in DELETABLE and loop_state.settle_version(deleted, record):
            loop_state.check()
            engine.delete_version(version)
            return f"room for another model version: {record.id}, the oldest that is not needed, is deleted"
    return (
        f"room for another model version: LabelLoop may delete none of the project's {len(versions)}."
        " Delete those that you do not need, in Rekognition's console"
    )


def _unneeded(loop_state: FencedState, described: set[str]) -> list[ModelVersion]:
    """The versions that may go, the oldest first."""
    records, champion = loop_state.versions(), loop_state.champion()
    serving = {champion.version_name, champion.previous_version_name} if champion else set()
    held = {hold.version for hold in loop_state.holds()}
    needed = {*serving, *held, *lineage.served_before(records, among=described, besides=serving)}
    unneeded = [
        record
        for record in records
        if record.state in _OVER and record.id in described and record.id not in needed
    ]
    return sorted(unneeded, key=lambda record: record.created_at or "")
