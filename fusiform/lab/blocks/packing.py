"""Points on a hypersphere that keep away from one another, yet near given ones.

HyperFace (Otroshi Shahreza and Marcel, "HyperFace: generating synthetic face recognition datasets
by exploring face embedding hypersphere", ICLR 2025): identities of a synthetic set are points in
the space of embeddings, as far apart as they will go (Tammes' problem of 1930), held to where
faces are by a gallery of embeddings of faces.

Points are `(n, d)` of unit length, cosines in [-1, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fusiform.core.errors import ChoiceError

SAME = 2.0  # more than any cosine


def packed(
    start: Tensor,
    gallery: Tensor | None = None,
    pull: float = 0.5,
    steps: int = 500,
    rate: float = 0.02,
) -> Tensor:
    """`start (n, d)` moved so that `crowding` + `pull` * `astray` falls, back onto the sphere after
    each of `steps` (projected gradient descent, by Adam's rule, the rate falling to 0).

    Without a `gallery (g, d)` nothing pulls. No steps give `start` normalised. Raises ChoiceError
    for fewer than two points, a negative pull, or a rate that is not above 0.
    """
    if len(start) < 2 or pull < 0 or rate <= 0 or steps < 0:
        raise ChoiceError("points, pull, rate", "two points, 0 or more, above 0", (pull, rate))
    points = functional.normalize(start.detach()).clone().requires_grad_()
    known = None if gallery is None else functional.normalize(gallery.detach())
    optimiser = torch.optim.Adam([points], rate)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1 - step / steps)
        loss = crowding(points)
        if known is not None and pull:
            loss = loss + pull * astray(points, known)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            points.copy_(functional.normalize(points))
    return points.detach()


def crowding(points: Tensor) -> Tensor:
    """The mean over points of the cosine to the nearest other one, which packing lowers."""
    own = torch.eye(len(points), dtype=torch.bool, device=points.device)
    cosine = points @ points.T
    return cosine.masked_fill(own, -SAME).amax(1).mean()


def astray(points: Tensor, gallery: Tensor) -> Tensor:
    """The mean over points of 1 - the cosine to the nearest of `gallery (g, d)`: how far
    they are from where faces lie."""
    return (1 - (points @ gallery.T).amax(1)).mean()


def nearest_angle(points: Tensor) -> Tensor:
    """Degrees from each point to the nearest other one, `(n,)`."""
    unit = functional.normalize(points.double())
    own = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    cosine = (unit @ unit.T).masked_fill(own, -SAME).amax(1)
    return cosine.clamp(-1, 1).acos().rad2deg()
