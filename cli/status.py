"""`labelloop status`: how a deployment stands."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.conditions import Key
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import following, formatting
from cli.deployment import Deployment
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import pending
from lambdas.domain.register.rejections import REJECTED
from lambdas.domain.rekognition import custom_labels
from lambdas.domain.retrain import requests
from lambdas.domain.shared import pricing
from lambdas.domain.sweep import differences

CONFLICTS_SHOWN = 10
COUNTED = 100_000
"""New images are counted no further than this."""


def gather(deployment: Deployment) -> dict[str, Any]:
    """Everything that `labelloop status` shows."""
    loop_state, tuning = deployment.loop_state, deployment.tuning()
    progress = loop_state.known_progress()
    new = catalogue_images.count_changed_since(deployment.catalogue, progress.cutoff, COUNTED)
    running = _running(deployment)
    return {
        "deployment": deployment.name,
        "bucket": deployment.bucket,
        "images": catalogue_images.count_by_status(deployment.catalogue),
        "conflicts": _conflicts(deployment),
        "pending_annotations": {
            "count": pending.count_pending(deployment.catalogue),
            "longest": pending.oldest_pending(deployment.catalogue, CONFLICTS_SHOWN),
        },
        "new_since_last_run": new,
        "new_images_start_a_run": tuning.min_new_images,
        "missing_for_a_run": requests.changes_missing(deployment.catalogue, progress, tuning),
        "run": _run(deployment),
        "promotion": _promotion(deployment),
        "champion": _champion(deployment),
        "running": running,
        "differences": _differences(deployment),
        "usd_per_hour": round(sum(version["usd_per_hour"] for version in running), 2),
        "dead_letters": {
            "register": _waiting(deployment, deployment.register_dead_letters_url),
            "detect": _waiting(deployment, deployment.detect_dead_letters_url),
        },
        **_rejected(deployment),
    }


def _conflicts(deployment: Deployment) -> list[dict[str, str]]:
    page = deployment.catalogue.query(
        IndexName="by_status",
        KeyConditionExpression=Key("status").eq("conflict"),
        ScanIndexForward=False,
        Limit=CONFLICTS_SHOWN,
    )
    return [
        {"image": str(item["key"]), "reason": str(item.get("conflict_reason", ""))} for item in page["Items"]
    ]


def _run(deployment: Deployment) -> dict[str, Any] | None:
    run = following.under_way(deployment)
    if run is None:
        return None
    phases, now = run.look(), following.now()
    return {
        "id": run.id,
        "step": phases[-1].name if phases else "begin",
        "step_seconds": round(phases[-1].seconds(now), 1) if phases else 0.0,
        "seconds": round((now - phases[0].began).total_seconds(), 1) if phases else 0.0,
    }


def _promotion(deployment: Deployment) -> dict[str, str] | None:
    lease = deployment.loop_state.lease("promote")
    return {"holder": lease.holder.rsplit(":", 1)[-1], "since": lease.since} if lease else None


def _champion(deployment: Deployment) -> dict[str, Any] | None:
    champion = deployment.loop_state.champion()
    if champion is None:
        return None
    version = deployment.loop_state.version(champion.version_name)
    return {
        "version": champion.version_name,
        "since": champion.since,
        "f1": version.f1 if version else None,
        "previous": champion.previous_version_name,
    }


def _running(deployment: Deployment) -> list[dict[str, Any]]:
    """Versions that cost money now. The inference units are those that each was started with."""
    pages = deployment.rekognition.get_paginator("describe_project_versions").paginate(
        ProjectArn=deployment.project_arn
    )
    versions = [version for page in pages for version in page["ProjectVersionDescriptions"]]
    return [
        {
            "version": version["ProjectVersionArn"].split("/")[3],
            "status": version["Status"],
            "inference_units": version.get("MinInferenceUnits", 1),
            "usd_per_hour": pricing.inference_usd(3600, version.get("MinInferenceUnits", 1)),
        }
        for version in versions
        if version["Status"] in custom_labels.BUSY
    ]


def _differences(deployment: Deployment) -> list[str]:
    """What is not as it should be, and the next sweep puts right or raises an alarm about."""
    different = differences.differences(
        deployment.rekognition, deployment.stepfunctions, deployment.loop_state, deployment.project_arn
    )
    return [difference.text for difference in different]


def _waiting(deployment: Deployment, queue_url: str) -> int:
    attributes = deployment.sqs.get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"])


def _rejected(deployment: Deployment) -> dict[str, Any]:
    """Reasons under rejected/, as far as one page of the listing goes."""
    page = deployment.s3.list_objects_v2(Bucket=deployment.bucket, Prefix=REJECTED)
    reasons = [item for item in page.get("Contents", []) if item["Key"].endswith(".reason.json")]
    return {"rejected": len(reasons), "rejected_is_at_least": bool(page.get("IsTruncated"))}


def show(console: Console, status: dict[str, Any]) -> None:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column()
    for title, text in _rows(status):
        table.add_row(title, text)
    console.print(table)


def _rows(status: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("deployment", f"{status['deployment']}, drop images into s3://{status['bucket']}/incoming/")]
    rows.append(("images", ", ".join(f"{number} {status}" for status, number in status["images"].items())))
    rows += [
        ("", escape(f"conflict: {conflict['image']}: {conflict['reason']}"))
        for conflict in status["conflicts"]
    ]
    rows += _pending_words(status["pending_annotations"])
    rows += [("new", _new(status)), ("run", _run_words(status)), ("champion", _champion_words(status))]
    rows += [("running", text) for text in _running_words(status)]
    rows += [("differs", f"[yellow]{escape(text)}[/yellow]") for text in status["differences"]]
    dead = status["dead_letters"]
    if sum(dead.values()):
        queues = f"{dead['register']} of register, {dead['detect']} of detect"
        rows.append(
            ("dead letters", f"[red]{queues}[/red]: look at the functions' logs, then redrive the queues")
        )
    else:
        rows.append(("dead letters", "none"))
    if status["rejected"]:
        more = " or more" if status["rejected_is_at_least"] else ""
        where = f"s3://{status['bucket']}/{REJECTED}"
        rows.append(("rejected", f"{status['rejected']}{more}; the reasons are under {where}"))
    return rows


def _pending_words(pending_annotations: dict[str, Any]) -> list[tuple[str, str]]:
    """Annotated images that have not come."""
    if not pending_annotations["count"]:
        return []
    count = formatting.count(pending_annotations["count"], "image")
    text = f"{count} named by annotation files have not come; missing for the longest:"
    return [("pending", text), *(("", escape(key)) for key in pending_annotations["longest"])]


def _new(status: dict[str, Any]) -> str:
    new, missing = status["new_since_last_run"], status["missing_for_a_run"]
    start = f"{missing} more start a run" if missing else "enough for the next run"
    return f"{new} labelled, relabelled or excluded since the last run; {start}"


def _run_words(status: dict[str, Any]) -> str:
    run, promotion = status["run"], status["promotion"]
    if run:
        step = f"{run['step']} for {formatting.seconds(run['step_seconds'])}"
        return f"[cyan]{run['id']} under way for {formatting.seconds(run['seconds'])}: {step}[/cyan]"
    if promotion:
        since = formatting.moment(promotion["since"])
        return f"[cyan]promotion {promotion['holder']} under way since {since}[/cyan]"
    return "none under way"


def _champion_words(status: dict[str, Any]) -> str:
    champion = status["champion"]
    if champion is None:
        return "none yet: the first version that passes both gates"
    f1 = f", F1 {formatting.f1(champion['f1'])}" if champion["f1"] is not None else ""
    return f"[green]{champion['version']}[/green] since {formatting.moment(champion['since'])}{f1}"


def _running_words(status: dict[str, Any]) -> list[str]:
    if not status["running"]:
        return ["no model; nothing is paid for inference"]
    return [
        f"{version['version']} {version['status']}, {formatting.usd(version['usd_per_hour'])} USD an hour for"
        f" {formatting.count(version['inference_units'], 'inference unit')}"
        for version in status["running"]
    ]
