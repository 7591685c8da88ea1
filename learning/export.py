"""From a model in PyTorch to the ONNX files of `portable`, and whether both see the same."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import torch
from torch import nn

from learning.classifier import probabilities
from learning.data import normalised
from learning.detector import anything, peaks
from learning.evaluation import evaluate
from learning.metrics import measure
from learning.model import Model
from learning.trunk import LICENSE as TRUNK_LICENSE
from learning.types import Box, Evaluation, Example, Prediction, Task
from portable.facts import METADATA_KEY, MODEL_FILE, SECOND_STAGE_FILE, PortableFacts
from portable.images import Canvas, read, read_side
from portable.model import PortableModel
from portable.model import Prediction as PortablePrediction

logger = logging.getLogger("labelloop.learning.export")

MAX_COMPARED = 100
"""Test images that are shown to PyTorch as well."""
MAX_F1_DIFFERENCE = 0.002
OPSET = 17
"""The operators' version: of 2022, so that older ONNX Runtimes know it, too."""
LICENSE = "The model belongs to whoever trained it. LabelLoop, which did, is under the Apache License 2.0."


def export(model: Model, folder: Path) -> None:
    """Write the model's ONNX files into a folder, made if there is none; model.onnx is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    facts, (network, second_stage) = model.facts, model.networks()
    if facts.second_stage and second_stage:
        stage = graph_of(
            _SecondStage(second_stage), Canvas(facts.second_stage.side, facts.second_stage.side), 2
        )
        write_graph(stage, folder / SECOND_STAGE_FILE)
    graph = graph_of(_whole(model.task, network, facts.exclusive, second_stage is not None), facts.canvas)
    portable = PortableFacts(
        task=facts.task,
        labels=facts.labels,
        canvas=facts.canvas,
        thresholds=dict(facts.thresholds),
        second_stage=facts.second_stage,
        license=f"{LICENSE} {TRUNK_LICENSE}" if facts.pretrained else LICENSE,
    )
    entry = graph.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, portable.to_json()
    write_graph(graph, folder / MODEL_FILE)


def export_checked(
    model: Model,
    folder: Path,
    test: Sequence[Example],
    *,
    progress: Callable[[float], None] = lambda _: None,
) -> Evaluation:
    """Export a model, and evaluate on test examples what will answer from now on.

    That is the exported model, and it names the assumed thresholds of this evaluation. If it does not see
    what the model in PyTorch sees in the first test images, as their F1 shows, its files are removed, and
    PyTorch goes on answering.

    Raises:
        ValueError: an image file cannot be read, or no example shows a label.
    """
    export(model, folder)
    exported = ExportedModel(PortableModel.load(folder))
    evaluation = evaluate(exported, test, progress=progress)
    compared = test[:MAX_COMPARED]
    if any(example.labels or example.boxes for example in compared):
        theirs = measure(model.task, compared, evaluation.predictions[: len(compared)]).f1
        ours = evaluate(model, compared).f1
        if abs(theirs - ours) > MAX_F1_DIFFERENCE:
            logger.warning("ONNX Runtime comes to F1 %.4f and PyTorch to %.4f: not exported", theirs, ours)
            for name in (MODEL_FILE, SECOND_STAGE_FILE):
                (folder / name).unlink(missing_ok=True)
            return evaluate(model, test, progress=progress)
    assumed = {label.label: label.assumed_threshold for label in evaluation.labels}
    with_thresholds(folder, {**model.facts.thresholds, **assumed})
    return evaluation


def with_thresholds(folder: Path, thresholds: Mapping[str, float]) -> None:
    """Let an exported model name other thresholds."""
    graph = onnx.load_model(folder / MODEL_FILE)
    (entry,) = (each for each in graph.metadata_props if each.key == METADATA_KEY)
    entry.value = replace(PortableFacts.from_json(entry.value), thresholds=dict(thresholds)).to_json()
    write_graph(graph, folder / MODEL_FILE)


class ExportedModel:
    """A model's ONNX files, asked as the model is that they were made of."""

    def __init__(self, model: PortableModel) -> None:
        self._model = model

    @property
    def task(self) -> Task:
        return self._model.facts.task

    def predict_file(self, path: Path) -> list[Prediction]:
        """What the model sees in an image file, boxes in pixels of the image turned upright.

        Raises:
            ValueError: the file is no image that can be read.
        """
        stage = self._model.facts.second_stage
        side = max(read_side(self._model.facts.canvas), stage.detail if stage else 0)
        image, size = read(path, side=side)
        return [_in_pixels(seen, size) for seen in self._model.predict_upright(image, size)]


def _in_pixels(seen: PortablePrediction, size: tuple[int, int]) -> Prediction:
    if seen.box is None:
        return Prediction(seen.label, seen.confidence)
    sides = [share * length for share, length in zip(seen.box, (*size, *size), strict=True)]
    return Prediction(seen.label, seen.confidence, Box(seen.label, *sides))


def _whole(task: Task, network: nn.Module, exclusive: bool, proposes: bool) -> nn.Module:
    return _Classifier(network, exclusive) if task == "classification" else _Detector(network, proposes)


class _Classifier(nn.Module):
    def __init__(self, network: nn.Module, exclusive: bool) -> None:
        super().__init__()
        self.network, self.exclusive = network, exclusive

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        scores = probabilities(self.network(as_learned(pixels)), exclusive=self.exclusive)
        return {"scores": scores[0]}


class _Detector(nn.Module):
    def __init__(self, network: nn.Module, proposes: bool) -> None:
        super().__init__()
        self.network, self.proposes = network, proposes

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits, distances = self.network(as_learned(pixels))
        heat = anything(logits) if self.proposes else logits.sigmoid()
        scores, numbers, boxes = peaks(heat, distances, pixels.shape[2] // logits.shape[3])
        return {"scores": scores[0], "numbers": numbers[0], "boxes": boxes[0]}


class _SecondStage(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"scores": self.network(as_learned(pixels)).softmax(1)}


def as_learned(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels (batch, height, width, 3; bytes) as the networks take them."""
    return normalised(pixels.permute(0, 3, 1, 2))


def graph_of(module: nn.Module, canvas: Canvas, batch: int = 1) -> onnx.ModelProto:
    """The module as a graph of images of this size; of any number of them, if it is traced with several."""
    pixels = torch.zeros(batch, canvas.height, canvas.width, 3, dtype=torch.uint8)
    module.eval()
    with torch.inference_mode():
        names = list(module(pixels))
    axes = {"pixels": {0: "boxes"}, "scores": {0: "boxes"}} if batch > 1 else None
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # Of being the older of two exporters: the other needs a package more, and longer.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (pixels,),
            Path(folder) / MODEL_FILE,
            input_names=["pixels"],
            output_names=names,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        graph = onnx.load_model(Path(folder) / MODEL_FILE)
    onnx.checker.check_model(graph)
    return graph


def write_graph(graph: onnx.ModelProto, path: Path) -> None:
    """Write so that a reader finds the whole file or none."""
    part = path.with_suffix(".part")
    part.write_bytes(graph.SerializeToString())
    part.replace(path)
