"""Least squares without negative answers (Numba)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.kernel import kernel


@kernel
def non_negative(gram: NDArray[np.float64], image: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x >= 0 of shape (n,) that minimises |a @ x - b|, from gram = a.T @ a (n, n) of full rank
    and image = a.T @ b (n,) (Bro and De Jong 1997)."""
    n = len(gram)
    x, free = np.zeros(n), np.zeros(n, np.bool_)
    for _ in range(3 * n):
        best, steepest = -1, 1e-9
        for i in range(n):
            slope = image[i]
            for j in range(n):
                slope -= gram[i, j] * x[j]
            if not free[i] and slope > steepest:
                best, steepest = i, slope
        if best < 0:
            break
        free[best] = True
        while True:
            used = np.flatnonzero(free)
            trial = _solved(gram, image, used)
            step = 1.0
            for k, at in enumerate(used):
                if trial[k] < 0:
                    step = min(step, x[at] / max(x[at] - trial[k], 1e-300))
            for k, at in enumerate(used):
                x[at] += step * (trial[k] - x[at])
            if step == 1.0 and (len(used) == 0 or trial.min() >= 0):
                break
            for at in used:
                if x[at] <= 1e-12:
                    x[at], free[at] = 0.0, False
    return x


@kernel
def _solved(
    gram: NDArray[np.float64], image: NDArray[np.float64], used: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The solution (k,) of the equations of `used` (k,) alone, by Cholesky's factors."""
    k = len(used)
    low, out = np.zeros((k, k)), np.empty(k)
    for i in range(k):
        for j in range(i + 1):
            rest = gram[used[i], used[j]]
            for m in range(j):
                rest -= low[i, m] * low[j, m]
            low[i, j] = np.sqrt(rest) if i == j else rest / low[j, j]
    for i in range(k):
        rest = image[used[i]]
        for m in range(i):
            rest -= low[i, m] * out[m]
        out[i] = rest / low[i, i]
    for i in range(k - 1, -1, -1):
        rest = out[i]
        for m in range(i + 1, k):
            rest -= low[m, i] * out[m]
        out[i] = rest / low[i, i]
    return out
