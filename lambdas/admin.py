"""The administrator's routes: tasks by state, reviewers, labels, images, uploads, runs and rollbacks."""

# What some routes need they import themselves: the others would wait for it at a cold start.
from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from aws_lambda_powertools import Logger
from msgspec import Meta

from lambdas import http
from lambdas.domain.review.desk.limits import STATES, State
from lambdas.domain.shared import clock
from lambdas.domain.shared.errors import ApiError
from lambdas.http import ADMINISTRATORS, Caller
from lambdas.review_documents import given_answer, label_document, offered_labels, task_summary
from lambdas.services import services, variable

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from lambdas.contract import responses
    from lambdas.contract.requests import (
        ApprovalRequest,
        AssignmentRequest,
        CompletionRequest,
        ExclusionRequest,
        LabelChange,
        PartsRequest,
        RelabelRequest,
        RenameRequest,
        RollbackRequest,
        ServingRequest,
        ThresholdRequest,
        UploadRequest,
    )
    from lambdas.domain.review.desk.desk import Reviewer
    from lambdas.domain.review.desk.labels import LabelDefinition
    from lambdas.domain.review.desk.task import Task

logger = Logger()
app = http.Api(ADMINISTRATORS)
PAGE = 50
_LISTED_IMAGES = 48
"""Of a label, to choose examples from."""
LISTED = (*STATES, "claimed")
ListedState = Annotated[str, Meta(extra_json_schema={"enum": list(LISTED)})]
Cursor = Annotated[str, Meta(description="What the page before gave.")]
LabelName = Annotated[str, Meta(description="In the query, because it may have a slash.")]
_COUNTED = 10_000
"""Tasks are counted no further than to this."""
_CURSOR = {"id": r"[0-9a-f]{20}-[0-9]{1,9}", "part": "task", "available_at": r"[0-9TZ:.-]{20,30}"}
"""Keys of the index, and what they look like."""


@logger.inject_lambda_context
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A request that API Gateway has let through."""
    return app.resolve(event)


@app.get("/api/admin/tasks")
def list_tasks(caller: Caller, state: ListedState = "open", cursor: Cursor = "") -> responses.AdminTasks:
    """A page of the tasks of a state."""
    from lambdas.contract import responses

    table, now = services().reviews, clock.now()
    if state == "claimed":
        tasks, more = list(islice(table.claimed(now), PAGE)), None
    elif state in STATES:
        tasks, more = table.page(state, limit=PAGE, cursor=_read_cursor(cursor, state))
    else:
        raise ApiError(422, "bad_request", f"state is one of {', '.join(LISTED)}", "state")
    counts = {name: table.count(name, limit=_COUNTED) for name in STATES}
    claimed = table.count("open", available_after=now, limit=_COUNTED)
    return responses.AdminTasks(
        tasks=[_document(task, now) for task in tasks],
        counts=responses.TaskCounts(**counts, claimed=claimed),
        cursor=_write_cursor(more),
    )


@app.get("/api/admin/tasks/{task}")
def read_task_with_answers(caller: Caller, task: str) -> responses.AdminTaskDetail:
    """A task with its image and the answers to it, those that were corrected included."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk.desk import TaskNotFoundError

    known = services().reviews.get(task)
    if known is None:
        raise TaskNotFoundError(f"there is no review task {task[:60]}")
    return responses.AdminTaskDetail(
        **_members(known, clock.now()),
        url=http.presigned_url(known.key),
        finished_at=known.finished_at,
        given=[given_answer(answer) for answer in known.answers],
        superseded=[given_answer(answer) for answer in known.superseded],
    )


@app.post("/api/admin/tasks/{task}/reopening")
def reopen_task(caller: Caller, task: str) -> responses.AdminTask:
    """Ask about the image of a finished task again: the new task. The image keeps its labels until then."""
    from lambdas.domain.review.task_opening import Opener

    s = services()
    opener = Opener(s.reviews, s.catalogue, s.stepfunctions, variable("REVIEW_MACHINE_ARN"), s.tuning())
    return _document(opener.reopen(task, caller.name), clock.now())


