"""The dataset's pages: images found, looked at, corrected and excluded; uploads planned and sent in parts."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.catalogue import curation
from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import CatalogueImage
from lambdas.domain.console import thumbnail_links, uploads
from lambdas.domain.shared.errors import ApiError
from tests.fixtures.api_gateway import ANN, Gateway
from tests.fixtures.console_deployment import BOX, CHANGED_AT, REPORT, ConsoleDeployment
from tests.fixtures.deployment import BUCKET

DOG = {**BOX, "label": "dog"}


def listed(gateway: Gateway, query: str = "") -> Any:
    return gateway.ask(f"GET /api/images{query}").document


def opened(gateway: Gateway, image: str) -> Any:
    return gateway.ask(f"GET /api/images/{image}").document


def correct(gateway: Gateway, image: str, seen: str, *boxes: Any, who: str = "rita", **body: Any) -> Any:
    sent = {"kind": "detection", "changed_at": seen, "boxes": list(boxes), **body}
    return gateway.ask(f"PUT /api/images/{image}/labels", sent, who=who)


def test_images_are_found_by_their_labels(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    page = listed(gateway, "?label=cat&status=labelled")
    (line,) = [line for line in page["images"] if line["image"] == deployment.done.image]
    assert line["boxes"] == [BOX]
    link = urlsplit(line["thumbnail"])
    assert link.path == f"/thumbnails/{deployment.done.image}.jpg"
    assert set(parse_qs(link.query)) == {"until", "signature"}
    assert page["cursor"] is None
    assert deployment.done.image not in [line["image"] for line in listed(gateway, "?label=dog")["images"]]
    assert listed(gateway, f"?text={deployment.done.image}")["read"] == 1
    for query in ("?status=lost", "?near=x", f"?near={'f' * 64}", "?cursor=x", "?colour=red", "?before=soon"):
        refused = gateway.ask(f"GET /api/images{query}")
        assert refused.status == 422, query
        assert refused.field == query[1:].partition("=")[0]


def test_a_correction_is_on_record_and_can_be_taken_back(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    image = deployment.done.image
    corrected = correct(gateway, image, CHANGED_AT, DOG).document
    assert (corrected["boxes"], corrected["changed_by"]) == ([DOG], "rita")
    assert [past["labels"] for past in corrected["history"]] == [["cat"], []]
    back = {"changed_at": corrected["changed_at"]}
    undone = gateway.ask(f"POST /api/images/{image}/undo", back, who="ben").document
    assert (undone["boxes"], undone["changed_by"]) == ([BOX], "ben")
    first = {"changed_at": undone["changed_at"], "revision": undone["history"][-1]["revision"]}
    unlabelled = gateway.ask(f"POST /api/images/{image}/undo", first).document
    assert (unlabelled["status"], unlabelled["boxes"]) == ("unlabelled", [])
    assert unlabelled["asked_kind"] == "detection"


def test_who_corrects_an_image_second_is_told(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    image = deployment.done.image
    assert correct(gateway, image, CHANGED_AT, DOG).status == 200
    assert correct(gateway, image, CHANGED_AT, DOG).status == 200, "its answer may have been lost"
    second = correct(gateway, image, CHANGED_AT, {**BOX, "left": 7}, who="ben")
    assert (second.status, second.code) == (409, "changed")
    assert second.message.startswith("rita changed this image on ")
    assert opened(gateway, image)["boxes"] == [DOG]
    assert gateway.ask(f"POST /api/images/{image}/undo", {"changed_at": CHANGED_AT}).code == "changed"


def test_what_cannot_be_on_an_image_is_refused(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    image = deployment.done.image
    for boxes, field in (
        ([{**BOX, "label": "cow"}], "boxes[0].label"),
        ([{**BOX, "left": 5000}], "boxes[0]"),
        ([BOX, BOX], "boxes"),
    ):
        refused = correct(gateway, image, CHANGED_AT, *boxes)
        assert (refused.status, refused.code, refused.field) == (422, "bad_answer", field)
    dropped = correct(gateway, image, CHANGED_AT, kind="classification", labels=["cat"])
    assert (dropped.field, dropped.message) == ("kind", "the image has boxes, which this would drop")
    assert correct(gateway, "f" * 64, CHANGED_AT, BOX).status == 404
    empty = correct(gateway, image, CHANGED_AT).document
    assert (empty["status"], empty["kind"], empty["boxes"]) == ("labelled", "detection", [])


def test_several_images_are_excluded_and_those_that_cannot_are_named(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    image, other = deployment.done.image, deployment.open.image
    stale = {"image": other, "changed_at": CHANGED_AT}
    body = {"images": [{"image": image, "changed_at": CHANGED_AT}, stale], "excluded": True}
    answer = gateway.ask("POST /api/admin/images/exclusion", body, who=ANN).document
    assert [(line["image"], line["status"]) for line in answer["images"]] == [(image, "excluded")]
    assert [
        (problem["image"], "changed this image" in problem["message"]) for problem in answer["problems"]
    ] == [(other, True)]
    seen = {"image": image, "changed_at": answer["images"][0]["changed_at"]}
    restored = gateway.ask(
        "POST /api/admin/images/exclusion", {"images": [seen], "excluded": False}, who=ANN
    ).document
    assert restored["images"][0]["status"] == "labelled"
    seen["changed_at"] = restored["images"][0]["changed_at"]
    body = {"images": [seen], "before": "cat", "after": "dog"}
    relabelled = gateway.ask("POST /api/admin/images/labels", body, who=ANN).document
    assert relabelled["images"][0]["labels"] == ["dog"]
    assert (
        "does not have the label"
        in gateway.ask(
            "POST /api/admin/images/labels",
            {
                **body,
                "images": [{**seen, "changed_at": relabelled["images"][0]["changed_at"]}],
                "before": "cow",
                "after": "cat",
            },
            who=ANN,
        ).document["problems"][0]["message"]
    )
    assert gateway.ask("POST /api/admin/images/labels", {**body, "after": "cow"}, who=ANN).status == 422


def test_images_are_sent_to_review_with_their_labels(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    image = deployment.done.image
    answer = gateway.ask("POST /api/images/review", {"images": [image, "f" * 64]}).document
    assert [line["image"] for line in answer["images"]] == [image]
    assert answer["problems"][0]["image"] == "f" * 64
    task = deployment.reviews.table.current_of(image)
    assert task
    assert (task.state, task.why) == ("open", "sent to review by rita")
    assert [box.label for box in task.suggestions.boxes] == ["cat"]
    assert opened(gateway, image)["task"] == task.id
    again = gateway.ask("POST /api/images/review", {"images": [image]}).document
    assert "reviewed already" in again["problems"][0]["message"]
    curation.exclude(deployment.world.catalogue, deployment.open.image, "ann")
    refused = gateway.ask("POST /api/images/review", {"images": [deployment.open.image]}).document
    assert "restore it first" in refused["problems"][0]["message"]


def test_the_report_is_the_newest_that_is_whole(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    report = gateway.ask("GET /api/dataset-report").document
    assert (report["run"], report["train_images"]) == ("run-1", 80)
    assert report["findings"][0]["examples"][0]["thumbnail"].startswith(f"/thumbnails/{'0' * 64}.jpg?")
    deployment.world.s3.put_object(Bucket=BUCKET, Key="datasets/s1/report.json", Body=b'{"verdict": "Tra')
    missing = gateway.ask("GET /api/dataset-report")
    whole = json.dumps(REPORT).encode()
    deployment.world.s3.put_object(Bucket=BUCKET, Key="datasets/s1/report.json", Body=whole)
    assert (missing.status, missing.code) == (404, "not_found")


def test_a_link_is_the_same_all_day_and_other_for_each_image() -> None:
    now = 1_800_000_000.0
    links = {thumbnail_links.link("k", "a" * 64, now + hours * 3600) for hours in range(3)}
    assert len(links) == 1
    assert links != {thumbnail_links.link("k", "b" * 64, now)}
    until = int(parse_qs(urlsplit(links.pop()).query)["until"][0])
    assert 24 * 3600 <= until - now <= 48 * 3600


# Uploads


def plan(gateway: Gateway, **file: Any) -> Any:
    body = {"files": [{"name": "a.jpg", "size": 10, "content_type": "image/jpeg", **file}]}
    (planned,) = gateway.ask("POST /api/admin/uploads", body, who=ANN).document["files"]
    return planned


def test_what_the_dataset_has_is_not_sent_again(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    assert plan(gateway, sha256=deployment.done.image)["state"] == "known"
    assert plan(gateway, sha256=deployment.done.image, label="cat")["state"] == "known"
    assert plan(gateway, sha256=deployment.done.image, label=" cat")["state"] == "known"
    other = plan(gateway, sha256=deployment.done.image, label="dog")
    assert (other["state"], other["key"]) == ("send", "incoming/labeled/dog/a.jpg")


def test_a_known_image_is_sent_again_under_a_name_that_annotation_files_may_give_it(
    deployment: ConsoleDeployment, gateway: Gateway
) -> None:
    known = {"sha256": deployment.done.image, "annotated": True}
    assert plan(gateway, **known)["state"] == "send"
    catalogue_images.update_image(
        deployment.world.catalogue,
        deployment.done.image,
        lambda image: replace(image, sources=frozenset({"incoming/annotations/a.jpg"})),  # pyrefly: ignore
    )
    assert plan(gateway, **known)["state"] == "known"


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ({"name": "day 1/ä+1.PNG"}, "incoming/unlabeled/day 1/ä+1.PNG"),
        ({"name": "x/instances.json"}, "incoming/annotations/x/instances.json"),
        ({"name": "x/a.jpg", "annotated": True}, "incoming/annotations/x/a.jpg"),
        ({"name": "a.jpg", "annotated": True, "label": "cat"}, "incoming/labeled/cat/a.jpg"),
        ({"name": "/a.jpg", "label": " cat "}, "incoming/labeled/cat/a.jpg"),
    ],
)
def test_files_go_where_registration_takes_them(
    deployment: ConsoleDeployment, gateway: Gateway, file: dict[str, str], key: str
) -> None:
    planned = plan(gateway, **file)
    assert (planned["state"], planned["key"]) == ("send", key)
    link = urlsplit(planned["upload"]["url"])
    assert link.path.endswith(quote(key))
    assert "content-length" in parse_qs(link.query)["X-Amz-SignedHeaders"][0]


@pytest.mark.parametrize(
    "file",
    [
        {"name": "a.gif"},
        {"name": "../a.jpg"},
        {"name": "day 1/./a.jpg"},
        {"label": ".."},
        {"name": "a\nb.jpg"},
        {"name": "é" * 450 + ".jpg"},
        {"size": 0},
        {"size": uploads.MAX_FILE_BYTES + 1},
        {"label": "a/b"},
        {"label": "\t"},
    ],
)
def test_what_cannot_be_registered_is_not_sent(
    deployment: ConsoleDeployment, gateway: Gateway, file: dict[str, Any]
) -> None:
    planned = plan(gateway, **file)
    assert (planned["state"], planned["upload"]) == ("refused", None)
    assert len(planned["problem"]) > 10


def test_a_large_file_goes_on_where_it_broke_off(
    deployment: ConsoleDeployment, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, s3 = uploads.PART_BYTES + 7, deployment.world.s3
    assert plan(gateway, size=size)["state"] == "send_parts"
    key = "incoming/unlabeled/a.jpg"
    about: dict[str, Any] = {"key": key, "size": size}
    begun = gateway.ask("POST /api/admin/uploads/parts", about, who=ANN).document
    assert [part["number"] for part in begun["missing"]] == [1, 2]
    for part in begun["missing"]:
        headers = parse_qs(urlsplit(part["url"]).query)["X-Amz-SignedHeaders"][0]
        assert "content-length" in headers, "of no other size than its own"
    about |= {"upload_id": begun["upload_id"]}
    sent = {"Bucket": BUCKET, "Key": key, "UploadId": begun["upload_id"]}
    s3.upload_part(**sent, PartNumber=1, Body=b"x" * uploads.PART_BYTES)
    s3.upload_part(**sent, PartNumber=2, Body=b"x")
    after = gateway.ask("POST /api/admin/uploads/parts", about, who=ANN).document
    assert ([part["number"] for part in after["missing"]], after["left"]) == ([2], 1), "one was cut off"
    early = gateway.ask("POST /api/admin/uploads/completion", about, who=ANN)
    assert (early.status, early.code) == (409, "conflict")
    s3.upload_part(**sent, PartNumber=2, Body=b"y" * 7)
    s3.upload_part(**sent, PartNumber=3, Body=b"z" * 7)
    assert gateway.ask("POST /api/admin/uploads/completion", about, who=ANN).status == 204
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == size
    s3.delete_object(Bucket=BUCKET, Key=key)
    for route in ("parts", "completion"):
        assert gateway.ask(f"POST /api/admin/uploads/{route}", about, who=ANN).code == "gone"
    too_large = {"size": uploads.MAX_FILE_BYTES + 1}
    for wrong in ({"key": "images/a.jpg"}, {"key": "incoming/other"}, {"size": 5}, too_large):
        assert gateway.ask("POST /api/admin/uploads/parts", {**about, **wrong}, who=ANN).status == 422


@pytest.mark.parametrize(("failure", "code"), [("InvalidPart", "conflict"), ("NoSuchUpload", "gone")])
def test_of_two_who_send_a_file_at_once_the_second_is_told(failure: str, code: str) -> None:
    """The other has sent a part anew, or all of it, since the parts were listed."""
    sizes = uploads.PART_BYTES, 1
    parts = [{"PartNumber": number, "Size": size, "ETag": "e"} for number, size in enumerate(sizes, start=1)]
    s3: Any = Mock()
    s3.get_paginator.return_value.paginate.return_value = [{"Parts": parts}]
    s3.complete_multipart_upload.side_effect = ClientError({"Error": {"Code": failure}}, "Complete")
    with pytest.raises(ApiError) as raised:
        uploads.complete(s3, BUCKET, "incoming/unlabeled/a.jpg", sum(sizes), "upload")
    assert raised.value.code == code


def test_an_original_is_looked_at_and_not_corrected(deployment: ConsoleDeployment, gateway: Gateway) -> None:
    catalogue, sha256 = deployment.world.catalogue, deployment.world.image("whole")

    def whole(image: CatalogueImage | None) -> CatalogueImage:
        assert image
        return replace(image, key=f"originals/{sha256}.jpg", status="original")

    catalogue_images.update_image(catalogue, sha256, whole)
    seen = opened(gateway, sha256)["changed_at"]
    refused = correct(gateway, sha256, seen, BOX)
    assert (refused.status, refused.code) == (409, "conflict")
    assert "tiles" in refused.message
    assert opened(gateway, sha256)["boxes"] == []
