"""A model as ONNX files, and what it sees in an image.

A model's folder holds model.onnx with the facts in its metadata, and of a detector that has one
second_stage.onnx. What the graphs take and give:

- a classifier: `pixels` (1, height, width, 3; bytes) to `scores` (labels), 0 to 1;
- a detector: the same to `scores` (boxes), the surest first, `numbers` of their labels (boxes), and `boxes`
  (boxes, 4), their left, top, right and bottom in pixels of the canvas. Boxes of one label may lie on one
  another. With a second stage the numbers are all 0: where anything is, whatever it is;
- a second stage: `pixels` (boxes, side, side, 3; bytes) of crops to `scores` (boxes, labels + 1), the last of
  background.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from portable.boxes import Sides, without_duplicates
from portable.errors import ModelFileError
from portable.facts import METADATA_KEY, MODEL_FILE, SECOND_STAGE_FILE, PortableFacts
from portable.images import Canvas, crop, from_canvas, read, read_side, to_canvas

if TYPE_CHECKING:
    import onnxruntime

MAX_PREDICTIONS = 100
MIN_CONFIDENCE = 1.0
MAX_PROPOSALS = 32
"""Boxes of an image that a second stage classifies, the surest first."""
MIN_PROPOSAL_CONFIDENCE = 10.0
"""Confidence of a box worth classifying."""

Place = tuple[float, float, float, float]
"""A box's left, top, width and height."""


@dataclass(frozen=True)
class Prediction:
    """A label that a model sees in an image.

    `confidence` is from 0 to 100. `box` is left, top, width and height as shares of the upright image's width
    and height, 0 to 1; None for an image-level label.
    """

    label: str
    confidence: float
    box: Place | None = None


@dataclass(frozen=True)
class Proposal:
    """A box in pixels of the image's file, the number of its label, and the confidence from 0 to 100."""

    number: int
    confidence: float
    box: Place


