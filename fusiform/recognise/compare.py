"""Comparing two faces: similarity, the threshold of a stated false match rate, a probability."""

from __future__ import annotations

import math

import numpy as np

from fusiform.core.errors import ChoiceError, ModelUnsupported
from fusiform.core.faces import Floats
from fusiform.hub.card import Card

DEFAULT_FMR = 1e-3


def similarity(a: Floats, b: Floats) -> Floats:
    """Cosine of every pair of unit vectors: `(n, d)`, `(m, d)` -> `(n, m)` in [-1, 1]."""
    product = np.asarray(a, np.float32) @ np.asarray(b, np.float32).T
    return np.asarray(np.clip(product, -1, 1), np.float32)


def threshold(card: Card, fmr: float = DEFAULT_FMR) -> float:
    """The similarity from which two faces count as one person at that false match rate.

    Raises ModelUnsupported if the card states no thresholds, ChoiceError for another rate.
    """
    if not card.thresholds:
        raise ModelUnsupported(
            f"{card.name}: its card states no thresholds; "
            "give one yourself (limit=0.4, or --threshold 0.4)"
        )
    for known in card.thresholds:
        if math.isclose(known.fmr, fmr, rel_tol=1e-6):
            return known.similarity
    raise ChoiceError("fmr", [known.fmr for known in card.thresholds], fmr)


def probability(card: Card, value: float) -> float | None:
    """P(same person) in [0, 1] at that similarity, same and different being equally likely.

    The logistic of the card's calibration (Platt 1999); None if the card has none.
    """
    if card.calibration is None:
        return None
    a, b = card.calibration
    return float(1 / (1 + np.exp(-np.clip(a * value + b, -50, 50))))
