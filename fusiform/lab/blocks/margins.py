"""Margin softmax: classification over cosines, with a margin on the true class.

A margin takes cosines `(n, c)`, labels `(n,)` and feature norms `(n,)` and gives the cosines that
softmax sees, which a head multiplies by its scale s. Only the column of the true class changes,
so a margin works as well on a part of the classes (`lab.train.sharded`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.cosines import cosines

Margin = Callable[[Tensor, Tensor, Tensor], Tensor]
NORMS = (0.001, 100.0)  # feature norms are clipped to these, as AdaFace does


class MarginSoftmax(nn.Module):
    """A head: features `(n, dim)` and labels `(n,)` int64 -> the mean loss.

    `margin` None is the normalised softmax of NormFace (Wang et al. 2017). `centres` prototypes a
    class, of which the nearest counts, are the sub-centres of Deng et al. (ECCV 2020).
    Cosines lie in [-1, 1]; logits are `scale` times them.
    """

    def __init__(
        self,
        dim: int,
        classes: int,
        margin: Margin | None = None,
        scale: float = 32.0,
        centres: int = 1,
    ) -> None:
        super().__init__()
        if min(dim, classes, centres) < 1 or scale <= 0:
            raise ChoiceError("dim, classes, centres, scale", "positive", (dim, classes, centres))
        self.margin, self.scale, self.centres = margin, scale, centres
        self.weight = nn.Parameter(torch.randn(classes * centres, dim) * 0.01)

    def cosines(self, features: Tensor) -> Tensor:
        """Cosine to each class's nearest centre, `(n, classes)`."""
        return self.all_cosines(features).amax(2)

    def all_cosines(self, features: Tensor) -> Tensor:
        """Cosine to every centre, `(n, classes, centres)`."""
        return cosines(features, self.weight).view(len(features), -1, self.centres)

    def logits(self, features: Tensor, labels: Tensor) -> Tensor:
        """What softmax sees, `(n, classes)`."""
        cosine = self.cosines(features)
        if self.margin is not None:
            cosine = self.margin(cosine, labels, features.float().norm(dim=1))
        return self.scale * cosine

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(self.logits(features, labels), labels)


def cosface(margin: float = 0.35) -> Margin:
    """cos(t) - m: Wang et al., "CosFace", CVPR 2018, eq. 4."""

    def shifted(cosine: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        return on_target(cosine, labels, lambda true: true - margin)

    return shifted


def arcface(margin: float = 0.5) -> Margin:
    """cos(t + m): Deng et al., "ArcFace", CVPR 2019, eq. 3. See `added_angle`."""

    def turned(cosine: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        return on_target(cosine, labels, lambda true: added_angle(true, margin))

    return turned


class AdaFace(nn.Module):
    """Margins by quality: Kim et al., "AdaFace", CVPR 2022, eqs. 10 to 13.

    The feature's norm, normalised by running mean and deviation and clipped to [-1, 1] after
    multiplying by `h`, is z: the angle grows by -m z, the cosine falls by m z + m. So z = -1 is
    ArcFace, z = 0 CosFace, and z = 1 a negative angle with a larger shift. No gradient flows
    through z.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, margin: float = 0.4, h: float = 0.333, momentum: float = 0.01) -> None:
        super().__init__()
        self.m, self.h, self.momentum = margin, h, momentum
        self.register_buffer("mean", torch.tensor(20.0))
        self.register_buffer("deviation", torch.tensor(100.0))

    def z(self, norms: Tensor) -> Tensor:
        """Quality of each sample, -1..1; in training the running figures move first."""
        safe = norms.detach().clamp(*NORMS)
        if self.training and len(safe) > 1:
            self.mean.lerp_(safe.mean().to(self.mean), self.momentum)
            self.deviation.lerp_(safe.std().to(self.mean), self.momentum)
        return ((safe - self.mean) / (self.deviation + 1e-3) * self.h).clamp(-1, 1)

    def forward(self, cosine: Tensor, labels: Tensor, norms: Tensor) -> Tensor:
        z = self.z(norms)

        def adapted(true: Tensor) -> Tensor:
            angle = (true.clamp(-1 + 1e-3, 1 - 1e-3).acos() - self.m * z).clamp(
                1e-3, math.pi - 1e-3
            )
            return angle.cos() - self.m * (1 + z)

        return on_target(cosine, labels, adapted)


def added_angle(cosine: Tensor, margin: float | Tensor) -> Tensor:
    """cos(t + m) of cos(t), for 0 <= m < pi.

    Beyond t + m = pi, where it would rise again, it goes on as the line cos(t) - 1 + cos(m),
    which meets it there, so that a wrong sample is always pulled nearer.
    """
    m = torch.as_tensor(margin, dtype=cosine.dtype, device=cosine.device)
    # sin(t) has no gradient at t = 0; a float's own precision keeps it finite there.
    sine = (1 - cosine.square()).clamp_min(torch.finfo(cosine.dtype).eps).sqrt()
    turned = cosine * m.cos() - sine * m.sin()
    return torch.where(cosine > -m.cos(), turned, cosine - 1 + m.cos())


def on_target(cosine: Tensor, labels: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """`cosine (n, c)` with `change` applied to the column of each row's label.

    Rows labelled -1 (their class is elsewhere) stay as they are.
    """
    here = labels >= 0
    column = labels.clamp_min(0)[:, None]
    true = cosine.gather(1, column)[:, 0]
    changed = torch.where(here, change(true), true)
    return cosine.scatter(1, column, changed[:, None].to(cosine))
