"""The shadow gate: what a challenger's endpoint has to show beside other versions before it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from lambdas.domain.engines import evaluation_images
from lambdas.domain.shared import decision
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
    labels: Mapping[str, Comparison]
    """Of each label by itself, through the endpoints."""
    is_running: bool
    production: Comparison | None = None
    """On production images that people answered lately; None without any."""
    is_gone: bool = False
    """Rekognition has no such version any more: it will never serve again."""


@frozen
class Judgement:
    """The gate's verdict, and of which labels more test images would have settled it."""

    verdict: Verdict
    needed: Mapping[str, int] = field(default_factory=dict)


def judge(
    challenger: Scores, champion: ChampionAnswers | None, earlier: Sequence[Rival], tuning: Tuning
) -> Judgement:
    """The shadow gate's verdict on a challenger, from what it and others see on the same test images.

    Beside the champion it is as shared/decision.py decides; and no label by itself must be surely worse, nor
    what is seen on production images, nor the whole surely worse than the best of the versions that served
    before.

    Without a champion, or with one that Rekognition has no more, the challenger is held to the evaluation
    gate's overall F1: its endpoint has to do what its training promised. So it is beside a champion that
    could not be asked, if their trainings' evaluations can be compared. Where nothing at all is known of the
    champion the challenger is rejected: nobody knows which of the two is better, and the champion can serve.

    Args:
        champion: None if there is none.
        earlier: of the versions that have served before it, the best here and the best by its evaluation.
    """
    needed: Mapping[str, int] = {}
    if champion is None:
        failures, notes = _alone(challenger, tuning, "no champion yet")
    else:
        failures, notes, needed = _beside_champion(challenger, champion, tuning)
    failures += _beside_earlier(earlier)
    return Judgement(Verdict("shadow", not failures, tuple(failures or notes)), needed)


def judge_rollback(scores: Scores) -> Verdict:
    """A verdict that passes: a rollback is a person's decision, the older version only has to answer."""
    return Verdict("rollback", True, (f"asked for by a person; F1 {scores.f1:.3f} through the endpoint",))


def _beside_champion(
    challenger: Scores, champion: ChampionAnswers, tuning: Tuning
) -> tuple[list[str], list[str], Mapping[str, int]]:
    """Why the challenger must not replace the champion, what is to be said if it may, and which test images
    would settle what is undecided."""
    rival = champion.rival
    asleep = "" if champion.is_running else f"the champion {rival.name} does not run; "
    figures = []
    if rival.shadow:
        figures.append(asleep + _shadow_words(rival.shadow, "the champion's"))
    figures.append(
        evaluation_images.in_words(rival.evaluation, "the champion's")
        if rival.evaluation
        else "the evaluations of both have no test image in common that is labelled the same"
    )
    failures: list[str] = []
    notes: list[str] = []
    decided = decision.decide(rival.shadow, rival.evaluation, tuning.undecided)
    if decided:
        (notes if decided.passed else failures).extend([decided.why, *figures])
        if decided.needed and rival.shadow and rival.shadow.images >= tuning.shadow_test_images:
            limit = (
                f"the gate asks about {tuning.shadow_test_images} test images at most (shadow_test_images)"
            )
            (notes if decided.passed else failures).append(limit)
    elif not champion.is_gone:
        failures.append(
            f"{asleep}nothing is known that the challenger could be compared with it by: `labelloop start`"
            " starts it for the next run, `labelloop rollback` makes the challenger serve all the same"
        )
    if not rival.shadow:
        failed, passed = _alone(challenger, tuning, f"{asleep}its answers on these images are not known")
        failures += failed
        notes += passed
    for label, compared in champion.labels.items():
        if compared.is_surely_worse:
            words = _shadow_words(compared, "the champion's")
            failures.append(f"{label}: {compared.conclusion}: {words}")
    if production := champion.production:
        words = production.in_words(
            "on production images",
            "the champion's",
            f"the same {production.images} that people answered lately",
        )
        if production.is_surely_worse:
            failures.append(f"{production.conclusion}: {words}")
        else:
            notes.append(words)
    if failures and decided:
        failures.append(decision.WAY_ON)
    return failures, notes, decided.needed if decided else {}


def _alone(challenger: Scores, tuning: Tuning, why: str) -> tuple[list[str], list[str]]:
    """The failure or the note of a challenger that there are no answers of a champion for."""
    passed = challenger.f1 >= tuning.min_f1
    relation = "reaches" if passed else "is below"
    words = f"F1 {challenger.f1:.3f} through the endpoint {relation} {tuning.min_f1:.3f}; {why}"
    return ([], [words]) if passed else ([words], [])


def _beside_earlier(earlier: Sequence[Rival]) -> list[str]:
    """Why an earlier version should rather serve: that of the best one, if it is surely better."""
    failures = []
    for rival in earlier:
        whose = f"that of the earlier version {rival.name},"
        for compared, words in (
            (rival.shadow, _shadow_words),
            (rival.evaluation, evaluation_images.in_words),
        ):
            if compared and compared.is_surely_worse:
                failures.append(
                    f"{compared.conclusion}: {words(compared, whose)};"
                    f" `labelloop rollback {rival.name}` makes that one serve again"
                )
    return failures


def _shadow_words(comparison: Comparison, whose: str) -> str:
    return comparison.in_words("through the endpoint", whose, f"the same {comparison.images} images")
