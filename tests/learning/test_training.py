"""Learning: real trainings on generated scenes, small ones, and the arithmetic of evaluation."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

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
    augment,
    data,
    detector,
    evaluate,
    measure,
    train,
)
from learning.data import Canvas
from learning.optimizer import orthogonal
from local import scenes

import torch  # isort: skip - after the library, which sets how torch's threads wait


def written(found: Iterable[scenes.Scene], directory: Path) -> list[Example]:
    directory.mkdir(exist_ok=True)
    examples = []
    for scene in found:
        path = directory / f"{scene.name}.jpg"
        path.write_bytes(scene.jpeg())
        boxes = tuple(Box(box.label, box.left, box.top, box.width, box.height) for box in scene.boxes)
        examples.append(Example(path, scene.labels, boxes))
    return examples


BUDGET = 600


class Trained:
    """A model, what it was tested on, and what it said of itself while it learned."""

    def __init__(self, task: Task, train_on: list[Example], test_on: list[Example], steps: int) -> None:
        self.progress: list[Progress] = []
        self.model = train(
            task,
            train_on,
            budget_seconds=BUDGET,
            most_steps=steps,
            seed=5,
            progress=self.progress.append,
        )
        self.examples = test_on
        self.evaluation: Evaluation = evaluate(self.model, test_on)


@pytest.fixture(scope="module")
def detection(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    directory = tmp_path_factory.mktemp("detection")
    found = written(scenes.detection_scenes(60, 1), directory / "train")
    return Trained("detection", found, written(scenes.detection_scenes(15, 2), directory / "test"), 80)


@pytest.fixture(scope="module")
def classification(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    directory = tmp_path_factory.mktemp("classification")
    found = written(scenes.classification_scenes(45, 1), directory / "train")
    tested = written(scenes.classification_scenes(15, 2), directory / "test")
    return Trained("classification", found, tested, 80)


# Real learning


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
        width, height = data.size(example.path)
        confidences = [one.confidence for one in predictions]
        assert confidences == sorted(confidences, reverse=True)
        assert len(predictions) <= 100
        for one in predictions:
            assert one.box is not None and one.box.label == one.label
            assert 1 <= one.confidence <= 100
            assert one.box.left >= 0 and one.box.left + one.box.width <= width + 1e-6
            assert one.box.top >= 0 and one.box.top + one.box.height <= height + 1e-6


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
        assert [one.label for one in answer[:2]] == [one.label for one in alone[:2]]
        assert answer[0].confidence == pytest.approx(alone[0].confidence, abs=0.01)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no model"):
        Model.load(tmp_path)


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


# Courses cut short: few steps, whatever the machine

FEW = 5


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps at the full rate, and two of the fall."""
    monkeypatch.setattr("learning.schedule.LEAST_FALL", 2)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("task", ["detection", "classification"])
def test_a_seed_gives_the_same_model(task: Task, tmp_path: Path) -> None:
    make = scenes.detection_scenes if task == "detection" else scenes.classification_scenes
    examples = written(make(9, 1), tmp_path)

    def weights(seed: int) -> torch.Tensor:
        model = train(task, examples, budget_seconds=60, most_steps=FEW, seed=seed)
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
    model = train("detection", examples, budget_seconds=60, most_steps=FEW, seed=1)
    assert model.labels == ("part",)
    for example in examples:
        assert isinstance(model.predict_file(example.path), list)
    alone = train("classification", examples, budget_seconds=60, most_steps=FEW, seed=1)
    assert [one.label for one in alone.predict(scene.image)] in ([], ["part"])


@pytest.mark.usefixtures("short")
def test_several_labels_on_an_image_do_not_rule_each_other_out(tmp_path: Path) -> None:
    examples = [replace(example, boxes=()) for example in written(scenes.detection_scenes(8, 1), tmp_path)]
    model = train("classification", examples, budget_seconds=60, most_steps=FEW, seed=1)
    assert not model.facts.exclusive
    assert len(model.predict_file(examples[0].path)) == 4


@pytest.mark.usefixtures("short")
def test_a_hundred_labels_and_one_image_each(tmp_path: Path) -> None:
    scene = written(scenes.detection_scenes(1, 1), tmp_path)[0]
    examples = [
        replace(scene, boxes=(Box(f"label-{number:03d}", 20, 20, 50, 50),), labels=(f"label-{number:03d}",))
        for number in range(100)
    ]
    assert len(train("detection", examples, budget_seconds=60, most_steps=FEW, seed=1).labels) == 100
    assert len(train("classification", examples, budget_seconds=60, most_steps=FEW, seed=1).labels) == 100


def test_examples_without_labels_are_refused(tmp_path: Path) -> None:
    examples = [replace(one, boxes=(), labels=()) for one in written(scenes.detection_scenes(2, 1), tmp_path)]
    with pytest.raises(ValueError, match="No training example has a box"):
        train("detection", examples, budget_seconds=5, seed=1)
    with pytest.raises(ValueError, match="No training example has a label"):
        train("classification", examples, budget_seconds=5, seed=1)


