"""FaceNet: A Unified Embedding for Face Recognition and Clustering.

Schroff, Kalenichenko, Philbin, CVPR 2015. New: an embedding trained directly with triplets whose
negatives are semi-hard within large batches; harmonic triplets that make two networks' embeddings
comparable; templates of 128 bytes (`lab.blocks.triplets`).
Left out: 200 million photos and batches of 1,800 faces; the Inception networks.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fusiform.lab.blocks.triplets import Triplets, eight_bits
from fusiform.lab.nets.resnet import FaceResNet
from fusiform.lab.papers._people import Split, split
from fusiform.lab.papers._recogniser import BUDGETS, DIM, fresh, scores, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.batches import Sampler, balanced
from fusiform.lab.train.faces import embed
from fusiform.lab.train.loop import Batch
from fusiform.measure.verification import tar_at_far

FACES = 8  # of each person in a batch
FAR = 1e-2
SIDE = 32  # pixels


@claim(metric="TAR at FAR 1e-2", margin=0.05, minutes=4)
def semi_hard_beats_random(seed: int, size: str) -> tuple[float, float]:
    """Semi-hard negatives verify unseen people better than random ones."""
    return verified(seed, size, "semi-hard"), verified(seed, size, "random")


@claim(metric="TAR at FAR 1e-2", margin=0.0, minutes=2)
def triplets_beat_bottleneck(seed: int, size: str) -> tuple[float, float]:
    """Semi-hard triplets verify unseen people better than the bottleneck of a softmax of the same
    size, by distances of features."""
    return verified(seed, size, "semi-hard"), verified(seed, size, "softmax")


@claim(metric="TAR at FAR 1e-2", margin=0.0, minutes=2)
def hardest_is_worse(seed: int, size: str) -> tuple[float, float]:
    """Semi-hard negatives train better than the hardest, which may collapse the embedding."""
    return verified(seed, size, "semi-hard"), verified(seed, size, "hardest")


@claim(metric="TAR at FAR 1e-2", margin=-0.003, minutes=0)
def bytes_suffice(seed: int, size: str) -> tuple[float, float]:
    """One byte a number, 128 bytes a face, loses less than 0.3 points against floats."""
    test = people(seed, size).test
    codes = eight_bits(torch.from_numpy(embedded(seed, size, "semi-hard")))
    small = scores(codes.float().numpy(), test.person)
    return small.tar2, verified(seed, size, "semi-hard")


@claim(metric="TAR at FAR 1e-2 between networks", margin=0.3, minutes=2)
def harmonic_networks_agree(seed: int, size: str) -> tuple[float, float]:
    """After harmonic triplets a new network's embeddings match the old one's; without them those
    of two networks do not."""
    who, old = people(seed, size).test.person, embedded(seed, size, "semi-hard")
    new = embed(harmonic(seed, size), people(seed, size).test.images)
    return between(new, old, who), between(embedded(seed, size, "random"), old, who)


@lru_cache(maxsize=2)
def people(seed: int, size: str) -> Split:
    return split(seed, size, 300, 100, SIDE)


@lru_cache(maxsize=8)
def net_of(seed: int, size: str, way: str) -> nn.Module:
    """A network trained by softmax or by triplets of that mining."""
    faces = people(seed, size).train
    if way == "softmax":
        return trained(faces, seed, size, fresh(seed, lambda: Bottleneck(faces.people)))
    return trained(faces, seed, size, Triplets(way), sampler=families(seed, size))


@lru_cache(maxsize=2)
def harmonic(seed: int, size: str) -> nn.Module:
    """A new network of other first weights, trained beside the old one's features."""
    faces, later = people(seed, size).train, seed + 500
    old = torch.from_numpy(embed(net_of(seed, size, "semi-hard"), faces.images))
    net = fresh(later, lambda: FaceResNet(faces.size, DIM))
    way = Harmonic(old)
    return trained(faces, later, size, way, net, objective=way, sampler=families(seed, size))


def families(seed: int, size: str) -> Sampler:
    """Batches with several faces of each person."""
    person = people(seed, size).train.person
    return balanced(person, BUDGETS[size].batch // FACES, FACES, seed)


class Bottleneck(nn.Module):
    """Plain softmax: a linear layer on features `(n, DIM)`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.last = nn.Linear(DIM, classes)

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(self.last(features), labels)


class Harmonic(nn.Module):
    """An objective: triplets across a net and `old (rows, dim)`, an earlier one's features."""

    old: Tensor

    def __init__(self, old: Tensor) -> None:
        super().__init__()
        self.triplets = Triplets()
        self.register_buffer("old", old, persistent=False)

    def forward(self, net: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        new = net(batch["image"]).float()
        return self.triplets(new, batch["label"], self.old[batch["row"]]), {}


@lru_cache(maxsize=8)
def embedded(seed: int, size: str, way: str) -> np.ndarray:
    """Unit vectors of the test people."""
    return embed(net_of(seed, size, way), people(seed, size).test.images)


def verified(seed: int, size: str, way: str) -> float:
    return scores(embedded(seed, size, way), people(seed, size).test.person).tar2


def between(new: np.ndarray, old: np.ndarray, person: np.ndarray) -> float:
    """TAR at FAR 1e-2 of pairs of different faces, one embedded by each network."""
    same, pair = person[:, None] == person, ~np.eye(len(person), dtype=bool)
    match = new @ old.T
    return tar_at_far(match[same & pair], match[~same], FAR)
