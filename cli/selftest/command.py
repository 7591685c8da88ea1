"""`labelloop selftest`: the real loop once through in an account, and the questions that only AWS can answer.

It has a deployment of its own, which is gone when it ends, however it ends.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import deployment
from cli.deployment import Deployment
from cli.doctor import command as doctoring
from cli.doctor.account import Account, identify
from cli.doctor.findings import State
from cli.doctor.names import find_stack
from cli.output import CommandError
from cli.selftest import datasets, models, runs, training
from cli.selftest.cleaning import Cleaning
from cli.selftest.loop import IMAGES, Loop
from cli.selftest.probe import Answer, Verdict
from cli.selftest.spending import Spending
from cli.selftest.stack import PROJECT, Cdk, selftest_name
from lambdas.domain.engines.port import EngineName
from lambdas.domain.engines.rekognition import custom_labels
from lambdas.domain.shared import pricing
from lambdas.domain.shared.records import Run

QUESTIONS = len(datasets.QUESTIONS) + len(models.RUNNING) + len(models.IDLE) + len(runs.QUESTIONS) + 1
STYLES = {Verdict.AS_ASSUMED: "green", Verdict.DIFFERS: "red", Verdict.UNANSWERED: "yellow"}


def explanation(name: str, cap_usd: float, engine: EngineName = "rekognition") -> str:
    """What will be done and what that costs, in words.

    A training of up to an hour and a half is billed by the hour, and so is the model while it runs: about 20
    minutes, from its start to its stop. Of the engine serverless some 20 minutes of a machine are billed.
    """
    if engine == "serverless":
        return (
            f"The selftest deploys {name}, a deployment of its own with the engine serverless, trains a model"
            f" with {IMAGES} images that it draws, detects, asks AWS {len(training.QUESTIONS) + 1} questions,"
            " and removes everything again.\nIt takes about an hour, and costs less than 1 USD. At"
            f" {cap_usd:.2f} USD by its own estimate (--cap-usd) it removes everything and ends.\n"
            "Ctrl-C ends it at any time, and it removes everything then, too; a training job is stopped."
        )
    return (
        f"The selftest deploys {name}, a deployment of its own, trains a model with {IMAGES} images that it"
        f" draws, starts it, detects, asks AWS {QUESTIONS} questions, and removes everything again.\n"
        "It takes one to two hours, most of them for the training, and costs about 1 to 3 USD. At"
        f" {cap_usd:.2f} USD by its own estimate (--cap-usd) it stops the model, removes everything and ends;"
        " a training that is under way then cannot be ended, and is billed to its end.\n"
        "Ctrl-C ends it at any time, and it removes everything then, too."
    )


@dataclass(frozen=True)
class Selftest:
    """One selftest in an account.

    Attributes:
        account: with the name of the selftest's own deployment.
    """

    account: Account
    cdk: Cdk
    console: Console

    @classmethod
    def of(cls, name: str, console: Console, engine: EngineName = "rekognition") -> Selftest:
        """The selftest of the deployment of that name, in the account and Region of boto3's environment."""
        region = deployment.session().region_name
        if not region:
            raise CommandError("no Region is set: export AWS_DEFAULT_REGION=us-east-1", exit_code=2)
        account = Account(selftest_name(name), region, identify(region))
        cdk = Cdk(account.name, account.embedded, PROJECT / ".build" / account.name, console, engine)
        return cls(account, cdk, console)

    @property
    def pause(self) -> float:
        """Seconds between two looks at what takes its time."""
        return 0.5 if self.account.embedded else 10.0

    @property
    def projects(self) -> tuple[str, str]:
        """The Rekognition projects: that of the deployment, and that of the questions about datasets."""
        return self.account.name, f"{self.account.name}-datasets"

    def check(self) -> None:
        """Refuse to begin where it could not end well.

        Raises:
            CommandError: something is in the way; the message says what.
        """
        name, rekognition = self.account.name, self.account.client("rekognition")
        projects = [each for each in self.projects if custom_labels.find_project(rekognition, each)]
        if projects or find_stack(self.account):
            raise CommandError(
                f"{name} is there already, of an earlier selftest: `labelloop selftest --clean` removes it"
            )
        document = doctoring.diagnose(name, before_deploy=True, console=self.console, engine=self.cdk.engine)
        if failing := [each for each in document["findings"] if each["state"] == State.FAILS]:
            listed = "; ".join(f"{each['subject']}: {each['text']}" for each in failing)
            raise CommandError(f"nothing was begun, for it would fail: {listed}. See `labelloop doctor`")

    def begin(self, cap_usd: float) -> Loop:
        """Deploy: the loop that can be gone through."""
        self.cdk.deploy()
        made = Deployment.find(self.account.name)
        made.connect()
        spending = Spending(
            cap_usd,
            pricing.prices(self.account.region, made.tuning()),
            made.engine.list_versions,
            self.pause,
        )
        return Loop(made, self.projects[1], spending, self.pause, self.console)

    def clean(self) -> list[str]:
        """Remove all that the selftest has made: what is left of it."""
        self.console.print("Selftest removes everything", markup=False)
        return Cleaning(self.account, self.cdk.destroy, self.projects, self.pause).clean()


