"""Drawing source heads: who they are (semantic features) and what is theirs alone (sliders).

The source's sliders differ a hundredfold in strength, and independent full-range sliders make
monsters: each is drawn with a spread of its group, capped so that one standard deviation moves
no vertex further than `CAP`. The spread of what surveys have measured is set afterwards, by
`anthropometry`; these widths matter for everything that no survey measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fusiform.lab.geometry.making.source import Source, macro_weights, target_index
from fusiform.lab.geometry.mesh import Doubles, Floats
from fusiform.lab.geometry.semantics import AGE_KNOTS, features

CAP = 0.0052  # metres
SPREAD = {
    **{"head": 0.14, "forehead": 0.19, "eyebrows": 0.34, "eyes": 0.36, "nose": 0.33},
    **{"mouth": 0.26, "ears": 0.24, "chin": 0.22, "cheek": 0.22, "neck": 0.14},
}
NARROW = {
    **{"eye-corner1": 0.5, "eye-trans": 0.5, "head-scale-depth": 0.6, "eye-scale": 0.7},
    **{"mouth-angles": 0.4, "cheek-volume": 0.6, "chin-width": 0.6, "head-fat": 0.7},
    **{"neck-double": 0.6, "head-square": 0.5, "head-rectangular": 0.5, "ear-scale": 0.6},
    **{"ear-wing": 0.5, "ear-trans": 0.4, "ear-flap": 0.5},
}
SKIPPED = ("head-trans", "neck-trans", "head-age")
ASYMMETRY = 0.07
TWIN_JITTER = 0.05
TAILS = 6.0  # degrees of freedom of Student's t

# Targets that rise with age beyond the source's own old face, each person in their own mixture.
AGEING: tuple[dict[str, float], ...] = (
    {"eyes/*-eye-bag-incr": 1.0},
    {"cheek/*-cheek-trans-down": 0.8},
    {"ears/*-ear-lobe-incr": 1.0},
    {"ears/*-ear-scale-incr": 0.7},
    {"nose/nose-point-down": 0.6},
    {"neck/neck-double-incr": 0.7},
    {"mouth/mouth-angles-down": 0.35},
    {"eyes/*-eye-eyefold-down": 0.8},
)
# What weight does to a face; the source's own weight slider hardly touches it.
THINNER = {
    "head/head-fat-decr": 0.6,
    "cheek/*-cheek-volume-decr": 0.5,
    "neck/neck-double-decr": 0.5,
}
HEAVIER = {
    "head/head-fat-incr": 0.8,
    "cheek/*-cheek-volume-incr": 0.5,
    "neck/neck-double-incr": 0.6,
}

Traits = tuple[Floats, Floats, Floats, Floats, Floats]


class Slider(NamedTuple):
    """Rows of targets that one number drives: up and down, and the same on the other side."""

    up: int
    down: int
    twin_up: int
    twin_down: int
    sigma: float


@dataclass(frozen=True)
class Sample:
    """`features` (s, 34) and the `traits` they come from, as `draw_traits` gives them; `sliders`
    (s, k): target weights of what is a person's own."""

    features: Floats
    traits: Traits
    sliders: Floats


def sliders(source: Source) -> list[Slider]:
    """All sliders of the source's local shapes, each with its spread."""
    arrays, names = source.arrays, source.names
    reach = np.abs(source.targets).max(axis=(1, 2))
    found: list[Slider] = []
    seen: set[int] = set()
    for row, name in enumerate(names):
        group, _, short = name.partition("/")
        room = group.removeprefix("local_")
        if row in seen or group == room or any(word in short for word in SKIPPED):
            continue
        opposite, twin = int(arrays["t_opposite"][row]), int(arrays["t_twin"][row])
        twin_opposite = int(arrays["t_opposite"][twin]) if twin >= 0 else -1
        seen |= {row, opposite, twin, twin_opposite}
        wide = ASYMMETRY if room == "asym" else SPREAD[room]
        wide *= min((k for word, k in NARROW.items() if word in short), default=1.0)
        sigma = min(wide, CAP / max(float(reach[row]), 1e-6))
        found.append(Slider(row, opposite, twin, twin_opposite, sigma))
    return found


def draw_sliders(source: Source, count: int, rng: np.random.Generator) -> Floats:
    """Target weights (count, k) of everything that no semantic feature says."""
    out = np.zeros((count, len(source.targets)), np.float32)
    for slider in sliders(source):
        value = slider.sigma * np.clip(rng.standard_t(TAILS, count), -3, 3)
        if slider.down < 0:  # a shape that has no opposite: a few have some of it
            value = np.maximum(0, value - 0.5 * slider.sigma) * 1.5
        push(out, slider.up, slider.down, value)
        if slider.twin_up >= 0:
            jitter = rng.normal(0, min(TWIN_JITTER, slider.sigma / 3), count)
            push(out, slider.twin_up, slider.twin_down, value + jitter)
    return out


def push(weights: Floats, up: int, down: int, value: Doubles) -> None:
    """Add positive values to target `up`, negative ones to `down` (if there is one)."""
    weights[:, up] += np.maximum(value, 0)
    if down >= 0:
        weights[:, down] += np.maximum(-value, 0)


def semantic_targets(source: Source) -> Floats:
    """What each feature does, as target weights (24 + 2 + 8, k): corners, weight, ageing."""
    rows = [corner_weights(source, *corner) for corner in np.ndindex(3, 2, 4)]
    rows += [named_weights(source, THINNER), named_weights(source, HEAVIER)]
    rows += [named_weights(source, way) for way in AGEING]
    return np.asarray(np.stack(rows), np.float32)


def corner_weights(source: Source, ancestry: int, male: int, knot: int) -> Floats:
    """Target weights (k,) of one ancestry, sex and age knot, everything else average."""
    shares = np.eye(3, dtype=np.float32)[[ancestry]]
    age = np.array([AGE_KNOTS[knot]], np.float32)
    half = np.full(1, 0.5, np.float32)
    one = macro_weights(source, shares, np.array([male], np.float32), age, half, half)
    return np.asarray(one[0])


def named_weights(source: Source, wanted: dict[str, float]) -> Floats:
    """Target weights (k,) from `group/name` to weight; `*` stands for both sides."""
    out = np.zeros(len(source.targets), np.float32)
    for name, weight in wanted.items():
        for side in "lr" if "*" in name else "-":
            out[target_index(source, "local_" + name.replace("*", side))] += weight
    return out


def draw_traits(count: int, rng: np.random.Generator) -> Traits:
    """What `features` asks for: ancestry (count, 3), male, age, weight (count,) and ageing
    (count, 8) of people of all kinds."""
    ancestry = rng.dirichlet([0.4, 0.4, 0.4], count)
    male = np.where(rng.random(count) < 0.5, rng.beta(1, 8, count), rng.beta(8, 1, count))
    age = np.where(rng.random(count) < 0.12, rng.uniform(5, 18, count), rng.uniform(18, 88, count))
    weight = np.clip(rng.normal(0, 0.4, count), -1, 1)
    ageing = rng.gamma(2.0, 0.2, (count, len(AGEING)))
    one, two, three, four, five = (
        part.astype(np.float32) for part in (ancestry, male, age, weight, ageing)
    )
    return one, two, three, four, five


def draw_sample(source: Source, count: int, rng: np.random.Generator) -> Sample:
    """`count` people of all ages, ancestries and weights."""
    traits = draw_traits(count, rng)
    return Sample(features(*traits), traits, draw_sliders(source, count, rng))
