"""Keys in MiniStack's listings of object versions, with and without the patch."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from local.ministack_patches import listed_keys

BUCKET = "labelloop-data"
FOLDER = "incoming/annotations/"
KEYS = ["a\x01b.png", "a\nb.png", "a\rb.png", "a+b.png", "a b.png", "a%20b.png", "\u00fc.png", "u\u0308.png"]
URL = {"encoding-type": ["url"]}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's S3 in this process, as it comes, with a bucket that has one object of each key."""
    from ministack.services import s3 as module

    record = {"last_modified": "2026-01-01T00:00:00.000Z", "etag": '"0"', "size": 1}
    monkeypatch.setattr(module, "_list_object_versions", module._list_object_versions)
    monkeypatch.setattr(module, "_xml_body", module._xml_body)
    bucket = {"objects": {FOLDER + key: record for key in KEYS}}
    monkeypatch.setattr(module, "_ensure_bucket", lambda name: bucket)
    return module


def listing(s3: Any, **query: list[str]) -> bytes:
    status, _, body = s3._list_object_versions(BUCKET, {"prefix": [FOLDER]} | query)
    assert status == 200
    return bytes(body)


def texts(s3: Any, body: bytes, name: str) -> list[str]:
    root = ElementTree.fromstring(body)  # noqa: S314 made in this process
    return [element.text or "" for element in root.iter(f"{{{s3.S3_NS}}}{name}")]


def test_the_patch_is_needed(s3: Any) -> None:
    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(listing(s3, **URL))  # noqa: S314 made in this process


def test_keys_come_as_they_are(s3: Any) -> None:
    listed_keys.apply_patch()
    body = listing(s3, **URL)
    assert texts(s3, body, "EncodingType") == ["url"]
    assert sorted(map(unquote, texts(s3, body, "Key"))) == sorted(FOLDER + key for key in KEYS)


def test_pages_go_on_where_the_last_one_ended(s3: Any) -> None:
    listed_keys.apply_patch()
    keys: list[str] = []
    marker: dict[str, list[str]] = {}
    while True:
        body = listing(s3, **URL, **marker, **{"max-keys": ["3"]})
        keys += map(unquote, texts(s3, body, "Key"))
        if texts(s3, body, "IsTruncated") == ["false"]:
            break
        versions = texts(s3, body, "NextVersionIdMarker")
        marker = {
            "key-marker": [unquote(texts(s3, body, "NextKeyMarker")[0])],
            "version-id-marker": versions,
        }
    assert set(keys) == {FOLDER + key for key in KEYS}


def test_unasked_nothing_is_encoded(s3: Any) -> None:
    listed_keys.apply_patch()
    objects = s3._ensure_bucket(BUCKET)["objects"]
    s3._ensure_bucket(BUCKET)["objects"] = {f"{FOLDER}a b.png": objects[f"{FOLDER}a b.png"]}
    body = listing(s3)
    assert texts(s3, body, "Key") == [f"{FOLDER}a b.png"]
    assert not texts(s3, body, "EncodingType")
