"""The materials of `materials`, in PyTorch: the same formulas for n points at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fusiform.lab.geometry import materials as plain
from fusiform.lab.geometry.scene import Material
from fusiform.lab.geometry.shadow import HAIR_DEPTH
from fusiform.lab.geometry.shadow_torch import Maps, filtered, lit

TINY = 1e-6


class Point(NamedTuple):
    """What n groups of samples show. Vectors and colours (n, 3), numbers (n,)."""

    place: Tensor
    normal: Tensor
    relief: Tensor
    tangent: Tensor
    view: Tensor
    albedo: Tensor
    strength: Tensor
    roughness: Tensor
    thickness: Tensor
    openness: Tensor


class Light(NamedTuple):
    """`sky` (9, 3) prepared environment; `sun` (8,) see `shade.window`; `lamps` (L, 8)."""

    sky: Tensor
    sun: Tensor
    lamps: Tensor
    shadows: Maps


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products (n,)."""
    return (a * b).sum(-1)


def unit(a: Tensor) -> Tensor:
    """Vectors at length 1."""
    return a * torch.rsqrt(dot(a, a) + 1e-20)[..., None]


def harmonics(sky: Tensor, n: Tensor, first: Tensor | float, second: Tensor | float) -> Tensor:
    """A prepared environment (9, 3) in directions n (k, 3), bands 1 and 2 weighted; >= 0."""
    x, y, z = n.unbind(-1)
    one = torch.as_tensor(first, dtype=n.dtype, device=n.device)
    two = torch.as_tensor(second, dtype=n.dtype, device=n.device)
    terms = [torch.ones_like(x), one * y, one * z, one * x, two * x * y, two * y * z]
    terms += [two * (3.0 * z * z - 1.0), two * x * z, two * (x * x - y * y)]
    return (torch.stack(terms, -1) @ sky).clamp(min=0)


def ambient(sky: Tensor, n: Tensor) -> Tensor:
    """Irradiance / pi (k, 3) of surfaces that face n."""
    return harmonics(sky, n, 2.0 / 3.0, 0.25)


def mirrored(sky: Tensor, r: Tensor, roughness: Tensor | float) -> Tensor:
    """Radiance (k, 3) about directions r, blurred."""
    r2 = torch.as_tensor(roughness, dtype=r.dtype, device=r.device) ** 2
    return harmonics(sky, r, 1.0 - r2 / 3.0, 1.0 - 0.75 * r2)


def bounced(albedo: Tensor, openness: Tensor) -> Tensor:
    """Coloured openness (k, 3), see `brdf.bounced`."""
    a, b = 2.0404 * albedo - 0.3324, 4.7951 * albedo - 0.6417
    c, o = 2.7552 * albedo + 0.6903, openness[:, None]
    return torch.maximum(o, ((o * a - b) * o + c) * o)


def ramp(cosine: Tensor, width: float) -> Tensor:
    """See `brdf.ramp`."""
    soft = (cosine + width) * (cosine + width) / (4.0 * width)
    return torch.where(cosine >= width, cosine, torch.where(cosine <= -width, 0.0, soft))


def schlick(f0: Tensor | float, cosine: Tensor) -> Tensor:
    """See `brdf.schlick`."""
    return f0 + (1.0 - f0) * (1.0 - cosine).clamp(0, 1) ** 5


def ggx(nh: Tensor, nl: Tensor, nv: Tensor, alpha: Tensor) -> Tensor:
    """See `brdf.ggx`."""
    a2 = alpha * alpha
    d = nh * nh * (a2 - 1.0) + 1.0
    first, second = nv * nv * (1.0 - a2) + a2, nl * nl * (1.0 - a2) + a2
    v = nl * torch.sqrt(first) + nv * torch.sqrt(second)
    return a2 / (d * d) * 0.5 / v.clamp(min=1e-6)


def shine(f0: Tensor | float, nv: Tensor, roughness: Tensor) -> Tensor:
    """See `brdf.shine`."""
    rest = 1.0 - roughness
    a = torch.minimum(rest * rest, (1.0 - nv) ** 5) * rest + 0.0425 - 0.0275 * roughness
    scale, bias = 1.04 - 0.572 * roughness - 1.04 * a, 0.022 * roughness - 0.04 + 1.04 * a
    return (f0 * scale + bias).clamp(min=0)


def widened(roughness: Tensor, size: Tensor) -> Tensor:
    """See `materials.widened`."""
    alpha = (roughness * roughness).clamp(min=0.002)
    return torch.sqrt(alpha * alpha + 0.25 * size * size).clamp(max=1.0)


