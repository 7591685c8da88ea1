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
