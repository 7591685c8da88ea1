"""What a YOLO dataset says of itself: the classes' names, and which images are of which split.

Ultralytics' data.yaml says it, https://docs.ultralytics.com/datasets/detect/ , or Darknet's obj.data beside a
list of names, which CVAT writes too: https://docs.cvat.ai/docs/dataset_management/formats/format-yolo .
"""

from __future__ import annotations

import posixpath
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lambdas.domain.annotations import box_parsing, image_references
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.problems import AnnotationError
from lambdas.domain.annotations.types import Event, Note, Problem
from lambdas.domain.shared.annotation import RequestedDatasetType

CONFIGS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAMES = (
    *("classes.txt", "obj.names", "classes.names", "_darknet.labels", "labels.txt", "predefined_classes.txt"),
    *("class_names.txt", "names.txt"),
)
"""Lists of names: of LabelImg, Darknet, Roboflow and makesense.ai, and what people call them."""
_LESSER_NAMES = NAMES[3:]
MAX_BYTES = 4 * 1024 * 1024
_MAX_DATA_BYTES = 64 * 1024
_DATA_KEYS = frozenset(("train", "valid", "names", "test"))
MAX_CLASSES = 1_000_000
_SPLITS = ("test", "train", "val")
"""In order of precedence: some sets validate with what they train or test with."""


@dataclass
class Config:
    labels: dict[int, str | None] = field(default_factory=dict)
    """By class; None of a class whose name cannot be used."""
    key_point_values: int = 0
    """How many numbers of key points follow each box."""
    folders: list[tuple[str, RequestedDatasetType]] = field(default_factory=list)
    images: dict[str, RequestedDatasetType] = field(default_factory=dict)
    lists: set[str] = field(default_factory=set)
    """Files that name images, and so are no label files."""
    has_test: bool = False

    def label(self, number: float) -> str:
        """The label of a class. Raises AnnotationError if it has none."""
        name = self.labels.get(int(number)) if number == int(number) else None
        if name is None:
            there = f"0 to {max(self.labels)}" if self.labels else "none"
            raise AnnotationError(
                "unknown_class", f"class {number:g} has no usable name; classes with names: {there}"
            )
        return name

    def dataset_type_of(self, image: str) -> RequestedDatasetType:
        if image in self.images:
            return self.images[image]
        below = (dataset_type for folder, dataset_type in self.folders if image.startswith(folder))
        return next(below, "") or image_references.dataset_type_of_folders(image, self.has_test)


def read(folder: Folder, name: str = "") -> Generator[Event, None, Config]:
    """Read the configuration, and return it after the problems with it.

    Args:
        name: of the file; found if empty.
    """
    config = Config(has_test=folder.has_test_images)
    candidates = [name] if name else _candidates(folder)
    for file in candidates[1:]:
        yield Note(file, f"left alone: {candidates[0]} was taken")
    names = ""
    if candidates:
        yield from _read_yaml(folder, candidates[0], config)
    else:
        names = yield from _read_darknet(folder, config)
    if not config.labels:
        yield from _read_names(folder, names, config)
    elif candidates:
        yield from _check_other_names(folder, candidates, config)
    return config


def _check_other_names(folder: Folder, configs: list[str], config: Config) -> Iterator[Problem]:
    """Tell where other files call a class differently than the first of the configurations.

    Of two configurations of usual names neither counts more, so that the class has no name then.
    """
    for file in folder.others:
        if file == configs[0]:
            continue
        other = Config()
        if file.lower().endswith((".yaml", ".yml")) and names_classes(folder.path(file)):
            list(_names(file, _yaml(folder.path(file)).get("names"), other))
        elif _is_list_of_names(folder, file):
            list(_read_lines(folder, file, other))
        differing = [
            number
            for number, label in other.labels.items()
            if label and (config.labels.get(number) or label) != label
        ]
        if differing:
            here, there = other.labels[differing[0]], config.labels[differing[0]]
            taken = "none was" if file in configs else "which was"
            detail = f"class {differing[0]} is {here!r} here and {there!r} in {configs[0]}, {taken} taken"
            yield Problem(
                file, 0, "other_names", f"{detail}: correct one, or import their folders one by one"
            )
        if file in configs:
            config.labels.update(dict.fromkeys(differing))


