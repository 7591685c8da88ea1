"""Annotation matching: how an annotation comes to its image, whichever of the two is first.

An annotation names an image by its content, or by a key under incoming/. What is known of a key is in its
history, and S3 lists what is not registered yet. Both are read before the history is written, conditional on
its revision: so whichever is later, upload or annotation, sees the other, and has
`lambdas/domain/register/matching.py` say which belongs to which. Images follow what the history says. Their
updates can be repeated, and come in any order: the latest annotation counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue import pending as catalogue_pending
from lambdas.domain.catalogue import sources
from lambdas.domain.catalogue.errors import CatalogueError
from lambdas.domain.catalogue.images import CatalogueImage, Change
from lambdas.domain.catalogue.pending import PendingAnnotation
from lambdas.domain.catalogue.sources import History, Reference, Upload
from lambdas.domain.images.files import ImageFacts
from lambdas.domain.register import matching, rejections
from lambdas.domain.register.arrivals import INCOMING, PARTS, Arrival
from lambdas.domain.register.versions import Versions
from lambdas.domain.shared import clock, manifests
from lambdas.domain.shared.annotation import Annotation
from lambdas.domain.shared.dynamodb import batch_get
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.manifests import BrokenLineError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client


BrokenBoxHandler = Callable[[BrokenLineError], None]
"""Takes every box that was left out of an annotation."""

_ATTEMPTS = 50
"""Writers that can be at one key at once before one of them gives up, to be delivered again."""


@frozen
class Taken:
    """What became of an annotation."""

    labels_changed: int = 0
    """Images that there is now more, less or something else to train with."""
    pending: bool = False
    """Whether its image has not come yet."""


class Known:
    """What is known of some keys: what S3 lists, and then what their histories say."""

    def __init__(self, s3: S3Client, table: Table, bucket: str, keys: Iterable[str]) -> None:
        wanted = list(dict.fromkeys(sources.normalised(key) for key in keys))
        self._table, self._versions = table, Versions(s3, bucket, wanted)
        self._histories: dict[str, History] = {}
        for start in range(0, len(wanted), catalogue_images.MAX_BATCH):
            batch = wanted[start : start + catalogue_images.MAX_BATCH]
            self._histories |= sources.get_histories(table, batch)

    def history(self, key: str) -> History:
        """The history of a key, as it was read or written last."""
        return self._histories[sources.normalised(key)]

    def has_uploads(self, key: str) -> bool:
        """Whether anything ever came under a key, registered or not."""
        return bool(self._with_versions(self.history(key)).uploads)

    def record(self, key: str, change: Callable[[History], History]) -> tuple[History, History]:
        """Replace a history by what `change` makes of it and of the listing: it before and after."""
        for _ in range(_ATTEMPTS):
            before = self.history(key)
            after = change(self._with_versions(before))
            if after == before or sources.put_history(self._table, after, clock.now()):
                written = before.revision + (after != before)
                self._histories[after.key] = replace(after, revision=written)
                return before, after
            self._histories[before.key] = sources.get_history(self._table, key)
        raise CatalogueError(f"{sources.source_id(key)}: written by too many others at once")

    def _with_versions(self, history: History) -> History:
        versions = self._versions
        return matching.with_versions(history, versions.of(history.key), versions.listed_at)


# Annotations


class Lines:
    """Applies annotations of a file to their images, or keeps them until those come."""

    def __init__(self, s3: S3Client, table: Table, bucket: str) -> None:
        self._s3, self._table, self._bucket = s3, table, bucket
        self._images: dict[str, CatalogueImage] = {}

    def take(
        self, batch: Sequence[PendingAnnotation | BrokenLineError], on_broken: BrokenBoxHandler
    ) -> Iterator[Taken]:
        """What became of each annotation; none of those that cannot be used.

        Args:
            batch: annotations, and what is wrong with lines between them.
            on_broken: takes that, and every line and every box of a line that is left out: it cannot be
                about an image of this bucket, or does not fit its image.
        """
        names = [() if isinstance(each, BrokenLineError) else _names(each.annotation) for each in batch]
        keys = [name for several in names for name in several if name.startswith(INCOMING)]
        known = Known(self._s3, self._table, self._bucket, keys) if keys else None
        hashes = [hash for several in names for name in several if (hash := _content(name))]
        if known:
            hashes += [upload.sha256 for key in keys for upload in known.history(key).uploads[-1:]]
        self._read_images(hashes)
        for each, several in zip(batch, names, strict=True):
            try:
                if isinstance(each, BrokenLineError):
                    raise each
                yield self._take(known, each, several, on_broken)
            except BrokenLineError as error:
                on_broken(error)

    def _read_images(self, hashes: Iterable[str]) -> None:
        """Read the images that annotations are likely to be for, all together."""
        ids = list(dict.fromkeys(catalogue_images.image_id(sha256) for sha256 in hashes if sha256))
        self._images = {}
        for start in range(0, len(ids), catalogue_images.MAX_BATCH):
            batch = ids[start : start + catalogue_images.MAX_BATCH]
            images = catalogue_images.get_images(self._table, batch)
            self._images |= {image.sha256: image for image in images}

    def _take(
        self,
        known: Known | None,
        pending: PendingAnnotation,
        names: tuple[str, ...],
        on_broken: BrokenBoxHandler,
    ) -> Taken:
        bucket = pending.annotation.source_bucket
        if bucket != self._bucket:
            detail = f"the image is in {bucket}; upload it to {self._bucket} and name that"
            raise BrokenLineError(pending.line, "other_bucket", detail)
        if not names:
            detail = f"source-ref has to name an object under {INCOMING} or images/<sha256>.jpg or .png"
            raise BrokenLineError(pending.line, "source_ref_elsewhere", detail)
        if known is None or _content(names[0]):
            return self._take_by_content(pending, on_broken)
        return self._take_by_names(known, pending, names, on_broken)

    def _take_by_names(
        self, known: Known, pending: PendingAnnotation, names: tuple[str, ...], on_broken: BrokenBoxHandler
    ) -> Taken:
        reference = Reference(
            pending.order,
            matching.says(pending.annotation),
            pending.manifest_key,
            pending.line,
            names,
            pending.annotation,
        )
        name = next((name for name in names if known.has_uploads(name)), names[-1])
        for earlier in names[: names.index(name)]:
            # Something can come under a better name yet.
            known.record(earlier, lambda history: _with_reference(history, reference))
        before, after = known.record(name, lambda history: _with_reference(history, reference))
        reference = matching.known_reference(after, reference) or reference
        taken = self._apply_line(before, after, replace(reference, annotation=pending.annotation), on_broken)
        if name != names[0]:
            _leave_to_earlier_name(self._s3, self._table, self._bucket, name, [reference], taken.pending)
        return taken

    def _take_by_content(self, pending: PendingAnnotation, on_broken: BrokenBoxHandler) -> Taken:
        """Apply an annotation that names its image by content, or keep it.

        An image is written before its annotations are read, and an annotation that is kept before its image
        is looked for again: whichever is later applies it.
        """
        sha256, reference = _content(pending.annotation.source_key), _as_reference(pending)
        assert sha256  # noqa: S101
        if image := self._images.get(sha256):
            return Taken(int(_label(self._table, sha256, reference, on_broken, image).labels_changed))
        catalogue_pending.put_pending(self._table, pending)
        image = catalogue_images.get_image(self._table, sha256)
        if not image:
            return Taken(pending=True)
        try:
            return Taken(int(_label(self._table, sha256, reference, on_broken, image).labels_changed))
        finally:
            catalogue_pending.delete_pending(self._table, pending)

    def _apply_line(
        self, before: History, after: History, reference: Reference, on_broken: BrokenBoxHandler
    ) -> Taken:
        contents = matching.match(after.uploads, after.references)[reference.order]
        if not contents:
            return Taken(pending=True)
        changed = 0
        if len(contents) == 1 and not reference.unfit:
            [image] = contents
            try:
                read = self._images.get(image)
                changed += _label(self._table, image, reference, on_broken, read).labels_changed
            except BrokenLineError:
                _note_unfit(self._s3, self._table, self._bucket, after.key, reference)
                raise
        return Taken(changed + _settle(self._s3, self._table, self._bucket, before, after))


def _names(annotation: Annotation) -> tuple[str, ...]:
    """The names under which an annotation's image may have come; none if one cannot be a name of an image."""
    names = [name for name in (annotation.source_key, annotation.also_key) if name]
    if any(not name.startswith(INCOMING) and not _content(name) for name in names):
        return ()
    # Some programs write the names of files as they are in URLs.
    names += [unquote(name) for name in names if "%" in name]
    return tuple(dict.fromkeys(map(sources.normalised, names)))


