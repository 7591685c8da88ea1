"""The command `labelloop`: what people do with a deployment from the command line.

It calls AWS through boto3 alone, and so the embedded stack where AWS_ENDPOINT_URL names it. Each command
imports what it needs when it runs, so that --help does not wait until boto3 and Pillow are loaded.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli import datasets
from cli.application_commands import apps
from cli.batch_commands import batches
from cli.detection_commands import detections_group
from cli.image_commands import images_group
from cli.number_range import NumberRange
from cli.session import CONTEXT, INTERRUPTED, Commands, Session, command
from cli.settings_commands import settings_group
from cli.users import users

if TYPE_CHECKING:
    from cli import following
    from cli.doctor.command import EngineSetting
    from lambdas.domain.costs.accounts import Grouping
    from lambdas.domain.engines.port import EngineName
    from lambdas.domain.shared import records

DEFAULT_NAME = "labelloop"
COMPLETION_VARIABLE = "_LABELLOOP_COMPLETE"
"""Click's, by which the shell asks for completions:
https://click.palletsprojects.com/en/stable/shell-completion/"""

wait_option = click.option("--wait", "-w", is_flag=True, help="Show the progress until it has ended.")


@click.group(
    cls=Commands,
    no_args_is_help=True,
    context_settings=CONTEXT,
    epilog="Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 nothing promoted (rejected or skipped).",
)
@click.option(
    "--name",
    "-n",
    envvar="LABELLOOP_NAME",
    default=DEFAULT_NAME,
    show_default=True,
    show_envvar=True,
    help="Name of the deployment.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")
@click.version_option(
    package_name="labelloop",
    prog_name="labelloop",
    message="%(prog)s %(version)s",
    help="Print the version and nothing else.",
)
@click.pass_context
def app(context: click.Context, name: str, as_json: bool) -> None:
    """Manage a LabelLoop deployment.

    LabelLoop trains, tests and serves Amazon Rekognition Custom Labels models as new labelled images arrive.
    This command uses your AWS credentials, or the embedded stack after `. .embedded/env`.

    \b
    labelloop doctor --before-deploy      look for what would keep a deployment from working
    labelloop selftest                    run the loop once in your account, and remove it again
    labelloop status                      show the state of the deployment
    labelloop import photos/              import a dataset, labelled or not
    labelloop train --wait                train now, and show the progress
    labelloop costs --by month            show what trainings and running models have cost
    labelloop detect photos/ --out seen/  run the model on images
    labelloop batch create s3://photos/   run the model on very many images
    labelloop --name parts runs --json    print JSON, for programs

    \b
    Words that are used here; docs/glossary.md has the others:
    catalogue  the table of all registered images, with their labels
    snapshot   a fixed list of labelled images that a version is trained with
    run        one training, from the snapshot to the promotion
    champion   the model version that serves detections
    """
    context.obj = Session(name, as_json)


@command(app, "status")
def show_status(session: Session) -> None:
    """Show the state of the deployment.

    Example: labelloop status --json | jq .usd_per_hour
    """
    from cli import status

    deployment = session.deployment()
    document = session.wait_for("Reading the status", lambda: status.gather(deployment))
    session.print_result(document, lambda: status.show(session.out.console, document))


@command(app, "doctor")
@click.option(
    "--before-deploy", is_flag=True, help="Look at what a deployment needs, not at one that is there."
)
@click.option(
    "--engine",
    type=click.Choice(["rekognition", "serverless", "both"]),
    default="rekognition",
    show_default=True,
    help="With --before-deploy: the engine that is to be deployed.",
)
def doctor(session: Session, before_deploy: bool, engine: EngineSetting) -> None:
    """Look for what would keep a deployment from working.

    Each line says: fine, will hurt, will fail, or cannot be seen, with the command or link that mends it.
    Nothing is changed, and nothing costs anything. The exit code is 1 if something will fail.

    \b
    labelloop doctor --before-deploy          before the first `npx cdk deploy`
    labelloop doctor --before-deploy --engine serverless
    labelloop doctor                          of a deployment that is there
    labelloop doctor --json | jq '.findings[] | select(.state != "fine")'
    """
    from cli.doctor import command as doctoring

    document = doctoring.diagnose(
        session.name, before_deploy=before_deploy, console=session.out.console, engine=engine
    )
    session.print_result(document, lambda: doctoring.show(session.out.console, document))
    if document["fails"]:
        raise click.exceptions.Exit(1)


