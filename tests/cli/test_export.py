"""`labelloop export`: what was imported comes back."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cli import exporting
from cli.importing import plan
from cli.importing.plan import Plan
from cli.importing.sources import LocalSource
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.snapshot import snapshots
from tests.fixtures.cli import Cli
from tests.fixtures.cli_datasets import BUCKET, catalogued, register_all, write_coco, write_images
from tests.fixtures.images import picture


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def bring_in(cli: Cli, folder: Path) -> None:
    cli.json("import", str(folder))
    register_all(cli)


def planned(folder: Path) -> Plan:
    """What an import of the folder would bring in."""
    planned_import = plan.make(LocalSource(folder), name="x")
    assert planned_import.problems == []
    return planned_import


def content(planned_import: Plan) -> dict[str, Any]:
    """By the image's bytes, what is said about it."""
    return {
        hashlib.sha256((planned_import.source.root / item.image).read_bytes()).hexdigest(): (
            item.annotation.kind,
            sorted(item.annotation.labels),
            [
                (b.label, round(b.left), round(b.top), round(b.width), round(b.height))
                for b in item.annotation.boxes
            ],
        )
        for item in planned_import.labelled
        if item.annotation
    }


@pytest.mark.long
def test_coco_comes_back_equal(cli: Cli, tmp_path: Path) -> None:
    bring_in(cli, write_coco(tmp_path / "set", 5))
    document = cli.json("export", str(tmp_path / "out"))
    assert (sum(document["images"].values()), document["downloaded"]) == (5, 5)
    assert content(planned(tmp_path / "out")) == content(planned(tmp_path / "set"))
    assert (tmp_path / "out" / "images" / "3.jpg").read_bytes() == picture(3)


def test_the_catalogue_of_now_has_corrections_and_no_excluded_image(cli: Cli, tmp_path: Path) -> None:
    bring_in(cli, write_coco(tmp_path / "set", 3))
    hashes = {name: str(image["sha256"]) for name, image in catalogued(cli).items()}
    cli.json("images", "exclude", hashes["images/0.jpg"], "--yes")
    cli.s3.put_object(Bucket=BUCKET, Key="incoming/unlabeled/x.jpg", Body=picture(60))
    register_all(cli)
    assert cli.json("export", str(tmp_path / "out"))["downloaded"] == 2
    assert not (tmp_path / "out" / "images" / "0.jpg").exists()


def test_a_snapshot_comes_back_as_it_was(cli: Cli, tmp_path: Path) -> None:
    bring_in(cli, write_coco(tmp_path / "set", 6))
    snapshot = snapshots.make(cli.catalogue, cli.s3, BUCKET)
    before = content(planned(tmp_path / "set"))
    sha256 = next(iter(before))
    cli.json("images", "relabel", sha256, "--label", "other", "--yes")
    document = cli.json("export", str(tmp_path / "out"), "--snapshot", snapshot.id)
    assert document["images"] == {"TRAIN": snapshot.train_images, "TEST": snapshot.test_images}
    assert content(planned(tmp_path / "out")) == before


@pytest.mark.parametrize("format", ["coco", "yolo", "manifest"])
def test_the_backgrounds_of_a_snapshot_come_back(format: str, cli: Cli, tmp_path: Path) -> None:
    folder = write_coco(tmp_path / "set", 5)
    document = json.loads((folder / "annotations.json").read_text())
    empty = document["images"][0]["id"]
    document["annotations"] = [each for each in document["annotations"] if each["image_id"] != empty]
    (folder / "annotations.json").write_text(json.dumps(document))
    bring_in(cli, folder)
    snapshot = snapshots.make(cli.catalogue, cli.s3, BUCKET)
    assert snapshot.train_backgrounds + snapshot.test_backgrounds == 1
    exported = cli.json("export", str(tmp_path / "out"), "--snapshot", snapshot.id, "--format", format)
    assert sum(exported["images"].values()) == 5
    before = content(planned(folder))
    assert [boxes for _, _, boxes in before.values()].count([]) == 1
    assert content(planned(tmp_path / "out")) == before


