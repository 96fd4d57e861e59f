"""The exact interval of a share, from counts alone."""

from __future__ import annotations

import math

from fusiform.core.errors import ChoiceError
from fusiform.measure.bootstrap import Interval


def clopper_pearson(events: int, trials: int, level: float = 0.95) -> Interval:
    """events / trials with the exact binomial interval (Clopper and Pearson, Biometrika 1934).

    It covers the true rate with at least `level` if the trials are independent. Pairs of faces
    that share a person are not: for them the interval is too narrow, and the honest one comes from
    drawing people (`fusiform.measure.bootstrap`).

    Raises ChoiceError unless 0 <= events <= trials, trials >= 1 and `level` is in (0, 1).
    """
    if trials < 1:
        raise ChoiceError("trials", "at least 1", trials)
    if not 0 <= events <= trials:
        raise ChoiceError("events", f"from 0 to {trials} trials", events)
    if not 0 < level < 1:
        raise ChoiceError("level", "between 0 and 1", level)
    tail = (1 - level) / 2
    # The upper bound is the mirror image of a lower one, which keeps small tails exact.
    low = _beta_quantile(tail, events, trials - events + 1) if events else 0.0
    high = 1 - _beta_quantile(tail, trials - events, events + 1) if events < trials else 1.0
    return Interval(events / trials, low, high)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for x in [0, 1], a and b above 0.

    The continued fraction of DLMF 8.17.22, which converges quickly on the side of
    the mean that it is used on. Raises ChoiceError for other arguments.
    """
    if not (0 <= x <= 1 and a > 0 and b > 0):
        raise ChoiceError("x, a, b", "in [0, 1], above 0, above 0", (x, a, b))
    if x in (0, 1):
        return float(x)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    log_front += a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a * _beta_fraction(x, a, b)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """The fraction 1 / (1 + d1 / (1 + d2 / ...)) by the recurrence of Lentz (Applied Optics 1976,
    as modified by Thompson and Barnett, 1986), until it no longer changes.
    """
    tiny = 1e-300
    upper, lower, value, n = 1.0, 0.0, 1.0, 0
    while True:
        n += 1
        m = n // 2
        if n % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        upper, lower = (1 + d / upper) or tiny, 1 / ((1 + d * lower) or tiny)
        value *= upper * lower
        if abs(upper * lower - 1) < 1e-14:
            return 1 / value


def _beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p, halving [0, 1] down to neighbouring floats."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if beta_cdf(middle, a, b) < p:
            low = middle
        else:
            high = middle
    return high
