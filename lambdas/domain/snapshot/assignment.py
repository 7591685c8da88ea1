"""Which dataset each image of a snapshot goes to, TRAIN or TEST.

It is the one it is in already, the one that somebody asked for, that of its near-duplicates, or the one that
keeps its labels in both. An image whose label has as many test images as Custom Labels takes goes to TRAIN,
whatever was asked for and whatever it looks like.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lambdas.domain.catalogue.snapshot_rows import Row
from lambdas.domain.catalogue.split_ledger import BUCKETS, AssignedImage, Ledger
from lambdas.domain.shared.annotation import DATASET_TYPES, DatasetType
from lambdas.domain.snapshot import near_duplicates
from lambdas.domain.snapshot.near_duplicates import Groups
from lambdas.domain.snapshot.split import BACKGROUND, Split, Unit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

_NONE = 0
_CODES: dict[str, int] = {"": _NONE, "TRAIN": 1, "TEST": 2}
_TRAIN, _TEST = _CODES["TRAIN"], _CODES["TEST"]
_BOTH = len(DATASET_TYPES)
_HASH_BYTES = 32


class Images:
    """The images of a snapshot as deciding needs them: some 60 bytes each, in the order of their hashes."""

    def __init__(self) -> None:
        self._sha256 = bytearray()
        self.perceptual = array("Q")
        self._labels = array("L")
        self._label_sets: dict[tuple[str, ...], int] = {}
        self._requested = bytearray()
        self.backgrounds = 0
        """How many have nothing on them."""

    def __len__(self) -> int:
        return len(self._requested)

    def add(self, row: Row) -> None:
        self._sha256 += bytes.fromhex(row.sha256)
        # A hash of 0 is that of a flat picture, which is nobody's near-duplicate.
        self.perceptual.append(int(row.perceptual_hash or "0", 16))
        labels = row.labels or (BACKGROUND,)
        self._labels.append(self._label_sets.setdefault(labels, len(self._label_sets)))
        self.backgrounds += not row.labels
        self._requested.append(_CODES[row.requested_dataset_type])

    def sha256(self, index: int) -> str:
        return self._sha256[index * _HASH_BYTES : (index + 1) * _HASH_BYTES].hex()

    def bucket(self, index: int) -> int:
        """Number of the ledger's bucket that it is in."""
        return self._sha256[index * _HASH_BYTES]

    def requested(self, index: int) -> int:
        """The code of the dataset that was asked for; 0 if none was."""
        return self._requested[index]

    def label_set(self, index: int) -> int:
        return self._labels[index]

    def label_sets(self) -> list[tuple[str, ...]]:
        """The sets of labels that there are; `label_set` says which one is whose."""
        return list(self._label_sets)