def names_classes(path: Path) -> bool:
    """Whether a YAML file is a dataset's."""
    try:
        return isinstance(_yaml(path).get("names"), (list, dict))
    except AnnotationError:
        return False


def _candidates(folder: Folder) -> list[str]:
    """Files that name classes, those of usual names first."""
    files = [name for name in folder.others if name.lower().endswith((".yaml", ".yml"))]
    usual = [name for name in files if posixpath.basename(name).lower() in CONFIGS]
    named = usual or [name for name in files if names_classes(folder.path(name))]
    return sorted(named, key=lambda name: (name.count("/"), name))


def _yaml(path: Path) -> dict[Any, Any]:
    if path.stat().st_size > MAX_BYTES:
        raise AnnotationError("file_too_large", "larger than a list of classes can be")
    try:
        value = yaml.safe_load(path.read_bytes())
    # PyYAML lets through what the constructors of dates, numbers and keys raise.
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise AnnotationError(
            "not_yaml", f"{' '.join(str(error).split())[:200]}: correct the file"
        ) from error
    if not isinstance(value, dict):
        raise AnnotationError(
            "not_yaml", "not a mapping: it has to have names, and may have train, val and test"
        )
    return value


def _read_yaml(folder: Folder, file: str, config: Config) -> Iterator[Event]:
    try:
        document = _yaml(folder.path(file))
    except AnnotationError as error:
        yield error.problem(file)
        return
    yield from _names(file, document.get("names"), config)
    count = document.get("nc")
    if isinstance(count, int) and config.labels and count != len(config.labels):
        shown = count if 0 <= count <= MAX_CLASSES else "impossibly many"
        yield Note(file, f"nc says {shown} classes, names has {len(config.labels)}: names count")
    match document.get("kpt_shape"):
        case [int(points), int(values)]:
            config.key_point_values = points * values
    start = yield from _start(folder, file, document.get("path"))
    yield from _splits(folder, file, start, {key: document.get(key) for key in _SPLITS}, config)


def _splits(
    folder: Folder, file: str, start: str, given: Mapping[str, Any], config: Config
) -> Iterator[Event]:
    """Read which images are of which split: those for tests first, for on them hangs what the others are."""
    for key, other in (("test", "train"), ("val", "train"), ("val", "test")):
        if given.get(key) and given[key] == given.get(other):
            yield Note(file, f"{key} names the images of {other}, and was left out")
            given = {**given, key: None}
    for key in _SPLITS:
        entries, before = given.get(key), len(config.folders) + len(config.images)
        for entry in entries if isinstance(entries, list) else [entries]:
            if entry not in (None, ""):
                dataset_type = image_references.dataset_type_of_word(key, config.has_test)
                yield from _split(folder, _Entry(file, start, key, entry, dataset_type), config)
        if key == "test" and not folder.without_test:
            in_folders = any(
                image.startswith(below) for below, _ in config.folders for image in folder.images
            )
            config.has_test = config.has_test or bool(config.images) or in_folders
        if key == "val" and len(config.folders) + len(config.images) > before:
            yield Note(file, image_references.validation_note(config.has_test))


def _names(file: str, names: Any, config: Config) -> Iterator[Problem]:
    pairs: list[tuple[Any, Any]] = []
    if isinstance(names, list):
        pairs = list(enumerate(names))
    elif isinstance(names, dict):
        pairs = list(names.items())
    for key, name in pairs:
        number = (
            int(key) if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 9 else key
        )
        try:
            # Aliases and hexadecimal numbers make values too large to be shown of a few bytes.
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < MAX_CLASSES:
                given = repr(key[:40]) if isinstance(key, str) else f"a {type(key).__name__}"
                raise AnnotationError(
                    "bad_class", f"classes are numbered from 0 to {MAX_CLASSES - 1}, not {given}"
                )
            config.labels[number] = None
            config.labels[number] = box_parsing.label(_name(number, name))
        except AnnotationError as error:
            yield error.problem(file)


