"""Soft zones of the face that colour and relief differ between.

Each zone is 1 at its place and falls off as a Gaussian of the distance in space from lines
between landmarks, the same on both sides.
"""

from __future__ import annotations

import itertools
import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS, Head, at
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.world.atlas import Atlas

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

LEFT_EYE_OUT, LEFT_EYE_IN, MOUTH_LEFT, CHIN, NOSE_TIP, NOSE_LEFT = 45, 42, 54, 8, 30, 35
ZONES = (
    *("cheek", "flush", "nose", "wing", "bridge", "crease", "forehead", "glabella", "temple"),
    *("lid", "circle", "corner", "muzzle", "chin", "beard", "moustache", "neck", "ear"),
    *("upper_lip", "lower_lip"),
)
Z = {name: i for i, name in enumerate(ZONES)}
LEAST = 0.004  # shares below that are taken for none
# How oily a zone is, and how thin its skin or flesh
OILY = {"nose": 1.0, "wing": 1.0, "forehead": 0.8, "glabella": 0.6, "chin": 0.5, "cheek": 0.25}
THIN = {"ear": 0.55, "wing": 0.45, "lid": 0.45, "nose": 0.15}


@dataclass(frozen=True, eq=False)
class Zones:
    """`share` (k, z): 0..1 per texel and zone. The same without what is nearly 0: texel t has
    `named[start[t]:start[t + 1]]`, shares `part`. `oily`, `thin` (k,): 0..1."""

    share: Floats
    start: Ints
    named: Ints
    part: Floats
    oily: Floats
    thin: Floats


def _spots(mark: Floats) -> dict[str, tuple[float, list[list[Floats]]]]:
    """Per zone: width in metres and lines through points, on the left side or the middle."""

    def move(point: Floats, x: float, y: float, z: float) -> Floats:
        return np.asarray(point + np.array([x, y, z], np.float32))

    out, inner, corner, wing = (mark[i] for i in (LEFT_EYE_OUT, LEFT_EYE_IN, MOUTH_LEFT, NOSE_LEFT))
    brow = mark[22:27]
    middle = (mark[21] + mark[22]) / 2
    apple = 0.5 * out + 0.5 * corner + np.array([0.006, 0.001, -0.006], np.float32)
    side = 0.45 * out + 0.25 * corner + 0.30 * mark[13] + np.array([0.006, 0, 0.012], np.float32)
    upper = [move(p, 0, 0.005, 0) for p in (mark[43], mark[44])]
    under = [move(inner, 0.001, -0.006, 0), move((mark[46] + mark[47]) / 2, 0, -0.008, 0)]
    return {
        "cheek": (0.0125, [[apple]]),
        "flush": (0.015, [[side]]),
        "nose": (0.0085, [[mark[NOSE_TIP], mark[33]]]),
        "wing": (0.0045, [[move(wing, 0, 0.002, 0.001)]]),
        "bridge": (0.006, [[mark[27], mark[29]]]),
        "crease": (0.003, [[move(wing, 0.002, 0.010, -0.004), move(wing, 0.004, -0.002, -0.003)]]),
        "forehead": (0.020, [[move(middle, 0, 0.035, -0.004), move(brow[2], 0, 0.035, -0.01)]]),
        "glabella": (0.007, [[middle]]),
        "temple": (0.013, [[move(brow[4], 0.006, -0.001, -0.014)]]),
        "lid": (0.0045, [[move(inner, 0.003, 0.006, 0), *upper, move(out, -0.002, 0.006, 0)]]),
        "circle": (0.0048, [[*under, move(out, -0.004, -0.008, -0.001)]]),
        "corner": (0.0032, [[move(inner, -0.003, 0, 0)]]),
        "chin": (0.010, [[0.45 * mark[57] + 0.55 * mark[CHIN]]]),
    }


