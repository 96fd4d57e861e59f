"""Make-up as removable layers over bare skin.

Applied from first to last: foundation, contour, highlight, blush, shadow, liner, brow, lipstick,
paint. A layer is a pattern on the face (0..1), a strength, a colour and a gloss; with all
strengths 0 the texture is the bare one, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import REGIONS, Head
from fusiform.lab.world.atlas import Atlas
from fusiform.lab.world.makeup_patterns import PATTERNS, STYLES, canvas
from fusiform.lab.world.traits import Traits

Floats = NDArray[np.float32]
Rgb = tuple[float, float, float]

ORDER = tuple(STYLES)
LOOKS = ("natural", "evening", "smoky", "cat-eye", "festival", "disguise")
RELIEF_HIDDEN = 0.35  # share of the fine relief a full cover of foundation fills
# Linear RGB
LIPS: tuple[Rgb, ...] = (
    *((0.42, 0.015, 0.025), (0.30, 0.02, 0.05), (0.50, 0.10, 0.12), (0.45, 0.18, 0.15)),
    *((0.20, 0.01, 0.04), (0.12, 0.01, 0.03), (0.55, 0.08, 0.06), (0.50, 0.05, 0.16)),
    *((0.33, 0.11, 0.08), (0.16, 0.04, 0.02)),
)
SHADOWS: tuple[Rgb, ...] = (
    *((0.22, 0.12, 0.08), (0.08, 0.04, 0.03), (0.35, 0.20, 0.15), (0.30, 0.12, 0.14)),
    *((0.10, 0.08, 0.14), (0.05, 0.12, 0.20), (0.06, 0.16, 0.10), (0.40, 0.27, 0.10)),
)
PAINTS: tuple[Rgb, ...] = (
    *((0.80, 0.80, 0.78), (0.01, 0.01, 0.012), (0.02, 0.08, 0.45), (0.60, 0.02, 0.02)),
    *((0.70, 0.50, 0.02), (0.02, 0.35, 0.10), (0.55, 0.03, 0.35), (0.05, 0.45, 0.55)),
)
DARK: Rgb = (0.012, 0.010, 0.010)


@dataclass(frozen=True)
class Layer:
    """`name` in ORDER; `style` in STYLES[name]; `strength` 0..1; `colour` linear RGB; `gloss`
    0 (powder) .. 1 (wet); `relative`: the colour counts in units of the wearer's even skin colour,
    which is what foundation or rouge is bought to match; `seed` of patterns drawn by chance.

    Raises ChoiceError for anything else.
    """

    name: str
    style: str
    strength: float
    colour: Rgb
    gloss: float = 0.2
    relative: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in ORDER:
            raise ChoiceError("Layer.name", ORDER, self.name)
        if self.style not in STYLES[self.name]:
            raise ChoiceError(f"Layer.style of {self.name}", STYLES[self.name], self.style)
        if not 0 <= self.strength <= 1:
            raise ChoiceError("Layer.strength", "0 to 1", self.strength)


@dataclass(frozen=True)
class Makeup:
    """`layers`, applied in ORDER whatever order they come in; `mascara` 0..1 (for the lashes)."""

    layers: tuple[Layer, ...] = ()
    mascara: float = 0.0


def without(makeup: Makeup, *names: str) -> Makeup:
    """`makeup` less the layers of these `names`; "mascara" counts as one."""
    left = tuple(layer for layer in makeup.layers if layer.name not in names)
    return replace(makeup, layers=left, mascara=0.0 if "mascara" in names else makeup.mascara)


def coverages(head: Head, atlas: Atlas, makeup: Makeup) -> list[tuple[Layer, Floats]]:
    """The layers that show, in the order they are applied, each with its coverage (k,), 0..1."""
    seen = [layer for layer in makeup.layers if layer.strength > 0]
    if not seen:
        return []
    ground = canvas(head, atlas)
    found = []
    for layer in sorted(seen, key=lambda layer: ORDER.index(layer.name)):
        cover = PATTERNS[layer.name](ground, layer.style, layer.seed) * np.float32(layer.strength)
        found.append((layer, np.asarray(cover, np.float32)))
    return found


def layers(
    head: Head, atlas: Atlas, makeup: Makeup, own: Rgb = (0.4, 0.3, 0.2)
) -> list[tuple[str, Floats, Rgb]]:
    """(name, coverage (h, w) 0..1, colour) of each layer that shows, in order of application.
    `own`: the wearer's even skin colour."""
    return [
        (layer.name, np.asarray(atlas.spread(cover), np.float32), _colour(layer, own))
        for layer, cover in coverages(head, atlas, makeup)
    ]


def _colour(layer: Layer, own: Rgb) -> Rgb:
    if not layer.relative:
        return layer.colour
    r, g, b = (min(1.0, c * o) for c, o in zip(layer.colour, own, strict=True))
    return (r, g, b)


