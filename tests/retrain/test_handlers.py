"""The steps of retrain, as the state machine calls them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas import retrain, training_jobs
from lambdas.domain.engines.both import Engines
from lambdas.domain.engines.port import EngineError, Version
from lambdas.domain.retrain import requests
from lambdas.domain.shared import clock
from lambdas.domain.shared.records import Run, is_serverless
from lambdas.domain.shared.scores import LabelScore
from lambdas.domain.shared.state import LeaseLostError
from lambdas.domain.shared.tuning import TuningError
from lambdas.services import MissingEnvironmentError, services
from tests.fixtures.deployment import BUCKET, CONSOLE, LATER, World, context
from tests.fixtures.metrics import published

STARTED = "2025-01-01T00:00:00.123Z"


def call(handler: Any, **event: Any) -> dict[str, Any]:
    return cast(dict[str, Any], handler(event, context()))


def begun(world: World, name: str = "a") -> str:
    arn = world.execution("retrain", name)
    assert call(retrain.take_lease, run=arn, trigger="manual", started_at=clock.now())["taken"]
    return arn


def the_run(world: World, name: str = "a") -> str:
    """The ARN of a run that `begun` began."""
    return str(world.run_record(name).execution)


def snapshot(world: World) -> str:
    """A snapshot that is worth a training: its id."""
    world.images("cat", 10)
    world.images("dog", 10)
    world.tune(min_training_images=10)
    return str(call(retrain.snapshot, run=begun(world), force=False)["id"])


def evaluated(world: World, version: str, snapshot_id: str, f1: float, **labels: float) -> None:
    """Let a training end with these scores."""
    results = [
        {
            "Label": label,
            "Metrics": {"F1Score": score, "Precision": score, "Recall": score, "Threshold": 0.5},
            "NumberOfTestingImages": 2,
        }
        for label, score in labels.items()
    ]
    key = f"training/{version}/summary.json"
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps({"LabelEvaluationResults": results}).encode())
    world.fake.add_version(
        version,
        "TRAINING_COMPLETED",
        BillableTrainingTimeInSeconds=1800,
        EvaluationResult={"F1Score": f1, "Summary": {"S3Object": {"Bucket": BUCKET, "Name": key}}},
    )


def test_wait_for_burst_waits_for_the_end_of_a_burst(world: World) -> None:
    world.tune(burst_quiet_seconds=100)
    assert call(retrain.wait_for_burst, run="a", started_at=STARTED) == {"done": True, "wait_seconds": 0}
    world.image("cat", "cat")
    answer = call(retrain.wait_for_burst, run="a", started_at=clock.now())
    assert not answer["done"]
    assert 90 < answer["wait_seconds"] <= 100


def test_wait_for_burst_waits_for_files_that_are_not_registered_yet(world: World) -> None:
    world.tune(burst_quiet_seconds=0)
    url = world.queues["register"]
    world.sqs.send_message(QueueUrl=url, MessageBody="a file")
    world.sqs.send_message(QueueUrl=url, MessageBody="another")
    wait = {"done": False, "wait_seconds": 1}
    assert call(retrain.wait_for_burst, run="a", started_at=clock.now()) == wait
    received = world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert call(retrain.wait_for_burst, run="a", started_at=clock.now()) == wait, "they are being registered"
    for message in received:
        world.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert call(retrain.wait_for_burst, run="a", started_at=clock.now()) == {"done": True, "wait_seconds": 0}


def test_wait_for_burst_says_what_is_wrong_with_the_settings(world: World) -> None:
    world.tune_by('{"min_f1": 3}')
    with pytest.raises(TuningError, match="min_f1=3"):
        call(retrain.wait_for_burst, run="a", started_at=STARTED)


def test_a_function_without_its_environment_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TUNING_PARAMETER")
    with pytest.raises(MissingEnvironmentError, match="TUNING_PARAMETER"):
        call(retrain.wait_for_burst, run="a", started_at=STARTED)


def test_take_lease_lets_one_run_go_on(world: World) -> None:
    first, second = world.execution("retrain", "a"), world.execution("retrain", "b")
    begun = {"run": first, "trigger": "images", "started_at": STARTED, "started_by": "ann"}
    assert call(retrain.take_lease, **begun) == {"taken": True, "reason": ""}
    answer = call(retrain.take_lease, run=second, trigger="schedule", started_at=STARTED)
    assert not answer["taken"]
    assert "run a" in answer["reason"]
    run = world.run_record()
    assert (run.trigger, run.started_at, run.started_by, run.outcome) == ("images", STARTED, "ann", "running")


def test_snapshot_says_whether_it_is_worth_a_training(world: World) -> None:
    arn = begun(world)
    answer = call(retrain.snapshot, run=arn, force=False)
    assert (answer["enough"], answer["reason"]) == (False, "no image has a label yet")
    world.images("cat", 10)
    world.images("dog", 10)
    answer = call(retrain.snapshot, run=arn, force=False)
    assert (answer["enough"], answer["reason"]) == (True, "")
    run = world.run_record()
    assert run.snapshot == answer["id"]
    assert run.images is not None and run.images.train_labels == {"cat": 8, "dog": 8}
    assert run.cutoff is not None and run.cutoff > STARTED


def test_an_earlier_snapshot_can_be_trained_on_again(world: World) -> None:
    """What has changed since counts for the next run: the cutoff stays."""
    arn = begun(world)
    world.images("cat", 20)
    world.images("dog", 20)
    made = call(retrain.snapshot, run=arn, force=False)["id"]
    world.images("fox", 10)
    world.version("v1", state="champion", snapshot=made)
    begin = world.run_record().cutoff
    answer = call(retrain.snapshot, run=arn, force=False, snapshot=made)
    assert answer == {"id": made, "enough": True, "reason": ""}
    run = world.run_record()
    assert (run.snapshot, run.cutoff) == (made, begin)
    assert run.images is not None and "fox" not in run.images.train_labels
    with pytest.raises(world.s3.exceptions.NoSuchKey):
        call(retrain.snapshot, run=arn, force=False, snapshot="0123456789abcdef")


def test_snapshot_trains_the_same_content_only_if_forced(world: World) -> None:
    made = snapshot(world)
    arn = world.run_record().execution
    world.version("v1-x", snapshot=made, state="rejected")
    again = call(retrain.snapshot, run=arn, force=False)
    assert (again["id"], again["enough"]) == (made, False)
    assert again["reason"] == f"nothing has changed since snapshot {made} was trained"
    assert call(retrain.snapshot, run=arn, force=True)["enough"]


def test_force_does_not_train_what_cannot_be_trained(world: World) -> None:
    arn = begun(world)
    assert not call(retrain.snapshot, run=arn, force=True)["enough"]
    world.images("cat", 3)
    made = call(retrain.snapshot, run=arn, force=True)
    assert made["enough"], "there is something to report on"
    assert not call(retrain.check_data, run=arn, snapshot=made["id"])["worth"]


def test_check_data_leaves_a_report_beside_the_snapshot(world: World) -> None:
    made = snapshot(world)
    assert call(retrain.check_data, run=the_run(world), snapshot=made) == {
        "worth": True,
        "reason": "",
    }
    body = world.s3.get_object(Bucket=BUCKET, Key=f"datasets/{made}/report.json")["Body"].read()
    assert {finding["severity"] for finding in json.loads(body)["findings"]} <= {"warning", "info"}
    page = world.s3.get_object(Bucket=BUCKET, Key=f"datasets/{made}/report.html")
    assert page["ContentType"].startswith("text/html") and made in page["Body"].read().decode()
    assert str(world.run_record().data_report).startswith("Training can start")


@pytest.mark.parametrize(
    ("labels", "reason", "finding"),
    [
        ({"cat": 30}, "only one label, cat: a classification needs at least two", "too_few_labels"),
        ({"cat": 2, "dog": 2}, "2 images to train with (2 more to test with), fewer than 10", "few_images"),
        (
            {"cat": 30, "dog": 1},
            "no image to test with of: dog; add images with these labels",
            "label_only_in_train",
        ),
    ],
)
def test_whatever_stops_a_run_is_in_a_report(
    labels: dict[str, int], reason: str, finding: str, world: World
) -> None:
    for label, count in labels.items():
        world.images(label, count)
    arn = begun(world)
    made = call(retrain.snapshot, run=arn, force=False)
    assert made["enough"]
    answer = call(retrain.check_data, run=arn, snapshot=made["id"])
    place = f"datasets/{made['id']}/report"
    assert answer == {"worth": False, "reason": f"{reason}. See s3://{BUCKET}/{place}.html"}
    assert finding in {problem["code"] for problem in json.loads(world.read(f"{place}.json"))["findings"]}
    run = world.run_record()
    assert run.stopped is True


@pytest.mark.long
def test_hundreds_of_labels_break_no_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many times as many the whole counts would be larger than an item."""
    for number in range(300):
        world.image(f"{number}", f"label {number:04}")
    arn = begun(world)
    made = call(retrain.snapshot, run=arn, force=False)
    answer = call(retrain.check_data, run=arn, snapshot=made["id"])
    assert answer["reason"].startswith(
        "no image to test with of: label 0000, label 0001, label 0002 and 297 more; add images"
    )
    images = world.run_record().images
    assert images is not None and (len(images.test_labels), images.labels) == (250, 300)


