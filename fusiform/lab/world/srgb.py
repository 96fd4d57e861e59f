"""Linear sRGB colours of lights, and the curve between linear light and stored values."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
XYZ_TO_SRGB = np.array(  # IEC 61966-2-1
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)


def encode(linear: ArrayLike) -> Floats:
    """sRGB values 0..1 of linear light, clipped to 0..1 (IEC 61966-2-1). Any shape."""
    x = np.clip(np.asarray(linear, np.float32), 0, 1)
    bent = np.float32(1.055) * x ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(x <= np.float32(0.0031308), np.float32(12.92) * x, bent)


def decode(stored: ArrayLike) -> Floats:
    """Linear light of sRGB values 0..1, or of uint8 0..255 (IEC 61966-2-1). Any shape."""
    x = np.asarray(stored)
    if x.dtype == np.uint8:
        return np.asarray(TABLE[x])
    x = x.astype(np.float32)
    bent = ((x + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(x <= np.float32(0.04045), x / np.float32(12.92), bent)


TABLE = decode(np.arange(256) / 255.0)


def to_bytes(stored: Floats) -> NDArray[np.uint8]:
    """uint8 of sRGB values 0..1, rounded to the nearest, halves up."""
    return (np.clip(stored, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def kelvin(temperature: float) -> Doubles:
    """(3,): the linear sRGB colour of a black body, luminance 1, none below 0.

    Krystek 1985, "An algorithm to calculate correlated colour temperature", Color Research &
    Application 10(1), within 1000..15000 K. Raises ChoiceError outside.
    """
    t = float(temperature)
    if not 1000 <= t <= 15000:
        raise ChoiceError("temperature", "1000 to 15000 kelvin", temperature)
    u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t * t) / (
        1 + 8.42420235e-4 * t + 7.08145163e-7 * t * t
    )
    v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t * t) / (
        1 - 2.89741816e-5 * t + 1.61456053e-7 * t * t
    )
    return from_xy(3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4))


def daylight(temperature: float) -> Doubles:
    """(3,): the linear sRGB colour of daylight of 4000..25000 K, luminance 1 (CIE 15:2004)."""
    t = float(temperature)
    if not 4000 <= t <= 25000:
        raise ChoiceError("temperature", "4000 to 25000 kelvin", temperature)
    if t <= 7000:
        x = -4.6070e9 / t**3 + 2.9678e6 / t**2 + 0.09911e3 / t + 0.244063
    else:
        x = -2.0064e9 / t**3 + 1.9018e6 / t**2 + 0.24748e3 / t + 0.237040
    return from_xy(x, -3.0 * x * x + 2.870 * x - 0.275)


def from_xy(x: float, y: float) -> Doubles:
    """(3,): linear sRGB of luminance 1 with CIE chromaticity x, y; none below 0."""
    colour = np.maximum(XYZ_TO_SRGB @ [x / y, 1.0, (1 - x - y) / y], 0.0)
    return np.asarray(colour / (colour @ LUMINANCE))
