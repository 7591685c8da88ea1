"""COCO and CSV files in the bucket: which images they label."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from lambdas.domain.catalogue import pending
from lambdas.domain.register import rejections
from lambdas.domain.register.arrivals import Outcome
from lambdas.domain.shared.annotation import Box
from tests.fixtures.images import picture
from tests.fixtures.incoming import Drop
from tests.register.test_annotation_files import FOLDER, drop_all, images, small_parts

__all__ = ["small_parts"]


def coco(names: list[str], label: str = "bolt") -> dict[str, Any]:
    """One box on each image."""
    return {
        "images": [
            {"id": number, "file_name": name, "width": 80, "height": 70} for number, name in enumerate(names)
        ],
        "categories": [{"id": 7, "name": label}],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 7, "bbox": [10, 12, 20, 22 + number]}
            for number in range(len(names))
        ],
    }


def drop_coco(drop: Drop, names: list[str], key: str = f"{FOLDER}coco.json") -> tuple[Outcome, list[Outcome]]:
    return drop_all(drop, key, json.dumps(coco(names)).encode())


def test_coco_labels_the_images_beside_it(drop: Drop) -> None:
    hashes = images(drop, 4)
    outcome, registered = drop_coco(drop, [f"{i}.jpg" for i in range(4)])
    assert (outcome.kind, outcome.parts, outcome.broken_lines) == ("converted", 2, 0)
    assert sum(part.labels_changed for part in registered) == 4
    boxes = [drop.image(sha256).boxes for sha256 in hashes]
    assert boxes == [(Box("bolt", 10, 12, 20, 22 + i),) for i in range(4)]
    assert f"annotations/{outcome.sha256}.json" in drop.keys("annotations/")
    assert (drop.keys("incoming/"), drop.keys("rejected/")) == ([], [])


@pytest.mark.parametrize(
    "named", ["0.jpg", "images/0.jpg", "./0.jpg", "/home/bob/pictures/0.jpg", r"C:\pictures\0.jpg"]
)
@pytest.mark.parametrize("image_first", [True, False])
def test_an_image_is_found_by_its_bare_name_beside_the_file(
    drop: Drop, named: str, image_first: bool
) -> None:
    if image_first:
        [sha256] = images(drop, 1)
        drop_coco(drop, [named])
    else:
        drop_coco(drop, [named])
        assert pending.count_pending(drop.table) == 1, "by whichever names"
        [sha256] = images(drop, 1)
    assert drop.image(sha256).label_names == ("bolt",)
    assert [item for item in drop.table.scan()["Items"] if str(item["id"]).startswith("pending#")] == []


@pytest.mark.parametrize("image_first", [True, False])
def test_an_image_is_found_below_the_file(drop: Drop, image_first: bool) -> None:
    folder = f"{FOLDER}train/"
    if image_first:
        [sha256] = images(drop, 1, folder)
        drop_coco(drop, ["train/0.jpg"])
    else:
        drop_coco(drop, ["train/0.jpg"])
        [sha256] = images(drop, 1, folder)
    assert drop.image(sha256).label_names == ("bolt",)
    other = drop.drop(f"{FOLDER}0.jpg", picture(99))
    assert drop.image(other.sha256).status == "unlabelled", "the annotation was of the other"
    assert [item for item in drop.table.scan()["Items"] if str(item["id"]).startswith("pending#")] == []


def test_a_bare_name_of_several_images_is_nobodys(drop: Drop) -> None:
    drop.drop(f"{FOLDER}0.jpg", picture())
    drop_coco(drop, ["train/0.jpg", "test/0.jpg"])
    [image] = drop.images()
    assert image.status == "unlabelled"
    outcome, _ = drop_coco(drop, ["/a/0.jpg", "/b/0.jpg"], f"{FOLDER}other.json")
    assert outcome.broken_lines == 2
    assert {line["reason"] for line in drop.reason("annotations/set/other.json")["lines"]} == {
        "ambiguous_name"
    }


def test_a_table_labels_the_images_beside_it(drop: Drop) -> None:
    hashes = images(drop, 3)
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    rows += [f"{i}.jpg,80,70,bolt,10,12,30,{34 + i}" for i in range(3)]
    outcome, _ = drop_all(drop, f"{FOLDER}boxes.csv", "\n".join(rows).encode())
    assert (outcome.kind, outcome.parts) == ("converted", 1)
    boxes = [drop.image(sha256).boxes for sha256 in hashes]
    assert boxes == [(Box("bolt", 10, 12, 20, 22 + i),) for i in range(3)]


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": 1}', b"\xff\xfe"])
def test_json_that_is_no_annotation_file_is_rejected_with_what_it_should_be(drop: Drop, body: bytes) -> None:
    assert drop.drop(f"{FOLDER}x.json", body).reason in ("unknown_format", "empty")
    assert drop.reason("annotations/set/x.json")["detail"]
    assert drop.keys("incoming/") == []


def test_boxes_as_shares_need_the_images_size(drop: Drop) -> None:
    [sha256] = images(drop, 1)
    rows = "image,label,xmin,ymin,xmax,ymax,image_width,image_height\n0.jpg,bolt,0.125,0.2,0.5,0.6,80,70\n"
    outcome, _ = drop_all(drop, f"{FOLDER}sized.csv", rows.encode())
    assert (outcome.broken_lines, drop.image(sha256).boxes) == (0, (Box("bolt", 10, 14, 30, 28),))
    outcome, _ = drop_all(drop, f"{FOLDER}bare.csv", b"image,label,x,y,w,h\n0.jpg,bolt,0.1,0.2,0.3,0.4\n")
    assert (outcome.parts, outcome.broken_lines) == (0, 1)


def test_a_bad_box_of_a_coco_file_is_left_out_alone(drop: Drop) -> None:
    [sha256] = images(drop, 1)
    document = coco(["0.jpg"])
    document["annotations"].append({"id": 9, "image_id": 0, "category_id": 7, "bbox": [70, 12, 20, 22]})
    outcome, [part] = drop_all(drop, f"{FOLDER}coco.json", json.dumps(document).encode())
    assert drop.image(sha256).boxes == (Box("bolt", 10, 12, 20, 22),)
    assert outcome.broken_lines + part.broken_lines == 1


def test_what_was_guessed_is_told(drop: Drop) -> None:
    outcome, _ = drop_all(drop, f"{FOLDER}boxes.csv", b"image,label,x,y,w,h\n0.jpg,bolt,10,20,30,40\n")
    assert (outcome.notes, outcome.broken_lines) == (1, 0)
    document = json.loads(drop.read("rejected/annotations/set/boxes.csv.notes.json"))
    assert document["reason"] == "notes"
    [note] = document["notes"]
    assert "label" in note and "w" in note


def test_every_broken_line_is_told_however_many_there_are(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejections, "BROKEN_LINES_TOLD", 2)
    rows = "\n".join(f"{number}.jpg,bolt,10,20,none,40" for number in range(5))
    outcome, _ = drop_all(drop, f"{FOLDER}boxes.csv", f"image,label,x,y,w,h\n{rows}\n".encode())
    assert outcome.broken_lines == 5
    document = drop.reason("annotations/set/boxes.csv")
    assert [line["line"] for line in document["lines"]] == [2, 3]
    assert document["all"] in document["detail"]
    every = gzip.decompress(drop.read(document["all"])).decode().splitlines()
    assert [json.loads(line)["line"] for line in every] == [2, 3, 4, 5, 6]
