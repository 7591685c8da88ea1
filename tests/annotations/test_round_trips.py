"""What is written is read again as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from faster_coco_eval import COCO
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import coco, dataset, sagemaker, yolo
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.format_detection import detect_format
from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox, Note, in_pixels
from lambdas.domain.shared.annotation import RequestedDatasetType, clean_label
from tests.fixtures.datasets_on_disk import collect, touch

FEW = settings(max_examples=60)


def is_label(text: str) -> bool:
    try:
        return clean_label(text) == text and not text.startswith("=")
    except ValueError:
        return False


labels = st.one_of(
    st.sampled_from(["bolt", "Mutter ä", "8", "yes", "null", "a: b", "#x", "a,b", '"q"']),
    st.text(max_size=20),
).filter(is_label)
stems = st.one_of(
    st.sampled_from(["a", "B c", "NaN", "ü", "train"]), st.text("abcXYZ 0159_-'äß日", min_size=1, max_size=8)
)
names = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem.strip() or "x"]) + suffix,
    st.lists(st.sampled_from(["images", "x", "labels", "Ä b"]), max_size=2),
    stems,
    st.sampled_from([".jpg", ".JPEG", ".png"]),
)
SPLITS: list[RequestedDatasetType] = ["", "TRAIN", "TEST"]
dataset_types = st.sampled_from(SPLITS)


@st.composite
def boxes(draw: st.DrawFn, size: tuple[int, int], whole: bool) -> LabelledBox:
    def side(most: int) -> tuple[float, float]:
        if whole:
            left = draw(st.integers(0, most - 4))
            return left, draw(st.integers(4, most - left))
        start = draw(st.floats(0, most - 4))
        return start, draw(st.floats(3, most - start))

    (left, width), (top, height) = side(size[0]), side(size[1])
    return LabelledBox(draw(labels), left, top, width, height)


def stem_of(name: str) -> str:
    """The name without its extension: two images are never notes apart by that alone, nor by case."""
    return name.lower().rpartition(".")[0]


def label_file_of(name: str) -> str:
    """The YOLO label file of an image; of two images that would share one, the writer leaves one out."""
    return yolo.label_files(name)[0].lower()


@st.composite
def datasets(
    draw: st.DrawFn,
    whole: bool = False,
    kinds: tuple[str, ...] = ("detection",),
    unique_by: Callable[[str], str] = stem_of,
) -> list[ImageAnnotation]:
    """Images whose names differ by what `unique_by` makes of them."""
    unique = draw(st.lists(names, max_size=6, unique_by=unique_by))
    made = []
    for name in unique:
        size = (draw(st.integers(64, 4096)), draw(st.integers(64, 4096)))
        dataset_type = draw(dataset_types)
        if draw(st.sampled_from(kinds)) == "detection":
            drawn = tuple(draw(st.lists(boxes(size, whole), max_size=4)))
            made.append(ImageAnnotation(name, "detection", boxes=drawn, size=size, dataset_type=dataset_type))
        else:
            image_labels = tuple(sorted(draw(st.sets(labels, min_size=1, max_size=3))))
            made.append(
                ImageAnnotation(
                    name, "classification", labels=image_labels, size=size, dataset_type=dataset_type
                )
            )
    return made


def plain(annotation: ImageAnnotation) -> ImageAnnotation:
    return replace(annotation, file="", line=0)


def by_name(annotations: Iterable[ImageAnnotation]) -> dict[str, ImageAnnotation]:
    return {annotation.image: plain(annotation) for annotation in annotations}


def read_files(folder: Path, read: Callable[[Path], Iterator[object]]) -> dict[str, ImageAnnotation]:
    events = [event for path in sorted(folder.iterdir()) for event in read(path)]
    assert [event for event in events if not isinstance(event, ImageAnnotation | Note)] == []
    return by_name([event for event in events if isinstance(event, ImageAnnotation)])


@pytest.mark.long
@FEW
@given(datasets())
def test_coco(images: list[ImageAnnotation]) -> None:
    with TemporaryDirectory() as folder:
        coco.write_coco(Path(folder), iter(images))
        assert read_files(Path(folder), coco.read) == by_name(images)


@pytest.mark.long
@FEW
@given(datasets())
def test_coco_files_mean_the_same_to_cocos_own_reader(images: list[ImageAnnotation]) -> None:
    with TemporaryDirectory() as folder:
        coco.write_coco(Path(folder), images)
        boxes = {image: boxes for path in Path(folder).iterdir() for image, boxes in boxes_by_coco(path)}
    assert boxes == {
        image.image: [(box.label, box.left, box.top, box.width, box.height) for box in image.boxes]
        for image in images
    }


def boxes_by_coco(path: Path) -> Iterator[tuple[str, list[tuple[str, float, float, float, float]]]]:
    """Each image of a file with its boxes, as COCO's own reader has them."""
    reader = COCO(str(path))
    for id, image in reader.imgs.items():
        annotations = reader.loadAnns(reader.getAnnIds(imgIds=[id]))
        boxes = [(reader.cats[each["category_id"]]["name"], *each["bbox"]) for each in annotations]
        yield image["file_name"], boxes