def run(selftest: Selftest, cap_usd: float) -> dict[str, Any]:
    """Run a selftest and remove everything after it, however it ended: what was found out.

    Raises:
        CommandError: it was not begun.
    """
    began, failure, loop, record = datetime.now(UTC), "", None, Run("none")
    with interrupted_by_signals():
        selftest.check()
        try:
            loop = selftest.begin(cap_usd)
            record = loop.go()
        except KeyboardInterrupt:
            failure = "it was interrupted"
        except (BotoCoreError, ClientError) as error:
            failure = deployment.explain(error)
        except Exception as error:  # noqa: BLE001 whatever it was, a model may run
            failure = f"{type(error).__name__}: {error}"
        if failure:
            selftest.console.print(f"Selftest ends: {failure}", markup=False, style="red", soft_wrap=True)
        left = cleaned(selftest)
    document = {
        "labelloop": importlib.metadata.version("labelloop"),
        "region": selftest.account.region,
        "embedded": selftest.account.embedded,
        "began": f"{began:%Y-%m-%dT%H:%MZ}",
        "minutes": round((datetime.now(UTC) - began).total_seconds() / 60, 1),
        "failure": failure,
        "left": left,
        "run": {"outcome": record.outcome, "reason": record.reason},
        "seconds_by_step": {step.step: step.seconds for step in record.steps},
        "billable_seconds": record.billable_seconds,
        "estimated_usd": round(loop.spending.usd, 2) if loop else 0.0,
        "answers": [asdict(answer) for answer in loop.answers] if loop else [],
        "not_asked": dict(training.NOT_ASKED if selftest.cdk.engine == "serverless" else runs.NOT_ASKED),
    }
    return redacted(document)


def cleaned(selftest: Selftest) -> list[str]:
    """Remove what a selftest has made: what is left of it."""
    try:
        return selftest.clean()
    except KeyboardInterrupt:
        return ["the cleaning was interrupted: a model may still run"]


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let a closed terminal and a polite kill end the block as Ctrl-C does, so that it cleans up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_ACCOUNT = re.compile(r"(?<!\d)\d{12}(?!\d)")


def redacted(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without the numbers of accounts: it is made to be sent to others."""
    text = _ACCOUNT.sub("<account>", json.dumps(document, default=str))
    clean: dict[str, Any] = json.loads(text)
    return clean


def write(document: Mapping[str, Any], out: Path) -> None:
    out.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def show(console: Console, document: Mapping[str, Any], out: Path, name: str) -> None:
    """What a selftest has found out.

    Args:
        out: where the document is.
        name: of the deployment that it is called after.
    """
    answers = [Answer(**{**each, "verdict": Verdict(each["verdict"])}) for each in document["answers"]]
    table = Table(show_edge=False, pad_edge=False)
    for column in ("question", "we assume", "AWS answered", "verdict"):
        table.add_column(column, overflow="fold")
    for answer in answers:
        verdict = f"[{STYLES[answer.verdict]}]{answer.verdict}[/]"
        table.add_row(escape(answer.question), escape(answer.assumed), escape(answer.answered), verdict)
    console.print(table)
    for question, why in document["not_asked"].items():
        console.print(f"Not asked: {question} ({why})", markup=False)
    spent = f"about {document['estimated_usd']:.2f} USD, {document['minutes']} min"
    console.print(f"\n{_summary(answers)}; {spent}", markup=False)
    if answers and not document["embedded"]:
        please = f"Please send {out} to the project: it holds no account number"
        console.print(please, markup=False, soft_wrap=True)
    show_left(console, document["left"], name)


def show_left(console: Console, left: Sequence[str], name: str) -> None:
    """What could not be removed, and how to do so."""
    for each in left:
        console.print(f"Left, and may cost money: {each}", markup=False, style="red", soft_wrap=True)
    again = f"Remove it: labelloop --name {name} selftest --clean"
    console.print(again if left else "Nothing is left of the selftest", markup=False)


def _summary(answers: Sequence[Answer]) -> str:
    counts = {verdict: sum(answer.verdict is verdict for answer in answers) for verdict in Verdict}
    return (
        ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "nothing was asked"
    )
