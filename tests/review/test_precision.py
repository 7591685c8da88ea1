"""How right the model is: what reviewers say against what it saw, and the interval that holds it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.review.results import precision
from lambdas.domain.review.results.consolidation import Consolidated
from lambdas.domain.review.results.precision import Precision
from lambdas.domain.shared.annotation import Box
from tests.fixtures.workforce_tasks import suggested


@given(st.integers(1, 10_000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_holds_the_share(counts: tuple[int, int]) -> None:
    confirmed, detections = counts
    measured = Precision(confirmed, detections - confirmed, 0, 1)
    assert measured.interval is not None
    assert measured.value is not None
    low, high = measured.interval
    assert 0 <= low <= measured.value + 1e-12
    assert measured.value - 1e-12 <= high <= 1


def test_nothing_is_known_before_there_is_a_detection() -> None:
    assert (Precision(0, 0, 3, 3).value, Precision(0, 0, 3, 3).interval) == (None, None)


def test_detections_are_confirmed_false_or_missed() -> None:
    seen = suggested(("cat", 0, 0, 20, 20), ("cat", 0, 0, 20, 20), ("dog", 50, 50, 20, 20))
    result = Consolidated("labelled", (Box("cat", 1, 1, 20, 20), Box("cow", 50, 50, 20, 20)))
    judged = precision.tally(seen, result, 0.5)
    assert judged.confirmed == {"cat": 1}
    assert judged.false == {"cat": 1, "dog": 1}
    assert judged.missed == {"cow": 1}


def test_labels_of_the_whole_image_count_too() -> None:
    judged = precision.tally(
        suggested(labels=("cat", "dog")), Consolidated("labelled", (), ("cat", "cow")), 0.5
    )
    assert (judged.confirmed, judged.false, judged.missed) == ({"cat": 1}, {"dog": 1}, {"cow": 1})


def test_nothing_makes_every_detection_false_and_unusable_judges_none() -> None:
    seen = suggested(("cat", 0, 0, 20, 20))
    assert precision.tally(seen, Consolidated("nothing"), 0.5).false == {"cat": 1}
    judged = precision.tally(seen, Consolidated("unusable"), 0.5)
    assert not (judged.confirmed or judged.false or judged.missed)