@pytest.mark.long
@FEW
@given(datasets(whole=True, kinds=("detection", "classification")))
def test_manifest(images: list[ImageAnnotation]) -> None:
    with TemporaryDirectory() as folder:
        sagemaker.write_manifest(Path(folder), iter(images))
        # Image-level labels have no size in this format.
        expected = [replace(f, size=None) if f.kind == "classification" else f for f in images]
        assert read_files(Path(folder), sagemaker.read) == by_name(expected)


@pytest.mark.long
@FEW
@given(datasets(unique_by=label_file_of))
def test_yolo(images: list[ImageAnnotation]) -> None:
    with TemporaryDirectory() as folder:
        root = touch(Path(folder), *(annotation.image for annotation in images))
        yolo.write_yolo(root, iter(images))
        result = collect(yolo.read(root))
        sizes = {annotation.image: annotation.size or (0, 0) for annotation in images}
        read = by_name([in_pixels(annotation, *sizes[annotation.image]) for annotation in result.annotations])
        assert result.reasons == ({} if any(annotation.boxes for annotation in images) else {"no_names": 1})
        assert set(read) == set(sizes)
        for image, annotation in by_name(images).items():
            assert replace(read[image], boxes=()) == replace(annotation, boxes=())
            for mine, theirs in zip(annotation.boxes, read[image].boxes, strict=True):
                assert mine.label == theirs.label
                sides = (mine.left, mine.top, mine.width, mine.height)
                again = (theirs.left, theirs.top, theirs.width, theirs.height)
                assert again == pytest.approx(sides, rel=1e-6, abs=1e-6 * max(sizes[image]))


@pytest.mark.parametrize("write", [coco.write_coco, yolo.write_yolo, sagemaker.write_manifest])
def test_what_is_written_is_detected_and_read_as_a_whole(
    tmp_path: Path, write: Callable[[Path, Iterator[ImageAnnotation]], None]
) -> None:
    images = [
        ImageAnnotation(
            "images/a.jpg",
            "detection",
            boxes=(LabelledBox("bolt", 1, 2, 30, 40),),
            size=(100, 80),
            dataset_type="TRAIN",
        ),
        ImageAnnotation(
            "images/b.jpg",
            "detection",
            boxes=(LabelledBox("nut", 5, 6, 10, 20),),
            size=(90, 70),
            dataset_type="TEST",
        ),
    ]
    write(tmp_path, iter(images))
    touch(tmp_path, "images/a.jpg", "images/b.jpg")
    result = collect(dataset.read(tmp_path, detect_format(tmp_path), folder=Folder(tmp_path)))
    assert result.problems == []
    for annotation in result.annotations:
        [original] = [image for image in images if image.image == annotation.image]
        [box], [expected] = in_pixels(annotation, *(original.size or (0, 0))).boxes, original.boxes
        assert (box.label, annotation.dataset_type) == (expected.label, original.dataset_type)
        assert (box.left, box.width) == pytest.approx((expected.left, expected.width))


