"""The plan of an import: every image with its labels, and everything that cannot be used.

No file is left out silently: it is imported, is a problem, or is counted as ignored.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from cli.importing import image_check, reading
from cli.importing.image_check import ImageInfo
from cli.importing.sources import REQUESTS_AT_ONCE, BucketSource, File, Listing, Source, UnreadableError
from cli.output import CommandError
from lambdas.domain.annotations import entries
from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox, Note, Problem, in_pixels
from lambdas.domain.images.files import TAIL_BYTES, Format, UnusableImageError
from lambdas.domain.register.arrivals import ANNOTATIONS
from lambdas.domain.shared import manifests
from lambdas.domain.shared.manifests import BrokenLineError

BATCH = 1_000
"""Images that are handed to the threads which check them at once."""

SAME = 0.02
"""Difference between two ratios that rounding to pixels may make."""
SIZE_DIFFERS = "the annotations give another size than the image has, but its boxes fit and were taken"
TURNED = "boxes drawn on the image as stored were turned with it, as its EXIF orientation says"

OnProgress = Callable[[int, int], None]
"""Called with the number of images that were checked, and the number of all."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image to import, with its boxes in pixels; `annotation` is None if it has no labels."""

    image: str
    file: File
    format: Format
    annotation: ImageAnnotation | None


@dataclass
class Plan:
    """A dataset as it will be imported."""

    source: Source
    name: str
    format: str
    why: str
    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)
    """Number of images by what had to be decided about them."""
    doubt: str = ""
    """Folders that were not taken for labels, and may be meant so."""
    ignored: Counter[str] = field(default_factory=Counter)
    """Files that are neither images nor annotations, by suffix."""

    @property
    def labelled(self) -> list[Item]:
        return [item for item in self.items if item.annotation]

    @property
    def unlabelled(self) -> list[Item]:
        return [item for item in self.items if not item.annotation]

    @property
    def bytes(self) -> int:
        return sum(item.file.size for item in self.items)

    def images_by_label(self) -> Counter[str]:
        return Counter(label for item in self.items if item.annotation for label in _labels(item.annotation))

    def boxes_by_label(self) -> Counter[str]:
        return Counter(box.label for item in self.items if item.annotation for box in item.annotation.boxes)

    def images_by_dataset_type(self) -> Counter[str]:
        return Counter(
            item.annotation.dataset_type
            for item in self.items
            if item.annotation and item.annotation.dataset_type
        )


def make(
    source: Source,
    *,
    name: str,
    format: str = "",
    columns: dict[str, str] | None = None,
    keep_split: bool = True,
    on_progress: OnProgress = lambda done, total: None,
) -> Plan:
    """Plan an import: read the annotations and check every image.

    Args:
        format: format of the annotations; empty: it is recognised.
        columns: names of a CSV file's columns.
        keep_split: whether the dataset's own split into training and test images is kept.

    Raises:
        CommandError: there are no images, or the dataset's format is not known or not clear.
    """
    listing = source.listing()
    if not listing.images and not listing.problems:
        raise CommandError(reading.without_images(source.where))
    detected = reading.detected(source.annotations, format, columns, where=source.where)
    plan = Plan(source, name, detected.format, detected.why, doubt=detected.doubt, ignored=listing.others)
    plan.problems += listing.problems
    annotations = _Annotations(listing, plan)
    for entry in reading.events(source.annotations, detected, columns):
        without_split = isinstance(entry, ImageAnnotation) and not keep_split
        annotations.add(replace(entry, dataset_type="") if without_split else entry)
    # Other images may lie beside a single annotation file; only those that it names belong to it.
    names = sorted(annotations.by_image if source.annotations.is_file() else listing.images)
    for number, (image, info) in enumerate(_checked(source, names), start=1):
        on_progress(number, len(names))
        if isinstance(info, Problem):
            plan.problems.append(info)
        elif len(f"{ANNOTATIONS}{name}/{source.folder(image)}{image}".encode()) > manifests.MAX_KEY_BYTES:
            detail = f"S3 takes names of up to {manifests.MAX_KEY_BYTES} bytes: shorten it"
            plan.problems.append(Problem(image, 0, "name_too_long", detail, image=image))
        else:
            annotation = annotations.by_image.pop(image, None)
            plan.items.append(_item(plan, image, listing.images[image], annotation, info))
    plan.problems += _contradictions(plan)
    return plan


