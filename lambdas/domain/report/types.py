"""What the report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lambdas.domain.manifests import Box, Kind
from lambdas.domain.report.words import counted

if TYPE_CHECKING:
    from lambdas.domain.report.statistics import Statistics

Side = Literal["TRAIN", "TEST"]
Severity = Literal["stops", "harms", "note"]
SEVERITIES: tuple[Severity, ...] = ("stops", "harms", "note")
"""The worst first: a training would fail or be wasted; the model gets worse, or its F1 means less; good to
know."""


@dataclass(frozen=True)
class ReportImage:
    """An image of the snapshot; width and height in pixels, as stored."""

    key: str
    width: int
    height: int
    side: Side
    kind: Kind
    labels: tuple[str, ...]
    """The image-level labels of a classification; a detection's labels are those of its boxes."""
    boxes: tuple[Box, ...]
    perceptual_hash: str
    """Alike for images that look alike; the snapshot made the groups from it."""
    group: str
    """Images that are near-duplicates of each other share it; empty if there is no other."""


@dataclass(frozen=True)
class UnusableCounts:
    """Images that are registered, or annotated, and are not in the snapshot."""

    unlabelled: int
    """Waiting for a person."""
    conflicts: int
    """Labelled in two ways at once."""
    withdrawn: int
    missing: int
    """Named by annotation files, and not there."""
    left_out: dict[str, int]
    """Labelled images that are not in it, by reason."""


@dataclass(frozen=True)
class SnapshotFacts:
    """What is known of the snapshot as a whole."""

    manifest_bytes: Mapping[str, int] = field(default_factory=dict)
    """By dataset."""
    other_side: int = 0
    """Images that are not on the side that was asked for."""


@dataclass(frozen=True)
class Example:
    """An image to show for a finding, with the boxes that it is about."""

    key: str
    width: int
    height: int
    side: Side
    labels: tuple[str, ...]
    boxes: tuple[Box, ...]
    caption: str = ""


@dataclass(frozen=True)
class Finding:
    """Something about the data set that a person should know, or mend, before the training."""

    code: str
    severity: Severity
    title: str
    what_it_does: str
    how_to_mend: str
    count: int
    """Of what the title names: images, boxes, labels."""
    examples: tuple[Example, ...] = ()
    details: tuple[str, ...] = ()
    """One line for each label or reason that it is about."""
    source: str = ""
    """The page of AWS's documentation that says so, where it is AWS's rule."""


@dataclass(frozen=True)
class Report:
    """The whole of it; the same images give the same report, in whatever order they came."""

    title: str
    statistics: Statistics
    findings: tuple[Finding, ...]
    """The worst first."""
    thumbnails: Mapping[str, str] = field(default_factory=dict, repr=False)
    """data: URIs by key, of the examples whose image could be had."""

    @property
    def stops(self) -> tuple[Finding, ...]:
        """Those for which the training would fail, or its model could never be promoted."""
        return self.of("stops")

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def verdict(self) -> str:
        stops, harms = len(self.stops), len(self.of("harms"))
        if stops:
            return f"Stopped: {counted(stops, 'finding')} would waste the training"
        if harms:
            verb = "harms" if harms == 1 else "harm"
            return f"Training can start; {counted(harms, 'finding')} {verb} the model"
        return "Training can start"

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON takes it, without the pictures."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "findings": [asdict(finding) for finding in self.findings],
            "statistics": self.statistics.as_dict(),
        }

    def html(self) -> str:
        """The report as one page that needs nothing else."""
        from lambdas.domain.report.html import page  # noqa: PLC0415 it knows these types

        return page(self)
