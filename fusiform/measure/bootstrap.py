"""Confidence intervals by drawing people, not pairs, again.

Pairs that share a person are not independent, so drawing pairs gives intervals that are far too
narrow (Bolle, Ratha and Pankanti, "Error analysis of pattern recognition systems: the subsets
bootstrap", CVIU 2004). An impostor pair depends on two people: both are drawn here, and the pair
counts as often as the product of their draws (the vertex bootstrap of Snijders and Borgatti,
Connections 1999); drawing only one side of it would halve the interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fusiform.core.errors import ChoiceError
from fusiform.measure.verification import Numbers, Scores, labelled_pairs


class Interval(NamedTuple):
    """A statistic on the data as it is, and its lower and upper bound."""

    value: float
    low: float
    high: float


def interval(
    statistic: Callable[[Numbers], float],
    people: int,
    seed: int,
    rounds: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Percentile interval (Efron 1979) of `statistic` over people drawn with replacement.

    `statistic(counts)` gets how often each person counts, `counts (people,)` int64, and gives
    a number, infinity (of a ratio), or NaN where the draw leaves nothing to measure; rounds of
    NaN are left out. Raises ChoiceError for fewer than two people, no rounds, a level outside
    (0, 1), or where more than half of the rounds are NaN.
    """
    if people < 2:
        raise ChoiceError("people", "at least 2", people)
    if rounds < 1:
        raise ChoiceError("rounds", "at least 1", rounds)
    if not 0 < level < 1:
        raise ChoiceError("level", "between 0 and 1", level)
    random = np.random.default_rng(seed)
    draws = (random.integers(people, size=people) for _ in range(rounds))
    values = np.array([statistic(np.bincount(d, minlength=people)) for d in draws])
    known = values[~np.isnan(values)]
    if 2 * len(known) < rounds:
        raise ChoiceError("people", "enough to measure most draws of them", people)
    bounds = [(1 - level) / 2, (1 + level) / 2]
    if np.isfinite(known).all():
        low, high = np.quantile(known, bounds)
    else:  # nothing lies halfway between a number and infinity, which a ratio may be
        low, high = np.quantile(known, bounds, method="inverted_cdf")
    return Interval(float(statistic(np.ones(people, np.int64))), float(low), float(high))


def verification_interval(
    statistic: Callable[[Scores, Scores], float],
    embeddings: ArrayLike,
    labels: ArrayLike,
    seed: int,
    rounds: int = 1000,
    level: float = 0.95,
) -> Interval:
    """The interval of `statistic(genuine, impostor)` over the people of labelled embeddings.

    `embeddings (n, d)`, `labels (n,)`. Raises ChoiceError as `interval` and `labelled_pairs` do.
    """
    pairs = labelled_pairs(embeddings, labels)

    def of(counts: Numbers) -> float:
        genuine, impostor = pairs.drawn(counts)
        return statistic(genuine, impostor) if len(genuine) and len(impostor) else np.nan

    return interval(of, pairs.people, seed, rounds, level)