@app.put("/api/admin/tasks/{task}/assignment")
def assign_task(caller: Caller, task: str, body: AssignmentRequest) -> responses.AdminTask:
    """Claim a task for a reviewer, whoever has claimed it; or free it, where none is named."""
    from lambdas.domain.review.desk import desk

    reviewer = _reviewer(body.reviewer) if body.reviewer else None
    assigned = desk.reassign(services().reviews, task, reviewer, services().tuning().review_claim_seconds)
    return _document(assigned, clock.now())


@app.delete("/api/admin/tasks/{task}")
def delete_task(caller: Caller, task: str) -> None:
    """Delete a task; its image stays as it is."""
    from lambdas.domain.review.desk import desk
    from lambdas.domain.review.results.resolution import Resolver

    s = services()
    desk.delete(s.reviews, task, caller.name)
    Resolver(s.reviews, s.catalogue, s.stepfunctions, s.tuning()).resolve(task)


@app.get("/api/admin/reviewers")
def list_reviewers(caller: Caller) -> responses.Reviewers:
    """Everybody who has been at the desk, and what they have done."""
    from lambdas.contract import responses
    from lambdas.domain.review.results import reviewer_statistics

    table = services().reviews
    statistics = reviewer_statistics.reviewers(table, reviewer_statistics.known_reviewers(table))
    return responses.Reviewers(reviewers=[responses.Reviewer(**asdict(reviewer)) for reviewer in statistics])


@app.get("/api/admin/drafts")
def read_drafts(caller: Caller) -> responses.Drafts:
    """What drafts labels, how often it was right, and what more labels bring."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk import drafts
    from lambdas.domain.review.results import draft_precision

    table = services().reviews.table
    head, curve = drafts.head_of(table), drafts.curve_of(table)
    labels = draft_precision.of_labels(table)
    return responses.Drafts(
        trunk=bool(head.trunk) if head else None,
        images=head.images if head else 0,
        order_by=drafts.order_of(table).by,
        random_share=services().tuning().review_random_share,
        labels=[responses.DraftedLabel(one.label, one.right, one.wrong, *one.interval) for one in labels],
        curve=msgspec.convert(curve, responses.LearningCurve) if curve else None,
    )


@app.get("/api/admin/applications")
def list_applications(caller: Caller) -> responses.Applications:
    """Who may ask the detection API, how often, and how much they do."""
    from lambdas.contract import responses
    from lambdas.domain.applications.records import Records
    from lambdas.domain.console import applications

    s = services()
    lines = applications.listed(s.application_table, Records(s.detection_table), s.tuning().aws_caller_rate)
    return responses.Applications(
        applications=[
            responses.ApplicationLine(
                name=line.name,
                kind=line.kind,
                rate=line.rate,
                created_at=line.created_at,
                asked_at=line.asked_at,
                requests_last_hour=line.use.last_hour,
                requests_last_day=line.use.last_day,
                full_minutes=line.use.full_minutes,
            )
            for line in lines
        ]
    )


@app.post("/api/admin/runs/{run}/cancellation")
def cancel_run(caller: Caller, run: str) -> None:
    """Cancel a run: it ends as failed, and the champion stays. A training that has begun goes on."""
    from lambdas.domain.console import control

    s = services()
    control.cancel_run(s.stepfunctions, s.loop_state, run, caller.name)


@app.post("/api/admin/batches/{batch}/cancellation")
def cancel_batch(caller: Caller, batch: str) -> None:
    """Cancel a batch: what has an answer stays, and its inference units are given back."""
    from lambdas.domain.console import batches

    s = services()
    batches.cancel(s.stepfunctions, variable("BATCH_MACHINE_ARN"), s.loop_state, batch, caller.name)


@app.post("/api/admin/rollbacks")
def begin_rollback(caller: Caller, body: RollbackRequest) -> responses.StartedRollback:
    """Begin to make an older model version the champion; the champion serves until then."""
    from lambdas.contract import responses
    from lambdas.domain.console import control
    from lambdas.domain.retrain import runs

    s = services()
    execution = control.begin_rollback(
        s.engine,
        s.stepfunctions,
        s.loop_state,
        machine_arn=variable("PROMOTE_MACHINE_ARN"),
        version=body.version,
        by=caller.name,
    )
    return responses.StartedRollback(id=runs.run_id(execution))


@app.post("/api/admin/versions/{version}/approval")
def decide_about_version(caller: Caller, version: str, body: ApprovalRequest) -> None:
    """Approve or decline a version that waits for it: it is promoted, or the champion stays."""
    from lambdas.domain.console import approval

    s = services()
    approval.answer(
        s.engine, s.stepfunctions, s.loop_state, version, body.decision, by=caller.name, why=body.why
    )


@app.post("/api/admin/serving")
def ask_of_champion(caller: Caller, body: ServingRequest) -> None:
    """Start the champion, or put it to sleep until somebody starts it: within a minute or two, and after a
    promotion under way."""
    from lambdas.domain.serve import requests

    requests.send(services().functions, variable("SERVE_FUNCTION"), body.request, caller.name, body.why)


@app.put("/api/admin/thresholds")
def put_threshold(caller: Caller, body: ThresholdRequest, label: LabelName = "") -> responses.LabelThresholds:
    """Set from which confidence on detections of a label count in this deployment."""
    from lambdas.contract import responses
    from lambdas.domain.serve import requests

    name, function = _label_name(label), variable("THRESHOLD_FUNCTION")
    changed = requests.set_threshold(services().functions, function, name, body.percent, caller.name)
    services().tuning.clear()
    return responses.LabelThresholds(label_thresholds=changed)


@app.put("/api/admin/labels")
def put_label(caller: Caller, body: LabelChange, label: LabelName = "") -> responses.Label:
    """Define a label, or change its definition."""
    from lambdas.domain.review.desk import labels

    defined = labels.put(services().reviews, _label_name(label), msgspec.to_builtins(body))
    offered_labels.clear()
    return _label_document(defined)


@app.post("/api/admin/labels/renaming")
def rename_label(caller: Caller, body: RenameRequest, label: LabelName = "") -> responses.RenamedLabel:
    """Take a part of renaming a label, or of merging it into another: to be called with the cursor until it
    is null."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk import label_renaming
    from lambdas.domain.review.desk.labels import InvalidLabelError

    s, name = services(), _label_name(label)
    old = next((definition for definition in offered_labels() if definition.label == name), None)
    if old is None:
        raise InvalidLabelError("label", f"there is no label {name[:60]!r}")
    renamed = label_renaming.rename(
        s.reviews, s.catalogue, old, body.name, cursor=body.cursor, by=caller.name
    )
    offered_labels.clear()
    return responses.RenamedLabel(
        label=_label_document(renamed.definition),
        searched=renamed.searched,
        relabelled=renamed.relabelled,
        cursor=renamed.cursor or None,
    )


