"""The loop's own memory: leases, progress, runs, model versions, the champion."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.shared.records import (
    Approval,
    DatasetSync,
    LeaseName,
    ModelVersion,
    Run,
    RunStep,
    SnapshotSummary,
)
from lambdas.domain.shared.scores import LabelScore, Scores, Verdict
from lambdas.domain.shared.state import CLOSED, ChampionChangedError
from tests.fixtures.deployment import World

# Leases


def test_a_lease_is_held_by_one(world: World) -> None:
    first = world.loop_state.take_lease("retrain", "a")
    assert (first.id, first.holder) == ("retrain", "a")
    assert world.loop_state.take_lease("retrain", "b") == first
    assert world.loop_state.take_lease("retrain", "a") == first


def test_the_two_leases_have_nothing_to_do_with_each_other(world: World) -> None:
    world.loop_state.take_lease("retrain", "a")
    assert world.loop_state.take_lease("promote", "b").holder == "b"


def test_only_its_holder_gives_a_lease_back(world: World) -> None:
    world.loop_state.take_lease("retrain", "a")
    assert not world.loop_state.release_lease("retrain", "b")
    held = world.loop_state.lease("retrain")
    assert held is not None
    assert held.holder == "a"
    assert world.loop_state.release_lease("retrain", "a")
    assert world.loop_state.lease("retrain") is None
    assert not world.loop_state.release_lease("retrain", "a")
    assert world.loop_state.take_lease("retrain", "b").holder == "b"


@pytest.mark.usefixtures("one_call_at_a_time")
def test_of_many_who_want_a_lease_one_gets_it(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda n: world.loop_state.take_lease("retrain", f"r{n}"), range(8)))
    assert len({lease.holder for lease in leases}) == 1


@pytest.mark.parametrize("name", ["retrain", "promote"])
def test_after_closing_nobody_gets_a_lease(name: LeaseName, world: World) -> None:
    world.loop_state.take_lease(name, "a")
    world.loop_state.close()
    assert not world.loop_state.release_lease(name, "a")
    assert world.loop_state.take_lease(name, "b").holder == CLOSED


def test_other_errors_than_a_taken_lease_are_raised(world: World) -> None:
    world.loop.delete()
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.loop_state.take_lease("retrain", "a")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        world.loop_state.release_lease("retrain", "a")


# Progress


def test_progress_begins_with_nothing_trained_on(world: World) -> None:
    progress = world.loop_state.progress()
    assert progress.cutoff == ""
    assert progress.ticket
    assert world.loop_state.progress() == progress


def test_each_run_moves_the_ticket(world: World) -> None:
    tickets = {world.loop_state.progress().ticket}
    for cutoff in ("2025-01-01", None, "2025-01-02"):
        world.loop_state.advance(cutoff=cutoff)
        tickets.add(world.loop_state.progress().ticket)
    assert len(tickets) == 4
    assert world.loop_state.progress().cutoff == "2025-01-02"


def test_a_stopped_run_leaves_the_cutoff_until_one_trains(world: World) -> None:
    world.loop_state.advance(cutoff="2025-01-01")
    world.loop_state.advance(cutoff="2025-01-02", stopped=True)
    world.loop_state.advance()
    progress = world.loop_state.known_progress()
    assert (progress.cutoff, progress.stopped_at) == ("2025-01-01", "2025-01-02")
    world.loop_state.advance(cutoff="2025-01-03")
    progress = world.loop_state.known_progress()
    assert (progress.cutoff, progress.stopped_at) == ("2025-01-03", "")


# Runs and model versions


def test_facts_of_a_run_add_up(world: World) -> None:
    labels = (LabelScore("cat", 0.5, precision=0.25, recall=1.0, test_images=4, threshold=0.75),)
    world.loop_state.update_run(Run("a", trigger="images", f1=0.875, labels=labels))
    world.loop_state.update_run(Run("a", outcome="promoted", f1=1.0))
    assert world.loop_state.run("a") == Run("a", trigger="images", f1=1, labels=labels, outcome="promoted")
    assert world.loop_state.run("b") is None


FULL_RUN = Run(
    "a",
    execution="arn:a",
    trigger="images",
    started_by="Ann",
    outcome="rejected",
    reason="",
    started_at="2025-01-01T00:00:00Z",
    ended_at="2025-01-01T01:00:00Z",
    seconds=3600.5,
    cutoff="2025-01-01T00:00:00Z",
    snapshot="5a4b",
    images=SnapshotSummary("detection", 8, 2, 1, {"cat": 8}, {"cat": 2}, {"blurred": 1}, 1, 2, {"TRAIN": 9}),
    data_report="Training can start",
    stopped=False,
    flagged_entries={"TRAIN": 0, "TEST": 2},
    waits_for="a slot",
    engine="serverless",
    version="v1-5a4b",
    version_number=1,
    f1=0.5,
    billable_seconds=1800,
    held=False,
    forecast_usd=1.5,
    estimated_usd=0.75,
    usd_per_hour=4.0,
    labels=(LabelScore("cat", 0.5, 0.25, 1.0, 2, 0.125), LabelScore("dog", 0.5, 0.25, 1.0, 2)),
    verdicts=(Verdict("evaluation", True, ("good",)), Verdict("shadow", False, ("bad", "worse"))),
    steps=(RunStep("Train", 12.5), RunStep("Report", 0)),
)
FULL_VERSION = ModelVersion(
    "v1-5a4b",
    number=1,
    arn="arn:v1",
    state="rejected",
    reason="F1 is too low",
    snapshot="5a4b",
    run="a",
    created_at="2025-01-01T00:00:00Z",
    started_at="2025-01-01T00:10:00Z",
    promoted_at="2025-01-01T00:20:00Z",
    deleted_at="2025-01-06T00:00:00Z",
    retired_at="2025-01-01T00:30:00Z",
    f1=0.5,
    shadow=Scores(0.25, FULL_RUN.labels),
    approval=Approval("approved", "ann", "2025-01-01T00:15:00Z", "it is good", "2025-01-01T00:12:00Z", "p"),
    settings={"min_f1": 0.5},
    hours=0.5,
    labels=FULL_RUN.labels,
    verdicts=FULL_RUN.verdicts,
)


@pytest.mark.parametrize("record", [FULL_RUN, FULL_VERSION], ids=["run", "version"])
def test_every_member_of_a_record_is_read_as_it_was_written(record: Run | ModelVersion, world: World) -> None:
    assert all(value is not None for value in asdict(record).values()), "the record has every member"
    if isinstance(record, Run):
        world.loop_state.update_run(record)
        assert world.loop_state.run(record.id) == record
    else:
        world.loop_state.update_version(record)
        assert world.loop_state.version(record.id) == record
    assert json.loads(json.dumps(record.as_dict())) == record.as_dict(), "JSON can hold all of it"


def test_a_record_without_facts_changes_nothing(world: World) -> None:
    world.loop_state.update_run(Run("a", reason="one"))
    world.loop_state.update_run(Run("a"))
    assert world.loop_state.run("a") == Run("a", reason="one")


def test_a_record_that_a_crash_left_unfinished_is_read(world: World) -> None:
    """So is one with attributes of another version of the code."""
    world.loop.put_item(Item={"kind": "RUN", "id": "a", "later": "?"})
    world.loop.put_item(Item={"kind": "VERSION", "id": "v1", "labels": [{"label": "cat"}]})
    assert world.loop_state.run("a") == Run("a")
    assert world.loop_state.runs() == [Run("a")]
    assert world.version_record("v1").labels == (LabelScore("cat", 0, 0, 0, 0),)
    assert Run("a").as_dict() == {"id": "a", "labels": [], "verdicts": [], "steps": []}


def test_runs_and_versions_come_newest_first(world: World) -> None:
    for number in (2, 3, 1):
        world.loop_state.update_run(Run(f"r{number}", started_at=f"2025-01-0{number}"))
        world.loop_state.update_version(ModelVersion(f"v{number}", created_at=f"2025-01-0{number}"))
    assert [run.id for run in world.loop_state.runs()] == ["r3", "r2", "r1"]
    assert [version.id for version in world.loop_state.versions()] == ["v3", "v2", "v1"]


def test_runs_of_many_pages_are_all_found(world: World) -> None:
    for number in range(6):
        world.loop_state.update_run(Run(f"r{number}", started_at=f"{number}", reason="x" * 300_000))
    assert len(world.loop_state.runs()) == 6


def test_a_run_has_one_version_number(world: World) -> None:
    assert world.loop_state.version_number("a") == 1
    assert world.loop_state.version_number("b") == 2
    assert world.loop_state.version_number("a") == 1
    assert world.loop_state.version_number("c") == 3


def test_the_synced_snapshot_is_remembered_for_each_dataset(world: World) -> None:
    assert world.loop_state.dataset_sync("TRAIN") == DatasetSync("", "", 0)
    world.loop_state.record_synced("TRAIN", "s1")
    assert world.loop_state.dataset_sync("TRAIN") == DatasetSync("s1", "", 0)
    world.loop_state.record_sent("TRAIN", "s2", 7, "2026")
    sent = world.loop_state.dataset_sync("TRAIN")
    assert replace(sent, changed_at="") == DatasetSync("s1", "s2", 7, updated_before="2026")
    assert sent.changed_at
    world.loop_state.record_synced("TRAIN", "s2")
    assert world.loop_state.dataset_sync("TRAIN") == DatasetSync("s2", "", 0)
    assert world.loop_state.dataset_sync("TEST") == DatasetSync("", "", 0)


# The champion


def test_the_champion_knows_who_was_before_it(world: World) -> None:
    assert world.loop_state.champion() is None
    first = world.loop_state.switch_champion(None, "arn:1", "v1")
    assert (first.previous_version_arn, first.previous_version_name) == ("", "")
    second = world.loop_state.switch_champion(first, "arn:2", "v2")
    assert (second.previous_version_arn, second.previous_version_name) == ("arn:1", "v1")
    assert world.loop_state.champion() == second


def test_a_switch_on_old_knowledge_changes_nothing(world: World) -> None:
    first = world.loop_state.switch_champion(None, "arn:1", "v1")
    second = world.loop_state.switch_champion(first, "arn:2", "v2")
    for outdated in (None, first):
        with pytest.raises(ChampionChangedError, match="v3 was not made champion"):
            world.loop_state.switch_champion(outdated, "arn:3", "v3")
    assert world.loop_state.champion() == second


def test_a_version_of_another_deployment_gets_the_next_number_once(world: World) -> None:
    state = world.loop_state
    assert state.version_number("a") == 1
    copied = state.add_version(ModelVersion("v7-of-1", arn="arn", state="trained"))
    assert (copied.number, copied.arn, copied.state) == (2, "arn", "trained")
    state.update_version(ModelVersion("v7-of-1", state="rejected"))
    again = state.add_version(ModelVersion("v7-of-1", arn="other", state="trained"))
    assert (again.number, again.arn, again.state) == (2, "arn", "rejected"), "what is on record stays"
    assert state.add_version(ModelVersion("v8-of-1", arn="arn")).number == 3
