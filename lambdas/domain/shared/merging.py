"""Makes one answer about an image of the answers about its tiles.

Several tiles see what lies where they overlap, and some of them see it cut off at their border. What is cut
off is left to the tile that sees all of it; two boxes are of one object if they agree on what both tiles can
see. So no box ends at a seam, and no object is there twice.

It is non-maximum suppression by class, with two differences: plain one keeps an object's half beside the
whole object, as they overlap too little, and takes two objects that lie on each other for one, though one
tile has seen both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.domain.shared.boxes import MIN_IOU, Rectangle, iou

MIN_COVERED = 0.8
"""Share of a box that was cut off, from which on it is a part of the other one."""
BORDER_SHARE = 0.005
"""Of a tile's side: a box that ends so near to its border is cut off there. Detectors are not exact to the
pixel, and 0.5 percent are 6 pixels of a tile of 1,280."""

Labels = Sequence[Mapping[str, Any]]
"""As Detector.detect_labels returns them."""


@dataclass(frozen=True)
class Area:
    """A rectangle in an image, in pixels of it upright."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True)
class _Seen:
    """A box that a tile's answer has, in pixels of the whole image."""

    label: str
    confidence: float
    box: Area
    tile: int
    is_cut: bool
    """Whether it ends at a border of the tile that is none of the image's."""
    is_overview: bool


def merge(
    size: tuple[int, int],
    tiles: Sequence[Rectangle],
    answers: Sequence[Labels],
    *,
    overview: Labels | None = None,
    overlap: float = 0,
) -> list[dict[str, Any]]:
    """The labels of the whole image, the surest first; boxes are shares of its width and height.

    Labels without a box are of the whole image, and only its overview can know them.

    Args:
        size: width and height of the image, in pixels.
        tiles: where they lie, in pixels.
        answers: of each tile, its boxes as shares of the tile.
        overview: the answer about the whole image scaled down. Its boxes count if they are larger than the
            overlap: smaller objects lie whole in some tile, which sees them better.
        overlap: of the tiles, in pixels.
    """
    image = Area(0, 0, *size)
    areas = [Area(tile.left, tile.top, tile.width, tile.height) for tile in tiles]
    seen = [
        box
        for number, (area, labels) in enumerate(zip(areas, answers, strict=True))
        for box in _seen(image, number, area, labels)
        if not (box.is_cut and _another_sees_more(image, areas, box))
    ]
    whole = [dict(label) for label in overview or () if not label.get("box")]
    if overview is not None:
        # It is one more tile, which has no inner border.
        large = [
            box
            for box in _seen(image, len(areas), image, overview)
            if box.box.width > overlap or box.box.height > overlap
        ]
        seen += large
        areas.append(image)
    merged = [_label(image, group) for group in _groups(areas, seen)]
    return sorted([*whole, *merged], key=lambda label: (-label["confidence"], label["label"]))


def _seen(image: Area, number: int, tile: Area, labels: Labels) -> Iterator[_Seen]:
    for label in labels:
        if box := label.get("box"):
            area = Area(
                tile.left + box["left"] * tile.width,
                tile.top + box["top"] * tile.height,
                box["width"] * tile.width,
                box["height"] * tile.height,
            )
            is_cut = _is_cut(image, tile, area)
            yield _Seen(label["label"], label["confidence"], area, number, is_cut, tile == image)


def _is_cut(image: Area, tile: Area, box: Area) -> bool:
    """Whether a box ends at a border of the tile beyond which the image goes on."""
    near_x, near_y = BORDER_SHARE * tile.width, BORDER_SHARE * tile.height
    return (
        (tile.left > image.left and box.left <= tile.left + near_x)
        or (tile.top > image.top and box.top <= tile.top + near_y)
        or (tile.right < image.right and box.right >= tile.right - near_x)
        or (tile.bottom < image.bottom and box.bottom >= tile.bottom - near_y)
    )


