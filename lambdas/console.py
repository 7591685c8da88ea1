"""What goes on, for everybody who is signed in: runs, model versions, and trying the champion."""

# What some routes need they import themselves: the others would wait for it at a cold start.
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger
from msgspec import UNSET

from lambdas import http
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.http import ADMINISTRATORS, REVIEWERS, Caller
from lambdas.metrics import count, with_metrics
from lambdas.review_documents import offered_labels, present_names
from lambdas.services import services, tiling, variable
from lambdas.ttl_cache import TtlCache

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.contract import responses
    from lambdas.contract.requests import (
        ComparisonOptions,
        EvaluationOptions,
        IssueAnswerRequest,
        LabelIssueOptions,
        MistakeOptions,
        TryRequest,
    )
    from lambdas.domain.console.evaluations import Evaluated, Evaluations
    from lambdas.domain.console.label_issues import IssueFinder, VersionIssues
    from lambdas.domain.console.tryit import TryResult
    from lambdas.domain.costs.budget import MonthSpending
    from lambdas.domain.register.arrivals import Arrival
    from lambdas.domain.retrain.steps import Follower, Step
    from lambdas.domain.retrain.training_progress import TrainingProgress
    from lambdas.domain.review.task_opening import Opener, Seen
    from lambdas.domain.serve.requests import Request as ServingRequest
    from lambdas.domain.shared.records import Batch, ModelVersion, Run

logger = Logger()
app = http.Api(REVIEWERS, ADMINISTRATORS)
MAX_LISTED = 100
"""Runs and versions that are listed."""
HOME_RUNS, HOME_VERSIONS = 5, 12
"""That the home page shows."""
PAGE = 24
"""Mistakes and changed images of a page, each with its picture."""