@pytest.mark.parametrize("write", [coco.write_coco, yolo.write_yolo])
def test_image_level_labels_are_not_dropped_in_silence(tmp_path: Path, write: Callable[..., None]) -> None:
    images = [ImageAnnotation("a.jpg", "classification", labels=("x",), size=(90, 90))]
    with pytest.raises(ValueError, match="left out"):
        write(tmp_path, images)
    notes: list[Note] = []
    write(tmp_path, images, notes.append)
    assert len(notes) == 1


def test_boxes_that_are_nothing_in_whole_pixels_leave_no_background(tmp_path: Path) -> None:
    notes: list[Note] = []
    small = LabelledBox("x", 1.1, 1.1, 0.2, 0.2)
    images = [
        ImageAnnotation("a.jpg", "detection", boxes=(small,), size=(90, 90)),
        ImageAnnotation(
            "b.jpg", "detection", boxes=(small, replace(small, width=20, height=20)), size=(90, 90)
        ),
        ImageAnnotation("c.jpg", None),
    ]
    with pytest.raises(ValueError, match="size is known"):
        sagemaker.write_manifest(tmp_path, images, notes.append)
    sagemaker.write_manifest(tmp_path, images[:2], notes.append)
    result = collect(sagemaker.read(tmp_path / "annotations.manifest"))
    assert [(annotation.image, len(annotation.boxes)) for annotation in result.annotations] == [("b.jpg", 1)]
    assert [note.detail for note in notes] == ["2 times: boxes of less than a pixel were left out"]


@pytest.mark.parametrize(
    "annotation",
    [
        ImageAnnotation("a.jpg", "detection"),
        ImageAnnotation("a.jpg", "detection", size=(9, 9), normalised=True),
        ImageAnnotation("a.jpg", "detection", boxes=(LabelledBox("x", float("nan"), 0, 1, 1),), size=(9, 9)),
    ],
)
@pytest.mark.parametrize("write", [coco.write_coco, yolo.write_yolo, sagemaker.write_manifest])
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, write: Callable[..., None], annotation: ImageAnnotation
) -> None:
    with pytest.raises(ValueError, match=r"a\.jpg"):
        write(tmp_path, [annotation])


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "C:\\a.jpg", "x/../../a.jpg", "a\nb.jpg", ""])
def test_label_files_are_written_inside_the_folder_only(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no path inside"):
        yolo.write_yolo(tmp_path / "out", [ImageAnnotation(name, "detection", size=(9, 9))])
    assert [path for path in tmp_path.rglob("*") if path.suffix == ".txt"] == []


@pytest.mark.parametrize("names", [("a.jpg", "a.png"), ("a.jpg", "A.jpg"), ("images/a.jpg", "labels/a.jpg")])
def test_of_images_that_would_share_a_label_file_one_is_written(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    images = [ImageAnnotation(name, "detection", size=(9, 9)) for name in names]
    with pytest.raises(ValueError, match="left out"):
        yolo.write_yolo(tmp_path / "refused", images)
    notes: list[Note] = []
    yolo.write_yolo(tmp_path, images, notes.append)
    assert (tmp_path / "unassigned-images.txt").read_text() == f"./{names[0]}\n"
    assert len(notes) == 1


def test_coco_files_are_plain_json(tmp_path: Path) -> None:
    box = LabelledBox("bolt", 1, 2, 30, 40)
    coco.write_coco(
        tmp_path, [ImageAnnotation("a.jpg", "detection", boxes=(box,), size=(100, 80), dataset_type="TRAIN")]
    )
    written = json.loads((tmp_path / "train.json").read_text())
    assert written["images"] == [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}]
    assert written["annotations"][0]["bbox"] == [1, 2, 30, 40]
    assert written["categories"] == [{"id": 1, "name": "bolt"}]
