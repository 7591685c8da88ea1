"""Format detection: which annotation format a file or folder has."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdas.domain.annotations import (
    folders,
    json_stream,
    kitti,
    recognition,
    tables,
    vertex,
    yolo,
    yolo_config,
)
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.types import Problem

FORMATS = (
    *("coco", "voc", "yolo", "csv", "manifest", "cvat", "labelme", "createml", "kitti"),
    *("supervisely", "labelstudio", "via", "vertex", "folders", "unlabelled"),
)
HOW = f"say which format it has, one of {', '.join(FORMATS)}"

_MAX_JSON_BYTES = 256 * 1024
"""Bytes of a JSON file."""
_BEGINNING = 64 * 1024
_COCO_LIST = re.compile(rb'"(?:images|annotations|categories)"\s*:\s*\[\s*(?:[{\]]|$)')
_EXAMPLES = re.compile(r"((sample|example)_?)?submission[^/]*\.csv", re.IGNORECASE)
"""Of competitions: what an answer has to look like, with labels that mean nothing."""
_CVAT = re.compile(rb"<annotations[\s>/]")
_READERS = {
    "labelme JSON": "labelme",
    "Apple CreateML JSON": "createml",
    "Label Studio JSON": "labelstudio",
    "Supervisely JSON": "supervisely",
    "a VGG Image Annotator (VIA) project": "via",
    "VGG Image Annotator (VIA) JSON": "via",
}
"""Formats by the tool that a JSON file looks like one of."""
_COCO = {"images", "annotations", "categories"}


class UnknownFormatError(ValueError):
    """There is nothing of a known format; the message says what was seen."""


class AmbiguousFormatError(ValueError):
    """The annotations may be of several formats; the message says which, and how to choose one."""

    def __init__(self, message: str, formats: Sequence[str]) -> None:
        super().__init__(message)
        self.formats = formats
        """Those that it may be, the one of most files first."""


@dataclass(frozen=True)
class DetectedFormat:
    """The format of a dataset, and why it was taken for that."""

    format: str
    """One of FORMATS."""
    why: str
    files: tuple[Path, ...] = ()
    """The annotation files, if the format has files of its own."""
    doubt: str = ""
    """Folders that were not taken for labels, and may be meant so: `folders` takes them."""


def detect_format(path: Path, folder: Folder | None = None) -> DetectedFormat:
    """Find out the format of an annotation file or of a folder.

    Args:
        folder: what is in it, if it has been looked at before.

    Raises:
        UnknownFormatError, AmbiguousFormatError: see there.
        OSError: the disk failed.
    """
    if not path.is_dir():
        return _file(path)
    folder = folder or Folder(path)
    kinds: dict[str, list[Path]] = defaultdict(list)
    for name in folder.others:
        if kind := _format(folder.path(name)):
            kinds[kind].append(folder.path(name))
    if labels := _yolo_labels(folder):
        kinds["yolo"] += [folder.path(name) for name in labels]
    elif "yolo" in kinds:
        _check_no_labels(path, folder, kinds["yolo"][0])
    elif labels := kitti.label_files(folder):
        kinds["kitti"] += [folder.path(name) for name in labels]
    if len(kinds) > 1:
        by_files = sorted(kinds.items(), key=lambda pair: (-len(pair[1]), pair[0]))
        seen = ", ".join(f"{kind} ({folder.name(files[0])})" for kind, files in by_files)
        raise AmbiguousFormatError(
            f"{path} has annotations of more formats than one: {seen}; {HOW}, or name a folder inside",
            [kind for kind, _ in by_files],
        )
    for kind, files in kinds.items():
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        return DetectedFormat(kind, f"{folder.name(files[0])}{more} {_WHY[kind]}", tuple(files))
    return _without_annotations(path, folder)


def _check_no_labels(path: Path, folder: Folder, config: Path) -> None:
    """Check that images which a YOLO configuration is about lie in no folders that may be their labels."""
    names, _ = folders.labels_of_folders(folder.images)
    if len(names) > 1:
        raise AmbiguousFormatError(
            f"{path} has {folder.name(config)} that names classes, but no image has a file of boxes, and they"
            f" lie in folders that may be labels ({', '.join(names[:5])}); {HOW}",
            ("folders", "unlabelled"),
        )


_WHY = {
    "coco": "with lists of images, annotations and categories",
    "voc": "with an annotation in XML",
    "yolo": "with classes or boxes as shares of the image's sides",
    "csv": "with columns that name images",
    "manifest": "with a source-ref in each line",
    "cvat": "with the images of a CVAT task",
    "labelme": "with the shapes of an image",
    "createml": "with a list of images, as Create ML has it",
    "kitti": "with the objects of an image, as KITTI has them",
    "supervisely": "with the objects of an image, as Supervisely has them",
    "labelstudio": "with tasks and answers of Label Studio",
    "via": "with regions of images, as the VGG Image Annotator has them",
    "vertex": "with an imageGcsUri in each line, as Vertex AI has it",
}


def _file(path: Path) -> DetectedFormat:
    kind = _format(path)
    if not kind:
        raise UnknownFormatError(
            f"{path.name} is no annotation file of a known format: {_seen(path)}; if it is one, {HOW}"
        )
    return DetectedFormat(kind, f"{path.name} {_WHY[kind]}", (path,))


def not_understood(folder: Folder) -> Iterator[Problem]:
    """A problem for each kind of files that look like annotations, or are called so, and are not read."""
    named = set[str]()
    for suspect in recognition.suspects(folder):
        named.add(_group(suspect.name))
        more = f", as do {suspect.more} more," if suspect.more else ""
        suffix = posixpath.splitext(suspect.name)[1].lower()
        advice = _ADVICE.get(suffix, _EXPORT)
        detail = f"looks like {suspect.looks_like}{more} and was not read: {advice}"
        yield Problem(suspect.name, 0, "unknown_format", detail)
    for name in folder.others:
        path = folder.path(name)
        if path.suffix.lower() in _ANNOTATIONS and _group(name) not in named and not _format(path):
            table = f"; if it is a table of annotations, {_TABLE}" if path.suffix.lower() in _TABLES else ""
            yield Problem(name, 0, "unknown_format", f"not taken for annotations: {_seen(path)}{table}")


def _group(name: str) -> str:
    return f"{posixpath.dirname(name)}/{posixpath.splitext(name)[1].lower()}"


def _seen(path: Path) -> str:
    if path.suffix.lower() in recognition.ARCHIVES:
        return "it is an archive: unpack it"
    if tool := recognition.looks_like(path):
        return f"it looks like {tool}; {_READ} are read"
    with path.open("rb") as file:
        beginning = file.read(40)
    seen = f"it begins with {beginning!r}" if beginning else "it has no content"
    return f"{seen}; {_READ} are read"


_EXPORT = "export it as COCO, VOC or YOLO"
_TABLE = "say what its columns are, --columns image=...,label=..."
_TABLES = (".csv", ".tsv")
_ADVICE = {
    **dict.fromkeys(_TABLES, _TABLE),
    **dict.fromkeys(recognition.ARCHIVES, "unpack it"),
    "": "give the file the extension of its format, such as .xml",
}
"""What to do with files that look like annotations and are not read, by their suffix."""
_READ = (
    "COCO, Pascal VOC, YOLO, CVAT for images, labelme, Create ML, KITTI, tables (.csv, .tsv) and manifests"
)


def _without_annotations(path: Path, folder: Folder) -> DetectedFormat:
    if not folder.images:
        files = f"{len(folder.others)} other files" if folder.others else "nothing"
        raise UnknownFormatError(f"{path} has no images and no annotations, but {files}; name another folder")
    names, without = folders.labels_of_folders(folder.images)
    shown = ", ".join(names[:5])
    number = f"{len(folder.images)} images"
    if suspects := recognition.suspects(folder):
        files = "; ".join(map(str, suspects[:3]))
        return DetectedFormat("unlabelled", f"{number}; not read: {files}{_as_labels(names)}", doubt=shown)
    if len(names) > 1 and without:
        raise AmbiguousFormatError(
            f"{path} has images in folders that may be labels ({shown}), and others in none"
            f" ({without[0]}); {HOW}: folders or unlabelled",
            ("folders", "unlabelled"),
        )
    if len(names) > 1:
        return DetectedFormat("folders", f"images in {len(names)} folders: {shown}")
    if names:
        why = f"{number} in one folder, and no annotations{_as_labels(names)}"
        return DetectedFormat("unlabelled", why, doubt=shown)
    return DetectedFormat("unlabelled", f"{number}, and no annotations")


def _as_labels(names: Sequence[str]) -> str:
    """What is said of folders that were not taken for labels."""
    if not names:
        return ""
    folders = (
        f"folder {names[0]} is no label" if len(names) == 1 else f"folders ({names[0]}, ...) are no labels"
    )
    return f"; the {folders} unless the format is said to be folders"


def is_example(name: str) -> bool:
    """Whether a table is called like a competition's example of an answer, whose labels mean nothing."""
    return bool(_EXAMPLES.fullmatch(posixpath.basename(name)))