class PortableModel:
    """A trained detector or classifier in ONNX Runtime. Threads may share one."""

    def __init__(self, facts: PortableFacts, graph: Graph, second_stage: Graph | None = None) -> None:
        self.facts = facts
        self.graph = graph
        self._second_stage = second_stage

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the model knows, sorted."""
        return self.facts.labels

    @property
    def thresholds(self) -> Mapping[str, float]:
        """The assumed threshold of each label, 0 to 1, from the training images."""
        return self.facts.thresholds

    @classmethod
    def load(cls, folder: Path, *, threads: int = 1) -> PortableModel:
        """The model in a folder.

        Args:
            threads: how many compute for one image.

        Raises:
            ModelFileError: there is none, a file is damaged or of a newer form, or ONNX Runtime is missing.
        """
        graph = Graph(folder / MODEL_FILE, threads)
        facts = PortableFacts.from_json(graph.metadata())
        second = Graph(folder / SECOND_STAGE_FILE, threads) if facts.second_stage else None
        return cls(facts, graph, second)

    def predict(self, image: bytes | Path | IO[bytes]) -> list[Prediction]:
        """What the model sees in an image file, the surest first: at most 100, none under 1 % confidence.

        Raises:
            ModelFileError: the model's graphs do not give what its facts say.
            ValueError: the file is no image that can be read.
        """
        source = io.BytesIO(image) if isinstance(image, bytes) else image
        canvas, stage = self.facts.canvas, self.facts.second_stage
        picture, size = read(source, side=max(read_side(canvas), stage.detail if stage else 0))
        return self.predict_upright(picture, size)

    def predict_upright(self, image: Image.Image, size: tuple[int, int]) -> list[Prediction]:
        """What the model sees in an upright image, whose file has this width and height.

        Raises:
            ModelFileError: the model's graphs do not give what its facts say.
        """
        try:
            return self._seen(image, size)
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime's errors have no class in common
            raise ModelFileError(f"The model's graphs do not give what its facts say: {error!r}") from error

    def _seen(self, image: Image.Image, size: tuple[int, int]) -> list[Prediction]:
        outputs = self.graph.run(to_canvas(image, self.facts.canvas)[None])
        if self.facts.task == "classification":
            return ranked(outputs["scores"], self.labels)
        proposals = on_image(outputs["scores"], outputs["numbers"], outputs["boxes"], size, self.facts.canvas)
        if self.facts.second_stage and self._second_stage:
            proposals = self._classified(self._second_stage, proposals, image, image.width / size[0])
        return [
            Prediction(self.labels[seen.number], seen.confidence, _shares(seen.box, size))
            for seen in proposals
        ]

    def _classified(
        self, second_stage: Graph, proposals: Sequence[Proposal], image: Image.Image, scale: float
    ) -> list[Proposal]:
        assert self.facts.second_stage  # noqa: S101 - the graph is there if the facts say so
        side = self.facts.second_stage.side
        sure = worth_classifying(proposals)
        if not sure:
            return []
        crops = np.stack([crop(image, scale, proposal.box, side) for proposal in sure])
        scores = second_stage.run(crops)["scores"]
        if scores.shape[1] != len(self.labels) + 1:
            raise ValueError(
                f"{scores.shape[1] - 1} labels in the second stage, {len(self.labels)} in the facts"
            )
        return classified(sure, scores)


class Graph:
    """An ONNX file, ready to run.

    Raises:
        ModelFileError: it is missing or damaged, or ONNX Runtime is missing or too old for it.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        if not path.is_file():
            raise ModelFileError(f"There is no {path.name} in {path.parent}")
        self._path = path
        self._session = _session(path, threads)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def metadata(self, key: str = METADATA_KEY) -> str:
        """The facts that the file carries.

        Raises:
            ModelFileError: it carries none.
        """
        text = self._session.get_modelmeta().custom_metadata_map.get(key)
        if text is None:
            raise ModelFileError(f"{self._path} is no model of LabelLoop's, or its end is missing")
        return text

    def run(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The graph's outputs by their names."""
        outputs: Sequence[Any] = self._session.run(None, {"pixels": pixels})
        return dict(zip(self._outputs, outputs, strict=True))


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime  # noqa: PLC0415 - what it lacks is said to whoever loads a model
    except ImportError as error:
        raise ModelFileError(
            f"ONNX Runtime, which runs models, cannot be loaded ({error}): pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no class in common
        raise ModelFileError(
            f"{path} cannot be loaded: it is cut off or damaged, or needs a newer ONNX Runtime than "
            f"{onnxruntime.__version__} ({error})"
        ) from error


def ranked(scores: NDArray[Any], labels: Sequence[str]) -> list[Prediction]:
    """Image-level labels, the surest first: at most 100, none under 1 %."""
    order = sorted(zip(scores.tolist(), labels, strict=True), key=lambda pair: (-pair[0], pair[1]))
    surest = [Prediction(label, round(100 * score, 4)) for score, label in order[:MAX_PREDICTIONS]]
    return [prediction for prediction in surest if prediction.confidence >= MIN_CONFIDENCE]


def on_image(
    scores: NDArray[Any],
    numbers: NDArray[Any],
    corners: NDArray[Any],
    size: tuple[int, int],
    canvas: Canvas,
) -> list[Proposal]:
    """A detector's boxes in pixels of an image of this size: the surest first, none under 1 %, no two of a
    label for one thing, none beside the image."""
    confidences, numbers, boxes = separate(scores, numbers, corners, canvas)
    moved = [from_canvas(box, size, canvas) for box in boxes.tolist()]
    return [
        Proposal(number, confidence, box)
        for number, confidence, box in zip(numbers.tolist(), confidences.tolist(), moved, strict=True)
        if box
    ]


def separate(
    scores: NDArray[Any], numbers: NDArray[Any], corners: NDArray[Any], canvas: Canvas
) -> tuple[NDArray[np.float64], NDArray[np.int64], Sides]:
    """A detector's confidences (0 to 100), label numbers and boxes on the canvas, one box for a thing."""
    confidences = np.round(100 * scores.astype(np.float64), 4)
    seen = confidences >= MIN_CONFIDENCE
    confidences, numbers = confidences[seen], numbers[seen]
    left, top, right, bottom = corners[seen].astype(np.float64).T
    left, top = np.maximum(0.0, left), np.maximum(0.0, top)
    right, bottom = np.minimum(canvas.width, right), np.minimum(canvas.height, bottom)
    boxes = np.stack([left, top, right - left, bottom - top], 1)
    kept = without_duplicates(boxes, numbers)[:MAX_PREDICTIONS]
    return confidences[kept], numbers[kept], boxes[kept]


def worth_classifying(proposals: Sequence[Proposal]) -> list[Proposal]:
    """The proposals that a second stage looks at."""
    return [each for each in proposals if each.confidence >= MIN_PROPOSAL_CONFIDENCE][:MAX_PROPOSALS]


def classified(proposals: Sequence[Proposal], scores: NDArray[Any]) -> list[Proposal]:
    """The proposals with the labels that a second stage gives them, the surest first.

    A proposal's confidence becomes the geometric mean of how sure it is that there is something, and of how
    sure the second stage is of what it is; what shows background sinks by that, and is left out under 1 %.

    Args:
        scores: the second stage's (boxes, labels + 1), the last of background.
    """
    labelled = []
    for proposal, row in zip(proposals, scores[:, :-1].tolist(), strict=True):
        share = max(row)
        confidence = round(math.sqrt(proposal.confidence * 100 * share), 4)
        if confidence >= MIN_CONFIDENCE:
            labelled.append(Proposal(row.index(share), confidence, proposal.box))
    return sorted(labelled, key=lambda proposal: -proposal.confidence)


def _shares(box: Place, size: tuple[int, int]) -> Place:
    (left, top, width, height), (wide, tall) = box, size
    return left / wide, top / tall, width / wide, height / tall
