"""How far predicted landmarks lie from the true ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError

Floats = NDArray[np.float64]


def nme(predicted: ArrayLike, truth: ArrayLike, norm: ArrayLike) -> Floats:
    """Normalised mean error of each face, `(n,)`: mean distance of its points over its `norm`.

    `predicted (n, k, 2)` and `truth (n, k, 2)` in pixels, `norm (n,)` in pixels, above 0: by
    custom the distance of the eyes (`inter_ocular`) or the root of the box's area. 0.05 is 5 %.
    Raises ChoiceError if a shape does not fit or a norm is not above 0.
    """
    ours, true = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    unit = np.asarray(norm, np.float64)
    if ours.ndim != 3 or ours.shape != true.shape:
        raise ChoiceError(
            "predicted", f"of the shape of truth, {true.shape}, n x k x 2", ours.shape
        )
    if unit.shape != ours.shape[:1] or not (unit > 0).all():
        raise ChoiceError("norm", "one number above 0 for each face", unit)
    return np.asarray(np.linalg.norm(ours - true, axis=2).mean(axis=1) / unit, np.float64)


def inter_ocular(
    points: ArrayLike, left: Sequence[int] = (0,), right: Sequence[int] = (1,)
) -> Floats:
    """Distance in pixels of the eyes of each face, `(n,)`, from `points (n, k, 2)`.

    `left` and `right` number each eye's points, whose mean is the eye; the defaults fit the five
    points of `Faces` (eye centres). For the 300-W convention, outer corners, of a 68-point
    scheme pass (36,) and (45,).
    """
    all_points = np.asarray(points, np.float64)
    one, other = (all_points[:, list(eye)].mean(axis=1) for eye in (left, right))
    return np.asarray(np.linalg.norm(one - other, axis=1), np.float64)
