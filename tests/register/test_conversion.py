"""COCO and CSV files in the bucket: which images they label."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from lambdas.domain.catalogue import pending
from lambdas.domain.register import conversion, rejections
from lambdas.domain.register.arrivals import Outcome
from lambdas.domain.shared.annotation import Box
from tests.fixtures.images import picture
from tests.fixtures.incoming import DataBucket
from tests.register.test_annotation_files import FOLDER, images, small_parts, upload_all

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


def upload_coco(
    data_bucket: DataBucket, names: list[str], key: str = f"{FOLDER}coco.json"
) -> tuple[Outcome, list[Outcome]]:
    return upload_all(data_bucket, key, json.dumps(coco(names)).encode())


@pytest.mark.long
def test_coco_labels_the_images_beside_it(data_bucket: DataBucket) -> None:
    hashes = images(data_bucket, 4)
    outcome, registered = upload_coco(data_bucket, [f"{i}.jpg" for i in range(4)])
    assert (outcome.kind, outcome.parts, outcome.broken_lines) == ("converted", 2, 0)
    assert sum(part.labels_changed for part in registered) == 4
    boxes = [data_bucket.image(sha256).boxes for sha256 in hashes]
    assert boxes == [(Box("bolt", 10, 12, 20, 22 + i),) for i in range(4)]
    assert f"annotations/{outcome.sha256}.json" in data_bucket.keys("annotations/")
    assert (data_bucket.keys("incoming/"), data_bucket.keys("rejected/")) == ([], [])


def test_a_content_address_names_its_image_from_wherever(data_bucket: DataBucket) -> None:
    hashes = images(data_bucket, 2)
    _, registered = upload_coco(data_bucket, [f"images/{sha256}.jpg" for sha256 in hashes])
    assert sum(part.labels_changed for part in registered) == 2
    assert [data_bucket.image(sha256).boxes for sha256 in hashes] == [
        (Box("bolt", 10, 12, 20, 22 + i),) for i in range(2)
    ]


@pytest.mark.parametrize(
    "named", ["0.jpg", "images/0.jpg", "./0.jpg", "/home/bob/pictures/0.jpg", r"C:\pictures\0.jpg"]
)
@pytest.mark.parametrize("image_first", [True, False])
def test_an_image_is_found_by_its_bare_name_beside_the_file(
    data_bucket: DataBucket, named: str, image_first: bool
) -> None:
    if image_first:
        [sha256] = images(data_bucket, 1)
        upload_coco(data_bucket, [named])
    else:
        upload_coco(data_bucket, [named])
        assert pending.count_pending(data_bucket.table) == 1, "by whichever names"
        [sha256] = images(data_bucket, 1)
    assert data_bucket.image(sha256).label_names == ("bolt",)
    assert pending.count_pending(data_bucket.table) == 0


@pytest.mark.parametrize("image_first", [True, False])
def test_an_image_is_found_below_the_file(data_bucket: DataBucket, image_first: bool) -> None:
    folder = f"{FOLDER}train/"
    if image_first:
        [sha256] = images(data_bucket, 1, folder)
        upload_coco(data_bucket, ["train/0.jpg"])
    else:
        upload_coco(data_bucket, ["train/0.jpg"])
        [sha256] = images(data_bucket, 1, folder)
    assert data_bucket.image(sha256).label_names == ("bolt",)
    other = data_bucket.upload(f"{FOLDER}0.jpg", picture(99))
    assert data_bucket.image(other.sha256).status == "unlabelled", "the annotation was of the other"
    assert pending.count_pending(data_bucket.table) == 0


def test_a_bare_name_of_several_images_is_nobodys(data_bucket: DataBucket) -> None:
    data_bucket.upload(f"{FOLDER}0.jpg", picture())
    upload_coco(data_bucket, ["train/0.jpg", "test/0.jpg"])
    [image] = data_bucket.images()
    assert image.status == "unlabelled"
    outcome, _ = upload_coco(data_bucket, ["/a/0.jpg", "/b/0.jpg"], f"{FOLDER}other.json")
    assert outcome.broken_lines == 2
    assert {line["reason"] for line in data_bucket.reason("annotations/set/other.json")["lines"]} == {
        "ambiguous_name"
    }


def test_a_table_labels_the_images_beside_it(data_bucket: DataBucket) -> None:
    hashes = images(data_bucket, 3)
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    rows += [f"{i}.jpg,80,70,bolt,10,12,30,{34 + i}" for i in range(3)]
    outcome, _ = upload_all(data_bucket, f"{FOLDER}boxes.csv", "\n".join(rows).encode())
    assert (outcome.kind, outcome.parts) == ("converted", 1)
    boxes = [data_bucket.image(sha256).boxes for sha256 in hashes]
    assert boxes == [(Box("bolt", 10, 12, 20, 22 + i),) for i in range(3)]


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": 1}', b"\xff\xfe"])
def test_json_that_is_no_annotation_file_is_rejected_with_what_it_should_be(
    data_bucket: DataBucket, body: bytes
) -> None:
    assert data_bucket.upload(f"{FOLDER}x.json", body).reason in ("unknown_format", "empty")
    assert data_bucket.reason("annotations/set/x.json")["detail"]
    assert data_bucket.keys("incoming/") == []


CVAT = """<annotations><image name="0.jpg" width="80" height="70">
<box label="bolt" xtl="10" ytl="12" xbr="30" ybr="34"/></image></annotations>"""
VOC = """<annotation><folder>set</folder><filename>0.jpg</filename>
<size><width>80</width><height>70</height><depth>3</depth></size><object><name>bolt</name>
<bndbox><xmin>10</xmin><ymin>12</ymin><xmax>30</xmax><ymax>34</ymax></bndbox></object></annotation>"""
LABELME = {
    "shapes": [{"label": "bolt", "points": [[10, 12], [30, 34]], "shape_type": "rectangle"}],
    "imagePath": "0.jpg",
    "imageWidth": 80,
    "imageHeight": 70,
}
SIDES = {"x": 20, "y": 23, "width": 20, "height": 22}
CREATE_ML = [{"image": "0.jpg", "annotations": [{"label": "bolt", "coordinates": SIDES}]}]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.xml", CVAT),
        ("0.xml", VOC),
        ("0.json", json.dumps(LABELME)),
        ("_annotations.createml.json", json.dumps(CREATE_ML)),
    ],
)
def test_formats_of_tools_label_the_images_beside_them(data_bucket: DataBucket, name: str, body: str) -> None:
    [sha256] = images(data_bucket, 1)
    outcome, _ = upload_all(data_bucket, f"{FOLDER}{name}", body.encode())
    assert (outcome.kind, outcome.parts, outcome.broken_lines) == ("converted", 1, 0)
    assert data_bucket.image(sha256).boxes == (Box("bolt", 10, 12, 20, 22),)


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("000001.txt", b"Car 0 0 -1.5 1 2 30 40 1 1 3 0 1 46 -1.5\n", "KITTI"),
        ("000001.txt", b"0 0.5 0.5 0.2 0.2\n", "YOLO"),
        ("data.yaml", b"names: [a]\n", "labelloop import"),
        ("datumaro.json", b'{"info": {}, "categories": {}, "items": []}', "Datumaro"),
        ("train.tfrecord", b"\0", "TFRecord"),
        ("labels.mat", b"MATLAB", "MATLAB"),
    ],
)
def test_annotations_that_are_not_read_are_rejected_by_their_names(
    data_bucket: DataBucket, name: str, body: bytes, words: str
) -> None:
    assert data_bucket.upload(f"{FOLDER}{name}", body).reason == "unknown_format"
    detail = data_bucket.reason(f"annotations/set/{name}")["detail"]
    assert words in detail and "annotations." not in detail
    assert data_bucket.keys("incoming/") == []


def test_a_voc_file_that_names_no_image_is_reported(data_bucket: DataBucket) -> None:
    outcome, _ = upload_all(data_bucket, f"{FOLDER}0.xml", b"<annotation></annotation>")
    assert (outcome.parts, outcome.broken_lines) == (0, 1)
    (line,) = data_bucket.reason("annotations/set/0.xml")["lines"]
    assert "which image it is about" in line["detail"]


def test_xml_that_is_too_large_is_rejected(data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "MAX_XML_BYTES", 50)
    assert data_bucket.upload(f"{FOLDER}a.xml", CVAT.encode()).reason == "file_too_large"


def test_boxes_as_shares_need_the_images_size(data_bucket: DataBucket) -> None:
    [sha256] = images(data_bucket, 1)
    rows = "image,label,xmin,ymin,xmax,ymax,image_width,image_height\n0.jpg,bolt,0.125,0.2,0.5,0.6,80,70\n"
    outcome, _ = upload_all(data_bucket, f"{FOLDER}sized.csv", rows.encode())
    assert (outcome.broken_lines, data_bucket.image(sha256).boxes) == (0, (Box("bolt", 10, 14, 30, 28),))
    outcome, _ = upload_all(
        data_bucket, f"{FOLDER}bare.csv", b"image,label,x,y,w,h\n0.jpg,bolt,0.1,0.2,0.3,0.4\n"
    )
    assert (outcome.parts, outcome.broken_lines) == (0, 1)


def test_a_bad_box_of_a_coco_file_is_left_out_alone(data_bucket: DataBucket) -> None:
    [sha256] = images(data_bucket, 1)
    document = coco(["0.jpg"])
    document["annotations"].append({"id": 9, "image_id": 0, "category_id": 7, "bbox": [70, 12, 20, 22]})
    outcome, [part] = upload_all(data_bucket, f"{FOLDER}coco.json", json.dumps(document).encode())
    assert data_bucket.image(sha256).boxes == (Box("bolt", 10, 12, 20, 22),)
    assert outcome.broken_lines + part.broken_lines == 1


def test_what_was_guessed_is_told(data_bucket: DataBucket) -> None:
    outcome, _ = upload_all(
        data_bucket, f"{FOLDER}boxes.csv", b"image,label,x,y,w,h\n0.jpg,bolt,10,20,30,40\n"
    )
    assert (outcome.notes, outcome.broken_lines) == (1, 0)
    document = json.loads(data_bucket.read("rejected/annotations/set/boxes.csv.notes.json"))
    assert document["reason"] == "notes"
    [note] = document["notes"]
    assert "label" in note and "w" in note


def test_every_broken_line_is_told_however_many_there_are(
    data_bucket: DataBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejections, "MAX_LISTED_LINES", 2)
    rows = "\n".join(f"{number}.jpg,bolt,10,20,none,40" for number in range(5))
    outcome, _ = upload_all(data_bucket, f"{FOLDER}boxes.csv", f"image,label,x,y,w,h\n{rows}\n".encode())
    assert outcome.broken_lines == 5
    document = data_bucket.reason("annotations/set/boxes.csv")
    assert [line["line"] for line in document["lines"]] == [2, 3]
    assert document["all"] in document["detail"]
    every = gzip.decompress(data_bucket.read(document["all"])).decode().splitlines()
    assert [json.loads(line)["line"] for line in every] == [2, 3, 4, 5, 6]
