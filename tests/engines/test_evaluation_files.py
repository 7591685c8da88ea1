"""The summary of a training's evaluation, and what is said of one that cannot be read."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.engines import evaluation_files
from lambdas.domain.engines.port import EngineError, Version
from tests.fixtures.deployment import BUCKET, World

KEY = "training/v1/evaluation.json"
VERSION = Version("arn", "v1", "RUNNING", "", None, (BUCKET, KEY), 0, is_always_on=True)
WHOLE = json.dumps(
    {
        "AggregatedEvaluationResults": {"F1Score": 0.8},
        "LabelEvaluationResults": [{"Label": "cat", "NumberOfTestingImages": 3, "Metrics": {"F1Score": 0.8}}],
    }
)


def test_a_summary_is_read(world: World) -> None:
    world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=WHOLE.encode())
    scores = evaluation_files.scores(world.s3, VERSION)
    assert (scores.f1, scores.labels[0].test_images) == (0.8, 3)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE[: len(WHOLE) // 2],
        "[]",
        WHOLE.replace("0.8", "null", 1),
        WHOLE.replace("0.8", "NaN", 1),
        WHOLE.replace('"Metrics"', '"Other"'),
        None,
    ],
)
def test_one_that_cannot_be_read_is_named(text: str | None, world: World) -> None:
    if text is not None:
        world.s3.put_object(Bucket=BUCKET, Key=KEY, Body=text.encode())
    words = "is gone" if text is None else "is cut off or of another form"
    with pytest.raises(EngineError, match=f"the evaluation of v1, s3://{BUCKET}/{KEY}, {words}"):
        evaluation_files.scores(world.s3, VERSION)
