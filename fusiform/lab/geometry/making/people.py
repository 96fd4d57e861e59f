"""Learning how people differ: components, semantic maps, published spreads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Linear
from fusiform.lab.geometry.making.anthropometry import NORMS, Doubles, measure, move, pin
from fusiform.lab.geometry.making.population import Sample, semantic_targets
from fusiform.lab.geometry.making.source import Source
from fusiform.lab.geometry.making.statistics import Components, regress, signs, steer
from fusiform.lab.geometry.mesh import Floats
from fusiform.lab.geometry.semantics import AGE_KNOTS, AGEING_TRAITS, features

KEPT = 1.0  # of the source's differences between ancestries in what is measured
FLOOR = 0.2  # least share of a published variance that is left to what is a person's own


@dataclass(frozen=True)
class People:
    """`start` + features @ `rows` + `own_mean` + `own_spread` @ normal numbers = coefficients."""

    start: Doubles  # (k,)
    rows: Doubles  # (34, k)
    own_mean: Doubles  # (k,)
    own_cov: Doubles  # (k, k)

    def draw(self, features: Floats, rng: np.random.Generator) -> Doubles:
        """Coefficients (s, k) of new people with these features (s, 34)."""
        spread = root(self.own_cov)
        own = rng.standard_normal((len(features), len(spread))) @ spread.T
        return np.asarray(self.start + features @ self.rows + self.own_mean + own)


@dataclass(frozen=True)
class Ruler:
    """What is measured: the pupils' distance, then the distances between the vertices of `ends`.

    `rows` (m, k): how each follows the coefficients, at the mean. `pupils`: metres, of the mean.
    """

    ends: dict[str, tuple[int, int]]
    rows: Doubles
    pupils: float

    @property
    def names(self) -> list[str]:
        """The keys of NORMS, in the order of the measures."""
        return ["interpupillary", *self.ends]

    def read(self, parts: Components, coefficients: Doubles) -> Doubles:
        """Measures (m,) of one head."""
        head = parts.heads(coefficients[None])[0]
        pupils = self.pupils + float(self.rows[0] @ coefficients)
        return np.array([pupils, *measure(head, self.ends).values()])


def ruler_of(parts: Components, ends: dict[str, tuple[int, int]], eyes: Linear) -> Ruler:
    """A ruler for heads of these components; `eyes` tells where the eyeballs lie."""
    rows = [np.asarray(eyes.rows[:, 0, 0] - eyes.rows[:, 1, 0], np.float64)]
    rows += [measure_row(parts, pair) for pair in ends.values()]
    return Ruler(ends, np.stack(rows), float(eyes.start[0, 0] - eyes.start[1, 0]))


def root(covariance: Doubles) -> Doubles:
    """The symmetric matrix A with A A = covariance, also where it is singular.

    Unlike other roots it changes little when the covariance does, so that people keep their faces
    when the model is made again on a slightly different mesh.
    """
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T, dtype=np.float64)


def people_of(source: Source, parts: Components, sample: Sample) -> People:
    """The source's own population in coefficients of `parts`."""
    own = sample.sliders @ parts.targets
    rows = semantic_targets(source) @ parts.targets
    return People(parts.start, rows, own.mean(axis=0), np.cov(own, rowvar=False))


def like_published(people: People, parts: Components, ruler: Ruler) -> People:
    """The same people with the published means and spreads of adults, by sex.

    Ancestries differ in the measures by KEPT of what they do in the source, around the published
    mean of the sex.
    """
    kinds = [(sex, ancestry) for sex in (0, 1) for ancestry in range(3)]
    raw = {kind: read_adults(people, parts, ruler, people.rows, *kind) for kind in kinds}
    changed = people.rows.copy()
    for sex, ancestry in kinds:
        norm = np.array([getattr(NORMS[name], ("female", "male")[sex]) for name in ruler.names])
        usual = np.mean([raw[sex, other] for other in range(3)], axis=0)
        wanted = norm + KEPT * (raw[sex, ancestry] - usual)
        first = (ancestry * 2 + sex) * len(AGE_KNOTS)
        for _ in range(3):  # distances are not quite linear in the coefficients
            now = read_adults(people, parts, ruler, changed, sex, ancestry)
            changed[first : first + len(AGE_KNOTS)] += move(
                people.own_cov, ruler.rows, wanted - now
            )
    settled = People(people.start, changed, people.own_mean, people.own_cov)
    own_cov = pin(people.own_cov, ruler.rows, wanted_spread(settled, ruler))
    return People(people.start, changed, people.own_mean, own_cov)


