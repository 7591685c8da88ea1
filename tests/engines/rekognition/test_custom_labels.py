"""Trainings and starts that Rekognition refuses, or describes later than it begins them."""

from __future__ import annotations

import pytest

from lambdas.domain.engines.port import InferenceUnitsError, LimitReachedError, NotYetError, Version
from lambdas.domain.engines.rekognition import custom_labels
from tests.fixtures.deployment import BUCKET, PROJECT, World


def train(world: World) -> Version:
    return custom_labels.train(world.fake.client, PROJECT, "v9", bucket=BUCKET, tags={})


def start(world: World, units: int = 1) -> None:
    custom_labels.start(world.fake.client, world.version("v9"), units)


@pytest.mark.parametrize("code", ["LimitExceededException", "ServiceQuotaExceededException"])
def test_a_training_without_a_slot_says_what_it_waits_for(code: str, world: World) -> None:
    world.version("v1", "TRAINING_IN_PROGRESS")
    world.fake.add_elsewhere("theirs", "TRAINING_IN_PROGRESS")
    world.fake.fail_next("create_project_version", code)
    with pytest.raises(LimitReachedError) as refused:
        train(world)
    assert refused.value.waits_for == "a free training slot: 2 trainings run in this account"
    assert refused.value.holders == ("v1", "theirs")


def test_a_project_without_room_says_so_in_the_words_of_the_service(world: World) -> None:
    world.version("v1", "RUNNING")
    world.fake.fail_next("create_project_version", "LimitExceededException")
    with pytest.raises(LimitReachedError, match="room for another model version: no") as refused:
        train(world)
    assert refused.value.holders == ()


def test_a_version_need_not_be_described_right_after_its_creation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_labels, "describe_version", lambda *_: None)
    version = train(world)
    assert (version.name, version.status) == ("v9", "TRAINING_IN_PROGRESS")
    assert version.arn == world.fake.versions["v9"]["ProjectVersionArn"]


def test_what_is_in_use_can_be_trained_and_started_later(world: World) -> None:
    world.fake.fail_next("create_project_version", "ResourceInUseException")
    with pytest.raises(NotYetError, match="v9 cannot be trained yet"):
        train(world)
    world.fake.fail_next("start_project_version", "ResourceInUseException")
    with pytest.raises(NotYetError, match="v9 cannot be started yet"):
        start(world)


def test_a_start_without_a_free_endpoint_says_what_it_waits_for(world: World) -> None:
    world.fake.add_elsewhere("theirs", "RUNNING")
    world.fake.add_elsewhere("stopped", "STOPPED")
    world.fake.fail_next("start_project_version", "LimitExceededException")
    with pytest.raises(LimitReachedError, match="a running model to stop: 1 model runs in this account"):
        start(world)


def test_inference_units_above_the_quota_are_refused_by_its_name(world: World) -> None:
    world.fake.fail_next("start_project_version", *["LimitExceededException"] * 3)
    with pytest.raises(InferenceUnitsError, match=r"6 inference units.*'Maximum inference units per started"):
        start(world, 6)
    with pytest.raises(LimitReachedError, match="room for another running model: no"):
        start(world, 5)
    world.fake.add_elsewhere("one", "RUNNING")
    world.fake.add_elsewhere("two", "STARTING")
    with pytest.raises(LimitReachedError, match="2 models run"):
        start(world, 6)
