"""A challenger that is paid in another way than the champion: what is said, and whether it may serve."""

from __future__ import annotations

from typing import Any

from lambdas.domain.engines.both import Engines
from lambdas.domain.engines.port import Version
from lambdas.domain.engines.rekognition.engine import RekognitionEngine
from lambdas.domain.engines.serverless.engine import ServerlessEngine
from lambdas.domain.promote import crossing
from lambdas.domain.shared.scores import Verdict
from lambdas.domain.shared.tuning import Tuning

PAID = Version("arn:aws:rekognition:us-east-1:1:project/p/version/v6/1", "v6", "RUNNING", "", 0.9, None, 0)
FREE = Version(
    "arn:aws:sagemaker:us-east-1:1:training-job/p-v7", "v7", "RUNNING", "", None, None, 0, is_always_on=True
)
NOBODY: Any = None
"""Clients that nobody asks for prices."""
ENGINES = Engines(
    RekognitionEngine(NOBODY, "arn:aws:rekognition:us-east-1:1:project/p/1"),
    ServerlessEngine(NOBODY, NOBODY, NOBODY, "us-east-1"),
    "rekognition",
)
PASSED = Verdict("shadow", True, ("as good",))


def judged(champion: Version | None, *, allowed: bool = True, verdict: Verdict = PASSED) -> Verdict:
    tuning = Tuning(promotion_across_engines=allowed)
    return crossing.judged(verdict, ENGINES, FREE, champion, tuning, f1=(0.912, 0.923))


def test_scores_and_money_of_both_are_told() -> None:
    verdict = judged(PAID)
    assert verdict.passed
    assert verdict.reasons == (
        "as good",
        "v7: F1 0.912, about 0.01 USD for 1,000 images, nothing at rest;"
        " v6: F1 0.923, 4.00 USD for each hour in which it runs",
    )


def test_a_promotion_may_be_forbidden_to_cross_engines() -> None:
    verdict = judged(PAID, allowed=False)
    assert not verdict.passed
    assert "promotion_across_engines is false" in verdict.reason
    assert judged(FREE, allowed=False) == judged(None, allowed=False) == PASSED


def test_a_challenger_that_is_rejected_stays_so() -> None:
    assert not judged(PAID, verdict=Verdict("shadow", False, ("worse",))).passed
