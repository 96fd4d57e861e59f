"""Small mesh builders: what is worn or held is put together from these.

All lengths in metres, all arrays float32 (triangles int32), triangles counter-clockwise seen from
outside, normals unit. `uv` runs over 0..1 of the piece, v downward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.mesh import vertex_normals as area_normals
from fusiform.lab.geometry.scene import Floats, Ints

TINY = 1e-12
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """`vertices`, `normals` (V, 3), `triangles` (T, 3), `uv` (V, 2)."""

    vertices: Floats
    normals: Floats
    triangles: Ints
    uv: Floats


def unit(vectors: NDArray[np.floating]) -> Reals:
    """`vectors` (..., 3) scaled to length 1; those of no length become +z."""
    v = np.array(vectors, np.float64)
    _to_unit(v.reshape(-1, 3))
    return v


@kernel
def _to_unit(rows: Reals) -> None:
    for i in range(len(rows)):
        square = rows[i, 0] ** 2 + rows[i, 1] ** 2 + rows[i, 2] ** 2
        if square < TINY * TINY:
            rows[i, 0], rows[i, 1], rows[i, 2] = 0.0, 0.0, 1.0
            continue
        length = np.sqrt(square)
        for d in range(3):
            rows[i, d] /= length


def cross(a: NDArray[np.floating], b: NDArray[np.floating]) -> Reals:
    """Vector products (..., 3) of `a` (..., 3) and `b` (3,) or of the same shape."""
    p, q = np.asarray(a, np.float64), np.asarray(b, np.float64)
    out = np.empty(p.shape)
    for d, (i, j) in enumerate(((1, 2), (2, 0), (0, 1))):
        out[..., d] = p[..., i] * q[..., j] - p[..., j] * q[..., i]
    return out


def vertex_normals(vertices: NDArray[np.floating], triangles: Ints) -> Floats:
    """Unit normals (V, 3), weighted by area; +z where a vertex has no triangle."""
    return unit(area_normals(np.asarray(vertices, np.float64), triangles)).astype(np.float32)


def grid_triangles(rows: int, columns: int) -> Ints:
    """Triangles (2 (rows-1) (columns-1), 3) of a grid whose vertex (r, c) is r * columns + c.

    Outside is where columns run to the right and rows run down.
    """
    return _grid_triangles(rows, columns).copy()


@lru_cache(maxsize=64)
def _grid_triangles(rows: int, columns: int) -> Ints:
    r, c = np.mgrid[0 : rows - 1, 0 : columns - 1]
    a = (r * columns + c).ravel()
    b, d, e = a + 1, a + columns, a + columns + 1
    return np.concatenate([np.stack([a, d, b], 1), np.stack([b, d, e], 1)]).astype(np.int32)


def grid(points: NDArray[np.floating], closed: bool = False) -> Mesh:
    """A surface through `points` (rows, columns, 3), seen from outside as a page is read.

    closed: the last column joins the first (give it once; the seam is doubled here and its
    normals are shared). Degenerate triangles, as at a pole, are left out.
    """
    p = np.asarray(points, np.float64)
    if closed:
        p = np.concatenate([p, p[:, :1]], 1)
    rows, columns = p.shape[:2]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    flat = p.reshape(-1, 3)
    triangles = grid_triangles(rows, columns)
    a, b, c = (flat[triangles[:, k]] for k in range(3))
    twice = cross(b - a, c - a)
    triangles = triangles[(twice * twice).sum(1) > 1e-22]
    normals = grid_normals(p, closed)
    return Mesh(
        flat.astype(np.float32),
        normals.reshape(-1, 3).astype(np.float32),
        triangles,
        np.stack([u.ravel(), v.ravel()], 1).astype(np.float32),
    )


def grid_normals(p: Reals, closed: bool) -> Reals:
    """Unit normals (rows, columns, 3) of a grid, poles (rows of one point) averaged."""
    along = np.gradient(p, axis=1)
    if closed:
        along[:, 0] = along[:, -1] = (p[:, 1] - p[:, -2]) / 2
    down = np.gradient(p, axis=0)
    n = cross(down, along)
    for row, inner in ((0, 1), (-1, -2)):
        if np.ptp(p[row], axis=0).max() < 1e-9:
            n[row] = unit(n[inner]).mean(0)
    return unit(n)


@lru_cache(maxsize=32)
def sphere(radius: float = 1.0, rows: int = 9, columns: int = 16) -> Mesh:
    """A ball about the origin, poles on the y axis."""
    theta = np.linspace(0, np.pi, rows)[:, None]
    phi = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    ring = np.sin(theta)
    p = np.stack([ring * np.sin(phi), np.cos(theta) + 0 * phi, ring * np.cos(phi)], -1)
    return grid(radius * p, closed=True)


def lathe(profile: NDArray[np.floating], columns: int = 24) -> Mesh:
    """`profile` (k, 2) of (radius, y), top to bottom along the outside, turned about the y axis."""
    phi = np.linspace(0, 2 * np.pi, columns, endpoint=False)[None]
    radius, y = profile[:, :1], profile[:, 1:]
    p = np.stack([radius * np.sin(phi), y + 0 * phi, radius * np.cos(phi)], -1)
    return grid(p, closed=True)


def frames(curve: NDArray[np.floating], up: NDArray[np.floating]) -> tuple[Reals, Reals, Reals]:
    """Unit (tangent, side, lift), each (n, 3), along `curve` (n, 3); lift is near `up` (3,) or
    (n, 3), side = tangent x lift."""
    tangent = unit(np.gradient(np.asarray(curve, np.float64), axis=0))
    side = unit(cross(tangent, np.asarray(up)))
    return tangent, side, cross(side, tangent)


def sweep(
    curve: NDArray[np.floating],
    section: NDArray[np.floating],
    up: NDArray[np.floating],
    scale: float | NDArray[np.floating] = 1.0,
    closed: bool = False,
) -> Mesh:
    """`section` (m, 2), counter-clockwise in (side, lift), carried along `curve` (n, 3).

    scale: factor of the section at each point, number or (n,). closed: the curve is a ring (give
    the first point once), else both ends are capped.
    """
    points = np.asarray(curve, np.float64)
    if closed:
        around = np.concatenate([points[-1:], points, points[:1]])
        wide = np.broadcast_to(up, points.shape)
        lift = np.concatenate([wide[-1:], wide, wide[:1]])
        _, side, top = (a[1:-1] for a in frames(around, lift))
    else:
        _, side, top = frames(points, up)
    size = np.broadcast_to(np.asarray(scale, np.float64), len(points))[:, None, None]
    across = size * section[None, :, :]
    p = points[:, None] + across[..., :1] * side[:, None] + across[..., 1:] * top[:, None]
    if closed:
        p = np.concatenate([p, p[:1]])
    else:
        centre = np.broadcast_to(points[[0, -1], None], (2, p.shape[1], 3))
        p = np.concatenate([centre[:1], p[:1], p, p[-1:], centre[1:]])
    mesh = grid(p, closed=True)
    if closed or len(section) < 3:
        return mesh
    normals = mesh.normals.reshape(len(p), -1, 3).copy()
    ends = unit(np.gradient(points, axis=0)[[0, -1]])
    normals[:2], normals[-2:] = -ends[0], ends[1]
    smooth = grid_normals(np.concatenate([p[2:-2], p[2:-2, :1]], 1), True)
    normals[2:-2] = smooth
    return Mesh(mesh.vertices, normals.reshape(-1, 3).astype(np.float32), mesh.triangles, mesh.uv)


def circle(radius: float = 1.0, sides: int = 8, flat: float = 1.0) -> Reals:
    """A ring (sides, 2), counter-clockwise; `flat` scales its second axis."""
    phi = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    return radius * np.stack([np.cos(phi), flat * np.sin(phi)], 1)


def tube(
    curve: NDArray[np.floating],
    radius: float | NDArray[np.floating],
    sides: int = 8,
    closed: bool = False,
    up: NDArray[np.floating] | None = None,
) -> Mesh:
    """A round tube along `curve` (n, 3); `radius` a number or (n,)."""
    lift = steady_up(curve) if up is None else up
    return sweep(curve, circle(1.0, sides), lift, radius, closed)


def steady_up(curve: NDArray[np.floating]) -> Reals:
    """The axis (3,) that `curve` (n, 3) varies least along: never parallel to it for long."""
    spread = curve - np.mean(curve, axis=0)
    _, vectors = np.linalg.eigh(spread.T @ spread)
    axis: Reals = vectors[:, 0]
    turned: Reals = axis * np.sign(axis[np.argmax(np.abs(axis))])
    return turned


def extrude(outline: NDArray[np.floating], depth: float, bevel: float = 0.0) -> Mesh:
    """A plate: `outline` (m, 2), counter-clockwise and seen whole from its middle, in the x-y
    plane, `depth` thick along z about 0, edges rounded by `bevel`."""
    if depth <= 0 or not 0 <= bevel <= depth / 2 + 1e-9:
        raise ChoiceError("extrude", "depth above 0 and bevel 0 to depth / 2", (depth, bevel))
    middle = outline.mean(0)
    spoke = outline - middle
    inner = spoke * (1 - bevel / np.maximum(np.linalg.norm(spoke, axis=1, keepdims=True), TINY))
    half, edge = depth / 2, depth / 2 - bevel
    rings = [(0 * spoke, half), (inner, half), (inner, half), (spoke, edge), (spoke, -edge)]
    rings += [(inner, -half), (inner, -half), (0 * spoke, -half)]
    p = [np.concatenate([ring + middle, np.full((len(ring), 1), z)], 1) for ring, z in rings]
    mesh = grid(np.stack(p), closed=True)
    normals = mesh.normals.reshape(8, -1, 3).copy()
    normals[:2], normals[-2:] = (0, 0, 1), (0, 0, -1)
    low = outline.min(0)
    uv = (mesh.vertices[:, :2] - low) / np.maximum(np.ptp(outline, axis=0), TINY)
    uv[:, 1] = 1 - uv[:, 1]
    flat = normals.reshape(-1, 3).astype(np.float32)
    return Mesh(mesh.vertices, flat, mesh.triangles, uv.astype(np.float32))


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes)])
    triangles = [m.triangles + start for m, start in zip(meshes, starts, strict=False)]
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([m.uv for m in meshes]),
    )


def shifted(mesh: Mesh, shift: NDArray[np.floating]) -> Mesh:
    """`mesh` moved by (3,)."""
    return replace(mesh, vertices=(mesh.vertices + shift).astype(np.float32))


def moved(mesh: Mesh, rotation: NDArray[np.floating], shift: NDArray[np.floating]) -> Mesh:
    """`mesh` turned by `rotation` (3, 3), a proper one, and shifted by (3,)."""
    vertices = (mesh.vertices @ np.asarray(rotation).T + shift).astype(np.float32)
    normals = (mesh.normals @ np.asarray(rotation).T).astype(np.float32)
    return Mesh(vertices, normals, mesh.triangles, mesh.uv)


def mirrored(mesh: Mesh) -> Mesh:
    """`mesh` seen in the plane x = 0, still wound outward."""
    flip = np.array([-1, 1, 1], np.float32)
    return Mesh(mesh.vertices * flip, mesh.normals * flip, mesh.triangles[:, ::-1].copy(), mesh.uv)


def tangents(mesh: Mesh) -> Floats:
    """Unit vectors (V, 3) along growing u, square to the normals (Lengyel 2001)."""
    t = _growing(mesh.vertices, mesh.uv, mesh.triangles)
    n = mesh.normals.astype(np.float64)
    t -= (t * n).sum(1, keepdims=True) * n
    helper = np.stack([n[:, 2], 0 * n[:, 0], -n[:, 0]], -1)
    t = np.where((t * t).sum(1, keepdims=True) > 1e-18, t, helper)
    return unit(t).astype(np.float32)


@kernel
def _growing(vertices: Floats, uv: Floats, triangles: Ints) -> Reals:
    """Sums (V, 3) over a vertex's triangles of the way along which u grows, times twice the area in
    the chart."""
    out = np.zeros((len(vertices), 3))
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        d1, d2 = np.float64(uv[b, 1]) - uv[a, 1], np.float64(uv[c, 1]) - uv[a, 1]
        turn = (np.float64(uv[b, 0]) - uv[a, 0]) * d2 - (np.float64(uv[c, 0]) - uv[a, 0]) * d1
        sign = np.sign(turn)
        for d in range(3):
            e1 = np.float64(vertices[b, d]) - vertices[a, d]
            e2 = np.float64(vertices[c, d]) - vertices[a, d]
            along = sign * (e1 * d2 - e2 * d1)
            out[a, d] += along
            out[b, d] += along
            out[c, d] += along
    return out


def spline(points: NDArray[np.floating], count: int, closed: bool = False) -> Reals:
    """`count` points (count, 3) on a smooth curve through `points` (Catmull and Rom 1974), evenly
    spaced in its parameter; closed: a ring, the first point given once and returned once."""
    p = np.asarray(points, np.float64)
    n = len(p)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
        t = np.arange(count) * (n / count)
    else:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
        t = np.linspace(0, n - 1, count)
    k = np.minimum(t.astype(int), n - 1 if closed else n - 2)
    f = (t - k)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    cubic = 3 * (b - c) + d - a
    curve: Reals = 0.5 * (2 * b + f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * cubic)))
    return curve


def about_x(degrees: float) -> Reals:
    """Rotation (3, 3) about x, right-handed."""
    a = np.deg2rad(degrees)
    c, s = np.cos(a), np.sin(a)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_y(degrees: float) -> Reals:
    """Rotation (3, 3) about y, right-handed."""
    a = np.deg2rad(degrees)
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def about_z(degrees: float) -> Reals:
    """Rotation (3, 3) about z, right-handed."""
    a = np.deg2rad(degrees)
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def rigid(before: NDArray[np.floating], after: NDArray[np.floating]) -> tuple[Reals, Reals]:
    """Rotation (3, 3) and shift (3,) that best take `before` (k, 3) to `after` (Kabsch 1976)."""
    a, b = before.astype(np.float64), after.astype(np.float64)
    ma, mb = a.mean(0), b.mean(0)
    u, _, vt = np.linalg.svd((a - ma).T @ (b - mb))
    flip = np.sign(np.linalg.det(vt.T @ u.T))
    rotation = vt.T @ np.diag([1.0, 1.0, flip]) @ u.T
    return rotation, mb - rotation @ ma
