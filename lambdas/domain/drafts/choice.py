"""Which images to ask about next: those whose labels tell most about all that are not labelled.

Ridge regression knows how uncertain it is of an image before any label is seen: images that are unlike
the labelled ones are uncertain, and those that are alike share what one of them is told. So the next image
is the one whose label takes most of the uncertainty of all others, weighted by how close the head is to
changing its mind about it (D. A. Cohn, Z. Ghahramani and M. I. Jordan, 1996, "Active Learning with
Statistical Models"). That is uncertainty and variety at once; outliers, which tell nothing about others,
wait.

A share of the images is asked about at random, by the digits of their hashes alone: what is counted of those
holds for all. They are never chosen in any other way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.domain.drafts.head import PENALTY, Head, Matrix


def is_random(sha256: str, share: float) -> bool:
    """Whether an image belongs to those that are only asked about at random."""
    return int(sha256[-8:], 16) / 0x1_0000_0000 < share


def interleaved(chosen: Sequence[str], random: Sequence[str], share: float) -> list[str]:
    """Both in their order, so that of every first ones `share` are random ones, as long as there are both."""
    order: list[str] = []
    first, second = list(chosen)[::-1], list(random)[::-1]
    while first or second:
        turn_of_random = int((len(order) + 1) * share) > int(len(order) * share)
        source = second if second and (turn_of_random or not first) else first
        order.append(source.pop())
    return order


def unsureness(head: Head, features: Matrix) -> Matrix:
    """How close a head is to changing its mind about images, 0 to 1 (images)."""
    scores = head.scores(features)
    if head.exclusive:
        second, first = np.sort(scores, 1)[:, -2:].T
        exclusive: Matrix = 1 - np.clip((first - second) / 2, 0, 1)
        return exclusive
    shares = 1 / (1 + np.exp(-4 * (scores - head.cut)))
    several: Matrix = (4 * shares * (1 - shares)).mean(1)
    return several


def weights_of_objects(counts: Sequence[int]) -> Matrix:
    """What images with so many objects weigh: as much is told by each of them, and weights count squared."""
    weights: Matrix = np.sqrt(np.maximum(1.0, counts))
    return weights


def choose(pool: Matrix, labelled: Matrix, weights: Matrix, count: int) -> list[int]:
    """The rows of the images in the pool to ask about next, the most telling first.

    Args:
        pool: features of the images (images, features).
        labelled: features of images that are labelled; there may be none.
        weights: how unsure the head is of each image in the pool; all alike if there is no head.
        count: how many, at most.
    """
    everything = np.concatenate([labelled, pool])
    inputs = everything - everything.mean(0)
    # Of one length, or whatever is far from everything would come first.
    inputs /= np.maximum(np.linalg.norm(inputs, axis=1, keepdims=True), 1e-6)
    known, inputs = inputs[: len(labelled)], inputs[len(labelled) :]
    uncertainty = inputs @ inputs.T + 1
    if len(known):
        shared = inputs @ known.T + 1
        inverse = np.linalg.inv(known @ known.T + 1 + PENALTY * np.eye(len(known)))
        uncertainty -= shared @ inverse @ shared.T
    rows: list[int] = []
    left: NDArray[np.bool_] = np.ones(len(pool), bool)
    for _ in range(min(count, len(pool))):
        own = uncertainty.diagonal()
        removed = left @ uncertainty**2 - own**2
        gain = removed / (own + PENALTY) * weights**2
        row = int(np.where(left, gain, -1.0).argmax())
        rows.append(row)
        left[row] = False
        column = uncertainty[:, row].copy()
        uncertainty -= np.outer(column, column) / (column[row] + PENALTY)
    return rows
