"""What an import will do: every image with what is known about it, and everything that cannot be used.

Nothing is left out without being told: a file is imported, is a problem, or is counted as left alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from cli.importing import pictures, reading
from cli.importing.pictures import Picture
from cli.importing.sources import BucketSource, File, Listing, Source, UnreadableError
from cli.output import CommandError
from lambdas.domain import found, manifests
from lambdas.domain.annotations import dataset
from lambdas.domain.annotations.types import Found, LabelledBox, Note, Problem, in_pixels
from lambdas.domain.arrivals import ANNOTATIONS
from lambdas.domain.images import UnusableImage
from lambdas.domain.manifests import BrokenLine

HEADS_AT_ONCE = 16

SIZE_DIFFERS = "the annotations give another size than the image has, but its boxes fit and were taken"
TURNED = "boxes drawn on the image as stored were turned with it, as its EXIF orientation says"
BY_BARE_NAME = "not where the annotations say, but one file has that name: it was taken"
NAMED_TWICE = "named more than once: what comes last counts"

Tell = Callable[[int, int], None]
"""Told how many images of how many have been looked at."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image to import, with its boxes in pixels; without `found` nobody has said what is on it."""

    image: str
    file: File
    found: Found | None


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
        return [item for item in self.items if item.found]

    @property
    def unlabelled(self) -> list[Item]:
        return [item for item in self.items if not item.found]

    @property
    def bytes(self) -> int:
        return sum(item.file.size for item in self.items)

    def images_by_label(self) -> Counter[str]:
        return Counter(label for item in self.items if item.found for label in _labels(item.found))

    def boxes_by_label(self) -> Counter[str]:
        return Counter(box.label for item in self.items if item.found for box in item.found.boxes)

    def images_by_split(self) -> Counter[str]:
        return Counter(item.found.split for item in self.items if item.found and item.found.split)


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
        said.take(event if keep_split or not isinstance(event, Found) else replace(event, split=""))
    said.finish()
    # Beside a single annotation file lies whatever lies there; only what it names belongs to it.
    wanted = said.by_image if source.annotations.is_file() else listing.images
    for number, (image, picture) in enumerate(_pictures(source, sorted(wanted)), start=1):
        tell(number, len(wanted))
        if isinstance(picture, Problem):
            plan.problems.append(picture)
        elif len(f"{ANNOTATIONS}{name}/{image}".encode()) > manifests.MAX_KEY_BYTES:
            detail = f"S3 takes names of up to {manifests.MAX_KEY_BYTES} bytes: shorten it"
            plan.problems.append(Problem(image, 0, "name_too_long", detail, image=image))
        else:
            plan.items.append(_item(plan, image, listing.images[image], said.by_image.get(image), picture))
    return plan


class _Said:
    """What the annotations say about which image."""

    def __init__(self, listing: Listing, plan: Plan) -> None:
        self.by_image: dict[str, Found] = {}
        self._plan, self._images = plan, listing.images
        self._refused = {problem.image for problem in listing.problems}
        self._by_bare_name: dict[str, list[str]] = defaultdict(list)
        for image in listing.images:
            self._by_bare_name[PurePosixPath(image).name].append(image)
        self._by_bare_name_alone: dict[str, list[Found]] = defaultdict(list)

    def take(self, event: Found | Problem | Note) -> None:
        if isinstance(event, Problem):
            # The listing has told already what it could not follow or read.
            if not {event.image, event.file} & self._refused:
                self._plan.problems.append(event)
        elif isinstance(event, Note):
            self._plan.notes.append(event)
        else:
            self._take(event)

    def finish(self) -> None:
        """Settle what names files by folders that they are not in: if there is one such file, it is meant."""
        for image, events in self._by_bare_name_alone.items():
            if image in self.by_image or len({event.image for event in events}) > 1:
                for event in events:
                    self._refuse(event, "image_missing", f"{event.image} is not there; {image} is another's")
            else:
                self._plan.remarks[BY_BARE_NAME] += 1
                self.by_image[image] = events[-1]

    def _take(self, event: Found) -> None:
        named = str(PurePosixPath(event.image.replace("\\", "/")))
        same = self._by_bare_name[PurePosixPath(named).name]
        inside = [image for image in same if image.endswith("/" + named) or named.endswith("/" + image)]
        meant = [named] if named in self._images else inside or same
        if len(meant) > 1:
            told = ", ".join(sorted(meant)[:3])
            self._refuse(event, "ambiguous_name", f"{event.image} may be any of {told}: name it in full")
        elif not meant and named not in self._refused:
            where = (
                "import its own prefix"
                if event.image.startswith("s3://")
                else "put it beside its annotations"
            )
            self._refuse(event, "image_missing", f"{event.image} is not there: {where}")
        elif meant and meant[0] != named and not inside:
            self._by_bare_name_alone[meant[0]].append(event)
        elif meant:
            if meant[0] in self.by_image:
                self._plan.remarks[NAMED_TWICE] += 1
            self.by_image[meant[0]] = event

    def _refuse(self, event: Found, reason: str, detail: str) -> None:
        self._plan.problems.append(Problem(event.file, event.line, reason, detail, image=event.image))


