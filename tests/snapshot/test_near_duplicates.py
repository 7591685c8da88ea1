from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.snapshot import near_duplicates
from lambdas.domain.snapshot.near_duplicates import BITS, DISTANCE, MAX_GROUP, MIN_SPREAD

FEW = settings(max_examples=60)
HASHES = st.integers(0, 2**BITS - 1)
SPREAD = HASHES.filter(
    lambda value: MIN_SPREAD + DISTANCE <= value.bit_count() <= BITS - MIN_SPREAD - DISTANCE
)


def groups(hashes: list[int]) -> list[int]:
    """The first of its group, for each hash."""
    groups = near_duplicates.find(hashes)
    return [groups.first_of(position) for position in range(len(hashes))]


def slowly(hashes: list[int]) -> list[int]:
    """The same by comparing everything with everything."""
    firsts = list(range(len(hashes)))
    flat = [not MIN_SPREAD <= value.bit_count() <= BITS - MIN_SPREAD for value in hashes]
    for one, first in enumerate(hashes):
        for other, second in enumerate(hashes[:one]):
            if (first ^ second).bit_count() <= DISTANCE and not flat[one] and not flat[other]:
                low, high = sorted((firsts[one], firsts[other]))
                firsts = [low if first == high else first for first in firsts]
    return firsts


@pytest.mark.long
@FEW
@given(
    st.lists(HASHES, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.sets(st.integers(0, 63), max_size=6))),
)
def test_all_near_duplicates_are_found(originals: list[int], copies: list[tuple[int, set[int]]]) -> None:
    hashes = list(originals)
    for original, bits in copies:
        if original < len(originals):
            hashes.append(hashes[original] ^ sum(1 << bit for bit in bits))
    assert groups(hashes) == slowly(hashes)


@FEW
@given(SPREAD, st.sets(st.integers(0, 63), min_size=DISTANCE, max_size=DISTANCE + 1))
def test_the_distance_decides_whichever_the_bits(value: int, bits: set[int]) -> None:
    other = value ^ sum(1 << bit for bit in bits)
    assert groups([value, other]) == ([0, 0] if len(bits) == DISTANCE else [0, 1])


def test_flat_pictures_are_nobody_s_near_duplicates() -> None:
    full = 2**BITS - 1
    assert groups([0, 0, 0b111, full, full, full ^ 0b111]) == [0, 1, 2, 3, 4, 5]
    assert groups([0b1111, 0b1111]) == [0, 0]


def test_near_duplicates_of_near_duplicates_are_of_the_group() -> None:
    first = 0xFFFF0000FFFF0000
    assert groups([first, first ^ 0xF, first ^ 0xFF, 0x123456789ABCDEF0, first ^ 0xF]) == [0, 0, 0, 3, 0]


@pytest.mark.long
def test_a_long_chain_is_several_groups() -> None:
    """Each is like the next one, and the first is not like the last."""
    chain = [0x0F0F0F0F0F0F0F0F ^ (number ^ number >> 1) << 20 for number in range(1000)]
    assert all((one ^ other).bit_count() == 1 for one, other in pairwise(chain))
    sizes = Counter(groups(chain)).values()
    assert max(sizes) <= MAX_GROUP
    assert len(sizes) < 100


def test_the_same_hash_is_the_same_group_however_many_have_it() -> None:
    assert set(groups([0x0F0F0F0F0F0F0F0F] * 3 * MAX_GROUP)) == {0}


def test_many_with_bands_in_common_are_compared_with_few() -> None:
    """Counted, not timed: without a bound these would be 12 million comparisons."""
    compared = 0

    class Counting(int):
        def __xor__(self, other: int) -> int:
            nonlocal compared
            compared += 1
            return int(self) ^ int(other)

    hashes = [Counting(0x1ABCDE << 42 | number * 0x9E3779B97F4A7 % 2**42) for number in range(5000)]
    near_duplicates.find(hashes)
    assert 5000 < compared <= 5000 * 15 * near_duplicates._NEIGHBOURS
