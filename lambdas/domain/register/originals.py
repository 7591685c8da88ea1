"""Originals: images that are too large for Custom Labels, kept whole and trained with in tiles.

An original lies under originals/, and has an item in the catalogue as every image, with the labels that it
has. It is in no snapshot: its tiles are, each an image of its own that names its original. They are cut as
images are for detection, so that what is trained is what is served. Cutting can be repeated, and is once an
original's labels change: tiles that are not wanted any more are excluded then.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import snapshot_rows
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import ORIGINALS, CatalogueImage, Change
from lambdas.domain.images import files as image_files
from lambdas.domain.images import thumbnails, tile_labels, tiles
from lambdas.domain.images.files import ImageFacts
from lambdas.domain.images.tile_choice import Part
from lambdas.domain.images.tile_labels import LabelledTile, LabelledTiles
from lambdas.domain.images.tiles import LargeImage, Tile, TilePlan, Tiling
from lambdas.domain.register import arrivals, rejections
from lambdas.domain.register.arrivals import Arrival
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import MAX_BOXES_PER_IMAGE
from lambdas.domain.shared.frozen import frozen

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

TILING = "tiling"
"""Who has excluded a tile that its original is not cut into any more."""
MIN_SPREAD = 4
"""Bits of a perceptual hash, set or unset, with fewer of which it is that of a flat picture."""
_ATTEMPTS = 5
"""Times that an original is cut anew because its labels have changed meanwhile."""


@frozen
class Cutting:
    """How originals are cut, and which parts of objects their tiles have."""

    tiling: Tiling
    min_visible: float = tile_labels.MIN_VISIBLE


@frozen
class Cut:
    """What became of an original."""

    unlabelled: tuple[str, ...] = ()
    """Content hashes of its new tiles that nothing is known of."""
    labels_changed: int = 0
    """Tiles that there are now more, less or something else of to train with."""


def key_of(facts: ImageFacts) -> str:
    """Where an original of this content lies in the data bucket."""
    return ORIGINALS + facts.key.removeprefix("images/")


@contextmanager
def opened(s3: S3Client, arrival: Arrival, cutting: Cutting) -> Iterator[tuple[ImageFacts, LargeImage]]:
    """An original, decoded: what is known of it, with its size upright, and its pixels.

    Raises:
        UnusableImageError: it cannot be cut; the detail says what to do.
        GoneError: it was deleted since.
    """
    tiles.check_bytes(arrival.size)
    with tempfile.TemporaryFile() as file:
        try:
            s3.download_fileobj(
                arrival.bucket,
                arrival.key,
                file,
                ExtraArgs={"VersionId": arrival.version_id} if arrival.version_id else {},
            )
        except ClientError as error:
            raise arrivals.gone_or(error) from error
        image = tiles.load(file, cutting.tiling.max_pixels)
        if _plan(image.width, image.height, arrival.size, cutting) is None:
            raise CatalogueError(f"{arrival.key} is not too large to be trained with as it is")
        yield _facts(file, image), image


def _facts(file: IO[bytes], image: LargeImage) -> ImageFacts:
    # It brings the decoder, which an event without an image does not wait for.
    from lambdas.domain.images import perceptual_hash  # noqa: PLC0415

    file.seek(0)
    beginning = file.read(16)
    file.seek(0)
    digest = hashlib.sha256()
    while part := file.read(1024 * 1024):
        digest.update(part)
    size, hash = file.tell(), perceptual_hash.of_image(image.pixels)
    format = image_files.format_of(beginning)
    return ImageFacts(format, image.width, image.height, digest.hexdigest(), size, hash)


def _plan(width: int, height: int, size_bytes: int, cutting: Cutting) -> TilePlan | None:
    return tiles.plan(width, height, size_bytes=size_bytes, tiling=cutting.tiling)


def recut(s3: S3Client, table: Table, bucket: str, sha256: str, cutting: Cutting) -> Cut:
    """Cut a registered original anew if its labels have changed since it was cut."""
    original = catalogue_images.get_image(table, sha256)
    if original is None or original.status != "uncut":
        return Cut()
    arrival = Arrival(bucket, original.key, None, original.bytes, "")
    with opened(s3, arrival, cutting) as (_, image):
        return cut(s3, table, bucket, sha256, image, cutting)


def register_parts(
    s3: S3Client,
    table: Table,
    arrival: Arrival,
    cutting: Cutting,
    choose: Callable[[TilePlan], Sequence[Part]],
) -> list[tuple[Part, CatalogueImage]]:
    """Register parts of an image that is too large to be trained with, and lies elsewhere in the bucket.

    They are the same as if all of it had been registered, but it is not: it stays where it is. Of an original
    that is registered with its labels there is nothing to ask; its tiles have them.

    Args:
        choose: says which parts, by how the image is cut.

    Raises:
        UnusableImageError: it cannot be cut; the detail says what to do.
        GoneError: it was deleted since.
    """
    with opened(s3, arrival, cutting) as (facts, image):
        original = catalogue_images.get_image(table, facts.sha256)
        original = original or catalogue_images.new_image(facts, key_of(facts))
        plan = _plan(image.width, image.height, facts.bytes, cutting)
        if plan is None or original.kind is not None:
            return []
        parts = [(part, LabelledTile(part.tile, part.size, ())) for part in choose(plan)]
        return [
            (part, _register(s3, table, arrival.bucket, original, image, tile).after) for part, tile in parts
        ]


def cut(s3: S3Client, table: Table, bucket: str, sha256: str, image: LargeImage, cutting: Cutting) -> Cut:  # noqa: PLR0917 clients, and what to cut
    """Cut an original into the tiles that its labels ask for, and register them.

    Raises:
        CatalogueError: its labels go on changing; try again later.
    """
    unlabelled, changed = list[str](), 0
    for _ in range(_ATTEMPTS):
        original = catalogue_images.get_image(table, sha256)
        if original is None or original.status != "uncut":
            return Cut(tuple(unlabelled), changed)
        chosen = _chosen(table, original, cutting)
        if chosen.too_full:
            _note_too_full(s3, bucket, original, chosen.too_full)
        kept = []
        for tile in chosen.tiles:
            change = _register(s3, table, bucket, original, image, tile)
            kept.append(change.after.sha256)
            changed += change.labels_changed
            if change.before is None and change.after.status == "unlabelled":
                unlabelled.append(change.after.sha256)
        changed += sum(_exclude(table, stale) for stale in set(original.tiles) - set(kept))
        _note_cut(table, original, tuple(kept))
    raise CatalogueError(f"{catalogue_images.image_id(sha256)}: its labels go on changing")


def _chosen(table: Table, original: CatalogueImage, cutting: Cutting) -> LabelledTiles:
    """The tiles of an original that are to be registered.

    A label of the whole image is one of its overview, and of no tile. Where nothing is known of an image yet
    it is cut for what most images of the catalogue have.
    """
    plan = _plan(original.width, original.height, original.bytes, cutting)
    assert plan  # noqa: S101 as it was cut when it came
    if original.kind == "detection":
        return tile_labels.labelled_tiles(plan, original.boxes, cutting.min_visible)
    is_classified = (original.kind or snapshot_rows.usual_kind(table)) == "classification"
    if is_classified and len(plan.tiles) > 1:
        whole = Tile(0, 0, plan.width, plan.height)
        # One that is so long that Rekognition does not take it scaled down is asked about in vain, too.
        return LabelledTiles((LabelledTile(whole, plan.overview, ()),) if plan.overview else ())
    return LabelledTiles(tuple(LabelledTile(tile, (tile.width, tile.height), ()) for tile in plan.tiles))


def _register(  # noqa: PLR0917 clients, and what to register
    s3: S3Client, table: Table, bucket: str, original: CatalogueImage, image: LargeImage, tile: LabelledTile
) -> Change:
    data = _encoded(image, tile)
    sha256 = hashlib.sha256(data).hexdigest()
    key = image_files.registered_key(sha256, "JPEG")
    thumbnails.put(s3, bucket, sha256, thumbnails.of_file(data))
    try:
        s3.put_object(Bucket=bucket, Key=key, Body=data, ContentType="image/jpeg", IfNoneMatch="*")
    except ClientError as error:
        if error.response["Error"]["Code"] != "PreconditionFailed":
            raise
    new = CatalogueImage(
        sha256=sha256,
        key=key,
        width=tile.size[0],
        height=tile.size[1],
        format="JPEG",
        bytes=len(data),
        registered_at=clock.now(),
        perceptual_hash=_group_hash(original),
        origin=_origin(original, tile.tile),
    )
    return catalogue_images.update_image(
        table, sha256, lambda known: _labelled(known or new, original, tile), probably_new=True
    )


def _encoded(image: LargeImage, tile: LabelledTile) -> bytes:
    if tile.size == (tile.tile.width, tile.tile.height):
        return tiles.cut(image, tile.tile, hidden=tile.hidden, shown=tile.boxes)
    return tiles.overview(image, tile.size, hidden=tile.hidden, shown=tile.boxes)


def _group_hash(original: CatalogueImage) -> str:
    """The perceptual hash that all tiles of an original have: its own, so that they, and those of originals
    that look like it, go to one side of the split together.

    A flat picture's hash would keep nothing together; digits of its content's do.
    """
    hash = original.perceptual_hash
    bits = int(hash, 16).bit_count()
    return hash if MIN_SPREAD <= bits <= 64 - MIN_SPREAD else original.sha256[:16]


def _origin(original: CatalogueImage, tile: Tile) -> str:
    return f"{original.sha256}#{tile.left},{tile.top},{tile.width},{tile.height}"


def _labelled(tile: CatalogueImage, original: CatalogueImage, labelled: LabelledTile) -> CatalogueImage:
    """The tile with its original's labels, unless a person has said otherwise of it since."""
    if tile.status == "excluded" and tile.changed_by == TILING:
        tile = replace(tile, status="labelled" if tile.kind else "unlabelled", changed_by="")
    if original.kind is None or original.annotation_order < tile.annotation_order:
        return tile
    return replace(
        tile,
        status=catalogue_images.unless_excluded(tile, "labelled"),
        kind=original.kind,
        labels=original.labels,
        boxes=labelled.boxes,
        label_origin=original.label_origin,
        annotation_order=original.annotation_order,
        requested_dataset_type=original.requested_dataset_type,
    )


