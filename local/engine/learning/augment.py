"""Images changed a little each time they are shown, so that few of them teach more.

No mirroring: a mirrored part, letter or sign may be another label, and nothing in the data says which.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Placements:
    """How each image of a batch is stretched and moved: x becomes `x * scale_x + shift_x`, in pixels."""

    scale: torch.Tensor
    """(batch, 2): of x and y."""
    shift: torch.Tensor
    """(batch, 2): of x and y."""


def placements(
    count: int, width: int, height: int, random: torch.Generator, *, low: float, high: float
) -> Placements:
    """Sizes between `low` and `high` of the original, the shape a little changed; a larger image than the
    canvas shows any part of it, a smaller one lies anywhere in it."""
    zoom = torch.exp(_between(count, torch.tensor(low).log().item(), torch.tensor(high).log().item(), random))
    stretch = torch.exp(_between(count, -0.08, 0.08, random))
    scale = torch.stack([zoom * stretch, zoom / stretch], 1)
    room = torch.tensor([[width, height]]) * (1 - scale)
    share = torch.rand((count, 2), generator=random)
    return Placements(scale, room * share)


def place(images: torch.Tensor, how: Placements) -> torch.Tensor:
    """The images (batch, 3, height, width) so placed; grey where nothing is."""
    count, _, height, width = images.shape
    sides = torch.tensor([[width, height]])
    # affine_grid asks where each output point comes from, in coordinates from -1 to 1.
    back = 1 / how.scale
    offset = back * (1 - 2 * how.shift / sides) - 1
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1] = back[:, 0], back[:, 1]
    theta[:, :, 2] = offset
    grid = functional.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def recolour(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Other light: brightness, contrast, the balance of colours."""
    count = images.shape[0]
    contrast = torch.exp(_between(count, -0.3, 0.3, random)).reshape(count, 1, 1, 1)
    brightness = _between(count, -0.35, 0.35, random).reshape(count, 1, 1, 1)
    balance = torch.exp(_between(count * 3, -0.12, 0.12, random)).reshape(count, 3, 1, 1)
    return images * (contrast * balance).to(images.device) + brightness.to(images.device)


def _between(count: int, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=random)
