"""What training does to a batch of crops before the network sees it.

All of it is drawn from a generator that the caller seeds by the step, and works on whole batches:
`(n, 3, S, S)` float32 in [-1, 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fusiform.core.errors import ChoiceError

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Augment:
    """How strongly. `flip`, `grey`, `low`, `erase`: chances, 0..1. `shift` (share of the side),
    `scale` (share) and `turn` (degrees): half ranges of a random similarity. `light`: half range
    of brightness and contrast. `colour`: half range of each channel's gain. `low` shrinks to at
    least `smallest` of the side and enlarges again; `noise`: largest standard deviation."""

    flip: float = 0.5
    shift: float = 0.03
    scale: float = 0.05
    turn: float = 4.0
    light: float = 0.2
    colour: float = 0.05
    grey: float = 0.1
    low: float = 0.2
    smallest: float = 0.35
    noise: float = 0.05
    erase: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "grey", "low", "erase", "smallest"):
            if not 0 <= getattr(self, name) <= 1:
                raise ChoiceError(name, "in [0, 1]", getattr(self, name))

    def __call__(self, images: Tensor, draw: torch.Generator) -> Tensor:
        return augmented(images, self, draw)


NONE = Augment(0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0)
FLIP = Augment(0.5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0)
STRONG = Augment(0.5, 0.04, 0.08, 6, 0.3, 0.1, 0.3, 0.3, 0.3, 0.06, 0.2)
AUGMENTS = {"none": NONE, "flip": FLIP, "usual": Augment(), "strong": STRONG}


def augmented(images: Tensor, how: Augment, draw: torch.Generator) -> Tensor:
    """`images` with everything that `how` says, clipped to [-1, 1]."""
    out = flipped(images, how.flip, draw)
    if how.shift or how.scale or how.turn:
        out = moved(out, how, draw)
    if how.light or how.colour or how.grey:
        out = lit(out, how, draw)
    if how.low:
        out = lowered(out, how, draw)
    if how.noise:
        strength = uniform(len(out), draw) * how.noise
        out = out + strength[:, None, None, None] * torch.randn(
            out.shape, generator=draw, device=draw.device
        )
    if how.erase:
        out = erased(out, how.erase, draw)
    return out.clamp(-1, 1)


def uniform(n: int, draw: torch.Generator) -> Tensor:
    """`(n,)` in [0, 1)."""
    return torch.rand(n, generator=draw, device=draw.device)


def around(n: int, reach: float, draw: torch.Generator) -> Tensor:
    """`(n,)` in [-reach, reach)."""
    return (2 * uniform(n, draw) - 1) * reach


def flipped(images: Tensor, chance: float, draw: torch.Generator) -> Tensor:
    """Some of them mirrored left to right."""
    which = uniform(len(images), draw) < chance
    return torch.where(which[:, None, None, None], images.flip(3), images)


def moved(images: Tensor, how: Augment, draw: torch.Generator) -> Tensor:
    """Each under a random similarity about its middle."""
    n = len(images)
    angle = around(n, math.radians(how.turn), draw)
    factor = 1 + around(n, how.scale, draw)
    shift = torch.stack([around(n, 2 * how.shift, draw) for _ in range(2)], 1)
    return similar(images, factor, angle, shift)


def similar(images: Tensor, factor: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
    """Moved by `shift (n, 2)` (right, down; in half sides), then turned by `angle (n,)` radians
    (clockwise as one looks at it) and enlarged by `factor (n,)`, both about the middle.

    Differentiable; what comes in from outside repeats the edge.
    """
    cosine, sine = angle.cos() / factor, angle.sin() / factor
    back = torch.stack([cosine, sine, -shift[:, 0], -sine, cosine, -shift[:, 1]], 1).view(-1, 2, 3)
    grid = functional.affine_grid(back, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def lit(images: Tensor, how: Augment, draw: torch.Generator) -> Tensor:
    """Brighter or darker, with more or less contrast, tinted, some in grey."""
    n = len(images)
    gain = 1 + around(n, how.light, draw)[:, None] + around(3 * n, how.colour, draw).view(n, 3)
    offset = around(n, how.light, draw)
    out = images * gain[:, :, None, None] + offset[:, None, None, None]
    luma = (out * out.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    which = uniform(n, draw) < how.grey
    return torch.where(which[:, None, None, None], luma.expand_as(out), out)


def lowered(images: Tensor, how: Augment, draw: torch.Generator) -> Tensor:
    """Some of them as enlarged from a smaller picture; one size a batch, for speed."""
    which = uniform(len(images), draw) < how.low
    share = how.smallest + (1 - how.smallest) * float(uniform(1, draw))
    side = max(2, round(images.shape[-1] * share))
    if not which.any():
        return images
    return images.masked_scatter(which[:, None, None, None], degraded(images[which], side))


def degraded(images: Tensor, side: int) -> Tensor:
    """Shrunk to `side` pixels by areas and enlarged again, bilinearly."""
    small = functional.interpolate(images, size=(side, side), mode="area")
    size = images.shape[-2:]
    return functional.interpolate(small, size=size, mode="bilinear", align_corners=False)


def erased(images: Tensor, chance: float, draw: torch.Generator) -> Tensor:
    """Some with a grey rectangle of a tenth to a third of the side (Zhong et al., AAAI 2020)."""
    n, side = len(images), images.shape[-1]
    size = (0.1 + 0.23 * uniform(2 * n, draw).view(n, 2)) * side
    corner = uniform(2 * n, draw).view(n, 2) * (side - size)
    place = torch.arange(side, device=draw.device) + 0.5
    inside = [(place >= corner[:, i, None]) & (place < (corner + size)[:, i, None]) for i in (0, 1)]
    which = (uniform(n, draw) < chance)[:, None, None]
    return images.masked_fill((inside[0][:, :, None] & inside[1][:, None, :] & which)[:, None], 0.0)
