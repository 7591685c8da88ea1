"""`labelloop batch create`: count the images of a source, say what they cost, send them, and start."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table

from cli import formatting, history
from cli.batch import sending
from cli.batch.images import Remarks
from cli.batch.sources import Source, source_of
from cli.batch.spool import Spool
from cli.deployment import CONFIG, Deployment, explain, s3_client
from cli.output import CommandError
from cli.progress import meter
from cli.session import INTERRUPTED, Session
from cli.user import user
from lambdas.domain.batch import coco, control, estimate, files
from lambdas.domain.batch.control import Order
from lambdas.domain.batch.estimate import Estimate, Option
from lambdas.domain.batch.files import BatchNameError
from lambdas.domain.costs import budget
from lambdas.domain.engines.rekognition.custom_labels import MAX_INFERENCE_UNITS
from lambdas.domain.shared import clock, pricing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from rich.console import Console

    from lambdas.domain.engines.port import Version


@dataclass(frozen=True)
class Options:
    """What a batch is ordered with. What is empty is chosen."""

    name: str = ""
    units: int = 0
    version: str = ""
    review_limit: int = 0
    coco: bool = False
    skip_bad_lines: bool = False


@dataclass(frozen=True)
class Started:
    """A batch by its name, and the execution that works on it."""

    batch: str
    execution: str


@dataclass(frozen=True)
class Plan:
    """A batch that was counted, and what it comes to."""

    order: Order
    uploads: int
    bytes: int
    remarks: Remarks
    estimate: Estimate
    chosen: Option
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "batch": self.order.batch,
            "source": self.order.source,
            "images": self.estimate.images,
            "images_to_send": self.uploads,
            "bytes": self.bytes,
            "left_out": dict(self.remarks.left_out),
            "bad_entries": self.remarks.bad_count,
            "model_version": self.order.version,
            "units": self.chosen.units,
            "estimate": {
                **{name: value for name, value in asdict(self.estimate).items() if name != "options"},
                "options": [{**asdict(option), "usd": option.usd} for option in self.estimate.options],
                "prices_as_of": pricing.AS_OF,
            },
            "warnings": list(self.warnings),
        }


def run(session: Session, where: str, options: Options, *, yes: bool, dry_run: bool) -> Started | None:
    """Create a batch, as `labelloop batch create` does: its execution; None if nothing was to be started.

    Raises:
        CommandError: it cannot be created; with exit code 130 if it was interrupted.
    """
    deployment, console = session.deployment(), session.out.console
    s3 = s3_client(CONFIG.merge(Config(max_pool_connections=sending.THREADS)))
    source = source_of(where, s3, deployment.bucket)
    order = _order(deployment, source, options)
    _check_free(deployment, s3, order)
    if source.kind == "prefix":
        _check_bucket(deployment, s3, source.where.removeprefix("s3://").partition("/")[0])
    with Spool() as spool:
        _count(console, source, spool, options)
        for bucket in spool.buckets:
            _check_bucket(deployment, s3, bucket)
        plan = _plan(deployment, source, spool, order)
        if not session.out.as_json:
            show_plan(console, plan)
        if dry_run:
            session.print_result(
                plan.as_dict(), lambda: console.print("Nothing was sent or started (--dry-run)")
            )
            return None
        if not yes:
            session.confirm(f"Start {order.batch}?", "nothing was started")
        execution = _send_and_start(session, deployment, s3, source, spool, order, where)
    session.print_result(
        {**plan.as_dict(), "execution": execution},
        lambda: console.print(
            f"{order.batch} has started; `labelloop batch show {order.batch} --wait` follows it", markup=False
        ),
    )
    return Started(order.batch, execution)


def _order(deployment: Deployment, source: Source, options: Options) -> Order:
    version = history.version(deployment, options.version).id if options.version else ""
    if not version and deployment.loop_state.champion() is None:
        raise CommandError(
            "no model version has been promoted yet: name one with --model-version, or train one with"
            " `labelloop train`"
        )
    try:
        name = files.check_name(options.name or _clean(source.default_name))
    except BatchNameError as error:
        raise CommandError(f"{error}; say which with --batch-name", exit_code=2) from error
    return Order(
        batch=name,
        source=source.where,
        created_by=user(),
        version=version,
        units=options.units,
        review_limit=options.review_limit,
        coco=options.coco,
        kind=source.kind,
        created_at=clock.now(),
    )


def _clean(text: str) -> str:
    """A name for a batch, made of the name of its source."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[: files.MAX_NAME_LETTERS].strip("-")