def _exclude(table: Table, sha256: str) -> int:
    """Exclude a tile that its original is not cut into any more: how many images' labels that changed."""

    def excluded(image: CatalogueImage | None) -> CatalogueImage:
        if image is None:
            raise CatalogueError(f"{catalogue_images.image_id(sha256)} is a tile, and is not there")
        return image if image.status == "excluded" else replace(image, status="excluded", changed_by=TILING)

    change = catalogue_images.update_image(table, sha256, excluded)
    return int(change.before is not None and change.before.status == "labelled")


def _note_cut(table: Table, cut: CatalogueImage, kept: tuple[str, ...]) -> None:
    """Note what an original was cut into; it stays to be cut if its labels have changed meanwhile."""

    def noted(image: CatalogueImage | None) -> CatalogueImage:
        if image is None:
            raise CatalogueError(f"{cut.id} was cut, and is not there")
        tiles = tuple(sorted(set(image.tiles) - set(cut.tiles) | set(kept)))
        is_cut = _labels(image) == _labels(cut)
        return replace(image, tiles=tiles, status="original" if is_cut else "uncut")

    catalogue_images.update_image(table, cut.sha256, noted)


def _labels(image: CatalogueImage) -> tuple[object, ...]:
    return image.kind, image.labels, image.boxes, image.annotation_order, image.requested_dataset_type


def _note_too_full(s3: S3Client, bucket: str, original: CatalogueImage, count: int) -> None:
    rejections.write_notes(
        s3,
        Arrival(bucket, original.key, None, original.bytes, ""),
        [
            f"{count} tiles show more than {MAX_BOXES_PER_IMAGE} objects each, which Custom Labels does not"
            " take, and are not trained with: set a smaller tile_side, and upload its annotation again"
        ],
    )
