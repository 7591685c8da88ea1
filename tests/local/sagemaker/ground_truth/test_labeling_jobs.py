"""Labeling jobs of the emulation; MiniStack is played, workers answer by the queue."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sagemaker.ground_truth import consolidation
from tests.fixtures.sagemaker import BUCKET, ROLE, WORKTEAM, Bench, picture

BOXES = """<crowd-form><crowd-bounding-box name="boundingBox" header="Box"
 src="{{ task.input.taskObject | grant_read_access }}" labels="{{ task.input.labels | to_json | escape }}">
</crowd-bounding-box></crowd-form>"""
CAT = {"label": "cat", "left": 5, "top": 6, "width": 30, "height": 20}
DOG = {"label": "dog", "left": 50, "top": 10, "width": 20, "height": 20}
FUNCTIONS = "arn:aws:lambda:eu-west-1:568282634449:function:"
SIZE = {"width": 120, "height": 80}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.world.files[BUCKET, "images/b.png"] = picture()
    lines = [{"source-ref": f"s3://{BUCKET}/images/{name}.png", "mine": name} for name in "ab"]
    put(bench, "in/input.manifest", "\n".join(map(json.dumps, lines)))
    put(bench, "in/labels.json", json.dumps({"labels": [{"label": "cat"}, {"label": "dog"}]}))
    put(bench, "in/page.html", BOXES)
    yield bench
    bench.service.close()


def put(bench: Bench, key: str, text: str) -> None:
    bench.world.files[BUCKET, key] = text.encode()


def request(**changed: Any) -> dict[str, Any]:
    human = {
        "WorkteamArn": WORKTEAM,
        "UiConfig": {"UiTemplateS3Uri": f"s3://{BUCKET}/in/page.html"},
        "PreHumanTaskLambdaArn": f"{FUNCTIONS}PRE-BoundingBox",
        "AnnotationConsolidationConfig": {"AnnotationConsolidationLambdaArn": f"{FUNCTIONS}ACS-BoundingBox"},
        "TaskTitle": "Box",
        "TaskDescription": "Box them",
        "NumberOfHumanWorkersPerDataObject": 1,
        "TaskTimeLimitInSeconds": 600,
        "TaskAvailabilityLifetimeInSeconds": 3600,
    }
    manifest = {"ManifestS3Uri": f"s3://{BUCKET}/in/input.manifest"}
    return {
        "LabelingJobName": "job-1",
        "LabelAttributeName": "found",
        "InputConfig": {"DataSource": {"S3DataSource": manifest}},
        "OutputConfig": {"S3OutputPath": f"s3://{BUCKET}/out/"},
        "RoleArn": ROLE,
        "LabelCategoryConfigS3Uri": f"s3://{BUCKET}/in/labels.json",
        "HumanTaskConfig": {**human, **changed.pop("human", {})},
        **changed,
    }


def describe(bench: Bench) -> dict[str, Any]:
    job: dict[str, Any] = bench.sagemaker.describe_labeling_job(LabelingJobName="job-1")
    return job


def output(bench: Bench) -> list[dict[str, Any]]:
    uri = describe(bench)["LabelingJobOutput"]["OutputDatasetS3Uri"]
    assert uri == f"s3://{BUCKET}/out/job-1/manifests/output/output.manifest"
    text = bench.world.files[BUCKET, "out/job-1/manifests/output/output.manifest"].decode()
    return [json.loads(line) for line in text.splitlines()]


def test_a_job_whose_images_are_all_labelled_writes_the_output_manifest(bench: Bench) -> None:
    bench.sagemaker.create_labeling_job(**request())
    assert describe(bench)["LabelingJobStatus"] == "InProgress"
    bench.answer({"boxes": [CAT, DOG]})
    counters = describe(bench)["LabelCounters"]
    assert (counters["HumanLabeled"], counters["Unlabeled"]) == (1, 1)
    bench.answer({"boxes": []})
    assert describe(bench)["LabelingJobStatus"] == "Completed"
    first, second = output(bench)
    assert first["mine"] == "a"
    assert first["found"] == {
        "image_size": [{**SIZE, "depth": 3}],
        "annotations": [
            {"class_id": 0, "left": 5, "top": 6, "width": 30, "height": 20},
            {"class_id": 1, "left": 50, "top": 10, "width": 20, "height": 20},
        ],
    }
    metadata = first["found-metadata"]
    assert metadata["class-map"] == {"0": "cat", "1": "dog"}
    assert metadata["objects"] == [{"confidence": 0.0}, {"confidence": 0.0}]
    assert metadata["type"] == "groundtruth/object-detection"
    assert metadata["job-name"] == "labeling-job/job-1"
    assert second["found"]["annotations"] == []


def test_a_stopped_job_keeps_what_is_labelled(bench: Bench) -> None:
    bench.sagemaker.create_labeling_job(**request())
    bench.answer({"boxes": [CAT]})
    bench.sagemaker.stop_labeling_job(LabelingJobName="job-1")
    assert describe(bench)["LabelingJobStatus"] == "Stopped"
    assert ["found" in line for line in output(bench)] == [True, False]
    assert bench.waiting() == []
    with pytest.raises(ClientError, match="Stopped"):
        bench.sagemaker.stop_labeling_job(LabelingJobName="job-1")


@pytest.mark.parametrize(("answered", "status"), [(0, "Failed"), (1, "Completed")])
def test_images_that_nobody_labels_in_time_end_the_job(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, answered: int, status: str
) -> None:
    bench.sagemaker.create_labeling_job(**request())
    for _ in range(answered):
        bench.answer({"boxes": [CAT]})
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    bench.service.resolve()
    job = describe(bench)
    assert job["LabelingJobStatus"] == status
    assert job["LabelCounters"]["FailedNonRetryableError"] == 2 - answered
    assert ["found" in line for line in output(bench)] == [answered == 1, False]


def test_a_job_goes_on_after_an_end_of_the_process(bench: Bench) -> None:
    bench.sagemaker.create_labeling_job(**request())
    bench.answer({"boxes": [CAT]})
    again = bench.again()
    again.answer({"boxes": []})
    assert describe(again)["LabelingJobStatus"] == "Completed"
    assert len(output(again)) == 2
    bench.service = again.service


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"LabelAttributeName": "found-ref"}, "cannot end"),
        ({"LabelAttributeName": "found-metadata"}, "cannot end"),
        ({"human": {"TaskTimeLimitInSeconds": 28_801}}, "28800"),
        ({"human": {"PreHumanTaskLambdaArn": f"{FUNCTIONS}PRE-ImageMultiClass"}}, "built-in"),
        ({"human": {"PreHumanTaskLambdaArn": f"{FUNCTIONS}mine"}}, "built-in"),
        ({"human": {"NumberOfHumanWorkersPerDataObject": 10}}, "less than or equal to 9"),
        ({"LabelingJobName": "-bad"}, "pattern"),
    ],
)
def test_a_job_that_is_wrong_is_refused(bench: Bench, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        bench.sagemaker.create_labeling_job(**request(**changed))
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("in/input.manifest", "", "no lines"),
        ("in/input.manifest", "{}", "source-ref"),
        ("in/input.manifest", "{", "Expecting"),
        ("in/labels.json", "{}", "no labels"),
        ("in/labels.json", '{"labels": [{"label": "a"}, {"label": "a"}]}', "each once"),
        ("in/page.html", "<p>nothing</p>", "has 0 of"),
        ("in/page.html", BOXES.replace("crowd-bounding-box", "crowd-image-classifier"), "categories"),
    ],
)
def test_a_job_whose_input_cannot_be_read_fails_and_says_why(
    bench: Bench, key: str, text: str, message: str
) -> None:
    put(bench, key, text)
    bench.sagemaker.create_labeling_job(**request())
    job = describe(bench)
    assert job["LabelingJobStatus"] == "Failed"
    assert message in job["FailureReason"]
    assert "LabelingJobOutput" not in job


def test_a_job_whose_images_no_page_may_get_fails_and_says_so(bench: Bench) -> None:
    bench.world.no_access = "cors"
    bench.sagemaker.create_labeling_job(**request())
    job = describe(bench)
    assert job["LabelingJobStatus"] == "Failed"
    assert f"bucket {BUCKET} has no CORS rule" in job["FailureReason"]


def test_a_name_is_taken_once(bench: Bench) -> None:
    bench.sagemaker.create_labeling_job(**request())
    with pytest.raises(ClientError, match="ResourceInUse"):
        bench.sagemaker.create_labeling_job(**request())
    with pytest.raises(ClientError, match="ResourceNotFound"):
        bench.sagemaker.describe_labeling_job(LabelingJobName="job-2")


def test_boxes_stay_that_most_workers_drew_alike() -> None:
    near = {**CAT, "left": 7}
    answers = [
        {"boundingBoxes": boxes, "inputImageProperties": SIZE} for boxes in ([CAT, DOG], [near], [near])
    ]
    value, metadata = consolidation.boxes(answers, ["cat", "dog"])
    assert [box["left"] for box in value["annotations"]] == [5]
    assert metadata["objects"] == [{"confidence": 1.0}]
    assert metadata["class-map"] == {"0": "cat"}


def test_labels_stay_that_anybody_chose() -> None:
    answers = [{"labels": ["cat"]}, {"labels": ["cat", "dog"]}]
    value, metadata = consolidation.multilabel(answers, ["dog", "cow", "cat"])
    assert value == [0, 2]
    assert metadata["class-map"] == {"0": "dog", "2": "cat"}
    assert metadata["confidence-map"] == {"0": 0.5, "2": 1.0}


def test_the_label_that_most_workers_chose_is_the_image_s() -> None:
    value, metadata = consolidation.single_label(
        [{"label": n} for n in ("cat", "dog", "dog")], ["cat", "dog"]
    )
    assert (value, metadata["class-name"], metadata["confidence"]) == (1, "dog", 0.67)
