"""The colour of skin from what is in it: melanin above, blood below.

Two layers, as in Jimenez et al. 2010 (A practical appearance model for dynamic facial colour)
and Donner and Jensen 2006, but in closed form: light crosses an epidermis that only absorbs,
twice, and comes back from a dermis without end. The reflectance is integrated over daylight
(D65) and the CIE 1931 observer to linear sRGB.

Recipe: melanin absorbs 494 /cm at 550 nm (Jacques 1998), bloodless skin 0.7 of his
0.244 + 85.3 exp(-(l - 154) / 66.2) /cm; scattering 46 (l / 500)^-1.421 /cm (Jacques 2013);
haemoglobin after Prahl's tabulation at 150 g/l; total diffuse reflectance of a deep medium after
Jensen et al. 2001; observer after Wyman et al. 2013 (multi-lobe fit). Three numbers are fitted so
that skins from L* 70 to 32 come out at measured a* and b*: melanin falls as l^-1.7 and not l^-3.33,
since it lies in clumps that light passes between, 0.7 above, and 2.5 % whitish light from the
horny layer.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

WAVES = np.arange(400.0, 701.0, 10.0)
# Molar extinction, /(cm M), 400 to 700 nm in steps of 10: with oxygen and without
OXY = np.array(
    """266232 466840 480360 246072 102580 62816 44480 33209 26629 23684 20933 20035 24202 39957
    53236 43016 32613 44496 50104 14401 3200 1506 942 610 442 368 320 294 278 276 290""".split(),
    float,
)
DEOXY = np.array(
    """223296 303956 407560 528600 413280 103292 23389 16156 14550 16684 20862 25774 31590 39036
    46592 53412 53788 45072 37020 28324 14677 9444 6510 5149 4345 3750 3227 2795 2408 2052
    1794""".split(),
    float,
)
D65 = np.array(
    """82.75 91.49 93.43 86.68 104.86 117.01 117.81 114.86 115.92 108.81 109.35 107.80 104.79
    107.69 104.41 104.05 100.00 96.33 95.79 88.69 90.01 89.60 87.70 83.29 83.70 80.03 80.21 82.28
    78.28 69.72 71.61""".split(),
    float,
)
TO_RGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
EPIDERMIS = 0.006  # cm
HORNY = 0.025  # share of light that comes back before any pigment
INDEX = 1.4
# The table's axes: natural logarithms of volume fractions, and oxygen saturation
MELANIN = (float(np.log(0.004)), float(np.log(0.60)))
BLOOD = (float(np.log(0.0008)), float(np.log(0.20)))
OXYGEN = (0.3, 1.0)
STEPS = 32


def _observer() -> Doubles:
    """CIE 1931 colour matching functions (3, w) at WAVES."""

    def lobe(mean: float, left: float, right: float) -> Doubles:
        return np.exp(-0.5 * ((WAVES - mean) * np.where(mean > WAVES, left, right)) ** 2)

    x = 0.362 * lobe(442.0, 0.0624, 0.0374) + 1.056 * lobe(599.8, 0.0264, 0.0323)
    x -= 0.065 * lobe(501.1, 0.0490, 0.0382)
    y = 0.821 * lobe(568.8, 0.0213, 0.0247) + 0.286 * lobe(530.9, 0.0613, 0.0322)
    z = 1.217 * lobe(437.0, 0.0845, 0.0278) + 0.681 * lobe(459.0, 0.0385, 0.0725)
    return np.stack([x, y, z])


def _weights() -> Doubles:
    """(w, 3): reflectance at WAVES to linear sRGB; a perfect white gives exactly (1, 1, 1)."""
    rgb = (TO_RGB @ (_observer() * D65)).T
    return np.asarray(rgb / rgb.sum(axis=0))


def _plain() -> Doubles:
    """Absorption (w,) of skin with neither melanin nor blood, /cm."""
    return np.asarray(0.7 * (0.244 + 85.3 * np.exp(-(WAVES - 154.0) / 66.2)))


def epidermis(melanin: Doubles) -> Doubles:
    """Share (..., w) of light that crosses twice, for melanosome volume fractions (...)."""
    dark = 494.0 * (WAVES / 550.0) ** -1.7
    fraction = melanin[..., None]
    return np.asarray(np.exp(-2 * EPIDERMIS * (fraction * dark + (1 - fraction) * _plain())))


def dermis(blood: Doubles, oxygen: Doubles) -> Doubles:
    """Share (..., w) of light a dermis without end gives back, for blood volume fractions (...)
    and the share of its haemoglobin that carries oxygen (...)."""
    extinction = oxygen[..., None] * OXY + (1 - oxygen[..., None]) * DEOXY
    red = 2.303 * 150.0 / 64500.0 * extinction
    absorbed = blood[..., None] * red + (1 - blood[..., None]) * _plain()
    scattered = 46.0 * (WAVES / 500.0) ** -1.421
    alpha = scattered / (scattered + absorbed)
    inside = -1.440 / INDEX**2 + 0.710 / INDEX + 0.668 + 0.0636 * INDEX
    mismatch = (1 + inside) / (1 - inside)
    root = np.sqrt(3 * (1 - alpha))
    return np.asarray(alpha / 2 * (1 + np.exp(-4 / 3 * mismatch * root)) * np.exp(-root))


@cache
def _layers() -> tuple[Doubles, Doubles]:
    blood, oxygen = np.exp(np.linspace(*BLOOD, STEPS)), np.array(OXYGEN)
    below = dermis(blood[:, None], np.broadcast_to(oxygen, (STEPS, 2)))
    return epidermis(np.exp(np.linspace(*MELANIN, STEPS))), below.reshape(2 * STEPS, -1)


def _carotene(amount: float) -> Doubles:
    """Share (w,) left by carotene of optical density `amount` at its peak (two lobes)."""
    lobes = np.exp(-0.5 * ((WAVES - 452) / 22) ** 2) + 0.8 * np.exp(
        -0.5 * ((WAVES - 482) / 14) ** 2
    )
    return np.asarray(np.exp(-amount * lobes))


def colour_table(carotene: float) -> Floats:
    """Albedo (STEPS, STEPS, 2, 3) float32, linear: log melanin over MELANIN, log blood over
    BLOOD, oxygen at OXYGEN. `carotene`: optical density of yellow pigment, 0 to about 0.5."""
    above, below = _layers()
    weights = _weights() * _carotene(carotene)[:, None]
    light = above[:, None, None, :] * below.reshape(STEPS, 2, -1)
    table = (HORNY + (1 - HORNY) * light) @ weights
    return np.clip(table, 0.002, 1.0).reshape(STEPS, STEPS, 2, 3).astype(np.float32)


def albedo(melanin: Doubles, blood: Doubles, oxygen: Doubles, carotene: float) -> Doubles:
    """Linear RGB (..., 3), 0..1, of skin with these fractions (...), without the table."""
    light = HORNY + (1 - HORNY) * epidermis(melanin) * dermis(blood, oxygen)
    return np.clip((light * _carotene(carotene)) @ _weights(), 0.0, 1.0)


def lab(rgb: Floats | Doubles) -> Doubles:
    """CIE L*a*b* (..., 3) for D65 of linear sRGB (..., 3)."""
    xyz = np.asarray(rgb, np.float64) @ np.linalg.inv(TO_RGB).T
    xyz = xyz / np.linalg.inv(TO_RGB).sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def typology(colours: Doubles) -> Doubles:
    """Individual typology angle (...) in degrees of L*a*b* (..., 3) (Chardon et al. 1991): above
    55 very light, 41 light, 28 intermediate, 10 tan, -30 brown, below that dark."""
    return np.asarray(np.degrees(np.arctan2(colours[..., 0] - 50, colours[..., 2])))
