"""The snapshot builder: rows of the catalogue become manifests, by way of files.

Two passes, because an image's dataset depends on the images that come after it. The first writes what each
image contributes to a file and keeps in memory what deciding needs; the second deals the file's lines out.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.domain.catalogue.snapshot_rows import Row
from lambdas.domain.catalogue.split_ledger import Ledger
from lambdas.domain.shared.annotation import DATASET_TYPES, DatasetType, Kind
from lambdas.domain.snapshot.assignment import Assignment, Images
from lambdas.domain.snapshot.split import BACKGROUND, NOTHING_ON_IMAGE

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

KINDS: tuple[Kind, Kind] = ("detection", "classification")


@dataclass(frozen=True)
class Written:
    """What the manifests hold: images and bytes by dataset type, and hashes of the content."""

    content: str
    with_objects: str
    """Of the entries with something on the image, which are those that Custom Labels learns from."""
    images: Counter[DatasetType]
    bytes: Counter[DatasetType]


class SnapshotBuilder:
    """Collects the labelled images, each kind by itself, and writes those of one kind."""

    def __init__(self, folder: Path, bucket: str, cutoff: str) -> None:
        self._folder, self._bucket, self._cutoff = folder, bucket, cutoff
        self._images = {kind: Images() for kind in KINDS}
        self.origins = {kind: Counter[str]() for kind in KINDS}
        """Images by where their labels come from; empty: that is not on record."""
        self.people = {kind: Counter[str]() for kind in KINDS}
        """Images by whose labels they have."""
        self._without_label = 0
        """Images of which somebody said that none of the image-level labels fits."""

    @property
    def kind(self) -> Kind:
        """The kind of the snapshot: that of more images with something on them."""
        return max(KINDS, key=self._with_objects)

    def collect(self, rows: Iterable[Row]) -> None:
        """Take over all that was labelled before the cutoff.

        A detection's images with nothing on them are backgrounds; a classification has no use for them.

        Args:
            rows: in the order of their hashes.
        """
        with ExitStack() as stack:
            files = {kind: stack.enter_context(self._collected(kind).open("w")) for kind in KINDS}
            for row in rows:
                if row.changed_at > self._cutoff:
                    continue
                if not row.labels and row.kind == "classification":
                    self._without_label += 1
                    continue
                self._images[row.kind].add(row)
                self.origins[row.kind][row.label_origin] += 1
                if row.labelled_by:
                    self.people[row.kind][row.labelled_by] += 1
                files[row.kind].write(row.manifest_line(self._bucket) + _image_line(row))

    def assign(self, ledger: Ledger) -> Assignment:
        """Assign the images of the snapshot's kind; those of the other are not in it."""
        return Assignment(self._images[self.kind], ledger)

    def write(self, assignment: Assignment) -> Written:
        """Write `manifest` and `images` of both datasets."""
        images: Counter[DatasetType] = Counter()
        sizes: Counter[DatasetType] = Counter()
        digests = {dataset_type: hashlib.sha256() for dataset_type in DATASET_TYPES}
        with_objects = {dataset_type: hashlib.sha256() for dataset_type in DATASET_TYPES}
        backgrounds = {
            number
            for number, labels in enumerate(self._images[self.kind].label_sets())
            if labels == (BACKGROUND,)
        }
        with ExitStack() as stack:
            lines = stack.enter_context(self._collected(self.kind).open())
            manifests = {
                dataset_type: stack.enter_context(self.manifest(dataset_type).open("w"))
                for dataset_type in DATASET_TYPES
            }
            beside = {
                dataset_type: stack.enter_context(self.images(dataset_type).open("w"))
                for dataset_type in DATASET_TYPES
            }
            for index in range(len(self._images[self.kind])):
                entry, image = itertools.islice(lines, 2)
                dataset_type = assignment.dataset_type(index)
                manifests[dataset_type].write(entry)
                encoded = entry.encode()
                digests[dataset_type].update(encoded)
                if self._images[self.kind].label_set(index) not in backgrounds:
                    with_objects[dataset_type].update(encoded)
                sizes[dataset_type] += len(encoded)
                beside[dataset_type].write(_with_group(image, assignment.group(index)))
                images[dataset_type] += 1
        return Written(_both(digests), _both(with_objects), images, sizes)

    def manifest(self, dataset_type: DatasetType) -> Path:
        """Where the manifest of this dataset is written."""
        return self._folder / f"{dataset_type}.manifest"

    def images(self, dataset_type: DatasetType) -> Path:
        """Where what else is known of its images is written."""
        return self._folder / f"{dataset_type}.images.jsonl"

    def left_out(self) -> dict[str, int]:
        """Labelled images that are not in it, by reason."""
        others = [kind for kind in KINDS if kind != self.kind]
        backgrounds = sum(self._images[kind].backgrounds for kind in others)
        reasons = {
            f"not of the dataset's kind, {self.kind}": sum(map(self._with_objects, others)),
            NOTHING_ON_IMAGE: backgrounds + self._without_label,
        }
        return {reason: count for reason, count in reasons.items() if count}

    def _with_objects(self, kind: Kind) -> int:
        return len(self._images[kind]) - self._images[kind].backgrounds

    def _collected(self, kind: Kind) -> Path:
        return self._folder / f"{kind}.collected"


def _both(digests: Mapping[DatasetType, Hash]) -> str:
    return hashlib.sha256(
        b"".join(digests[dataset_type].digest() for dataset_type in DATASET_TYPES)
    ).hexdigest()


def _image_line(row: Row) -> str:
    """The line of an image beside its entry: nothing in it would be written otherwise by json."""
    # Tiles of one image are kept together as near-duplicates are, and are none.
    group = '"group": ""' if row.is_tile else '"group":""'
    return (
        f'{{"key":"{row.key}","width":{row.width},"height":{row.height},'
        f'"perceptual_hash":"{row.perceptual_hash}",{group},"changed_at":"{row.changed_at}"}}\n'
    )


def _with_group(image_line: str, group: str) -> str:
    return image_line.replace('"group":""', f'"group":"{group}"', 1) if group else image_line
