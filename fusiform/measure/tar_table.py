"""The table of TAR at FAR that papers print, with what its impostors can and cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fusiform.core.errors import ChoiceError
from fusiform.measure.binomial import clopper_pearson
from fusiform.measure.bootstrap import Interval
from fusiform.measure.calibration import Floats
from fusiform.measure.verification import threshold_at_fmr

FARS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


class TarRow(NamedTuple):
    """TAR at one FAR.

    `resolved` is false where fewer than 1 / far impostors were seen. No match may then be allowed:
    the threshold lies just above the highest impostor, whose FMR is only known to be below about
    3 / impostors (rule of three), and `tar` is NaN throughout rather than a rate at another FAR.
    `accepted` impostors reach the threshold. The intervals are those of `clopper_pearson` at 95 %:
    optimistic, since they take pairs as independent and the threshold as given.
    """

    far: float
    resolved: bool
    threshold: float
    accepted: int
    fmr: Interval
    tar: Interval


def tar_table(
    genuine: ArrayLike, impostor: ArrayLike, fars: Sequence[float] = FARS
) -> list[TarRow]:
    """One row for each of `fars`, from similarities `genuine (g,)` and `impostor (i,)`.

    Raises ChoiceError if either side is empty or not finite or a FAR is outside [0, 1].
    """
    # One precision for both, so that no genuine score falls between impostor and threshold.
    same, other = np.asarray(genuine, np.float64), np.asarray(impostor, np.float64)
    if same.ndim != 1 or not len(same) or not np.isfinite(same).all():
        raise ChoiceError("genuine", "a non-empty list of finite numbers", same)
    return [_row(same, other, far) for far in fars]


def _row(same: Floats, other: Floats, far: float) -> TarRow:
    threshold = threshold_at_fmr(other, far)
    accepted = int(np.count_nonzero(other >= threshold))
    resolved = 1 / len(other) <= far
    tar = Interval(np.nan, np.nan, np.nan)
    if resolved:
        tar = clopper_pearson(int(np.count_nonzero(same >= threshold)), len(same))
    fmr = clopper_pearson(accepted, len(other))
    return TarRow(far, resolved, threshold, accepted, fmr, tar)
