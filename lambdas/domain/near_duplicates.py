"""Images that look alike, found by their perceptual hashes.

Two hashes of 64 bits that differ in up to 4 are equal in at least one of five bands of bits, so that only
hashes with a band in common have to be compared. Where very many have one in common, each is compared with
its nearest neighbours in sorted order alone: time stays near linear, and some pairs may be missed there.

Of a thousand pictures of one scene by one camera each may be like some other one, and all of them one chain:
groups stop growing at a size, so that such a label does not end up on one side.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

BITS = 64
DISTANCE = 4
"""Bits of a hash in which near-duplicates may differ."""
MIN_SPREAD = 4
"""A picture whose hash has fewer bits set, or fewer unset, is flat: it looks like every other flat one."""

MAX_GROUP = 100
"""Images of a group, unless more than that have just the same hash."""

_MASK = (1 << BITS) - 1
_BANDS = (13, 13, 13, 13, 12)
_NEIGHBOURS = 64
"""Comparisons for each hash and band; 250,000 random hashes have 30 others in a band."""


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


def find(hashes: Sequence[int]) -> Groups:
    """Near-duplicates, and near-duplicates of those, are of one group; up to MAX_GROUP of them.

    Args:
        hashes: perceptual hashes, 64 bits each; positions in it are what the groups are made of.
    """
    groups = Groups(len(hashes))
    positions: dict[int, int] = {}
    for position, value in enumerate(hashes):
        if not MIN_SPREAD <= value.bit_count() <= BITS - MIN_SPREAD:
            continue
        first = positions.setdefault(value, position)
        if first != position:
            groups.join(first, position)
    turned = 0
    for width in _BANDS:
        _join_band(groups, positions, turned, width)
        turned += width
    return groups


def _join_band(groups: Groups, positions: dict[int, int], turned: int, width: int) -> None:
    """Join what is equal in the `width` bits that come first once a hash is turned left by `turned`."""
    back = BITS - turned
    ordered = sorted(_turn(positions, turned))
    same_band = 1 << (BITS - width)
    for index, value in enumerate(ordered):
        for other in ordered[index + 1 : index + 1 + _NEIGHBOURS]:
            differing = value ^ other
            if differing >= same_band:
                break
            if differing.bit_count() <= DISTANCE:
                one, two = _turn((value, other), back)
                groups.join(positions[one], positions[two], MAX_GROUP)


def _turn(values: Iterable[int], left: int) -> list[int]:
    left %= BITS
    return [((value << left) | (value >> (BITS - left))) & _MASK for value in values]