@logger.inject_lambda_context
@with_metrics
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request that API Gateway has let through."""
    return app.resolve(event)


@app.get("/api/runs")
def list_runs(caller: Caller) -> responses.Runs:
    """The latest runs and rollbacks, newest first."""
    from lambdas.contract import responses
    from lambdas.domain.retrain import steps

    return responses.Runs(runs=[responses.RunSummary(**steps.summary(run)) for run in _listed_runs()])


@app.get("/api/runs/{run}")
def read_run(caller: Caller, run: str) -> responses.Run:
    """A run: its steps, the verdicts of its gates, its snapshot."""
    from lambdas.contract import responses
    from lambdas.domain.console import versions
    from lambdas.domain.retrain import steps
    from lambdas.parts import Parts

    s = services()
    record = s.loop_state.run(run)
    if record is None:
        raise ApiError(404, "not_found", f"there is no run {run[:80]}")
    parts = Parts[Literal["steps", "training"]](_count_unread)
    passed = parts.read("steps", lambda: follower().steps(s.stepfunctions, record), ())
    pending = s.loop_state.approval(record.version) if record.version else None
    version = s.loop_state.version(record.version) if record.version else None
    return responses.Run(
        **steps.document(record, passed),
        **versions.decisions(record, version, pending),
        training=parts.read("training", lambda: _training(record, passed), None),
        report_url=_report_url(record),
        unread=parts.unread,
    )


@app.get("/api/versions")
def list_versions(caller: Caller) -> responses.ModelVersions:
    """The latest model versions, newest first."""
    from lambdas.contract import responses
    from lambdas.domain.console import versions
    from lambdas.domain.review.results import reviewer_statistics
    from lambdas.parts import Parts

    state, reviews = services().loop_state, services().reviews
    champion, pending = state.champion(), {approval.id: approval for approval in state.approvals()}
    listed = state.versions()[:MAX_LISTED]
    names = [version.id for version in listed]
    parts = Parts[Literal["precision"]](_count_unread)
    precisions = parts.read("precision", lambda: reviewer_statistics.precisions_of(reviews, names), {})
    documents = (
        versions.document(version, champion, precisions.get(version.id), pending.get(version.id))
        for version in listed
    )
    return responses.ModelVersions(
        versions=[responses.ModelVersion(**document) for document in documents],
        label_thresholds=_label_thresholds(),
        unread=parts.unread,
    )


@app.get("/api/versions/{version}/evaluation")
def read_evaluation(caller: Caller, version: str, options: EvaluationOptions) -> responses.VersionEvaluation:
    """What a version was evaluated to: curves, confusions, F1 by object size."""
    from lambdas import evaluation_documents
    from lambdas.domain.evaluation import matching

    evaluated, thresholds = _judged_by(version, options)
    judged = matching.judge_all(evaluated.evaluation, thresholds)
    return evaluation_documents.evaluation(
        evaluated,
        thresholds,
        judged,
        curves=evaluated.curves,
        deployment=_label_thresholds(),
        renamed=present_names(),
    )


@app.get("/api/versions/{version}/mistakes")
def list_mistakes(caller: Caller, version: str, options: MistakeOptions) -> responses.Mistakes:
    """A page of what a version got wrong on its test images, or of what it found."""
    from lambdas import evaluation_documents
    from lambdas.contract import responses
    from lambdas.domain.evaluation import matching, mistakes

    evaluated, thresholds = _judged_by(version, options)
    judged = matching.judge_all(evaluated.evaluation, thresholds)
    chosen = mistakes.mistakes(judged, evaluation_documents.wanted(options))
    page = chosen[options.offset : options.offset + PAGE]
    images = evaluation_documents.images([mistake.image for mistake in page], present_names())
    return responses.Mistakes(
        mistakes=[evaluation_documents.mistake(one, images[one.image.key]) for one in page],
        total=len(chosen),
        next=_next(options.offset, len(chosen)),
    )


@app.get("/api/versions/{version}/images/{image}")
def read_evaluated_image(
    caller: Caller, version: str, image: str, options: EvaluationOptions
) -> responses.JudgedImage:
    """A test image with all that is on it, and all that the version saw."""
    from lambdas import evaluation_documents
    from lambdas.contract import responses
    from lambdas.domain.evaluation import matching

    evaluated, thresholds = _judged_by(version, options)
    tested = next((one for one in evaluated.evaluation.images if one.sha256 == image), None)
    if tested is None:
        raise ApiError(404, "not_found", f"the evaluation has no image {image[:80]}")
    judged = matching.judge(tested, thresholds)
    return responses.JudgedImage(
        image=evaluation_documents.images([tested], present_names())[tested.key],
        judged=[evaluation_documents.judged(tested, one) for one in judged],
    )


@app.get("/api/versions/{version}/comparison")
def compare_versions(caller: Caller, version: str, options: ComparisonOptions) -> responses.VersionComparison:
    """Two versions side by side: on which test images one is better or worse than the other."""
    from lambdas import evaluation_documents
    from lambdas.contract.requests import EvaluationOptions
    from lambdas.domain.evaluation import side_by_side

    mine, thresholds = _judged_by(version, EvaluationOptions())
    theirs, other_thresholds = _judged_by(options.other, EvaluationOptions())
    compared = side_by_side.compare(mine.evaluation, theirs.evaluation, thresholds, other_thresholds)
    changes = compared.better if options.change == "better" else compared.worse
    page = changes[options.offset : options.offset + PAGE]
    return evaluation_documents.comparison(
        (version, options.other),
        compared,
        page,
        (thresholds, other_thresholds),
        renamed=present_names(),
        next_offset=_next(options.offset, len(changes)),
    )


@app.get("/api/home")
def read_home(caller: Caller) -> responses.Home:
    """The state of everything: the champion, what waits for people, runs, labels."""
    from lambdas.contract import responses
    from lambdas.domain.console import home, serving
    from lambdas.domain.drift import watch
    from lambdas.domain.retrain import steps
    from lambdas.domain.shared.records import SnapshotSummary
    from lambdas.parts import Parts

    s = services()
    parts = Parts[responses.HomePart](_count_unread)
    champion, served, drift = parts.read("champion", s.loop_state.champion, None), None, None
    if not parts.unread:
        served = parts.read(
            "champion", lambda: serving.document(s.engine, s.loop_state, s.tuning(), champion), None
        )
    if champion:
        drift = parts.read("drift", lambda: watch.read_state(s.observations, champion.version_name), None)
    month, costs = parts.read("costs", _home_costs, (None, None))
    runs = parts.read("runs", _listed_runs, ())
    waiting = [
        one
        for part, read in home.waiting(s.loop_state, s.reviews, runs, drift, month).items()
        for one in parts.read(part, read, ())
    ]
    snapshot = parts.read("runs", lambda: home.newest_snapshot(s.loop_state, runs), SnapshotSummary())
    labels, images = home.images_by_label(snapshot)
    return responses.Home(
        unread=parts.unread,
        serving=responses.Serving(**served) if served else None,
        costs=costs,
        waiting=[responses.HomeTask(**vars(one)) for one in waiting],
        runs=[responses.RunSummary(**steps.summary(run)) for run in runs[:HOME_RUNS]],
        labels=[responses.LabelImageCounts(**vars(one)) for one in labels],
        snapshot_images=images,
    )


@app.get("/api/home/quality")
def read_home_quality(caller: Caller) -> responses.HomeQuality:
    """How good the versions are: F1, and of the champion precision in production and what arrives."""
    from lambdas import production_documents
    from lambdas.contract import responses
    from lambdas.domain.console import production, versions
    from lambdas.domain.drift import watch
    from lambdas.parts import Parts

    s = services()
    parts = Parts[responses.HomeQualityPart](_count_unread)
    champion = parts.read("champion", s.loop_state.champion, None)
    known_versions = parts.read("versions", s.loop_state.version_outlines, ())
    name, known, drift = champion.version_name if champion else "", None, None
    if name:
        known = parts.read("precision", lambda: production.read(s.reviews, s.observations, name), None)
        drift = parts.read(
            "drift",
            lambda: production_documents.drift(
                watch.read_state(s.observations, name), s.tuning().drift_false_alarm_rate
            ),
            None,
        )
    evaluated = versions.evaluated(known_versions, name, HOME_VERSIONS)
    return responses.HomeQuality(
        unread=parts.unread,
        versions=[production_documents.evaluated(version, name) for version in evaluated],
        production=production_documents.answers(known) if known else None,
        drift=drift,
    )


def _home_costs() -> tuple[MonthSpending, responses.HomeCosts]:
    """What this month has cost, and what runs now."""
    from lambdas.contract import responses
    from lambdas.domain.costs import accounts, budget

    state, tuning = services().loop_state, services().tuning()
    month, running = budget.spending(state, tuning, clock.now()), accounts.running(state, tuning)
    return month, responses.HomeCosts(
        units=sum(version.units for version in running),
        usd_per_hour=sum(version.usd_per_hour for version in running),
        month_usd=month.usd,
        budget_usd=month.budget_usd,
    )


@app.get("/api/versions/{version}/lineage")
def read_lineage(caller: Caller, version: str) -> responses.Lineage:
    """Where a version comes from: snapshot, whose labels, run, settings, cost."""
    from lambdas.contract import responses
    from lambdas.domain.console import lineage
    from lambdas.parts import Parts

    s, record = services(), _recorded(version)
    parts = Parts[Literal["snapshot", "run", "costs"]](_count_unread)
    snapshot = parts.read("snapshot", lambda: lineage.snapshot(s.s3, s.bucket, record), None)
    started_by = parts.read("run", lambda: lineage.started_by(s.loop_state, record), "")
    usd = parts.read("costs", lambda: lineage.usd(s.loop_state, record, s.tuning()), None)
    is_administrator = ADMINISTRATORS in caller.groups
    people = snapshot.labelled_by if snapshot else {}
    return responses.Lineage(
        version=record.id,
        snapshot=record.trained_on,
        train_images=snapshot.train_images if snapshot else None,
        test_images=snapshot.test_images if snapshot else None,
        backgrounds=snapshot.train_backgrounds + snapshot.test_backgrounds if snapshot else None,
        labels=len(snapshot.test_labels) if snapshot else None,
        origins=_labelled_by(snapshot.origins if snapshot else {}),
        people=len(people),
        labelled_by=_labelled_by(people) if is_administrator else None,
        run=record.run,
        started_by=(started_by or None) if is_administrator else None,
        settings=lineage.changed_settings(record.settings or {}),
        usd=usd,
        unread=parts.unread,
    )


@app.get("/api/versions/{version}/production")
def read_production(caller: Caller, version: str) -> responses.Production:
    """How precise a version is in production, and whether what arrives is as its test images."""
    from lambdas import production_documents
    from lambdas.domain.console import production
    from lambdas.domain.drift import watch

    s = services()
    record = _recorded(version)
    known = production.read(s.reviews, s.observations, record.id)
    state = watch.read_state(s.observations, record.id)
    return production_documents.production(known, state, s.tuning().drift_false_alarm_rate)


@app.get("/api/versions/{version}/production/pictures")
def list_production_pictures(caller: Caller, version: str) -> responses.ProductionPictures:
    """Images that arrived, and test images, which show what has changed between them."""
    from lambdas import production_documents
    from lambdas.contract import responses
    from lambdas.domain.console import production
    from lambdas.domain.drift import watch

    s = services()
    state = watch.read_state(s.observations, _recorded(version).id)
    arrived = production.arrived_pictures(s.observations, state)
    tested: list[production.Picture] = []
    # Of a version without an evaluation there is nothing beside them.
    with suppress(ApiError):
        evaluation = evaluations().read(s.loop_state, version).evaluation
        tested = production.tested_pictures(evaluation, _label_thresholds(), state)
    return responses.ProductionPictures(
        arrived=production_documents.pictures(arrived), tested=production_documents.pictures(tested)
    )


@app.get("/api/label-issues")
def list_label_issues(caller: Caller, options: LabelIssueOptions) -> responses.LabelIssues:
    """Labels that a version contradicts, in the order in which mending them is worth most."""
    from lambdas import evaluation_documents
    from lambdas.domain.console import label_issues

    s = services()
    known = _issues_of(options.version)
    issues = label_issues.open_issues(known, s.reviews, s.catalogue, after=options.after)
    listed = issues.kept if options.kept else issues.issues
    return evaluation_documents.label_issues(issues, listed, PAGE)


@app.put("/api/label-issues/{issue}")
def answer_label_issue(caller: Caller, issue: str, body: IssueAnswerRequest) -> responses.IssueAnswer:
    """Answer whether a label that a version contradicts is wrong; it is mended then."""
    from lambdas.contract import responses
    from lambdas.domain.console import label_issues
    from lambdas.domain.review.desk import labels

    s = services()
    try:
        known = _issues_of(body.version)
    except ApiError as error:
        raise ApiError(422, "bad_answer", str(error), "version") from error
    answer = label_issues.answer(
        known,
        s.reviews,
        s.catalogue,
        issue,
        verdict=body.verdict,
        by=caller.name,
        labels=labels.usable(offered_labels()),
    )
    return responses.IssueAnswer(
        issue=answer.issue, image=answer.image, verdict=body.verdict, by=answer.by, at=answer.at
    )


@app.delete("/api/label-issues/{issue}")
def take_back_issue_answer(caller: Caller, issue: str) -> None:
    """Take an answer back, as an administrator anyone's; a label that was mended is given back."""
    from lambdas.domain.review.desk import issue_answers

    s, anyones = services(), ADMINISTRATORS in caller.groups
    issue_answers.take_back(s.reviews, s.catalogue, issue, caller.name, present_names(), anyones=anyones)