def _content(name: str) -> str | None:
    """The SHA-256 of the image that a name is of, if it names one by its content."""
    named = catalogue_images.IMAGE_KEY.fullmatch(name)
    return named[1] if named else None


def _with_reference(history: History, reference: Reference) -> History:
    """The history with an annotation; it keeps what the annotation says only as long as that has to wait."""
    if history.thinned_until and reference.order <= history.thinned_until:
        raise BrokenLineError(
            reference.line,
            "name_used_too_often",
            f"more than {matching.MAX_UPLOADS} files came under {history.key} since: name the image by its"
            " content, images/<sha256>.jpg",
        )
    history = matching.with_reference(history, reference)
    known = matching.known_reference(history, reference)
    assert known  # noqa: S101
    kept = reference.annotation if known.order in matching.waiting(history) else None
    return _with_replaced(history, replace(known, annotation=kept))


def _with_replaced(history: History, reference: Reference) -> History:
    return replace(
        history,
        references=tuple(reference if each.order == reference.order else each for each in history.references),
    )


def _as_reference(pending: PendingAnnotation) -> Reference:
    names = (pending.annotation.source_key,)
    return Reference(pending.order, "", pending.manifest_key, pending.line, names, pending.annotation)


# Uploads


def add_image(s3: S3Client, table: Table, arrival: Arrival, at: str, facts: ImageFacts) -> int:
    """Note which image an upload is, and apply what waits for it: how many images' labels that changed.

    Args:
        at: the upload's LastModified.
    """
    upload = Upload(arrival.version_id or "null", at, arrival.sequencer, sha256=facts.sha256)
    history_id, pending_id = sources.source_id(arrival.key), catalogue_pending.pending_id(facts.key)
    items = {item["id"]: item for item in batch_get(table, [{"id": history_id}, {"id": pending_id}])}
    history = sources.of_item(arrival.key, items.get(history_id))
    changed = _add(s3, table, arrival, upload, history)
    if pending_id in items:
        pending, broken = catalogue_pending.of_item(items[pending_id]), list[BrokenLineError]()
        try:
            changed += _label(table, facts.sha256, _as_reference(pending), broken.append).labels_changed
        except BrokenLineError as error:
            broken.append(error)
        if broken:
            rejections.write_unfit_annotation(s3, arrival.bucket, pending, broken)
        catalogue_pending.delete_pending(table, pending)
    return changed


