"""From what a person is (ancestry, sex, age, weight) and what is theirs alone to coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Floats, Head

AGE_KNOTS = (1.0, 10.0, 25.0, 90.0)
AGEING_TRAITS = 8
FEATURES = 24 + 2 + AGEING_TRAITS  # ancestry x sex x age knot; thin, heavy; ways of ageing
DIRECTIONS = ("male", "age", "african", "asian", "european", "weight")
WIDEST = 2.6  # standard deviations of what is a person's own


def hats(value: NDArray[Any], knots: tuple[float, ...]) -> Floats:
    """Piecewise linear weights (s, len(knots)) of values (s,), 1 at each own knot, sum 1."""
    place = np.interp(value, knots, np.arange(len(knots)))
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(len(knots)))), np.float32)


def corner_features(ancestry: Floats, male: Floats, age: Floats) -> Floats:
    """Features (s, 24): ancestry x sex x age knot, sum 1. `ancestry` (s, 3); others (s,)."""
    sex = np.stack([1 - male, male], axis=1)
    corners = np.einsum("sr,sx,sa->srxa", ancestry, sex, hats(age, AGE_KNOTS))
    return np.asarray(corners.reshape(len(male), -1), np.float32)


def ageing_amount(age: NDArray[Any]) -> Floats:
    """How far ageing has gone (s,): 0 until 30 years, 1 at 80."""
    return np.clip((np.asarray(age) - 30) / 50, 0, 1.2).astype(np.float32)


def features(ancestry: Floats, male: Floats, age: Floats, weight: Floats, ageing: Floats) -> Floats:
    """All features (s, 34). `weight` (s,) -1..1; `ageing` (s, 8): how much of each way of ageing a
    person has (0 none, about 0.4 usual); the rest as in `corner_features`."""
    body = np.stack([np.maximum(-weight, 0), np.maximum(weight, 0)], axis=1)
    ways = ageing_amount(age)[:, None] * ageing
    corners = corner_features(ancestry, male, age)
    return np.concatenate([corners, body, ways], axis=1).astype(np.float32)


def person_coefficients(head: Head, features: Floats, own: Floats) -> Floats:
    """Shape coefficients (k,) from `features` (34,) and `own` (k,): independent, variance 1.

    `own` is drawn once and kept: it is what stays of a face through all ages.
    """
    extra = head.extra
    alone = extra["own_mean"] + extra["own_spread"] @ np.clip(own, -WIDEST, WIDEST)
    return np.asarray(extra["trait_start"] + features @ extra["trait_rows"] + alone, np.float32)


def direction(head: Head, name: str) -> Floats:
    """Coefficients (k,) to add for one unit more of a trait while the others are read the same.

    Units: `male` 1 from female to male; `age` 10 years; ancestries a share of 1; `weight` 1.
    Raises ChoiceError for a name that is not one of DIRECTIONS.
    """
    if name not in DIRECTIONS:
        raise ChoiceError("direction", DIRECTIONS, name)
    row = DIRECTIONS.index(name)
    return np.asarray(head.extra["directions"][row], np.float32)
