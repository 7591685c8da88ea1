"""The dataset report: a snapshot's statistics and findings, as a verdict and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lambdas.domain.report.model import Finding, Severity
from lambdas.domain.shared.wording import counted

if TYPE_CHECKING:
    from lambdas.domain.report.statistics import Statistics


@dataclass(frozen=True)
class Report:
    """The statistics of a dataset and what was found out about it.

    The same images give the same report, in whatever order they came.
    """

    title: str
    statistics: Statistics
    findings: tuple[Finding, ...]
    """The worst first."""
    thumbnails: Mapping[str, str] = field(default_factory=dict, repr=False)
    """data: URIs by key, of the examples whose image could be had."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings for which the training would fail, or its model could never be promoted."""
        return self.of("error")

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of this severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    @property
    def verdict(self) -> str:
        """What follows from the findings, in a sentence."""
        errors, warnings = len(self.errors), len(self.of("warning"))
        if errors:
            return f"Stopped: {counted(errors, 'error')} would waste the training"
        if warnings:
            return f"Training can start, with {counted(warnings, 'warning')}"
        return "Training can start"

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON takes it, without the pictures."""
        return {
            "title": self.title,
            "verdict": self.verdict,
            "findings": [asdict(finding) for finding in self.findings],
            "statistics": self.statistics.as_dict(),
        }
