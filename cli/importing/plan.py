"""What an import will do: every image with what is known about it, and everything that cannot be used.

Nothing is left out without being told: a file is imported, is a problem, or is counted as left alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from cli.importing import pictures, reading
from cli.importing.pictures import Picture
from cli.importing.sources import REQUESTS_AT_ONCE, BucketSource, File, Listing, Source, UnreadableError
from cli.output import CommandError
from lambdas.domain.annotations import dataset, entries
from lambdas.domain.annotations.types import ImageAnnotation, LabelledBox, Note, Problem, in_pixels
from lambdas.domain.images.files import TAIL_BYTES, UnusableImageError
from lambdas.domain.register.arrivals import ANNOTATIONS
from lambdas.domain.shared import manifests
from lambdas.domain.shared.manifests import BrokenLineError

LOOKS_IN_HAND = 1_000
"""Images that wait to be looked at, or to be told of."""

SIZE_DIFFERS = "the annotations give another size than the image has, but its boxes fit and were taken"
TURNED = "boxes drawn on the image as stored were turned with it, as its EXIF orientation says"

Tell = Callable[[int, int], None]
"""Told how many images of how many have been looked at."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image to import, with its boxes in pixels; without `annotation` nobody has said what is on it."""

    image: str
    file: File
    annotation: ImageAnnotation | None


@dataclass
class Plan:
    """A data set as it will be imported."""

    source: Source
    name: str
    format: str
    why: str
    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)
    """Images by what had to be decided about them."""
    left_alone: Counter[str] = field(default_factory=Counter)
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

    def images_by_split(self) -> Counter[str]:
        return Counter(
            item.annotation.split for item in self.items if item.annotation and item.annotation.split
        )


def make(
    source: Source,
    *,
    name: str,
    format: str = "",
    columns: dict[str, str] | None = None,
    keep_split: bool = True,
    tell: Tell = lambda done, of: None,
) -> Plan:
    """Read the annotations and look at every image.

    Args:
        format: one of reading.FORMATS; recognised if empty.
        columns: of a CSV file, what its columns are called.
        keep_split: whether the data's own division into training and test images is kept.

    Raises:
        CommandError: there are no images, or the data set's format is not known or not clear.
    """
    listing = source.listing()
    if not listing.images and not listing.problems:
        raise CommandError(f"{source.where} has no JPEG or PNG image to import")
    recognised = reading.recognised(source.annotations, format)
    plan = Plan(source, name, recognised.format, recognised.why, left_alone=listing.others)
    plan.problems += listing.problems
    said = _Said(listing, plan)
    for event in dataset.read(source.annotations, recognised, columns):
        said.take(event if keep_split or not isinstance(event, ImageAnnotation) else replace(event, split=""))
    # Beside a single annotation file lies whatever lies there; only what it names belongs to it.
    wanted = said.by_image if source.annotations.is_file() else listing.images
    names = sorted(wanted)
    for number, (image, picture) in enumerate(_pictures(source, names), start=1):
        tell(number, len(names))
        if isinstance(picture, Problem):
            plan.problems.append(picture)
        elif len(f"{ANNOTATIONS}{name}/{image}".encode()) > manifests.MAX_KEY_BYTES:
            detail = f"S3 takes names of up to {manifests.MAX_KEY_BYTES} bytes: shorten it"
            plan.problems.append(Problem(image, 0, "name_too_long", detail, image=image))
        else:
            plan.items.append(
                _item(plan, image, listing.images[image], said.by_image.pop(image, None), picture)
            )
    plan.problems += _contradictions(plan)
    return plan


class _Said:
    """What the annotations say about which image."""

    def __init__(self, listing: Listing, plan: Plan) -> None:
        self.by_image: dict[str, ImageAnnotation] = {}
        self._plan, self._images = plan, listing.images
        self._refused = {problem.image for problem in listing.problems}

    def take(self, event: ImageAnnotation | Problem | Note) -> None:
        if isinstance(event, Problem):
            # The listing has told already what it could not follow or read.
            if not {event.image, event.file} & self._refused:
                self._plan.problems.append(event)
        elif isinstance(event, Note):
            self._plan.notes.append(event)
        elif event.image in self._images:
            self.by_image[event.image] = event
        elif event.image not in self._refused:
            remote = event.image.startswith("s3://")
            where = "import its own prefix" if remote else "put it beside its annotations"
            detail = f"{event.image} is not there: {where}"
            self._plan.problems.append(
                Problem(event.file, event.line, "image_missing", detail, image=event.image)
            )


# Images


