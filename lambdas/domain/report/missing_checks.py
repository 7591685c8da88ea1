"""Images that are there, and could be in the training, and are not."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.domain.report.limits import Limits
from lambdas.domain.report.model import Finding, UnusableCounts
from lambdas.domain.report.statistics import Statistics
from lambdas.domain.shared.wording import counted, share, short


def findings(unusable: UnusableCounts, statistics: Statistics, limits: Limits) -> Iterator[Finding]:
    """What a person could still add to this data set."""
    left_out = sum(unusable.left_out.values())
    if left_out:
        labelled = left_out + statistics.total
        harmful = left_out >= limits.harmful_left_out_share * labelled
        yield Finding(
            "left_out",
            "harms" if harmful else "note",
            f"{counted(left_out, 'labelled image')} not in this data set ({share(left_out, labelled)})",
            "The work of labelling them is done, and the model learns nothing from it.",
            "See the reasons: a data set is of one kind, with boxes or with image-level labels.",
            left_out,
            details=tuple(
                f"{short(reason, 120)}: {counted(count, 'image')}"
                for reason, count in sorted(unusable.left_out.items())
                if count
            ),
        )
    if unusable.conflicts:
        yield Finding(
            "conflicts",
            "note",
            f"{counted(unusable.conflicts, 'image')} labelled in two ways at once",
            "They wait for a person's decision, and are not trained on until then.",
            "Decide on them in the review desk.",
            unusable.conflicts,
        )
    if unusable.unlabelled:
        yield Finding(
            "unlabelled",
            "note",
            f"{counted(unusable.unlabelled, 'image')} waiting to be labelled",
            "They are not in this training; labelled, they would be in the next one.",
            "Label them in the review desk, those of rare labels first.",
            unusable.unlabelled,
        )
    if unusable.missing:
        yield Finding(
            "missing_images",
            "note",
            f"{counted(unusable.missing, 'annotated image')} not there",
            "Annotation files name them, and they have not come: what was said about them teaches nothing.",
            "Drop them under the names that the annotation files give; `labelloop status` tells some.",
            unusable.missing,
        )
    if unusable.withdrawn:
        yield Finding(
            "withdrawn",
            "note",
            f"{counted(unusable.withdrawn, 'image')} withdrawn",
            "Somebody took them out; they are neither trained on nor tested with.",
            "Nothing has to be done.",
            unusable.withdrawn,
        )