def reflected(sky: Tensor, p: Point, f0: Tensor | float) -> Tensor:
    """See `materials.reflected`: (k, 3)."""
    nv = dot(p.relief, p.view)
    hidden = nv.clamp(min=0) + p.openness
    shown = (hidden * hidden - 1.0 + p.openness).clamp(0, 1)
    k = shine(f0, nv.clamp(min=0), p.roughness) * shown
    return mirrored(sky, 2.0 * nv[:, None] * p.relief - p.view, p.roughness) * k[:, None]


def lobe(p: Point, way: Tensor, size: Tensor, f0: Tensor | float, double: bool = False) -> Tensor:
    """See `materials.highlight` and, if `double`, `materials.two_lobes`: (k,)."""
    nl = dot(p.relief, way)
    half = unit(p.view + way)
    nv, nh = dot(p.relief, p.view).clamp(min=0.02), dot(p.relief, half)
    peak = ggx(nh, nl, nv, widened(p.roughness, size))
    if double:
        narrow = ggx(nh, nl, nv, widened(p.roughness * plain.SECOND_LOBE, size))
        peak = peak + plain.SECOND_SHARE * (narrow - peak)
    return torch.where(nl > 0, schlick(f0, dot(p.view, half)) * peak * nl, 0.0)


def glint(p: Point, sun: Tensor, f0: Tensor | float) -> Tensor:
    """See `materials.glint`: (k,)."""
    nv = dot(p.relief, p.view)
    mirror = 2.0 * nv[:, None] * p.relief - p.view
    edge = ((mirror @ sun[:3] - sun[6]) / sun[7]).clamp(0, 1)
    return edge * edge * (3.0 - 2.0 * edge) * schlick(f0, nv)


def visible(light: Light, i: int, p: Point, disc: Tensor, push: Tensor | float) -> Tensor:
    """Share (n,) of lamp i that reaches the points; `push` metres are added to a texel's step."""
    if not light.lamps[i, 7] > 0:
        return torch.ones_like(p.strength)
    away = light.shadows.places[i, 11] + torch.as_tensor(push).double()
    away = away.expand(len(p.place)) if away.ndim == 0 else away
    size = light.lamps[i, 6].detach()
    seen = lit(light.shadows, i, size, disc, p.place, p.normal, away)
    return seen.to(p.place.dtype)


def skin(p: Point, light: Light, disc: Tensor) -> Tensor:
    """See `materials.skin`: (n, 3)."""
    total = ambient(light.sky, 0.45 * p.normal + 0.55 * p.relief) * bounced(p.albedo, p.openness)
    rest = (1.0 - p.thickness / plain.THICK).clamp(min=0)[:, None]
    power = torch.tensor([2.0, 3.0, 4.0], dtype=rest.dtype, device=rest.device)
    through = rest.new_tensor(plain.THROUGH) * rest**power
    total = total + through * ambient(light.sky, -p.normal) * p.openness[:, None]
    shiny = reflected(light.sky, p, plain.SKIN_F0) * p.strength[:, None]
    for i, lamp in enumerate(light.lamps):
        way, colour, size = lamp[:3], lamp[3:6], lamp[6]
        flat, rough = p.normal @ way, p.relief @ way
        seen = visible(light, i, p, disc, plain.PUSH * (1.0 - flat.detach().clamp(min=0)))
        seen = torch.where(flat > -plain.BLEED[0], seen, 0.0)
        wide = (seen * (1.35 - 0.35 * seen), seen * (1.1 - 0.1 * seen), seen)
        for_each = zip(wide, plain.RELIEF, plain.BLEED, strict=True)
        soft = [s * ramp(flat + share * (rough - flat), width) for s, share, width in for_each]
        total = total + torch.stack(soft, 1) * colour
        k = seen * p.strength * (flat * 8.0).clamp(0, 1)
        k = k * lobe(p, way, size, plain.SKIN_F0, double=True)
        shiny = shiny + k[:, None] * colour
        k = ((0.3 - flat) / 1.3).clamp(min=0)
        if lamp[7] > 0:
            k = k * filtered(light.shadows, i, disc, p.place, plain.EAR, 0.004).to(k.dtype)
        total = total + k[:, None] * through * colour
    return total * p.albedo + shiny


def wet(p: Point, light: Light, disc: Tensor) -> Tensor:
    """See `materials.wet`: (n, 3)."""
    total = ambient(light.sky, p.normal) * p.openness[:, None]
    shiny = reflected(light.sky, p, plain.WATER_F0) * p.strength[:, None]
    k = p.strength * (2.0 * p.openness).clamp(0, 1) * glint(p, light.sun, plain.WATER_F0)
    shiny = shiny + k[:, None] * light.sun[3:6]
    for i, lamp in enumerate(light.lamps):
        way, colour, size = lamp[:3], lamp[3:6], lamp[6]
        flat = p.normal @ way
        seen = torch.where(flat > -0.25, visible(light, i, p, disc, 0.5 * plain.PUSH), 0.0)
        total = total + (seen * ramp(flat, 0.25))[:, None] * colour
        k = seen * p.strength * lobe(p, way, size, plain.WATER_F0)
        shiny = shiny + k[:, None] * colour
    return total * p.albedo + shiny


