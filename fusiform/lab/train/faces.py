"""Training recognisers: aligned faces as batches, heads as objectives, nets as embedders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.train.augment import FLIP, Augment
from fusiform.lab.train.batches import Sampler
from fusiform.lab.train.loop import Batch, Batches
from fusiform.lab.train.parallel import Part, apart

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]
Floats = NDArray[np.float32]


class Classify(nn.Module):
    """The objective of a head that takes features and labels, such as `MarginSoftmax`."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        features = net(batch["image"])
        return self.head(features.float(), batch["label"]), {}


def face_batches(
    images: Pixels,
    labels: Labels,
    sampler: Sampler,
    augment: Augment = FLIP,
    seed: int = 0,
    device: str = "cpu",
    part: Part = (0, 1),
) -> Batches:
    """Batches of `images (n, S, S, 3)` and `labels (n,)`: `image (b, 3, S, S)` in [-1, 1],
    `label (b,)`, `row (b,)`. `part` (rank, of): each of several processes augments otherwise.
    Raises ChoiceError if the lengths differ."""
    if len(images) != len(labels):
        raise ChoiceError("labels", f"one for each of {len(images)} images", len(labels))

    def batch(step: int) -> dict[str, Tensor]:
        rows = sampler(step)
        draw = torch.Generator(device).manual_seed(seed * 7_919 + step + apart(part[0]))
        pictures = augment(as_input(images[rows]).to(device), draw)
        label = torch.from_numpy(labels[rows]).to(device)
        return {"image": pictures, "label": label, "row": torch.from_numpy(rows)}

    return batch


def as_input(images: Pixels) -> Tensor:
    """uint8 `(n, S, S, 3)` -> float32 `(n, 3, S, S)` in [-1, 1], laid out channels last."""
    # A copy: torch takes no array that is mirrored, and warns of one that it could not write to.
    pixels = torch.from_numpy(np.array(images, order="C")).permute(0, 3, 1, 2)
    return pixels.float().sub_(127.5).div_(127.5)


@torch.no_grad()
def embed(
    net: Callable[[Tensor], Tensor],
    images: Pixels,
    batch: int = 256,
    change: Callable[[Tensor], Tensor] | None = None,
    flip: bool = False,
    device: str = "cpu",
) -> Floats:
    """Unit vectors `(n, d)` of faces by a net in evaluation mode; see `features`."""
    found = features(net, images, batch, change, device)
    if flip:
        found = unit(found) + unit(features(net, images[:, :, ::-1], batch, change, device))
    return unit(found)


@torch.no_grad()
def features(
    net: Callable[[Tensor], Tensor],
    images: Pixels,
    batch: int = 256,
    change: Callable[[Tensor], Tensor] | None = None,
    device: str = "cpu",
) -> Floats:
    """What the net says, `(n, d)`, of any length. `change` is done to each batch first. A net in
    training mode is put back into it."""
    was = getattr(net, "training", False)
    if isinstance(net, nn.Module):
        net.eval()
    parts = []
    for start in range(0, max(1, len(images)), batch):
        pictures = as_input(images[start : start + batch]).to(device)
        parts.append(net(change(pictures) if change else pictures).float().cpu().numpy())
    if isinstance(net, nn.Module):
        net.train(was)
    found: Any = np.concatenate(parts)
    return np.asarray(found, np.float32)


def unit(vectors: Floats) -> Floats:
    """Rows of length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
