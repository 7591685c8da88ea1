"""The shadow gate: what a challenger's endpoint has to show beside the champion's before it serves."""

from __future__ import annotations

from lambdas.domain.shared.scores import Scores, Verdict
from lambdas.domain.shared.tuning import Tuning


def judge(challenger: Scores, champion: Scores | None, tuning: Tuning) -> Verdict:
    """The shadow gate's verdict on the scores of both versions' endpoints on the same test images.

    Without a champion the challenger is held to the evaluation gate's overall F1: its endpoint has to do
    what its training promised.
    """
    if champion is None:
        passed = challenger.f1 >= tuning.min_f1
        relation = "reaches" if passed else "is below"
        reason = (
            f"F1 {challenger.f1:.3f} through the endpoint {relation} {tuning.min_f1:.3f}; no champion yet"
        )
        return Verdict("shadow", passed, (reason,))
    failures = []
    if challenger.f1 < champion.f1 - tuning.f1_tolerance:
        failures.append(
            f"F1 {challenger.f1:.3f} through the endpoint is more than {tuning.f1_tolerance:.3f}"
            f" below the champion's {champion.f1:.3f}"
        )
    before = {label.label: label.f1 for label in champion.labels}
    for label in challenger.labels:
        if label.label in before and label.f1 < before[label.label] - tuning.label_f1_tolerance:
            failures.append(
                f"{label.label}: F1 {label.f1:.3f} is more than {tuning.label_f1_tolerance:.3f}"
                f" below the champion's {before[label.label]:.3f}"
            )
    passed_words = f"F1 {challenger.f1:.3f} through the endpoint, champion's {champion.f1:.3f}"
    return Verdict("shadow", not failures, tuple(failures) or (passed_words,))


def judge_rollback(scores: Scores) -> Verdict:
    """A verdict that passes: a rollback is a person's decision, the older version only has to answer."""
    return Verdict("rollback", True, (f"asked for by a person; F1 {scores.f1:.3f} through the endpoint",))
