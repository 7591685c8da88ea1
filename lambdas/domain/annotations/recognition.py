"""Recognition: what looks like annotations in a dataset, by the name of the tool or format that writes such.

A reader need not be there for it. What looks like annotations and is not understood has to be known, because
then the names of folders are no labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lambdas.domain.annotations import folders, image_references
from lambdas.domain.annotations.dataset_files import Folder
from lambdas.domain.annotations.unread_formats import SUFFIXES

_BEGINNING = 64 * 1024
_SAMPLE = 20
"""Files that are opened of those with one suffix in one folder."""
_MAX_FILES = 2_000
"""Files that are opened in all."""

_JSON: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (tool, frozenset(names.split()))
    for tool, names in (
        ("labelme JSON", "shapes imagePath"),
        ("labelme JSON", "shapes imageData"),
        ("labelme JSON", "shapes shape_type"),
        ("a VGG Image Annotator (VIA) project", "_via_img_metadata"),
        ("VGG Image Annotator (VIA) JSON", "regions shape_attributes"),
        ("VGG Image Annotator (VIA) JSON", "regions file_attributes"),
        ("VGG Image Annotator (VIA) 3 JSON", "vid xy av"),
        ("Label Studio JSON", "from_name to_name"),
        ("Label Studio JSON", "rectanglelabels"),
        ("Label Studio JSON", "annotations was_cancelled"),
        ("Label Studio JSON", "annotation_id lead_time"),
        ("Supervisely JSON", "classTitle points"),
        ("Supervisely JSON", "tags objects size"),
        ("Apple CreateML JSON", "annotations coordinates label"),
        ("Apple CreateML JSON", "annotation coordinates label"),
        ("Datumaro JSON", "categories items"),
        ("Darwin (V7) JSON", "item annotations slots"),
        ("Darwin (V7) JSON", "item annotations bounding_box"),
        ("Labelbox JSON", "data_row projects"),
        ("Labelbox JSON", "Labeled_Data"),
        ("Scalabel (BDD100K) JSON", "labels box2d"),
        ("VoTT JSON", "asset regions"),
        ("VoTT JSON", "visitedFrameNames"),
        ("Cityscapes JSON", "imgHeight objects polygon"),
        ("COCO results, which are detections and name no image", "image_id category_id bbox"),
        ("Vertex AI JSON Lines", "imageGcsUri"),
        ("Azure JSON Lines", "image_url label"),
        ("Dataturks JSON", "content annotation"),
        ("Hugging Face metadata", "file_name objects"),
        ("Hugging Face metadata", "file_name label"),
        ("Rekognition's answers", "CustomLabels"),
    )
)
"""Tools by the names of members that their JSON files have, the first that fits."""
_XML = {
    b"annotation": "Pascal VOC XML",
    b"annotations": "CVAT XML",
    b"dataset": "dlib (imglab) XML",
    b"PcGts": "PAGE XML",
    b"alto": "ALTO XML",
    b"viper": "ViPER XML",
    b"tagset": "ICDAR XML",
}
"""Tools by the root of their XML files."""
_CSV: tuple[tuple[str, frozenset[str]], ...] = (
    ("VGG Image Annotator (VIA) CSV", frozenset(("region_shape_attributes", "filename"))),
    ("Open Images CSV", frozenset(("imageid", "labelname"))),
)
"""Tools by what columns of their tables are called."""
ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"))
_OF_ANNOTATIONS = re.compile(
    r"annot|label|instances|bbox|boxes|ground_?truth|\.(json|csv|xml)\b", re.IGNORECASE
)
_TEXTS = frozenset((".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".xml", ".yaml", ".yml", ".lst"))
_JSONS = frozenset((".json", ".jsonl", ".ndjson"))
_NOT_SIDECARS = frozenset((".xmp", ".thm", ".aae", ".md", ".html", ".py", ".ipynb", ".mp4", ".mov"))
"""What cameras, editors and people put beside pictures."""
_DOCUMENTS = re.compile(
    r"(read|license|licence|copying|notice|change|credit|author|requirement|citation)", re.IGNORECASE
)
_MEMBER = re.compile(rb'"([A-Za-z_][\w -]{0,40})"\s*:')
_ROOT = re.compile(rb"<([A-Za-z][\w.-]*)")
_PROLOG = re.compile(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?[^>]*>", re.DOTALL)
_WORD = re.compile(r"[^\s,;|\"'<>()\[\]{}=/\\]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_MASKS = re.compile(
    r"masks?|segmentation(class|object|s)?|ground_?truth|gt|trimaps?|annotations?|labels?|seg|semantic"
    r"|instances?|gtfine|gtcoarse",
    re.IGNORECASE,
)
_MASK_NAMES = re.compile(
    r"[ _.-]?(mask|seg|segmentation|gt|label|labelids|instanceids|trimap)$", re.IGNORECASE
)


@dataclass(frozen=True)
class Suspect:
    """Files that look like annotations: the first of them, and what as."""

    name: str
    looks_like: str
    more: int = 0
    """Other files of its suffix in its folder."""

    def __str__(self) -> str:
        more = f" and {self.more} more" if self.more else ""
        return f"{self.name}{more} (looks like {self.looks_like})"


def looks_like(path: Path) -> str:
    """What a file's content and suffix look like, as a tool's or format's name; empty if nothing is known.

    Raises:
        OSError: the disk failed.
    """
    suffix = path.suffix.lower()
    if ".tfrecord-" in path.name.lower():
        return SUFFIXES[".tfrecord"]
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    if suffix not in _TEXTS and suffix:
        packed = suffix in ARCHIVES and _OF_ANNOTATIONS.search(path.name)
        return "an archive of annotations" if packed else ""
    data = _beginning(path)
    if suffix in _JSONS:
        return _json(path, data)
    if suffix in (".xml", ""):
        return _xml(data)
    return _rows(data, suffix) if suffix in (".txt", ".csv", ".tsv") else ""


def suspects(folder: Folder) -> list[Suspect]:
    """The files of a dataset that look like annotations, one for each suffix in each folder.

    So looks a file that a tool writes, one that names the dataset's images and says something of them, and
    one of many that are called like an image each. Pictures that are called like others and lie in a folder
    for masks are suspects as well.
    """
    images = _Images(folder.images)
    opened, result = 0, list[Suspect]()
    for names in _groups(folder.others):
        for name in names[:_SAMPLE]:
            if opened >= _MAX_FILES:
                break
            opened += 1
            if tool := looks_like(folder.path(name)) or images.named_in(folder.path(name)):
                result.append(Suspect(name, tool, len(names) - 1))
                break
        else:
            if sidecar := images.sidecar(names):
                result.append(Suspect(sidecar, "a file of annotations for each image", len(names) - 1))
    if names := list(images.masks()):
        result.append(Suspect(names[0], "masks for segmentation", len(names) - 1))
    return result


def masks(folder: Folder) -> list[str]:
    """The pictures that are called like others and lie in a folder for masks."""
    return list(_Images(folder.images).masks())


def _groups(names: Iterable[str]) -> Iterator[list[str]]:
    """The files that may be annotations, by folder and suffix."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() not in _NOT_SIDECARS and not _DOCUMENTS.match(path.name):
            groups[path.parent.as_posix(), path.suffix.lower()].append(name)
    yield from groups.values()


