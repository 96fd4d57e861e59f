"""MobileFaceNet: inverted residuals for faces, with a head that weighs each position by itself.

Chen, Liu, Gao and Han, "MobileFaceNets: efficient CNNs for accurate real-time face verification on
mobile devices", CCBR 2018; blocks of Sandler et al., "MobileNetV2", CVPR 2018. Narrower and with
fewer blocks than published, for small crops; the layer that mixes over the picture can be another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

# Channels, side of the map that comes in, stride -> a layer of `(n, c, h, w)`, a map a channel.
Spatial = Callable[[int, int, int], nn.Module]


def depthwise(channels: int, side: int, stride: int) -> nn.Module:
    """A 3 x 3 convolution of each channel by itself: `(n, c, h, w)` -> `(n, c, h/s, w/s)`."""
    return nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)


def pointwise(channels: int, out: int, bend: bool = True) -> nn.Sequential:
    """A 1 x 1 convolution with batch norm, and PReLU where it is to `bend`."""
    layers = [nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out)]
    return nn.Sequential(*layers, *([nn.PReLU(out)] if bend else []))


class Bottleneck(nn.Module):
    """Widen `times`, mix over the picture, narrow: `(n, c, side, side)` -> `(n, out, side/s, ..)`.

    A straight way goes beside it where the shapes agree; the narrow end is linear.
    """

    def __init__(
        self, channels: int, out: int, side: int, stride: int, times: int, spatial: Spatial
    ) -> None:
        super().__init__()
        wide = channels * times
        self.body = nn.Sequential(
            pointwise(channels, wide),
            spatial(wide, side, stride),
            nn.BatchNorm2d(wide),
            nn.PReLU(wide),
            pointwise(wide, out, bend=False),
        )
        self.plain = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.plain else y


class MobileFaceNet(nn.Module):
    """Pictures `(n, 3, size, size)` in [-1, 1] -> features `(n, dim)`.

    The stem halves the picture; stage i, of `blocks[i]` bottlenecks with `width * 2**i` channels
    (at most 4 * width), halves it again. `spatial` makes what mixes over the picture.
    """

    def __init__(
        self,
        size: int = 48,
        dim: int = 128,
        width: int = 32,
        blocks: Sequence[int] = (2, 3),
        times: int = 2,
        spatial: Spatial = depthwise,
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        layers: list[nn.Module] = [stem, nn.BatchNorm2d(width), nn.PReLU(width)]
        channels, side = width, (size + 1) // 2
        for stage, count in enumerate(blocks):
            out = width * 2 ** min(stage, 2)
            for i in range(count):
                stride = 2 if i == 0 else 1
                layers.append(Bottleneck(channels, out, side, stride, times, spatial))
                channels, side = out, (side + stride - 1) // stride
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(
            pointwise(channels, 2 * channels),
            nn.Conv2d(2 * channels, 2 * channels, side, groups=2 * channels, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.Flatten(),
            nn.Linear(2 * channels, dim, bias=False),
            nn.BatchNorm1d(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.body(x))
        return y
