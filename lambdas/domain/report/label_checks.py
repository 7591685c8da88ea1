"""Whether each label has the images to be learnt and tested with, and whether two labels are one."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from lambdas.domain.report.examples import MAX_EXAMPLES, example_of
from lambdas.domain.report.image_check import ImageCheck
from lambdas.domain.report.limits import LIMITS_PAGE, PREPARING_PAGE, RULES_PAGE, Limits
from lambdas.domain.report.model import Example, Finding, Severity
from lambdas.domain.report.statistics import (
    ASSUMED_RECALL,
    MAX_LABELS,
    LabelTally,
    Statistics,
    recall_interval,
)
from lambdas.domain.shared.wording import counted, listed, short

_Labels = list[tuple[str, LabelTally]]

# Letters that look like Latin ones, the frequent among Unicode's confusables:
# https://www.unicode.org/Public/security/latest/confusables.txt
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһӏвкмнтαορνκιτυχ",
    "aeopcyxijsdhlbkmhtaopvkitux",
)
_MAX_DETAILS = 100
_INTERVALS = (
    f"Below, for each label: between what the true recall lies, with 95% certainty, if {ASSUMED_RECALL:.0%}"
    " was measured."
)


class LabelChecks:
    """Checks of the labels by the statistics; keeps an image of each label to show."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._shown: dict[str, ImageCheck] = {}
        self._too_many = False

    def add(self, checked: ImageCheck) -> None:
        if self._too_many:
            return
        for name in checked.names:
            shown = self._shown.get(name)
            if shown is None or _is_before(checked, shown):
                self._shown[name] = checked
        if len(self._shown) > MAX_LABELS:
            # No picture rather than the memory for one of each.
            self._too_many = True
            self._shown.clear()

    def findings(self, statistics: Statistics) -> Iterator[Finding]:
        labels = statistics.by_name()
        if statistics.images["TRAIN"] and statistics.images["TEST"]:
            yield from self._one_sided(labels)
        yield from self._few_to_train(labels)
        yield from self._few_to_test(labels)
        yield from self._imbalance(labels)
        yield from self._similar(labels)

    def _one_sided(self, labels: _Labels) -> Iterator[Finding]:
        trained = [entry for entry in labels if entry[1].usable_train]
        both = [entry for entry in trained if entry[1].usable_test]
        if trained and len(both) < self._limits.min_label_overlap * len(trained):
            yield Finding(
                "label_overlap",
                "error",
                f"Only {len(both):,} of {counted(len(trained), 'trained label')} in TEST as well",
                "Custom Labels refuses datasets that share fewer than"
                f" {self._limits.min_label_overlap:.0%} of TRAIN's labels, and the training fails.",
                "Label more images of the labels that TEST lacks: the second of each goes there.",
                len(trained) - len(both),
                source=RULES_PAGE,
            )
        untested = [entry for entry in trained if not entry[1].usable_test]
        if untested:
            yield self._about(
                "label_only_in_train",
                untested,
                "that no test image shows",
                severity="error",
                what_it_does=(
                    "The evaluation can say nothing about them, so the model would not pass the first gate: a"
                    " training paid for, and a model that is never promoted."
                ),
                how_to_fix="Label one more image of each: it goes to TEST.",
                detail=lambda tally: counted(tally.usable_train, "usable training image"),
            )
        untrained = [entry for entry in labels if not entry[1].usable_train]
        if untrained:
            yield self._about(
                "label_only_in_test",
                untrained,
                "without an image to learn from",
                severity="error",
                what_it_does=(
                    "The model cannot find what it never saw: their F1 would be 0, and the first gate would"
                    " refuse the model."
                ),
                how_to_fix="Label more images of each, or take the label off its images.",
                detail=lambda tally: counted(tally.usable_test, "usable test image"),
                source=LIMITS_PAGE,
            )

    def _few_to_train(self, labels: _Labels) -> Iterator[Finding]:
        min_images = self._limits.advised_train_images
        few = _rarest_first(entry for entry in labels if 0 < entry[1].usable_train < min_images)
        if few:
            yield self._about(
                "few_train_images",
                few,
                f"with fewer than {min_images} images to learn from",
                severity="warning",
                what_it_does=(
                    "A model remembers so few images instead of learning what they have in common, and misses"
                    " the label on new ones."
                ),
                how_to_fix=(
                    f"Label {min_images} or more images of each, in varied light, on varied backgrounds."
                ),
                detail=lambda tally: counted(tally.usable_train, "training image"),
                source=PREPARING_PAGE,
            )

    def _few_to_test(self, labels: _Labels) -> Iterator[Finding]:
        min_images, advised = self._limits.min_test_images, self._limits.advised_test_images
        tested = [entry for entry in labels if entry[1].usable_test]
        few = _rarest_first(entry for entry in tested if entry[1].usable_test < min_images)
        if few:
            yield self._about(
                "few_test_images",
                few,
                f"with fewer than {min_images} images to test with",
                severity="warning",
                what_it_does=(
                    "Their F1 is chance: one image more or less changes it by far more than versions differ."
                    f" A gate may refuse a better model, or promote a worse one. {_INTERVALS}"
                ),
                how_to_fix=(
                    f"Label more images of each; about one of five goes to TEST, so it takes {5 * min_images}"
                    f" for {min_images}."
                ),
                detail=_certainty,
            )
        wide = _rarest_first(entry for entry in tested if min_images <= entry[1].usable_test < advised)
        if wide:
            yield self._about(
                "wide_intervals",
                wide,
                f"with fewer than {advised} images to test with",
                severity="info",
                what_it_does=(
                    "Their F1 is uncertain by tens of percent: small differences between versions mean"
                    f" nothing. {_INTERVALS}"
                ),
                how_to_fix=f"Label more images of each, until TEST has {advised} or more.",
                detail=_certainty,
            )

    def _imbalance(self, labels: _Labels) -> Iterator[Finding]:
        trained = [entry for entry in labels if entry[1].usable_train]
        if not trained:
            return
        rarest = min(trained, key=lambda entry: (entry[1].usable_train, entry[0]))
        largest = max(trained, key=lambda entry: (entry[1].usable_train, entry[0]))
        ratio = largest[1].usable_train / rarest[1].usable_train
        if ratio < self._limits.imbalance:
            return
        frequent = largest[1].usable_train
        rare = _rarest_first(e for e in trained if frequent >= self._limits.imbalance * e[1].usable_train)
        yield Finding(
            "imbalance",
            "warning" if ratio >= self._limits.harmful_imbalance else "info",
            f"{ratio:,.0f} images of {short(largest[0])} for one of {short(rarest[0])}",
            "A model that says the frequent label when in doubt is seldom wrong in training; the rare ones"
            " get missed.",
            f"Label more images of the rare labels first: {listed([name for name, _ in rare])}.",
            len(rare),
            self._examples(name for name, _ in rare),
            details=_details(rare, lambda tally: counted(tally.usable_train, "training image")),
        )

    def _similar(self, labels: _Labels) -> Iterator[Finding]:
        alike: dict[str, _Labels] = defaultdict(list)
        for name, tally in labels:
            alike[skeleton(name)].append((name, tally))
        groups = [group for _, group in sorted(alike.items()) if len(group) > 1]
        if not groups:
            return
        names = [name for group in groups for name, _ in group]
        yield Finding(
            "similar_labels",
            "warning",
            f"{counted(len(names), 'label')} that differ from another only in how they are written",
            "To Custom Labels they are different things. Images of one thing teach two labels, each with"
            " fewer images, and the right answer counts as wrong in the evaluation.",
            "Keep one way of writing each, and correct the images with the others.",
            len(names),
            self._examples(names),
            details=tuple(
                " / ".join(
                    f"{_written(name)} ({counted(tally.images, 'image')})"
                    for name, tally in group[:MAX_EXAMPLES]
                )
                for group in groups[:_MAX_DETAILS]
            ),
        )

    def _about(
        self,
        code: str,
        labels: _Labels,
        what: str,
        *,
        severity: Severity,
        what_it_does: str,
        how_to_fix: str,
        detail: Callable[[LabelTally], str],
        source: str = "",
    ) -> Finding:
        return Finding(
            code,
            severity,
            f"{counted(len(labels), 'label')} {what}",
            what_it_does,
            how_to_fix,
            len(labels),
            self._examples(name for name, _ in labels),
            details=_details(labels, detail),
            source=source,
        )

    def _examples(self, names: Iterable[str]) -> tuple[Example, ...]:
        """An image of each label, with that label's boxes; an image is shown once."""
        shown_on: dict[str, tuple[ImageCheck, set[str]]] = {}
        for name in names:
            if name in self._shown and (
                len(shown_on) < MAX_EXAMPLES or self._shown[name].image.key in shown_on
            ):
                shown_on.setdefault(self._shown[name].image.key, (self._shown[name], set()))[1].add(name)
        return tuple(
            example_of(
                checked,
                [box for box in checked.image.boxes if box.label in shown],
                caption=listed(sorted(shown)),
            )
            for checked, shown in shown_on.values()
        )


