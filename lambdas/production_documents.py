"""How versions do in production, as the HTTP API says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas import http
from lambdas.contract import responses
from lambdas.domain.console.versions import precision_document
from lambdas.domain.drift import statistics, watch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdas.domain.console.production import JudgedAnswers, Picture, Production
    from lambdas.domain.drift.watch import DriftState
    from lambdas.domain.review.results.precision import Precision
    from lambdas.domain.shared.records import ModelVersion


def production(known: Production, state: DriftState, rate: float) -> responses.Production:
    """A version in production.

    Args:
        rate: of false alarms, by the settings.
    """
    return responses.Production(**_members(known), drift=drift(state, rate))


def answers(known: Production) -> responses.AnswersInProduction:
    """How right a version is in production."""
    return responses.AnswersInProduction(**_members(known))


def _members(known: Production) -> dict[str, Any]:
    return {
        "version": known.version,
        "images": known.images,
        "detections": known.detections,
        "unsure_detections": known.unsure_detections,
        "answers": _answers(known.answers),
        "others": [
            responses.ProductionSource(source=source, answers=_answers(judged))
            for source, judged in known.others.items()
        ],
        "periods": [
            responses.ProductionPeriod(
                first_day=period.first_day,
                last_day=period.last_day,
                images=period.images,
                detections=period.detections,
                answers=_answers(period.answers),
            )
            for period in known.periods
        ],
        "labels": [
            responses.ProductionLabel(label=label, answers=_answers(judged))
            for label, judged in known.labels.items()
        ],
    }


def pictures(shown: Iterable[Picture]) -> list[responses.ProductionPicture]:
    """Images with addresses at which they can be seen."""
    return [
        responses.ProductionPicture(
            url=http.presigned_url(picture.key),
            labels=picture.labels,
            detections=picture.detections,
            confidence=picture.confidence,
        )
        for picture in shown
    ]


def evaluated(version: ModelVersion, champion: str) -> responses.VersionF1:
    """A version that was evaluated."""
    low, high = version.f1_interval or (None, None)
    return responses.VersionF1(
        name=version.id, f1=version.f1 or 0.0, low=low, high=high, champion=version.id == champion
    )


def _answers(judged: JudgedAnswers) -> responses.AnswerPrecision:
    whole = judged.whole
    return responses.AnswerPrecision(
        whole=responses.Share(**{name: round(share, 4) for name, share in vars(whole).items()})
        if whole
        else None,
        sure=_precision(judged.sure),
        unsure=_precision(judged.unsure),
    )


def _precision(precision: Precision) -> responses.ProductionPrecision | None:
    document = precision_document(precision)
    return responses.ProductionPrecision(**document) if document else None


def drift(state: DriftState, rate: float) -> responses.Drift:
    """Whether what arrives is as the test images.

    Args:
        rate: of false alarms, by the settings.
    """
    return responses.Drift(
        looked_at=state.looked_at or None,
        problem=state.problem,
        since=state.since or None,
        test_images=state.test_images,
        arrived=dict(state.arrived),
        findings=[
            responses.DriftFinding(
                kind=finding.kind, label=finding.label, text=finding.text, p_value=finding.p_value
            )
            for finding in state.findings
        ],
        false_alarm_rate=rate,
        least_difference=round(statistics.least_difference(state.test_images, rate, len(watch.WINDOWS)), 4),
    )
