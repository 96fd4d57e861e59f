"""Strands as ribbons that face the camera and follow the posed head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Head
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.scene import Label, Material, Surface
from fusiform.lab.world.hair import Hair
from fusiform.lab.world.hair_grow import Cap, Grown, Strands, grow
from fusiform.lab.world.shapes import rigid, vertex_normals

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
GLOSS = (0.45, 0.35)
STILL = np.tile(np.eye(3), (17, 1, 1)), np.zeros((17, 3))  # motion of strands above the jaw


def surfaces(
    hair: Hair, head: Head, rest: Floats, posed: Floats, camera: Floats, detail: float = 256
) -> tuple[Surface, ...]:
    """Hair on one picture: `follow(grow(...))`. Keep what `grow` gives where pictures are many."""
    return follow(grow(hair, head, rest, detail), head, rest, posed, camera)


def follow(
    grown: Grown | None, head: Head, rest: Floats, posed: Floats, camera: Floats
) -> tuple[Surface, ...]:
    """The grown hair on a posed head (n, 3), seen from `camera` (3,): base first, then strands."""
    if grown is None:
        return ()
    ribbons = strand_surface("hair", Label.HAIR, grown.strands, head, rest, posed, camera)
    if grown.cap is None:
        return (ribbons,)
    return (cap_surface(grown.cap, head, posed), ribbons)


def cap_surface(cap: Cap, head: Head, posed: Floats) -> Surface:
    """The opaque base of dense hair on a posed head."""
    normals = vertex_normals(posed, head.triangles)[cap.vertices]
    vertices = posed[cap.vertices] + normals * cap.lift[:, None]
    down = np.array([0, -1, 0], np.float32) - normals * -normals[:, 1:2]
    down /= np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-6)
    m = len(vertices)
    return Surface(
        *("hair base", Material.HAIR, vertices.astype(np.float32), normals, cap.triangles),
        *(down.astype(np.float32), np.zeros((m, 2), np.float32), cap.tint),
        np.full(m, 0.6, np.float32),
        label=Label.HAIR,
        gloss=(0.05, 0.7),
    )


def neck_motion(
    head: Head, rest: Floats, posed: Floats
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How hair below the jaw moves, in 17 steps from the head's motion (0) to the torso's (16).

    Rotations (17, 3, 3) and shifts (17, 3); between the two the rotation goes along the shortest
    way (Rodrigues' formula) about the middle of the neck, which keeps hanging hair its length.
    """
    torso = head.masks["torso"] > 0.95
    scalp = head.masks["scalp"] > 0.5
    r0, s0 = rigid(rest[scalp], posed[scalp])
    r1, s1 = rigid(rest[torso], posed[torso]) if torso.sum() > 3 else (np.eye(3), np.zeros(3))
    neck = head.masks["neck"] > 0.3
    middle = rest[neck if neck.any() else scalp].mean(0).astype(np.float64)
    turn = r1 @ r0.T
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    axis = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    axis = axis / max(np.linalg.norm(axis), 1e-12)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    w = np.linspace(0, 1, 17)[:, None, None]
    rotation = np.eye(3) + np.sin(w * angle) * cross + (1 - np.cos(w * angle)) * (cross @ cross)
    rotation = rotation @ r0
    centre = (1 - w[:, 0]) * (r0 @ middle + s0) + w[:, 0] * (r1 @ middle + s1)
    return rotation, centre - rotation @ middle


