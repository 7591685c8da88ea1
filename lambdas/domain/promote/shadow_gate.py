"""The shadow gate: what a challenger's endpoint has to show beside other versions before it serves."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.domain.rekognition import evaluation_images
from lambdas.domain.shared.comparison import Comparison
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.scores import Scores, Verdict
from lambdas.domain.shared.tuning import Tuning


@frozen
class Rival:
    """A version that serves or has served, and how the challenger compares with it on the same images."""

    name: str
    shadow: Comparison | None
    """Through the endpoints; None if no image is known on which both were asked."""
    evaluation: Comparison | None
    """By their trainings' evaluations; None if no test image was in both with the same labels."""


@frozen
class ChampionAnswers:
    """The champion as a rival, asked about the shadow images now or, where it does not run, some time ago."""

    rival: Rival
    scores: Scores
    challenger: Scores
    """On the same images."""
    is_running: bool
    is_gone: bool = False
    """Rekognition has no such version any more: it will never serve again."""


def judge(
    challenger: Scores, champion: ChampionAnswers | None, earlier: Sequence[Rival], tuning: Tuning
) -> Verdict:
    """The shadow gate's verdict on a challenger, from what it and others see on the same test images.

    It must not be worse than the champion, or than the best of the versions that served before, by more than
    chance explains; nor worse than the champion both here and by its training's evaluation, be that chance or
    not; nor below the champion by more than the tolerances, which are for images that are too few to tell.

    Without a champion, or with one that Rekognition has no more, the challenger is held to the evaluation
    gate's overall F1: its endpoint has to do what its training promised. So it is beside a champion that
    could not be asked, if their trainings' evaluations can be compared. Where nothing at all is known of the
    champion the challenger is rejected: nobody knows which of the two is better, and the champion can serve.

    Args:
        champion: None if there is none.
        earlier: of the versions that have served before it, the best here and the best by its evaluation.
    """
    if champion is None:
        failures, notes = _alone(challenger, tuning, "no champion yet")
    else:
        failures, notes = _beside_champion(challenger, champion, tuning)
    failures += _beside_earlier(earlier)
    return Verdict("shadow", not failures, tuple(failures or notes))


def judge_rollback(scores: Scores) -> Verdict:
    """A verdict that passes: a rollback is a person's decision, the older version only has to answer."""
    return Verdict("rollback", True, (f"asked for by a person; F1 {scores.f1:.3f} through the endpoint",))


def _beside_champion(
    challenger: Scores, champion: ChampionAnswers, tuning: Tuning
) -> tuple[list[str], list[str]]:
    """Why the challenger must not replace the champion, and what is to be said if it may."""
    rival = champion.rival
    shadow, evaluation = rival.shadow, rival.evaluation
    asleep = "" if champion.is_running else f"the champion {rival.name} does not run; "
    here = _shadow_words(shadow, "the champion's") if shadow else ""
    there = evaluation_images.in_words(evaluation, "the champion's") if evaluation else ""
    failures = []
    if shadow and shadow.is_surely_worse:
        failures.append(f"{asleep}{here}: worse, by more than chance explains")
    if evaluation and evaluation.is_surely_worse:
        failures.append(f"{there}: worse, by more than chance explains")
    if not failures and shadow and evaluation and shadow.is_worse and evaluation.is_worse:
        failures.append(f"{asleep}worse than the champion by both measures: {here}; {there}")
    if not failures and shadow and shadow.difference < -tuning.f1_tolerance:
        failures.append(f"{asleep}{here}: more than {tuning.f1_tolerance:.3f} below (f1_tolerance)")
    failures += _labels_below(champion.challenger, champion.scores, tuning)
    if shadow:
        chance = ": too few images to say that it is worse" if shadow.is_worse else ""
        notes = [f"{asleep}{here}{chance}"]
    else:
        failed, notes = _alone(challenger, tuning, f"{asleep}its answers on these images are not known")
        failures += failed
    if not (shadow or evaluation or champion.is_gone):
        failures.append(
            f"{asleep}nothing is known that the challenger could be compared with it by: `labelloop start`"
            " starts it for the next run, `labelloop rollback` makes the challenger serve all the same"
        )
    notes.append(there or "the evaluations of both have no test image in common that is labelled the same")
    return failures, notes


def _alone(challenger: Scores, tuning: Tuning, why: str) -> tuple[list[str], list[str]]:
    """The failure or the note of a challenger that there are no answers of a champion for."""
    passed = challenger.f1 >= tuning.min_f1
    relation = "reaches" if passed else "is below"
    words = f"F1 {challenger.f1:.3f} through the endpoint {relation} {tuning.min_f1:.3f}; {why}"
    return ([], [words]) if passed else ([words], [])


def _labels_below(challenger: Scores, champion: Scores, tuning: Tuning) -> list[str]:
    before = {label.label: label.f1 for label in champion.labels}
    return [
        f"{label.label}: F1 {label.f1:.3f} is {before[label.label] - label.f1:.3f} below the champion's"
        f" {before[label.label]:.3f}, more than {tuning.label_f1_tolerance:.3f} (label_f1_tolerance)"
        for label in challenger.labels
        if label.label in before and label.f1 < before[label.label] - tuning.label_f1_tolerance
    ]


def _beside_earlier(earlier: Sequence[Rival]) -> list[str]:
    """Why an earlier version should rather serve: that of the best one, if it is better beyond chance."""
    failures = []
    for rival in earlier:
        whose = f"that of the earlier version {rival.name},"
        for compared, words in (
            (rival.shadow, _shadow_words),
            (rival.evaluation, evaluation_images.in_words),
        ):
            if compared and compared.is_surely_worse:
                failures.append(
                    f"{words(compared, whose)}: worse, by more than chance explains;"
                    f" `labelloop rollback {rival.name}` makes that one serve again"
                )
    return failures


def _shadow_words(comparison: Comparison, whose: str) -> str:
    return comparison.in_words("through the endpoint", whose, f"the same {comparison.images} images")
