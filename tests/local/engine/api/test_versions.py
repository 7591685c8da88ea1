"""Model versions of the engine: trained, started, stopped, copied, deleted."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from local.engine import errors, faults
from local.engine.quotas import Quotas
from local.engine.training.trainer import LocalTrainer
from tests.fixtures.engine import BUCKET, Bench, Everybody, boxed, classified, eventually, picture, sent


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
    ("denied", "message"),
    [
        ("s3:PutObject", "Unable to write to output S3 bucket."),
        ("s3:GetObject", "The permissions for the images S3 bucket are invalid."),
    ],
)
def test_a_training_reaches_s3_with_the_callers_permissions(bench: Bench, denied: str, message: str) -> None:
    project = bench.project()
    bench.trained(project)
    bench.caller = Everybody(denied)
    bench.version(project, "v2")
    assert message in bench.until(project, "TRAINING_FAILED", name="v2")["StatusMessage"]


def test_a_request_asks_of_no_image_whether_it_may_be_read(bench: Bench) -> None:
    project = bench.project()
    for kind in ("TRAIN", "TEST"):
        bench.dataset(project, kind, [classified(f"{kind}{n}.png", "cat") for n in range(50)])
    bench.version(project)
    assert bench.caller.asked < 20
    manifest = {
        "Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "TRAIN.manifest"}}}]
    }
    bench.caller.asked = 0
    bench.version(bench.project("other"), TrainingData=manifest, TestingData=manifest)
    assert bench.caller.asked < 20


def test_every_file_of_the_output_needs_the_permission(bench: Bench) -> None:
    project = bench.project()
    source = bench.trained(project)
    written = {key.rpartition("/")[2] for _, key in bench.objects.held if key.startswith("training/v1/")}
    assert len(written) == 6
    destination = bench.project("production")
    for name in sorted(written):
        bench.caller = AllBut(name)
        copied(bench, source, project, destination, VersionName=name)
        described = bench.until(destination, "COPYING_FAILED", "COPYING_COMPLETED", name=name)
        assert described["StatusMessage"] == "Unable to write to output S3 bucket."
        bench.caller = AllBut(name.replace("-v1", "-v2"))
        bench.version(project, "v2")
        described = bench.until(project, "TRAINING_FAILED", "TRAINING_COMPLETED", name="v2")
        assert described["StatusMessage"] == "Unable to write to output S3 bucket."
        bench.call("DeleteProjectVersion", ProjectVersionArn=described["ProjectVersionArn"])


class AllBut(Everybody):
    """May do all but write the object of this name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def may(self, action: str, *resources: str) -> bool:
        return action != "s3:PutObject" or not any(arn.endswith(f"/{self.name}") for arn in resources)


