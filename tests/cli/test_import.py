"""`labelloop import`: what is planned, what is sent, and what becomes of it."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from PIL import Image

from cli.datasets import ExportFormat, ImportFormat
from cli.importing import command, journal, plan, report, upload
from cli.importing.sources import File, LocalSource
from lambdas.domain.annotations.format_detection import FORMATS
from lambdas.domain.annotations.types import Problem
from lambdas.domain.register import registration
from tests.fixtures.cli import Cli, client_error
from tests.fixtures.cli_datasets import (
    BUCKET,
    SIZE,
    catalogued,
    coco,
    keys,
    register_all,
    uploads,
    write_coco,
    write_images,
)
from tests.fixtures.images import GIF, picture


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Journals and reports go to folders of their own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield


def puts(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys that are written from now on."""
    written: list[str] = []
    real = cli.s3.put_object

    def counted(**given: Any) -> Any:
        written.append(given["Key"])
        return real(**given)

    monkeypatch.setattr(cli.s3, "put_object", counted)
    monkeypatch.setattr(upload, "client", lambda: cli.s3)
    return written


# What is sent


def test_coco_is_imported_and_registered(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "Bolts & nuts", 4)
    (tmp_path / "Bolts & nuts" / "more.png").write_bytes(picture(99, format="PNG"))
    document = cli.json("import", str(tmp_path / "Bolts & nuts"))
    assert (document["name"], document["format"]) == ("Bolts-nuts", "coco")
    assert document["images"] == {"labelled": 4, "unlabelled": 1}
    assert document["labels"] == {"bolt": 4, "nut": 4} == document["boxes"]
    assert document["sent"] == {"images": 5, "bytes": document["bytes"], "sent_before": 0, "manifests": 1}
    assert document["problems"] == {}
    assert keys(cli, "incoming/") == [
        *(f"incoming/annotations/Bolts-nuts/images/{i}.jpg" for i in range(4)),
        "incoming/annotations/Bolts-nuts/part-00001.manifest",
        "incoming/unlabeled/Bolts-nuts/more.png",
    ]
    register_all(cli)
    images = catalogued(cli)
    assert keys(cli, "rejected/") == []
    assert {name: image["status"] for name, image in images.items()} == {
        **{f"images/{i}.jpg": "labelled" for i in range(4)},
        "more.png": "unlabelled",
    }
    assert [(b["label"], int(b["left"]), int(b["height"])) for b in images["images/2.jpg"]["boxes"]] == [
        ("bolt", 10, 22),
        ("nut", 40, 25),
    ]


def test_people_are_told_what_happens_and_what_next(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 3)
    (tmp_path / "set" / "notes.md").write_text("hello")
    (tmp_path / "set" / "broken.jpg").write_bytes(picture()[:300])
    shown = cli("import", str(tmp_path / "set"))
    assert shown.exit_code == 0, shown.output
    for expected in ("coco", "3 labelled, 0 unlabelled", "bolt (3 images, 3 boxes)", "1 .md", "truncated"):
        assert expected in shown.output
    assert "3 images and 1 manifest sent, 1 problem" in shown.output
    listed = tmp_path / "state" / "labelloop" / "imports" / "set-import-problems.csv"
    assert f"All problems are in {listed}" in shown.output
    assert "labelloop status" in shown.output
    assert list(Path().iterdir()) == []
    with listed.open() as file:
        [problem] = csv.DictReader(file)
    assert (problem["file"], problem["reason"]) == ("broken.jpg", "truncated")


def test_folders_give_labels(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "scenes", ["day/a.jpg", "day/b.jpg", "night/c.jpg"])
    assert cli.json("import", str(tmp_path / "scenes"))["labels"] == {"day": 2, "night": 1}
    register_all(cli)
    images = catalogued(cli)
    assert {name: list(image["labels"]) for name, image in images.items()} == {
        "day/a.jpg": ["day"],
        "day/b.jpg": ["day"],
        "night/c.jpg": ["night"],
    }


MAKESENSE = "bolt,1,2,30,40,a.jpg,100,70\nnut,1,2,30,40,b.jpg,100,70\n"


def test_annotations_that_are_not_read_make_no_folder_a_label(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "set", ["tray/a.jpg", "tray/b.jpg"])
    (tmp_path / "set" / "labels_tool.csv").write_text(MAKESENSE.replace(",1,2,30,40,", ",?,2,30,40,"))
    document = cli.json("import", str(tmp_path / "set"), "--dry-run")
    assert (document["format"], document["images"]) == ("unlabelled", {"labelled": 0, "unlabelled": 2})
    assert document["first_problems"]["unknown_format"].startswith("labels_tool.csv: looks like annotations")
    assert "labels_tool.csv" in document["why"]
    given = cli.json("import", str(tmp_path / "set"), "--dry-run", "--format", "folders")
    assert given["labels"] == {"tray": 2}
    shown = cli("import", str(tmp_path / "set"), "--dry-run").output
    assert "0 labelled, 2 unlabelled" in shown and "names the images" in shown
    monkeypatch.setattr(command, "_are_labels", lambda session, plan: plan.doubt == "tray")
    assert "tray (2 images)" in cli("import", str(tmp_path / "set"), "--dry-run").output


