"""The loop's state as it was a moment ago, for requests that have no time to read it each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.shared import clock
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeVar

    from mypy_boto3_dynamodb.service_resource import Table

    from lambdas.domain.shared.records import Champion, ClassIds, ModelVersion, Serving

    T = TypeVar("T")

SECONDS = 1.0
"""How old it may be. A champion that was replaced, or has been put to sleep, answers for a minute longer."""
LASTING_SECONDS = 60.0
"""How old what does not change may be: the thresholds of a version, and the numbers that labels have."""


class RecentState(LoopState):
    """The loop's state, of which what a detection needs is read once a second at most."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._kept: dict[str, tuple[float, Any]] = {}

    def forget(self) -> None:
        """Read everything anew from here on."""
        self._kept.clear()

    def champion(self) -> Champion | None:
        return self._recent("champion", super().champion)

    def serving(self) -> Serving:
        return self._recent("serving", super().serving)

    def version(self, id: str) -> ModelVersion | None:
        read = super().version
        kept = self._recent(f"version {id}", lambda: read(id), LASTING_SECONDS)
        # One that is not known, or not evaluated, may be by now.
        return kept if kept and kept.labels else self._recent(f"version {id}", lambda: read(id))

    def class_ids(self) -> ClassIds:
        return self._recent("class_ids", super().class_ids)

    def numbers(self, labels: Iterable[str]) -> Mapping[str, int]:
        """The numbers of labels, as far as they have any: read anew only if one has none."""
        known = self._recent("class_ids", super().class_ids, LASTING_SECONDS).numbers
        return known if set(labels) <= set(known) else self.class_ids().numbers

    def _recent(self, name: str, read: Callable[[], T], seconds: float = SECONDS) -> T:
        kept = self._kept.get(name)
        if kept is None or not 0 <= clock.seconds() - kept[0] < seconds:
            kept = self._kept[name] = (clock.seconds(), read())
        return kept[1]
