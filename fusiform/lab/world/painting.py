"""Painting many soft boxes and ellipses, one over the other, onto a linear picture."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.lab.geometry.kernel import kernel

Floats = NDArray[np.float32]

COLUMNS = 12  # kind, x0, y0, x1, y1, red, green, blue, shade, alpha, soft, hollow


def shapes(
    kind: Literal["box", "oval"],
    x0: ArrayLike,
    y0: ArrayLike,
    x1: ArrayLike,
    y1: ArrayLike,
    colour: ArrayLike,
    shade: ArrayLike = 1.0,
    alpha: ArrayLike = 1.0,
    soft: ArrayLike = 0.0,
    hollow: ArrayLike = 0.0,
) -> Floats:
    """(n, 12): n shapes; every argument is one value or n of them, `colour` (3,) or (n, 3).

    x0, y0, x1, y1: the box, or the box around the oval. `shade` multiplies the colour at the
    lower edge, growing evenly from 1 at the upper. `soft`: width of the edge (at least a pixel).
    `hollow`: by how much the middle is dimmer than the rim, 0..1 (discs of blurred light).
    """
    plain = [np.asarray(v, np.float32) for v in (x0, y0, x1, y1, shade, alpha, soft, hollow)]
    paint_ = np.atleast_2d(np.asarray(colour, np.float32))
    sizes = [len(paint_), *(v.size for v in plain)]
    count = 0 if 0 in sizes else max(sizes)
    table = np.empty((count, COLUMNS), np.float32)
    table[:, 0] = kind == "oval"
    for column, values in zip((1, 2, 3, 4, 8, 9, 10, 11), plain, strict=True):
        table[:, column] = values
    table[:, 5:8] = paint_
    return table


def paint(canvas: Floats, table: Floats, unit: float) -> Floats:
    """`canvas` (h, w, 3), changed in place and returned, with `table` (n, 12) painted on it, the
    first shape first. `unit`: pixels per unit of the shapes' places, which start at the upper
    left corner."""
    _paint(canvas, np.ascontiguousarray(table, np.float32), float(unit))
    return canvas


@kernel
def _paint(canvas: Floats, table: Floats, scale: float) -> None:
    h, w = canvas.shape[:2]
    unit = np.float32(scale)
    for n in range(len(table)):
        oval = table[n, 0] > 0
        x0, y0, x1, y1 = table[n, 1:5] * unit
        soft = max(table[n, 10] * unit, np.float32(1))
        wide, tall = (x1 - x0) / 2, (y1 - y0) / 2
        if wide <= 0 or tall <= 0:
            continue
        cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
        around = soft / 2
        slim = min(wide, tall)
        growth_x, growth_y = around, around
        if oval:
            growth_x, growth_y = around * wide / slim, around * tall / slim
        for y in range(max(int(y0 - growth_y), 0), min(int(y1 + growth_y) + 1, h)):
            v = y + np.float32(0.5) - cy
            down = min(max(np.float32(0.5) + v / (2 * tall), np.float32(0)), np.float32(1))
            tone = 1 + (table[n, 8] - 1) * down
            red, green, blue = table[n, 5] * tone, table[n, 6] * tone, table[n, 7] * tone
            inside_y = (tall - abs(v)) / soft + np.float32(0.5)
            for x in range(max(int(x0 - growth_x), 0), min(int(x1 + growth_x) + 1, w)):
                u = x + np.float32(0.5) - cx
                dim = np.float32(1)
                if oval:
                    r = (u / wide) ** 2 + (v / tall) ** 2
                    far = np.sqrt(r)
                    cover = min((1 - far) * slim / soft + np.float32(0.5), np.float32(1))
                    dim = 1 - table[n, 11] * max(1 - r, np.float32(0))
                else:
                    inside_x = (wide - abs(u)) / soft + np.float32(0.5)
                    cover = min(inside_x, np.float32(1)) * min(inside_y, np.float32(1))
                    if inside_x <= 0 or inside_y <= 0:
                        continue
                if cover <= 0:
                    continue
                if not oval:
                    # A box thinner than its edge never covers a pixel whole.
                    cover *= min(2 * slim / soft, np.float32(1))
                a = cover * table[n, 9]
                canvas[y, x, 0] += a * (red * dim - canvas[y, x, 0])
                canvas[y, x, 1] += a * (green * dim - canvas[y, x, 1])
                canvas[y, x, 2] += a * (blue * dim - canvas[y, x, 2])
