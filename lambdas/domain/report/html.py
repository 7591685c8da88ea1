"""The report as one page: no script, no other file, everything from outside escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from lambdas.domain.report.limits import PAGES
from lambdas.domain.report.model import SEVERITIES, Example, Finding, Severity
from lambdas.domain.report.report import Report
from lambdas.domain.report.statistics import ASSUMED_RECALL, Histogram, LabelTally, recall_interval
from lambdas.domain.report.style import CSS
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.wording import counted, short

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_TAGS: dict[Severity, str] = {"stops": "Stops", "harms": "Harms", "note": "Note"}
_SECTIONS: dict[Severity, tuple[str, str]] = {
    "stops": ("What would waste the training", "Mend these first: as it is, the money would be lost."),
    "harms": ("What harms the model", "The training would run, and its model be worse, or its F1 mean less."),
    "note": ("Good to know", ""),
}
_SHOWN_DETAILS = 8
_SHOWN_LABELS = 250
_COLOURS = 6
# What an XML or HTML parser would not take, and directions that would turn the text around them.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


def page(report: Report) -> str:
    """The whole document; up to about 2 MB."""
    sections = "".join(_section(report, severity) for severity in SEVERITIES)
    title = _text(short(report.title, 200))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}: data-set report</title>\n<style>{CSS}</style>\n</head>\n<body>\n"
        f'<header>\n<p class="kicker">Data-set report</p>\n<h1>{title}</h1>\n{_verdict(report)}\n'
        f"{_figures(report)}\n{_index(report)}</header>\n"
        f"<main>\n{sections}{_statistics(report)}\n</main>\n</body>\n</html>\n"
    )


def _verdict(report: Report) -> str:
    look = "stops" if report.stops else "harms" if report.of("harms") else "good"
    return f'<p class="verdict {look}" role="status">{_text(report.verdict)}</p>'


def _figures(report: Report) -> str:
    statistics = report.statistics
    figures = [
        ("Images to train with", statistics.images["TRAIN"], ""),
        ("Images to test with", statistics.images["TEST"], ""),
        ("Labels", len(statistics.labels), ""),
    ]
    if statistics.boxes:
        each = statistics.boxes / max(statistics.kinds["detection"], 1)
        figures.append(("Boxes", statistics.boxes, f"{each:.1f} an image"))
    cells = (
        f"<div><dt>{name}</dt><dd>{number:,} <small>{aside}</small></dd></div>"
        for name, number, aside in figures
    )
    return f'<dl class="figures">{"".join(cells)}</dl>'


def _index(report: Report) -> str:
    if not report.findings:
        return ""
    items = (
        f'<li>{_tag(finding)}<a href="#{finding.code}">{_text(finding.title)}</a></li>\n'
        for finding in report.findings
    )
    return f'<nav aria-label="Findings"><ul class="index">\n{"".join(items)}</ul></nav>\n'


def _section(report: Report, severity: Severity) -> str:
    findings = report.of(severity)
    if not findings:
        return ""
    title, lead = _SECTIONS[severity]
    lead = f'<p class="lead">{lead}</p>\n' if lead else ""
    articles = "".join(_finding(finding, report) for finding in findings)
    return f"<section>\n<h2>{title}</h2>\n{lead}{articles}</section>\n"


def _finding(finding: Finding, report: Report) -> str:
    source = (
        f'<p class="source">AWS: <a href="{escape(finding.source)}" rel="noreferrer">'
        f"{_text(PAGES.get(finding.source, finding.source))}</a></p>\n"
        if finding.source
        else ""
    )
    return (
        f'<article class="finding" id="{finding.code}">\n'
        f'<div class="head">{_tag(finding)}<h3>{_text(finding.title)}</h3></div>\n'
        f'<div class="advice"><div><h4>What it does</h4><p>{_text(finding.what_it_does)}</p></div>'
        f"<div><h4>How to mend it</h4><p>{_text(finding.how_to_mend)}</p></div></div>\n"
        f"{_details(finding.details)}{_gallery(finding, report)}{source}</article>\n"
    )


def _tag(finding: Finding) -> str:
    return f'<span class="tag {finding.severity}">{_TAGS[finding.severity]}</span>'


def _details(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    one = " one" if len(lines) == 1 else ""
    shown = f'<ul class="details{one}">{_items(lines[:_SHOWN_DETAILS])}</ul>\n'
    if len(lines) <= _SHOWN_DETAILS:
        return shown
    rest = lines[_SHOWN_DETAILS:]
    return (
        f"{shown}<details><summary>{len(rest):,} more</summary>\n"
        f'<ul class="details">{_items(rest)}</ul></details>\n'
    )


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{_text(line)}</li>" for line in lines)


# Pictures


def _gallery(finding: Finding, report: Report) -> str:
    if not finding.examples:
        return ""
    shown = (
        f"<li>{_figure(example, report.thumbnails.get(example.key, ''))}</li>\n"
        for example in finding.examples
    )
    more = finding.count > len(finding.examples)
    label = "Some of them" if more else "The images"
    return f'<ul class="gallery" aria-label="{label}">\n{"".join(shown)}</ul>\n'


def _figure(example: Example, thumbnail: str) -> str:
    names = sorted({box.label for box in example.boxes})
    picture = _picture(example, thumbnail, names) if thumbnail else _missing(example)
    if example.boxes:
        what = " ".join(
            f'<span class="c{index % _COLOURS}"><i class="swatch"></i></span>'
            f"<bdi>{_text(short(name, 40))}</bdi>"
            for index, name in enumerate(names[:_COLOURS])
        )
    else:
        what = f"<bdi>{_text(short(example.caption or ', '.join(example.labels), 80))}</bdi>"
    name = example.key.rsplit("/", 1)[-1]
    return (
        f'<figure>{picture}<figcaption><span class="what">{what}</span><br>'
        f"{example.side} &middot; {example.width} &times; {example.height}"
        f'<span class="key" title="{_text(short(example.key, 200))}">{_text(short(name, 80))}</span>'
        "</figcaption></figure>"
    )


def _missing(example: Example) -> str:
    return f'<div class="missing" role="img" aria-label="{_alt(example)}">No preview</div>'


def _picture(example: Example, thumbnail: str, names: list[str]) -> str:
    left, top, width, height = _frame(example)
    size = max(width, height)
    outlines = [_outline([box for box in example.boxes if box.label == name], size) for name in names]
    # One dark line below all colours, so that of boxes in the same place each colour shows.
    under = f'<path class="under" d="{"".join(outlines)}"/>' if outlines else ""
    over = "".join(
        f'<path class="over c{index % _COLOURS}" d="{outline}"/>' for index, outline in enumerate(outlines)
    )
    return (
        f'<svg class="picture" role="img" aria-label="{_alt(example)}"'
        f' viewBox="{left} {top} {width} {height}">'
        f'<image href="{thumbnail}" width="{example.width}" height="{example.height}"'
        f' preserveAspectRatio="none"/>{under}{over}</svg>'
    )


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
    """The path of some boxes; those too small to be seen have a ring around them."""
    path = "".join(f"M{box.left} {box.top}h{box.width}v{box.height}h{-box.width}z" for box in boxes)
    ring = max(side // 20, 1)
    rings = "".join(
        f"M{box.left + box.width // 2 - ring} {box.top + box.height // 2}"
        f"a{ring} {ring} 0 1 0 {2 * ring} 0a{ring} {ring} 0 1 0 {-2 * ring} 0z"
        for box in boxes
        if max(box.width, box.height) < ring
    )
    return path + rings


def _alt(example: Example) -> str:
    names = ", ".join(short(name, 40) for name in example.labels[:3]) or "no label"
    boxes = f", {counted(len(example.boxes), 'box', 'boxes')} marked" if example.boxes else ""
    return _text(f"{example.side} image with {names}{boxes}")


# Statistics


def _statistics(report: Report) -> str:
    charts = "".join(_chart(histogram) for histogram in report.statistics.histograms)
    charts = f'<div class="charts">{charts}</div>\n' if report.statistics.total else ""
    return (
        "<section>\n<h2>The data set in numbers</h2>\n"
        '<p class="legend"><span><i class="train"></i>TRAIN</span><span><i class="test"></i>TEST</span></p>\n'
        f"{_label_table(report)}{charts}</section>"
    )


def _label_table(report: Report) -> str:
    labels = sorted(report.statistics.labels.items(), key=lambda entry: (-entry[1].images, entry[0]))
    if not labels:
        return '<p class="card">No image has a label.</p>\n'
    most = labels[0][1].images
    boxes = report.statistics.boxes > 0
    rows = "".join(_label_row(name, tally, most, boxes=boxes) for name, tally in labels[:_SHOWN_LABELS])
    rest = len(labels) - _SHOWN_LABELS
    more = f'<p class="lead">{counted(rest, "rarer label")} not shown.</p>\n' if rest > 0 else ""
    box_head = '<th scope="col">Boxes</th>' if boxes else ""
    return (
        '<div class="card scroll" role="region" aria-label="Images of each label" tabindex="0">\n'
        '<table class="labels"><caption>Images of each label</caption>\n'
        '<thead><tr><th scope="col">Label</th><th scope="col" class="wide">TRAIN and TEST</th>'
        f'<th scope="col">TRAIN</th><th scope="col">TEST</th>{box_head}'
        '<th scope="col">Recall known to</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table>\n{more}</div>\n"
        '<p class="source">The last column is half the width of the 95% interval of a recall measured as'
        f" {ASSUMED_RECALL:.0%} on so many test images. F1 is no more certain.</p>\n"
    )


def _label_row(name: str, tally: LabelTally, most: int, *, boxes: bool) -> str:
    low, high = recall_interval(tally.usable_test)
    certainty = f"± {(high - low) / 2:.0%}" if tally.usable_test else "none"
    box_cell = f"<td>{tally.train_boxes + tally.test_boxes:,}</td>" if boxes else ""
    return (
        f'<tr><th scope="row"><bdi>{_text(short(name))}</bdi></th>'
        f'<td class="wide">{_bar(tally.train_images, tally.test_images, most)}</td>'
        f"<td>{tally.train_images:,}</td><td>{tally.test_images:,}</td>{box_cell}"
        f"<td>{certainty}</td></tr>\n"
    )


def _chart(histogram: Histogram) -> str:
    bins = _without_empty_ends(list(zip(histogram.names, histogram.train, histogram.test, strict=True)))
    most = max((train + test for _, train, test in bins), default=0)
    rows = "".join(
        f'<tr><th scope="row">{_text(name)}</th><td class="wide">{_bar(train, test, most)}</td>'
        f"<td>{train:,}</td><td>{test:,}</td></tr>\n"
        for name, train, test in bins
    )
    return (
        f'<div class="card"><table><caption>{_text(histogram.title)}</caption>\n'
        f'<thead><tr><th scope="col">{_text(histogram.unit.capitalize())}</th><th scope="col" class="wide">'
        'TRAIN and TEST</th><th scope="col">TRAIN</th><th scope="col">TEST</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _without_empty_ends(bins: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    filled = [index for index, (_, train, test) in enumerate(bins) if train or test]
    return bins[filled[0] : filled[-1] + 1] if filled else []


def _bar(train: int, test: int, most: int) -> str:
    """A bar for train and test together; the numbers beside it say the same to a screen reader."""
    parts = "".join(
        f'<i class="{side}" style="width:{100 * count / most:.1f}%"></i>'
        for side, count in (("train", train), ("test", test))
        if count
    )
    return f'<div class="bar" aria-hidden="true">{parts}</div>'


def _text(text: str) -> str:
    """Text from anywhere, as a piece of an HTML text or attribute."""
    return escape(_UNFIT.sub("\ufffd", text))
