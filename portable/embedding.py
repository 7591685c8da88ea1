"""What an image looks like, as numbers: the features that the pretrained trunk gives of it.

The trunk's file takes `pixels` (1, height, width, 3; bytes) and gives `features` (features). Images that show
the same kind of thing have features that lie close together, whatever the labels will be.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from portable.errors import ModelFileError
from portable.images import Canvas, read, read_side, to_canvas
from portable.model import Graph

TRUNK_FILE = "trunk.onnx"
METADATA_KEY = "labelloop-trunk"
FORMAT = 1
"""The form of the trunk's file; a change that older code cannot read makes it one more."""

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
        source = io.BytesIO(image) if isinstance(image, bytes) else image
        picture, _ = read(source, side=read_side(self._canvas))
        features: NDArray[np.float32] = self._graph.run(to_canvas(picture, self._canvas)[None])["features"]
        return features.astype(np.float16)
