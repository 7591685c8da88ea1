"""Images that stand apart, and images that are not in the dataset."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.report import REKOGNITION, SnapshotFacts, UnusableCounts
from lambdas.domain.snapshot.split import NOTHING_ON_IMAGE
from tests.fixtures.report_images import (
    NOTHING_UNUSABLE,
    box,
    classification,
    codes,
    detection,
    finding_of,
    good_classifications,
    good_detections,
    keys,
    made,
)


def test_an_image_of_another_size() -> None:
    shown = box(left=0, top=0)
    report = made([*good_detections(), detection("huge", shown, width=3200, height=2400)])
    assert keys(finding_of(report, "odd_sizes")) == {"huge"}
    report = made([*good_detections(), detection("double", shown, width=1280, height=960)])
    assert "odd_sizes" not in codes(report)


def test_an_image_of_another_shape() -> None:
    report = made([*good_detections(), detection("long", box(top=0), width=640, height=100)])
    assert keys(finding_of(report, "odd_shapes")) == {"long"}
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
    finding = finding_of(report, "backgrounds")
    assert (finding.severity, finding.title) == ("info", "1 image with nothing on it")
    assert keys(finding) == {"empty"}
    assert report.statistics.backgrounds["TRAIN"] == 1


def test_a_few_images_with_several_labels() -> None:
    both = [classification(f"both-{number}", "whole", "damaged") for number in range(20)]
    finding = finding_of(made([*good_classifications(), *both[:5]]), "few_multi_label")
    assert (finding.severity, finding.count) == ("info", 5)
    assert "few_multi_label" not in codes(made([*good_classifications(), *both])), "more than a few"
    assert "few_multi_label" not in codes(made(good_classifications()))


@pytest.mark.parametrize(
    ("code", "unusable"),
    [
        ("unlabelled", replace(NOTHING_UNUSABLE, unlabelled=7)),
        ("conflicts", replace(NOTHING_UNUSABLE, conflicts=7)),
        ("excluded", replace(NOTHING_UNUSABLE, excluded=7)),
        ("pending_annotations", replace(NOTHING_UNUSABLE, pending_annotations=7)),
        ("left_out", replace(NOTHING_UNUSABLE, left_out={"of another kind": 7, "other": 0})),
        ("nothing_on_them", replace(NOTHING_UNUSABLE, left_out={NOTHING_ON_IMAGE: 7})),
    ],
)
def test_images_that_are_not_in_it(code: str, unusable: UnusableCounts) -> None:
    report = made(good_detections(), unusable=unusable)
    assert codes(report) == [code]
    assert (finding_of(report, code).severity, finding_of(report, code).count) == ("info", 7)


def test_much_that_is_left_out_is_a_warning() -> None:
    unusable = replace(NOTHING_UNUSABLE, left_out={"not of the dataset's kind, detection": 18})
    finding = finding_of(made(good_detections(), unusable=unusable), "left_out")
    assert finding.severity == "warning"
    assert finding.details == ("not of the dataset's kind, detection: 18 images",)
    assert "10%" in finding.title


def test_a_manifest_over_the_quota_stops_the_training() -> None:
    limits = replace(REKOGNITION, max_manifest_bytes=1_000_000)
    sizes = SnapshotFacts({"TRAIN": 1_000_001, "TEST": 1_000_000})
    finding = finding_of(made(good_detections(), limits=limits, facts=sizes), "manifest_too_large")
    assert (finding.severity, finding.title) == ("error", "A manifest of more than 1 MB: TRAIN")
    assert finding.details == ("TRAIN: 1 MB",)
    assert codes(made(good_detections(), facts=sizes)) == []


def test_images_in_another_dataset_than_was_asked_for_are_counted() -> None:
    finding = finding_of(made(good_detections(), facts=SnapshotFacts(not_as_requested=3)), "not_as_requested")
    assert (finding.severity, finding.count) == ("info", 3)
    assert finding.title == "3 images not in the dataset that was asked for"
