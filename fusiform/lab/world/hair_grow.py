"""From the description of hair to strands on a resting person: done once per person and cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Head
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.mesh import face_crosses
from fusiform.lab.world.hair import (
    Hair,
    curl_of,
    hairline_height,
    lengths,
    root_density,
    strand_chances,
)
from fusiform.lab.world.hair_colour import strand_colours
from fusiform.lab.world.hair_field import Field, grow_paths, shape_strands
from fusiform.lab.world.hair_proxy import STEP, Proxy, distances, make_proxy
from fusiform.lab.world.hair_styles import style_of
from fusiform.lab.world.shapes import vertex_normals

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
SHORTEST = 0.0005
WIDEST = 0.0075  # metres: a broader ribbon looks like one


@dataclass(frozen=True)
class Strands:
    """n strands of k points on the resting person. Arrays float32 unless said.

    `triangle` (n,) int32, `weights` (n, 3): the roots; `points`, `normals`, `tint` (n, k, 3);
    `width` (n, k) metres; `openness` (n, k); `torso` (n, k): share of the torso's motion, 0..1.
    """

    triangle: Ints
    weights: Floats
    points: Floats
    normals: Floats
    tint: Floats
    width: Floats
    openness: Floats
    torso: Floats


@dataclass(frozen=True)
class Cap:
    """An opaque base under dense hair: `vertices` (m,) of the head, lifted by `lift` (m,) metres
    along the skin's normals; `triangles` (t, 3) into them; `tint` (m, 3)."""

    vertices: Ints
    triangles: Ints
    lift: Floats
    tint: Floats


@dataclass(frozen=True)
class Grown:
    """Hair ready to follow a posed head."""

    strands: Strands
    cap: Cap | None


def budget(detail: float) -> tuple[int, int]:
    """Strands on a full scalp and pieces per strand for a picture `detail` pixels high.

    112 px: 950 of 5; 256 px: 2300 of 6; 512 px: 14000 of 12. Raises ChoiceError below 8 px.
    """
    if detail < 8:
        raise ChoiceError("detail", "at least 8 pixels", detail)
    size = np.log(np.clip(detail, 48, 1024))
    known = np.log([48, 112, 256, 512, 1024])
    strands = np.exp(np.interp(size, known, np.log([700, 950, 2300, 14000, 22000])))
    return round(float(strands)), round(float(np.interp(size, known, [4, 5, 6, 12, 16])))


@lru_cache(maxsize=2)
def areas(head: Head) -> NDArray[np.float64]:
    """Twice the area (t,) of each triangle of the mean head."""
    crosses = face_crosses(head.mean.astype(np.float64), head.triangles)
    return np.asarray(np.linalg.norm(crosses, axis=1), np.float64)


def roots_on(
    head: Head, density: Floats, chance: Floats, count: int, weigh: bool = False
) -> tuple[Ints, Floats]:
    """`count` places on the triangles that touch `density` (n,) > 0: triangles, weights (count, 3).

    Even over the mean head's area, or, if `weigh`, in proportion to the density. `chance`
    (count, >= 3), uniform. No places at all where no triangle has density.
    """
    corners = density[head.triangles]
    touched = np.flatnonzero((corners > 0).any(1))
    if not len(touched):
        return np.zeros(0, np.int32), np.zeros((0, 3), np.float32)
    area = areas(head)[touched]
    edge = np.cumsum(area * corners[touched].mean(1) if weigh else area)
    place = np.searchsorted(edge, chance[:count, 0].astype(np.float64) * edge[-1], side="right")
    root = np.sqrt(chance[:count, 1])
    other = chance[:count, 2]
    weights = np.stack([1 - root, root * (1 - other), root * other], 1).astype(np.float32)
    return touched[np.minimum(place, len(touched) - 1)].astype(np.int32), weights


def _excess(head: Head, reach: NDArray[np.bool_]) -> float:
    """Area that touches `reach` (n,), where roots are drawn, over that of the average scalp."""
    i, j, k = head.triangles.T
    near = np.flatnonzero(reach[i] | reach[j] | reach[k])
    i, j, k = i[near], j[near], k[near]
    area = areas(head)[near]
    scalp = ((head.masks["hairline"] > 0) & (head.masks["scalp"] > 0.3)).astype(np.float64)
    return float(area.sum() / max(area @ (scalp[i] + scalp[j] + scalp[k]) / 3, 1e-9))


def mixed(values: Floats, triangles: Ints, triangle: Ints, weights: Floats) -> Floats:
    """Vertex `values` (n, ...) at places given by triangle (k,) and weights (k, 3)."""
    corners = values[triangles[triangle]]
    return np.asarray(np.einsum("kc,kc...->k...", weights, corners), np.float32)


