"""How far boxes lie on each other, and which of one list belong to which of another."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.domain.shared.annotation import Box


def iou(one: Box, other: Box) -> float:
    """Intersection over union, from 0 to 1."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


def matches(ones: Sequence[Box], others: Sequence[Box], least: float) -> list[tuple[int, int]]:
    """Pairs of positions of boxes with one label that overlap by `least` or more, each in one pair at most;
    the best pairs first."""
    pairs = sorted(
        (-overlap, i, j)
        for i, one in enumerate(ones)
        for j, other in enumerate(others)
        if one.label == other.label and (overlap := iou(one, other)) >= least
    )
    found: list[tuple[int, int]] = []
    taken: tuple[set[int], set[int]] = (set(), set())
    for _, i, j in pairs:
        if i not in taken[0] and j not in taken[1]:
            found.append((i, j))
            taken[0].add(i)
            taken[1].add(j)
    return found


def agreement(ones: Sequence[Box], others: Sequence[Box], least: float) -> float:
    """F1 of one list against the other, from 0 to 1; two empty lists agree."""
    if not ones and not others:
        return 1.0
    return 2 * len(matches(ones, others, least)) / (len(ones) + len(others))
