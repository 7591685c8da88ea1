"""Images that look alike, found by their perceptual hashes.

Two hashes of 64 bits that differ in up to 4 are equal in at least two of six bands of bits, so that only
hashes with two bands in common have to be compared: of 250,000 random ones, few. Where very many have them in
common, each is compared with its nearest neighbours in sorted order alone: time stays near linear, and some
pairs may be missed there.

Of a thousand pictures of one scene by one camera each may be like some other one, and all of them one chain:
groups stop growing at a size, so that such a label does not end up in one dataset.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import combinations

BITS = 64
DISTANCE = 4
"""Bits of a hash in which near-duplicates may differ."""
MIN_SPREAD = 4
"""A picture whose hash has fewer bits set, or fewer unset, is flat: it looks like every other flat one."""

Near = Callable[[int, int], None]

MAX_GROUP = 100
"""Images of a group, unless more than that have just the same hash."""

_BANDS = (
    0x00000000000007FF,
    0x00000000003FF800,
    0x00000001FFC00000,
    0x00000FFE00000000,
    0x003FF00000000000,
    0xFFC0000000000000,
)
_NEIGHBOURS = 64
"""Comparisons for each hash and pair of bands."""


class Groups:
    """Sets of images, by their positions; each begins as a set of its own."""

    def __init__(self, count: int) -> None:
        self._parents = array("L", range(count))
        self._sizes = array("L", [1]) * count

    def first_of(self, position: int) -> int:
        """The lowest position of the set that this one belongs to."""
        parents = self._parents
        while parents[position] != position:
            parents[position] = parents[parents[position]]
            position = parents[position]
        return position

    def join(self, one: int, other: int, limit: int | None = None) -> None:
        """Make one set of two, unless it would have more than `limit` images."""
        one, other = self.first_of(one), self.first_of(other)
        size = self._sizes[one] + self._sizes[other]
        if one != other and (limit is None or size <= limit):
            self._parents[max(one, other)] = min(one, other)
            self._sizes[min(one, other)] = size


def is_flat(value: int) -> bool:
    """Whether a picture with this hash is nobody's near-duplicate."""
    return not MIN_SPREAD <= value.bit_count() <= BITS - MIN_SPREAD


def find(hashes: Sequence[int], near: Near | None = None) -> Groups:
    """Put near-duplicates, and near-duplicates of those, into one group; up to MAX_GROUP of them.

    Args:
        hashes: perceptual hashes, 64 bits each; positions in it are what the groups are made of.
        near: hears of every two different hashes of near-duplicates, of one group or not, perhaps
            several times.
    """
    groups = Groups(len(hashes))
    positions: dict[int, int] = {}
    for position, value in enumerate(hashes):
        if is_flat(value):
            continue
        first = positions.setdefault(value, position)
        if first != position:
            groups.join(first, position)
    for one, other in combinations(_BANDS, 2):
        _join_alike(groups, positions, one | other, near)
    return groups


def _join_alike(groups: Groups, positions: dict[int, int], mask: int, near: Near | None) -> None:
    """Join hashes that differ little, and not in the bits of the mask."""
    last = {value & mask: value for value in positions}
    if len(last) == len(positions):
        return
    alike: dict[int, list[int]] = {}
    for value in positions:
        if (other := last[value & mask]) != value:
            alike.setdefault(value & mask, [other]).append(value)
    for values in alike.values():
        values.sort()
        for index, value in enumerate(values):
            for other in values[index + 1 : index + 1 + _NEIGHBOURS]:
                if (value ^ other).bit_count() <= DISTANCE:
                    groups.join(positions[value], positions[other], MAX_GROUP)
                    if near:
                        near(value, other)