def add_lost(s3: S3Client, table: Table, arrival: Arrival, at: str) -> int:
    """Note that an upload will never be an image: how many images' labels that changed."""
    upload = Upload(arrival.version_id or "null", at, arrival.sequencer, lost=True)
    return _add(s3, table, arrival, upload, sources.get_history(table, arrival.key))


def add_gone(s3: S3Client, table: Table, arrival: Arrival) -> int:
    """Note that an upload was deleted, if its image was expected: how many images' labels that changed."""
    history = sources.get_history(table, arrival.key)
    expected = [
        each
        for each in history.uploads
        if each.version_id == arrival.version_id and not each.sha256 and not each.lost
    ]
    return sum(_add(s3, table, arrival, replace(each, lost=True), history) for each in expected)


def _add(s3: S3Client, table: Table, arrival: Arrival, upload: Upload, history: History) -> int:
    known = None
    for _ in range(_ATTEMPTS):
        # Listing is only worth its price where the order of several uploads may matter.
        if known is None and (history.references or arrival.overwritten or not upload.sequencer):
            known = Known(s3, table, arrival.bucket, [arrival.key])
        if known is not None:
            waiting = [each for each in history.references if each.annotation]
            _leave_to_earlier_name(s3, table, arrival.bucket, history.key, waiting, pending=True)
            before, after = known.record(arrival.key, lambda history: matching.with_upload(history, upload))
            return _settle(s3, table, arrival.bucket, before, after)
        after = matching.with_upload(history, upload)
        if after == history or sources.put_history(table, after, clock.now()):
            return 0
        history = sources.get_history(table, arrival.key)
    raise CatalogueError(f"{sources.source_id(arrival.key)}: written by too many others at once")