@command(app, "costs")
@click.option(
    "--by",
    type=click.Choice(["day", "month", "version"]),
    default="month",
    show_default=True,
    help="What is summed up.",
)
def show_costs(session: Session, by: Grouping) -> None:
    """Show what trainings and running models have cost.

    The figures are the loop's own, of every training and every hour that a model version ran; days and months
    are those of UTC, as AWS bills by them.

    Example: labelloop costs --by version
    """
    from cli import costs

    deployment = session.deployment()
    document = session.wait_for("Reading the ledger", lambda: costs.gather(deployment, by))
    session.print_result(document, lambda: costs.show(session.out.console, document))


@command(app, "selftest")
@click.option("--yes", "-y", is_flag=True, help="Begin without asking.")
@click.option(
    "--cap-usd",
    type=NumberRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="End once this much is spent, by its own estimate.",
)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("labelloop-selftest.json"),
    show_default=True,
    help="File for what was found out.",
)
@click.option("--clean", is_flag=True, help="Only remove what an earlier selftest has left.")
@click.option(
    "--engine",
    type=click.Choice(["rekognition", "serverless"]),
    default="rekognition",
    show_default=True,
    help="The engine that is tested.",
)
def selftest(  # noqa: PLR0917 the command's options
    session: Session, yes: bool, cap_usd: float, out: Path, clean: bool, engine: EngineName
) -> None:
    """Run the loop once in your account, and ask AWS what only AWS can answer.

    It deploys <name>-selftest, trains a model with 20 images that it draws, promotes it, detects, asks
    and removes everything again: one to two hours, about 1 to 3 USD. No other deployment is touched.

    \b
    labelloop selftest                        says what it will do, and asks first
    labelloop selftest --yes --cap-usd 3      asks nothing
    labelloop selftest --engine serverless    tests the other engine: about an hour, less than 1 USD
    labelloop selftest --clean                removes what a killed selftest has left
    """
    from cli.selftest import command as selftesting

    test = selftesting.Selftest.of(session.name, session.out.console, engine)
    if clean:
        left = selftesting.cleaned(test)
        session.print_result(
            {"left": left}, lambda: selftesting.show_left(session.out.console, left, session.name)
        )
        raise click.exceptions.Exit(1 if left else 0)
    session.out.console.print(
        selftesting.explanation(test.account.name, cap_usd, engine), markup=False, soft_wrap=True
    )
    if not yes:
        session.confirm("Begin?", "nothing was begun")
    document = selftesting.run(test, cap_usd)
    selftesting.write(document, out)
    session.print_result(document, lambda: selftesting.show(session.out.console, document, out, session.name))
    if document["failure"] or document["left"]:
        raise click.exceptions.Exit(1)


datasets.add_to(app)