@kernel
def _near(position: Floats, lines: Floats, owner: Ints, width: Floats, out: Floats) -> None:
    """Fill out (k, z) with the largest Gaussian of the distances to segments (s, 2, 3)."""
    for i in range(position.shape[0]):
        x, y, z = abs(position[i, 0]), position[i, 1], position[i, 2]
        if y < -0.2:
            continue
        for s in range(lines.shape[0]):
            dx = lines[s, 1, 0] - lines[s, 0, 0]
            dy = lines[s, 1, 1] - lines[s, 0, 1]
            dz = lines[s, 1, 2] - lines[s, 0, 2]
            px, py, pz = x - lines[s, 0, 0], y - lines[s, 0, 1], z - lines[s, 0, 2]
            t = (px * dx + py * dy + pz * dz) / max(1e-12, dx * dx + dy * dy + dz * dz)
            t = min(1.0, max(0.0, t))
            px, py, pz = px - t * dx, py - t * dy, pz - t * dz
            d = (px * px + py * py + pz * pz) / (width[s] * width[s])
            if d < 16:
                out[i, owner[s]] = max(out[i, owner[s]], np.exp(-0.5 * d))


def _step(x: Floats, low: float, high: float) -> Floats:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def shares(head: Head, atlas: Atlas) -> Floats:
    """(k, len(ZONES)) 0..1 for the texels of `atlas`."""
    mark = at(head.landmarks["68"], head.triangles, head.mean)
    lines, owner, width = [], [], []
    for name, (size, paths) in _spots(mark).items():
        for path in paths:
            ends = path if len(path) > 1 else [path[0], path[0]]
            for start, stop in itertools.pairwise(ends):
                lines.append(
                    [np.abs(start * [1, 0, 0]) + start * [0, 1, 1] for start in (start, stop)]
                )
                owner.append(Z[name])
                width.append(size)
    out = np.zeros((len(atlas.triangle), len(ZONES)), np.float32)
    _near(
        atlas.position,
        np.asarray(lines, np.float32),
        np.asarray(owner, np.int32),
        np.asarray(width, np.float32),
        out,
    )
    y = atlas.position[:, 1]
    ears = np.isin(atlas.region, [REGIONS.index("ear_l"), REGIONS.index("ear_r")])
    none = np.zeros(len(y), np.float32)
    out[:, Z["beard"]] = atlas.masks.get("beard", none)
    out[:, Z["moustache"]] = atlas.masks.get("moustache", none)
    out[:, Z["ear"]] = np.maximum(atlas.masks.get("pinna", none), ears * np.float32(0.7))
    out[:, Z["neck"]] = _step(-y, -mark[CHIN, 1] - 0.004, -mark[CHIN, 1] + 0.022)
    out[:, Z["muzzle"]] = np.exp(-0.5 * ((atlas.lip + 0.005) / 0.005) ** 2) * (atlas.lip < 0.003)
    mouth = (mark[48, 1] + mark[54, 1] + mark[62, 1] + mark[66, 1]) / 4
    upper = _step(y, mouth - 0.001, mouth + 0.001)
    out[:, Z["upper_lip"]], out[:, Z["lower_lip"]] = upper, 1 - upper
    return out


def make_zones(head: Head, atlas: Atlas) -> Zones:
    """The zones of the texels of `atlas`; `zones` keeps what this makes."""
    share = shares(head, atlas)
    seen = share > LEAST
    start = np.concatenate([[0], np.cumsum(seen.sum(axis=1))]).astype(np.int32)
    named = np.nonzero(seen)[1].astype(np.int32)

    def total(spec: dict[str, float], most: float) -> Floats:
        amount = sum(share[:, Z[name]] * np.float32(much) for name, much in spec.items())
        return np.minimum(np.asarray(amount, np.float32), np.float32(most))

    return Zones(share, start, named, share[seen], total(OILY, 1.0), total(THIN, 0.8))


_KEPT: dict[int, tuple[weakref.ref[Atlas], Zones]] = {}


def zones(head: Head, atlas: Atlas) -> Zones:
    """`make_zones`, kept for as long as `atlas` lives."""
    key = id(atlas)
    kept = _KEPT.get(key)
    if kept is not None and kept[0]() is atlas:
        return kept[1]
    made = make_zones(head, atlas)
    _KEPT[key] = (weakref.ref(atlas, lambda _: _KEPT.pop(key, None)), made)
    return made
