"""The engine `serverless`: training jobs as versions, the serving function's answers, both engines as one."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session

from lambdas import custom_resource
from lambdas import training_jobs as handler
from lambdas.domain.engines.both import Detectors, Engines
from lambdas.domain.engines.port import (
    NOT_SERVING,
    EngineError,
    LimitReachedError,
    NotYetError,
    Version,
    engine_of,
)
from lambdas.domain.engines.serverless import training_jobs
from lambdas.domain.engines.serverless.detector import ServerlessDetector
from lambdas.domain.engines.serverless.engine import ServerlessDatasets, ServerlessEngine
from lambdas.domain.engines.serverless.training_jobs import TrainingSettings
from lambdas.domain.engines.versions import by_name
from lambdas.domain.promote import shutdown
from lambdas.domain.promote.shutdown import StillRunningError
from lambdas.domain.shared.records import released_name
from tests.fixtures.deployment import context
from tests.fixtures.rekognition import FakeRekognition, label
from tests.fixtures.sagemaker import BUCKET, ROLE, Bench, World
from tests.fixtures.waiting import HUNG_SECONDS
from tests.local.sagemaker.training.test_jobs import SOURCE, packed

SNAPSHOT = "0123456789abcdef"
NAME = f"v7-{SNAPSHOT}-serverless"
TAGS = {"labelloop:snapshot": SNAPSHOT, "labelloop:run": "r"}
SETTINGS = TrainingSettings(
    deployment="parts",
    role_arn=ROLE,
    image="763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.9.0-cpu-py312-ubuntu22.04-sagemaker",
    source=f"s3://{BUCKET}/{SOURCE}",
    instance_type="ml.m5.xlarge",
    seconds=60,
    volume_gb=80,
    is_spot=True,
    bucket=BUCKET,
)


ALWAYS_ON = Version(
    f"arn:aws:sagemaker:eu-west-1:111122223333:training-job/parts-v7-{SNAPSHOT}",
    NAME,
    "RUNNING",
    "",
    None,
    None,
    0,
    is_always_on=True,
)


class Paged:
    """The emulation's client with a paginator."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.described = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def describe_training_job(self, **request: Any) -> Any:
        self.described += 1
        return self._client.describe_training_job(**request)

    def get_paginator(self, operation: str) -> Paged:
        assert operation == "list_training_jobs"
        return self

    def paginate(self, **request: Any) -> Iterator[Any]:
        page = self._client.list_training_jobs(MaxResults=1, **request)
        yield page
        while "NextToken" in page:
            page = self._client.list_training_jobs(MaxResults=1, NextToken=page["NextToken"], **request)
            yield page


class Functions:
    """Lambda, with a serving function that answers as it is told to."""

    def __init__(self, **answer: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = answer
        self.failure: dict[str, Any] = {}

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "parts-serving"
        self.asked.append(json.loads(Payload))
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode()), **self.failure}


class Signer:
    def generate_presigned_url(self, operation: str, Params: dict[str, str], ExpiresIn: int) -> str:
        assert operation == "get_object"
        version = f"?version={Params['VersionId']}" if "VersionId" in Params else ""
        return f"https://{Params['Bucket']}/{Params['Key']}{version}"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    training_jobs._ended.cache_clear()
    training_jobs.model_folder.cache_clear()
    made = Bench(tmp_path)
    made.world.files[BUCKET, SOURCE] = packed(train__py="")
    for name in ("train", "test"):
        line = json.dumps({"source-ref": f"s3://{BUCKET}/images/a.png"})
        made.world.files[BUCKET, f"datasets/{SNAPSHOT}/{name}.manifest"] = f"{line}\n".encode()
    yield made
    made.service.close()


def engine(
    bench: Bench, functions: Functions | None = None, settings: TrainingSettings = SETTINGS
) -> ServerlessEngine:
    client = Paged(bench.sagemaker)
    detector = ServerlessDetector(functions or Functions(), client, cast(Any, Signer()), "parts-serving")
    return ServerlessEngine(client, detector, settings, "eu-west-1")


def trained(engine: ServerlessEngine, name: str = NAME) -> Version:
    until = time.monotonic() + HUNG_SECONDS
    while time.monotonic() < until:
        version = engine.describe_version(name)
        assert version
        if version.status != "TRAINING_IN_PROGRESS":
            return version
        time.sleep(0.05)
    raise AssertionError(version)