def read_adults(
    people: People, parts: Components, ruler: Ruler, rows: Doubles, sex: int, ancestry: int
) -> Doubles:
    """Measures (m,) of the average adult of one sex and ancestry, features acting as `rows`."""
    average = adults(sex, np.eye(3, dtype=np.float32)[ancestry])
    return ruler.read(parts, people.start + average @ rows + people.own_mean)


def measure_row(parts: Components, pair: tuple[int, int]) -> Doubles:
    """How a distance between two vertices follows the coefficients, at the mean."""
    a, b = pair
    line = (parts.mean[a] - parts.mean[b]).astype(np.float64)
    change = parts.basis[:, a] - parts.basis[:, b]
    return np.asarray(change @ (line / np.linalg.norm(line)), dtype=np.float64)


def adults(sex: int, ancestry: Floats) -> Floats:
    """Features (34,) of the average adult of one sex and mixed `ancestry` (3,), 20 to 60 years."""
    age = np.linspace(20, 60, 41).astype(np.float32)
    shares = np.tile(ancestry, (41, 1))
    male = np.full(41, float(sex), np.float32)
    usual = np.full((41, AGEING_TRAITS), 0.4, np.float32)
    return np.asarray(features(shares, male, age, np.zeros_like(age), usual).mean(axis=0))


def wanted_spread(people: People, ruler: Ruler) -> Doubles:
    """Covariance of the measures that a person's own part must supply.

    The published spread within a sex, less what ancestry and age already give, at least FLOOR of
    it; correlations between measures as the source's own part has them.
    """
    norms = [NORMS[name] for name in ruler.names]
    published = np.array([np.hypot(norm.male_sd, norm.female_sd) for norm in norms]) / np.sqrt(2)
    thirds = np.eye(3, dtype=np.float32).repeat(3, axis=0)
    age = np.tile(np.array([22, 40, 58], np.float32), 3)
    zero = np.zeros(9, np.float32)
    known = features(thirds, zero + 0.5, age, zero, np.full((9, AGEING_TRAITS), 0.4, np.float32))
    given = np.var(known @ people.rows @ ruler.rows.T, axis=0)
    own = np.sqrt(np.maximum(published**2 - given, FLOOR * published**2))
    seen = ruler.rows @ people.own_cov @ ruler.rows.T
    scale = own / np.sqrt(np.diag(seen))
    return np.asarray(seen * np.outer(scale, scale), dtype=np.float64)


def whitened(
    people: People, parts: Components, drawn: Floats, share: float
) -> tuple[Components, People]:
    """Components of the population as it now is: mean 0, variance 1, uncorrelated again.

    `drawn` (s, 34): features of the people that the components are to describe.
    """
    between = drawn @ people.rows
    centre = people.start + between.mean(axis=0) + people.own_mean
    total = np.cov(between, rowvar=False) + people.own_cov
    size = np.sqrt(parts.variance)
    values, vectors = np.linalg.eigh(total * np.outer(size, size))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), share)) + 1
    values, vectors = values[:kept], vectors[:, :kept]
    vectors = vectors * signs(parts.targets @ (size[:, None] * vectors))
    turn = size[:, None] * vectors / np.sqrt(values)  # old coefficients -> new
    basis = np.einsum("ok,ond->knd", vectors * np.sqrt(values) / size[:, None], parts.basis)
    new = Components(
        parts.heads(centre[None])[0],
        basis.astype(np.float32),
        parts.weights,
        values,
        float(np.trace(total * np.outer(size, size))) / share,
        parts.targets @ turn,
        (parts.start - centre) @ turn,
    )
    settled = People(
        (people.start - centre) @ turn,
        people.rows @ turn,
        people.own_mean @ turn,
        turn.T @ people.own_cov @ turn,
    )
    return new, settled


def directions(people: People, drawn: Floats, traits: Doubles, rng: np.random.Generator) -> Doubles:
    """Moves (6, k) of DIRECTIONS that change one trait and are read as leaving the others.

    `drawn` (s, 34) and `traits` (s, 6): features and traits of sample people. Traits are read from
    coefficients by least squares. Ancestries sum to 1: raising one lowers the other two equally.
    """
    coefficients = people.draw(drawn, rng)
    free = [0, 1, 2, 3, 5]  # male, age, african, asian, weight; european is what is left
    _, slopes = regress(coefficients, traits[:, free])
    moves = steer(np.cov(coefficients, rowvar=False), slopes, np.eye(5))
    male, age, african, asian, weight = moves
    third = (african + asian) / 2
    return np.stack([male, 10 * age, african - asian / 2, asian - african / 2, -third, weight])


def trait_table(ancestry: Floats, male: Floats, age: Floats, weight: Floats) -> Doubles:
    """Traits (s, 6) in the order of DIRECTIONS."""
    columns: list[NDArray[Any]] = [male, age, *ancestry.T, weight]
    return np.stack(columns, axis=1).astype(np.float64)
