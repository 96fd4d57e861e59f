"""A camera: what its lens, sensor and software make of linear light.

In order: coloured fringes, defocus, motion blur, fall-off towards the corners, exposure, colour
filters, photon and read noise, white balance, demosaicing, noise reduction, saturation, tone
curve, contrast, sharpening, eight bits, JPEG. No step moves the picture: labels stay exact.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.kernel import kernel
from fusiform.lab.world.filters import convolve, disc, gaussian, motion
from fusiform.lab.world.srgb import LUMINANCE, encode, to_bytes

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Random = np.random.Generator

MID_GREY = 0.18
# The sRGB curve at 8193 even steps; linear between them, 2e-5 off at most.
CURVE = encode(np.linspace(0, 1, 8193))


@dataclass(frozen=True)
class Sensor:
    """All settings of a camera; as built it does nothing but the sRGB curve.

    `exposure`: stops. `auto`: how far automatic exposure goes towards mid grey, 0 off .. 1.
    `balance` (red, green, blue): gains that make the raw colours neutral (green 1; red and blue
    are noisier for it). `cast`: colour error left after it. `defocus`: radius, pixels. `motion`:
    length, pixels, along `motion_angle`, degrees. `fringe`: pixels by which red lies outside and
    blue inside at the corners. `vignette`: tan² of the field angle at the corners. `shot`, `read`:
    a raw value v (1 = saturated) has noise of variance `shot` v + `read`². `mosaic`: one colour a
    pixel (RGGB), interpolated. `denoise`: sigma, pixels. `saturation`: 1 keeps. `knee`: values
    above it are bent towards white instead of clipped, 1 off. `contrast`: -1..1, 0 keeps.
    `sharpen`: strength of the halo. `mono`: black and white. `jpeg`: quality 1..95, 0 off.
    """

    exposure: float = 0.0
    auto: float = 0.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    cast: tuple[float, float, float] = (1.0, 1.0, 1.0)
    defocus: float = 0.0
    motion: float = 0.0
    motion_angle: float = 0.0
    fringe: float = 0.0
    vignette: float = 0.0
    shot: float = 0.0
    read: float = 0.0
    mosaic: bool = False
    denoise: float = 0.0
    saturation: float = 1.0
    knee: float = 1.0
    contrast: float = 0.0
    sharpen: float = 0.0
    mono: bool = False
    jpeg: int = 0

    @staticmethod
    def clean() -> Sensor:
        """A camera that does nothing but the sRGB curve."""
        return Sensor()


def expose(
    image: Floats, sensor: Sensor, rng: Random, meter: Floats | None = None, pack: bool = True
) -> Bytes:
    """uint8 (h, w, 3) sRGB: the photo `sensor` takes of `image` (h, w, 3), linear light.

    `meter` (h, w), 0 or more: where automatic exposure looks; the middle where None. `pack`:
    False leaves the JPEG step out, for those who store the JPEG themselves (`jpeg`).
    """
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ChoiceError("image", "(h, w, 3), at least 1 x 1", image.shape)
    plain = np.ascontiguousarray(image, np.float32)
    developed = develop(capture(plain, sensor, rng, meter), sensor)
    return jpeg(developed, sensor.jpeg) if sensor.jpeg and pack else developed


def capture(image: Floats, sensor: Sensor, rng: Random, meter: Floats | None = None) -> Floats:
    """(h, w, 3): linear light as the sensor reads it, white balanced, 1 = saturated."""
    light = lens(image, sensor)
    gain = 2.0**sensor.exposure
    if sensor.auto > 0:
        gain *= metered(light, meter) ** sensor.auto
    noisy = sensor.shot > 0 or sensor.read > 0
    if not (noisy or sensor.mosaic or sensor.vignette or gain != 1 or sensor.cast != (1, 1, 1)):
        return light
    h, w = light.shape[:2]
    planes = 1 if sensor.mosaic else 3
    noise = np.zeros((1, 1, 1), np.float32)
    if noisy:
        noise = normals(rng, (h, w, planes))
    filters = np.float32(gain) / np.asarray(sensor.balance, np.float32)
    back = np.asarray(sensor.balance, np.float32) * np.asarray(sensor.cast, np.float32)
    settings = (float(sensor.vignette), float(sensor.shot), float(sensor.read) ** 2)
    read = _read(light, noise, filters, back, settings, planes == 1, noisy)
    linear = _demosaic(read) if sensor.mosaic else read
    return gaussian(linear, sensor.denoise) if sensor.denoise > 0 else linear


def develop(linear: Floats, sensor: Sensor) -> Bytes:
    """uint8 (h, w, 3): balanced linear values through colour, tone and sharpening."""
    if sensor.saturation == 1 and sensor.knee >= 1 and sensor.contrast == 0 and not sensor.mono:
        stored = encode(linear)
    else:
        saturation = 0.0 if sensor.mono else float(sensor.saturation)
        knee, contrast = float(min(sensor.knee, 1)), float(sensor.contrast)
        stored = _tone(linear, saturation, knee, contrast, CURVE)
    if sensor.sharpen > 0:
        stored = convolve(stored, halo_kernel(sensor.sharpen))
    return to_bytes(stored)


def lens(image: Floats, sensor: Sensor) -> Floats:
    """(h, w, 3): `image` behind the lens: fringes, defocus and motion, no fall-off yet."""
    seen = image
    if sensor.fringe > 0:
        seen = _fringe(seen, sensor.fringe)
    if sensor.defocus > 0:
        seen = disc(seen, sensor.defocus)
    if sensor.motion > 0:
        seen = motion(seen, sensor.motion, sensor.motion_angle)
    return seen


def halo_kernel(strength: float) -> Floats:
    """(3, 3), sum 1: an unsharp mask: the picture plus `strength` times what a small blur takes."""
    line = np.array([0.25, 0.5, 0.25])
    kernel = -strength * np.outer(line, line)
    kernel[1, 1] += 1 + strength
    return kernel.astype(np.float32)


def metered(image: Floats, meter: Floats | None = None) -> float:
    """The gain that brings `image` to mid grey: by the mean of the logarithm of its luminance,
    weighted by `meter` (h, w) or towards the middle; 1/16..16, less where highlights would go."""
    h, w = image.shape[:2]
    step = max(1, min(h, w) // 40)
    few = image[::step, ::step].astype(np.float64)
    luminance = np.maximum(np.einsum("hwc,c->hw", few, LUMINANCE), 0)
    if meter is None:
        y, x = (np.linspace(-1, 1, n) for n in luminance.shape)
        weight = np.exp(-2 * (y[:, None] ** 2 + x[None] ** 2))
    else:
        weight = meter[::step, ::step].astype(np.float64) + 1e-6
    share = weight / weight.sum()
    mean = np.exp((share * np.log(luminance + 1e-3)).sum())
    rms = np.sqrt((share * luminance**2).sum())
    return float(np.clip(min(MID_GREY / mean, 0.45 / max(rms, 1e-6)), 1 / 16, 16))


def jpeg(image: Bytes, quality: int, subsampling: str = "4:2:0") -> Bytes:
    """`image` (h, w, 3) packed as JPEG of `quality` (1..95) and read again."""
    packed = io.BytesIO(jpeg_bytes(image, quality, subsampling))
    with Image.open(packed) as picture:
        return np.asarray(picture.convert("RGB"))


def jpeg_bytes(image: Bytes, quality: int, subsampling: str = "4:2:0") -> bytes:
    """The JPEG file of `image` (h, w, 3). Raises ChoiceError for a quality outside 1..95."""
    if not 1 <= quality <= 95:
        raise ChoiceError("quality", "1 to 95", quality)
    buffer = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.save(buffer, "JPEG", quality=int(quality), subsampling=subsampling)
    return buffer.getvalue()


def normals(rng: Random, shape: tuple[int, ...]) -> Floats:
    """Normal numbers (mean 0, spread 1, at most 4.3) of `shape`: each one of 65,536 quantiles,
    which is three times faster than `standard_normal`."""
    picks = np.frombuffer(rng.bytes(2 * math.prod(shape)), "<u2")
    return np.asarray(_quantiles()[picks].reshape(shape), np.float32)


@lru_cache(maxsize=1)
def _quantiles() -> Floats:
    """Of the normal distribution (65536,), at the middles of as many equal shares."""
    middles = (np.arange(32768) + 0.5) / 65536
    low = np.array([NormalDist().inv_cdf(share) for share in middles], np.float32)
    return np.concatenate([low, -low[::-1]])


@kernel
def _read(
    light: Floats,
    noise: Floats,
    filters: Floats,
    back: Floats,
    settings: tuple[float, float, float],
    mosaic: bool,
    noisy: bool,
) -> Floats:
    """Raw values, noise added and balanced; (h, w, 1) behind a mosaic, else (h, w, 3)."""
    h, w = light.shape[:2]
    field, shot, read = np.float32(settings[0]), np.float32(settings[1]), np.float32(settings[2])
    result = np.empty((h, w, 1 if mosaic else 3), np.float32)
    one, zero = np.float32(1), np.float32(0)
    corner = np.float32(0.25 * (h * h + w * w))
    for y in range(h):
        v = (y + np.float32(0.5) - np.float32(0.5) * h) ** 2
        for x in range(w):
            u = (x + np.float32(0.5) - np.float32(0.5) * w) ** 2
            # The cosine-fourth law, with tan² of the angle growing as the squared radius.
            fall = one / (one + field * (u + v) / corner) ** 2
            for k in range(1 if mosaic else 3):
                c = (y & 1) + (x & 1) if mosaic else k
                raw = min(max(light[y, x, c] * fall * filters[c], zero), one)
                if noisy:
                    raw += noise[y, x, k] * np.sqrt(shot * raw + read)
                    raw = min(raw, one)
                result[y, x, k] = raw * back[c]
    return result


@kernel
def _demosaic(raw: Floats) -> Floats:
    """(h, w, 3) from an RGGB mosaic (h, w, 1): each colour the mean of its nearest neighbours."""
    h, w = raw.shape[:2]
    result = np.empty((h, w, 3), np.float32)
    half, quarter = np.float32(0.5), np.float32(0.25)
    for y in range(h):
        # Mirrored about the border pixel: the colours of the mosaic go on in turn.
        up, down = max(y - 1, 1 - y, 0), y + 1 if y + 1 < h else max(y - 1, 0)
        up = min(up, h - 1)
        for x in range(w):
            left, right = min(max(x - 1, 1 - x, 0), w - 1), x + 1 if x + 1 < w else max(x - 1, 0)
            own = raw[y, x, 0]
            across = half * (raw[y, left, 0] + raw[y, right, 0])
            along = half * (raw[up, x, 0] + raw[down, x, 0])
            c = (y & 1) + (x & 1)
            if c == 1:
                red_row = (y & 1) == 0
                result[y, x, 0] = across if red_row else along
                result[y, x, 1] = own
                result[y, x, 2] = along if red_row else across
            else:
                corners = raw[up, left, 0] + raw[up, right, 0]
                corners += raw[down, left, 0] + raw[down, right, 0]
                result[y, x, c] = own
                result[y, x, 1] = half * (across + along)
                result[y, x, 2 - c] = quarter * corners
    return result


@kernel
def _tone(linear: Floats, saturation: float, knee: float, contrast: float, curve: Floats) -> Floats:
    h, w = linear.shape[:2]
    result = np.empty((h, w, 3), np.float32)
    keep, bend, push = np.float32(saturation), np.float32(knee), np.float32(contrast)
    one, zero, steps = np.float32(1), np.float32(0), len(curve) - 1
    for y in range(h):
        for x in range(w):
            r, g, b = linear[y, x, 0], linear[y, x, 1], linear[y, x, 2]
            grey = np.float32(0.2126) * r + np.float32(0.7152) * g + np.float32(0.0722) * b
            for c in range(3):
                v = grey + keep * (linear[y, x, c] - grey)
                if v > bend and bend < one:
                    # Straight up to the knee, then an exponential approach to white.
                    v = one - (one - bend) * np.exp(-(v - bend) / (one - bend))
                v = min(max(v, zero), one)
                at = v * steps
                i = min(int(at), steps - 1)
                s = curve[i] + (at - i) * (curve[i + 1] - curve[i])
                # A cubic that fixes black, white and the middle.
                s += push * s * (one - s) * (2 * s - one)
                result[y, x, c] = s
    return result


@kernel
def _fringe(image: Floats, pixels: float) -> Floats:
    """Red enlarged and blue shrunk about the middle by `pixels` at the corners, bilinear."""
    h, w = image.shape[:2]
    result = image.copy()
    reach = np.float32(0.5 * np.sqrt(h * h + w * w))
    for c in range(0, 3, 2):
        scale = np.float32(1) + np.float32(c - 1) * np.float32(pixels) / reach
        for y in range(h):
            v = (y - np.float32(0.5) * (h - 1)) * scale + np.float32(0.5) * (h - 1)
            v = min(max(v, np.float32(0)), np.float32(h - 1))
            j = min(int(v), max(h - 2, 0))
            below, f = min(j + 1, h - 1), v - j
            for x in range(w):
                u = (x - np.float32(0.5) * (w - 1)) * scale + np.float32(0.5) * (w - 1)
                u = min(max(u, np.float32(0)), np.float32(w - 1))
                i = min(int(u), max(w - 2, 0))
                right, e = min(i + 1, w - 1), u - i
                top = image[j, i, c] + e * (image[j, right, c] - image[j, i, c])
                low = image[below, i, c] + e * (image[below, right, c] - image[below, i, c])
                result[y, x, c] = top + f * (low - top)
    return result
