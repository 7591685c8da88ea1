"""What Custom Labels refuses is found before it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.report import REKOGNITION, limits_of
from tests.fixtures.report_images import (
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


def test_a_good_data_set_has_no_findings() -> None:
    assert codes(made(good_detections())) == []
    assert codes(made(good_classifications())) == []


@pytest.mark.parametrize(
    ("images", "where"),
    [
        ([], "TRAIN and TEST"),
        ([detection("a", box())], "TEST"),
        ([detection("a", box(), dataset_type="TEST")], "TRAIN"),
    ],
)
def test_an_empty_dataset_stops(images: list[object], where: str) -> None:
    report = made(images)  # pyrefly: ignore[bad-argument-type]
    assert finding_of(report, "no_images").severity == "error"
    assert where in finding_of(report, "no_images").title
    assert report.errors


def test_one_label_is_too_few_for_a_classification_only() -> None:
    one = finding_of(made(good_classifications(("whole",))), "too_few_labels")
    assert one.severity == "error"
    assert one.details == (
        "TRAIN: 1 label that can be used, 2 needed",
        "TEST: 1 label that can be used, 2 needed",
    )
    assert "too_few_labels" not in codes(made(good_detections(("bolt",))))


def test_a_label_on_refused_images_only_is_none() -> None:
    images = [replace(image, height=40) for image in good_detections(("bolt",))]
    report = made(images)
    assert {"too_few_labels", "too_many_refused", "image_too_small"} <= set(codes(report))
    assert finding_of(report, "image_too_small").count == 80


def test_more_labels_than_a_manifest_takes() -> None:
    limits = replace(REKOGNITION, max_labels=2)
    assert finding_of(made(good_detections(("a", "b", "c")), limits=limits), "too_many_labels").count == 3
    assert "too_many_labels" not in codes(made(good_detections(("a", "b")), limits=limits))


def test_more_images_than_a_dataset_takes() -> None:
    limits = replace(REKOGNITION, max_train_images=119, max_test_images=40)
    finding = finding_of(made(good_detections(), limits=limits), "too_many_images")
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.details == ("TRAIN: 120 images, 119 taken",)
    limits = replace(REKOGNITION, max_train_images=120, max_test_images=40)
    assert codes(made(good_detections(), limits=limits)) == []


def test_smaller_regions_take_smaller_datasets() -> None:
    assert limits_of("eu-west-2").max_test_images == 7_000
    assert limits_of("ap-south-1").max_train_images == 28_000
    assert limits_of("eu-central-1") == REKOGNITION


def test_more_test_images_of_a_label_than_taken() -> None:
    limits = replace(REKOGNITION, max_test_images_per_label=20)
    images = [*good_detections(), detection("one-more", box("gear"), dataset_type="TEST")]
    finding = finding_of(made(images, limits=limits), "too_many_test_images")
    assert finding.severity == "error"
    assert finding.details == ("gear: 21 test images",)
    assert codes(made(good_detections(), limits=limits)) == []


@pytest.mark.parametrize(
    ("code", "width", "height", "fits"),
    [
        ("image_too_small", 63, 200, (64, 200)),
        ("image_too_large", 1000, 4097, (1000, 4096)),
        ("image_too_elongated", 2001, 100, (2000, 100)),
    ],
)
def test_sizes_that_are_refused(code: str, width: int, height: int, fits: tuple[int, int]) -> None:
    shown = box(left=0, top=0, width=50, height=50)
    report = made([*good_detections(), detection("odd", shown, width=width, height=height)])
    assert finding_of(report, code).severity == "warning"
    assert keys(finding_of(report, code)) == {"odd"}
    report = made([*good_detections(), detection("odd", shown, width=fits[0], height=fits[1])])
    assert code not in codes(report)


def test_too_many_boxes_on_an_image() -> None:
    boxes = [box(left=number * 10, width=9, height=30) for number in range(51)]
    report = made([*good_detections(), detection("crowd", *boxes)])
    assert keys(finding_of(report, "too_many_boxes")) == {"crowd"}
    assert len(finding_of(report, "too_many_boxes").examples[0].boxes) == 20
    twice = made([*good_detections(), detection("crowd", *[box()] * 51)])
    assert "box_doubled" not in codes(twice), "its boxes are not learnt at all"
    assert "too_many_boxes" not in codes(made([*good_detections(), detection("crowd", *boxes[:50])]))


def test_too_many_labels_on_an_image() -> None:
    labels = [f"label {number}" for number in range(51)]
    report = made([*good_classifications(), classification("all", *labels)])
    assert keys(finding_of(report, "too_many_labels_on_image")) == {"all"}
    report = made([*good_classifications(), classification("all", *labels[:50])])
    assert "too_many_labels_on_image" not in codes(report)


def test_a_label_that_is_too_long_teaches_nothing() -> None:
    report = made([*good_detections(), detection("long", box("x" * 256))])
    assert finding_of(report, "label_too_long").count == 1
    assert "label_only_in_test" in codes(report), "nothing usable to learn it from"
    assert "label_too_long" not in codes(made([*good_detections(), detection("long", box("x" * 255))]))


def test_more_invalid_lines_than_a_manifest_may_have() -> None:
    good = good_detections()
    bad = [detection(f"bad-{number}", box(left=-1)) for number in range(31)]
    finding = finding_of(made([*good, *bad]), "too_many_refused")
    assert finding.severity == "error"
    assert finding.details == ("TRAIN: 31 of 151 images (21%)",)
    assert "too_many_refused" not in codes(made([*good, *bad[:30]])), "30 of 150 are just 20%"


def test_ignored_lines_do_not_count_as_invalid() -> None:
    backgrounds = [detection(f"empty-{number}") for number in range(200)]
    assert "too_many_refused" not in codes(made([*good_detections(), *backgrounds]))


def test_image_level_labels_among_boxes() -> None:
    images = [*good_detections(), classification("scene", "bolt")]
    assert finding_of(made(images), "mixed_kinds").count == 1
    assert "mixed_kinds" not in codes(made(good_detections()))


def test_too_few_images_to_train_with() -> None:
    assert finding_of(made(good_detections(("bolt",), train=9)), "few_images").count == 9
    assert "few_images" not in codes(made(good_detections(("bolt",), train=10)))
