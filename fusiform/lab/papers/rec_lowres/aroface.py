"""ARoFace: Alignment Robustness to Improve Low-Quality Face Recognition.

Saadabadi, Malakshan, Dabouei, Nasrabadi, ECCV 2024. New: training crops are put where a
similarity within bounds makes their loss larger; `lab.train.alignment.MisalignedClassify`. All
arms shrink and enlarge the same share of the training faces. Left out: the evaluation on video
sets of real people, which the world does not have.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusiform.core.seeds import rng
from fusiform.lab.blocks.margins import MarginSoftmax, cosface
from fusiform.lab.papers._mugshots import frontal
from fusiform.lab.papers._people import split
from fusiform.lab.papers._recogniser import DIM, Budget, fresh, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.alignment import MisalignedClassify, Reach, misaligned
from fusiform.lab.train.augment import Augment, degraded
from fusiform.lab.train.faces import as_input, embed, unit
from fusiform.measure.identification import rank_accuracy, searched_embeddings

SIDE = 24  # of a crop; the probes have 12 to 16 pixels
PIXELS = (12, 14, 16)
FACES = Augment(0.5, 0, 0, 0, 0, 0, 0, low=0.7, smallest=0.35, noise=0)
REACH = Reach(0.08, 0.1, 10)
STEP = 1.0
SHARE = 0.5  # of the training crops that are misaligned
BUDGET = {"tiny": Budget(6, 32), "small": Budget(750), "full": Budget(20_000, 512)}


class Found(NamedTuple):
    """Rank-1 of probes that are sharp and well aligned, and of small ones misaligned fully."""

    clean: float
    hard: float


@claim(metric="rank-1, small misaligned probes", margin=0.01, minutes=5)
def beats_random(seed: int, size: str) -> tuple[float, float]:
    """Alignments chosen against the network help with misaligned small probes more than random
    ones of the same reach."""
    return ranked(seed, size, STEP).hard, ranked(seed, size, 0.0).hard


@claim(metric="rank-1, small misaligned probes", margin=0.03, minutes=5)
def beats_none(seed: int, size: str) -> tuple[float, float]:
    """They help more than training on well aligned crops alone."""
    return ranked(seed, size, STEP).hard, ranked(seed, size, 0.0, 0.0).hard


@claim(metric="rank-1, sharp aligned probes", margin=-0.005, minutes=5)
def keeps_clean(seed: int, size: str) -> tuple[float, float]:
    """Sharp and well aligned probes lose at most half a point by it."""
    return ranked(seed, size, STEP).clean, ranked(seed, size, 0.0, 0.0).clean


@lru_cache(maxsize=8)
def ranked(seed: int, size: str, step: float, share: float = SHARE) -> Found:
    """Trained on 250 people, searched among 100 others."""
    people = split(seed, size, 250, 100, SIDE)
    head = fresh(seed, lambda: MarginSoftmax(DIM, people.train.people, cosface()))
    objective = MisalignedClassify(head, REACH, step, share)
    net = trained(people.train, seed, size, augment=FACES, objective=objective, budget=BUDGET[size])
    test = people.test
    mug = frontal(test)
    gallery = embed(net, test.images[mug])
    probes = np.setdiff1d(np.arange(len(test)), mug)
    who = test.person[probes]

    def rank1(found: np.ndarray) -> float:
        return rank_accuracy(searched_embeddings(found, gallery, who, test.person[mug]))

    clean = embed(net, test.images[probes])
    hard = [small(net, test.images[probes], p, seed) for p in PIXELS]
    return Found(rank1(clean), float(np.mean([rank1(found) for found in hard])))


@torch.no_grad()
def small(net: torch.nn.Module, images: np.ndarray, pixels: int, seed: int) -> np.ndarray:
    """Embeddings of `images` shrunk to `pixels`, as far misaligned as REACH goes."""
    places = outermost(len(images), seed)
    parts = []
    for start in range(0, len(images), 256):
        rows = slice(start, start + 256)
        seen = degraded(as_input(images[rows]), pixels)
        parts.append(net(misaligned(seen, places[rows], REACH)).numpy())
    return unit(np.concatenate(parts))


def outermost(n: int, seed: int) -> Tensor:
    """`(n, 4)`: shifts by the whole reach in any direction, scale and turn at either end."""
    random = rng(seed, "misaligned")
    angle = random.uniform(0, 2 * np.pi, n)
    ends = random.choice([-1.0, 1.0], (n, 2))
    return torch.from_numpy(np.column_stack([np.cos(angle), np.sin(angle), ends])).float()