# Images


def _pictures(source: Source, images: Iterable[str]) -> Iterator[tuple[str, Picture | Problem]]:
    """Each image with what it is, in the order given."""

    def looked(image: str) -> tuple[str, Picture | Problem]:
        size = source.listing().images[image].size
        try:
            tail = source.tail(image, pictures.TAIL_BYTES)
            return image, pictures.look(lambda number: source.read(image, number), size, tail)
        except UnusableImage as refusal:
            return image, Problem(image, 0, refusal.reason, refusal.detail, image=image)
        except UnreadableError as error:
            return image, Problem(image, 0, "unreadable", str(error), image=image)

    # Where images lie in a bucket, looking is waiting.
    with ThreadPoolExecutor(HEADS_AT_ONCE if isinstance(source, BucketSource) else 1) as pool:
        yield from pool.map(looked, images)


def _item(plan: Plan, image: str, file: File, said: Found | None, picture: Picture) -> Item:
    if said is None or said.kind is None:
        return Item(image, file, None)
    try:
        fitted = _fitted(plan, said, picture)
        _check(fitted)
    except BrokenLine as broken:
        detail = f"{broken.detail}; the image is imported without labels"
        plan.problems.append(Problem(said.file, said.line, broken.reason, detail, image=image))
        return Item(image, file, None)
    return Item(image, file, fitted)


def _fitted(plan: Plan, said: Found, picture: Picture) -> Found:
    """What was said, in pixels of the image upright."""
    real = (picture.width, picture.height)
    if said.kind == "classification" or not said.boxes:
        return replace(said, size=real, normalised=False)
    if said.normalised or said.size in (None, real):
        return _inside(replace(in_pixels(said, *real), size=real))
    if said.size == picture.stored_size:
        plan.remarks[TURNED] += 1
        return _inside(replace(said, boxes=tuple(picture.upright(box) for box in said.boxes), size=real))
    fitted = _inside(replace(said, size=real))
    if any(_outside(box, real) for box in fitted.boxes):
        detail = f"drawn on {said.size[0]} x {said.size[1]} pixels, but the image has {real[0]} x {real[1]}"
        raise BrokenLine(said.line, "image_size_differs", detail)
    plan.remarks[SIZE_DIFFERS] += 1
    return fitted


def _inside(said: Found) -> Found:
    """Boxes without the fraction of a pixel by which rounding has put them out of the image."""
    return replace(said, boxes=tuple(_clipped(box, *said.size) for box in said.boxes)) if said.size else said


def _clipped(box: LabelledBox, width: int, height: int) -> LabelledBox:
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    nearest = (max(box.left, 0), max(box.top, 0), min(edges[2], width), min(edges[3], height))
    if any(abs(edge - inside) > 1 for edge, inside in zip(edges, nearest, strict=True)):
        return box
    left, top, right, bottom = nearest
    return LabelledBox(box.label, left, top, right - left, bottom - top)


def _outside(box: LabelledBox, size: tuple[int, int]) -> bool:
    return box.left < 0 or box.top < 0 or box.left + box.width > size[0] or box.top + box.height > size[1]


def _check(fitted: Found) -> None:
    """Raises BrokenLine if registration would not take the image's line."""
    entry = found.entry(fitted, "bucket", "incoming/annotations/image", "2000-01-01T00:00:00")
    manifests.parse_line(manifests.entry_line(entry), fitted.line)


def _labels(said: Found) -> set[str]:
    return set(said.labels) | {box.label for box in said.boxes}
