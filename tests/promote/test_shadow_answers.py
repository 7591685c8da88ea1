"""Answers that are kept: none is lost where two ask at once."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.evaluation import shadow_answers
from tests.fixtures.deployment import BUCKET, World

SEEN = [{"label": "cat", "confidence": 90.0}]


@pytest.mark.parametrize("before", [{}, {"images/0.jpg": []}])
def test_answers_that_are_kept_at_the_same_moment_are_all_there(
    before: dict[str, Any], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    if before:
        shadow_answers.keep(world.s3, BUCKET, "v1", before)
    read, others = shadow_answers.read_newer, [{"images/1.jpg": SEEN}]

    def read_before_another_writes(*arguments: Any) -> Any:
        file = read(*arguments)
        if others:
            shadow_answers.keep(world.s3, BUCKET, "v1", others.pop())
        return file

    monkeypatch.setattr(shadow_answers, "read_newer", read_before_another_writes)
    shadow_answers.keep(world.s3, BUCKET, "v1", {"images/2.jpg": SEEN})
    kept = shadow_answers.read(world.s3, BUCKET, "v1")
    assert kept == before | {"images/1.jpg": SEEN, "images/2.jpg": SEEN}


@pytest.mark.parametrize(
    "line",
    [
        '{"image": "images/1.jpg", "detections": [{"la',
        "7",
        '{"image": "images/1.jpg"}',
        '{"image": "images/1.jpg", "detections": null}',
        '{"image": "images/1.jpg", "detections": [7]}',
        '{"image": "images/1.jpg", "detections": [{"label": "cat"}]}',
        '{"image": "images/1.jpg", "detections": [{"label": 7, "confidence": 90}]}',
        '{"image": "images/1.jpg", "detections": [{"label": "cat", "confidence": "90"}]}',
        '{"image": "images/1.jpg", "detections": [{"label": "cat", "confidence": NaN}]}',
        '{"image": "images/1.jpg", "detections": [{"label": "cat", "confidence": 9, "box": {"left": 1}}]}',
        "[" * 100_000,
    ],
)
def test_a_line_of_another_form_is_left_out_and_counted(line: str, world: World) -> None:
    shadow_answers.keep(world.s3, BUCKET, "v1", {"images/0.jpg": SEEN})
    key = shadow_answers.key("v1")
    body = world.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    world.s3.put_object(Bucket=BUCKET, Key=key, Body=body + line.encode())
    file = shadow_answers.read_newer(world.s3, BUCKET, "v1")
    assert file
    assert (dict(file.answers), file.unread_lines) == ({"images/0.jpg": SEEN}, 1)
