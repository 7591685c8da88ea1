"""Near-duplicates within a dataset, across the two, and with different labels."""

from __future__ import annotations

import pytest

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


def test_near_duplicates_of_one_dataset_are_info() -> None:
    twins = [detection(f"twin-{number}", box(), group="g") for number in range(3)]
    report = made([*good_detections(), *twins])
    finding = finding_of(report, "near_duplicates")
    assert (finding.severity, finding.count) == ("info", 2)
    assert keys(finding) < {"twin-0", "twin-1", "twin-2"}
    assert codes(report) == ["near_duplicates"]


def test_near_duplicates_across_the_datasets_are_a_warning() -> None:
    twins = [
        detection("a", box(), group="g"),
        detection("b", box(), group="g", dataset_type="TEST"),
        detection("c", box(), group="g", dataset_type="TEST"),
    ]
    report = made([*good_detections(), *twins])
    finding = finding_of(report, "train_test_duplicates")
    assert (finding.severity, finding.count) == ("warning", 2)
    assert finding.title == "2 test images nearly the same as a training image (5% of TEST)"
    assert [example.dataset_type for example in finding.examples] == ["TRAIN", "TEST"]
    assert finding_of(report, "near_duplicates").count == 1


def test_a_group_of_one_is_no_finding() -> None:
    images = [detection("a", box(), group="g"), detection("b", box(), group="h", dataset_type="TEST")]
    assert codes(made([*good_detections(), *images])) == []


def test_near_duplicates_with_different_labels() -> None:
    twins = [classification("a", "whole", group="g"), classification("b", "damaged", group="g")]
    finding = finding_of(made([*good_classifications(), *twins]), "near_duplicates_disagree")
    assert (finding.severity, finding.count) == ("warning", 1)
    assert {example.caption for example in finding.examples} == {"whole", "damaged"}
    alike = [classification("a", "whole", group="g"), classification("b", "whole", group="g")]
    assert "near_duplicates_disagree" not in codes(made([*good_classifications(), *alike]))


def test_of_near_duplicates_with_different_labels_those_are_shown_that_differ() -> None:
    """However many others of the group are labelled alike, and in whichever order they come."""
    images = [classification(f"{number}", "whole", group="g", dataset_type="TRAIN") for number in range(9)]
    images += [classification("test", "whole", group="g", dataset_type="TEST")]
    for odd in range(10):
        group = [*images[:odd], classification("odd", "damaged", group="g"), *images[odd:]]
        finding = finding_of(made([*good_classifications(), *group]), "near_duplicates_disagree")
        assert sorted(example.caption for example in finding.examples) == ["damaged", "whole"]


def test_different_labels_of_detections_are_only_info() -> None:
    twins = [detection("a", box("bolt"), group="g"), detection("b", box("gear"), group="g")]
    finding = finding_of(made([*good_detections(), *twins]), "near_duplicates_disagree")
    assert finding.severity == "info"


@pytest.mark.long
def test_more_groups_than_are_remembered_still_count_and_still_show_the_same() -> None:
    images = [
        detection(f"{group}-{dataset_type}", box(), group=f"group {group}", dataset_type=dataset_type)
        for group in range(11_000)
        for dataset_type in ("TRAIN", "TEST")
    ]
    one, other = made(images), made(reversed(images))
    finding = finding_of(one, "train_test_duplicates")
    assert finding.count == 11_000
    assert len(finding.examples) == 12
    assert finding == finding_of(other, "train_test_duplicates")