class _Annotations:
    """The annotations of each image of a dataset. Problems and notes go to the plan."""

    def __init__(self, listing: Listing, plan: Plan) -> None:
        self.by_image: dict[str, ImageAnnotation] = {}
        self._plan, self._images = plan, listing.images
        self._unlisted = {problem.image for problem in listing.problems}

    def add(self, entry: ImageAnnotation | Problem | Note) -> None:
        if isinstance(entry, Problem):
            # What the listing could not follow or read is a problem already.
            if not {entry.image, entry.file} & self._unlisted:
                self._plan.problems.append(entry)
        elif isinstance(entry, Note):
            self._plan.notes.append(entry)
        elif entry.image in self._images:
            self.by_image[entry.image] = entry
        elif entry.image not in self._unlisted:
            remote = entry.image.startswith("s3://")
            advice = "import its own prefix" if remote else "put it beside its annotations"
            detail = f"{entry.image} is not there: {advice}"
            self._plan.problems.append(
                Problem(entry.file, entry.line, "image_missing", detail, image=entry.image)
            )


# Images


def _checked(source: Source, images: Sequence[str]) -> Iterator[tuple[str, ImageInfo | Problem]]:
    """Each image with its size and orientation, or with its problem, in the order given."""

    def check(image: str) -> tuple[str, ImageInfo | Problem]:
        size = source.listing().images[image].size
        try:
            tail = source.tail(image, TAIL_BYTES)
            return image, image_check.check(lambda number: source.read(image, number), size, tail)
        except UnusableImageError as error:
            return image, Problem(image, 0, error.reason, error.detail, image=image)
        except UnreadableError as error:
            return image, Problem(image, 0, "unreadable", str(error), image=image)

    # Checking an image of a bucket is mostly waiting.
    with ThreadPoolExecutor(REQUESTS_AT_ONCE if isinstance(source, BucketSource) else 1) as pool:
        for start in range(0, len(images), BATCH):
            yield from pool.map(check, images[start : start + BATCH])


def _item(plan: Plan, image: str, file: File, annotation: ImageAnnotation | None, info: ImageInfo) -> Item:
    if annotation is None or annotation.kind is None:
        return Item(image, file, info.format, None)
    try:
        return Item(image, file, info.format, _usable_part(plan, _fitted(plan, annotation, info)))
    except BrokenLineError as error:
        detail = f"{error.detail}; the image is imported without labels"
        plan.problems.append(Problem(annotation.file, error.line, error.reason, detail, image=image))
        return Item(image, file, info.format, None)


def _usable_part(plan: Plan, fitted: ImageAnnotation) -> ImageAnnotation:
    """The annotation with those of its boxes that registration would take.

    Raises:
        BrokenLineError: registration would take none of it.
    """
    try:
        _check(fitted)
        return fitted
    except BrokenLineError:
        broken = _broken_boxes(fitted)
        usable = tuple(box for number, box in enumerate(fitted.boxes) if number not in broken)
        if not usable or not broken:
            raise
    part = replace(fitted, boxes=usable)
    _check(part)
    for error in broken.values():
        detail = f"{error.detail}; the image's other boxes are taken"
        plan.problems.append(Problem(fitted.file, error.line, error.reason, detail, image=fitted.image))
    return part


def _broken_boxes(fitted: ImageAnnotation) -> dict[int, BrokenLineError]:
    """The error of each box that registration would not take, by its number from 0."""
    broken = {}
    for number, box in enumerate(fitted.boxes):
        try:
            _check(replace(fitted, boxes=(box,)))
        except BrokenLineError as error:
            broken[number] = error
    return broken


