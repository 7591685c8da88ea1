"""Images changed a little each time they are shown, so that few of them teach more.

Mirroring and turning are for the learner to ask for: a mirrored part, letter or sign may be another label.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from portable.images import Canvas


@dataclass(frozen=True)
class Placements:
    """How each image of a batch is stretched and moved: x becomes `x * scale_x + shift_x`, in pixels."""

    scale: torch.Tensor
    """The scale of x and y of each image (batch, 2)."""
    shift: torch.Tensor
    """The shift of x and y of each image (batch, 2)."""
    angle: torch.Tensor | None = None
    """The angle, in radians, by which each image is then turned about the window's middle (batch,)."""


def placements(
    focus: torch.Tensor, window: Canvas, canvas: Canvas, random: torch.Generator, *, low: float, high: float
) -> Placements:
    """Random placements, with sizes between `low` and `high` of the original and the shape a little changed.

    The point of `focus` (batch, 2) of each image comes somewhere into the window, which shows as much of the
    canvas as it can.
    """
    count = focus.shape[0]
    zoom = torch.exp(_between((count, 1), math.log(low), math.log(high), random))
    stretch = torch.exp(_between((count, 1), -0.08, 0.08, random))
    scale = torch.cat([zoom * stretch, zoom / stretch], 1)
    sides = torch.tensor([[window.width, window.height]])
    share = torch.rand((count, 2), generator=random)
    room = sides - scale * torch.tensor([[canvas.width, canvas.height]])
    # Where there is more image than window, the focus is in the window, and no grey if that can be.
    about = torch.minimum(torch.maximum(sides * share - focus * scale, room), torch.zeros(1))
    return Placements(scale, torch.where(room > 0, room * share, about))


def place(images: torch.Tensor, how: Placements, window: Canvas) -> torch.Tensor:
    """The window's part (batch, 3, window height, window width) of images so placed; grey beside them."""
    count, _, height, width = images.shape
    sides = torch.tensor([[width, height]])
    shown = torch.tensor([[window.width, window.height]])
    angle = torch.zeros(count) if how.angle is None else how.angle
    turn = torch.stack([torch.cos(angle), -torch.sin(angle), torch.sin(angle), torch.cos(angle)], 1)
    # affine_grid asks where each output point comes from, in coordinates from -1 to 1.
    theta = torch.zeros(count, 2, 3)
    theta[:, :, :2] = turn.reshape(count, 2, 2) * shown[:, None] / (sides * how.scale)[:, :, None]
    theta[:, :, 2] = (shown - 2 * how.shift) / sides / how.scale - 1
    target = [count, 3, window.height, window.width]
    grid = functional.affine_grid(theta.to(images.device), target, align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def recolour(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Images in other light: brightness, contrast and the balance of colours change at random."""
    count = images.shape[0]
    contrast = torch.exp(_between((count, 1, 1, 1), -0.3, 0.3, random))
    brightness = _between((count, 1, 1, 1), -0.35, 0.35, random)
    balance = torch.exp(_between((count, 3, 1, 1), -0.12, 0.12, random))
    return images * (contrast * balance).to(images.device) + brightness.to(images.device)


def angles(count: int, degrees: float, random: torch.Generator) -> torch.Tensor:
    """Random angles of up to so many degrees either way, in radians."""
    return _between((count,), -math.radians(degrees), math.radians(degrees), random)


def _between(shape: tuple[int, ...], low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=random)