@app.get("/api/costs")
def read_costs(caller: Caller, by: str = "day") -> responses.Costs:
    """What trainings and running models have cost; `by` is `day`, `month` or `version`."""
    from lambdas.contract import responses
    from lambdas.domain.costs import statement

    if by not in ("day", "month", "version"):
        raise ApiError(422, "bad_request", "by is day, month or version", "by")
    s = services()
    region = s.engine.region
    made = statement.make(s.loop_state, s.tuning(), region, by, clock.now())
    return responses.Costs(
        by=made.by,
        accounts=[responses.CostAccount(**vars(one), usd=one.usd) for one in made.accounts],
        usd=made.usd,
        month=responses.CostMonth(**vars(made.month), percent=round(made.month.percent, 1)),
        running=[responses.RunningCost(**vars(one)) for one in made.running],
        usd_per_hour=made.usd_per_hour,
        prices=responses.Prices(region=region, **vars(made.prices)),
        serverless=responses.ServerlessPrices(**vars(made.serverless)) if s.serving_function else None,
        as_of=made.as_of,
    )


@app.get("/api/batches")
def list_batches(caller: Caller) -> responses.Batches:
    """The latest batches of images, newest first."""
    from lambdas.contract import responses

    batches = services().loop_state.batches()[:MAX_LISTED]
    return responses.Batches(batches=[responses.BatchLine(**_batch_line(batch)) for batch in batches])


