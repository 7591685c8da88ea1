"""`labelloop costs`: what trainings and running models have cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from cli import formatting
from cli.deployment import Deployment
from lambdas.domain.costs import statement
from lambdas.domain.costs.accounts import Grouping
from lambdas.domain.shared import clock, pricing

NOT_COUNTED = "S3, DynamoDB, other functions and the rest are not counted; the bill is what counts"


def gather(deployment: Deployment, by: Grouping) -> dict[str, Any]:
    """The statement as a document."""
    region = deployment.project_arn.split(":")[3]
    tuning = deployment.tuning()
    made = statement.make(deployment.loop_state, tuning, region, by, clock.now())
    return {
        "by": made.by,
        "accounts": [{**asdict(account), "usd": account.usd} for account in made.accounts],
        "usd": made.usd,
        "month": {**asdict(made.month), "percent": round(made.month.percent, 1)},
        "running": [asdict(one) for one in made.running],
        "usd_per_hour": made.usd_per_hour,
        "prices": {"region": region, **asdict(made.prices), "as_of": pricing.AS_OF},
        "serverless": asdict(made.serverless) if deployment.serverless_engine else None,
        "as_of": made.as_of,
    }


def show(console: Console, document: dict[str, Any]) -> None:
    """Print the statement as a table."""
    if not document["accounts"]:
        console.print(
            "Nothing has been booked yet: no training and no running model."
            " What is under way is booked within a minute or two."
        )
    else:
        console.print(_table(document))
    console.print(month_words(document["month"]))
    for one in document["running"]:
        units = formatting.count(one["units"], "inference unit")
        console.print(
            f"{one['version']} runs with {units}: {formatting.usd(one['usd_per_hour'])} USD an hour"
            " until it is stopped"
        )
    console.print(_prices_words(document["prices"]), style="dim")
    if document["serverless"]:
        console.print(_serverless_words(document["serverless"]), style="dim")
    as_of = f"As of {formatting.moment(document['as_of'])}; " if document["as_of"] else ""
    console.print(f"{as_of}{NOT_COUNTED}.", style="dim")


def month_words(month: dict[str, Any]) -> str:
    """What the month has cost, beside its budget."""
    spent = f"{month['month']} (UTC): {formatting.usd(month['usd'])} USD"
    if month["budget_usd"] is None:
        return f"{spent}; there is no budget (monthly_budget_usd)"
    words = f"{spent} of a budget of {formatting.usd(month['budget_usd'])} USD, {month['percent']:.0f} %"
    return f"{words}; it is used up, and nothing is started" if month["percent"] >= 100 else words


def _table(document: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(document["by"])
    answers = ("answers", "USD") if document["serverless"] else ()
    for title in ("training", "USD", "unit-hours", "USD", *answers, "in all, USD"):
        table.add_column(title, justify="right")
    for account in document["accounts"]:
        table.add_row(
            account["name"],
            f"{account['training_hours']:.2f} h",
            formatting.usd(account["training_usd"]),
            f"{account['unit_hours']:.2f}",
            formatting.usd(account["units_usd"]),
            *((f"{account['answers']:,}", formatting.usd(account["answers_usd"])) if answers else ()),
            formatting.usd(account["usd"]),
        )
    if len(document["accounts"]) > 1:
        table.add_row("all", *([""] * (4 + len(answers))), formatting.usd(document["usd"]), style="bold")
    return table


def _serverless_words(prices: dict[str, Any]) -> str:
    words = (
        f"Engine serverless: {prices['training_per_hour']:.3f} USD for an hour of training, about"
        f" {prices['per_1000_answers']:.3f} USD for 1,000 answers"
    )
    if prices["is_estimate"]:
        words += (
            f"; the price of {pricing.SERVERLESS_MACHINE} in Ireland, which serverless_training_usd_per_hour"
            " replaces"
        )
    return f"{words}."


def _prices_words(prices: dict[str, Any]) -> str:
    words = (
        f"Prices of {prices['region']}: {formatting.usd(prices['training_per_hour'])} USD for an hour of"
        f" training, {formatting.usd(prices['inference_per_unit_hour'])} USD for an hour of an inference unit"
    )
    if prices["is_estimate"]:
        words += (
            f"; an estimate by the highest known ones of {prices['as_of']}, which training_usd_per_hour and"
            f" inference_usd_per_unit_hour replace ({pricing.PAGE})"
        )
    return f"{words}."
