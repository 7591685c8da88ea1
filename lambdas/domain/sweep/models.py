"""Model versions: nothing runs but the champion, and each is recorded as what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lambdas.domain.engines.port import Version
from lambdas.domain.promote import promotion
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import LoopState
from lambdas.domain.sweep import differences

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Engine


def stop_for_nobody(engine: Engine, loop_state: LoopState) -> list[Version]:
    """Stop what runs, is not the champion and is asked by no batch: those that are still not stopped.

    While a promotion is under way its state machine takes care of that itself.
    """

    def may_stop(version: Version) -> bool:
        # In this order: a promotion that ended in between has its champion in the second answer.
        return loop_state.lease("promote") is None and not promotion.is_needed(loop_state, version)

    return promotion.stop_versions(engine, may_stop)


def settle(loop_state: LoopState, versions: Mapping[str, Version]) -> list[ModelVersion]:
    """Record what has become of versions that nobody works on any more: those that were settled."""
    return [
        after
        for before, after in differences.unsettled(loop_state, versions)
        if loop_state.settle_version(after, before)
    ]
