"""Paper and screens close up: halftone dots, ink, stripes of red, green and blue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.world.filters import clouds, soften
from fusiform.lab.world.painting import paint, shapes

Floats = NDArray[np.float32]
Random = np.random.Generator

# Light that solid inks on white paper give back (linear; clean inks).
INKS = np.array([[0.04, 0.4, 0.7], [0.7, 0.05, 0.28], [0.9, 0.82, 0.06]], np.float32)
BLACK = np.float32(0.025)
PAPER = np.array([0.88, 0.87, 0.84], np.float32)
SCREEN_ANGLES = (15.0, 75.0, 0.0, 45.0)  # Cyan, magenta, yellow, black: the customary set.


@dataclass(frozen=True)
class Touch:
    """Where on the sheet each sample of a picture lies: `where` (h, w, 2) metres, and how many
    metres of it a `pixel` of the final image sees."""

    where: Floats
    pixel: float
    width: float
    height: float


def separate(light: Floats) -> Floats:
    """(h, w, 4): the shares of paper that cyan, magenta, yellow and black ink cover, 0..1.

    Each of the three inks answers for its complementary colour (Murray-Davies: the share a with
    1 - a + a ink = light), and black takes over half of what all three have in common.
    """
    dark = np.array([INKS[0, 0], INKS[1, 1], INKS[2, 2]], np.float32)
    cover = np.clip((1 - np.clip(light, 0, 1)) / (1 - dark), 0, 1)
    black = np.float32(0.5) * cover.min(2, keepdims=True)
    # What black hides need not be covered again.
    rest = np.clip((cover - black) / np.maximum(1 - black, np.float32(1e-3)), 0, 1)
    return np.concatenate([rest, black], 2)


def inked(cover: Floats) -> Floats:
    """(h, w, 3): light given back by `PAPER` under inks of these shares (h, w, 4)."""
    paper = np.broadcast_to(PAPER, (*cover.shape[:2], 3)).copy()
    for i in range(3):
        paper *= 1 - cover[..., i : i + 1] * (1 - INKS[i])
    return np.asarray(paper * (1 - cover[..., 3:] * (1 - BLACK)), np.float32)


def dots(cover: Floats, where: Floats, pitch: float) -> Floats:
    """`cover` (h, w, 4) as round dots, one each `pitch` metres, in the four customary angles."""
    result = np.empty_like(cover)
    for i, angle in enumerate(SCREEN_ANGLES):
        turn = np.radians(angle)
        x = (where[..., 0] * np.cos(turn) + where[..., 1] * np.sin(turn)) * (2 * np.pi / pitch)
        y = (where[..., 1] * np.cos(turn) - where[..., 0] * np.sin(turn)) * (2 * np.pi / pitch)
        # Ranked so that any threshold is passed by its own share of the paper, nearly.
        hill = 0.5 + 0.25 * (np.cos(x) + np.cos(y))
        level = np.clip(0.5 + 1.18 * (hill - 0.5) - 0.72 * (hill - 0.5) ** 3, 0, 1)
        result[..., i] = np.clip(0.5 + 6 * (cover[..., i] - level), 0, 1)
        result[..., i] *= cover[..., i] > 0.01
    return result


def offset(rng: Random, seen: Floats, touch: Touch) -> tuple[Floats, dict[str, float]]:
    """A magazine's or laser printer's print of linear light `seen` (h, w, 3): halftone dots."""
    pitch = touch.pixel * float(rng.uniform(0.6, 2.0))
    crisp = np.float32(rng.uniform(0.25, 0.9))
    faded = seen ** np.float32(rng.uniform(0.8, 1.1))
    cover = separate(faded)
    cover = cover + crisp * (dots(cover, touch.where, pitch) - cover)
    return inked(cover), {"pitch": pitch, "crisp": float(crisp)}


def inkjet(rng: Random, seen: Floats, touch: Touch) -> tuple[Floats, dict[str, float]]:
    """An inkjet print of linear light `seen` (h, w, 3): fine grain, bands, a smaller gamut."""
    h, w = seen.shape[:2]
    faded = seen ** np.float32(rng.uniform(0.75, 1.05))
    grey = faded.mean(2, keepdims=True)
    faded = grey + (faded - grey) * np.float32(rng.uniform(0.6, 1.0))
    bands = np.cos(touch.where[..., 1:] * np.float32(2 * np.pi / (touch.pixel * 7)))
    grain = rng.standard_normal((h, w, 4), np.float32) * np.float32(rng.uniform(0.02, 0.1))
    strength = np.float32(rng.uniform(0, 0.015))
    cast = rng.normal(1, 0.05, 4).astype(np.float32)
    cover = np.clip(separate(faded) * cast + grain * np.float32(0.5) + strength * bands, 0, 1)
    return inked(cover), {"grain": float(grain.std()), "bands": float(strength)}


def displayed(rng: Random, seen: Floats, touch: Touch) -> tuple[Floats, dict[str, float]]:
    """A screen that shows linear light `seen` (h, w, 3): stripes, lines, backlight, flicker.

    The stripes are about as wide as the samples lie apart, so the regular grid beats with the
    camera's: moire, as perspective bends it.
    """
    h = seen.shape[0]
    spacing = touch.pixel / 2
    ratio = float(rng.choice([1.0, 1.5, 2.0, 3.0])) * float(rng.uniform(0.93, 1.07))
    pitch = spacing * ratio
    depth = float(rng.uniform(0.03, 0.35))
    tone = np.exp(rng.normal(0, 0.06, 3) + np.array([-0.03, 0, 0.06])).astype(np.float32)
    leak = np.float32(rng.uniform(0.002, 0.02))
    lit = (seen * (1 - leak) + leak) * tone
    x, y = touch.where[..., 0] / np.float32(pitch), touch.where[..., 1] / np.float32(pitch)
    stripe = np.stack([((x - i / 3) % 1 < 0.3).astype(np.float32) for i in range(3)], -1) / 0.3
    gap = (y % 1 < 0.85).astype(np.float32)[..., None] / 0.85
    grid = 1 + np.float32(depth) * (stripe * gap - 1)
    rows = np.arange(h, dtype=np.float32)[:, None, None] / h
    start, count, strength = rng.random(), float(rng.uniform(0.5, 3)), float(rng.uniform(0, 0.25))
    band = 1 - strength * (0.5 + 0.5 * np.cos(2 * np.pi * (count * rows + start))) ** 4
    centre = np.array([touch.width, touch.height], np.float32)
    fall = 1 - 0.25 * ((touch.where / centre) ** 2).sum(-1, keepdims=True)
    shown = lit * grid * band * np.maximum(fall, 0.3) * np.float32(rng.uniform(0.6, 1.3))
    done = {"pitch": pitch, "stripes": depth, "flicker": strength, "leak": float(leak)}
    return np.asarray(soften(np.asarray(shown, np.float32), 0.6), np.float32), done


def sheen(rng: Random, h: int, w: int) -> Floats:
    """(h, w, 3): what a shiny surface mirrors: a bright window or lamp, out of focus."""
    x, y = rng.uniform(-0.2, 1.2) * w / h, rng.uniform(-0.2, 1.0)
    size = rng.uniform(0.1, 0.5, 2)
    kind: Literal["box", "oval"] = "box" if rng.random() < 0.5 else "oval"
    white = np.array([1, 0.98, 0.92]) * rng.uniform(0.8, 2.5)
    shape = shapes(
        kind, x - size[0], y - size[1], x + size[0], y + size[1], white, 0.8, 1, size.min()
    )
    smear = np.maximum(1 + 0.2 * clouds(rng, h, w, 0.4 * h, 2), 0)
    return np.asarray(paint(np.zeros((h, w, 3), np.float32), shape, h) * smear, np.float32)
