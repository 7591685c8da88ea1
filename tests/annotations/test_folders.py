"""Images in folders, with labels and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.domain.annotations import folders
from lambdas.domain.annotations.dataset_files import Folder
from tests.fixtures.datasets_on_disk import ReadEvents, collect, touch


def read(root: Path) -> ReadEvents:
    return collect(folders.read(root))


def labels(result: ReadEvents) -> dict[str, tuple[str, ...]]:
    return {annotation.image: annotation.labels for annotation in result.annotations}


def test_the_folder_is_the_label(tmp_path: Path) -> None:
    result = read(touch(tmp_path, "cat/a.jpg", "cat/b.PNG", "big dog/c.JPeG"))
    assert labels(result) == {"big dog/c.JPeG": ("big dog",), "cat/a.jpg": ("cat",), "cat/b.PNG": ("cat",)}
    assert {annotation.kind for annotation in result.annotations} == {"classification"}
    assert (result.problems, result.notes) == ([], [])


@pytest.mark.parametrize(("more", "of_val"), [((), "TEST"), (("test/cat/d.jpg",), "TRAIN")])
@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_sides_above_the_label(tmp_path: Path, val: str, more: tuple[str, ...], of_val: str) -> None:
    result = read(touch(tmp_path, "train/cat/a.jpg", f"{val}/cat/b.jpg", *more))
    dataset_types = {annotation.image: annotation.dataset_type for annotation in result.annotations}
    assert dataset_types == {"train/cat/a.jpg": "TRAIN", f"{val}/cat/b.jpg": of_val} | dict.fromkeys(
        more, "TEST"
    )
    assert {annotation.labels for annotation in result.annotations} == {("cat",)}
    assert result.noted("validation images were taken")


def test_without_validation_images_nothing_is_said_of_them(tmp_path: Path) -> None:
    assert read(touch(tmp_path, "train/cat/a.jpg", "test/cat/b.jpg")).notes == []


def test_deeper_folders_belong_to_the_label(tmp_path: Path) -> None:
    result = read(touch(tmp_path, "cat/young/small/a.jpg", "cat/b.jpg"))
    assert set(labels(result).values()) == {("cat",)}
    assert result.noted("below their label's folder")


def test_what_is_no_image_is_counted(tmp_path: Path) -> None:
    result = read(
        touch(tmp_path, "cat/a.jpg", "LICENSE", "cat/x.txt", "dog/y.TXT", ".git/config", "cat/.b.jpg")
    )
    assert labels(result) == {"cat/a.jpg": ("cat",)}
    details = [note.detail for note in result.notes]
    assert any(detail.startswith("2 files .txt") for detail in details)
    assert any("LICENSE" in detail for detail in details)
    assert result.noted("2 times: hidden")


def test_a_folder_whose_name_is_no_label(tmp_path: Path) -> None:
    result = read(touch(tmp_path, f"{'x' * 250}/a.jpg", "cat/b.jpg", "=1+1/c.jpg"))
    assert result.reasons in ({"formula": 1}, {"formula": 1, "bad_label": 1})
    assert labels(result)["cat/b.jpg"] == ("cat",)
    assert all("rename the folder" in problem.detail for problem in result.problems)


def test_an_image_in_no_folder_has_no_label(tmp_path: Path) -> None:
    result = read(touch(tmp_path, "a.jpg", "train/b.jpg", "cat/c.jpg"))
    assert {annotation.image: annotation.kind for annotation in result.annotations} == {
        "a.jpg": None,
        "cat/c.jpg": "classification",
        "train/b.jpg": None,
    }


def test_links(tmp_path: Path) -> None:
    outside, root = touch(tmp_path / "outside", "secret.jpg"), touch(tmp_path / "set", "cat/a.jpg")
    (root / "cat/in.jpg").symlink_to("a.jpg")
    (root / "cat/out.jpg").symlink_to(outside / "secret.jpg")
    (root / "dog").symlink_to(outside)
    (root / "cat/broken.jpg").symlink_to("gone.jpg")
    (root / "cat/round").symlink_to(root)
    result = read(root)
    assert {(problem.file, problem.reason) for problem in result.problems} == {
        ("cat/broken.jpg", "broken_link"),
        ("cat/out.jpg", "leaves_folder"),
        ("dog", "leaves_folder"),
    }
    assert labels(result) == {"cat/a.jpg": ("cat",), "cat/in.jpg": ("cat",)}


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    root = touch(tmp_path, "cat/a.jpg")
    try:
        with open(bytes(root) + b"/cat/\xff.jpg", "wb"):  # noqa: PTH123 - Path takes no bytes
            pass
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    result = read(root)
    assert result.reasons == {"name_not_utf8": 1}
    assert "rename" in result.problems[0].detail
    assert labels(result) == {"cat/a.jpg": ("cat",)}


def test_images_without_labels(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "deep/er/b.PNG", "train/c.jpg", "README.md", ".hidden.jpg")
    result = collect(folders.read_unlabelled(tmp_path))
    assert {(annotation.image, annotation.kind, annotation.labels) for annotation in result.annotations} == {
        ("a.jpg", None, ()),
        ("deep/er/b.PNG", None, ()),
        ("train/c.jpg", None, ()),
    }
    assert result.noted("README.md") or result.noted(".md left alone")


def test_a_folder_looked_at_before_is_not_told_of_twice(tmp_path: Path) -> None:
    folder = Folder(touch(tmp_path, "cat/a.jpg", ".hidden"))
    result = collect([*folders.read(tmp_path, folder), *folder.events()])
    assert (len(result.annotations), len(result.notes)) == (1, 1)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set/training_set", "test_set/test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("train_images", "test_images"),
        ("Train Data", "testset"),
        ("images-train2017", "images-test2017"),
    ],
)
def test_folders_called_like_a_split_and_what_it_is_of_are_no_labels(
    tmp_path: Path, train: str, test: str
) -> None:
    result = read(touch(tmp_path, f"{train}/cat/a.jpg", f"{test}/cat/b.jpg", "train station/c.jpg"))
    assert {annotation.dataset_type for annotation in result.annotations} == {"TRAIN", "TEST", ""}
    assert set(labels(result).values()) == {("cat",), ("train station",)}


def test_images_in_a_folder_for_unlabelled_ones_have_no_label(tmp_path: Path) -> None:
    result = read(touch(tmp_path, "cat/a.jpg", "unlabeled/b.jpg", "seg_pred/seg_pred/c.jpg"))
    assert labels(result) == {"cat/a.jpg": ("cat",), "unlabeled/b.jpg": (), "seg_pred/seg_pred/c.jpg": ()}
