"""What versions were evaluated to as documents of the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET

from lambdas import http
from lambdas.contract import responses
from lambdas.domain.console import evaluations
from lambdas.domain.evaluation import matching, measures
from lambdas.domain.evaluation.matching import Judged
from lambdas.domain.evaluation.mistakes import Wanted
from lambdas.domain.evaluation.records import sha256_of
from lambdas.domain.shared.comparison import Counts
from lambdas.services import services

if TYPE_CHECKING:
    from lambdas.contract.requests import MistakeOptions
    from lambdas.domain.console.evaluations import Evaluated
    from lambdas.domain.console.label_issues import OpenIssues
    from lambdas.domain.evaluation.label_issues import LabelIssue
    from lambdas.domain.evaluation.measures import CurvePoint, JudgedImages, LabelCurve
    from lambdas.domain.evaluation.mistakes import Mistake
    from lambdas.domain.evaluation.records import Detection, TestImage, Thresholds, TrueObject
    from lambdas.domain.evaluation.side_by_side import ImageChange, SideBySide
    from lambdas.domain.review.desk.issue_answers import IssueAnswer


_KEPT_HERE = "images/"
"""Where registered images lie: links are made to nothing else."""


def evaluation(
    evaluated: Evaluated,
    thresholds: Thresholds,
    judged: JudgedImages,
    *,
    curves: Sequence[LabelCurve],
    deployment: Mapping[str, float],
    renamed: Mapping[str, str],
) -> responses.VersionEvaluation:
    """An evaluation judged by these thresholds.

    Args:
        deployment: the deployment's thresholds, in percent.
        renamed: what labels are called now that had other names.
    """

    counted = measures.label_counts(judged)

    def label(curve: LabelCurve) -> responses.EvaluatedLabel:
        own, counts = evaluated.own_thresholds.get(curve.label), counted.get(curve.label, Counts())
        return responses.EvaluatedLabel(
            label=curve.label,
            renamed_to=renamed.get(curve.label, ""),
            threshold=_percent(thresholds[curve.label]),
            floor=_percent(curve.floor),
            own_threshold=None if own is None else _percent(own),
            deployment_threshold=deployment.get(curve.label),
            objects=curve.objects,
            right=counts.right,
            wrong=counts.wrong,
            missed=counts.missed,
            f1=_rounded(measures.f1_of(counts)),
            curve=[_point(point) for point in curve.points],
        )

    sizes = [
        responses.SizeScore(
            size=one.size,
            right=one.right,
            wrong=one.wrong,
            missed=one.missed,
            f1=_rounded(measures.f1_of(Counts(one.right, one.wrong, one.missed))),
        )
        for one in measures.by_size(judged)
    ]
    known = evaluated.evaluation
    return responses.VersionEvaluation(
        version=evaluated.name,
        source=known.source,
        kind=known.kind,
        images=len(known.images),
        has_more=known.has_more,
        unread_lines=known.unread_lines,
        f1=_rounded(measures.overall_f1(counted.values())),
        own_f1=_rounded(evaluated.own_f1),
        labels=[label(curve) for curve in curves],
        matrix=[responses.MatrixCell(**vars(cell)) for cell in measures.confusion_matrix(judged)],
        sizes=sizes,
    )


def wanted(options: MistakeOptions) -> Wanted:
    """The mistakes that a query string asks for."""
    return Wanted(
        kinds=frozenset(options.kind),
        label=options.label,
        truth=None if options.truth is UNSET else options.truth,
        detected=None if options.detected is UNSET else options.detected,
        size=options.size or None,
        min_confidence=options.min_confidence / 100,
        max_confidence=options.max_confidence / 100,
    )


def images(tested: Sequence[TestImage], renamed: Mapping[str, str]) -> dict[str, responses.EvaluatedImage]:
    """Test images by their keys, with links to them and what became of them."""
    states = evaluations.states(services().catalogue, tested, renamed)
    return {
        image.key: responses.EvaluatedImage(
            image=image.sha256,
            url=http.presigned_url(image.key) if image.key.startswith(_KEPT_HERE) else "",
            width=image.width,
            height=image.height,
            state=states[image.key],
        )
        for image in tested
    }


def mistake(one: Mistake, image: responses.EvaluatedImage) -> responses.Mistake:
    """A mistake on this image."""
    return responses.Mistake(kind=one.kind, size=one.size, image=image, judged=judged(one.image, one.judged))


def judged(image: TestImage, one: Judged) -> responses.JudgedObject:
    """What is on an image, or was seen there, as it is judged."""
    truth, detection = one.truth, one.detection
    seen = None
    if detection:
        box = _box(image, detection)
        seen = responses.MistakenDetection(detection.label, _percent(detection.confidence), box)
    return responses.JudgedObject(
        judgement=one.judgement,
        truth=responses.MistakenObject(truth.label, _box(image, truth)) if truth else None,
        detection=seen,
        overlap=round(one.overlap, 3),
    )


def comparison(
    names: tuple[str, str],
    compared: SideBySide,
    page: Sequence[ImageChange],
    thresholds: tuple[Thresholds, Thresholds],
    *,
    renamed: Mapping[str, str],
    next_offset: int | None,
) -> responses.VersionComparison:
    """Two versions side by side, with a page of the images that changed."""
    shown = images([change.image for change in page], renamed)
    return responses.VersionComparison(
        version=names[0],
        other=names[1],
        images=compared.images,
        relabelled=compared.relabelled,
        f1=_rounded(compared.f1),
        other_f1=_rounded(compared.other_f1),
        better=len(compared.better),
        worse=len(compared.worse),
        changes=[
            responses.ChangedImage(
                image=shown[change.image.key],
                mistakes=change.mistakes,
                other_mistakes=change.other_mistakes,
                judged=_all_judged(change.image, thresholds[0]),
                other_judged=_all_judged(change.other, thresholds[1]),
            )
            for change in page
        ],
        next=next_offset,
    )


def label_issues(
    issues: OpenIssues, listed: Sequence[tuple[LabelIssue, IssueAnswer | None]], count: int
) -> responses.LabelIssues:
    """The first so many label issues of a version, each with what somebody has decided about it before."""
    page = listed[:count]
    return responses.LabelIssues(
        version=issues.version,
        issues=[_label_issue(one, decision) for one, decision in page],
        total=len(listed),
        answered=issues.answered,
        kept=len(issues.kept),
        training_images=issues.images.get("TRAIN", 0),
        test_images=issues.images.get("TEST", 0),
        next=page[-1][0].id if len(listed) > count else None,
    )


def _label_issue(one: LabelIssue, decision: IssueAnswer | None) -> responses.LabelIssue:
    image, truth = one.image, one.truth
    shown = _shown(image.key, image.sha256, image.width, image.height)
    together = judged(image, Judged("confusion", truth, one.detection))
    return responses.LabelIssue(
        id=one.id,
        issue_type=one.issue_type,
        mistakenness=round(one.mistakenness, 4),
        dataset=one.dataset,
        seen_by=one.seen_by,
        image=shown,
        twin=_shown(one.twin, sha256_of(one.twin), 0, 0) if one.twin else None,
        kept=responses.KeptLabel(decision.by, decision.at) if decision else None,
        before=together.truth,
        after=together.detection,
        others=[
            responses.MistakenObject(other.label, _box(image, other))
            for other in image.truths
            if other is not truth
        ],
    )


def _shown(key: str, sha256: str, width: int, height: int) -> responses.EvaluatedImage:
    url = http.presigned_url(key) if key.startswith(_KEPT_HERE) else ""
    return responses.EvaluatedImage(sha256, url, width, height, "")


def _all_judged(image: TestImage, thresholds: Thresholds) -> list[responses.JudgedObject]:

    return [judged(image, one) for one in matching.judge(image, thresholds)]


def _box(image: TestImage, thing: TrueObject | Detection) -> responses.DetectedBox | None:

    sides = evaluations.pixels(image, thing.box)
    return responses.DetectedBox(**sides) if sides else None


def _point(point: CurvePoint) -> responses.CurvePoint:
    return responses.CurvePoint(_percent(point.threshold), point.right, point.wrong, point.missed)


def _percent(share: float) -> float:
    return round(share * 100, 3)


def _rounded(f1: float | None) -> float | None:
    return None if f1 is None else round(f1, 4)
