"""Moles, freckles, spots, scars and veins: single marks with a place, a size and an age.

Places are on the chart of the head (azimuth in degrees, height in metres), so they hold for any
head with the usual proportions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Head
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.world.atlas import Atlas
from fusiform.lab.world.atlas_chart import chart, place
from fusiform.lab.world.noise import value

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]

SPOT = ("azimuth", "height", "radius", "melanin", "blood", "raise", "onset", "growth", "end")
STREAK = (*SPOT, "angle", "length", "oxygen")
FOREVER = 200.0
NOTHING = 1e9  # in the first column of the scratch array: no line is near
RAGGED = 0.35


@dataclass(frozen=True, eq=False)
class Marks:
    """`spots` (m, 9) float32 with the columns SPOT: azimuth (degrees), height and radius
    (metres), what is added to the logs of melanin and blood, height of the bump (metres), the age
    it appears at, the years it takes to grow, the age it is gone. `streaks` (s, 12), columns
    STREAK: thin ones of half width `radius`; angle in degrees from level, length in metres."""

    spots: Floats
    streaks: Floats


def _where(rng: np.random.Generator, count: int) -> Doubles:
    """Places (count, 2) on face and neck, even over its area."""
    wide = rng.uniform(-72, 72, count)
    return np.column_stack([wide, rng.uniform(-0.165, 0.075, count)])


def _sunny(spots: Doubles) -> Doubles:
    """How much sun freckles the places (k, 2) get, 0..1: a band over nose and cheeks, forehead."""
    band = np.exp(-0.5 * ((spots[:, 1] + 0.024) / 0.020) ** 2)
    band = band * np.exp(-0.5 * (spots[:, 0] / 30) ** 2)
    brow = 0.45 * np.exp(-0.5 * ((spots[:, 1] - 0.05) / 0.018) ** 2)
    return np.asarray(np.clip(band + brow + 0.12, 0, 1) * (spots[:, 1] > -0.12))


def _spots(
    rng: np.random.Generator,
    count: int,
    radius: tuple[float, float, float],
    melanin: tuple[float, float],
    blood: tuple[float, float],
    bump: float,
    onset: tuple[float, float],
    growth: float,
    lasts: float = FOREVER,
) -> Doubles:
    """`count` rows of SPOT. `radius`: median, log spread, largest; the pairs are ranges."""
    table = np.empty((count, len(SPOT)))
    table[:, :2] = _where(rng, count)
    table[:, 2] = np.minimum(radius[0] * np.exp(radius[1] * rng.standard_normal(count)), radius[2])
    table[:, 3] = rng.uniform(*melanin, count)
    table[:, 4] = rng.uniform(*blood, count)
    table[:, 5] = bump * rng.random(count) ** 2 * table[:, 2]
    table[:, 6] = rng.uniform(*onset, count)
    table[:, 7] = growth
    table[:, 8] = table[:, 6] + lasts
    return table


def _streaks(rng: np.random.Generator, veins: int, scars: int) -> Floats:
    table = np.zeros((veins + scars, len(STREAK)))
    side = np.where(rng.random(veins) < 0.5, -1.0, 1.0)
    table[:veins, 0] = side * rng.uniform(38, 62, veins)
    table[:veins, 1] = rng.uniform(0.005, 0.055, veins)
    table[:veins, 2] = rng.uniform(0.0009, 0.0016, veins)
    table[:veins, 3:5] = [0.0, 0.12]
    table[:veins, 9] = rng.uniform(45, 135, veins)
    table[:veins, 10] = rng.uniform(0.015, 0.035, veins)
    table[:veins, 11] = -0.35
    table[veins:, :2] = _where(rng, scars)
    table[veins:, 2] = rng.uniform(0.0004, 0.0011, scars)
    table[veins:, 3] = rng.uniform(-0.7, -0.1, scars)
    table[veins:, 4] = rng.uniform(-0.4, 0.3, scars)
    table[veins:, 5] = rng.uniform(-0.5, 0.4, scars) * table[veins:, 2]
    table[veins:, 6] = rng.uniform(3, 50, scars)
    table[veins:, 9] = rng.uniform(0, 180, scars)
    table[veins:, 10] = rng.uniform(0.005, 0.025, scars)
    table[:, 7], table[:, 8] = 0.5, FOREVER
    return table.astype(np.float32)


def sample_marks(rng: np.random.Generator, fair: float, sun: float, european: float) -> Marks:
    """Draw a person's marks. `fair`: 0 (deep skin) .. 1; `sun`: past exposure, 0..1."""
    deep = 1 - fair
    moles = int(min(rng.negative_binomial(1.3, 1.3 / (1.3 + 5 + 6 * fair)), 40))
    freckly = float(rng.beta(0.5, 2.2)) * (0.15 + 0.85 * fair * european)
    tries = _spots(
        *(rng, int(1500 * freckly), (0.0007, 0.35, 0.0018), (0.12, 0.5), (0, 0), 0, (3, 11), 4)
    )
    tries = tries[rng.random(len(tries)) < _sunny(tries[:, :2])]
    acne = float(rng.beta(0.6, 2.0))
    tables = [
        _spots(rng, moles, (0.0009, 0.45, 0.0035), (0.5, 1.7), (0, 0.2), 0.35, (1, 38), 6),
        tries,
        # age spots, cherry spots, small dark bumps of deep skin
        _spots(rng, rng.poisson(16 * sun * (0.3 + 0.7 * fair)), (0.0022, 0.4, 0.006),
               (0.2, 0.6), (0, 0), 0.02, (36, 88), 12),
        _spots(rng, rng.poisson(1.6), (0.0007, 0.3, 0.0015), (0, 0), (0.6, 1.2), 0.2, (30, 85), 3),
        _spots(rng, rng.poisson(7 * deep), (0.0008, 0.35, 0.002), (0.3, 0.8), (0, 0), 0.4,
               (22, 65), 6),
        # pimples, the marks they leave, pits
        _spots(rng, rng.poisson(70 * acne), (0.0014, 0.3, 0.003), (-0.05, 0.1), (0.3, 0.8), 0.12,
               (11, 32), 0.1, 1.2),
        _spots(rng, rng.poisson(60 * acne), (0.0014, 0.3, 0.003), (0.05, 0.3), (0.0, 0.3), 0.0,
               (12, 34), 0.5, 6.0),
        _spots(rng, rng.poisson(14 * acne * acne), (0.0009, 0.3, 0.002), (0, 0.1), (0, 0.1), -0.25,
               (14, 30), 1),
    ]  # fmt: skip
    scars = int(rng.random() < 0.3) + int(rng.random() < 0.06)
    streaks = _streaks(rng, int(rng.poisson(2.5)), scars)
    return Marks(np.concatenate(tables).astype(np.float32), streaks)


