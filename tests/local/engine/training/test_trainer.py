"""Trainings from the request to the version's description, with learning played."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lambdas.domain.evaluation import reading
from local.engine import splitting
from local.engine.access.s3 import NoObjectError
from local.engine.model_directory import version_directory
from local.engine.storage.store import Store
from local.engine.training import data as training_data
from local.engine.training.budget import Budget
from local.engine.training.trainer import LocalTrainer, TrainingFailedError, TrainingRequest
from tests.fixtures.engine import BUCKET, MemoryObjects, boxed, classified, eventually, picture

ARN = "arn:aws:rekognition:us-east-1:123456789012:project/pets/version/v1/1700000000000"
OUT = "training/v1"


class Versions:
    """The store as a trainer uses it."""

    def __init__(self) -> None:
        self.moves: list[dict[str, Any]] = []

    def move_version(self, arn: str, to: str, **columns: Any) -> bool:
        self.moves.append({"Status": to, "StatusMessage": columns["message"], **columns["details"]})
        return True


class Training:
    """A trainer whose learner gives the test images what `predict` says and leaves these figures."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.objects = MemoryObjects()
        self.versions = Versions()
        self.jobs: list[dict[str, Any]] = []
        self.predict: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None
        self.held_out: list[list[dict[str, Any]] | None] | None = None
        self.thresholds = {"cat": 0.6, "dog": 0.3}
        self.learn_error: Exception | None = None
        self.images_seen = 0
        self.trainer = LocalTrainer(cast(Store, self.versions), state, learner=self._learn)

    def put_images(self, *names: str) -> None:
        for name in names:
            self.objects.held[BUCKET, name] = picture((90, 120, 30))

    def run(self, training: list[str], testing: list[str], **optional: Any) -> dict[str, Any]:
        """The version's description as the training left it."""
        self.submit(training, testing, **optional)
        return dict(eventually(lambda: self.versions.moves and self.versions.moves.pop()))

    def submit(self, training: list[str], testing: list[str], **optional: Any) -> None:
        wanted: dict[str, Any] = {"bucket": BUCKET, "prefix": f"{OUT}/", "objects": self.objects, **optional}
        self.trainer.submit(TrainingRequest(version_arn=ARN, training=training, testing=testing, **wanted))

    def file(self, where: dict[str, Any]) -> str:
        location = where["S3Object"]
        assert location["Bucket"] == BUCKET
        return self.objects.held[BUCKET, location["Name"]].decode()

    def manifest(self, result: dict[str, Any], member: str) -> list[dict[str, Any]]:
        (asset,) = result[member]["Assets"]
        return [json.loads(line) for line in self.file(asset["GroundTruthManifest"]).splitlines()]

    def summary(self, described: dict[str, Any]) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.file(described["ManifestSummary"]))
        return document

    def _learn(self, directory: Path, budget: Budget, ended: threading.Event) -> None:
        job = json.loads((directory / "job.json").read_text())
        self.jobs.append(job)
        self.images_seen = sum(Path(example["path"]).exists() for example in (*job["train"], *job["test"]))
        if self.learn_error:
            raise self.learn_error
        if self.predict:
            lines = [json.dumps(self.predict(example)) for example in job["test"]]
            (directory / "predictions.jsonl").write_text("".join(f"{line}\n" for line in lines))
        if self.held_out is not None:
            (directory / "held_out.jsonl").write_text(
                "".join(f"{json.dumps(one)}\n" for one in self.held_out)
            )
        labels = [
            {"label": label, "f1": 0.8, "precision": 0.75, "recall": 0.85, "test_images": 1}
            | {"assumed_threshold": threshold}
            for label, threshold in self.thresholds.items()
        ]
        figures = {"f1": 0.8, "precision": 0.75, "recall": 0.85, "labels": labels}
        counts = {"train_images": len(job["train"]), "test_images": len(job["test"])}
        (directory / "evaluation.json").write_text(json.dumps(figures | counts))


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Training]:
    bench = Training(tmp_path)
    bench.put_images("a.png", "b.png", "c.png", "d.png")
    yield bench
    bench.trainer.close()


