"""A challenger of another engine than the champion's: what both are worth, and whether it may serve."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.engines.port import engine_of
from lambdas.domain.shared.scores import Verdict
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Engine, Version


def judged(
    verdict: Verdict,
    engine: Engine,
    challenger: Version,
    champion: Version | None,
    tuning: Tuning,
    *,
    f1: tuple[float | None, float | None],
) -> Verdict:
    """The verdict, with what a change from one engine to the other means in scores and money.

    Where promotions may not cross engines the verdict is against it.

    Args:
        f1: of challenger and champion, by their trainings' evaluations.
    """
    if champion is None or engine_of(champion.arn) == engine_of(challenger.arn):
        return verdict
    words = "; ".join(
        f"{version.name}: F1 {score:.3f}, {engine.price_in_words(version, tuning)}"
        if score is not None
        else f"{version.name}: {engine.price_in_words(version, tuning)}"
        for version, score in zip((challenger, champion), f1, strict=True)
    )
    if tuning.promotion_across_engines:
        return replace(verdict, reasons=(*verdict.reasons, words))
    forbidden = f"{words}; promotion_across_engines is false, so the champion's engine stays"
    return replace(verdict, passed=False, reasons=(*verdict.reasons, forbidden))
