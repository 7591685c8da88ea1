"""YOLO: what is taken and refused, and that what is written is read again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import yolo
from lambdas.domain.annotations.format_detection import detect_format
from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox, in_pixels
from lambdas.domain.shared.annotation import RequestedDatasetType
from tests.fixtures.datasets_on_disk import ReadEvents, collect, lines, touch, write

GOOD = "0 0.5 0.5 0.2 0.4"
ALIASES = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
HUGE = "0x" + "f" * 5000
"""Larger than Python turns into digits."""


def read(root: Path) -> ReadEvents:
    return collect(yolo.read(root))


def one(root: Path, label: str | bytes = GOOD, config: str | bytes = "names: [bolt, nut]\n") -> Path:
    touch(root, "images/a.jpg")
    write(root / "labels/a.txt", label)
    write(root / "data.yaml", config)
    return root


def test_boxes_are_shares_of_the_image(tmp_path: Path) -> None:
    result = read(one(tmp_path, lines(GOOD, "1 0.25 0.25 0.5 0.5")))
    annotation = result.of("images/a.jpg")
    assert (result.problems, result.notes, annotation.normalised, annotation.kind) == (
        [],
        [],
        True,
        "detection",
    )
    assert [box.label for box in annotation.boxes] == ["bolt", "nut"]
    first = annotation.boxes[0]
    assert (first.left, first.top, first.width, first.height) == pytest.approx((0.4, 0.3, 0.2, 0.4))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("2 .5 .5 .2 .2", "unknown_class"),
        ("-1 .5 .5 .2 .2", "unknown_class"),
        ("0.5 .5 .5 .2 .2", "unknown_class"),
        ("bolt .5 .5 .2 .2", "bad_number"),
        ("0 x .5 .2 .2", "bad_number"),
        ("0 nan .5 .2 .2", "bad_number"),
        ("0 inf .5 .2 .2", "bad_number"),
        ("0 .5 .5 .2", "wrong_columns"),
        ("0", "wrong_columns"),
        ("0 .5 .5 .2 .2 .9", "wrong_columns"),
        ("0,.5,.5,.2,.2", "bad_number"),
        ("0 120 80 40 40", "box_outside"),
        ("0 .5 .5 1.2 .2", "box_outside"),
        ("0 .1 .5 .4 .2", "box_outside"),
        ("0 .5 .5 0 .2", "box_too_small"),
        ("0 .5 .5 -.2 .2", "box_outside"),
        ("0 1 .5 1e-9 1e-9", ""),
    ],
)
def test_a_bad_line_is_told_and_the_others_are_taken(tmp_path: Path, bad: str, reason: str) -> None:
    result = read(one(tmp_path, lines(GOOD, bad, "1 .5 .5 .1 .1")))
    problems = [(problem.file, problem.line, problem.reason, problem.image) for problem in result.problems]
    assert problems == ([("labels/a.txt", 2, reason, "images/a.jpg")] if reason else [])
    assert [box.label for box in result.of("images/a.jpg").boxes][:: 1 if reason else 2] == ["bolt", "nut"]


def test_rounding_out_of_the_image_is_clipped(tmp_path: Path) -> None:
    """An image of 10,000 pixels has room for two of them in what is taken as rounding."""
    result = read(one(tmp_path, lines("0 0.5 0.5 1.0000005 1.0002", "0 0.0999 0.5 0.2 0.2")))
    assert result.problems == []
    for box in result.of("images/a.jpg").boxes:
        assert min(box.left, box.top) >= 0 and max(box.left + box.width, box.top + box.height) <= 1


def test_polygons_are_taken_by_their_bounding_boxes_and_counted(tmp_path: Path) -> None:
    result = read(one(tmp_path, lines("0 .1 .2 .5 .2 .5 .6", "1 .1 .1 .9 .1 .9 .9 .1 .9")))
    box = result.of("images/a.jpg").boxes[0]
    assert (box.left, box.top, box.width, box.height) == pytest.approx((0.1, 0.2, 0.4, 0.4))
    assert result.noted("2 times: polygons")


def test_no_lines_are_background_and_no_file_is_nothing_said(tmp_path: Path) -> None:
    touch(one(tmp_path, ""), "images/b.jpg")
    result = read(tmp_path)
    assert (result.of("images/a.jpg").kind, result.of("images/a.jpg").boxes) == ("detection", ())
    assert result.of("images/b.jpg").kind is None
    assert result.noted("nothing is on")


def test_only_bad_lines_are_no_background(tmp_path: Path) -> None:
    assert read(one(tmp_path, "9 .5 .5 .2 .2")).of("images/a.jpg").kind is None


@pytest.mark.parametrize(
    "folder", ["images/train/", "train/images/", "", "train/", "imgs/", "Images/train/", "JPEGImages/"]
)
def test_where_label_files_lie(tmp_path: Path, folder: str) -> None:
    touch(tmp_path, f"{folder}a.jpg")
    labels = folder.replace("JPEGImages", "labels").replace("images", "labels").replace("Images", "Labels")
    write(tmp_path / f"{labels.replace('imgs', 'labels')}a.txt", GOOD)
    write(tmp_path / "data.yaml", "names: {0: bolt}")
    annotation = read(tmp_path).of(f"{folder}a.jpg")
    assert (len(annotation.boxes), annotation.dataset_type) == (1, "TRAIN" if "train" in folder else "")


def test_a_label_file_without_an_image(tmp_path: Path) -> None:
    write(one(tmp_path) / "labels/gone.txt", GOOD)
    assert [(p.file, p.reason) for p in read(tmp_path).problems] == [("labels/gone.txt", "image_missing")]


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ("names: [bolt, nut]", ["bolt", "nut"]),
        ("names: {0: bolt, 1: nut}", ["bolt", "nut"]),
        ("names: {'0': bolt, '1': nut}", ["bolt", "nut"]),
        ("names: [8, 1.5]", ["8", "1.5"]),
    ],
)
def test_how_classes_are_named(tmp_path: Path, config: str, labels: list[str]) -> None:
    result = read(one(tmp_path, lines(GOOD, "1 .5 .5 .1 .1"), config))
    assert (result.problems, [box.label for box in result.of("images/a.jpg").boxes]) == ([], labels)


@pytest.mark.parametrize("name", ["classes.txt", "obj.names"])
def test_classes_by_a_list_of_names(tmp_path: Path, name: str) -> None:
    (one(tmp_path) / "data.yaml").unlink()
    write(tmp_path / name, "bolt\n\x01\nnut\n\n")
    result = read(tmp_path)
    assert [(p.file, p.line, p.reason) for p in result.problems] == [(name, 2, "bad_label")]
    assert result.of("images/a.jpg").boxes[0].label == "bolt"
    assert result.noted("a line each")


def test_nothing_names_the_classes(tmp_path: Path) -> None:
    (one(tmp_path) / "data.yaml").unlink()
    result = read(tmp_path)
    assert result.reasons == {"no_names": 1, "unknown_class": 1}
    assert "classes.txt" in result.problems[0].detail


@pytest.mark.long
@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (b"names: [caf\xe9]", "not_yaml"),
        (b"names: [", "not_yaml"),
        (b"- a", "not_yaml"),
        (b"names: !!python/object/apply:os.getcwd []", "not_yaml"),
        (b"names: " + b"[" * 600, "not_yaml"),
        (("names: [a]\nnc: " + "1:" * 400 + "1.0").encode(), "not_yaml"),
        (b"names: {a: bolt}", "bad_class"),
        (b"names: {-1: bolt}", "bad_class"),
        (f"names:\n  ? {HUGE}\n  : bolt".encode(), "bad_class"),
        (f"names: [{HUGE}]".encode(), "bad_label"),
        ((ALIASES + "names: [*a11]").encode(), "bad_label"),
        (b"names: [[a]]", "bad_label"),
        (b"names: ['']", "bad_label"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, config: bytes, reason: str) -> None:
    """Aliases make gigabytes of a few lines; a hexadecimal number may have more digits than Python shows."""
    result = read(one(tmp_path, config=config))
    assert result.problems[0].reason == reason
    assert result.problems[0].file == "data.yaml"
    assert result.of("images/a.jpg").kind is None


@pytest.mark.parametrize("given", [HUGE, "[*a11]", "[[x]]", "{a: b}"])
def test_a_path_that_is_no_text(tmp_path: Path, given: str) -> None:
    result = read(one(tmp_path, config=f"{ALIASES}names: [bolt]\ntrain: {given}"))
    assert result.reasons == {"bad_path": 1}
    assert len(result.of("images/a.jpg").boxes) == 1


@pytest.mark.parametrize("count", ["7", HUGE])
def test_another_number_of_classes_than_names(tmp_path: Path, count: str) -> None:
    result = read(one(tmp_path, config=f"names: [bolt]\nnc: {count}"))
    assert result.problems == [] and result.noted("names count")


@pytest.mark.parametrize("up", ["", "../"])
@pytest.mark.parametrize(("test", "of_valid"), [("", "TEST"), ("test: {up}test/images", "TRAIN")])
def test_sides_of_folders(tmp_path: Path, up: str, test: str, of_valid: str) -> None:
    config = f"names: [a]\ntrain: [{up}train/images]\nval: {up}valid/images\n{test.format(up=up)}\n"
    write(tmp_path / "data.yaml", config)
    touch(tmp_path, "train/images/a.jpg", "valid/images/b.jpg")
    if test:
        touch(tmp_path, "test/images/c.jpg")
    result = read(tmp_path)
    assert result.problems == []
    assert result.of("train/images/a.jpg").dataset_type == "TRAIN"
    assert result.of("valid/images/b.jpg").dataset_type == of_valid
    assert result.noted("validation images")


def test_a_split_that_roboflow_names_and_does_not_have(tmp_path: Path) -> None:
    config = "names: [a]\ntrain: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(tmp_path / "data.yaml", config)
    result = read(touch(tmp_path, "train/images/a.jpg", "valid/images/b.jpg"))
    assert result.problems == []
    assert result.of("valid/images/b.jpg").dataset_type == "TEST"
    assert result.noted("to test with: there are no others") and not result.noted("there are others")
    assert result.noted("test is ../test/images, which is not there")


def test_of_validation_images_that_are_not_there_nothing_is_said(tmp_path: Path) -> None:
    config = "names: [a]\ntrain: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
    write(tmp_path / "data.yaml", config)
    result = read(touch(tmp_path, "train/images/a.jpg", "test/images/b.jpg"))
    assert result.of("test/images/b.jpg").dataset_type == "TEST"
    assert not result.noted("validation images")


@pytest.mark.parametrize("other", ["test.py", "tests/test_x.md", "test_notes.doc"])
def test_programs_are_no_images_to_test_with(tmp_path: Path, other: str) -> None:
    write(tmp_path / "data.yaml", "names: [a]\nval: valid/images\n")
    result = read(touch(tmp_path, "train/images/a.jpg", "valid/images/b.jpg", other))
    assert result.of("valid/images/b.jpg").dataset_type == "TEST"


def test_folders_of_another_machine(tmp_path: Path) -> None:
    write(tmp_path / "data.yaml", "names: [a]\ntrain: /content/set/one/images\nval: C:\\set\\two\n")
    result = read(touch(tmp_path, "one/images/a.jpg", "two/b.jpg"))
    assert {a.image: a.dataset_type for a in result.annotations} == {
        "one/images/a.jpg": "TRAIN",
        "two/b.jpg": "TEST",
    }
    assert result.problems == [] and result.noted("was read as two")


# Darknet


def darknet(
    root: Path, data: str = "classes = 2\ntrain = /home/x/2007_train.txt\nvalid=2007_test.txt\n"
) -> Path:
    for number in range(3):
        touch(root, f"VOC2007/JPEGImages/{number}.jpg")
        write(root / f"VOC2007/labels/{number}.txt", GOOD)
    write(root / "data/voc.names", "bolt\nnut\n")
    write(root / "cfg/voc.data", data)
    write(root / "2007_train.txt", "/home/x/VOC2007/JPEGImages/0.jpg\n/home/x/VOC2007/JPEGImages/1.jpg\n")
    write(root / "2007_test.txt", "/home/x/VOC2007/JPEGImages/2.jpg\n")
    return root


@pytest.mark.parametrize(
    "data",
    [
        "# x\nclasses= 2\ntrain  = /home/x/2007_train.txt\nvalid = 2007_test.txt\nnames = data/voc.names\n",
        "nonsense",
        "train = 2007_train.txt\ntest = 2007_test.txt\nnames = gone.names\nbackup = backup/\n",
    ],
)
def test_darknets_own_layout(tmp_path: Path, data: str) -> None:
    root = darknet(tmp_path, data)
    assert detect_format(root).format == "yolo"
    result = read(root)
    assert result.problems == []
    assert {a.image[-5:]: (a.boxes[0].label, a.dataset_type) for a in result.annotations} == {
        "0.jpg": ("bolt", "TRAIN"),
        "1.jpg": ("bolt", "TRAIN"),
        "2.jpg": ("bolt", "TEST"),
    }


def test_cvats_yolo_with_subsets(tmp_path: Path) -> None:
    for name in ("obj_train_data/a", "obj_train_data/deep/b", "obj_valid_data/a"):
        write(touch(tmp_path, f"{name}.png") / f"{name}.txt", GOOD)
    write(tmp_path / "obj.names", "bolt\nnut\n")
    write(
        tmp_path / "obj.data",
        "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\n"
        "names = data/obj.names\nbackup = backup/\n",
    )
    write(tmp_path / "train.txt", "data/obj_train_data/a.png\ndata/obj_train_data/deep/b.png\n")
    write(tmp_path / "valid.txt", "data/obj_valid_data/a.png\n")
    result = read(tmp_path)
    assert result.problems == []
    assert {a.image: a.dataset_type for a in result.annotations} == {
        "obj_train_data/a.png": "TRAIN",
        "obj_train_data/deep/b.png": "TRAIN",
        "obj_valid_data/a.png": "TEST",
    }


@settings(max_examples=30)
@given(st.text("abtrainvalidnames.txt =\n/\\\0#", max_size=80))
def test_whatever_darknets_configuration_says_nothing_is_raised(data: str) -> None:
    with TemporaryDirectory() as folder:
        result = read(darknet(Path(folder), data))
        assert len(result.annotations) == 3


def test_sides_of_lists(tmp_path: Path) -> None:
    write(tmp_path / "data.yaml", "names: [a]\ntrain: train.txt\ntest: test.txt\n")
    write(tmp_path / "train.txt", lines("./pool/a.jpg", "", "../../secret.jpg", "pool/gone.jpg"))
    write(tmp_path / "test.txt", lines("pool/b.jpg"))
    result = read(touch(tmp_path, "pool/a.jpg", "pool/b.jpg", "pool/c.jpg"))
    assert {annotation.image: annotation.dataset_type for annotation in result.annotations} == {
        "pool/a.jpg": "TRAIN",
        "pool/b.jpg": "TEST",
        "pool/c.jpg": "",
    }
    assert [(p.file, p.line) for p in result.problems] == [("train.txt", 3), ("train.txt", 4)]


@pytest.mark.parametrize("given", ["../..", "/etc", "../../etc/passwd", "images/../../x"])
def test_paths_out_of_the_folder_are_problems(tmp_path: Path, given: str) -> None:
    result = read(one(tmp_path / "set", config=f"names: [bolt]\ntrain: {given}\n"))
    assert result.reasons == {"leaves_folder": 1}
    assert len(result.of("images/a.jpg").boxes) == 1


def test_text_in_another_encoding(tmp_path: Path) -> None:
    result = read(one(tmp_path, GOOD.encode("utf-16")))
    assert (result.reasons, result.of("images/a.jpg").kind) == ({"wrong_encoding": 1}, None)


@pytest.mark.long
@settings(max_examples=60)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_the_bytes_nothing_is_raised_and_good_files_are_taken(config: bytes, label: bytes) -> None:
    with TemporaryDirectory() as folder:
        root = one(Path(folder), label)
        touch(root, "images/b.jpg")
        write(root / "labels/b.txt", lines(GOOD))
        assert len(read(root).of("images/b.jpg").boxes) == 1
        write(root / "data.yaml", config)
        assert {annotation.image for annotation in read(root).annotations} == {"images/a.jpg", "images/b.jpg"}


@pytest.mark.long
@settings(max_examples=60)
@given(st.lists(st.text("0123456789.- naifex,\t", max_size=30), max_size=6))
def test_good_lines_survive_bad_ones(bad: list[str]) -> None:
    with TemporaryDirectory() as folder:
        result = read(one(Path(folder), lines(*bad, "1 0.5 0.5 0.25 0.25", *bad)))
    assert LabelledBox("nut", 0.375, 0.375, 0.25, 0.25) in result.of("images/a.jpg").boxes


# Writing


def image(
    name: str = "a.jpg", *boxes: LabelledBox, size: tuple[int, int] = (640, 480), dataset_type: str = "TRAIN"
) -> ImageAnnotation:
    assert dataset_type in ("TRAIN", "TEST")
    return ImageAnnotation(
        name, "detection", boxes=boxes, size=size, dataset_type="TRAIN" if dataset_type == "TRAIN" else "TEST"
    )


@st.composite
def image_annotations(draw: st.DrawFn) -> list[ImageAnnotation]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        width, height = draw(st.integers(1, 20_000)), draw(st.integers(1, 20_000))
        boxes = []
        for index in range(draw(st.integers(0, 4))):
            left, top = draw(st.floats(0, 0.9)) * width, draw(st.floats(0, 0.9)) * height
            share = draw(st.floats(0.01, 0.1))
            # Boxes of one label alike would be one.
            boxes.append(LabelledBox(f"label {index}", left, top, share * width, share * height))
        dataset_types: tuple[RequestedDatasetType, ...] = ("TRAIN", "TEST")
        dataset_type = draw(st.sampled_from(dataset_types))
        made.append(image(f"images/{number}.jpg", *boxes, size=(width, height), dataset_type=dataset_type))
    return made


@pytest.mark.long
@settings(max_examples=40)
@given(image_annotations())
def test_what_is_written_is_read_again(given: list[ImageAnnotation]) -> None:
    with TemporaryDirectory() as folder:
        root = touch(Path(folder), *(annotation.image for annotation in given))
        yolo.write_yolo(root, given)
        result = read(root)
    # Without a box no class has a name, and that is a problem.
    assert result.reasons == ({} if any(annotation.boxes for annotation in given) else {"no_names": 1})
    assert len(result.annotations) == len(given)
    for before in given:
        assert before.size
        after = in_pixels(result.of(before.image), *before.size)
        assert (after.kind, after.dataset_type) == ("detection", before.dataset_type)
        assert [box.label for box in after.boxes] == [box.label for box in before.boxes]
        for written, box in zip(before.boxes, after.boxes, strict=True):
            # Of the image's sides: a box at 0 has no size of its own to be measured by.
            for side, scale in (("left", 0), ("top", 1), ("width", 0), ("height", 1)):
                expected = pytest.approx(getattr(written, side), rel=1e-6, abs=1e-6 * before.size[scale])
                assert getattr(box, side) == expected


def test_the_configuration_names_what_trainers_look_for(tmp_path: Path) -> None:
    yolo.write_yolo(
        tmp_path, [image("a.jpg", LabelledBox("Größe: 8", 1, 2, 3, 4)), image("b.jpg", dataset_type="TEST")]
    )
    written = yaml.safe_load((tmp_path / "data.yaml").read_text(encoding="utf-8"))
    assert written["names"] == {0: "Größe: 8"}
    assert (tmp_path / written["train"]).read_text() == "./a.jpg\n"
    assert (tmp_path / written["test"]).read_text() == "./b.jpg\n"
    assert written["val"] == written["test"]
    assert (tmp_path / "b.txt").read_text() == "", "nothing is on it, and that is said"


def test_writing_takes_images_one_by_one(tmp_path: Path) -> None:
    written: list[bool] = []

    def passing() -> Iterator[ImageAnnotation]:
        for number in range(3):
            written.append(number == 0 or (tmp_path / f"{number - 1}.txt").exists())
            yield image(f"{number}.jpg", LabelledBox("bolt", 1, 2, 3, 4))

    yolo.write_yolo(tmp_path, passing())
    assert written == [True, True, True]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (ImageAnnotation("a.jpg", "classification", labels=("bolt",)), "image-level labels"),
        (ImageAnnotation("a.jpg", "detection"), "size"),
        (ImageAnnotation("a.jpg", "detection", normalised=True, size=(1, 1)), "pixels"),
        (image("../a.jpg"), "no path"),
        (image("/a.jpg"), "no path"),
        (image("a.jpg", LabelledBox("bolt", float("nan"), 1, 2, 3)), "no box"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, annotation: ImageAnnotation, words: str) -> None:
    folder = tmp_path / "set"
    with pytest.raises(ValueError, match=words):
        yolo.write_yolo(folder, [annotation])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
    shutil.rmtree(folder)


@pytest.mark.parametrize("more", ["", "test: images\n"])
def test_images_for_training_and_more_are_for_training(tmp_path: Path, more: str) -> None:
    result = read(one(tmp_path, config=f"train: images\nval: images\n{more}names: [bolt]\n"))
    assert result.of("images/a.jpg").dataset_type == "TRAIN"
    assert result.noted("val names the images of train") and not result.noted("to test with")


@pytest.mark.parametrize("file", ["classes.txt", "old.yaml"])
def test_a_file_that_names_a_class_differently_is_told(tmp_path: Path, file: str) -> None:
    write(one(tmp_path) / file, "nut\nbolt\n" if file.endswith(".txt") else "names: [nut, bolt]\n")
    result = read(tmp_path)
    assert [box[0] for box in result.boxes["images/a.jpg"]] == ["bolt"]
    [problem] = result.problems
    assert (problem.file, problem.reason) == (file, "other_names")
    assert "'nut' here and 'bolt' in data.yaml" in problem.detail
    write(tmp_path / file, "bolt\n" if file.endswith(".txt") else "names: [bolt]\n")
    assert read(tmp_path).problems == []


def test_of_two_configurations_that_differ_none_is_taken(tmp_path: Path) -> None:
    write(one(tmp_path) / "more" / "data.yaml", "names: [pin, nut]\n")
    result = read(tmp_path)
    assert (result.boxes.get("images/a.jpg") or [], result.reasons) == (
        [],
        {"other_names": 1, "unknown_class": 1},
    )


def test_labels_lie_in_a_folder_called_like_that_of_the_images(tmp_path: Path) -> None:
    touch(tmp_path, "train_images/a.jpg")
    write(tmp_path / "train_labels/a.txt", GOOD)
    write(tmp_path / "classes.txt", "bolt\n")
    assert [box[0] for box in read(tmp_path).boxes["train_images/a.jpg"]] == ["bolt"]


@pytest.mark.parametrize("name", ["_darknet.labels", "labels.txt", "predefined_classes.txt", "names.txt"])
def test_lists_of_names_as_tools_call_them(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "train/a.jpg", "valid/b.jpg")
    for file in ("train/a.txt", "valid/b.txt"):
        write(tmp_path / file, GOOD)
    write(tmp_path / "train" / name, "bolt\nnut\n")
    write(tmp_path / "valid" / name, "bolt\nnut\n")
    result = read(tmp_path)
    assert [box[0] for box in result.boxes["valid/b.jpg"]] == ["bolt"]
    assert result.problems == []
    write(tmp_path / "valid" / name, "nut\nbolt\n")
    assert read(tmp_path).reasons == {"other_names": 1}


def test_a_list_of_images_names_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    write(tmp_path / "a.txt", GOOD)
    write(tmp_path / "labels.txt", "a.jpg 0\n")
    assert read(tmp_path).reasons == {"no_names": 1, "unknown_class": 1}


def test_names_that_were_written_come_before_those_that_a_tool_began_with(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg")
    write(tmp_path / "labels" / "a.txt", GOOD)
    write(tmp_path / "labels" / "classes.txt", "bolt\n")
    write(tmp_path / "predefined_classes.txt", "dog\n")
    result = read(tmp_path)
    assert [box[0] for box in result.boxes["images/a.jpg"]] == ["bolt"]
    assert result.reasons == {"other_names": 1}
