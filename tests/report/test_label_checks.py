"""Labels with too little to learn or test them, and labels that are one."""

from __future__ import annotations

import pytest

from lambdas.domain.report import ReportImage
from lambdas.domain.report.label_checks import skeleton
from lambdas.domain.report.statistics import MAX_LABELS, recall_interval
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


def of(label: str, train: int, test: int) -> list[ReportImage]:
    return good_detections((label,), train=train, test=test)


def test_a_label_that_is_not_tested_is_an_error() -> None:
    report = made([*good_detections(), *of("nut", 60, 0)])
    finding = finding_of(report, "label_only_in_train")
    assert finding.severity == "error"
    assert finding.details == ("nut: 60 usable training images",)
    assert {example.boxes[0].label for example in finding.examples} == {"nut"}


def test_a_label_that_is_not_trained_is_an_error() -> None:
    report = made([*good_detections(), *of("nut", 0, 20)])
    assert finding_of(report, "label_only_in_test").details == ("nut: 20 usable test images",)
    assert "label_only_in_train" not in codes(report)


def test_an_image_that_is_refused_does_not_test_its_label() -> None:
    small = detection("small", box("nut", 0, 0, 30, 30), dataset_type="TEST", width=60)
    report = made([*good_detections(), *of("nut", 60, 0), small])
    assert finding_of(report, "label_only_in_train").count == 1
    assert "label_only_in_train" not in codes(made([*good_detections(), *of("nut", 60, 20), small]))


def test_labels_that_the_datasets_do_not_share() -> None:
    images = good_classifications(("a", "b"))
    images += good_classifications(("c", "d"), test=0)
    assert "label_overlap" not in codes(made(images)), "half of them is enough"
    images += good_classifications(("e",), test=0)
    finding = finding_of(made(images), "label_overlap")
    assert (finding.severity, finding.count) == ("error", 3)


def test_few_images_to_learn_from() -> None:
    report = made([*good_detections(), *of("nut", 9, 20)])
    finding = finding_of(report, "few_train_images")
    assert finding.severity == "warning"
    assert finding.details == ("nut: 9 training images",)
    assert "few_train_images" not in codes(made([*good_detections(), *of("nut", 10, 20)]))


def test_few_images_to_test_with_say_how_little_they_tell() -> None:
    finding = finding_of(made([*good_detections(), *of("nut", 60, 4)]), "few_test_images")
    assert finding.severity == "warning"
    assert finding.details == ("nut: 4 test images, 34% to 97%",)
    report = made([*good_detections(), *of("nut", 60, 5)])
    assert "few_test_images" not in codes(report)
    assert finding_of(report, "wide_intervals").severity == "info"
    assert "wide_intervals" not in codes(made([*good_detections(), *of("nut", 60, 20)]))


@pytest.mark.parametrize(("images", "low", "high"), [(0, 0.0, 1.0), (10, 0.490, 0.943), (100, 0.711, 0.867)])
def test_the_interval_is_wilsons(images: int, low: float, high: float) -> None:
    assert recall_interval(images) == pytest.approx((low, high), abs=0.0006)


def test_imbalance_gets_worse_with_its_ratio() -> None:
    def ratio_of(rare: int) -> list[str]:
        report = made([*of("bolt", 600, 20), *of("nut", rare, 20)])
        return [finding.severity for finding in report.findings if finding.code == "imbalance"]

    assert ratio_of(61) == []
    assert ratio_of(60) == ["info"]
    assert ratio_of(13) == ["info"]
    assert ratio_of(12) == ["warning"]


def test_imbalance_names_the_rare_labels() -> None:
    report = made([*of("bolt", 600, 20), *of("gear", 61, 20), *of("nut", 60, 20), *of("pin", 50, 20)])
    finding = finding_of(report, "imbalance")
    assert finding.title == "12 images of bolt for one of pin"
    assert finding.details == ("pin: 50 training images", "nut: 60 training images")
    assert finding.count == 2


@pytest.mark.parametrize(
    "written",
    ["Bolt", "BOLT", "bolt ", "bolts", "b-o-l-t", "bolt.", "\uff42\uff4f\uff4c\uff54", "b\u043elt", "b_olt"],
)
def test_labels_written_in_two_ways(written: str) -> None:
    report = made([*of("bolt", 60, 20), *of(written, 60, 20)])
    finding = finding_of(report, "similar_labels")
    assert (finding.severity, finding.count) == ("warning", 2)
    assert len(finding.examples) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bolt", "belt"),
        ("bus", "bu"),
        ("glass", "glas"),
        ("pass", "pas"),
        ("type 1", "type 2"),
        ("?", "!"),
        ("gas", "ga"),
    ],
)
def test_labels_that_only_look_a_little_alike(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)
    assert "similar_labels" not in codes(made([*of(one, 60, 20), *of(other, 60, 20)]))


def test_look_alike_letters_are_named_by_their_numbers() -> None:
    finding = finding_of(made([*of("bolt", 60, 20), *of("b\u043elt", 60, 20)]), "similar_labels")
    assert "'b\\u043elt'" in finding.details[0]


def test_many_labels_are_counted_in_the_details_that_are_left_away() -> None:
    labels = [f"part {number}x" for number in range(130)]
    images = [
        classification(f"{label}-{dataset_type}", label, dataset_type=dataset_type)
        for label in labels
        for dataset_type in ("TRAIN", "TEST")
    ]
    finding = finding_of(made(images), "few_train_images")
    assert len(finding.details) == 101
    assert finding.details[-1] == "and 30 more labels"
    assert len(finding.examples) <= 12


def test_no_picture_of_each_where_there_are_more_labels_than_images_are_kept_for() -> None:
    images = [classification(f"image {number}", f"label {number}x") for number in range(MAX_LABELS + 1)]
    finding = finding_of(made(images), "few_train_images")
    assert finding.count == MAX_LABELS + 1
    assert keys(finding) == set()
