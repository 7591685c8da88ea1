"""`labelloop import`, from the data set to the bucket."""

from __future__ import annotations

import re
import shlex
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli import words
from cli.deployment import CONFIG, Deployment, explain
from cli.importing import plan as planning
from cli.importing import report, upload
from cli.importing.journal import Journal
from cli.importing.plan import Plan
from cli.importing.progress import Meter, meter
from cli.importing.sources import REQUESTS_AT_ONCE, BucketSource, LocalSource, Source
from cli.importing.upload import Sent
from cli.output import CommandError
from cli.session import INTERRUPTED, Session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_NAME = 100


def source_of(where: str) -> Source:
    """The data set that people named.

    Raises:
        CommandError: there is nothing of that name.
    """
    if where.startswith("s3://"):
        config = CONFIG.merge(Config(max_pool_connections=REQUESTS_AT_ONCE))
        return BucketSource(boto3.client("s3", config=config), where)
    return LocalSource(Path(where))


def clean_name(text: str) -> str:
    """A name for the data set's folder in the bucket.

    Raises:
        CommandError: nothing is left of it.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:MAX_NAME]
    if not name:
        raise CommandError(f"{text!r} makes no name for the data set: give one with --as", exit_code=2)
    return name


@dataclass(frozen=True)
class Options:
    """How a data set is to be read; what is empty is found out."""

    name: str = ""
    format: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    keep_split: bool = True


def run(using: Session, where: str, options: Options, *, dry_run: bool, again: bool) -> None:
    """See `labelloop import --help`.

    Raises:
        CommandError: nothing can be imported; with exit code 130 if it was cut off.
    """
    # Found first, so that nobody waits for a look at 100,000 images to hear that it is not there.
    deployment = None if dry_run else using.deployment()
    with closing(source_of(where)) as source:
        plan = _planned(using, source, options)
        if not using.out.as_json:
            report.show_plan(using.out.console, plan)
        _refuse_nothing(plan)
        if deployment is None:
            using.tell(report.as_dict(plan), lambda: using.out.console.print("Nothing was sent (--dry-run)"))
            return
        sent = _sent(using, plan, deployment, again)
    _tell(using, plan, sent)


def import_into(
    source: Source, s3: S3Client, bucket: str, journal: Journal, *, name: str, meter: Meter
) -> tuple[Plan, Sent]:
    """Plan and send a data set without saying anything: for programs, and to be measured."""
    plan = planning.make(source, name=name)
    return plan, upload.send(plan, s3, bucket, journal, lambda item: meter.advance(item.file.size))


def _planned(using: Session, source: Source, options: Options) -> Plan:
    with using.out.console.status(f"Reading {source.where}") as status:

        def tell(done: int, of: int) -> None:
            if done % 100 == 0:
                status.update(f"Looking at images: {done} of {of}")

        return planning.make(
            source,
            name=clean_name(options.name or source.default_name),
            format=options.format,
            columns=options.columns,
            keep_split=options.keep_split,
            tell=tell,
        )


def _refuse_nothing(plan: Plan) -> None:
    if plan.items:
        return
    first = plan.problems[0]
    raise CommandError(
        f"nothing in {plan.source.where} can be imported: {words.count(len(plan.problems), 'problem')},"
        f" the first {first.reason} in {first.file}: {first.detail}"
    )


def _sent(using: Session, plan: Plan, deployment: Deployment, again: bool) -> Sent:
    command = shlex.join(["labelloop", "--name", using.name, "import", plan.source.where, "--as", plan.name])
    resume = f"what was sent is noted; go on with the same options: {command}"
    with closing(Journal.of(deployment.bucket, plan.name, _absolute(plan.source))) as journal:
        if again:
            journal.forget()
        try:
            with meter(using.out.console, "Sending", len(plan.items)) as shown:
                return upload.send(
                    plan,
                    upload.client(),
                    deployment.bucket,
                    journal,
                    lambda item: shown.advance(item.file.size),
                )
        except KeyboardInterrupt:
            raise CommandError(f"stopped: {resume}", exit_code=INTERRUPTED) from None
        except (ClientError, BotoCoreError) as error:
            raise CommandError(f"{explain(error)}; {resume}") from error


def _absolute(source: Source) -> str:
    return source.where if isinstance(source, BucketSource) else str(Path(source.where).resolve())


def _tell(using: Session, plan: Plan, sent: Sent) -> None:
    console = using.out.console
    problems = report.all_problems(plan, sent)
    file = Path(f"{plan.name}-import-problems.csv")
    where = ""
    if problems:
        try:
            report.write_problems(file, problems)
            where = str(file)
        except OSError as error:
            console.print(f"{file} cannot be written: {error.strerror}", style="yellow", markup=False)
    if using.out.as_json:
        using.out.document(report.as_dict(plan, sent) | {"problems_file": where})
        return
    told = f"{words.count(sent.images, 'image')} and {words.count(sent.manifests, 'manifest')} sent"
    if sent.there_already:
        told += f", {words.count(sent.there_already, 'image')} had been sent before"
    console.print(f"{told}, {words.count(len(problems), 'problem')}", markup=False)
    report.show_problems(console, sent.problems)
    if where:
        console.print(f"All problems are in {where}", markup=False, soft_wrap=True)
    console.print("They are being registered now; `labelloop status` counts them")