@app.get("/api/batches/{batch}")
def read_batch(caller: Caller, batch: str) -> responses.Batch:
    """A batch: how far it is, and what it has come to."""
    from lambdas.contract import responses
    from lambdas.domain.console import batches

    s = services()
    record = batches.one(s.loop_state, batch)
    summary = batches.summary(s.s3, s.bucket, record)
    return responses.Batch(
        **_batch_line(record),
        units=record.started_units,
        review_limit=record.review_limit,
        proposed=record.proposed,
        summary=_batch_summary(summary) if summary else None,
    )


@app.get("/api/serving")
def read_serving(caller: Caller) -> responses.Serving:
    """Whether the champion runs and is to run, who said so and why, and what waits for it."""
    from lambdas.contract import responses
    from lambdas.domain.console import serving

    s = services()
    champion = s.loop_state.champion()
    return responses.Serving(**serving.document(s.engine, s.loop_state, s.tuning(), champion))


@app.post("/api/try")
def begin_try(caller: Caller, body: TryRequest) -> responses.TryUpload:
    """Where to send an image, to try the champion on it."""
    from lambdas.contract import responses
    from lambdas.domain.console import tryit

    id = tryit.new_id()
    url = services().signer.generate_presigned_url(
        "put_object",
        Params={
            "Bucket": services().bucket,
            "Key": tryit.key(id),
            "ContentType": body.content_type,
            "ContentLength": body.size,
        },
        ExpiresIn=http.URL_SECONDS,
    )
    upload = responses.Upload(url=url, method="PUT", headers={"Content-Type": body.content_type})
    return responses.TryUpload(id=id, upload=upload)


