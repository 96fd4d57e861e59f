"""Training a net with a recognizability index; Chai et al., CVPR 2023.

The net is one with `rated`, such as `lab.nets.recognizable.RecognizableNet`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.lab.blocks.margins import MarginSoftmax
from fusiform.lab.blocks.recognizability import HopelessCentre, diversion, recognizability
from fusiform.lab.train.augment import degraded
from fusiform.lab.train.loop import Batch


class Indexed(Protocol):
    """A net that gives features `(n, dim)`, and with them an index `(n,)` in (0, 1)."""

    training: bool

    def __call__(self, images: Tensor) -> Tensor: ...

    def rated(self, images: Tensor) -> tuple[Tensor, Tensor]: ...

    def train(self, mode: bool = True) -> object: ...


@dataclass(frozen=True)
class Weights:
    """Of the diversion loss and of the index's regression; both 0 is plain classification."""

    divert: float = 1.0
    rate: float = 1.0


class RecognizableClassify(nn.Module):
    """Classification by `head`, diversion from the hopeless centre, and regression of the index.

    Hopeless faces are `few` of each batch shrunk to `pixels`.
    """

    def __init__(
        self,
        head: MarginSoftmax,
        weights: Weights = Weights(),
        pixels: int = 4,
        few: int = 32,
    ) -> None:
        super().__init__()
        self.head, self.weights, self.pixels, self.few = head, weights, pixels, few
        self.centre = HopelessCentre(head.weight.shape[1])

    def forward(self, net: Indexed, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        labels = batch["label"]
        self.see(net, batch["image"][: self.few])
        features, rated = net.rated(batch["image"])
        loss: Tensor = self.head(features.float(), labels)
        hopeless = self.centre(features)
        with torch.no_grad():
            index = recognizability(self.head.cosines(features), labels, hopeless)
        expected = functional.smooth_l1_loss(rated, index, beta=0.1)
        loss = loss + self.weights.divert * diversion(index, hopeless)
        return loss + self.weights.rate * expected, {"index": float(index.mean())}

    @torch.no_grad()
    def see(self, net: Indexed, images: Tensor) -> None:
        """Moves the centre to these `images (n, 3, S, S)` made hopeless; batch norms stay."""
        was = net.training
        net.train(False)
        self.centre.add(net(degraded(images, self.pixels)))
        net.train(was)