def strand_surface(
    part: str,
    label: Label,
    strands: Strands,
    head: Head,
    rest: Floats,
    posed: Floats,
    camera: Floats,
    gloss: tuple[float, float] = GLOSS,
    casts_shadow: bool = True,
) -> Surface:
    """Ribbons (two vertices per point) facing `camera` (3,) on the posed head (n, 3).

    Each strand moves with the rigid frame of its root's triangle; where `torso` is above 0 the
    head's motion turns into the torso's.
    """
    n, k, _ = strands.points.shape
    rotation, shift = neck_motion(head, rest, posed) if strands.torso.any() else STILL
    corners = head.triangles[strands.triangle]
    size = 2 * n * k
    vertices, normals = np.empty((size, 3), np.float32), np.empty((size, 3), np.float32)
    tangents, tint = np.empty((size, 3), np.float32), np.empty((size, 3), np.float32)
    openness, uv = np.empty(size, np.float32), np.empty((size, 2), np.float32)
    triangles = np.empty((2 * n * (k - 1), 3), np.int32)
    _ribbons(
        strands.points,
        strands.normals,
        strands.tint,
        strands.width,
        strands.openness,
        strands.torso,
        strands.weights,
        corners,
        rest,
        posed,
        rotation,
        shift,
        np.asarray(camera, np.float64),
        vertices,
        normals,
        tangents,
        tint,
        openness,
        uv,
        triangles,
    )
    return Surface(
        *(part, Material.HAIR, vertices, normals, triangles, tangents, uv, tint, openness),
        label=label,
        gloss=gloss,
        casts_shadow=casts_shadow,
    )


@kernel
def _frame(v: Floats, corner: Ints, w: Floats, out: NDArray[np.float64]) -> None:
    """Axes of a triangle as rows 0..2 of `out` (4, 3), the place `w` on it as row 3."""
    a, b, c = v[corner[0]], v[corner[1]], v[corner[2]]
    ex, ey, ez = float(b[0]) - a[0], float(b[1]) - a[1], float(b[2]) - a[2]
    fx, fy, fz = float(c[0]) - a[0], float(c[1]) - a[1], float(c[2]) - a[2]
    nx, ny, nz = ey * fz - ez * fy, ez * fx - ex * fz, ex * fy - ey * fx
    # the bisector of two edges shears less than one edge when the triangle deforms
    le = 1.0 / (np.sqrt(ex * ex + ey * ey + ez * ez) + 1e-20)
    lf = 1.0 / (np.sqrt(fx * fx + fy * fy + fz * fz) + 1e-20)
    ex, ey, ez = ex * le + fx * lf, ey * le + fy * lf, ez * le + fz * lf
    le = 1.0 / (np.sqrt(ex * ex + ey * ey + ez * ez) + 1e-20)
    ln = 1.0 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-20)
    ex, ey, ez, nx, ny, nz = ex * le, ey * le, ez * le, nx * ln, ny * ln, nz * ln
    out[0, 0], out[0, 1], out[0, 2] = ex, ey, ez
    out[1, 0], out[1, 1], out[1, 2] = ny * ez - nz * ey, nz * ex - nx * ez, nx * ey - ny * ex
    out[2, 0], out[2, 1], out[2, 2] = nx, ny, nz
    for i in range(3):
        out[3, i] = w[0] * a[i] + w[1] * b[i] + w[2] * c[i]


