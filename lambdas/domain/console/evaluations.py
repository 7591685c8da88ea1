"""Evaluations of model versions for the console: where they are read, and what became of their images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar

from botocore.exceptions import ClientError

from lambdas.domain.catalogue import images as catalogue_images
from lambdas.domain.catalogue.images import MAX_BATCH
from lambdas.domain.evaluation import measures, reading, shadow_answers
from lambdas.domain.evaluation.measures import LabelCurve
from lambdas.domain.evaluation.records import Evaluation, Source, TestImage, TrueObject
from lambdas.domain.shared import boxes
from lambdas.domain.shared.errors import ApiError
from lambdas.domain.shared.records import ModelVersion
from lambdas.domain.shared.state import LoopState
from lambdas.domain.snapshot import files as snapshot_files

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_s3 import S3Client

    from lambdas.domain.engines.port import Engine, Version

ImageState = Literal["", "withdrawn", "relabelled"]
"""What became of a test image since: it is in no dataset any more, or is labelled otherwise."""
T = TypeVar("T")
MAX_KEPT = 4
"""Evaluations that a function remembers: reading one takes the best part of a second."""


class NoEvaluationError(ApiError):
    """Nothing is known of how a version did on test images; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(404, "no_evaluation", message)


@dataclass(frozen=True)
class Evaluated:
    """A version with its evaluation."""

    name: str
    evaluation: Evaluation
    own_thresholds: Mapping[str, float]
    """Its assumed thresholds, between 0 and 1, as far as they are known."""
    own_f1: float | None
    """By its training."""

    @cached_property
    def curves(self) -> list[LabelCurve]:
        """The curve of each label."""
        return measures.curves(self.evaluation)


class Evaluations:
    """Reads evaluations, and remembers the last ones: those of a training do not change, and of those by an
    endpoint's answers it is asked whether the answers are still the same."""

    def __init__(self, s3: S3Client, engine: Engine, bucket: str) -> None:
        self._s3, self._engine, self._bucket = s3, engine, bucket
        self._kept: dict[str, Evaluated] = {}
        self._by_answers: dict[str, tuple[str, Evaluated]] = {}
        """Each with the ETag of the answers."""

    def read(self, loop_state: LoopState, name: str, source: Source | Literal[""] = "") -> Evaluated:
        """The evaluation of a version.

        Args:
            source: what is wanted; empty: the training's if there is one, else the endpoint's.

        Raises:
            ApiError: there is no such version, or nothing is known of how it did.
        """
        if source != "endpoint" and (kept := self._kept.get(name)):
            return kept
        record = loop_state.version(name)
        version = self._engine.describe_version(name)
        if record is None and version is None:
            raise ApiError(404, "not_found", f"there is no model version {name[:80]}")
        own = {
            score.label: score.threshold
            for score in (record.labels if record else ())
            if score.threshold is not None
        }
        f1 = version.f1 if version else None
        if f1 is None and record:
            f1 = record.f1
        if source != "endpoint" and (evaluation := self._of_training(version, own)):
            return self._keep(Evaluated(name, _with_missing(loop_state, record, evaluation), own, f1))
        if source != "training" and (evaluated := self._of_endpoint(record, name, own)):
            return evaluated
        raise NoEvaluationError(_why_none(record, version, self._bucket, source))

    def _keep(self, evaluated: Evaluated) -> Evaluated:
        if not evaluated.own_thresholds:
            # The run that trained it has not recorded them yet.
            return evaluated
        _remember(self._kept, evaluated.name, evaluated)
        return evaluated

    def _of_training(self, version: Version | None, own: Mapping[str, float]) -> Evaluation | None:
        """None if there is none, or it lies in another bucket, as that of an imported version does."""
        if version is None or version.tested is None or version.tested[0] != self._bucket:
            return None
        return reading.read_evaluation(self._s3, version.tested, own)

    def _of_endpoint(
        self, record: ModelVersion | None, name: str, own: Mapping[str, float]
    ) -> Evaluated | None:
        if record is None or record.snapshot is None:
            return None
        etag, kept = self._by_answers.get(name, ("", None))
        if kept and kept.own_thresholds != own:
            etag = ""
        file = shadow_answers.read_newer(self._s3, self._bucket, name, etag)
        if file is None:
            return kept
        if not file.answers:
            return None
        try:
            lines = snapshot_files.entries(self._s3, self._bucket, record.snapshot, "TEST")
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
                raise
            return None
        evaluation = reading.from_answers(lines, file.answers, own, file.unread_lines)
        if evaluation is None:
            return None
        evaluated = Evaluated(name, evaluation, own, None)
        _remember(self._by_answers, name, (file.etag, evaluated))
        return evaluated


