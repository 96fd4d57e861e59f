"""A person's skin as a texture: colour from pigments, relief from pores and lines, gloss.

Every pattern is a function of the place on the mean head and the person's seed, and fades out
where texels are too coarse for it: the same person at every size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import Head
from fusiform.lab.geometry.scene import Texture
from fusiform.lab.world.atlas import Atlas, atlas
from fusiform.lab.world.atlas_chart import chart, place
from fusiform.lab.world.makeup import Makeup, apply
from fusiform.lab.world.noise import sample
from fusiform.lab.world.skin import Skin
from fusiform.lab.world.skin_colour import colour_table
from fusiform.lab.world.skin_lines import add_lines
from fusiform.lab.world.skin_marks import NOTHING, add_marks
from fusiform.lab.world.skin_texels import assembled, pigments, root, surface
from fusiform.lab.world.skin_zones import Z, zones

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Roots:
    """Hair as it sits in the skin, 0..1 each: `stubble` of beard and moustache, `scalp` shaven,
    `brow` under the brows; `colour` (3,): its albedo."""

    stubble: float = 0.0
    scalp: float = 0.0
    brow: float = 0.25
    colour: tuple[float, float, float] = (0.035, 0.025, 0.02)


def _aged(skin: Skin, age: float) -> tuple[Floats, Floats, Floats, float]:
    """Base and zone weights at `age`, and how worn the skin is (0..1)."""
    late = float(np.clip((age - 35) / 50, 0, 1))
    young = float(np.clip((18 - age) / 13, 0, 1))
    worn = late * (0.55 + 0.45 * skin.sun)
    base = np.array([np.log(skin.melanin), np.log(skin.blood), skin.oxygen, 0.0])
    base[0] += 0.10 * worn - 0.06 * young
    base[1] += -0.10 * late + 0.05 * young
    base[2] -= 0.03 * late
    base[3] = skin.vessels * (0.35 + 1.1 * late) * (1 - 0.8 * young)
    weight = np.stack([skin.zone_melanin, skin.zone_blood, skin.zone_oxygen])
    weight = weight * np.array([1 + 0.6 * worn - 0.4 * young, 1 + 0.3 * worn, 1.0])[:, None]
    # a factor on much melanin changes the colour more than one on little
    gentle = 1 / (1 + skin.melanin / 0.13)
    weight[0] *= 1.2 * gentle
    weight[0, Z["circle"]] += 0.14 * late * gentle
    weight[1, Z["circle"]] += 0.10 * late
    weight[2, Z["circle"]] -= 0.06 * late
    weight[1, [Z["cheek"], Z["flush"]]] += 0.12 * young
    blotch = (
        np.minimum(skin.blotches, 0.16) * (1 + 0.5 * worn - 0.45 * young) * (0.4 + 0.6 * gentle)
    )
    return base.astype(np.float32), weight.astype(np.float32), blotch.astype(np.float32), worn


def _broad(head: Head, skin: Skin, blotch: Floats) -> Floats:
    """Per vertex (n, 3): melanin and blood of the widest blotches and of the difference between
    the sides, and the second wave itself. So wide that vertices are close enough."""
    wide = sample(head.mean, 0.040, skin.seed, "value")
    second = sample(head.mean, 0.022, skin.seed + 1)
    side = np.clip(head.mean[:, 0] / 0.05, -1, 1)
    melanin = blotch[0] * wide + 0.35 * blotch[1] * second + skin.tilt[0] * side
    blood = blotch[1] * (second - 0.5 * wide) + skin.tilt[1] * side
    return np.stack([melanin, blood, second], axis=1).astype(np.float32)


def _patch_place(head: Head, skin: Skin) -> Floats:
    out = np.zeros(7, np.float32)
    if skin.patch is not None:
        spot = place(chart(head), np.array([skin.patch.spot]))[0]
        if np.isfinite(spot).all():
            out[:3], out[3] = spot, skin.patch.reach
            out[4:] = skin.patch.melanin, skin.patch.blood, float(skin.patch.both)
    return out


def _hairy(
    place_: Atlas, zone: Floats, skin: Skin, age: float, roots: Roots
) -> tuple[Floats, Floats]:
    """Cover and haze (k,) of whiskers, shaven scalp and brow roots."""
    none = np.zeros(len(zone), np.float32)
    cover, haze = none.copy(), none
    adult = float(np.clip((age - 14) / 8, 0, 1))
    below = adult * (0.20 * skin.shadow + 0.12 * roots.stubble)
    if below > 0 or roots.stubble > 0:
        whiskers = np.maximum(zone[:, Z["beard"]], zone[:, Z["moustache"]]) * (place_.lip < 0)
        cover += np.float32(0.30 * roots.stubble) * whiskers
        haze = np.float32(below) * whiskers
    if roots.scalp > 0 and "hairline" in place_.masks:
        above = np.clip(place_.masks["hairline"] / np.float32(0.016) + np.float32(0.5), 0, 1)
        above = above * (place_.masks.get("scalp", none) > 0.02)
        cover += np.float32(0.28 * roots.scalp) * above
        haze = haze + np.float32(0.18 * roots.scalp) * above
    if roots.brow > 0 and "brow" in place_.masks:
        cover += np.float32(0.25 * roots.brow) * place_.masks["brow"]
        haze = haze + np.float32(0.3 * roots.brow) * place_.masks["brow"]
    return cover, haze


def bake(
    head: Head,
    skin: Skin,
    age: float,
    expression: Mapping[str, float] | None = None,
    makeup: Makeup | None = None,
    roots: Roots | None = None,
    size: int = 256,
) -> Texture:
    """The skin of a person at `age` (years) as a `size` x `size` texture.

    `expression`: weights by ARKit name, which deepen lines. `makeup`: laid over it all, see
    `makeup.apply`. `roots`: hair in the skin. Raises ChoiceError for an age outside 0 to 120 or a
    size outside 16 to 4096.
    """
    if not 0 <= age <= 120:
        raise ChoiceError("age", "0 to 120 years", age)
    here, hair = atlas(head, size), roots or Roots()
    out = bare(head, skin, age, tuple(sorted((expression or {}).items())), size).copy()
    cover, haze = _hairy(here, zones(head, here).share, skin, age, hair)
    colour = np.asarray(hair.colour, np.float32)
    root(here.position, here.texel, cover, haze, colour, skin.seed + 40, out)
    if makeup is not None:
        apply(out, head, here, makeup)
    plain = out[::16].mean(axis=0) * np.array([1, 1, 1, 0, 0, 1, 1, 1], np.float32)
    return Texture(assembled(here.index, out, plain), here.labels)


@lru_cache(maxsize=4)
def bare(
    head: Head, skin: Skin, age: float, expression: tuple[tuple[str, float], ...], size: int
) -> Floats:
    """The skin's texels (k, 8) without hair or make-up, read-only; the latest are kept, for other
    days of the same person."""
    here = atlas(head, size)
    zone = zones(head, here)
    base, weight, blotch, worn = _aged(skin, age)
    extra = np.zeros((len(here.triangle), 5), np.float32)
    scratch = np.full((len(here.triangle), 4), NOTHING, np.float32)
    add_marks(extra, scratch, head, here, skin.marks, age, skin.veins)
    add_lines(extra, scratch, head, here, skin.lines, age, dict(expression))
    out = np.zeros((len(here.triangle), 8), np.float32)
    lips = skin.lips
    late = float(np.clip((age - 40) / 45, 0, 1))
    mouth = np.array(
        [lips.melanin, lips.blood * (1 - 0.35 * late), lips.upper, lips.edge, lips.wander],
        np.float32,
    )
    edges = (here.position, here.texel, here.region, here.lip, here.lid, here.mouth)
    pigments(
        *(*edges, head.triangles, here.triangle, here.barycentric),
        *(zone.share, zone.start, zone.named, zone.part, extra, _broad(head, skin, blotch)),
        *(weight, base, blotch, mouth, _patch_place(head, skin), skin.seed),
        *(colour_table(skin.carotene), out),
    )
    traits = np.array([skin.pores, skin.oil * (1 - 0.5 * worn), worn, lips.furrows, lips.gloss])
    surface(
        *(*edges, np.ascontiguousarray(zone.share[:, Z["cheek"]]), zone.oily, zone.thin, extra),
        *(here.along_u, here.along_v, traits.astype(np.float32), skin.seed, out),
    )
    out.setflags(write=False)
    return out