def solid(p: Point, light: Light, disc: Tensor, kind: int) -> Tensor:
    """See `materials.solid`: (n, 3)."""
    metal = (2.0 * p.strength - 1.0).clamp(0, 1) if kind == plain.GLOSS else 0.0 * p.strength
    f0 = 0.08 * p.strength
    if kind != plain.LENS:
        f0 = f0.clamp(max=0.04) * (1.0 - metal)
    tinted = f0[:, None] + metal[:, None] * p.albedo
    fuzz = 0.0 * metal
    if kind == plain.CLOTH:
        fuzz = 0.25 * p.strength * (1.0 - dot(p.relief, p.view).clamp(0, 1)) ** 4
    mirrors = (p.strength > 0).to(p.place.dtype)[:, None] * float(kind != plain.CLOTH)
    total = ambient(light.sky, p.relief) * p.openness[:, None]
    none, full = reflected(light.sky, p, 0.0), reflected(light.sky, p, 1.0)
    shiny = mirrors * (none + tinted * (full - none))
    if kind == plain.LENS:
        shiny = shiny + glint(p, light.sun, f0)[:, None] * light.sun[3:6]
    for i, lamp in enumerate(light.lamps):
        way, colour, size = lamp[:3], lamp[3:6], lamp[6]
        rough = p.relief @ way
        seen = torch.where(rough > 0, visible(light, i, p, disc, 0.0), 0.0)
        total = total + (seen * rough)[:, None] * colour
        none = lobe(p, way, size, 0.0)
        full = lobe(p, way, size, 1.0)
        k = none[:, None] + tinted * (full - none)[:, None]
        shiny = shiny + mirrors * seen[:, None] * k * colour
    return total * ((1.0 - metal)[:, None] * p.albedo + fuzz[:, None]) + shiny


def _gaussian(x: Tensor, width: Tensor) -> Tensor:
    return torch.exp(-0.5 * x * x / (width * width)) / (width * 2.5066283)


def hair(p: Point, light: Light, disc: Tensor) -> Tensor:
    """See `materials.hair`: (n, 3)."""
    root = torch.sqrt(p.albedo.clamp(min=TINY))
    deep = p.openness * (0.3 + 0.7 * p.openness)
    total = ambient(light.sky, unit(p.normal + 0.5 * p.view)) * deep[:, None]
    across = unit(p.normal - dot(p.normal, p.tangent)[:, None] * p.tangent)
    shiny = mirrored(light.sky, across, 0.6) * (0.04 * p.strength * deep)[:, None]
    beta = (p.roughness * p.roughness).clamp(min=0.03)
    tv = dot(p.tangent, p.view)
    cos_v = torch.sqrt((1.0 - tv * tv).clamp(min=1e-4))
    for i, lamp in enumerate(light.lamps):
        way, colour = lamp[:3], lamp[3:6]
        seen = torch.ones_like(tv)
        if lamp[7] > 0:
            seen = filtered(light.shadows, i, disc, p.place, 0.002, HAIR_DEPTH).to(tv.dtype)
        tl = p.tangent @ way
        cos_l = torch.sqrt((1.0 - tl * tl).clamp(min=1e-4))
        vl = p.view @ way
        phi = ((vl - tl * tv) / (cos_l * cos_v)).clamp(-1 + TINY, 1)
        body = seen * cos_l * (0.35 + 0.65 * (p.normal @ way)).clamp(0, 1)
        first = _gaussian(tl + tv + 0.07, beta) * 0.25 * torch.sqrt(0.5 + 0.5 * phi)
        first = first * schlick(0.046, torch.sqrt((0.5 + 0.5 * vl).clamp(TINY, 1)))
        third = _gaussian(tl + tv - 0.14, 2.0 * beta) * torch.exp(17.0 * phi - 16.78) * 0.5
        passed = torch.exp(-3.65 * phi - 3.98) * 0.5
        through = _gaussian(tl + tv - 0.035, 0.5 * beta + 0.05) * passed
        k = seen * p.strength * 3.1415927 * p.openness
        tinted = (k * (third + through))[:, None] * root
        total = total + body[:, None] * colour
        shiny = shiny + ((k * first)[:, None] + tinted) * colour
    return total * p.albedo + shiny


def answer(kind: int, p: Point, light: Light, disc: Tensor) -> Tensor:
    """Light (n, 3) from points of material number `kind` (or LENS)."""
    if kind == Material.SKIN:
        return skin(p, light, disc)
    if kind in (Material.EYE, Material.MOUTH):
        return wet(p, light, disc)
    if kind == Material.HAIR:
        return hair(p, light, disc)
    return solid(p, light, disc, kind)
