"""`labelloop images`: images found, shown and corrected."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.client import BaseClient
from PIL import Image

from lambdas.domain.catalogue import images as catalogue_images
from tests.fixtures.cli import Cli
from tests.fixtures.cli_datasets import BUCKET, catalogued, coco, register_all, write_images
from tests.fixtures.images import picture


@dataclass
class Imported:
    """What the catalogue and the bucket have after the import."""

    items: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture(scope="module")
def imported() -> Imported:
    return Imported()


@pytest.fixture
def filled(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: Imported) -> Cli:
    """Three images with boxes, two of a folder, one that nobody has labelled; imported once, then copied."""
    if imported.items:
        with cli.catalogue.batch_writer() as batch:
            for item in imported.items:
                batch.put_item(Item=item)
        for key, body in imported.objects.items():
            cli.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return cli
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    names = write_images(tmp_path / "boxes", ["a.jpg", "b.jpg", "c.png"])
    (tmp_path / "boxes" / "coco.json").write_text(json.dumps(coco(names)))
    cli.json("import", str(tmp_path / "boxes"))
    for number, key in enumerate(("labeled/bolt/x.jpg", "labeled/day/y.jpg", "unlabeled/z.jpg"), start=20):
        cli.s3.put_object(Bucket=BUCKET, Key=f"incoming/{key}", Body=picture(number))
    register_all(cli)
    imported.items = cli.catalogue.scan()["Items"]
    for listed in cli.s3.list_objects_v2(Bucket=BUCKET)["Contents"]:
        imported.objects[listed["Key"]] = cli.s3.get_object(Bucket=BUCKET, Key=listed["Key"])["Body"].read()
    return cli


def hash_of(cli: Cli, name: str) -> str:
    return str(catalogued(cli)[name]["sha256"])


@pytest.mark.parametrize(
    ("options", "number"),
    [
        ((), 6),
        (("--label", "bolt"), 4),
        (("--label", "nut"), 3),
        (("--status", "unlabelled"), 1),
        (("--source", "annotations/boxes/"), 3),
        (("--label", "bolt", "--source", "labeled/"), 1),
        (("--limit", "2"), 2),
        (("--label", "nothing"), 0),
    ],
)
def test_find(filled: Cli, options: tuple[str, ...], number: int) -> None:
    assert len(filled.json("images", "find", *options)) == number
    assert filled("images", "find", *options).exit_code == 0


def test_find_says_what_it_shows(filled: Cli) -> None:
    sha256 = hash_of(filled, "a.jpg")
    shown = filled("images", "find", "--source", "a.jpg").stdout
    for expected in (sha256[:12], "labelled", "bolt, nut", "80 x 70", "incoming/annotations/boxes/a.jpg"):
        assert expected in shown
    assert "No such image" in filled("images", "find", "--label", "nothing").stdout
    assert "--limit" in filled("images", "find", "--limit", "1").stdout


def test_show_by_the_beginning_of_its_hash(filled: Cli) -> None:
    sha256 = hash_of(filled, "b.jpg")
    for prefix in (sha256, sha256[:6], f"images/{sha256[:9].upper()}", catalogue_images.image_id(sha256)):
        assert filled.json("images", "show", prefix)["sha256"] == sha256
    document = filled.json("images", "show", sha256)
    assert document["boxes"][0] == {"label": "bolt", "left": 10, "top": 12, "width": 20, "height": 22}
    assert (document["width"], document["height"], document["labelled_by"]) == (80, 70, "annotation")
    shown = filled("images", "show", sha256[:8]).stdout
    assert "bolt: left 10, top 12, 20 x 22" in shown and f"s3://{BUCKET}/images/{sha256}.jpg" in shown


@pytest.mark.parametrize(
    ("prefix", "exit_code", "expected"),
    [("abc", 2, "4 or more"), ("wxyz", 2, "4 or more"), ("f" * 64, 1, "no image"), ("f" * 20, 1, "no image")],
)
def test_hashes_of_no_image(filled: Cli, prefix: str, exit_code: int, expected: str) -> None:
    assert expected in filled.json("images", "show", prefix, exit_code=exit_code)["error"]


def test_a_beginning_of_several_hashes(cli: Cli) -> None:
    for last in "01":
        sha256 = "abcd" + last * 60
        item = {"id": f"image#{sha256}", "sha256": sha256, "status": "unlabelled", "changed_at": "2026"}
        cli.catalogue.put_item(Item=item)
    assert "any of 2 images" in cli.json("images", "show", "abcd", exit_code=2)["error"]


def test_a_beginning_of_a_hash_is_queried_and_the_catalogue_not_read(
    filled: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hash_of(filled, "z.jpg")
    asked: list[str] = []
    real = BaseClient._make_api_call  # pyrefly: ignore[missing-attribute]

    def call(client: Any, operation: str, given: dict[str, Any]) -> Any:
        asked.append(operation)
        return real(client, operation, given)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    assert filled.json("images", "show", sha256[:8])["sha256"] == sha256
    assert (asked.count("Scan"), asked.count("Query")) == (0, len(catalogue_images.STATUSES))


def test_show_saves_the_picture_with_its_boxes(
    filled: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hash_of(filled, "c.png")
    document = filled.json("images", "show", sha256, "--save", str(tmp_path / "new" / "seen.png"))
    assert document["drawn"] == str(tmp_path / "new" / "seen.png")
    with Image.open(document["drawn"]) as seen:
        drawn = seen.convert("RGB")
    assert drawn.getpixel((55, 54)) != (0, 0, 0)
    original = Image.open(filled_picture(filled, sha256)).convert("RGB")
    assert drawn.tobytes() != original.tobytes()
    opened: list[str] = []
    monkeypatch.setattr("click.launch", opened.append)
    shown = filled("images", "show", sha256, "--open")
    assert shown.exit_code == 0 and opened[0] in shown.stdout.replace("\n", "")
    (tmp_path / "file").write_text("")
    failed = filled.json("images", "show", sha256, "--save", str(tmp_path / "file" / "x.jpg"), exit_code=1)
    assert "cannot be written" in failed["error"]


def filled_picture(cli: Cli, sha256: str) -> Any:
    return cli.s3.get_object(Bucket=BUCKET, Key=f"images/{sha256}.png")["Body"]


def test_relabel_with_labels(filled: Cli) -> None:
    sha256 = hash_of(filled, "z.jpg")
    document = filled.json("images", "relabel", sha256[:8], "--label", "night", "--label", " rain ", "--yes")
    assert (document["status"], document["kind"], document["labels"]) == (
        "labelled",
        "classification",
        ["night", "rain"],
    )


def test_relabel_with_boxes(filled: Cli, tmp_path: Path) -> None:
    box = {"label": "screw", "left": 3, "top": 4, "width": 30, "height": 20}
    (tmp_path / "boxes.json").write_text(json.dumps([box]))
    sha256 = hash_of(filled, "a.jpg")
    document = filled.json("images", "relabel", sha256, "--boxes", str(tmp_path / "boxes.json"), "--yes")
    assert (document["kind"], document["boxes"]) == ("detection", [box])


def test_relabel_from_a_manifest(filled: Cli, tmp_path: Path) -> None:
    known = catalogue_images.get_image(filled.catalogue, hash_of(filled, "a.jpg"))
    assert known
    (tmp_path / "m.manifest").write_text(json.dumps(known.manifest_entry(BUCKET)).replace("bolt", "screw"))
    document = filled.json(
        "images",
        "relabel",
        hash_of(filled, "x.jpg"),
        "--from-manifest",
        str(tmp_path / "m.manifest"),
        "--yes",
    )
    assert document["labels"] == ["nut", "screw"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "boxes.json"),
        ("{}", "a list of boxes"),
        ('[{"label": "x", "left": 1, "top": 1, "width": 5}]', "lacks 'height'"),
        ('[{"label": "x", "left": 1, "top": 1, "width": 500, "height": 5}]', "reaches out of the image"),
        ('[{"label": "", "left": 1, "top": 1, "width": 5, "height": 5}]', "cannot be empty"),
        ('[{"label": "x", "left": null, "top": 1, "width": 5, "height": 5}]', "boxes.json"),
        ("[1]", "boxes.json"),
    ],
)
def test_boxes_that_cannot_be_used(filled: Cli, tmp_path: Path, content: str, expected: str) -> None:
    (tmp_path / "boxes.json").write_text(content)
    sha256, before = hash_of(filled, "a.jpg"), catalogued(filled)["a.jpg"]
    options = ("--boxes", str(tmp_path / "boxes.json"))
    assert expected in filled.json("images", "relabel", sha256, *options, exit_code=2)["error"]
    assert catalogued(filled)["a.jpg"] == before


@pytest.mark.parametrize(
    "options", [(), ("--label", "x", "--boxes", "b.json"), ("--boxes", "none.json"), ("--label", " ")]
)
def test_relabel_with_nothing_or_too_much(filled: Cli, options: tuple[str, ...]) -> None:
    sha256 = hash_of(filled, "a.jpg")
    assert filled.json("images", "relabel", sha256, *options, exit_code=2)["error"]


@pytest.mark.long
def test_exclude_asks_and_restore_gives_back(filled: Cli) -> None:
    hashes = [hash_of(filled, name) for name in ("a.jpg", "b.jpg")]
    assert "--yes" in filled.json("images", "exclude", *hashes, exit_code=2)["error"]
    assert catalogued(filled)["a.jpg"]["status"] == "labelled"
    excluded = filled.json("images", "exclude", *[sha256[:10] for sha256 in hashes], "--yes")
    assert [image["status"] for image in excluded] == ["excluded", "excluded"]
    assert len(filled.json("images", "find", "--status", "excluded")) == 2
    shown = filled("images", "restore", *hashes)
    assert shown.exit_code == 0 and f"{hashes[0][:12]}: labelled" in shown.stdout
    assert filled.json("images", "show", hashes[1])["labels"] == ["bolt", "nut"]


def test_none_is_excluded_if_one_is_not_known(filled: Cli) -> None:
    filled.json("images", "exclude", hash_of(filled, "a.jpg"), "f" * 64, "--yes", exit_code=1)
    assert catalogued(filled)["a.jpg"]["status"] == "labelled"


@pytest.mark.parametrize(
    ("image", "label", "doubts"),
    [
        ("a.jpg", "bolt", ("loses its 2 boxes (bolt, nut)",)),
        ("z.jpg", "bolts", ("'bolts' before (did you mean 'bolt'?)",)),
        ("b.jpg", "screw", ("loses its 2 boxes", "'screw' before. ")),
    ],
)
def test_relabel_asks_before_boxes_are_lost_or_a_label_is_new(
    filled: Cli, monkeypatch: pytest.MonkeyPatch, image: str, label: str, doubts: tuple[str, ...]
) -> None:
    sha256, before = hash_of(filled, image), catalogued(filled)[image]
    given = ("images", "relabel", sha256, "--label", label)
    error = filled.json(*given, exit_code=2)["error"]
    assert "--yes" in error and all(doubt in error for doubt in doubts)
    asked: list[str] = []
    monkeypatch.setattr("cli.session.is_terminal", lambda: True)
    monkeypatch.setattr("click.confirm", lambda question: bool(asked.append(question)))
    refused = filled(*given)
    assert refused.exit_code == 2 and "not relabelled" in refused.stderr and len(asked) == 1
    assert catalogued(filled)[image] == before
    monkeypatch.setattr("click.confirm", lambda question: True)
    assert filled(*given).exit_code == 0
    assert catalogued(filled)[image]["labels"] == [label]


def test_relabel_does_not_ask_about_what_is_known(filled: Cli) -> None:
    filled.json("images", "relabel", hash_of(filled, "x.jpg"), "--label", "day")
    filled.json("images", "relabel", hash_of(filled, "x.jpg"), "--label", "day")


def test_history_and_undo(filled: Cli) -> None:
    sha256, before = hash_of(filled, "a.jpg"), catalogued(filled)["a.jpg"]
    filled.json("images", "relabel", sha256, "--label", "day", "--yes")
    filled.json("images", "exclude", sha256, "--yes")
    states = filled.json("images", "history", sha256[:8])
    assert [(state["status"], state["labels"], len(state["boxes"])) for state in states] == [
        ("excluded", ["day"], 0),
        ("labelled", ["day"], 0),
        ("labelled", [], 2),
    ]
    assert [state["now"] for state in states] == [True, False, False]
    assert "command line" in states[0]["by"] and states[2]["by"] == "an annotation file"
    shown = filled("images", "history", sha256[:8]).stdout
    assert "1 x bolt, 1 x nut" in shown and f"{states[0]['state']} (now)" in shown
    assert filled.json("images", "undo", sha256)["status"] == "labelled"
    document = filled.json("images", "undo", sha256, "--to", str(states[2]["state"]))
    after = catalogued(filled)["a.jpg"]
    assert (document["kind"], after["boxes"], after["labels"]) == ("detection", before["boxes"], [])


def test_undo_of_what_has_no_history(filled: Cli) -> None:
    error = filled.json("images", "undo", hash_of(filled, "z.jpg"), exit_code=1)["error"]
    assert "no earlier labels" in error and "images history" in error


@pytest.mark.parametrize("command", ["find", "show", "relabel", "exclude", "restore", "history", "undo"])
def test_every_help_has_an_example(cli: Cli, command: str) -> None:
    assert f"labelloop images {command} " in cli("images", command, "--help").stdout
