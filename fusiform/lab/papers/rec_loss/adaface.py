"""AdaFace: Quality Adaptive Margin for Face Recognition.

Kim, Jain, Liu, CVPR 2022. New: angular and additive margins that follow the normalised length of
a face's feature, which stands for its quality, so that hard faces count while they can still be
recognised (`lab.blocks.margins.AdaFace`).
Left out: cropping and colour jitter beside the degradations; here every training picture keeps
one known degradation.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from fusiform.core.seeds import rng
from fusiform.lab.blocks.margins import AdaFace, MarginSoftmax, arcface
from fusiform.lab.papers._people import Split, numbered, split
from fusiform.lab.papers._recogniser import DIM, Budget, fresh, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import features, unit
from fusiform.lab.world.crowd import Crowd
from fusiform.lab.world.degrade import degrade
from fusiform.measure.identification import rank_accuracy, searched_embeddings
from fusiform.measure.ranks import rank_correlation

SIDE = 32  # pixels
SCALE, MARGIN = 24.0, 0.4
MOMENTUM = 0.05  # of the running figures: so few steps are too few for the paper's 0.01
# In 300 steps lengths do not come to tell quality yet.
BUDGETS = {"tiny": Budget(6, 32), "small": Budget(900), "full": Budget(20_000, 512)}
ENTRIES = 5  # gallery pictures of each person
BAD = 0.6  # severity of probes of low quality
Floats = NDArray[np.floating[Any]]


@claim(metric="rank-1 rate of degraded probes", margin=0.015, minutes=8)
def bad_probes_gain(seed: int, size: str) -> tuple[float, float]:
    """Trained on pictures of mixed quality, the adaptive margin names more unseen people in
    degraded probes than ArcFace's fixed one."""
    return named(seed, size, "adaface", BAD), named(seed, size, "arcface", BAD)


@claim(metric="rank-1 rate of good probes", margin=-0.005, minutes=0)
def good_probes_keep(seed: int, size: str) -> tuple[float, float]:
    """It loses less than half a point in good probes."""
    return named(seed, size, "adaface", 0.0), named(seed, size, "arcface", 0.0)


@claim(metric="rank correlation", margin=0.0, minutes=0)
def length_tells_quality(seed: int, size: str) -> tuple[float, float]:
    """The length of the feature falls with the severity of a degradation: their rank correlation
    is above 0.4."""
    test = people(seed, size).test
    severity = rng(seed, "severity").uniform(0, 1, len(test))
    found = features(net_of(seed, size, "adaface"), degraded(test, severity, seed).images)
    return rank_correlation(np.linalg.norm(found, axis=1), 1 - severity), 0.4


@lru_cache(maxsize=2)
def people(seed: int, size: str) -> Split:
    return split(seed, size, 300, 100, SIDE)


@lru_cache(maxsize=2)
def mixed(seed: int, size: str) -> Crowd:
    """Those who train: 30% of the pictures degraded by 0.3 to 0.8, 10% as far as it goes."""
    faces = people(seed, size).train
    stream = rng(seed, "mixed")
    lot = stream.random(len(faces))
    severity = np.where(lot < 0.3, stream.uniform(0.3, 0.8, len(faces)), 0)
    return degraded(faces, np.where(lot > 0.9, 1.0, severity), seed)


def degraded(faces: Crowd, severity: Floats, seed: int) -> Crowd:
    """Each picture blurred, shrunk, made noisy and compressed by its severity `(n,)`, 0..1."""
    stream = rng(seed, "degraded")
    images = [
        degrade(image, "restoration", stream, float(much)).image
        for image, much in zip(faces.images, severity, strict=True)
    ]
    return replace(faces, images=np.stack(images))


@lru_cache(maxsize=4)
def net_of(seed: int, size: str, loss: str) -> nn.Module:
    faces = mixed(seed, size)
    margin = arcface(MARGIN) if loss == "arcface" else AdaFace(MARGIN, momentum=MOMENTUM)
    head = fresh(seed, lambda: MarginSoftmax(DIM, faces.people, margin, SCALE))
    return trained(faces, seed, size, head, budget=BUDGETS[size])


def named(seed: int, size: str, loss: str, severity: float) -> float:
    """Share of probes of that severity that are named from good gallery pictures."""
    test = people(seed, size).test
    known = numbered(test) < (2 if size == "tiny" else ENTRIES)
    entries, probes = test[known], test[~known]
    net = net_of(seed, size, loss)
    worse = degraded(probes, np.full(len(probes), severity), seed)
    gallery = unit(features(net, entries.images))
    who = np.unique(entries.person)
    means = np.stack([gallery[entries.person == p].mean(0) for p in who])
    found = unit(features(net, worse.images))
    return rank_accuracy(searched_embeddings(found, unit(means), probes.person, who))
