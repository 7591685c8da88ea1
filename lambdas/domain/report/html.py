"""The report as one HTML page: no script, no other file, everything from outside escaped.

The page is report.html.jinja, its style report.css; here is what the template shows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdas.domain.report.limits import PAGES
from lambdas.domain.report.model import SEVERITIES, Example, Finding, Severity
from lambdas.domain.report.report import Report
from lambdas.domain.report.statistics import (
    ASSUMED_RECALL,
    Histogram,
    LabelTally,
    Statistics,
    recall_interval,
)
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.wording import counted, short

_FOLDER = Path(__file__).parent
_SHOWN_DETAILS = 8
_SHOWN_LABELS = 250
_COLOURS = 6
"""The colours of report.css for the boxes of different labels."""
# What an XML or HTML parser would not take, and directions that would turn the text around them.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True)
class _Level:
    """How findings of one severity are presented."""

    css_class: str
    name: str
    title: str
    lead: str


_LEVELS: dict[Severity, _Level] = {
    "error": _Level(
        "error",
        "Error",
        "Errors that would waste the training",
        "Fix these first: a training on this dataset would fail, or its model could not be promoted.",
    ),
    "warning": _Level(
        "warning",
        "Warning",
        "Warnings",
        "The training would run, but its model would be worse, or its F1 mean less.",
    ),
    "info": _Level("info", "Info", "Good to know", ""),
}


def page(report: Report) -> str:
    """Render the whole document; up to about 2 MB."""
    # Only the check of a dataset renders the page: no other function's cold start pays for Jinja.
    import jinja2  # noqa: PLC0415

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_without_unfit,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = "{:,}".format
    return environment.get_template("report.html.jinja").render(
        css=(_FOLDER / "report.css").read_text(),
        title=short(report.title, 200),
        verdict=report.verdict,
        verdict_class="error" if report.errors else "warning" if report.of("warning") else "good",
        totals=_totals(report.statistics),
        sections=[section for severity in SEVERITIES if (section := _section(report, severity)).findings],
        label_table=_label_table(report.statistics),
        charts=[_chart(histogram) for histogram in report.statistics.histograms if report.statistics.total],
        colours=_COLOURS,
        shown_details=_SHOWN_DETAILS,
        assumed_recall=f"{ASSUMED_RECALL:.0%}",
    )


def _without_unfit(value: object) -> object:
    """The text of a template's expression, before it is escaped; what is markup already stays as it is."""
    return _UNFIT.sub("\ufffd", value) if type(value) is str else value


@dataclass(frozen=True)
class _Total:
    """A number of the page's head, and what is said beside it."""

    name: str
    count: int
    aside: str = ""


def _totals(statistics: Statistics) -> list[_Total]:
    totals = [
        _Total("Images to train with", statistics.with_objects("TRAIN")),
        _Total("Images to test with", statistics.with_objects("TEST")),
        _Total("Labels", len(statistics.labels)),
    ]
    if backgrounds := sum(statistics.backgrounds.values()):
        totals.append(_Total("Backgrounds", backgrounds, f"{statistics.backgrounds['TEST']} to test with"))
    if statistics.boxes:
        each = statistics.boxes / max(statistics.kinds["detection"], 1)
        totals.append(_Total("Boxes", statistics.boxes, f"{each:.1f} an image"))
    return totals


# Findings


@dataclass(frozen=True)
class _FindingView:
    """A finding, its examples ready to be drawn."""

    finding: Finding
    examples: list[_ExampleView]
    gallery_label: str
    source_name: str
    """The title of the page of AWS's documentation; empty where there is none."""


@dataclass(frozen=True)
class _Section:
    level: _Level
    findings: list[_FindingView]


def _section(report: Report, severity: Severity) -> _Section:
    return _Section(_LEVELS[severity], [_finding(finding, report) for finding in report.of(severity)])


def _finding(finding: Finding, report: Report) -> _FindingView:
    more = finding.count > len(finding.examples)
    return _FindingView(
        finding,
        [_example(example, report.thumbnails.get(example.key, "")) for example in finding.examples],
        gallery_label="Some of them" if more else "The images",
        source_name=PAGES.get(finding.source, finding.source),
    )


# Pictures


@dataclass(frozen=True)
class _ExampleView:
    """An example image as it is drawn: lengths in pixels of the image."""

    example: Example
    description: str
    """For those who do not see the picture."""
    file_name: str
    key: str
    caption: str
    thumbnail: str
    """A data: URI; empty where the image could not be had."""
    view_box: str
    box_labels: list[str]
    outlines: list[str]
    """The SVG path of each label's boxes, in the order of `box_labels`."""