@app.post("/api/try/{id}/detection")
def detect_try(caller: Caller, id: str) -> responses.Detections:
    """What the champion sees on the image that was sent."""
    from lambdas.contract import responses
    from lambdas.domain.console import tryit

    result = _ask(id, caller)
    answer = result.answer
    return responses.Detections(
        model_version=answer.version_name,
        model_version_arn=answer.version_arn,
        thresholds=dict(answer.thresholds),
        labels=[_detection(label, result) for label in answer.from_confidence(0)],
        width=result.width,
        height=result.height,
        url=http.presigned_url(tryit.key(id)),
    )


@app.post("/api/try/{id}/review")
def review_try(caller: Caller, id: str) -> responses.OpenedTask:
    """Put the image before reviewers, with what the champion sees drawn in advance if it runs."""
    from lambdas.contract import responses
    from lambdas.domain.console import tryit
    from lambdas.domain.images.files import UnusableImageError
    from lambdas.domain.images.tiles import TOO_LARGE
    from lambdas.domain.register import registration
    from lambdas.domain.register.arrivals import Arrival, GoneError
    from lambdas.domain.review.task_opening import Opener

    s = services()
    tuning = s.tuning()
    if tuning.review_route == "none":
        raise ApiError(409, "no_reviews", "images are not reviewed here: review_route is none")
    opener = Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), tuning)
    arrival = Arrival(s.bucket, tryit.key(id), None, 0, "")
    try:
        image = registration.register_in_place(s.s3, s.catalogue, arrival)
    except GoneError as error:
        raise ApiError(404, "not_found", "the image has not arrived; send it again") from error
    except UnusableImageError as error:
        if error.reason in TOO_LARGE:
            return _review_tiles(opener, arrival, id, caller)
        raise ApiError(422, "bad_image", f"this image cannot be used: {error.detail}") from error
    task = opener.open(image, "requested", opener.kind(), _seen(id, caller)) or s.reviews.current_of(
        image.sha256
    )
    return responses.OpenedTask(task=task.id if task else "")


