"""Principal components of a population of heads, and where its people stand among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.mesh import Floats

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """`basis` (k, n, 3): displacement at one standard deviation; coefficients have variance 1.

    `weights` (n,): how much each vertex counted. `variance` (k,): of each component, in the
    weighted sum of squares; `total`: of all that varied. `targets` (t, k): what each target of the
    source adds to the coefficients; `start` (k,): coefficients of the head without targets.
    """

    mean: Floats
    basis: Floats
    weights: Floats
    variance: Doubles
    total: float
    targets: Doubles
    start: Doubles

    def coefficients(self, heads: Floats) -> Doubles:
        """Best coefficients (s, k) of aligned `heads` (s, n, 3), in the weighted norm."""
        away = (heads - self.mean).reshape(len(heads), -1).astype(np.float64)
        scaled = self.basis.reshape(len(self.basis), -1) * np.repeat(self.weights, 3)
        return np.asarray(away @ scaled.T / self.variance, dtype=np.float64)

    def heads(self, coefficients: Doubles) -> Floats:
        """Heads (s, n, 3) of `coefficients` (s, up to k)."""
        used = self.basis[: coefficients.shape[1]].reshape(coefficients.shape[1], -1)
        away = (coefficients @ used).reshape(len(coefficients), -1, 3)
        return np.asarray(self.mean + away, dtype=np.float32)


def without_motion(fields: Floats, mean: Floats, rigid: NDArray[np.intp]) -> Floats:
    """Displacement fields (k, n, 3) without the small rigid motion that best fits `rigid`.

    The motion is linear in the field (d = t + w x p), so that removing it keeps sums of fields
    sums. For the sizes of motion here the rotation left over is below 0.1 degrees.
    """
    patch = mean[rigid].astype(np.float64)
    design = motions(patch).reshape(6, -1).T
    found = np.linalg.pinv(design) @ fields[:, rigid].reshape(len(fields), -1).T.astype(np.float64)
    moved = np.einsum("mk,mnd->knd", found, motions(mean.astype(np.float64)))
    return np.asarray(fields - moved, np.float32)


def motions(points: Doubles) -> Doubles:
    """The three unit shifts and three small rotations of `points` (n, 3) as fields (6, n, 3)."""
    shifts = np.broadcast_to(np.eye(3)[:, None], (3, len(points), 3))
    turns = np.cross(np.eye(3)[:, None], points[None])
    return np.concatenate([shifts, turns])


def components(
    base: Floats, targets: Floats, drawn: Floats, weights: Floats, share: float
) -> Components:
    """Components that hold `share` of the variance of base + drawn @ targets.

    `base` (n, 3), `targets` (t, n, 3), `drawn` (s, t), `weights` (n,) of vertices. Samples live in
    the span of the targets, so the decomposition is done there (t numbers a head, not 3 n).
    """
    root = np.repeat(np.sqrt(weights.astype(np.float64)), 3)
    flat = targets.reshape(len(targets), -1).astype(np.float64) * root
    frame, mixing = np.linalg.qr(flat.T)  # frame (3n, r), mixing (r, t)
    middle = drawn.mean(axis=0, dtype=np.float64)
    spread = np.cov(drawn, rowvar=False).astype(np.float64)
    values, vectors = np.linalg.eigh(mixing @ spread @ mixing.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), share)) + 1
    vectors, variance = vectors[:, :kept], values[:kept]
    vectors = vectors * signs(mixing.T @ vectors)
    directions = (frame @ vectors).T / root  # unit in the weighted norm
    basis = directions * np.sqrt(variance)[:, None]
    mean = base + np.einsum("t,tnd->nd", middle, targets.astype(np.float64))
    to_coefficients = (vectors.T @ mixing / np.sqrt(variance)[:, None]).T
    return Components(
        mean.astype(np.float32),
        basis.reshape(kept, -1, 3).astype(np.float32),
        weights.astype(np.float32),
        variance,
        float(values.sum()),
        to_coefficients,
        -middle @ to_coefficients,
    )


def signs(columns: Doubles) -> Doubles:
    """1 or -1 for each column (r, k), whichever makes its largest number positive: eigenvectors
    come with any sign."""
    largest = np.abs(columns).argmax(axis=0)
    return np.where(columns[largest, np.arange(columns.shape[1])] < 0, -1.0, 1.0)


def regress(coefficients: Doubles, values: Doubles) -> tuple[Doubles, Doubles]:
    """Least squares values (s, v) = start + coefficients (s, k) @ slopes: (start, slopes)."""
    design = np.concatenate([np.ones((len(coefficients), 1)), coefficients], axis=1)
    found = np.linalg.lstsq(design, values, rcond=None)[0]
    return found[0], found[1:]


def steer(covariance: Doubles, readouts: Doubles, wanted: Doubles) -> Doubles:
    """Likeliest moves (r, k) that change the traits read by `readouts` (k, r) as `wanted` (r, r).

    With `wanted` the identity, move i changes trait i by 1 and leaves the others: directions that
    do not leak, of least length in the metric of the population.
    """
    gain = covariance @ readouts
    return np.asarray(np.linalg.solve(readouts.T @ gain, wanted.T).T @ gain.T, dtype=np.float64)