def _name(number: int, name: Any) -> str:
    """A class's name as text. Raises AnnotationError."""
    if isinstance(name, str):
        return name
    # YAML reads unquoted names such as 8 or 1.5 as numbers.
    if isinstance(name, bool) or not isinstance(name, int | float) or abs(name) >= 10**18:
        raise AnnotationError("bad_label", f"the name of class {number} has to be text: write it in quotes")
    return str(name)


def _start(folder: Folder, file: str, path: Any) -> Generator[Event, None, str]:
    """Find the folder that the paths are seen from: what `path` says, if it is there."""
    beside = posixpath.dirname(file)
    if not isinstance(path, str) or not path.strip():
        return beside
    start = _inside(folder, posixpath.join(beside, path.replace("\\", "/")))
    if start is None:
        yield Note(file, f"path {path[:200]!r} is not in this folder: paths were read as seen from {file}")
        return beside
    return start


@dataclass(frozen=True)
class _Entry:
    """What the configuration says about one split: a folder, or a list of images."""

    file: str
    start: str
    key: str
    given: Any
    dataset_type: RequestedDatasetType


def _split(folder: Folder, entry: _Entry, config: Config) -> Iterator[Event]:
    if not isinstance(entry.given, str):
        yield Problem(entry.file, 0, "bad_path", f"a {type(entry.given).__name__} is no path: write text")
        return
    path = posixpath.normpath(entry.given.replace("\\", "/"))
    whole = posixpath.normpath(posixpath.join(entry.start, path))
    name = _inside(folder, whole)
    if name is None:
        # Roboflow writes ../train/images for train/images, others the folders of their own machine.
        name = _by_its_end(folder, entry.start, path)
        if name is not None:
            yield Note(entry.file, f"{entry.given[:200]} was read as {name}")
    if name is None and entry.key != "train":
        # Roboflow names all three whether they are there or not.
        yield Note(
            entry.file, f"{entry.key} is {entry.given[:200]}, which is not there: no image is taken for it"
        )
    elif name is None:
        reason = "leaves_folder" if whole.startswith(("../", "/")) else "path_missing"
        detail = f"{entry.given[:200]} is not in the dataset's folder: correct it, or move it"
        yield Problem(entry.file, 0, reason, detail)
    elif name.endswith(".txt"):
        config.lists.add(name)
        yield from _listed(folder, name, entry, config)
    else:
        config.folders.append((f"{name}/" if name else "", entry.dataset_type))


def _by_its_end(folder: Folder, start: str, path: str) -> str | None:
    """The file or folder of the dataset that a path of another machine ends like; None if there is none."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for number in range(len(parts)):
        end = "/".join(parts[number:])
        for name in (posixpath.join(start, end), end):
            if _inside(folder, name):
                return posixpath.normpath(name)
    return None


def _inside(folder: Folder, name: str) -> str | None:
    """The folder or file of the dataset that a path means; None if there is none."""
    name = posixpath.normpath(name)
    if name == ".":
        return ""
    known = name in folder.others or any(n.startswith(name + "/") for n in (*folder.images, *folder.others))
    return name if known else None


def _listed(folder: Folder, file: str, entry: _Entry, config: Config) -> Iterator[Event]:
    """Read the images that a list names."""
    with folder.path(file).open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                reference = image_references.clean(line, file, folder.notes)
                image = folder.find(reference, posixpath.join(entry.start, "list"), entry.dataset_type)
                config.images.setdefault(image, entry.dataset_type)
            except AnnotationError as error:
                yield error.problem(file, number, line.strip()[:200])


# Darknet


def _read_darknet(folder: Folder, config: Config) -> Generator[Event, None, str]:
    """Read Darknet's configuration, and return the list of names that it says; empty if it says none."""
    data = [(name, keys) for name in folder.others if (keys := _data_keys(folder, name))]
    data.sort(key=lambda pair: (pair[0].count("/"), pair[0]))
    for file, _ in data[1:]:
        yield Note(file, f"left alone: {data[0][0]} was taken")
    if not data:
        yield from _listed_splits(folder, config)
        return ""
    file, keys = data[0]
    given = {"train": keys.get("train"), "val": keys.get("valid"), "test": keys.get("test")}
    known = {key: _file_named(folder, path) or path for key, path in given.items() if path}
    # Paths in it are seen from where Darknet runs, which is not said.
    yield from _splits(folder, file, "", known, config)
    names = _file_named(folder, keys.get("names", ""))
    if keys.get("names") and not names:
        yield Note(file, f"names is {keys['names'][:200]}, which is not there")
    return names


