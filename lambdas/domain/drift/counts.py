"""How the champion's answers look on many images: counts that add up, and hold no image.

Each feature is a number of each image, so that images are what is compared, and not detections, of which
those of one image are alike.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lambdas.domain.drift.observations import Look, Observation

Feature = Literal["detections", "confidence", "size"]
FEATURES: tuple[Feature, ...] = ("detections", "confidence", "size")
"""Detections of an image, their mean confidence, and their mean size. What else is a number of each image,
such as its place among the embeddings of others, can be one as well."""
BOUNDS: Mapping[Feature, tuple[float, ...]] = {
    "detections": (1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22, 30, 40, 60, 100),
    "confidence": tuple(range(2, 100, 2)),
    "size": tuple(number / 40 for number in range(1, 40)),
}
"""From which values on the next bin begins."""
MAX_EXAMPLES = 24
"""Images of a day that are remembered, drawn at random."""


@dataclass(frozen=True)
class Example:
    """An image that shows what arrives."""

    name: str
    key: str
    version_id: str
    detections: int
    confidence: float | None
    size: float | None
    labels: tuple[str, ...]

    def value(self, feature: Feature) -> float | None:
        """Its number of a feature; None if it has none."""
        values: dict[Feature, float | None] = {
            "detections": self.detections,
            "confidence": self.confidence,
            "size": self.size,
        }
        return values[feature]


@dataclass
class Counts:
    """Images by how the answers about them look."""

    images: int = 0
    bins: dict[Feature, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in FEATURES})
    """Images by the bin of each feature; those without a detection have neither confidence nor size."""
    labels: Counter[str] = field(default_factory=Counter)
    """Images that show each label."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Detections by what images were asked about for and whether the champion was sure: `detect#sure`."""
    label_kinds: dict[str, Counter[str]] = field(default_factory=dict)
    """The same of each label."""
    examples: list[Example] = field(default_factory=list)

    def add(self, look: Look) -> None:
        """Count an image."""
        self.images += 1
        self.labels.update(look.labels.keys())
        for feature in FEATURES:
            value = getattr(look, feature)
            if value is not None:
                self.bins[feature][bin_of(feature, value)] += 1

    def add_observation(self, seen: Observation) -> None:
        """Count an image that arrived."""
        self.add(Look(seen.labels, seen.confidence, seen.size))
        kind = f"{seen.source}#{'unsure' if seen.is_unsure else 'sure'}"
        self.kinds[kind] += seen.detections
        for label, detections in seen.labels.items():
            self.label_kinds.setdefault(label, Counter())[kind] += detections
        example = Example(
            seen.name,
            seen.key,
            seen.version_id,
            seen.detections,
            seen.confidence,
            seen.size,
            tuple(sorted(seen.labels)),
        )
        self.examples = _drawn([*self.examples, example])

    def merge(self, other: Counts) -> None:
        """Add what others have counted."""
        self.images += other.images
        for feature in FEATURES:
            self.bins[feature].update(other.bins[feature])
        self.labels.update(other.labels)
        self.kinds.update(other.kinds)
        for label, kinds in other.label_kinds.items():
            mine = self.label_kinds.setdefault(label, Counter())
            for kind, detections in kinds.items():
                mine[kind] += detections
        self.examples = _drawn([*self.examples, *other.examples])

    def as_document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "images": self.images,
            "bins": {name: _pairs(counter) for name, counter in self.bins.items()},
            "labels": self.labels,
            "kinds": self.kinds,
            "label_kinds": self.label_kinds,
            "examples": [vars(example) for example in self.examples],
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Counts:
        """What `as_document` has made."""
        bins = {name: Counter(dict(document["bins"].get(name, []))) for name in FEATURES}
        kinds = {label: Counter(counts) for label, counts in document["label_kinds"].items()}
        examples = [replace(Example(**one), labels=tuple(one["labels"])) for one in document["examples"]]
        labels, in_all = Counter(document["labels"]), Counter(document["kinds"])
        return cls(int(document["images"]), bins, labels, in_all, kinds, examples)


def merged(parts: Iterable[Counts]) -> Counts:
    """Several counts as one."""
    together = Counts()
    for part in parts:
        together.merge(part)
    return together


def bin_of(feature: Feature, value: float) -> int:
    """The bin that a value lies in; the first is 0."""
    return bisect.bisect_right(BOUNDS[feature], value)


def median(feature: Feature, bins: Mapping[int, int]) -> float | None:
    """About half of the images have this value or less; None without images."""
    total = sum(bins.values())
    bounds = (0.0, *BOUNDS[feature], _END[feature])
    below = 0
    for number in sorted(bins):
        below += bins[number]
        if 2 * below >= total:
            lower, upper = bounds[number], bounds[number + 1]
            return lower if feature == "detections" else (lower + upper) / 2
    return None


_END: Mapping[Feature, float] = {"detections": 250, "confidence": 100, "size": 1}


def _drawn(examples: list[Example]) -> list[Example]:
    """Those that a draw by their names takes, each once: any order of merging takes the same."""
    once = {example.name: example for example in examples}
    return [once[name] for name in sorted(once)[:MAX_EXAMPLES]]


def _pairs(counter: Counter[int]) -> list[tuple[int, int]]:
    return sorted(counter.items())
