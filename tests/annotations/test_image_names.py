"""Names that mean the same image, in whatever way a tool writes them."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import dataset_files, image_references
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError, NoteCounter
from tests.fixtures.datasets_on_disk import touch

COMPOSED = unicodedata.normalize("NFC", "Übung_1.jpg")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def find(folder: Folder, name: str, annotation: str = "labels.json") -> str:
    return folder.find(image_references.clean(name, annotation, NoteCounter()), annotation)


@pytest.mark.parametrize(
    ("image", "name", "note"),
    [
        (COMPOSED, DECOMPOSED, dataset_files.OTHER_FORM),
        (DECOMPOSED, COMPOSED, dataset_files.OTHER_FORM),
        (f"sub/{DECOMPOSED}", f"sub/{COMPOSED}", dataset_files.OTHER_FORM),
        (f"{DECOMPOSED}/a.jpg", f"{COMPOSED}/a.jpg", dataset_files.ELSEWHERE),
        (DECOMPOSED, quote(COMPOSED), dataset_files.ENCODED),
        ("a b.jpg", "a%20b.jpg", dataset_files.ENCODED),
        ("a%20b.jpg", "a b.jpg", dataset_files.ENCODED),
        ("sub/a b.jpg", "sub%2Fa%20b.jpg", dataset_files.ENCODED),
        ("A.JPG", "a.jpg", dataset_files.OTHER_CASE),
        ("a.jpeg", "a.jpg", dataset_files.OTHER_SUFFIX),
        ("a.jpeg", "a%2ejpeg", dataset_files.ENCODED),
        ("images/a.jpg", "..\\..\\server\\upload\\a.jpg", dataset_files.ELSEWHERE),
        ("images/a.jpg", "../../media/upload/4/a.jpg", dataset_files.ELSEWHERE),
        ("images/a.jpg", "D:\\data\\a.jpg", dataset_files.ELSEWHERE),
        ("images/a.jpg", "\\\\server\\share\\a.jpg", dataset_files.ELSEWHERE),
        ("images/a.jpg", "file:///home/bob/a.jpg", dataset_files.ELSEWHERE),
        ("images/a b.jpg", "https://example.com/x/a%20b.jpg?raw=1#top", dataset_files.ELSEWHERE),
        ("images/a.jpg", "/data/local-files/?d=old%2Fa.jpg", dataset_files.ELSEWHERE),
        ("images\\a.jpg", "images/a.jpg", dataset_files.BACKSLASHES),
        ("my photo (2).jpg", "/data/upload/4/cb0618f6-my_photo_2.jpg", dataset_files.UPLOADED),
    ],
)
def test_one_name_written_in_several_ways_and_that_is_said(
    tmp_path: Path, image: str, name: str, note: str
) -> None:
    folder = Folder(touch(tmp_path, image, "other.jpg"))
    assert find(folder, name) == image
    assert [each.detail for each in folder.notes.collected()] == [note]


@pytest.mark.parametrize(
    ("images", "name", "image"),
    [
        ([COMPOSED, DECOMPOSED], COMPOSED, COMPOSED),
        ([COMPOSED, DECOMPOSED], DECOMPOSED, DECOMPOSED),
        (["a b.jpg", "a%20b.jpg"], "a%20b.jpg", "a%20b.jpg"),
        (["a b.jpg", "a%20b.jpg"], "x/../a b.jpg", "a b.jpg"),
        (["a%20b.jpg", "a%2520b.jpg"], "a%2520b.jpg", "a%2520b.jpg"),
        (["A.jpg", "a.jpg"], "a.jpg", "a.jpg"),
        (["cb0618f6-a.jpg", "a.jpg"], "/data/upload/cb0618f6-a.jpg", "cb0618f6-a.jpg"),
        (["one/a.jpg", "two/a.jpg"], "C:\\x\\two\\a.jpg", "two/a.jpg"),
    ],
)
def test_the_literal_name_comes_first(tmp_path: Path, images: list[str], name: str, image: str) -> None:
    assert find(Folder(touch(tmp_path, *images)), name) == image


@pytest.mark.parametrize(
    ("images", "name", "reason", "words"),
    [
        (["one/a.jpg", "two/a.jpg"], "/x/a.jpg", "ambiguous_name", ["one/a.jpg", "two/a.jpg"]),
        (["one/a.jpg", "two/a.jpg"], "../x/a.jpg", "ambiguous_name", ["one/a.jpg", "two/a.jpg"]),
        (["A.jpg", "a.jpg"], "a.JPG", "ambiguous_name", ["A.jpg", "a.jpg"]),
        (["one/" + DECOMPOSED, "one/" + COMPOSED.lower()], f"one/{COMPOSED}", "ambiguous_name", ["may be"]),
        (["my photo.jpg", "my_photo.jpg"], "cb0618f6-my_photo.jpg", "ambiguous_name", ["my photo.jpg"]),
        (["a.jpg"], "%61%2561.jpg", "image_missing", ["is not there"]),
        (["a.jpg"], "a%FF.jpg", "image_missing", ["a%FF.jpg is not there"]),
        (["val/a.jpg"], "../train/a.jpg", "image_missing", ["val/a.jpg is: correct one"]),
        (["val/a.jpg"], "/data/train/a.jpg", "image_missing", ["val/a.jpg is: correct one"]),
        (["a.jpg"], "../b.jpg", "leaves_folder", ["move it inside"]),
        (["a.jpg"], "%2e%2e/b.jpg", "image_missing", []),
    ],
)
def test_names_that_may_mean_several_or_none(
    tmp_path: Path, images: list[str], name: str, reason: str, words: list[str]
) -> None:
    with pytest.raises(AnnotationError) as raised:
        find(Folder(touch(tmp_path, *images)), name)
    assert raised.value.reason == reason
    assert all(word in raised.value.detail for word in words)


def test_two_uploads_of_one_name_are_not_one_image(tmp_path: Path) -> None:
    folder = Folder(touch(tmp_path, "a.jpg"))
    assert find(folder, "/data/upload/cb0618f6-a.jpg") == "a.jpg"
    with pytest.raises(AnnotationError, match="was taken for"):
        find(folder, "/data/upload/aaaaaaaa-a.jpg")


def test_one_image_in_two_writings_is_one(tmp_path: Path) -> None:
    folder = Folder(touch(tmp_path, DECOMPOSED))
    assert {find(folder, COMPOSED), find(folder, quote(COMPOSED)), find(folder, DECOMPOSED)} == {DECOMPOSED}


def test_other_files_that_a_name_means(tmp_path: Path) -> None:
    folder = Folder(touch(tmp_path, f"labels/{quote(COMPOSED)}.txt", "b.txt", "B.txt", "c%20d.txt"))
    assert folder.other(f"labels/{DECOMPOSED}.txt") == f"labels/{quote(COMPOSED)}.txt"
    assert (folder.other("b.txt"), folder.other("%62.TXT"), folder.other("none.txt")) == ("b.txt", "", "")


@settings(max_examples=50)
@given(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=12))
def test_every_name_is_found_in_every_writing(text: str) -> None:
    name = f"x{text}x.jpg"
    for written in (name, unicodedata.normalize("NFD", name), quote(unicodedata.normalize("NFC", name))):
        if "%" not in name:
            assert image_references.meaning(written) == image_references.meaning(name)


def test_an_image_of_another_format_is_told_and_not_taken(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"a\.jpg is not there, but a\.png is"):
        find(Folder(touch(tmp_path, "a.png")), "a.jpg")


def test_of_one_name_the_image_in_the_annotations_own_dataset_is_meant(tmp_path: Path) -> None:
    folder = Folder(touch(tmp_path, "cam1/JPEGImages/a.jpg", "cam2/JPEGImages/a.jpg"))
    assert find(folder, "a.jpg", "cam2/Annotations/a.xml") == "cam2/JPEGImages/a.jpg"


def test_the_exact_name_comes_before_a_mask_in_the_annotations_own_folder(tmp_path: Path) -> None:
    folder = Folder(touch(tmp_path, "images/a.jpg", "annotations/trimaps/a.png"))
    assert folder.find("a.jpg", "annotations/xmls/a.xml", other_suffix=True) == "images/a.jpg"
