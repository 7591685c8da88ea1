"""Trainings on generated scenes: what they learn, what they keep to, what they refuse."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from learning import (
    Box,
    Evaluation,
    Example,
    Model,
    Prediction,
    Progress,
    Task,
    evaluate,
    train,
    training,
)
from learning.checkpoint import Checkpoints, fingerprint
from learning.detector import DetectorLearner
from learning.schedule import TrainingSchedule
from local import scenes
from portable.images import size
from tests.fixtures.learning import written

import torch  # isort: skip - after the library, which sets how torch's threads wait


BUDGET = 600


class Trained:
    """A model, what it was tested on, and the progress that it reported."""

    def __init__(self, task: Task, train_on: list[Example], test_on: list[Example], steps: int) -> None:
        self.progress: list[Progress] = []
        self.model = train(
            task,
            train_on,
            budget_seconds=BUDGET,
            max_steps=steps,
            seed=5,
            progress=self.progress.append,
        )
        self.examples = test_on
        self.evaluation: Evaluation = evaluate(self.model, test_on)


@pytest.fixture(scope="module")
def detection(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    directory = tmp_path_factory.mktemp("detection")
    examples = written(scenes.detection_scenes(60, 1), directory / "train")
    return Trained("detection", examples, written(scenes.detection_scenes(15, 2), directory / "test"), 80)


@pytest.fixture(scope="module")
def classification(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    directory = tmp_path_factory.mktemp("classification")
    examples = written(scenes.classification_scenes(45, 1), directory / "train")
    tested = written(scenes.classification_scenes(15, 2), directory / "test")
    return Trained("classification", examples, tested, 80)


# Real learning


pytestmark = pytest.mark.training


def test_a_detector_learns_to_find_parts(detection: Trained) -> None:
    assert detection.model.labels == scenes.DETECTION_LABELS
    # Chance gives about 0.
    assert detection.evaluation.f1 >= 0.6
    assert len(detection.evaluation.labels) == 4


def test_a_classifier_learns_to_tell_trays(classification: Trained) -> None:
    # Chance gives 0.33, and always the same label 0.17.
    assert classification.evaluation.f1 >= 0.75


def test_progress_rises_to_the_end(detection: Trained) -> None:
    fractions = [state.fraction for state in detection.progress]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0 and fractions[-1] == 1
    assert detection.progress[-1].seconds <= BUDGET
    assert detection.progress[-1].loss is not None


def test_predictions_are_sorted_bounded_and_inside_the_image(detection: Trained) -> None:
    for example, predictions in zip(detection.examples, detection.evaluation.predictions, strict=True):
        width, height = size(example.path)
        confidences = [prediction.confidence for prediction in predictions]
        assert confidences == sorted(confidences, reverse=True)
        assert len(predictions) <= 100
        for prediction in predictions:
            assert prediction.box is not None and prediction.box.label == prediction.label
            assert 1 <= prediction.confidence <= 100
            assert prediction.box.left >= 0 and prediction.box.left + prediction.box.width <= width + 1e-6
            assert prediction.box.top >= 0 and prediction.box.top + prediction.box.height <= height + 1e-6


@pytest.mark.parametrize("task", ["detection", "classification"])
def test_a_loaded_model_predicts_what_the_saved_one_did(
    task: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    trained: Trained = request.getfixturevalue(task)
    trained.model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded.facts == trained.model.facts
    for example in trained.examples[:3]:
        assert loaded.predict_file(example.path) == trained.model.predict_file(example.path)


def test_threads_may_share_a_model(detection: Trained) -> None:
    with Image.open(detection.examples[0].path) as picture:
        image = picture.convert("RGB")
    alone = detection.model.predict(image)
    answers: list[list[Prediction]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(detection.model.predict(image))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    # How many threads computed it may move the last digits, and no more.
    for answer in answers:
        assert [prediction.label for prediction in answer[:2]] == [
            prediction.label for prediction in alone[:2]
        ]
        assert answer[0].confidence == pytest.approx(alone[0].confidence, abs=0.01)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no model"):
        Model.load(tmp_path)


# Budgets


class Clock:
    """A clock that goes on by so much whenever it is looked at."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._now = seconds, 0.0

    def monotonic(self) -> float:
        self._now += self._seconds
        return self._now


def test_a_short_budget_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.12)
    for module in ("schedule", "training"):
        monkeypatch.setattr(f"learning.{module}.time", clock)
    examples = written(scenes.classification_scenes(30, 1), tmp_path)
    progress: list[Progress] = []
    train("classification", examples, budget_seconds=8, seed=1, progress=progress.append)
    assert 10 <= progress[-1].step < 18
    assert 7 < progress[-1].seconds <= 8


