"""Bounding boxes of masks and polygons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from faster_coco_eval.core import mask as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.annotations import masks
from lambdas.domain.annotations.problems import AnnotationError


@settings(max_examples=50)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda size: st.lists(
            st.lists(st.booleans(), min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
        )
    )
)
def test_runs_have_the_bounds_that_cocos_own_code_says(rows: list[list[bool]]) -> None:
    pixels = np.array(rows, dtype=np.uint8)
    compressed = oracle.encode(np.asfortranarray(pixels))
    flat = pixels.flatten(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flat, [1 - flat[-1]]))))
    counts = np.diff(np.concatenate(([0], edges))).tolist()
    text = compressed["counts"]
    text = text.decode() if isinstance(text, bytes) else text
    for mask in (
        {"size": list(pixels.shape), "counts": text},
        {"size": list(pixels.shape), "counts": counts},
    ):
        if pixels.any():
            assert masks.bounds(mask) == tuple(oracle.toBbox([compressed])[0])
        else:
            with pytest.raises(AnnotationError, match="covers nothing"):
                masks.bounds(mask)


def test_polygons() -> None:
    assert masks.bounds([[1, 2, 5, 2, 5, 9], [3, 1, 4, 1, 4, 2]]) == (1, 1, 4, 8)
    assert masks.bounds([1, 2, 5, 2, 5, 9]) == (1, 2, 4, 7)


@pytest.mark.parametrize(
    "segmentation",
    [
        *(None, [], "x", 7, [[]], [[1, 2, 3]], [[1, 2, 3, 4, 5, "x"]], [[1, 2, 3, 4, 5, float("nan")]]),
        *(
            {},
            {"size": [2, 2]},
            {"counts": [1]},
            {"size": [0, 2], "counts": [0, 1]},
            {"size": 2, "counts": [0, 1]},
        ),
        *(
            {"size": [2, 2], "counts": counts}
            for counts in ([0, 5], [-1, 2], [0, 1.5], [True], "", "P", "\0", [0, 0])
        ),
        {"size": [10**9, 10**9], "counts": [0, 1]},
        {"size": [2, 2], "counts": [0, 10**30]},
        {"size": [9999, 9999], "counts": "o" * 100_000},
    ],
)
def test_what_is_no_mask(segmentation: Any) -> None:
    with pytest.raises(AnnotationError):
        masks.bounds(segmentation)