def begun(bench: Bench, engine: ServerlessEngine, name: str = NAME) -> Version:
    datasets = ServerlessDatasets(cast(Any, S3(bench)), cast(Any, Fence()), BUCKET)
    assert datasets.sync(SNAPSHOT).ready
    return engine.train_version(name, bucket=BUCKET, tags=TAGS)


class Fence:
    def check(self) -> None: ...


class S3:
    """The emulation's objects, with bodies that have lines."""

    def __init__(self, bench: Bench) -> None:
        self._files = bench.world.files

    def get_object(self, Bucket: str, Key: str) -> Any:
        return bench_s3(self._files).get_object(Bucket=Bucket, Key=Key)

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        self._files[Bucket, Key] = Body


def bench_s3(files: dict[tuple[str, str], bytes]) -> Any:
    world = World()
    world.files = files
    return world.s3


def test_a_training_becomes_a_version_that_answers_at_once(bench: Bench) -> None:
    made = engine(bench)
    assert made.describe_version(NAME) is None
    version = begun(bench, made)
    assert (version.name, version.status) == (NAME, "TRAINING_IN_PROGRESS")
    assert begun(bench, made).arn == version.arn, "it is gone on with"
    done = trained(made)
    assert (done.status, done.is_trained, done.is_busy, done.is_always_on) == ("RUNNING", True, False, True)
    assert done.billable_seconds >= 1
    assert done.summary == (BUCKET, f"training/parts-v7-{SNAPSHOT}/output/model/evaluation.json")
    made.start_version(done, 1)
    made.stop_version(done)
    assert made.list_versions() == [done]


def test_a_job_is_isolated_and_says_whose_it_is(bench: Bench) -> None:
    made = engine(bench)
    arn = begun(bench, made).arn
    assert bench.service.tags(arn) == {"labelloop:deployment": "parts", **TAGS}
    described = made.sagemaker.describe_training_job(TrainingJobName=f"parts-v7-{SNAPSHOT}")
    assert described["EnableNetworkIsolation"] is True
    assert described["ResourceConfig"]["VolumeSizeInGB"] == 80
    assert trained(made).status == "RUNNING", "its source comes by a channel"


def test_a_version_in_training_cannot_be_asked_yet(bench: Bench) -> None:
    bench.world.files[BUCKET, SOURCE] = packed(train__py="import time; time.sleep(60)")
    made = engine(bench)
    version = begun(bench, made)
    with pytest.raises(NotYetError, match=NAME):
        made.start_version(version, 1)
    with pytest.raises(ClientError, match="ResourceNotReadyException"):
        made.detect_labels(version.arn, {"Bytes": b""})
    with pytest.raises(LimitReachedError, match="Service Quotas"):
        begun(bench, made, f"v8-{SNAPSHOT}-serverless")


@pytest.mark.parametrize("artifacts", [{}, {"ModelArtifacts": None}, {"ModelArtifacts": {}}])
def test_a_job_that_has_left_nothing_yet_is_described_all_the_same(
    artifacts: dict[str, Any],
) -> None:
    described = {
        "TrainingJobName": "parts-v1-abc",
        "TrainingJobArn": "arn",
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training"},
        "CreationTime": datetime(2026, 11, 29, tzinfo=UTC),
        **artifacts,
    }
    sagemaker = SimpleNamespace(describe_training_job=lambda TrainingJobName: described)
    version = training_jobs.describe(sagemaker, "parts", BUCKET, "v1-abc-serverless")
    assert version
    assert (version.status, version.message) == ("TRAINING_IN_PROGRESS", "it waits for a machine")


def test_a_training_that_fails_says_why(bench: Bench) -> None:
    bench.world.files[BUCKET, SOURCE] = packed(train__py="raise SystemExit('no image shows a label')")
    made = engine(bench)
    begun(bench, made)
    failed = trained(made)
    assert (failed.status, failed.summary) == ("TRAINING_FAILED", None)
    assert failed.billable_seconds >= 1, "SageMaker bills it"
    assert "no image shows a label" in failed.message


