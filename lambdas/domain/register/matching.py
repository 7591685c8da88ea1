"""Matching: which upload to a key each annotation that names the key is for.

An annotation names a key, and a key can be many images one after the other. Only names and times are known,
so that these are the rules. Uploads of one content that follow each other are one candidate.

- An annotation is for what lay under the key when the annotation was uploaded.
- If nothing did, it is for the first upload after it.
- Once another image was uploaded to the key, an annotation between the two can be a correction of the one or
  written for the other. It is for the one before if it is the first after it, and if no annotation before can
  have come before its image, as the first of all may, or the second between two images. Otherwise it stays
  open between the two.
- It stays open, too, between uploads of the same second as its own, and where a file that was rejected or
  deleted could be the one that it was written for.

More knowledge makes an annotation that was for one image open, and never for another one instead: so it does
not matter in which order events are handled. Where it is open, each image that it may be for is in conflict,
unless the annotations say the same in any case.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import groupby

from lambdas.domain.catalogue.sources import History, Reference, Upload
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Annotation
from lambdas.domain.shared.frozen import frozen

MAX_UPLOADS = 100
"""Uploads of one key whose order is remembered: the first, which tells whether annotations come before their
images, and the last ones."""
MAX_REFERENCES = 100
"""Annotations of one key that are remembered, beside those that wait: the first and the last ones. Those in
between have had their effect."""
_FIRST_REFERENCES = 10
_SECOND = len("2000-01-01T00:00:00")
_CLOCKS_DIFFER_SECONDS = 60
"""What the clocks of S3 and of a function may differ by."""


@frozen
class Version:
    """An object version as S3 lists it."""

    version_id: str
    at: str
    deleted: bool = False
    """Whether a delete marker lies over it."""


@frozen
class Statement:
    """What a key's history says about an image: its label is this annotation's, or open because of it."""

    reference: Reference
    is_open: bool


def says(annotation: Annotation) -> str:
    """A digest of what an annotation says, whatever image it says it about."""
    values = asdict(replace(annotation, source_bucket="", source_key="", also_key="", file_line=0))
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


# What is known


def with_versions(history: History, versions: Sequence[Version], listed_at: str) -> History:
    """The history with the unregistered versions that S3 lists.

    Args:
        versions: of the key, the oldest first; S3 gives them in their order.
        listed_at: when the listing was asked for, which has to be before the history was read.
    """
    uploads = {upload.version_id: upload for upload in history.uploads}
    last_ranked = max((number for number, each in enumerate(versions) if _rank(uploads, each)), default=-1)
    rank = max((upload.rank for upload in history.uploads), default=0)
    for number, version in enumerate(versions):
        known = uploads.get(version.version_id, Upload(version.version_id, version.at))
        # What a listing knows and the history does not came after all that an earlier listing knew.
        if not known.rank and number > last_ranked:
            rank += 1
            known = replace(known, rank=rank)
        uploads[version.version_id] = replace(
            known, lost=known.lost or (version.deleted and not known.sha256)
        )
    listed = {version.version_id for version in versions}
    for id, upload in uploads.items():
        # What is registered is in the history before it is deleted.
        if id not in listed and not upload.sha256 and _is_before(upload, listed_at):
            uploads[id] = replace(upload, lost=True)
    return replace(history, uploads=tuple(uploads.values()))


def _is_before(upload: Upload, moment: str) -> bool:
    return clock.seconds_between(upload.at, moment) > _CLOCKS_DIFFER_SECONDS


def _rank(uploads: dict[str, Upload], version: Version) -> int:
    known = uploads.get(version.version_id)
    return known.rank if known else 0


def with_upload(history: History, upload: Upload) -> History:
    """The history with what is now known of an upload: which image it is, or that it is lost."""
    known = next((each for each in history.uploads if each.version_id == upload.version_id), upload)
    if known.sha256 and not upload.sha256:
        return history
    known = replace(
        known, sha256=upload.sha256, lost=upload.lost, sequencer=known.sequencer or upload.sequencer
    )
    others = [each for each in history.uploads if each.version_id != upload.version_id]
    return _thinned(replace(history, uploads=(*others, known)))


def with_reference(history: History, reference: Reference) -> History:
    """The history with an annotation, once."""
    if known_reference(history, reference):
        return history
    return _thinned(replace(history, references=(*history.references, reference)))


def known_reference(history: History, reference: Reference) -> Reference | None:
    """The same annotation in the history, also if an event without a sequencer told of its file."""

    def identity(each: Reference) -> object:
        return each.order[:_SECOND], each.manifest_key, each.line, each.says

    return next((each for each in history.references if identity(each) == identity(reference)), None)


def _thinned(history: History) -> History:
    uploads = sorted(history.uploads, key=lambda upload: (upload.at, upload.rank))
    references = sorted(history.references, key=lambda reference: reference.order)
    thinned_until = history.thinned_until
    if len(uploads) > MAX_UPLOADS:
        dropped = uploads[1 : 1 - MAX_UPLOADS]
        uploads = [uploads[0], *(each for each in dropped if not _settled(each)), *uploads[1 - MAX_UPLOADS :]]
        thinned_until = max(thinned_until, dropped[-1].at)
    if len(references) > MAX_REFERENCES:
        middle = references[_FIRST_REFERENCES : _FIRST_REFERENCES - MAX_REFERENCES]
        references = [
            *references[:_FIRST_REFERENCES],
            *(each for each in middle if each.annotation),
            *references[_FIRST_REFERENCES - MAX_REFERENCES :],
        ]
    if len(uploads) == len(history.uploads) and len(references) == len(history.references):
        return history
    return replace(history, uploads=tuple(uploads), references=tuple(references), thinned_until=thinned_until)


def _settled(upload: Upload) -> bool:
    return bool(upload.sha256) or upload.lost


# Whose an annotation is


@frozen
class _Run:
    """Uploads of one content that follow each other, or of several whose order nobody knows."""

    contents: frozenset[str]
    begin: str
    """Second of the first of them."""

    @property
    def is_lost(self) -> bool:
        return self.contents == {LOST}


LOST, _UNKNOWN = "lost", "version "
"""Stand for the content of a lost upload, and with its version id for one that is not known yet."""


def match(uploads: Iterable[Upload], references: Iterable[Reference]) -> dict[str, frozenset[str]]:
    """The contents that each annotation, by its order, may be for; empty while it waits for what is to come.

    A content is the SHA-256 of an image. If one is not known that an annotation may be for, it waits.
    """
    runs, references = _runs(uploads), sorted(references, key=lambda reference: reference.order)
    gaps = {reference.order: _gaps(runs, reference) for reference in references}
    early = _early(gaps)
    matched = {}
    for order, places in gaps.items():
        # An annotation tells of itself in any of its places, and of what comes after it.
        told_by_others = any(other != order and (other < order or 0 in gaps[other]) for other in early)
        contents = frozenset[str]().union(
            *(_contents(runs, gap, gaps, order, told_by_others) for gap in places)
        )
        images = contents - {LOST}
        waits = any(content.startswith(_UNKNOWN) for content in images)
        matched[order] = frozenset() if waits else contents if images else images
    return matched


def _early(gaps: dict[str, range]) -> set[str]:
    """The annotations that may have come before their image: before all, or after another one there."""
    orders = sorted(gaps)
    return {
        order
        for number, order in enumerate(orders)
        if 0 in gaps[order] or any(_overlap(gaps[order], gaps[other]) for other in orders[:number])
    }


def _overlap(first: range, second: range) -> bool:
    return first.start < second.stop and second.start < first.stop


def _runs(uploads: Iterable[Upload]) -> list[_Run]:
    runs: list[_Run] = []
    in_time = sorted(uploads, key=lambda upload: upload.at[:_SECOND])
    for second, group in groupby(in_time, key=lambda upload: upload.at[:_SECOND]):
        for together in _in_order(list(group)):
            contents = frozenset(map(_content, together))
            if not (runs and len(contents) == 1 and runs[-1].contents == contents):
                runs.append(_Run(contents, second))
    return runs


def _in_order(uploads: list[Upload]) -> Iterable[list[Upload]]:
    """The uploads of one second, one after the other; all together if their order is not known."""
    if all(upload.sequencer for upload in uploads):
        # "right pad the shorter value with zeros, and then do a lexicographical comparison",
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
        width = max(len(upload.sequencer) for upload in uploads)
        uploads.sort(key=lambda upload: upload.sequencer.ljust(width, "0").upper())
    elif all(upload.rank for upload in uploads):
        uploads.sort(key=lambda upload: upload.rank)
    else:
        return [uploads]
    return [[upload] for upload in uploads]


def _content(upload: Upload) -> str:
    return upload.sha256 or (LOST if upload.lost else _UNKNOWN + upload.version_id)


def _gaps(runs: Sequence[_Run], reference: Reference) -> range:
    """Where the annotation lies: after how many runs; several numbers if the second does not tell."""
    second = reference.order[:_SECOND]
    return range(sum(run.begin < second for run in runs), sum(run.begin <= second for run in runs) + 1)


def _contents(
    runs: Sequence[_Run], gap: int, gaps: dict[str, range], order: str, others_are_early: bool
) -> frozenset[str]:
    """The contents that an annotation may be for, if it lies after so many runs."""
    if not runs:
        return frozenset()
    nearest = max(gap, 1)
    also_next = nearest < len(runs) and (
        runs[nearest - 1].is_lost
        or any(order > other and gap in gaps[other] for other in gaps)
        or (gap > 0 and others_are_early)
    )
    return frozenset[str]().union(*(run.contents for run in runs[nearest - 1 : nearest + also_next]))


def waiting(history: History) -> set[str]:
    """The orders of the annotations that wait for an image."""
    return {order for order, contents in match(history.uploads, history.references).items() if not contents}


def statements(history: History) -> dict[str, Statement]:
    """What the key's history says about each image, by its SHA-256."""
    matched = match(history.uploads, history.references)
    by_image: dict[str, Statement] = {}
    for reference in sorted(history.references, key=lambda reference: reference.order):
        contents = matched[reference.order]
        for image in contents - {LOST}:
            before = by_image.get(image)
            is_open = len(contents) > 1 and not (
                before and not before.is_open and before.reference.says == reference.says
            )
            if is_open or not reference.unfit:
                by_image[image] = Statement(reference, is_open)
    return by_image
