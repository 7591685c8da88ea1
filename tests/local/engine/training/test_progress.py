"""How far a training is: told by its process, waited for by the engine, read by users."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import learning
from lambdas.domain.retrain.training_progress import training_progress
from learning import Example, Prediction, Progress
from local.engine import children
from local.engine.model_directory import version_directory
from local.engine.training import child as training_child
from local.engine.training import progress
from local.engine.training.budget import Budget
from local.engine.training.progress import State
from local.engine.training.trainer import (
    GRACE_SECONDS,
    SILENT_SECONDS,
    ProgressWatchdog,
    TrainingFailedError,
    learn_in_child,
)
from tests.fixtures.engine import Bench, classified, eventually, picture

LEARNING = State("learning", 0.42, 100.0, 512, 0.8149)
TESTING = replace(LEARNING, phase="testing", fraction=0.85)


# What is told


def test_a_message_tells_phase_share_step_and_figure() -> None:
    assert replace(LEARNING, f1=None).message() == "The model is being trained: 42 %, step 512."
    assert LEARNING.message() == "The model is being trained: 42 %, step 512, F1 of validation images 0.81."
    second = replace(LEARNING, step=9, second_stage=True, f1=None)
    assert second.message() == "The model is being trained: 42 %, step 9 of its second stage."
    assert TESTING.message() == "The model is being tested: 85 %, F1 of validation images 0.81."


@pytest.mark.parametrize("state", [LEARNING, TESTING, replace(TESTING, phase="checking")])
def test_what_is_told_of_a_training_is_how_far_the_whole_is(state: State) -> None:
    told = training_progress(100, state.message(), [])
    assert (told.basis, told.fraction) == ("service", state.fraction)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert progress.read(tmp_path) is None
    progress.write(tmp_path, LEARNING)
    assert progress.read(tmp_path) == LEARNING


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"phase": "learning"}'])
def test_what_is_no_state_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / progress.FILE).write_text(text)
    assert progress.read(tmp_path) is None


class Model:
    """Finds in every image what the image is called."""

    task = "classification"
    facts = SimpleNamespace(thresholds={})

    def save(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        (directory / "weights").touch()

    def predict_file(self, path: Path) -> list[Prediction]:
        return [Prediction(path.name, 90.0)]


def test_a_training_tells_of_its_learning_and_of_its_testing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[float, int]] = []

    def train(task: str, train: Sequence[Example], **wanted: Any) -> Model:
        given.append((wanted["budget_seconds"], wanted["max_steps"]))
        tell: Callable[[Progress], None] = wanted["progress"]
        tell(Progress(0.5, 10, 2.0, 3.0, 0.1, None, "halfway"))
        tell(Progress(1.0, 20, 4.0, 6.0, 0.1, 0.7, "done", second_stage=True))
        return Model()

    states: list[State] = []
    monkeypatch.setattr(training_child, "REPORT_SECONDS", 0.0)

    def look(model: Model, examples: Sequence[Example], **wanted: Any) -> list[Any]:
        assert wanted["seconds"] == 9
        wanted["progress"](0.5)
        return [(Prediction("a", 60.0),), None, (), None]

    monkeypatch.setattr(training_child, "held_out", look)
    monkeypatch.setenv("LABELLOOP_LABEL_CHECK_SECONDS", "9")
    monkeypatch.setattr(training_child, "chosen_weights", lambda _: tmp_path / "weights")
    monkeypatch.setattr("learning.train", train)
    monkeypatch.setattr(
        training_child,
        "export_checked",
        lambda model, folder, test, progress: learning.evaluate(model, test, progress=progress),
    )
    monkeypatch.setattr(progress, "write", lambda directory, state: states.append(state))
    test = [{"path": label, "labels": [label], "boxes": []} for label in ("a", "b")]
    job = {"task": "classification", "train": test, "test": test}
    (tmp_path / "job.json").write_text(json.dumps(job))
    training_child.run(tmp_path, Budget(1.0, steps=30))
    assert given == [(1.0, 30)]
    # Of 10 seconds learning may take one.
    assert [(state.phase, round(state.fraction, 4), state.step, state.f1) for state in states] == [
        ("learning", 0.0475, 10, None),
        ("learning", 0.095, 20, 0.7),
        ("testing", 0.12, 20, 0.7),
        ("testing", 0.145, 20, 0.7),
        ("checking", 0.5725, 20, 0.7),
    ]
    assert [state.second_stage for state in states] == [False, True, True, True, True]
    assert states[-1].message() == "The labels are being checked: 57 %, F1 of validation images 0.70."
    assert json.loads((tmp_path / "evaluation.json").read_text())["f1"] == 1
    first, *others = (json.loads(text) for text in (tmp_path / "held_out.jsonl").read_text().splitlines())
    assert [(one["label"], one["confidence"], one["present"]) for one in first] == [("a", 60.0, True)]
    assert (others[0], others[2]) == (None, None)


# How long it is waited for


def test_a_test_of_many_images_takes_as_long_as_it_needs() -> None:
    watchdog = ProgressWatchdog(60, now=0)
    watchdog.check(None, 10)
    watchdog.check(LEARNING, 60)
    for number in range(1, 100):
        now = 60 + number * (SILENT_SECONDS - 1)
        watchdog.check(replace(TESTING, seconds=now), now)
    assert now > 60 + 10 * GRACE_SECONDS


@pytest.mark.parametrize("state", [None, LEARNING, TESTING])
def test_a_training_without_progress_is_cut_off(state: State | None) -> None:
    watchdog = ProgressWatchdog(10_000, now=0)
    watchdog.check(state, 5)
    watchdog.check(state, SILENT_SECONDS)
    with pytest.raises(TrainingFailedError, match=f"no progress in {SILENT_SECONDS:.0f} seconds"):
        watchdog.check(state, 6 + SILENT_SECONDS)


def test_learning_that_does_not_end_is_cut_off_all_the_same() -> None:
    watchdog = ProgressWatchdog(600, now=0)
    for now in range(0, 600 + int(GRACE_SECONDS), 20):
        watchdog.check(replace(LEARNING, seconds=now), now)
    with pytest.raises(TrainingFailedError, match="it took more than 600 seconds"):
        watchdog.check(replace(LEARNING, seconds=790.0), 790)


def test_a_child_that_is_cut_off_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def spawn(module: str, *arguments: str, log: Path) -> subprocess.Popen[bytes]:
        hangs = [sys.executable, "-c", "import time; time.sleep(600)"]
        started.append(subprocess.Popen(hangs, stdin=subprocess.PIPE))
        return started[0]

    monkeypatch.setattr(children, "spawn", spawn)
    monkeypatch.setattr("local.engine.training.trainer.SILENT_SECONDS", -1.0)
    with pytest.raises(TrainingFailedError, match="no progress"):
        learn_in_child(tmp_path, Budget(60), threading.Event())
    assert started[0].returncode is not None


# What users read


def test_a_version_in_training_says_how_far_it_is(bench: Bench) -> None:
    project = bench.project()
    for name in ("a.png", "b.png"):
        bench.objects.held["data-bucket", name] = picture((20, 90, 120))
    lines = [classified("a.png", "cat"), classified("b.png", "dog")]
    for kind in ("TRAIN", "TEST"):
        bench.dataset(project, kind, lines)
    bench.hold.clear()
    arn = bench.version(project)
    assert bench.described(project)["StatusMessage"] == "The model is being trained."
    eventually(lambda: bench.jobs)
    progress.write(version_directory(bench.state, arn), LEARNING)
    assert bench.described(project)["StatusMessage"] == LEARNING.message()
    bench.hold.set()
    described = bench.until(project, "TRAINING_COMPLETED", "TRAINING_FAILED")
    assert described["StatusMessage"] == "The model is ready to run."
    assert progress.read(version_directory(bench.state, arn)) is None
