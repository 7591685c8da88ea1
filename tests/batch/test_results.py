from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from faster_coco_eval import COCO
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.moto_api._internal.models import moto_api_backend

from lambdas.domain.batch import coco, files, results
from lambdas.domain.batch.files import ResultLine
from lambdas.domain.batch.results import Counts

BUCKET = "parts-data"


def detected(id: int, *labels: tuple[str, float], width: int | None = 200) -> ResultLine:
    boxes = tuple(
        {
            "label": label,
            "confidence": confidence,
            "box": {"left": 0.1, "top": 0.2, "width": 0.5, "height": 0.25},
        }
        for label, confidence in labels
    )
    return ResultLine(str(id), BUCKET, f"night/{id}.jpg", "detected", boxes, width, width and 100)


def failed(id: int, error: str = "NoSuchKey") -> ResultLine:
    return ResultLine(
        str(id), BUCKET, f"night/{id}.jpg", "failed", error=error, reason=f"{error}: look at it"
    )


@pytest.fixture
def s3(aws: dict[str, Any]) -> Any:
    moto_api_backend.reset()
    aws["s3"].create_bucket(Bucket=BUCKET)
    return aws["s3"]


def write(s3: Any, *shards: list[ResultLine]) -> None:
    for number, lines in enumerate(shards):
        results.write_shard(s3, BUCKET, "night", files.input_key("night", number), lines)


def read(s3: Any, key: str) -> Any:
    return json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())


def test_lines_are_counted_by_label_confidence_and_reason() -> None:
    counts = results.count(
        [detected(0, ("bolt", 100.0), ("bolt", 4.9), ("nut", 50.0)), detected(1), failed(2), failed(3)]
    )
    assert (counts.lines, counts.detected, counts.failed, counts.without_objects) == (4, 2, 2, 1)
    bolt = counts.labels["bolt"]
    assert (bolt.objects, bolt.images) == (2, 1)
    assert (bolt.histogram[0], bolt.histogram[-1], sum(bolt.histogram)) == (1, 1, 2)
    assert counts.labels["nut"].histogram[10] == 1
    assert counts.failures["NoSuchKey"].images == 2
    assert counts.failures["NoSuchKey"].examples == (
        "s3://parts-data/night/2.jpg",
        "s3://parts-data/night/3.jpg",
    )


LINES = st.lists(
    st.one_of(
        st.builds(failed, st.integers(0, 99), st.sampled_from(["NoSuchKey", "AccessDenied"])),
        st.builds(
            lambda id, labels: detected(id, *labels),
            st.integers(0, 99),
            st.lists(st.tuples(st.sampled_from(["bolt", "nut"]), st.floats(0, 100)), max_size=3),
        ),
    ),
    max_size=12,
)


@given(LINES, st.integers(0, 12))
@settings(max_examples=50)
def test_shards_add_up_to_what_all_lines_come_to(lines: list[ResultLine], cut: int) -> None:
    assert results.count(lines[:cut]) + results.count(lines[cut:]) == results.count(lines)
    assert results.count(lines) + Counts() == results.count(lines)


def test_a_batch_is_merged_from_what_its_shards_come_to(s3: Any) -> None:
    first = [detected(number, ("bolt", 91.0)) for number in range(files.PART_LINES)]
    second = [failed(files.PART_LINES), detected(files.PART_LINES + 1)]
    write(s3, first, second)

    summary = results.merge(s3, BUCKET, "night", total=files.PART_LINES + 2, version="v1-a")
    assert (summary.counts.lines, summary.missing, summary.shards) == (102, 0, 2)
    document = read(s3, files.summary_key("night"))
    assert (document["images"], document["detected"], document["failed"]) == (102, 101, 1)
    assert [(each["label"], each["objects"]) for each in document["labels"]] == [("bolt", 100)]
    assert document["histogram"][18] == 100
    assert document["failures"][0] | {"reason": ""} == {
        "error": "NoSuchKey",
        "images": 1,
        "reason": "",
        "examples": ["s3://parts-data/night/100.jpg"],
    }
    manifest = read(s3, files.manifest_key("night"))
    assert [shard["lines"] for shard in manifest["shards"]] == [100, 2]
    for shard in manifest["shards"]:
        body = s3.get_object(Bucket=BUCKET, Key=shard["key"])["Body"].read()
        assert len(body) == shard["bytes"]