def test_no_image_is_in_both_datasets_of_a_training(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though DistributeDatasetEntries moves some while the datasets are read."""
    project = bench.project()
    keys = [f"{number}.png" for number in range(20)]
    bench.put_images(*keys)
    train = bench.dataset(project, "TRAIN", [classified(key, "cat") for key in keys])
    test = bench.dataset(project, "TEST", [])
    bench.update(test, classified("other.png", "cat"))
    read = bench.store.entries.lines

    def lines(arn: str) -> list[str]:
        version = read(arn)
        if arn == train:
            mover = threading.Thread(
                target=bench.store.entries.move, args=(train, test, {f"s3://{BUCKET}/19.png"})
            )
            mover.start()
            mover.join()
        return version

    monkeypatch.setattr(bench.store.entries, "lines", lines)
    submitted: list[Any] = []
    monkeypatch.setattr(LocalTrainer, "submit", lambda self, request: submitted.append(request))
    bench.version(project)
    assert (len(submitted[0].training), len(submitted[0].testing)) == (20, 1)
    assert len(read(train)) == 19


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
    answer = bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(picture((1, 2, 3))))
    assert answer["CustomLabels"] == [
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


def test_a_model_that_dies_fails_its_version_and_can_be_started_again(bench: Bench) -> None:
    project = bench.project()
    arn = bench.running(project)
    bench.models[0].on_exit(-9)
    failed = bench.described(project)
    assert (failed["Status"], "-9" in failed["StatusMessage"]) == ("FAILED", True)
    bench.call("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    bench.until(project, "RUNNING")


# Limits, keys and deletion


def test_a_training_may_split_its_own_test_data(bench: Bench) -> None:
    project = bench.project()
    keys = [f"{number}.png" for number in range(20)]
    bench.put_images(*keys)
    lines = [classified(key, "cat" if number % 2 else "dog") for number, key in enumerate(keys)]
    bench.objects.held[BUCKET, "m"] = "\n".join(lines).encode()
    data = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "m"}}}]}
    with pytest.raises(errors.InvalidParameterException, match="TestingData"):
        bench.version(project, TrainingData=data, TestingData={**data, "AutoCreate": True})
    bench.version(project, TrainingData=data, TestingData={"AutoCreate": True})
    described = bench.until(project, "TRAINING_COMPLETED", "TRAINING_FAILED")
    assert (described["Status"], described["TestingDataResult"]["Input"]) == (
        "TRAINING_COMPLETED",
        {"AutoCreate": True},
    )
    (job,) = bench.jobs
    assert (len(job["train"]), len(job["test"])) == (16, 4)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"OutputConfig": {}}, "OutputConfig"),
        ({"FeatureConfig": {"ContentModeration": {}}}, "FeatureConfig"),
        ({"TrainingData": {}}, "go together"),
        ({"TrainingData": {}, "TestingData": {"AutoCreate": True}}, "TrainingData.Assets"),
        ({"TrainingData": {"Assets": [{}]}, "TestingData": {"AutoCreate": True}}, "S3Object"),
        ({"KmsKeyId": "other"}, "KmsKeyId"),
    ],
)
def test_a_training_that_cannot_be_meant_is_refused_and_leaves_nothing(
    bench: Bench, request_: dict[str, Any], message: str
) -> None:
    project = bench.project()
    wanted: dict[str, Any] = {"VersionName": "v1", "OutputConfig": {"S3Bucket": BUCKET}, **request_}
    with pytest.raises(errors.InvalidParameterException, match=message):
        bench.call("CreateProjectVersion", ProjectArn=project, **wanted)
    assert bench.store.versions(project) == []


@pytest.mark.parametrize(
    ("name", "denied", "message"),
    [
        ("gone", [], "The manifest file extension or contents are invalid."),
        ("m", ["s3:GetObject"], "The S3 bucket permissions are incorrect."),
    ],
)
def test_a_manifest_that_cannot_be_read_fails_the_training(
    bench: Bench, name: str, denied: list[str], message: str
) -> None:
    project = bench.project()
    bench.objects.held[BUCKET, "m"] = b""
    bench.caller = Everybody(*denied)
    data = {"Assets": [{"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": name}}}]}
    bench.version(project, TrainingData=data, TestingData=data)
    assert bench.until(project, "TRAINING_FAILED")["StatusMessage"] == message


def test_a_key_is_kept_shown_and_used(bench: Bench) -> None:
    project = bench.project()
    bench.trained(project)
    bench.version(project, "v2", KmsKeyId="mine", VersionDescription="the second")
    described = bench.until(project, "TRAINING_COMPLETED", name="v2")
    assert (described["KmsKeyId"], described["VersionDescription"]) == ("mine", "the second")
    summary = described["ManifestSummary"]["S3Object"]["Name"]
    assert bench.objects.keys[BUCKET, summary] == "mine"
    bench.caller = Everybody("kms:GenerateDataKey")
    with pytest.raises(errors.AccessDeniedException, match="kms:GenerateDataKey"):
        bench.version(project, "v3", KmsKeyId="mine")


def test_limits_of_trainings_versions_and_projects(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Quotas(projects=2, versions_per_project=4, concurrent_trainings=1))
    project = bench.project()
    bench.trained(project)
    bench.project("second")
    with pytest.raises(errors.LimitExceededException, match="2 projects"):
        bench.project("third")
    bench.hold.clear()
    bench.version(project, "v2")
    with pytest.raises(errors.LimitExceededException, match="1 trainings at a time"):
        bench.version(project, "v3")
    with pytest.raises(errors.ResourceInUseException, match="VersionName"):
        bench.store.move_version(
            bench.store.versions(project)[0].arn, "STOPPED", when={"TRAINING_IN_PROGRESS"}
        )
        bench.version(project, "v2")
    bench.hold.set()
    for name in ("v3", "v4"):
        bench.version(project, name)
        bench.until(project, "TRAINING_COMPLETED", name=name)
    with pytest.raises(errors.LimitExceededException, match="4 models"):
        bench.version(project, "v5")
    bench.close()


def test_limits_of_running_models(tmp_path: Path) -> None:
    bench = Bench(tmp_path, Quotas(running_versions=1, inference_units=3))
    project = bench.project()
    first = bench.trained(project)
    second = bench.version(project, "v2")
    bench.until(project, "TRAINING_COMPLETED", name="v2")
    too_many: list[dict[str, Any]] = [
        {"MinInferenceUnits": 4},
        {"MinInferenceUnits": 1, "MaxInferenceUnits": 4},
    ]
    for units in too_many:
        with pytest.raises(errors.LimitExceededException, match="InferenceUnits"):
            bench.call("StartProjectVersion", ProjectVersionArn=first, **units)
    with pytest.raises(errors.InvalidParameterException, match="MaxInferenceUnits"):
        bench.call("StartProjectVersion", ProjectVersionArn=first, MinInferenceUnits=2, MaxInferenceUnits=1)
    bench.call("StartProjectVersion", ProjectVersionArn=first, MinInferenceUnits=1, MaxInferenceUnits=2)
    with pytest.raises(errors.LimitExceededException, match="1 models run"):
        bench.call("StartProjectVersion", ProjectVersionArn=second, MinInferenceUnits=1)
    assert bench.described(project, "v2")["Status"] == "TRAINING_COMPLETED"
    bench.until(project, "RUNNING")
    bench.call("StopProjectVersion", ProjectVersionArn=first)
    bench.until(project, "STOPPED")
    bench.call("StartProjectVersion", ProjectVersionArn=first, MinInferenceUnits=1)
    assert "MaxInferenceUnits" not in bench.until(project, "RUNNING")
    bench.close()


@pytest.mark.parametrize(
    ("status", "deleted", "started", "copied"),
    [
        ("TRAINING_IN_PROGRESS", False, False, False),
        ("TRAINING_FAILED", True, False, False),
        ("TRAINING_COMPLETED", True, True, True),
        ("STARTING", False, False, True),
        ("RUNNING", False, False, True),
        ("STOPPING", False, False, True),
        ("STOPPED", True, True, True),
        ("FAILED", True, True, True),
        ("COPYING_IN_PROGRESS", False, False, False),
        ("COPYING_COMPLETED", True, True, True),
        ("COPYING_FAILED", True, False, False),
        ("DELETING", False, False, False),
    ],
)
def test_what_may_be_done_in_a_status(
    bench: Bench, status: str, deleted: bool, started: bool, copied: bool
) -> None:
    project = bench.project()
    arn = bench.trained(project)
    calls: dict[str, tuple[bool, dict[str, Any]]] = {
        "CopyProjectVersion": (
            copied,
            {
                "SourceProjectArn": project,
                "SourceProjectVersionArn": arn,
                "DestinationProjectArn": bench.project("other"),
                "VersionName": "copy",
                "OutputConfig": {"S3Bucket": BUCKET},
            },
        ),
        "StartProjectVersion": (started, {"ProjectVersionArn": arn, "MinInferenceUnits": 1}),
        "DeleteProjectVersion": (deleted, {"ProjectVersionArn": arn}),
    }
    for operation, (allowed, request) in calls.items():
        now = bench.described(project)["Status"]
        bench.store.move_version(arn, status, when={now})
        if allowed:
            bench.call(operation, **request)
        else:
            with pytest.raises(errors.ResourceInUseException, match=status):
                bench.call(operation, **request)
        if operation == "CopyProjectVersion" and allowed:
            bench.until(request["DestinationProjectArn"], "COPYING_COMPLETED", name="copy")
        if operation == "StartProjectVersion" and allowed:
            bench.until(project, "RUNNING")


# Copies


def copied(bench: Bench, source: str, project: str, destination: str, **optional: Any) -> str:
    request: dict[str, Any] = {
        "VersionName": "copy",
        "OutputConfig": {"S3Bucket": BUCKET, "S3KeyPrefix": "copies"},
        **optional,
    }
    return str(
        bench.call(
            "CopyProjectVersion",
            SourceProjectArn=project,
            SourceProjectVersionArn=source,
            DestinationProjectArn=destination,
            **request,
        )["ProjectVersionArn"]
    )


def test_a_model_is_copied_with_its_results_and_runs(bench: Bench) -> None:
    project, destination = bench.project(), bench.project("production")
    source = bench.trained(project)
    arn = copied(bench, source, project, destination, Tags={"stage": "live"}, KmsKeyId="mine")
    described = bench.until(destination, "COPYING_COMPLETED", name="copy")
    assert arn.startswith("arn:aws:rekognition:us-east-1:123456789012:project/production/version/copy/")
    assert (described["SourceProjectVersionArn"], described["KmsKeyId"]) == (source, "mine")
    original = bench.described(project)
    assert described["EvaluationResult"]["F1Score"] == original["EvaluationResult"]["F1Score"]
    summary = described["EvaluationResult"]["Summary"]["S3Object"]["Name"]
    assert summary == "copies/EvaluationResultSummary-pets-v1.json"
    original_summary = original["EvaluationResult"]["Summary"]["S3Object"]["Name"]
    assert bench.objects.held[BUCKET, summary] == bench.objects.held[BUCKET, original_summary]
    assert bench.objects.keys[BUCKET, summary] == "mine"
    assert bench.call("ListTagsForResource", ResourceArn=arn)["Tags"] == {"stage": "live"}
    bench.call("DeleteProjectVersion", ProjectVersionArn=source)
    bench.call("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    bench.until(destination, "RUNNING", name="copy")
    answer = bench.call("DetectCustomLabels", ProjectVersionArn=arn, Image=sent(picture((1, 2, 3))))
    assert [label["Name"] for label in answer["CustomLabels"]] == ["cat", "dog"]


def test_a_copy_that_cannot_be_meant_is_refused(bench: Bench) -> None:
    project, destination = bench.project(), bench.project("production")
    source = bench.trained(project)
    with pytest.raises(errors.InvalidParameterException, match="not a version of SourceProjectArn"):
        copied(bench, source, destination, project)
    with pytest.raises(errors.ResourceNotFoundException, match="SourceProjectVersionArn"):
        copied(bench, f"{source}0", project, destination)
    with pytest.raises(errors.ResourceNotFoundException, match="SourceProjectArn"):
        copied(bench, source, f"{project}0", destination)
    with pytest.raises(errors.ResourceNotFoundException):
        copied(bench, source, project, f"{destination}0")
    with pytest.raises(errors.InvalidParameterException, match="Region"):
        copied(bench, source, project, destination.replace("us-east-1", "eu-west-1"))
    with pytest.raises(errors.InvalidParameterException, match="OutputConfig"):
        copied(bench, source, project, destination, OutputConfig={})
    with pytest.raises(errors.ResourceInUseException, match="VersionName"):
        copied(bench, source, project, project, VersionName="v1")
    assert len(bench.store.versions(destination)) == 0


def test_a_copy_that_fails_says_why_and_leaves_no_model(bench: Bench) -> None:
    project, destination = bench.project(), bench.project("production")
    source = bench.trained(project)
    bench.faults.add(faults.Fault("CopyProjectVersion", outcome="COPYING_FAILED"))
    copied(bench, source, project, destination, VersionName="fault")
    bench.until(destination, "COPYING_FAILED", name="fault")
    copied(bench, source, project, destination, VersionName="there", OutputConfig={"S3Bucket": "no-bucket"})
    message = bench.until(destination, "COPYING_FAILED", name="there")["StatusMessage"]
    assert message == "Unable to write to output S3 bucket."
    bench.caller = Everybody("s3:PutObject")
    copied(bench, source, project, destination, VersionName="denied")
    message = bench.until(destination, "COPYING_FAILED", name="denied")["StatusMessage"]
    assert message == "Unable to write to output S3 bucket."
    bench.caller = Everybody()
    where = bench.described(project)["EvaluationResult"]["Summary"]["S3Object"]
    del bench.objects.held[BUCKET, where["Name"]]
    copied(bench, source, project, destination, VersionName="lost")
    assert "source" in bench.until(destination, "COPYING_FAILED", name="lost")["StatusMessage"]
    assert len(list((bench.state / "versions").iterdir())) == 1