@cache
def evaluations() -> Evaluations:
    """Remembers the evaluations that were read last."""
    from lambdas.domain.console.evaluations import Evaluations

    s = services()
    return Evaluations(s.s3, s.engine, s.bucket)


@cache
def issue_finder() -> IssueFinder:
    """Remembers the label issues that were computed last."""
    from lambdas.domain.console.label_issues import IssueFinder

    return IssueFinder(services().s3, services().bucket, evaluations())


def _issues_of(version: str) -> VersionIssues:
    return issue_finder().of(services().loop_state, version, present_names())


def _judged_by(version: str, options: EvaluationOptions) -> tuple[Evaluated, dict[str, float]]:
    """A version's evaluation, and the threshold of each label."""
    from lambdas.domain.console.evaluations import chosen_thresholds, read_thresholds

    given = read_thresholds(options.threshold)
    evaluated = evaluations().read(services().loop_state, version, options.source)
    return evaluated, chosen_thresholds(evaluated, _label_thresholds(), given)


def _label_thresholds() -> dict[str, float]:
    from lambdas.domain.shared import tuning

    return dict(tuning.or_defaults(services().tuning).label_thresholds)


def _labelled_by(counts: Mapping[str, int]) -> list[responses.LabelledBy]:
    from lambdas.contract import responses

    return [responses.LabelledBy(name=name, images=images) for name, images in counts.items()]


def _recorded(version: str) -> ModelVersion:
    record = services().loop_state.version(version)
    if record is None:
        raise ApiError(404, "not_found", f"there is no model version {version[:80]}")
    return record


def _next(offset: int, total: int) -> int | None:
    return offset + PAGE if offset + PAGE < total else None


def _review_tiles(opener: Opener, arrival: Arrival, id: str, caller: Caller) -> responses.OpenedTask:
    """Put the tiles of a large image before reviewers that show what the champion is least sure of."""
    from lambdas.contract import responses
    from lambdas.domain.images.files import UnusableImageError
    from lambdas.domain.review.task_opening import Seen

    seen = _seen(id, caller) or Seen((), "")
    cut = tiling(services().tuning())
    try:
        tasks = opener.open_detected(services().s3, arrival, "requested", seen, tiling=cut)
    except UnusableImageError as error:
        raise ApiError(422, "bad_image", f"this image cannot be used: {error.detail}") from error
    return responses.OpenedTask(task=tasks[0].id if tasks else "")