@pytest.mark.long
def test_check_data_stops_what_rekognition_would_refuse(world: World) -> None:
    for number in range(251):
        world.image(f"train {number}", f"label {number:03}", wanted="TRAIN")
        world.image(f"test {number}", f"label {number:03}", wanted="TEST")
    made = snapshot(world)
    answer = call(retrain.check_data, run=the_run(world), snapshot=made)
    assert not answer["worth"]
    assert answer["reason"].startswith("the dataset report stops it: ")
    assert answer["reason"].endswith(f"See s3://{BUCKET}/datasets/{made}/report.html")


def test_sync_datasets_is_called_until_they_are_ready(world: World) -> None:
    made = snapshot(world)
    world.tune(poll_seconds=7)
    assert call(retrain.sync_datasets, run=the_run(world), snapshot=made) == {
        "ready": False,
        "error": "",
        "wait_seconds": 7,
    }
    world.fake.finish()
    world.fake.datasets["TRAIN"]["errors"] = 3
    assert call(retrain.sync_datasets, run=the_run(world), snapshot=made)["ready"]
    assert world.run_record().flagged_entries == {"TRAIN": 3, "TEST": 0}


def test_a_refused_dataset_ends_the_run_at_once(world: World) -> None:
    """As often as the step is retried, Rekognition is asked for each dataset once."""
    made = snapshot(world)
    call(retrain.sync_datasets, run=the_run(world), snapshot=made)
    for dataset in world.fake.datasets.values():
        dataset |= {"Status": "CREATE_FAILED", "StatusMessage": "no access to the manifest"}
    answer = call(retrain.sync_datasets, run=the_run(world), snapshot=made)
    assert not answer["ready"]
    assert answer["error"].endswith(f"snapshot {made}: no access to the manifest")
    assert len(world.fake.called("create_dataset")) == 2
    assert world.run_record().stopped is True


