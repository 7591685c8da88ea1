"""A challenger of another kind than the champion: one of them is paid by the hour, the other by use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.shared import pricing
from lambdas.domain.shared.pricing import USAGE_PRICES, Usage
from lambdas.domain.shared.scores import Verdict
from lambdas.domain.shared.tuning import Tuning

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Version

ANSWER_SECONDS, MEMORY_GB, S3_GETS = 0.3, 1769 / 1024, 3
"""That a function takes for an image: `python -m benchmarks serving_function` measures less."""


def judged(
    verdict: Verdict,
    challenger: Version,
    champion: Version | None,
    tuning: Tuning,
    *,
    f1: tuple[float | None, float | None],
) -> Verdict:
    """The verdict, with what a change from one kind to the other means in scores and money.

    Where promotions may not cross engines the verdict is against it.

    Args:
        f1: of challenger and champion, by their trainings' evaluations.
    """
    if champion is None or champion.is_always_on == challenger.is_always_on:
        return verdict
    words = "; ".join(
        f"{version.name}: F1 {score:.3f}, {_cost(version, tuning)}"
        if score is not None
        else f"{version.name}: {_cost(version, tuning)}"
        for version, score in zip((challenger, champion), f1, strict=True)
    )
    if tuning.promotion_across_engines:
        return replace(verdict, reasons=(*verdict.reasons, words))
    forbidden = f"{words}; promotion_across_engines is false, so the champion's engine stays"
    return replace(verdict, passed=False, reasons=(*verdict.reasons, forbidden))


def _cost(version: Version, tuning: Tuning) -> str:
    if version.is_always_on:
        usage = Usage(
            function_requests=1000,
            function_gb_seconds=1000 * ANSWER_SECONDS * MEMORY_GB,
            s3_gets=1000 * S3_GETS,
        )
        return f"about {sum(USAGE_PRICES.usd(usage).values()):.2f} USD for 1,000 images, nothing at rest"
    hour = pricing.prices(version.arn.split(":")[3], tuning).inference_usd(3600, tuning.min_inference_units)
    return f"{hour:.2f} USD for each hour in which it runs"
