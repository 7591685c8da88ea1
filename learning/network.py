"""The small residual backbone that both networks stand on."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import fusion


def convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU; the side shrinks by `stride`."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """A residual block: two convolutions beside a short cut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map features (batch, inputs, h, w) to (batch, outputs, h / stride, w / stride)."""
        return functional.relu(self.second(self.first(x)) + self.short(x))


class Backbone(nn.Module):
    """A network that gives features of an image at 1/4, 1/8, 1/16 and 1/32 of its sides, `widths` channels
    each."""

    widths = (32, 48, 96, 160)

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = self.widths
        self.stem = nn.Sequential(convolution(3, 16, 2), convolution(16, first, 2))
        self.eighth = nn.Sequential(Residual(first, second, 2), Residual(second, second))
        self.sixteenth = nn.Sequential(Residual(second, third, 2), Residual(third, third))
        self.last = Residual(third, fourth, 2)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The four feature maps of images (batch, 3, h, w), largest first."""
        quarter = self.stem(x)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        return [quarter, eighth, sixteenth, self.last(sixteenth)]


def for_learning(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on the device, channels last in memory, with which small images are learned from faster."""
    return network.to(device, memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]


def for_serving(network: nn.Module) -> nn.Module:
    """A copy of a network that gives the same answers faster: batch normalisation folded into the
    convolutions before it, channels last in memory. It can neither learn nor be saved."""
    fast = copy.deepcopy(network).eval()
    for module in list(fast.modules()):
        if isinstance(module, nn.Sequential):
            for number in range(len(module) - 1):
                first, second = module[number], module[number + 1]
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[number] = fusion.fuse_conv_bn_eval(first, second)
                    module[number + 1] = nn.Identity()
    return fast.to(memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]
