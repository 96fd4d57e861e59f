"""Brows and lashes: hairs that stand on the face and move with every point of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.core.seeds import rng as stream
from fusiform.lab.geometry.head import Head, at
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.scene import Label, Surface
from fusiform.lab.world.hair import Growth
from fusiform.lab.world.hair_colour import strand_colours
from fusiform.lab.world.hair_grow import Strands, mixed
from fusiform.lab.world.hair_mesh import strand_surface
from fusiform.lab.world.shapes import vertex_normals
from fusiform.lab.world.traits import Traits

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
LEFT_BROW = (22, 23, 24, 25, 26)  # of the 68 points, from the nose outwards
RIGHT_BROW = (21, 20, 19, 18, 17)


@dataclass(frozen=True)
class Brows:
    """How one person's brows and lashes are. Lengths in metres, shares of 1 elsewhere.

    `count`: hairs a side, 150..450; `thickness`: height of the brow's body; `rise`: higher (+) or
    lower over the eye; `arch`: how far the peak stands out; `peak`: its place, 0 nose .. 1 tail;
    `head`, `tail`: how far the brow begins beyond and ends short of the usual ends (shares of its
    length); `taper`: how thin the tail is, 0..1; `gap`: hairs between the brows, 0..1;
    `slant`: tail up (+) or down; `length`: of a hair; `wild`: disorder; `even`: 0 patchy ..
    1 dense at the edges; `uneven`: difference of the two sides; `coarse`: hair width, 1 average;
    `eumelanin`, `pheomelanin`, `grey`; `lash`: length, 1 average; `mascara`: 0..1; `seed`.
    """

    count: int = 300
    thickness: float = 0.0095
    rise: float = 0.0
    arch: float = 0.003
    peak: float = 0.62
    head: float = 0.0
    tail: float = 0.0
    taper: float = 0.7
    gap: float = 0.0
    slant: float = 0.0
    length: float = 0.008
    wild: float = 0.3
    even: float = 0.5
    uneven: float = 0.1
    coarse: float = 1.0
    eumelanin: float = 0.9
    pheomelanin: float = 0.1
    grey: float = 0.0
    lash: float = 1.0
    mascara: float = 0.0
    seed: int = 0


def sample_brows(rng: np.random.Generator, traits: Traits, growth: Growth) -> Brows:
    """Brows of a random person whose scalp hair grows as `growth`. Blond people's are darker."""
    u, male, age = rng.random(18), traits.male, traits.age
    asian = traits.ancestry[1]
    grown = float(np.clip((age - 4) / 12, 0.35, 1))
    old = float(np.clip((age - 50) / 30, 0, 1))
    bushy = male * old * u[0]
    plucked = (1 - male) * (age > 13) * max(0.0, u[1] * 1.5 - 0.6)
    dense = (0.55 + 0.45 * u[2]) * (1 - 0.35 * plucked) * (0.75 + 0.25 * male) * grown
    dense *= 1 - 0.35 * old * (1 - male)
    eumelanin = max(growth.eumelanin * 1.1, 0.22 + 0.4 * growth.eumelanin)
    return Brows(
        count=int(150 + 300 * min(1.0, dense * (1 + 0.2 * bushy))),
        thickness=float((0.0056 + 0.0085 * u[3] + 0.002 * male - 0.0025 * plucked) * grown**0.3),
        rise=float(0.0036 * rng.standard_normal() - 0.0012 * male + 0.0015 * plucked),
        arch=float(
            np.clip(rng.normal(0.003 - 0.0022 * male - 0.0008 * asian, 0.0024), -0.0015, 0.009)
        ),
        peak=float(0.5 + 0.26 * u[4]),
        head=float(np.clip(rng.normal(0.0, 0.055), -0.12, 0.12)),
        tail=float(np.clip(rng.normal(0.03, 0.08), -0.1, 0.28)),
        taper=float(0.4 + 0.55 * u[5]),
        gap=float(max(0.0, u[6] * 1.6 - 1.0) * (0.35 + 0.65 * male) * (1 - plucked) * grown),
        slant=float(0.0038 * rng.standard_normal()),
        length=float((0.0058 + 0.0035 * u[7] + 0.001 * male) * (1 + 0.9 * bushy) * grown**0.4),
        wild=float(0.15 + 0.45 * u[8] * (1 - 0.5 * plucked) + 0.5 * bushy),
        even=float(u[9]),
        uneven=float(0.35 * u[10]),
        coarse=float(growth.coarse * (0.8 + 0.5 * u[11]) * (0.9 + 0.15 * male)),
        eumelanin=float(eumelanin * (0.85 + 0.4 * u[12])),
        pheomelanin=float(growth.pheomelanin),
        grey=float(max(0.0, growth.grey * 0.85 - 0.15 * u[13])),
        lash=float((0.75 + 0.5 * u[14]) * (1.06 - 0.1 * male)),
        mascara=float((male < 0.5) * (age > 14) * max(0.0, u[15] * 1.7 - 0.7)),
        seed=int(rng.integers(2**31)),
    )


