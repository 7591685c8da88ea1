"""Requests, projects, tags, faults and restarts of the engine; learning and predicting are played."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from local.engine import errors, faults, shapes
from local.engine.storage.store import Store
from tests.fixtures.engine import Bench, Everybody, eventually


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "ProjectName"),
        ({"ProjectName": 7}, "ProjectName"),
        ({"ProjectName": "with space"}, "pattern"),
        ({"ProjectName": "x" * 256}, "less than or equal to 255"),
        ({"ProjectName": "pets", "Feature": "OTHER"}, "enum"),
        ({"ProjectName": "pets", "Tags": {"aws:mine": "x"}}, "pattern"),
    ],
)
def test_a_request_against_its_shape_is_a_validation_exception(
    bench: Bench, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.ValidationException, match=message):
        bench.call("CreateProject", **request_)


def test_a_page_of_more_than_100_is_a_validation_exception(bench: Bench) -> None:
    with pytest.raises(errors.ValidationException, match="less than or equal to 100"):
        bench.call("DescribeProjects", MaxResults=101)


def test_a_body_that_is_not_json_and_an_unknown_operation_are_told() -> None:
    with pytest.raises(errors.SerializationException):
        shapes.parse_request("CreateProject", b"{")
    with pytest.raises(errors.UnknownOperationException, match="CreateDream"):
        shapes.parse_request("CreateDream", b"{}")


def test_an_operation_that_is_not_implemented_says_so(bench: Bench) -> None:
    with pytest.raises(errors.UnknownOperationException, match="ListCollections"):
        bench.call("ListCollections")


def test_projects_are_created_once_listed_by_pages_and_deleted(bench: Bench) -> None:
    arns = [bench.project(name) for name in ("one", "two", "three")]
    assert arns[0].startswith("arn:aws:rekognition:us-east-1:123456789012:project/one/")
    with pytest.raises(errors.ResourceInUseException, match="one"):
        bench.project("one")
    first = bench.call("DescribeProjects", MaxResults=2)
    second = bench.call("DescribeProjects", MaxResults=2, NextToken=first["NextToken"])
    listed = [p["ProjectArn"] for p in first["ProjectDescriptions"] + second["ProjectDescriptions"]]
    assert listed == arns
    assert "NextToken" not in second
    bench.call("DeleteProject", ProjectArn=arns[1])
    assert bench.call("DescribeProjects", ProjectNames=["two", "three"])["ProjectDescriptions"] == [
        bench.call("DescribeProjects", ProjectNames=["three"])["ProjectDescriptions"][0]
    ]


def test_a_token_that_no_listing_gave_is_refused(bench: Bench) -> None:
    with pytest.raises(errors.InvalidPaginationTokenException):
        bench.call("DescribeProjects", NextToken="bm9uc2Vuc2U=")


def test_another_account_sees_nothing(bench: Bench) -> None:
    arn = bench.project()
    stranger = Everybody()
    stranger.account = "999999999999"
    assert bench.call("DescribeProjects", stranger)["ProjectDescriptions"] == []
    with pytest.raises(errors.ResourceNotFoundException):
        bench.call("DescribeProjectVersions", stranger, ProjectArn=arn)


def test_a_project_with_versions_or_datasets_is_not_deleted(bench: Bench) -> None:
    project = bench.project()
    version = bench.trained(project)
    with pytest.raises(errors.ResourceInUseException):
        bench.call("DeleteProject", ProjectArn=project)
    bench.call("DeleteProjectVersion", ProjectVersionArn=version)
    (described,) = bench.call("DescribeProjects")["ProjectDescriptions"]
    for dataset in described["Datasets"]:
        bench.call("DeleteDataset", DatasetArn=dataset["DatasetArn"])
    bench.call("DeleteProject", ProjectArn=project)
    assert bench.call("DescribeProjects")["ProjectDescriptions"] == []
    assert not list((bench.state / "versions").iterdir())


def test_tags_come_with_creation_and_change(bench: Bench) -> None:
    arn = bench.call("CreateProject", ProjectName="pets", Tags={"team": "vets"})["ProjectArn"]
    bench.call("TagResource", ResourceArn=arn, Tags={"cost": "1"})
    assert bench.call("ListTagsForResource", ResourceArn=arn)["Tags"] == {"cost": "1", "team": "vets"}
    bench.call("UntagResource", ResourceArn=arn, TagKeys=["team"])
    assert bench.call("ListTagsForResource", ResourceArn=arn)["Tags"] == {"cost": "1"}
    with pytest.raises(errors.ResourceNotFoundException):
        bench.call("ListTagsForResource", ResourceArn=f"{arn}0")
    with pytest.raises(errors.InvalidParameterException, match="ResourceArn"):
        bench.call("ListTagsForResource", ResourceArn=arn[:-1] + "x")


def test_faults_strike_as_often_as_they_were_asked_for(bench: Bench) -> None:
    fault = {"operation": "DescribeProjects", "error": "ThrottlingException", "times": 2}
    bench.faults.add(faults.parse(json.dumps(fault).encode()))
    for _ in range(2):
        with pytest.raises(errors.ThrottlingException):
            bench.call("DescribeProjects")
    assert bench.call("DescribeProjects")["ProjectDescriptions"] == []


def test_faults_wait_in_turn_for_their_operation(bench: Bench) -> None:
    slow = faults.Fault("DescribeProjects", delay_seconds=0.2)
    failing = faults.Fault("DescribeProjects", error="InternalServerError", times=2)
    other = faults.Fault("DeleteProject", error="ThrottlingException")
    for fault in (slow, failing, other):
        bench.faults.add(fault)
    started = time.monotonic()
    bench.call("DescribeProjects")
    assert time.monotonic() - started >= 0.2
    with pytest.raises(errors.InternalServerError):
        bench.call("DescribeProjects")
    assert [(fault.operation, fault.times) for fault in bench.faults.waiting()] == [
        ("DescribeProjects", 1),
        ("DeleteProject", 1),
    ]
    bench.faults.clear()
    bench.call("DescribeProjects")


def test_faults_make_trainings_and_starts_end_badly(bench: Bench) -> None:
    project = bench.project()
    arn = bench.trained(project)
    for operation, outcome in (
        ("StartProjectVersion", "FAILED"),
        ("CreateProjectVersion", "TRAINING_FAILED"),
    ):
        bench.faults.add(faults.Fault(operation, outcome=outcome))
    bench.call("StartProjectVersion", ProjectVersionArn=arn, MinInferenceUnits=1)
    bench.until(project, "FAILED")
    bench.version(project, "v2")
    bench.until(project, "TRAINING_FAILED", name="v2")


@pytest.mark.parametrize(
    "fault",
    [
        b"[]",
        b'{"operation": "Nap", "error": "ThrottlingException"}',
        b'{"operation": "CreateProject", "error": "Nap"}',
        b'{"operation": "CreateProject", "outcome": "FAILED"}',
        b'{"operation": "CreateProject"}',
        b'{"operation": "CreateProject", "delay_seconds": "long"}',
        b'{"operation": "CreateProject", "delay_seconds": NaN}',
        b'{"operation": "CreateProject", "delay_seconds": -1}',
        b'{"operation": "CreateProject", "delay_seconds": 1e9}',
        b'{"operation": "CreateProject", "error": {}}',
        b'{"operation": ["CreateProject"], "delay_seconds": 1}',
        b'{"operation": "CreateProject", "delay_seconds": 1, "times": 0}',
        b'{"operation": "CreateProject", "delay_seconds": 1, "times": 1000000000}',
        b'{"operation": "CreateProject", "delay_seconds": 1, "times": true}',
        b'{"operation": "CreateProject", "delay_seconds": 1, "other": 1}',
        b'{"operation": "StartProjectVersion", "outcome": "FAILED", "error": "ThrottlingException"}',
        b"[" * 100000,
    ],
)
def test_a_fault_that_means_nothing_is_refused(fault: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        faults.parse(fault)


def test_an_engine_that_ended_takes_up_what_it_did(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    project = first.project()
    first.running(project)
    first.hold.clear()
    first.version(project, "v2")
    eventually(lambda: len(first.jobs) == 2)
    # As a kill leaves it: the file as it is, nothing closed.
    second = Bench(tmp_path)
    second.api.recover()
    try:
        lost = second.described(project, "v2")
        assert (lost["Status"], "engine ended" in lost["StatusMessage"]) == ("TRAINING_FAILED", True)
        assert second.until(project, "RUNNING")["MinInferenceUnits"] == 1
        assert len(second.models) == 1
        assert second.call("DescribeProjects")["ProjectDescriptions"][0]["Datasets"]
        assert not list((tmp_path / "versions").glob("*/images"))
    finally:
        second.close()
        first.close()


def test_what_was_stopping_is_stopped_and_what_was_being_made_has_failed(bench: Bench) -> None:
    project = bench.project()
    arn = bench.running(project)
    dataset = bench.call("DescribeProjects")["ProjectDescriptions"][0]["Datasets"][0]["DatasetArn"]
    bench.store.move_version(arn, "STOPPING", when={"RUNNING"})
    bench.store.move_dataset(dataset, "UPDATE_IN_PROGRESS", message="", code="SUCCESS")
    again = Store(bench.state / "engine.sqlite")
    assert again.recover() == []
    assert bench.described(project)["Status"] == "STOPPED"
    assert bench.dataset_status(dataset)["Status"] == "UPDATE_FAILED"
    again.close()


def test_the_store_moves_a_version_once_however_many_ask(bench: Bench) -> None:
    arn = bench.trained(bench.project())
    moved: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda: moved.append(
                bench.store.move_version(arn, "STARTING", when={"TRAINING_COMPLETED"})
            )
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert moved.count(True) == 1
