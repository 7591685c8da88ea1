"""`labelloop selftest`: what it says before, that it always cleans up, what it may cost, what it asks."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result
from PIL import Image, ImageOps
from rich.console import Console

from cli.doctor.account import Account, Identity
from cli.main import app
from cli.output import CommandError
from cli.selftest import command, datasets, models, runs, stack, training
from cli.selftest.cleaning import Cleaning
from cli.selftest.command import Selftest
from cli.selftest.loop import Loop
from cli.selftest.models import Region
from cli.selftest.probe import Answer, Probe, UnansweredError, Verdict, error_of, put
from cli.selftest.spending import CapReachedError, Spending, usd_per_second
from infra import settings
from lambdas.domain.engines.port import DEPLOYMENT_TAG, Version
from lambdas.domain.shared.pricing import Prices
from lambdas.domain.shared.records import Run, RunStep
from tests.fixtures.cli import client_error

ACCOUNT = "123456789012"
ANNA = Identity(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/anna")
PRICES = Prices(training_per_hour=1.0, inference_per_unit_hour=4.0)
NO_CDK = cast("Any", SimpleNamespace(engine="rekognition"))
ANSWERS = [
    Answer("Is it so?", "yes", "yes", Verdict.AS_ASSUMED),
    Answer("Is it not?", "no", f"arn:aws:rekognition:us-east-1:{ACCOUNT}:x", Verdict.DIFFERS),
]


def version(status: str, units: int = 1) -> Version:
    return Version("arn", "v1", status, "", None, None, 0, units)


# The command


@dataclass
class FakeLoop:
    """A loop that goes, or breaks; what was answered before stays."""

    breaks: BaseException | None = None
    spending: Any = field(default_factory=lambda: SimpleNamespace(usd=1.234))
    answers: list[Answer] = field(default_factory=lambda: list(ANSWERS))

    def go(self) -> Run:
        if self.breaks:
            raise self.breaks
        return Run("manual-1", outcome="promoted", reason="it serves", steps=(RunStep("Train", 60.0),))


@dataclass
class FakeSelftest:
    """A selftest without an account."""

    loop: FakeLoop = field(default_factory=FakeLoop)
    left: list[str] = field(default_factory=list)
    cleaned: int = 0
    deploys: BaseException | None = None
    account: Any = field(default_factory=lambda: Account("parts-selftest", "us-east-1", ANNA))
    console: Console = field(default_factory=lambda: Console(file=io.StringIO()))
    cdk: Any = field(default_factory=lambda: SimpleNamespace(engine="rekognition"))

    def check(self) -> None:
        pass

    def begin(self, cap_usd: float) -> Loop:
        if self.deploys:
            raise self.deploys
        return cast("Loop", self.loop)

    def clean(self) -> list[str]:
        self.cleaned += 1
        return self.left


@pytest.fixture
def selftest(monkeypatch: pytest.MonkeyPatch) -> FakeSelftest:
    fake = FakeSelftest()

    def made(name: str, console: Console, engine: str) -> FakeSelftest:
        fake.cdk.engine = engine
        return fake

    monkeypatch.setattr(Selftest, "of", made)
    return fake


@pytest.fixture
def run(selftest: FakeSelftest, tmp_path: Path) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        out = ["--out", str(tmp_path / "out.json")] if "--clean" not in arguments else []
        return CliRunner().invoke(
            app, ["--name", "parts", "selftest", *out, *arguments], env={"COLUMNS": "200"}
        )

    return run


def test_it_says_what_it_costs_and_does_nothing_unasked(
    run: Callable[..., Result], selftest: FakeSelftest
) -> None:
    result = run("--cap-usd", "2.5")
    assert result.exit_code == 2
    for words in ("parts-selftest", "1 to 3 USD", "At 2.50 USD", "Ctrl-C"):
        assert words in result.output
    assert not selftest.cleaned


def test_the_engine_serverless_is_tested_for_less(
    run: Callable[..., Result], selftest: FakeSelftest, tmp_path: Path
) -> None:
    result = run("--engine", "serverless", "--yes")
    assert "with the engine serverless" in result.output
    assert "less than 1 USD" in result.output
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["not_asked"] == dict(training.NOT_ASKED)


def test_what_was_found_out_is_shown_and_written(
    run: Callable[..., Result], selftest: FakeSelftest, tmp_path: Path
) -> None:
    result = run("--yes")
    assert result.exit_code == 0, result.output
    assert "1 as assumed, 1 differs; about 1.23 USD" in result.stdout
    assert "Nothing is left of the selftest" in result.stdout
    text = (tmp_path / "out.json").read_text()
    assert ACCOUNT not in text, "it is to be sent to others"
    document = json.loads(text)
    assert [answer["verdict"] for answer in document["answers"]] == ["as assumed", "differs"]
    assert document["seconds_by_step"] == {"Train": 60.0}
    assert selftest.cleaned == 1
    assert run("--yes", "--json").stdout == text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "it was interrupted"),
        (CapReachedError("the cap of 5.00 USD is reached"), "the cap of 5.00 USD is reached"),
        (client_error("LimitExceededException", "2 models run", "StartProjectVersion"), "2 models run"),
        (ZeroDivisionError("a fault of the program"), "a fault of the program"),
    ],
)
def test_however_it_ends_everything_is_removed_and_what_was_answered_is_kept(
    run: Callable[..., Result], selftest: FakeSelftest, tmp_path: Path, error: BaseException, reason: str
) -> None:
    selftest.loop.breaks = error
    result = run("--yes")
    assert result.exit_code == 1
    document = json.loads((tmp_path / "out.json").read_text())
    assert reason in document["failure"]
    assert len(document["answers"]) == 2
    assert selftest.cleaned == 1


def test_a_deployment_that_fails_is_removed(run: Callable[..., Result], selftest: FakeSelftest) -> None:
    selftest.deploys = CommandError("`cdk deploy` failed")
    assert run("--yes").exit_code == 1
    assert selftest.cleaned == 1


def test_a_polite_kill_removes_everything(
    run: Callable[..., Result], selftest: FakeSelftest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed() -> Run:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("it went on")

    monkeypatch.setattr(selftest.loop, "go", killed)
    assert run("--yes").exit_code == 1
    assert selftest.cleaned == 1


def test_what_is_left_is_told_with_the_command_that_removes_it(
    run: Callable[..., Result], selftest: FakeSelftest
) -> None:
    selftest.left = ["the stack: it could not be deleted"]
    for arguments in (["--yes"], ["--clean"]):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "the stack: it could not be deleted" in result.stdout
        assert "labelloop --name parts selftest --clean" in result.stdout


def test_what_an_interrupted_cleaning_leaves_is_told(
    run: Callable[..., Result], selftest: FakeSelftest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(selftest, "clean", interrupted)
    result = run("--yes")
    assert result.exit_code == 1 and "a model may still run" in result.stdout


# What is in the way


def test_a_stack_or_project_of_that_name_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account("parts-selftest", "us-east-1", ANNA)
    there = {"ProjectDescriptions": [{"ProjectArn": "arn"}]}
    monkeypatch.setattr(
        account, "client", lambda service: SimpleNamespace(describe_projects=lambda **_: there)
    )
    with pytest.raises(CommandError, match="is there already"):
        Selftest(account, NO_CDK, Console()).check()


def test_nothing_is_begun_where_the_doctor_says_that_it_would_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account("parts-selftest", "us-east-1", ANNA)
    nothing: dict[str, Any] = {"ProjectDescriptions": []}
    monkeypatch.setattr(
        account, "client", lambda service: SimpleNamespace(describe_projects=lambda **_: nothing)
    )
    monkeypatch.setattr(command, "find_stack", lambda account: None)
    finding = {"subject": "CDK bootstrap", "state": "will fail", "text": "never bootstrapped"}
    monkeypatch.setattr(command.doctoring, "diagnose", lambda *_, **__: {"findings": [finding]})
    with pytest.raises(CommandError, match="CDK bootstrap: never bootstrapped"):
        Selftest(account, NO_CDK, Console()).check()


def test_its_name_fits() -> None:
    assert stack.selftest_name("a" * stack.MAX_NAME) == "a" * stack.MAX_NAME + "-selftest"
    with pytest.raises(CommandError, match="too long"):
        stack.selftest_name("a" * (stack.MAX_NAME + 1))


@pytest.mark.parametrize("more", [stack.ON_AWS, stack.EMBEDDED, stack.SERVERLESS])
def test_its_settings_are_settings(more: dict[str, str]) -> None:
    context: dict[str, Any] = {**stack.CONTEXT, **more, "name": "parts-selftest"}
    environments: dict[str, dict[str, Any]] = {"default": {}, "embedded": {"embedded": True}}
    context["environments"] = environments
    assert settings.read(context.get).name == "parts-selftest"


# What it may cost


def test_training_and_running_count_and_the_cap_ends_it() -> None:
    moments = iter([0.0, 0.0, 3600.0, 3601.0, 7200.0])
    looks = iter([[version("TRAINING_IN_PROGRESS")], [version("RUNNING", 2)], [version("STOPPED")]])
    spending = Spending(9.0, PRICES, lambda: next(looks), 10.0, clock=lambda: next(moments))
    spending.look()
    assert spending.usd == 0
    spending.look()
    assert spending.usd == pytest.approx(1.0), "an hour of training"
    spending.look()
    assert spending.usd == pytest.approx(1.0), "not asked again within the pause"
    with pytest.raises(CapReachedError):
        spending.look()
    assert spending.usd == pytest.approx(9.0, abs=0.01), "an hour of two units"


@pytest.mark.parametrize(
    ("status", "usd_an_hour"),
    [("TRAINING_IN_PROGRESS", 1.0), ("STARTING", 8.0), ("RUNNING", 8.0), ("STOPPING", 8.0), ("STOPPED", 0.0)],
)
def test_what_a_version_costs(status: str, usd_an_hour: float) -> None:
    assert usd_per_second(version(status, 2), PRICES) * 3600 == pytest.approx(usd_an_hour)


def test_a_version_of_the_engine_serverless_costs_while_it_trains() -> None:
    """At the price of its machine."""
    trains = replace(version("TRAINING_IN_PROGRESS"), name="v1-s-serverless", is_always_on=True)
    assert usd_per_second(trains, PRICES) * 3600 == pytest.approx(PRICES.serverless_training_per_hour)
    assert usd_per_second(replace(trains, status="RUNNING"), PRICES) == 0


# Questions


def asked(ask: Callable[[None], str], assumed: str = "yes") -> Answer:
    return put(Probe("Is it so?", assumed, ask), None)


def test_an_answer_is_as_assumed_or_differs_or_there_is_none() -> None:
    def broken(_: None) -> str:
        raise UnansweredError("nobody knows")

    def refused(_: None) -> str:
        raise client_error("AccessDeniedException", "no")

    assert asked(lambda _: "yes").verdict is Verdict.AS_ASSUMED
    assert asked(lambda _: "no").verdict is Verdict.DIFFERS
    assert asked(broken).verdict is asked(refused).verdict is Verdict.UNANSWERED
    assert "nobody knows" in asked(broken).answered


def test_every_question_is_asked_once_and_has_an_answer_that_is_assumed() -> None:
    probes = [*datasets.QUESTIONS, *models.RUNNING, *models.IDLE, *runs.QUESTIONS, *training.QUESTIONS]
    questions = [probe.question for probe in probes] + list(runs.NOT_ASKED) + list(training.NOT_ASKED)
    assert len(set(questions)) == len(questions)
    assert all(question.endswith("?") for question in questions)
    assert all(probe.assumed for probe in probes)


def test_errors_are_told_by_their_code() -> None:
    def refuse() -> None:
        raise client_error("ResourceInUseException", "it runs")

    assert error_of(refuse) == "ResourceInUseException"
    assert error_of(lambda: None) == "no error"


def test_a_turned_picture_is_the_same_upright_and_not_as_stored() -> None:
    picture = Image.new("RGB", (60, 40), "white")
    picture.paste("black", (6, 4, 18, 12))
    stored = Image.open(io.BytesIO(datasets.turned_left(picture)))
    assert stored.size == (40, 60)
    upright = ImageOps.exif_transpose(stored)
    assert upright.size == (60, 40)
    assert _is_dark(upright, (12, 8))
    box = models._as_stored(Region(0.1, 0.1, 0.2, 0.2))
    left, top = round(box.left * 40), round(box.top * 60)
    middle = (left + round(box.width * 40) // 2, top + round(box.height * 60) // 2)
    assert _is_dark(stored, middle)


def _is_dark(picture: Image.Image, place: tuple[int, int]) -> bool:
    return bool(np.asarray(picture.convert("L"))[place[1], place[0]] < 60)


def test_events_are_counted_from_look_to_look() -> None:
    def entered(name: str) -> dict[str, Any]:
        return {"stateEnteredEventDetails": {"name": name}}

    other: dict[str, Any] = {"type": "TaskScheduled"}
    history = [other, entered("WatchTraining"), other, other, entered("WaitForTraining"), other]
    history += [entered("WatchTraining"), other]
    assert runs.events_between(iter(history)) == [5]
    assert runs.events_between(iter(history[:5])) == []


def test_how_a_run_heard_of_its_training_is_in_its_history() -> None:
    def entered(name: str) -> dict[str, Any]:
        return {"type": "TaskStateEntered", "stateEnteredEventDetails": {"name": name}}

    succeeded, timed_out = {"type": "TaskSucceeded"}, {"type": "TaskTimedOut"}
    looked = [entered("WatchTraining"), succeeded]
    waited = [*looked, entered("AwaitTraining"), {"type": "TaskSubmitted"}]
    assert training.how_it_was_told([*waited, succeeded, *looked]) == "by an event"
    assert training.how_it_was_told([*waited, timed_out, *waited, succeeded]) == "by an event"
    assert "no event came" in training.how_it_was_told([*waited, timed_out, *looked])
    with pytest.raises(UnansweredError):
        training.how_it_was_told(looked)


# Cleaning up


@dataclass
class FakeRekognition:
    """A project with a version that runs and a dataset; things take a look or two to go."""

    statuses: list[str]
    datasets: list[str] = field(default_factory=lambda: ["dataset"])
    deleted: list[str] = field(default_factory=list)
    exists: bool = True
    tags: dict[str, str] = field(default_factory=lambda: {DEPLOYMENT_TAG: "parts-selftest"})

    def list_tags_for_resource(self, ResourceArn: str) -> Any:
        return {"Tags": self.tags}

    def describe_projects(self, ProjectNames: list[str]) -> Any:
        datasets = [{"DatasetArn": arn, "Status": "CREATE_COMPLETE"} for arn in self.datasets]
        is_there = self.exists and ProjectNames == ["parts-selftest"]
        return {
            "ProjectDescriptions": [{"ProjectArn": "a/parts/1", "Datasets": datasets}] if is_there else []
        }

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: self._pages())

    def _pages(self) -> Iterator[Any]:
        if len(self.statuses) > 1:
            self.statuses.pop(0)
        if self.statuses[0]:
            yield {
                "ProjectVersionDescriptions": [
                    {"ProjectVersionArn": "a/parts/version/v1/1", "Status": self.statuses[0]}
                ]
            }

    def stop_project_version(self, ProjectVersionArn: str) -> None:
        self.deleted.append("stopped")

    def delete_project_version(self, ProjectVersionArn: str) -> None:
        self.deleted.append("version")
        self.statuses = [""]

    def delete_dataset(self, DatasetArn: str) -> None:
        self.deleted.append("dataset")
        self.datasets = []

    def delete_project(self, ProjectArn: str) -> None:
        self.deleted.append("project")
        self.exists = False


def cleaning(fake: FakeRekognition, monkeypatch: pytest.MonkeyPatch, destroy: Callable[[], None]) -> Cleaning:
    account = Account("parts-selftest", "us-east-1", ANNA)
    monkeypatch.setattr(account, "client", lambda service: fake)
    monkeypatch.setattr("cli.doctor.names.find_stack", lambda account: None)
    monkeypatch.setattr("cli.doctor.names.kept", lambda account: [])
    return Cleaning(account, destroy, ("parts-selftest",), 0.0)


def test_models_are_stopped_first_and_the_project_goes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRekognition(["", "STARTING", "RUNNING", "STOPPING", "STOPPED"])
    assert cleaning(fake, monkeypatch, lambda: fake.deleted.append("stack")).clean() == []
    assert fake.deleted == ["stopped", "stack", "version", "dataset", "project"]


def test_a_part_that_fails_keeps_no_other_from_being_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    def destroy() -> None:
        raise CommandError("`cdk destroy` failed")

    fake = FakeRekognition(["STOPPED"])
    assert cleaning(fake, monkeypatch, destroy).clean() == ["the stack: `cdk destroy` failed"]
    assert fake.deleted == ["version", "dataset", "project"]


def test_a_project_of_somebody_else_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRekognition(["RUNNING"], tags={})
    left = cleaning(fake, monkeypatch, lambda: None).clean()
    assert len(left) == 2 and all("not touched" in each for each in left)
    assert fake.deleted == []


def test_a_training_that_cannot_be_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRekognition(["TRAINING_IN_PROGRESS"])
    (left,) = cleaning(fake, monkeypatch, lambda: None).clean()
    assert "v1 trains, which cannot be ended and is billed to its end" in left
    assert fake.deleted == []


def test_what_is_in_use_is_tried_again_and_what_is_gone_is_deleted() -> None:
    def fail(code: str) -> Callable[[], None]:
        def delete() -> None:
            raise client_error(code, "")

        return delete

    assert Cleaning._done(lambda: None)
    assert Cleaning._done(fail("ResourceNotFoundException"))
    assert not Cleaning._done(fail("ResourceInUseException"))
    with pytest.raises(ClientError):
        Cleaning._done(fail("AccessDeniedException"))