def test_train_begins_one_training_however_often_it_is_called(world: World) -> None:
    made = snapshot(world)
    arn = world.run_record().execution
    for _ in range(2):
        answer = call(retrain.train, run=arn, snapshot=made)
        assert (answer["version"], answer["begun"]) == (f"v1-{made}", True)
    (request,) = world.fake.called("create_project_version")
    assert request["OutputConfig"] == {"S3Bucket": BUCKET, "S3KeyPrefix": f"training/v1-{made}"}
    assert request["Tags"] == {"labelloop:snapshot": made, "labelloop:run": "a"}
    version = world.version_record(f"v1-{made}")
    assert (version.number, version.snapshot, version.run) == (1, made, "a")
    assert version.state == "training"
    assert version.arn == world.fake.versions[f"v1-{made}"]["ProjectVersionArn"]


def test_train_that_fails_once_takes_no_second_number(world: World) -> None:
    made = snapshot(world)
    arn = world.run_record().execution
    world.fake.fail_next("create_project_version", "InternalServerError")
    with pytest.raises(Exception, match="InternalServerError"):
        call(retrain.train, run=arn, snapshot=made)
    assert call(retrain.train, run=arn, snapshot=made)["version"] == f"v1-{made}"


def test_watch_training_tells_how_far_it_is(world: World) -> None:
    world.tune(poll_seconds=9)
    world.fake.add_version("v1", "TRAINING_IN_PROGRESS", StatusMessage="working")
    run = world.execution("retrain", "a")
    assert call(retrain.watch_training, run=run, version="v1") == {
        "status": "TRAINING_IN_PROGRESS",
        "message": "v1: working",
        "announced": False,
        "wait_seconds": 9,
    }
    world.fake.finish()
    assert call(retrain.watch_training, run=run, version="v1")["status"] == "TRAINING_COMPLETED"


