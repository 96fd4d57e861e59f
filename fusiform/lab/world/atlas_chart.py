"""A map of the head's outside, and how far its places are from lips and lids.

The chart is a cylinder around the head: azimuth in degrees (0 in front, growing to the subject's
left) and height in metres. Marks and lines on skin are placed on it.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS, Head, at
from fusiform.lab.geometry.mesh import edges_of
from fusiform.lab.world.atlas_cover import blend, paint

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

WIDEST = 150.0  # degrees; behind that the cylinder is not used
STEP = 0.6  # degrees
RISE = 0.001  # metres
TOP, BOTTOM = 0.10, -0.20  # metres
AXIS = 0.58  # place of the axis between the face's front (0) and the back of the head (1)
FAR = 0.03  # metres; distances are cut there


@dataclass(frozen=True)
class Borders:
    """Per vertex (n,), metres, at most FAR: `lip` inside the red of the lips (< 0 outside),
    `lid` from the nearest lid margin, `mouth` from the inner edge of the lips."""

    lip: Floats
    lid: Floats
    mouth: Floats


def _distance(points: Floats, ends: Floats) -> Doubles:
    """From points (n, 3) to the nearest of segments (s, 2, 3): (n,)."""
    nearest = np.full(len(points), np.inf)
    for start, stop in ends.astype(np.float64):
        along = stop - start
        share = (points - start) @ along / max(float(along @ along), 1e-18)
        foot = start + np.clip(share, 0, 1)[:, None] * along
        nearest = np.minimum(nearest, ((points - foot) ** 2).sum(axis=1))
    return np.asarray(np.sqrt(nearest))


def borders(head: Head) -> Borders:
    """Distances of all vertices of the mean head from its lips and lids."""
    red = np.isin(head.region, [REGIONS.index("upper_lip"), REGIONS.index("lower_lip")])
    inner = head.region == REGIONS.index("inner_mouth")
    edges, sides = edges_of(head.triangles)
    one, two = sides[:, 0], np.where(sides[:, 1] >= 0, sides[:, 1], sides[:, 0])
    outline = (red[one] & ~red[two] & ~inner[two]) | (red[two] & ~red[one] & ~inner[one])
    lip = _distance(head.mean, head.mean[edges[outline]])
    within = np.zeros(len(head.mean), bool)
    within[head.triangles[red | inner].ravel()] = True
    loops = [np.stack([head.mean[r], head.mean[np.roll(r, -1)]], axis=1) for r in head.rims]
    mouth = np.stack([head.mean[head.lips], head.mean[np.roll(head.lips, -1)]], axis=1)
    cut = [np.where(within, lip, -lip), _distance(head.mean, np.concatenate(loops))]
    cut.append(_distance(head.mean, mouth))
    return Borders(*(np.clip(d, -FAR, FAR).astype(np.float32) for d in cut))


@dataclass(frozen=True, eq=False)
class Chart:
    """`position` (rows, columns, 3): the outermost skin, rows from TOP down by RISE, columns from
    -WIDEST by STEP. `region` (rows, columns): index into REGIONS, 255 where there is no skin.
    `axis`: z of the cylinder's axis. `anchors` (68, 2): azimuth and height of the landmarks."""

    position: Floats
    region: NDArray[np.uint8]
    axis: float
    anchors: Doubles


def azimuth(points: Floats | Doubles, axis: float) -> Doubles:
    """(k, 2) azimuth in degrees and height of points (k, 3)."""
    turn = np.degrees(np.arctan2(points[:, 0], points[:, 2] - axis))
    return np.stack([turn, points[:, 1].astype(np.float64)], axis=1)


def make_chart(head: Head) -> Chart:
    """The chart of `head`; `chart` keeps what this makes."""
    hidden = [REGIONS.index(n) for n in ("inner_mouth", "eye_socket_l", "eye_socket_r")]
    seen = np.flatnonzero(~np.isin(head.region, hidden))
    face = head.mean[np.abs(head.mean[:, 1]) < 0.05, 2]
    axis = float(face.max() + AXIS * (face.min() - face.max()))
    corner = head.mean[head.triangles[seen]]
    flat = azimuth(corner.reshape(-1, 3), axis).reshape(-1, 3, 2)
    # a triangle across the seam at the back would smear over the whole chart
    whole = np.ptp(flat[:, :, 0], axis=1) < 90
    seen, corner, flat = seen[whole], corner[whole], flat[whole]
    points = np.stack([(flat[..., 0] + WIDEST) / STEP, (TOP - flat[..., 1]) / RISE], axis=-1)
    away = np.hypot(corner[..., 0], corner[..., 2] - axis)
    rows, columns = round((TOP - BOTTOM) / RISE), round(2 * WIDEST / STEP)
    owner, weights = paint(points.astype(np.float32), away.astype(np.float32), rows, columns)
    found = owner >= 0
    triangle = seen[owner[found]]
    position = np.full((rows, columns, 3), np.nan, np.float32)
    position[found] = blend(head.triangles[triangle], weights[found], head.mean)
    region = np.full((rows, columns), 255, np.uint8)
    region[found] = head.region[triangle]
    marks = at(head.landmarks["68"], head.triangles, head.mean)
    return Chart(position, region, axis, azimuth(marks, axis))


def place(chart: Chart, spots: Doubles) -> Floats:
    """Positions (k, 3) on the skin of `spots` (k, 2): azimuth and height; nan off the skin."""
    column = (np.asarray(spots, np.float64)[:, 0] + WIDEST) / STEP - 0.5
    row = (TOP - np.asarray(spots, np.float64)[:, 1]) / RISE - 0.5
    rows, columns = chart.region.shape
    off = (row < 0) | (column < 0) | (row > rows - 2) | (column > columns - 2)
    r, c = np.clip(row, 0, rows - 2), np.clip(column, 0, columns - 2)
    i, j = r.astype(np.int64), c.astype(np.int64)
    fr, fc = (r - i)[:, None], (c - j)[:, None]
    p = chart.position
    found = (1 - fr) * ((1 - fc) * p[i, j] + fc * p[i, j + 1])
    found = found + fr * ((1 - fc) * p[i + 1, j] + fc * p[i + 1, j + 1])
    found[off] = np.nan
    return found.astype(np.float32)


_KEPT: dict[int, tuple[weakref.ref[Head], Chart]] = {}


def chart(head: Head) -> Chart:
    """`make_chart`, kept for as long as `head` lives."""
    key = id(head)
    kept = _KEPT.get(key)
    if kept is not None and kept[0]() is head:
        return kept[1]
    made = make_chart(head)
    _KEPT[key] = (weakref.ref(head, lambda _: _KEPT.pop(key, None)), made)
    return made