@kernel
def _ribbons(
    points: Floats,
    normal: Floats,
    colour: Floats,
    width: Floats,
    open_in: Floats,
    torso: Floats,
    weights: Floats,
    corners: Ints,
    rest: Floats,
    posed: Floats,
    rotation: NDArray[np.float64],
    shift: NDArray[np.float64],
    camera: NDArray[np.float64],
    vertices: Floats,
    normals: Floats,
    tangents: Floats,
    tint: Floats,
    openness: Floats,
    uv: Floats,
    triangles: Ints,
) -> None:
    n, k, _ = points.shape
    before, after = np.empty((4, 3)), np.empty((4, 3))
    turn = np.empty((3, 3))
    place, side = np.empty((k, 3)), np.empty((k, 3))
    for s in range(n):
        _frame(rest, corners[s], weights[s], before)
        _frame(posed, corners[s], weights[s], after)
        for i in range(3):
            for j in range(3):
                turn[i, j] = (
                    after[0, i] * before[0, j]
                    + after[1, i] * before[1, j]
                    + after[2, i] * before[2, j]
                )
        for p in range(k):
            dx = points[s, p, 0] - before[3, 0]
            dy = points[s, p, 1] - before[3, 1]
            dz = points[s, p, 2] - before[3, 2]
            w = torso[s, p]
            for i in range(3):
                x = turn[i, 0] * dx + turn[i, 1] * dy + turn[i, 2] * dz + after[3, i]
                m = turn[i, 0] * normal[s, p, 0] + turn[i, 1] * normal[s, p, 1]
                m += turn[i, 2] * normal[s, p, 2]
                if w > 0:
                    x, m = _blend(rotation, shift, points[s, p], normal[s, p], w, i, x, m)
                place[p, i], side[p, i] = x, m
        for p in range(k):
            a, b = max(p - 1, 0), min(p + 1, k - 1)
            tx, ty, tz = (
                place[b, 0] - place[a, 0],
                place[b, 1] - place[a, 1],
                place[b, 2] - place[a, 2],
            )
            size = 1.0 / (np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-20)
            tx, ty, tz = tx * size, ty * size, tz * size
            vx, vy, vz = camera[0] - place[p, 0], camera[1] - place[p, 1], camera[2] - place[p, 2]
            cx, cy, cz = ty * vz - tz * vy, tz * vx - tx * vz, tx * vy - ty * vx
            size = 1.0 / (np.sqrt(cx * cx + cy * cy + cz * cz) + 1e-20)
            cx, cy, cz = cx * size, cy * size, cz * size
            nx, ny, nz = side[p, 0], side[p, 1], side[p, 2]
            dot = nx * tx + ny * ty + nz * tz
            # hair that stands up keeps the skin's normal, hair that lies turns across itself
            dot *= 0.7
            nx, ny, nz = nx - dot * tx, ny - dot * ty, nz - dot * tz
            size = 1.0 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
            nx, ny, nz = nx * size, ny * size, nz * size
            half = 0.5 * width[s, p]
            for e in range(2):
                q = 2 * (s * k + p) + e
                sign = 1.0 - 2.0 * e
                vertices[q, 0] = place[p, 0] + sign * half * cx
                vertices[q, 1] = place[p, 1] + sign * half * cy
                vertices[q, 2] = place[p, 2] + sign * half * cz
                # a slight bend across makes ribbons shade as rounded locks
                bx, by, bz = nx + 0.35 * sign * cx, ny + 0.35 * sign * cy, nz + 0.35 * sign * cz
                size = 1.0 / np.sqrt(bx * bx + by * by + bz * bz + 1e-12)
                normals[q, 0], normals[q, 1], normals[q, 2] = bx * size, by * size, bz * size
                tangents[q, 0], tangents[q, 1], tangents[q, 2] = tx, ty, tz
                tint[q, 0], tint[q, 1] = colour[s, p, 0], colour[s, p, 1]
                tint[q, 2] = colour[s, p, 2]
                openness[q] = open_in[s, p]
                uv[q, 0], uv[q, 1] = e, p / (k - 1.0)
            if p < k - 1:
                t, q = 2 * (s * (k - 1) + p), 2 * (s * k + p)
                triangles[t, 0], triangles[t, 1], triangles[t, 2] = q, q + 2, q + 1
                triangles[t + 1, 0], triangles[t + 1, 1], triangles[t + 1, 2] = q + 1, q + 2, q + 3


@kernel
def _blend(
    rotation: NDArray[np.float64],
    shift: NDArray[np.float64],
    point: Floats,
    normal: Floats,
    w: float,
    i: int,
    x: float,
    m: float,
) -> tuple[float, float]:
    """Axis i of a point and normal that move by share `w` with the torso; x, m: with their root."""
    level = min(int(w * 16), 15)
    f = w * 16 - level
    bent, turned, stiff = shift[level, i] * (1 - f) + shift[level + 1, i] * f, 0.0, shift[0, i]
    for j in range(3):
        r = rotation[level, i, j] * (1 - f) + rotation[level + 1, i, j] * f
        bent += r * point[j]
        turned += r * normal[j]
        stiff += rotation[0, i, j] * point[j]
    return bent + (x - stiff) * (1.0 - w), turned + (m - turned) * (1.0 - w)
