"""Which test images a shadow evaluation takes, of however many there are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.promote import shadow
from lambdas.domain.promote.scoring import GroundTruth
from lambdas.domain.promote.shadow import ShadowImage

LABELS = st.lists(st.sampled_from(["cat", "dog", "fox", "owl"]), min_size=1, max_size=3, unique=True)


@settings(max_examples=100)
@given(st.lists(LABELS, max_size=40), st.integers(0, 12))
def test_the_first_of_each_label_are_all_that_can_be_chosen(labels: list[list[str]], count: int) -> None:
    images = [
        ShadowImage("bucket", f"images/{number}.jpg", GroundTruth(tuple(sorted(names)), ()))
        for number, names in enumerate(labels)
    ]
    kept = shadow._first_of_each_label(images, count)
    assert len(kept) <= 4 * count
    assert shadow._spread(kept, count) == shadow._spread(images, count)
