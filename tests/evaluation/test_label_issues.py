"""Label issues: which there are, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from benchmarks import label_issues as benchmark
from lambdas.domain.evaluation import issue_file
from lambdas.domain.evaluation.issue_file import KeptIssues
from lambdas.domain.evaluation.label_issues import (
    MAX_COMPARED,
    LabelIssue,
    disagreements,
    label_issues,
    ranked,
)
from lambdas.domain.evaluation.matching import Judged, judge
from lambdas.domain.evaluation.records import Detection, Evaluation, TestImage, Thresholds, TrueObject
from lambdas.domain.shared.annotation import DatasetType
from lambdas.domain.shared.boxes import RelativeBox

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def s3() -> Iterator[S3Client]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


def true(label: str, left: float = 0.1) -> TrueObject:
    return TrueObject(label, RelativeBox(label, left, 0.1, 0.2, 0.2))


def seen(label: str, confidence: float, left: float = 0.1, width: float = 0.2) -> Detection:
    return Detection(label, confidence, RelativeBox(label, left, 0.1, width, 0.2))


def image(*things: TrueObject | Detection, key: str = "images/a.jpg") -> TestImage:
    truths = tuple(thing for thing in things if isinstance(thing, TrueObject))
    detections = [thing for thing in things if isinstance(thing, Detection)]
    detections.sort(key=lambda detection: -detection.confidence)
    return TestImage(key, 1000, 1000, truths, tuple(detections))


def evaluation(*images: TestImage) -> Evaluation:
    return Evaluation("training", "detection", images)


@pytest.mark.parametrize(
    ("things", "issue_type"),
    [
        ((true("cat"), seen("dog", 0.9)), "wrong_label"),
        ((seen("dog", 0.9),), "missing"),
        ((true("cat"), seen("cat", 0.9, width=0.8)), "loose"),
        ((true("cat"),), "spurious"),
        ((true("cat"), seen("cat", 0.6), seen("dog", 0.9)), "wrong_label"),
    ],
    ids=["confusion", "background", "loose", "missed", "surer of another label"],
)
def test_which_labels_are_issues(things: tuple[TrueObject | Detection, ...], issue_type: str) -> None:
    (issue,) = label_issues(evaluation(image(*things)))
    assert issue.issue_type == issue_type
    assert 0 < issue.mistakenness < 1


def test_what_is_right_is_no_issue() -> None:
    assert label_issues(evaluation(image(true("cat"), seen("cat", 0.9), seen("dog", 0.6)))) == []


def test_the_word_of_a_label_that_is_often_seen_wrongly_is_worth_less() -> None:
    good = [image(true("cat"), seen("cat", 0.9), key=f"images/{number}.jpg") for number in range(9)]
    bad = [image(seen("dog", 0.9), key=f"images/x{number}.jpg") for number in range(4)]
    issues = label_issues(evaluation(*good, *bad, image(seen("cat", 0.8), key="images/y.jpg")))
    assert issues[0].detection is not None
    assert issues[0].detection.label == "cat"


def test_a_label_issue_keeps_its_id_when_another_version_raises_it() -> None:
    first, other = (
        label_issues(evaluation(image(true("cat"), seen("dog", confidence, left=left))))[0].id
        for confidence, left in ((0.9, 0.1), (0.7, 0.102))
    )
    assert first == other
    assert label_issues(evaluation(image(true("cat"), seen("cow", 0.9))))[0].id != first
    moved = replace(image(true("cat"), seen("dog", 0.9)), key="images/b.jpg")
    assert label_issues(evaluation(moved))[0].id != first


def test_planted_errors_of_a_good_detector_come_first() -> None:
    shown = benchmark.of_evaluation(*benchmark.simulated(seed=1, quality=0.95))
    assert shown.recalls()[0.1] >= benchmark.WANTED


def test_mending_is_worth_more_where_a_label_has_few_images() -> None:
    issues = [
        replace(issue, dataset=dataset)
        for dataset, key in (("TRAIN", "images/a.jpg"), ("TEST", "images/b.jpg"), ("TEST", "images/c.jpg"))
        for issue in label_issues(evaluation(image(true("cat" if key < "images/c" else "cow"), key=key)))
    ]
    images: dict[DatasetType, dict[str, int]] = {"TRAIN": {"cat": 400}, "TEST": {"cat": 100, "cow": 5}}
    first, second, third = ranked(issues, images)
    assert [one.truth.label for one in (first, second) if one.truth] == ["cow", "cat"]
    assert (second.effect, third.effect) == (1 / 100 / 2, 1 / 400)


def test_what_is_hardly_wrong_comes_last_whatever_it_is_worth() -> None:
    sure, unsure = (
        LabelIssue(
            image(true("cat"), key=f"images/{number}.jpg"), "wrong_label", true("cat"), None, number / 10
        )
        for number in (6, 4)
    )
    shown = ranked([replace(sure, dataset="TRAIN"), unsure], {"TRAIN": {"cat": 900}, "TEST": {"cat": 1}})
    assert [one.mistakenness for one in shown] == [0.6, 0.4]


def test_what_two_say_of_one_label_is_one_issue() -> None:
    shown = image(true("cat"), seen("dog", 0.9))
    (issue,) = label_issues(evaluation(shown))
    twin = replace(issue, seen_by="near_duplicate", mistakenness=0.1, twin="images/b.jpg")
    missing = LabelIssue(shown, "missing", None, seen("cow", 0.5, left=0.6), 0.2)
    again = replace(missing, detection=seen("cow", 0.4, left=0.61), mistakenness=0.1)
    first, second = ranked([issue, twin, missing, again], {})
    assert first.mistakenness == pytest.approx(1 - 0.9 * (1 - issue.mistakenness))
    assert (first.seen_by, first.twin, second.issue_type) == ("version", "images/b.jpg", "missing")


def test_images_that_look_the_same_contradict_what_is_called_differently() -> None:
    first, second = (
        image(true("cat"), true("cow", left=0.6)),
        image(true("dog"), true("cow", left=0.6), key="b"),
    )
    issues = disagreements([(first, "TRAIN"), (second, "TEST")])
    assert [(one.issue_type, one.truth and one.truth.label, one.dataset) for one in issues] == [
        ("wrong_label", "cat", "TRAIN"),
        ("wrong_label", "dog", "TEST"),
    ]
    assert {one.mistakenness for one in issues} == {0.5}


def test_the_odd_one_of_several_is_rather_wrong() -> None:
    three = [image(true("cat"), key=key) for key in ("images/a.jpg", "images/b.jpg")]
    odd = image(true("dog"), key="images/c.jpg")
    issues = disagreements([(one, "TRAIN") for one in (*three, odd)])
    likely = {one.image.key: one.mistakenness for one in issues}
    assert likely["images/c.jpg"] == pytest.approx(2 / 3)
    assert likely["images/a.jpg"] == pytest.approx(1 / 3)


def test_of_very_many_that_look_the_same_each_is_compared_with_some(monkeypatch: pytest.MonkeyPatch) -> None:
    comparisons: list[str] = []

    def counted(compared: TestImage, thresholds: Thresholds) -> list[Judged]:
        comparisons.append(compared.key)
        return judge(compared, thresholds)

    monkeypatch.setattr("lambdas.domain.evaluation.label_issues.judge", counted)
    many = [image(true("cow" if number == 7 else "cat"), key=f"images/{number}.jpg") for number in range(100)]
    likely = {one.image.key: one.mistakenness for one in disagreements([(one, "TRAIN") for one in many])}
    assert len(comparisons) == 100 * MAX_COMPARED
    assert max(likely, key=lambda key: likely[key]) == "images/7.jpg"
    assert likely["images/7.jpg"] == pytest.approx(MAX_COMPARED / (MAX_COMPARED + 1))


def test_a_camera_that_moved_says_nothing_of_boxes() -> None:
    first, moved = image(true("cat")), image(true("cat", left=0.6), key="images/b.jpg")
    assert disagreements([(first, "TRAIN"), (moved, "TRAIN")]) == []


def test_label_issues_are_kept_as_they_are(s3: S3Client) -> None:
    things = (true("cat"), true("cat", left=0.4), seen("dog", 0.9), seen("cow", 0.8, left=0.7))
    issues = ranked(label_issues(evaluation(image(*things))), {"TEST": {"cat": 4}})
    assert {one.issue_type for one in issues} == {"wrong_label", "missing", "spurious"}
    kept = KeptIssues(tuple(replace(one, twin="images/b.jpg") for one in issues), {"TEST": 1}, 3)
    issue_file.write(s3, "bucket", "v1", kept)
    read = issue_file.read(s3, "bucket", "v1")
    assert read is not None
    assert [one.id for one in read.issues] == [one.id for one in kept.issues]
    assert [
        replace(one, image=first.image) for one, first in zip(read.issues, kept.issues, strict=True)
    ] == list(kept.issues)
    assert (read.images, read.asked) == ({"TEST": 1}, 3)
    assert issue_file.read(s3, "bucket", "v2") is None
    s3.put_object(Bucket="bucket", Key=issue_file.key("v1"), Body=b'{"images": {}, "asked": 0}\n{"truths"')
    assert issue_file.read(s3, "bucket", "v1") is None, "cut off"
