"""Light that one surface sends to the camera, and what pixels show of it (Numba)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.brdf import Vector, along, cross, dot, scaled, unit
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.materials import hair, skin, solid, wet
from fusiform.lab.geometry.raster import weights
from fusiform.lab.geometry.scene import Bytes, Floats, Ints, Lighting, Material
from fusiform.lab.geometry.shadow import TAPS, turn_disc

Doubles = NDArray[np.float64]
Channels = tuple[float, float, float, float, float, float, float, float]

SKIN, EYE, MOUTH = int(Material.SKIN), int(Material.EYE), int(Material.MOUTH)
HAIR = int(Material.HAIR)
NO_TEXTURE = np.zeros((0, 0, 8), np.float32)
NOTHING = (0.0, 0.0, 0.0)
NO_LABELS = np.zeros((0, 0), np.uint8)
WINDOW = 0.15  # radians: angular radius of the soft light that eyes mirror
WINDOW_PULL = 0.8
WINDOW_SHARE = 0.6  # share of the environment's directed part that it holds


def lamp_rows(lighting: Lighting) -> Doubles:
    """Lamps as rows of 8: unit direction, colour, size, 1 if it casts shadows."""
    rows = np.zeros((len(lighting.lamps), 8))
    for row, lamp in zip(rows, lighting.lamps, strict=True):
        way = np.asarray(lamp.direction, np.float64)
        row[:3], row[3:6] = way / np.linalg.norm(way), lamp.colour
        row[6:] = lamp.size, lamp.casts_shadow
    return rows


def window(sky: Doubles, toward: Doubles) -> Doubles:
    """The soft light that stands for the bright side of a prepared environment (9, 3), as 8
    numbers: direction, radiance, cosine of its outer edge, and the cosines its edge takes.

    An environment of order 2 is too smooth to give an eye a catch light. Its linear band, the
    directed part (Sloan 2008, "Stupid Spherical Harmonics Tricks"), is what one disc of light
    would leave: of its irradiance WINDOW_SHARE is put back into a disc of radius WINDOW. The disc
    is drawn WINDOW_PULL of the way to `toward` (3,), the camera's unit direction, so that light
    from above is mirrored below the upper lid: a photographer's choice, not physics.
    """
    slope = np.stack([sky[3], sky[1], sky[2]])  # x, y, z by channel
    grey = slope @ np.array([0.2126, 0.7152, 0.0722])
    length = float(np.linalg.norm(grey))
    way = grey / length if length > 1e-9 else np.array([0.0, 1.0, 0.0])
    # a disc of radiance 1 and solid angle w leaves 3 / (4 pi) w in the linear band along its axis
    angle = 2 * np.pi * (1 - np.cos(WINDOW))
    radiance = np.maximum(way @ slope, 0) * WINDOW_SHARE * 4 * np.pi / 3 / angle
    outer, inner = np.cos(WINDOW * 1.15), np.cos(WINDOW * 0.85)
    way = way + WINDOW_PULL * toward
    way = way / max(float(np.linalg.norm(way)), 1e-9)
    return np.concatenate([way, radiance, [outer, inner - outer]])


@kernel
def texel(channels: Floats, u: float, v: float) -> Channels:
    """The 8 channels at (u, v), bilinear, clamped at the border."""
    high, wide = channels.shape[0], channels.shape[1]
    x = min(max(u * wide - 0.5, 0.0), wide - 1.0)
    y = min(max(v * high - 0.5, 0.0), high - 1.0)
    j, i = int(x), int(y)
    fx, fy = x - j, y - i
    j1, i1 = min(j + 1, wide - 1), min(i + 1, high - 1)
    wa, wb, wc, wd = (1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy
    a, b, c, d = channels[i, j], channels[i, j1], channels[i1, j], channels[i1, j1]
    return (
        wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0],
        wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1],
        wa * a[2] + wb * b[2] + wc * c[2] + wd * d[2],
        wa * a[3] + wb * b[3] + wc * c[3] + wd * d[3],
        wa * a[4] + wb * b[4] + wc * c[4] + wd * d[4],
        wa * a[5] + wb * b[5] + wc * c[5] + wd * d[5],
        wa * a[6] + wb * b[6] + wc * c[6] + wd * d[6],
        wa * a[7] + wb * b[7] + wc * c[7] + wd * d[7],
    )


@kernel
def corners(triangles: Ints, t: int) -> tuple[int, int, int]:
    """The vertices of triangle t; unsigned, which spares a check for negative indices."""
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    return np.uint64(a), np.uint64(b), np.uint64(c)  # type: ignore[return-value]


@kernel
def mix(rows: Floats, a: int, b: int, c: int, w: Vector) -> Vector:
    """Rows a, b, c of (V, 3) weighted by w."""
    return (
        w[0] * rows[a, 0] + w[1] * rows[b, 0] + w[2] * rows[c, 0],
        w[0] * rows[a, 1] + w[1] * rows[b, 1] + w[2] * rows[c, 1],
        w[0] * rows[a, 2] + w[1] * rows[b, 2] + w[2] * rows[c, 2],
    )


@kernel
def behind(placed: Doubles, a: int, b: int, c: int) -> bool:
    """Whether a triangle shows its back (counter-clockwise from outside is negative, y down)."""
    across = (placed[b, 0] - placed[a, 0]) * (placed[c, 1] - placed[a, 1])
    across -= (placed[b, 1] - placed[a, 1]) * (placed[c, 0] - placed[a, 0])
    return bool(across > 0.0)


@kernel
def bent(n: Vector, tangent: Vector, hand: float, along_u: float, along_v: float) -> Vector:
    """Normal n tilted by slopes along u and v; `hand`: 1 where v runs down as u runs right on a
    face seen from outside, -1 where the texture is mirrored."""
    t = unit(along(tangent, -dot(tangent, n), n))
    b = scaled(cross(t, n), hand)
    return unit(along(along(n, -along_u, t), -along_v, b))


@kernel
def shade(
    leads: Ints,
    masks: Bytes,
    wide: int,
    span: int,
    first: int,
    ids: Ints,
    placed: Doubles,
    triangles: Ints,
    vertices: Floats,
    normals: Floats,
    tangents: Floats,
    uv: Floats,
    tint: Floats,
    openness: Floats,
    channels: Floats,
    gloss: tuple[float, float],
    material: int,
    cover: float,
    eye: Doubles,
    sky: Doubles,
    sun: Doubles,
    lamps: Doubles,
    depths: Floats,
    places: Doubles,
    out: Floats,
) -> None:
    """Light from groups of samples of one surface, written to all their samples in `out`.

    What the samples of a group show is averaged, then lit once. A group: the flat place `leads`
    of its first sample in a grid `wide` samples wide, and `masks`: bit 2 i + j stands for the
    sample in row i and column j of its block of `span` x `span`. `ids` (samples,): triangle,
    counted from `first`; `placed` as `raster.snap` gives it; then the arrays of a `Surface`;
    `cover` below 1 scales the albedo;
    `eye`: where the camera stands; `sky`, `sun`, `lamps`, `depths`, `places`: the light. `out`
    (samples, 3) is written in place.
    """
    textured = channels.shape[0] > 0
    disc = np.empty((TAPS, 2))
    for g in range(len(leads)):
        row, column = leads[g] // wide, leads[g] % wide
        row, column = row - row % span, column - column % span
        place, n, tangent, albedo = NOTHING, NOTHING, NOTHING, NOTHING
        share, count, hand = 0.0, 0.0, 1.0
        skill = (0.0, 0.0, 0.0, 0.0, 0.0)
        for bit in range(span * span):
            if not (masks[g] >> bit) & 1:
                continue
            y, x = row + bit // 2, column + bit % 2
            t = ids[y * wide + x] - first
            a, b, c = corners(triangles, t)
            w = weights(placed, a, b, c, x + 0.5, y + 0.5)
            place = along(place, 1.0, mix(vertices, a, b, c, w))
            back = -1.0 if material != HAIR and behind(placed, a, b, c) else 1.0
            n = along(n, back, mix(normals, a, b, c, w))
            colour = mix(tint, a, b, c, w)
            share += w[0] * openness[a] + w[1] * openness[b] + w[2] * openness[c]
            if textured or material == HAIR:
                tangent = along(tangent, 1.0, mix(tangents, a, b, c, w))
            if textured:
                u = w[0] * uv[a, 0] + w[1] * uv[b, 0] + w[2] * uv[c, 0]
                v = w[0] * uv[a, 1] + w[1] * uv[b, 1] + w[2] * uv[c, 1]
                tex = texel(channels, u, v)
                colour = (colour[0] * tex[0], colour[1] * tex[1], colour[2] * tex[2])
                skill = (
                    skill[0] + tex[3],
                    skill[1] + tex[4],
                    skill[2] + tex[5],
                    skill[3] + tex[6],
                    skill[4] + tex[7],
                )
                if count == 0.0:
                    turn = (uv[b, 0] - uv[a, 0]) * (uv[c, 1] - uv[a, 1])
                    turn -= (uv[b, 1] - uv[a, 1]) * (uv[c, 0] - uv[a, 0])
                    hand = 1.0 if turn <= 0.0 else -1.0
            albedo = along(albedo, 1.0, colour)
            count += 1.0
        count = 1.0 / count
        place, albedo, n = scaled(place, count), scaled(albedo, count * cover), unit(n)
        view = unit((eye[0] - place[0], eye[1] - place[1], eye[2] - place[2]))
        relief = n
        answers = (gloss[0], gloss[1], 1.0, share * count)
        if textured:
            answers = (skill[2] * count, skill[3] * count, skill[4] * count, share * count)
            if skill[0] != 0.0 or skill[1] != 0.0:
                relief = bent(n, tangent, hand, skill[0] * count, skill[1] * count)
        turn_disc(column // span, row // span, disc)
        point = (place, n, relief, unit(tangent), view, albedo)
        if material == SKIN:
            light = skin(point, answers, sky, lamps, depths, places, disc)
        elif material in (EYE, MOUTH):
            light = wet(point, answers, sky, lamps, depths, places, disc, sun)
        elif material == HAIR:
            light = hair(point, answers, sky, lamps, depths, places, disc)
        else:
            light = solid(point, answers, sky, lamps, depths, places, disc, sun, material)
        for bit in range(span * span):
            if (masks[g] >> bit) & 1:
                at = (row + bit // 2) * wide + column + bit % 2
                out[at, 0], out[at, 1], out[at, 2] = light[0], light[1], light[2]


@kernel
def describe(
    picks: Ints,
    wide: int,
    cell: int,
    first: int,
    ids: Ints,
    placed: Doubles,
    triangles: Ints,
    normals: Floats,
    uv: Floats,
    tint: Floats,
    channels: Floats,
    labels: Bytes,
    label: int,
    material: int,
    rotation: Doubles,
    out_bary: Floats,
    out_label: Bytes,
    out_albedo: Floats,
    out_normal: Floats,
    out_uv: Floats,
) -> None:
    """Write what pixels `picks` show, `cell` units of `placed` apart, into flat pictures
    (h * w, ...): barycentrics, class, albedo, normal (camera axes; turned over where a triangle
    shows its back, but for hair), uv."""
    textured = channels.shape[0] > 0
    for at in picks:
        row, column = at // wide, at % wide
        t = ids[at] - first
        a, b, c = corners(triangles, t)
        w = weights(placed, a, b, c, (column + 0.5) * cell, (row + 0.5) * cell)
        n = unit(mix(normals, a, b, c, w))
        if material != HAIR and behind(placed, a, b, c):
            n = scaled(n, -1.0)
        albedo = mix(tint, a, b, c, w)
        u = w[0] * uv[a, 0] + w[1] * uv[b, 0] + w[2] * uv[c, 0]
        v = w[0] * uv[a, 1] + w[1] * uv[b, 1] + w[2] * uv[c, 1]
        out_label[at] = label
        if textured:
            tex = texel(channels, u, v)
            albedo = (albedo[0] * tex[0], albedo[1] * tex[1], albedo[2] * tex[2])
        if labels.shape[0] > 0:
            i = min(max(int(v * labels.shape[0]), 0), labels.shape[0] - 1)
            j = min(max(int(u * labels.shape[1]), 0), labels.shape[1] - 1)
            out_label[at] = labels[i, j]
        for axis in range(3):
            out_bary[at, axis] = w[axis]
            out_albedo[at, axis] = albedo[axis]
            out_normal[at, axis] = (
                rotation[axis, 0] * n[0] + rotation[axis, 1] * n[1] + rotation[axis, 2] * n[2]
            )
        out_uv[at, 0], out_uv[at, 1] = u, v
