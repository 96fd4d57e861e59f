"""What a card says of a recogniser, measured on people it has not seen: thresholds with intervals,
a probability, the similarity for grouping."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import FusiformError
from fusiform.gallery import group
from fusiform.hub.card import Threshold
from fusiform.measure.bootstrap import Interval
from fusiform.measure.calibration import fit_logistic
from fusiform.measure.clusters import pairwise_f1
from fusiform.measure.thresholds import threshold_intervals
from fusiform.measure.verification import Pairs, eer, labelled_pairs, tar_at_far

RATES = (1e-2, 1e-3, 1e-4)
ROUNDS = 1000
LEAST = 4  # people
LIMITS = 60  # similarities tried for grouping
Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


class Limit(NamedTuple):
    """The average similarity for grouping, and how well people are told apart with it."""

    similarity: float
    f1: float


def measured(vectors: Floats, person: Numbers, source: str, seed: int = 0) -> dict[str, Any]:
    """Fields of a card from unit vectors `(n, d)` of `person (n,)`, who are `source`.

    Raises FusiformError for too few people.
    """
    people = len(np.unique(person))
    pairs = labelled_pairs(vectors, person)
    if people < LEAST or not len(pairs.genuine):
        raise FusiformError(
            f"The numbers of a card need at least {LEAST} people, one of them with two pictures; "
            f"there are {people}, {source}. Name more people with --thresholds-from."
        )
    limits = threshold_intervals(vectors, person, RATES, seed, ROUNDS)
    same = np.repeat([True, False], [len(pairs.genuine), len(pairs.impostor)])
    a, b = fit_logistic(np.concatenate([pairs.genuine, pairs.impostor]), same)
    limit = grouping_limit(vectors, person, pairs)
    return {
        "thresholds": tuple(
            Threshold(fmr, up(one.value), round(one.low, 4), round(one.high, 4))
            for fmr, one in limits.items()
        ),
        "thresholds_source": told(pairs, len(person), people, source, seed, limits),
        "calibration": (round(a, 3), round(b, 3)),
        "grouping": limit.similarity,
        "extra": {"metrics": metrics(pairs, limit)},
    }


def up(value: float) -> float:
    """To four digits, upwards, so that the rate is not exceeded."""
    return float(np.ceil(value * 1e4) / 1e4)


def grouping_limit(vectors: Floats, person: Numbers, pairs: Pairs) -> Limit:
    """The average similarity that groups these people best, by pairwise F1: of LIMITS between
    strangers and one person, the middle one of equals."""
    low, high = float(np.median(pairs.impostor)), float(np.quantile(pairs.genuine, 0.9))
    tried = np.unique(np.clip(np.linspace(min(low, high), max(low, high), LIMITS), -0.99, 1))
    scores = [pairwise_f1(person, group(vectors, float(t))).f for t in tried]
    best = np.flatnonzero(np.array(scores) == max(scores))
    return Limit(round(float(tried[best[len(best) // 2]]), 4), max(scores))


def metrics(pairs: Pairs, limit: Limit) -> dict[str, Any]:
    """How well the people are told apart."""
    tars = {
        f"TAR at FAR {far:g}": round(tar_at_far(pairs.genuine, pairs.impostor, far), 4)
        for far in RATES
        if resolved(pairs, far)
    }
    error = round(eer(pairs.genuine, pairs.impostor), 4)
    return tars | {"EER": error, "F1 of grouping": round(limit.f1, 4)}


def resolved(pairs: Pairs, far: float) -> bool:
    """Whether there are impostors enough to show such a rate."""
    return len(pairs.impostor) * far >= 1


def told(
    pairs: Pairs, faces: int, people: int, source: str, seed: int, limits: dict[float, Interval]
) -> str:
    """Where the thresholds are from, and how far they carry."""
    beyond = [f"{fmr:g}" for fmr in limits if not resolved(pairs, fmr)]
    text = (
        f"{faces:,} faces of {people:,} people {source}: {len(pairs.genuine):,} genuine and "
        f"{len(pairs.impostor):,} impostor pairs. Intervals: 95 %, {ROUNDS} bootstrap draws of "
        f"people, seed {seed}"
    )
    if beyond:
        text += (
            f". FMR {' and '.join(beyond)} is beyond these pairs: the highest similarity of two "
            "strangers stands there"
        )
    return text