@kernel
def _ranges(low: Floats, edge: float, shape: tuple[int, int, int], point: Floats, reach: float):  # type: ignore[no-untyped-def]
    """First and last box along each axis that a ball touches."""
    a = np.empty((3, 2), np.int64)
    for axis in range(3):
        a[axis, 0] = max(0, int((point[axis] - reach - low[axis]) / edge))
        a[axis, 1] = min(shape[axis] - 1, int((point[axis] + reach - low[axis]) / edge))
    return a


@kernel
def splat_spots(
    low: Floats, edge: float, shape: tuple[int, int, int], start: Ints, texels: Ints,
    position: Floats, texel: Floats, along_u: Floats, along_v: Floats,
    centre: Floats, table: Floats, seed: int, out: Floats,
) -> None:  # fmt: skip
    """Add spots to out (k, 5): melanin, blood, oxygen, slopes along u and v. `table` (m, 4):
    radius, melanin, blood, height of the bump. A spot smaller than a texel is spread over it."""
    for m in range(centre.shape[0]):
        radius = float(table[m, 0])
        reach = 1.6 * radius + 1.2 * edge / 3
        box = _ranges(low, edge, shape, centre[m], reach)
        for bx in range(box[0, 0], box[0, 1] + 1):
            for by in range(box[1, 0], box[1, 1] + 1):
                for bz in range(box[2, 0], box[2, 1] + 1):
                    b = (bx * shape[1] + by) * shape[2] + bz
                    for place_ in range(start[b], start[b + 1]):
                        t = texels[place_]
                        dx = position[t, 0] - centre[m, 0]
                        dy = position[t, 1] - centre[m, 1]
                        dz = position[t, 2] - centre[m, 2]
                        d = np.sqrt(dx * dx + dy * dy + dz * dz)
                        wide = np.sqrt(radius * radius + 0.36 * texel[t] * texel[t])
                        if d > 1.6 * wide:
                            continue
                        scale = 1.3 / radius
                        wobble = value(dx * scale, dy * scale, dz * scale, seed + m)
                        r = d / wide * (1 + RAGGED * 0.4 * wobble)
                        s = min(1.0, max(0.0, (1.45 - r) / 0.9))
                        shown = s * s * (3 - 2 * s) * (radius / wide) ** 2
                        out[t, 0] += shown * table[m, 1]
                        out[t, 1] += shown * table[m, 2]
                        if table[m, 3] != 0 and r < 1.2:
                            e = 1 - (r / 1.2) ** 2
                            slope = (
                                -4 * table[m, 3] * e * (radius / wide) ** 2 / (1.44 * wide * wide)
                            )
                            u = dx * along_u[t, 0] + dy * along_u[t, 1] + dz * along_u[t, 2]
                            v = dx * along_v[t, 0] + dy * along_v[t, 1] + dz * along_v[t, 2]
                            out[t, 3] += slope * u
                            out[t, 4] += slope * v