def grow(
    hair: Hair, head: Head, rest: Floats, detail: float = 256, proxy: Proxy | None = None
) -> Grown | None:
    """Grow `hair` on a resting person `rest` (n, 3), for pictures about `detail` pixels high.

    `proxy` may be given where it is known already. None for a bald head. The same arguments give
    the same bytes.
    """
    if hair.cut.style == "bald":
        return None
    proxy = make_proxy(head, rest) if proxy is None else proxy
    style, growth = style_of(hair.cut.style), hair.growth
    most, pieces = budget(detail)
    pieces_here = max(2, round(pieces * style.fine))
    full = round(most * min(2.5, (pieces / pieces_here) ** 0.7))
    scalp = head.mean[head.masks["scalp"] > 0.5]
    reach = (head.masks["hairline"] > -0.03) & (head.masks["scalp"] > 0)
    draws = round(full * _excess(head, reach))
    chance = strand_chances(hair, draws)
    triangle, weights = roots_on(head, reach.astype(np.float32), chance, draws)
    place = mixed(head.mean, head.triangles, triangle, weights)
    height = mixed(head.masks["hairline"], head.triangles, triangle, weights)
    height = hairline_height(growth, height, place, scalp)
    long = lengths(hair, height, place, scalp)
    # finer, shorter hair along the hairline
    long = long * np.clip(0.45 + height / 0.02, 0.35, 1) * (0.86 + 0.14 * chance[: len(long), 3])
    dense = np.clip(height / 0.007 + 0.3, 0, 1) * growth.density
    keep = (chance[: len(dense), 3] < dense) & (long > SHORTEST)
    field = _field(hair, head, rest, proxy)
    if style.rows:
        keep &= _in_row(field, mixed(rest, head.triangles, triangle, weights))
    triangle, weights = triangle[keep], weights[keep]
    chance, long = _chances(chance[: len(keep)][keep]), long[keep]
    if not len(long):
        return None
    root = mixed(rest, head.triangles, triangle, weights)
    normal = mixed(vertex_normals(rest, head.triangles), head.triangles, triangle, weights)
    points = np.empty((len(root), pieces_here + 1, 3), np.float32)
    scale = field.scale
    grow_paths(
        *(root, normal, (long * scale).astype(np.float32), chance, field),
        *(proxy.grid, proxy.origin, STEP, max(14, 2 * pieces_here), points),
    )
    _clump_and_curl(hair, points, chance, field, proxy, full)
    width = 0.00085 * growth.coarse * scale * (6000 / full) ** 0.85 * np.ones(pieces_here + 1)
    if style.top < 0.03:
        width = np.maximum(width, 0.0004 * scale)
    along = np.linspace(0, 1, pieces_here + 1)
    thin = 0.65 if curl_of(hair) < 0.8 else 0.3
    width = width * np.minimum(0.6 + along * 2, 1) * (1 - thin * np.clip(along / 0.5 - 1, 0, 1))
    width = np.minimum(width[None] * (0.6 + 0.8 * chance[:, 10:11]), WIDEST).astype(np.float32)
    tint = strand_colours(
        *(growth.eumelanin, growth.pheomelanin, growth.grey, hair.cut.dye),
        *(chance[:, [11, 1, 2, 5]], pieces_here + 1, hair.cut.roots),
    )
    strands = dress(head, rest, proxy, triangle, weights, points, width, tint)
    return Grown(strands, _cap(hair, head, rest, tint, field))


def dress(
    head: Head,
    rest: Floats,
    proxy: Proxy,
    triangle: Ints,
    weights: Floats,
    points: Floats,
    width: Floats,
    tint: Floats,
) -> Strands:
    """Strands with what light and motion need: outward normals, openness, share of the torso."""
    n, k, _ = points.shape
    field = distances(proxy.grid, proxy.origin, STEP, points.reshape(-1, 3)).reshape(n, k, 4)
    openness = _openness(points, width, field, proxy.origin, STEP, proxy.grid.shape[0])
    chin = rest[head.masks["beard"] > 0.5][:, 1].min() if "beard" in head.masks else -0.12
    torso = np.clip((chin + 0.02 - points[:, :, 1]) / 0.09, 0, 1).astype(np.float32)
    torso = torso * torso * (3 - 2 * torso)
    normals = np.ascontiguousarray(field[:, :, 1:])
    return Strands(triangle, weights, points, normals, tint, width, openness, torso)


