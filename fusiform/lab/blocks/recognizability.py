"""How recognisable a face is, in the space of its embedding.

After Chai et al., "Recognizability embedding enhancement for very low-resolution face recognition
and quality estimation" (CVPR 2023): a face is recognisable if it lies far from where hopeless
faces gather, and nearer to its own person than to the next one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Perceptibility(nn.Module):
    """Maps `(n, c, h, w)` with each place weighed by 2 a, a in (0, 1) being learned.

    It starts as the identity (a = 1/2 everywhere).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 4)
        self.squeeze = nn.Conv2d(channels, inner, 1)
        self.act = nn.PReLU(inner)
        self.place = nn.Conv2d(inner, 1, 3, 1, 1)
        nn.init.zeros_(self.place.weight)
        nn.init.zeros_(self.place.bias)  # type: ignore[arg-type]

    def attention(self, maps: Tensor) -> Tensor:
        """a, `(n, 1, h, w)`: which regions are readable."""
        logits: Tensor = self.place(self.act(self.squeeze(maps)))
        return logits.sigmoid()

    def forward(self, maps: Tensor) -> Tensor:
        return 2 * self.attention(maps) * maps


def recognizability(cosine: Tensor, labels: Tensor, hopeless: Tensor) -> Tensor:
    """The index `(n,)` in [0, 1] of embeddings with `cosine (n, c)` to the prototypes of c >= 2
    people, of whom `labels (n,)` are their own, and `hopeless (n,)` to the hopeless centre.

    The product of two shares, which is our form of the paper's two criteria: (1 - hopeless) / 2,
    and n / (p + n), where p and n are the cosine distances to the own and the nearest other
    prototype; the latter is 1/2 where both are as near.
    """
    own = cosine.gather(1, labels[:, None])[:, 0]
    other = cosine.scatter(1, labels[:, None], -torch.inf).amax(1)
    near, far = (1 - own).clamp_min(0), (1 - other).clamp_min(0)
    return (1 - hopeless).clamp(0, 2) / 2 * (far / (near + far).clamp_min(1e-6))


def diversion(index: Tensor, hopeless: Tensor) -> Tensor:
    """Mean of (1 - index)(1 + hopeless) / 2: pushes embeddings from the hopeless centre, to which
    they have cosine `hopeless (n,)`, the harder the lower their `index (n,)`."""
    return ((1 - index.detach()) * (1 + hopeless) / 2).mean()


class HopelessCentre(nn.Module):
    """The running mean direction of embeddings of hopeless faces."""

    mean: Tensor

    def __init__(self, dim: int, momentum: float = 0.05) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(dim))

    @torch.no_grad()
    def add(self, features: Tensor) -> None:
        """Moves it towards `features (n, dim)` of hopeless faces."""
        self.mean.lerp_(functional.normalize(features.float()).mean(0), self.momentum)

    def forward(self, features: Tensor) -> Tensor:
        """Cosine of `features (n, dim)` to it, `(n,)`; 0 before anything was added."""
        return functional.normalize(features.float()) @ functional.normalize(self.mean, dim=0)