@pytest.mark.parametrize(
    ("status", "secondary", "reason", "message"),
    [
        ("Failed", "Failed", "CapacityError: Unable to provision capacity", "CapacityError"),
        ("Stopped", "MaxWaitTimeExceeded", "", "no spot machine came for it in time"),
        ("Stopped", "MaxRuntimeExceeded", "", "longer than it may"),
    ],
)
def test_a_job_that_never_starts_or_never_ends_says_why(
    status: str, secondary: str, reason: str, message: str, bench: Bench
) -> None:
    """It was never billed for what it did not run."""
    begun(bench, engine(bench))
    trained(engine(bench))
    client = Paged(bench.sagemaker)
    described = client.describe_training_job(TrainingJobName=f"parts-v7-{SNAPSHOT}")
    for member in ("TrainingStartTime", "BillableTimeInSeconds"):
        del described[member]
    described |= {"TrainingJobStatus": status, "SecondaryStatus": secondary, "FailureReason": reason}
    asked: Any = SimpleNamespace(describe_training_job=lambda **_: described)
    version = training_jobs.describe(asked, "parts", BUCKET, NAME)
    assert version
    assert (version.status, version.billable_seconds) == ("TRAINING_FAILED", 0)
    assert message in version.message


def test_a_job_says_in_words_how_it_stands_whatever_sagemaker_calls_that() -> None:
    """A name that is not known yet is left out: it would be a word of a program."""
    shape: Any = get_session().get_service_model("sagemaker").shape_for("SecondaryStatus")
    statuses = set(shape.enum)
    described = {
        "TrainingJobArn": "arn",
        "TrainingJobName": "parts-v7-abc",
        "TrainingJobStatus": "InProgress",
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training"},
        "CreationTime": datetime.now(UTC),
    }
    for secondary in statuses | {"NewOnes"}:
        asked: Any = SimpleNamespace(
            describe_training_job=lambda secondary=secondary, **_: {**described, "SecondaryStatus": secondary}
        )
        version = training_jobs.describe(asked, "parts", BUCKET, "v7-abc-serverless")
        assert version
        words = version.training_in_words
        assert " " in words and words == words.lower().replace("sagemaker", "SageMaker"), secondary
    done = {**described, "TrainingJobStatus": "Completed", "SecondaryStatus": "Completed"}
    ended: Any = SimpleNamespace(describe_training_job=lambda **_: done)
    version = training_jobs.describe(ended, "parts", BUCKET, "v7-abc-serverless")
    assert version and version.training_in_words == "it is trained"


def test_versions_of_others_are_not_listed_and_what_ended_is_described_once(
    bench: Bench,
) -> None:
    for deployment in ("parts", "spare-parts", "parts-v1"):
        other = engine(bench, settings=replace(SETTINGS, deployment=deployment))
        begun(bench, other)
        trained(other)
    made = engine(bench)
    assert [version.name for version in made.list_versions()] == [NAME]
    described = made.sagemaker.described
    assert made.list_versions()
    assert made.sagemaker.described == described


def test_a_job_of_an_earlier_deployment_of_the_name_is_no_version(bench: Bench) -> None:
    """Its model lies in a bucket that may be gone, and that nobody here may read."""
    begun(bench, engine(bench))
    trained(engine(bench))
    bench.world.files["later", f"datasets/{SNAPSHOT}/train.manifest"] = b""
    later = engine(bench, settings=replace(SETTINGS, bucket="later"))
    assert later.describe_version(NAME) is None
    assert later.list_versions() == []
    with pytest.raises(EngineError, match="earlier deployment"):
        later.train_version(NAME, bucket="later", tags=TAGS)


def test_what_was_released_answers_from_this_deployments_bucket(bench: Bench) -> None:
    functions = Functions(labels=[])
    made = engine(bench, functions)
    name = released_name(NAME, "123456789012")
    assert name == f"v7-{SNAPSHOT}-of-123456789012-serverless"
    version = made.describe_version(name)
    assert version
    assert (version.name, version.status, version.is_trained, version.is_busy) == (
        name,
        "RUNNING",
        True,
        False,
    )
    assert version.summary == (BUCKET, f"training/{name}/evaluation.json")
    assert engine_of(version.arn) == "serverless"
    made.detect_labels(version.arn, {"Bytes": b"jpeg"})
    folder = f"https://{BUCKET}/training/{name}"
    assert functions.asked[0]["model"]["files"]["model.onnx"] == f"{folder}/model.onnx"
    assert made.list_versions() == [], "SageMaker has no job of it"
    further = released_name(name, "210987654321")
    recorded = [name, further, "v6-abc", NAME]
    assert list(by_name(made, recorded)) == [name, further], "but it is on record"


RUNS_ON = packed(train__py="import time; time.sleep(60)")


def named(name: str) -> str:
    return f"{name}-{SNAPSHOT}-serverless"