def test_parts_without_results_are_missing_and_named(s3: Any) -> None:
    write(s3, [detected(0)])
    summary = results.merge(s3, BUCKET, "night", total=2 * files.PART_LINES, version="v1-a")
    assert summary.missing == 2 * files.PART_LINES - 1
    assert read(s3, files.summary_key("night"))["missing_parts"] == [files.input_key("night", 1)]


def test_a_shard_is_counted_anew_if_its_summary_is_of_another_content(s3: Any) -> None:
    write(s3, [detected(0, ("bolt", 50.0))])
    newer = files.as_text([detected(0), failed(1)]).encode()
    s3.put_object(Bucket=BUCKET, Key=files.result_key("night", files.input_key("night", 0)), Body=newer)
    summary = results.merge(s3, BUCKET, "night", total=2, version="v1-a")
    assert (summary.counts.lines, summary.counts.failed, summary.counts.labels) == (2, 1, {})


def test_a_shard_without_a_summary_is_counted(s3: Any) -> None:
    write(s3, [detected(0), failed(1)])
    s3.delete_object(Bucket=BUCKET, Key=files.shard_summary_key("night", files.input_key("night", 0)))
    assert results.merge(s3, BUCKET, "night", total=2, version="v1-a").counts.lines == 2


def test_lines_are_read_in_the_order_of_the_input(s3: Any) -> None:
    write(s3, [detected(number) for number in range(files.PART_LINES)], [failed(files.PART_LINES)])
    ids = [line.id for line in results.lines(s3, BUCKET, "night", files.PART_LINES + 1)]
    assert ids == [str(number) for number in range(files.PART_LINES + 1)]


def test_a_coco_library_reads_the_results(tmp_path: Any) -> None:
    lines = [detected(0, ("nut", 61.0), ("bolt", 90.5)), failed(1), detected(2)]
    with (tmp_path / "images.json").open("w") as images, (tmp_path / "results.json").open("w") as detections:
        categories = coco.category_ids(["nut", "bolt"], {"nut": 4})
        written = coco.write("night", lines, categories, images.write, detections.write)
    assert (written.images, written.detections, written.failed, written.without_box) == (2, 2, 1, 0)

    dataset = COCO(str(tmp_path / "images.json"))
    loaded = dataset.loadRes(str(tmp_path / "results.json"))
    assert [image["file_name"] for image in dataset.loadImgs(dataset.getImgIds())] == [
        "night/0.jpg",
        "night/2.jpg",
    ]
    (bolt,) = loaded.loadAnns(loaded.getAnnIds(catIds=[categories["bolt"]]))
    assert bolt["bbox"] == [20, 20, 100, 25]
    assert bolt["score"] == pytest.approx(0.905)


def test_coco_leaves_out_what_has_no_box_and_counts_it() -> None:
    whole = ResultLine("0", BUCKET, "a.jpg", "detected", ({"label": "ok", "confidence": 99.0},), 10, 10)
    sizeless = detected(1, ("ok", 99.0), width=None)
    pieces: list[str] = []
    written = coco.write("night", [whole, sizeless], {"ok": 1}, pieces.append, lambda text: None)
    assert (written.images, written.detections, written.without_box) == (2, 0, 2)
    assert len(json.loads("".join(pieces))["images"]) == 2


def test_coco_is_uploaded_in_parts_and_left_out_if_it_breaks(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coco, "PART_BYTES", 5 * 1024 * 1024)
    long = [replace(detected(number, ("bolt", 90.0)), key=f"{number:0900}") for number in range(3_000)]
    coco.upload(s3, BUCKET, "night", long, {"bolt": 1})
    assert len(read(s3, files.coco_key("night", coco.IMAGES))["images"]) == 3_000
    assert len(read(s3, files.coco_key("night", coco.RESULTS))) == 3_000
    etag = s3.head_object(Bucket=BUCKET, Key=files.coco_key("night", coco.IMAGES))["ETag"]
    assert etag.endswith('-2"')

    def breaking() -> Any:
        yield detected(0)
        raise OSError

    with pytest.raises(OSError):
        coco.upload(s3, BUCKET, "day", breaking(), {"bolt": 1})
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=BUCKET)
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=files.folder("day"))