def _check_free(deployment: Deployment, s3: S3Client, order: Order) -> None:
    """Make sure that the name is nobody's, or that of an earlier try with the same source."""
    name = order.batch
    if batch := deployment.loop_state.batch(name):
        raise CommandError(
            f"there is a batch {name} already ({batch.state}): `labelloop batch show {name}`; give another"
            " name with --batch-name",
            exit_code=2,
        )
    earlier = control.read(s3, deployment.bucket, name)
    if earlier and earlier.source != order.source:
        raise CommandError(
            f"the name {name} was taken at {formatting.moment(earlier.created_at)} by {earlier.created_by},"
            f" for {earlier.source}, which has not started; give another name with --batch-name",
            exit_code=2,
        )


def _count(console: Console, source: Source, spool: Spool, options: Options) -> None:
    with meter(console, f"Counting {source.where}", None) as progress:
        for image in spool.fill(source.images()):
            progress.advance(image.size)
    remarks = source.remarks
    if remarks.bad_count and not options.skip_bad_lines:
        named = "; ".join(f"{bad.where}: {bad.reason}" for bad in remarks.bad)
        more = (
            f"; and {remarks.bad_count - len(remarks.bad)} more"
            if remarks.bad_count > len(remarks.bad)
            else ""
        )
        raise CommandError(
            f"{formatting.count(remarks.bad_count, 'entry', 'entries')} of {source.where} cannot be used:"
            f" {named}{more}. Correct them, or leave them out with --skip-bad-lines",
            exit_code=2,
        )
    if options.coco and spool.count > coco.MAX_IMAGES:
        raise CommandError(
            f"--coco is for up to {coco.MAX_IMAGES:,} images, not {spool.count:,}: leave it out, and"
            " fetch them at the end with `labelloop batch results NAME --to FOLDER --format coco`",
            exit_code=2,
        )
    if not spool.count:
        others = _left_out_words(remarks)
        raise CommandError(f"there is no image in {source.where}" + (f", only {others}" if others else ""))


def _left_out_words(remarks: Remarks) -> str:
    return ", ".join(f"{count} {what}" for what, count in remarks.left_out.most_common(5))


def _check_bucket(deployment: Deployment, s3: S3Client, bucket: str) -> None:
    """Make sure that the functions may read the bucket, and that Rekognition can."""
    allowed = deployment.batch_buckets.split(",")
    if bucket not in allowed:
        names = ",".join([*allowed[1:], bucket])
        raise CommandError(
            f"this deployment may not read the bucket {bucket}: allow it with `npx cdk deploy -c"
            f" batch_buckets={names}` (the setting batch_buckets), or copy the images into"
            f" s3://{deployment.bucket}/batches/"
        )
    if bucket == deployment.bucket:
        return
    try:
        region = s3.head_bucket(Bucket=bucket).get("BucketRegion", "")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            raise CommandError(f"there is no bucket {bucket}: correct the list") from error
        # The functions may read it; whether the caller may does not matter for a list.
        return
    home = deployment.project_arn.split(":")[3]
    if region and region != home:
        # https://docs.aws.amazon.com/rekognition/latest/APIReference/API_S3Object.html
        raise CommandError(
            f"the bucket {bucket} lies in {region}, and Rekognition reads only those of {home}: copy the"
            f" images, such as by `aws s3 sync s3://{bucket} s3://{deployment.bucket}/batches/copied/`"
        )


def _plan(deployment: Deployment, source: Source, spool: Spool, order: Order) -> Plan:
    tuning, state = deployment.tuning(), deployment.loop_state
    uploads = spool.count if source.kind == "folder" else 0
    champion = state.champion()
    name = order.version or (champion.version_name if champion else "")
    version = deployment.engine.describe_version(name)
    if version is None:
        raise CommandError(
            f"Rekognition has no model version {name} any more: `labelloop versions` lists them"
        )
    prices = pricing.prices(deployment.engine.region, tuning)
    wanted = order.units or tuning.min_inference_units
    runs = version.status == "RUNNING"
    units: Sequence[int] = (
        [version.inference_units]
        if runs
        else sorted({*range(1, max(MAX_INFERENCE_UNITS, tuning.max_inference_units) + 1), wanted})
    )
    made = estimate.make(
        spool.count,
        uploads,
        state.serving(),
        prices,
        units,
        runs=runs,
        batch_rate=estimate.measured_rate(state.batches(), name),
    )
    chosen = next((option for option in made.options if option.units == wanted), made.options[0])
    verdict = budget.check(state, tuning, clock.now(), adds_usd=chosen.units_usd)
    warnings = [f"it may not get to its end: {verdict.reason}"] if not verdict.allowed else []
    return Plan(
        replace(order, version=name),
        uploads,
        spool.bytes,
        source.remarks,
        made,
        chosen,
        (*warnings, *_unit_warnings(version, order.units)),
    )


