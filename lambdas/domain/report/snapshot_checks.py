"""Findings on a snapshot as a whole: the size of its manifests, and what was asked for."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.domain.report.limits import RULES_PAGE, Limits
from lambdas.domain.report.model import Finding, SnapshotFacts
from lambdas.domain.shared.wording import counted


def findings(facts: SnapshotFacts, limits: Limits) -> Iterator[Finding]:
    over = {
        dataset_type: size
        for dataset_type, size in sorted(facts.manifest_bytes.items())
        if size > limits.max_manifest_bytes
    }
    if over:
        yield Finding(
            "manifest_too_large",
            "error",
            f"A manifest of more than {_megabytes(limits.max_manifest_bytes)} MB: {' and '.join(over)}",
            "Custom Labels refuses the dataset.",
            "Exclude images, those with the most boxes first, or train models for parts of the data.",
            len(over),
            details=tuple(f"{dataset_type}: {_megabytes(size)} MB" for dataset_type, size in over.items()),
            source=RULES_PAGE,
        )
    if facts.not_as_requested:
        yield Finding(
            "not_as_requested",
            "info",
            f"{counted(facts.not_as_requested, 'image')} not in the dataset that was asked for",
            "An image stays in its dataset for ever, whatever is asked for later; and of a label that has as"
            f" many test images as Custom Labels takes, {limits.max_test_images_per_label:,}, every further"
            " image goes to TRAIN. Figures for just the split that came with the data cannot be compared with"
            " these.",
            "Nothing has to be done. A split that shall be kept as it is goes into a new deployment.",
            facts.not_as_requested,
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}".removesuffix(".0")
