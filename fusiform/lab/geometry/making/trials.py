"""What a finished head does on many people: their measures, blinks, closed lips, leaking traits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import REGIONS, Head, at
from fusiform.lab.geometry.making.anthropometry import NORMS, Doubles, measure, pairs
from fusiform.lab.geometry.making.people import trait_table
from fusiform.lab.geometry.making.population import draw_traits
from fusiform.lab.geometry.making.statistics import regress
from fusiform.lab.geometry.mesh import Floats
from fusiform.lab.geometry.posing import BLINKS, Rest, express, gap, rest
from fusiform.lab.geometry.semantics import DIRECTIONS, direction, features, person_coefficients

MILLIMETRES = 1e3
BLINK_LOW, BLINK_HIGH = -0.3, 0.2  # millimetres between shut lids that nobody sees
UNITS = np.array([1.0, 10.0, 1.0, 1.0, 1.0, 1.0])  # of DIRECTIONS: age in decades


@dataclass(frozen=True)
class Trials:
    """`measures`: for each of NORMS and sex, published and measured mean and standard deviation.
    `blink`: vertical gaps at the stations of both eyes' lids after a full blink: their points and
    the share of heads of which 99 % of stations lie within -0.3 and 0.2; `lips`: gaps with jawOpen
    and mouthClose at 0.5; `clearance`: least distance of lid vertices from the eyeball, neutral and
    blinking, on all heads. All in millimetres. `leaks`: what each of DIRECTIONS does to each trait
    as read by least squares, in units of the traits."""

    heads: int
    measures: dict[str, dict[str, list[float]]]
    blink: dict[str, float]
    lips: dict[str, float]
    clearance: float
    leaks: dict[str, dict[str, float]]


def trials(head: Head, seed: int, heads: int = 1000) -> Trials:
    """All of it on `heads` people of the model drawn with `seed`."""
    people = [rest(head, row) for row in draw_people(head, seed, heads)[0]]
    shut = dict.fromkeys(BLINKS.values(), 1.0)
    blinks = [express(head, one, weights(head, shut)) for one in people]
    sealed = weights(head, {"jawOpen": 0.5, "mouthClose": 0.5})
    mouths = [express(head, one, sealed) for one in people]
    neutral = [express(head, one, weights(head, {})) for one in people]
    clear = [
        lid_clearance(head, one, skin)
        for skins in (neutral, blinks)
        for one, skin in zip(people, skins, strict=True)
    ]
    return Trials(
        heads,
        measured(head, seed, heads),
        blink_figures(np.stack([gaps(head, skin, tuple(BLINKS)) for skin in blinks])),
        percentiles(np.abs(np.stack([gaps(head, skin, ("lips",)) for skin in mouths]))),
        float(min(clear)),
        leaks(head, seed),
    )


def draw_people(head: Head, seed: int, count: int) -> tuple[Floats, Doubles]:
    """Coefficients (count, k) of people of all kinds, and their traits (count, 6)."""
    traits = draw_traits(count, rng(seed, "trial people"))
    own = rng(seed, "trial faces").standard_normal((count, len(head.shape.rows)))
    known = features(*traits)
    rows = [person_coefficients(head, *pair) for pair in zip(known, own, strict=True)]
    return np.stack(rows), trait_table(*traits[:4])


def weights(head: Head, wanted: dict[str, float]) -> Floats:
    """Expression weights (52,) from names."""
    out = np.zeros(len(head.expression_names), np.float32)
    for name, weight in wanted.items():
        out[head.expression_names.index(name)] = weight
    return out


def gaps(head: Head, skin: Floats, seams: tuple[str, ...]) -> Doubles:
    """Signed vertical gaps (s,) at all stations of `seams`, millimetres; below 0 they cross."""
    found = [gap(head.seams[name], skin)[:, 1] for name in seams]
    return np.concatenate(found).astype(np.float64) * MILLIMETRES


def blink_figures(found: Doubles) -> dict[str, float]:
    """Of gaps (heads, stations): points, and the share of heads with 99 % of them unseen."""
    unseen = ((found >= BLINK_LOW) & (found <= BLINK_HIGH)).mean(axis=1)
    return {**percentiles(found), "heads_shut": float((unseen >= 0.99).mean())}


def percentiles(values: NDArray[Any]) -> dict[str, float]:
    found = np.percentile(values, [0, 0.5, 50, 99.5, 100])
    return dict(zip(("least", "p00.5", "median", "p99.5", "most"), map(float, found), strict=True))


def lid_clearance(head: Head, person: Rest, skin: Floats) -> float:
    """Least distance (mm) of lid vertices from the eyeballs' front halves; below 0: inside."""
    nearest = np.inf
    for side, name in enumerate("lr"):
        away = skin[head.extra[f"lids_{name}"]] - person.eyes[side]
        ahead = away[away[:, 2] > 0]
        nearest = min(nearest, float(np.linalg.norm(ahead, axis=1).min()) - head.eye_radius)
    return nearest * MILLIMETRES


