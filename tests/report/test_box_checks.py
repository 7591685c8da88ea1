"""Boxes that are refused, hard to learn from, or contradict each other."""

from __future__ import annotations

import pytest

from lambdas.domain.report import Finding
from lambdas.domain.shared.annotation import Box
from tests.fixtures.report_images import box, detection, finding_of, good_detections, made


def findings_of(*boxes: Box, width: int = 640, height: int = 480) -> dict[str, Finding]:
    report = made([*good_detections(), detection("this", *boxes, width=width, height=height)])
    return {finding.code: finding for finding in report.findings if finding.code.startswith("box_")}


@pytest.mark.parametrize(
    "outside",
    [box(left=-1), box(top=-1), box(left=540, width=101), box(top=400, height=81)],
)
def test_boxes_that_reach_out_of_their_image(outside: Box) -> None:
    findings = findings_of(outside, box("gear"))
    assert list(findings) == ["box_outside"]
    assert findings["box_outside"].examples[0].boxes == (outside,)


def test_boxes_that_touch_the_edge_are_inside() -> None:
    assert findings_of(box(left=540, top=390, width=100, height=90), box("gear", 0, 0)) == {}


def test_boxes_of_one_pixel_are_refused() -> None:
    thin = box(top=0, width=1, height=400)
    assert list(findings_of(thin)) == ["box_too_small"]
    assert "box_too_small" not in findings_of(box(top=0, width=2, height=400))


def test_boxes_are_measured_as_scaled_down() -> None:
    thin = box(width=3, height=2000)
    assert "box_too_small" in findings_of(thin, width=4096, height=4000)
    assert "box_too_small" not in findings_of(box(width=4, height=2000), width=4096, height=4000)


def test_boxes_that_are_small_on_their_image() -> None:
    assert findings_of(box(width=20, height=15))["box_small"].severity == "warning"
    assert findings_of(box(width=20, height=16)) == {}


def test_boxes_that_fill_their_image() -> None:
    giant = findings_of(box(left=0, top=0, width=640, height=457))["box_giant"]
    assert (giant.severity, giant.count) == ("info", 1)
    assert findings_of(box(left=0, top=0, width=640, height=456)) == {}


def test_boxes_drawn_twice() -> None:
    assert findings_of(box(), box())["box_doubled"].count == 1
    assert findings_of(box(), box(), box(left=101))["box_doubled"].count == 2
    assert findings_of(box(width=100), box(width=112)) == {}, "an IoU of 0.89"
    assert findings_of(box(), box(left=300)) == {}


def test_boxes_that_contradict_each_other() -> None:
    finding = findings_of(box("bolt", width=100), box("nut", width=120))["box_contradiction"]
    assert finding.count == 2
    assert {shown.label for shown in finding.examples[0].boxes} == {"bolt", "nut"}
    assert findings_of(box("bolt", width=100), box("gear", width=126)) == {}, "an IoU of 0.79"


def test_boxes_in_pairs_do_not_hang_on_their_order() -> None:
    boxes = [box(left=left, label=label) for left in (0, 2, 4, 200) for label in ("bolt", "gear")]
    assert findings_of(*boxes) == findings_of(*reversed(boxes))


def test_at_most_twelve_images_are_shown() -> None:
    images = [detection(f"twice-{number}", box(), box()) for number in range(50)]
    finding = finding_of(made([*good_detections(), *images]), "box_doubled")
    assert finding.count == 50
    assert len(finding.examples) == 12
    assert finding.details == ("on 50 images",)