def test_watch_training_notes_a_failed_training(world: World) -> None:
    world.fake.add_version("v1", "TRAINING_FAILED", StatusMessage="too few images")
    assert call(retrain.watch_training, run=begun(world), version="v1")["message"] == "v1: too few images"
    version = world.version_record("v1")
    assert (version.state, version.reason) == ("failed", "too few images")


@pytest.mark.parametrize("handler", [retrain.watch_training, retrain.evaluate])
def test_a_version_that_somebody_deleted_is_an_error(handler: Any, world: World) -> None:
    with pytest.raises(EngineError, match="v1 was deleted"):
        call(handler, run=":a", version="v1", snapshot="s")


@pytest.mark.parametrize(("f1", "passed", "state"), [(0.9, True, "trained"), (0.7, False, "rejected")])
def test_evaluate_is_the_evaluation_gate(f1: float, passed: bool, state: str, world: World) -> None:
    made = snapshot(world)
    evaluated(world, "v1", made, f1, cat=f1, dog=f1)
    world.tune(min_f1=0.8)
    answer = call(retrain.evaluate, run=the_run(world), version="v1", snapshot=made)
    assert answer["passed"] is passed
    assert f"{f1:.3f}" in answer["reason"]
    run, version = world.run_record(), world.version_record("v1")
    assert version.state == state
    assert (run.f1, run.billable_seconds) == (f1, 1800)
    assert run.verdicts == version.verdicts
    assert run.verdicts[0].passed is passed
    assert run.labels[0] == LabelScore("cat", f1, precision=f1, recall=f1, test_images=2, threshold=0.5)


def judged_images(world: World, version: str, right: int, images: int) -> None:
    """Let the evaluation of a version say that it was right about the first images of a test dataset."""
    lines = [
        {
            "source-ref": f"s3://{BUCKET}/images/{number}.jpg",
            "rekognition-custom-labels-training-0": 1,
            "rekognition-custom-labels-training-0-metadata": {"class-name": "cat"},
            "rekognition-custom-labels-evaluation-0": 0,
            "rekognition-custom-labels-evaluation-0-metadata": {
                "class-name": "cat",
                "rekognition-custom-labels-evaluation-details": {
                    "is-true-positive": number < right,
                    "is-false-negative": number >= right,
                },
            },
        }
        for number in range(images)
    ]
    key = f"training/{version}/tested.json"
    world.s3.put_object(Bucket=BUCKET, Key=key, Body="\n".join(map(json.dumps, lines)).encode())
    asset = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": key}}}
    world.fake.versions[version]["TestingDataResult"] = {"Output": {"Assets": [asset]}}


@pytest.mark.parametrize(("right", "passed"), [(40, True), (38, True), (25, False)])
def test_evaluate_does_not_start_what_is_surely_worse_than_the_champion(
    right: int, passed: bool, world: World
) -> None:
    made = snapshot(world)
    world.champion("v1")
    judged_images(world, "v1", 40, images=40)
    evaluated(world, "v2", made, 0.9, cat=0.9, dog=0.9)
    judged_images(world, "v2", right, images=50)
    answer = call(retrain.evaluate, run=the_run(world), version="v2", snapshot=made)
    assert answer["passed"] is passed
    assert "the champion's 1.000 on the 40 test images of both trainings" in answer["reason"]
    assert answer["reason"].startswith("worse with") is not passed


def test_evaluate_refuses_a_label_that_the_evaluation_forgot(world: World) -> None:
    made = snapshot(world)
    evaluated(world, "v1", made, 0.9, cat=0.9)
    answer = call(retrain.evaluate, run=the_run(world), version="v1", snapshot=made)
    assert answer == {"passed": False, "reason": "dog: the evaluation says nothing about this label"}


def test_evaluate_without_an_evaluation_says_so(world: World) -> None:
    made = snapshot(world)
    world.fake.add_version("v1", "TRAINING_COMPLETED")
    with pytest.raises(EngineError, match="v1 has no evaluation"):
        call(retrain.evaluate, run=the_run(world), version="v1", snapshot=made)