def skeleton(name: str) -> str:
    """The same text for labels that a person would take for one.

    Case, spaces, punctuation, accents' encoding, look-alike letters and a plural s make no difference.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    plain = re.sub(r"[\W_]+", "", folded.translate(_LOOK_ALIKES))
    if not plain:
        return name
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


def _is_before(one: ImageCheck, other: ImageCheck) -> bool:
    if one.rank != other.rank:
        return one.rank < other.rank
    # The same image, twice in the dataset.
    return (one.image.dataset_type, repr(one.image)) < (other.image.dataset_type, repr(other.image))


def _rarest_first(labels: Iterable[tuple[str, LabelTally]]) -> _Labels:
    return sorted(labels, key=lambda entry: (entry[1].usable_train + entry[1].usable_test, entry[0]))


def _certainty(tally: LabelTally) -> str:
    low, high = recall_interval(tally.usable_test)
    return f"{counted(tally.usable_test, 'test image')}, {low:.0%} to {high:.0%}"


def _details(labels: _Labels, detail: Callable[[LabelTally], str]) -> tuple[str, ...]:
    shown = tuple(f"{short(name)}: {detail(tally)}" for name, tally in labels[:_MAX_DETAILS])
    more = len(labels) - _MAX_DETAILS
    return (*shown, f"and {counted(more, 'more label', 'more labels')}") if more > 0 else shown


def _written(name: str) -> str:
    """The label in quotes, and with its letters' numbers where some of them look like others."""
    quoted = repr(short(name))
    folded = name.casefold()
    return f"{quoted}, which is {short(name)!a}" if folded.translate(_LOOK_ALIKES) != folded else quoted
