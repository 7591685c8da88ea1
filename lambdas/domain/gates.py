"""What a model version has to show before it may cost anything, and before it may serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lambdas.domain.tuning import Tuning


@dataclass(frozen=True)
class LabelScore:
    """How well one label is found; f1, precision and recall between 0 and 1."""

    label: str
    f1: float
    precision: float
    recall: float
    test_images: int
    threshold: float | None = None
    """Confidence between 0 and 1 from which on the model's detections count; None if it is not known."""


@dataclass(frozen=True)
class Scores:
    """How well a model version does on test images."""

    f1: float
    labels: tuple[LabelScore, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"f1": self.f1, "labels": [asdict(label) for label in self.labels]}


@dataclass(frozen=True)
class Verdict:
    """A gate's decision and, in words, each of its reasons."""

    gate: str
    passed: bool
    reasons: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"gate": self.gate, "passed": self.passed, "reasons": list(self.reasons)}


def evaluation_gate(scores: Scores, test_images: Mapping[str, int], tuning: Tuning) -> Verdict:
    """Gate 1: the training's own evaluation, before an endpoint costs anything.

    Args:
        test_images: images of each label in the test dataset.
    """
    failures = []
    if scores.f1 < tuning.min_f1:
        failures.append(f"overall F1 {scores.f1:.3f} is below {tuning.min_f1:.3f}")
    found = {label.label: label for label in scores.labels}
    for name, images in sorted(test_images.items()):
        if images < tuning.min_test_images_per_label:
            failures.append(f"{name}: {images} test images, fewer than {tuning.min_test_images_per_label}")
        if name not in found:
            failures.append(f"{name}: the evaluation says nothing about this label")
        elif found[name].f1 < tuning.min_label_f1:
            failures.append(f"{name}: F1 {found[name].f1:.3f} is below {tuning.min_label_f1:.3f}")
    passed = f"overall F1 {scores.f1:.3f}, every label {tuning.min_label_f1:.3f} or more"
    return Verdict("evaluation", not failures, tuple(failures) or (passed,))


def shadow_gate(challenger: Scores, champion: Scores | None, tuning: Tuning) -> Verdict:
    """Gate 2: both versions' real detections on the same test images.

    Without a champion the challenger is held to gate 1's overall F1: its endpoint has to do what its
    training promised.
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


def rollback_gate(found: Scores) -> Verdict:
    """A rollback is a person's decision; the older version only has to answer."""
    return Verdict("rollback", True, (f"asked for by a person; F1 {found.f1:.3f} through the endpoint",))