def _settle(s3: S3Client, table: Table, bucket: str, before: History, after: History) -> int:
    """Apply what a key's history says since it was changed, and forget what has been applied."""
    changed, unfit = _follow(s3, table, bucket, _changed(before, after))
    while unfit:
        # What the annotations before them say counts then.
        fitting = after
        for reference in unfit:
            after = _note_unfit(s3, table, bucket, after.key, reference)
        more, unfit = _follow(s3, table, bucket, _changed(fitting, after))
        changed += more
    matched = matching.match(after.uploads, after.references)
    applied = [each for each in after.references if each.annotation and matched[each.order]]
    for reference in applied:
        _forget_under_later_names(s3, table, bucket, after.key, reference, matched[reference.order])
    _leave_to_earlier_name(s3, table, bucket, after.key, applied)
    if applied:
        Known(s3, table, bucket, [after.key]).record(after.key, _released)
    return changed


def _released(history: History) -> History:
    """The history without what the annotations say that were applied."""
    waiting = matching.waiting(history)
    return replace(
        history,
        references=tuple(
            each if each.order in waiting else replace(each, annotation=None) for each in history.references
        ),
    )


def _changed(before: History, after: History) -> dict[str, matching.Statement]:
    """The statements of the history that are new; all of them if nothing has changed.

    Then this is the second time, and the statements of the first time may not have been applied.
    """
    statements = matching.statements(after)
    if before == after:
        return statements
    earlier = matching.statements(before)
    return {image: now for image, now in statements.items() if _key(earlier.get(image)) != _key(now)}


def _key(statement: matching.Statement | None) -> object:
    return statement and (statement.reference.order, statement.reference.unfit, statement.is_open)


def _follow(
    s3: S3Client, table: Table, bucket: str, statements: Mapping[str, matching.Statement]
) -> tuple[int, list[Reference]]:
    """Label images, or put them into conflict, as the history of their key says.

    Returns:
        how many that changed, and the annotations that do not fit; `rejected/` says why.
    """
    changed, unfit = 0, list[Reference]()
    for image, statement in statements.items():
        reference, broken = statement.reference, list[BrokenLineError]()
        if statement.is_open:
            changed += _put_into_conflict(table, image, reference)
        # What is not kept was applied.
        elif reference.annotation:
            try:
                changed += _label(table, image, reference, broken.append).labels_changed
            except BrokenLineError as error:
                broken = [error]
                unfit.append(reference)
            if broken:
                rejections.write_unfit_annotation(s3, bucket, _as_pending(reference), broken)
    return changed, unfit


def _as_pending(reference: Reference) -> PendingAnnotation:
    assert reference.annotation  # noqa: S101
    return PendingAnnotation(
        reference.annotation, reference.order, reference.manifest_key, reference.line, ""
    )


def _note_unfit(s3: S3Client, table: Table, bucket: str, key: str, reference: Reference) -> History:
    unfit = replace(reference, annotation=None, unfit=True)
    known = Known(s3, table, bucket, [key])
    return known.record(key, lambda history: _with_replaced(history, unfit))[1]


# Annotations that go by several names


def _leave_to_earlier_name(  # noqa: PLR0917 clients, and what is to be left where
    s3: S3Client,
    table: Table,
    bucket: str,
    key: str,
    references: Iterable[Reference],
    pending: bool = False,
) -> None:
    """Take those annotations from a key that have an earlier name under which something came.

    Args:
        pending: whether they wait; otherwise they no longer count as pending under their earlier names.
    """
    for reference in references:
        earlier = reference.names[: reference.names.index(key)]
        if not earlier:
            continue
        known = Known(s3, table, bucket, earlier)
        name = next((name for name in earlier if known.has_uploads(name)), None)
        if name:
            history = known.history(name)
            matched = matching.match(history.uploads, history.references).get(reference.order)
            _forget_under_later_names(s3, table, bucket, name, reference, matched or frozenset())
        elif not pending:
            with_applied = partial(_with_applied, order=reference.order)
            for name in earlier:
                known.record(name, with_applied)