def _chances(chance: Floats) -> Floats:
    """Columns 0..2 placed a root; they are stirred into fresh numbers for what comes after."""
    out = chance.copy()
    out[:, 3] = np.modf(chance[:, 0] * 977.0 + chance[:, 3] * 31.0)[0]
    out[:, 1] = np.modf(chance[:, 1] * 613.0)[0]
    out[:, 2] = np.modf(chance[:, 2] * 811.0)[0]
    out[:, 8] = np.modf(chance[:, 8] * 59.0 + chance[:, 0] * 541.0)[0]
    out[:, 11] = np.modf(chance[:, 0] * 331.0 + chance[:, 7] * 3.0)[0]
    return out


def _field(hair: Hair, head: Head, rest: Floats, proxy: Proxy) -> Field:
    style, growth, cut = style_of(hair.cut.style), hair.growth, hair.cut
    scalp = rest[head.masks["scalp"] > 0.5]
    high, back, front = (
        float(v) for v in (scalp[:, 1].max(), scalp[:, 2].min(), scalp[:, 2].max())
    )
    half = float(np.abs(scalp[:, 0]).max())
    mean = head.mean[head.masks["scalp"] > 0.5]
    scale = float((front - back) / (mean[:, 2].max() - mean[:, 2].min()))
    rims = rest[head.rims]
    eyes_y, corner = float(rims[:, :, 1].mean()), float(np.abs(rims[:, :, 0]).max())
    tie = style.tie or (0.0, 0.0, 0.0)
    y, z = high - 0.088 * scale, (front + back) / 2
    tied = np.array([[tie[0] * half, y + tie[1] * (high - y), z + tie[2] * (back - z)]], np.float32)
    for _ in range(3):  # the knot lies on the skin
        field = distances(proxy.grid, proxy.origin, STEP, tied)
        tied = tied + field[:, 1:] * (0.007 * scale - field[:, :1])
    messy = 1.25 - 0.6 * cut.tidy
    low = eyes_y - 0.012 * scale
    fringe = style.fringe_level
    return Field(
        *(0.0, y, z, scale, half, high, front, back),
        *(growth.whorl * scale, 0.72 * back + 0.28 * front),
        *(low, float(rims[:, :, 2].min()) - 0.012 * scale, corner + 0.009 * scale, 0.088 * scale),
        *(max(style.part, 0.0) * half * cut.part, float(style.part >= 0)),
        *(style.spread, style.forward, style.side_back, style.swirl, style.lift),
        *(style.reach, style.volume * cut.volume * scale, style.gravity),
        *(style.stiffness * scale, style.hug, style.frizz * messy),
        eyes_y + style.level * scale * (cut.length if style.level < 0 else 1.0),
        eyes_y + fringe * scale if fringe > 0 else -9.0,
        *(float(tied[0, 0]), float(tied[0, 1]), float(tied[0, 2]), style.tail, style.rows),
        style.crest,
    )


def _in_row(field: Field, place: Floats) -> NDArray[np.bool_]:
    turn = np.arctan2(place[:, 0], np.maximum(place[:, 1] - field.y + 0.03 * field.scale, 1e-4))
    turn = turn / np.pi * field.rows * 1.25
    return np.asarray(np.abs(turn - np.round(turn)) < 0.36)


def _clump_and_curl(
    hair: Hair, points: Floats, chance: Floats, field: Field, proxy: Proxy, full: int
) -> None:
    style, curl = style_of(hair.cut.style), curl_of(hair)
    clumps = max(1, min(len(points), int(full * (0.05 if style.fine > 2 else 0.085))))
    owner = _nearest(points[:, 0], clumps)
    # waves run in step over the head, curls each go their own way
    own = float(np.interp(curl, [0.3, 0.65], [0.8, 6.3]))
    root = points[:, 0] - points[:, 0].mean(0)
    drift = 18 * root[:, 0] + 9 * np.sin(23 * root[:, 2]) + 14 * root[:, 1]
    phase = (drift + own * chance[owner, 7] + 0.9 * (chance[:, 6] - 0.5)).astype(np.float32)
    radius = float(np.interp(curl, [0.08, 0.2, 0.42, 0.65, 0.8, 1.0], [0, 2.5, 9, 9, 5, 4]))
    pitch = float(np.interp(curl, [0, 0.2, 0.42, 0.65, 0.8, 1.0], [150, 120, 90, 44, 17, 9]))
    # a wave drawn with fewer than four points would be a zigzag
    piece = np.linalg.norm(np.diff(points, axis=1), axis=2).mean() * 1e3
    pitch = max(pitch, 4.5 * piece) if curl < 0.8 else pitch
    tidy = style.clump * (0.75 + 0.4 * hair.cut.tidy)
    shape_strands(
        *(points, owner, phase, chance, float(min(0.95, tidy)), radius * 1e-3, pitch * 1e-3),
        *(0.0005, field, proxy.grid, proxy.origin, STEP),
    )


