"""`labelloop status`: the state of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from boto3.dynamodb.conditions import Key
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import control, costs, following, formatting, serving
from cli.deployment import Deployment, SettingsError
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import pending
from lambdas.domain.costs import budget, unowned
from lambdas.domain.detect.backlog import MAX_COUNTED
from lambdas.domain.promote import approval
from lambdas.domain.register.rejections import REJECTED
from lambdas.domain.retrain import holds, requests, steps, waiting
from lambdas.domain.shared import clock, pricing
from lambdas.domain.shared.records import Progress, Run
from lambdas.domain.shared.state import is_promotion
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.sweep import differences

CONFLICTS_SHOWN = 10
_FORECASTS = (("next training", "next_training"), ("serving costs", "serving_costs"))
COUNTED = 100_000
"""New images are counted no further than this."""


def gather(deployment: Deployment) -> dict[str, Any]:
    """Everything that `labelloop status` shows.

    What is asked of one service does not wait for the answers of another. Each table has a thread of its
    own, for boto3's tables are not made to be shared.
    """
    deployment.connect()
    tuning, unusable = _settings(deployment)
    progress = deployment.loop_state.known_progress()
    with ThreadPoolExecutor() as pool:
        parts = [
            pool.submit(_of_catalogue, deployment, progress, tuning),
            pool.submit(_of_loop, deployment, tuning),
            pool.submit(_running, deployment, tuning),
            pool.submit(_queues, deployment),
            pool.submit(_rejected, deployment),
            pool.submit(lambda: {"open_reviews": deployment.reviews.count("open")}),
        ]
        status: dict[str, Any] = {
            "deployment": deployment.name,
            "embedded": deployment.is_embedded,
            "console": deployment.console_address,
            "bucket": deployment.bucket,
            "unusable_settings": unusable,
        }
        for part in parts:
            status |= part.result()
    return status


def _settings(deployment: Deployment) -> tuple[Tuning, str]:
    """The settings, and why they cannot be used: then their defaults stand for them."""
    try:
        return deployment.tuning(), ""
    except SettingsError as error:
        return Tuning(), str(error)


def _of_catalogue(deployment: Deployment, progress: Progress, tuning: Tuning) -> dict[str, Any]:
    catalogue = deployment.catalogue
    return {
        "images": catalogue_images.count_by_status(catalogue),
        "conflicts": _conflicts(deployment),
        "pending_annotations": {
            "count": pending.count_pending(catalogue),
            "longest": pending.oldest_pending(catalogue, CONFLICTS_SHOWN),
        },
        "new_since_last_run": catalogue_images.count_changed_since(catalogue, progress.cutoff, COUNTED),
        "new_images_start_a_run": tuning.min_new_images,
        "missing_for_a_run": requests.changes_missing(catalogue, progress, tuning),
    }


def _of_loop(deployment: Deployment, tuning: Tuning) -> dict[str, Any]:
    runs, summary = deployment.loop_state.runs(), serving.summary(deployment.loop_state)
    is_stopped = summary is not None and summary["asked"] == "stop"
    return {
        "run": _run(deployment, runs),
        "promotion": _promotion(deployment, runs),
        "champion": _champion(deployment),
        "approvals": [
            {"version": pending.id, "asked_at": pending.asked_at, "deadline": pending.deadline}
            for pending in deployment.loop_state.approvals()
        ],
        "serving": summary,
        "waiting_images": deployment.loop_state.count_waiting(MAX_COUNTED),
        "differences": _differences(deployment),
        "spent_this_month": _spent(deployment, tuning),
        "unowned": _unowned(deployment),
        "serving_costs": control.serving_words(deployment, tuning, "stop" if is_stopped else ""),
        "next_training": control.forecast_words(deployment, tuning),
    }


def _spent(deployment: Deployment, tuning: Tuning) -> dict[str, Any]:
    """What this month has cost by the ledger, beside its budget, and what the next training will."""
    month = budget.spending(deployment.loop_state, tuning, clock.now())
    held = holds.why_held(
        deployment.loop_state, tuning, clock.now(), adds_usd=deployment.loop_state.known_progress().needs_usd
    )
    return {**asdict(month), "percent": round(month.percent, 1), "held": held}


def _unowned(deployment: Deployment) -> str:
    """Models that the sweeper saw running in the account outside any deployment."""
    incident = deployment.loop_state.incident(unowned.INCIDENT)
    return incident.text if incident else ""


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


def _run(deployment: Deployment, runs: list[Run]) -> dict[str, Any] | None:
    run = following.under_way(deployment)
    if run is None:
        return None
    phases, now = run.look(), following.now()
    progress = run.progress(phases, runs, run.training_status() if following.is_training(phases) else "")
    record = next((record for record in runs if record.id == run.id), None)
    return {
        "id": run.id,
        "waits": steps.waits(record) if record else None,
        "started_by": run.execution.started_by,
        "step": phases[-1].name if phases else "begin",
        "step_seconds": round(phases[-1].seconds(now), 1) if phases else 0.0,
        "seconds": round((now - phases[0].began).total_seconds(), 1) if phases else 0.0,
        "fraction": progress.fraction,
        "seconds_left": progress.seconds_left,
    }


def _promotion(deployment: Deployment, runs: list[Run]) -> dict[str, Any] | None:
    """The promotion under way: of a run, or by hand."""
    lease = deployment.loop_state.lease("promote")
    if lease is None or not is_promotion(lease):
        return None
    promotion = following.FollowedPromotion(deployment, lease.holder)
    progress = promotion.progress(promotion.look_if_there(), runs)
    return {
        "holder": promotion.execution.name,
        "started_by": promotion.execution.started_by,
        "since": lease.since,
        "fraction": progress.fraction,
        "seconds_left": progress.seconds_left,
    }


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


def _running(deployment: Deployment, tuning: Tuning) -> dict[str, Any]:
    """Versions that cost money now. The inference units are those that each was started with."""
    prices = pricing.prices(deployment.engine.region, tuning)
    running = [
        {
            "version": version.name,
            "status": version.status,
            "inference_units": version.inference_units,
            "usd_per_hour": prices.inference_usd(3600, version.inference_units),
        }
        for version in deployment.engine.list_versions()
        if version.is_busy
    ]
    return {"running": running, "usd_per_hour": round(sum(each["usd_per_hour"] for each in running), 2)}


def _differences(deployment: Deployment) -> list[str]:
    """What is not as it should be, and the next sweep puts right or raises an alarm about."""
    different = differences.differences(deployment.engine, deployment.stepfunctions, deployment.loop_state)
    return [difference.text for difference in different]


def _queues(deployment: Deployment) -> dict[str, Any]:
    return {
        "being_registered": waiting.count_unregistered(deployment.sqs, deployment.register_queue_urls),
        "dead_letters": {
            "register": _waiting(deployment, deployment.register_dead_letters_url),
            "annotations": _waiting(deployment, deployment.annotation_dead_letters_url),
            "detect": _waiting(deployment, deployment.detect_dead_letters_url),
            "video": _waiting(deployment, deployment.video_dead_letters_url),
        },
    }


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
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in _rows(status):
        table.add_row(title, text)
    console.print(table)


def _rows(status: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("deployment", f"{status['deployment']}, drop images into s3://{status['bucket']}/incoming/"),
        ("console", status["console"]),
    ]
    if status["embedded"]:
        rows.append(
            ("", "in the embedded stack: times and amounts of money are those of AWS, nothing is billed")
        )
    if status["unusable_settings"]:
        words = f"{status['unusable_settings']}. What follows takes the defaults for them"
        rows.append(("settings", f"[red]{escape(words)}[/red]"))
    rows.append(("images", _images_words(status)))
    rows += [
        ("", escape(f"conflict: {conflict['image']}: {conflict['reason']}"))
        for conflict in status["conflicts"]
    ]
    rows += _pending_words(status["pending_annotations"])
    rows += [
        ("new", _new(status)),
        ("reviews", f"{status['open_reviews']} open"),
        ("run", _run_words(status)),
        ("champion", _champion_words(status)),
    ]
    rows += _serving_words(status)
    rows += [("approval", _approval_words(pending)) for pending in status["approvals"]]
    rows += [("running", text) for text in _running_words(status)]
    rows += [("differs", f"[yellow]{escape(text)}[/yellow]") for text in status["differences"]]
    if status["unowned"]:
        rows.append(("unowned", f"[yellow]{escape(status['unowned'])}[/yellow]"))
    spent = status["spent_this_month"]
    rows.append(("spent", f"{costs.month_words(spent)}; `labelloop costs` shows for what"))
    rows += [(title, escape(status[name])) for title, name in _FORECASTS]
    is_due = not status["missing_for_a_run"]
    if spent["held"] and (is_due or spent["percent"] >= 100):
        rows.append(("held back", f"[yellow]{escape(spent['held'])}[/yellow]"))
    rows.append(("dead letters", _dead_words(status)))
    if status["rejected"]:
        more = " or more" if status["rejected_is_at_least"] else ""
        where = f"s3://{status['bucket']}/{REJECTED}"
        rows.append(("rejected", f"{status['rejected']}{more}; the reasons are under {where}"))
    return rows


def _images_words(status: dict[str, Any]) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in status["images"].items())
    registering = status["being_registered"]
    return f"{counts}; about {registering} being registered" if registering else counts


def _dead_words(status: dict[str, Any]) -> str:
    dead = status["dead_letters"]
    if not sum(dead.values()):
        return "none"
    queues = ", ".join(f"{count} of {queue}" for queue, count in dead.items())
    return f"[red]{queues}[/red]: look at the functions' logs, then redrive the queues"


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
        by = f", started by {run['started_by']}" if run["started_by"] else ""
        step = f"{run['step']} for {formatting.seconds(run['step_seconds'])}"
        step += f", {run['waits']}" if run["waits"] else ""
        took = f"under way for {formatting.seconds(run['seconds'])}{by}: {step}"
        return f"[cyan]{run['id']} {escape(took)}{_left(run)}[/cyan]"
    if promotion:
        by = f", started by {promotion['started_by']}" if promotion["started_by"] else ""
        since = f"under way since {formatting.moment(promotion['since'])}{by}"
        return f"[cyan]promotion {promotion['holder']} {escape(since)}{_left(promotion)}[/cyan]"
    return "none under way"


def _left(progress: Mapping[str, Any]) -> str:
    return escape(formatting.progress(progress["fraction"], progress["seconds_left"], before="; "))


def _champion_words(status: dict[str, Any]) -> str:
    champion = status["champion"]
    if champion is None:
        return "none yet: the first version that passes both gates"
    f1 = f", F1 {formatting.f1(champion['f1'])}" if champion["f1"] is not None else ""
    return f"[green]{champion['version']}[/green] since {formatting.moment(champion['since'])}{f1}"


def _approval_words(pending: Mapping[str, str]) -> str:
    version = pending["version"]
    if approval.is_overdue(pending["deadline"]):
        return approval.overdue_words(version, pending["deadline"])
    return (
        f"[yellow]{version} waits for it until {clock.minute(pending['deadline'])}[/yellow]:"
        f" `labelloop approve {version}` or `labelloop decline {version} --reason TEXT`"
    )


def _serving_words(status: dict[str, Any]) -> list[tuple[str, str]]:
    """Whether the champion is to run, and why; what waits for it."""
    record = status["serving"]
    rows: list[tuple[str, str]] = []
    if record and record["reason"]:
        asleep = "[yellow]sleeps[/yellow]" if record["state"] == "asleep" else "is to run"
        since = f" since {formatting.moment(record['since'])}" if record["since"] else ""
        rows.append(("serving", f"{asleep}{since}: {escape(record['reason'])}"))
    if record and record["starts"] is not None and not _champion_runs(status):
        rows.append(
            ("", f"starting for {formatting.seconds(record['starts'])}; that takes 10 to 20 minutes on AWS")
        )
    if record and record["trouble"]:
        rows.append(("", f"[yellow]{escape(record['trouble'])}[/yellow]"))
    if waiting := status["waiting_images"]:
        more = " or more" if waiting == MAX_COUNTED else ""
        rows.append(("waiting", f"{formatting.count(waiting, 'image')}{more} under detect/ for the champion"))
    return rows


def _champion_runs(status: dict[str, Any]) -> bool:
    """As Rekognition says, which the record hears of within a minute."""
    running = {version["version"] for version in status["running"] if version["status"] == "RUNNING"}
    return status["champion"]["version"] in running


def _running_words(status: dict[str, Any]) -> list[str]:
    if not status["running"]:
        return ["no model; nothing is paid for inference"]
    return [
        f"{version['version']} {version['status']}, {formatting.usd(version['usd_per_hour'])} USD an hour for"
        f" {formatting.count(version['inference_units'], 'inference unit')}"
        for version in status["running"]
    ]
