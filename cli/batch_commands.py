"""The commands `labelloop batch ...`: one model version asked about many images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import CommandError
from cli.session import CONTEXT, INTERRUPTED, Group, Session, command

if TYPE_CHECKING:
    from cli.batch.summaries import Format

FORMATS: tuple[Format, ...] = ("jsonl", "coco", "csv")

batches = Group(
    "batch",
    no_args_is_help=True,
    context_settings=CONTEXT,
    help="Ask a model version about many images at once.",
)
wait_option = click.option("--wait", "-w", is_flag=True, help="Show the progress until it has ended.")
units_option = click.option(
    "--units",
    type=click.IntRange(1, 1000),
    help="Inference units to start the version with. Without it, min_inference_units; one that runs already"
    " keeps its units.",
)


@command(batches, "create")
@click.argument("source")
@click.option("--batch-name", default="", help="Name of the batch. Without it, the name of SOURCE.")
@units_option
@click.option("--yes", "-y", is_flag=True, help="Start without asking.")
@click.option("--dry-run", is_flag=True, help="Count and estimate, and start nothing.")
@click.option(
    "--model-version", default="", help="Name or number of the version to ask. Without it, the champion."
)
@click.option(
    "--review-limit",
    type=click.IntRange(0, 100_000),
    default=0,
    show_default=True,
    help="Number of unsure images that go to review at most.",
)
@click.option("--coco", is_flag=True, help="Write the results in COCO's format as well.")
@click.option(
    "--skip-bad-lines", is_flag=True, help="Leave out lines and files that name no image, and count them."
)
@wait_option
def create(  # noqa: PLR0917 one for each option
    session: Session,
    source: str,
    batch_name: str,
    units: int | None,
    yes: bool,
    dry_run: bool,
    model_version: str,
    review_limit: int,
    coco: bool,
    skip_bad_lines: bool,
    wait: bool,
) -> None:
    """Create a batch: count its images, say what it costs, ask, and start it.

    SOURCE is a folder, whose images are sent first; a prefix of a bucket, s3://bucket/prefix/; a list of keys
    or addresses (.csv, .jsonl, .txt; also .gz) here or in a bucket; or the manifest.json of an S3 Inventory
    in CSV. Buckets beside the data bucket need the setting batch_buckets.

    A create that was interrupted goes on where it stopped when it is started again.

    \b
    Examples:
      labelloop batch create photos/
      labelloop batch create s3://cameras/2026-11/ --units 4 --yes --wait
      labelloop batch create night.csv --dry-run
    """
    from cli.batch import create as creating

    options = creating.Options(
        name=batch_name,
        units=units or 0,
        version=model_version,
        review_limit=review_limit,
        coco=coco,
        skip_bad_lines=skip_bad_lines,
    )
    if wait and session.out.as_json:
        raise CommandError("--json prints one document: follow it with `labelloop batch show --wait`", 2)
    started = creating.run(session, source, options, yes=yes, dry_run=dry_run)
    if wait and started:
        _follow(session, started.batch, started.execution)


@command(batches, "list")
def list_batches(session: Session) -> None:
    """List the batches, newest first.

    Example: labelloop batch list --json | jq '.[] | select(.state == "failed")'
    """
    from cli.batch import showing

    everything = session.wait_for("Reading the batches", session.deployment().loop_state.batches)
    session.print_result(
        [showing.document(batch) for batch in everything],
        lambda: showing.show_all(session.out.console, everything),
    )


@command(batches, "show")
@click.argument("batch")
@wait_option
def show(session: Session, batch: str, wait: bool) -> None:
    """Show how far a batch is, and what it has come to.

    With --wait the exit code says how it has ended: 0 done, 3 cancelled, 1 failed.

    Example: labelloop batch show night --wait
    """
    from cli.batch import showing

    if wait:
        _follow(session, batch)
        return
    deployment = session.deployment()
    record = session.wait_for("Reading the batch", lambda: showing.one(deployment, batch))
    session.print_result(
        showing.document(record), lambda: showing.show(session.out.console, record, deployment)
    )


@command(batches, "cancel")
@click.argument("batch")
def cancel(session: Session, batch: str) -> None:
    """Cancel a batch. What has an answer stays, and its inference units are given back.

    Example: labelloop batch cancel night
    """
    from cli.batch import showing
    from cli.user import user
    from lambdas.domain.batch import control
    from lambdas.domain.batch.control import BatchStateError

    deployment = session.deployment()
    try:
        one = showing.one(deployment, batch)
        control.cancel(deployment.stepfunctions, deployment.batch_machine_arn, one, user())
    except BatchStateError as error:
        raise CommandError(str(error)) from error
    session.print_result(
        {"batch": batch, "cancelled": True},
        lambda: session.out.console.print(
            f"{batch} is being cancelled; `labelloop batch resume {batch}` would go on with it", markup=False
        ),
    )


@command(batches, "resume")
@click.argument("batch")
@units_option
@wait_option
def resume(session: Session, batch: str, units: int | None, wait: bool) -> None:
    """Go on with a batch that was cancelled, or has failed. What has an answer is not asked again.

    Example: labelloop batch resume night --units 2 --wait
    """
    from lambdas.domain.batch import control
    from lambdas.domain.batch.control import BatchStateError

    deployment = session.deployment()
    order = control.read(deployment.s3, deployment.bucket, batch)
    if order is None:
        raise CommandError(f"there is no batch {batch}: `labelloop batch list` shows those that there are")
    record = deployment.loop_state.batch(batch)
    try:
        execution = control.resume(
            deployment.stepfunctions, deployment.batch_machine_arn, order, record, units=units or 0
        )
    except BatchStateError as error:
        raise CommandError(str(error)) from error
    if wait and not session.out.as_json:
        _follow(session, batch, execution)
        return
    session.print_result(
        {"batch": batch, "execution": execution},
        lambda: session.out.console.print(f"{batch} goes on", markup=False),
    )


@command(batches, "results")
@click.argument("batch")
@click.option("--to", type=click.Path(path_type=Path), help="Folder to write the results to.")
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(FORMATS),
    default="jsonl",
    show_default=True,
    help="jsonl: a line for each image; csv: a row for each object; coco: images.json and results.json.",
)
def fetch(session: Session, batch: str, to: Path | None, form: Format) -> None:
    """Show what a batch has come to so far, and write its results to a folder.

    Example: labelloop batch results night --to night/ --format csv
    """
    from cli.batch import showing, summaries
    from cli.progress import meter

    deployment, console = session.deployment(), session.out.console
    record = showing.one(deployment, batch)
    summary = session.wait_for("Reading the results", lambda: summaries.gathered(deployment, record))
    files: list[Path] = []
    written = None
    if to:
        with meter(console, "Fetching", summary["detected"] + summary["failed"]) as progress:
            files, written = summaries.save(deployment, record, to, form, progress)
    document = {**summary, "state": record.state, "files": [str(file) for file in files]}
    session.print_result(document, lambda: summaries.show(console, summary))
    if session.out.as_json:
        return
    if written and written.without_box:
        console.print(f"COCO's format has no place for {written.without_box} labels without a box: left out")
    for file in files:
        console.print(f"Written: {file}", markup=False, soft_wrap=True)
    if not files:
        console.print(f"The results are under {summary['results']}", markup=False, soft_wrap=True)
    if record.is_live:
        console.print(f"{batch} goes on: this is what there is by now", style="yellow", markup=False)


def _follow(session: Session, name: str, execution: str = "") -> None:
    """Follow a batch to its end, and exit as that says."""
    from cli.batch import showing

    deployment, console = session.deployment(), session.out.console
    try:
        record = showing.follow(deployment, console, name, execution)
    except KeyboardInterrupt:
        console.print(
            f"Not followed any more: the batch goes on; `labelloop batch show {name}` shows how far"
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    session.print_result(showing.document(record), lambda: showing.show(console, record, deployment))
    raise click.exceptions.Exit(showing.exit_code(record))
