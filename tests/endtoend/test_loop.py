"""The whole loop on the embedded stack, IAM enforced, in the order in which a deployment lives.

Each test goes on where the one before it ended.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import time
import uuid
from functools import cache
from typing import Any

import pytest
from PIL import Image

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.shared.records import Run
from local import embedded
from local.scenes import CLASSIFICATION_LABELS, Scene, classification_scenes
from tests.chaos.attacks import Attacker, strike
from tests.chaos.tally import Tally
from tests.chaos.target import Target
from tests.fixtures.deployed_loop import Loop, until

ODD_KEYS = ["with space", "plus+plus", "percent%20", "ünïcödé", "new\nline"]


@cache
def good() -> list[Scene]:
    """Scenes whose labels are right."""
    return list(classification_scenes(45, seed=1))


def true_label(scene: Scene) -> str:
    return scene.labels[0]


def wrong_label(scene: Scene) -> str:
    """Another label, chosen by the picture: there is nothing to be learnt from it."""
    others = [label for label in CLASSIFICATION_LABELS if label != scene.labels[0]]
    return others[hashlib.sha256(scene.jpeg()).digest()[0] % len(others)]


@pytest.fixture(scope="module")
def loop(trays: Loop) -> Loop:
    return trays


@pytest.fixture(scope="module")
def notifications(loop: Loop) -> Any:
    """A queue that hears what the loop tells machines, by EventBridge, and people, by SNS."""
    sqs, events, sns = loop.client("sqs"), loop.client("events"), loop.client("sns")
    url = sqs.create_queue(QueueName="hears-the-loop")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_rule(Name="hears-the-loop", EventPattern=json.dumps({"source": ["labelloop"]}))
    events.put_targets(Rule="hears-the-loop", Targets=[{"Id": "queue", "Arn": arn}])
    sns.subscribe(TopicArn=loop.outputs["NotificationTopicArn"], Protocol="sqs", Endpoint=arn)

    def received() -> list[dict[str, Any]]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    return received


def test_a_run_without_images_says_so(loop: Loop) -> None:
    run = loop.retrain("without-images")
    assert (run.outcome, run.reason) == ("skipped", "no image has a label yet")
    assert_nothing_is_left(loop)
    assert loop.statuses() == {}


def test_one_label_only_is_not_trained_on(loop: Loop) -> None:
    empty = [scene for scene in good() if true_label(scene) == "empty"]
    loop.drop_by_folder(empty[:12], true_label)
    registered(loop, 12)
    run = loop.retrain("one-label")
    assert run.outcome == "skipped"
    assert str(run.reason).startswith("only one label, empty: a classification needs at least two. See s3://")
    assert str(run.data_report).startswith("Stopped: ")
    assert loop.statuses() == {}


def test_a_label_without_a_test_image_is_not_trained_on(loop: Loop) -> None:
    (assembled, *_) = [scene for scene in good() if true_label(scene) == "assembled"]
    loop.drop_by_folder([assembled], true_label)
    registered(loop, 13)
    run = loop.retrain("no-test-image")
    assert run.outcome == "skipped"
    assert str(run.reason).startswith("no image to test with of: assembled")


def test_a_burst_of_images_becomes_a_champion_by_itself(loop: Loop, notifications: Any) -> None:
    known = loop.run_names()
    # The 13 that were not trained on before are still new.
    loop.tune(min_new_images=13 + 30)
    loop.drop_by_folder(good(), true_label)
    run = loop.automatic_run(known)
    loop.tune(min_new_images=1000)
    assert run.outcome == "promoted", run
    assert run.trigger == "images"
    assert len(registered(loop, len(good()))) == len(good())
    assert_complete(run)
    assert {step.step for step in run.steps} >= {"WaitForBurst", "Snapshot", "Train", "Evaluate", "Promote"}
    champion = loop.loop_state.champion()
    assert champion is not None
    assert champion.version_name == run.version
    assert loop.running() == {champion.version_name}
    assert_nothing_is_left(loop)
    assert_notified(notifications, run)


def registered(loop: Loop, count: int) -> list[Any]:
    def labelled() -> list[Any] | None:
        images = [image for image in loop.images() if image.status == "labelled"]
        return images if len(images) >= count else None

    return until(labelled, 60, f"{count} images are registered")


def assert_complete(run: Run) -> None:
    """What triggered it, snapshot, version, metrics, verdicts in words, cost and durations."""
    assert run.trigger
    assert run.snapshot
    assert run.f1 is not None and 0 <= run.f1 <= 1
    assert {label.label for label in run.labels} == set(CLASSIFICATION_LABELS)
    assert run.verdicts
    for verdict in run.verdicts:
        assert verdict.reasons
    assert run.estimated_usd is not None and run.estimated_usd > 0
    assert run.seconds is not None and run.seconds > 0
    assert sum(step.seconds for step in run.steps) == pytest.approx(run.seconds, abs=5)


def assert_nothing_is_left(loop: Loop) -> None:
    until(lambda: loop.loop_state.lease("retrain") is None, 120, "the run's lease is free")
    # The step serve takes it for a moment as well.
    until(lambda: loop.loop_state.lease("promote") is None, 120, "the promotion's lease is free")
    champion = loop.loop_state.champion()
    assert loop.running() <= ({champion.version_name} if champion else set())


def assert_notified(notifications: Any, run: Run) -> None:
    heard: list[dict[str, Any]] = []

    def both() -> bool:
        heard.extend(notifications())
        by_event = any(message.get("detail", {}).get("id") == run.id for message in heard)
        by_mail = any(f"/runs/{run.id}" in message.get("Message", "") for message in heard)
        return by_event and by_mail

    assert until(both, 60, "the run is told of by EventBridge and SNS")


def test_the_champion_answers_for_an_image_under_detect(loop: Loop) -> None:
    (scene,) = classification_scenes(1, seed=99)
    loop.put("detect/shift 1/tray+ä.jpg", scene.jpeg())
    result = until(lambda: loop.json("results/shift 1/tray+ä.jpg.json"), 120, "there is a result")
    champion = loop.loop_state.champion()
    assert champion is not None
    assert result["model_version"] == champion.version_name
    assert all(0 <= label["confidence"] <= 100 for label in result["labels"])


def test_what_is_not_an_image_under_detect_gets_its_reason(loop: Loop) -> None:
    loop.put("detect/notes.txt", b"not an image")
    result = until(lambda: loop.json("results/notes.txt.json"), 120, "there is a result")
    assert result["error"] == "InvalidImageFormatException"


def test_the_same_images_are_not_trained_on_twice(loop: Loop) -> None:
    run = loop.retrain("nothing-new")
    assert run.outcome == "skipped"
    assert "nothing has changed" in str(run.reason)


def test_two_runs_at_once_are_one(loop: Loop) -> None:
    loop.fault(operation="DescribeProjects", delay_seconds=3)
    loop.start("RetrainMachineArn", "first-of-two", {"force": True})
    until(lambda: loop.loop_state.lease("retrain"), 120, "the first has the lease")
    second = loop.retrain("second-of-two")
    assert second.outcome == "skipped"
    assert "first-of-two is under way" in str(second.reason)
    loop.stepfunctions.stop_execution(
        executionArn=str(loop.run_record("first-of-two").execution),
        cause="stopped by a person",
    )


def test_an_aborted_run_is_swept_up(loop: Loop) -> None:
    """It could not report itself; the lease would have been held for ever."""
    run = loop.run("first-of-two")
    assert run.outcome == "failed"
    assert run.steps
    assert "stopped by a person" in str(run.reason)
    until(lambda: loop.loop_state.lease("retrain") is None, 120, "the lease is free")


def test_wrong_labels_are_rejected_and_never_started(loop: Loop) -> None:
    before = loop.loop_state.champion()
    loop.drop_by_folder(classification_scenes(45, seed=2), wrong_label)
    registered(loop, len(good()) + 45)
    run = loop.retrain("wrong-labels")
    assert run.outcome == "rejected", run
    assert "overall F1" in str(run.reason)
    assert loop.statuses()[str(run.version)] == "TRAINING_COMPLETED"
    assert loop.loop_state.champion() == before
    assert_nothing_is_left(loop)


def test_a_training_that_fails_leaves_nothing_behind(loop: Loop) -> None:
    loop.fault(operation="CreateProjectVersion", outcome="TRAINING_FAILED")
    run = loop.retrain("failing-training", force=True)
    assert run.outcome == "failed"
    assert str(run.reason).startswith("TrainingFailed")
    assert loop.version_record(str(run.version)).state == "failed"
    assert_nothing_is_left(loop)


def test_an_endpoint_that_does_not_start_leaves_the_champion(loop: Loop) -> None:
    before = loop.loop_state.champion()
    loop.tune(min_f1=0, min_label_f1=0)
    loop.fault(operation="StartProjectVersion", outcome="FAILED")
    execution = loop.start("PromoteMachineArn", "failing-start", {"version": rejected_version(loop)})
    ended = until(lambda: ended_execution(loop, execution), 120, "the promotion ends")
    assert ended["status"] == "FAILED"
    assert "did not start" in ended["cause"]
    assert loop.loop_state.champion() == before
    assert_nothing_is_left(loop)


def rejected_version(loop: Loop) -> str:
    """The version that has learnt wrong labels."""
    return str(loop.run_record("wrong-labels").version)


def test_a_step_that_times_out_leaves_the_champion(loop: Loop) -> None:
    """The challenger runs by then, and is stopped again."""
    before = loop.loop_state.champion()
    lambda_ = loop.client("lambda")
    shadow_evaluate = loop.resource("AWS::Lambda::Function", "PromoteShadowEvaluate")
    lambda_.update_function_configuration(FunctionName=shadow_evaluate, Timeout=1)
    loop.fault(operation="DetectCustomLabels", delay_seconds=4, times=4)
    execution = loop.start("PromoteMachineArn", "slow-verification", {"version": rejected_version(loop)})
    ended = until(lambda: ended_execution(loop, execution), 120, "the promotion ends")
    lambda_.update_function_configuration(FunctionName=shadow_evaluate, Timeout=900)
    assert ended["status"] == "FAILED"
    assert loop.loop_state.champion() == before
    assert_nothing_is_left(loop)


def ended_execution(loop: Loop, arn: str) -> Any:
    execution = loop.stepfunctions.describe_execution(executionArn=arn)
    return None if execution["status"] == "RUNNING" else execution


def asked_champion(loop: Loop, image: bytes) -> str:
    """Ask the champion for its detections in the image, and return its name.

    Who asks too late, as a busy machine may, asks the new champion, as detect/champion.py does.
    """
    champion = loop.loop_state.champion()
    assert champion is not None
    try:
        loop.rekognition.detect_custom_labels(ProjectVersionArn=champion.version_arn, Image={"Bytes": image})
    except loop.rekognition.exceptions.ResourceNotReadyException:
        assert loop.loop_state.champion() != champion
        return asked_champion(loop, image)
    return champion.version_name


def test_a_promotion_switches_without_a_failed_detection(loop: Loop) -> None:
    """Also: an older version can be gone back to, by the same machine."""
    version = rejected_version(loop)
    before = loop.loop_state.champion()
    assert before is not None
    image = next(classification_scenes(1, seed=5)).jpeg()
    # On a busy machine nothing might be asked before the switch, or after it while the execution ends.
    asked = [asked_champion(loop, image)]
    execution = loop.start("PromoteMachineArn", "by-hand", {"version": version, "rollback": True})
    while not (ended := ended_execution(loop, execution)):
        asked.append(asked_champion(loop, image))
    asked.append(asked_champion(loop, image))
    assert ended["status"] == "SUCCEEDED"
    assert set(asked) == {before.version_name, version}
    after = loop.loop_state.champion()
    assert after is not None
    assert (after.version_name, after.previous_version_name) == (version, before.version_name)
    assert_nothing_is_left(loop)


def test_a_model_that_runs_for_nobody_is_stopped(loop: Loop) -> None:
    forgotten = start_former_champion(loop)

    def stopped() -> bool:
        loop.sweep()
        return loop.statuses()[forgotten] == "STOPPED"

    until(stopped, 120, "the forgotten model is stopped")
    assert_nothing_is_left(loop)


def test_a_champion_that_does_not_run_is_started_again(loop: Loop) -> None:
    """Images that came meanwhile are answered, and nobody has to do anything."""
    champion = loop.loop_state.champion()
    assert champion is not None
    loop.rekognition.stop_project_version(ProjectVersionArn=champion.version_arn)
    until(lambda: loop.statuses()[champion.version_name] == "STOPPED", 120, "the champion has stopped")

    def running() -> bool:
        loop.serve()
        return loop.statuses()[champion.version_name] == "RUNNING"

    until(running, 120, "the champion runs")
    loop.serve()
    assert loop.loop_state.champion() == champion
    assert loop.loop_state.incident("champion") is None
    assert_nothing_is_left(loop)


def start_former_champion(loop: Loop) -> str:
    """Start the version that the champion has followed, as nothing of the loop would: its name."""
    champion = loop.loop_state.champion()
    assert champion is not None
    former = champion.previous_version_name
    arn = str(loop.version_record(former).arn)
    loop.rekognition.start_project_version(ProjectVersionArn=arn, MinInferenceUnits=1)
    return former


def jpeg(width: int, height: int, **options: Any) -> bytes:
    body = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(body, "JPEG", **options)
    return body.getvalue()


def bits(width: int, height: int) -> bytes:
    """A PNG file of pixels that have a bit each, so that many take little."""
    body = io.BytesIO()
    Image.new("1", (width, height)).save(body, "PNG")
    return body.getvalue()


def gif() -> bytes:
    body = io.BytesIO()
    frames = [Image.new("P", (80, 80), colour) for colour in (1, 2)]
    frames[0].save(body, "GIF", save_all=True, append_images=frames[1:])
    return body.getvalue()


UNUSABLE = {
    "zero-byte.jpg": (b"", "empty"),
    "truncated.jpg": (jpeg(200, 200)[:2000], "truncated"),
    "not-an-image.jpg": (b"I am a letter", "not_an_image"),
    "animated.gif": (gif(), "unsupported_format"),
    "63-pixels.jpg": (jpeg(63, 200), "too_small"),
    "120-megapixels.png": (bits(20_000, 6_000), "too_large"),
}


def test_a_bad_burst_is_sorted_out_and_harms_nothing_else(loop: Loop) -> None:
    """Unusable images, odd keys and duplicates in one burst: each has its reason, the rest is registered."""
    before = len(loop.images())
    good = list(classification_scenes(len(ODD_KEYS), seed=7))
    for name, (body, _) in UNUSABLE.items():
        loop.put(f"incoming/labeled/empty/{name}", body)
    for key, scene in zip(ODD_KEYS, good, strict=True):
        loop.put(f"incoming/labeled/empty/{key}.jpg", scene.jpeg())
        loop.put(f"incoming/labeled/empty/again {key}.jpg", scene.jpeg())
    for name, (_, reason) in UNUSABLE.items():
        key = f"rejected/labeled/empty/{name}"
        rejection = until(lambda key=key: loop.json(f"{key}.reason.json"), 60, f"{name} is rejected")
        assert rejection["reason"] == reason, rejection
        assert key in loop.keys(key)
    until(lambda: len(loop.images()) == before + len(good), 120, "the good ones are registered")
    until(lambda: loop.keys("incoming/") == [], 120, "nothing is left to register")
    hashes = {
        hashlib.sha256(scene.jpeg()).hexdigest(): key for scene, key in zip(good, ODD_KEYS, strict=True)
    }
    for sha, key in hashes.items():
        image = catalogue_images.get_image(loop.catalogue, sha)
        assert image is not None
        assert image.sources == {
            f"incoming/labeled/empty/{key}.jpg",
            f"incoming/labeled/empty/again {key}.jpg",
        }


def test_an_event_that_comes_ten_times_is_one_image(loop: Loop) -> None:
    (scene,) = classification_scenes(1, seed=8)
    sha = hashlib.sha256(scene.jpeg()).hexdigest()
    key = "incoming/labeled/empty/ten-times.jpg"
    loop.put(key, scene.jpeg())
    first = until(lambda: catalogue_images.get_image(loop.catalogue, sha), 120, "it is registered")
    detail = {"bucket": {"name": loop.bucket}, "object": {"key": key, "size": 1, "sequencer": "0"}}
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    queue = loop.resource("AWS::SQS::Queue", "RegisterEventQueue")
    for _ in range(10):
        loop.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))
    time.sleep(3)
    assert catalogue_images.get_image(loop.catalogue, sha) == first


def test_an_image_under_two_labels_is_kept_out_until_somebody_says(loop: Loop) -> None:
    (scene,) = classification_scenes(1, seed=9)
    sha = hashlib.sha256(scene.jpeg()).hexdigest()
    for label in ("empty", "damaged"):
        loop.put(f"incoming/labeled/{label}/{uuid.uuid4()}.jpg", scene.jpeg())

    def conflict() -> Any:
        image = catalogue_images.get_image(loop.catalogue, sha)
        return image if image and image.status == "conflict" else None

    image = until(conflict, 120, "the contradiction is found")
    assert "empty" in image.conflict_reason
    assert "damaged" in image.conflict_reason


def test_a_manifest_with_broken_lines_labels_what_it_can(loop: Loop) -> None:
    (scene, absent) = classification_scenes(2, seed=10)
    key = "incoming/annotations/known.jpg"
    loop.put(key, scene.jpeg())

    def line(source: str, **more: Any) -> str:
        metadata = {"class-name": "damaged", "confidence": 1, "type": "groundtruth/image-classification"}
        entry = {"source-ref": f"s3://{loop.bucket}/{source}", "state": 1, "state-metadata": metadata | more}
        return json.dumps(entry)

    lines = [
        line(key),
        "{broken",
        line("incoming/annotations/comes-later.jpg"),
        line(key, type="groundtruth/3d"),
    ]
    loop.put("incoming/annotations/night-shift.manifest", "\n".join(lines).encode())
    report = until(
        lambda: loop.json("rejected/annotations/night-shift.manifest.reason.json"), 60, "it is reported"
    )
    assert [broken["line"] for broken in report["lines"]] == [2, 4]
    loop.put("incoming/annotations/comes-later.jpg", absent.jpeg())
    for picture in (scene, absent):
        sha = hashlib.sha256(picture.jpeg()).hexdigest()

        def labels(sha: str = sha) -> tuple[str, ...]:
            image = catalogue_images.get_image(loop.catalogue, sha)
            return image.labels if image else ()

        assert until(labels, 120, "the manifest's label is on it") == ("damaged",)


def test_a_lost_event_is_made_up_for(loop: Loop) -> None:
    """The rule is switched off while an image comes; the sweeper finds it."""
    events = loop.client("events")
    rule = loop.resource("AWS::Events::Rule", "RegisterEventQueueRule")
    (scene,) = classification_scenes(1, seed=11)
    events.disable_rule(Name=rule)
    loop.put("incoming/labeled/empty/overlooked.jpg", scene.jpeg())
    events.enable_rule(Name=rule)
    loop.tune(resend_event_after_seconds=1)
    sha = hashlib.sha256(scene.jpeg()).hexdigest()
    time.sleep(1.5)
    loop.sweep()
    until(lambda: catalogue_images.get_image(loop.catalogue, sha), 120, "the sweeper has found the image")
    loop.tune(resend_event_after_seconds=900)


def test_no_event_was_lost(loop: Loop) -> None:
    sqs = loop.client("sqs")
    for output in ("RegisterDeadLettersUrl", "AnnotationDeadLettersUrl", "DetectDeadLettersUrl"):
        attributes = sqs.get_queue_attributes(
            QueueUrl=loop.outputs[output], AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        assert attributes["ApproximateNumberOfMessages"] == "0", output
    assert loop.keys("incoming/") == []


CHAOS = {
    "frozen before its write": "Promote's Switch",
    "function times out": "Promote's Switch",
    "champion killed": "champion killed",
}
"""Attacks that have once ended the service, by kind; `make chaos` makes all there are."""


def test_attacks_are_put_right_by_one_sweep(loop: Loop) -> None:
    target = Target(loop)
    target.listen()
    attacker = Attacker(target, random.Random(1), rollbacks=1)  # noqa: S311 not for secrets
    attacks = [attack for attack in attacker.attacks(tuple(CHAOS)) if attack.name == CHAOS[attack.kind]]
    assert len(attacks) == len(CHAOS)
    tallies: dict[str, Tally] = {}
    strike(target, attacks, 600, tallies)
    assert [tally.tried for tally in tallies.values()] == [1] * len(CHAOS)
    assert [detail for tally in tallies.values() for detail in tally.details] == []


def test_destroying_the_stack_stops_every_model(loop: Loop) -> None:
    """Also one that nothing of the loop knows to be running, and a run under way is ended."""
    start_former_champion(loop)
    execution = loop.start("RetrainMachineArn", "under-way", {"force": True})
    assert len(loop.running()) == 2
    embedded.destroy(loop.stack, name=loop.name)
    assert loop.running() == set()
    assert loop.stepfunctions.describe_execution(executionArn=execution)["status"] != "RUNNING"
    cloudformation = loop.client("cloudformation")
    with pytest.raises(cloudformation.exceptions.ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName=loop.name)