def brow_count(count: int, detail: float) -> int:
    """Hairs drawn for a side that has `count`, in a picture `detail` pixels high."""
    return max(40, int(count * np.clip((detail / 300) ** 0.8, 0.3, 1.6)))


def grow_brows(
    brows: Brows, head: Head, rest: Floats, detail: float = 256
) -> tuple[Strands, Strands]:
    """The left and right brow of a resting person `rest` (n, 3).

    The middle line runs along the brow points of the 68, moved by the person's own shape; hairs
    point up at the head of the brow, then outwards, and those above the line turn down to it.
    """
    points = at(head.landmarks["68"], head.triangles, rest)
    left = _brow(brows, head, rest, points[list(LEFT_BROW)], 1, detail)
    right = _brow(brows, head, rest, points[list(RIGHT_BROW)], -1, detail)
    return left, right


def _middle(brows: Brows, line: Floats, u: Doubles, uneven: Doubles) -> Doubles:
    """x, y (k, 2) of the brow's middle at shares `u` (k,) of its length; 0 at the nose."""
    knots = np.linspace(0, 1, len(line))
    t = -brows.head + (1 - brows.tail + brows.head) * u
    # low polynomials through the five points are smooth where joined lines are not
    x = np.polyval(np.polyfit(knots, line[:, 0], 2), t)
    y = np.polyval(np.polyfit(knots, line[:, 1], 3), np.clip(t, -0.1, 1.05))
    bump = np.exp(-(((u - brows.peak) / 0.26) ** 2)) - 0.35
    y = y + brows.rise + 0.0035 + (brows.arch + 0.004 * uneven[0]) * bump
    y = y + (brows.slant + 0.004 * uneven[1]) * (u - 0.5) + 0.003 * uneven[2]
    return np.stack([x, y], 1)


