"""A residual network that attends to readable regions and says how recognisable a face is.

Chai et al., CVPR 2023; see `lab.blocks.recognizability`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fusiform.lab.blocks.recognizability import Perceptibility
from fusiform.lab.nets.resnet import FaceResNet


class RecognizableNet(FaceResNet):
    """`FaceResNet` with attention over its last map, and an index of each face beside its features.

    >>> features = net(images)  # (n, dim)
    >>> features, quality = net.rated(images)  # and (n,) in (0, 1), higher: safer to recognise
    """

    def __init__(
        self, size: int = 48, dim: int = 128, width: int = 16, blocks: Sequence[int] = (1, 1, 2)
    ) -> None:
        super().__init__(size, dim, width, blocks)
        channels = width * 2 ** min(len(blocks) - 1, 3)
        self.attend = Perceptibility(channels)
        inner = nn.Linear(2 * channels, channels)
        self.rate = nn.Sequential(inner, nn.PReLU(channels), nn.Linear(channels, 1))

    def maps(self, x: Tensor) -> Tensor:
        """The last map `(n, c, h, w)` as attended to."""
        y: Tensor = self.attend(super().maps(x))
        return y

    def rated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(n, dim)`, and the index `(n,)` in (0, 1) that the net expects of each face,
        from mean and deviation of the last map."""
        maps = self.maps(x)
        told = torch.cat([maps.mean((2, 3)), maps.std((2, 3))], 1)
        return self.head(maps), self.rate(told)[:, 0].sigmoid()
