"""Hair colour from melanin, with grey strands, sun-bleached tips and dye."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError

Floats = NDArray[np.float32]

# absorption of one unit of melanin for red, green and blue light: d'Eon et al. 2011, "An
# Energy-Conserving Hair Reflectance Model", section 6.1
EUMELANIN = np.array([0.419, 0.697, 1.37])
PHEOMELANIN = np.array([0.187, 0.4, 1.05])
ROUGHNESS = 0.3  # azimuthal, of ordinary hair: Chiang et al. 2016
SHEEN = 0.007  # light turned back by the cuticle, whatever the pigment
WHITE = np.array([0.36, 0.345, 0.32])
SOFT = 0.8  # a ribbon stands for many hairs

# linear colours for the rare dyed head
DYES = {
    "platinum": (0.62, 0.52, 0.36),
    "copper": (0.30, 0.075, 0.014),
    "burgundy": (0.085, 0.008, 0.014),
    "blue": (0.02, 0.07, 0.26),
    "green": (0.03, 0.17, 0.08),
    "pink": (0.55, 0.13, 0.26),
    "purple": (0.1, 0.03, 0.2),
    "jet": (0.008, 0.007, 0.008),
    "honey": (0.26, 0.14, 0.05),
}


def melanin_colour(eumelanin: NDArray[np.generic], pheomelanin: NDArray[np.generic]) -> Floats:
    """Linear RGB (..., 3) of hair holding these amounts of pigment (..., each >= 0).

    The albedo of a mass of fibres whose absorption is `s` is `exp(-sqrt(s) * D)` with D a
    polynomial in the roughness: Chiang et al. 2016, "A Practical and Controllable Hair and Fur
    Model for Production Path Tracing", equation 9, solved for the colour. Black hair has about
    1.6 of eumelanin, brown 0.6, blond 0.08; red hair 0.5 of pheomelanin (Marschner et al. 2003
    measure how light runs through such fibres). Raises ChoiceError for a negative amount.
    """
    e, p = np.asarray(eumelanin, np.float64), np.asarray(pheomelanin, np.float64)
    if e.min(initial=0) < 0 or p.min(initial=0) < 0:
        raise ChoiceError("melanin", "at least 0", float(min(e.min(), p.min())))
    b = ROUGHNESS
    depth = 5.969 - 0.215 * b + 2.532 * b**2 - 10.73 * b**3 + 5.574 * b**4 + 0.245 * b**5
    absorbed = e[..., None] * EUMELANIN + p[..., None] * PHEOMELANIN
    bright = np.exp(-np.sqrt(absorbed) * depth)
    return np.asarray(SHEEN + (0.72 - SHEEN) * bright, np.float32)


def grey_share(age: float, onset: float, pace: float = 18.0) -> float:
    """Share (0..1) of white hairs at `age` years: half of them `pace` years after `onset`."""
    x = (age - onset - pace) / (pace * 0.36)
    share = 1 / (1 + np.exp(-x))
    return float(max(0.0, share - 0.05) / 0.95)


def white_share(grey: float, chance: Floats) -> Floats:
    """How white each of n ribbons is, 0..1, given `chance` (n,) uniform: `grey` on average.

    The share falls from 1 to 0 over a width of SOFT in `chance`, about a middle set so that the
    mean is `grey` even where the slope is cut off at an end.
    """
    if grey < SOFT / 2:
        end = np.sqrt(2 * SOFT * max(grey, 0.0))
    elif grey > 1 - SOFT / 2:
        end = 1 + SOFT - np.sqrt(2 * SOFT * max(1 - grey, 0.0))
    else:
        end = grey + SOFT / 2
    return np.asarray(np.clip((end - chance) / SOFT, 0, 1), np.float32)


def strand_colours(
    eumelanin: float,
    pheomelanin: float,
    grey: float,
    dye: tuple[float, float, float] | None,
    chance: Floats,
    steps: int,
    dye_from: float = 0.0,
) -> Floats:
    """Linear RGB (n, steps, 3) along n strands, root to tip.

    `chance` (n, 4), uniform in 0..1, makes strands differ: how much of a strand is white (`grey`
    on average), its melanin, its lightness and its warmth. Tips are lighter than roots. `dye`
    replaces the colour from `dye_from` (share of the length) on, as when roots have grown out.
    """
    n = len(chance)
    along = np.linspace(0, 1, steps, dtype=np.float32)[None, :, None]
    spread = np.exp(0.55 * (chance[:, 1] - 0.5) * 2).astype(np.float64)
    warm = np.exp(0.35 * (chance[:, 3] - 0.5) * 2).astype(np.float64)
    base = melanin_colour(eumelanin * spread, pheomelanin * spread * warm)
    white = white_share(grey, chance[:, 0])[:, None]
    pale = (WHITE * (0.8 + 0.4 * chance[:, 1:2])).astype(np.float32)
    base = base + (pale - base) * white
    light = (0.8 + 0.4 * chance[:, 2]).astype(np.float32)
    out = np.repeat((base * light[:, None])[:, None], steps, axis=1)
    tips = melanin_colour(eumelanin * spread * 0.72, pheomelanin * spread * warm * 0.8)
    tips = tips + (pale - tips) * white
    out += (tips * light[:, None] - base * light[:, None])[:, None] * along**1.5
    if dye is not None:
        tone = (
            np.array(dye, np.float32)
            * light[:, None]
            * np.exp(0.25 * (chance[:, 1:2] - 0.5)).astype(np.float32)
        )
        share = np.clip((along - dye_from) / 0.12 + (1.0 if dye_from <= 0 else 0.0), 0, 1)
        out += (tone[:, None] - out) * share
    return np.ascontiguousarray(out.reshape(n, steps, 3), np.float32)
