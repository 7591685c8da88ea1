"""Every command as people and machines see it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any
from unittest.mock import ANY, patch

import boto3
import pytest
from click.testing import CliRunner

from cli.deployment import Deployment
from cli.main import app
from lambdas.domain.catalogue import pending
from lambdas.domain.promote.approval import in_words
from lambdas.domain.shared import clock
from lambdas.domain.shared.annotation import Annotation
from lambdas.domain.shared.records import (
    Approval,
    LedgerEntry,
    LedgerHead,
    ModelVersion,
    Outcome,
    PendingApproval,
    Run,
    RunStep,
)
from lambdas.domain.shared.scores import Verdict
from lambdas.domain.snapshot.snapshots import Snapshot
from tests.fixtures.cli import BEGAN, EXECUTION, LABELS, V1, V2, Cli, client_error

# status


def put_image(cli: Cli, number: int, status: str, **more: Any) -> None:
    sha = f"{number:064x}"
    item = {
        "id": f"image#{sha}",
        "sha256": sha,
        "key": f"images/{sha}.jpg",
        "status": status,
        "changed_at": f"2026-01-31T12:00:{number:02d}.000000Z",
    }
    cli.catalogue.put_item(Item=item | more)


def test_status_of_a_new_deployment(cli: Cli) -> None:
    document = cli.json("status")
    assert document["images"] == {"unlabelled": 0, "labelled": 0, "conflict": 0, "excluded": 0}
    assert (document["champion"], document["run"], document["running"], document["rejected"]) == (
        None,
        None,
        [],
        0,
    )
    assert document["missing_for_a_run"] == 20
    shown = cli("status")
    assert shown.exit_code == 0
    assert "20 more start a run" in shown.stdout
    assert "none yet" in shown.stdout


def test_status_counts_images_and_says_why_some_conflict(history: Cli) -> None:
    for number in range(3):
        put_image(history, number, "labelled")
    put_image(history, 3, "unlabelled")
    put_image(history, 4, "conflict", conflict_reason="it lies in folders of different labels: 'a', 'b'")
    document = history.json("status")
    assert document["images"] == {"unlabelled": 1, "labelled": 3, "conflict": 1, "excluded": 0}
    assert document["conflicts"][0]["reason"].startswith("it lies in folders")
    assert (document["new_since_last_run"], document["missing_for_a_run"]) == (3, 17)
    assert "it lies in folders of different labels" in history("status").stdout


def test_status_names_images_that_annotations_wait_for(cli: Cli) -> None:
    for number in range(12):
        annotation = Annotation("parts-data", f"incoming/annotations/{number:02}.jpg", "detection")
        at = f"2026-01-31T12:00:{number:02d}.000000Z"
        pending.put_pending(cli.catalogue, pending.PendingAnnotation(annotation, at, "m.manifest", 1, at))
    document = cli.json("status")["pending_annotations"]
    assert (document["count"], len(document["longest"])) == (12, 10)
    shown = cli("status").stdout
    assert "12 images named by annotation files have not come" in shown
    assert "incoming/annotations/00.jpg" in shown


def test_after_a_stopped_run_the_next_change_starts_one(history: Cli) -> None:
    for number in range(20):
        put_image(history, number, "labelled")
    history.loop_state.advance(cutoff="2026-01-31T12:00:20.000000Z", stopped=True)
    document = history.json("status")
    assert (document["new_since_last_run"], document["missing_for_a_run"]) == (20, 1)


def test_brackets_in_names_are_shown_as_they_are(history: Cli) -> None:
    put_image(history, 1, "conflict", conflict_reason="it lies in folders of different labels: '[red]', 'b'")
    assert "'[red]', 'b'" in history("status").stdout


def test_a_promotion_by_hand_is_shown(history: Cli) -> None:
    history.loop_state.take_lease("promote", EXECUTION.format(name="promote", id="rollback-one"))
    assert history.json("status")["promotion"]["holder"] == "rollback-one"
    assert "promotion rollback-one under way since 20" in history("status").stdout


def test_new_images_are_those_since_the_last_run(history: Cli) -> None:
    put_image(history, 1, "labelled")
    put_image(history, 30, "labelled")
    history.loop_state.advance(cutoff="2026-01-31T12:00:20.000000Z")
    assert history.json("status")["new_since_last_run"] == 1


def test_status_says_who_serves_and_what_it_costs(history: Cli) -> None:
    history.fake.versions = {
        V1: {"Status": "RUNNING", "MinInferenceUnits": 2},
        V2: {"Status": "STOPPED", "MinInferenceUnits": 1},
    }
    document = history.json("status")
    assert document["champion"]["version"] == V1
    assert document["champion"]["f1"] == 0.9
    assert [version["version"] for version in document["running"]] == [V1]
    assert document["usd_per_hour"] == 8.0
    assert "8.00 USD an hour for 2 inference units" in history("status").stdout


def test_status_says_what_is_not_as_it_should_be(history: Cli) -> None:
    history.fake.versions = {V1: {"Status": "STOPPED"}, V2: {"Status": "RUNNING"}}
    assert history.json("status")["differences"] == [
        f"{V1} is the champion and does not serve: STOPPED",
        f"{V2} is RUNNING, costs money and is not the champion",
    ]
    assert f"{V1} is the champion and does not serve" in history("status").stdout


def test_status_warns_of_dead_letters_and_counts_rejections(cli: Cli) -> None:
    sqs = boto3.client("sqs")
    for _ in range(2):
        sqs.send_message(QueueUrl=cli.fake.outputs["RegisterDeadLettersUrl"], MessageBody="{}")
    for name in ("a.gif", "a.gif.reason.json", "b.manifest.reason.json"):
        cli.s3.put_object(Bucket="parts-data", Key=f"rejected/{name}", Body=b"x")
    document = cli.json("status")
    assert document["dead_letters"] == {"register": 2, "annotations": 0, "detect": 0, "video": 0}
    assert document["rejected"] == 2
    assert "2 of register" in cli("status").stdout


def test_status_shows_the_step_of_the_run_under_way(history: Cli) -> None:
    arn = under_way(history, "manual-three", [("WaitForBurst", 0), ("TakeLease", 3), ("Train", 5)])
    history.loop_state.take_lease("retrain", arn)
    document = history.json("status")
    assert document["run"]["id"] == "manual-three"
    assert document["run"]["step"] == "train the model"
    assert "manual-three under way" in history("status").stdout


def test_status_says_what_a_run_waits_for(history: Cli) -> None:
    arn = under_way(history, "manual-three", [("WaitForBurst", 0), ("WaitForSlot", 3)])
    history.loop_state.take_lease("retrain", arn)
    slot = "a free training slot: 2 trainings run in this account"
    history.loop_state.update_run(Run("manual-three", waits_for=slot))
    document = history.json("status")
    assert (document["run"]["step"], document["run"]["waits"]) == ("train the model", f"waits for {slot}")
    assert f"waits for {slot}" in " ".join(history("status").stdout.split())


def test_status_says_who_started_what_and_how_long_it_takes(history: Cli) -> None:
    took = (RunStep("WaitForBurst", 100.0), RunStep("Train", 600.0), RunStep("Promote", 300.0))
    history.loop_state.update_run(Run("images-one", steps=took))
    arn = under_way(history, "manual-three", [("WaitForBurst", 0), ("Train", 100)])
    history.fake.executions[arn] = [{"status": "RUNNING", "input": json.dumps({"started_by": "ann [home]"})}]
    now = BEGAN + timedelta(seconds=400)
    with patch("cli.following.now", lambda: now):
        run = history.json("status")["run"]
        shown = history("status").stdout
    assert (run["started_by"], run["fraction"], run["seconds_left"]) == ("ann [home]", 0.4, 600.0)
    assert "started by ann [home]" in shown and "40 %, about 10 min left" in shown


def test_status_has_the_console_the_reviews_and_what_is_being_registered(history: Cli) -> None:
    queue = history.fake.outputs["RegisterQueueUrl"]
    for _ in range(3):
        boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    history.fake.outputs["ConsoleAddress"] = "https://console.example.com/"
    reviews = boto3.resource("dynamodb").Table("reviews")
    for number in range(2):
        task = {"id": str(number), "part": "task", "state": "open", "available_at": "2026"}
        reviews.put_item(Item=task)
    document = history.json("status")
    assert (document["being_registered"], document["open_reviews"]) == (3, 2)
    shown = history("status").stdout
    assert "3 being registered" in shown and "2 open" in shown and "https://console.example.com/" in shown


def under_way(cli: Cli, id: str, entered: list[tuple[str, float]], *, ends: bool = False) -> str:
    arn = EXECUTION.format(name="retrain", id=id)
    ended = {"status": "SUCCEEDED", "stopDate": BEGAN + timedelta(seconds=99), "output": "{}"}
    # The first look is that of whoever follows; the list of executions shows it as running until then.
    cli.fake.executions[arn] = [{"status": "RUNNING"}, ended] if ends else [{"status": "RUNNING"}]
    cli.fake.histories[arn] = entered
    return arn


# runs


def test_runs_newest_first(history: Cli) -> None:
    assert [run["id"] for run in history.json("runs")] == ["manual-two", "images-one"]
    shown = history("runs").stdout
    assert shown.index("manual-two") < shown.index("images-one")
    assert "1 h 10 min" not in shown
    assert "70 min" in shown
    assert "0.0312" in shown


def test_no_runs_yet(cli: Cli) -> None:
    assert cli.json("runs") == []
    assert "labelloop train" in cli("runs").stdout


def test_a_run_with_everything_on_record(history: Cli) -> None:
    assert history.json("runs", "images-one")["labels"][0]["label"] == "bolt"
    shown = history("runs", "manual").stdout
    assert "shadow gate: rejected: F1 0.600 through the endpoint is below 0.800" in shown
    shown = history("runs", "images-one").stdout
    for expected in (
        "bolt",
        "0.950",
        "wait for the burst of uploads to end",
        "5 min",
        "40 to train with",
        "2 left out: blurred",
        "1.25 USD",
    ):
        assert expected in shown
    assert "Begin" not in shown
    assert "Rekognition found errors" not in shown
    history.loop_state.update_run(Run("images-one", flagged_entries={"TRAIN": 2, "TEST": 0}))
    assert "2 of TRAIN: Rekognition found errors in them" in history("runs", "images-one").stdout


def test_an_unknown_run(history: Cli) -> None:
    result = history("runs", "nightly")
    assert result.exit_code == 1
    assert "no run nightly; on record: manual-two, images-one" in result.stderr


# versions


def test_versions_with_the_champion_marked(history: Cli) -> None:
    document = history.json("versions")
    assert [(version["id"], version["champion"]) for version in document] == [(V2, False), (V1, True)]
    assert "champion" in history("versions").stdout


@pytest.mark.parametrize("name", ["2", "v2", V2])
def test_a_version_by_name_or_number(history: Cli, name: str) -> None:
    document = history.json("versions", name)
    assert document["id"] == V2
    assert document["snapshot_location"] == "s3://parts-data/datasets/bbbbbbbbbbbbbbbb/"
    shown = history("versions", name).stdout
    for expected in (
        "manual-two",
        "nut",
        "0.810",
        "evaluation gate: passed",
        "datasets/bbbbbbbbbbbbbbbb/",
    ):
        assert expected in shown


def test_a_version_is_shown_with_the_thresholds_of_its_labels(history: Cli) -> None:
    scored = (replace(LABELS[0], threshold=0.4213), replace(LABELS[1], threshold=None))
    version = history.loop_state.version(V2)
    assert version
    history.loop_state.update_version(replace(version, labels=scored))
    history("settings", "set", "label_thresholds.nut", "70")
    shown = [line.split() for line in history("versions", V2).stdout.splitlines()]
    assert ["bolt", "0.950", "0.970", "0.930", "9", "42.1", "%"] in shown
    assert ["nut", "0.810", "0.800", "0.820", "8", "70.0", "%", "set"] in shown
    history("settings", "set", "label_thresholds.bolt", "80")
    assert "80.0 % set (own: 42.1 %)" in history("versions", V2).stdout
    assert history.json("versions", V2)["label_thresholds"] == {"bolt": 80, "nut": 70}
    assert "label_thresholds" not in history.json("versions")[0]


def test_an_unknown_version(history: Cli) -> None:
    result = history("versions", "v9")
    assert result.exit_code == 1
    assert V1 in result.stderr


def test_no_versions_yet(cli: Cli) -> None:
    assert cli.json("versions") == []


# train


@pytest.fixture
def trainable(history: Cli) -> Cli:
    for number in range(10):
        put_image(history, number, "labelled")
    return history


def test_train_is_refused_without_images_to_train_with(history: Cli) -> None:
    for number in range(3):
        put_image(history, number, "labelled")
    put_image(history, 3, "unlabelled")
    put_image(history, 4, "conflict")
    for arguments in (("train",), ("train", "--wait", "--force")):
        error = history.json(*arguments, exit_code=1)["error"]
        assert "3 labelled images" in error and "needs 10 (min_training_images)" in error
        assert "1 unlabelled, 1 in conflict" in error and "labelloop import" in error
    assert history.fake.started == []


def test_train_right_after_an_import_waits_for_what_is_being_registered(history: Cli) -> None:
    queue = history.fake.outputs["RegisterQueueUrl"]
    boto3.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
    assert history("train").exit_code == 0
    assert len(history.fake.started) == 1


def test_runs_lists_rollbacks_and_who_started_what(history: Cli) -> None:
    arn = EXECUTION.format(name="promote", id="rollback-one")
    given = {"version": V1, "rollback": True, "started_by": "ann [home]"}
    history.fake.executions[arn] = [{"status": "RUNNING", "input": json.dumps(given)}]
    history.loop_state.update_run(Run("manual-two", started_by="bob"))
    by = {run["id"]: run.get("started_by") for run in history.json("runs")}
    assert (by["rollback-one"], by["manual-two"], by["images-one"]) == ("ann [home]", "bob", None)
    shown = history("runs").stdout
    assert "ann [home]" in shown and "bob" in shown and "images" in shown
    assert history.json("runs", "rollback")["version"] == V1


def test_train_starts_a_run(trainable: Cli) -> None:
    document = trainable.json("train")
    assert document["started"] is True
    (started,) = trainable.fake.started
    assert started["name"].startswith("manual-20")
    assert started["machine"].endswith(":parts-retrain")
    assert started["input"] == {"trigger": "manual", "started_by": ANY}


def test_train_by_force(trainable: Cli) -> None:
    trainable("train", "--force")
    assert trainable.fake.started[0]["input"] == {"trigger": "manual", "force": True, "started_by": ANY}


def test_train_names_the_engine_and_is_refused_where_the_deployment_lacks_it(trainable: Cli) -> None:
    trainable("train", "--engine", "rekognition")
    given = {"trigger": "manual", "engine": "rekognition", "started_by": ANY}
    assert trainable.fake.started[0]["input"] == given
    refused = trainable("train", "--engine", "serverless")
    assert refused.exit_code == 1
    assert "engine=both" in refused.output
    assert len(trainable.fake.started) == 1


def test_train_does_not_start_a_second_run(trainable: Cli) -> None:
    under_way(trainable, "images-three", [("WaitForBurst", 0)])
    document = trainable.json("train")
    assert (document["id"], document["started"]) == ("images-three", False)
    assert trainable.fake.started == []
    assert "under way already" in trainable("train").stdout


OUTCOMES: dict[Outcome, int] = {"promoted": 0, "rejected": 3, "trained": 0, "skipped": 3, "failed": 1}


@pytest.mark.parametrize(("outcome", "exit_code"), OUTCOMES.items())
def test_train_waits_and_says_how_it_ended(trainable: Cli, outcome: Outcome, exit_code: int) -> None:
    steps = [
        ("WaitForBurst", 0.0),
        ("TakeLease", 3.0),
        ("Train", 5.0),
        ("WatchTraining", 6.0),
        ("Promote", 40.0),
    ]
    arn = under_way(trainable, "images-three", [*steps, ("Report", 60.0)], ends=True)
    promotion = arn.replace("retrain", "promote")
    trainable.fake.executions[promotion] = [
        {"status": "SUCCEEDED", "stopDate": BEGAN + timedelta(seconds=59)}
    ]
    trainable.fake.histories[promotion] = [("Start", 41.0), ("ShadowEvaluate", 45.0), ("Switch", 55.0)]
    trainable.loop_state.update_run(
        Run("images-three", outcome=outcome, reason="for a reason", ended_at="2026-01-31T12:01:39.000000Z")
    )
    shown = trainable("train", "--wait")
    assert shown.exit_code == exit_code, shown.output
    assert "train the model: 35 s" in shown.stdout
    assert "start the challenger: 4.0 s" in shown.stdout
    assert "report: 39 s" in shown.stdout
    assert "for a reason" in shown.stdout


def test_train_wait_as_json_is_json_alone(trainable: Cli) -> None:
    under_way(trainable, "images-three", [("WaitForBurst", 0.0), ("Report", 2.0)], ends=True)
    trainable.loop_state.update_run(
        Run("images-three", outcome="skipped", ended_at="2026-01-31T12:01:39.000000Z")
    )
    document = trainable.json("train", "--wait", exit_code=3)
    assert (document["id"], document["outcome"], document["started"]) == ("images-three", "skipped", False)


def test_train_follows_the_run_that_was_first(trainable: Cli) -> None:
    """Both waited for the same images to be registered."""
    other = under_way(trainable, "images-three", [("WaitForBurst", 0.0), ("Train", 5.0)])
    running, ended = {"status": "RUNNING"}, {"status": "SUCCEEDED", "stopDate": BEGAN, "output": "{}"}
    trainable.fake.executions[other] = [running, running, ended]
    mine = under_way(trainable, "manual-four", [("WaitForBurst", 0.0), ("TakeLease", 3.0)], ends=True)
    trainable.fake.executions[mine] = [running, ended]
    for id, outcome in (("manual-four", "skipped"), ("images-three", "promoted")):
        trainable.loop_state.update_run(Run(id, outcome=outcome, ended_at="2026-01-31T12:01:39.000000Z"))
    trainable.loop_state.take_lease("retrain", mine)
    document = trainable.json("train", "--wait")
    assert (document["id"], document["outcome"], document["started"]) == ("images-three", "promoted", False)


def test_a_run_that_found_nothing_new_was_not_overtaken(trainable: Cli) -> None:
    under_way(trainable, "images-three", [("WaitForBurst", 0.0)])
    mine = under_way(trainable, "manual-four", [("WaitForBurst", 0.0), ("Snapshot", 3.0)], ends=True)
    trainable.loop_state.take_lease("retrain", mine)
    trainable.loop_state.update_run(
        Run("manual-four", outcome="skipped", snapshot="abc", ended_at="2026-01-31T12:01:39.000000Z")
    )
    assert trainable.json("train", "--wait", exit_code=3)["id"] == "manual-four"


def test_a_run_that_was_aborted_has_failed(trainable: Cli) -> None:
    arn = under_way(trainable, "images-three", [("WaitForBurst", 0.0)], ends=True)
    trainable.fake.executions[arn][-1] = {
        "status": "ABORTED",
        "stopDate": BEGAN,
        "cause": "stopped by a person",
    }
    document = trainable.json("train", "--wait", exit_code=1)
    assert document["reason"] == "stopped by a person"


# rollback


def test_rollback_starts_the_promotion_of_an_older_version(history: Cli) -> None:
    document = history.json("rollback", "v2")
    assert document["version"] == V2
    (started,) = history.fake.started
    assert started["machine"].endswith(":parts-promote")
    assert started["input"] == {"version": V2, "rollback": True, "started_by": ANY}


def test_rollback_waits(history: Cli) -> None:
    output = json.dumps({"outcome": "promoted", "reason": f"{V2} serves", "version": V2})
    history.fake.executions["any"] = [{"status": "SUCCEEDED", "output": output, "stopDate": BEGAN}]
    history.fake.histories["any"] = [("Start", 0.0)]
    shown = history("rollback", "2", "--wait")
    assert shown.exit_code == 0, shown.output
    assert f"promoted: {V2} serves" in shown.stdout


def test_rollback_that_fails(history: Cli) -> None:
    history.fake.executions["any"] = [{"status": "FAILED", "cause": f"{V2} did not start", "stopDate": BEGAN}]
    document = history.json("rollback", "2", "--wait", exit_code=1)
    assert document == {"version": V2, "outcome": "failed", "reason": f"{V2} did not start"}


def test_rollback_to_the_champion_changes_nothing(history: Cli) -> None:
    history.fake.versions[V1] = {"Status": "RUNNING"}
    result = history("rollback", "v1")
    assert result.exit_code == 1
    assert "champion already" in result.stderr
    assert history.fake.started == []


def test_rollback_to_a_champion_that_was_stopped_starts_it(history: Cli) -> None:
    history.fake.versions[V1] = {"Status": "STOPPED"}
    assert history("rollback", "v1").exit_code == 0
    (started,) = history.fake.started
    assert started["input"] == {"version": V1, "rollback": True, "started_by": ANY}


def test_rollback_to_nothing(trainable: Cli) -> None:
    assert trainable("rollback", "v7").exit_code == 1
    assert trainable("rollback").exit_code == 2


# reproduce


def put_snapshot(cli: Cli, id: str, **more: Any) -> None:
    snapshot = Snapshot(
        id,
        kind="detection",
        train_images=40,
        test_images=10,
        train_labels={"bolt": 40},
        test_labels={"bolt": 10},
        left_out={},
        cutoff="",
        **more,
    )
    body = json.dumps(asdict(snapshot)).encode()
    cli.s3.put_object(Bucket="parts-data", Key=f"datasets/{id}/snapshot.json", Body=body)


@pytest.mark.parametrize(("options", "promotes"), [([], False), (["--promote"], True)])
def test_reproduce_trains_the_snapshot_of_a_version(options: list[str], promotes: bool, history: Cli) -> None:
    put_snapshot(history, "aaaaaaaaaaaaaaaa")
    document = history.json("reproduce", "v1", *options)
    assert document["reproduces"] == V1
    (started,) = history.fake.started
    assert started["machine"].endswith(":parts-retrain")
    assert started["input"] == {
        "trigger": "manual",
        "started_by": ANY,
        "snapshot": "aaaaaaaaaaaaaaaa",
        "promotes": promotes,
        "engine": "rekognition",
    }


def test_what_can_not_be_reproduced_says_why(history: Cli) -> None:
    assert (
        "the snapshot that v1-aaaaaaaaaaaaaaaa was trained with is gone" in history("reproduce", "v1").stderr
    )
    put_snapshot(history, "aaaaaaaaaaaaaaaa")
    under_way(history, "images-three", [("WaitForBurst", 0)])
    assert "run images-three is under way" in history("reproduce", "v1").stderr
    history.loop_state.update_version(ModelVersion("imported", number=7))
    assert "was not trained by this deployment" in history("reproduce", "imported").stderr
    history.fake.executions.clear()
    history.loop_state.update_version(ModelVersion(V1, arn="arn:aws:sagemaker:eu-west-1:1:training-job/p-v1"))
    assert "this deployment has no engine serverless" in history("reproduce", "v1").stderr
    assert history.fake.started == []


def test_a_version_s_lineage_says_what_it_was_trained_on_by_whom_and_what_it_cost(history: Cli) -> None:
    put_snapshot(history, "aaaaaaaaaaaaaaaa")
    entry = LedgerEntry(
        "training", V1, "us-east-1", "2026-01-31T12:00:00.000000Z", "2026-01-31T14:00:00.000000Z", 7200
    )
    history.loop_state.write_ledger(LedgerHead(revision=1), [entry])
    history.loop_state.update_run(Run(str(history.loop_state.version(V1).run), started_by="ann"))  # pyrefly: ignore[missing-attribute]
    document = history.json("versions", "v1")
    assert document["images"]["train_labels"] == {"bolt": 40}
    assert document["started_by"] == "ann"
    assert document["cost"]["training_hours"] == 2
    shown = history("versions", "v1").stdout
    assert "40 to train with, 10 to test with" in shown
    assert "2.00 h of training" in shown
    assert history.json("versions", "v2")["images"] is None


def test_a_version_s_lineage_says_who_has_labelled_its_images(history: Cli) -> None:
    put_snapshot(
        history, "aaaaaaaaaaaaaaaa", origins={"annotation": 41, "person": 9}, labelled_by={"Ann": 6, "Ben": 3}
    )
    assert history.json("versions", "v1")["labelled_by"] == {"Ann": 6, "Ben": 3}
    shown = " ".join(history("versions", "v1").stdout.split())
    assert "labels from annotation files 41, people 9" in shown
    assert "labelled by Ann 6, Ben 3" in shown


# The embedded stack


def test_money_and_time_of_the_embedded_stack_are_said_to_be_those_of_aws(history: Cli) -> None:
    assert "on AWS;" not in history("status").stdout
    with patch.object(Deployment, "is_embedded", True):
        document = history.json("status")
        shown = " ".join(history("status").stdout.split())
    for name in ("serving_costs", "next_training"):
        assert document[name].endswith("(on AWS; here nothing is billed)")
    assert "amounts of money are those of AWS" in shown


@pytest.mark.parametrize(("account", "embedded"), [("000000000000", True), ("123456789012", False)])
def test_the_embedded_stack_is_known_by_its_account(account: str, embedded: bool, cli: Cli) -> None:
    arn = f"arn:aws:rekognition:us-east-1:{account}:project/parts/1700000000000"
    assert replace(Deployment.find("parts"), project_arn=arn).is_embedded is embedded


# approve and decline


def wait_for_approval(history: Cli, deadline: str = "9999-01-31T12:00:00.000000Z") -> None:
    holder = EXECUTION.format(name="promote", id="manual-two")
    pending = PendingApproval(
        V2,
        token="waits",
        execution=holder,
        run="",
        champion=V1,
        asked_at=clock.now(),
        deadline=deadline,
    )
    history.loop_state.ask_approval(pending, ModelVersion(V2, state="pending"))


def test_what_waits_for_approval_is_in_the_status_and_can_be_approved(history: Cli) -> None:
    assert history.json("status")["approvals"] == []
    wait_for_approval(history)
    shown = history("status").stdout
    assert f"{V2} waits for it until 9999-01-31 12:00 UTC" in shown
    assert f"`labelloop approve {V2}`" in " ".join(shown.split())
    document = history.json("approve", "v2", "--reason", "finds nuts")
    assert document == {"version": V2, "decision": "approved", "by": ANY, "why": "finds nuts"}
    (decided,) = history.fake.decided
    assert decided == {"token": "waits", "decision": "approved", "by": ANY, "why": "finds nuts"}
    assert "(command line)" in decided["by"] or decided["by"] == "command line"


def test_everything_says_that_a_version_waits_for_a_person_and_how_to_decide(history: Cli) -> None:
    wait_for_approval(history)
    asked = history.loop_state.approval(V2)
    assert asked
    under_way(history, "images-three", [("WaitForBurst", 0)])
    shadow = Verdict("shadow", True, ("no worse than 0.02 with 95 % confidence",))
    history.loop_state.update_version(ModelVersion(V2, verdicts=(shadow,)))
    history.loop_state.update_run(Run("images-three", version=V2, waits_for=in_words(asked)))
    for command in (["runs"], ["runs", "images-three"], ["versions"], ["versions", "v2"], ["train"]):
        shown = "".join(history(*command).output.split())
        assert f"`labelloopapprove{V2}`" in shown, command
        assert "9999-01-3112:00UTC" in shown, command
    assert "shadow gate: passed: no worse than 0.02" in history("runs", "images-three").stdout
    document = history.json("versions", "v2")
    assert document["waits_for_approval"]["deadline"] == asked.deadline
    assert "token" not in json.dumps(document)


def test_past_its_deadline_nothing_says_that_a_version_waits_for_a_person(history: Cli) -> None:
    wait_for_approval(history, deadline="2026-01-31T12:00:00.000000Z")
    for command in (["status"], ["versions"], ["versions", "v2"]):
        shown = " ".join(history(*command).output.split())
        assert f"the time to decide about {V2} ended at 2026-01-31 12:00 UTC" in shown, command
        assert "labelloop approve" not in shown, command


def test_gates_do_not_say_the_same_twice(history: Cli) -> None:
    figures = "F1 0.890 by its training's evaluation, 0.010 below the champion's 0.900"
    evaluation = Verdict("evaluation", True, ("overall F1 0.890", figures))
    shadow = Verdict("shadow", False, ("worse by both measures, be that chance or not", figures))
    run = Run("images-three", outcome="rejected", reason=shadow.reason, verdicts=(evaluation, shadow))
    history.loop_state.update_run(replace(run, ended_at=clock.now()))
    shown = " ".join(history("runs", "images-three").stdout.split())
    assert shown.count("0.010 below the champion's") == 1
    assert shown.count("worse by both measures") == 1


def test_a_version_is_declined_with_a_reason(history: Cli) -> None:
    wait_for_approval(history)
    assert history("decline", "v2").exit_code == 2
    assert history("decline", "v2", "--reason", " ").exit_code == 1
    shown = history("decline", "2", "--reason", "misses nuts")
    assert "the champion stays" in shown.stdout
    (decided,) = history.fake.decided
    assert (decided["decision"], decided["why"]) == ("declined", "misses nuts")


def test_a_version_that_does_not_wait_is_not_decided_about(history: Cli) -> None:
    result = history("approve", "v1")
    assert result.exit_code == 1
    assert "does not wait for approval" in result.stderr
    approval = Approval("declined", "ann", clock.now(), "misses nuts")
    history.loop_state.update_version(ModelVersion(V2, approval=approval))
    assert "declined by ann: misses nuts" in history("approve", "v2").stderr
    shown = history("versions", "v2").stdout
    assert "declined by ann: misses nuts" in shown
    assert f"{approval.at[:10]} {approval.at[11:19]}Z: declined" in shown
    assert history.fake.decided == []


# What holds for all


COMMANDS = [["status"], ["runs"], ["versions"], ["train"], ["rollback", "v2"], ["detect", "a.jpg"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_unknown_deployment_is_told_without_a_traceback(cli: Cli, command: list[str]) -> None:
    for arguments in (["--name", "nuts", *command], [*command, "--name", "nuts"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 1
        assert "there is no stack nuts" in result.stderr
        assert "Traceback" not in result.output
        assert result.stdout == ""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_errors_are_json_too_where_that_was_asked_for(cli: Cli, command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--name", "nuts", "--json"])
    assert result.exit_code == 1
    assert "no stack nuts" in json.loads(result.stdout)["error"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_help_has_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(app, [command[0], "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert f"labelloop {command[0]}" in result.stdout


def test_the_name_comes_from_the_environment(cli: Cli) -> None:
    result = CliRunner().invoke(app, ["runs", "--json"], env={"LABELLOOP_NAME": "parts"})
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_unknown_options_are_misuse(cli: Cli) -> None:
    assert cli("status", "--colour").exit_code == 2
    assert cli("paint").exit_code == 2


def test_what_aws_refuses_is_told_in_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> Any:
        raise client_error("AccessDeniedException", "not authorized to perform this", "ListExecutions")

    monkeypatch.setattr(cli.fake, "ListExecutions", refused)
    result = cli("status")
    assert result.exit_code == 1
    assert "ListExecutions: AccessDeniedException: not authorized" in result.stderr


def test_tuning_that_cannot_be_used_is_told(cli: Cli) -> None:
    boto3.client("ssm").put_parameter(Name="/parts/tuning", Value='{"min_f1": 2}', Overwrite=True)
    result = cli("train")
    assert result.exit_code == 1
    assert "SSM parameter /parts/tuning cannot be used: min_f1=2" in result.stderr
    assert "labelloop settings set" in result.stderr


def test_status_shows_the_rest_while_the_settings_cannot_be_used(history: Cli) -> None:
    """Whoever has broken them looks there first, and then the champion may well be in trouble, too."""
    assert history.json("status")["unusable_settings"] == ""
    boto3.client("ssm").put_parameter(Name="/parts/tuning", Value='{"min_f1": 2}', Overwrite=True)
    document = history.json("status")
    assert "/parts/tuning cannot be used: min_f1=2" in document["unusable_settings"]
    assert document["champion"]["version"] == V1
    shown = " ".join(history("status").stdout.split())
    assert "settings the settings in the SSM parameter /parts/tuning cannot be used: min_f1=2" in shown
    assert "What follows takes the defaults" in shown
    assert "50 more start a run" in shown


def test_whoever_stops_watching_does_not_stop_the_run(
    trainable: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way(trainable, "images-three", [("WaitForBurst", 0.0)])

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.following.follow", interrupted)
    result = trainable("train", "--wait")
    assert result.exit_code == 130
    assert "the run goes on; `labelloop runs images-three`" in result.stdout
