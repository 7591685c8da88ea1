"""Models that run in the account though no deployment owns them: they are named, and left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from lambdas.domain.engines.port import Version
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.state import LoopState
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    pass

INCIDENT = "unowned"
"""That models run which no deployment owns."""
_AGAIN = timedelta(days=1)


def tell(
    loop_state: LoopState,
    versions: Iterable[Version],
    tuning: Tuning,
    at: str,
    warn: Callable[[str, str], None],
) -> bool:
    """Tell people of such models, once a day at most: whether they were told now.

    Args:
        warn: sends a letter, by its subject and its text.
    """
    lines = [_words(version, tuning) for version in versions]
    if not lines:
        loop_state.close_incident(INCIDENT)
        return False
    before = loop_state.incident(INCIDENT)
    if before and abs(clock.parse(at) - clock.parse(before.since)) < _AGAIN:
        return False
    text = "; ".join(lines)
    warn("models run that no deployment owns", _LETTER.format(models="\n".join(lines)))
    loop_state.close_incident(INCIDENT)
    loop_state.open_incident(INCIDENT, text)
    return True


_LETTER = """These models run in the account, in Rekognition projects that no LabelLoop deployment owns:

{models}

LabelLoop does not stop them. If nobody needs one:
aws rekognition stop-project-version --project-version-arn ARN
"""


def _words(version: Version, tuning: Tuning) -> str:
    units = max(version.inference_units, version.max_inference_units)
    usd = pricing.prices(version.arn.split(":")[3], tuning).inference_usd(3600, units)
    return f"{version.arn} is {version.status} and costs {usd:g} USD an hour"