def apply(texels: Floats, head: Head, atlas: Atlas, makeup: Makeup) -> None:
    """Lay `makeup` over `texels` (k, 8), the channels of scene.Texture, in place."""
    shown = coverages(head, atlas, makeup)
    if not shown:
        return
    face = atlas.region == REGIONS.index("face")
    r, g, b = (float(x) for x in texels[face][::7, :3].mean(axis=0, dtype=np.float64))
    for layer, cover in shown:
        where = np.flatnonzero(cover > 0)
        c = cover[where, None]
        under = texels[where]
        under[:, :3] += c * (np.asarray(_colour(layer, (r, g, b)), np.float32) - under[:, :3])
        if layer.name in ("foundation", "paint"):
            under[:, 3:5] *= 1 - RELIEF_HIDDEN * c
        gloss = np.array([0.55 + 0.45 * layer.gloss, 0.58 - 0.34 * layer.gloss], np.float32)
        under[:, 5:7] += 0.8 * c * (gloss - under[:, 5:7])
        texels[where] = under


def _look(rng: np.random.Generator, traits: Traits, boldness: float) -> str:
    """A look by boldness; men mostly stay with natural unless they are bold."""
    bold = float(np.clip(boldness + rng.normal(0, 0.12) - 0.25 * traits.male, 0, 1))
    if bold < 0.45:
        return "natural"
    if bold < 0.985:
        return str(rng.choice(["evening", "smoky", "cat-eye"]))
    return str(rng.choice(["festival", "disguise"]))


def sample_makeup(
    rng: np.random.Generator, traits: Traits, boldness: float, look: str | None = None
) -> Makeup:
    """Draw make-up. `boldness` 0 (hardly any) .. 1; `look`: one of LOOKS, or None to draw one.

    Raises ChoiceError for another look or boldness.
    """
    if not 0 <= boldness <= 1:
        raise ChoiceError("boldness", "0 to 1", boldness)
    if look is not None and look not in LOOKS:
        raise ChoiceError("look", LOOKS, look)
    chosen = look or _look(rng, traits, boldness)
    power = 0.35 + 0.65 * boldness
    rouge = (1.05, float(rng.uniform(0.55, 0.75)), float(rng.uniform(0.55, 0.8)))
    out = [
        Layer("foundation", "all", float(rng.uniform(0.2, 0.6) * power), (1, 1, 1), 0.15, True),
        Layer(
            "blush", _style(rng, "blush"), float(rng.uniform(0.2, 0.8) * power), rouge, 0.1, True
        ),
        Layer("brow", "pencil", float(rng.uniform(0, 0.4) * power), (0.05, 0.03, 0.02), 0.1),
    ]
    gloss, style = float(rng.uniform(0, 1)), _style(rng, "lipstick")
    if chosen == "natural":
        nude = (0.95, float(rng.uniform(0.45, 0.7)), float(rng.uniform(0.5, 0.75)))
        strength = float(rng.uniform(0.4, 0.8) * power)
        out.append(Layer("lipstick", style, strength, nude, gloss, True))
    else:
        out.append(Layer("lipstick", style, 0.75, _one(rng, LIPS), gloss))
        dark, light = (0.55, 0.5, 0.5), (1.5, 1.5, 1.45)
        out.append(Layer("contour", _style(rng, "contour"), 0.4 * power, dark, 0.0, True))
        out.append(Layer("highlight", "soft", 0.4 * power, light, 0.6, True))
        out += _eyes(rng, chosen)
    if chosen in ("festival", "disguise"):
        for _ in range(3 if chosen == "disguise" else 2):
            seed, style = int(rng.integers(1 << 30)), _style(rng, "paint")
            out.append(Layer("paint", style, 0.95, _one(rng, PAINTS), 0.2, False, seed))
    lashes = float(rng.uniform(0.3, 1.0)) * power if chosen != "natural" or boldness > 0.2 else 0.0
    return Makeup(tuple(out), lashes)


def _eyes(rng: np.random.Generator, look: str) -> list[Layer]:
    shade = DARK if look == "smoky" and rng.random() < 0.6 else _one(rng, SHADOWS)
    shadow = "smoky" if look == "smoky" else str(rng.choice(["lid", "crease"]))
    liner = "cat-eye" if look == "cat-eye" else str(rng.choice(["thin", "thick"]))
    return [
        Layer("shadow", shadow, float(rng.uniform(0.4, 0.8)), shade, float(rng.uniform(0, 0.5))),
        Layer("liner", liner, float(rng.uniform(0.7, 0.95)), DARK, 0.3),
    ]


def _one(rng: np.random.Generator, colours: tuple[Rgb, ...]) -> Rgb:
    return colours[int(rng.integers(len(colours)))]


def _style(rng: np.random.Generator, name: str) -> str:
    return str(rng.choice(list(STYLES[name])))