class Assignment:
    """The images' dataset types, and which images are near-duplicates of each other."""

    def __init__(self, images: Images, ledger: Ledger) -> None:
        self._images, self._ledger = images, ledger
        self._codes = bytearray(len(images))
        self._known = array("Q", images.perceptual)
        """Perceptual hashes of the images, and behind them those of images that are not in the snapshot."""
        self._new: defaultdict[int, list[int]] = defaultdict(list)
        """Images that are not in the ledger yet, by their bucket."""
        self._label_sets = images.label_sets()
        self.split = Split()
        self._look_up()
        self._grant_requests()
        nearest = self._nearest()
        self._groups = near_duplicates.find(self._known, nearest.see if nearest else None)
        if nearest:
            self._follow_near_duplicates(nearest)
        self._members = _members(self._groups, len(self._known))
        self._group_codes = {
            first: {self._codes[member] for member in members} - {_NONE}
            for first, members in self._members.items()
        }
        self._decide()
        self._names = dict(self._named_groups())

    def dataset_type(self, index: int) -> DatasetType:
        return DATASET_TYPES[self._codes[index] - _TRAIN]

    def group(self, index: int) -> str:
        """The name of an image's group of near-duplicates; empty if there is no other one in the snapshot."""
        return self._names.get(self._groups.first_of(index), "")

    def crossing_groups(self) -> int:
        """Groups that are in both datasets: somebody asked for that, or a limit left no other way."""
        present = (self._present(first) for first in self._names)
        return sum(len({self._codes[index] for index in members}) > 1 for members in present)

    def not_as_requested(self) -> int:
        """Images that are not in the dataset that was asked for: they were assigned before, or no room was
        left."""
        images = self._images
        return sum(images.requested(index) not in (_NONE, self._codes[index]) for index in range(len(images)))

    def write(self, table: Table) -> None:
        """Assign the new images for ever.

        Raises:
            CatalogueError: the ledger is full, or another snapshot writes it at the same time.
        """
        for bucket, indices in sorted(self._new.items()):
            new = [
                AssignedImage(
                    self._images.sha256(index), self.dataset_type(index), f"{self._known[index]:016x}"
                )
                for index in indices
            ]
            self._ledger.assign(table, BUCKETS[bucket], new)

    def _look_up(self) -> None:
        """Take over what is decided; what the ledger has beyond the images comes behind them."""
        absent = bytearray()
        index = 0
        for number, bucket in enumerate(BUCKETS):
            assigned = {image.sha256: image for image in self._ledger.bucket(bucket)}
            while index < len(self._images) and self._images.bucket(index) == number:
                image = assigned.pop(self._images.sha256(index), None)
                if image:
                    self._codes[index] = _CODES[image.dataset_type]
                    self.split.count(self._labels(index), image.dataset_type)
                else:
                    self._new[number].append(index)
                index += 1
            self._known.extend(int(image.perceptual_hash, 16) for image in assigned.values())
            absent += bytes(_CODES[image.dataset_type] for image in assigned.values())
        self._codes += absent

    # Deciding is in the order of hashes, whatever the order that images were registered in.

    def _grant_requests(self) -> None:
        for index in self._undecided():
            if requested := self._images.requested(index):
                self._assign(index, requested)

    def _nearest(self) -> _Nearest | None:
        """What finds the decided near-duplicates of undecided images; None if all are decided, or none."""
        undecided = {self._known[index] for index in self._undecided()}
        if not undecided or not any(self._codes):
            return None
        return _Nearest(zip(self._known, self._codes, strict=True), undecided)

    def _follow_near_duplicates(self, nearest: _Nearest) -> None:
        """Images with a decided near-duplicate, of a full group or not, go where that is."""
        for index in self._undecided():
            if code := nearest.code_of(self._known[index]):
                self._assign(index, code)

    def _decide(self) -> None:
        for index in self._undecided():
            if code := self._group_code(index):
                self._assign(index, code)
                self._group_codes[self._groups.first_of(index)].add(self._codes[index])
        units = list(self._units())
        decided = self.split.assign([unit for _, unit in units])
        for (indices, _), given in zip(units, decided, strict=True):
            for index in indices:
                self._codes[index] = _CODES[given]

    def _undecided(self) -> Iterator[int]:
        return (index for new in self._new.values() for index in new if not self._codes[index])

    def _units(self) -> Iterator[tuple[list[int], Unit]]:
        """Undecided images that go to one dataset together, each with those labels that they have."""
        # Few sets of labels are on many images: they share their units.
        alone = [Unit(dict.fromkeys(labels, 1)) for labels in self._label_sets]
        yielded: set[int] = set()
        for index in self._undecided():
            first = self._groups.first_of(index)
            members = self._members.get(first)
            if members is None:
                yield [index], alone[self._images.label_set(index)]
                continue
            # Once for each group: thousands of images may be alike.
            if first in yielded:
                continue
            yielded.add(first)
            undecided = [member for member in members if not self._codes[member]]
            yield undecided, Unit(Counter(label for member in undecided for label in self._labels(member)))

    def _labels(self, index: int) -> tuple[str, ...]:
        return self._label_sets[self._images.label_set(index)]

    def _assign(self, index: int, code: int) -> None:
        labels = self._labels(index)
        if code == _TEST and not self.split.has_room(dict.fromkeys(labels, 1)):
            code = _TRAIN
        self._codes[index] = code
        self.split.count(labels, DATASET_TYPES[code - _TRAIN])

    def _group_code(self, index: int) -> int:
        """The code of the images that are near-duplicates of its near-duplicates.

        It is that of the one most like it where they are in both datasets, and 0 where they are in none.
        """
        first = self._groups.first_of(index)
        codes = self._group_codes.get(first, ())
        if len(codes) < _BOTH:
            return min(codes, default=_NONE)
        own, decided = self._known[index], (m for m in self._members[first] if self._codes[m])
        return min(((own ^ self._known[m]).bit_count(), self._codes[m]) for m in decided)[1]

    def _named_groups(self) -> Iterator[tuple[int, str]]:
        """Groups with several images in the snapshot, by the first of their members."""
        for first in self._members:
            present = self._present(first)
            if len(present) > 1:
                yield first, self._images.sha256(present[0])[:16]

    def _present(self, first: int) -> list[int]:
        return [member for member in self._members[first] if member < len(self._images)]


class _Nearest:
    """Of each perceptual hash of undecided images, the dataset types of the decided ones most like it."""

    def __init__(self, codes: Iterable[tuple[int, int]], undecided: set[int]) -> None:
        """Args: codes: hashes and codes of all images. undecided: the hashes of those without a code."""
        self._undecided = undecided
        self._decided: dict[int, int] = {}
        """Codes by hash; those of both datasets add up."""
        self._nearest_codes: dict[int, tuple[int, int]] = {}
        """Bits that differ, and codes, by hash."""
        for hash, code in codes:
            if code and not near_duplicates.is_flat(hash):
                self._decided[hash] = self._decided.get(hash, _NONE) | code

    def see(self, one: int, other: int) -> None:
        """Take note of two hashes of near-duplicates."""
        if one in self._undecided and other in self._decided:
            self._offer(one, other)
        if other in self._undecided and one in self._decided:
            self._offer(other, one)

    def _offer(self, hash: int, decided: int) -> None:
        bits, code = (hash ^ decided).bit_count(), self._decided[decided]
        known, before = self._nearest_codes.get(hash, (bits, _NONE))
        if bits <= known:
            self._nearest_codes[hash] = (bits, code | before if bits == known else code)

    def code_of(self, hash: int) -> int:
        """TRAIN's where two that are equally like it are in both datasets; 0 where there is none."""
        code = self._decided.get(hash) or self._nearest_codes.get(hash, (0, _NONE))[1]
        return _TRAIN if code & _TRAIN else code


def _members(groups: Groups, count: int) -> dict[int, list[int]]:
    """The members of each group of several, by the first of them."""
    members: dict[int, list[int]] = {}
    for position in range(count):
        first = groups.first_of(position)
        if first != position:
            members.setdefault(first, [first]).append(position)
    return members