def test_without_images_only_the_annotations_are_written(cli: Cli, tmp_path: Path) -> None:
    bring_in(cli, write_coco(tmp_path / "set", 2))
    assert cli.json("export", str(tmp_path / "out"), "--no-images")["downloaded"] == 0
    written = [path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert set(written) == {".json"}


def test_image_level_labels_come_back_as_a_manifest(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "set", ["bolt/a.jpg", "nut/b.jpg"])
    bring_in(cli, tmp_path / "set")
    assert cli.json("export", str(tmp_path / "out"))["format"] == "manifest"
    assert content(planned(tmp_path / "out")) == content(planned(tmp_path / "set"))


@pytest.mark.parametrize("format", ["coco", "yolo"])
def test_formats_of_boxes_refuse_image_level_labels_before_anything_is_downloaded(
    cli: Cli, tmp_path: Path, format: str
) -> None:
    write_images(tmp_path / "set", ["bolt/a.jpg", "nut/b.jpg"])
    bring_in(cli, tmp_path / "set")
    error = cli.json("export", str(tmp_path / "out"), "--format", format, exit_code=2)["error"]
    assert "--format manifest" in error
    assert not list((tmp_path / "out").rglob("*.jpg"))


def image(sha: str, *sources: str, suffix: str = "jpg") -> catalogue_images.CatalogueImage:
    sha256 = sha * 64
    return catalogue_images.CatalogueImage(
        sha256, f"images/{sha256}.{suffix}", 80, 70, "JPEG", 1, "", sources=frozenset(sources)
    )


def test_names_are_those_of_the_import_and_no_two_alike() -> None:
    names = exporting.Names()
    assert names.name(image("a", "incoming/annotations/one/train/1.jpg")) == "train/1.jpg"
    assert names.name(image("b", "incoming/annotations/two/train/1.JPG")) == "two/train/1.JPG"
    assert names.name(image("c", "incoming/annotations/two/train/1.jpg")) == f"{'c' * 64}.jpg"
    assert names.name(image("d", "incoming/labeled/x/2.jpg", "incoming/annotations/s/3.jpg")) == "3.jpg"
    assert names.name(image("e", "incoming/unlabeled/4.jpg")) == "4.jpg"
    assert names.name(image("f", suffix="png")) == f"{'f' * 64}.png"


def test_names_that_are_one_file_on_some_machine_are_not_given_twice() -> None:
    names = exporting.Names()
    assert names.name(image("a", "incoming/unlabeled/stra\u00dfe/caf\u00e9.jpg")) == "caf\u00e9.jpg"
    assert names.name(image("b", "incoming/annotations/set/cafe\u0301.jpg")) == "set/cafe\u0301.jpg"
    assert names.name(image("c", "incoming/annotations/a/CAF\u00c9.jpg")) == "a/CAF\u00c9.jpg"
    assert names.name(image("d", "incoming/unlabeled/x/y.jpg/z.jpg")) == "y.jpg/z.jpg"
    assert names.name(image("e", "incoming/unlabeled/x/y.jpg")) == "x/y.jpg", "y.jpg is a folder"
    assert names.name(image("f", "incoming/unlabeled/set/caf\u00e9.jpg/a.jpg")) == f"{'f' * 64}.jpg"


@pytest.mark.parametrize(
    "name",
    [
        "../../x.jpg",
        "a//b.jpg",
        "a\nb.jpg",
        "C:\\x.jpg",
        "a/./b.jpg",
        "set/con.jpg",
        "set/Aux/b.jpg",
        "set/a./b.jpg",
        "set/a /b.jpg",
        f"set/{'n' * 300}.jpg",
        "set/" + 130 * "\u00e9" + ".jpg",
        "set/labels.txt",
        "set/noname",
    ],
)
def test_a_key_that_is_no_safe_path_is_no_name(name: str) -> None:
    assert exporting.Names().name(image("a", f"incoming/annotations/{name}")) == f"{'a' * 64}.jpg"


@pytest.mark.long
def test_an_image_that_is_gone_from_the_bucket_is_told(cli: Cli, tmp_path: Path) -> None:
    bring_in(cli, write_coco(tmp_path / "set", 3))
    gone = catalogued(cli)["images/1.jpg"]["key"]
    cli.s3.delete_object(Bucket=BUCKET, Key=str(gone))
    result = cli("export", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert str(gone) in result.output and "2 images downloaded" in result.output


def test_an_image_whose_bytes_are_not_its_names_is_not_exported(cli: Cli, tmp_path: Path) -> None:
    bring_in(cli, write_coco(tmp_path / "set", 1))
    key = str(catalogued(cli)["images/0.jpg"]["key"])
    cli.s3.put_object(Bucket=BUCKET, Key=key, Body=b"something else")
    assert key in cli.json("export", str(tmp_path / "out"), exit_code=1)["error"]


def test_a_folder_that_is_not_empty_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "out", ["mine.jpg"])
    assert "is not an empty folder" in cli.json("export", str(tmp_path / "out"), exit_code=2)["error"]
    (tmp_path / "file").write_text("")
    assert "is not an empty folder" in cli.json("export", str(tmp_path / "file"), exit_code=2)["error"]
    assert "cannot be made" in cli.json("export", str(tmp_path / "file" / "x"), exit_code=2)["error"]


def test_a_folder_that_cannot_be_written_to_is_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, annotations: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_images(tmp_path / "set", ["bolt/a.jpg", "nut/b.jpg"])
    bring_in(cli, tmp_path / "set")
    monkeypatch.setitem(exporting._WRITERS, "manifest", full)
    result = cli("export", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert "out cannot be written: No space left on device" in result.stderr


def test_a_name_that_is_no_text_is_said(cli: Cli, tmp_path: Path) -> None:
    result = cli("export", str(tmp_path / "out"), "--snapshot", "\udcff")
    assert result.exit_code == 1
    assert "is no text in UTF-8" in result.stderr


def test_nothing_to_export(cli: Cli, tmp_path: Path) -> None:
    assert "no labelled image" in cli.json("export", str(tmp_path / "out"), exit_code=1)["error"]
    error = cli.json("export", str(tmp_path / "out2"), "--snapshot", "0123", exit_code=1)["error"]
    assert "no snapshot 0123" in error


def test_the_help_has_an_example(cli: Cli) -> None:
    assert "labelloop export parts/" in cli("export", "--help").stdout
