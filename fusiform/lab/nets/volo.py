"""VOLO: a transformer whose first stage looks closely, at fine tokens and near ones only.

Yuan, Hou, Jiang, Feng and Yan, "VOLO: Vision outlooker for visual recognition", IEEE TPAMI 2023.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.lab.blocks.outlook import OutlookAttention

Look = Callable[[int, int], nn.Module]  # dim, heads -> a layer of tokens (n, h, w, dim)


class SelfAttention(nn.Module):
    """All tokens look at all: `(n, h, w, dim)` -> the same (Vaswani et al., NeurIPS 2017)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        n, height, width, dim = x.shape
        split = self.qkv(x).view(n, height * width, 3, self.heads, dim // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.out(seen.transpose(1, 2).reshape(n, height, width, dim))
        return y


class Near(nn.Module):
    """A 3 x 3 depth-wise convolution between two linear layers: `(n, h, w, dim)` -> the same."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.value, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.conv(self.value(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y: Tensor = self.out(mixed)
        return y


class ClassAttention(nn.Module):
    """One token `(n, 1, dim)` that looks at all `(n, t, dim)` (Touvron et al., ICCV 2021)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)
        self.both = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, one: Tensor, tokens: Tensor) -> Tensor:
        n, count, dim = tokens.shape
        query = self.query(one).view(n, 1, self.heads, -1).transpose(1, 2)
        key, value = self.both(tokens).view(n, count, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.out(seen.transpose(1, 2).reshape(n, 1, dim))
        return y


class Block(nn.Module):
    """Look and think, each after a layer norm and beside a straight way."""

    def __init__(self, dim: int, look: nn.Module, times: float) -> None:
        super().__init__()
        self.look, self.norm, self.norm2 = look, nn.LayerNorm(dim), nn.LayerNorm(dim)
        wide = int(dim * times)
        self.think = nn.Sequential(nn.Linear(dim, wide), nn.GELU(), nn.Linear(wide, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.look(self.norm(x))
        y: Tensor = x + self.think(self.norm2(x))
        return y


class Volo(nn.Module):
    """Pictures `(n, 3, size, size)` in [-1, 1] -> features `(n, dim)`; `size`: a multiple of 8.

    Tokens of 4 pixels go through `fine` blocks with the layer that `look` makes, `width` wide and
    with `times` the width inside; joined two by two, through `coarse` blocks of self-attention,
    twice as wide; then a class token gathers them.
    """

    def __init__(
        self,
        size: int = 48,
        dim: int = 128,
        width: int = 48,
        fine: int = 2,
        coarse: int = 1,
        look: Look = OutlookAttention,
        times: float = 2.0,
        heads: int = 2,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 2, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width // 2),
            nn.ReLU(),
            nn.Conv2d(width // 2, width, 2, 2),
        )
        self.place = nn.Parameter(torch.zeros(size // 4, size // 4, width))
        self.fine = nn.Sequential(*(Block(width, look(width, heads), times) for _ in range(fine)))
        self.join = nn.Conv2d(width, 2 * width, 2, 2)
        wide = 2 * width
        self.coarse = nn.Sequential(
            *(Block(wide, SelfAttention(wide, 2 * heads), 2.0) for _ in range(coarse))
        )
        self.token = nn.Parameter(torch.randn(1, 1, wide) * 0.02)
        self.norm, self.gather = nn.LayerNorm(wide), ClassAttention(wide, 2 * heads)
        self.head = nn.Sequential(
            nn.LayerNorm(wide), nn.Linear(wide, dim, bias=False), nn.BatchNorm1d(dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(self.stem(x).permute(0, 2, 3, 1) + self.place)
        joined = self.join(fine.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        tokens = self.norm(self.coarse(joined).flatten(1, 2))
        one = self.token.expand(len(x), -1, -1)
        gathered = one + self.gather(one, torch.cat([one, tokens], 1))
        y: Tensor = self.head(gathered[:, 0])
        return y
