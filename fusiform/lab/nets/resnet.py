"""A small residual network for aligned faces, quick on a CPU.

Blocks as in He et al., "Deep residual learning", CVPR 2016, with PReLU and the head of ArcFace
(Deng et al. 2019, section 3.3, "E"): batch norm, all positions into one linear layer, batch norm.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

# Fewer channels than this, last in memory, and torch 2.13's gradient of a 1 x 1 convolution with a
# stride writes beyond its memory on CPUs: there every other pixel is taken before it.
SLIM = 16


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a straight way: `(n, c, h, w)` -> `(n, out, h/s, w/s)`."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.PReLU(out),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        plain = stride == 1 and channels == out
        self.straight: nn.Module = nn.Identity()
        self.every = stride if channels < SLIM else 1
        if not plain:
            conv = nn.Conv2d(channels, out, 1, stride // self.every, bias=False)
            self.straight = nn.Sequential(conv, nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        seen = x if self.every == 1 else x[..., :: self.every, :: self.every]
        y: Tensor = self.straight(seen) + self.body(x)
        return y


class Embedding(nn.Module):
    """The head: a map `(n, c, h, w)` -> features `(n, dim)`, not of unit length."""

    def __init__(self, channels: int, side: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(channels * side * side, dim, bias=False),
            nn.BatchNorm1d(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features


class FaceResNet(nn.Module):
    """Pictures `(n, 3, size, size)` in [-1, 1] -> features `(n, dim)`.

    Stage i has `blocks[i]` residual blocks, the first of which halves the map, and
    `width * 2**i` channels (at most 8 * width).
    """

    def __init__(
        self,
        size: int = 48,
        dim: int = 128,
        width: int = 16,
        blocks: Sequence[int] = (1, 1, 2),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
        ]
        channels, side = width, size
        for stage, count in enumerate(blocks):
            out = width * 2 ** min(stage, 3)
            layers += [
                Residual(channels if i == 0 else out, out, 1 + (i == 0)) for i in range(count)
            ]
            channels, side = out, (side + 1) // 2
        self.body = nn.Sequential(*layers)
        self.head = Embedding(channels, side, dim, dropout)

    def maps(self, x: Tensor) -> Tensor:
        """The last map, `(n, c, h, w)`."""
        y: Tensor = self.body(x)
        return y

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.maps(x))
        return y