def _format(path: Path) -> str:
    test = _TESTS.get(path.suffix.lower())
    return test(path) if test else ""


def _json(path: Path) -> str:
    """COCO, a manifest, which may be called .json too as Rekognition's own examples are, or of a tool."""
    # First, for of the files of tools there may be one for each image.
    tool = _READERS.get(recognition.looks_like(path), "")
    if tool:
        return tool
    names = set(json_stream.names(path, _MAX_JSON_BYTES))
    if "source-ref" in names:
        return "manifest"
    # A list that is longer than what was looked at hides the names after it.
    known = names & _COCO
    if not known or names >= {"item", "annotations"}:
        return ""
    # Categories alone name no image: Label Studio's YOLO exports have such a notes.json.
    if known == {"categories"}:
        return ""
    # One alone, in a file too short to hide the others, may be a figure in any file that is about images.
    long = path.stat().st_size > _BEGINNING
    return "coco" if len(known) > 1 or (known and (long or _COCO_LIST.search(_beginning(path)))) else ""


def _lines(path: Path) -> str:
    beginning = _beginning(path)
    if vertex.is_vertex(beginning):
        return "vertex"
    return "manifest" if b'"source-ref"' in beginning else ""


def _manifest(path: Path) -> str:
    return "manifest" if _beginning(path).strip() else ""


def _xml(path: Path) -> str:
    beginning = _beginning(path, 4096)
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        beginning = beginning.replace(b"\0", b"")
    if _CVAT.search(beginning):
        return "cvat"
    return "voc" if b"<annotation" in beginning else ""


def _table(path: Path) -> str:
    return "csv" if not is_example(path.name) and tables.is_table(path) else ""


def _yaml(path: Path) -> str:
    return "yolo" if yolo_config.names_classes(path) else ""


def _beginning(path: Path, size: int = _BEGINNING) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


_TESTS: dict[str, Callable[[Path], str]] = {
    ".json": _json,
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".manifest": _manifest,
    ".xml": _xml,
    ".csv": _table,
    ".tsv": _table,
    ".yaml": _yaml,
    ".yml": _yaml,
}


_ANNOTATIONS = frozenset(_TESTS) - {".yaml", ".yml"}
"""Of what is called so people expect that it is read."""


def _yolo_labels(folder: Folder) -> list[str]:
    """The label files of images; empty if none looks like one."""
    files = list(yolo.files_of_images(folder).values())
    return files if any(yolo.looks_like_labels(folder.path(name)) for name in files) else []
