"""Accuracy over folds, each at the threshold that is best on the others: the protocol of LFW.

Huang, Ramesh, Berg and Learned-Miller, "Labeled Faces in the Wild" (UMass technical report 07-49,
2007), view 2: the mean accuracy of ten folds and its standard error.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.measure.calibration import Flags, Floats


class FoldAccuracy(NamedTuple):
    """`accuracy (f,)` in [0, 1] and `threshold (f,)` of each fold, in the order of their sorted
    names; the mean of the accuracies and the standard error of that mean.
    """

    accuracy: Floats
    threshold: Floats
    mean: float
    standard_error: float


def fold_accuracy(similarity: ArrayLike, same: ArrayLike, fold: ArrayLike = 10) -> FoldAccuracy:
    """Accuracy on each fold at the `best_threshold` of all other folds.

    `similarity (n,)` finite, `same (n,)` bool; `fold (n,)` names each pair's fold, or is one
    number of contiguous equal folds. The standard error is s / sqrt(f) with s^2 the sum of
    squared deviations from the mean over f - 1, as in the report.

    Raises ChoiceError for unequal lengths, no pairs, similarities that are not finite, fewer than
    two folds, or a number of folds that does not divide n.
    """
    values, flags = _pairs(similarity, same)
    which = _folds(fold, len(values))
    names = np.unique(which)
    if len(names) < 2:
        raise ChoiceError("fold", "at least two different folds", names)
    threshold = np.array([best_threshold(values[which != f], flags[which != f]) for f in names])
    right = (values >= threshold[np.searchsorted(names, which)]) == flags
    accuracy = np.array([right[which == f].mean() for f in names])
    error = accuracy.std(ddof=1) / np.sqrt(len(names))
    return FoldAccuracy(accuracy, threshold, float(accuracy.mean()), float(error))


def best_threshold(similarity: ArrayLike, same: ArrayLike) -> float:
    """The threshold at which most pairs are told rightly; a pair is accepted at or above it.

    Exact: the midpoints of all neighbouring distinct values are compared, and -inf and inf, where
    all or none are accepted. Of several that are equally good it is the highest, which accepts
    fewest. `similarity (n,)` finite, `same (n,)` bool; raises ChoiceError as `fold_accuracy` does.
    """
    scores, flags = _pairs(similarity, same)
    values, place = np.unique(scores, return_inverse=True)
    # A value that falls below the threshold costs its genuine pairs and gains its impostors.
    change = np.bincount(place, np.where(flags, -1, 1), len(values))
    gained = np.concatenate([[0.0], np.cumsum(change)])
    best = len(values) - int(np.argmax(gained[::-1]))
    return float(_between(values)[best])


def _between(values: Floats) -> Floats:
    low, high = values[:-1], values[1:]
    middle = low / 2 + high / 2
    # Between two neighbouring floats there is none, and the middle may round to the lower.
    middle = np.where((low < middle) & (middle <= high), middle, high)
    return np.concatenate([[-np.inf], middle, [np.inf]])


def _pairs(similarity: ArrayLike, same: ArrayLike) -> tuple[Floats, Flags]:
    values, flags = np.asarray(similarity, np.float64), np.asarray(same)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ChoiceError("similarity", "a non-empty list of finite numbers", values)
    if flags.shape != values.shape or flags.dtype != np.bool_:
        raise ChoiceError("same", f"true or false for each of {len(values)} pairs", flags)
    return values, flags


def _folds(fold: ArrayLike, n: int) -> NDArray[Any]:
    which = np.asarray(fold)
    if which.ndim:
        if which.shape != (n,):
            raise ChoiceError("fold", f"one for each of {n} pairs", which.shape)
        return which
    count = int(which)
    if count < 2 or n % count:
        raise ChoiceError("fold", f"at least 2 and a divisor of {n} pairs", count)
    return np.repeat(np.arange(count), n // count)
