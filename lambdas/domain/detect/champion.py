"""Asks a model version what it sees on one image: the champion, or a given version.

From which confidence on a label counts, the model knows by itself: each label has an assumed threshold, from
the version's evaluation. The deployment may set others (`label_thresholds`); Rekognition has none to set.
https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/im-metrics-use.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.engines import tiled_detection
from lambdas.domain.engines.port import NOT_SERVING
from lambdas.domain.engines.tiled_detection import TiledImage
from lambdas.domain.shared.frozen import frozen
from lambdas.domain.shared.records import Champion, ModelVersion
from lambdas.domain.shared.state import LoopState

if TYPE_CHECKING:
    from lambdas.domain.engines.port import Detector, Image

Label = dict[str, Any]
"""As Detector.detect_labels returns it."""
Thresholds = Mapping[str, float]
"""Confidence (percent) from which on detections count, by label."""


class NoChampionError(RuntimeError):
    """No model version serves at present; the image waits and is tried again."""


class VersionNotServingError(RuntimeError):
    """The version that was to be asked does not run, or is deleted."""


@frozen
class Answer:
    """What a model version sees on an image."""

    version_name: str
    version_arn: str
    labels: tuple[Label, ...]
    """What counts, by the thresholds."""
    left_out: tuple[Label, ...] = ()
    """What the thresholds keep from the labels, though it is as sure as was asked for."""
    thresholds: Thresholds = field(default_factory=dict)
    """From which on labels count; empty if that is not known of every label."""
    detections: int = 1
    """Images that the version was asked about for this answer: of a large one all tiles, and its overview."""

    def from_confidence(self, minimum: float) -> list[Label]:
        """Everything that is as sure as that, whatever the thresholds say; the surest first.

        Args:
            minimum: percent, the `min_confidence` that was asked for or more.
        """
        seen = [label for label in (*self.labels, *self.left_out) if label["confidence"] >= minimum]
        return sorted(seen, key=_surest_first)


@frozen
class Question:
    """What to tell of an image."""

    min_confidence: float | None = None
    """Confidence (percent) from which on to tell what the thresholds leave out; None: nothing of it."""
    label_thresholds: Thresholds = field(default_factory=dict)
    """Of the deployment, in place of the model's own."""
    asks_twice: bool = False
    """Whether to ask a second time for what is left out, where the model's own thresholds are not known."""

    @property
    def lowest(self) -> list[float]:
        """Confidences from which on the question itself wants to know; none: the model's answer is enough."""
        least = [] if self.min_confidence is None else [self.min_confidence]
        return [*self.label_thresholds.values(), *least]


PLAIN = Question()
"""What the model answers by itself."""


def ask(
    detector: Detector,
    loop_state: LoopState,
    image: Image | TiledImage,
    question: Question = PLAIN,
) -> Answer:
    """What the champion sees; if it was replaced between being named and being asked, the new one.

    Raises:
        NoChampionError: none serves, or the one that should does not run.
        botocore.exceptions.ClientError: Rekognition takes the image not, or has no time for it.
    """

    def answer(champion: Champion) -> Answer:
        own = thresholds(loop_state.version(champion.version_name)) if question.lowest else {}
        version = _Version(champion.version_name, champion.version_arn, own)
        return _answer(detector, version, image, question)

    return _with_champion(loop_state, answer)


def ask_version(
    detector: Detector,
    version: ModelVersion,
    image: Image | TiledImage,
    question: Question = PLAIN,
) -> Answer:
    """What a given version sees, whether it is the champion or not.

    Raises:
        VersionNotServingError: it does not run.
        botocore.exceptions.ClientError: Rekognition takes the image not, or has no time for it.
    """
    if not version.arn:
        raise VersionNotServingError(f"{version.id} was never trained to its end")
    try:
        asked = _Version(version.id, version.arn, thresholds(version))
        return _answer(detector, asked, image, question)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_SERVING:
            raise
        raise VersionNotServingError(f"{version.id} is not running") from error


def thresholds(version: ModelVersion | None) -> dict[str, float]:
    """The model's own thresholds (percent) by label; empty if one is not known."""
    evaluated = version.labels if version else ()
    # Confidences are rounded in the same way.
    known = {
        score.label: round(100 * score.threshold, 3) for score in evaluated if score.threshold is not None
    }
    return known if len(known) == len(evaluated) else {}


@frozen
class _Version:
    name: str
    arn: str
    thresholds: Thresholds
    """The model's own; empty: they are not known."""


def _answer(detector: Detector, version: _Version, image: Image | TiledImage, question: Question) -> Answer:
    """The labels that count, and what the thresholds leave out.

    One request tells both: a second one would take half of the endpoint's throughput, which is what costs.
    It needs the model's own threshold of every label that has none of the deployment's.
    """

    detections = 0

    def detect(*lowest: float) -> list[Label]:
        nonlocal detections
        minimum = math.floor(min(lowest)) if lowest else None
        seen = tiled_detection.detect(detector, version.arn, image, min_confidence=minimum)
        detections += seen.count
        return seen.labels

    def answer(labels: list[Label], seen: list[Label], counts: Thresholds) -> Answer:
        left_out = _left_out(seen, labels, question)
        return Answer(version.name, version.arn, tuple(labels), left_out, counts, detections)

    if version.thresholds and question.lowest:
        counts = {**version.thresholds, **question.label_thresholds}
        seen = detect(*counts.values(), *question.lowest)
        if all(label["label"] in counts for label in seen):
            return answer(
                [each for each in seen if each["confidence"] >= counts[each["label"]]], seen, counts
            )
    if not question.label_thresholds and not (question.asks_twice and question.lowest):
        return answer(detect(), [], {})
    # Only the model itself knows which of the labels count that the deployment has no threshold for.
    given, seen = question.label_thresholds, detect(*question.lowest)
    labels = [label for label in detect() if label["label"] not in given]
    labels += [label for label in seen if label["confidence"] >= given.get(label["label"], math.inf)]
    labels.sort(key=_surest_first)
    return answer(labels, seen, {})


def _left_out(seen: list[Label], labels: list[Label], question: Question) -> tuple[Label, ...]:
    minimum = question.min_confidence
    if minimum is None:
        return ()
    return tuple(label for label in seen if label["confidence"] >= minimum and label not in labels)


def _surest_first(label: Label) -> float:
    return -float(label["confidence"])


def _with_champion(loop_state: LoopState, ask: Callable[[Champion], Answer]) -> Answer:
    champion = _serving(loop_state)
    try:
        return ask(champion)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_SERVING:
            raise
        successor = _serving(loop_state)
        if successor == champion:
            raise NoChampionError(f"the champion {champion.version_name} is not running") from error
    try:
        return ask(successor)
    except ClientError as error:
        if error.response["Error"]["Code"] not in NOT_SERVING:
            raise
        raise NoChampionError(f"the champion {successor.version_name} is not running") from error


def _serving(loop_state: LoopState) -> Champion:
    champion = loop_state.champion()
    if champion is None:
        raise NoChampionError("no model version has been promoted yet")
    serving = loop_state.serving()
    if serving.state == "asleep":
        # It may run for another minute, so that what was asked before this is answered.
        raise NoChampionError(
            f"the champion {champion.version_name} sleeps: {serving.trouble or serving.reason}"
        )
    return champion
