"""The steps of remeshing on growable arrays: split, collapse, flip, slide."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fusiform.lab.geometry.kernel import kernel

RING = 40  # most triangles around a vertex while meshing
CROWDED = 11  # a collapse must not leave more edges than this at a vertex
LIMBS = 6  # most feature edges at a vertex


class State(NamedTuple):
    """A mesh in the making; arrays have room to grow.

    `place` (n, 3), `target` (n,) wanted edge length, `tri` (t, 3), -1: gone; `around` (n, RING) the
    `degree` (n,) triangles at each vertex; `limb` (n, LIMBS) its `limbs` (n,) neighbours along
    features; `curve` (n,) that it lies on (-1: none, -2: corner), `arc` (n,) how far along;
    `origin` (n,) vertex of the source; `used` (2,) vertices and triangles in use.
    """

    place: Any
    target: Any
    tri: Any
    around: Any
    degree: Any
    limb: Any
    limbs: Any
    curve: Any
    arc: Any
    origin: Any
    used: Any


@kernel
def _fill_around(tri: Any, count: int, around: Any, degree: Any) -> None:
    for t in range(count):
        for k in range(3):
            v = tri[t, k]
            around[v, degree[v]] = t
            degree[v] += 1


@kernel
def _sides(state: Any, a: int, b: int) -> Any:
    """The two triangles on edge ab (-1: none)."""
    tri, around, degree = state.tri, state.around, state.degree
    s, t = -1, -1
    for i in range(degree[a]):
        f = around[a, i]
        if tri[f, 0] == b or tri[f, 1] == b or tri[f, 2] == b:
            if s < 0:
                s = f
            else:
                t = f
    return s, t


@kernel
def _swap(row: Any, count: int, old: int, new: int) -> None:
    for i in range(count):
        if row[i] == old:
            row[i] = new


@kernel
def _leave(state: Any, v: int, t: int) -> None:
    around, degree = state.around, state.degree
    for i in range(degree[v]):
        if around[v, i] == t:
            degree[v] -= 1
            around[v, i] = around[v, degree[v]]
            return


@kernel
def _join(state: Any, v: int, t: int) -> None:
    around, degree = state.around, state.degree
    around[v, degree[v]] = t
    degree[v] += 1


@kernel
def _linked(state: Any, a: int, b: int) -> bool:
    limb, limbs = state.limb, state.limbs
    i = 0
    while i < limbs[a] and limb[a, i] != b:
        i += 1
    return bool(i < limbs[a])


@kernel
def _touch(state: Any, a: int, b: int) -> bool:
    s, _ = _sides(state, a, b)
    return bool(s >= 0)


@kernel
def _length(p: Any, q: Any) -> float:
    return float(np.sqrt((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 + (p[2] - q[2]) ** 2))


@kernel
def _shape(a: Any, b: Any, c: Any) -> Any:
    """Unit normal of a triangle and its quality: 1 equilateral, 0 flat."""
    ux, uy, uz = b[0] - a[0], b[1] - a[1], b[2] - a[2]
    vx, vy, vz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    twice = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-300
    squares = _length(a, b) ** 2 + _length(b, c) ** 2 + _length(c, a) ** 2 + 1e-300
    return nx / twice, ny / twice, nz / twice, 3.4641016151377544 * twice / squares


@kernel
def _may_move(state: Any, v: int, to: Any, skip: int, bend: float, worst: float) -> bool:
    """Whether no triangle at v turns or flattens if v goes to `to`; those with `skip` vanish."""
    place, tri, around, degree = state.place, state.tri, state.around, state.degree
    for i in range(degree[v]):
        f = around[v, i]
        if skip >= 0 and (tri[f, 0] == skip or tri[f, 1] == skip or tri[f, 2] == skip):
            continue
        k = 0 if tri[f, 0] == v else (1 if tri[f, 1] == v else 2)
        b, c = place[tri[f, (k + 1) % 3]], place[tri[f, (k + 2) % 3]]
        x, y, z, good = _shape(place[v], b, c)
        r, s, t, fine = _shape(to, b, c)
        if fine < worst and fine < good:
            return False
        if good > 0.02 and x * r + y * s + z * t < bend:
            return False
    return True


@kernel
def _on_curve(line: Any, c: int, p: Any, near: float, reach: float) -> float:
    """Move p to the nearest point of curve c within `reach` of arc length `near`; its arc."""
    points, start, vertex, arc, closed = line
    a, b = start[c], start[c + 1]
    whole = arc[b - 1]
    best, at, x, y, z = np.inf, near, p[0], p[1], p[2]
    for i in range(a, b - 1):
        middle, half = 0.5 * (arc[i] + arc[i + 1]), 0.5 * (arc[i + 1] - arc[i])
        gap = abs(middle - near)
        if closed[c]:
            gap = min(gap, whole - gap)
        if gap > reach + half:
            continue
        u, v = points[vertex[i]], points[vertex[i + 1]]
        t, norm = 0.0, 1e-300
        for d in range(3):
            t += (p[d] - u[d]) * (v[d] - u[d])
            norm += (v[d] - u[d]) ** 2
        t = min(max(t / norm, 0.0), 1.0)
        gap = 0.0
        for d in range(3):
            gap += (u[d] + t * (v[d] - u[d]) - p[d]) ** 2
        if gap < best:
            best, at = gap, arc[i] + t * (arc[i + 1] - arc[i])
            x, y, z = u[0] + t * (v[0] - u[0]), u[1] + t * (v[1] - u[1]), u[2] + t * (v[2] - u[2])
    p[0], p[1], p[2] = x, y, z
    return float(at)


@kernel
def _split_long(state: Any, line: Any) -> None:
    """Split edges longer than 4/3 of what is wanted, the longest first, lest fans arise."""
    place, target, tri, used = state.place, state.target, state.tri, state.used
    limit = np.inf
    while limit > 4 / 3:
        worst, t, last = 0.0, 0, used[1]
        while t < used[1]:
            for k in range(3):
                a, b = tri[t, k], tri[t, (k + 1) % 3]
                if a < 0 or used[1] >= tri.shape[0] - 2 or used[0] >= place.shape[0] - 1:
                    continue
                ratio = 2 * _length(place[a], place[b]) / (target[a] + target[b])
                if t < last and ratio > limit:
                    _split(state, line, a, b)
                else:
                    worst = max(worst, ratio)
            t += 1
        if limit == 4 / 3 * 1.0001:
            return
        limit = max(4 / 3 * 1.0001, 0.7 * worst)


@kernel
def _split_chords(state: Any, line: Any) -> None:
    """Split edges that lead from feature to feature without being one."""
    tri, curve, used = state.tri, state.curve, state.used
    t = 0
    while t < used[1]:
        for k in range(3):
            a, b = tri[t, k], tri[t, (k + 1) % 3]
            if a >= 0 and curve[a] != -1 and curve[b] != -1 and not _linked(state, a, b):
                _split(state, line, a, b)
        t += 1


@kernel
def _split(state: Any, line: Any, a: int, b: int) -> None:
    place, target, tri, around, degree, limb, limbs, curve, arc, origin, used = state
    s, t = _sides(state, a, b)
    for f in (s, t):
        if f >= 0 and degree[tri[f, 0] + tri[f, 1] + tri[f, 2] - a - b] >= RING - 1:
            return
    m = used[0]
    used[0] += 1
    for d in range(3):
        place[m, d] = 0.5 * (place[a, d] + place[b, d])
    target[m] = 0.5 * (target[a] + target[b])
    degree[m], limbs[m], curve[m], origin[m] = 0, 0, -1, -1
    if _linked(state, a, b):
        c = max(curve[a], curve[b])
        if c < 0:  # between two corners: find the curve that passes between them
            c = _between(line, origin[a], origin[b])
        reach = 1.5 * _length(place[a], place[b])
        near = arc[a] if curve[a] >= 0 else arc[b]
        if curve[a] < 0 and curve[b] < 0:
            near, reach = 0.0, 1e30
        arc[m] = _on_curve(line, c, place[m], near, reach)
        curve[m] = c
        _swap(limb[a], limbs[a], b, m)
        _swap(limb[b], limbs[b], a, m)
        limb[m, 0], limb[m, 1] = a, b
        limbs[m] = 2
    for f in (s, t):
        if f < 0:
            continue
        new = used[1]
        used[1] += 1
        far = tri[f, 0] + tri[f, 1] + tri[f, 2] - a - b
        for k in range(3):
            tri[new, k] = tri[f, k]
        _swap(tri[f], 3, b, m)
        _swap(tri[new], 3, a, m)
        _swap(around[b], degree[b], f, new)
        _join(state, far, new)
        _join(state, m, f)
        _join(state, m, new)


@kernel
def _between(line: Any, a: int, b: int) -> int:
    _, start, vertex, _, _ = line
    for c in range(start.shape[0] - 1):
        u, v = vertex[start[c]], vertex[start[c + 1] - 1]
        if (u == a and v == b) or (u == b and v == a):
            return c
    return 0


@kernel
def _collapse_short(state: Any) -> None:
    place, target, tri, curve, used = state.place, state.target, state.tri, state.curve, state.used
    for t in range(used[1]):
        for k in range(3):
            a, b = tri[t, k], tri[t, (k + 1) % 3]
            if a < 0:
                break
            if _length(place[a], place[b]) >= 0.8 * 0.5 * (target[a] + target[b]):
                continue
            if curve[a] != -1 and (curve[b] == -1 or (curve[a] == -2 and curve[b] >= 0)):
                a, b = b, a
            if _collapse(state, a, b) or (curve[a] == curve[b] and _collapse(state, b, a)):
                break


@kernel
def _collapse(state: Any, a: int, b: int) -> bool:
    """Move a onto b if that keeps the surface, the features and the sizes."""
    place, target, tri, around, degree, limb, limbs, curve, _, _, _ = state
    along = _linked(state, a, b)
    if curve[a] == -2 or (curve[a] >= 0 and not along):
        return False
    s, t = _sides(state, a, b)
    common, ring = 0, np.zeros(2 * RING, np.int64)
    count = 0
    for i in range(degree[a]):
        for k in range(3):
            v = tri[around[a, i], k]
            place_in_ring = 0
            while place_in_ring < count and ring[place_in_ring] != v:
                place_in_ring += 1
            if v in (a, b) or place_in_ring < count:
                continue
            ring[count] = v
            count += 1
            if _touch(state, v, b):
                common += 1
            elif _length(place[v], place[b]) > 4 / 3 * 0.5 * (target[v] + target[b]):
                return False
    shared = 1 if t < 0 else 2
    if common != shared or degree[a] + degree[b] - 2 * shared > CROWDED:
        return False
    for f in (s, t):
        if f >= 0 and degree[tri[f, 0] + tri[f, 1] + tri[f, 2] - a - b] <= 3 and shared == 2:
            return False
    if not _may_move(state, a, place[b], b, 0.7, 0.15):
        return False
    if along:
        other = limb[a, 0] if limb[a, 1] == b else limb[a, 1]
        if _linked(state, b, other):
            return False
        _swap(limb[other], limbs[other], a, b)
        _swap(limb[b], limbs[b], a, other)
    for f in (s, t):
        if f >= 0:
            _leave(state, b, f)
            _leave(state, tri[f, 0] + tri[f, 1] + tri[f, 2] - a - b, f)
            _leave(state, a, f)
            tri[f] = -1
    for i in range(degree[a]):
        _swap(tri[around[a, i]], 3, a, b)
        _join(state, b, around[a, i])
    degree[a], limbs[a] = 0, 0
    return True


@kernel
def _wanted(state: Any, v: int) -> int:
    """Triangles that a regular vertex has: half as many on a border."""
    tri, around, degree = state.tri, state.around, state.degree
    for i in range(degree[v]):
        for k in range(3):
            w = tri[around[v, i], k]
            if w != v and _sides(state, v, w)[1] < 0:
                return 3
    return 6


@kernel
def _flip(state: Any, settle: bool) -> None:
    """Flip edges towards even valence; at the end towards larger least quality."""
    place, tri, degree, curve, used = state.place, state.tri, state.degree, state.curve, state.used
    for t in range(used[1]):
        for k in range(3):
            a, b = tri[t, k], tri[t, (k + 1) % 3]
            if a < 0 or _linked(state, a, b):
                continue
            s, o = _sides(state, a, b)
            if o < 0:
                continue
            o = s + o - t
            c = tri[t, (k + 2) % 3]
            d = tri[o, 0] + tri[o, 1] + tri[o, 2] - a - b
            if degree[a] < 4 or degree[b] < 4 or _touch(state, c, d) or degree[c] > RING - 3:
                continue
            if degree[d] > RING - 3 or (curve[c] != -1 and curve[d] != -1):
                continue
            x, y, z, now = _shape(place[a], place[b], place[c])
            r, s2, q, too = _shape(place[b], place[a], place[d])
            x1, y1, z1, new = _shape(place[a], place[d], place[c])
            x2, y2, z2, also = _shape(place[d], place[b], place[c])
            before, after = min(now, too), min(new, also)
            mx, my, mz = x + r, y + s2, z + q
            scale = np.sqrt(mx * mx + my * my + mz * mz) + 1e-300
            if min(x1 * mx + y1 * my + z1 * mz, x2 * mx + y2 * my + z2 * mz) < 0.6 * scale:
                continue
            gain = 0
            for v, change in ((a, -1), (b, -1), (c, 1), (d, 1)):
                off = degree[v] - _wanted(state, v)
                gain += (off + change) ** 2 - off**2
            better = after > before + 0.05 if settle else gain < 0 and after > 0.3
            if settle and gain > 4:
                better = False
            if not (better or (after > before + 0.3)):
                continue
            _leave(state, a, o)
            _leave(state, b, t)
            _join(state, c, o)
            _join(state, d, t)
            tri[t, 0], tri[t, 1], tri[t, 2] = a, d, c
            tri[o, 0], tri[o, 1], tri[o, 2] = d, b, c
            break