def _with_applied(history: History, order: str) -> History:
    return replace(
        history,
        references=tuple(
            replace(each, applied=True) if each.order == order else each for each in history.references
        ),
    )


def _forget_under_later_names(  # noqa: PLR0917 clients, and what is to be forgotten where
    s3: S3Client, table: Table, bucket: str, key: str, reference: Reference, images: frozenset[str]
) -> None:
    """Take an annotation from the keys that it names after this one; images labelled by it are open now."""
    later = reference.names[reference.names.index(key) + 1 :]
    if not later:
        return
    known = Known(s3, table, bucket, later)
    for name in later:
        before, _ = known.record(name, lambda history: _without(history, reference.order))
        labelled = {upload.sha256 for upload in before.uploads if upload.sha256} - images
        for image in labelled:
            _put_into_conflict(table, image, reference, only_if_labelled_by_it=True)


def _without(history: History, order: str) -> History:
    kept = tuple(each for each in history.references if each.order != order)
    return replace(history, references=kept)


# Images


def _label(
    table: Table,
    sha256: str,
    reference: Reference,
    on_broken_box: BrokenBoxHandler,
    read: CatalogueImage | None = None,
) -> Change:
    """Label an image as an annotation says, unless it was labelled by a later one.

    Args:
        read: the image as it was read just before, if it was.

    Raises:
        BrokenLineError: the annotation does not fit the image.
    """
    assert reference.annotation  # noqa: S101
    annotation, problems = reference.annotation, list[tuple[str, str]]()

    def annotated(image: CatalogueImage | None) -> CatalogueImage:
        if image is None:
            raise CatalogueError(f"{catalogue_images.image_id(sha256)} has a source but is not there")
        fitting, problems[:] = manifests.fit(annotation, image.width, image.height, is_cut=image.is_original)
        if problems and not fitting.boxes:
            raise BrokenLineError(reference.line, *problems[0])
        return _annotated(image, fitting, reference.order)

    change = catalogue_images.update_image(table, sha256, annotated, read=read)
    for problem in problems:
        on_broken_box(BrokenLineError(reference.line, *problem))
    return change


def _annotated(image: CatalogueImage, annotation: Annotation, order: str) -> CatalogueImage:
    if order <= image.annotation_order:
        return image
    return replace(
        image,
        # Also with nothing on it: somebody looked, and need not be asked again. Snapshots leave it out.
        status=catalogue_images.unless_excluded(image, "labelled"),
        conflict_reason="",
        kind=annotation.kind,
        labels=annotation.labels,
        boxes=annotation.boxes,
        label_origin="annotation",
        annotation_order=order,
        requested_dataset_type=annotation.requested_dataset_type or image.requested_dataset_type,
    )


def _put_into_conflict(
    table: Table, sha256: str, reference: Reference, *, only_if_labelled_by_it: bool = False
) -> bool:
    """Say of an image that an annotation may be for it or for another, unless a later one labelled it."""

    def in_conflict(image: CatalogueImage | None) -> CatalogueImage:
        if image is None:
            raise CatalogueError(f"{catalogue_images.image_id(sha256)} has a source but is not there")
        is_earlier = reference.order < image.annotation_order
        if is_earlier or (only_if_labelled_by_it and reference.order != image.annotation_order):
            return image
        return replace(
            image,
            status=catalogue_images.unless_excluded(image, "conflict"),
            conflict_reason=_conflict_reason(image, reference),
            kind=None,
            labels=(),
            boxes=(),
            label_origin="",
            annotation_order=reference.order,
        )

    return catalogue_images.update_image(table, sha256, in_conflict).labels_changed


def _conflict_reason(image: CatalogueImage, reference: Reference) -> str:
    return (
        f"line {reference.line} of {reference.manifest_key.partition(PARTS)[0]} names {reference.names[0]},"
        " under which several files came, and can be for this one or for another: if it is for the last one,"
        f" upload the annotations again; if it is for this one, name {image.key} in them, or use"
        " `labelloop images relabel`"
    )
