"""SphereFace2: Binary Classification is All You Need for Deep Face Recognition.

Wen, Liu, Weller, Raj, Singh, ICLR 2022. New: a logistic yes or no for each class in place of
softmax over all of them, balanced, with margins about a shared bias and stretched similarities
(`lab.blocks.binary`).
Left out: margins on angles (their -A and -M forms); splitting classes over machines, which the
loss makes easy and which has no part in the figures.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from torch import nn

from fusiform.lab.blocks.binary import SphereFace2
from fusiform.lab.blocks.margins import MarginSoftmax, arcface
from fusiform.lab.papers._labels import mislabelled
from fusiform.lab.papers._people import Split, split
from fusiform.lab.papers._recogniser import DIM, fresh, scores, trained
from fusiform.lab.papers.claims import claim
from fusiform.lab.train.faces import embed
from fusiform.measure.verification import threshold_at_fmr

SIDE = 32  # pixels
WRONG = 0.4  # share of wrong labels
FAR = 1e-2
GAIN = 200.0  # of 50 and 200; 300 steps are few


@claim(metric="TAR at FAR 1e-3", margin=0.0, minutes=3)
def binary_verifies_better(seed: int, size: str) -> tuple[float, float]:
    """Yes-or-no questions verify unseen people better than softmax with ArcFace's margin."""
    return verified(seed, size, "binary", 0.0), verified(seed, size, "softmax", 0.0)


@claim(metric="TAR at FAR 1e-3", margin=0.02, minutes=3)
def binary_stands_noise(seed: int, size: str) -> tuple[float, float]:
    """With 40% of the training labels wrong it is ahead by more than two points."""
    return verified(seed, size, "binary", WRONG), verified(seed, size, "softmax", WRONG)


@claim(metric="spread of thresholds", margin=0.05, minutes=0, higher=False)
def one_threshold_fits_more(seed: int, size: str) -> tuple[float, float]:
    """The thresholds that suit different people at FAR 1e-2 differ by at least 5% less, as a
    share of what they differ by after softmax."""
    person = people(seed, size).test.person
    plain = spread(embedded(seed, size, "softmax", 0.0), person)
    return spread(embedded(seed, size, "binary", 0.0), person) / plain, 1.0


@lru_cache(maxsize=2)
def people(seed: int, size: str) -> Split:
    return split(seed, size, 300, 100, SIDE)


@lru_cache(maxsize=8)
def embedded(seed: int, size: str, way: str, wrong: float) -> np.ndarray:
    """Unit vectors of the test people after training on labels of which a share is wrong."""
    faces = people(seed, size)
    labels = mislabelled(faces.train.person, wrong, seed)
    head = fresh(seed, lambda: head_of(way, faces.train.people))
    return embed(trained(faces.train, seed, size, head, labels=labels), faces.test.images)


def head_of(way: str, classes: int) -> nn.Module:
    if way == "binary":
        return SphereFace2(DIM, classes, gain=GAIN)
    return MarginSoftmax(DIM, classes, arcface(0.4), 24.0)


def verified(seed: int, size: str, way: str, wrong: float) -> float:
    return scores(embedded(seed, size, way, wrong), people(seed, size).test.person).tar3


def spread(embeddings: np.ndarray, person: np.ndarray) -> float:
    """Standard deviation over people of the threshold at which strangers match them at FAR 1e-2,
    in units of the distance between the means of genuine and impostor scores."""
    match, same = embeddings @ embeddings.T, person[:, None] == person
    pair = ~np.eye(len(person), dtype=bool)
    own = [threshold_at_fmr(match[person == p][:, person != p].ravel(), FAR) for p in set(person)]
    return float(np.std(own) / (match[same & pair].mean() - match[~same].mean()))
