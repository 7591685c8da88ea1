"""The engine's operations over its real store, trainer and endpoints; learning and predicting are played."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from local.engine import errors, faults, images, manifests, shapes
from local.engine.store import Store
from tests.local.engine_support import BUCKET, Bench, Everybody, boxed, classified, eventually, picture


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def sent(body: bytes) -> dict[str, bytes]:
    return {"Bytes": base64.b64encode(body)}


# Requests


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({}, "ProjectName"),
        ({"ProjectName": 7}, "ProjectName"),
        ({"ProjectName": "with space"}, "pattern"),
        ({"ProjectName": "x" * 256}, "less than or equal to 255"),
        ({"ProjectName": "pets", "Feature": "OTHER"}, "enum"),
        ({"ProjectName": "pets", "Tags": {"aws:mine": "x"}}, "pattern"),
    ],
)
def test_a_request_against_its_shape_is_a_validation_exception(
    bench: Bench, request_: dict[str, Any], told: str
) -> None:
    with pytest.raises(errors.ValidationException, match=told):
        bench.call("CreateProject", **request_)


def test_a_page_of_more_than_100_is_a_validation_exception(bench: Bench) -> None:
    with pytest.raises(errors.ValidationException, match="less than or equal to 100"):
        bench.call("DescribeProjects", MaxResults=101)


def test_a_body_that_is_not_json_and_an_unknown_operation_are_told() -> None:
    with pytest.raises(errors.SerializationException):
        shapes.parse_request("CreateProject", b"{")
    with pytest.raises(errors.UnknownOperationException, match="CreateDream"):
        shapes.parse_request("CreateDream", b"{}")


def test_an_operation_that_is_not_implemented_says_so(bench: Bench) -> None:
    with pytest.raises(errors.UnknownOperationException, match="ListCollections"):
        bench.call("ListCollections")


# Projects


def test_projects_are_created_once_listed_by_pages_and_deleted(bench: Bench) -> None:
    arns = [bench.project(name) for name in ("one", "two", "three")]
    assert arns[0].startswith("arn:aws:rekognition:us-east-1:123456789012:project/one/")
    with pytest.raises(errors.ResourceInUseException, match="one"):
        bench.project("one")
    first = bench.call("DescribeProjects", MaxResults=2)
    second = bench.call("DescribeProjects", MaxResults=2, NextToken=first["NextToken"])
    listed = [p["ProjectArn"] for p in first["ProjectDescriptions"] + second["ProjectDescriptions"]]
    assert listed == arns
    assert "NextToken" not in second
    bench.call("DeleteProject", ProjectArn=arns[1])
    assert bench.call("DescribeProjects", ProjectNames=["two", "three"])["ProjectDescriptions"] == [
        bench.call("DescribeProjects", ProjectNames=["three"])["ProjectDescriptions"][0]
    ]


def test_a_token_that_no_listing_gave_is_refused(bench: Bench) -> None:
    with pytest.raises(errors.InvalidPaginationTokenException):
        bench.call("DescribeProjects", NextToken="bm9uc2Vuc2U=")


def test_another_account_sees_nothing(bench: Bench) -> None:
    arn = bench.project()
    stranger = Everybody()
    stranger.account = "999999999999"
    assert bench.call("DescribeProjects", stranger)["ProjectDescriptions"] == []
    with pytest.raises(errors.ResourceNotFoundException):
        bench.call("DescribeProjectVersions", stranger, ProjectArn=arn)


def test_a_project_with_versions_or_datasets_is_not_deleted(bench: Bench) -> None:
    project = bench.project()
    version = bench.trained(project)
    with pytest.raises(errors.ResourceInUseException):
        bench.call("DeleteProject", ProjectArn=project)
    bench.call("DeleteProjectVersion", ProjectVersionArn=version)
    (described,) = bench.call("DescribeProjects")["ProjectDescriptions"]
    for dataset in described["Datasets"]:
        bench.call("DeleteDataset", DatasetArn=dataset["DatasetArn"])
    bench.call("DeleteProject", ProjectArn=project)
    assert bench.call("DescribeProjects")["ProjectDescriptions"] == []
    assert not list((bench.state / "versions").iterdir())


# Datasets


def test_a_dataset_keeps_its_lines_counts_them_and_lists_its_labels(bench: Bench) -> None:
    lines = [
        classified("a.png", "cat"),
        boxed("b.png", ("dog", 1, 2, 30, 40), ("cat", 5, 5, 20, 20)),
        json.dumps({"source-ref": f"s3://{BUCKET}/c.png"}),
        boxed("d.png", ("dog", 90, 2, 30, 40)),
    ]
    arn = bench.dataset(bench.project(), "TRAIN", lines)
    described = bench.dataset_status(arn)
    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_COMPLETE", "SUCCESS")
    assert described["DatasetStats"] == {
        "LabeledEntries": 2,
        "TotalEntries": 4,
        "TotalLabels": 2,
        "ErrorEntries": 1,
    }
    listed = bench.call("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"]
    assert listed[:2] == lines[:2]
    wrong = json.loads(listed[3])["box"]
    assert wrong["annotations"][0]["errors"][0]["code"] == "ERROR_INVALID_BOUNDING_BOX"
    labels = bench.call("ListDatasetLabels", DatasetArn=arn)["DatasetLabelDescriptions"]
    assert labels == [
        {"LabelName": "cat", "LabelStats": {"EntryCount": 2, "BoundingBoxCount": 1}},
        {"LabelName": "dog", "LabelStats": {"EntryCount": 1, "BoundingBoxCount": 1}},
    ]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({}, "abc"),
        ({"ContainsLabels": ["cat", "fox"]}, "a"),
        ({"Labeled": False}, "c"),
        ({"HasErrors": True}, "c"),
        ({"HasErrors": False}, "ab"),
        ({"SourceRefContains": "b.p"}, "b"),
    ],
)
def test_entries_are_filtered(bench: Bench, query: dict[str, Any], keys: str) -> None:
    broken = json.dumps({"source-ref": f"s3://{BUCKET}/c.png", "label": 1})
    arn = bench.dataset(
        bench.project(), "TRAIN", [classified("a.png", "cat"), classified("b.png", "dog"), broken]
    )
    listed = bench.call("ListDatasetEntries", DatasetArn=arn, **query)["DatasetEntries"]
    assert [json.loads(line)["source-ref"][-5] for line in listed] == list(keys)


def test_an_update_replaces_lines_of_the_same_image_and_adds_others(bench: Bench) -> None:
    arn = bench.dataset(bench.project(), "TRAIN", [classified("a.png", "cat"), classified("b.png", "dog")])
    changes = "\n".join([classified("a.png", "fox"), classified("c.png", "cow")]).encode()
    bench.call("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": base64.b64encode(changes)})
    eventually(lambda: bench.dataset_status(arn)["Status"] == "UPDATE_COMPLETE")
    assert bench.call("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"] == [
        classified("a.png", "fox"),
        classified("b.png", "dog"),
        classified("c.png", "cow"),
    ]


def test_a_dataset_is_copied_from_another(bench: Bench) -> None:
    source = bench.dataset(bench.project("one"), "TRAIN", [classified("a.png", "cat")])
    copy = bench.call(
        "CreateDataset",
        ProjectArn=bench.project("two"),
        DatasetType="TEST",
        DatasetSource={"DatasetArn": source},
    )["DatasetArn"]
    assert "/dataset/test/" in copy
    eventually(lambda: bench.dataset_status(copy)["Status"] == "CREATE_COMPLETE")
    assert bench.call("ListDatasetEntries", DatasetArn=copy)["DatasetEntries"] == [classified("a.png", "cat")]


def test_a_second_dataset_of_a_kind_is_refused(bench: Bench) -> None:
    project = bench.project()
    bench.dataset(project, "TRAIN", [classified("a.png", "cat")])
    with pytest.raises(errors.ResourceAlreadyExistsException):
        bench.call("CreateDataset", ProjectArn=project, DatasetType="TRAIN")


def test_a_manifest_that_is_mostly_broken_fails_the_dataset(bench: Bench) -> None:
    arn = bench.dataset(bench.project(), "TRAIN", ["nonsense", classified("a.png", "cat")])
    described = bench.dataset_status(arn)
    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert described["StatusMessage"] == "The manifest file has too many terminal errors."


@pytest.mark.parametrize("denied", [[], ["s3:GetObject"]])
def test_a_manifest_that_is_missing_or_forbidden_is_an_invalid_s3_object(
    bench: Bench, denied: list[str]
) -> None:
    if denied:
        bench.objects.held[BUCKET, "x.manifest"] = b"{}"
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "x.manifest"}}}
    project = bench.project()
    with pytest.raises(errors.InvalidS3ObjectException, match="access permissions"):
        bench.call(
            "CreateDataset",
            Everybody(*denied),
            ProjectArn=project,
            DatasetType="TRAIN",
            DatasetSource=source,
        )


# Trainings


def test_a_training_leaves_its_results_where_they_are_documented(bench: Bench) -> None:
    project = bench.project()
    arn = bench.trained(project)
    described = bench.described(project)
    assert arn.split("/version/")[1].startswith("v1/")
    assert described["EvaluationResult"]["F1Score"] == 0.8
    where = described["EvaluationResult"]["Summary"]["S3Object"]
    assert where == {"Bucket": BUCKET, "Name": "training/v1/EvaluationResultSummary-pets-v1.json"}
    summary = json.loads(bench.objects.held[BUCKET, where["Name"]])
    assert summary["EvaluationDetails"]["ProjectVersionArn"] == arn
    assert summary["EvaluationDetails"]["NumberOfTrainingImages"] == 2
    assert summary["AggregatedEvaluationResults"]["F1Score"] == 0.8
    assert summary["AggregatedEvaluationResults"]["ConfusionMatrix"][0]["Value"] == 1.0
    assert [label["Label"] for label in summary["LabelEvaluationResults"]] == ["cat", "fox", "dog"]
    assert summary["LabelEvaluationResults"][0]["Metrics"]["Threshold"] == 0.8
    validated = json.loads(bench.objects.held[BUCKET, described["ManifestSummary"]["S3Object"]["Name"]])
    assert validated["statistics"]["training"]["use_case"] == "IMAGE_LEVEL_LABELS"
    assert validated["statistics"]["testing"]["valid_json_lines"] == 2
    assert described["BillableTrainingTimeInSeconds"] >= 0
    for result in ("TrainingDataResult", "TestingDataResult"):
        asset = described[result]["Validation"]["Assets"][0]["GroundTruthManifest"]["S3Object"]
        assert (BUCKET, asset["Name"]) in bench.objects.held


def test_boxes_make_a_detection_model(bench: Bench) -> None:
    project = bench.project()
    bench.put_images("a.png", "b.png")
    bench.dataset(project, "TRAIN", [boxed("a.png", ("cat", 1, 2, 30, 40))])
    bench.dataset(project, "TEST", [boxed("b.png", ("cat", 3, 4, 30, 40))])
    bench.version(project)
    bench.until(project, "TRAINING_COMPLETED")
    (job,) = bench.jobs
    assert job["task"] == "detection"
    assert job["train"][0]["boxes"] == [{"label": "cat", "left": 1, "top": 2, "width": 30, "height": 40}]


def test_only_one_training_is_under_way_at_once(bench: Bench) -> None:
    project = bench.project()
    bench.trained(project)
    bench.hold.clear()
    second = bench.version(project, "v2")
    bench.version(project, "v3")
    eventually(lambda: len(bench.jobs) == 2)
    with pytest.raises(errors.ResourceInUseException):
        bench.call("DeleteProjectVersion", ProjectVersionArn=second)
    assert bench.described(project, "v3")["Status"] == "TRAINING_IN_PROGRESS"
    assert len(bench.jobs) == 2
    bench.hold.set()
    bench.until(project, "TRAINING_COMPLETED", name="v3")
    versions = bench.call("DescribeProjectVersions", ProjectArn=project)["ProjectVersionDescriptions"]
    assert [version["ProjectVersionArn"].split("/")[3] for version in versions] == ["v3", "v2", "v1"]


@pytest.mark.parametrize(
    ("training", "testing", "told"),
    [
        ([], [classified("a.png", "cat")], "The manifest file is empty"),
        (
            [classified("a.png", "cat")],
            [classified("b.png", "cat")],
            "ERROR_MANIFEST_TOO_FEW_LABELS, training",
        ),
        (
            [classified("a.png", "cat"), boxed("b.png", ("dog", 1, 1, 9, 9))],
            [classified("b.png", "cat"), classified("a.png", "dog")],
            "ERROR_MANIFEST_TOO_FEW_USABLE_LABELS, testing",
        ),
        (
            [classified("a.png", "cat"), classified("b.png", "dog"), classified("c.png", "fox")],
            [classified("a.png", "cat"), classified("b.png", "cow")],
            "ERROR_INSUFFICIENT_USABLE_LABEL_OVERLAP",
        ),
        (
            [classified("a.png", "cat"), classified("b.png", "dog"), classified("gone.png", "dog")],
            [classified("a.png", "cat"), classified("b.png", "dog")],
            "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST, training",
        ),
        (
            [classified("a.png", "cat"), classified("x.png", "dog", bucket="other-bucket")],
            [classified("a.png", "cat"), classified("b.png", "dog")],
            "ERROR_IMAGES_IN_MULTIPLE_S3_BUCKETS, training",
        ),
    ],
)
def test_datasets_that_cannot_be_trained_with_fail_the_version(
    bench: Bench, training: list[str], testing: list[str], told: str
) -> None:
    project = bench.project()
    bench.put_images("a.png", "b.png", "c.png")
    bench.dataset(project, "TRAIN", training)
    bench.dataset(project, "TEST", testing)
    bench.version(project)
    failed = bench.until(project, "TRAINING_FAILED")
    assert told in failed["StatusMessage"]
    assert "EvaluationResult" not in failed
    assert not bench.jobs


@pytest.mark.parametrize(
    ("denied", "told"),
    [
        ("s3:PutObject", "Unable to write to output S3 bucket."),
        ("s3:GetObject", "The permissions for the images S3 bucket are invalid."),
    ],
)
def test_a_training_reaches_s3_with_the_callers_permissions(bench: Bench, denied: str, told: str) -> None:
    project = bench.project()
    bench.trained(project)
    bench.caller = Everybody(denied)
    bench.version(project, "v2")
    assert told in bench.until(project, "TRAINING_FAILED", name="v2")["StatusMessage"]


def test_a_training_without_both_datasets_is_refused(bench: Bench) -> None:
    project = bench.project()
    bench.dataset(project, "TRAIN", [classified("a.png", "cat")])
    with pytest.raises(errors.InvalidParameterException, match="no TEST dataset"):
        bench.version(project)


def test_a_training_from_manifests_needs_no_datasets(bench: Bench) -> None:
    project = bench.project()
    bench.put_images("a.png", "b.png")
    manifest = "\n".join([classified("a.png", "cat"), classified("b.png", "dog")])
    bench.objects.held[BUCKET, "m"] = manifest.encode()
    data = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "m"}}}]}
    bench.version(project, TrainingData=data, TestingData=data)
    described = bench.until(project, "TRAINING_COMPLETED")
    assert described["TrainingDataResult"]["Input"] == data
    assert described["TrainingDataResult"]["Validation"]["Assets"]


def test_a_learner_that_fails_fails_the_version(bench: Bench) -> None:
    project = bench.project()
    bench.trained(project)
    bench.learn_error = "The training was cut off."
    bench.version(project, "v2")
    assert bench.until(project, "TRAINING_FAILED", name="v2")["StatusMessage"] == "The training was cut off."


# Running and detecting


def test_a_version_starts_detects_and_stops(bench: Bench) -> None:
    project = bench.project()
    arn = bench.trained(project)
    with pytest.raises(errors.ResourceNotReadyException):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(picture((1, 2, 3))))
    with pytest.raises(errors.ResourceInUseException):
        bench.call("StopProjectVersion", ProjectVersionArn=arn)
    started = bench.call(
        "StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1, MaxInferenceUnits=2
    )
    assert started == {"Status": "STARTING"}
    described = bench.until(project, "RUNNING")
    assert (described["MinInferenceUnits"], described["MaxInferenceUnits"]) == (1, 2)
    with pytest.raises(errors.ResourceInUseException):
        bench.call("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    with pytest.raises(errors.ResourceInUseException):
        bench.call("DeleteProjectVersion", ProjectVersionArn=arn)
    found = bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(picture((1, 2, 3))))
    assert found["CustomLabels"] == [
        {"Name": "cat", "Confidence": 99.0},
        {
            "Name": "dog",
            "Confidence": 60.0,
            "Geometry": {"BoundingBox": {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4}},
        },
    ]
    assert bench.call("StopProjectVersion", ProjectVersionArn=arn) == {"Status": "STOPPING"}
    bench.until(project, "STOPPED")
    assert bench.models[0].closed


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, ["cat", "dog"]),
        ({"MinConfidence": 0}, ["cat", "dog", "fox"]),
        ({"MinConfidence": 90}, ["cat"]),
        ({"MaxResults": 1}, ["cat"]),
        ({"MinConfidence": 0, "MaxResults": 2}, ["cat", "dog"]),
    ],
)
def test_labels_are_kept_by_threshold_or_by_what_is_asked(
    bench: Bench, query: dict[str, Any], names: list[str]
) -> None:
    arn = bench.running(bench.project())
    found = bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(picture((1, 2, 3))), **query)
    assert [label["Name"] for label in found["CustomLabels"]] == names


def test_an_image_comes_from_s3_with_the_callers_permission(bench: Bench) -> None:
    arn = bench.running(bench.project())
    bench.objects.held[BUCKET, "x.jpg"] = picture((1, 2, 3), form="JPEG")
    image = {"S3Object": {"Bucket": BUCKET, "Name": "x.jpg"}}
    assert bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=image)["CustomLabels"]
    with pytest.raises(errors.InvalidS3ObjectException):
        bench.call("DetectCustomLabels", Everybody("s3:GetObject"), ProjectVersionArn=arn, Image=image)
    gone = {"S3Object": {"Bucket": BUCKET, "Name": "y.jpg"}}
    with pytest.raises(errors.InvalidS3ObjectException):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=gone)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"not an image", errors.InvalidImageFormatException),
        (picture((1, 2, 3), form="GIF"), errors.InvalidImageFormatException),
        (picture((1, 2, 3))[:-30], errors.InvalidImageFormatException),
        (picture((1, 2, 3), (63, 100)), errors.InvalidParameterException),
        (picture((1, 2, 3), (64, 1280)), errors.InvalidParameterException),
        (picture((1, 2, 3), (4097, 300)), errors.ImageTooLargeException),
        (b"x" * (images.MAX_SENT_BYTES + 1), errors.ImageTooLargeException),
    ],
)
def test_an_image_that_cannot_be_used_is_told(
    bench: Bench, body: bytes, error: type[errors.RekognitionError]
) -> None:
    arn = bench.running(bench.project())
    with pytest.raises(error):
        bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(body))


def test_boxes_are_ratios_of_the_image_turned_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from local.engine import learning, learning_child

    class Model:
        def predict(self, image: Image.Image) -> list[learning.Prediction]:
            assert image.size == (100, 200)
            return [learning.Prediction("cat", 80.0, learning.Box("cat", 10, 20, 30, 40))]

    monkeypatch.setattr(learning.Model, "load", lambda directory: Model())
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(out, "JPEG", exif=exif)
    (found,) = learning_child.load(tmp_path)(out.getvalue())
    assert (found.label, found.confidence, found.box) == ("cat", 80.0, (0.1, 0.1, 0.3, 0.2))


def test_a_model_that_dies_fails_its_version_and_can_be_started_again(bench: Bench) -> None:
    project = bench.project()
    arn = bench.running(project)
    bench.models[0].on_exit(-9)
    failed = bench.described(project)
    assert (failed["Status"], "-9" in failed["StatusMessage"]) == ("FAILED", True)
    bench.call("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    bench.until(project, "RUNNING")


# Tags, faults, restarts


def test_tags_come_with_creation_and_change(bench: Bench) -> None:
    arn = bench.call("CreateProject", ProjectName="pets", Tags={"team": "vets"})["ProjectArn"]
    bench.call("TagResource", ResourceArn=arn, Tags={"cost": "1"})
    assert bench.call("ListTagsForResource", ResourceArn=arn)["Tags"] == {"cost": "1", "team": "vets"}
    bench.call("UntagResource", ResourceArn=arn, TagKeys=["team"])
    assert bench.call("ListTagsForResource", ResourceArn=arn)["Tags"] == {"cost": "1"}
    with pytest.raises(errors.ResourceNotFoundException):
        bench.call("ListTagsForResource", ResourceArn=arn[:-1] + "x")


def test_faults_strike_as_often_as_they_were_asked_for(bench: Bench) -> None:
    fault = {"operation": "DescribeProjects", "error": "ThrottlingException", "times": 2}
    bench.faults.add(faults.parse(json.dumps(fault).encode()))
    for _ in range(2):
        with pytest.raises(errors.ThrottlingException):
            bench.call("DescribeProjects")
    assert bench.call("DescribeProjects")["ProjectDescriptions"] == []


def test_faults_make_trainings_and_starts_end_badly(bench: Bench) -> None:
    project = bench.project()
    arn = bench.trained(project)
    for operation, outcome in (
        ("StartProjectVersion", "FAILED"),
        ("CreateProjectVersion", "TRAINING_FAILED"),
    ):
        bench.faults.add(faults.Fault(operation, outcome=outcome))
    bench.call("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    bench.until(project, "FAILED")
    bench.version(project, "v2")
    bench.until(project, "TRAINING_FAILED", name="v2")


@pytest.mark.parametrize(
    "fault",
    [
        b"[]",
        b'{"operation": "Nap", "error": "ThrottlingException"}',
        b'{"operation": "CreateProject", "error": "Nap"}',
        b'{"operation": "CreateProject", "outcome": "FAILED"}',
        b'{"operation": "CreateProject"}',
        b'{"operation": "CreateProject", "delay_seconds": "long"}',
    ],
)
def test_a_fault_that_means_nothing_is_refused(fault: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        faults.parse(fault)


def test_an_engine_that_ended_takes_up_what_it_did(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    project = first.project()
    first.running(project)
    first.hold.clear()
    first.version(project, "v2")
    eventually(lambda: len(first.jobs) == 2)
    # As a kill leaves it: the file as it is, nothing closed.
    second = Bench(tmp_path)
    second.api.recover()
    try:
        lost = second.described(project, "v2")
        assert (lost["Status"], "engine ended" in lost["StatusMessage"]) == ("TRAINING_FAILED", True)
        assert second.until(project, "RUNNING")["MinInferenceUnits"] == 1
        assert len(second.models) == 1
        assert second.call("DescribeProjects")["ProjectDescriptions"][0]["Datasets"]
        assert not list((tmp_path / "versions").glob("*/images"))
    finally:
        second.close()
        first.close()


def test_what_was_stopping_is_stopped_and_what_was_being_made_has_failed(bench: Bench) -> None:
    project = bench.project()
    arn = bench.running(project)
    dataset = bench.call("DescribeProjects")["ProjectDescriptions"][0]["Datasets"][0]["DatasetArn"]
    bench.store.move_version(arn, "STOPPING", when={"RUNNING"})
    bench.store.move_dataset(dataset, "UPDATE_IN_PROGRESS", message="", code="SUCCESS")
    again = Store(bench.state / "engine.sqlite")
    assert again.recover() == []
    assert bench.described(project)["Status"] == "STOPPED"
    assert bench.dataset_status(dataset)["Status"] == "UPDATE_FAILED"
    again.close()


def test_the_store_moves_a_version_once_however_many_ask(bench: Bench) -> None:
    arn = bench.trained(bench.project())
    moved: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda: moved.append(
                bench.store.move_version(arn, "STARTING", when={"TRAINING_COMPLETED"})
            )
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert moved.count(True) == 1


# Manifest lines


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"source-ref": None}, "ERROR_MISSING_SOURCE_REF"),
        ({"source-ref": "https://example.com/a.png"}, "ERROR_INVALID_SOURCE_REF_FORMAT"),
        ({"box-metadata": None}, "ERROR_NO_LABEL_ATTRIBUTES"),
        ({"box": {"annotations": []}}, "ERROR_INVALID_LABEL_ATTRIBUTE_FORMAT"),
        ({"box-metadata": {"type": "groundtruth/other"}}, "ERROR_INVALID_LABEL_ATTRIBUTE_METADATA_FORMAT"),
    ],
)
def test_a_broken_line_is_read_with_its_error(change: dict[str, Any], code: str) -> None:
    line = {**json.loads(boxed("a.png", ("cat", 1, 2, 30, 40))), **change}
    read = manifests.parse(json.dumps({key: value for key, value in line.items() if value is not None}))
    assert code in read.errors
    assert not read.usable_for("detection")


@pytest.mark.parametrize(
    ("box", "code"),
    [
        ((-1, 0, 10, 10), "ERROR_INVALID_BOUNDING_BOX"),
        ((90, 0, 10, 10), "ERROR_INVALID_BOUNDING_BOX"),
        ((0, 0, 1, 10), "ERROR_BOUNDING_BOX_TOO_SMALL"),
    ],
)
def test_a_line_loses_its_broken_box_and_keeps_the_others(box: tuple[int, int, int, int], code: str) -> None:
    read = manifests.parse(boxed("a.png", ("cat", *box), ("dog", 1, 2, 30, 40)))
    assert read.errors == (code,)
    assert read.usable_for("detection") == ("dog",)


def test_an_image_may_have_several_labels_and_boxes_may_lack() -> None:
    assert manifests.parse(classified("a.png", "football", "ball")).labels == ("football", "ball")
    empty = manifests.parse(boxed("a.png"))
    assert (empty.errors, manifests.is_ignored(empty, "detection")) == ((), True)
    assert empty.annotated["warnings"][0]["code"] == "WARNING_NO_ANNOTATIONS"
