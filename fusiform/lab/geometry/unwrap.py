"""Flat layouts of open surfaces: no overlap, little stretch, chosen texel density.

Start: Floater 2003, Mean value coordinates (a convex outline keeps it free of overlap). Then the
symmetric Dirichlet energy is lowered with Rabinovich et al. 2017, Scalable locally injective
mappings: no triangle can turn over, so what began without overlap stays so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry.mesh import Doubles, Ints, Numbers

Flags = NDArray[np.bool_]


def rest_shapes(vertices: Numbers, triangles: Ints, scale: Numbers) -> Doubles:
    """Each triangle laid flat and scaled by `scale` (t,): second and third corner (t, 2, 2) seen
    from the first, the second on the x axis."""
    a, b, c = (vertices[triangles[:, k]].astype(np.float64) for k in range(3))
    along = np.linalg.norm(b - a, axis=1)
    unit = (b - a) / along[:, None]
    x = np.einsum("td,td->t", c - a, unit)
    y = np.linalg.norm(c - a - x[:, None] * unit, axis=1)
    flat = np.stack([np.stack([along, np.zeros_like(x)], 1), np.stack([x, y], 1)], axis=1)
    return np.asarray(flat * np.asarray(scale)[:, None, None])


def signed_areas(uv: Numbers, triangles: Ints) -> Doubles:
    """Areas (t,) of flat triangles, positive where they keep the direction of their surface.

    The v axis points down, so a triangle that is counter-clockwise from outside and seen from
    outside in the picture counts as positive.
    """
    a, b, c = (uv[triangles[:, k]].astype(np.float64) for k in range(3))
    u, w = b - a, c - a
    return np.asarray(0.5 * (u[:, 1] * w[:, 0] - u[:, 0] * w[:, 1]))


def embed(vertices: Numbers, triangles: Ints, uv: Doubles, free: Flags) -> Doubles:
    """`uv` (n, 2) with its `free` (n, 2) coordinates set to mean-value averages of neighbours.

    The fixed ones must put the border on a convex outline in its order.
    """
    from scipy.sparse import csr_matrix, diags
    from scipy.sparse.linalg import splu

    count = len(vertices)
    rows, columns, weights = [], [], []
    for k in range(3):
        i, j, o = (triangles[:, (k + s) % 3] for s in range(3))
        u, w = vertices[j] - vertices[i], vertices[o] - vertices[i]
        lu, lw = np.linalg.norm(u, axis=1), np.linalg.norm(w, axis=1)
        cosine = np.clip(np.einsum("td,td->t", u, w) / (lu * lw), -1, 0.99999)
        half = np.sqrt((1 - cosine) / (1 + cosine).clip(1e-6))  # tan of half the angle at i
        rows += [i, i]
        columns += [j, o]
        weights += [half / lu, half / lw]
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    near = csr_matrix(entries, shape=(count, count))
    system = (diags(np.asarray(near.sum(axis=1)).ravel()) - near).tocsr()
    placed = uv.copy()
    for d in range(2):
        f, g = free[:, d], ~free[:, d]
        known = system[f][:, g] @ placed[g, d]
        placed[f, d] = splu(system[f][:, f].tocsc()).solve(-known)
    return placed


@dataclass(frozen=True)
class Operators:
    """Derivatives along both axes of the rest shapes, as sparse (t, n) matrices, and `areas`."""

    x: Any
    y: Any
    areas: Doubles


def _operators(triangles: Ints, shapes: Doubles, count: int) -> Operators:
    from scipy.sparse import csr_matrix

    along, (x, y) = shapes[:, 0, 0], shapes[:, 1].T
    gx = np.stack([-1 / along, 1 / along, np.zeros_like(x)], axis=1)
    gy = np.stack([(x / along - 1) / y, -x / (along * y), 1 / y], axis=1)
    rows = np.repeat(np.arange(len(triangles)), 3)
    where = (rows, triangles.ravel())
    shape = (len(triangles), count)
    dx, dy = (csr_matrix((g.ravel(), where), shape=shape) for g in (gx, gy))
    return Operators(dx, dy, 0.5 * along * y)


def _jacobians(ops: Operators, flat: Doubles) -> Doubles:
    return np.stack([ops.x @ flat, ops.y @ flat], axis=2)


def _energy(jacobians: Doubles, weights: Doubles) -> float:
    """Symmetric Dirichlet energy |J|^2 + |J^-1|^2, infinite if a triangle is turned over."""
    det = np.linalg.det(jacobians)
    if det.min() <= 0:
        return np.inf
    norm = (jacobians**2).sum(axis=(1, 2))
    return float((weights * (norm + norm / det**2)).sum())


def relax(
    triangles: Ints,
    shapes: Doubles,
    uv: Doubles,
    free: Flags,
    importance: Numbers,
    rounds: int = 40,
) -> Doubles:
    """`uv` (n, 2) moved in its `free` (n, 2) coordinates so that triangles look like `shapes`.

    `shapes` (t, 2, 2) as from `rest_shapes` in units of the layout; a triangle counts by its area
    there times `importance` (t,). Raises FusiformError if a triangle of `uv` is turned over.
    """
    flat = uv * [1.0, -1.0]  # v down: turn it up so that areas are positive
    ops = _operators(triangles, shapes, len(uv))
    weights = ops.areas * importance
    energy = _energy(_jacobians(ops, flat), weights)
    if not np.isfinite(energy):
        raise FusiformError("The layout to relax has triangles turned over. Start from embed().")
    for _ in range(rounds):
        step = _solve(ops, weights, flat, free) - flat
        reach = 0.9 * min(1 / 0.9, _first_flip(flat, step, triangles))
        while reach > 1e-6:
            trial = flat + reach * step
            lower = _energy(_jacobians(ops, trial), weights)
            if lower < energy:
                break
            reach *= 0.6
        else:
            break
        done = energy - lower < 1e-6 * energy
        flat, energy = trial, lower
        if done:
            break
    return np.asarray(flat * [1.0, -1.0])


def _solve(ops: Operators, weights: Doubles, flat: Doubles, free: Flags) -> Doubles:
    """The layout nearest to the rotated rest shapes in the reweighted norm (2017, table 2)."""
    from scipy.sparse import bmat, diags, identity
    from scipy.sparse.linalg import splu

    u, s, vt = np.linalg.svd(_jacobians(ops, flat))
    turn = u @ vt
    pull = np.sqrt((s + 1) * (s**2 + 1) / s**3)  # (s - s^-3) / (s - 1) without 0 / 0
    norm = np.einsum("tik,tk,tjk->tij", u, pull, u) * np.sqrt(weights)[:, None, None]
    parts, goals = [], []
    for k, g in enumerate((ops.x, ops.y)):
        for i in range(2):
            parts.append([diags(norm[:, i, 0]) @ g, diags(norm[:, i, 1]) @ g])
            goals.append(np.einsum("tj,tj->t", norm[:, i], turn[:, :, k]))
    system, goal = bmat(parts, format="csr"), np.concatenate(goals)
    open_ = free.T.ravel()
    x = flat.T.ravel().copy()
    moving = system[:, open_]
    left = goal - system[:, ~open_] @ x[~open_]
    normal = (moving.T @ moving).tocsc()
    normal = normal + 1e-9 * normal.diagonal().mean() * identity(normal.shape[0], format="csc")
    x[open_] = splu(normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(
        moving.T @ left
    )
    return np.asarray(x.reshape(2, -1).T)


def _first_flip(flat: Doubles, step: Doubles, triangles: Ints) -> float:
    """The smallest step length at which a triangle turns over (Smith and Schaefer 2015)."""
    p, d = flat[triangles], step[triangles]
    e, f, de, df = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0], d[:, 1] - d[:, 0], d[:, 2] - d[:, 0]
    a = _cross(de, df)
    b = _cross(e, df) + _cross(de, f)
    c = _cross(e, f)
    root = b * b - 4 * a * c
    real = root >= 0
    q = -0.5 * (b + np.copysign(np.sqrt(np.where(real, root, 0)), b))
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.concatenate([(q / a)[real], (c / q)[real]])
    both = both[np.isfinite(both) & (both > 0)]
    return float(both.min(initial=np.inf))


def _cross(a: Doubles, b: Doubles) -> Doubles:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def stretch(vertices: Numbers, triangles: Ints, uv: Numbers) -> tuple[Doubles, Doubles]:
    """Largest and smallest singular value (t,) of the map from the surface to the layout."""
    ops = _operators(triangles, rest_shapes(vertices, triangles, np.ones(len(triangles))), len(uv))
    values = np.linalg.svd(_jacobians(ops, uv.astype(np.float64)), compute_uv=False)
    return np.asarray(values[:, 0], np.float64), np.asarray(values[:, 1], np.float64)


def along_outline(lengths: Numbers, corners: Doubles) -> Doubles:
    """Points (k, 2) on the polyline `corners` (c, 2), as far apart as `lengths` (k - 1,), scaled so
    that the first and last lie at its ends."""
    sides = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    there = np.concatenate([[0.0], np.cumsum(sides)])
    here = np.concatenate([[0.0], np.cumsum(lengths)])
    here *= there[-1] / here[-1]
    return np.stack([np.interp(here, there, corners[:, d]) for d in range(2)], axis=1)


@dataclass(frozen=True)
class Sheet:
    """What is to be laid flat: `triangles` (t, 3) over `vertices` (n, 3), wanted texels per length
    relative to others `density` (t,), `importance` (t,) of little stretch; `uv` (n, 2) with the
    outline in place and what of it is `free` (n, 2) after, and `loose` (n, 2) during the start."""

    vertices: Doubles
    triangles: Ints
    density: Doubles
    importance: Doubles
    uv: Doubles
    free: Flags
    loose: Flags


def filled(triangles: Ints, vertices: Doubles, loops: list[Ints]) -> tuple[Ints, Doubles]:
    """Holes closed by a fan from a new vertex in the middle of each of `loops` (in the direction
    of their faces; a path whose ends lie on x = 0 is closed by a vertex there)."""
    fans, middles = [triangles], [vertices]
    for count, loop in enumerate(loops):
        open_ = bool(np.abs(vertices[loop[[0, -1]], 0]).max() < 1e-9)
        ends = (loop[:-1], loop[1:]) if open_ else (loop, np.roll(loop, -1))
        tip = np.full(len(ends[0]), len(vertices) + count)
        fans.append(np.stack([ends[1], ends[0], tip], axis=1).astype(np.int32))
        centre = vertices[loop].mean(axis=0, keepdims=True)
        middles.append(centre * [0.0 if open_ else 1.0, 1, 1])
    return np.concatenate(fans), np.concatenate(middles)


def lay(sheet: Sheet, rounds: int = 40, passes: int = 4, even: float = 20.0) -> Doubles:
    """The layout (n, 2) of a sheet.

    After each of `passes` triangles more than `even` times longer one way than the other gain
    importance, so that none is squeezed to a needle for the sake of the rest.
    """
    shapes = rest_shapes(sheet.vertices, sheet.triangles, sheet.density)
    laid = embed(sheet.vertices, sheet.triangles, sheet.uv, sheet.loose)
    importance = sheet.importance
    ops = _operators(sheet.triangles, shapes, len(laid))
    for _ in range(passes):
        laid = relax(sheet.triangles, shapes, laid, sheet.free, importance, rounds)
        long, short = np.linalg.svd(_jacobians(ops, laid), compute_uv=False).T
        importance = importance * np.clip(long / short / even, 1, 100) ** 0.5
    return laid


def untangled(uv: Doubles, triangles: Ints, fixed: Flags, rounds: int = 60) -> Doubles:
    """`uv` (n, 2) with vertices of turned triangles moved to the middle of their neighbours, unless
    `fixed` (n,), until none is turned or `rounds` are over."""
    laid = uv.copy()
    ends = np.concatenate([triangles, np.roll(triangles, 1, axis=1)]).ravel()
    others = np.concatenate([np.roll(triangles, -1, axis=1), triangles]).ravel()
    number = np.bincount(ends, minlength=len(uv))
    for _ in range(rounds):
        bad = signed_areas(laid, triangles) <= 0
        if not bad.any():
            break
        moved = np.unique(triangles[bad])
        moved = moved[~fixed[moved]]
        means = np.stack([np.bincount(ends, laid[others, d], len(uv)) for d in range(2)], axis=1)
        laid[moved] = 0.5 * laid[moved] + 0.5 * (means / number[:, None])[moved]
    return laid
