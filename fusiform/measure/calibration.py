"""From a similarity to a probability that two faces are one person, and how true it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def fit_logistic(scores: ArrayLike, same: ArrayLike, balanced: bool = True) -> tuple[float, float]:
    """(a, b) of P(same person) = 1 / (1 + exp(-(a * score + b))), by maximum likelihood.

    Platt (Advances in Large Margin Classifiers, 1999): the targets are (G + 1) / (G + 2) for
    the G genuine and 1 / (I + 2) for the I impostor pairs, which keeps a finite on separable
    scores. Newton's method with step halving, after Lin, Lin and Weng (Machine Learning, 2007).

    `balanced` weighs both kinds alike: P then assumes that same and different are equally
    likely beforehand. For a prior p add log(p / (1 - p)) to b. Without it the prior is the
    share of genuine pairs in `same`.

    `scores (n,)` finite, `same (n,)` bool. Raises ChoiceError unless both kinds are present.
    """
    x, flags = _paired("scores", scores, same)
    genuine, impostor = int(flags.sum()), int((~flags).sum())
    if not genuine or not impostor:
        raise ChoiceError("same", "both true and false somewhere", flags)
    target = np.where(flags, (genuine + 1) / (genuine + 2), 1 / (impostor + 2))
    each = (
        np.where(flags, 0.5 / genuine, 0.5 / impostor) if balanced else np.full(len(x), 1 / len(x))
    )
    # Newton is invariant to scale and shift; standardised scores keep its 2 x 2 system sound.
    centre, scale = x.mean(), x.std() or 1.0
    slope, offset = _newton((x - centre) / scale, target, each)
    return float(slope / scale), float(offset - slope * centre / scale)


def apply(calibration: tuple[float, float], scores: ArrayLike) -> Floats:
    """Probabilities in [0, 1] of `scores` (any shape) under `calibration` (a, b)."""
    a, b = calibration
    return _sigmoid(a * np.asarray(scores, np.float64) + b)


def brier(probabilities: ArrayLike, same: ArrayLike) -> float:
    """Mean squared difference of probability and truth (Brier, 1950): 0 is best, 1 worst."""
    p, flags = _paired("probabilities", probabilities, same)
    return float(np.mean((p - flags) ** 2))


def ece(probabilities: ArrayLike, same: ArrayLike, bins: int = 15) -> float:
    """Expected calibration error in [0, 1]: |mean probability - share that is true|, averaged
    over `bins` equal parts of [0, 1] by how many fall there (Guo et al., ICML 2017).

    A probability on an inner border belongs to the upper part.
    """
    p, flags = _paired("probabilities", probabilities, same)
    part = np.minimum((p * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(part, weights=p - flags, minlength=bins)
    return float(np.abs(gaps).sum() / len(p))


def _newton(x: Floats, target: Floats, each: Floats) -> tuple[float, float]:
    design = np.stack([x, np.ones_like(x)], axis=1)
    beta = np.zeros(2)
    loss = _loss(design @ beta, target, each)
    for _ in range(100):
        p = _sigmoid(design @ beta)
        gradient = design.T @ (each * (p - target))
        if np.abs(gradient).max() < 1e-12:
            break
        hessian = (design.T * (each * p * (1 - p))) @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while _loss(design @ (beta - size * step), target, each) > loss and size > 1e-10:
            size /= 2
        beta = beta - size * step
        loss = _loss(design @ beta, target, each)
    return float(beta[0]), float(beta[1])


def _loss(z: Floats, target: Floats, each: Floats) -> float:
    return float((each * (np.logaddexp(0, z) - target * z)).sum())


def _sigmoid(z: Floats) -> Floats:
    # The tanh form never overflows.
    return np.asarray(0.5 * (1 + np.tanh(0.5 * z)), np.float64)


def _paired(name: str, values: ArrayLike, same: ArrayLike) -> tuple[Floats, Flags]:
    numbers, flags = np.asarray(values, np.float64), np.asarray(same, np.bool_)
    if numbers.ndim != 1 or numbers.shape != flags.shape or not len(numbers):
        raise ChoiceError(name, f"of the shape of same, {flags.shape}, not empty", numbers.shape)
    if not np.isfinite(numbers).all():
        raise ChoiceError(name, "finite", numbers)
    return numbers, flags
