"""Findings on images that could be in the training and are not."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.domain.report.limits import Limits
from lambdas.domain.report.model import Finding, UnusableCounts
from lambdas.domain.report.statistics import Statistics
from lambdas.domain.shared.wording import counted, share, short
from lambdas.domain.snapshot.split import NOTHING_ON_IMAGE


def findings(unusable: UnusableCounts, statistics: Statistics, limits: Limits) -> Iterator[Finding]:
    """The findings on what a person could still add to this dataset."""
    reasons = dict(unusable.left_out)
    # Nobody has labelled them in vain, and nothing has to be mended.
    without_label = reasons.pop(NOTHING_ON_IMAGE, 0)
    left_out = sum(reasons.values())
    if left_out:
        labelled = left_out + statistics.total
        harmful = left_out >= limits.harmful_left_out_share * labelled
        yield Finding(
            "left_out",
            "warning" if harmful else "info",
            f"{counted(left_out, 'labelled image')} not in this dataset ({share(left_out, labelled)})",
            "The work of labelling them is done, and the model learns nothing from it.",
            "See the reasons: a dataset is of one kind, with boxes or with image-level labels.",
            left_out,
            details=tuple(
                f"{short(reason, 120)}: {counted(count, 'image')}"
                for reason, count in sorted(reasons.items())
                if count
            ),
        )
    if without_label:
        yield Finding(
            "nothing_on_them",
            "info",
            f"{counted(without_label, 'image')} with nothing on them",
            "A model of image-level labels cannot learn from an image that has none, so they are left out.",
            "Nothing has to be done.",
            without_label,
        )
    if unusable.conflicts:
        yield Finding(
            "conflicts",
            "info",
            f"{counted(unusable.conflicts, 'image')} labelled in two ways at once",
            "They wait for a person's decision, and are not trained on until then.",
            "Decide on them in the review desk.",
            unusable.conflicts,
        )
    if unusable.unlabelled:
        yield Finding(
            "unlabelled",
            "info",
            f"{counted(unusable.unlabelled, 'image')} without labels",
            "They are not in this training; labelled, they would be in the next one.",
            "Label them in the review desk, those of rare labels first.",
            unusable.unlabelled,
        )
    if unusable.pending_annotations:
        yield Finding(
            "pending_annotations",
            "info",
            f"{counted(unusable.pending_annotations, 'annotated image')} not there",
            "Annotation files name them, and they have not come: what they say about them teaches nothing.",
            "Drop them under the names that the annotation files give; `labelloop status` names some.",
            unusable.pending_annotations,
        )
    if unusable.excluded:
        yield Finding(
            "excluded",
            "info",
            f"{counted(unusable.excluded, 'image')} excluded",
            "Somebody took them out; they are neither trained on nor tested with.",
            "Nothing has to be done.",
            unusable.excluded,
        )
