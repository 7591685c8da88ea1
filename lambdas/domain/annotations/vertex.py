"""Vertex AI's JSON Lines, an image in each line, for classification and object detection,
https://cloud.google.com/vertex-ai/docs/image-data/object-detection/prepare-data .

Its tables are in layouts.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lambdas.domain.annotations import box_parsing, image_references
from lambdas.domain.annotations.dataset_files import AnnotationFile, Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.staging import Staging
from lambdas.domain.annotations.types import Event, LabelledBox
from lambdas.domain.shared import manifests
from lambdas.domain.shared.annotation import RequestedDatasetType

NAMED_AGAIN = "images named by more lines than one: what these say was put together"
UNLABELLED = "lines without annotations were taken as images of which nothing is known"
_IMAGE = "imageGcsUri"
_USE = "aiplatform.googleapis.com/ml_use"
_CHUNK = 1024 * 1024
_SIDES = ("xMin", "yMin", "xMax", "yMax")


def is_vertex(beginning: bytes) -> bool:
    """Whether a file that begins so is one of Vertex AI's."""
    return f'"{_IMAGE}"'.encode() in beginning


def read(path: Path, folder: Folder | None = None) -> Iterator[Event]:
    """Read a file, line by line; boxes come as shares of the image's sides.

    Args:
        folder: of the images, if they are to be found there; else they are called as the file calls them.

    Raises:
        OSError: the disk failed.
    """
    with Staging() as staging:
        yield from _Reader(path, folder, staging).events()


class _Reader:
    def __init__(self, path: Path, folder: Folder | None, staging: Staging) -> None:
        self._path, self._staging = path, staging
        self._source = AnnotationFile(path, folder)
        self._file, self._notes = self._source.name, self._source.notes

    def events(self) -> Iterator[Event]:
        self._source.has_test = self._source.has_test or self._has_test_lines()
        for line, text in self._lines():
            image = ""
            try:
                entry = _entry(text)
                use = self._use(entry)
                image = image_references.clean(entry.get(_IMAGE), self._file, self._notes)
                image = self._source.find(image, use)
            except AnnotationError as error:
                yield error.problem(self._file, line, image)
                continue
            for error in self._take(image, entry, use, line):
                yield error.problem(self._file, line, image)
        yield from self._staging.image_annotations(self._file, normalised=True)
        yield from self._notes.collected()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self._path.open("rb") as opened:
            yield from manifests.numbered_lines(iter(lambda: opened.read(_CHUNK), b""))

    def _has_test_lines(self) -> bool:
        """Whether lines say that their images are to be tested with."""
        for _, text in self._lines():
            try:
                if image_references.split_of_word(_word(_entry(text))) == "TEST":
                    return True
            except AnnotationError:
                continue
        return False

    def _use(self, entry: dict[str, Any]) -> RequestedDatasetType:
        word = _word(entry)
        if not word or word.lower() == "unassigned":
            return ""
        dataset_type = self._source.dataset_types.of_word(word)
        if not dataset_type:
            raise AnnotationError("bad_split", f"ml_use {word[:80]!r} is none of training, test, validation")
        return dataset_type

    def _take(
        self, image: str, entry: dict[str, Any], use: RequestedDatasetType, line: int
    ) -> Iterator[AnnotationError]:
        """Stage a line; yields what cannot be used of it."""
        dataset_type = use or self._source.dataset_types.of_image(image)
        number, new = self._staging.image(image, line=line)
        known = self._staging.dataset_type_of(number)
        if not new:
            self._notes.add(self._file, NAMED_AGAIN)
        if known and dataset_type and known != dataset_type:
            self._staging.mark_incomplete(number)
            yield AnnotationError(
                "split_conflict", f"an earlier line has the image in {known}: keep it in one"
            )
            return
        self._staging.update(number, dataset_type=dataset_type)
        count = 0
        for name, is_box in (
            ("classificationAnnotation", False),
            ("classificationAnnotations", False),
            ("boundingBoxAnnotations", True),
        ):
            for annotation in _listed(entry.get(name)):
                count += 1
                try:
                    if is_box:
                        self._staging.add_box(number, _box(annotation, line))
                    else:
                        self._staging.add_label(number, _label(annotation))
                except AnnotationError as error:
                    self._staging.mark_incomplete(number)
                    yield error
        if not count and isinstance(entry.get("boundingBoxAnnotations"), list):
            self._staging.update(number, kind="detection")
        elif not count:
            self._notes.add(self._file, UNLABELLED)


def _entry(text: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise AnnotationError("not_json", "the line is no JSON: save the file again, in UTF-8") from error
    if not isinstance(entry, dict):
        raise AnnotationError("not_an_object", "a line has to be an object")
    return entry


def _word(entry: dict[str, Any]) -> str:
    labels = entry.get("dataItemResourceLabels")
    word = labels.get(_USE) if isinstance(labels, dict) else None
    return word if isinstance(word, str) else ""


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _label(annotation: object) -> str:
    if not isinstance(annotation, dict):
        raise AnnotationError("not_an_object", "an annotation has to be an object with displayName")
    return box_parsing.label(annotation.get("displayName"))


def _box(annotation: object, line: int) -> LabelledBox:
    label = _label(annotation)
    sides = annotation if isinstance(annotation, dict) else {}
    left, top, right, bottom = (box_parsing.number(sides.get(name), name) for name in _SIDES)
    box = box_parsing.of_shares(label, left, top, right, bottom)
    return LabelledBox(box.label, box.left, box.top, box.width, box.height, line)
