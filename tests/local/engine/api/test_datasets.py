"""Datasets of the engine: created, listed, changed, distributed, limited."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from local.engine import errors, faults
from local.engine.quotas import Quotas
from local.engine.storage.entries import Entry
from local.engine.training.trainer import LocalTrainer
from tests.fixtures.engine import BUCKET, Bench, Everybody, boxed, classified, eventually


def test_a_dataset_keeps_its_lines_counts_them_and_lists_its_labels(bench: Bench) -> None:
    lines = [
        classified("a.png", "cat"),
        boxed("b.png", ("dog", 1, 2, 30, 40), ("cat", 5, 5, 20, 20)),
        json.dumps({"source-ref": f"s3://{BUCKET}/c.png"}),
        boxed("d.png", ("dog", 90, 2, 30, 40)),
    ]
    arn = bench.dataset(bench.project(), "TRAIN", lines)
    described = bench.dataset_status(arn)
    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_COMPLETE", "SUCCESS")
    assert described["DatasetStats"] == {
        "LabeledEntries": 2,
        "TotalEntries": 4,
        "TotalLabels": 2,
        "ErrorEntries": 1,
    }
    listed = bench.call("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"]
    assert listed[:2] == lines[:2]
    wrong = json.loads(listed[3])["box"]
    assert wrong["annotations"][0]["errors"][0]["code"] == "ERROR_INVALID_BOUNDING_BOX"
    labels = bench.call("ListDatasetLabels", DatasetArn=arn)["DatasetLabelDescriptions"]
    assert labels == [
        {"LabelName": "cat", "LabelStats": {"EntryCount": 2, "BoundingBoxCount": 1}},
        {"LabelName": "dog", "LabelStats": {"EntryCount": 1, "BoundingBoxCount": 1}},
    ]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({}, "abc"),
        ({"ContainsLabels": ["cat", "fox"]}, "a"),
        ({"Labeled": False}, "c"),
        ({"HasErrors": True}, "c"),
        ({"HasErrors": False}, "ab"),
        ({"SourceRefContains": "b.p"}, "b"),
    ],
)
def test_entries_are_filtered(bench: Bench, query: dict[str, Any], keys: str) -> None:
    broken = json.dumps({"source-ref": f"s3://{BUCKET}/c.png", "label": 1})
    arn = bench.dataset(
        bench.project(), "TRAIN", [classified("a.png", "cat"), classified("b.png", "dog"), broken]
    )
    listed = bench.call("ListDatasetEntries", DatasetArn=arn, **query)["DatasetEntries"]
    assert [json.loads(line)["source-ref"][-5] for line in listed] == list(keys)


def test_an_update_replaces_lines_of_the_same_image_and_adds_others(bench: Bench) -> None:
    arn = bench.dataset(bench.project(), "TRAIN", [classified("a.png", "cat"), classified("b.png", "dog")])
    changes = "\n".join([classified("a.png", "fox"), classified("c.png", "cow")]).encode()
    bench.call("UpdateDatasetEntries", DatasetArn=arn, Changes={"GroundTruth": base64.b64encode(changes)})
    eventually(lambda: bench.dataset_status(arn)["Status"] == "UPDATE_COMPLETE")
    assert bench.call("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"] == [
        classified("a.png", "fox"),
        classified("b.png", "dog"),
        classified("c.png", "cow"),
    ]


def test_a_dataset_is_copied_from_another(bench: Bench) -> None:
    source = bench.dataset(bench.project("one"), "TRAIN", [classified("a.png", "cat")])
    copy = bench.call(
        "CreateDataset",
        ProjectArn=bench.project("two"),
        DatasetType="TEST",
        DatasetSource={"DatasetArn": source},
    )["DatasetArn"]
    assert "/dataset/test/" in copy
    eventually(lambda: bench.dataset_status(copy)["Status"] == "CREATE_COMPLETE")
    assert bench.call("ListDatasetEntries", DatasetArn=copy)["DatasetEntries"] == [classified("a.png", "cat")]


def test_a_second_dataset_of_a_kind_is_refused(bench: Bench) -> None:
    project = bench.project()
    bench.dataset(project, "TRAIN", [classified("a.png", "cat")])
    with pytest.raises(errors.ResourceAlreadyExistsException):
        bench.call("CreateDataset", ProjectArn=project, DatasetType="TRAIN")


def test_a_manifest_that_is_mostly_broken_fails_the_dataset(bench: Bench) -> None:
    arn = bench.dataset(bench.project(), "TRAIN", ["nonsense", classified("a.png", "cat")])
    described = bench.dataset_status(arn)
    assert (described["Status"], described["StatusMessageCode"]) == ("CREATE_FAILED", "CLIENT_ERROR")
    assert described["StatusMessage"] == "The manifest file has too many terminal errors."


@pytest.mark.parametrize("denied", [[], ["s3:GetObject"]])
def test_a_manifest_that_is_missing_or_forbidden_is_an_invalid_s3_object(
    bench: Bench, denied: list[str]
) -> None:
    if denied:
        bench.objects.held[BUCKET, "x.manifest"] = b"{}"
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "x.manifest"}}}
    project = bench.project()
    with pytest.raises(errors.InvalidS3ObjectException, match="access permissions"):
        bench.call(
            "CreateDataset",
            Everybody(*denied),
            ProjectArn=project,
            DatasetType="TRAIN",
            DatasetSource=source,
        )


def test_a_dataset_without_a_source_is_empty_and_takes_entries(bench: Bench) -> None:
    arn = bench.call("CreateDataset", ProjectArn=bench.project(), DatasetType="TRAIN", DatasetSource={})[
        "DatasetArn"
    ]
    eventually(lambda: bench.dataset_status(arn)["Status"] == "CREATE_COMPLETE")
    assert bench.call("ListDatasetEntries", DatasetArn=arn) == {"DatasetEntries": []}
    assert bench.dataset_status(arn)["DatasetStats"]["TotalEntries"] == 0
    bench.update(arn, classified("a.png", "cat"))
    assert bench.dataset_status(arn)["DatasetStats"]["LabeledEntries"] == 1


def test_an_empty_manifest_makes_an_empty_dataset(bench: Bench) -> None:
    arn = bench.dataset(bench.project(), "TRAIN", [])
    assert bench.dataset_status(arn)["Status"] == "CREATE_COMPLETE"


def test_a_source_of_two_kinds_is_refused_and_leaves_no_dataset(bench: Bench) -> None:
    project = bench.project()
    arn = bench.dataset(bench.project("other"), "TRAIN", [classified("a.png", "cat")])
    source = {
        "DatasetArn": arn,
        "GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "TRAIN.manifest"}},
    }
    with pytest.raises(errors.InvalidParameterException, match="DatasetSource"):
        bench.call("CreateDataset", ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)
    with pytest.raises(errors.InvalidS3ObjectException, match="GroundTruthManifest"):
        bench.call(
            "CreateDataset",
            ProjectArn=project,
            DatasetType="TRAIN",
            DatasetSource={"GroundTruthManifest": dict[str, str]()},
        )
    assert bench.store.datasets(project) == []


def test_an_image_that_comes_twice_is_taken_once(bench: Bench) -> None:
    lines = [classified(f"{number}.png", "cat") for number in range(4)]
    arn = bench.dataset(bench.project(), "TRAIN", [*lines, classified("0.png", "dog")])
    assert bench.dataset_status(arn)["Status"] == "CREATE_COMPLETE"
    assert bench.call("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"] == lines


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"images_per_dataset": 3}, "The manifest file has too many rows."),
        ({"labels_per_dataset": 3}, "The manifest file has too many labels."),
        ({"manifest_bytes": 300}, "The manifest file size exceeds the maximum supported size."),
    ],
)
def test_a_manifest_above_a_limit_fails_the_dataset_and_leaves_nothing(
    tmp_path: Path, limits: dict[str, int], message: str
) -> None:
    bench = Bench(tmp_path, Quotas(**limits))
    lines = [classified(f"{number}.png", f"label{number}") for number in range(4)]
    arn = bench.dataset(bench.project(), "TRAIN", lines)
    described = bench.dataset_status(arn)
    assert (described["Status"], described["StatusMessage"]) == ("CREATE_FAILED", message)
    assert described["DatasetStats"]["TotalEntries"] == 0
    assert bench.call("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"] == []
    bench.close()


@pytest.mark.parametrize("limits", [{"images_per_dataset": 4}, {"labels_per_dataset": 4}])
def test_an_update_above_a_limit_changes_nothing(tmp_path: Path, limits: dict[str, int]) -> None:
    bench = Bench(tmp_path, Quotas(**limits))
    lines = [classified(f"{number}.png", f"label{number}") for number in range(4)]
    arn = bench.dataset(bench.project(), "TRAIN", lines)
    bench.update(arn, classified("4.png", "label4"), classified("0.png", "other"), ends="UPDATE_FAILED")
    described = bench.dataset_status(arn)
    assert (described["StatusMessageCode"], described["DatasetStats"]["TotalEntries"]) == ("CLIENT_ERROR", 4)
    assert bench.call("ListDatasetEntries", DatasetArn=arn)["DatasetEntries"] == lines
    bench.close()


def test_pages_go_on_where_the_last_ended_whatever_the_filter(bench: Bench) -> None:
    lines = [classified(f"{number}.png", "cat" if number % 3 else "dog") for number in range(25)]
    arn = bench.dataset(bench.project(), "TRAIN", lines)

    def all_pages(**query: Any) -> list[str]:
        listed: list[str] = []
        more: dict[str, Any] = {}
        while True:
            page = bench.call("ListDatasetEntries", DatasetArn=arn, MaxResults=4, **query, **more)
            assert 0 < len(page["DatasetEntries"]) <= 4
            listed += page["DatasetEntries"]
            if "NextToken" not in page:
                return listed
            more = {"NextToken": page["NextToken"]}

    assert all_pages() == lines
    assert all_pages(ContainsLabels=["dog", "cat"]) == lines
    assert all_pages(ContainsLabels=["dog"]) == lines[::3]
    assert all_pages(SourceRefContains="/1", Labeled=True, HasErrors=False) == [lines[1], *lines[10:20]]


def test_a_token_is_good_for_its_own_listing_only(bench: Bench) -> None:
    project = bench.project()
    lines = [classified(f"{number}.png", "cat", "dog") for number in range(3)]
    train, test = bench.dataset(project, "TRAIN", lines), bench.dataset(project, "TEST", lines)
    token = bench.call("ListDatasetEntries", DatasetArn=train, MaxResults=1)["NextToken"]
    assert len(bench.call("ListDatasetEntries", DatasetArn=train, NextToken=token)["DatasetEntries"]) == 2
    others: list[dict[str, Any]] = [{"DatasetArn": test}, {"DatasetArn": train, "Labeled": True}]
    for query in others:
        with pytest.raises(errors.InvalidPaginationTokenException, match="ListDatasetEntries"):
            bench.call("ListDatasetEntries", NextToken=token, **query)
    with pytest.raises(errors.InvalidPaginationTokenException, match="ListDatasetLabels"):
        bench.call("ListDatasetLabels", DatasetArn=train, NextToken=token)
    for changed in (token[:-6] + "AAAAAA", token + "AAAA", "", "no token", "é"):
        with pytest.raises(errors.InvalidPaginationTokenException):
            bench.call("ListDatasetEntries", DatasetArn=train, NextToken=changed)
    labels = bench.call("ListDatasetLabels", DatasetArn=train, MaxResults=1)
    rest = bench.call("ListDatasetLabels", DatasetArn=train, NextToken=labels["NextToken"])
    assert [label["LabelName"] for label in rest["DatasetLabelDescriptions"]] == ["dog"]


def test_a_fifth_of_each_label_is_distributed(bench: Bench) -> None:
    project = bench.project()
    lines = [classified(f"{number}.png", "cat" if number < 10 else "dog") for number in range(15)]
    train, test = bench.dataset(project, "TRAIN", lines), bench.dataset(project, "TEST", [])
    bench.call("DistributeDatasetEntries", Datasets=[{"Arn": test}, {"Arn": train}])
    for arn in (train, test):
        bench.until_dataset(arn, "UPDATE_COMPLETE")
    stays = bench.call("ListDatasetEntries", DatasetArn=train)["DatasetEntries"]
    moved = bench.call("ListDatasetEntries", DatasetArn=test)["DatasetEntries"]
    assert sorted([*stays, *moved]) == sorted(lines)
    counts = {
        label["LabelName"]: label["LabelStats"]["EntryCount"]
        for label in bench.call("ListDatasetLabels", DatasetArn=test)["DatasetLabelDescriptions"]
    }
    assert counts == {"cat": 2, "dog": 1}
    assert bench.dataset_status(train)["DatasetStats"]["TotalEntries"] == 12


@pytest.mark.parametrize(
    "lines",
    [
        [json.dumps({"source-ref": f"s3://{BUCKET}/{number}.png"}) for number in range(10)],
        [*(classified(f"{number}.png", "cat") for number in range(10)), classified("x.png", "dog")],
        [boxed("a.png", ("cat", 1, 2, 30, 40)), classified("b.png", "cat"), classified("c.png", "cat")],
    ],
)
def test_a_label_of_fewer_than_two_images_cannot_be_distributed(bench: Bench, lines: list[str]) -> None:
    project = bench.project()
    train, test = bench.dataset(project, "TRAIN", lines), bench.dataset(project, "TEST", [])
    bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    for arn in (train, test):
        bench.until_dataset(arn, "UPDATE_FAILED")
        dataset = bench.dataset_status(arn)
        assert dataset["StatusMessage"] == (
            "The manifest file doesn't have enough labeled images to distribute the dataset."
        )
        assert dataset["StatusMessageCode"] == "CLIENT_ERROR"
    assert len(bench.call("ListDatasetEntries", DatasetArn=train)["DatasetEntries"]) == len(lines)


def test_no_label_loses_its_last_image_when_images_have_several(bench: Bench) -> None:
    project = bench.project()
    labels = [("cat", "dog"), ("dog", "fox"), ("fox", "cat")]
    lines = [classified(f"{number}.png", *names) for number, names in enumerate(labels)]
    train, test = bench.dataset(project, "TRAIN", lines), bench.dataset(project, "TEST", [])
    bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    bench.until_dataset(train, "UPDATE_COMPLETE")
    left = bench.call("ListDatasetLabels", DatasetArn=train)["DatasetLabelDescriptions"]
    assert [label["LabelName"] for label in left] == ["cat", "dog", "fox"]
    assert bench.dataset_status(test)["DatasetStats"]["TotalEntries"] == 1


def test_images_without_a_label_are_distributed_with_the_others(bench: Bench) -> None:
    project = bench.project()
    lines = [classified(f"{number}.png", "cat") for number in range(10)]
    lines += [json.dumps({"source-ref": f"s3://{BUCKET}/new{number}.png"}) for number in range(5)]
    train, test = bench.dataset(project, "TRAIN", lines), bench.dataset(project, "TEST", [])
    bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    bench.until_dataset(test, "UPDATE_COMPLETE")
    stats = bench.dataset_status(test)["DatasetStats"]
    assert (stats["TotalEntries"], stats["LabeledEntries"]) == (3, 2)


def test_what_cannot_be_distributed_is_refused_or_fails(bench: Bench) -> None:
    project = bench.project()
    train = bench.dataset(project, "TRAIN", [classified("a.png", "cat")])
    test = bench.dataset(project, "TEST", [])
    other = bench.dataset(bench.project("other"), "TEST", [])
    for pair, message in (([train, train], "test dataset"), ([train, other], "one project")):
        with pytest.raises(errors.InvalidParameterException, match=message):
            bench.call("DistributeDatasetEntries", Datasets=[{"Arn": arn} for arn in pair])
    bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    eventually(lambda: bench.dataset_status(test)["Status"] == "UPDATE_FAILED")
    assert "enough labeled images" in bench.dataset_status(train)["StatusMessage"]
    bench.store.move_dataset(train, "UPDATE_IN_PROGRESS", message="", code="SUCCESS")
    with pytest.raises(errors.ResourceNotReadyException, match="UPDATE_IN_PROGRESS"):
        bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    bench.store.move_dataset(train, "UPDATE_COMPLETE", message="", code="SUCCESS")
    bench.update(test, classified("b.png", "cat"))
    with pytest.raises(errors.InvalidParameterException, match="must be empty"):
        bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])


def test_a_test_dataset_that_was_just_filled_is_not_distributed_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = bench.project()
    lines = [classified(f"{number}.png", "cat") for number in range(5)]
    train, test = bench.dataset(project, "TRAIN", lines), bench.dataset(project, "TEST", [])
    claim = bench.store.claim_datasets

    def late(*arns: str, **to: Any) -> bool:
        monkeypatch.undo()
        bench.store.entries.put(test, [Entry("s3://data-bucket/x.png", "{}", (), (), 0)])
        bench.store.entries.count(test)
        return claim(*arns, **to)

    monkeypatch.setattr(bench.store, "claim_datasets", late)
    with pytest.raises(errors.InvalidParameterException, match="must be empty; it has 1"):
        bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    assert bench.dataset_status(train)["Status"] == "CREATE_COMPLETE"
    assert bench.store.work() == []


@pytest.mark.parametrize(
    ("now", "error", "message"),
    [
        ("UPDATE_IN_PROGRESS", errors.ResourceInUseException, "UPDATE_IN_PROGRESS; wait"),
        ("CREATE_FAILED", errors.ResourceInUseException, "CREATE_FAILED; delete it"),
        ("", errors.ResourceNotFoundException, "was deleted"),
    ],
)
def test_who_comes_second_is_told_what_the_dataset_is_now(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    now: str,
    error: type[errors.RekognitionError],
    message: str,
) -> None:
    arn = bench.dataset(bench.project(), "TRAIN", [classified("a.png", "cat")])
    claim = bench.store.claim_datasets

    def late(*arns: str, **to: Any) -> bool:
        if now:
            bench.store.move_dataset(arn, now, message="", code="SUCCESS")
        else:
            bench.store.delete_dataset(arn, unless=())
        return claim(*arns, **to)

    monkeypatch.setattr(bench.store, "claim_datasets", late)
    with pytest.raises(error, match=message):
        bench.update(arn, classified("b.png", "cat"))


def test_a_dataset_that_changes_is_left_alone(bench: Bench) -> None:
    project = bench.project()
    arn = bench.dataset(project, "TRAIN", [classified("a.png", "cat")])
    bench.dataset(project, "TEST", [classified("a.png", "cat")])
    changes = {"GroundTruth": base64.b64encode(classified("b.png", "cat").encode())}
    for status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"):
        bench.store.move_dataset(arn, status, message="", code="SUCCESS")
        with pytest.raises(errors.ResourceInUseException, match=status):
            bench.call("DeleteDataset", DatasetArn=arn)
        with pytest.raises(errors.ResourceInUseException, match=status):
            bench.call("UpdateDatasetEntries", DatasetArn=arn, Changes=changes)
        with pytest.raises(errors.ResourceInUseException, match=status):
            bench.version(project)
    bench.store.move_dataset(arn, "CREATE_IN_PROGRESS", message="", code="SUCCESS")
    for operation in ("ListDatasetEntries", "ListDatasetLabels"):
        with pytest.raises(errors.ResourceNotReadyException):
            bench.call(operation, DatasetArn=arn)
    with pytest.raises(errors.InvalidParameterException, match="CREATE_IN_PROGRESS"):
        bench.call(
            "CreateDataset",
            ProjectArn=bench.project("other"),
            DatasetType="TEST",
            DatasetSource={"DatasetArn": arn},
        )


@pytest.mark.parametrize("operation", ["CreateDataset", "UpdateDatasetEntries", "DistributeDatasetEntries"])
def test_faults_make_changes_of_datasets_end_badly(bench: Bench, operation: str) -> None:
    project = bench.project()
    failed = "CREATE_FAILED" if operation == "CreateDataset" else "UPDATE_FAILED"
    fault = faults.Fault(operation, outcome=failed)
    if operation == "CreateDataset":
        bench.faults.add(fault)
        assert bench.dataset_status(bench.dataset(project, "TRAIN", []))["Status"] == failed
        return
    train = bench.dataset(project, "TRAIN", [classified(f"{number}.png", "cat") for number in range(9)])
    test = bench.dataset(project, "TEST", [])
    bench.faults.add(fault)
    if operation == "UpdateDatasetEntries":
        bench.update(train, classified("x.png", "cat"), ends=failed)
    else:
        bench.call(operation, Datasets=[{"Arn": train}, {"Arn": test}])
        eventually(lambda: bench.dataset_status(test)["Status"] == failed)
    assert bench.dataset_status(train)["Status"] == failed
    assert bench.dataset_status(train)["DatasetStats"]["TotalEntries"] == 9


@pytest.mark.long
def test_a_large_dataset_is_created_listed_distributed_and_trained_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of the largest; `python -m benchmarks engine_datasets` has that, with its times and memory."""
    lines = [classified(f"{number}.png", f"label{number % 100}") for number in range(25_000)]
    submitted: list[Any] = []
    monkeypatch.setattr(LocalTrainer, "submit", lambda self, request: submitted.append(request))
    project = bench.project()
    test = bench.dataset(project, "TEST", [])
    bench.objects.held[BUCKET, "all"] = "\n".join(lines).encode()
    source = {"GroundTruthManifest": {"S3Object": {"Bucket": BUCKET, "Name": "all"}}}
    train = bench.call("CreateDataset", ProjectArn=project, DatasetType="TRAIN", DatasetSource=source)[
        "DatasetArn"
    ]
    eventually(lambda: bench.dataset_status(train)["Status"] == "CREATE_COMPLETE", 120)
    assert bench.dataset_status(train)["DatasetStats"] == {
        "LabeledEntries": 25_000,
        "TotalEntries": 25_000,
        "TotalLabels": 100,
        "ErrorEntries": 0,
    }
    page = bench.call("ListDatasetEntries", DatasetArn=train, ContainsLabels=["label7"], MaxResults=3)
    assert page["DatasetEntries"] == [lines[7], lines[107], lines[207]]
    bench.call("DistributeDatasetEntries", Datasets=[{"Arn": train}, {"Arn": test}])
    eventually(lambda: bench.dataset_status(test)["Status"] == "UPDATE_COMPLETE", 120)
    labels = bench.call("ListDatasetLabels", DatasetArn=test)["DatasetLabelDescriptions"]
    assert {label["LabelStats"]["EntryCount"] for label in labels} == {50}
    bench.version(project)
    (request,) = submitted
    assert (len(request.training), len(request.testing)) == (20_000, 5_000)
    assert set(request.training) | set(request.testing) == set(lines)


def test_mumbai_takes_smaller_datasets() -> None:
    assert Quotas().images_in("ap-south-1", "TRAIN") == 28_000
    assert Quotas().images_in("ap-south-1", "TEST") == 7_000
    assert Quotas().images_in("us-east-1", "TEST") == 250_000
