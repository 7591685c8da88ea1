"""The version that MiniStack's S3 names in events on EventBridge, with and without the patch."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.ministack_patches import event_versions

BUCKET = "labelloop-data"
KEY = "incoming/annotations/cam/frame.png"
Sent = list[dict[str, Any]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What MiniStack's S3 sends to EventBridge of a bucket: the events, of which there are none yet."""
    from ministack.services import eventbridge, s3

    events: Sent = []
    monkeypatch.setattr(s3, "_fire_s3_event", s3._fire_s3_event)
    monkeypatch.setattr(s3, "_bucket_notifications", {BUCKET: "<EventBridgeConfiguration/>"})
    monkeypatch.setattr(s3, "_parse_notification_config", lambda bucket: [])
    monkeypatch.setattr(s3, "_notification_bucket_region", lambda bucket: "us-east-1")
    monkeypatch.setattr(eventbridge, "_dispatch_event", events.append)
    return events


def fire(**version: Any) -> None:
    from ministack.services import s3

    s3._fire_s3_event(BUCKET, KEY, "s3:ObjectCreated:Put", 3, '"0"', None, sequencer="0A", **version)


def object_of(event: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(event["Detail"])["object"])


def test_the_patch_is_needed(sent: Sent) -> None:
    fire(version_id="v1")
    assert "version-id" not in object_of(sent[0])


def test_an_event_names_its_version(sent: Sent) -> None:
    event_versions.apply_patch()
    fire(version_id="v1")
    fire(version_id="v2")
    as_sent = {"key": KEY, "size": 3, "etag": "0", "sequencer": "0A"}
    assert [object_of(event) for event in sent] == [
        as_sent | {"version-id": "v1"},
        as_sent | {"version-id": "v2"},
    ]


def test_without_versions_there_is_none_to_name(sent: Sent) -> None:
    event_versions.apply_patch()
    fire(version_id="v1")
    fire()
    assert "version-id" not in object_of(sent[1])