@kernel
def splat_line(
    low: Floats, edge: float, shape: tuple[int, int, int], start: Ints, texels: Ints,
    position: Floats, texel: Floats, along_u: Floats, along_v: Floats,
    path: Floats, width: float, depth: float, tint: Floats, tag: float, best: Floats, out: Floats,
) -> None:  # fmt: skip
    """Add a groove along a path (p, 3) to out (k, 5). Its section is a Gaussian of `width` metres
    and `depth`; it fades towards both ends. `tint` (3,): melanin, blood, oxygen at its bottom;
    `tag`: lines of different tags vary differently along their way.
    `best` (k, 4): scratch, NOTHING in column 0 before and after."""
    reach = 2.7 * width + edge / 3
    touched = [0]
    touched.pop()
    last = path.shape[0] - 1
    for s in range(last):
        middle = (path[s] + path[s + 1]) * np.float32(0.5)
        if np.isnan(middle[0]):
            continue
        ax, ay, az = path[s, 0], path[s, 1], path[s, 2]
        ex, ey, ez = path[s + 1, 0] - ax, path[s + 1, 1] - ay, path[s + 1, 2] - az
        length = max(1e-12, ex * ex + ey * ey + ez * ez)
        if length > 1e-4:  # a jump of more than a centimetre is no line on skin
            continue
        box = _ranges(low, edge, shape, middle, reach + 0.5 * np.sqrt(length))
        for bx in range(box[0, 0], box[0, 1] + 1):
            for by in range(box[1, 0], box[1, 1] + 1):
                for bz in range(box[2, 0], box[2, 1] + 1):
                    b = (bx * shape[1] + by) * shape[2] + bz
                    for place_ in range(start[b], start[b + 1]):
                        t = texels[place_]
                        px, py, pz = position[t, 0] - ax, position[t, 1] - ay, position[t, 2] - az
                        share = (px * ex + py * ey + pz * ez) / length
                        share = min(1.0, max(0.0, share))
                        px, py, pz = px - share * ex, py - share * ey, pz - share * ez
                        d = px * px + py * py + pz * pz
                        if d < best[t, 0]:
                            if best[t, 0] >= NOTHING:
                                touched.append(t)
                            along = (s + share) / last
                            best[t, 0] = d
                            vary = 0.85 + 0.28 * value(along * 5, tag, 0.0, 77)
                            ends = min(1.0, 3.5 * min(along, 1 - along) + 0.02)
                            best[t, 1] = ends * max(0.2, min(1.3, vary))
                            best[t, 2] = (
                                px * along_u[t, 0] + py * along_u[t, 1] + pz * along_u[t, 2]
                            )
                            best[t, 3] = (
                                px * along_v[t, 0] + py * along_v[t, 1] + pz * along_v[t, 2]
                            )
    for t in touched:
        wide = width * width + 0.25 * texel[t] * texel[t]
        shown = np.exp(-0.5 * best[t, 0] / wide) * width / np.sqrt(wide) * best[t, 1]
        out[t, 0] += shown * tint[0]
        out[t, 1] += shown * tint[1]
        out[t, 2] += shown * tint[2]
        out[t, 3] += shown * depth / wide * best[t, 2]
        out[t, 4] += shown * depth / wide * best[t, 3]
        best[t, 0] = NOTHING


def shown_share(table: Floats, age: float) -> Floats:
    """How much (m,) of each row of SPOT or STREAK shows at `age`, 0..1."""
    grown = np.clip((age - table[:, 6]) / np.maximum(table[:, 7], 1e-3), 0, 1)
    return np.asarray(grown * grown * (3 - 2 * grown) * (age < table[:, 8]), np.float32)


def add_marks(
    out: Floats, scratch: Floats, head: Head, atlas: Atlas, marks: Marks, age: float, veins: float
) -> None:
    """Add the marks a person has at `age` to `out` (k, 5). `scratch`: see
    `splat_line`. `veins` 0..1: how much they show."""
    boxes, surface = atlas.boxes, chart(head)
    space = (boxes.low, boxes.edge, boxes.shape, boxes.start, boxes.texels)
    skin = (atlas.position, atlas.texel, atlas.along_u, atlas.along_v)
    share = shown_share(marks.spots, age)
    seen = share > 0.02
    spots, share = marks.spots[seen], share[seen, None]
    centre = place(surface, spots[:, :2].astype(np.float64))
    table = np.column_stack([spots[:, 2:3] * (0.5 + 0.5 * share), spots[:, 3:6] * share])
    found = np.isfinite(centre[:, 0])
    table = np.ascontiguousarray(table[found], np.float32)
    splat_spots(*space, *skin, np.ascontiguousarray(centre[found]), table, 11, out)
    for row, part in zip(marks.streaks, shown_share(marks.streaks, age), strict=True):
        strength = float(part) * (veins if row[11] != 0 else 1.0)
        if strength < 0.02:
            continue
        along = np.linspace(-0.5, 0.5, 12) * row[10]
        bend = 0.12 * np.sin(np.linspace(0, 5, 12) + row[0]) * row[10]
        turn = np.radians(row[9])
        x = along * np.cos(turn) - bend * np.sin(turn)
        y = along * np.sin(turn) + bend * np.cos(turn)
        path = place(surface, np.column_stack([row[0] + np.degrees(x / 0.09), row[1] + y]))
        tint = (np.array([row[3], row[4], row[11]]) * strength).astype(np.float32)
        splat_line(
            *space,
            *skin,
            path,
            float(row[2]),
            -float(row[5]) * strength,
            tint,
            float(row[0]),
            scratch,
            out,
        )
