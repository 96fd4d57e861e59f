"""What makes one person's skin theirs, drawn once and kept for life.

Ageing is no new draw: marks and lines carry the age they appear at, and `skin_bake.bake` shows
the skin at any age. The spreads are a generator's, chosen so that the colours fall where
skins have been measured; they say nothing of real populations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.lab.world.skin_lines import sample_lines
from fusiform.lab.world.skin_marks import Marks, sample_marks
from fusiform.lab.world.skin_zones import ZONES, Z
from fusiform.lab.world.traits import Traits

Floats = NDArray[np.float32]

# Per ancestry (african, asian, european): medians of the volume fraction of melanin, its spread
# (log), and the median of yellow pigment
MELANIN = (0.21, 0.052, 0.026)
MELANIN_SPREAD = (0.42, 0.36, 0.42)
CAROTENE = (0.04, 0.075, 0.03)
# Zone: melanin mean and spread, blood mean and spread, oxygen (all added to logs; oxygen to share)
COLOURS: dict[str, tuple[float, float, float, float, float]] = {
    "cheek": (0.00, 0.07, 0.36, 0.22, 0.02),
    "flush": (0.00, 0.08, 0.16, 0.16, 0.0),
    "nose": (0.00, 0.07, 0.34, 0.22, 0.0),
    "wing": (0.04, 0.06, 0.38, 0.20, 0.0),
    "bridge": (0.02, 0.06, 0.05, 0.10, 0.0),
    "crease": (0.06, 0.08, 0.22, 0.15, 0.0),
    "forehead": (0.10, 0.10, -0.04, 0.14, 0.0),
    "glabella": (0.03, 0.06, 0.05, 0.10, 0.0),
    "temple": (0.05, 0.09, -0.08, 0.10, 0.0),
    "lid": (0.08, 0.14, 0.16, 0.18, -0.08),
    "circle": (0.10, 0.15, 0.10, 0.16, -0.20),
    "corner": (0.02, 0.08, 0.25, 0.15, -0.05),
    "muzzle": (0.03, 0.08, 0.02, 0.12, 0.0),
    "chin": (0.00, 0.06, 0.10, 0.14, 0.0),
    "beard": (0.00, 0.04, 0.00, 0.06, 0.0),
    "moustache": (0.02, 0.06, 0.00, 0.06, 0.0),
    "neck": (-0.08, 0.10, -0.12, 0.12, 0.0),
    "ear": (0.00, 0.08, 0.38, 0.25, 0.0),
    "upper_lip": (0.0, 0.0, 0.0, 0.0, 0.0),
    "lower_lip": (0.0, 0.0, 0.0, 0.0, 0.0),
}


@dataclass(frozen=True)
class Lips:
    """`melanin`, `blood`: added to the logs over the red of the lips; `upper`: more melanin on
    the upper lip; `edge`: width of the border in metres; `wander`: how far it strays, metres;
    `furrows`: depth of the upright furrows, 0..1; `gloss` 0..1."""

    melanin: float
    blood: float
    upper: float
    edge: float
    wander: float
    furrows: float
    gloss: float


@dataclass(frozen=True)
class Patch:
    """A large birthmark or vitiligo: within `reach` metres of `spot` (azimuth in degrees, height
    in metres), ragged by noise; `both`: mirrored. Adds to the logs of melanin and blood."""

    spot: tuple[float, float]
    reach: float
    melanin: float
    blood: float
    both: bool


@dataclass(frozen=True, eq=False)
class Skin:
    """A person's skin. `seed` of all its patterns; `melanin` and `blood`: volume fractions;
    `oxygen`: share; `carotene`: optical density. `zone_melanin`, `zone_blood`, `zone_oxygen`
    (len(ZONES),): added where each zone is. `blotches` (5,): deviation of the logs in patches of
    50, 22, 9, 4 and 1.5 mm; `vessels`, `pores`, `oil`, `sun`, `veins`: 0..1; `tilt` (2,): left
    minus right, of the logs of melanin and blood. `marks`: moles, freckles, spots, scars.
    `lines` (f, 6): see `skin_lines`. `shadow` 0..1: how much a shaven beard shows through."""

    seed: int
    melanin: float
    blood: float
    oxygen: float
    carotene: float
    zone_melanin: Floats
    zone_blood: Floats
    zone_oxygen: Floats
    blotches: Floats
    tilt: Floats
    vessels: float
    pores: float
    oil: float
    sun: float
    veins: float
    shadow: float
    lips: Lips
    marks: Marks
    lines: Floats
    patch: Patch | None = None


def _zones(rng: np.random.Generator, deep: float) -> tuple[Floats, Floats, Floats]:
    """Shifts per zone. `deep` 0..1: in dark skin lids, circles and mouth are darker still."""
    spec = np.array([COLOURS[name] for name in ZONES])
    draw = 1.4 * np.clip(rng.standard_normal((2, len(ZONES))), -2.0, 2.0)
    # cheeks and nose redden together, by an amount of their own for each person
    ruddy = np.clip(rng.normal(0, 0.7), -1.2, 1.8)
    melanin = spec[:, 0] + spec[:, 1] * draw[0]
    blood = spec[:, 2] + spec[:, 3] * (0.75 * draw[1] + 0.65 * ruddy)
    oxygen = spec[:, 4] * np.clip(rng.normal(1, 0.4), 0.2, 2)
    for name, more in (("lid", 0.15), ("circle", 0.20), ("muzzle", 0.15), ("crease", 0.12)):
        melanin[Z[name]] += more * deep * rng.uniform(0, 2)
    melanin[Z["circle"]] += 0.35 * max(0.0, rng.uniform(-1, 1)) ** 2
    return melanin.astype(np.float32), blood.astype(np.float32), oxygen.astype(np.float32)


def _lips(rng: np.random.Generator, deep: float) -> Lips:
    return Lips(
        melanin=float(np.clip(rng.normal(-0.05 - 0.30 * deep, 0.30 + 0.12 * deep), -0.85, 0.6)),
        blood=float(np.clip(rng.normal(1.10 + 0.25 * deep, 0.36), 0.45, 2.0)),
        upper=float(np.clip(rng.normal(0.10 + 0.35 * deep, 0.08 + 0.1 * deep), 0, 0.8)),
        edge=float(rng.uniform(0.0012, 0.0030)),
        wander=float(rng.uniform(0.0002, 0.0007)),
        furrows=float(rng.uniform(0.2, 1.0)),
        gloss=float(rng.uniform(0.0, 0.6)),
    )


def _patch(rng: np.random.Generator) -> Patch | None:
    """One in 150 has a port-wine stain or a large brown mark, one in 250 vitiligo."""
    chance = rng.random()
    spot = (float(rng.uniform(-55, 55)), float(rng.uniform(-0.09, 0.05)))
    reach = float(rng.uniform(0.012, 0.035))
    if chance < 1 / 300:
        return Patch(spot, reach, 0.0, float(rng.uniform(0.5, 1.1)), False)
    if chance < 2 / 300:
        return Patch(spot, reach * 0.7, float(rng.uniform(0.3, 0.8)), 0.1, False)
    if chance < 2 / 300 + 1 / 250:
        return Patch(spot, reach, -2.5, 0.0, True)
    return None


def sample_skin(rng: np.random.Generator, traits: Traits) -> Skin:
    """Draw a skin for `traits`. The same generator state gives the same skin; `traits.age` has no
    part in it, so one person can be shown at any age."""
    share = np.asarray(traits.ancestry)
    spread = float(share @ MELANIN_SPREAD) + 0.25 * float(1 - share.max())
    melanin = np.exp(share @ np.log(MELANIN) + spread * np.clip(rng.standard_normal(), -2, 1.8))
    melanin = float(np.clip(melanin, 0.006, 0.46))
    deep = float(np.clip(np.log(melanin / 0.04) / np.log(0.3 / 0.04), 0, 1))
    fair = 1 - deep
    blood = 0.0120 * np.exp(0.22 * np.clip(rng.standard_normal(), -2, 2)) * (1 + 0.12 * traits.male)
    zone_melanin, zone_blood, zone_oxygen = _zones(rng, deep)
    uneven = np.array([0.11, 0.115, 0.10, 0.085, 0.07]) * np.exp(0.35 * rng.standard_normal(5))
    sun = float(rng.beta(1.6, 2.5))
    seed = int(rng.integers(1 << 31))
    return Skin(
        seed=seed,
        melanin=melanin,
        blood=float(blood),
        oxygen=float(np.clip(rng.normal(0.75, 0.04), 0.62, 0.88)),
        carotene=float(np.clip(share @ CAROTENE * np.exp(0.4 * rng.standard_normal()), 0, 0.25)),
        zone_melanin=zone_melanin,
        zone_blood=zone_blood,
        zone_oxygen=zone_oxygen,
        blotches=uneven.astype(np.float32),
        tilt=(rng.standard_normal(2) * [0.03, 0.05]).astype(np.float32),
        vessels=float(rng.beta(1.5, 3.5) * (0.3 + 0.7 * fair)),
        pores=float(np.clip(rng.normal(0.42 + 0.12 * traits.male, 0.18), 0.05, 1)),
        oil=float(np.clip(rng.normal(0.45, 0.2), 0, 1)),
        sun=sun,
        veins=float(rng.beta(1.3, 3) * fair),
        shadow=float(traits.male * np.clip(rng.normal(0.5, 0.25), 0.05, 1)),
        lips=_lips(rng, deep),
        marks=sample_marks(rng, fair, sun, float(share[2])),
        lines=sample_lines(rng),
        patch=_patch(rng),
    )
