"""How one strand grows: pulled by comb, gravity, its own stiffness, and kept off the skin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.world.hair_proxy import distance

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


class Field(NamedTuple):
    """What pulls at every strand, in world metres of the resting person.

    `x y z`: middle of the skull; `scale`: its size, 1 average; `half`: its half width; `high`:
    its top; `front`, `back`: its ends; `whorl_*`; `face_*`: an ellipse seen from the front that
    hair stays out of, from depth `face_z` on; the rest as in `Style`.
    """

    x: float
    y: float
    z: float
    scale: float
    half: float
    high: float
    front: float
    back: float
    whorl_x: float
    whorl_z: float
    face_y: float
    face_z: float
    face_a: float
    face_b: float
    part: float
    parted: float
    spread: float
    forward: float
    side_back: float
    swirl: float
    lift: float
    reach: float
    volume: float
    gravity: float
    stiffness: float
    hug: float
    frizz: float
    level: float
    fringe: float
    tie_x: float
    tie_y: float
    tie_z: float
    tail: float
    rows: float
    crest: float


PIECE = 0.008  # metres that a strand walks at a time, where it may take enough steps
FEWEST = 8  # steps


@kernel
def _ramp(x: float) -> float:
    t = min(max(x, 0.0), 1.0)
    return float(t * t * (3.0 - 2.0 * t))


@kernel
def _comb(
    f: Field, px: float, py: float, pz: float, rx: float, ry: float, rz: float
) -> tuple[float, float, float]:
    """Where the comb pulls hair at p that is rooted at r; not yet made tangent to the skin."""
    top = _ramp((py - (f.high - 0.062 * f.scale)) / (0.05 * f.scale))
    if f.parted > 0:
        side = np.tanh((rx - f.part) / (0.005 * f.scale))
        # behind the crown a parting has ended and hair falls away from the whorl
        side *= _ramp((rz - (f.whorl_z - 0.02 * f.scale)) / (0.03 * f.scale))
    else:
        side = np.tanh((px - 0.2 * f.part) / (0.03 * f.scale))
    wx, wz = px - f.whorl_x, pz - f.whorl_z
    away = np.sqrt(wx * wx + wz * wz) + 1e-6
    swirl = f.swirl * np.exp(-away / (0.06 * f.scale))
    behind = _ramp((f.whorl_z - pz) / (0.03 * f.scale))
    # hair turns about the whorl as it leaves it
    spread, forward = side * f.spread, f.forward
    if f.fringe > -1.0:
        fore = _ramp((rz - (0.35 * f.back + 0.65 * f.front)) / (0.03 * f.scale))
        spread, forward = spread * (1.0 - 0.75 * fore), forward + (1.3 - forward) * fore
    x = spread + (swirl + behind) * (wx - 0.5 * wz) / away
    z = forward * (1.0 - behind) + (swirl + behind) * (wz + 0.5 * wx) / away
    y = -0.25 * behind
    x, y, z = x * top, y * top - (1.0 - top), z * top - f.side_back * (1.0 - top)
    if f.rows > 0:
        row, _, _ = _row(f, px, py)
        x, y, z = x * 0.0, -0.35 * behind - 0.5 * _ramp((f.back + 0.05 - pz) / 0.04), -1.0
        x += row * 0.9 * (py - f.y) / f.half
        y -= row * 0.9 * px / f.half
    return x, y, z


@kernel
def _row(f: Field, px: float, py: float) -> tuple[float, float, float]:
    """Signed place in a cornrow (-1..1, positive: its middle is towards +x), turn, its number."""
    turn = np.arctan2(px, max(py - f.y + 0.03 * f.scale, 1e-4)) / np.pi * f.rows * 1.25
    nearest = np.round(turn)
    return (nearest - turn) * 2.0, turn, nearest


@kernel
def grow_paths(
    roots: Floats,
    normals: Floats,
    lengths: Floats,
    chance: Floats,
    f: Field,
    grid: Floats,
    origin: Floats,
    step: float,
    steps: int,
    points: Floats,
) -> None:
    """Fill `points` (n, k + 1, 3) with strands from `roots` (n, 3) along skin `normals`.

    Each walks at most `steps` equal pieces of its length (n,), a short one fewer: its direction
    turns towards a wanted one at the rate 1 / stiffness; a strand that came too near the skin is
    pushed out along the distance's gradient and its last piece set back to length. `chance`
    (n, >= 8) uniform.
    """
    path = np.empty((steps + 1, 3), np.float64)
    count = points.shape[1] - 1
    for s in range(len(roots)):
        few = min(steps, max(FEWEST, count, int(lengths[s] / PIECE)))
        end = _walk(path, roots[s], normals[s], lengths[s], chance[s], f, grid, origin, step, few)
        for i in range(count + 1):
            at = end * i / count
            a = min(int(at), few - 1)
            w = at - a
            for c in range(3):
                points[s, i, c] = path[a, c] * (1.0 - w) + path[a + 1, c] * w


@kernel
def _walk(
    path: NDArray[np.float64],
    root: Floats,
    normal: Floats,
    length: float,
    u: Floats,
    f: Field,
    grid: Floats,
    origin: Floats,
    step: float,
    steps: int,
) -> float:
    """Walk one strand; the number of pieces (a fraction) until it is cut."""
    ds = length / steps
    rx, ry, rz = root[0], root[1], root[2]
    px, py, pz = float(rx), float(ry), float(rz)
    path[0, 0], path[0, 1], path[0, 2] = px, py, pz
    nx, ny, nz = normal[0], normal[1], normal[2]
    vx, vy, vz = _comb(f, px, py, pz, rx, ry, rz)
    dot = vx * nx + vy * ny + vz * nz
    size = np.sqrt(max(vx * vx + vy * vy + vz * vz - dot * dot, 1e-9))
    fore = _ramp((rz - (0.35 * f.back + 0.65 * f.front)) / (0.05 * f.scale))
    stand = f.lift * (1.0 - f.crest + f.crest * fore * _ramp((ry - f.high + 0.06) / 0.03))
    up = min(0.97, stand + 0.25 * (u[4] - 0.5) * (0.3 + f.frizz))
    flat = np.sqrt(1.0 - up * up)
    dx = flat * (vx - dot * nx) / size + up * nx + f.frizz * 0.45 * (u[5] - 0.5)
    dy = flat * (vy - dot * ny) / size + up * ny + f.frizz * 0.45 * (u[6] - 0.5)
    dz = flat * (vz - dot * nz) / size + up * nz + f.frizz * 0.45 * (u[7] - 0.5)
    layer = 0.2 + 0.8 * u[4]
    tied = 0
    since = 0.0
    tx = f.tie_x * (1.0 if rx > f.part else -1.0) + 0.012 * f.scale * (u[5] - 0.5)
    ty = f.tie_y + 0.012 * f.scale * (u[6] - 0.5)
    tz = f.tie_z
    for i in range(steps):
        size = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-12
        dx, dy, dz = dx / size, dy / size, dz / size
        arc = ds * (i + 1)
        sd, gx, gy, gz = distance(grid, origin, step, px, py, pz)
        off = 0.0006 + f.volume * layer * (1.0 - np.exp(-arc / 0.02))
        if f.rows > 0:
            r, _, _ = _row(f, px, py)
            tube = np.sqrt(max(0.0, 1.0 - 1.7 * r * r)) * (0.6 + 0.4 * u[4])
            off = 0.0006 + f.volume * tube * (1.0 - np.exp(-arc / 0.01))
        vx, vy, vz = _comb(f, px, py, pz, rx, ry, rz)
        if f.tail > 0:
            ax, ay, az = tx - px, ty - py, tz - pz
            size = np.sqrt(ax * ax + ay * ay + az * az) + 1e-9
            if tied == 0 and size < max(0.014 * f.scale, 1.1 * ds):
                tied = 1
                if u[8] > 0.55:
                    path[i + 1 :] = path[i]
                    return float(i)
            vx, vy, vz = ax / size, ay / size, az / size
        near = 1.0 - _ramp((sd - off) / (0.03 * f.scale))
        dot = (vx * gx + vy * gy + vz * gz) * near
        vx, vy, vz = vx - dot * gx, vy - dot * gy, vz - dot * gz
        # hair that lies on the top of the head does not feel its weight
        fall = f.gravity * (1.0 - near * max(0.0, gy))
        if f.tail > 0:
            fall = f.gravity if tied == 1 else 0.0
        lift = stand * np.exp(-arc / f.reach) * 1.5
        hug = f.hug * min(max((sd - off) / (0.012 * f.scale), 0.0), 1.0)
        pull = near if f.tail == 0 else 1.0
        if tied == 1:
            since += ds
            pull, hug, lift = 0.0, 0.0, 0.0
            if since < 0.03:
                vx, vy, vz = 1.6 * gx, 1.6 * gy + 0.3, 1.6 * gz
                pull = 1.0 - since / 0.03
        wx = pull * vx + lift * gx - hug * gx
        wy = pull * vy + lift * gy - hug * gy - fall
        wz = pull * vz + lift * gz - hug * gz
        if tied == 1:
            wx += 0.35 * (u[5] - 0.5)
            wz += 0.35 * (u[7] - 0.5)
        size = np.sqrt(wx * wx + wy * wy + wz * wz) + 1e-9
        k = 1.0 - np.exp(-ds / f.stiffness)
        wild = f.frizz * 0.35 * min(1.0, arc / 0.03)
        dx += k * (wx / size - dx) + k * wild * np.sin(6.3 * (u[5] * 7 + arc * 40))
        dy += k * (wy / size - dy) + k * wild * np.sin(6.3 * (u[6] * 7 + arc * 33))
        dz += k * (wz / size - dz) + k * wild * np.sin(6.3 * (u[7] * 7 + arc * 37))
        size = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-12
        qx, qy, qz = px + ds * dx / size, py + ds * dy / size, pz + ds * dz / size
        if tied == 1 and f.tail > 1.5:
            qx, qy, qz = _bound(f, since, u, tx, ty, tz, qx, qy, qz)
        if qz > f.face_z and f.tail == 0 and (f.fringe < -1 or fore < 0.5):
            # gently, or hair would be flung aside
            aside = _spare_face(f, qx, qy, qz) - qx
            qx += min(max(aside, -0.5 * ds), 0.5 * ds)
            # what hangs beside the face falls back behind the cheeks
            qz -= 0.6 * ds * _ramp((f.face_y + 0.08 - qy) / 0.04) * min(1.0, arc / 0.08)
        free = tied == 0 or f.tail < 1.5
        for _ in range(2):
            sd, gx, gy, gz = distance(grid, origin, step, qx, qy, qz)
            if sd < off:
                qx, qy, qz = qx + gx * (off - sd), qy + gy * (off - sd), qz + gz * (off - sd)
            if free:
                ax, ay, az = qx - px, qy - py, qz - pz
                size = ds / (np.sqrt(ax * ax + ay * ay + az * az) + 1e-12)
                qx, qy, qz = px + ax * size, py + ay * size, pz + az * size
        floor = min(off, 0.0006)
        sd, gx, gy, gz = distance(grid, origin, step, qx, qy, qz)
        if sd < floor:
            qx, qy, qz = qx + gx * (floor - sd), qy + gy * (floor - sd), qz + gz * (floor - sd)
        level = f.level + 0.006 * (u[9] - 0.5)
        if f.fringe > -1 and fore > 0.5 and qz > f.face_z and abs(qx) < 0.8 * f.half:
            level = max(level, f.fringe + 0.008 * (u[9] - 0.5) - 0.25 * max(0.0, abs(qx) - 0.03))
        path[i + 1, 0], path[i + 1, 1], path[i + 1, 2] = qx, qy, qz
        if qy < level and tied == 0:
            part = min(max((py - level) / max(py - qy, 1e-6), 0.0), 1.0)
            return float(max(i + part, 1.0))
        dx, dy, dz = qx - px, qy - py, qz - pz
        px, py, pz = qx, qy, qz
    # hair that cannot reach the tie is too short to be seen
    return 1.0 if f.tail > 0 and tied == 0 else float(steps)


@kernel
def _spare_face(f: Field, x: float, y: float, z: float) -> float:
    """x moved sideways so that the face stays clear."""
    v = (y - f.face_y) / f.face_b
    if v * v >= 1.0:
        return x
    # an oval: wide from the eyes down, round at the forehead
    wide = np.sqrt(1.0 - v * v) if v > 0 else 1.0 - 0.25 * v * v
    edge = f.face_a * wide * _ramp((z - f.face_z) / (0.015 * f.scale))
    if abs(x) >= edge:
        return x
    return float(edge if x > 0.0 else -edge)


@kernel
def _bound(
    f: Field,
    since: float,
    u: Floats,
    tx: float,
    ty: float,
    tz: float,
    qx: float,
    qy: float,
    qz: float,
) -> tuple[float, float, float]:
    """The place of a strand `since` metres after the tie, in a bun (tail 2) or a braid (3)."""
    ox, oy, oz = tx - f.x, ty - f.y, tz - f.z
    size = np.sqrt(ox * ox + oy * oy + oz * oz) + 1e-9
    ox, oy, oz = ox / size, oy / size, oz / size
    if f.tail < 2.5:
        r = 0.03 * f.scale
        bx, by, bz = tx + 0.9 * r * ox, ty + 0.9 * r * oy, tz + 0.9 * r * oz
        # a coil about the axis, from its foot outwards
        ax, ay, az = oz, 0.0, -ox
        size = np.sqrt(ax * ax + az * az)
        if size < 0.3:
            ax, az, size = 1.0, 0.0, 1.0
        ax, az = ax / size, az / size
        cx, cy, cz = oy * az - oz * ay, oz * ax - ox * az, ox * ay - oy * ax
        tilt = (u[5] - 0.5) * 1.8 + 0.25 * np.sin(since * 60 + 6.3 * u[6])
        turn = since / (0.8 * r) + 6.3 * u[9]
        ring, rise = r * np.cos(tilt) * (0.8 + 0.25 * u[7]), r * np.sin(tilt) * 0.85
        c, s = ring * np.cos(turn), ring * np.sin(turn)
        return (
            bx + c * ax + s * cx + rise * ox,
            by + c * ay + s * cy + rise * oy,
            bz + c * az + s * cz + rise * oz,
        )
    third = np.floor(u[9] * 3.0) / 3.0
    turn = 6.2832 * (since / 0.065 + third)
    thick = f.scale * (1.0 - 0.5 * min(1.0, since / 0.3))
    bow = 1.0 - np.exp(-since / 0.02)
    return (
        tx + 0.02 * ox * bow + thick * (0.011 * np.sin(turn) + 0.007 * (u[5] - 0.5)) * bow,
        ty - since + thick * 0.004 * (u[6] - 0.5),
        tz + 0.02 * oz * bow + thick * (0.006 * np.sin(2 * turn) + 0.007 * (u[7] - 0.5)) * bow,
    )


@kernel
def shape_strands(
    points: Floats,
    owner: Ints,
    phase: Floats,
    chance: Floats,
    clump: float,
    radius: float,
    pitch: float,
    floor: float,
    f: Field,
    grid: Floats,
    origin: Floats,
    step: float,
) -> None:
    """Draw strands towards the strand `owner` (n,) of their clump and curl them, in place.

    A curl is a helix of `radius` and `pitch` (metres) about the strand, in step within a clump
    (`phase` (n,), radians); owners come first in `points` (n, k, 3), so they are shaped last.
    """
    n, k, _ = points.shape
    for s in range(n - 1, -1, -1):
        o = owner[s]
        length = 0.0
        for i in range(1, k):
            a = points[s, i] - points[s, i - 1]
            length += np.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])
        if o != s and clump > 0:
            gap = points[s, 0] - points[o, 0]
            span = np.sqrt(gap[0] ** 2 + gap[1] ** 2 + gap[2] ** 2)
            tip = points[s, k - 1] - points[o, k - 1]
            far = np.sqrt(tip[0] ** 2 + tip[1] ** 2 + tip[2] ** 2)
            share = clump * max(0.0, 1.0 - max(0.0, far - 2 * span) / (0.5 * length + 0.01))
            for i in range(1, k):
                w = share * (i / (k - 1.0)) ** 1.2 * (0.55 + 0.45 * chance[s, 6])
                points[s, i] += (points[o, i] - points[s, i]) * np.float32(w)
        if radius > 0:
            _curl(points[s], radius * min(1.0, length / pitch), pitch, phase[s], chance[s], length)
        for i in range(1, k):
            p = points[s, i]
            if radius > 0.004 and p[2] > f.face_z and f.fringe < -1:
                p[0] = _spare_face(f, p[0], p[1], p[2])
            sd, gx, gy, gz = distance(grid, origin, step, p[0], p[1], p[2])
            if sd < floor:
                p[0] += gx * (floor - sd)
                p[1] += gy * (floor - sd)
                p[2] += gz * (floor - sd)


@kernel
def _curl(p: Floats, radius: float, pitch: float, phase: float, u: Floats, length: float) -> None:
    k = len(p)
    lx, ly, lz = p[0, 0], p[0, 1], p[0, 2]
    ax, ay, az = 1.0, 0.0, 0.3
    for i in range(1, k):
        tx, ty, tz = p[i, 0] - lx, p[i, 1] - ly, p[i, 2] - lz
        lx, ly, lz = p[i, 0], p[i, 1], p[i, 2]
        size = np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-9
        tx, ty, tz = tx / size, ty / size, tz / size
        # carried along the strand, or the curl would jump about where strands hang straight
        dot = ax * tx + ay * ty + az * tz
        ax, ay, az = ax - dot * tx, ay - dot * ty, az - dot * tz
        size = np.sqrt(ax * ax + ay * ay + az * az) + 1e-9
        ax, ay, az = ax / size, ay / size, az / size
        bx, by, bz = ty * az - tz * ay, tz * ax - tx * az, tx * ay - ty * ax
        arc = length * i / (k - 1)
        turn = phase + 6.2832 * arc / (pitch * (0.9 + 0.2 * u[5]))
        # the weight of long hair straightens it near the root
        r = radius * min(1.0, arc / min(2.0 * pitch, 0.1)) * (0.75 + 0.5 * u[7])
        c, s = r * np.cos(turn), r * np.sin(turn)
        p[i, 0] += c * ax + s * bx
        p[i, 1] += c * ay + s * by
        p[i, 2] += c * az + s * bz