def clone(root: Path) -> Path:
    """A repository with boxes in VOC, and a table that was made of them."""
    write_images(root, ["images/a.jpg"])
    (root / "annotations").mkdir()
    (root / "annotations" / "a.xml").write_text(VOC)
    (root / "annotations" / "b.xml").write_text(VOC)
    (root / "data").mkdir()
    (root / "data" / "labels.csv").write_text("filename,class,xmin,ymin,xmax,ymax\na.jpg,bolt,10,12,30,34\n")
    return root


def test_each_of_several_formats_comes_with_its_command(cli: Cli, tmp_path: Path) -> None:
    folder = clone(tmp_path / "my clone")
    error = cli.json("import", str(folder), "--dry-run", exit_code=2)["error"]
    commands = [line.strip() for line in error.splitlines() if line.startswith("  labelloop import")]
    assert commands == [f"labelloop import '{folder}' --format {format}" for format in ("voc", "csv")]
    for command_line in commands:
        assert cli.json(*shlex.split(command_line)[1:], "--dry-run")["images"]["labelled"] == 1


@pytest.mark.parametrize("named", ["annotations", "annotations/a.xml", "data/labels.csv"])
def test_annotations_without_their_images_come_with_the_command_for_both(
    cli: Cli, tmp_path: Path, named: str
) -> None:
    folder = clone(tmp_path / "clone")
    error = cli.json("import", str(folder / named), "--dry-run", exit_code=1)["error"]
    assert "images/ beside it" in error
    format = "csv" if "data" in named else "voc"
    assert error.endswith(f"labelloop import {folder} --format {format}")
    (folder / "images" / "a.jpg").unlink()
    assert cli.json("import", str(folder / named), exit_code=1)["error"].endswith("image to import")


def test_of_a_bucket_unread_annotations_are_seen_by_their_names(cli: Cli) -> None:
    cli.s3.create_bucket(Bucket="sources")
    for name in ("cup/a.jpg", "tray/b.jpg"):
        cli.s3.put_object(Bucket="sources", Key=f"one/{name}", Body=picture())
    assert cli.json("import", "s3://sources/one", "--dry-run")["format"] == "folders"
    cli.s3.put_object(Bucket="sources", Key="one/train.tfrecord", Body=b"0")
    document = cli.json("import", "s3://sources/one", "--dry-run")
    assert document["format"] == "unlabelled"
    assert "looks like TFRecord" in document["first_problems"]["unknown_format"]


