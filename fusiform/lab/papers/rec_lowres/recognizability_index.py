"""Recognizability Embedding Enhancement for Very Low-Resolution Face Recognition and Quality Estimation.

Chai, Ng, Low, Park, Teoh, CVPR 2023. New: an index of how recognisable a face is, from where its
embedding lies; a loss that drives embeddings of low index from where hopeless faces gather; and
attention to readable regions. `lab.blocks.recognizability`, `lab.nets.recognizable`,
`lab.train.recognizable`. Ours: the centre is the running mean of the net's own embeddings of 4 px
faces in place of clustered failures of another net, which the world would need photos for.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fusiform.lab.blocks.margins import MarginSoftmax, arcface
from fusiform.lab.nets.recognizable import RecognizableNet
from fusiform.lab.papers._people import split
from fusiform.lab.papers._recogniser import DIM, fresh, scores, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.augment import flipped
from fusiform.lab.train.faces import Floats, features, unit
from fusiform.lab.train.recognizable import RecognizableClassify, Weights
from fusiform.lab.world.crowd import Crowd
from fusiform.measure.rejection import fnmr_edc, pauc
from fusiform.measure.verification import pairs, threshold_at_fmr

SIDE = 32
PIXELS = (8, 20)  # of the faces, before they are enlarged
NOISE = 0.06
GROUPS = 8  # of a batch, each of a size of its own
SCALE = 24.0
WEIGHTS = Weights(1.0, 1.0)
MOST = 0.5  # up to this discarded share errors are counted


class Judged(NamedTuple):
    """TAR at FAR 1e-2 at 12 px; areas of errors over discards by the index and by the norm."""

    tar12: float
    by_index: float
    by_norm: float


@claim(metric="TAR at FAR 1e-2, 12 px", margin=0.02, minutes=4)
def verifies_better(seed: int, size: str) -> tuple[float, float]:
    """Index, diversion and attention verify unseen people at 12 pixels better than the same
    margin softmax alone."""
    return judged(seed, size, True).tar12, judged(seed, size, False).tar12


@claim(metric="area of FNMR over discards, of the norm's", margin=0.1, minutes=4, higher=False)
def index_rejects(seed: int, size: str) -> tuple[float, float]:
    """Discarding faces of 8 to 20 pixels by their index leaves at least a tenth fewer errors than
    discarding them by the length of their embedding."""
    found = judged(seed, size, True)
    return found.by_index / found.by_norm, 1.0


@lru_cache(maxsize=4)
def judged(seed: int, size: str, enhanced: bool) -> Judged:
    """Of a net trained on 300 people, on 150 others."""
    people = split(seed, size, 300, 150, SIDE)
    net = fresh(seed, lambda: RecognizableNet(SIDE, DIM)) if enhanced else None
    head = fresh(seed, lambda: MarginSoftmax(DIM, people.train.people, arcface(0.4), SCALE))
    objective = RecognizableClassify(head, WEIGHTS) if enhanced else None
    made = trained(people.train, seed, size, head, net, augment=small_faces, objective=objective)
    tar12 = scores(unit(seen(made, people.test, (12, 12), seed)), people.test.person).tar2
    if not isinstance(made, RecognizableNet):
        return Judged(tar12, np.nan, np.nan)
    told = seen(
        lambda x: torch.cat([v.view(len(x), -1) for v in made.rated(x)], 1),
        people.test,
        PIXELS,
        seed,
    )
    found, index = told[:, :-1], told[:, -1]
    who = people.test.person
    return Judged(
        tar12, errors(found, who, index), errors(found, who, np.linalg.norm(found, axis=1))
    )


def errors(found: Floats, person: np.ndarray, quality: np.ndarray) -> float:
    """Area of FNMR over discards of genuine pairs, at the threshold of FMR 1e-2."""
    vectors = unit(found)
    rows, columns = np.triu_indices(len(person), 1)
    same = person[rows] == person[columns]
    threshold = threshold_at_fmr(pairs(vectors, person)[1], 1e-2)
    place = np.column_stack([rows[same], columns[same]])
    alike = np.einsum("ij,ij->i", vectors[place[:, 0]], vectors[place[:, 1]])
    return pauc(fnmr_edc(quality, place, alike, threshold), MOST)


def seen(net: Callable[[Tensor], Tensor], test: Crowd, sizes: tuple[int, int], seed: int) -> Floats:
    """Features `(n, d)` of the faces at sizes drawn from `sizes`."""
    draw = torch.Generator().manual_seed(seed)
    return features(net, test.images, change=lambda images: shrunk(images, sizes, draw))


def small_faces(images: Tensor, draw: torch.Generator) -> Tensor:
    """What training sees: mirrored or not, and small."""
    return shrunk(flipped(images, 0.5, draw), PIXELS, draw)


def shrunk(images: Tensor, sizes: tuple[int, int], draw: torch.Generator) -> Tensor:
    """`images (n, 3, S, S)` as cameras with `sizes` pixels a face give them, blurred, with noise,
    and enlarged again; eight sizes a batch, in turn."""
    out = torch.empty_like(images, memory_format=torch.channels_last)
    for k in range(min(GROUPS, len(images))):
        side = int(torch.randint(sizes[0], sizes[1] + 1, (1,), generator=draw))
        soft = functional.avg_pool2d(images[k::GROUPS], 3, 1, 1, count_include_pad=False)
        small = functional.interpolate(soft, size=(side, side), mode="area")
        small = small + NOISE * torch.randn(small.shape, generator=draw)
        large = functional.interpolate(small, size=images.shape[-2:], mode="bilinear")
        out[k::GROUPS] = large.clamp(-1, 1)
    return out
