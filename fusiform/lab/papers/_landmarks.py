"""Finding 68 landmarks in probes as a small net does, and cutting faces out by five of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fusiform.core.align import inverse, similarity, template, warp
from fusiform.core.seeds import rng
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.papers._probes import Probes
from fusiform.lab.papers._recogniser import BUDGETS, Budget, fresh, trained
from fusiform.lab.train.augment import Augment
from fusiform.lab.train.loop import Batch
from fusiform.lab.world.crowd import Crowd

LOCATED = 32  # pixels of the crop that points are found in
Floats = NDArray[np.float64]


def cut(images: NDArray[np.uint8], five: Floats, side: int) -> NDArray[np.uint8]:
    """Crops `(n, side, side, 3)` of `images (n, h, w, 3)` aligned by five points `(n, 5, 2)`."""
    target = template("arcface112").points * (side / template("arcface112").size)
    back = [inverse(matrix) for matrix in similarity(five.astype(np.float32), target)]
    return np.stack([warp(i, b, side) for i, b in zip(images, back, strict=True)])


def framed(probes: Probes, seed: int) -> tuple[NDArray[np.uint8], Floats, Floats]:
    """Crops `(n, 32, 32, 3)` about boxes as inexact as a detector's, their corners and sides."""
    middle = (probes.boxes[:, :2] + probes.boxes[:, 2:]) / 2
    height = (probes.boxes[:, 2:] - probes.boxes[:, :2]).max(1)
    random = rng(seed, "boxes")
    reach = 1.3 * height * random.uniform(0.92, 1.08, len(height))
    middle = middle + random.normal(0, 0.04, middle.shape) * height[:, None]
    origin = middle - reach[:, None] / 2
    crops = [
        warp(image, np.array([[r / LOCATED, 0, o[0]], [0, r / LOCATED, o[1]]]), LOCATED)
        for image, o, r in zip(probes.images, origin, reach, strict=True)
    ]
    return np.stack(crops), origin, reach


class Spread(nn.Module):
    """What a batch norm gives, `(n, d)`, with the mean and deviation of `values (k, d)`."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", values.mean(0))
        self.register_buffer("deviation", values.std(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.mean + self.deviation * x


class Places(nn.Module):
    """The objective of a net that says where `points (n, d)` are: mean distance."""

    points: Tensor

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.register_buffer("points", points)

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        return (net(batch["image"]) - self.points[batch["label"]]).abs().mean(), {}


def landmarker(seed: int, size: str, probes: Probes) -> nn.Module:
    """A net for 68 landmarks in [-1, 1] of a crop, trained on three crops of each of `probes`."""
    shown = [framed(probes, seed + 100 * (k + 1)) for k in range(3)]
    crops, origin, reach = (np.concatenate([s[i] for s in shown]) for i in range(3))
    truth = np.tile(probes.points, (3, 1, 1)).astype(np.float64)
    places = 2 * (truth - origin[:, None]) / reach[:, None, None] - 1
    flat = torch.from_numpy(places).float().flatten(1)
    net = nn.Sequential(fresh(seed, lambda: FaceResNet(LOCATED, 136, 16, (1, 1, 1))), Spread(flat))
    faces = Crowd(crops, np.arange(len(crops)))
    how = Augment(0, 0, 0, 0, low=0, noise=0.05)
    plan = {"optimiser": "adamw", "rate": 3e-3}
    return trained(
        faces,
        seed,
        size,
        nn.Identity(),
        net,
        augment=how,
        objective=Places(flat),
        plan=plan,
        budget=Budget(900) if size == "small" else BUDGETS[size],
    )