def measured(head: Head, seed: int, count: int) -> dict[str, dict[str, list[float]]]:
    """For each of NORMS by sex: published mean, deviation, measured mean, deviation (mm), on
    `count` adults of each sex: 20 to 60 years, ancestries in equal shares, all weights."""
    out: dict[str, dict[str, list[float]]] = {name: {} for name in NORMS}
    for sex, label in enumerate(("female", "male")):
        found = measures(head, draw_adults(head, sex, count, rng(seed, "adults", label)))
        for name, norm in NORMS.items():
            now = found[name] * MILLIMETRES
            wanted = (getattr(norm, label), getattr(norm, f"{label}_sd"))
            row = [*(one * MILLIMETRES for one in wanted), now.mean(), now.std()]
            out[name][label] = [float(one) for one in row]
    return out


def draw_adults(head: Head, sex: int, count: int, stream: np.random.Generator) -> Floats:
    """Coefficients (count, k) of the people that the published measures describe."""
    _, _, _, weight, ageing = draw_traits(count, stream)
    ancestry = np.eye(3, dtype=np.float32)[np.arange(count) % 3]
    age = stream.uniform(20, 60, count).astype(np.float32)
    known = features(ancestry, np.full(count, sex, np.float32), age, weight, ageing)
    own = stream.standard_normal((count, len(head.shape.rows)))
    rows = [person_coefficients(head, *pair) for pair in zip(known, own, strict=True)]
    return np.stack(rows)


def measures(head: Head, coefficients: Floats) -> dict[str, Floats]:
    """Each of NORMS (s,) for people with these coefficients (s, k), metres."""
    scalp = np.unique(head.triangles[head.region == REGIONS.index("scalp")]).astype(np.int32)
    ends = pairs(head.mean, at(head.landmarks["68"], head.triangles, head.mean), scalp)
    used, place = np.unique(np.array(list(ends.values())), return_inverse=True)
    few = {name: (int(a), int(b)) for name, (a, b) in zip(ends, place.reshape(-1, 2), strict=True)}
    skin = head.mean[used] + np.tensordot(coefficients, head.shape.rows[:, used], axes=1)
    eyes = head.eyes.start + np.tensordot(coefficients, head.eyes.rows, axes=1)
    pupils = np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)
    return {"interpupillary": pupils, **measure(skin.astype(np.float32), few)}


def leaks(head: Head, seed: int, count: int = 4000) -> dict[str, dict[str, float]]:
    """What a unit of each of DIRECTIONS does to every trait, in units of the traits."""
    coefficients, traits = draw_people(head, seed, count)
    _, slopes = regress(coefficients.astype(np.float64), traits / UNITS)
    rows = {name: direction(head, name) @ slopes for name in DIRECTIONS}
    return {name: dict(zip(DIRECTIONS, map(float, row), strict=True)) for name, row in rows.items()}
