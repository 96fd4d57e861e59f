"""A small plain vision transformer for aligned faces.

Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021: patches, positions, pre-norm blocks
of attention and a perceptron. The head reads all tokens in their places, as faces are aligned
(insightface's ViT does so too), or their mean, or a class token.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError

READS = ("all", "mean", "class")
POSITIONS = ("learned", "waves")


class Attention(nn.Module):
    """Self-attention of `heads` heads: `(n, t, width)` -> the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, t, width = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.out(mixed.transpose(1, 2).reshape(n, t, width))
        return y


class Perceptron(nn.Module):
    """Two linear layers with GELU between, for each token by itself."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.rise, self.fall = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fall(functional.gelu(self.rise(x)))
        return y


class Block(nn.Module):
    """x + attention(norm(x)), then x + perceptron(norm(x)): `(n, t, width)`."""

    def __init__(self, width: int, heads: int, wider: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.perceptron = Perceptron(width, wider * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        y: Tensor = x + self.perceptron(self.norm2(x))
        return y


class FaceViT(nn.Module):
    """Pictures `(n, 3, size, size)` in [-1, 1] -> features `(n, dim)`, not of unit length.

    `size` is a multiple of `patch`, `width` of `heads` (and of 4 for waves). `read`, one of READS:
    what the head sees. `positions`, one of POSITIONS: learned, or fixed sines and cosines of
    column and row (`waves`).
    """

    place: Tensor

    def __init__(
        self,
        size: int = 48,
        dim: int = 128,
        width: int = 96,
        depth: int = 6,
        heads: int = 3,
        patch: int = 8,
        read: str = "all",
        positions: str = "learned",
    ) -> None:
        super().__init__()
        if size % patch or width % heads or (positions == "waves" and width % 4):
            raise ChoiceError("size and width", f"multiples of {patch}, {heads}", (size, width))
        for name, value, known in (("read", read, READS), ("positions", positions, POSITIONS)):
            if value not in known:
                raise ChoiceError(name, known, value)
        self.read, self.patch, self.side = read, patch, size // patch
        self.embed = nn.Linear(3 * patch * patch, width)
        self.first = nn.Parameter(torch.randn(1, 1, width) * 0.02) if read == "class" else None
        if positions == "learned":
            self.place = nn.Parameter(torch.randn(1, self.side**2, width) * 0.02)
        else:
            self.register_buffer("place", waves(self.side, width)[None])
        self.blocks = nn.ModuleList(Block(width, heads, 4) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        seen = width * self.side**2 if read == "all" else width
        self.head = nn.Sequential(nn.Linear(seen, dim, bias=False), nn.BatchNorm1d(dim))
        self.apply(begun)

    def patches(self, x: Tensor) -> Tensor:
        """Pixels of each patch, `(n, t, 3 * patch * patch)`, row by row."""
        return functional.unfold(x, self.patch, stride=self.patch).transpose(1, 2)

    def embedded(self, x: Tensor) -> Tensor:
        """Patches with their places, `(n, t, width)`, before any block."""
        y: Tensor = self.embed(self.patches(x)) + self.place
        return y

    def through(self, tokens: Tensor) -> Tensor:
        """Embedded tokens `(n, t, width)`, of some patches or all, after the last norm. A class
        token, where the net has one, stands first: `(n, 1 + t, width)`."""
        if self.first is not None:
            tokens = torch.cat([self.first.expand(len(tokens), -1, -1), tokens], 1)
        for block in self.blocks:
            tokens = block(tokens)
        y: Tensor = self.norm(tokens)
        return y

    def tokens(self, x: Tensor) -> Tensor:
        """What the head reads from, `(n, t, width)`; see `through`."""
        return self.through(self.embedded(x))

    def seen(self, tokens: Tensor) -> Tensor:
        """The head's input of `tokens`, `(n, width)` or, of all, `(n, t * width)`."""
        if self.read == "all":
            return tokens.flatten(1)
        return tokens.mean(1) if self.read == "mean" else tokens[:, 0]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.seen(self.tokens(x)))
        return y


class GatedViT(nn.Module):
    """A transformer that reads all tokens, each times its gate in (0, 1): TransFace (Dan et al.,
    ICCV 2023), whose gates are a squeeze-and-excitation of all tokens. A high gate marks a patch
    that the net goes by."""

    def __init__(self, vit: FaceViT) -> None:
        super().__init__()
        if vit.read != "all":
            raise ChoiceError("read", "all", vit.read)
        self.vit = vit
        count, width = vit.side**2, vit.embed.out_features
        self.gate = nn.Sequential(
            nn.Linear(count * width, count, bias=False),
            nn.ReLU(),
            nn.Linear(count, count, bias=False),
            nn.Sigmoid(),
        )

    def gated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `(n, t, width)` after the gates, and the gates `(n, t)`."""
        tokens = self.vit.tokens(x)
        gates = self.gate(tokens.flatten(1))
        return tokens * gates[..., None], gates

    def head(self, tokens: Tensor) -> Tensor:
        """Features `(n, dim)` of gated tokens."""
        features: Tensor = self.vit.head(tokens.flatten(1))
        return features

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gated(x)[0])


def begun(module: nn.Module) -> None:
    """Glorot weights and no biases in linear layers, as ViTs begin."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def waves(side: int, width: int) -> Tensor:
    """Sines and cosines of column and row, `(side * side, width)`, in [-1, 1].

    Vaswani et al., "Attention is all you need", 2017, section 3.5, a quarter of the width for
    each. Raises ChoiceError unless `width` is a multiple of 4.
    """
    if width % 4:
        raise ChoiceError("width", "a multiple of 4", width)
    quarter = width // 4
    rate = torch.exp(-math.log(10_000) * torch.arange(quarter) / quarter)
    angle = torch.arange(side)[:, None] * rate
    line = torch.cat([angle.sin(), angle.cos()], 1)
    rows, columns = line.repeat_interleave(side, 0), line.repeat(side, 1)
    return torch.cat([columns, rows], 1)