def test_the_deployments_training_jobs_are_stopped_and_no_others(bench: Bench) -> None:
    made = engine(bench)
    begun(bench, made, named("v6"))
    trained(made, named("v6"))
    bench.world.files[BUCKET, SOURCE] = RUNS_ON
    other = engine(bench, settings=replace(SETTINGS, deployment="parts-v1"))
    begun(bench, other)
    assert training_jobs.stop(made.sagemaker, "parts", BUCKET) == []
    assert training_jobs.stop(made.sagemaker, "parts-v1", "an earlier one's bucket") == []
    assert status(other) == "TRAINING_IN_PROGRESS"
    assert [version.name for version in training_jobs.stop(other.sagemaker, "parts-v1", BUCKET)] == [NAME]
    stopped = trained(other)
    assert stopped.status == "TRAINING_FAILED"
    assert "stopped" in stopped.message
    assert training_jobs.stop(other.sagemaker, "parts-v1", BUCKET) == []
    assert status(made, named("v6")) == "RUNNING"


def status(engine: ServerlessEngine, name: str = NAME) -> str:
    version = engine.describe_version(name)
    assert version
    return version.status


@pytest.mark.parametrize(
    ("code", "is_passed_over"),
    [("ValidationException", True), ("ResourceNotFound", True), ("AccessDeniedException", False)],
)
def test_a_job_that_stops_already_is_waited_for(code: str, is_passed_over: bool, bench: Bench) -> None:
    bench.world.files[BUCKET, SOURCE] = RUNS_ON
    made = engine(bench)
    begun(bench, made)

    def refused(TrainingJobName: str) -> None:
        assert TrainingJobName == f"parts-v7-{SNAPSHOT}"
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "StopTrainingJob")

    made.sagemaker.stop_training_job = refused
    if is_passed_over:
        assert [version.name for version in training_jobs.stop(made.sagemaker, "parts", BUCKET)] == [NAME]
    else:
        with pytest.raises(ClientError, match="AccessDenied"):
            training_jobs.stop(made.sagemaker, "parts", BUCKET)


def request(kind: str) -> dict[str, Any]:
    properties = {"Deployment": "parts", "Bucket": BUCKET}
    return {"RequestType": kind, "ResourceProperties": properties}