@app.get("/api/admin/labels/images")
def list_label_images(caller: Caller, label: LabelName = "") -> responses.LabelImages:
    """Labelled images that have a label, to choose examples from; the first of them by their hashes."""
    from lambdas.contract import responses
    from lambdas.domain.review.desk import labels

    keys = labels.image_keys(services().catalogue, _label_name(label), _LISTED_IMAGES)
    return responses.LabelImages(
        images=[
            responses.LabelExample(image=sha256, url=http.presigned_url(key)) for sha256, key in keys.items()
        ]
    )


@app.post("/api/admin/images/exclusion")
def exclude_images(caller: Caller, body: ExclusionRequest) -> responses.ChangedImages:
    """Leave images out of every later snapshot, or take them back."""
    from lambdas import dataset_documents
    from lambdas.domain.console import dataset

    seen = [(each.image, each.changed_at) for each in body.images]
    outcome = dataset.exclude(services().catalogue, seen, excluded=body.excluded, by=caller.name)
    return dataset_documents.changed(outcome)


@app.post("/api/admin/images/labels")
def relabel_images(caller: Caller, body: RelabelRequest) -> responses.ChangedImages:
    """Give images another label in the place of one that they have."""
    from lambdas import dataset_documents
    from lambdas.domain.console import dataset
    from lambdas.domain.review.desk import labels

    seen = [(each.image, each.changed_at) for each in body.images]
    usable = labels.usable(offered_labels())
    outcome = dataset.relabel(
        services().catalogue, seen, body.before, body.after, usable=usable, by=caller.name
    )
    return dataset_documents.changed(outcome)


