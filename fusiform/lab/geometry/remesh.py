"""Isotropic remeshing with a size field and kept feature curves.

Botsch and Kobbelt 2004, A remeshing approach to multiresolution modeling: split long edges,
collapse short ones, flip towards regular valence, move along the tangent plane, project back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.mesh import (
    Doubles,
    Ints,
    Numbers,
    Sparse,
    Tree,
    edges_of,
    face_crosses,
    nearest,
    sparse,
    tree_of,
    vertex_normals,
)
from fusiform.lab.geometry.remesh_steps import (
    LIMBS,
    RING,
    State,
    _collapse_short,
    _fill_around,
    _flip,
    _length,
    _may_move,
    _on_curve,
    _split_chords,
    _split_long,
)


@dataclass(frozen=True)
class Curves:
    """Feature edges as polylines. Curve c runs through `vertex[start[c]:start[c + 1]]` with arc
    length `arc` from its beginning; a closed one repeats its first vertex at its end. `tag` (c,)
    is the tag of its edges. `corner` (n,) marks the vertices that may not move."""

    start: Ints
    vertex: Ints
    arc: Doubles
    closed: NDArray[np.bool_]
    tag: Ints
    corner: NDArray[np.bool_]


@dataclass(frozen=True)
class Remeshed:
    """`triangles` (t, 3) over m vertices; vertex i is mixed from the vertices of the source by
    row i of `matrix` (at most three entries, on one triangle); `features` (f, 3): two vertices and
    the tag of the source's feature edge they run along."""

    triangles: Ints
    matrix: Sparse
    features: Ints


def trace_curves(
    vertices: Numbers, edges: Ints, tags: Ints, corners: NDArray[np.integer[Any]]
) -> Curves:
    """Feature `edges` (k, 2) with a tag (k,) each as curves that end where the tag changes, where
    not exactly two edges meet, and at `corners`."""
    links: dict[int, list[tuple[int, int]]] = {}
    for (a, b), tag in zip(edges.tolist(), tags.tolist(), strict=True):
        links.setdefault(a, []).append((b, tag))
        links.setdefault(b, []).append((a, tag))
    given = set(np.asarray(corners).tolist())
    ends = {
        v for v, near in links.items() if len(near) != 2 or near[0][1] != near[1][1] or v in given
    }
    paths, kinds, used = [], [], set()
    for v in sorted(ends) + sorted(links):
        for w, tag in sorted(links[v]):
            if (v, w) in used:
                continue
            path = [v, w]
            used |= {(v, w), (w, v)}
            while path[-1] not in ends and path[-1] != v:
                ahead = next(x for x, _ in links[path[-1]] if x != path[-2])
                used |= {(path[-1], ahead), (ahead, path[-1])}
                path.append(ahead)
            paths.append(path)
            kinds.append(tag)
    corner = np.zeros(len(vertices), np.bool_)
    corner[sorted(ends)] = True
    closed = [path[0] == path[-1] and path[0] not in ends for path in paths]
    arcs = []
    for path in paths:
        steps = np.linalg.norm(np.diff(vertices[path].astype(np.float64), axis=0), axis=1)
        arcs.append(np.concatenate([[0.0], np.cumsum(steps)]))
    start = np.cumsum([0, *map(len, paths)]).astype(np.int32)
    vertex = np.array([v for path in paths for v in path], np.int32)
    arc = np.concatenate([*arcs, np.zeros(0)])
    return Curves(start, vertex, arc, np.array(closed, np.bool_), np.array(kinds, np.int32), corner)


def grade(vertices: Numbers, faces: Ints, size: Numbers, slope: Numbers) -> Doubles:
    """`size` (n,), lowered so that along any edge it grows by at most the mean `slope` (n,) of its
    ends times its length."""
    edges, _ = edges_of(faces)
    lengths = np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1)
    steps = lengths * slope[edges].mean(axis=1)
    lowered = size.astype(np.float64)
    for _ in range(len(vertices)):
        before = lowered.copy()
        np.minimum.at(lowered, edges[:, 0], before[edges[:, 1]] + steps)
        np.minimum.at(lowered, edges[:, 1], before[edges[:, 0]] + steps)
        if np.array_equal(before, lowered):
            break
    return lowered