def test_the_custom_resource_stops_them_when_the_engine_goes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that a function had asked for a moment before."""
    bench.world.files[BUCKET, SOURCE] = RUNS_ON
    made = engine(bench)
    begun(bench, made)
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        if status(made) != "TRAINING_FAILED":
            trained(made)
        elif len(sleeps) == 2:
            begun(bench, made, named("v8"))

    answers: list[tuple[str, str]] = []

    def send(event: Any, id: str, status: str, reason: str, data: Any, *, secret: bool) -> None:
        assert not secret
        answers.append((status, reason))

    monkeypatch.setattr(shutdown, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    monkeypatch.setattr(custom_resource, "_send", send)
    monkeypatch.setattr(handler, "services", lambda: SimpleNamespace(sagemaker=made.sagemaker))
    for kind in ("Create", "Update"):
        handler.handle(request(kind), context(900))
        assert status(made) == "TRAINING_IN_PROGRESS"
    handler.handle(request("Delete"), context(900))
    assert answers == [("SUCCESS", "")] * 3
    assert status(made) == "TRAINING_FAILED"
    trained(made, named("v8"))
    assert status(made, named("v8")) == "TRAINING_FAILED"


def test_a_training_is_cancelled_once(bench: Bench) -> None:
    bench.world.files[BUCKET, SOURCE] = RUNS_ON
    made = engine(bench)
    version = begun(bench, made)
    assert made.announces_ends
    assert made.cancel_training(version)
    assert made.cancel_training(version), "it stops already"
    assert trained(made).status == "TRAINING_FAILED"
    assert made.cancel_training(version), "it has ended"


def test_a_job_that_has_not_ended_in_time_is_named() -> None:
    version = replace(ALWAYS_ON, status="TRAINING_IN_PROGRESS")
    with pytest.raises(StillRunningError, match=f"{version.name} .TRAINING_IN_PROGRESS"):
        shutdown.stop_trainings(lambda: [version], deadline=time.monotonic(), poll_seconds=0.01)


def test_the_longest_names_are_names_of_jobs() -> None:
    name = training_jobs.job_name("a-name-of-thirty-one-characters", f"v99999-{SNAPSHOT}-serverless")
    assert len(name) <= 63


def test_an_answer_is_as_rekognitions(bench: Bench) -> None:
    seen = {"label": "cat", "confidence": 91.23456, "box": [0.1, 0.2, 0.3, 0.41234567]}
    functions = Functions(labels=[seen, {"label": "dog", "confidence": 50.0, "box": None}])
    made = engine(bench, functions)
    begun(bench, made)
    arn = trained(made).arn
    image = {"S3Object": {"Bucket": "b", "Name": "k.jpg", "Version": "3"}}
    assert made.detect_labels(arn, image, min_confidence=20) == [
        {
            "label": "cat",
            "confidence": 91.235,
            "box": {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.412346},
        },
        {"label": "dog", "confidence": 50.0},
    ]
    (asked,) = functions.asked
    folder = f"https://{BUCKET}/training/parts-v7-{SNAPSHOT}/output/model"
    assert asked["model"]["files"]["model.onnx"] == f"{folder}/model.onnx"
    assert (asked["image"], asked["min_confidence"]) == ({"url": "https://b/k.jpg?version=3"}, 20)
    made.detect_labels(arn, {"Bytes": b"jpeg"})
    assert functions.asked[1]["image"] == {"bytes": "anBlZw=="}


def fails_with(bench: Bench, functions: Functions) -> tuple[str, str]:
    made = engine(bench, functions)
    begun(bench, made)
    with pytest.raises(ClientError) as raised:
        made.detect_labels(trained(made).arn, {"Bytes": b"jpeg"})
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_functions_errors_are_those_of_detect_custom_labels(bench: Bench) -> None:
    refusal = {"code": "ImageTooLargeException", "message": "it is too large"}
    assert fails_with(bench, Functions(error=refusal)) == ("ImageTooLargeException", "it is too large")


def test_a_job_that_was_deleted_does_not_serve_and_blames_no_image(bench: Bench) -> None:
    functions = Functions(labels=[])
    with pytest.raises(ClientError) as raised:
        engine(bench, functions).detect_labels(
            "arn:aws:sagemaker:eu-west-1:1:training-job/gone", {"Bytes": b""}
        )
    assert raised.value.response["Error"]["Code"] in NOT_SERVING
    assert functions.asked == []


def test_a_function_that_is_throttled_or_fails_is_asked_again_later(bench: Bench) -> None:
    busy = Functions()
    busy.answer = ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "busy"}}, "Invoke")
    assert fails_with(bench, busy)[0] == "ThrottlingException"
    killed = Functions(errorMessage="Task timed out")
    killed.failure = {"FunctionError": "Unhandled"}
    code, message = fails_with(bench, killed)
    assert (code, "Task timed out" in message) == ("InternalServerError", True)


def test_both_engines_are_one(bench: Bench) -> None:
    fake = FakeRekognition(
        projects={"pets": "arn:aws:rekognition:us-east-1:123456789012:project/pets/1700000000000"}
    )
    fake.add_version("v6-abc", "STOPPED")
    fake.finds = lambda version, key: [label("cat")]
    functions = Functions(labels=[])
    serverless = engine(bench, functions)
    both = Engines(fake.engine, serverless, "rekognition")
    begun(bench, serverless)
    trained(serverless)
    assert {version.name for version in both.list_versions()} == {"v6-abc", NAME}
    ours, theirs = both.describe_version(NAME), both.describe_version("v6-abc")
    assert ours
    assert theirs
    both.start_version(theirs, 1)
    assert fake.statuses()["v6-abc"] == "STARTING"
    both.start_version(ours, 1)
    fake.finish()
    for detector in (both, Detectors(fake.engine, serverless)):
        assert detector.detect_labels(theirs.arn, {"Bytes": b"x"})
        assert detector.detect_labels(ours.arn, {"Bytes": b"x"}) == []
    assert both.named("serverless") is serverless
    assert (both.name, both.named("serverless").name, fake.engine.name) == (
        "rekognition",
        "serverless",
        "rekognition",
    )
    assert both.named("").version_name(3, "s") == "v3-s"
    with pytest.raises(EngineError, match="no engine other"):
        both.named("other")
    with pytest.raises(ClientError, match="does not have"):
        fake.engine.detect_labels(ours.arn, {"Bytes": b"x"})
    with pytest.raises(EngineError, match="engine=both"):
        fake.engine.named("serverless")
