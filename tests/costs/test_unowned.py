"""Models that run outside any deployment are named once a day, and left alone."""

from __future__ import annotations

import pytest

from lambdas import sweep as handler
from lambdas.domain.costs import unowned
from lambdas.domain.engines.port import DEPLOYMENT_TAG
from lambdas.domain.shared.tuning import Tuning
from tests.fixtures.deployment import World, context
from tests.fixtures.rekognition import ELSEWHERE

MONDAY = "2026-11-23T10:00:00.000000Z"


def named(world: World) -> list[str]:
    return [version.name for version in world.fake.engine.list_unowned()]


@pytest.mark.parametrize(("status", "is_named"), [("RUNNING", True), ("STARTING", True), ("STOPPED", False)])
def test_what_runs_in_a_project_of_nobody_is_named(status: str, is_named: bool, world: World) -> None:
    world.champion("v1")
    world.fake.add_elsewhere("lost", status)
    assert named(world) == (["lost"] if is_named else [])


def test_another_deployment_s_models_are_its_own(world: World) -> None:
    world.fake.add_elsewhere("its", "RUNNING")
    world.fake.tags[ELSEWHERE] = {DEPLOYMENT_TAG: "others"}
    assert named(world) == []


def test_people_hear_of_them_once_a_day_and_again_if_they_come_back(world: World) -> None:
    world.fake.add_elsewhere("lost", "RUNNING")
    letters: list[str] = []

    def tell(at: str) -> bool:
        versions = world.fake.engine.list_unowned()
        return unowned.tell(
            world.loop_state, versions, Tuning(), at, lambda subject, text: letters.append(text)
        )

    assert tell(MONDAY)
    since = world.loop_state.incident(unowned.INCIDENT)
    assert since is not None
    at = since.since
    assert not tell(at)
    assert tell("2099-01-01T00:00:00.000000Z")
    world.fake.elsewhere["lost"]["Status"] = "STOPPED"
    assert not tell(at)
    assert world.loop_state.incident(unowned.INCIDENT) is None
    world.fake.elsewhere["lost"]["Status"] = "RUNNING"
    assert tell(at)
    assert len(letters) == 3
    assert "project/elsewhere/version/lost/1600000000000 is RUNNING and costs 4 USD an hour" in letters[0]


def test_the_sweeper_names_them_and_stops_none(world: World) -> None:
    world.champion("v1")
    world.fake.add_elsewhere("lost", "RUNNING")
    swept = handler.handle({}, context())
    assert len(swept["unowned"]) == 1
    (letter,) = world.received("people")
    assert letter["Subject"] == "LabelLoop pets: models run that no deployment owns"
    assert world.fake.elsewhere["lost"]["Status"] == "RUNNING"
    assert world.fake.called("stop_project_version") == []
