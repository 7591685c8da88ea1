"""Whether a challenger may replace the champion, by what both saw on the same test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from lambdas.domain.shared.comparison import Comparison
from lambdas.domain.shared.frozen import frozen

WAY_ON = "`labelloop train --force` tries again, `labelloop rollback` makes the challenger serve all the same"
"""What helps a challenger that was refused beside the champion."""


@frozen
class Decision:
    """Whether the challenger may replace the champion, and why in words."""

    passed: bool
    why: str
    needed: Mapping[str, int] = field(default_factory=dict)
    """Of which labels about how many more test images would settle what is undecided; else nothing."""


def decide(shadow: Comparison | None, evaluation: Comparison | None, undecided: str) -> Decision | None:
    """The decision by the two measures that there may be; None if there is neither.

    The challenger is refused if one measure shows it to be worse, or both measure it as worse, be that chance
    or not. Else that measure decides which covers more labels, then more images: which one that is hangs on
    the images alone and not on what was seen on them, so that a challenger has one chance to pass by luck and
    not two.

    Args:
        shadow: the comparison through the endpoints.
        evaluation: that of the trainings' evaluations.
        undecided: what happens where the images cannot tell, as the setting says.
    """
    measures = [measure for measure in (shadow, evaluation) if measure]
    if not measures:
        return None
    for measure in measures:
        if measure.is_surely_worse:
            return Decision(False, measure.conclusion)
    if len(measures) > 1 and all(measure.is_worse for measure in measures):
        return Decision(False, "worse by both measures, be that chance or not")
    measure = max(measures, key=lambda measure: (measure.labels, measure.images))
    if measure.is_surely_no_worse:
        return Decision(True, measure.conclusion)
    if undecided == "keep":
        outcome, passed = "until then the champion stays (undecided: keep)", False
    elif measure.is_worse:
        outcome, passed = "it is measured worse, so the champion stays (undecided: better)", False
    else:
        outcome, passed = "it is not measured worse, so it may serve (undecided: better)", True
    return Decision(passed, f"{measure.conclusion}; {outcome}", measure.needed)