@command(app, "train")
@wait_option
@click.option("--force", is_flag=True, help="Train even if nothing has changed.")
@click.option(
    "--engine",
    type=click.Choice(["rekognition", "serverless"]),
    help="What to train with, in the place of the deployment's usual engine.",
)
def train(session: Session, wait: bool, force: bool, engine: str | None) -> None:
    """Start a training run.

    One run trains at a time; another one waits for its lease, which is a lock. With --wait the exit code says
    how the run has ended: 0 promoted, 3 rejected or skipped, 1 failed.

    Example: labelloop train --wait --force
    """
    from cli import control, history

    deployment, console = session.deployment(), session.out.console
    run, started = control.train(deployment, force=force, engine=engine or "")
    if started:
        words = control.forecast_words(deployment, deployment.tuning(), engine or "")
        console.print(f"Run {run.id} has started: {words}", markup=False)
    else:
        waits = run.waits()
        words = f"Run {run.id} is under way already{f' and {waits}' if waits else ''}"
        console.print(f"{words}{'; it is followed here' if wait else ''}", markup=False, soft_wrap=True)
    if not wait:
        session.print_result(
            {"id": run.id, "execution": run.execution.arn, "started": started},
            lambda: console.print(
                f"`labelloop train --wait` follows it, `labelloop runs {run.id}` shows how it ended"
            ),
        )
        return
    record = _follow_run(session, run)
    if other := control.overtaking(deployment, record):
        console.print(f"Run {other.id} began before it, and is followed here")
        started, record = False, _follow_run(session, other)
    session.print_result({**record.as_dict(), "started": started}, lambda: history.show_run(console, record))
    raise click.exceptions.Exit(control.exit_code(str(record.outcome)))


@command(app, "detect")
@click.argument("images", type=click.Path(), metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="Folder for the images with the boxes drawn in. Clips need it: their answers go there.",
)
@click.option(
    "--min-confidence",
    type=NumberRange(0, 100),
    help="Leave out detections below this confidence, in percent. Without it, the model's thresholds count.",
)
@click.option(
    "--tile/--no-tile",
    default=None,
    help="Cut images into tiles, in which small objects are seen better; each is a detection. Without it,"
    " those are cut that Rekognition does not take.",
)
@click.option(
    "--rate",
    type=NumberRange(0.01, 120),
    default=1.0,
    show_default=True,
    help="Frames of a clip to look at in each second.",
)
def detect(  # noqa: PLR0917 what the command line has
    session: Session,
    images: Sequence[str],
    out: Path | None,
    min_confidence: float | None,
    tile: bool | None,
    rate: float,
) -> None:
    """Run the champion on images and clips of this machine.

    An IMAGE is a JPEG or PNG file, a clip (MP4, MOV, MKV, AVI, WebM), a folder of them, or a pattern. One
    that cannot be used does not stop the others; the exit code is 1 then. Of a clip's frames in a row that
    look alike one is asked about; the answers, as JSON Lines, and the clip with the boxes drawn in go to
    --out, which a clip needs.

    Example: labelloop detect photos/ 'more/**/*.png' --out seen
    """
    from cli import detect as detection
    from cli import progress

    deployment, console = session.deployment(), session.out.console
    chosen = detection.images(images)
    asked = detection.ask_about(
        deployment, chosen, min_confidence=min_confidence, out=out, tile=tile, rate=rate
    )
    answers = progress.counted(console, "Running the champion", asked, len(chosen))
    drawn = [answer for answer in answers if answer.drawn]
    session.print_result([answer.as_dict() for answer in answers], lambda: detection.show(console, answers))
    if drawn:
        console.print(f"Written to {out}: {len(drawn)} of {len(answers)}", markup=False)
    if any(answer.error for answer in answers):
        raise click.exceptions.Exit(1)


@command(app, "runs")
@click.argument("run", default="")
def show_runs(session: Session, run: str) -> None:
    """List the training runs and rollbacks, or show one.

    RUN is the id of a run, or its first characters. Without it, all are listed, newest first.

    Example: labelloop runs manual-20260131T120000
    """
    from cli import history

    deployment, console = session.deployment(), session.out.console
    if run:
        record = session.wait_for("Reading the run", lambda: history.run(deployment, run))
        session.print_result(record.as_dict(), lambda: history.show_run(console, record))
    else:
        runs = session.wait_for("Reading the runs", lambda: history.runs(deployment))
        session.print_result([run.as_dict() for run in runs], lambda: history.show_runs(console, runs))