def _example(example: Example, thumbnail: str) -> _ExampleView:
    names = sorted({box.label for box in example.boxes})
    width, height = _frame(example)[2:]
    side = max(width, height)
    return _ExampleView(
        example,
        description=_description(example),
        file_name=short(example.key.rsplit("/", 1)[-1], 80),
        key=short(example.key, 200),
        caption=short(example.caption or ", ".join(example.labels), 80),
        thumbnail=thumbnail,
        view_box=" ".join(map(str, _frame(example))),
        box_labels=[short(name, 40) for name in names],
        outlines=[_outline([box for box in example.boxes if box.label == name], side) for name in names],
    )


def _description(example: Example) -> str:
    names = ", ".join(short(name, 40) for name in example.labels[:3]) or "no label"
    boxes = f", {counted(len(example.boxes), 'box', 'boxes')} marked" if example.boxes else ""
    return f"{example.dataset_type} image with {names}{boxes}"


def _frame(example: Example) -> tuple[int, int, int, int]:
    """Left, top, width and height of what is shown: the image, and the nearest of what reaches out of it."""
    margin_x, margin_y = example.width // 2, example.height // 2
    left = max(min([0, *(box.left for box in example.boxes)]), -margin_x)
    top = max(min([0, *(box.top for box in example.boxes)]), -margin_y)
    right = min(
        max([example.width, *(box.left + box.width for box in example.boxes)]), example.width + margin_x
    )
    bottom = min(
        max([example.height, *(box.top + box.height for box in example.boxes)]), example.height + margin_y
    )
    return left, top, max(right - left, 1), max(bottom - top, 1)


def _outline(boxes: list[Box], side: int) -> str:
    """The SVG path of some boxes; those too small to be seen have a ring around them."""
    path = "".join(f"M{box.left} {box.top}h{box.width}v{box.height}h{-box.width}z" for box in boxes)
    ring = max(side // 20, 1)
    rings = "".join(
        f"M{box.left + box.width // 2 - ring} {box.top + box.height // 2}"
        f"a{ring} {ring} 0 1 0 {2 * ring} 0a{ring} {ring} 0 1 0 {-2 * ring} 0z"
        for box in boxes
        if max(box.width, box.height) < ring
    )
    return path + rings


# Statistics


@dataclass(frozen=True)
class _Row:
    """A row of a table with a bar: counts of TRAIN and TEST, and the widths of their parts in percent."""

    name: str
    train: int
    test: int
    train_width: str
    test_width: str
    boxes: int = 0
    certainty: str = ""


@dataclass(frozen=True)
class _LabelTable:
    rows: list[_Row]
    has_boxes: bool
    not_shown: str
    """How many rarer labels have no row, in words; empty if every label has one."""


@dataclass(frozen=True)
class _Chart:
    title: str
    unit: str
    rows: list[_Row]


def _label_table(statistics: Statistics) -> _LabelTable:
    labels = sorted(statistics.labels.items(), key=lambda entry: (-entry[1].images, entry[0]))
    longest = labels[0][1].images if labels else 0
    rest = len(labels) - _SHOWN_LABELS
    return _LabelTable(
        [_label_row(name, tally, longest) for name, tally in labels[:_SHOWN_LABELS]],
        has_boxes=statistics.boxes > 0,
        not_shown=counted(rest, "rarer label") if rest > 0 else "",
    )


def _label_row(name: str, tally: LabelTally, longest: int) -> _Row:
    low, high = recall_interval(tally.usable_test)
    return _Row(
        short(name),
        tally.train_images,
        tally.test_images,
        _width(tally.train_images, longest),
        _width(tally.test_images, longest),
        boxes=tally.train_boxes + tally.test_boxes,
        certainty=f"± {(high - low) / 2:.0%}" if tally.usable_test else "none",
    )


def _chart(histogram: Histogram) -> _Chart:
    bins = _without_empty_ends(list(zip(histogram.names, histogram.train, histogram.test, strict=True)))
    longest = max((train + test for _, train, test in bins), default=0)
    rows = [
        _Row(name, train, test, _width(train, longest), _width(test, longest)) for name, train, test in bins
    ]
    return _Chart(histogram.title, histogram.unit.capitalize(), rows)


def _without_empty_ends(bins: Sequence[tuple[str, int, int]]) -> Sequence[tuple[str, int, int]]:
    filled = [index for index, (_, train, test) in enumerate(bins) if train or test]
    return bins[filled[0] : filled[-1] + 1] if filled else []


def _width(count: int, longest: int) -> str:
    """A share of the longest bar, in percent."""
    return f"{100 * count / max(longest, 1):.1f}"
