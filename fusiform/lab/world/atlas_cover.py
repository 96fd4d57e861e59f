"""Which triangle covers which cell of a picture, and padding around what is covered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.kernel import kernel

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@kernel
def paint(points: Floats, depth: Floats, size_v: int, size_u: int) -> tuple[Ints, Floats]:
    """Which of t triangles covers each cell centre, the one of largest depth: (v, u) int32, -1
    none, and barycentrics (v, u, 3). `points` (t, 3, 2) in cells, `depth` (t, 3)."""
    owner = np.full((size_v, size_u), -1, np.int32)
    weights = np.zeros((size_v, size_u, 3), np.float32)
    best = np.full((size_v, size_u), -1e30, np.float32)
    for t in range(points.shape[0]):
        ax, ay = float(points[t, 0, 0]), float(points[t, 0, 1])
        bx, by = points[t, 1, 0] - ax, points[t, 1, 1] - ay
        cx, cy = points[t, 2, 0] - ax, points[t, 2, 1] - ay
        area = bx * cy - by * cx
        if abs(area) < 1e-12:
            continue
        left = max(0, int(np.floor(min(ax, ax + bx, ax + cx) - 0.5)))
        right = min(size_u - 1, int(np.ceil(max(ax, ax + bx, ax + cx))))
        top = max(0, int(np.floor(min(ay, ay + by, ay + cy) - 0.5)))
        low = min(size_v - 1, int(np.ceil(max(ay, ay + by, ay + cy))))
        for row in range(top, low + 1):
            for column in range(left, right + 1):
                x, y = column + 0.5 - ax, row + 0.5 - ay
                q = (x * cy - y * cx) / area
                r = (bx * y - by * x) / area
                p = 1.0 - q - r
                if p < -1e-6 or q < -1e-6 or r < -1e-6:
                    continue
                d = p * depth[t, 0] + q * depth[t, 1] + r * depth[t, 2]
                if d > best[row, column]:
                    best[row, column] = d
                    owner[row, column] = t
                    weights[row, column, 0] = p
                    weights[row, column, 1] = q
                    weights[row, column, 2] = r
    return owner, weights


@kernel
def pad(owner: Ints, weights: Floats, points: Floats, rounds: int) -> None:
    """Give empty cells next to covered ones their neighbour's triangle, at its nearest place."""
    rows, columns = owner.shape
    for _ in range(rounds):
        before = owner.copy()
        for row in range(rows):
            for column in range(columns):
                if before[row, column] >= 0:
                    continue
                for step in range(8):
                    nine = step if step < 4 else step + 1
                    y, x = row + nine // 3 - 1, column + nine % 3 - 1
                    if 0 <= y < rows and 0 <= x < columns and before[y, x] >= 0:
                        t = before[y, x]
                        owner[row, column] = t
                        _nearest(points[t], column + 0.5, row + 0.5, weights[row, column])
                        break


@kernel
def _nearest(corner: Floats, x: float, y: float, out: Floats) -> None:
    """Barycentrics of the place on a triangle's outline that is nearest to (x, y)."""
    best = 1e30
    for a in range(3):
        b = (a + 1) % 3
        dx, dy = corner[b, 0] - corner[a, 0], corner[b, 1] - corner[a, 1]
        length = max(1e-12, dx * dx + dy * dy)
        s = ((x - corner[a, 0]) * dx + (y - corner[a, 1]) * dy) / length
        s = min(1.0, max(0.0, s))
        ex, ey = corner[a, 0] + s * dx - x, corner[a, 1] + s * dy - y
        if ex * ex + ey * ey < best:
            best = ex * ex + ey * ey
            out[:] = 0
            out[a] = 1 - s
            out[b] = s


@kernel
def blend(corners: Ints, weights: Floats, values: Floats) -> Floats:
    """Values (n, c) of vertices at places: (k, c)."""
    out = np.empty((corners.shape[0], values.shape[1]), np.float32)
    for i in range(corners.shape[0]):
        a, b, c = corners[i]
        for j in range(values.shape[1]):
            out[i, j] = (
                weights[i, 0] * values[a, j]
                + weights[i, 1] * values[b, j]
                + weights[i, 2] * values[c, j]
            )
    return out