@app.post("/api/admin/uploads")
def plan_upload(caller: Caller, body: UploadRequest) -> responses.UploadPlan:
    """What is to be done with files that are to be uploaded, and where to send them."""
    from lambdas.contract import responses
    from lambdas.domain.console import uploads

    s = services()
    wanted = [
        uploads.Wanted(each.name, each.size, each.sha256, each.label, annotated=each.annotated)
        for each in body.files
    ]
    planned = uploads.plan(s.catalogue, wanted)
    files = [
        responses.PlannedUpload(
            name=file.name,
            state="refused" if one.problem else "known" if one.known else _way(file.size),
            problem=one.problem,
            key=one.key,
            upload=responses.Upload(
                url=uploads.link(s.signer, s.bucket, one.key, file.content_type, file.size),
                method="PUT",
                headers={"Content-Type": file.content_type},
            )
            if one.is_sent and _way(file.size) == "send"
            else None,
        )
        for file, one in zip(body.files, planned, strict=True)
    ]
    return responses.UploadPlan(files=files)


def _way(size: int) -> Literal["send", "send_parts"]:
    from lambdas.domain.console import uploads

    return "send_parts" if size > uploads.PART_BYTES else "send"


@app.post("/api/admin/uploads/parts")
def list_missing_parts(caller: Caller, body: PartsRequest) -> responses.MissingParts:
    """Begin to send a large file in parts, or go on with it: where to send those that are missing."""
    from lambdas.contract import responses
    from lambdas.domain.console import uploads

    s = services()
    begun = uploads.parts(s.s3, s.signer, s.bucket, body.key, body.size, body.upload_id, body.content_type)
    return responses.MissingParts(
        upload_id=begun.upload_id,
        part_bytes=uploads.PART_BYTES,
        left=begun.left,
        missing=[responses.MissingPart(number=part.number, url=part.url) for part in begun.missing],
    )


@app.post("/api/admin/uploads/completion")
def complete_upload(caller: Caller, body: CompletionRequest) -> None:
    """Make one file of the parts that were sent: it is registered then."""
    from lambdas.domain.console import uploads

    uploads.complete(services().s3, services().bucket, body.key, body.size, body.upload_id)


def _label_name(label: str) -> str:
    from lambdas.domain.review.desk.labels import InvalidLabelError
    from lambdas.domain.shared import annotation

    try:
        return annotation.clean_label(label)
    except ValueError as error:
        raise InvalidLabelError("label", str(error)) from error


def _label_document(defined: LabelDefinition) -> responses.Label:
    """The label with the colour and the key that it is offered with."""
    offered = (definition for definition in offered_labels() if definition.label == defined.label)
    return label_document(next(offered, defined))


def _reviewer(sub: str) -> Reviewer:
    """The reviewer of this subject: names are given anew to others."""
    from lambdas.domain.review.desk.desk import Reviewer
    from lambdas.domain.review.results import reviewer_statistics

    for known, name in reviewer_statistics.known_reviewers(services().reviews):
        if known == sub:
            return Reviewer(sub, name)
    raise ApiError(422, "unknown_reviewer", "no such reviewer has been at the desk yet", "reviewer")


def _document(task: Task, now: str) -> responses.AdminTask:
    from lambdas.contract import responses

    return responses.AdminTask(**_members(task, now))


def _members(task: Task, now: str) -> dict[str, Any]:
    from lambdas.contract import responses

    return {
        **task_summary(task),
        "state": task.state,
        "age_seconds": round(clock.seconds_between(task.created_at, now)),
        "claims": [responses.TaskClaim(**asdict(claim)) for claim in task.active_claims(now)],
        "outcome": task.outcome,
    }


def _write_cursor(key: dict[str, Any] | None) -> str | None:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode() if key else None


def _read_cursor(text: str, state: State) -> dict[str, Any] | None:
    """Where a page of the state begins: a key of the index, as the page before it gave. DynamoDB refuses
    others."""
    if not text:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, RecursionError):
        key = None
    forms = {**_CURSOR, "state": state}
    if (
        not isinstance(key, dict)
        or set(key) != set(forms)
        or not all(isinstance(value, str) and re.fullmatch(forms[name], value) for name, value in key.items())
    ):
        raise ApiError(422, "bad_request", "cursor is what the page before gave", "cursor")
    return key
