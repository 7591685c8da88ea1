"""A run's version judged by the evaluation gate, by the scores of its training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.engines import evaluation_files, evaluation_images
from lambdas.domain.engines.evaluation_images import Evaluated
from lambdas.domain.engines.port import Version
from lambdas.domain.retrain import evaluation_gate, training
from lambdas.domain.shared import comparison
from lambdas.domain.shared.comparison import Comparison, Rates
from lambdas.domain.shared.records import ModelVersion, NeededImages, Run
from lambdas.domain.shared.scores import Verdict
from lambdas.domain.shared.state import FencedState, LoopState
from lambdas.domain.shared.tuning import Tuning
from lambdas.domain.snapshot import snapshots

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine


def evaluate(
    engine: Engine,
    s3: S3Client,
    loop_state: FencedState,
    *,
    bucket: str,
    run_id: str,
    name: str,
    snapshot_id: str,
    tuning: Tuning,
) -> Verdict:
    """The evaluation gate's verdict on a trained version, recorded with the training's scores.

    Raises:
        EngineError: the version was deleted, or has no evaluation.
    """
    version = training.describe(engine, name)
    scores = evaluation_files.scores(s3, version)
    snapshot = snapshots.read(s3, bucket, snapshot_id)
    images = evaluation_images.read(s3, version)
    beside = _beside_champion(engine, s3, loop_state, version, images, tuning)
    interval = comparison.f1_interval([image.counts for image in images.values()], seed=name)
    verdict = evaluation_gate.judge(scores, snapshot.test_labels, tuning, beside)
    run = Run(
        run_id,
        f1=scores.f1,
        labels=scores.labels,
        verdicts=(verdict,),
        billable_seconds=version.billable_seconds,
    )
    evaluated = ModelVersion(
        name,
        f1=scores.f1,
        f1_interval=tuple(round(end, 4) for end in interval or ()),
        labels=scores.labels,
        verdicts=(verdict,),
        state="trained" if verdict.passed else "rejected",
        settings=tuning.as_dict(),
    )
    if beside and not verdict.passed:
        loop_state.record_needed(NeededImages(name, beside.needed))
    loop_state.number_classes(score.label for score in scores.labels)
    loop_state.update_run(run)
    loop_state.update_version(evaluated)
    return verdict


def _beside_champion(  # noqa: PLR0917 clients, and what to compare
    engine: Engine,
    s3: S3Client,
    loop_state: LoopState,
    version: Version,
    images: Evaluated,
    tuning: Tuning,
) -> Comparison | None:
    """How the version's evaluation compares with the champion's; None if they have no image in common."""
    champion = loop_state.champion()
    if champion is None or champion.version_arn == version.arn:
        return None
    described = engine.describe_version(champion.version_name)
    if described is None:
        return None
    mine, others = evaluation_images.shared(images, evaluation_images.read(s3, described))
    return comparison.compare(mine, others, rates=Rates.of(tuning), seed=version.name) if mine else None