def _unit_warnings(version: Version, units: int) -> list[str]:
    if version.status != "RUNNING" or units in (0, version.inference_units):
        return []
    return [
        f"{version.name} runs already, with {formatting.count(version.inference_units, 'inference unit')},"
        f" and keeps them: for {units}, stop it first (`labelloop stop`)"
    ]


def show_plan(console: Console, plan: Plan) -> None:
    """Print what was counted and what it comes to."""
    size = f", {plan.bytes / 1e6:.0f} MB" if plan.bytes else ""
    images = f"{plan.estimate.images:,} images{size} of {plan.order.source}"
    console.print(f"{plan.order.batch}: {images}; {plan.order.version} answers", markup=False, soft_wrap=True)
    if left_out := _left_out_words(plan.remarks):
        console.print(f"Left out, as they are no images: {left_out}", markup=False)
    if plan.remarks.bad_count:
        bad = plan.remarks.bad[0]
        count = formatting.count(plan.remarks.bad_count, "entry", "entries")
        first = f"the first: {bad.where}: {bad.reason}"
        console.print(f"Left out, as they cannot be used: {count}; {first}", markup=False, style="yellow")
    console.print(_table(plan))
    console.print(_basis_words(plan.estimate), style="dim", markup=False)
    for warning in plan.warnings:
        console.print(warning[0].upper() + warning[1:], style="yellow", markup=False)


def _table(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("inference units", justify="right")
    table.add_column("time", justify="right")
    for title in ("units, USD", "requests, USD", "in all, USD"):
        table.add_column(title, justify="right")
    for option in plan.estimate.options:
        table.add_row(
            str(option.units),
            formatting.seconds(option.seconds),
            formatting.usd(option.units_usd),
            formatting.usd(option.use_usd),
            formatting.usd(option.usd),
            style="bold" if option is plan.chosen else None,
        )
    return table


def _basis_words(made: Estimate) -> str:
    rate = f"{made.unit_rate:g} images a second for each inference unit"
    measured = (
        f"as measured here ({rate})"
        if made.is_measured
        else f"if there are {rate}, which was not measured here yet, and depends on model and images"
    )
    start = f", {formatting.seconds(made.start_seconds)} of it for the start" if made.start_seconds else ""
    return f"Time {measured}{start}. Prices as of {pricing.AS_OF}; the bill is what counts."


def _send_and_start(  # noqa: PLR0917 one for each thing that is at hand
    session: Session,
    deployment: Deployment,
    s3: S3Client,
    source: Source,
    spool: Spool,
    order: Order,
    where: str,
) -> str:
    """Send the images and the parts of the input, and start the state machine: the execution's ARN."""
    call = ["labelloop", "--name", session.name, "batch", "create", where, "--batch-name", order.batch]
    resume = f"what was sent is on record; go on with the same options: {shlex.join(call)}"
    owner = control.claim(s3, deployment.bucket, order)
    if owner.source != order.source:
        raise CommandError(f"the name {order.batch} was just taken by {owner.created_by}: give another one")
    try:
        if source.kind == "folder":
            sending.images(session.out.console, source.where, spool, s3, deployment.bucket, order.batch)
        sending.parts(session.out.console, spool, s3, deployment.bucket, order.batch)
        order = replace(order, total=spool.count)
        control.write(s3, deployment.bucket, order)
        return control.start(deployment.stepfunctions, deployment.batch_machine_arn, order)
    except KeyboardInterrupt:
        raise CommandError(f"interrupted: {resume}", exit_code=INTERRUPTED) from None
    except (ClientError, BotoCoreError) as error:
        raise CommandError(f"{explain(error)}; {resume}") from error
