from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.images import tiles
from lambdas.domain.images.tiles import Tile, TilePlan, Tiling
from lambdas.domain.shared import merging
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import iou

SIDE, OVERLAP = 200, 60


def _plan(width: int = 700, height: int = 500) -> TilePlan:
    plan = tiles.plan(width, height, tiling=Tiling(SIDE, OVERLAP, tile=True))
    assert plan
    return plan


def _answer(tile: Tile, boxes: Sequence[Box], *, visible: float = 0.0) -> list[dict[str, Any]]:
    """What a perfect detector sees of some objects in a tile, cut off at its borders."""
    labels = []
    for number, box in enumerate(boxes):
        left, top = max(box.left, tile.left), max(box.top, tile.top)
        right, bottom = min(box.left + box.width, tile.right), min(box.top + box.height, tile.bottom)
        if right <= left or bottom <= top:
            continue
        if (right - left) * (bottom - top) < visible * box.width * box.height:
            continue
        sides = {
            "left": (left - tile.left) / tile.width,
            "top": (top - tile.top) / tile.height,
            "width": (right - left) / tile.width,
            "height": (bottom - top) / tile.height,
        }
        labels.append({"label": box.label, "confidence": 90.0 - number / 10, "box": sides})
    return labels


def _merge(plan: TilePlan, boxes: Sequence[Box], *, overview: bool = False) -> list[Box]:
    """What is made of a perfect detector's answers, in pixels."""
    whole = Tile(0, 0, plan.width, plan.height)
    labels = merging.merge(
        (plan.width, plan.height),
        plan.tiles,
        [_answer(tile, boxes) for tile in plan.tiles],
        overview=_answer(whole, boxes) if overview else None,
        overlap=plan.overlap,
    )
    return [_pixels(label, plan) for label in labels]


def _pixels(label: dict[str, Any], plan: TilePlan) -> Box:
    box = label["box"]
    width, height = plan.width, plan.height
    left, top = round(box["left"] * width), round(box["top"] * height)
    return Box(label["label"], left, top, round(box["width"] * width), round(box["height"] * height))


@st.composite
def scenes(draw: st.DrawFn, largest: int = OVERLAP) -> tuple[TilePlan, list[Box]]:
    """A plan, and different objects of two labels, wherever they lie, on each other too."""
    plan = _plan(draw(st.integers(210, 900)), draw(st.integers(100, 900)))
    boxes = draw(
        st.lists(
            st.builds(
                lambda label, w, h, x, y: Box(
                    label, int(x * (plan.width - w)), int(y * (plan.height - h)), w, h
                ),
                st.sampled_from(("bolt", "nut")),
                st.integers(6, largest),
                st.integers(6, largest),
                st.floats(0, 1),
                st.floats(0, 1),
            ),
            max_size=12,
            unique=True,
        )
    )
    return plan, boxes


@given(scenes(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_what_lies_whole_in_some_tile_is_returned_once(
    scene: tuple[TilePlan, list[Box]], overview: bool
) -> None:
    plan, boxes = scene
    assert sorted(_merge(plan, boxes, overview=overview), key=repr) == sorted(boxes, key=repr)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(61, 400), st.integers(61, 300), st.booleans())
@settings(max_examples=50, deadline=None)
def test_an_object_larger_than_the_overlap_is_returned_once(
    x: float, y: float, width: int, height: int, overview: bool
) -> None:
    """With the overview, and without it by its parts."""
    plan = _plan()
    box = Box("bolt", int(x * (700 - width)), int(y * (500 - height)), width, height)
    assert _merge(plan, [box], overview=overview) == [box]


def test_half_an_object_with_another_label_is_left_to_the_tile_that_sees_all_of_it() -> None:
    plan = _plan()
    first, second = plan.tiles[:2]
    whole = Box("bolt", first.right - 20, 50, 40, 40)
    half = Box("nut", first.right - 20, 50, 20, 40)
    answers = [[] for _ in plan.tiles]
    answers[0], answers[1] = _answer(first, [half]), _answer(second, [whole])
    merged = merging.merge((700, 500), plan.tiles, answers, overlap=plan.overlap)
    assert [_pixels(label, plan) for label in merged] == [whole]


@pytest.mark.parametrize("shift", [-3, 0, 3])
def test_a_detector_that_is_not_exact_leaves_no_second_box(shift: int) -> None:
    plan = _plan()
    first, second = plan.tiles[:2]
    seen_whole = Box("bolt", second.left + 10, 50, 40, 40)
    seen_too = Box("bolt", second.left + 10 + shift, 48, 40 + shift, 43)
    answers = [[] for _ in plan.tiles]
    answers[0], answers[1] = _answer(first, [seen_whole]), _answer(second, [seen_too])
    merged = [_pixels(each, plan) for each in merging.merge((700, 500), plan.tiles, answers)]
    assert len(merged) == 1
    assert iou(merged[0], seen_whole) > 0.6


def test_the_overview_counts_for_large_objects_alone() -> None:
    plan = _plan()
    answers = [[] for _ in plan.tiles]
    whole = Tile(0, 0, 700, 500)
    small, large = Box("bolt", 10, 10, 50, 50), Box("nut", 100, 100, 300, 50)
    overview = _answer(whole, [small, large])
    merged = merging.merge((700, 500), plan.tiles, answers, overview=overview, overlap=plan.overlap)
    assert [_pixels(label, plan) for label in merged] == [large]


def test_the_tile_has_the_finer_box_of_an_object_that_it_sees_whole() -> None:
    plan = _plan()
    first = plan.tiles[0]
    fine, coarse = Box("bolt", 20, 20, 100, 100), Box("bolt", 12, 12, 110, 110)
    answers = [[] for _ in plan.tiles]
    answers[0] = [{**label, "confidence": 55.0} for label in _answer(first, [fine])]
    overview = _answer(Tile(0, 0, 700, 500), [coarse])
    merged = merging.merge((700, 500), plan.tiles, answers, overview=overview, overlap=plan.overlap)
    assert [_pixels(label, plan) for label in merged] == [fine]


def test_labels_of_the_whole_image_are_its_overviews() -> None:
    plan = _plan()
    answers = [[{"label": "empty", "confidence": 99.0}] for _ in plan.tiles]
    overview = [{"label": "damaged", "confidence": 80.0}]
    merged = merging.merge((700, 500), plan.tiles, answers, overview=overview)
    assert merged == [{"label": "damaged", "confidence": 80.0}]


def test_two_objects_on_each_other_stay_two_where_one_tile_saw_both() -> None:
    plan = _plan()
    first, second = plan.tiles[:2]
    back = Box("bolt", second.left + 10, 50, 40, 40)
    front = Box("bolt", second.left + 14, 52, 40, 40)
    answers = [[] for _ in plan.tiles]
    answers[0], answers[1] = _answer(first, [back]), _answer(second, [front, back])
    merged = [_pixels(each, plan) for each in merging.merge((700, 500), plan.tiles, answers)]
    assert sorted(merged, key=repr) == sorted([back, front], key=repr)
