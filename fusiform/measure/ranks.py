"""Rank correlation; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError


def rank_correlation(one: ArrayLike, other: ArrayLike) -> float:
    """Spearman's rho of two lists of `n` numbers, in [-1, 1]: the correlation of their ranks,
    equal numbers at the mean of theirs (Kendall, Rank Correlation Methods, 1948); 0 where all of
    a list are equal.

    Raises ChoiceError if the lists differ in length, are empty or hold a NaN, which has no rank.
    """
    first, second = (np.asarray(x, np.float64).ravel() for x in (one, other))
    if len(first) != len(second) or not len(first):
        raise ChoiceError("other", f"as many numbers as one ({len(first)}), 1 or more", len(second))
    if np.isnan(first).any() or np.isnan(second).any():
        raise ChoiceError("one and other", "numbers", "a NaN")
    first, second = ranks(first), ranks(second)
    first, second = first - first.mean(), second - second.mean()
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size else 0.0


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place of each number `(n,)` in their order, from 1; equals share the mean of theirs."""
    _, which, many = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(many)
    return np.asarray((last - (many - 1) / 2)[which])
