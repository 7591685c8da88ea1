"""The console's page in its bucket, and what CloudFormation hears of it."""

from __future__ import annotations

import json
import mimetypes
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas import console_site as console_site_console_site
from lambdas import custom_resource
from lambdas.domain.console import site as console_site
from tests.fixtures.deployment import BUCKET, World, aws, context, world

__all__ = ["aws", "world"]

SITE = "labelloop-site"
CONFIG = {"deployment": "pets", "apiBase": "/api"}
FILES = {
    "index.html": b"<!doctype html>",
    "icon.svg": b"<svg/>",
    "assets/index-abc.js": b"export {}",
    "assets/index-abc.css": b"body{}",
    "assets/desk-def.js": b"export {}",
}


class CloudFormation:
    """The presigned address that an answer goes to."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        outer = self

        class Taken(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                outer.headers.append(dict(self.headers))
                outer.answers.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Not among the tests' output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taken)
        self.address = f"http://127.0.0.1:{self._server.server_port}/answer?signed=yes"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def request(self, type: str, **properties: Any) -> dict[str, Any]:
        """https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html"""
        wanted = {
            "AssetBucket": BUCKET,
            "AssetKey": "asset.zip",
            "SiteBucket": SITE,
            "Config": json.dumps(CONFIG),
        }
        return {
            "RequestType": type,
            "ResponseURL": self.address,
            "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/labelloop/1",
            "RequestId": "request-1",
            "ResourceType": "Custom::Site",
            "LogicalResourceId": "Published",
            "ResourceProperties": {"ServiceToken": "arn", **wanted, **properties},
        }

    @property
    def answer(self) -> dict[str, Any]:
        (only,) = self.answers
        assert len(only) <= 4096
        answer: dict[str, Any] = json.loads(only)
        return answer


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    made = CloudFormation()
    yield made
    made.close()


@pytest.fixture
def page(world: World) -> World:
    world.s3.create_bucket(Bucket=SITE)
    put_asset(world, FILES)
    return world


def put_asset(world: World, files: dict[str, bytes]) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.mkdir("assets")
        for name, body in files.items():
            made.writestr(name, body)
    world.s3.put_object(Bucket=BUCKET, Key="asset.zip", Body=packed.getvalue())


def publish(world: World) -> list[str]:
    return console_site.publish(world.s3, (BUCKET, "asset.zip"), SITE, CONFIG)


def kept(world: World) -> list[str]:
    return [item["Key"] for item in world.s3.list_objects_v2(Bucket=SITE).get("Contents", [])]


def test_every_file_with_its_type_and_how_long_it_is_kept(
    page: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Lambda has no table of the system's.
    monkeypatch.setattr(mimetypes, "_db", mimetypes.MimeTypes())
    assert publish(page) == sorted([*FILES, "config.json"]) == kept(page)
    types = {
        "index.html": "text/html",
        "icon.svg": "image/svg+xml",
        "config.json": "application/json",
        "assets/index-abc.js": "text/javascript",
        "assets/index-abc.css": "text/css",
    }
    for name, content_type in types.items():
        stored = page.s3.head_object(Bucket=SITE, Key=name)
        assert stored["ContentType"].replace("application/javascript", "text/javascript") == content_type
        cached = stored["CacheControl"]
        assert cached == ("public, max-age=31536000, immutable" if "/" in name else "no-cache")
    config = page.s3.get_object(Bucket=SITE, Key="config.json")["Body"].read()
    assert json.loads(config) == CONFIG


def test_the_page_that_names_the_others_comes_last(page: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put: list[str] = []
    monkeypatch.setattr(console_site, "_put", lambda s3, site, key, body: put.append(key))
    publish(page)
    assert put[0] == "config.json"
    assert put[-1] == "index.html"
    assert sorted(put) == sorted([*FILES, "config.json"])


def test_what_is_no_part_of_the_page_any_more_goes(page: World) -> None:
    publish(page)
    put_asset(page, {"index.html": b"new", "assets/index-new.js": b"new"})
    publish(page)
    assert kept(page) == ["assets/index-new.js", "config.json", "index.html"]
    assert page.s3.get_object(Bucket=SITE, Key="index.html")["Body"].read() == b"new"


def test_a_page_of_more_objects_than_are_listed_or_deleted_at_once(
    page: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_site, "_DELETED_AT_ONCE", 3)
    for number in range(10):
        page.s3.put_object(Bucket=SITE, Key=f"old/{number}")
    console_site.empty(page.s3, SITE)
    assert kept(page) == []
    console_site.empty(page.s3, SITE)


def test_a_bucket_that_is_gone_is_empty(world: World) -> None:
    console_site.empty(world.s3, "no-such-bucket")


def test_an_object_that_s3_keeps_is_no_success(page: World, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(page)
    refused = {"Key": "icon.svg", "Code": "AccessDenied", "Message": "no"}
    monkeypatch.setattr(page.s3, "delete_objects", lambda **_: {"Errors": [refused]})
    with pytest.raises(console_site.PublishingError, match=r"icon\.svg could not be deleted: AccessDenied"):
        console_site.empty(page.s3, SITE)


# As a custom resource


@pytest.mark.parametrize("type", ["Create", "Update"])
def test_published(type: str, page: World, cloudformation: CloudFormation) -> None:
    console_site_console_site.handle(cloudformation.request(type), context())
    assert kept(page) == sorted([*FILES, "config.json"])
    answer = cloudformation.answer
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", SITE)
    assert (answer["RequestId"], answer["LogicalResourceId"]) == ("request-1", "Published")
    assert cloudformation.headers[0].get("Content-Type", "") == ""


def test_emptied(page: World, cloudformation: CloudFormation) -> None:
    publish(page)
    console_site_console_site.handle(
        cloudformation.request("Delete", Config="no JSON", AssetKey="gone"), context()
    )
    assert kept(page) == []
    assert cloudformation.answer["Status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("properties", "problem"),
    [
        ({"AssetKey": "gone.zip"}, "NoSuchKey"),
        ({"SiteBucket": "no-such-bucket"}, "NoSuchBucket"),
        ({"Config": "{"}, "JSONDecodeError"),
        ({"AssetBucket": "x" * 3000}, ""),
    ],
)
def test_what_went_wrong_is_reported(
    properties: dict[str, str], problem: str, page: World, cloudformation: CloudFormation
) -> None:
    console_site_console_site.handle(cloudformation.request("Create", **properties), context())
    answer = cloudformation.answer
    assert answer["Status"] == "FAILED"
    assert problem in answer["Reason"]
    assert answer["PhysicalResourceId"]


def test_a_file_that_is_no_archive(page: World, cloudformation: CloudFormation) -> None:
    page.s3.put_object(Bucket=BUCKET, Key="asset.zip", Body=b"no archive")
    console_site_console_site.handle(cloudformation.request("Update"), context())
    assert "BadZipFile" in cloudformation.answer["Reason"]


def test_a_failure_of_many_words_fits_into_the_answer(cloudformation: CloudFormation) -> None:
    def fail() -> dict[str, str]:
        raise RuntimeError("\u20ac" * 5000)

    custom_resource.answered(cloudformation.request("Create"), "id", fail)
    assert cloudformation.answer["Reason"].startswith("RuntimeError: \u20ac")


def test_a_failure_without_words_is_named(cloudformation: CloudFormation) -> None:
    def fail() -> dict[str, str]:
        raise KeyError

    custom_resource.answered(cloudformation.request("Create"), "id", fail)
    assert cloudformation.answer["Reason"].startswith("KeyError")


def test_a_permission_that_is_not_in_force_yet_is_waited_for(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(custom_resource, "time", SimpleNamespace(sleep=pauses.append))
    refused = [
        ClientError({"Error": {"Code": code}}, "X") for code in ("AccessDenied", "AccessDeniedException")
    ]

    def work() -> dict[str, str]:
        if refused:
            raise refused.pop()
        return {"ProjectArn": "arn"}

    custom_resource.answered(cloudformation.request("Create"), "id", work)
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert pauses == [5, 10]


@pytest.mark.parametrize(
    ("code", "tries"), [("AccessDenied", 1 + len(custom_resource.PAUSES)), ("NoSuchBucket", 1)]
)
def test_only_a_missing_permission_is_waited_for_and_not_for_ever(
    code: str, tries: int, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_resource, "time", SimpleNamespace(sleep=lambda seconds: None))
    calls: list[str] = []

    def work() -> dict[str, str]:
        calls.append(code)
        raise ClientError({"Error": {"Code": code}}, "X")

    custom_resource.answered(cloudformation.request("Create"), "id", work)
    assert cloudformation.answer["Status"] == "FAILED"
    assert code in cloudformation.answer["Reason"]
    assert len(calls) == tries
    # The shortest of the functions that answer has to have the time for it.
    assert sum(custom_resource.PAUSES) <= 60


def test_attributes_are_handed_on(cloudformation: CloudFormation) -> None:
    custom_resource.answered(cloudformation.request("Create"), "id", lambda: {"ProjectArn": "arn"})
    assert cloudformation.answer["Data"] == {"ProjectArn": "arn"}
