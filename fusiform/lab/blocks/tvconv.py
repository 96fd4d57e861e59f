"""TVConv: a depth-wise convolution whose kernel is another at each place of the picture.

Chen et al., "TVConv: efficient translation variant convolution for layout-aware visual
processing", CVPR 2022. The kernels depend on the place alone, never on the picture: learned
affinity maps go through a small network that gives each place its weights. Once trained,
`settled` keeps just the weights, which cost as many multiplications as one kernel for all places.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError


def varying(x: Tensor, weights: Tensor, stride: int = 1) -> Tensor:
    """`x (n, c, h, w)` under `weights (c, k, k, h', w')`, zeros around -> `(n, c, h', w')`.

    Place (i, j) of channel c sees `weights[c, :, :, i, j]` about pixel (i, j) * stride; k is odd.
    """
    size, (height, width) = weights.shape[1], weights.shape[3:]
    # Channels last, as nets are trained: twice as fast as slices of planes.
    pixels = functional.pad(x, [size // 2] * 4).permute(0, 2, 3, 1)
    kernels = weights.permute(1, 2, 3, 4, 0).contiguous()
    total = x.new_zeros(())
    for i in range(size):
        for j in range(size):
            rows = slice(i, i + stride * (height - 1) + 1, stride)
            columns = slice(j, j + stride * (width - 1) + 1, stride)
            total = torch.addcmul(total, pixels[:, rows, columns], kernels[i, j])
    return total.permute(0, 3, 1, 2)


class TVConv(nn.Module):
    """`(n, channels, side, side)` -> `(n, channels, side/stride, side/stride)`.

    `maps` affinity maps, of the size of what comes out, go through `depth` convolutions of
    `hidden` channels. Maps that are constant give one kernel everywhere: an ordinary depth-wise
    convolution. Raises ChoiceError for an even `kernel`.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        stride: int = 1,
        kernel: int = 3,
        maps: int = 4,
        hidden: int = 32,
        depth: int = 2,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0 or kernel < 1:
            raise ChoiceError("kernel", "odd", kernel)
        self.channels, self.kernel, self.stride = channels, kernel, stride
        out = (side + stride - 1) // stride
        self.affinity = nn.Parameter(torch.randn(1, maps, out, out))
        layers: list[nn.Module] = []
        for i in range(depth):
            layers += [near(maps if i == 0 else hidden, hidden), nn.GroupNorm(1, hidden), nn.ReLU()]
        self.generator = nn.Sequential(*layers, near(hidden, channels * kernel**2))

    def weights(self) -> Tensor:
        """The kernels, `(channels, k, k, h', w')`."""
        made: Tensor = self.generator(self.affinity)
        return made.view(self.channels, self.kernel, self.kernel, *made.shape[2:])

    def forward(self, x: Tensor) -> Tensor:
        return varying(x, self.weights(), self.stride)


class PlaceConv(nn.Module):
    """What is left of a TVConv in use: its kernels."""

    kernels: Tensor

    def __init__(self, kernels: Tensor, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.register_buffer("kernels", kernels.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return varying(x, self.kernels, self.stride)


def near(channels: int, out: int) -> nn.Conv2d:
    """A 3 x 3 convolution that repeats the edge, so that constant maps stay constant."""
    return nn.Conv2d(channels, out, 3, padding=1, padding_mode="replicate")


def settled(net: nn.Module) -> nn.Module:
    """`net`, changed in place: each TVConv in it gives way to the kernels it now has."""
    if isinstance(net, TVConv):
        return PlaceConv(net.weights(), net.stride)
    for name, part in net.named_children():
        setattr(net, name, settled(part))
    return net
