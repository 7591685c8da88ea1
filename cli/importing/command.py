"""The command `labelloop import`: read a dataset, plan its import, and send it to the bucket."""

from __future__ import annotations

import re
import shlex
import sys
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli import formatting
from cli.deployment import CONFIG, Deployment, explain, s3_client
from cli.importing import archives, kinds, report, upload
from cli.importing import plan as planning
from cli.importing.journal import Journal
from cli.importing.journal import folder as journal_folder
from cli.importing.plan import Plan
from cli.importing.sources import REQUESTS_AT_ONCE, ArchiveSource, BucketSource, LocalSource, Source
from cli.importing.upload import Sent
from cli.output import CommandError
from cli.progress import Meter, meter
from cli.session import INTERRUPTED, Session
from lambdas.domain.annotations.types import Problem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from rich.console import Console

MAX_NAME = 100


def source_of(where: str, console: Console) -> Source:
    """The dataset at a path of this machine or an address `s3://bucket/prefix`.

    Args:
        console: shows how far an archive is unpacked.

    Raises:
        CommandError: there is none.
    """
    if where.startswith("s3://") and where.lower().endswith(archives.SUFFIXES):
        raise CommandError(
            f"{where} is an archive: copy it to this machine, and import the file", exit_code=2
        )
    if where.startswith("s3://"):
        config = CONFIG.merge(Config(max_pool_connections=REQUESTS_AT_ONCE))
        return BucketSource(s3_client(config), where)
    path = Path(where)
    if not archives.is_archive(path):
        return LocalSource(path)
    with meter(console, "Unpacking", archives.count(path)) as progress:
        return ArchiveSource(path, progress.advance)


def clean_name(text: str) -> str:
    """Make a name for the dataset's folder in the bucket from a text.

    Raises:
        CommandError: the text has no character that can be used.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:MAX_NAME]
    if not name:
        raise CommandError(
            f"no name for the dataset can be made from {text!r}: give one with --dataset-name", exit_code=2
        )
    return name


@dataclass(frozen=True)
class Options:
    """How to read a dataset. What is empty is recognised."""

    name: str = ""
    format: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    keep_split: bool = True
    problems: Path | None = None
    """File for the list of problems; None: beside the journal, once something was sent."""


def run(session: Session, where: str, options: Options, *, dry_run: bool, resend: bool) -> None:
    """Import a dataset, as `labelloop import` does.

    Raises:
        CommandError: nothing can be imported; with exit code 130 if it was interrupted.
    """
    # First: nobody should wait until 100,000 images are checked to hear that there is no deployment.
    deployment = _deployment_if_any(session) if dry_run else session.deployment()
    with closing(source_of(where, session.out.console)) as source:
        plan = _make_plan(session, source, options)
        if not session.out.as_json:
            report.show_plan(session.out.console, plan)
        if plan.doubt and _are_labels(session, plan):
            plan = _make_plan(session, source, replace(options, format="folders"))
            report.show_plan(session.out.console, plan)
        _check_any(plan)
        warnings = kinds.warnings(plan, deployment)
        if not session.out.as_json:
            report.show_warnings(session.out.console, warnings)
        sent = None if dry_run or deployment is None else _send(session, plan, deployment, resend)
    _print_sent(session, plan, sent, warnings, options.problems)


def _deployment_if_any(session: Session) -> Deployment | None:
    """The deployment, for what depends on it in a dry run, which needs none."""
    try:
        return session.deployment()
    except CommandError:
        return None


def _are_labels(session: Session, plan: Plan) -> bool:
    """Ask whether folders that were not taken for labels are meant so; unasked they are not."""
    if session.out.as_json or not (sys.stdin.isatty() and session.out.console.is_terminal):
        return False
    return click.confirm(f"Is its folder the label of each image ({plan.doubt})?", default=False)


def import_into(
    source: Source, s3: S3Client, bucket: str, journal: Journal, *, name: str, meter: Meter
) -> tuple[Plan, Sent]:
    """Plan and send a dataset without printing anything: for programs and benchmarks."""
    plan = planning.make(source, name=name)
    return plan, upload.send(plan, s3, bucket, journal, lambda item: meter.advance(item.file.size))


def _make_plan(session: Session, source: Source, options: Options) -> Plan:
    with meter(session.out.console, f"Reading {source.where}", None) as progress:

        def show_progress(done: int, total: int) -> None:
            progress.expect(total)
            progress.advance()

        return planning.make(
            source,
            name=clean_name(options.name or source.default_name),
            format=options.format,
            columns=options.columns,
            keep_split=options.keep_split,
            on_progress=show_progress,
        )


def _check_any(plan: Plan) -> None:
    """Check that the plan has an image to send."""
    if plan.items:
        return
    first = plan.problems[0]
    raise CommandError(
        f"nothing in {plan.source.where} can be imported: {formatting.count(len(plan.problems), 'problem')},"
        f" the first {first.reason} in {first.file}: {first.detail}"
    )


def _send(session: Session, plan: Plan, deployment: Deployment, resend: bool) -> Sent:
    arguments = ["--name", session.name, "import", plan.source.where, "--dataset-name", plan.name]
    resume = (
        f"what was sent is on record; go on with the same options: {shlex.join(['labelloop', *arguments])}"
    )
    with closing(Journal.of(deployment.bucket, plan.name, _absolute(plan.source))) as journal:
        if resend:
            journal.forget()
        try:
            with meter(session.out.console, "Sending", len(plan.items)) as progress:
                return upload.send(
                    plan,
                    upload.client(),
                    deployment.bucket,
                    journal,
                    lambda item: progress.advance(item.file.size),
                )
        except KeyboardInterrupt:
            raise CommandError(f"interrupted: {resume}", exit_code=INTERRUPTED) from None
        except (ClientError, BotoCoreError) as error:
            raise CommandError(f"{explain(error)}; {resume}") from error


def _absolute(source: Source) -> str:
    return source.where if isinstance(source, BucketSource) else str(Path(source.where).resolve())


def _print_sent(
    session: Session, plan: Plan, sent: Sent | None, warnings: list[str], file: Path | None
) -> None:
    """Print what was sent: None if nothing was, in a dry run. Problems go into the file, too."""
    console = session.out.console
    problems = report.all_problems(plan, sent)
    if file is None and sent:
        # Not into the dataset, where the next import would read it, nor wherever the command was called.
        file = journal_folder() / f"{plan.name}-import-problems.csv"
    where = _write_problems(session, file, problems) if file and problems else ""
    if session.out.as_json:
        session.out.document(report.as_dict(plan, sent) | {"warnings": warnings, "problems_file": where})
        return
    if sent:
        images = formatting.count(sent.images, "image")
        counts = f"{images} and {formatting.count(sent.manifests, 'manifest')} sent"
        if sent.sent_before:
            counts += f", {formatting.count(sent.sent_before, 'image')} had been sent before"
        console.print(f"{counts}, {formatting.count(len(problems), 'problem')}", markup=False)
        report.show_problems(console, sent.problems)
    if where:
        console.print(f"All problems are in {where}", markup=False, soft_wrap=True)
    console.print(
        "The images are being registered now; `labelloop status` counts them"
        if sent
        else "Nothing was sent (--dry-run)"
    )


def _write_problems(session: Session, file: Path, problems: list[Problem]) -> str:
    """Write the problems to the file: its path, or nothing if that cannot be done."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        report.write_problems(file, problems)
    except OSError as error:
        text = f"{file} cannot be written: {error.strerror}"
        session.out.console.print(text, style="yellow", markup=False)
        return ""
    return str(file)
