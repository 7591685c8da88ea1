"""The dataset report: what is wrong with a snapshot, told before money is spent on a training.

`make` reads the images once and gives a `Report`, as JSON (`as_dict`) and as one page (`html`).
"""

from __future__ import annotations

from lambdas.domain.report.builder import make
from lambdas.domain.report.limits import REKOGNITION, Limits, limits_of
from lambdas.domain.report.model import Example, Finding, ReportImage, SnapshotFacts, UnusableCounts
from lambdas.domain.report.report import Report

__all__ = [
    "REKOGNITION",
    "Example",
    "Finding",
    "Limits",
    "Report",
    "ReportImage",
    "SnapshotFacts",
    "UnusableCounts",
    "limits_of",
    "make",
]