def _fitted(plan: Plan, annotation: ImageAnnotation, info: ImageInfo) -> ImageAnnotation:
    """The annotation in pixels of the upright image."""
    real = (info.width, info.height)
    if annotation.kind == "classification" or not annotation.boxes:
        return replace(annotation, size=real, normalised=False)
    if annotation.normalised or annotation.size is None or annotation.size == real:
        return _inside(replace(in_pixels(annotation, *real), size=real))
    if annotation.size == info.stored_size:
        plan.decisions[TURNED] += 1
        return _inside(
            replace(annotation, boxes=tuple(info.upright(box) for box in annotation.boxes), size=real)
        )
    fitted = _inside(replace(annotation, size=real))
    resized = fitted.boxes if _is_scaled(annotation.size, real) else ()
    outside = next((box for box in fitted.boxes if _outside(box, real)), next(iter(resized), None))
    if outside:
        drawn_on = f"{annotation.size[0]} x {annotation.size[1]}"
        detail = f"drawn on {drawn_on} pixels, but the image has {real[0]} x {real[1]}"
        raise BrokenLineError(outside.line or annotation.line, "image_size_differs", detail)
    plan.decisions[SIZE_DIFFERS] += 1
    return fitted


def _is_scaled(given: tuple[int, int], real: tuple[int, int]) -> bool:
    """Whether one size is the other made larger or smaller, by more than rounding: boxes do not fit then."""
    across, down = real[0] / given[0], real[1] / given[1]
    return abs(across / down - 1) < SAME and abs(across - 1) > SAME


def _inside(annotation: ImageAnnotation) -> ImageAnnotation:
    """The annotation without the fraction of a pixel by which rounding has put boxes out of the image."""
    if annotation.size is None:
        return annotation
    return replace(annotation, boxes=tuple(_clipped(box, *annotation.size) for box in annotation.boxes))


def _clipped(box: LabelledBox, width: int, height: int) -> LabelledBox:
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    nearest = (max(box.left, 0), max(box.top, 0), min(edges[2], width), min(edges[3], height))
    if any(abs(edge - inside) > 1 for edge, inside in zip(edges, nearest, strict=True)):
        return box
    left, top, right, bottom = nearest
    return replace(box, left=left, top=top, width=right - left, height=bottom - top)


def _outside(box: LabelledBox, size: tuple[int, int]) -> bool:
    return box.left < 0 or box.top < 0 or box.left + box.width > size[0] or box.top + box.height > size[1]


def _check(fitted: ImageAnnotation) -> None:
    """Check that registration would take the whole annotation.

    Raises:
        BrokenLineError: it would not; the line is that of the first box.
    """
    line = next((box.line for box in fitted.boxes if box.line), fitted.line)
    entry = entries.entry(fitted, "bucket", "incoming/annotations/image", "2000-01-01T00:00:00")
    manifests.parse_line(manifests.entry_line(entry), line)


def _contradictions(plan: Plan) -> Iterator[Problem]:
    """Problems of images with one content and different labels or splits: registration takes them for one."""
    by_size: dict[int, list[Item]] = defaultdict(list)
    for item in plan.labelled:
        by_size[item.file.size].append(item)
    for items in by_size.values():
        if len({(_labels_and_boxes(item), _dataset_type(item)) for item in items}) > 1:
            yield from _contradictions_of(plan.source, items)


def _contradictions_of(source: Source, items: Iterable[Item]) -> Iterator[Problem]:
    before: dict[str, Item] = {}
    for item in items:
        try:
            content = source.identity(item.image)
        except UnreadableError:
            # It becomes a problem when it is sent.
            continue
        other = before.setdefault(content, item)
        reason = _contradiction(other, item)
        if item.annotation and reason:
            detail = (
                f"{item.image} is the same image as {other.image}, {reason[1]}: the last one sent"
                " counts; remove one of them"
            )
            yield Problem(item.annotation.file, item.annotation.line, reason[0], detail, image=item.image)


def _contradiction(one: Item, other: Item) -> tuple[str, str] | None:
    """The reason of a problem of two images with one content, and its words; None if they agree."""
    if _labels_and_boxes(one) != _labels_and_boxes(other):
        return "labels_contradict", "with other labels"
    splits = {_dataset_type(one), _dataset_type(other)}
    return ("splits_contradict", "one to train and one to test with") if splits == {"TRAIN", "TEST"} else None


def _dataset_type(item: Item) -> str:
    return item.annotation.dataset_type if item.annotation else ""


def _labels_and_boxes(item: Item) -> object:
    """The labels and boxes of an image, to be compared."""
    return item.annotation and (
        frozenset(item.annotation.labels),
        frozenset(map(entries.whole, item.annotation.boxes)),
    )


def _labels(annotation: ImageAnnotation) -> set[str]:
    return set(annotation.labels) | {box.label for box in annotation.boxes}
