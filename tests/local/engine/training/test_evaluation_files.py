"""The files of a training as AWS documents them: summary, evaluation manifest snapshots, encryption."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import IO, Any

import boto3
import pytest
from moto import mock_aws

from lambdas.domain.engines.evaluation_files import scores as read_scores
from lambdas.domain.engines.port import Version
from learning import evaluation_files
from learning.evaluation_files import evaluation_summary, training_snapshot
from local.engine.access.s3 import NoObjectError, ObjectTooLargeError, S3Objects
from local.engine.manifests import lines as manifest_lines
from local.engine.training import output as training_output
from local.engine.training.output import CannotWriteError, Output
from tests.fixtures.engine import BUCKET, MemoryObjects, boxed, classified

ENDED = datetime.datetime(2019, 11, 21, 7, 30, 23, 910943, tzinfo=datetime.UTC)
ARN = "arn:aws:rekognition:us-east-1:123456789012:project/my-project/version/v0/1574317227432"
VERDICTS = ("is-true-positive", "is-true-negative", "is-false-positive", "is-false-negative")


def judged(label: str, confidence: float, *, present: bool, box: Any = None) -> dict[str, Any]:
    return {"label": label, "confidence": confidence, "present": present, "box": box}


def place(left: float) -> dict[str, float]:
    return {"left": left, "top": 2.4, "width": 30.5, "height": 40.0}


def snapshot(
    line: str, task: manifest_lines.Task, judged: list[dict[str, Any]], **thresholds: float
) -> dict[str, Any]:
    (text,) = evaluation_files.testing_snapshot(
        [manifest_lines.parse(line)], task, [judged], thresholds, ENDED
    )
    value: dict[str, Any] = json.loads(text)
    return value


def test_the_snapshot_of_an_image_level_label_is_the_documented_one() -> None:
    written = snapshot(
        classified("beckham.jpeg", "Football"),
        "classification",
        [judged("Football", 95.0, present=True)],
        Ball=0.5,
        Football=0.5,
    )
    assert written == {
        "source-ref": f"s3://{BUCKET}/beckham.jpeg",
        "rekognition-custom-labels-training-0": 0,
        "rekognition-custom-labels-training-0-metadata": {
            "class-name": "Football",
            "confidence": 1,
            "type": "groundtruth/image-classification",
            "human-annotated": "yes",
            "creation-date": "2024-01-01T00:00:00",
            "job-name": "rekognition-custom-labels-training-job",
        },
        "rekognition-custom-labels-evaluation-0": 1,
        "rekognition-custom-labels-evaluation-0-metadata": {
            "confidence": 0.95,
            "job-name": "rekognition-custom-labels-evaluation-job",
            "class-name": "Football",
            "human-annotated": "no",
            "creation-date": "2019-11-21T07:30:23.910943",
            "type": "groundtruth/image-classification",
            "rekognition-custom-labels-evaluation-details": {
                "version": 1,
                "ground-truth-labelling-jobs": ["rekognition-custom-labels-training-job"],
                "is-true-positive": True,
                "is-true-negative": False,
                "is-false-positive": False,
                "is-false-negative": False,
                "is-present-in-ground-truth": True,
            },
        },
    }


def test_the_snapshot_of_boxes_is_the_documented_one() -> None:
    line = boxed("a.png", ("Cap", 1, 2, 30, 40), ("Cap", 5, 5, 1, 1))
    written = snapshot(line, "detection", [judged("Cap", 95.0, present=True, box=place(1.4))], Cap=0.5)
    training = written["rekognition-custom-labels-training-0"]
    # The box that is too small was not trained with.
    assert training["annotations"] == [{"class_id": 0, "left": 1, "top": 2, "width": 30, "height": 40}]
    assert written["rekognition-custom-labels-training-0-metadata"]["objects"] == [{"confidence": 1}]
    assert written["rekognition-custom-labels-evaluation"] == {
        "annotations": [{"class_id": 0, "left": 1, "top": 2, "width": 30, "height": 40}],
        "image_size": [{"width": 96, "height": 96, "depth": 3}],
    }
    metadata = written["rekognition-custom-labels-evaluation-metadata"]
    (details,) = (
        object_.pop("rekognition-custom-labels-evaluation-details") for object_ in metadata["objects"]
    )
    assert details["is-true-positive"] and details["is-present-in-ground-truth"]
    assert metadata == {
        "confidence": 0.95,
        "job-name": "rekognition-custom-labels-evaluation-job",
        "class-map": {"0": "Cap"},
        "human-annotated": "no",
        "objects": [{"confidence": 0.95}],
        "creation-date": "2019-11-21T07:30:23.910943",
        "type": "groundtruth/object-detection",
    }


@pytest.mark.parametrize(
    ("confidence", "present", "verdict"),
    [
        (50.0, True, "is-true-positive"),
        (49.9, False, "is-true-negative"),
        (50.0, False, "is-false-positive"),
        (49.9, True, "is-false-negative"),
    ],
)
def test_a_verdict_comes_from_the_labels_threshold(confidence: float, present: bool, verdict: str) -> None:
    written = snapshot(
        classified("a.png", "cat"), "classification", [judged("cat", confidence, present=present)], cat=0.5
    )
    details = written["rekognition-custom-labels-evaluation-0-metadata"][
        "rekognition-custom-labels-evaluation-details"
    ]
    assert [name for name in VERDICTS if details[name]] == [verdict]
    assert details["is-present-in-ground-truth"] is present


def test_boxes_that_were_rightly_not_predicted_are_left_out() -> None:
    verdicts = [
        judged("cat", 10.0, present=False, box=place(1)),
        judged("dog", 0.0, present=True, box=place(2)),
        judged("cat", 80.0, present=False, box=place(3)),
    ]
    written = snapshot(boxed("a.png", ("dog", 1, 2, 30, 40)), "detection", verdicts, cat=0.5, dog=0.5)
    boxes = written["rekognition-custom-labels-evaluation"]["annotations"]
    assert [(box["class_id"], box["left"]) for box in boxes] == [(1, 2), (0, 3)]
    metadata = written["rekognition-custom-labels-evaluation-metadata"]
    assert metadata["class-map"] == {"1": "dog", "0": "cat"}
    details = [each["rekognition-custom-labels-evaluation-details"] for each in metadata["objects"]]
    assert [each["is-false-negative"] for each in details] == [True, False]
    assert [each["is-false-positive"] for each in details] == [False, True]


def test_an_image_on_which_nothing_was_said_has_no_evaluation() -> None:
    written = snapshot(boxed("a.png", ("dog", 1, 2, 30, 40)), "detection", [], dog=0.5)
    assert written["rekognition-custom-labels-evaluation"]["annotations"] == []
    assert written["rekognition-custom-labels-evaluation-metadata"]["confidence"] == 0.0


def test_only_attributes_of_the_task_are_in_a_snapshot() -> None:
    both = json.loads(boxed("a.png", ("dog", 1, 2, 30, 40))) | json.loads(classified("a.png", "cat", "fox"))
    line = manifest_lines.parse(json.dumps(both))
    (classification,) = map(json.loads, training_snapshot([line], "classification"))
    assert [name for name in classification if not name.endswith("metadata")] == [
        "source-ref",
        "rekognition-custom-labels-training-0",
        "rekognition-custom-labels-training-1",
    ]
    (detection,) = map(json.loads, training_snapshot([line], "detection"))
    assert detection["rekognition-custom-labels-training-0-metadata"]["class-map"] == {"0": "dog"}
    assert len(detection) == 3


def test_snapshots_are_manifests_themselves() -> None:
    written = snapshot(
        boxed("a.png", ("dog", 1, 2, 30, 40)),
        "detection",
        [judged("dog", 95.0, present=True, box=place(1))],
        dog=0.5,
    )
    read = manifest_lines.parse(json.dumps(written))
    assert (read.errors, read.boxed) == ((), ("dog",))


EVALUATION: dict[str, Any] = {
    "f1": 0.9726959470546408,
    "precision": 0.9719115848331294,
    "recall": 0.9735042735042735,
    "train_images": 5216,
    "test_images": 624,
    "labels": [
        {
            "label": "WATCH",
            "f1": 0.9659574468085106,
            "precision": 0.961864406779661,
            "recall": 0.9700854700854701,
            "assumed_threshold": 0.014450683258473873,
            "test_images": 234,
        },
        {
            "label": "CAP",
            "f1": 0.9794344473007711,
            "precision": 0.9819587628865979,
            "recall": 0.9769230769230769,
            "assumed_threshold": 0.9879502058029175,
            "test_images": 390,
        },
    ],
}


def test_the_summary_file_is_the_documented_one() -> None:
    # im-summary-file-api.html
    matrix = [{"GroundTruthLabel": "CAP", "PredictedLabel": "CAP", "Value": 0.9948717948717949}]
    written = evaluation_summary(EVALUATION | {"confusion_matrix": matrix}, ["CAP", "WATCH"], ARN, ENDED)
    assert written == {
        "Version": 1,
        "AggregatedEvaluationResults": {
            "ConfusionMatrix": matrix,
            "F1Score": 0.9726959470546408,
            "Precision": 0.9719115848331294,
            "Recall": 0.9735042735042735,
        },
        "EvaluationDetails": {
            "EvaluationEndTimestamp": "2019-11-21T07:30:23.910943",
            "Labels": ["CAP", "WATCH"],
            "NumberOfTestingImages": 624,
            "NumberOfTrainingImages": 5216,
            "ProjectVersionArn": ARN,
        },
        "LabelEvaluationResults": [
            {
                "Label": "CAP",
                "Metrics": {
                    "F1Score": 0.9794344473007711,
                    "Precision": 0.9819587628865979,
                    "Recall": 0.9769230769230769,
                    "Threshold": 0.9879502058029175,
                },
                "NumberOfTestingImages": 390,
            },
            {
                "Label": "WATCH",
                "Metrics": {
                    "F1Score": 0.9659574468085106,
                    "Precision": 0.961864406779661,
                    "Recall": 0.9700854700854701,
                    "Threshold": 0.014450683258473873,
                },
                "NumberOfTestingImages": 234,
            },
        ],
    }


def test_detection_has_mean_precision_and_recall_instead_of_a_confusion_matrix() -> None:
    means = {"average_precision": 0.6, "average_recall": 0.9}
    overall = evaluation_summary(EVALUATION | means, [], ARN, ENDED)["AggregatedEvaluationResults"]
    assert (overall["AveragePrecision"], overall["AverageRecall"]) == (0.6, 0.9)
    assert "ConfusionMatrix" not in overall


def test_a_trained_label_without_test_images_is_only_listed() -> None:
    written = evaluation_summary(EVALUATION, ["CAP", "WATCH", "RARE"], ARN, ENDED)
    assert written["EvaluationDetails"]["Labels"] == ["CAP", "RARE", "WATCH"]
    assert [result["Label"] for result in written["LabelEvaluationResults"]] == ["CAP", "WATCH"]


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def output(objects: Any, **optional: Any) -> Output:
    return Output(ARN, BUCKET, "out", objects, **optional)


def s3_objects() -> S3Objects:
    # Any account of the simulated S3 may be asked; a client of its own keeps the simulation apart.
    return S3Objects("https://s3.amazonaws.com", "111122223333", "us-east-1")


def test_the_application_reads_the_summary(s3: Any) -> None:
    summary = evaluation_summary(EVALUATION, ["CAP", "WATCH"], ARN, ENDED)
    where = output(s3_objects()).put_json(training_output.EVALUATION_SUMMARY, summary)["S3Object"]
    version = Version(
        ARN, "v0", "TRAINING_COMPLETED", "", EVALUATION["f1"], (where["Bucket"], where["Name"]), 60
    )
    scores = read_scores(s3, version)
    assert scores.f1 == EVALUATION["f1"]
    assert [(label.label, label.recall, label.test_images) for label in scores.labels] == [
        ("CAP", 0.9769230769230769, 390),
        ("WATCH", 0.9700854700854701, 234),
    ]


def test_files_are_encrypted_with_the_key_in_s3(s3: Any) -> None:
    key_id = boto3.client("kms", region_name="us-east-1").create_key()["KeyMetadata"]["KeyId"]
    plain, encrypted = output(s3_objects()), output(s3_objects(), kms_key_id=key_id)
    json_key = encrypted.put_json("ManifestSummary", {})["S3Object"]["Name"]
    (asset,) = encrypted.put_manifest("TestingGroundTruth", ["{}", "{}"])["Assets"]
    for key in (json_key, asset["GroundTruthManifest"]["S3Object"]["Name"]):
        head = s3.head_object(Bucket=BUCKET, Key=key)
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", key_id)
        assert head["ContentType"] == "application/json"
    key = plain.put_json("EvaluationResultSummary", {})["S3Object"]["Name"]
    assert "SSEKMSKeyId" not in s3.head_object(Bucket=BUCKET, Key=key)
    assert s3.get_object(Bucket=BUCKET, Key=asset["GroundTruthManifest"]["S3Object"]["Name"])[
        "Body"
    ].read() == (b"{}\n{}\n")


def test_an_object_that_is_too_large_is_not_read(s3: Any) -> None:
    objects = s3_objects()
    for key, body in (("small", b"abc"), ("large", b"abcd")):
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert objects.get(BUCKET, "small", limit=3) == b"abc"
    with pytest.raises(ObjectTooLargeError, match="s3://data-bucket/large has more than 3 bytes"):
        objects.get(BUCKET, "large", limit=3)
    assert objects.get(BUCKET, "large") == b"abcd"
    with pytest.raises(NoObjectError, match="NoSuchKey"):
        objects.get(BUCKET, "none")


def test_a_manifest_goes_through_a_file() -> None:
    bodies: list[object] = []

    class Sent(MemoryObjects):
        def put(
            self, bucket: str, key: str, body: bytes | IO[bytes], content_type: str, *, kms_key_id: str = ""
        ) -> None:
            bodies.append(body)

    output(Sent()).put_manifest("TestingGroundTruth", ("{}" for _ in range(3)))
    (body,) = bodies
    assert not isinstance(body, bytes)


def test_what_cannot_be_written_is_told() -> None:
    with pytest.raises(CannotWriteError, match="no bucket"):
        Output(ARN, "elsewhere", "out", MemoryObjects()).put_json("ManifestSummary", {})
    with pytest.raises(ValueError, match="no ARN of a model version"):
        Output("arn:aws:s3:::x", BUCKET, "out", MemoryObjects()).put_json("ManifestSummary", {})