TRAIN = [classified("a.png", "cat"), classified("b.png", "dog")]
TEST = [classified("c.png", "cat"), classified("d.png", "dog")]


def key_of(described: dict[str, Any], *path: str) -> str:
    for name in path:
        described = described[name]
    if "Assets" in described:
        described = described["Assets"][0]["GroundTruthManifest"]
    return str(described["S3Object"]["Name"])


def test_what_is_seen_by_who_has_not_learned_lies_beside_the_other_files(training: Training) -> None:
    training.run(TRAIN, TEST)
    assert not any("HeldOut" in key for _, key in training.objects.held), "the learner has left none"
    wrong = {"label": "dog", "confidence": 55.5, "present": False, "box": None}
    missed = {"label": "cat", "confidence": 0.0, "present": True, "box": None}
    training.held_out = [[wrong, missed], None, None, [{**wrong, "present": True}]]
    training.run(TRAIN, TEST)
    text = training.objects.held[BUCKET, f"{OUT}/HeldOutPredictions-pets-v1.json"]
    known = reading.from_lines(text.splitlines(), {})
    assert known is not None
    assert [(image.key, image.truths[0].label) for image in known.images] == [
        ("a.png", "cat"),
        ("d.png", "dog"),
    ]
    assert [[(one.label, one.confidence) for one in image.detections] for image in known.images] == [
        [("dog", 0.555)],
        [("dog", 0.555)],
    ]


def test_every_file_is_where_the_description_says(training: Training) -> None:
    described = training.run(TRAIN, TEST)
    assert described["Status"] == "TRAINING_COMPLETED"
    assert described["StatusMessage"] == "The model is ready to run."
    names = {
        "EvaluationResultSummary": key_of(described, "EvaluationResult", "Summary"),
        "ManifestSummary": key_of(described, "ManifestSummary"),
        "TrainingGroundTruth": key_of(described, "TrainingDataResult", "Output"),
        "TestingGroundTruth": key_of(described, "TestingDataResult", "Output"),
        "TrainingManifestWithValidation": key_of(described, "TrainingDataResult", "Validation"),
        "TestingManifestWithValidation": key_of(described, "TestingDataResult", "Validation"),
    }
    assert names == {name: f"{OUT}/{name}-pets-v1.json" for name in names}
    assert {key for _, key in training.objects.held if key.startswith(OUT)} == set(names.values())
    assert described["EvaluationResult"]["F1Score"] == 0.8
    assert described["TestingDataResult"]["Output"]["AutoCreate"] is False
    assert set(training.objects.keys.values()) == {""}


def test_summaries_are_written_after_what_they_sum_up(training: Training) -> None:
    training.run(TRAIN, TEST)
    written = [key.removeprefix(f"{OUT}/").partition("-")[0] for _, key in training.objects.keys]
    assert written == [
        "TrainingManifestWithValidation",
        "TestingManifestWithValidation",
        "ManifestSummary",
        "TrainingGroundTruth",
        "TestingGroundTruth",
        "EvaluationResultSummary",
    ]


def test_without_a_prefix_the_files_are_at_the_top(training: Training) -> None:
    described = training.run(TRAIN, TEST, prefix="")
    assert key_of(described, "ManifestSummary") == "ManifestSummary-pets-v1.json"


def test_a_kms_key_encrypts_all_that_is_written(training: Training) -> None:
    training.run(TRAIN, TEST, kms_key_id="alias/mine")
    assert len(training.objects.keys) == 6
    assert set(training.objects.keys.values()) == {"alias/mine"}


def test_images_are_there_while_learning_and_gone_afterwards(training: Training) -> None:
    training.predict = lambda example: []
    training.run(TRAIN, TEST)
    assert training.images_seen == 4
    assert [path.name for path in version_directory(training.state, ARN).iterdir()] == ["evaluation.json"]