class _Images:
    """The names of a dataset's images, to be looked for in other files."""

    def __init__(self, images: Iterable[str]) -> None:
        self._images = list(images)
        paths = [PurePosixPath(image) for image in self._images]
        self._names = {path.name.lower() for path in paths}
        self._stems = {path.stem.lower() for path in paths}

    def named_in(self, path: Path) -> str:
        """What a text looks like that names images and says something of them; empty if it does not."""
        if path.suffix.lower() not in _TEXTS:
            return ""
        text = _beginning(path).decode(errors="replace")
        rows = [line for line in text.splitlines()[:1000] if line.strip()]
        named = [
            (row, match) for row in rows for match in _WORD.finditer(row) if match[0].lower() in self._names
        ]
        # A list of names says no more of them.
        if path.suffix.lower() in _JSONS:
            says_more = any(_is_member(row, match) for row, match in named)
        else:
            says_more = not all(_is_path(row) for row in rows)
        if named and says_more:
            return "annotations: it names the images"
        if path.suffix.lower() in (".csv", ".tsv") and self._ids_in(text):
            return "annotations: it names the images without their extensions"
        return ""

    def _ids_in(self, text: str) -> bool:
        """Whether most rows begin with the name of an image, less its extension."""
        rows = [line for line in text.splitlines()[1:51] if line.strip()]
        first = [match[0].lower() for row in rows if (match := _WORD.search(row))]
        known = [word for word in first if word in self._stems and not word.isdigit()]
        return len(known) > 1 and len(known) * 2 > len(rows)

    def sidecar(self, names: list[str]) -> str:
        """The first file of these that is called like an image, if many of them are."""
        called = [name for name in names[:200] if self._is_like_image(name)]
        return called[0] if len(called) * 2 > len(names[:200]) else ""

    def _is_like_image(self, name: str) -> bool:
        stem = PurePosixPath(name).stem.lower()
        return stem in self._stems or stem in self._names

    def masks(self) -> Iterator[str]:
        """Pictures in a folder for masks that are called like pictures elsewhere."""
        inside = [image for image in self._images if _is_in_mask_folder(image)]
        if not inside or len(inside) == len(self._images):
            return
        suffixes: dict[str, set[str]] = defaultdict(set)
        plain = set[str]()
        for image in self._images:
            if not _is_in_mask_folder(image):
                path = PurePosixPath(image)
                suffixes[path.stem.lower()].add(path.suffix.lower())
                if not folders.label_folder(image)[0]:
                    plain.add(path.stem.lower())
        for image in inside:
            path = PurePosixPath(image)
            stem, bare = path.stem.lower(), _MASK_NAMES.sub("", path.stem.lower())
            # Of mask/1.jpg beside no_mask/1.jpg both are labels.
            other_suffix = stem in suffixes and path.suffix.lower() not in suffixes[stem]
            if stem in plain or other_suffix or (bare != stem and bare in suffixes):
                yield image