def test_more_images_than_a_manifest_holds(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PART_LINES", 3)
    write_coco(tmp_path / "set", 8)
    assert cli.json("import", str(tmp_path / "set"))["sent"]["manifests"] == 3
    register_all(cli)
    assert [image["status"] for image in catalogued(cli).values()] == ["labelled"] * 8


def test_a_single_annotation_file_takes_the_images_that_it_names(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 3)
    write_images(tmp_path / "set", ["other.jpg"], first=50)
    document = cli.json("import", str(tmp_path / "set" / "annotations.json"), "--dataset-name", "chosen")
    assert (document["name"], document["images"]) == ("chosen", {"labelled": 3, "unlabelled": 0})


def test_the_split_is_kept_or_ignored(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["train/cat/0.jpg", "train/dog/1.jpg", "test/cat/2.jpg"])
    document = cli.json("import", str(tmp_path / "set"), "--dry-run", "--split", "ignore")
    assert document["dataset_types"] == {}
    assert cli.json("import", str(tmp_path / "set"))["dataset_types"] == {"TEST": 1, "TRAIN": 2}
    body = cli.s3.get_object(Bucket=BUCKET, Key="incoming/annotations/set/part-00001.manifest")["Body"].read()
    lines = [json.loads(line) for line in body.splitlines()]
    assert [line["labelloop-split"] for line in lines] == ["TEST", "TRAIN", "TRAIN"]
    images = [tmp_path / "set" / name for name in ("test/cat/2.jpg", "train/cat/0.jpg", "train/dog/1.jpg")]
    assert [line["source-ref"] for line in lines] == [
        f"s3://{BUCKET}/images/{hashlib.sha256(image.read_bytes()).hexdigest()}.jpg" for image in images
    ]


@pytest.mark.parametrize("labelled", [True, False])
def test_validation_images_test_where_the_images_for_that_have_no_labels(
    cli: Cli, tmp_path: Path, labelled: bool
) -> None:
    write_images(tmp_path / "set", ["train2017/0.jpg", "val2017/1.jpg", "test2017/2.jpg"])
    for number, split in enumerate(("train", "val", "test")):
        content = coco([f"{number}.jpg"])
        if split == "test" and not labelled:
            content = {"images": content["images"], "categories": content["categories"]}
        name = f"instances_{split}2017.json" if labelled or split != "test" else "image_info_test2017.json"
        (tmp_path / "set" / name).write_text(json.dumps(content))
    document = cli.json("import", str(tmp_path / "set"), "--dry-run")
    assert document["dataset_types"] == ({"TRAIN": 2, "TEST": 1} if labelled else {"TRAIN": 1, "TEST": 1})
    reason = "there are others to test with" if labelled else "there are no others"
    assert any(reason in decision for decision in document["decisions"])


# Going on


def test_a_second_import_sends_nothing_that_is_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_coco(tmp_path / "set", 4)
    cli.json("import", str(tmp_path / "set"))
    written = puts(cli, monkeypatch)
    sent = cli.json("import", str(tmp_path / "set"))["sent"]
    assert sent == {"images": 0, "bytes": 0, "sent_before": 4, "manifests": 0}
    assert written == []
    os.utime(tmp_path / "set" / "images" / "1.jpg", (1, 1))
    assert cli.json("import", str(tmp_path / "set"))["sent"]["sent_before"] == 4, "its content is the same"
    again = cli.json("import", str(tmp_path / "set"), "--resend")["sent"]
    assert (again["images"], again["manifests"]) == (4, 1)


def test_corrected_labels_and_changed_images_are_sent(cli: Cli, tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "set", 3)
    cli.json("import", str(folder))
    (folder / "annotations.json").write_text(
        json.dumps(coco([f"images/{i}.jpg" for i in range(3)], label="screw"))
    )
    (folder / "images" / "0.jpg").write_bytes(picture(77))
    sent = cli.json("import", str(folder))["sent"]
    assert (sent["images"], sent["sent_before"], sent["manifests"]) == (1, 2, 1)
    register_all(cli)
    assert "screw" in {box["label"] for box in catalogued(cli)["images/1.jpg"]["boxes"]}


def test_pictures_that_are_replaced_are_labelled_again(cli: Cli, tmp_path: Path) -> None:
    """Though their annotations are the same."""
    folder = write_coco(tmp_path / "set", 3)
    cli.json("import", str(folder))
    register_all(cli)
    write_images(folder, [f"images/{i}.jpg" for i in range(3)], first=50)
    sent = cli.json("import", str(folder))["sent"]
    assert (sent["images"], sent["sent_before"], sent["manifests"]) == (3, 0, 1)
    register_all(cli)
    images = [item for item in cli.catalogue.scan()["Items"] if str(item["id"]).startswith("image#")]
    assert [image["status"] for image in images] == ["labelled"] * 6


@pytest.mark.parametrize("backwards", [True, False])
def test_two_imports_of_one_name_keep_their_labels(cli: Cli, tmp_path: Path, backwards: bool) -> None:
    """None is registered before both are sent, so that they overwrite each other's names."""
    for label, first in (("hen", 0), ("fox", 20)):
        write_images(tmp_path / label / "valid", [f"{i}.jpg" for i in range(3)], first=first)
        annotations = tmp_path / label / "valid" / "_annotations.coco.json"
        annotations.write_text(json.dumps(coco([f"{i}.jpg" for i in range(3)], label=label)))
        cli.json("import", str(tmp_path / label / "valid"), "--format", "coco")
    for arrival in uploads(cli)[:: -1 if backwards else 1]:
        registration.register_object(cli.s3, cli.catalogue, arrival)
    images = [item for item in cli.catalogue.scan()["Items"] if str(item["id"]).startswith("image#")]
    labels = {str(image["sha256"]): image["boxes"][0]["label"] for image in images}
    for label in ("hen", "fox"):
        for path in (tmp_path / label / "valid").glob("*.jpg"):
            assert labels.pop(hashlib.sha256(path.read_bytes()).hexdigest()) == label
    assert labels == {}


def test_labels_are_sent_before_their_images(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody is asked about an image whose label is on its way."""
    written = puts(cli, monkeypatch)
    monkeypatch.setattr(upload, "PART_LINES", 2)
    write_coco(tmp_path / "set", 3)
    cli.json("import", str(tmp_path / "set"))
    assert [key.rpartition("/")[2][-8:] for key in written] in (
        ["manifest", "0.jpg", "1.jpg", "manifest", "2.jpg"],
        ["manifest", "1.jpg", "0.jpg", "manifest", "2.jpg"],
    )


def test_a_picture_that_is_replaced_while_it_is_sent(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_coco(tmp_path / "set", 2)
    manifest = upload._Sender.manifest

    def late(*arguments: Any) -> None:
        manifest(*arguments)
        (folder / "images" / "1.jpg").write_bytes(picture(77))

    monkeypatch.setattr(upload._Sender, "manifest", late)
    document = cli.json("import", str(folder))
    assert (document["sent"]["images"], document["problems"]) == (1, {"unreadable": 1})
    monkeypatch.setattr(upload._Sender, "manifest", manifest)
    assert cli.json("import", str(folder))["sent"]["images"] == 1
    register_all(cli)
    assert {image["status"] for image in catalogued(cli).values()} == {"labelled"}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), client_error("ExpiredToken", "expired", "PutObject")])
def test_an_import_that_is_cut_off_goes_on_where_it_was(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(upload, "PART_LINES", 4)
    monkeypatch.setattr(upload, "THREADS", 1)
    write_coco(tmp_path / "set", 10)
    real = LocalSource.send
    written: list[str] = []

    def failing(source: LocalSource, image: str, *more: Any) -> None:
        if len(written) == 6:
            raise error
        written.append(image)
        real(source, image, *more)

    with monkeypatch.context() as cut:
        cut.setattr(LocalSource, "send", failing)
        result = cli("import", str(tmp_path / "set"), "--json")
    assert result.exit_code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    error_shown = json.loads(result.stdout)["error"]
    assert f"labelloop --name parts import {tmp_path / 'set'} --dataset-name set" in error_shown
    if isinstance(error, ClientError):
        assert "does not accept these credentials" in error_shown
    sent = cli.json("import", str(tmp_path / "set"))["sent"]
    assert (sent["images"], sent["sent_before"], sent["manifests"]) == (4, 6, 1), "labels go first"
    register_all(cli)
    assert len(catalogued(cli)) == 10


def test_another_deployments_journal_is_not_asked(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 2)
    cli.json("import", str(tmp_path / "set"))
    cli.s3.create_bucket(Bucket="other-data")
    cli.fake.outputs["DataBucket"] = "other-data"
    assert cli.json("import", str(tmp_path / "set"))["sent"]["images"] == 2


def test_a_journal_that_cannot_be_written(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    write_coco(tmp_path / "set", 1)
    assert "XDG_STATE_HOME" in cli.json("import", str(tmp_path / "set"), exit_code=1)["error"]


def test_a_journal_survives_whatever_ends_its_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COMMIT_SECONDS", 0.0)
    killed = journal.Journal.of("bucket", "set", "/set")
    killed.note("key", File(3, "then"), "content")
    after = journal.Journal.of("bucket", "set", "/set")
    assert (after.has("key", File(3, "then")), after.has("key", File(3, "now"))) == (True, False)
    assert (after.content("key"), after.began) == ("content", killed.began)
    assert journal.Journal.of("bucket", "set", "/other").content("key") is None
    assert journal.folder().is_relative_to(tmp_path)


# From a bucket


def test_a_dataset_in_a_bucket_is_copied_there(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.s3.create_bucket(Bucket="sources")
    folder = write_coco(tmp_path / "set", 3)
    icc = Image.new("RGB", (90, 80))
    icc.save(folder / "profile.jpg", icc_profile=bytes(200_000))
    for path in folder.rglob("*.*"):
        cli.s3.upload_file(str(path), "sources", f"sets/one/{path.relative_to(folder).as_posix()}")
    cli.s3.put_object(Bucket="sources", Key="sets/one/", Body=b"")
    cli.s3.put_object(Bucket="sources", Key="sets/one/../escape.jpg", Body=picture())
    written = puts(cli, monkeypatch)
    document = cli.json("import", "s3://sources/sets/one")
    assert (document["name"], document["images"]) == ("one", {"labelled": 3, "unlabelled": 1})
    assert document["problems"] == {"leaves_folder": 1}
    assert written == ["incoming/annotations/one/part-00001.manifest"], "images are copied"
    assert cli.json("import", "s3://sources/sets/one/")["sent"]["sent_before"] == 4
    register_all(cli)
    labelled = [name for name, image in catalogued(cli).items() if image["status"] == "labelled"]
    assert sorted(name.split("/", 1)[1] for name in labelled) == [f"images/{i}.jpg" for i in range(3)]


def test_pictures_of_a_bucket_that_are_replaced_get_their_own_labels(cli: Cli, tmp_path: Path) -> None:
    """Also where those before them are not registered yet: no two have one key."""
    cli.s3.create_bucket(Bucket="sources")
    for label, first in (("hen", 1), ("fox", 11)):
        cli.s3.put_object(
            Bucket="sources", Key="set/annotations.json", Body=json.dumps(coco(["0.jpg"], label=label))
        )
        cli.s3.put_object(Bucket="sources", Key="set/0.jpg", Body=picture(first, size=SIZE))
        sent = cli.json("import", "s3://sources/set")["sent"]
        assert (sent["images"], sent["manifests"]) == (1, 1)
    register_all(cli)
    labels = {name: image["boxes"][0]["label"] for name, image in catalogued(cli).items()}
    assert (len(labels), sorted(labels.values())) == (2, ["fox", "hen"])


def test_a_picture_of_a_bucket_that_is_replaced_while_it_is_sent(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.s3.create_bucket(Bucket="sources")
    write_coco(tmp_path / "set", 1)
    for name in ("annotations.json", "images/0.jpg"):
        cli.s3.upload_file(str(tmp_path / "set" / name), "sources", f"set/{name}")
    given: list[Any] = []

    def refuse(**arguments: Any) -> None:
        given.append(arguments)
        raise client_error("PreconditionFailed", "the ETag differs", "CopyObject")

    monkeypatch.setattr(upload, "client", lambda: cli.s3)
    monkeypatch.setattr(cli.s3, "copy_object", refuse)
    document = cli.json("import", "s3://sources/set")
    etag = cli.s3.head_object(Bucket="sources", Key="set/images/0.jpg")["ETag"]
    assert (document["problems"], given[0]["CopySourceIfMatch"]) == ({"unreadable": 1}, etag)


def test_an_annotation_file_in_a_bucket_takes_the_images_that_it_names(cli: Cli, tmp_path: Path) -> None:
    cli.s3.create_bucket(Bucket="sources")
    folder = write_coco(tmp_path / "set", 2)
    (folder / "other.json").write_text(json.dumps(coco(["images/0.jpg"], label="other")))
    write_images(folder, ["more.jpg"], first=9)
    for path in folder.rglob("*.*"):
        cli.s3.upload_file(str(path), "sources", f"sets/one/{path.relative_to(folder).as_posix()}")
    document = cli.json("import", "s3://sources/sets/one/annotations.json")
    assert (document["name"], document["images"]) == ("annotations", {"labelled": 2, "unlabelled": 0})
    assert document["labels"] == {"bolt": 2, "nut": 2}
    assert "cannot be listed" not in cli("import", "s3://sources/sets/two.json").output


def test_a_bucket_that_is_not_there(cli: Cli) -> None:
    assert "cannot be listed" in cli.json("import", "s3://nowhere/x", exit_code=1)["error"]


# Sizes


def turned(path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.linear_gradient("L").resize((100, 70)).convert("RGB").save(path, exif=exif)


@pytest.mark.parametrize(
    ("orientation", "claimed", "box"),
    [
        (6, (70, 100), (10, 12, 20, 22)),
        (6, (100, 70), (36, 10, 22, 20)),
        (8, (100, 70), (12, 70, 22, 20)),
        (3, (100, 70), (10, 12, 20, 22)),
        (1, (100, 70), (10, 12, 20, 22)),
    ],
)
def test_boxes_are_of_the_image_upright(
    cli: Cli, tmp_path: Path, orientation: int, claimed: tuple[int, int], box: tuple[int, ...]
) -> None:
    (tmp_path / "set").mkdir()
    turned(tmp_path / "set" / "a.jpg", orientation)
    labels = coco(["a.jpg"], size=claimed)
    labels["annotations"] = labels["annotations"][:1]
    (tmp_path / "set" / "coco.json").write_text(json.dumps(labels))
    document = cli.json("import", str(tmp_path / "set"))
    assert sum(document["decisions"].values()) == (1 if box[0] != 10 else 0)
    register_all(cli)
    [image] = catalogued(cli).values()
    [stored_box] = image["boxes"]
    assert tuple(int(stored_box[side]) for side in ("left", "top", "width", "height")) == box
    assert (int(image["width"]), int(image["height"])) == ((70, 100) if orientation > 4 else (100, 70))


def test_another_size_than_claimed_is_taken_if_the_boxes_fit_and_said(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 2, size=(90, 90))
    document = cli.json("import", str(tmp_path / "set"))
    assert (document["images"]["labelled"], document["decisions"]) == (2, {plan.SIZE_DIFFERS: 2})
    register_all(cli)
    assert keys(cli, "rejected/") == []


def test_boxes_that_do_not_fit_are_told_with_their_file(cli: Cli, tmp_path: Path) -> None:
    names = write_images(tmp_path / "set", ["a.jpg", "b.jpg"])
    labels = coco(names, size=(500, 500))
    labels["annotations"][0]["bbox"] = [300, 300, 50, 50]
    (tmp_path / "set" / "coco.json").write_text(json.dumps(labels))
    document = cli.json("import", str(tmp_path / "set"))
    assert (document["images"], document["problems"]) == (
        {"labelled": 1, "unlabelled": 1},
        {"image_size_differs": 1},
    )


VOC = """<annotation><filename>a.jpg</filename>
<object><name>bolt</name><bndbox><xmin>10</xmin><ymin>12</ymin><xmax>30</xmax><ymax>34</ymax></bndbox></object>
<object><name>nut</name><bndbox><xmin>60</xmin><ymin>9</ymin><xmax>99</xmax><ymax>20</ymax></bndbox></object>
</annotation>"""


@pytest.mark.parametrize("format", ["voc", "coco", "csv"])
def test_a_box_outside_the_image_costs_no_other_box_and_is_told_with_its_line(
    tmp_path: Path, format: str
) -> None:
    write_images(tmp_path, ["a.jpg"])
    labels = coco(["a.jpg"])
    del labels["images"][0]["width"]
    labels["annotations"][1]["bbox"] = [60, 9, 39, 11]
    table = "image,label,xmin,ymin,xmax,ymax\na.jpg,bolt,10,12,30,34\na.jpg,nut,60,9,99,20\n"
    files = {"voc": ("a.xml", VOC), "coco": ("a.json", json.dumps(labels)), "csv": ("a.csv", table)}
    name, text = files[format]
    (tmp_path / name).write_text(text)
    planned = plan.make(LocalSource(tmp_path), name="x")
    [item] = planned.items
    assert item.annotation and [box.label for box in item.annotation.boxes] == ["bolt"]
    [problem] = planned.problems
    line = {"voc": 3, "coco": 0, "csv": 3}[format]
    assert (problem.file, problem.line, problem.reason) == (name, line, "box_outside")
    assert "other boxes are taken" in problem.detail


def test_an_image_of_which_no_box_fits_goes_to_people(tmp_path: Path) -> None:
    write_images(tmp_path, ["a.jpg"])
    (tmp_path / "a.xml").write_text(VOC.replace("<xmin>10<", "<xmin>100<").replace("<xmax>30<", "<xmax>130<"))
    planned = plan.make(LocalSource(tmp_path), name="x")
    assert ([item.annotation for item in planned.items], len(planned.problems)) == ([None], 1)
    assert (planned.problems[0].line, planned.problems[0].reason) == (2, "box_outside")


@pytest.mark.parametrize(("label", "problems"), [("bolt", 0), ("nut", 1)])
def test_one_picture_with_different_labels_is_told(tmp_path: Path, label: str, problems: int) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write_images(tmp_path, [name], first=1 if name == "c.jpg" else 0)
    (tmp_path / "x.csv").write_text(f"image,label\na.jpg,bolt\nb.jpg,{label}\nc.jpg,other\n")
    planned = plan.make(LocalSource(tmp_path), name="x")
    reported = [(problem.reason, problem.image, problem.line) for problem in planned.problems]
    assert reported == [("labels_contradict", "b.jpg", 3)] * problems
    assert all("a.jpg" in problem.detail for problem in planned.problems)


def test_a_fraction_of_a_pixel_outside_is_rounding(cli: Cli, tmp_path: Path) -> None:
    labels = coco(write_images(tmp_path / "set", ["a.jpg"]))
    labels["annotations"][0]["bbox"] = [-0.4, 0, SIZE[0] + 0.9, 20]
    (tmp_path / "set" / "coco.json").write_text(json.dumps(labels))
    assert cli.json("import", str(tmp_path / "set"))["problems"] == {}


# What cannot be used


def test_a_path_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    assert "does not exist" in cli.json("import", str(tmp_path / "nothing"), exit_code=2)["error"]


def test_an_empty_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in cli.json("import", str(tmp_path / "empty"), exit_code=1)["error"]


def test_two_formats_in_one_folder(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 1)
    (tmp_path / "set" / "b.csv").write_text(
        "filename,width,height,class,xmin,ymin,xmax,ymax\nimages/0.jpg,80,70,x,1,1,9,9\n"
    )
    assert "--format" in cli.json("import", str(tmp_path / "set"), exit_code=2)["error"]
    assert "no annotation file" in cli.json("import", str(tmp_path), "--format", "voc", exit_code=2)["error"]
    document = cli.json("import", str(tmp_path / "set"), "--format", "coco")
    assert (document["format"], document["labels"]) == ("coco", {"bolt": 1, "nut": 1})


def test_nothing_usable_at_all(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.jpg").write_bytes(GIF)
    error = cli.json("import", str(tmp_path / "set"), exit_code=1)["error"]
    assert "unsupported_format" in error and "a.jpg" in error
    assert keys(cli) == []


def test_problems_go_into_the_file_that_is_named(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["good.jpg"])
    (tmp_path / "set" / "empty.jpg").write_bytes(b"")
    target = tmp_path / "new" / "problems.csv"
    document = cli.json("import", str(tmp_path / "set"), "--dry-run", "--problems", str(target))
    assert document["problems_file"] == str(target) and "empty.jpg" in target.read_text()
    assert cli.json("import", str(tmp_path / "set"), "--dry-run")["problems_file"] == ""


def test_labels_of_another_kind_than_the_deployments_are_warned_of(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "boxes", 3)
    assert cli.json("import", str(tmp_path / "boxes"))["warnings"] == []
    register_all(cli)
    write_images(tmp_path / "set", ["bolt/a.jpg", "nut/b.jpg"])
    for options in (("--dry-run",), ()):
        (warning,) = cli.json("import", str(tmp_path / "set"), *options)["warnings"]
        assert (
            "labels of the whole image" in warning and "most labelled images of parts have boxes" in warning
        )
    assert f"Warning: {warning}" in cli("import", str(tmp_path / "set"), "--dry-run").output


def test_a_dry_run_needs_no_deployment(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["bolt/a.jpg", "nut/b.jpg"])
    cli.fake.stack = "another"
    document = cli.json("import", str(tmp_path / "set"), "--dry-run")
    assert (document["images"]["labelled"], document["warnings"]) == (2, [])


def test_every_bad_file_is_told_and_the_good_ones_are_taken(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_images(folder, ["good.jpg"])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "small.png").write_bytes(picture(size=(20, 20), format="PNG"))
    (folder / "text.jpg").write_text("hello")
    (folder / "cut.jpg").write_bytes(picture(size=(300, 300))[:-600])
    (tmp_path / "outside.jpg").write_bytes(picture(5))
    (folder / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    (folder / "linked").symlink_to(tmp_path)
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg")).write_bytes(picture(6))
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.jpg").write_bytes(picture(8))
    document = cli.json("import", str(folder))
    assert document["images"] == {"labelled": 0, "unlabelled": 1}
    assert document["problems"] == {
        "unreadable": 1,
        "empty": 1,
        "leaves_folder": 1,
        "linked_folder": 1,
        "name_not_utf8": 1,
        "not_an_image": 1,
        "too_small": 1,
        "truncated": 1,
    }
    assert keys(cli, "incoming/") == ["incoming/unlabeled/set/good.jpg"]


def test_a_file_without_permission(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "set", ["a.jpg", "b.jpg"])
    real = Path.open

    def refused(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "a.jpg":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", refused)
    assert cli.json("import", str(tmp_path / "set"))["problems"] == {"unreadable": 1}
    assert (
        "Permission denied"
        in (tmp_path / "state" / "labelloop" / "imports" / "set-import-problems.csv").read_text()
    )


def test_a_file_that_goes_while_it_is_sent_is_a_problem_and_not_in_the_manifest(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_coco(tmp_path / "set", 3)
    send = upload.send

    def late(*arguments: Any) -> Any:
        (folder / "images" / "1.jpg").unlink()
        return send(*arguments)

    monkeypatch.setattr(upload, "send", late)
    document = cli.json("import", str(folder))
    assert (document["sent"]["images"], document["problems"]) == (2, {"unreadable": 1})
    register_all(cli)
    assert len(catalogued(cli)) == 2
    waiting = [item for item in cli.catalogue.scan()["Items"] if str(item["id"]).startswith("pending#")]
    assert waiting == []


def test_names_of_a_bucket_are_found_in_the_folder_by_their_ends(tmp_path: Path) -> None:
    write_images(tmp_path, ["images/a.jpg"])
    (tmp_path / "coco.json").write_text(json.dumps(coco(["s3://old/set/images/a.jpg", "s3://old/b.jpg"])))
    planned = plan.make(LocalSource(tmp_path), name="x")
    assert [item.image for item in planned.labelled] == ["images/a.jpg"]
    [problem] = planned.problems
    assert problem.reason == "image_missing" and "own prefix" in problem.detail


def test_names_that_leave_the_folder_are_not_followed(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path, ["secret.jpg"])
    write_images(tmp_path / "set", ["a.jpg"], first=3)
    (tmp_path / "set" / "coco.json").write_text(json.dumps(coco(["../secret.jpg", "a.jpg"])))
    document = cli.json("import", str(tmp_path / "set"))
    assert (document["images"]["labelled"], document["problems"]) == (1, {"leaves_folder": 1})


def test_a_bare_name_that_several_images_have(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["x/a.jpg", "y/a.jpg"])
    (tmp_path / "set" / "coco.json").write_text(json.dumps(coco(["a.jpg"])))
    document = cli.json("import", str(tmp_path / "set"))
    assert document["problems"] == {"ambiguous_name": 1}
    assert document["images"] == {"labelled": 0, "unlabelled": 2}


def test_a_file_elsewhere_is_taken_if_it_is_the_only_one_of_its_name_and_that_is_said(
    cli: Cli, tmp_path: Path
) -> None:
    write_images(tmp_path / "set", ["pictures/a.jpg"])
    (tmp_path / "set" / "coco.json").write_text(json.dumps(coco([r"C:\Users\bob\a.jpg"])))
    document = cli.json("import", str(tmp_path / "set"))
    assert document["images"]["labelled"] == 1
    assert any("images taken by their names" in decision for decision in document["decisions"])
    shown = " ".join(cli("import", str(tmp_path / "set"), "--dry-run").stdout.split())
    assert "images taken by their names" in shown
    assert "1: images" not in shown


def test_a_file_is_not_taken_for_one_of_another_folder_that_has_its_name(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["test/a.jpg"])
    (tmp_path / "set" / "coco.json").write_text(json.dumps(coco(["train/a.jpg", "test/a.jpg"])))
    document = cli.json("import", str(tmp_path / "set"))
    assert (document["images"]["labelled"], document["problems"]) == (1, {"image_missing": 1})
    (tmp_path / "set" / "coco.json").write_text(json.dumps(coco(["train/a.jpg", "valid/a.jpg"])))
    assert cli.json("import", str(tmp_path / "set"), "--dataset-name", "two")["problems"] == {
        "image_missing": 2
    }


@pytest.mark.parametrize("given", ["label", "=x", "image="])
def test_columns_that_are_no_pairs(cli: Cli, tmp_path: Path, given: str) -> None:
    assert "--columns" in cli.json("import", str(tmp_path), "--columns", given, exit_code=2)["error"]


def test_columns_make_a_table_of_a_header_that_is_not_known(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["a.jpg"])
    (tmp_path / "set" / "x.csv").write_text("Datei;Klasse\na.jpg;bolt\n")
    error = cli.json("import", str(tmp_path / "set"), "--dry-run", exit_code=2)["error"]
    assert "x.csv" in error and "(Datei, Klasse)" in error and "--columns" in error
    for options in (["--format", "csv"], list[str]()):
        columns = ["--columns", "image=Datei,label=Klasse"]
        document = cli.json("import", str(tmp_path / "set"), "--dry-run", *columns, *options)
        assert (document["labels"], document["problems"]) == ({"bolt": 1}, {})


def test_columns_that_do_not_fit(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["a.jpg"])
    (tmp_path / "set" / "x.csv").write_text("Datei;Klasse\na.jpg;bolt\n")
    columns = ["--columns", "image=Klasse,label=Datei"]
    error = cli.json("import", str(tmp_path / "set"), *columns, exit_code=2)["error"]
    assert "x.csv: line 2: image (column 'Klasse') has 'bolt'" in error
    columns = ["--columns", "image=1,label=2", "--format", "coco"]
    assert "for tables" in cli.json("import", str(tmp_path / "set"), *columns, exit_code=2)["error"]
    (tmp_path / "set" / "x.csv").unlink()
    assert ".csv" in cli.json("import", str(tmp_path / "set"), *columns[:2], exit_code=2)["error"]


def test_a_table_that_can_be_read_in_two_ways(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["a.jpg"])
    (tmp_path / "set" / "x.csv").write_text("a.jpg,2,3,12,14,20\n")
    error = cli.json("import", str(tmp_path / "set"), exit_code=2)["error"]
    assert "x.csv" in error and error.count("--columns") == 2
    assert keys(cli) == []


def test_a_name_longer_than_a_key_can_be(cli: Cli, tmp_path: Path) -> None:
    long = "/".join(["x" * 200] * 5) + "/a.jpg"
    write_images(tmp_path / "set", [long, "b.jpg"])
    assert cli.json("import", str(tmp_path / "set"), "--format", "unlabelled")["problems"] == {
        "name_too_long": 1
    }


def test_a_name_of_nothing(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "ありがとう", ["a.jpg"])
    assert "--dataset-name" in cli.json("import", str(tmp_path / "ありがとう"), exit_code=2)["error"]


def test_no_deployment_to_import_into(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "set", ["a.jpg"])
    cli.fake.stack = "another"
    assert "there is no stack parts" in cli.json("import", str(tmp_path / "set"), exit_code=1)["error"]

    def down(**given: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="http://localhost:4566")

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    monkeypatch.setattr(cli.fake, "DescribeStacks", down)
    assert "make up" in cli.json("import", str(tmp_path / "set"), exit_code=1)["error"]
    assert cli.json("import", str(tmp_path / "set"), "--dry-run")["images"]["unlabelled"] == 1


def test_a_dry_run_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 2)
    (tmp_path / "set" / "broken.jpg").write_bytes(b"junk")
    shown = cli("import", str(tmp_path / "set"), "--dry-run")
    assert "Nothing was sent" in shown.stdout and "broken.jpg" in shown.stdout and "USD" in shown.stdout
    assert (keys(cli), list(Path().iterdir())) == ([], [])
    assert not journal.folder().exists()


def test_no_cell_of_the_report_is_a_formula(tmp_path: Path) -> None:
    report.write_problems(
        tmp_path / "p.csv", [Problem('=cmd|"/c calc"!A1', 3, "+reason", "@detail", image="-image")]
    )
    with (tmp_path / "p.csv").open() as file:
        _, row = csv.reader(file)
    assert all(cell[0] in "'3" for cell in row)


def test_the_help_has_an_example(cli: Cli) -> None:
    assert "labelloop import photos/" in cli("import", "--help").stdout


def test_the_formats_to_choose_are_those_that_are_read_and_written() -> None:
    assert set(get_args(ImportFormat)) == set(FORMATS)
    assert set(get_args(ExportFormat)) <= set(FORMATS)


def test_labels_that_may_mean_one_are_warned_of(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["Big Car/a.jpg", "big_car/b.jpg", "van/c.jpg"])
    (warning,) = cli.json("import", str(tmp_path / "set"), "--dry-run")["warnings"]
    assert warning.startswith("Big Car, big_car are imported as 2 labels")


@pytest.mark.parametrize(
    ("label", "warned"), [("cat, dog", "write | between them"), ("None", "if nothing is meant"), ("cat", "")]
)
def test_labels_that_may_be_several_or_none_are_warned_of(
    cli: Cli, tmp_path: Path, label: str, warned: str
) -> None:
    write_images(tmp_path / "set", [f"{label}/a.jpg", "van/b.jpg"])
    warnings = cli.json("import", str(tmp_path / "set"), "--dry-run")["warnings"]
    assert [warned in warning for warning in warnings] == ([True] if warned else [])


def test_boxes_drawn_on_a_larger_copy_are_refused_even_where_they_fit(cli: Cli, tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 1)
    path = next((tmp_path / "set").rglob("*.json"))
    document = json.loads(path.read_text())
    for image in document["images"]:
        image["width"], image["height"] = 2 * image["width"], 2 * image["height"]
    path.write_text(json.dumps(document))
    result = cli.json("import", str(tmp_path / "set"), "--dry-run")
    assert (result["images"]["labelled"], result["problems"]) == (0, {"image_size_differs": 1})


@pytest.mark.parametrize(("split", "reasons"), [("keep", {"splits_contradict": 1}), ("ignore", {})])
def test_a_picture_to_train_and_to_test_with_is_told(
    cli: Cli, tmp_path: Path, split: str, reasons: dict[str, int]
) -> None:
    write_images(tmp_path, ["train/cat/a.jpg", "train/dog/b.jpg", "test/dog/c.jpg"])
    (tmp_path / "test" / "cat").mkdir()
    (tmp_path / "test" / "cat" / "z.jpg").write_bytes((tmp_path / "train/cat/a.jpg").read_bytes())
    document = cli.json("import", str(tmp_path), "--dry-run", "--split", split)
    assert (document["images"]["labelled"], document["problems"]) == (4, reasons)