def test_what_the_learner_sees_in_test_images_is_in_their_snapshot(training: Training) -> None:
    def predict(example: dict[str, Any]) -> list[dict[str, Any]]:
        truth = example["labels"][0]
        return [
            {"label": label, "confidence": 50.0, "present": label == truth, "box": None}
            for label in ("cat", "dog")
        ]

    training.predict = predict
    described = training.run(TRAIN, TEST)
    lines = training.manifest(described["TestingDataResult"], "Output")
    details = "rekognition-custom-labels-evaluation-details"
    verdicts = [
        [
            key
            for key, value in line[f"rekognition-custom-labels-evaluation-{n}-metadata"][details].items()
            if value is True
        ]
        for line in lines
        for n in range(2)
    ]
    # Cats count from 60 %, dogs from 30 %.
    assert verdicts == [
        ["is-false-negative", "is-present-in-ground-truth"],
        ["is-false-positive"],
        ["is-true-negative"],
        ["is-true-positive", "is-present-in-ground-truth"],
    ]


def test_more_images_than_are_fetched_at_a_time(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_data, "_ENOUGH_TO_FETCH", 3)
    names = [f"{number}.png" for number in range(10)]
    training.put_images(*names)
    lines = [classified(name, ("cat", "dog")[number % 2]) for number, name in enumerate(names)]
    assert training.run(lines, TEST)["Status"] == "TRAINING_COMPLETED"
    (job,) = training.jobs
    assert len({example["path"] for example in job["train"]}) == 10
    assert training.images_seen == 12


# Manifest file errors


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "The manifest file is empty."),
        (["nonsense", "more"], "The manifest file extension or contents are invalid."),
    ],
)
@pytest.mark.parametrize("which", ["training", "testing"])
def test_an_error_of_a_manifest_file_leaves_no_validation_results(
    training: Training, lines: list[str], message: str, which: str
) -> None:
    described = training.run(*((lines, TEST) if which == "training" else (TRAIN, lines)))
    assert (described["Status"], described["StatusMessage"]) == ("TRAINING_FAILED", message)
    assert set(described) == {"Status", "StatusMessage", "TrainingEndTimestamp"}
    assert not training.objects.keys


@pytest.mark.parametrize("optional", [{"may_write_output": False}, {"bucket": "no-such-bucket"}])
def test_an_output_bucket_that_takes_nothing_fails_the_training(
    training: Training, optional: dict[str, Any]
) -> None:
    described = training.run(TRAIN, TEST, **optional)
    assert described["StatusMessage"] == "Unable to write to output S3 bucket."
    assert "ManifestSummary" not in described and not training.jobs