@command(app, "versions")
@click.argument("version", default="")
def show_versions(session: Session, version: str) -> None:
    """List the model versions, or show one.

    VERSION is the name or number of a model version. It is shown with its labels, the decisions of its gates,
    the run that trained it and the snapshot that it was trained with. Without it, all are listed, newest
    first.

    Example: labelloop versions v3
    """
    from cli import history

    deployment, console = session.deployment(), session.out.console
    if version:
        entry = session.wait_for(
            "Reading the version", lambda: history.lineage(deployment, history.version(deployment, version))
        )
        session.print_result(entry.as_dict(), lambda: history.show_version(console, entry))
    else:
        entries = session.wait_for("Reading the versions", lambda: history.versions(deployment))
        session.print_result(
            [entry.as_dict() for entry in entries], lambda: history.show_versions(console, entries)
        )


@command(app, "export-model")
@click.argument("version")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), required=True, help="Folder, empty or not there yet."
)
def export_model(session: Session, version: str, folder: Path) -> None:
    """Write a model version as files that run anywhere.

    VERSION is the name or number of a model version. The folder gets its model in ONNX form, with labels and
    thresholds in it, run_model.py, which needs ONNX Runtime, numpy and Pillow alone, and its evaluation.
    run_model.py shows what reaches the threshold of its label, or another (--min-confidence). Amazon
    Rekognition gives no models away.

    Example: labelloop export-model v3 --to model
    """
    from cli import history, model_files

    deployment = session.deployment()
    chosen = history.version(deployment, version)
    document = session.wait_for("Fetching the model", lambda: model_files.export(deployment, chosen, folder))
    session.print_result(document, lambda: model_files.show(session.out.console, document))


@command(app, "diff")
@click.argument("first")
@click.argument("second")
def show_difference(session: Session, first: str, second: str) -> None:
    """Show what differs in the data of two model versions.

    FIRST and SECOND are names or numbers of model versions. The snapshots that they were trained with are
    compared: how many images came, went, were labelled otherwise, drawn otherwise or moved to the other
    dataset; then how many objects of each label; then each image.

    Example: labelloop diff v2 v3
    """
    from cli import differences

    deployment = session.deployment()
    document = session.wait_for(
        "Comparing the snapshots", lambda: differences.between(deployment, first, second)
    )
    session.print_result(document.as_dict(), lambda: differences.show(session.out.console, document))


@command(app, "reproduce")
@click.argument("version")
@click.option("--promote", is_flag=True, help="Let the gates promote the new version, as after any run.")
@wait_option
def reproduce(session: Session, version: str, promote: bool, wait: bool) -> None:
    """Train a model version again: a new version, from the same images with the same labels.

    VERSION is the name or number of a model version. Its snapshot is trained on again, whatever has changed
    since; the evaluation gate judges it. Without --promote it does not serve, whatever the gate says. What is
    new in the catalogue waits for the next run. Trainings begin from random numbers: the F1 comes out a
    little different. It costs as any training does.

    Example: labelloop reproduce v3 --wait
    """
    from cli import control, history
    from lambdas.domain.shared.records import is_serverless

    deployment, console = session.deployment(), session.out.console
    name, run = control.reproduce(deployment, version, promote=promote)
    engine = "serverless" if is_serverless(name) else ""
    words = control.forecast_words(deployment, deployment.tuning(), engine)
    console.print(f"Run {run.id} trains {name} again: {words}", markup=False)
    if not wait:
        session.print_result(
            {"id": run.id, "execution": run.execution.arn, "reproduces": name},
            lambda: console.print(f"`labelloop runs {run.id}` shows how it ended"),
        )
        return
    record = _follow_run(session, run)
    session.print_result({**record.as_dict(), "reproduces": name}, lambda: history.show_run(console, record))
    raise click.exceptions.Exit(control.exit_code(str(record.outcome)))