class KilledError(Exception):
    """Stands for a kill: nothing after it is done."""


# Schedules cut short: few steps, whatever the machine

FEW = 5


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps at the full rate, and two of the decay, each of them reported."""
    monkeypatch.setattr("learning.schedule.MIN_DECAY_STEPS", 2)
    monkeypatch.setattr("learning.schedule.REPORT_SECONDS", 0)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("task", ["detection", "classification"])
def test_steps_are_bounded_whatever_the_time(task: Task, tmp_path: Path) -> None:
    make = scenes.detection_scenes if task == "detection" else scenes.classification_scenes
    progress: list[Progress] = []
    model = train(
        task,
        written(make(12, 1), tmp_path),
        budget_seconds=1000,
        max_steps=12,
        seed=1,
        progress=progress.append,
    )
    assert model.facts.steps == 12
    assert (progress[-1].step, progress[-1].fraction) == (12, 1)
    assert "rate decaying" in progress[-2].message


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("task", ["detection", "classification"])
def test_a_seed_gives_the_same_model(task: Task, tmp_path: Path) -> None:
    make = scenes.detection_scenes if task == "detection" else scenes.classification_scenes
    examples = written(make(9, 1), tmp_path)

    def weights(seed: int) -> torch.Tensor:
        model = train(task, examples, budget_seconds=60, max_steps=FEW, seed=seed)
        model.save(tmp_path / f"model-{seed}")
        kept = torch.load(tmp_path / f"model-{seed}" / "weights.pt", weights_only=True)
        return torch.cat([value.flatten().float() for value in kept.values()])

    first = weights(1)
    assert torch.equal(first, weights(1))
    assert not torch.equal(first, weights(2))


@pytest.mark.usefixtures("short")
def test_images_of_any_kind_are_learned_from(tmp_path: Path) -> None:
    """A single label, an image without boxes, transparency, grey in 8 and 16 bits, one turned by EXIF."""
    scene = next(scenes.detection_scenes(1, 1))
    turned = Image.Exif()
    turned[0x0112] = 6
    scene.image.save(tmp_path / "turned.jpg", exif=turned)
    scene.image.convert("RGBA").save(tmp_path / "alpha.png")
    scene.image.convert("L").save(tmp_path / "grey.png")
    scene.image.convert("P").save(tmp_path / "palette.png")
    deep = np.asarray(scene.image.convert("L"), np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.new("RGB", (900, 70), "navy").save(tmp_path / "nothing.jpg")
    box = Box("part", 10, 10, 60, 60)
    examples = [
        Example(path, ("part",), () if path.name == "nothing.jpg" else (box,))
        for path in sorted(tmp_path.iterdir())
    ]
    model = train("detection", examples, budget_seconds=60, max_steps=FEW, seed=1)
    assert model.labels == ("part",)
    for example in examples:
        assert isinstance(model.predict_file(example.path), list)
    alone = train("classification", examples, budget_seconds=60, max_steps=FEW, seed=1)
    assert [prediction.label for prediction in alone.predict(scene.image)] in ([], ["part"])


@pytest.mark.usefixtures("short")
def test_several_labels_on_an_image_do_not_rule_each_other_out(tmp_path: Path) -> None:
    examples = [replace(example, boxes=()) for example in written(scenes.detection_scenes(8, 1), tmp_path)]
    model = train("classification", examples, budget_seconds=60, max_steps=FEW, seed=1)
    assert not model.facts.exclusive
    assert len(model.predict_file(examples[0].path)) == 4


@pytest.mark.usefixtures("short")
def test_a_hundred_labels_and_one_image_each(tmp_path: Path) -> None:
    scene = written(scenes.detection_scenes(1, 1), tmp_path)[0]
    examples = [
        replace(scene, boxes=(Box(f"label-{number:03d}", 20, 20, 50, 50),), labels=(f"label-{number:03d}",))
        for number in range(100)
    ]
    assert len(train("detection", examples, budget_seconds=60, max_steps=FEW, seed=1).labels) == 100
    assert len(train("classification", examples, budget_seconds=60, max_steps=FEW, seed=1).labels) == 100


@pytest.mark.usefixtures("short")
def test_a_box_beside_the_image_is_passed_over(tmp_path: Path) -> None:
    examples = written(scenes.detection_scenes(2, 1), tmp_path)
    examples[0] = replace(examples[0], boxes=(Box("nut", 5000, 5000, 20, 20),))
    assert "nut" in train("detection", examples, budget_seconds=60, max_steps=FEW, seed=1).labels


def test_a_detector_that_confuses_labels_takes_a_second_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few steps: what counts is that both schedules are run, and what they leave. Killed in the second one,
    the training goes on there."""
    monkeypatch.setattr("learning.schedule.MIN_STEPS", 0)
    monkeypatch.setattr("learning.schedule.COARSE_EPOCHS", 0)
    monkeypatch.setattr("learning.schedule.MIN_DECAY_STEPS", 2)
    monkeypatch.setattr("learning.detector.DetectorLearner.is_ready_for_second_stage", lambda *_: True)
    monkeypatch.setattr("learning.training._is_better", lambda *_: True)
    monkeypatch.setattr("learning.schedule.TrainingSchedule._is_outdone", lambda *_: False)
    examples = written(scenes.detection_scenes(24, 1), tmp_path)
    progress: list[Progress] = []

    def kill(state: Progress) -> None:
        progress.append(state)
        if "started" in state.message and state.fraction > 0:
            raise KilledError

    def learned(report: Callable[[Progress], None]) -> Model:
        folder = tmp_path / "checkpoints"
        return train(
            "detection",
            examples,
            budget_seconds=120,
            max_steps=24,
            seed=1,
            checkpoints=folder,
            checkpoint_seconds=0,
            progress=report,
        )

    with pytest.raises(KilledError):
        learned(kill)
    killed = len(progress)
    # As many images are read again, however little time is left.
    monkeypatch.setattr("learning.training.READING_SHARE", 0.0)
    model = learned(progress.append)
    assert model.facts.second_stage is not None
    fractions = [state.fraction for state in progress[killed:]]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert progress[0].second_stage is False and progress[-1].second_stage is True
    assert min(state.step for state in progress if state.second_stage) == 0
    assert all(isinstance(prediction, Prediction) for prediction in model.predict_file(examples[0].path))