def test_an_output_bucket_that_goes_away_fails_the_training(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = training.objects.put

    def refuse(bucket: str, key: str, *rest: Any, **named: Any) -> None:
        if "TestingGroundTruth" in key:
            raise NoObjectError("gone")
        put(bucket, key, *rest, **named)

    monkeypatch.setattr(training.objects, "put", refuse)
    described = training.run(TRAIN, TEST)
    assert described["StatusMessage"] == "Unable to write to output S3 bucket."
    assert "EvaluationResult" not in described
    assert not any("EvaluationResultSummary" in key for _, key in training.objects.held)


# Manifest content errors


def test_a_content_error_fails_the_training_and_leaves_the_validation_results(training: Training) -> None:
    described = training.run([*TRAIN, "nonsense"], TEST)
    assert described["Status"] == "TRAINING_FAILED"
    assert described["StatusMessage"] == (
        "The manifest file contains too many invalid rows."
        " (ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST, training)"
    )
    summary = training.summary(described)
    assert summary["statistics"]["training"]["errors"][0]["code"] == "ERROR_TOO_MANY_INVALID_ROWS_IN_MANIFEST"
    assert summary["statistics"]["training"]["error_json_line_indices"] == [3]
    assert training.manifest(described["TrainingDataResult"], "Validation")[2] == {
        "errors": [{"code": "ERROR_INVALID_JSON_LINE", "message": "The JSON Line has an invalid format."}]
    }
    assert "Output" not in described["TrainingDataResult"] and "EvaluationResult" not in described
    assert not training.jobs


@pytest.mark.parametrize(
    ("lines", "tested", "optional", "code"),
    [
        (TRAIN, TEST, {"may_read": lambda arns: False}, "ERROR_INVALID_PERMISSIONS_IMAGES_S3_BUCKET"),
        (
            [classified("gone.png", "cat"), classified("lost.png", "dog")],
            [classified("gone.png", "cat"), classified("lost.png", "dog")],
            {},
            "ERROR_FAILED_IMAGES_S3_COPY",
        ),
        ([*TRAIN, classified("c.png", "fox")], TEST[:1] * 2, {}, "ERROR_INSUFFICIENT_LABEL_OVERLAP"),
    ],
)
def test_errors_of_both_manifests_stand_beside_their_statistics(
    training: Training, lines: list[str], tested: list[str], optional: dict[str, Any], code: str
) -> None:
    described = training.run(lines, tested, **optional)
    assert described["Status"] == "TRAINING_FAILED"
    assert f"({code}, both)" in described["StatusMessage"]
    assert code in [error["code"] for error in training.summary(described)["errors"]]


def test_a_line_whose_image_cannot_be_used_is_lost_and_told(training: Training) -> None:
    training.objects.held[BUCKET, "text.png"] = b"no image"
    lines = [*TRAIN, *TRAIN, classified("text.png", "cat")]
    described = training.run(lines, TEST)
    assert described["Status"] == "TRAINING_COMPLETED"
    assert len(training.jobs[0]["train"]) == 4
    assert training.manifest(described["TrainingDataResult"], "Validation")[4]["errors"] == [
        {
            "code": "ERROR_INVALID_IMAGE",
            "message": "The image is invalid. Check S3 path and/or image properties.",
        }
    ]
    snapshot = training.manifest(described["TrainingDataResult"], "Output")
    assert [line["source-ref"] for line in snapshot] == [
        f"s3://{BUCKET}/{name}" for name in ("a.png", "b.png") * 2
    ]
    assert training.summary(described)["statistics"]["training"]["error_json_line_indices"] == [5]


@pytest.mark.parametrize("error", [TrainingFailedError("The training was cut off."), ValueError("a bug")])
def test_a_training_that_fails_by_itself_does_not_point_to_results(
    training: Training, error: Exception
) -> None:
    training.learn_error = error
    described = training.run(TRAIN, TEST)
    assert described["Status"] == "TRAINING_FAILED"
    assert str(error) in described["StatusMessage"]
    assert set(described) == {"Status", "StatusMessage", "TrainingEndTimestamp"}
    # They are there all the same, as documented for service errors.
    assert (BUCKET, f"{OUT}/ManifestSummary-pets-v1.json") in training.objects.held


def test_an_engine_that_ends_while_images_are_fetched_blames_no_image(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = training.objects.get

    def slow(bucket: str, key: str, version: str | None = None, *, limit: int | None = None) -> bytes:
        threading.Thread(target=training.trainer.close).start()
        eventually(training.trainer._ended.is_set)
        return get(bucket, key, version, limit=limit)

    monkeypatch.setattr(training.objects, "get", slow)
    described = training.run(TRAIN, TEST)
    assert described["StatusMessage"] == "The engine was ended before the training was."
    assert not training.objects.keys


# What is learned and tested


def test_test_images_are_asked_for_labels_that_the_model_knows(training: Training) -> None:
    tested = [boxed("c.png", ("cat", 1, 1, 9, 9), ("cow", 2, 2, 9, 9)), boxed("d.png", ("cow", 2, 2, 9, 9))]
    described = training.run([boxed("a.png", ("cat", 1, 2, 30, 40))], tested)
    assert described["Status"] == "TRAINING_COMPLETED"
    (example,) = training.jobs[0]["test"]
    assert (example["labels"], [box["label"] for box in example["boxes"]]) == (["cat"], ["cat"])
    assert len(training.manifest(described["TestingDataResult"], "Output")) == 1


def test_image_level_labels_beside_boxes_are_not_learned(training: Training) -> None:
    described = training.run(
        [boxed("a.png", ("cat", 1, 2, 30, 40)), *TRAIN], [boxed("b.png", ("cat", 1, 1, 9, 9))]
    )
    assert training.jobs[0]["task"] == "detection"
    assert len(training.jobs[0]["train"]) == 1
    statistics = training.summary(described)["statistics"]["training"]
    assert (statistics["valid_json_lines"], statistics["ignored_json_lines"]) == (1, 2)


# AutoCreate


def many(count: int, *labels: str) -> list[str]:
    return [classified(f"{number}.png", labels[number % len(labels)]) for number in range(count)]


def test_a_fifth_of_the_training_lines_tests(training: Training) -> None:
    training.put_images(*(f"{number}.png" for number in range(20)))
    lines = [*many(20, "cat", "dog"), "nonsense"]
    described = training.run(lines, [], auto_create=True)
    assert described["Status"] == "TRAINING_COMPLETED"
    (job,) = training.jobs
    assert (len(job["train"]), len(job["test"])) == (16, 4)
    assert (
        sorted(label for example in job["test"] for label in example["labels"]) == ["cat"] * 2 + ["dog"] * 2
    )
    assert described["TestingDataResult"]["Output"]["AutoCreate"] is True
    tested = training.manifest(described["TestingDataResult"], "Output")
    trained = training.manifest(described["TrainingDataResult"], "Output")
    assert (len(tested), len(trained)) == (4, 16)
    assert not {line["source-ref"] for line in tested} & {line["source-ref"] for line in trained}
    validated = training.manifest(described["TestingDataResult"], "Validation")
    assert [line["source-ref"] for line in validated] == [line["source-ref"] for line in tested]
    assert training.summary(described)["statistics"]["training"]["invalid_json_lines"] == 1


def test_the_split_is_the_same_in_any_order() -> None:
    images = [(f"{number}.png", (("cat", "dog", "dog", "fox")[number % 4],)) for number in range(40)]
    chosen = splitting.choose_test_images(images)
    assert splitting.choose_test_images(images[::-1]) == chosen
    assert len(chosen) == 8


def test_no_label_loses_its_last_image_to_the_test() -> None:
    pairs = [("cat", "dog"), ("cat", "fox"), ("dog", "fox"), ("dog", "fox"), ("cat", "dog")]
    images = [(f"{number}.png", labels) for number, labels in enumerate(pairs)]
    chosen = splitting.choose_test_images(images)
    assert chosen
    left = {label for source_ref, labels in images if source_ref not in chosen for label in labels}
    assert left == {"cat", "dog", "fox"}


def test_a_label_of_one_image_cannot_be_split(training: Training) -> None:
    described = training.run([*TRAIN, classified("c.png", "cat")], [], auto_create=True)
    assert described["StatusMessage"] == (
        "The manifest file contains insufficient labeled images per label to perform auto-split."
        " (ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT, training)"
    )
    (error,) = training.summary(described)["statistics"]["training"]["errors"]
    assert error["code"] == "ERROR_INSUFFICIENT_IMAGES_PER_LABEL_FOR_AUTOSPLIT"
    assert training.manifest(described["TestingDataResult"], "Validation") == []


def test_images_that_cannot_be_fetched_are_told_before_the_split(training: Training) -> None:
    gone = [classified(f"gone{number}.png", ("cat", "dog")[number % 2]) for number in range(10)]
    described = training.run(gone, [], auto_create=True)
    assert "Failed to copy images from S3 bucket." in described["StatusMessage"]