@command(app, "rollback")
@click.argument("version")
@wait_option
def rollback(session: Session, version: str, wait: bool) -> None:
    """Make an older model version the champion again.

    VERSION is its name or number. No detection is lost by the switch.

    Example: labelloop rollback v2 --wait
    """
    from cli import control

    deployment, console = session.deployment(), session.out.console
    full_name, promotion = control.rollback(deployment, version)
    execution = promotion.execution
    console.print(f"Going back to {full_name}: promotion {execution.name} has started")
    if not wait:
        if session.out.as_json:
            session.out.document({"id": execution.name, "execution": execution.arn, "version": full_name})
        return
    _follow(session, promotion, "the promotion goes on; `labelloop status` shows the champion")
    verdict = {"version": full_name, **control.verdict(promotion)}
    session.print_result(
        verdict, lambda: console.print(f"{verdict['outcome']}: {verdict['reason']}", markup=False)
    )
    raise click.exceptions.Exit(control.exit_code(str(verdict["outcome"])))


@command(app, "release")
@click.argument("version")
@click.option("--to", "profile", required=True, help="Profile of the AWS CLI for the other account.")
@click.option("--to-name", help="Name of the deployment there, if it is another.")
@wait_option
def release(session: Session, version: str, profile: str, to_name: str | None, wait: bool) -> None:
    """Take a model version to another account's deployment.

    VERSION is its name or number. The model is copied, and the shadow gate there holds it against that
    deployment's champion, on its own test images, before it may serve. Stopped, the same command goes on. A
    version of Rekognition goes to the same Region alone.

    Example: labelloop release v4 --to production --wait
    """
    from cli import control
    from cli import release as releasing
    from cli.deployment import Deployment
    from cli.model_copies import where

    source, console = session.deployment(), session.out.console
    there = to_name or session.name
    target = session.wait_for(f"Looking for {there}", lambda: Deployment.find(there, profile))
    prepared = session.wait_for("Comparing both", lambda: releasing.prepare(source, target, version))
    copied = releasing.copy(prepared, lambda text: console.print(text, markup=False))
    promotion = releasing.promote(prepared, copied)
    execution, judged = promotion.execution, f"{copied.id} is judged in {where(target)}"
    console.print(f"{judged}: promotion {execution.name} has started", markup=False)
    if not wait:
        if session.out.as_json:
            session.out.document({"id": execution.name, "execution": execution.arn, "version": copied.id})
        return
    _follow(
        session, promotion, f"the promotion goes on; `labelloop status` shows it with the profile {profile}"
    )
    verdict = {"version": copied.id, **control.verdict(promotion)}
    session.print_result(
        verdict, lambda: console.print(f"{verdict['outcome']}: {verdict['reason']}", markup=False)
    )
    raise click.exceptions.Exit(control.exit_code(str(verdict["outcome"])))


@command(app, "approve")
@click.argument("version")
@click.option("--reason", default="", help="Reason, for the record.")
def approve(session: Session, version: str, reason: str) -> None:
    """Let a model version that waits for approval become the champion.

    VERSION is its name or number. `labelloop status` shows what waits, where the setting approval is
    on_promotion. The version is started again and takes over once it runs, on AWS in 10 to 20 minutes.

    Example: labelloop approve v4 --reason "finds the new screws"
    """
    from cli import control

    decided = control.decide(session.deployment(), version, "approved", reason)
    session.print_result(
        decided,
        lambda: session.out.console.print(
            f"Approved: {decided['version']} is started, and becomes the champion once it runs"
        ),
    )


@command(app, "decline")
@click.argument("version")
@click.option("--reason", required=True, help="Reason, for the record and for whoever trained it.")
def decline(session: Session, version: str, reason: str) -> None:
    """Keep a model version that waits for approval from becoming the champion.

    VERSION is its name or number. The champion stays; `labelloop rollback` can still make the version serve.

    Example: labelloop decline v4 --reason "misses scratches on black parts"
    """
    from cli import control

    decided = control.decide(session.deployment(), version, "declined", reason)
    session.print_result(
        decided,
        lambda: session.out.console.print(f"Declined: the champion stays instead of {decided['version']}"),
    )


