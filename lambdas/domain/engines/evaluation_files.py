"""The scores of a training's own evaluation, from the files that it leaves in S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.domain.engines.port import EngineError
from lambdas.domain.shared.scores import LabelScore, Scores

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Version


def scores(s3: S3Client, version: Version) -> Scores:
    """The training's evaluation, from the summary file that it leaves in S3.

    Format: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-summary-file-api.html

    Raises:
        EngineError: there is no evaluation, or it cannot be read.
    """
    if version.summary is None or (version.f1 is None and not version.is_always_on):
        raise EngineError(f"{version.name} has no evaluation: {version.status} {version.message}")
    bucket, key = version.summary
    whose = f"the evaluation of {version.name}, s3://{bucket}/{key},"
    try:
        summary = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
        f1 = float(summary["AggregatedEvaluationResults"]["F1Score"] if version.f1 is None else version.f1)
        labels = tuple(_label_score(result) for result in summary["LabelEvaluationResults"])
        if not 0 <= f1 <= 1:
            raise ValueError(f"F1 {f1}")
    except s3.exceptions.NoSuchKey as error:
        raise EngineError(f"{whose} is gone") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EngineError(f"{whose} is cut off or of another form: {error!r}") from error
    return Scores(f1=f1, labels=labels)


def _label_score(result: Mapping[str, Any]) -> LabelScore:
    metrics = result["Metrics"]
    return LabelScore(
        label=result["Label"],
        f1=metrics.get("F1Score") or 0.0,
        precision=metrics.get("Precision") or 0.0,
        recall=metrics.get("Recall") or 0.0,
        test_images=result.get("NumberOfTestingImages", 0),
        threshold=metrics.get("Threshold"),
    )
