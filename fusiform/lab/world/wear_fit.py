"""What fitting something to a person needs: the form of the head, and memory of what was fitted."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.head import REGIONS, Floats, Head, Ints, at
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.mesh import tree_of
from fusiform.lab.world.shapes import unit

Reals = NDArray[np.float64]
R = TypeVar("R")
OUTER: tuple[str, ...] = (
    *("face", "nose", "upper_lip", "lower_lip", "eyelid_l", "eyelid_r", "brow_l", "brow_r"),
    *("scalp", "neck", "torso"),
)
FAR = 10.0
GROUP = 8  # triangles that a ray is tested against together


def fingerprint(*arrays: NDArray[Any]) -> bytes:
    """16 bytes that tell contents apart."""
    state = hashlib.blake2b(digest_size=16)
    for array in arrays:
        state.update(np.ascontiguousarray(array).data)
    return state.digest()


def kept(
    size: int,
) -> Callable[[Callable[[Any, Head, Floats], R]], Callable[[Any, Head, Floats], R]]:
    """A decorator for f(what, head, rest): answers are kept by `what` and the contents of `rest`.

    The `size` latest are kept; `what` must be hashable.
    """

    def wrap(function: Callable[[Any, Head, Floats], R]) -> Callable[[Any, Head, Floats], R]:
        store: OrderedDict[Hashable, R] = OrderedDict()

        @wraps(function)
        def remembered(what: Any, head: Head, rest: Floats) -> R:
            key = (what, fingerprint(head.rims, head.lips, rest), len(head.triangles))
            if key not in store:
                store[key] = function(what, head, rest)
                while len(store) > size:
                    store.popitem(last=False)
            store.move_to_end(key)
            return store[key]

        return remembered

    return wrap


@kernel
def balls(corners: Reals, group: int) -> Reals:
    """Middle and squared radius (g, 4) of a ball about each `group` triangles (t, 3, 3) in turn."""
    t = len(corners)
    out = np.zeros((-(-t // group), 4))
    for g in range(len(out)):
        first, last = g * group, min(t, (g + 1) * group)
        for d in range(3):
            low, high = np.inf, -np.inf
            for j in range(first, last):
                for c in range(3):
                    low, high = min(low, corners[j, c, d]), max(high, corners[j, c, d])
            out[g, d] = 0.5 * (low + high)
        for j in range(first, last):
            for c in range(3):
                x, y = corners[j, c, 0] - out[g, 0], corners[j, c, 1] - out[g, 1]
                z = corners[j, c, 2] - out[g, 2]
                out[g, 3] = max(out[g, 3], x * x + y * y + z * z)
        out[g, 3] = out[g, 3] * 1.0001 + 1e-12
    return out


@kernel
def cast(starts: Reals, rays: Reals, corners: Reals, far: float) -> Reals:
    """Greatest distance (k,) below `far` at which each unit ray meets a triangle (t, 3, 3), -1 if
    none (Moller and Trumbore 1997); fast where triangles that follow each other are neighbours."""
    k, t = len(starts), len(corners)
    out = np.full(k, -1.0)
    e1 = corners[:, 1] - corners[:, 0]
    e2 = corners[:, 2] - corners[:, 0]
    around = balls(corners, GROUP)
    for i in range(k):
        ox, oy, oz = starts[i, 0], starts[i, 1], starts[i, 2]
        dx, dy, dz = rays[i, 0], rays[i, 1], rays[i, 2]
        for g in range(len(around)):
            x, y, z = around[g, 0] - ox, around[g, 1] - oy, around[g, 2] - oz
            ahead = x * dx + y * dy + z * dz
            if x * x + y * y + z * z - ahead * ahead > around[g, 3]:
                continue
            for j in range(g * GROUP, min(t, (g + 1) * GROUP)):
                px = dy * e2[j, 2] - dz * e2[j, 1]
                py = dz * e2[j, 0] - dx * e2[j, 2]
                pz = dx * e2[j, 1] - dy * e2[j, 0]
                det = e1[j, 0] * px + e1[j, 1] * py + e1[j, 2] * pz
                if abs(det) < 1e-14:
                    continue
                sx, sy, sz = ox - corners[j, 0, 0], oy - corners[j, 0, 1], oz - corners[j, 0, 2]
                u = (sx * px + sy * py + sz * pz) / det
                if u < -1e-6 or u > 1.000001:
                    continue
                qx = sy * e1[j, 2] - sz * e1[j, 1]
                qy = sz * e1[j, 0] - sx * e1[j, 2]
                qz = sx * e1[j, 1] - sy * e1[j, 0]
                v = (dx * qx + dy * qy + dz * qz) / det
                if v < -1e-6 or u + v > 1.000001:
                    continue
                d = (e2[j, 0] * qx + e2[j, 1] * qy + e2[j, 2] * qz) / det
                if max(out[i], 0.0) < d < far:
                    out[i] = d
    return out


@lru_cache(maxsize=16)
def skin_of(head: Head, names: tuple[str, ...] = OUTER) -> Ints:
    """Triangles (k, 3) of the regions called `names`, neighbours on the mean head together."""
    wanted = [REGIONS.index(name) for name in names]
    triangles = head.triangles[np.isin(head.region, wanted)]
    found: Ints = np.ascontiguousarray(triangles[tree_of(head.mean, triangles).order])
    found.setflags(write=False)
    return found


@lru_cache(maxsize=16)
def skin_vertices(head: Head, names: tuple[str, ...] = OUTER) -> Ints:
    """The vertices (k,) of the regions called `names`, rising."""
    found = np.unique(skin_of(head, names)).astype(np.int32)
    found.setflags(write=False)
    return found


def reach(
    head: Head,
    rest: Floats,
    starts: NDArray[np.floating],
    rays: NDArray[np.floating],
    names: tuple[str, ...] = OUTER,
    far: float = FAR,
) -> Reals:
    """Distance (...,) from `starts` along unit `rays` (..., 3) to the outermost skin of the regions
    called `names`, -1 where there is none within `far` metres."""
    shape = np.broadcast_shapes(starts.shape, rays.shape)
    origin = np.broadcast_to(starts, shape).reshape(-1, 3).astype(np.float64)
    toward = np.broadcast_to(rays, shape).reshape(-1, 3).astype(np.float64)
    corners = np.ascontiguousarray(rest[skin_of(head, names)], np.float64)
    found: Reals = cast(origin, unit(toward), corners, far).reshape(shape[:-1])
    return found


def landmarks(head: Head, vertices: Floats) -> Reals:
    """The 68 points (68, 3) of a mesh, float64."""
    return at(head.landmarks["68"], head.triangles, vertices).astype(np.float64)


def region_points(head: Head, rest: Floats, *names: str) -> Reals:
    """The vertices (k, 3) of the regions called `names`."""
    return rest[skin_vertices(head, names)].astype(np.float64)


def moved_by(transform: NDArray[np.floating], points: NDArray[np.floating]) -> Floats:
    """Points (k, 3) under a (3, 4) transform, float32."""
    return np.asarray(points @ transform[:, :3].T + transform[:, 3], np.float32)
