"""Groups of near-duplicates: within a dataset they waste effort, across the two they flatter the F1."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lambdas.domain.report.examples import MAX_EXAMPLES, example_of
from lambdas.domain.report.image_check import ImageCheck, rank_of
from lambdas.domain.report.model import Example, Finding
from lambdas.domain.report.statistics import Statistics
from lambdas.domain.shared.wording import counted, listed, share

_MAX_GROUPS_SHOWN = 5_000
_MAX_IMAGES_SHOWN = 2
"""Of a group, in each dataset."""


@dataclass(slots=True)
class _Group:
    train: int = 0
    test: int = 0
    labels: int = 0
    """Stands for the labels of its first image."""
    differs: bool = False
    """Whether another of its images has other labels."""


@dataclass(slots=True)
class _Shown:
    train: list[tuple[int, str, Example]] = field(default_factory=list)
    test: list[tuple[int, str, Example]] = field(default_factory=list)
    by_labels: dict[int, tuple[int, str, Example]] = field(default_factory=dict)
    """One image for each of two sets of labels, which differ: by what stands for the labels."""


class DuplicateChecks:
    """Counts every group; keeps examples of those with the lowest ranks."""

    def __init__(self) -> None:
        self._groups: dict[int, _Group] = {}
        self._shown: dict[int, _Shown] = {}
        self._highest_shown = -1

    def add(self, checked: ImageCheck) -> None:
        image = checked.image
        if not image.group:
            return
        rank, labels = rank_of(image.group), rank_of("\n".join(checked.names))
        group = self._groups.setdefault(rank, _Group(labels=labels))
        group.train += image.dataset_type == "TRAIN"
        group.test += image.dataset_type == "TEST"
        group.differs |= labels != group.labels
        self._show(rank, labels, checked)

    def _show(self, rank: int, labels: int, checked: ImageCheck) -> None:
        shown = self._shown.get(rank)
        if shown is None:
            if len(self._shown) >= 2 * _MAX_GROUPS_SHOWN:
                self._forget()
            if len(self._shown) >= _MAX_GROUPS_SHOWN and rank > self._highest_shown >= 0:
                return
            shown = self._shown[rank] = _Shown()
        images = shown.train if checked.image.dataset_type == "TRAIN" else shown.test
        # The boxes are left away: the finding is about the whole images.
        caption = listed(checked.names) if checked.names else "no label"
        entry = (checked.rank, checked.image.key, example_of(checked, (), caption))
        insort(images, entry, key=lambda entry: entry[:2])
        del images[_MAX_IMAGES_SHOWN:]
        shown.by_labels[labels] = min(shown.by_labels.get(labels, entry), entry, key=lambda entry: entry[:2])
        if len(shown.by_labels) > _MAX_IMAGES_SHOWN:
            del shown.by_labels[max(shown.by_labels)]

    def _forget(self) -> None:
        """Drop all but the groups of the lowest ranks: none of them can have been turned away before."""
        ranks = sorted(self._shown)[:_MAX_GROUPS_SHOWN]
        self._shown = {rank: self._shown[rank] for rank in ranks}
        self._highest_shown = ranks[-1]

    def findings(self, statistics: Statistics) -> Iterator[Finding]:
        groups = self._groups.values()
        leaks = [group for group in groups if group.train and group.test]
        if leaks:
            yield self._leak(leaks, statistics)
        disagreeing = [group for group in groups if group.differs]
        if disagreeing:
            yield self._disagreement(disagreeing, statistics)
        surplus = sum(max(group.train - 1, 0) + max(group.test - 1, 0) for group in groups)
        if surplus:
            yield Finding(
                "near_duplicates",
                "info",
                f"{counted(surplus, 'image')} that nearly repeat another of the same dataset",
                "A near-copy teaches next to nothing, and weighs its label and its background more than they"
                " should.",
                "Take pictures at greater intervals; exclude copies where a label has many.",
                surplus,
                self._examples(lambda group: group.train > 1 or group.test > 1, _across_datasets),
            )

    def _leak(self, leaks: list[_Group], statistics: Statistics) -> Finding:
        images, tests = sum(group.test for group in leaks), statistics.images["TEST"]
        return Finding(
            "train_test_duplicates",
            "warning",
            f"{counted(images, 'test image')} nearly the same as a training image"
            f" ({share(images, tests)} of TEST)",
            "The model is tested on what it has learnt by heart: its F1 comes out higher than it will be on"
            " new images, and gates let through what they should not.",
            "Exclude the test images among them, and label others in their place, of other scenes.",
            images,
            self._examples(lambda group: bool(group.train and group.test), _across_datasets),
            details=(f"in {counted(len(leaks), 'group')} of near-duplicates",),
        )

    def _disagreement(self, groups: list[_Group], statistics: Statistics) -> Finding:
        images = sum(group.train + group.test for group in groups)
        # A box more or less is another picture; one label for the whole image should stay what it is.
        harmful = statistics.kind == "classification"
        return Finding(
            "near_duplicates_disagree",
            "warning" if harmful else "info",
            f"{counted(len(groups), 'group')} of near-duplicates with different labels",
            "Images that look the same teach different answers. Sometimes the small difference is the point;"
            " mostly one of the labels is wrong.",
            "Look at them side by side, and correct the labels.",
            len(groups),
            self._examples(lambda group: group.differs, _of_different_labels),
            details=(f"{counted(images, 'image')} in all",),
        )

    def _examples(
        self, is_wanted: Callable[[_Group], bool], pair_of: Callable[[_Shown], tuple[Example, ...]]
    ) -> tuple[Example, ...]:
        """Images of the wanted groups, those of a group beside each other."""
        chosen: list[Example] = []
        # Of more groups than these, which ones are left depends on the order of the images.
        for rank in sorted(self._shown)[:_MAX_GROUPS_SHOWN]:
            if not is_wanted(self._groups[rank]):
                continue
            pair = pair_of(self._shown[rank])
            if len(chosen) + len(pair) > MAX_EXAMPLES:
                break
            chosen.extend(pair)
        return tuple(chosen)


def _across_datasets(shown: _Shown) -> tuple[Example, ...]:
    """A TRAIN and a TEST image, or two of the only dataset."""
    train, test = ([example for _, _, example in images] for images in (shown.train, shown.test))
    return (*train[:1], *test[:1]) if train and test else tuple((train or test)[:_MAX_IMAGES_SHOWN])


def _of_different_labels(shown: _Shown) -> tuple[Example, ...]:
    return tuple(example for _, (_, _, example) in sorted(shown.by_labels.items(), key=lambda one: one[0]))
