"""The loop's own memory: leases, progress, runs, model versions, the champion."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.records import CLOSED, ChampionChangedError, LeaseName, Synced
from tests.retrain.world import World

# Leases


def test_a_lease_is_held_by_one(world: World) -> None:
    first = world.records.take_lease("retrain", "a")
    assert (first.name, first.holder) == ("retrain", "a")
    assert world.records.take_lease("retrain", "b") == first
    assert world.records.take_lease("retrain", "a") == first


def test_the_two_leases_have_nothing_to_do_with_each_other(world: World) -> None:
    world.records.take_lease("retrain", "a")
    assert world.records.take_lease("promote", "b").holder == "b"


def test_only_its_holder_gives_a_lease_back(world: World) -> None:
    world.records.take_lease("retrain", "a")
    assert not world.records.release_lease("retrain", "b")
    held = world.records.lease("retrain")
    assert held is not None
    assert held.holder == "a"
    assert world.records.release_lease("retrain", "a")
    assert world.records.lease("retrain") is None
    assert not world.records.release_lease("retrain", "a")
    assert world.records.take_lease("retrain", "b").holder == "b"


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_many_who_want_a_lease_one_gets_it(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda n: world.records.take_lease("retrain", f"r{n}"), range(8)))
    assert len({lease.holder for lease in leases}) == 1


@pytest.mark.parametrize("name", ["retrain", "promote"])
def test_after_closing_nobody_gets_a_lease(name: LeaseName, world: World) -> None:
    world.records.take_lease(name, "a")
    world.records.close()
    assert not world.records.release_lease(name, "a")
    assert world.records.take_lease(name, "b").holder == CLOSED


def test_other_errors_than_a_taken_lease_are_raised(world: World) -> None:
    world.loop.delete()
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.records.take_lease("retrain", "a")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.records.release_lease("retrain", "a")


# Progress


def test_progress_begins_with_nothing_trained_on(world: World) -> None:
    progress = world.records.progress()
    assert progress.cutoff == ""
    assert progress.ticket
    assert world.records.progress() == progress


def test_each_run_moves_the_ticket(world: World) -> None:
    tickets = {world.records.progress().ticket}
    for cutoff in ("2025-01-01", None, "2025-01-02"):
        world.records.advance(cutoff=cutoff)
        tickets.add(world.records.progress().ticket)
    assert len(tickets) == 4
    assert world.records.progress().cutoff == "2025-01-02"


def test_a_stopped_run_leaves_the_cutoff_until_one_trains(world: World) -> None:
    world.records.advance(cutoff="2025-01-01")
    world.records.advance(cutoff="2025-01-02", stopped=True)
    world.records.advance()
    found = world.records.known_progress()
    assert (found.cutoff, found.stopped_at) == ("2025-01-01", "2025-01-02")
    world.records.advance(cutoff="2025-01-03")
    found = world.records.known_progress()
    assert (found.cutoff, found.stopped_at) == ("2025-01-03", "")


# Runs and model versions


def test_facts_of_a_run_add_up(world: World) -> None:
    world.records.note_run("a", trigger="images", f1=0.875, labels=[{"label": "cat", "f1": 0.5}])
    world.records.note_run("a", outcome="promoted", f1=1.0)
    assert world.records.run("a") == {
        "kind": "RUN",
        "id": "a",
        "trigger": "images",
        "f1": 1,
        "labels": [{"label": "cat", "f1": 0.5}],
        "outcome": "promoted",
    }
    assert world.records.run("b") is None


def test_names_that_dynamodb_reserves_can_be_noted(world: World) -> None:
    world.records.note_version("v1", state="trained", number=1, status="x", empty="", none=None)
    found = world.records.version("v1")
    assert found is not None
    assert (found["state"], found["number"], found["none"]) == ("trained", 1, None)


def test_runs_and_versions_come_newest_first(world: World) -> None:
    for number in (2, 3, 1):
        world.records.note_run(f"r{number}", started_at=f"2025-01-0{number}")
        world.records.note_version(f"v{number}", created_at=f"2025-01-0{number}")
    assert [run["id"] for run in world.records.runs()] == ["r3", "r2", "r1"]
    assert [version["id"] for version in world.records.versions()] == ["v3", "v2", "v1"]


def test_runs_of_many_pages_are_all_found(world: World) -> None:
    for number in range(6):
        world.records.note_run(f"r{number}", started_at=f"{number}", letter="x" * 300_000)
    assert len(world.records.runs()) == 6


def test_a_run_has_one_version_number(world: World) -> None:
    assert world.records.version_number("a") == 1
    assert world.records.version_number("b") == 2
    assert world.records.version_number("a") == 1
    assert world.records.version_number("c") == 3


def test_the_synced_snapshot_is_remembered_for_each_dataset(world: World) -> None:
    assert world.records.synced("TRAIN") == Synced("", "", 0)
    world.records.note_synced("TRAIN", "s1")
    assert world.records.synced("TRAIN") == Synced("s1", "", 0)
    world.records.note_syncing("TRAIN", "s2", 7)
    assert world.records.synced("TRAIN") == Synced("s1", "s2", 7)
    world.records.note_synced("TRAIN", "s2")
    assert world.records.synced("TRAIN") == Synced("s2", "", 0)
    assert world.records.synced("TEST") == Synced("", "", 0)


# The champion


def test_the_champion_knows_who_was_before_it(world: World) -> None:
    assert world.records.champion() is None
    first = world.records.switch_champion(None, "arn:1", "v1")
    assert (first.previous_version_arn, first.previous_version_name) == ("", "")
    second = world.records.switch_champion(first, "arn:2", "v2")
    assert (second.previous_version_arn, second.previous_version_name) == ("arn:1", "v1")
    assert world.records.champion() == second


def test_a_switch_on_old_knowledge_changes_nothing(world: World) -> None:
    first = world.records.switch_champion(None, "arn:1", "v1")
    second = world.records.switch_champion(first, "arn:2", "v2")
    for outdated in (None, first):
        with pytest.raises(ChampionChangedError, match="v3 was not made champion"):
            world.records.switch_champion(outdated, "arn:3", "v3")
    assert world.records.champion() == second