def test_report_completes_gives_back_and_notifies(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    arn = begun(world)
    assert call(retrain.report, run=arn, outcome="rejected", reason="F1 is too low") == {
        "run": "a",
        "outcome": "rejected",
    }
    assert published(capsys) == {"RunsRejected": [1]}
    run = world.run_record()
    assert (run.outcome, run.reason) == ("rejected", "F1 is too low")
    assert run.steps, "of the execution's history"
    assert world.loop_state.lease("retrain") is None
    assert world.received("people")[0]["Subject"] == "LabelLoop pets: run rejected"
    assert world.received("machines")[0]["detail"]["outcome"] == "rejected"


def test_report_starts_the_next_run_if_one_is_due(world: World) -> None:
    arn = begun(world)
    world.loop_state.update_run(Run("a", cutoff="2020-01-01T00:00:00.000000Z", snapshot="s"))
    world.images("cat", 3)
    world.tune(min_new_images=3)
    call(retrain.report, run=arn, outcome="promoted", reason="")
    (name,) = [name for name in world.running("retrain") if name != "a"]
    assert name.startswith("images-")


@pytest.mark.long
def test_what_corrects_a_stopped_run_starts_the_next(world: World) -> None:
    world.images("cat", 30)
    world.image("one", "dog")
    world.tune(min_new_images=20)
    arn = begun(world)
    made = call(retrain.snapshot, run=arn, force=False)
    reason = call(retrain.check_data, run=arn, snapshot=made["id"])["reason"]
    call(retrain.report, run=arn, outcome="skipped", reason=reason)
    assert world.running("retrain") == ["a"], "nothing has been corrected"
    (mail,) = world.received("people")
    assert f"{CONSOLE}runs/a" in mail["Message"]
    assert f"s3://{BUCKET}/datasets/{made['id']}/report.html" in mail["Message"]
    world.image("another", "dog")
    assert requests.request_run_if_due(
        world.catalogue, world.loop_state, world.stepfunctions, world.machines["retrain"], services().tuning()
    )


def test_report_of_a_refused_run_starts_no_other(world: World) -> None:
    """The run that has the lease will: two that refuse each other would go on for ever."""
    begun(world, "a")
    refused = world.execution("retrain", "b")
    world.images("cat", 3)
    world.tune(min_new_images=3)
    call(retrain.report, run=refused, outcome="skipped", reason="run a is under way")
    assert sorted(world.running("retrain")) == ["a", "b"]


def test_report_of_a_run_that_failed_before_its_snapshot_does_not_start_the_same_again(world: World) -> None:
    world.images("cat", 3)
    world.tune(min_new_images=3)
    call(retrain.report, run=begun(world), outcome="failed", reason="Snapshot: AccessDenied")
    assert world.running("retrain") == ["a"]


def test_report_can_be_called_again(world: World) -> None:
    """Its first call may have failed after anything it did."""
    world.images("cat", 3)
    arn = begun(world)
    world.loop_state.update_run(Run("a", cutoff=LATER, snapshot="s"))
    for _ in range(2):
        assert call(retrain.report, run=arn, outcome="promoted", reason="")["outcome"] == "promoted"
    assert world.running("retrain") == ["a"]


# A training whose end is announced


class Announces:
    """An engine that tells of its trainings' ends."""

    name, announces_ends = "serverless", True

    def __init__(self, status: str) -> None:
        self.status = status

    def named(self, name: str) -> Announces:
        return self

    def describe_version(self, name: str) -> Version:
        return Version("arn:aws:sagemaker", name, self.status, "", None, None, 0, is_always_on=True)


class Tokens:
    """Step Functions, with executions that wait with these tokens."""

    def __init__(self, *waiting: str) -> None:
        self.waiting = list(waiting)

    def send_task_success(self, taskToken: str, output: str) -> None:
        if taskToken not in self.waiting:
            raise ClientError({"Error": {"Code": "TaskTimedOut", "Message": ""}}, "SendTaskSuccess")
        self.waiting.remove(taskToken)


def announcing(world: World, status: str, *tokens: str) -> Tokens:
    waiting = Tokens(*tokens)
    vars(services()).update(engine=Announces(status), stepfunctions=waiting)
    return waiting


JOB_ENDED = {"detail": {"TrainingJobName": "pets-v9-s", "TrainingJobStatus": "Completed"}}


def test_a_run_goes_on_when_the_end_of_its_training_is_announced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYMENT", "pets")
    run = begun(world)
    tokens = announcing(world, "TRAINING_IN_PROGRESS", "t")
    watched = call(retrain.watch_training, run=run, version="v9-s-serverless")
    assert (watched["status"], watched["announced"]) == ("TRAINING_IN_PROGRESS", True)
    call(retrain.await_training, run=run, version="v9-s-serverless", token="t")
    assert tokens.waiting == ["t"]
    assert call(training_jobs.ended, detail={"TrainingJobName": "pets-v8-s"}) == {"waited": False}
    assert call(training_jobs.ended, **JOB_ENDED) == {"waited": True}
    assert call(training_jobs.ended, **JOB_ENDED) == {"waited": False}, "AWS may tell of it more than once"
    assert tokens.waiting == []


def test_a_run_goes_on_at_once_if_its_training_has_ended_meanwhile(world: World) -> None:
    tokens = announcing(world, "RUNNING", "t")
    call(retrain.await_training, run=begun(world), version="v9-s-serverless", token="t")
    assert tokens.waiting == []
    assert world.loop_state.awaited_training("v9-s-serverless") is None


def test_an_execution_that_waits_no_longer_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOYMENT", "pets")
    announcing(world, "TRAINING_IN_PROGRESS")
    call(retrain.await_training, run=begun(world), version="v9-s-serverless", token="gone")
    assert call(training_jobs.ended, **JOB_ENDED) == {"waited": False}
    assert world.loop_state.awaited_training("v9-s-serverless") is None


def test_a_run_that_has_ended_waits_for_nothing(world: World) -> None:
    announcing(world, "TRAINING_IN_PROGRESS", "t")
    run = world.execution("retrain", "another")
    begun(world)
    with pytest.raises(LeaseLostError):
        call(retrain.await_training, run=run, version="v9-s-serverless", token="t")


# Another usual engine in the middle of a run


def deploy_engines(world: World, usual: str = "") -> None:
    """The functions as they are after a deployment with another setting; empty: with Rekognition alone."""
    serverless: Any = SimpleNamespace(name="serverless")
    usual_engine: Any = usual
    both = Engines(world.fake.engine, serverless, usual_engine)
    vars(services())["engine"] = both if usual else world.fake.engine


def test_a_run_goes_on_with_the_engine_that_it_began_with(world: World) -> None:
    """Its datasets are that engine's: the other one would train on those of an earlier snapshot."""
    deploy_engines(world, "rekognition")
    taken = snapshot(world)
    assert world.run_record().engine == "rekognition"
    deploy_engines(world, "serverless")
    run = the_run(world)
    version = call(retrain.train, run=run, snapshot=taken)["version"]
    assert list(world.fake.versions) == [version]
    assert not is_serverless(version)
    again = call(retrain.take_lease, run=run, trigger="manual", started_at=clock.now(), redrives=1)
    assert (again["taken"], world.run_record().engine) == (True, "rekognition")


@pytest.mark.parametrize(("trigger", "enough"), [("manual", True), ("schedule", False)])
def test_whoever_starts_a_run_may_train_the_same_images_with_the_other_engine(
    trigger: str, enough: bool, world: World
) -> None:
    deploy_engines(world, "rekognition")
    made = snapshot(world)
    world.version("v1-x", snapshot=made, state="champion")
    world.loop_state.release_lease("retrain", the_run(world))
    arn, now = world.execution("retrain", "b"), clock.now()
    assert call(retrain.take_lease, run=arn, trigger=trigger, started_at=now, engine="serverless")["taken"]
    assert call(retrain.snapshot, run=arn, force=False)["enough"] is enough


def test_a_run_whose_engine_was_taken_away_fails_and_leaves_the_champion(world: World) -> None:
    champion = world.champion("v1")
    deploy_engines(world, "serverless")
    taken = snapshot(world)
    deploy_engines(world)
    steps: list[tuple[Any, dict[str, str]]] = [
        (retrain.check_data, {"snapshot": taken}),
        (retrain.sync_datasets, {"snapshot": taken}),
        (retrain.train, {"snapshot": taken}),
        (retrain.watch_training, {"version": f"v2-{taken}-serverless"}),
    ]
    for step, event in steps:
        with pytest.raises(EngineError, match="no engine serverless: deploy it with the setting engine="):
            call(step, run=the_run(world), **event)
    call(retrain.report, run=the_run(world), outcome="failed", reason="no engine serverless")
    assert world.run_record().outcome == "failed"
    assert world.loop_state.champion() == champion
    assert world.fake.statuses() == {"v1": "RUNNING"}
    assert world.loop_state.lease("retrain") is None
