"""What an image looks like, as numbers: the features that the pretrained trunk gives of it.

The trunk's file takes `pixels` (1, height, width, 3; bytes) and gives `features` (features). Images that show
the same kind of thing have features that lie close together, whatever the labels will be.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from portable.errors import ModelFileError
from portable.images import Canvas, crop, read, read_side, to_canvas
from portable.model import Graph

TRUNK_FILE = "trunk.onnx"
METADATA_KEY = "labelloop-trunk"
FORMAT = 1
"""The form of the trunk's file; a change that older code cannot read makes it one more."""

MAX_OBJECTS = 8
"""Of an image, that its objects' features are the mean of: each takes as long as a whole image."""
_DETAIL = 4
"""How many times as large as the canvas images are read to crop their objects, which are a part of them."""

Embedding = NDArray[np.float16]
"""Features of an image (features)."""


class Embedder:
    """The trunk in ONNX Runtime. Threads may share one."""

    def __init__(self, graph: Graph, canvas: Canvas, name: str) -> None:
        self._graph, self._canvas = graph, canvas
        self.name = name
        """Digits that stand for the trunk: embeddings of different ones cannot be compared."""

    @classmethod
    def load(cls, path: Path, *, threads: int = 1) -> Embedder:
        """The trunk in a file.

        Raises:
            ModelFileError: there is none, it is damaged or of a newer form, or ONNX Runtime is missing.
        """
        graph = Graph(path, threads)
        name = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        try:
            facts = json.loads(graph.metadata(METADATA_KEY))
            form, canvas = int(facts["format"]), Canvas(int(facts["width"]), int(facts["height"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"The metadata of {path} cannot be read: {error}") from error
        if form > FORMAT:
            raise ModelFileError(f"{path} is of format {form}, and this version knows {FORMAT} at most")
        return cls(graph, canvas, name)

    def embed(self, image: bytes | Path) -> Embedding:
        """What an image file shows.

        Raises:
            ValueError: the file is no image that can be read.
        """
        picture, _ = read(_source(image), side=read_side(self._canvas))
        return self._features(picture).astype(np.float16)

    def embed_objects(self, image: bytes | Path, boxes: Sequence[Sequence[float]]) -> Embedding:
        """What an image file's objects show: the mean of their features, of MAX_OBJECTS at most.

        Args:
            boxes: each one's left, top, width and height in pixels of the upright image; one at least.

        Raises:
            ValueError: the file is no image that can be read.
        """
        picture, (width, _) = read(_source(image), side=_DETAIL * read_side(self._canvas))
        scale, side = picture.width / width, max(self._canvas.width, self._canvas.height)
        squares = [Image.fromarray(crop(picture, scale, box, side)) for box in _some(boxes)]
        mean: NDArray[np.float32] = np.mean([self._features(square) for square in squares], axis=0)
        return mean.astype(np.float16)

    def _features(self, picture: Image.Image) -> NDArray[np.float32]:
        features: NDArray[np.float32] = self._graph.run(to_canvas(picture, self._canvas)[None])["features"]
        return features


def _source(image: bytes | Path) -> io.BytesIO | Path:
    return io.BytesIO(image) if isinstance(image, bytes) else image


def _some(boxes: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """MAX_OBJECTS of the boxes at most, of all sizes alike."""
    by_size = sorted(boxes, key=lambda box: (box[2] * box[3], *box))
    count = min(len(by_size), MAX_OBJECTS)
    return [by_size[(2 * n + 1) * len(by_size) // (2 * count)] for n in range(count)]
