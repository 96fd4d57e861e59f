"""PETALface: Parameter Efficient Transfer Learning for Low-resolution Face Recognition.

Narayan, Nair, Xu, Chellappa, Patel, WACV 2025. New: a frozen recognition transformer gets two sets
of low-rank adapters, for good and for poor pictures, mixed for each picture by its quality, so
that a sharp gallery and blurred probes are each met suitably; `lab.blocks.lora`.

Quality is read off the picture without a reference: how much of its contrast is lost when it is
shrunk to a quarter (`sharpness`). Left out: a learnt quality model, for which that stands, and
Swin's windows.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fusiform.lab.blocks.lora import adapt, shared
from fusiform.lab.papers._people import Split, numbered, split
from fusiform.lab.papers._recogniser import scores, trained
from fusiform.lab.papers._transformer import PLAN, cosines, settled, small_vit, spent
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import FLIP, degraded, flipped, uniform
from fusiform.lab.train.faces import embed
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.identification import cmc, searched

SIDES = (6, 12)  # pixels of a poor face's side, of 48: as 14 to 28 of 112
WEB = replace(FLIP, low=0.2, smallest=0.35)
SHARP = (0.14, 0.26)  # sharpness that is poor and good


@dataclass(frozen=True)
class Arm:
    """How the net is adapted: `rank` 0 trains all weights; `sets` of adapters."""

    rank: int
    sets: int
    rate: float


FULL, ONE, TWO = Arm(0, 1, 1e-3), Arm(16, 1, 1e-2), Arm(8, 2, 1e-2)


class Found(NamedTuple):
    """Rank-1 of poor probes in a good gallery; TAR at FAR 1e-2 and 1e-3 of good pairs."""

    mixed: float
    good2: float
    good3: float


@claim(metric="rank-1 rate, poor probes in a good gallery", margin=0.02, minutes=3)
def better_than_full(seed: int, size: str) -> tuple[float, float]:
    """Two sets mixed by quality find poor faces in a good gallery better than training all
    weights on the same poor faces."""
    return adapted(seed, size, TWO).mixed, adapted(seed, size, FULL).mixed


@claim(metric="rank-1 rate, poor probes in a good gallery", margin=0.02, minutes=3)
def better_than_none(seed: int, size: str) -> tuple[float, float]:
    """Two sets mixed by quality find poor faces in a good gallery better than no adaptation."""
    return adapted(seed, size, TWO).mixed, adapted(seed, size, None).mixed


@claim(metric="rank-1 rate, poor probes in a good gallery", margin=0.005, minutes=3)
def better_than_one(seed: int, size: str) -> tuple[float, float]:
    """Two sets mixed by quality do so better than one set with as many weights."""
    return adapted(seed, size, TWO).mixed, adapted(seed, size, ONE).mixed


@claim(metric="TAR at FAR 1e-3, good faces", margin=-0.01, minutes=3)
def good_faces_stay(seed: int, size: str) -> tuple[float, float]:
    """On good faces two sets lose at most a point against no adaptation."""
    return adapted(seed, size, TWO).good3, adapted(seed, size, None).good3


@claim(metric="TAR at FAR 1e-3, good faces", margin=0.02, minutes=3)
def full_forgets(seed: int, size: str) -> tuple[float, float]:
    """On good faces two sets keep more than training all weights."""
    return adapted(seed, size, TWO).good3, adapted(seed, size, FULL).good3


@lru_cache(maxsize=8)
def adapted(seed: int, size: str, arm: Arm | None) -> Found:
    """Scores on a hundred unseen people, good and poor."""
    faces, net = recogniser(seed, size)
    if arm is None:
        return judged(net, faces.test, seed)
    new: nn.Module = deepcopy(net)
    if arm.rank:
        adapt(new, arm.rank, arm.sets, where="blocks")
        new = ByQuality(new) if arm.sets == 2 else new
    few = faces.train.of(range(faces.train.people * 3 // 4, faces.train.people))
    trained(
        few,
        seed,
        size,
        cosines(seed, few.people),
        new,
        augment=half_poor,
        plan=PLAN,
        budget=spent(size, 0.5, arm.rate),
    )
    return judged(new, faces.test, seed)


@lru_cache(maxsize=1)
def recogniser(seed: int, size: str) -> tuple[Split, nn.Module]:
    """A transformer trained on three quarters of the people; among their faces are poorer ones, as
    in collections from the web, but none so poor as those it is adapted to."""
    faces = split(seed, size, 400, 100)
    first = faces.train.of(range(faces.train.people * 3 // 4))
    net = small_vit(seed, first.size)
    head = cosines(seed, first.people)
    trained(first, seed, size, head, net, augment=WEB, plan=PLAN, budget=spent(size, 1))
    return faces, settled(net)


class ByQuality(nn.Module):
    """A net with two sets of adapters, mixed for each picture by its quality."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        good = quality(x)
        with shared(self.net, torch.stack([good, 1 - good], 1)):
            features: Tensor = self.net(x)
        return features


def quality(images: Tensor) -> Tensor:
    """0 for a poor picture to 1 for a good one, `(n,)`."""
    low, high = SHARP
    return ((sharpness(images) - low) / (high - low)).clamp(0, 1)


def sharpness(images: Tensor) -> Tensor:
    """Share of a picture's contrast that is lost at a quarter of its side, `(n,)` in [0, 1]:
    root mean square of the difference, over the deviation of the pixels."""
    lost = images - degraded(images, images.shape[-1] // 4)
    return (
        (lost.square().mean((1, 2, 3)) / images.var((1, 2, 3)).clamp_min(1e-6)).sqrt().clamp(0, 1)
    )


def poor(images: Tensor, draw: torch.Generator) -> Tensor:
    """Each as enlarged from one of SIDES pixels a side, both ends included."""
    low, high = SIDES
    side = (low + uniform(len(images), draw) * (high + 1 - low)).long()
    out = images.clone()
    for s in sorted(set(side.tolist())):
        out[side == s] = degraded(images[side == s], s)
    return out


def half_poor(images: Tensor, draw: torch.Generator) -> Tensor:
    """About half of them poor, half mirrored."""
    which = uniform(len(images), draw)[:, None, None, None] < 0.5
    return flipped(torch.where(which, poor(images, draw), images), 0.5, draw)


def judged(net: nn.Module, test: Crowd, seed: int) -> Found:
    """The first face of each person is the gallery, the others, made poor, are the probes."""
    good = embed(net, test.images)
    first = numbered(test) == 0
    draw = torch.Generator().manual_seed(seed)
    probes = embed(net, test.images[~first], change=lambda x: poor(x, draw))
    found = searched(probes @ good[first].T, test.person[~first], test.person[first])
    same = scores(good, test.person)
    return Found(float(cmc(found, 1)[0]), same.tar2, same.tar3)
