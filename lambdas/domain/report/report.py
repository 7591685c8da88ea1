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
