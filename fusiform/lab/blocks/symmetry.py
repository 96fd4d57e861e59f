"""The two halves of a face should say the same: SymFace.

Prakash, Jerripothula, Sam, Singh, Umamaheswaran, "SymFace: Additional facial symmetry loss for
deep face recognition", arXiv 2409.11816, 2024.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


def halves(images: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures `(n, c, h, w)` cut down the middle, the right half mirrored: `(n, c, h, ceil(w/2))`
    each, both with the face's middle at their right edge. The middle column of an odd w is in
    both."""
    wide = (images.shape[3] + 1) // 2
    return images[..., :wide], images.flip(3)[..., :wide]


def completed(half: Tensor, width: int) -> Tensor:
    """Halves `(n, c, h, ceil(width/2))` made whole by their own mirror image, `(n, c, h, width)`,
    so that a network of whole faces can take them."""
    return torch.cat([half, half.flip(3)[..., width % 2 :]], 3)


def frontness(points: Tensor) -> Tensor:
    """How frontal faces are, 0..1, from five points `(n, 5, 2)` (eyes, nose, corners of the
    mouth): 1 where the nose is midway between the eyes across the picture, 0 where it is below
    or beyond one of them."""
    left, right, nose = points[:, 0, 0], points[:, 1, 0], points[:, 2, 0]
    off = (nose - (left + right) / 2).abs() / ((right - left).abs() / 2).clamp_min(1e-6)
    return (1 - off).clamp(0, 1)


def symmetry_loss(left: Tensor, right: Tensor, share: Tensor) -> Tensor:
    """Mean over faces of `share (n,)` times the squared distance (0..4) of the features
    `(n, dim)` of both halves, scaled to unit length."""
    apart = functional.normalize(left) - functional.normalize(right)
    return (share * apart.square().sum(1)).mean()


class Symmetric(nn.Module):
    """An objective: a head's loss plus `weight` times `symmetry_loss` over the faces whose
    frontness is at least `frontal`. It reads `image`, `label` and `row` of a batch;
    `front (rows,)` is the frontness of the face of each row.

    Whole faces and halves go through the network together, so that batch norm in training and
    afterwards speaks of the same mixture. With `weight` 0 it is the head's loss alone.
    """

    front: Tensor

    def __init__(
        self, head: nn.Module, front: Tensor, weight: float = 0.1, frontal: float = 0.5
    ) -> None:
        super().__init__()
        self.head, self.weight, self.frontal = head, weight, frontal
        self.register_buffer("front", front, persistent=False)

    def forward(
        self, net: nn.Module, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, float]]:
        images, labels = batch["image"], batch["label"]
        share = self.front[batch["row"]]
        chosen = share >= self.frontal
        if self.weight == 0 or not chosen.any():
            return self.head(net(images).float(), labels), {}
        parts = [completed(half, images.shape[3]) for half in halves(images[chosen])]
        features = net(torch.cat([images, *parts])).float()
        left, right = features[len(images) :].chunk(2)
        apart = symmetry_loss(left, right, share[chosen])
        total = self.head(features[: len(images)], labels) + self.weight * apart
        return total, {"apart": float(apart.detach())}