def _brow(
    brows: Brows, head: Head, rest: Floats, line: Floats, sign: int, detail: float
) -> Strands:
    n = min(760, brow_count(brows.count, detail))
    c = stream(brows.seed, "brow", sign + 1).random((760, 10))[:n]
    uneven = (stream(brows.seed, "brow", "uneven").random((2, 3))[(sign + 1) // 2] - 0.5) * 2
    u = c[:, 0] ** 0.92
    bridge = c[:, 9] < 0.16 * brows.gap
    # a triangular spread is thin at the edges, an even one is not
    v = (c[:, 1] + c[:, 2] - 1) * (1 - 0.35 * brows.even) + brows.even * 0.35 * (c[:, 8] * 2 - 1)
    tail = 1 - brows.taper * np.clip((u - 0.45) / 0.6, 0, 1)
    body = (0.62 + 0.38 * np.clip(u / 0.22, 0, 1)) * tail
    middle = _middle(brows, line, u, brows.uneven * uneven)
    between = 1.5 * line[0, 1] - 0.5 * line[1, 1] + 0.007 * (c[:, 1] - 0.1)
    x = np.where(bridge, line[0, 0] * c[:, 0], middle[:, 0])
    y = np.where(bridge, between, middle[:, 1] + 0.5 * brows.thickness * body * v)
    back = float(rest[head.masks["brow"] > 0.1][:, 2].min()) - 0.03
    triangle, weights, ok = project_front(head, rest, np.stack([x, y], 1), back)
    u, v, c, bridge = u[ok], v[ok], c[ok], bridge[ok]
    normal = mixed(vertex_normals(rest, head.triangles), head.triangles, triangle, weights)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    # up at the head of the brow, sideways from a third on, down towards the tail
    turn = np.interp(u, [0, 0.12, 0.4, 0.75, 1], [78, 58, 26, 6, -16])
    turn = turn - 24 * v * np.clip(u * 3, 0, 1) + 42 * brows.wild * (c[:, 3] * 2 - 1)
    turn = np.radians(np.where(bridge, 54 + 54 * c[:, 3], turn))
    out = np.stack([sign * np.cos(turn), np.sin(turn), np.zeros(len(turn))], 1)
    long = brows.length * (0.6 + 0.6 * c[:, 5]) * (0.75 + 0.4 * np.sin(np.pi * u))
    long = np.where(bridge, 0.6 * long, long)
    lift = 0.22 + 0.3 * brows.wild * c[:, 6]
    points = _arcs(head, rest, triangle, weights, normal, out, long, -0.5 - 0.4 * c[:, 4], lift)
    width = 0.00021 * brows.coarse * (brows.count / max(n, 1)) ** 0.8 * (0.7 + 0.6 * c[:, 7])
    tint = strand_colours(
        *(brows.eumelanin, brows.pheomelanin, brows.grey, None),
        *(c[:, [8, 4, 5, 6]].astype(np.float32), 5),
    )
    taper = np.array([0.8, 1, 0.9, 0.65, 0.3])
    return loose(triangle, weights, points, normal, width[:, None] * taper, tint)


def project_front(
    head: Head, rest: Floats, places: Doubles, behind: float
) -> tuple[Ints, Floats, NDArray[np.bool_]]:
    """The frontmost skin under x, y `places` (k, 2), no farther back than z = `behind`.

    Returns triangles (m,), weights (m, 3), and which of the places hit (k,), m of them True.
    """
    best, weights = _frontmost(
        places.astype(np.float64), rest.astype(np.float32), head.triangles, behind
    )
    hit = best >= 0
    return best[hit], weights[hit].astype(np.float32), hit


@kernel
def _frontmost(
    places: Doubles, vertices: Floats, triangles: Ints, behind: float
) -> tuple[Ints, Doubles]:
    """The triangle (k,) with the largest z at each place, -1 if none, and weights (k, 3)."""
    best = np.full(len(places), -1, np.int32)
    top, weights = np.full(len(places), -1e9), np.zeros((len(places), 3))
    west, east = places[:, 0].min(), places[:, 0].max()
    south, north = places[:, 1].min(), places[:, 1].max()
    for t in range(len(triangles)):
        a, b, c = (vertices[triangles[t, 0]], vertices[triangles[t, 1]], vertices[triangles[t, 2]])
        left, right = min(a[0], b[0], c[0]), max(a[0], b[0], c[0])
        low, high = min(a[1], b[1], c[1]), max(a[1], b[1], c[1])
        if right < west or left > east or high < south or low > north:
            continue
        ex, ey = float(b[0]) - a[0], float(b[1]) - a[1]
        fx, fy = float(c[0]) - a[0], float(c[1]) - a[1]
        area = ex * fy - ey * fx
        if area <= 1e-14 or min(a[2], b[2], c[2]) < behind:
            continue  # seen from behind, or the back of the head
        for p in range(len(places)):
            x, y = places[p, 0], places[p, 1]
            if x < left or x > right or y < low or y > high:
                continue
            v = ((x - a[0]) * fy - (y - a[1]) * fx) / area
            w = (ex * (y - a[1]) - ey * (x - a[0])) / area
            if v < -1e-9 or w < -1e-9 or v + w > 1 + 1e-9:
                continue
            z = a[2] + v * (b[2] - a[2]) + w * (c[2] - a[2])
            if z > top[p]:
                best[p], top[p] = t, z
                weights[p, 0], weights[p, 1], weights[p, 2] = 1 - v - w, v, w
    return best, weights


def _arcs(
    head: Head,
    rest: Floats,
    triangle: Ints,
    weights: Floats,
    normal: Floats,
    out: Doubles,
    long: Doubles,
    bend: Doubles,
    lift: Doubles,
) -> Floats:
    """Short bent hairs (n, 5, 3): along the skin by `out` (n, 3), off it by `lift`, bent down."""
    root = mixed(rest, head.triangles, triangle, weights)
    along = out - (out * normal).sum(1, keepdims=True) * normal
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = np.cross(normal, along)
    across *= np.where(across[:, 1:2] < 0, -1, 1)
    s = np.linspace(0, 1, 5)[None, :, None]
    turn = bend[:, None, None] * s
    step = along[:, None] * np.cos(turn) + across[:, None] * np.sin(turn)
    step = step + normal[:, None] * (lift[:, None, None] * (1 - 0.8 * s))
    return np.asarray(_walked(root, step, long) + 0.00015 * normal[:, None], np.float32)


def _walked(root: Floats, step: Doubles, long: Doubles) -> Doubles:
    """Polylines (n, k, 3) from `root` (n, 3) along directions `step` (n, k, 3), `long` (n,)."""
    step = step / np.linalg.norm(step, axis=2, keepdims=True)
    step = 0.5 * (step[:, 1:] + step[:, :-1]) * (long[:, None, None] / (step.shape[1] - 1))
    zero = np.zeros((len(root), 1, 3))
    return np.asarray(root[:, None] + np.concatenate([zero, np.cumsum(step, 1)], 1))


def loose(
    triangle: Ints, weights: Floats, points: Floats, normal: Floats, width: Doubles, tint: Floats
) -> Strands:
    """`Strands` for short hairs that shade nothing and move with their roots alone."""
    n, k, _ = points.shape
    normals = np.repeat(normal[:, None], k, 1).astype(np.float32)
    ones = np.full((n, k), 0.85, np.float32)
    return Strands(
        *(triangle, weights, np.ascontiguousarray(points, np.float32), normals),
        *(
            tint.astype(np.float32),
            np.asarray(width, np.float32),
            ones,
            np.zeros((n, k), np.float32),
        ),
    )


def grow_lashes(
    brows: Brows, head: Head, rest: Floats, detail: float = 256
) -> tuple[Strands, Strands]:
    """The lashes of the left and right eye: about 90 above and 50 below on the lid margins.

    Upper and lower lid are told apart by height over the line between the eye's corners.
    """
    sides = rest[head.rims].mean(1)[:, 0] > 0
    both = [_lashes(brows, head, rest, head.rims[i], detail) for i in range(2)]
    left = 0 if sides[0] else 1
    return both[left], both[1 - left]


def lid_edge(head: Head, rim: Ints, upper: bool) -> NDArray[np.float64]:
    """x, y (15, 2) of a lid's edge as seen from the front on the mean head, nose outwards.

    The margin loop `rim` lies on the eyeball; lashes stand on the lid's outer edge, which is
    found by moving from the lid's skin towards the opening until there is no skin in front of it.
    """
    loop = head.mean[rim].astype(np.float64)
    inner, outer = np.abs(loop[:, 0]).argmin(), np.abs(loop[:, 0]).argmax()
    a, b = loop[inner], loop[outer]
    share = (loop[:, 0] - a[0]) / (b[0] - a[0])
    height = loop[:, 1] - (a[1] + share * (b[1] - a[1]))
    ring = np.flatnonzero((height > 0) == upper)
    ring = ring[np.argsort(share[ring])]
    knots = np.linspace(0.06, 0.94, 15)
    x = a[0] + knots * (b[0] - a[0])
    y = np.interp(knots, share[ring], loop[ring, 1])
    towards = -1.0 if upper else 1.0
    moves = towards * np.linspace(-0.003, 0.0035, 27)
    places = np.stack([np.repeat(x, 27), (y[:, None] + moves).ravel()], 1)
    _, _, hit = project_front(head, head.mean, places, float(loop[:, 2].min()) - 0.004)
    hit = hit.reshape(15, 27)
    hit[:, 0] = True
    last = 26 - hit[:, ::-1].argmax(1)  # the lid's last skin before the opening
    open_after = ~hit[:, 1:].all(1)
    first_gap = np.where(open_after, (~hit).argmax(1) - 1, last)
    return np.stack([x, y + moves[np.maximum(first_gap, 0)]], 1)


def _lashes(brows: Brows, head: Head, rest: Floats, rim: Ints, detail: float) -> Strands:
    centre = head.mean[rim].mean(0)
    sign = 1 if centre[0] > 0 else -1
    normals = vertex_normals(rest, head.triangles)
    pool = stream(brows.seed, "lash", sign + 1)
    parts = []
    for upper, number in ((True, 90), (False, 50)):
        n = max(16, int(number * np.clip((detail / 256) ** 0.7, 0.25, 1)))
        u = (np.arange(n) + 0.5 + 0.7 * (pool.random(n) - 0.5)) / n
        c = pool.random((n, 5))
        edge = lid_edge(head, rim, upper)
        along = np.linspace(0, 1, len(edge))
        places = np.stack([np.interp(u, along, edge[:, k]) for k in range(2)], 1)
        places[:, 1] += 0.0002 if upper else -0.0002
        back = float(head.mean[rim][:, 2].min()) - 0.004
        triangle, weights, hit = project_front(head, head.mean, places, back)
        u, c = u[hit], c[hit]
        parts.append(_lash_row(brows, head, rest, normals, triangle, weights, u, c, sign, upper))
    names = ("triangle", "weights", "points", "normals", "tint", "width", "openness", "torso")
    return Strands(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def _lash_row(
    brows: Brows,
    head: Head,
    rest: Floats,
    normals: Floats,
    triangle: Ints,
    weights: Floats,
    u: Doubles,
    c: Doubles,
    sign: int,
    upper: bool,
) -> Strands:
    """One lid's lashes: out and forwards, then up (or down), longest in the outer half."""
    n = len(u)
    root = mixed(rest, head.triangles, triangle, weights)
    normal = mixed(normals, head.triangles, triangle, weights)
    fan = sign * (np.interp(u, [0, 0.5, 1], [-0.35, 0.15, 0.75]) + 0.3 * (c[:, 0] - 0.5))
    out = np.stack([fan, np.full(n, -0.1 if upper else -0.4), np.full(n, 0.9)], 1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    full = np.interp(u, [0, 0.2, 0.7, 1], [0.45, 0.85, 1.05, 0.8])
    long = (0.0088 if upper else 0.005) * brows.lash * full * (0.7 + 0.45 * c[:, 1])
    long = long * (1 + 0.25 * brows.mascara)
    s = np.linspace(0, 1, 5)[None, :, None]
    lift = np.array([0, 1.0 if upper else -0.35, 0])
    curve = (0.9 if upper else 0.5) * (0.8 + 0.4 * c[:, 2])[:, None, None]
    step = out[:, None] + curve * 1.7 * s * lift
    points = np.asarray(_walked(root, step, long), np.float32)
    width = 0.00017 * (1 + 1.0 * brows.mascara) * (0.8 + 0.4 * c[:, 3]) * (1 if upper else 0.7)
    width = width * ((90 if upper else 50) / max(n, 1)) ** 0.8
    taper = np.array([1, 1, 0.8, 0.55, 0.25])
    dark = strand_colours(
        *(brows.eumelanin * 1.2, brows.pheomelanin, 0.7 * brows.grey, None),
        *(c[:, [4, 1, 2, 3]].astype(np.float32), 5),
    )
    dark = np.asarray(dark * (1 - brows.mascara) + 0.006 * brows.mascara, np.float32)
    return loose(triangle, weights, points, normal, width[:, None] * taper, dark)


@dataclass(frozen=True)
class FaceHair:
    """Grown brows and lashes of one person: left and right."""

    brows: tuple[Strands, Strands]
    lashes: tuple[Strands, Strands]


def grow_face_hair(brows: Brows, head: Head, rest: Floats, detail: float = 256) -> FaceHair:
    """Brows and lashes on the resting person `rest` (n, 3); keep it for many pictures."""
    return FaceHair(grow_brows(brows, head, rest, detail), grow_lashes(brows, head, rest, detail))


def follow_face_hair(
    grown: FaceHair, head: Head, rest: Floats, posed: Floats, camera: Floats
) -> tuple[Surface, ...]:
    """Left brow, right brow, left and right lashes on the posed head, seen from `camera` (3,)."""
    kinds = (
        ("left brow", Label.LEFT_BROW, grown.brows[0]),
        ("right brow", Label.RIGHT_BROW, grown.brows[1]),
        ("left lashes", Label.LEFT_EYE, grown.lashes[0]),
        ("right lashes", Label.RIGHT_EYE, grown.lashes[1]),
    )
    return tuple(
        strand_surface(name, label, strands, head, rest, posed, camera, (0.15, 0.5), "brow" in name)
        for name, label, strands in kinds
    )
