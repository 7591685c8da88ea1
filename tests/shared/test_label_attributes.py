"""Which label attributes of a line count: chains of jobs, verdicts, failures, other kinds of jobs."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.shared import label_attributes, manifests

IMAGE = {"source-ref": "s3://bucket/a.jpg"}


def boxes(name: str, *lefts: int, label: str = "bird", at: int | None = 1, **metadata: Any) -> dict[str, Any]:
    """A box attribute with a box for each left side, made at a minute of an hour."""
    annotations = [{"class_id": 0, "left": left, "top": 5, "width": 30, "height": 40} for left in lefts]
    size = [{"width": 320, "height": 240, "depth": 3}]
    made = {"creation-date": f"2024-02-18T17:{at:02d}:16.729200"} if at is not None else {}
    return {
        name: {"image_size": size, "annotations": annotations},
        f"{name}-metadata": {
            "objects": [{"confidence": 0} for _ in lefts],
            "class-map": {"0": label} if lefts else {},
            "type": "groundtruth/object-detection",
            "human-annotated": "yes",
            "job-name": f"labeling-job/{name}",
            **made,
            **metadata,
        },
    }


def adjusted(name: str, *lefts: int, **more: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"adjustment-status": "adjusted"} | more
    return boxes(name, *lefts, **metadata)


def verdict(word: str, at: int | None = 9, name: str = "verify", **metadata: Any) -> dict[str, Any]:
    made = {"creation-date": f"2024-02-18T17:{at:02d}:16.729200"} if at is not None else {}
    usual = {"class-name": word, "confidence": 0.93, "type": "groundtruth/label-verification"}
    return {name: "1", f"{name}-metadata": usual | made | metadata}


def lefts(*attributes: dict[str, Any]) -> list[int]:
    line: dict[str, Any] = dict(IMAGE)
    for attribute in attributes:
        line |= attribute
    return [box.left for box in manifests.parse_line(manifests.entry_line(line), 1).boxes]


def broken(*attributes: dict[str, Any]) -> manifests.BrokenLineError:
    with pytest.raises(manifests.BrokenLineError) as caught:
        lefts(*attributes)
    return caught.value


@pytest.mark.parametrize("at", [1, None])
def test_of_a_chain_the_last_adjustment_counts(at: int | None) -> None:
    first = boxes("boxes", 10, 90, at=at)
    assert lefts(first, adjusted("boxes-adjusted", 20, at=at)) == [20]
    assert lefts(first, adjusted("boxes-adjusted", at=at)) == [], "all of them were taken away"
    assert lefts(first, adjusted("second", 20, at=at), adjusted("third", 30, at=at)) == [30]
    same = {"adjustment-status": "unadjusted"}
    assert lefts(first, adjusted("boxes-adjusted", 10, 90, at=at, **same)) == [10, 90]


def test_jobs_ran_as_they_say_and_else_as_they_stand() -> None:
    assert lefts(adjusted("b", 20, at=2), boxes("a", 10, at=1)) == [20]
    assert lefts(adjusted("c", 30, at=3), adjusted("b", 20, at=2), boxes("a", 10, at=1)) == [30]
    assert lefts(boxes("a", 10, at=None), adjusted("c", 30, at=3), adjusted("b", 20, at=2)) == [20]


def test_other_classes_of_another_job_are_added() -> None:
    birds, nests = boxes("birds", 10), boxes("nests", 90, label="nest", at=2)
    assert sorted(lefts(birds, nests)) == [10, 90]
    assert sorted(lefts(birds, nests, adjusted("better", 20, at=3))) == [20, 90]
    assert sorted(lefts(birds, nests, adjusted("birds-adjusted", at=3))) == [90], "by its name"


@pytest.mark.parametrize(
    "attributes",
    [
        (boxes("one", 10), boxes("two", 12, at=2)),
        (boxes("one", 10), boxes("two", 90, label="nest"), adjusted("better", at=3)),
    ],
)
def test_what_may_be_the_same_objects_again_is_asked_about(attributes: tuple[dict[str, Any], ...]) -> None:
    error = broken(*attributes)
    assert error.reason == "ambiguous_attributes"
    assert "one" in error.detail and "two" in error.detail and "remove" in error.detail


@pytest.mark.parametrize("word", ["bad", "incorrect - box not tight", "Object missed", "0"])
def test_labels_that_people_judged_wrong_are_left_out(word: str) -> None:
    feedback = [{"comment": "too wide on the right side"}]
    error = broken(boxes("boxes", 10), verdict(word, **{"worker-feedback": feedback}))
    assert error.reason == "verified_as_wrong"
    assert repr(word) in error.detail and "too wide" in error.detail


@pytest.mark.parametrize("word", ["good", "Correct", "OK", "approved - minor", "pass"])
def test_labels_that_people_judged_right_are_taken(word: str) -> None:
    assert lefts(boxes("boxes", 10), verdict(word)) == [10]


def test_a_verdict_is_of_what_came_before_it() -> None:
    assert lefts(boxes("boxes", 10), verdict("bad", at=2), adjusted("better", 20, at=3)) == [20]
    assert lefts(boxes("boxes", 10), verdict("bad", at=2), verdict("good", at=3, name="again")) == [10]
    assert (
        broken(boxes("boxes", 10), adjusted("better", 20, at=2), verdict("bad", at=3)).reason
        == "verified_as_wrong"
    )
    assert broken(boxes("boxes", 10, at=None), verdict("bad", at=None)).reason == "verified_as_wrong"
    assert broken(boxes("boxes", 10, at=5), verdict("bad", at=None)).reason == "verified_as_wrong"


def test_an_object_that_could_not_be_labelled_says_why() -> None:
    failed = {"job-metadata": {"failure-reason": "ClientError: nobody answered", "retry-count": 1}}
    error = broken(failed)
    assert error.reason == "labeling_failed"
    assert error.detail == "job: Ground Truth could not label it: ClientError: nobody answered"
    assert lefts(boxes("boxes", 10), failed) == [10], "the jobs before it did not fail"


def test_an_input_manifest_and_lines_without_metadata() -> None:
    assert broken().reason == "unlabelled"
    assert broken({"labelloop-split": "TRAIN"}).reason == "unlabelled"
    error = broken({"class": 3})
    assert error.reason == "no_label_attributes" and "'class-metadata'" in error.detail
    assert broken(verdict("good")).reason == "no_label_attributes"


@pytest.mark.parametrize(
    ("type", "words"),
    [
        ("groundtruth/semantic-segmentation", "semantic segmentation"),
        ("groundtruth/video-object-detection", "video"),
        ("groundtruth/video-object-tracking", "video"),
        ("groundtruth/text-span", "text"),
        ("groundtruth/point-cloud-object-detection", "point clouds"),
        ("groundtruth/custom", "custom"),
        ("other", "taken are"),
    ],
)
def test_other_kinds_of_jobs_are_refused_by_name(type: str, words: str) -> None:
    attribute = {"x-ref": "s3://b/y", "x-ref-metadata": {"type": type}}
    error = broken(attribute)
    assert error.reason == "unknown_type" and words in error.detail
    assert lefts(boxes("boxes", 10), attribute) == [10]
    assert words in broken(attribute | {"source-ref": "s3://bucket/seq1.json"}).detail


@pytest.mark.parametrize(
    ("name", "words"), [("seq1.json", "videos"), ("a.MP4", "a video"), ("a.txt", "text")]
)
def test_what_is_no_image(name: str, words: str) -> None:
    error = broken({"source-ref": f"s3://bucket/{name}"})
    assert error.reason == "not_an_image" and words in error.detail
    assert broken(boxes("boxes", 10) | {"source-ref": f"s3://bucket/{name}"}).reason == "not_an_image"


def test_text_to_label() -> None:
    with pytest.raises(manifests.BrokenLineError, match="text to label"):
        manifests.parse_line('{"source": "hello"}', 1)


def test_a_job_of_several_labels() -> None:
    metadata = {"type": "groundtruth/image-classification-multilabel", "class-map": {"0": "cat", "2": "dog"}}
    line = IMAGE | {"job": [2, 0], "job-metadata": metadata}
    assert manifests.parse_line(manifests.entry_line(line), 1).labels == ("cat", "dog")
    values: list[Any] = [[7], 0, "[0]", []]
    for value in values:
        with pytest.raises(manifests.BrokenLineError):
            manifests.parse_line(manifests.entry_line(line | {"job": value}), 1)


def test_whether_boxes_were_adjusted() -> None:
    first = boxes("boxes", 10)
    assert label_attributes.superseded(IMAGE | first | adjusted("better", 20))
    assert not label_attributes.superseded(IMAGE | first)
    assert not label_attributes.superseded(IMAGE)