def _data_keys(folder: Folder, name: str) -> dict[str, str]:
    """What a file such as obj.data says, a key and a value in each line; empty if it is none."""
    path = folder.path(name)
    if path.suffix.lower() != ".data" or path.stat().st_size > _MAX_DATA_BYTES:
        return {}
    lines = path.read_bytes().decode("utf-8-sig", errors="replace").splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#")]
    keys = {key.strip().lower(): value.strip() for key, _, value in pairs}
    return keys if keys.keys() & _DATA_KEYS else {}


def _file_named(folder: Folder, path: str) -> str:
    """The one file of the dataset that a path of another machine ends like; empty if there is none."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for number in range(len(parts)):
        end = "/".join(parts[number:])
        matches = [name for name in folder.others if f"/{name}".endswith(f"/{end}")]
        if matches:
            return matches[0] if len(matches) == 1 else ""
    return ""


def _listed_splits(folder: Folder, config: Config) -> Iterator[Event]:
    """Read lists of images that are called like splits, as train.txt or 2007_test.txt."""
    given: dict[str, list[str]] = {}
    for name in folder.others:
        split = image_references.split_of_file_name(name)
        if split and name.lower().endswith(".txt") and _names_images(folder.path(name)):
            key = {"TRAIN": "train", "TEST": "test", "VALIDATION": "val"}[split]
            given.setdefault(key, []).append(name)
    yield from _splits(folder, "", "", given, config)


def _names_images(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.read(4096).decode("utf-8-sig", errors="replace").split("\n")[0].strip()
    return image_references.is_image(first)


def _read_names(folder: Folder, name: str, config: Config) -> Iterator[Event]:
    """Read the names of the classes from a list, a line each.

    Args:
        name: of the list; found if empty.
    """
    usual = [name for name in folder.others if _is_list_of_names(folder, name)]
    lists = [name] if name else usual or [name for name in folder.others if name.lower().endswith(".names")]
    if not lists:
        detail = f"nothing names the classes: add {CONFIGS[0]} with names, or {NAMES[0]} with a name a line"
        yield Problem("", 0, "no_names", detail)
        return
    file = min(lists, key=lambda name: (_precedence(name), name.count("/"), name))
    yield Note(file, "classes are called as this file says, a line each, from class 0")
    yield from _read_lines(folder, file, config)
    yield from _check_other_names(folder, [file], config)


def _precedence(name: str) -> int:
    """Of a list of names: what LabelImg wrote comes before what it began with."""
    return int(posixpath.basename(name).lower() in _LESSER_NAMES)


def _is_list_of_names(folder: Folder, name: str) -> bool:
    """Whether a file is called like a list of classes, and does not name images instead."""
    if posixpath.basename(name).lower() not in NAMES:
        return False
    with folder.path(name).open("rb") as file:
        first = file.read(4096).decode("utf-8-sig", errors="replace").split("\n")[0]
    return not any(image_references.is_image(word) for word in first.replace(",", " ").split())


def _read_lines(folder: Folder, file: str, config: Config) -> Iterator[Problem]:
    """Read names of classes, a line each, from class 0."""
    lines = folder.path(file).read_bytes().decode("utf-8-sig", errors="replace").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines):
        try:
            config.labels[number] = None
            config.labels[number] = box_parsing.label(line)
        except AnnotationError as error:
            yield error.problem(file, number + 1)
