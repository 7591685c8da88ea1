"""Test images through real endpoints."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.promote import shadow
from lambdas.domain.promote.scoring import GroundTruth
from lambdas.domain.shared.annotation import Box
from lambdas.domain.shared.boxes import RelativeBox
from lambdas.domain.snapshot import snapshots
from tests.fixtures.deployment import BUCKET, World
from tests.fixtures.rekognition import label


def snapshot_of(world: World) -> str:
    return snapshots.make(world.catalogue, world.s3, BUCKET).id


def sample(world: World, count: int) -> list[shadow.ShadowImage]:
    return shadow.shadow_images(world.s3, BUCKET, snapshot_of(world), count)


def put_tests(world: World, *labels: tuple[str, ...]) -> None:
    """A test manifest with an image of these labels a line."""
    lines = [
        {"source-ref": f"s3://{BUCKET}/images/{number}.jpg"}
        | {
            key: value
            for index, name in enumerate(names)
            for key, value in (
                (f"label-{index}", 1),
                (f"label-{index}-metadata", {"class-name": name, "type": "groundtruth/image-classification"}),
            )
        }
        for number, names in enumerate(labels)
    ]
    body = "\n".join(json.dumps(line) for line in lines).encode()
    world.s3.put_object(Bucket=BUCKET, Key="datasets/s/test.manifest", Body=body)


def test_the_tests_are_of_the_test_dataset(world: World) -> None:
    world.images("cat", 10)
    images = sample(world, 30)
    assert [test.truth for test in images] == [GroundTruth(("cat",))] * 2
    splits = world.splits()
    assert all(splits[test.key.removeprefix("images/").removesuffix(".jpg")] == "TEST" for test in images)
    assert {test.bucket for test in images} == {BUCKET}


def test_boxes_become_ratios(world: World) -> None:
    for number in range(2):
        world.image(f"{number}", boxes=(Box("dog", 10, 20, 30, 40), Box("cat", 0, 0, 100, 50)))
    (images,) = sample(world, 30)
    assert images.truth.labels == ("cat", "dog")
    assert images.truth.boxes == (RelativeBox("dog", 0.1, 0.2, 0.3, 0.4), RelativeBox("cat", 0, 0, 1, 0.5))


def test_a_small_sample_has_every_label(world: World) -> None:
    put_tests(world, *[("cat",)] * 20, *[("dog",)] * 3, ("fox",))
    images = shadow.shadow_images(world.s3, BUCKET, "s", 6)
    assert sorted(test.truth.labels[0] for test in images) == ["cat", "cat", "cat", "dog", "dog", "fox"]
    assert images == shadow.shadow_images(world.s3, BUCKET, "s", 6)


def test_backgrounds_are_in_the_sample_and_what_is_seen_there_is_wrong(world: World) -> None:
    for number in range(10):
        world.image(f"boxed {number}", boxes=(Box("cat", 10, 10, 50, 50),))
        world.image(f"empty {number}", boxes=())
    images = sample(world, 3)
    assert sorted(test.truth.labels for test in images) == [(), (), ("cat",)]
    version = world.version("v1", "RUNNING")
    world.fake.finds = lambda name, key: [label("cat", box=(0.1, 0.1, 0.5, 0.5))]
    scores = shadow._scores(images, shadow.ask(world.fake.engine, version.arn, images))
    assert (scores.f1, scores.labels[0].precision) == (pytest.approx(1 / 2), pytest.approx(1 / 3))


def test_no_image_is_asked_about_twice(world: World) -> None:
    put_tests(world, *[("cat", "dog")] * 5, *[("dog",)] * 5)
    images = shadow.shadow_images(world.s3, BUCKET, "s", 100)
    assert sorted(test.key for test in images) == [f"images/{number}.jpg" for number in range(10)]


def test_a_label_that_is_always_second_is_in_the_sample(world: World) -> None:
    put_tests(world, *[("cat",)] * 20, ("cat", "dog"))
    images = shadow.shadow_images(world.s3, BUCKET, "s", 5)
    assert {name for test in images for name in test.truth.labels} == {"cat", "dog"}


def test_a_version_is_scored_by_what_it_finds(world: World) -> None:
    put_tests(world, ("cat",), ("dog",))
    version = world.version("v1", "RUNNING")
    world.fake.finds = lambda name, key: [label("cat")]
    tests = shadow.shadow_images(world.s3, BUCKET, "s", 30)
    scores = shadow._scores(tests, shadow.ask(world.fake.engine, version.arn, tests))
    assert {entry.label: entry.f1 for entry in scores.labels} == {"cat": pytest.approx(2 / 3), "dog": 0}
    asked = [request["Image"]["S3Object"] for request in world.fake.called("detect_custom_labels")]
    assert asked == [{"Bucket": BUCKET, "Name": f"images/{number}.jpg"} for number in range(2)]


@pytest.mark.parametrize("status", ["STOPPED", "STOPPING", "STARTING"])
def test_a_champion_that_does_not_run_does_not_answer(status: str, world: World) -> None:
    put_tests(world, ("cat",))
    tests = shadow.shadow_images(world.s3, BUCKET, "s", 30)
    champion = world.version("v1", status)
    assert shadow.ask_champion(world.fake.engine, champion.arn, tests) is None


def test_a_champion_that_was_deleted_does_not_answer(world: World) -> None:
    put_tests(world, ("cat",))
    tests = shadow.shadow_images(world.s3, BUCKET, "s", 30)
    assert shadow.ask_champion(world.fake.engine, "arn:gone", tests) is None


def test_any_other_error_is_raised(world: World) -> None:
    put_tests(world, ("cat",))
    tests = shadow.shadow_images(world.s3, BUCKET, "s", 30)
    champion = world.version("v1", "RUNNING")
    world.fake.fail_next("detect_custom_labels", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        shadow.ask_champion(world.fake.engine, champion.arn, tests)


def test_an_image_that_was_deleted_since_is_no_reason_to_judge_by_none(world: World) -> None:
    put_tests(world, ("cat",), ("dog",), ("dog",))
    tests = shadow.shadow_images(world.s3, BUCKET, "s", 30)
    version = world.version("v1", "RUNNING")
    world.fake.finds = lambda name, key: [label("dog")]
    world.fake.fail_next("detect_custom_labels", "InvalidS3ObjectException")
    answers = shadow.ask(world.fake.engine, version.arn, tests)
    assert list(answers) == ["images/1.jpg", "images/2.jpg"]
    scores = shadow._scores(tests, answers)
    assert {entry.label: (entry.f1, entry.test_images) for entry in scores.labels} == {"dog": (1, 2)}


@pytest.mark.parametrize("code", ["ResourceNotReadyException", "ResourceNotFoundException"])
def test_a_challenger_whose_model_cannot_be_loaded_is_not_judged(code: str, world: World) -> None:
    """Its file is cut off, of a newer form, or gone: the gate fails with that, and the promotion with it."""
    put_tests(world, ("cat",), ("dog",))
    tests = shadow.shadow_images(world.s3, BUCKET, "s", 30)
    version = world.version("v2", "RUNNING")
    world.fake.fail_next("detect_custom_labels", code)
    with pytest.raises(ClientError, match=code):
        shadow.ask(world.fake.engine, version.arn, tests)


def test_a_version_that_gets_no_image_or_cannot_look_at_one_is_not_judged_by_the_others(world: World) -> None:
    put_tests(world, ("cat",), ("dog",))
    tests = shadow.shadow_images(world.s3, BUCKET, "s", 30)
    version = world.version("v1", "RUNNING")
    world.fake.fail_next("detect_custom_labels", *["InvalidS3ObjectException"] * 2)
    with pytest.raises(ClientError, match="InvalidS3Object"):
        shadow.ask(world.fake.engine, version.arn, tests)
    world.fake.fail_next("detect_custom_labels", "InvalidImageFormatException")
    with pytest.raises(ClientError, match="InvalidImageFormat"):
        shadow.ask(world.fake.engine, version.arn, tests)
