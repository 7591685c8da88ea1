"""What a start makes of what a kill has left."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local.ministack_state.recovery import Recovery, cut_off_deployments, undo_torn_puts

BUCKET = Path("000000000000/bucket")


def put(folder: Path, key: str, content: bytes, at: int, **known: Any) -> Path:
    """An object as MiniStack's S3 keeps it, its content first."""
    file = folder / BUCKET / key
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, ns=(at, at))
    sidecar = file.with_name(file.name + ".meta.json")
    sidecar.write_text(json.dumps({"key": key, **known}))
    os.utime(sidecar, ns=(at + 1, at + 1))
    return file


def overwrite_halfway(file: Path, at: int) -> None:
    file.write_bytes(b"new")
    os.utime(file, ns=(at, at))


def test_a_new_object_that_was_being_put_is_not_there(tmp_path: Path) -> None:
    stored = put(tmp_path, "a/stored.jpg", b"stored", at=1000)
    halfway = stored.with_name("halfway.jpg")
    halfway.write_bytes(b"half")
    undo_torn_puts(tmp_path)
    assert stored.read_bytes() == b"stored"
    assert not halfway.exists()


def test_an_object_named_like_a_partial_file_stays(tmp_path: Path) -> None:
    stored = put(tmp_path, "notes.tmp", b"stored", at=1000)
    undo_torn_puts(tmp_path)
    assert stored.read_bytes() == b"stored"


def test_a_version_that_was_being_overwritten_is_itself_again(tmp_path: Path) -> None:
    file = put(tmp_path, "a/b.jpg", b"old", at=1000, version_id="v1")
    before = tmp_path / ".versions" / BUCKET / "v1" / "a" / "b.jpg"
    before.parent.mkdir(parents=True)
    before.write_bytes(b"old")
    overwrite_halfway(file, at=2000)
    undo_torn_puts(tmp_path)
    assert file.read_bytes() == b"old"


def test_content_without_a_version_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    file = put(tmp_path, "b.jpg", b"old", at=1000, etag="of the old content", size=3)
    overwrite_halfway(file, at=2000)
    undo_torn_puts(tmp_path)
    assert json.loads(file.with_name("b.jpg.meta.json").read_text()) == {"key": "b.jpg"}


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("CREATE_IN_PROGRESS", "ROLLBACK_FAILED"),  # the CDK deletes such a stack and creates it anew
        ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
        ("UPDATE_COMPLETE", "UPDATE_COMPLETE"),
    ],
)
def test_a_deployment_that_was_cut_off_is_deployed_again(status: str, after: str) -> None:
    stack = {"StackName": "s", "StackStatus": status, "_template": {"old": 1}, "_template_body": '{"new": 1}'}
    names = cut_off_deployments({"stacks": SimpleNamespace(_data={"key": stack})})
    assert stack["StackStatus"] == after
    assert (names == ("s",)) == (status != after)
    assert stack["_template_body"] == ('{"old": 1}' if names else '{"new": 1}')


def test_what_is_lost_is_said(tmp_path: Path) -> None:
    recovery = Recovery(("run-1",), ("labelloop",), ("s3://b/k",), notifications=2, logs_since=1.0)
    recovery.write(tmp_path)
    assert Recovery.read(tmp_path) == recovery
    notes = "\n".join(recovery.sentences())
    for part in ("run-1", "labelloop was cut off", "s3://b/k is lost", "2 notifications", "metrics since"):
        assert part in notes
    assert list(Recovery().sentences()) == [
        "The last run was killed. All that it had acknowledged is still there."
    ]