def _is_in_mask_folder(image: str) -> bool:
    return any(_MASKS.fullmatch(part) for part in image.split("/")[:-1])


def _is_member(row: str, match: re.Match[str]) -> bool:
    """Whether a name in JSON is one of a member, or a member's value."""
    text = row[: match.start()].rpartition('"')[0].rstrip()
    return text.endswith(":") or row[match.end() :].lstrip('"').lstrip().startswith(":")


def _is_path(line: str) -> bool:
    """Whether a line is a path to an image and nothing else."""
    return image_references.is_image(line.strip()) and len(line.split()) == 1 and "," not in line


def _json(path: Path, data: bytes) -> str:
    # Pictures inside, as text, may come before anything else.
    with path.open("rb") as file:
        file.seek(max(len(data), path.stat().st_size - _BEGINNING))
        data += file.read()
    members = {match.decode().replace(" ", "_") for match in _MEMBER.findall(data)}
    # Manifests and COCO have members of any name beside their own.
    if "source-ref" in members or members >= {"images", "annotations"}:
        return ""
    return next((tool for tool, names in _JSON if names <= members), "")


def _xml(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.replace(b"\0", b"")
    root = _ROOT.search(_PROLOG.sub(b"", data))
    tool = _XML.get(root[1], "") if root else ""
    return "CVAT for video XML" if tool == "CVAT XML" and b"<track" in data else tool


def _rows(data: bytes, suffix: str) -> str:
    """What the first lines of a text look like that has columns."""
    lines = [line for line in data.decode(errors="replace").splitlines()[:20] if line.strip()]
    if not lines:
        return ""
    if suffix != ".txt":
        header = {cell.strip().strip('"').lower() for cell in re.split("[,;\t]", lines[0])}
        return next((tool for tool, names in _CSV if names <= header), "")
    if lines[0].lower().startswith(("imagesource:", "gsd:")):
        return "DOTA labels"
    tools = {_words(line) for line in lines}
    return tools.pop() if len(tools) == 1 else ""


def _words(line: str) -> str:
    words = line.split()
    numbers = [bool(_NUMBER.fullmatch(word)) for word in words]
    if len(words) in (15, 16) and not numbers[0] and all(numbers[1:]):
        return "KITTI labels"
    if len(words) == 10 and all(numbers[:8]) and not numbers[8] and numbers[9]:
        return "DOTA labels"
    if len(words) == 5 and not numbers[0] and all(numbers[1:]):
        return "OIDv4 labels"
    if len(words) >= 5 and words[0].isdigit() and all(numbers) and all(abs(float(w)) <= 2 for w in words[1:]):
        return "YOLO labels"
    cells = [cell.strip() for cell in line.strip().rstrip(",").split(",")]
    if len(cells) in (8, 9, 10) and all(_NUMBER.fullmatch(cell) for cell in cells):
        return "VisDrone or MOT boxes"
    return ""


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_BEGINNING)
