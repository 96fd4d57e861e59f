"""A small generator of aligned faces from an identity and a style, and the encoder of styles.

The pair is a conditional variational autoencoder (Sohn, Lee and Yan, NeurIPS 2015): what the
identity does not tell of a picture (pose, light, background) goes through a narrow style, which is
drawn from a normal distribution when faces are made. Pictures are blurred, as such decoders' are.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from fusiform.core.errors import ChoiceError

FIRST = 4  # pixels a side of the smallest map


class FaceDecoder(nn.Module):
    """Identities `(n, dim)` and styles `(n, style)` -> pictures `(n, 3, size, size)` in [-1, 1].

    `size` is 4 times a power of two; maps have `width` channels at full size and twice as many at
    each halving, at most 8 * width.
    """

    def __init__(self, dim: int = 128, style: int = 16, size: int = 32, width: int = 16) -> None:
        super().__init__()
        doublings = (size // FIRST).bit_length() - 1
        if size != FIRST << doublings:
            raise ChoiceError("size", "4 times a power of two", size)
        self.style = style
        channels = [width * 2 ** min(3, doublings - i) for i in range(doublings + 1)]
        self.first = nn.Linear(dim + style, channels[0] * FIRST * FIRST)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(before, after, 3, 1, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.PReLU(after),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 3, 3, 1, 1), nn.Tanh())

    def forward(self, identity: Tensor, style: Tensor) -> Tensor:
        maps = self.first(torch.cat([identity, style], 1)).view(len(identity), -1, FIRST, FIRST)
        pictures: Tensor = self.layers(maps)
        return pictures


class StyleEncoder(nn.Module):
    """Pictures `(n, 3, size, size)` and identities `(n, dim)` -> mean and log variance of the
    style, `(n, style)` each."""

    def __init__(self, dim: int = 128, style: int = 16, size: int = 32, width: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side = 3, size
        while side > FIRST:
            out = min(8 * width, width if channels == 3 else 2 * channels)
            layers += [
                nn.Conv2d(channels, out, 3, 2, 1, bias=False),
                nn.BatchNorm2d(out),
                nn.PReLU(out),
            ]
            channels, side = out, (side + 1) // 2
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels * side * side + dim, 2 * style)

    def forward(self, pictures: Tensor, identity: Tensor) -> tuple[Tensor, Tensor]:
        found = self.head(torch.cat([self.layers(pictures), identity], 1))
        mean, variance = found.chunk(2, 1)
        return mean, variance


def drawn_style(mean: Tensor, variance: Tensor) -> Tensor:
    """A style from a normal distribution of this mean and log variance, `(n, style)`; gradients
    flow into both (the reparametrisation of Kingma and Welling, ICLR 2014)."""
    return mean + (variance / 2).exp() * torch.randn_like(mean)


def divergence(mean: Tensor, variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence in nats from the standard normal distribution, its mean over the
    batch; `variance` is its logarithm."""
    return 0.5 * (variance.exp() + mean.square() - 1 - variance).sum(1).mean()