def _pictures(source: Source, images: Sequence[str]) -> Iterator[tuple[str, Picture | Problem]]:
    """Each image with what it is, in the order given."""

    def looked(image: str) -> tuple[str, Picture | Problem]:
        size = source.listing().images[image].size
        try:
            tail = source.tail(image, TAIL_BYTES)
            return image, pictures.look(lambda number: source.read(image, number), size, tail)
        except UnusableImageError as refusal:
            return image, Problem(image, 0, refusal.reason, refusal.detail, image=image)
        except UnreadableError as error:
            return image, Problem(image, 0, "unreadable", str(error), image=image)

    # Where images lie in a bucket, looking is waiting.
    with ThreadPoolExecutor(REQUESTS_AT_ONCE if isinstance(source, BucketSource) else 1) as pool:
        for start in range(0, len(images), LOOKS_IN_HAND):
            yield from pool.map(looked, images[start : start + LOOKS_IN_HAND])


def _item(plan: Plan, image: str, file: File, said: ImageAnnotation | None, picture: Picture) -> Item:
    if said is None or said.kind is None:
        return Item(image, file, None)
    try:
        return Item(image, file, _taken(plan, _fitted(plan, said, picture)))
    except BrokenLineError as broken:
        detail = f"{broken.detail}; the image is imported without labels"
        plan.problems.append(Problem(said.file, broken.line, broken.reason, detail, image=image))
        return Item(image, file, None)


def _taken(plan: Plan, fitted: ImageAnnotation) -> ImageAnnotation:
    """With those of its boxes that registration would take. Raises BrokenLine if it would take nothing."""
    try:
        _check(fitted)
        return fitted
    except BrokenLineError:
        broken = _broken_boxes(fitted)
        left = tuple(box for number, box in enumerate(fitted.boxes) if number not in broken)
        if not left or not broken:
            raise
    taken = replace(fitted, boxes=left)
    _check(taken)
    for bad in broken.values():
        detail = f"{bad.detail}; the image's other boxes are taken"
        plan.problems.append(Problem(fitted.file, bad.line, bad.reason, detail, image=fitted.image))
    return taken


def _broken_boxes(fitted: ImageAnnotation) -> dict[int, BrokenLineError]:
    """What is wrong with which of the boxes, by their numbers from 0."""
    broken = {}
    for number, box in enumerate(fitted.boxes):
        try:
            _check(replace(fitted, boxes=(box,)))
        except BrokenLineError as error:
            broken[number] = error
    return broken


def _fitted(plan: Plan, said: ImageAnnotation, picture: Picture) -> ImageAnnotation:
    """What was said, in pixels of the image upright."""
    real = (picture.width, picture.height)
    if said.kind == "classification" or not said.boxes:
        return replace(said, size=real, normalised=False)
    if said.normalised or said.size is None or said.size == real:
        return _inside(replace(in_pixels(said, *real), size=real))
    if said.size == picture.stored_size:
        plan.remarks[TURNED] += 1
        return _inside(replace(said, boxes=tuple(picture.upright(box) for box in said.boxes), size=real))
    fitted = _inside(replace(said, size=real))
    outside = next((box for box in fitted.boxes if _outside(box, real)), None)
    if outside:
        detail = f"drawn on {said.size[0]} x {said.size[1]} pixels, but the image has {real[0]} x {real[1]}"
        raise BrokenLineError(outside.line or said.line, "image_size_differs", detail)
    plan.remarks[SIZE_DIFFERS] += 1
    return fitted


def _inside(said: ImageAnnotation) -> ImageAnnotation:
    """Boxes without the fraction of a pixel by which rounding has put them out of the image."""
    return replace(said, boxes=tuple(_clipped(box, *said.size) for box in said.boxes)) if said.size else said


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
    """Raises BrokenLine, of the line of the first box, if registration would not take all that is said."""
    line = next((box.line for box in fitted.boxes if box.line), fitted.line)
    entry = entries.entry(fitted, "bucket", "incoming/annotations/image", "2000-01-01T00:00:00")
    manifests.parse_line(manifests.entry_line(entry), line)


def _contradictions(plan: Plan) -> Iterator[Problem]:
    """Images of one content with different labels: registration knows them as one image."""
    by_size: dict[int, list[Item]] = defaultdict(list)
    for item in plan.labelled:
        by_size[item.file.size].append(item)
    for items in by_size.values():
        if len({_said(item) for item in items}) > 1:
            yield from _contradictions_of(plan.source, items)


def _contradictions_of(source: Source, items: Iterable[Item]) -> Iterator[Problem]:
    before: dict[str, Item] = {}
    for item in items:
        try:
            content = source.identity(item.image)
        except UnreadableError:
            # Told when it is sent.
            continue
        other = before.setdefault(content or item.image, item)
        if item.annotation and _said(other) != _said(item):
            detail = (
                f"{item.image} is the same picture as {other.image}, with other labels: the last one sent"
                " counts; remove one of them"
            )
            yield Problem(
                item.annotation.file, item.annotation.line, "labels_contradict", detail, image=item.image
            )


def _said(item: Item) -> object:
    """What is said of an image, to be compared."""
    return item.annotation and (
        frozenset(item.annotation.labels),
        frozenset(map(entries.whole, item.annotation.boxes)),
    )


def _labels(said: ImageAnnotation) -> set[str]:
    return set(said.labels) | {box.label for box in said.boxes}