def _another_sees_more(image: Area, tiles: Sequence[Area], seen: _Seen) -> bool:
    """Whether all of a box that was cut off lies inside another tile: that one's answer counts."""
    return any(
        number != seen.tile and _contains(tile, seen.box) and not _is_cut(image, tile, seen.box)
        for number, tile in enumerate(tiles)
    )


def _contains(area: Area, box: Area) -> bool:
    return (
        box.left >= area.left
        and box.top >= area.top
        and box.right <= area.right
        and box.bottom <= area.bottom
    )


def _groups(tiles: Sequence[Area], seen: Sequence[_Seen]) -> list[list[_Seen]]:
    """Boxes that are of one object, together: the best pairs first, of each tile one at most."""
    groups = {number: [number] for number in range(len(seen))}
    group_of = list(range(len(seen)))
    for _, one, other in sorted(_pairs(tiles, seen), key=lambda pair: (-pair[0], pair[1:])):
        first, second = group_of[one], group_of[other]
        if first == second or {seen[n].tile for n in groups[first]} & {seen[n].tile for n in groups[second]}:
            continue
        for number in groups[second]:
            group_of[number] = first
        groups[first] += groups.pop(second)
    return [[seen[number] for number in group] for group in groups.values()]


def _pairs(tiles: Sequence[Area], seen: Sequence[_Seen]) -> Iterator[tuple[float, int, int]]:
    """Boxes of two tiles that are of one object, and how well they agree."""
    by_label: dict[str, list[int]] = {}
    for number, box in enumerate(seen):
        by_label.setdefault(box.label, []).append(number)
    for numbers in by_label.values():
        numbers.sort(key=lambda number: seen[number].box.left)
        for position, one in enumerate(numbers):
            for other in numbers[position + 1 :]:
                if seen[other].box.left >= seen[one].box.right:
                    break
                if agreement := _agreement(tiles, seen[one], seen[other]):
                    yield agreement, one, other


def _agreement(tiles: Sequence[Area], one: _Seen, other: _Seen) -> float:
    """How well two boxes agree on what both tiles can see; 0 if they are not of one object."""
    if one.tile == other.tile:
        return 0
    shared = _intersection(tiles[one.tile], tiles[other.tile])
    mine = _intersection(shared, one.box) if shared else None
    theirs = _intersection(shared, other.box) if shared else None
    if not mine or not theirs:
        return 0
    overlap = iou(mine, theirs)
    if overlap >= MIN_IOU:
        return overlap
    common = _intersection(mine, theirs)
    parts = [box for box, whole in ((mine, one), (theirs, other)) if whole.is_cut]
    is_part = common and any(_size(common) >= MIN_COVERED * _size(part) for part in parts)
    return overlap if is_part else 0


def _intersection(one: Rectangle, other: Rectangle) -> Area | None:
    left, top = max(one.left, other.left), max(one.top, other.top)
    width = min(one.left + one.width, other.left + other.width) - left
    height = min(one.top + one.height, other.top + other.height) - top
    return Area(left, top, width, height) if width > 0 and height > 0 else None


def _size(area: Area) -> float:
    return area.width * area.height


def _label(image: Area, group: Sequence[_Seen]) -> dict[str, Any]:
    """One label of the boxes of an object: the surest that is whole, or all of its parts together."""
    whole = [seen for seen in group if not seen.is_cut]
    # The overview's boxes are coarser than a tile's.
    best = max(whole or group, key=lambda seen: (not seen.is_overview, seen.confidence))
    box = best.box if whole else _hull([seen.box for seen in group])
    sides = {
        "left": box.left / image.width,
        "top": box.top / image.height,
        "width": box.width / image.width,
        "height": box.height / image.height,
    }
    return {
        "label": best.label,
        "confidence": best.confidence,
        "box": {name: round(share, 6) for name, share in sides.items()},
    }


def _hull(boxes: Sequence[Area]) -> Area:
    """The smallest box around all."""
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.right for box in boxes), max(box.bottom for box in boxes)
    return Area(left, top, right - left, bottom - top)
