"""The evaluation gate: what a trained version has to show before its endpoint costs anything."""

from __future__ import annotations

from collections.abc import Mapping

from lambdas.domain.engines import evaluation_images
from lambdas.domain.shared import decision
from lambdas.domain.shared.comparison import Comparison
from lambdas.domain.shared.decision import Decision
from lambdas.domain.shared.scores import Scores, Verdict
from lambdas.domain.shared.tuning import Tuning


def judge(
    scores: Scores, test_images: Mapping[str, int], tuning: Tuning, champion: Comparison | None = None
) -> Verdict:
    """The evaluation gate's verdict on the scores of a training's own evaluation.

    A version that is surely worse than the champion is not even started. Nor is one that the shadow gate
    could tell no more about, as it would decide by this same evaluation.

    Args:
        test_images: images of each label in the test dataset.
        champion: the comparison with its evaluation, on the test images of both; None if there is none.
    """
    failures = []
    beside = [evaluation_images.in_words(champion, "the champion's")] if champion else []
    decided = _decided_already(champion, test_images, tuning)
    if decided and not decided.passed:
        failures += [decided.why, *beside]
        if decided.needed:
            failures.append(
                f"with shadow_test_images above {tuning.shadow_test_images} the shadow gate decides, also by"
                " test images that are newer than the champion"
            )
        failures.append(decision.WAY_ON)
    if scores.f1 < tuning.min_f1:
        failures.append(f"overall F1 {scores.f1:.3f} is below {tuning.min_f1:.3f}")
    scored = {label.label: label for label in scores.labels}
    for name, images in sorted(test_images.items()):
        if images < tuning.min_test_images_per_label:
            failures.append(f"{name}: {images} test images, fewer than {tuning.min_test_images_per_label}")
        if name not in scored:
            failures.append(f"{name}: the evaluation says nothing about this label")
        elif scored[name].f1 < tuning.min_label_f1:
            failures.append(f"{name}: F1 {scored[name].f1:.3f} is below {tuning.min_label_f1:.3f}")
    passed = f"overall F1 {scores.f1:.3f}, every label {tuning.min_label_f1:.3f} or more"
    left = ["whether it may replace the champion is for the shadow gate to say"] if champion else []
    return Verdict("evaluation", not failures, tuple(failures) or (passed, *beside, *left))


def _decided_already(
    champion: Comparison | None, test_images: Mapping[str, int], tuning: Tuning
) -> Decision | None:
    """What the shadow gate would decide by the evaluation, whatever it sees; None if it may see otherwise."""
    decided = decision.decide(None, champion, tuning.undecided)
    if champion is None or champion.is_surely_worse:
        return decided
    sees_most = champion.images > tuning.shadow_test_images and champion.labels >= len(test_images)
    return decided if sees_most else None
