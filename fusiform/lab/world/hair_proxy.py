"""A person's outside as a grid of signed distances, for hair to lie on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS, Head
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.world.shapes import vertex_normals

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

ROUNDS = 2
STEP = 0.01  # metres between grid points
SPARE = 1.4  # by which an edge may be longer than on the mean head
_INSIDE = tuple(REGIONS.index(r) for r in ("inner_mouth", "eye_socket_l", "eye_socket_r"))


@dataclass(frozen=True)
class Proxy:
    """`grid` (nx, ny, nz): metres to the skin, negative inside, at `origin + STEP * index`."""

    grid: Floats
    origin: Floats


@lru_cache(maxsize=2)
def spots(head: Head) -> tuple[Ints, Floats]:
    """Where to look at the outer skin so that looks lie about STEP apart at most on every head:
    corners (k, 3) of triangles and their weights (k, 3). Kept."""
    triangles = head.triangles[~np.isin(head.region, _INSIDE)]
    corners = head.mean[triangles]
    size = SPARE * np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    own = np.unique(triangles)
    index = [np.stack([own, own, own], 1)]
    weights = [np.broadcast_to(np.array([1.0, 0, 0], np.float32), (len(own), 3))]
    for cuts in range(1, 8):
        chosen = triangles[(size > STEP * cuts) | (cuts == 1)]
        for i in range(1, cuts + 1):
            for j in range(1, cuts + 2 - i):
                share = np.array([i, j, cuts + 2 - i - j], np.float32) / (cuts + 2)
                index.append(chosen)
                weights.append(np.broadcast_to(share, chosen.shape))
    return np.concatenate(index).astype(np.int32), np.concatenate(weights).astype(np.float32)


def outline(head: Head, rest: Floats) -> tuple[Floats, Floats]:
    """Points (k, 3) over the outer skin, about STEP apart at most, and unit normals (k, 3)."""
    normals = vertex_normals(rest, head.triangles)
    return _mixed(np.ascontiguousarray(rest, np.float32), normals, *spots(head))


@kernel
def _mixed(rest: Floats, normals: Floats, index: Ints, weights: Floats) -> tuple[Floats, Floats]:
    points, sides = np.zeros((len(index), 3), np.float32), np.zeros((len(index), 3), np.float32)
    for p in range(len(index)):
        square = np.float32(0)
        for d in range(3):
            for c in range(3):
                points[p, d] += weights[p, c] * rest[index[p, c], d]
                sides[p, d] += weights[p, c] * normals[index[p, c], d]
            square += sides[p, d] * sides[p, d]
        length = max(np.sqrt(square), np.float32(1e-9))
        for d in range(3):
            sides[p, d] /= length
    return points, sides


def make_proxy(head: Head, rest: Floats) -> Proxy:
    """The signed distance around `rest` (n, 3), from the top of the hair down to the chest.

    Each grid point takes the plane of the nearest point of the skin (near), or its distance (far);
    nearest points spread over the grid by two rounds of sweeps (after Danielsson 1980).
    """
    points, normals = outline(head, rest)
    scalp = rest[head.masks["scalp"] > 0.5]
    low = np.array([-0.2, scalp[:, 1].min() - 0.34, scalp[:, 2].min() - 0.05], np.float32)
    high = np.array([0.2, scalp[:, 1].max() + 0.03, rest[:, 2].max() + 0.03], np.float32)
    near = ((points > low - 0.02) & (points < high + 0.02)).all(1)
    size = np.ceil((high - low) / STEP).astype(int) + 1
    grid = _fill(points[near], normals[near], low, size[0], size[1], size[2], STEP)
    return Proxy(grid, low)


@kernel
def _fill(
    points: Floats, normals: Floats, low: Floats, nx: int, ny: int, nz: int, step: float
) -> Floats:
    # a border of one cell that nobody owns spares looking where the grid ends
    across, along = (ny + 2) * (nz + 2), nz + 2
    owner = np.full((nx + 2) * across, -1, np.int32)
    best = np.full((nx + 2) * across, np.float32(1e9))
    for p in range(len(points)):
        i = int((points[p, 0] - low[0]) / step + 0.5)
        j = int((points[p, 1] - low[1]) / step + 0.5)
        k = int((points[p, 2] - low[2]) / step + 0.5)
        if 0 <= i < nx and 0 <= j < ny and 0 <= k < nz:
            d, at = _far(points[p], low, i, j, k, step), (i + 1) * across + (j + 1) * along + k + 1
            if d < best[at]:
                best[at], owner[at] = d, p
    before = np.empty(13, np.int64)  # steps to the neighbours that a sweep has visited
    for n in range(13):
        before[n] = (n // 9 - 1) * across + ((n // 3) % 3 - 1) * along + n % 3 - 1
    for sweep in range(2 * ROUNDS):
        way = 1 - 2 * (sweep % 2)
        for ii in range(nx):
            i = ii if way > 0 else nx - 1 - ii
            for jj in range(ny):
                j = jj if way > 0 else ny - 1 - jj
                for kk in range(nz):
                    k = kk if way > 0 else nz - 1 - kk
                    at = (i + 1) * across + (j + 1) * along + k + 1
                    mine, least = owner[at], best[at]
                    x, y, z = low[0] + i * step, low[1] + j * step, low[2] + k * step
                    for n in range(13):
                        other = owner[at + way * before[n]]
                        if other < 0 or other == mine:
                            continue
                        u, v, w = points[other, 0] - x, points[other, 1] - y, points[other, 2] - z
                        gap = np.float32(u * u + v * v + w * w)
                        if gap < least:
                            mine, least = other, gap
                    owner[at], best[at] = mine, least
    out = np.empty((nx, ny, nz), np.float32)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                at = (i + 1) * across + (j + 1) * along + k + 1
                p = owner[at]
                plane = (
                    (low[0] + i * step - points[p, 0]) * normals[p, 0]
                    + (low[1] + j * step - points[p, 1]) * normals[p, 1]
                    + (low[2] + k * step - points[p, 2]) * normals[p, 2]
                )
                far = np.sqrt(best[at])
                w = min(1.0, max(0.0, (far / step - 1.0) / 2.0))
                out[i, j, k] = (1.0 - w) * plane + w * (far if plane > 0 else -far)
    return out


@kernel
def _far(point: Floats, low: Floats, i: int, j: int, k: int, step: float) -> float:
    x = low[0] + i * step - point[0]
    y = low[1] + j * step - point[1]
    z = low[2] + k * step - point[2]
    return float(x * x + y * y + z * z)


@kernel
def distance(
    grid: Floats, origin: Floats, step: float, x: float, y: float, z: float
) -> tuple[float, float, float, float]:
    """Signed distance at a point and its unit gradient; trilinear, extended outside the grid."""
    nx, ny, nz = grid.shape
    fx, fy, fz = (x - origin[0]) / step, (y - origin[1]) / step, (z - origin[2]) / step
    cx = min(max(fx, 0.0), nx - 1.001)
    cy = min(max(fy, 0.0), ny - 1.001)
    cz = min(max(fz, 0.0), nz - 1.001)
    i, j, k = int(cx), int(cy), int(cz)
    u, v, w = cx - i, cy - j, cz - k
    a000, a001 = grid[i, j, k], grid[i, j, k + 1]
    a010, a011 = grid[i, j + 1, k], grid[i, j + 1, k + 1]
    a100, a101 = grid[i + 1, j, k], grid[i + 1, j, k + 1]
    a110, a111 = grid[i + 1, j + 1, k], grid[i + 1, j + 1, k + 1]
    b00, b01 = a000 + (a001 - a000) * w, a010 + (a011 - a010) * w
    b10, b11 = a100 + (a101 - a100) * w, a110 + (a111 - a110) * w
    c0, c1 = b00 + (b01 - b00) * v, b10 + (b11 - b10) * v
    value = c0 + (c1 - c0) * u
    gx = c1 - c0
    gy = (b01 - b00) * (1 - u) + (b11 - b10) * u
    d00, d01 = a001 - a000, a011 - a010
    d10, d11 = a101 - a100, a111 - a110
    e0, e1 = d00 + (d01 - d00) * v, d10 + (d11 - d10) * v
    gz = e0 + (e1 - e0) * u
    ox, oy, oz = (fx - cx) * step, (fy - cy) * step, (fz - cz) * step
    out = np.sqrt(ox * ox + oy * oy + oz * oz)
    if out > step * 0.01:
        value += out
        gx, gy, gz = gx / step + ox / out, gy / step + oy / out, gz / step + oz / out
    size = np.sqrt(gx * gx + gy * gy + gz * gz) + 1e-12
    return value, gx / size, gy / size, gz / size


@kernel
def distances(grid: Floats, origin: Floats, step: float, points: Floats) -> Floats:
    """`distance` (n, 4) at each of `points` (n, 3): value, then the gradient."""
    out = np.empty((len(points), 4), np.float32)
    for i in range(len(points)):
        p = points[i]
        value, x, y, z = distance(grid, origin, step, p[0], p[1], p[2])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = value, x, y, z
    return out