def test_boxes_beside_their_images_are_refused(tmp_path: Path) -> None:
    (example,) = written(scenes.detection_scenes(1, 1), tmp_path)
    beside = replace(example, boxes=(Box("nut", 5000, 5000, 20, 20),))
    with pytest.raises(ValueError, match="No box lies inside its image"):
        train("detection", [beside], budget_seconds=5, seed=1)


@pytest.mark.usefixtures("short")
def test_a_box_beside_the_image_is_passed_over(tmp_path: Path) -> None:
    examples = written(scenes.detection_scenes(2, 1), tmp_path)
    examples[0] = replace(examples[0], boxes=(Box("nut", 5000, 5000, 20, 20),))
    assert "nut" in train("detection", examples, budget_seconds=60, most_steps=FEW, seed=1).labels


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read"):
        train("classification", [Example(path, ("a",))], budget_seconds=5, seed=1)


# Images and boxes


def test_a_turned_image_is_read_upright_and_at_least_as_large_as_asked(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGB", (2000, 1000), "black")
    picture.paste("white", (0, 0, 1000, 1000))
    picture.save(tmp_path / "turned.jpg", exif=exif)
    image, whole = data.read(tmp_path / "turned.jpg", side=400)
    assert whole == (1000, 2000) == data.size(tmp_path / "turned.jpg")
    assert image.height == 2 * image.width and 400 <= image.height < 2000
    # Orientation 6 is turned clockwise: what was left comes to the top.
    assert image.getpixel((image.width // 2, 10)) == (255, 255, 255)
    assert image.getpixel((image.width // 2, image.height - 10)) == (0, 0, 0)


def test_deep_grey_is_scaled_rather_than_clipped() -> None:
    deep = Image.fromarray(np.full((4, 4), 128 * 257, np.uint16))
    assert data.upright(deep).getpixel((0, 0)) == (128, 128, 128)


def test_a_box_follows_its_pixels_into_the_canvas() -> None:
    image = Image.new("RGB", (400, 200), "black")
    image.paste("white", (100, 50, 200, 150))
    canvas = Canvas(128, 128)
    pixels = data.to_canvas(image, canvas).numpy()
    (box,) = data.boxes_in_canvas([Box("square", 100, 50, 100, 100)], image.size, canvas)
    ys, xs = np.nonzero(pixels[0] > 200)
    assert (xs.min(), xs.max() + 1) == pytest.approx((box.left, box.left + box.width), abs=1)
    assert (ys.min(), ys.max() + 1) == pytest.approx((box.top, box.top + box.height), abs=1)


def test_augmented_boxes_follow_their_pixels() -> None:
    canvas, window = Canvas(128, 96), Canvas(64, 64)
    images = torch.zeros(8, 3, 96, 128)
    images[:, :, 40:60, 50:80] = 1
    random = torch.Generator().manual_seed(3)
    focus = torch.tensor([[65.0, 50.0]]).expand(8, 2)
    how = augment.placements(focus, window, canvas, random, low=0.7, high=1.4)
    placed = augment.place(images, how, window)
    assert placed.shape == (8, 3, 64, 64)
    for row in range(8):
        box = Box("bar", 50, 40, 30, 20)
        left, top = (torch.tensor([50.0, 40.0]) * how.scale[row] + how.shift[row]).tolist()
        right, bottom = (torch.tensor([80.0, 60.0]) * how.scale[row] + how.shift[row]).tolist()
        ys, xs = torch.nonzero(placed[row, 0] > 0.5, as_tuple=True)
        assert float(xs.min()) == pytest.approx(max(0, left), abs=1.0)
        assert float(xs.max()) + 1 == pytest.approx(min(64, right), abs=1.0)
        assert float(ys.min()) == pytest.approx(max(0, top), abs=1.0)
        assert float(ys.max()) + 1 == pytest.approx(min(64, bottom), abs=1.0)
        assert box.width * float(how.scale[row, 0]) == pytest.approx(right - left, abs=1e-3)


def test_targets_are_hottest_at_a_boxs_centre_and_hold_its_sides() -> None:
    boxes = [[Box("b", 32, 16, 32, 16)], []]
    heat, sides, weight = detector.targets(boxes, ("a", "b"), Canvas(128, 64), 8)
    assert heat.shape == (2, 2, 8, 16)
    assert heat[0, 1].max() == heat[0, 1, 3, 6] == 1
    assert heat[0, 0].max() == heat[1].max() == 0
    assert sides[0, :, 3, 6].tolist() == [32, 16, 64, 32]
    assert float(weight[0].sum()) == pytest.approx(1)
    assert float(weight[1].sum()) == 0


def test_the_optimizers_steps_go_all_ways_alike() -> None:
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(1))
    lengths = torch.linalg.svdvals(orthogonal(matrix))
    assert lengths.min() > 0.5 and lengths.max() < 1.4


@pytest.mark.parametrize("shape", [(24, 60), (60, 24), (32, 32)])
def test_the_optimizers_steps_are_those_of_newton_and_schulz(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    wanted = (matrix if shape[0] <= shape[1] else matrix.T).double()
    wanted = wanted / wanted.norm()
    for _ in range(5):
        square = wanted @ wanted.T
        wanted = 3.4445 * wanted + (-4.7750 * square + 2.0315 * square @ square) @ wanted
    found = orthogonal(matrix if shape[0] <= shape[1] else matrix.T).double()
    assert torch.allclose(found, wanted, atol=1e-4)
    assert torch.allclose(orthogonal(matrix.T), orthogonal(matrix).T, atol=1e-4)


# Evaluation


def seen(label: str, confidence: float, box: Box | None = None) -> Prediction:
    return Prediction(label, confidence, replace(box, label=label) if box else None)


def test_detection_figures_of_known_predictions() -> None:
    here, there, away = Box("nut", 0, 0, 10, 10), Box("nut", 50, 0, 10, 10), Box("nut", 200, 200, 10, 10)
    examples = [Example(Path("a"), boxes=(here, there)), Example(Path("b"), boxes=(here,))]
    predictions = [
        # The second on the same nut is wrong, and so is the one beside everything.
        [seen("nut", 90, here), seen("nut", 80, here), seen("nut", 30, away)],
        [seen("nut", 70, here), seen("bolt", 99, here)],
    ]
    found = measure("detection", examples, predictions)
    (nut,) = found.labels
    assert nut.label == "nut" and nut.test_images == 2
    assert nut.precision == pytest.approx(2 / 3) and nut.recall == pytest.approx(2 / 3)
    assert nut.f1 == pytest.approx(2 / 3)
    assert nut.assumed_threshold == pytest.approx(0.5)
    assert (found.f1, found.precision, found.recall) == (nut.f1, nut.precision, nut.recall)


def test_a_box_counts_from_half_overlap() -> None:
    examples = [Example(Path("a"), boxes=(Box("nut", 0, 0, 10, 10),))]
    enough, too_little = Box("nut", 0, 0, 10, 5), Box("nut", 0, 0, 10, 4.9)
    assert measure("detection", examples, [[seen("nut", 50, enough)]]).f1 == 1
    missed = measure("detection", examples, [[seen("nut", 50, too_little)]])
    assert (missed.f1, missed.labels[0].assumed_threshold) == (0, 1)


def test_the_threshold_lies_between_the_last_right_and_the_next_wrong() -> None:
    examples = [Example(Path("a"), ("x",)), Example(Path("b"), ("y",)), Example(Path("c"), ("x",))]
    predictions = [[seen("x", 80)], [seen("x", 40), seen("y", 60)], [seen("x", 60)]]
    x, y = measure("classification", examples, predictions).labels
    assert (x.f1, x.precision, x.recall, x.assumed_threshold, x.test_images) == (1, 1, 1, 0.5, 2)
    assert (y.f1, y.assumed_threshold, y.test_images) == (1, 0.3, 1)


def test_predictions_of_equal_confidence_stand_or_fall_together() -> None:
    examples = [Example(Path("a"), ("x",)), Example(Path("b"), ("y",))]
    x, y = measure("classification", examples, [[seen("x", 50)], [seen("x", 50), seen("y", 70)]]).labels
    assert (x.precision, x.recall) == (0.5, 1)
    assert y.f1 == 1


def test_a_label_that_no_test_image_shows_is_left_out() -> None:
    examples = [Example(Path("a"), ("x",))]
    found = measure("classification", examples, [[seen("x", 90), seen("z", 10)]])
    assert [one.label for one in found.labels] == ["x"]
    assert found.f1 == 1


def test_a_label_that_is_never_predicted_counts_as_nothing() -> None:
    examples = [Example(Path("a"), ("x",)), Example(Path("b"), ("y",))]
    found = measure("classification", examples, [[seen("x", 90)], []])
    assert found.f1 == 0.5
    assert found.labels[1] == replace(found.labels[1], f1=0, precision=0, recall=0, assumed_threshold=1)


def test_evaluation_needs_a_label() -> None:
    with pytest.raises(ValueError, match="No test example shows a label"):
        measure("detection", [Example(Path("a"))], [[]])


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("task", ["detection", "classification"])
def test_steps_are_bounded_whatever_the_time(task: Task, tmp_path: Path) -> None:
    make = scenes.detection_scenes if task == "detection" else scenes.classification_scenes
    said: list[Progress] = []
    model = train(
        task, written(make(12, 1), tmp_path), budget_seconds=1000, most_steps=12, seed=1, progress=said.append
    )
    assert model.facts.steps == 12
    assert (said[-1].step, said[-1].fraction) == (12, 1)
    assert "rate falling" in said[-2].message
