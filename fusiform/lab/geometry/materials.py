"""How each material answers light at one point (Numba).

A point is a tuple of vectors (place, normal, relief normal, tangent, view, albedo) and a tuple of
numbers (highlight strength, roughness, thickness, openness). Lamps are rows of 8: direction,
colour (irradiance / pi), angular radius, 1 if it casts shadows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.geometry.brdf import (
    Vector,
    along,
    ambient,
    bounced,
    clip01,
    dot,
    ggx,
    mirrored,
    ramp,
    scaled,
    schlick,
    shine,
    times,
    unit,
)
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.geometry.scene import Floats, Material
from fusiform.lab.geometry.shadow import HAIR_DEPTH, filtered, lit

Doubles = NDArray[np.float64]
Point = tuple[Vector, Vector, Vector, Vector, Vector, Vector]
Skill = tuple[float, float, float, float]

CLOTH, GLOSS = int(Material.CLOTH), int(Material.GLOSS)
LENS = 6  # stands for any material of a surface that lets light through
SKIN_F0 = 0.028  # refractive index 1.4
WATER_F0 = 0.025  # cornea and tears, 1.376
SECOND_LOBE, SECOND_SHARE = 0.6, 0.35
BLEED = (0.3, 0.18, 0.12)  # width of the terminator, red, green, blue: cosines
RELIEF = (0.35, 0.6, 0.75)  # share of the fine relief that scattered light still shows
THROUGH = (0.55, 0.2, 0.12)  # light that passes where the thickness channel is 0
THICK = 0.75  # thickness from which no light passes
EAR = 0.012  # metres of skin that thin parts may have
PUSH = 0.001  # metres a skin point at the terminator steps out of its own shadow


@kernel
def lamp_of(lamps: Doubles, i: int) -> tuple[Vector, Vector, float, bool]:
    """Direction, colour, size and shadow of lamp i."""
    way = (lamps[i, 0], lamps[i, 1], lamps[i, 2])
    colour = (lamps[i, 3], lamps[i, 4], lamps[i, 5])
    return way, colour, lamps[i, 6], lamps[i, 7] > 0.0


@kernel
def widened(roughness: float, size: float) -> float:
    """GGX's alpha for a lamp of angular radius `size` (after Karis 2013, "Real Shading in Unreal
    Engine 4": a sphere lamp widens the lobe; half its radius, since half vectors turn half as
    far)."""
    alpha = max(roughness * roughness, 0.002)
    return float(min(np.sqrt(alpha * alpha + 0.25 * size * size), 1.0))


@kernel
def horizon(nv: float, openness: float) -> float:
    """Share of the mirrored surroundings that is not hidden (Gotanda 2012's fit)."""
    k = nv + openness
    return clip01(k * k - 1.0 + openness)


@kernel
def reflected(
    sky: Doubles, n: Vector, view: Vector, f0: float, roughness: float, openness: float
) -> Vector:
    """What GGX mirrors of the environment."""
    nv = max(dot(n, view), 0.0)
    r = along(scaled(view, -1.0), 2.0 * dot(n, view), n)
    k = shine(f0, nv, roughness) * horizon(nv, openness)
    return scaled(mirrored(sky, r, roughness), k)


@kernel
def highlight(n: Vector, view: Vector, way: Vector, f0: float, alpha: float) -> float:
    """GGX's answer to a lamp, cosine included."""
    nl = dot(n, way)
    if nl <= 0.0:
        return 0.0
    half = unit(along(view, 1.0, way))
    nv = max(dot(n, view), 0.02)
    return schlick(f0, dot(view, half)) * ggx(dot(n, half), nl, nv, alpha) * nl


@kernel
def glint(n: Vector, view: Vector, sun: Doubles, f0: float) -> float:
    """Share of the window `sun` (8, see `shade.window`) that a smooth surface mirrors."""
    mirror = along(scaled(view, -1.0), 2.0 * dot(n, view), n)
    edge = clip01((dot(mirror, (sun[0], sun[1], sun[2])) - sun[6]) / sun[7])
    if edge <= 0.0:
        return 0.0
    return edge * edge * (3.0 - 2.0 * edge) * schlick(f0, dot(n, view))


@kernel
def two_lobes(n: Vector, view: Vector, way: Vector, roughness: float, size: float) -> float:
    """`highlight` of skin: a broad lobe and a narrow one."""
    nl = dot(n, way)
    if nl <= 0.0:
        return 0.0
    half = unit(along(view, 1.0, way))
    nv, nh = max(dot(n, view), 0.02), dot(n, half)
    broad = ggx(nh, nl, nv, widened(roughness, size))
    narrow = ggx(nh, nl, nv, widened(roughness * SECOND_LOBE, size))
    both = broad + SECOND_SHARE * (narrow - broad)
    return schlick(SKIN_F0, dot(view, half)) * both * nl


@kernel
def skin(
    point: Point,
    skill: Skill,
    sky: Doubles,
    lamps: Doubles,
    depths: Floats,
    places: Doubles,
    disc: Doubles,
) -> Vector:
    """Skin: a diffuse term whose terminator and shadow edges bleed red, light through thin parts,
    and two GGX lobes (roughness r and 0.6 r) with Schlick's Fresnel, f0 = 0.028."""
    place, n, relief, _, view, albedo = point
    strength, roughness, thickness, openness = skill
    light = ambient(sky, along(scaled(n, 0.45), 0.55, relief))
    ao = (
        bounced(albedo[0], openness),
        bounced(albedo[1], openness),
        bounced(albedo[2], openness),
    )
    r, g, b = times(light, ao)
    thin = thickness < THICK
    tr, tg, tb = 0.0, 0.0, 0.0
    if thin:  # blue is lost soonest
        rest = 1.0 - thickness / THICK
        tr, tg, tb = rest * rest, rest * rest * rest, rest * rest * rest * rest
        tr, tg, tb = THROUGH[0] * tr, THROUGH[1] * tg, THROUGH[2] * tb
        back = scaled(ambient(sky, scaled(n, -1.0)), openness)
        r, g, b = r + tr * back[0], g + tg * back[1], b + tb * back[2]
    shiny = reflected(sky, relief, view, SKIN_F0, roughness, openness)
    sr, sg, sb = scaled(shiny, strength)
    for i in range(len(lamps)):
        way, colour, size, casts = lamp_of(lamps, i)
        flat, rough = dot(n, way), dot(relief, way)
        if flat > -BLEED[0]:
            seen = 1.0
            if casts:
                away = places[i, 11] + PUSH * (1.0 - max(flat, 0.0))
                seen = lit(depths[i], places[i], size, disc, place, n, away)
            if seen > 0.0:
                wide = seen * (1.35 - 0.35 * seen)
                r += colour[0] * wide * ramp(flat + RELIEF[0] * (rough - flat), BLEED[0])
                wide = seen * (1.1 - 0.1 * seen)
                g += colour[1] * wide * ramp(flat + RELIEF[1] * (rough - flat), BLEED[1])
                b += colour[2] * seen * ramp(flat + RELIEF[2] * (rough - flat), BLEED[2])
                k = seen * strength * clip01(flat * 8.0)
                k *= two_lobes(relief, view, way, roughness, size)
                sr, sg, sb = sr + k * colour[0], sg + k * colour[1], sb + k * colour[2]
        if thin and flat < 0.3:
            k = (0.3 - flat) / 1.3
            if casts:
                k *= filtered(depths[i], places[i], disc, place, EAR, 0.004)
            r, g, b = r + k * tr * colour[0], g + k * tg * colour[1], b + k * tb * colour[2]
    return r * albedo[0] + sr, g * albedo[1] + sg, b * albedo[2] + sb


@kernel
def wet(
    point: Point,
    skill: Skill,
    sky: Doubles,
    lamps: Doubles,
    depths: Floats,
    places: Doubles,
    disc: Doubles,
    sun: Doubles,
) -> Vector:
    """Eyes, teeth and tongue: a soft diffuse body under a film of water that mirrors the lamps
    sharply, the environment, and `sun` (8: direction, radiance, strength), the window that
    stands for the brightest part of the environment."""
    place, n, relief, _, view, albedo = point
    strength, roughness, _, openness = skill
    light = scaled(ambient(sky, n), openness)
    r, g, b = light
    shiny = reflected(sky, relief, view, WATER_F0, roughness, openness)
    sr, sg, sb = scaled(shiny, strength)
    k = strength * clip01(2.0 * openness) * glint(relief, view, sun, WATER_F0)
    sr, sg, sb = sr + k * sun[3], sg + k * sun[4], sb + k * sun[5]
    for i in range(len(lamps)):
        way, colour, size, casts = lamp_of(lamps, i)
        flat = dot(n, way)
        if flat <= -0.25:
            continue
        seen = 1.0
        if casts:
            away = places[i, 11] + 0.5 * PUSH
            seen = lit(depths[i], places[i], size, disc, place, n, away)
        if seen <= 0.0:
            continue
        k = seen * ramp(flat, 0.25)
        r, g, b = r + k * colour[0], g + k * colour[1], b + k * colour[2]
        k = seen * strength * highlight(relief, view, way, WATER_F0, widened(roughness, size))
        sr, sg, sb = sr + k * colour[0], sg + k * colour[1], sb + k * colour[2]
    return r * albedo[0] + sr, g * albedo[1] + sg, b * albedo[2] + sb


@kernel
def solid(
    point: Point,
    skill: Skill,
    sky: Doubles,
    lamps: Doubles,
    depths: Floats,
    places: Doubles,
    disc: Doubles,
    sun: Doubles,
    kind: int,
) -> Vector:
    """Cloth (Lambert, with a sheen of fuzz at grazing angles), gloss (Lambert under GGX), lens.

    Gloss up to strength 0.5 is a plastic of f0 = 0.08 * strength; from there to 1 it turns into a
    metal whose f0 is its albedo. A lens has f0 = 0.08 * strength and also mirrors the window.
    """
    place, n, relief, _, view, albedo = point
    strength, roughness, _, openness = skill
    nv = clip01(dot(relief, view))
    metal = clip01(2.0 * strength - 1.0) if kind == GLOSS else 0.0
    f0 = 0.08 * strength if kind == LENS else min(0.08 * strength, 0.04) * (1.0 - metal)
    fr, fg, fb = f0 + metal * albedo[0], f0 + metal * albedo[1], f0 + metal * albedo[2]
    fuzz, mirrors = 0.0, kind != CLOTH and strength > 0.0
    if kind == CLOTH:
        m = (1.0 - nv) * (1.0 - nv)
        fuzz = 0.25 * strength * m * m
    r, g, b = scaled(ambient(sky, relief), openness)
    sr, sg, sb = 0.0, 0.0, 0.0
    if mirrors:
        shiny = reflected(sky, relief, view, 0.0, roughness, openness)
        full = reflected(sky, relief, view, 1.0, roughness, openness)
        sr = shiny[0] + fr * (full[0] - shiny[0])
        sg = shiny[1] + fg * (full[1] - shiny[1])
        sb = shiny[2] + fb * (full[2] - shiny[2])
    if kind == LENS:
        k = glint(relief, view, sun, f0)
        sr, sg, sb = sr + k * sun[3], sg + k * sun[4], sb + k * sun[5]
    for i in range(len(lamps)):
        way, colour, size, casts = lamp_of(lamps, i)
        rough = dot(relief, way)
        if rough <= 0.0:
            continue
        seen = 1.0
        if casts:
            seen = lit(depths[i], places[i], size, disc, place, n, places[i, 11])
        if seen <= 0.0:
            continue
        k = seen * rough
        r, g, b = r + k * colour[0], g + k * colour[1], b + k * colour[2]
        if mirrors:
            alpha = widened(roughness, size)
            k0 = seen * highlight(relief, view, way, 0.0, alpha)
            k1 = seen * highlight(relief, view, way, 1.0, alpha) - k0
            sr += (k0 + fr * k1) * colour[0]
            sg += (k0 + fg * k1) * colour[1]
            sb += (k0 + fb * k1) * colour[2]
    body = 1.0 - metal
    return (
        r * (body * albedo[0] + fuzz) + sr,
        g * (body * albedo[1] + fuzz) + sg,
        b * (body * albedo[2] + fuzz) + sb,
    )


@kernel
def gaussian(x: float, width: float) -> float:
    """A normal density of deviation `width`."""
    return float(np.exp(-0.5 * x * x / (width * width)) / (width * 2.5066283))


@kernel
def hair(
    point: Point,
    skill: Skill,
    sky: Doubles,
    lamps: Doubles,
    depths: Floats,
    places: Doubles,
    disc: Doubles,
) -> Vector:
    """Hair: Kajiya and Kay's (1989) diffuse fibre; highlights after Marschner et al. 2003 in the
    terms of Karis 2016 ("Physically Based Hair Shading in Unreal"): a white one shifted to the
    root, a coloured one shifted to the tip (Scheuermann 2004) and light passing through from
    behind."""
    place, n, _, tangent, view, albedo = point
    strength, roughness, _, openness = skill
    root = (np.sqrt(albedo[0]), np.sqrt(albedo[1]), np.sqrt(albedo[2]))
    deep = openness * (0.3 + 0.7 * openness)
    sky_n = unit(along(n, 0.5, view))
    r, g, b = scaled(ambient(sky, sky_n), deep)
    up = mirrored(sky, unit(along(n, -dot(n, tangent), tangent)), 0.6)
    sr, sg, sb = scaled(up, 0.04 * strength * deep)
    beta = max(roughness * roughness, 0.03)
    tv = dot(tangent, view)
    cos_v = np.sqrt(max(1.0 - tv * tv, 1e-4))
    for i in range(len(lamps)):
        way, colour, _, casts = lamp_of(lamps, i)
        seen = 1.0
        if casts:
            seen = filtered(depths[i], places[i], disc, place, 0.002, HAIR_DEPTH)
        if seen < 1e-3:
            continue
        tl = dot(tangent, way)
        cos_l = np.sqrt(max(1.0 - tl * tl, 1e-4))
        phi = (dot(view, way) - tl * tv) / (cos_l * cos_v)  # cosine of the azimuth between them
        phi = min(max(phi, -1.0), 1.0)
        body = seen * cos_l * clip01(0.35 + 0.65 * dot(n, way))
        first = gaussian(tl + tv + 0.07, beta) * 0.25 * np.sqrt(0.5 + 0.5 * phi)
        first *= schlick(0.046, np.sqrt(clip01(0.5 + 0.5 * dot(view, way))))
        third = gaussian(tl + tv - 0.14, 2.0 * beta) * np.exp(17.0 * phi - 16.78) * 0.5
        through = gaussian(tl + tv - 0.035, 0.5 * beta + 0.05) * np.exp(-3.65 * phi - 3.98) * 0.5
        k = seen * strength * 3.1415927 * openness
        white, tint = k * first, k * (third + through)
        r, g, b = r + body * colour[0], g + body * colour[1], b + body * colour[2]
        sr += (white + tint * root[0]) * colour[0]
        sg += (white + tint * root[1]) * colour[1]
        sb += (white + tint * root[2]) * colour[2]
    return r * albedo[0] + sr, g * albedo[1] + sg, b * albedo[2] + sb
