"""Published head and face measurements, and how to make a population of heads have them.

Most from Zhuang and Bradtmiller 2005, "Head-and-face anthropometric survey of U.S. respirator
users", J. Occup. Environ. Hyg. 2(11), 567-576 (3,997 workers, weighted to the U.S. population).

Two are choices between publications, for a population of three ancestries in equal shares:
between the inner eye corners, near the mean of Bouhadana et al. 2022, Plast. Reconstr. Surg. Glob.
Open 10(4), e4268 (PMC9029890; African 38.5 +- 3.2, Asian 36.4 +- 1.6, white 31.4 +- 2.5 mm); the
eye fissure, between North American whites (Farkas 1994, "Anthropometry of the Head and Face",
about 31 mm) and young Chinese adults (27.6 and 26.0 mm; BioMed Res. Int. 2013, 821428, table 2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.mesh import Floats, Ints

Doubles = NDArray[np.float64]


class Norm(NamedTuple):
    """Mean and standard deviation of adult men and women, metres."""

    male: float
    male_sd: float
    female: float
    female_sd: float


def millimetres(male: float, male_sd: float, female: float, female_sd: float) -> Norm:
    return Norm(male / 1e3, male_sd / 1e3, female / 1e3, female_sd / 1e3)


NORMS = {
    "interpupillary": millimetres(64.5, 3.6, 61.9, 3.5),
    "face_length": millimetres(122.7, 7.0, 113.4, 6.1),  # sellion to menton
    "nose_length": millimetres(52.0, 4.1, 48.2, 3.8),  # sellion to subnasale
    "nose_breadth": millimetres(36.6, 4.1, 33.2, 3.9),
    "nose_protrusion": millimetres(21.1, 2.7, 19.8, 2.7),
    "lip_length": millimetres(51.1, 4.2, 48.0, 4.0),
    "bizygomatic": millimetres(143.5, 6.9, 135.1, 6.5),
    "bigonial": millimetres(120.4, 10.4, 110.1, 8.9),
    "head_breadth": millimetres(153.0, 6.0, 146.8, 5.6),
    "head_length": millimetres(197.3, 7.4, 187.5, 7.2),
    "intercanthal": millimetres(35.2, 2.8, 34.2, 2.7),
    "fissure": millimetres(30.8, 1.5, 30.0, 1.5),
}

# From the outer landmarks under the nose to the widest points of its wings.
ALARE = np.array([[-0.0015, 0.003, -0.004], [0.0015, 0.003, -0.004]], np.float32)


def pairs(vertices: Floats, points68: Floats, scalp: Ints) -> dict[str, tuple[int, int]]:
    """The two vertices between which each measure of NORMS is taken, but for the pupils.

    `vertices` (n, 3): the mean head; `points68` (68, 3): its landmarks; `scalp`: its
    vertices.
    """
    p = nearest(vertices, points68)
    wings = nearest(vertices, points68[[31, 35]] + ALARE)
    glabella = nearest(vertices, points68[[27]] + np.array([0, 0.016, 0], np.float32))[0]
    back = scalp[vertices[scalp, 2].argmin()]
    ends = {
        "face_length": (p[27], p[8]),
        "nose_length": (p[27], p[33]),
        "nose_breadth": (wings[0], wings[1]),
        "nose_protrusion": (p[30], p[33]),
        "lip_length": (p[48], p[54]),
        "bizygomatic": (p[1], p[15]),
        "bigonial": (p[4], p[12]),
        "head_breadth": extremes(vertices, scalp, 0),
        "head_length": (glabella, back),
        "intercanthal": (p[39], p[42]),
        "fissure": (p[36], p[39]),
    }
    return {name: (int(a), int(b)) for name, (a, b) in ends.items()}


def nearest(vertices: Floats, points: Floats) -> Ints:
    """Index of the vertex nearest to each of `points` (k, 3)."""
    gaps = np.linalg.norm(vertices[None] - points[:, None], axis=2)
    return np.asarray(gaps.argmin(axis=1), np.int32)


def extremes(vertices: Floats, among: Ints, axis: int) -> tuple[int, int]:
    """Of the vertices `among`, the lowest and the highest along an axis."""
    along = vertices[among, axis]
    return int(among[along.argmin()]), int(among[along.argmax()])


def measure(heads: Floats, ends: dict[str, tuple[int, int]]) -> dict[str, Floats]:
    """Each measure of `heads` (..., n, 3), metres, shape (...,)."""
    return {
        name: np.linalg.norm(heads[..., a, :] - heads[..., b, :], axis=-1)
        for name, (a, b) in ends.items()
    }


def pin(covariance: Doubles, rows: Doubles, wanted: Doubles) -> Doubles:
    """The covariance nearest to `covariance` (k, k) under which `rows` (m, k) vary as `wanted`.

    What the measures do not see keeps its conditional spread: with G = C R' (R C R')^-1,
    C + G (W - R C R') G' has exactly W (m, m) as covariance of the measures. It is the
    I-projection (Csiszar 1975) of a Gaussian onto those whose measures vary so.
    """
    seen = rows @ covariance @ rows.T
    gain = covariance @ rows.T @ np.linalg.inv(seen)
    return covariance + gain @ (wanted - seen) @ gain.T


def move(covariance: Doubles, rows: Doubles, change: Doubles) -> Doubles:
    """The likeliest change (k,) of coefficients under which the measures change by `change`."""
    return covariance @ rows.T @ np.linalg.solve(rows @ covariance @ rows.T, change)
