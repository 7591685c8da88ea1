"""Images that stand apart, and images that are not in the data set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.report import REKOGNITION, SnapshotFacts, UnusableCounts
from tests.fixtures.report_images import (
    NOTHING_UNUSABLE,
    box,
    classification,
    codes,
    detection,
    found,
    good_classifications,
    good_detections,
    keys,
    made,
)


def test_an_image_of_another_size() -> None:
    shown = box(left=0, top=0)
    report = made([*good_detections(), detection("huge", shown, width=3200, height=2400)])
    assert keys(found(report, "odd_sizes")) == {"huge"}
    report = made([*good_detections(), detection("double", shown, width=1280, height=960)])
    assert "odd_sizes" not in codes(report)


def test_an_image_of_another_shape() -> None:
    report = made([*good_detections(), detection("long", box(top=0), width=640, height=100)])
    assert keys(found(report, "odd_shapes")) == {"long"}
    report = made([*good_detections(), detection("upright", box(), width=480, height=640)])
    assert "odd_shapes" not in codes(report)


def test_two_usual_sizes_are_not_odd() -> None:
    images = [*good_detections(), *good_detections(("nut", "pin"))]
    large = [
        replace(image, width=3200, height=2400, boxes=(box("nut", width=400, height=400),))
        if image.boxes[0].label in ("nut", "pin")
        else image
        for image in images
    ]
    assert "odd_sizes" not in codes(made(large))


def test_images_with_nothing_on_them() -> None:
    report = made([*good_detections(), detection("empty")])
    finding = found(report, "backgrounds")
    assert (finding.severity, finding.title) == ("note", "1 image with nothing on it")
    assert keys(finding) == {"empty"}
    assert report.statistics.backgrounds["TRAIN"] == 1


def test_a_few_images_with_several_labels() -> None:
    both = [classification(f"both-{number}", "whole", "damaged") for number in range(20)]
    finding = found(made([*good_classifications(), *both[:5]]), "few_multi_label")
    assert (finding.severity, finding.count) == ("note", 5)
    assert "few_multi_label" not in codes(made([*good_classifications(), *both])), "more than a few"
    assert "few_multi_label" not in codes(made(good_classifications()))


@pytest.mark.parametrize(
    ("code", "unusable"),
    [
        ("unlabelled", replace(NOTHING_UNUSABLE, unlabelled=7)),
        ("conflicts", replace(NOTHING_UNUSABLE, conflicts=7)),
        ("withdrawn", replace(NOTHING_UNUSABLE, withdrawn=7)),
        ("missing_images", replace(NOTHING_UNUSABLE, missing=7)),
        ("left_out", replace(NOTHING_UNUSABLE, left_out={"nothing on the image": 7, "other": 0})),
    ],
)
def test_images_that_are_not_in_it(code: str, unusable: UnusableCounts) -> None:
    report = made(good_detections(), unusable=unusable)
    assert codes(report) == [code]
    assert (found(report, code).severity, found(report, code).count) == ("note", 7)


def test_much_that_is_left_out_harms() -> None:
    unusable = replace(NOTHING_UNUSABLE, left_out={"not of the data set's kind, detection": 18})
    finding = found(made(good_detections(), unusable=unusable), "left_out")
    assert finding.severity == "harms"
    assert finding.details == ("not of the data set's kind, detection: 18 images",)
    assert "10%" in finding.title


def test_a_manifest_over_the_quota_stops_the_training() -> None:
    limits = replace(REKOGNITION, max_manifest_bytes=1_000_000)
    sizes = SnapshotFacts({"TRAIN": 1_000_001, "TEST": 1_000_000})
    finding = found(made(good_detections(), limits=limits, facts=sizes), "manifest_too_large")
    assert (finding.severity, finding.title) == ("stops", "A manifest of more than 1 MB: TRAIN")
    assert finding.details == ("TRAIN: 1 MB",)
    assert codes(made(good_detections(), facts=sizes)) == []


def test_images_on_another_side_than_the_data_wanted_are_told() -> None:
    finding = found(made(good_detections(), facts=SnapshotFacts(other_side=3)), "other_side")
    assert (finding.severity, finding.count) == ("note", 3)
    assert finding.title == "3 images not on the side that the data asked for"
