"""What arrives is counted exactly once, whatever comes twice and whoever counts."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.client import BaseClient
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.drift import counting, counts, observations
from lambdas.domain.drift.counts import BOUNDS, FEATURES, Counts, bin_of, median
from lambdas.domain.drift.observations import Observation, look_of
from tests.fixtures.deployment import World

NOW = "2026-11-28T12:07:00.000000Z"


def seen(name: str, at: str = "2026-11-28T11:55:00.000000Z", **changed: Any) -> Observation:
    values: dict[str, Any] = {
        "name": name,
        "at": at,
        "version": "v1",
        "source": "detect",
        "key": f"detect/{name}.jpg",
        "version_id": "",
        "is_unsure": False,
        "labels": {"cat": 2, "dog": 1},
        "confidence": 91.5,
        "size": 0.25,
        "thresholds": observations.thresholds_name({}),
    }
    return Observation(**(values | changed))


def counted(world: World, version: str = "v1") -> Counts:
    return counts.merged(counting.counts_of(world.observations, version).values())


def test_an_answer_looks_as_its_detections_do() -> None:
    box = {"left": 0.1, "top": 0.1, "width": 0.4, "height": 0.1}
    look = look_of(
        [
            {"label": "cat", "confidence": 90.0, "box": box},
            {"label": "cat", "confidence": 70.0, "box": {**box, "width": 0.1}},
            {"label": "dog", "confidence": 50.0},
        ]
    )
    assert (look.labels, look.confidence, look.size) == ({"cat": 2, "dog": 1}, 70.0, 0.15)
    assert (look_of([]).labels, look_of([]).confidence, look_of([]).size) == ({}, None, None)


def test_the_same_thresholds_have_the_same_name() -> None:
    name = observations.thresholds_name({"cat": 70, "dog": 60.5})
    assert name == observations.thresholds_name({"dog": 60.5, "cat": 70.0})
    assert name != observations.thresholds_name({"cat": 70})


def test_an_observation_is_kept_once_and_as_it_was_first(world: World) -> None:
    first = seen("a", confidence=None, size=None, labels={})
    for again in (first, seen("a", at="2026-11-28T12:01:00.000000Z")):
        world.observations.note(again)
    assert list(world.observations.of_slot("2026-11-28T11:5")) == [first]
    assert list(world.observations.of_slot("2026-11-28T12:0")) == []
    item: Any = world.observations.table.get_item(Key={"id": "a", "part": "image"})["Item"]
    assert item["expires_at"] - 8 * 24 * 3600 == 1795866900


def test_what_arrives_is_counted_by_day_version_and_thresholds(world: World) -> None:
    name = observations.thresholds_name({"cat": 80.0})
    for one in (
        seen("a"),
        seen("b", is_unsure=True, labels={"cat": 1}, confidence=55.0),
        seen("c", source="applications", labels={}, confidence=None, size=None),
        seen("d", version="v2"),
        seen("e", thresholds=name),
        seen("f", at="2026-11-28T12:03:00.000000Z"),
    ):
        world.observations.note(one)
    assert counting.count_arrivals(world.observations, NOW) == 5, "the last ten minutes are not over"
    known = counting.counts_of(world.observations, "v1")
    assert [day for day, _ in known] == ["2026-11-28", "2026-11-28"]
    usual = known["2026-11-28", observations.thresholds_name({})]
    assert (usual.images, usual.labels) == (3, {"cat": 2, "dog": 1})
    assert usual.kinds == {"detect#sure": 3, "detect#unsure": 1, "applications#sure": 0}
    assert usual.label_kinds["cat"] == {"detect#sure": 2, "detect#unsure": 1}
    assert [example.key for example in usual.examples] == ["detect/a.jpg", "detect/b.jpg", "detect/c.jpg"]
    assert usual.bins["detections"].total() == 3
    assert usual.bins["confidence"].total() == 2
    assert known["2026-11-28", name].images == 1
    assert counted(world, "v2").images == 1


def test_nothing_is_counted_twice_and_what_came_later_is_added(world: World) -> None:
    world.observations.note(seen("a"))
    assert counting.count_arrivals(world.observations, NOW) == 1
    assert counting.count_arrivals(world.observations, NOW) == 0
    world.observations.note(seen("b", at="2026-11-28T12:03:00.000000Z"))
    assert counting.count_arrivals(world.observations, "2026-11-28T12:17:00.000000Z") == 1
    assert counted(world).images == 2


def test_of_two_functions_that_count_at_once_one_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.observations.note(seen("a"))
    call, has_begun = BaseClient._make_api_call, False  # pyrefly: ignore[missing-attribute]

    def quicker(self: Any, operation: str, request: Any) -> Any:
        nonlocal has_begun
        if operation == "TransactWriteItems" and not has_begun:
            has_begun = True
            counting.count_arrivals(world.observations, NOW)
        return call(self, operation, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", quicker)
    assert counting.count_arrivals(world.observations, NOW) == 0
    assert has_begun
    assert counted(world).images == 1


def test_a_function_that_was_broken_for_days_catches_up(world: World) -> None:
    counting.count_arrivals(world.observations, "2026-11-25T12:07:00.000000Z")
    world.observations.note(seen("a", at="2026-11-25T12:09:00.000000Z"))
    world.observations.note(seen("b"))
    calls = [counting.count_arrivals(world.observations, NOW) for _ in range(3)]
    assert calls == [1, 1, 0]
    assert counted(world).images == 2


@given(
    st.lists(
        st.builds(
            seen,
            st.text("abc", min_size=1, max_size=3),
            labels=st.dictionaries(st.sampled_from(["cat", "dog"]), st.integers(1, 300)),
            confidence=st.none() | st.floats(0, 100),
            size=st.none() | st.floats(0, 1),
        ),
        max_size=40,
    ),
    st.integers(0, 40),
)
def test_counts_add_up_in_any_parts_and_survive_being_kept(all_seen: list[Observation], at: int) -> None:
    whole, first, second = Counts(), Counts(), Counts()
    for number, one in enumerate(all_seen):
        whole.add_observation(one)
        (first if number < at else second).add_observation(one)
    parts = [Counts.of_document(part.as_document()) for part in (first, second)]
    together = counts.merged(parts)
    together.examples = whole.examples
    assert together == whole
    for feature in FEATURES:
        assert whole.bins[feature].total() <= whole.images
        middle = median(feature, whole.bins[feature])
        assert (middle is None) == (not whole.bins[feature])


@pytest.mark.parametrize("feature", FEATURES)
def test_every_bound_begins_a_bin(feature: counts.Feature) -> None:
    bounds = BOUNDS[feature]
    assert [bin_of(feature, bound) for bound in bounds] == list(range(1, len(bounds) + 1))
    assert bin_of(feature, 0) == 0
    assert list(bounds) == sorted(bounds)
