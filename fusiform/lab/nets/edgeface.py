"""EdgeFace: depth-wise convolutions and attention over channels, on linear layers of low rank.

George, Ecabert, Otroshi Shahreza, Kotwal and Marcel, "EdgeFace: efficient face recognition model
for edge devices", IEEE T-BIOM 2024. The blocks are those of Maaz et al., "EdgeNeXt", ECCV
Workshops 2022: an encoder by convolutions, and one that splits the channels, mixes the parts one
after another (SDTA) and attends across channels as XCiT does (El-Nouby et al., NeurIPS 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.lowrank import linear


class Mixer(nn.Module):
    """The inverted bottleneck that ends each block, over the last axis: `(..., c)` -> the same."""

    def __init__(self, channels: int, times: int, ratio: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(channels),
            linear(channels, times * channels, ratio),
            nn.GELU(),
            linear(times * channels, channels, ratio),
        )
        self.gain = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.gain * self.layers(x)
        return y


class ConvEncoder(nn.Module):
    """A depth-wise convolution and a mixer beside a straight way; channels last throughout."""

    def __init__(self, channels: int, kernel: int, times: int, ratio: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.mixer = Mixer(channels, times, ratio)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y: Tensor = x + self.mixer(mixed)
        return y


class ChannelAttention(nn.Module):
    """Attention in which channels look at channels (XCA): tokens `(n, t, c)` -> the same.

    Queries and keys have unit length over the tokens, so that the cost grows with t, not t**2.
    """

    def __init__(self, channels: int, heads: int, ratio: float) -> None:
        super().__init__()
        if channels % heads:
            raise ChoiceError("heads", f"a divisor of {channels} channels", heads)
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = linear(channels, 3 * channels, ratio)
        self.out = linear(channels, channels, ratio)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, channels = x.shape
        split = self.qkv(x).view(n, tokens, 3, self.heads, channels // self.heads)
        query, key, value = split.permute(2, 0, 3, 4, 1)  # each (n, heads, c / heads, tokens)
        alike = functional.normalize(query, dim=-1) @ functional.normalize(key, dim=-1).transpose(
            -1, -2
        )
        seen = (alike * self.temperature).softmax(-1) @ value
        y: Tensor = self.out(seen.permute(0, 3, 1, 2).reshape(n, tokens, channels))
        return y


class SplitEncoder(nn.Module):
    """SDTA: `parts` groups of channels, each but the first convolved after the one before is
    added; then attention across channels and a mixer. `(n, h, w, c)` -> the same."""

    def __init__(self, channels: int, parts: int, heads: int, times: int, ratio: float) -> None:
        super().__init__()
        if channels % parts:
            raise ChoiceError("parts", f"a divisor of {channels} channels", parts)
        width = channels // parts
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(parts - 1)
        )
        self.norm = nn.LayerNorm(channels)
        self.attention = ChannelAttention(channels, heads, ratio)
        self.gain = nn.Parameter(torch.ones(channels))
        self.mixer = Mixer(channels, times, ratio)

    def cascade(self, x: Tensor) -> Tensor:
        """The groups mixed over the picture, each with all before it in view."""
        first, *others = x.permute(0, 3, 1, 2).chunk(len(self.convs) + 1, 1)
        done = [first]
        for part, conv in zip(others, self.convs, strict=True):
            done.append(conv(part + done[-1] if len(done) > 1 else part))
        return torch.cat(done, 1).permute(0, 2, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.cascade(x)
        tokens = mixed.flatten(1, 2)
        seen = tokens + self.gain * self.attention(self.norm(tokens))
        y: Tensor = x + self.mixer(seen.view_as(mixed))
        return y


class Down(nn.Module):
    """Patches of `side` pixels, each a linear map of itself: `(n, h, w, c)` -> `(n, h/s, ..)`."""

    def __init__(self, channels: int, out: int, side: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels) if channels > 3 else nn.Identity()
        self.conv = nn.Conv2d(channels, out, side, side)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return y


class EdgeFace(nn.Module):
    """Pictures `(n, 3, size, size)` in [-1, 1] -> features `(n, dim)`.

    Stage i has `width * 2**i` channels and `blocks[i]` blocks, in all stages but the first the
    last of which is an SDTA; `ratio` is that of the linear layers' rank, 1: full rank. The first
    stage sees patches of `patch` pixels, each further one halves the map, so `size` is a multiple
    of patch * 2**(stages - 1). A learned map tells places apart, where EdgeNeXt has waves of fixed
    lengths; published nets have four stages and some 18 blocks.
    """

    def __init__(
        self,
        size: int = 48,
        dim: int = 128,
        width: int = 32,
        blocks: Sequence[int] = (2, 3),
        ratio: float = 0.5,
        times: int = 4,
        heads: int = 4,
        patch: int = 4,
    ) -> None:
        super().__init__()
        least = patch * 2 ** (len(blocks) - 1)
        if size % least:
            raise ChoiceError("size", f"a multiple of {least}", size)
        layers: list[nn.Module] = []
        channels = 3
        for stage, count in enumerate(blocks):
            out = width * 2**stage
            layers.append(Down(channels, out, 2 if stage else patch))
            for i in range(count):
                last = stage > 0 and i == count - 1
                made = SplitEncoder(out, stage + 1, heads, times, ratio) if last else None
                layers.append(made or ConvEncoder(out, 3 + 2 * stage, times, ratio))
            channels = out
        self.place = nn.Parameter(torch.zeros(size // patch, size // patch, width))
        self.first, self.body = layers[0], nn.Sequential(*layers[1:])
        self.head = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, dim, bias=False), nn.BatchNorm1d(dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        start = self.first(x.permute(0, 2, 3, 1)) + self.place
        y: Tensor = self.head(self.body(start).mean((1, 2)))
        return y