def test_a_second_stage_that_is_no_better_leaves_the_f1_of_the_detector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[Progress] = []
    first = MagicMock(best_f1=0.6, step=85, steps_left=9, fraction=0.5)
    second = SimpleNamespace(best_f1=0.3, step=4, run=lambda: None, given_up=False)
    detector = MagicMock()
    monkeypatch.setattr(training, "SecondStageLearner", MagicMock())
    monkeypatch.setattr(training._Limits, "schedule", lambda *_, **__: second)
    limits = training._Limits(time.monotonic(), time.monotonic() + 9, 100, 1, reported.append, None, None)
    model = MagicMock()
    assert training._with_second_stage(model, detector, first, limits, None) is model
    last = reported[-1]
    assert (last.fraction, last.step, last.f1, last.second_stage) == (1.0, 85, 0.6, False)


@pytest.mark.usefixtures("short")
def test_a_detector_learns_on_where_a_second_stage_tells_labels_no_better(
    tmp_path: Path,
) -> None:
    """From before its rate decayed, as it was validated then with images that the decay learns from."""
    examples = written(scenes.detection_scenes(4, 1), tmp_path)
    learner = DetectorLearner(examples, scenes.DETECTION_LABELS, torch.device("cpu"))
    progress: list[Progress] = []
    limits = training._Limits(time.monotonic(), time.monotonic() + 60, 4, 1, progress.append, None, None)
    first = limits.schedule(learner)
    first.run()
    model = Model(training._facts("detection", learner, first), learner.network)
    before = copy.deepcopy(learner.network.state_dict())
    first.best_f1 = training.CHANCE
    after = training._without_second_stage(model, learner, first, limits, 0.5)
    assert (model.facts.steps, after.facts.steps) == (4, 8)
    assert (progress[-1].step, progress[-1].fraction) == (4, 1)
    assert all(torch.equal(value, before[name]) for name, value in learner.network.state_dict().items())
    first.best_f1 = 1.0
    assert training._without_second_stage(model, learner, first, limits, 0.5) is model


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("task", ["detection", "classification"])
def test_a_cuda_device_learns_and_serves(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a second stage for detection; the model that it leaves predicts the same once it is loaded."""
    for name, value in {"MIN_STEPS": 0, "COARSE_EPOCHS": 0, "MIN_DECAY_STEPS": 2}.items():
        monkeypatch.setattr(f"learning.schedule.{name}", value)
    monkeypatch.setattr("learning.symmetry.MIN_SCORE", 0.0)
    monkeypatch.setattr(DetectorLearner, "is_ready_for_second_stage", lambda *_: True)
    monkeypatch.setattr("learning.training._is_better", lambda *_: True)
    monkeypatch.setattr("learning.schedule.TrainingSchedule._is_outdone", lambda *_: False)
    make = scenes.detection_scenes if task == "detection" else scenes.classification_scenes
    examples = written(make(24, 1), tmp_path)
    model = train(task, examples, budget_seconds=120, max_steps=60, seed=1)
    assert next(model._network.parameters()).is_cuda
    assert (model.facts.second_stage is not None) == (task == "detection")
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    for example, evaluated in zip(examples, evaluate(loaded, examples).predictions, strict=True):
        predicted = model.predict_file(example.path)
        assert [prediction.label for prediction in evaluated[:1]] == [
            prediction.label for prediction in predicted[:1]
        ]
        # A card's last digits may differ.
        assert [prediction.confidence for prediction in evaluated[:1]] == pytest.approx(
            [prediction.confidence for prediction in predicted[:1]], abs=0.1
        )


# Examples that cannot be learned from


def test_examples_without_labels_are_refused(tmp_path: Path) -> None:
    examples = [
        replace(example, boxes=(), labels=()) for example in written(scenes.detection_scenes(2, 1), tmp_path)
    ]
    with pytest.raises(ValueError, match="No training example has a box"):
        train("detection", examples, budget_seconds=5, seed=1)
    with pytest.raises(ValueError, match="No training example has a label"):
        train("classification", examples, budget_seconds=5, seed=1)


def test_boxes_beside_their_images_are_refused(tmp_path: Path) -> None:
    (example,) = written(scenes.detection_scenes(1, 1), tmp_path)
    beside = replace(example, boxes=(Box("nut", 5000, 5000, 20, 20),))
    with pytest.raises(ValueError, match="No box lies inside its image"):
        train("detection", [beside], budget_seconds=5, seed=1)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read"):
        train("classification", [Example(path, ("a",))], budget_seconds=5, seed=1)


# Trainings that are killed


@pytest.mark.parametrize("killed_at", [2, 4], ids=["at the full rate", "in the decay"])
def test_a_killed_training_comes_to_the_same_model(
    killed_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learning.schedule.MIN_DECAY_STEPS", 2)
    examples = written(scenes.classification_scenes(9, 1), tmp_path / "images")
    kept = tmp_path / "checkpoints"

    def kill(progress: Progress) -> None:
        if progress.step == killed_at:
            raise KilledError

    monkeypatch.setattr(TrainingSchedule, "report", reported_at_every_step)

    def learned(report: Callable[[Progress], None], folder: Path | None) -> torch.Tensor:
        model = train(
            "classification",
            examples,
            budget_seconds=600,
            max_steps=FEW,
            seed=1,
            checkpoints=folder,
            checkpoint_seconds=0,
            progress=report,
        )
        return torch.cat([value.flatten().float() for value in model.networks()[0].state_dict().values()])

    with pytest.raises(KilledError):
        learned(kill, kept)
    steps: list[int] = []
    resumed = learned(lambda progress: steps.append(progress.step), kept)
    assert steps[0] == killed_at - 1
    assert torch.equal(resumed, learned(lambda _: None, None))
    assert not list(kept.iterdir()), "an ended training needs no checkpoint"


def reported_at_every_step(schedule: TrainingSchedule, message: str, *, now: bool = False) -> None:
    schedule._progress(Progress(schedule.fraction, schedule.step, 0.0, 0.0, None, None, message))


@pytest.mark.parametrize("damage", ["letters", "list", "empty"])
def test_a_checkpoint_that_is_damaged_is_passed_over(damage: str, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "ours")
    kept.save({"weights": torch.zeros(9)})
    path = tmp_path / "checkpoint.pt"
    if damage == "list":
        torch.save(["ours"], path)
    else:
        path.write_bytes(path.read_bytes().replace(b"training", 8 * b"\xff") if damage == "letters" else b"")
    assert kept.load() is None


def test_a_checkpoint_of_another_training_is_passed_over(tmp_path: Path) -> None:
    ours, theirs = Checkpoints(tmp_path, "ours"), Checkpoints(tmp_path, "theirs")
    assert ours.load() is None
    theirs.save({"seconds": 1.0})
    assert ours.load() is None and (theirs.load() or {})["seconds"] == 1.0
    (tmp_path / "checkpoint.pt").write_bytes((tmp_path / "checkpoint.pt").read_bytes()[:100])
    assert theirs.load() is None
    (one,) = written(scenes.classification_scenes(1, 1), tmp_path / "images")
    moved = replace(one, path=Path("/elsewhere") / one.path.name)
    assert fingerprint("detection", [one], 1) == fingerprint("detection", [moved], 1)
    assert fingerprint("detection", [one], 1) != fingerprint("detection", [one], 2)
