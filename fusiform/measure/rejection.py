"""Does a quality score find the faces that go wrong? Error against what is discarded.

The error versus discard characteristic: the worst are discarded, and the error of what is left is
drawn over the discarded share. Grother and Tabassi, "Performance of biometric quality measures"
(IEEE TPAMI 2007), there for comparisons with "reject" for discard; Schlett et al., "Considerations
on the evaluation of biometric quality assessment algorithms" (IEEE T-BIOM 2023).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fusiform.core.errors import ChoiceError
from fusiform.measure.calibration import Floats


class Edc(NamedTuple):
    """The exact step curve: from `discarded[i]` up to the next one the error is `error[i]`.

    `discarded (k,)` ascends from 0 and stays below 1, where nothing is left; `error (k,)` is in
    [0, 1]. Equal qualities are discarded together, so there is a step for each distinct one.
    """

    discarded: Floats
    error: Floats


def edc(quality: ArrayLike, wrong: ArrayLike) -> Edc:
    """The curve of samples that are each right or wrong, the lowest quality discarded first.

    `quality (n,)` finite, higher being better; `wrong (n,)` bool. Raises ChoiceError for no
    samples, unequal lengths or a quality that is not finite.
    """
    scores, flags = _finite("quality", quality), np.asarray(wrong)
    if flags.shape != scores.shape or flags.dtype != np.bool_:
        raise ChoiceError("wrong", f"true or false for each of {len(scores)} qualities", flags)
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    bad = np.bincount(place, flags, len(count))
    left, bad_left = (np.cumsum(c[::-1])[::-1] for c in (count, bad))
    return Edc(1 - left / len(scores), bad_left / left)


def fnmr_edc(quality: ArrayLike, pairs: ArrayLike, similarity: ArrayLike, threshold: float) -> Edc:
    """FNMR at a fixed threshold over the discarded share of genuine pairs (not of faces).

    `quality (n,)` of single faces; `pairs (g, 2)` their positions 0..n-1 in the genuine pairs,
    `similarity (g,)`. A pair is as good as the worse of its two faces and is refused when its
    similarity is below the threshold. Raises ChoiceError as `edc` does and for wrong positions.
    """
    scores, values = _finite("quality", quality), _finite("similarity", similarity)
    place = np.asarray(pairs)
    if place.shape != (len(values), 2) or not np.issubdtype(place.dtype, np.integer):
        raise ChoiceError("pairs", f"two positions for each of {len(values)} pairs", place)
    if place.min() < 0 or place.max() >= len(scores):
        raise ChoiceError("pairs", f"positions from 0 to {len(scores) - 1}", place)
    if np.isnan(threshold):
        raise ChoiceError("threshold", "a number", threshold)
    return edc(scores[place].min(axis=1), values < threshold)


def pauc(curve: Edc, limit: float = 1.0) -> float:
    """Area under the steps from 0 to the discarded share `limit`, which is in (0, 1]."""
    _require_limit(limit)
    width = np.diff(np.minimum(np.append(curve.discarded, 1.0), limit))
    return float(width @ curve.error)


def ideal(error: float, discarded: ArrayLike) -> Floats:
    """max(0, error - discarded): the customary lower bound, `error` at no discard.

    Grother and Tabassi 2007. Discarding nothing but errors comes close to it for small shares
    and attains (error - r) / (1 - r), since what is left shrinks as well.
    """
    return np.maximum(0.0, error - np.asarray(discarded, np.float64))


def ideal_pauc(error: float, limit: float = 1.0) -> float:
    """Area under `ideal` from 0 to `limit` in (0, 1]."""
    _require_limit(limit)
    end = min(error, limit)
    return float(end * (error - end / 2))


def normalised_pauc(curve: Edc, limit: float = 1.0) -> float:
    """`pauc` on a scale on which the ideal is 0 and a quality that says nothing is 1.

    Above 1 it misleads. The ideal area is taken off as by Olsen, Smida and Busch (IET Biometrics
    2016); what is left is over the same for a flat curve, which random qualities give on average.
    NaN where nothing is wrong to begin with. Raises ChoiceError for a limit outside (0, 1].
    """
    error = float(curve.error[0])
    best = ideal_pauc(error, limit)
    return (pauc(curve, limit) - best) / (error * limit - best) if error else np.nan


def _finite(name: str, values: ArrayLike) -> Floats:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ChoiceError(name, "a non-empty list of finite numbers", numbers)
    return numbers


def _require_limit(limit: float) -> None:
    if not 0 < limit <= 1:
        raise ChoiceError("limit", "above 0 and at most 1", limit)