@command(app, "stop")
@click.option("--why", default="", help="Reason, for the record and for who sees it in the status.")
def stop(session: Session, why: str) -> None:
    """Put the champion to sleep: it stays the champion, and costs nothing.

    It sleeps until somebody starts it, whatever the serving policy; a version that is promoted meanwhile
    sleeps, too. Detections and a promotion under way come to their end first. Images under detect/ wait.

    Example: labelloop stop --why holidays
    """
    from cli import serving

    deployment = session.deployment()
    document = session.wait_for("Stopping the champion", lambda: serving.ask(deployment, "stop", why))
    session.print_result(document, lambda: serving.show(session.out.console, document))


@command(app, "start")
@click.option("--why", default="", help="Reason, for the record and for who sees it in the status.")
def start(session: Session, why: str) -> None:
    """Start the champion, and let the serving policy count again.

    A start takes 10 to 20 minutes on AWS. With a serving policy other than always, it sleeps again once
    nobody has used it for serving_idle_seconds.

    Example: labelloop start
    """
    from cli import control, serving

    deployment, console = session.deployment(), session.out.console
    document = session.wait_for("Starting the champion", lambda: serving.ask(deployment, "start", why))
    session.print_result(document, lambda: serving.show(console, document))
    if not session.out.as_json and document["wanted"] and not document["trouble"]:
        words = control.serving_words(deployment, deployment.tuning(), "start")
        console.print(f"It costs {words}", markup=False)


@command(app, "report")
@click.argument("snapshot", default="")
@click.option("--save", "-o", type=click.Path(path_type=Path), help="File to write the page to.")
@click.option("--open", "open_page", is_flag=True, help="Open the page.")
def show_report(session: Session, snapshot: str, save: Path | None, open_page: bool) -> None:
    """Show the problems in the data of a snapshot.

    The report says what is wrong with its images and labels, and what that does to a model.

    SNAPSHOT is its id; without it, that of the newest run. The page with the images is saved.

    Example: labelloop report --open
    """
    from cli import reporting

    deployment = session.deployment()
    document = session.wait_for("Reading the report", lambda: reporting.fetch(deployment, snapshot, save))
    session.print_result(document, lambda: reporting.show(session.out.console, document))
    if open_page:
        click.launch(document["page"])


app.add_command(batches)
app.add_command(apps)
app.add_command(detections_group)
app.add_command(images_group)
app.add_command(settings_group)
app.add_command(users)


@app.command("worker-template", context_settings=CONTEXT)
def show_worker_template() -> None:
    """Print the worker template of an Amazon A2I human task UI.

    The review route a2i needs it where the flow definition is not made by the deployment.

    Example: labelloop worker-template > template.liquid.html
    """
    from lambdas.domain.review.workforce import worker_template

    click.echo(worker_template.for_loops())


@app.command("completion", context_settings=CONTEXT)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def show_completion(shell: str) -> None:
    """Print the script that completes commands in a shell.

    \b
    bash, in ~/.bashrc:        eval "$(labelloop completion bash)"
    zsh, in ~/.zshrc:          eval "$(labelloop completion zsh)"
    fish:  labelloop completion fish > ~/.config/fish/completions/labelloop.fish
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    completion = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    click.echo(completion(app, {}, "labelloop", COMPLETION_VARIABLE).source())


def _follow_run(session: Session, run: following.FollowedRun) -> records.Run:
    """Follow a run until it has ended: its record."""
    _follow(session, run, f"the run goes on; `labelloop runs {run.id}` shows how it ended")
    return run.record()


def _follow(
    session: Session, followed: following.FollowedRun | following.FollowedPromotion, goes_on: str
) -> None:
    from cli import following, live

    try:
        with live.display(session.out.console) as display:
            following.follow(followed, display)
    except KeyboardInterrupt:
        session.out.console.print(f"Not followed any more: {goes_on}")
        raise click.exceptions.Exit(INTERRUPTED) from None


def main() -> None:
    """Run the command as a process of its own.

    While a command starts it loads code and models of services, none of which is garbage. Looking for some
    takes a third of the time until `Session.deployment` lets it be looked for, and at the end.
    """
    gc.disable()
    try:
        app(prog_name="labelloop", complete_var=COMPLETION_VARIABLE)
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
