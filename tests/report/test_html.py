"""The page: escaped, self-contained, bounded, and with the pictures."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from lambdas.domain.report import UnusableCounts
from lambdas.domain.report import html as report_html
from lambdas.domain.report.report import Report
from local.scenes import detection_scenes
from tests.fixtures.report_images import (
    NOTHING_UNUSABLE,
    box,
    classification,
    detection,
    good_detections,
    jpeg,
    made,
    noise,
)
from tests.fixtures.report_markup import Page, check_markup

EVIL = '<script>alert("1")</script>&amp;\'"><img src=x onerror=alert(1)>'


def page_of(report: Report) -> Page:
    return check_markup(report_html.page(report))


def test_everything_from_outside_is_escaped() -> None:
    images = [
        *good_detections(),
        detection(f"images/{EVIL}.jpg", box(EVIL), box(EVIL)),
        classification(f"images/2{EVIL}.jpg", EVIL),
    ]
    unusable = UnusableCounts(1, 1, 1, 1, {EVIL: 4})
    report = replace(made(images, unusable=unusable, thumbnail=lambda key: jpeg()), title=EVIL)
    page = page_of(report)
    assert "<script" not in report_html.page(report)
    assert "<img" not in report_html.page(report)
    assert page.text.count('<script>alert("1")</script>&amp;') > 5, "and shown as it is written"


def test_the_page_needs_nothing_else() -> None:
    html = report_html.page(
        made([*good_detections(), detection("a", box(left=-5))], thumbnail=lambda key: jpeg())
    )
    page = check_markup(html)
    policies = [meta["content"] for meta in page.of("meta") if "http-equiv" in meta]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert page.of("html") == [{"lang": "en"}]
    assert "url(" not in html
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_the_verdict_and_headings_come_in_order() -> None:
    page = page_of(made([*good_detections(), detection("a", box("nut"))]))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.text.index("Stopped: 1 error") < page.text.index("Errors that would waste the training")
    assert page.text.index("Errors that would waste the training") < page.text.index("The dataset in numbers")


def test_every_finding_is_reached_from_the_top() -> None:
    report = made([*good_detections(), detection("a", box("nut"), box(left=-5))])
    page = page_of(report)
    links = [anchor["href"] for anchor in page.of("a") if anchor["href"].startswith("#")]
    assert links == [f"#{finding.code}" for finding in report.findings]
    assert [article["id"] for article in page.of("article")] == [finding.code for finding in report.findings]


def test_an_example_is_drawn_with_its_boxes() -> None:
    images = [detection("a", box(), box("gear")), *good_detections()]
    page = page_of(made(images, thumbnail=lambda key: jpeg()))
    (svg,) = page.of("svg")
    assert svg["viewbox"] == "0 0 640 480"
    assert svg["aria-label"] == "TRAIN image with bolt, gear, 2 boxes marked"
    drawn = [path["d"] for path in page.of("path") if path["class"].startswith("over")]
    assert drawn == ["M100 100h120v90h-120z"] * 2
    assert page.of("image")[0]["width"] == "640"


def test_a_box_outside_is_shown_outside_and_a_tiny_one_gets_a_ring() -> None:
    images = [detection("a", box(left=600)), detection("b", box(width=1, height=5)), *good_detections()]
    page = page_of(made(images, thumbnail=lambda key: jpeg()))
    assert "0 0 720 480" in [svg["viewbox"] for svg in page.of("svg")]
    assert [path for path in page.of("path") if "a32 32 0 1 0 64 0" in path["d"]]


def test_an_image_that_cannot_be_had_has_a_placeholder() -> None:
    def gone(key: str) -> bytes | None:
        raise ConnectionError(key)

    for thumbnail in (lambda key: None, lambda key: b"GIF89a", gone):
        report = made([*good_detections(), detection("a", box(left=-5))], thumbnail=thumbnail)
        assert "No preview" in page_of(report).text
        assert report.thumbnails == {}


@pytest.mark.long
def test_the_page_is_bounded() -> None:
    """The worst there can be: long names, many labels, examples of all findings, pictures of noise."""
    grain = noise()
    images = []
    for number in range(1500):
        label = f"{number % 300:03d}" + "&" * 252
        crowd = [
            *[box(label, left=12 * n, top=0, width=11, height=3000) for n in range(30)],
            box("#" + label[1:], left=0, top=0, width=12, height=3000),
            box(label, -5, -5, 40, 40),
            box(label, 5, 5, 1, 1),
            box(label, 5, 5, 2, 2),
            box(label, 0, 0, 4000, 3000),
            box(label, 0, 0, 4000, 3000),
        ]
        dataset_type = "TEST" if number % 5 == 0 else "TRAIN"
        key = "images/" + "&" * 900 + str(number)
        images.append(
            detection(
                key, *crowd, dataset_type=dataset_type, width=4000, height=3000, group=f"g{number // 2 % 300}"
            )
        )
        if number % 3 == 0:
            images.append(replace(images[-1], key=f"{key}s", width=50))
            images.append(classification(f"{key}c", *(f"{label}{n}" for n in range(60))))
    report = made(
        images,
        unusable=replace(NOTHING_UNUSABLE, left_out={"&" * 300 + str(n): 1 for n in range(20)}),
        thumbnail=lambda key: grain,
    )
    assert sum(len(finding.examples) for finding in report.findings) > 60
    assert len(report_html.page(report).encode()) < 2_000_000
    check_markup(report_html.page(report))


@pytest.mark.long
def test_scenes_make_a_page() -> None:
    files = {}
    images = []
    for number, scene in enumerate(detection_scenes(12, seed=5)):
        files[scene.name] = scene.jpeg()
        boxes = [box(b.label, b.left, b.top, b.width, b.height) for b in scene.boxes]
        dataset_type = "TEST" if number % 4 == 0 else "TRAIN"
        width, height = scene.image.size
        images.append(
            detection(scene.name, *boxes, boxes[0], dataset_type=dataset_type, width=width, height=height)
        )
    report = made(images, thumbnail=files.get)
    assert len(report.thumbnails) == 12
    assert len(page_of(report).of("svg")) >= 12


def test_250_labels_are_all_in_the_table() -> None:
    labels = [f"part {number}x" for number in range(250)]
    page = page_of(made(good_detections(labels, train=4, test=1)))
    assert all(f"part {number}x" in page.text for number in range(250))
    assert "not shown" not in page.text
    more = page_of(made(good_detections([*labels, "one", "more"], train=2, test=1)))
    assert "2 rarer labels not shown" in more.text