def remesh(
    vertices: Numbers,
    triangles: Ints,
    size: Numbers,
    features: Ints,
    corners: NDArray[np.integer[Any]],
    rounds: int = 12,
) -> Remeshed:
    """A mesh of the same surface whose edges are about `size` (n,) long, in units of `vertices`.

    `vertices` (n, 3), `triangles` (t, 3) manifold. `features` (k, 3): edges (two vertices, a tag >=
    0) that stay edges; borders stay too, with tag 0 where no feature names them. `corners` (c,)
    are feature vertices that stay where they are.
    """
    points = np.ascontiguousarray(vertices, np.float64)
    edges, tags = _with_borders(triangles, features)
    curves = trace_curves(points, edges, tags, corners)
    tree = tree_of(points, triangles)
    state = _begin(points, triangles, size, edges, curves)
    line = (points, curves.start, curves.vertex, curves.arc, curves.closed)
    for step in range(rounds):
        settle = step >= rounds - 4  # the last rounds only smooth and straighten
        if not settle:
            state = _room(state)
            _split_long(state, line)
            _collapse_short(state)
        elif step == rounds - 4:
            state = _room(state)
            _split_chords(state, line)
        _flip(state, settle)
        for _ in range(2):
            _relax(state, line, tree, points, triangles, size)
    _flip(state, True)
    return _finish(state, curves, tree, triangles, len(points))


def _with_borders(triangles: Ints, features: Ints) -> tuple[Ints, Ints]:
    known = {(min(a, b), max(a, b)): tag for a, b, tag in features.tolist()}
    edges, sides = edges_of(triangles)
    for a, b in edges[sides[:, 1] < 0].tolist():
        known.setdefault((a, b), 0)
    pairs = sorted(known)
    tags = np.array([known[pair] for pair in pairs], np.int32)
    return np.array(pairs, np.int32).reshape(-1, 2), tags


def _begin(points: Doubles, triangles: Ints, size: Numbers, edges: Ints, curves: Curves) -> State:
    """The state before the first step: the source itself."""
    count, room, more = len(points), len(points) + 1024, len(triangles) + 2048
    place, target = np.zeros((room, 3)), np.zeros(room)
    place[:count], target[:count] = points, size
    tri = np.full((more, 3), -1, np.int64)
    tri[: len(triangles)] = triangles
    around, degree = np.full((room, RING), -1, np.int64), np.zeros(room, np.int64)
    _fill_around(tri, len(triangles), around, degree)
    limb, limbs = np.full((room, LIMBS), -1, np.int64), np.zeros(room, np.int64)
    for a, b in edges.tolist():
        for v, w in ((a, b), (b, a)):
            limb[v, limbs[v]] = w
            limbs[v] += 1
    curve, arc, origin = np.full(room, -1), np.zeros(room), np.full(room, -1)
    for c in range(len(curves.tag)):
        part = slice(curves.start[c], curves.start[c + 1])
        curve[curves.vertex[part]], arc[curves.vertex[part]] = c, curves.arc[part]
        if curves.closed[c]:
            arc[curves.vertex[curves.start[c]]] = 0.0
    curve[:count][curves.corner] = -2
    origin[:count] = np.arange(count)
    used = np.array([count, len(triangles)], np.int64)
    return State(place, target, tri, around, degree, limb, limbs, curve, arc, origin, used)


def _room(state: State) -> State:
    """The same state with place for as many splits as there are live triangles."""
    *arrays, used = state
    live = int((arrays[2][:, 0] >= 0).sum())
    grown = []
    for k, a in enumerate(arrays):
        want = used[1] + 4 * live if k == 2 else used[0] + 2 * live
        b = np.zeros((max(want, len(a)), *a.shape[1:]), a.dtype)
        b[: len(a)] = a
        if k == 2:
            b[len(a) :] = -1
        grown.append(b)
    return State._make([*grown, used])


def _relax(
    state: State, line: Any, tree: Tree, points: Doubles, triangles: Ints, size: Numbers
) -> None:
    place, target, tri, curve, used = state.place, state.target, state.tri, state.curve, state.used
    live = tri[: used[1]][tri[: used[1], 0] >= 0].astype(np.int32)
    normals = vertex_normals(place[: used[0]], live)
    inside = np.unique(live)
    inside = inside[curve[inside] == -1]
    goal = _goals(place[: used[0]], target, live, inside, normals)
    found, weights = nearest(tree, goal, normals[inside], 0.3)
    ok = found >= 0
    corners = triangles[found[ok]]
    goal[ok] = np.einsum("kc,kcd->kd", weights[ok], points[corners])
    sizes = np.einsum("kc,kc->k", weights[ok], np.asarray(size, np.float64)[corners])
    moved = _step(state, inside[ok], goal[ok])
    target[inside[ok][moved]] = sizes[moved]
    _slide(state, line, np.unique(live))