def _with_missing(loop_state: LoopState, record: ModelVersion | None, evaluation: Evaluation) -> Evaluation:
    """The evaluation with the lines that it has not got among those that could not be read.

    A file that is cut off between two lines has none that cannot be.
    """
    run = loop_state.run(record.run) if record and record.run else None
    missing = (run.images.test_images if run and run.images else 0) - len(evaluation.images)
    if evaluation.has_more or missing <= evaluation.unread_lines:
        return evaluation
    return replace(evaluation, unread_lines=missing)


def _remember(kept: dict[str, T], name: str, value: T) -> None:
    """Keep a value, in the place of the one that was kept first if there are as many as may be."""
    kept.pop(name, None)
    while len(kept) >= MAX_KEPT:
        del kept[next(iter(kept))]
    kept[name] = value


def _why_none(
    record: ModelVersion | None, version: Version | None, bucket: str, source: Source | Literal[""]
) -> str:
    if source == "endpoint":
        return "the shadow gate has not asked this version about test images"
    if version is None:
        return "the engine has this version no more, and its evaluation is not kept here"
    reasons = {
        "this version is being trained; its evaluation comes with the end of the training": (
            version.status == "TRAINING_IN_PROGRESS"
        ),
        f"the engine has no evaluation of this version: it is {version.status}": version.tested is None,
        "this version was not trained by this deployment, and its evaluation lies in another bucket": (
            version.tested is not None and version.tested[0] != bucket
        ),
        "this version was not trained by a run of this deployment, and its evaluation cannot be read": (
            record is None
        ),
    }
    others = "the file with this version's evaluation is gone, or nothing in it can be read"
    return next((reason for reason, holds in reasons.items() if holds), others)


def read_thresholds(texts: Iterable[str]) -> dict[str, float]:
    """Thresholds between 0 and 1 from texts such as `bolt:80`, in percent.

    Raises:
        ApiError: a text is none.
    """
    thresholds: dict[str, float] = {}
    for text in texts:
        label, _, percent = text.rpartition(":")
        try:
            value = float(percent)
        except ValueError:
            value = -1.0
        if not label or not 0 <= value <= 100:
            raise ApiError(
                422, "bad_request", "threshold is a label and a percentage, as in bolt:80", "threshold"
            )
        thresholds[label] = value / 100
    return thresholds


def chosen_thresholds(
    evaluated: Evaluated, deployment: Mapping[str, float], given: Mapping[str, float]
) -> dict[str, float]:
    """The threshold between 0 and 1 that each label is judged by: the given one, the deployment's, its own.

    Args:
        deployment: percent by label, the setting `label_thresholds`.
    """
    wanted = {label: percent / 100 for label, percent in deployment.items()}
    return evaluated.evaluation.thresholds({**evaluated.own_thresholds, **wanted, **given})


# What became of the images


def states(table: Table, images: Sequence[TestImage], renamed: Mapping[str, str]) -> dict[str, ImageState]:
    """What became of test images since, by their keys.

    Args:
        renamed: what labels are called now that had other names; that alone changes no image.
    """
    ids = [catalogue_images.image_id(image.sha256) for image in images]
    wanted = list(dict.fromkeys(ids))
    batches = (wanted[start : start + MAX_BATCH] for start in range(0, len(wanted), MAX_BATCH))
    now = {image.sha256: image for batch in batches for image in catalogue_images.get_images(table, batch)}
    known: dict[str, ImageState] = {}
    for image in images:
        record = now.get(image.sha256)
        if record is None or record.status == "excluded":
            known[image.key] = "withdrawn"
        else:
            known[image.key] = "" if _shows(record) == _truth(image, renamed) else "relabelled"
    return known


def pixels(image: TestImage, thing_box: boxes.RelativeBox | None) -> dict[str, int] | None:
    """A box in whole pixels of its image; None of a label of the whole image."""
    if thing_box is None:
        return None
    sides = {side: getattr(thing_box, side) for side in ("left", "top", "width", "height")}
    return boxes.in_pixels(sides, image.width, image.height)


def _shows(image: catalogue_images.CatalogueImage) -> list[tuple[object, ...]]:
    whole: list[tuple[object, ...]] = [(label,) for label in image.labels]
    return sorted(
        [*whole, *((box.label, box.left, box.top, box.width, box.height) for box in image.boxes)], key=str
    )


def _truth(image: TestImage, renamed: Mapping[str, str]) -> list[tuple[object, ...]]:
    return sorted((_as_labelled(image, truth, renamed) for truth in image.truths), key=str)


def _as_labelled(image: TestImage, truth: TrueObject, renamed: Mapping[str, str]) -> tuple[object, ...]:
    sides, label = pixels(image, truth.box), renamed.get(truth.label, truth.label)
    return (label, *sides.values()) if sides else (label,)
