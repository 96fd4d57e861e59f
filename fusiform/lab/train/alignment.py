"""Training against misaligned crops: similarities of a given reach, at random or the worst of them.

Saadabadi et al., "ARoFace: alignment robustness to improve low-quality face recognition" (ECCV
2024), train on crops whose alignment is chosen against the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.train.augment import similar
from fusiform.lab.train.loop import Batch


@dataclass(frozen=True)
class Reach:
    """How far an alignment may be off either way: `shift` in shares of the side along x and y,
    `scale` in shares, `turn` in degrees."""

    shift: float = 0.08
    scale: float = 0.1
    turn: float = 10.0

    def __post_init__(self) -> None:
        if min(self.shift, self.scale, self.turn) < 0 or self.scale >= 1:
            raise ChoiceError("shift, scale, turn", "at least 0, scale below 1", self)


def misaligned(images: Tensor, places: Tensor, reach: Reach) -> Tensor:
    """`images (n, c, S, S)` under the similarities `places (n, 4)`: shift along x and y, scale,
    turn, each in [-1, 1] of its reach. Differentiable in both; all zero is the identity."""
    turn = places[:, 3] * math.radians(reach.turn)
    return similar(images, 1 + places[:, 2] * reach.scale, turn, places[:, :2] * 2 * reach.shift)


class MisalignedClassify(nn.Module):
    """Classification by `head` of crops of which a `share` (0..1) is misaligned within `reach`.

    Each such crop starts from a place drawn evenly. With `step` above 0 the place then moves by
    `step` along the sign of the loss's gradient, no farther than the reach: one step of Goodfellow
    et al., "Explaining and harnessing adversarial examples" (ICLR 2015), taken by the alignment
    and not by the pixels. `step` 0 is random augmentation; a share of 0 is plain classification.
    """

    def __init__(
        self, head: nn.Module, reach: Reach, step: float = 1.0, share: float = 0.5
    ) -> None:
        super().__init__()
        if step < 0 or not 0 <= share <= 1:
            raise ChoiceError("step, share", "at least 0, share at most 1", (step, share))
        self.head, self.reach, self.step, self.share = head, reach, step, share

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        images, labels = batch["image"], batch["label"]
        places = 2 * torch.rand(len(images), 4, device=images.device) - 1
        moved = torch.rand(len(images), 1, device=images.device) < self.share
        if self.step and self.share:
            places = self.harder(net, images, labels, places)
        return self.loss(net, images, labels, places * moved), {}

    def harder(self, net: nn.Module, images: Tensor, labels: Tensor, places: Tensor) -> Tensor:
        """`places (n, 4)` one step uphill. Statistics of batch norms stay out of it."""
        free = places.detach().requires_grad_(True)
        was = net.training
        net.eval()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.loss(net, images, labels, free), free)
        net.train(was)
        return (places + self.step * slope.sign()).clamp(-1, 1)

    def loss(self, net: nn.Module, images: Tensor, labels: Tensor, places: Tensor) -> Tensor:
        """The head's mean loss of the crops as `places` put them."""
        crops = misaligned(images, places, self.reach)
        features = net(crops.contiguous(memory_format=torch.channels_last))
        value: Tensor = self.head(features.float(), labels)
        return value