def _goals(place: Doubles, target: Doubles, live: Ints, inside: Ints, normals: Numbers) -> Doubles:
    """The centre of the triangles around each vertex, weighted by area over size squared, in the
    tangent plane (Botsch and Kobbelt 2004, eq. 4, with the sizes of Dunyach et al. 2013)."""
    areas = np.linalg.norm(face_crosses(place, live), axis=1)
    weights = areas / target[live].sum(axis=1) ** 2
    centres = weights[:, None] * place[live].mean(axis=1)
    total = np.bincount(live.ravel(), np.repeat(weights, 3), len(place))[inside] + 1e-300
    sums = [np.bincount(live.ravel(), np.repeat(c, 3), len(place))[inside] for c in centres.T]
    step = np.stack(sums, axis=1) / total[:, None] - place[inside]
    facing = normals[inside]
    return np.asarray(place[inside] + step - facing * (facing * step).sum(axis=1, keepdims=True))


@kernel
def _step(state: Any, chosen: Any, goal: Any) -> Any:
    moved = np.zeros(chosen.shape[0], np.bool_)
    for i in range(chosen.shape[0]):
        if _may_move(state, chosen[i], goal[i], -1, 0.5, 0.3):
            state.place[chosen[i]] = goal[i]
            moved[i] = True
    return moved


@kernel
def _slide(state: Any, line: Any, live: Any) -> None:
    """Feature vertices move along their curve until both steps are alike in units of the size."""
    place, target, limb, curve, arc = state.place, state.target, state.limb, state.curve, state.arc
    spot = np.empty(3)
    for v in live:
        if curve[v] < 0:
            continue
        a, b = limb[v, 0], limb[v, 1]
        wa, wb = 1 / (target[a] + target[v]), 1 / (target[b] + target[v])
        for d in range(3):
            spot[d] = (wa * place[a, d] + wb * place[b, d]) / (wa + wb)
        reach = _length(place[a], place[v]) + _length(place[v], place[b])
        at = _on_curve(line, curve[v], spot, arc[v], reach)
        if _may_move(state, v, spot, -1, 0.3, 0.3):
            for d in range(3):
                place[v, d] = spot[d]
            arc[v] = at
            target[v] = 0.5 * target[v] + 0.25 * (target[a] + target[b])


def _finish(state: State, curves: Curves, tree: Tree, triangles: Ints, count: int) -> Remeshed:
    place, tri, used = state.place, state.tri, state.used
    curve, arc, origin = state.curve, state.arc, state.origin
    live = tri[: used[1]][tri[: used[1], 0] >= 0].astype(np.int32)
    kept = np.unique(live)
    order = np.full(used[0], -1, np.int32)
    order[kept] = np.arange(len(kept))
    normals = vertex_normals(place[: used[0]], live)
    rows, columns, weights = [], [], []
    inside = kept[curve[kept] == -1]
    found, share = nearest(tree, place[inside], normals[inside], 0.3)
    rows.append(np.repeat(order[inside], 3))
    columns.append(triangles[found].ravel())
    weights.append(share.ravel())
    for v in kept[curve[kept] != -1]:
        if curve[v] == -2:
            ends, mix = [origin[v]], [1.0]
        else:
            a, b = curves.start[curve[v]], curves.start[curve[v] + 1]
            i = a + int(np.clip(np.searchsorted(curves.arc[a:b], arc[v]), 1, b - a - 1))
            t = (arc[v] - curves.arc[i - 1]) / (curves.arc[i] - curves.arc[i - 1])
            ends, mix = [curves.vertex[i - 1], curves.vertex[i]], [1 - t, t]
        rows.append(np.full(len(ends), order[v]))
        columns.append(np.array(ends))
        weights.append(np.array(mix))
    places = np.concatenate(rows), np.concatenate(columns), np.concatenate(weights)
    matrix = sparse(*places, (len(kept), count))
    return Remeshed(order[live], matrix, _kept_features(state, curves, kept, order))


def _kept_features(state: State, curves: Curves, kept: Ints, order: Ints) -> Ints:
    limb, limbs, curve, origin = state.limb, state.limbs, state.curve, state.origin
    ends = {
        frozenset((int(curves.vertex[a]), int(curves.vertex[b - 1]))): c
        for c, (a, b) in enumerate(zip(curves.start[:-1], curves.start[1:], strict=True))
    }
    features = []
    for v in kept.tolist():
        for w in limb[v, : limbs[v]].tolist():
            if v < w:
                c = max(curve[v], curve[w])
                if c < 0:
                    c = ends[frozenset((int(origin[v]), int(origin[w])))]
                features.append((order[v], order[w], curves.tag[c]))
    return np.array(features, np.int32).reshape(-1, 3)