def _batch_line(batch: Batch) -> dict[str, Any]:
    return {
        "name": batch.id,
        "state": batch.state,
        "source": batch.source,
        "total": batch.total,
        "answered": batch.answered,
        "failed": batch.failed,
        "version": batch.version,
        "created_by": batch.created_by,
        "created_at": batch.created_at,
        "started_at": batch.started_at,
        "ended_at": batch.ended_at,
        "waits_for": batch.waits_for,
        "reason": batch.reason,
    }


def _batch_summary(summary: Mapping[str, Any]) -> responses.BatchSummary:
    from lambdas.contract import responses
    from lambdas.domain.console.batches import MAX_LABELS

    labels = [
        responses.BatchLabel(label=each["label"], objects=each["objects"], images=each["images"])
        for each in summary["labels"][:MAX_LABELS]
    ]
    return responses.BatchSummary(
        detected=summary["detected"],
        failed=summary["failed"],
        without_objects=summary["without_objects"],
        missing=summary["missing"],
        labels=labels,
        histogram=summary["histogram"],
        failures=[responses.BatchFailure(**each) for each in summary["failures"][:MAX_LABELS]],
    )


def _tell_serve(caller: Caller) -> Callable[[ServingRequest], None]:
    """What asks the step serve for something on behalf of the caller."""
    from lambdas.domain.serve import requests

    return lambda request: requests.send(
        services().functions, variable("SERVE_FUNCTION"), request, caller.name
    )


def _ask(id: str, caller: Caller) -> TryResult:
    from lambdas.domain.console import tryit
    from lambdas.domain.shared.tuning import or_defaults

    s = services()
    return tryit.ask(
        s.patient_detector,
        s.s3,
        s.loop_state,
        s.bucket,
        id,
        tuning=s.tuning,
        tiling=tiling(or_defaults(s.tuning)),
        tell=_tell_serve(caller),
    )


def _seen(id: str, caller: Caller) -> Seen | None:
    from lambdas.domain.review.task_opening import Seen

    try:
        result = _ask(id, caller)
    except ApiError:
        return None
    return Seen(result.answer.labels, result.answer.version_name)


def _detection(label: Mapping[str, Any], result: TryResult) -> responses.Detection:
    from lambdas.contract import responses
    from lambdas.domain.console import tryit

    box = tryit.box_in_pixels(label, result)
    return responses.Detection(
        name=label["label"],
        confidence=label["confidence"],
        box=responses.DetectedBox(**box) if box else UNSET,
    )


@cache
def follower() -> Follower:
    """Remembers how far the page of a run has read: it asks again and again."""
    from lambdas.domain.retrain.steps import Follower

    return Follower()


def _count_unread() -> None:
    count("PartsUnread")


def _listed_runs() -> list[Run]:
    """The latest runs and rollbacks, newest first."""
    from lambdas.domain.console import control

    s = services()
    runs = s.loop_state.run_outlines()
    return control.listed_runs(s.stepfunctions, runs, variable("PROMOTE_MACHINE_ARN"), MAX_LISTED)


def _runs() -> list[Run]:
    return services().loop_state.runs()


earlier_runs = TtlCache(_runs, 60)
"""The page of a run asks every two seconds, and reading them all takes longer the more there are."""


def _training(run: Run, passed: Sequence[Step]) -> TrainingProgress | None:
    """How far the run's training is; None if it is at another step."""
    from lambdas.domain.retrain import training_progress

    step = next((step for step in passed if step.name == training_progress.TRAINING), None)
    if step is None or step.state != "running":
        return None
    s = services()
    version = None
    if run.version:
        version = s.engine.describe_version(run.version)
    message = version.message if version else ""
    runs = training_progress.of_engine(earlier_runs(), run.engine or s.engine.name)
    return training_progress.training_progress(step.seconds or 0.0, message, runs)


def _report_url(run: Run) -> str | None:
    """The dataset report of the run's snapshot, as a page."""
    from lambdas.domain.snapshot import files as snapshot_files

    if run.data_report is None:
        return None
    return http.presigned_url(snapshot_files.report_key(str(run.snapshot), "report.html"))