def _cap(hair: Hair, head: Head, rest: Floats, tint: Floats, field: Field) -> Cap | None:
    style = style_of(hair.cut.style)
    if style.cap <= 0:
        return None
    scalp = head.mean[head.masks["scalp"] > 0.5]
    height = hairline_height(hair.growth, head.masks["hairline"], head.mean, scalp)
    dense = root_density(head, hair)
    long = lengths(hair, height, head.mean, scalp)
    margin = 0.006 + 0.5 * style.cap
    high = np.minimum(style.cap, 0.5 * long) * field.scale
    lift = np.clip((height - margin) / (2.2 * style.cap + 0.01), -0.3, 1) * high
    lift = np.where(height < margin, np.minimum(lift, -0.0006), lift)
    if field.parted > 0:
        groove = np.exp(-(((rest[:, 0] - field.part) / (0.0035 * field.scale)) ** 2))
        groove = groove * (rest[:, 2] > field.whorl_z) * (rest[:, 1] > field.high - 0.06)
        beside = np.exp(-(((rest[:, 0] - field.part) / (0.016 * field.scale)) ** 2))
        lift = np.where(lift > 0, lift * (1 - 0.8 * beside), lift) * (1 - 1.05 * groove)
    if hair.growth.density < 0.72:
        lift = np.minimum(lift, -0.001)
    inside = (height > margin - 0.022) & (dense > 0)
    chosen = head.triangles[inside[head.triangles].all(1)]
    if not len(chosen):
        return None
    used, index = np.unique(chosen, return_inverse=True)
    mean = tint.mean((0, 1)) * 0.6
    speckle = 0.75 + 0.5 * np.modf(np.sin(used * 12.9898) * 43758.5453)[0].__abs__()
    return Cap(
        used.astype(np.int32),
        index.reshape(-1, 3).astype(np.int32),
        lift[used].astype(np.float32),
        (mean[None] * speckle[:, None]).astype(np.float32),
    )


@kernel
def _nearest(points: Floats, first: int) -> Ints:
    """For each point (n, 3) the nearest of the `first` ones; these own themselves."""
    out = np.empty(len(points), np.int32)
    for i in range(len(points)):
        best, out[i] = 1e9, i
        if i < first:
            continue
        for j in range(first):
            x, y = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1]
            z = points[i, 2] - points[j, 2]
            d = x * x + y * y + z * z
            if d < best:
                best, out[i] = d, j
    return out


@kernel
def _openness(
    points: Floats, width: Floats, field: Floats, origin: Floats, step: float, nx: int
) -> Floats:
    """Share of light (n, k) left at each point after the hair that lies outward of it."""
    cells = 48
    mass = np.zeros((cells, cells, cells), np.float32)
    n, k, _ = points.shape
    size = 0.011
    low = np.array([-0.264, origin[1] + 0.04, origin[2] - 0.05])
    for s in range(n):
        for i in range(1, k):
            dx = points[s, i, 0] - points[s, i - 1, 0]
            dy = points[s, i, 1] - points[s, i - 1, 1]
            dz = points[s, i, 2] - points[s, i - 1, 2]
            amount = np.sqrt(dx * dx + dy * dy + dz * dz) * width[s, i]
            x = int((points[s, i, 0] - 0.5 * dx - low[0]) / size)
            y = int((points[s, i, 1] - 0.5 * dy - low[1]) / size)
            z = int((points[s, i, 2] - 0.5 * dz - low[2]) / size)
            if 0 <= x < cells and 0 <= y < cells and 0 <= z < cells:
                mass[x, y, z] += amount / (size * size)
    out = np.empty((n, k), np.float32)
    for s in range(n):
        for i in range(k):
            total = 0.0
            for h in range(3):
                reach = (0.006, 0.015, 0.027)[h]
                x = int((points[s, i, 0] + field[s, i, 1] * reach - low[0]) / size)
                y = int((points[s, i, 1] + (field[s, i, 2] + 0.3) * reach - low[1]) / size)
                z = int((points[s, i, 2] + field[s, i, 3] * reach - low[2]) / size)
                if 0 <= x < cells and 0 <= y < cells and 0 <= z < cells:
                    total += mass[x, y, z] * (0.25, 0.5, 0.5)[h]
            out[s, i] = (0.16 + 0.84 * np.exp(-0.3 * total)) * (0.6 + 0.4 * min(1.0, 3.0 * i / k))
    return out
