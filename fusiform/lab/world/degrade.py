"""Ways in which a finished picture gets worse, each with a severity from 0 (none) to 1.

Every function takes a uint8 sRGB picture (h, w, 3), a generator and a severity, and says what it
did. Severity 0 returns the picture as it was. The random draws do not depend on the severity, so
one seed at growing severities is one mishap getting worse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.world.filters import clouds, convolve, gaussian, motion, resize, sample, soften
from fusiform.lab.world.painting import paint, shapes
from fusiform.lab.world.sensor import jpeg
from fusiform.lab.world.srgb import decode, encode, to_bytes

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Random = np.random.Generator


@dataclass(frozen=True)
class Degraded:
    """`image` (h, w, 3) uint8 and the `parameters` it was made with. `flow` (h, w, 2), where the
    picture's content moved: the place x, y in the old picture that each new pixel shows, minus
    its own."""

    image: Bytes
    parameters: dict[str, float]
    flow: Floats | None = field(default=None)


Degradation = Callable[[Random, Bytes, float], Degraded]


def degrade(image: Bytes, kind: str, rng: Random, severity: float) -> Degraded:
    """`image` (h, w, 3) uint8 after the mishap `kind`, one of KINDS; `severity` 0..1.

    Raises ChoiceError for an unknown kind, a severity out of range or another kind of picture.
    """
    if kind not in _KINDS:
        raise ChoiceError("kind", KINDS, kind)
    if not 0 <= severity <= 1:
        raise ChoiceError("severity", "0 to 1", severity)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ChoiceError("image", "uint8 (h, w, 3)", (str(image.dtype), image.shape))
    if severity == 0:
        return Degraded(image.copy(), {})
    return _KINDS[kind](rng, image, float(severity))


def restoration(rng: Random, image: Bytes, severity: float) -> Degraded:
    """The degradation that blind face restoration is trained on: blur, shrink, noise, JPEG.

    GFP-GAN (Wang et al. 2021), equation 10: [(y * k_sigma) shrunk by r + n_delta] JPEG_q, then
    enlarged again. The published ranges at 512 pixels, sigma 0.2..10, r 1..8, delta 0..15, q
    60..100 (here to 95: above that Pillow advises against), are reached at severity 1; blurs
    are in proportion to the picture's height.
    """
    h, w = image.shape[:2]
    share = rng.uniform(0.5, 1, 4) * severity
    scale = h / 512
    sigma, factor = (0.2 + 9.8 * share[0]) * scale, 1 + 7 * share[1]
    delta, quality = 15 * share[2], round(95 - 35 * share[3])
    small = max(round(h / factor), 1), max(round(w / factor), 1)
    picture = resize(gaussian(_unit(image), sigma), *small, "cubic")
    picture = picture + rng.standard_normal(picture.shape, np.float32) * np.float32(delta / 255)
    packed = jpeg(to_bytes(picture), quality)
    result = to_bytes(resize(_unit(packed), h, w, "linear"))
    done = {"sigma": sigma, "factor": factor, "noise": delta, "quality": float(quality)}
    return Degraded(result, done)


def second_order(rng: Random, image: Bytes, severity: float) -> Degraded:
    """Blur, resizing, noise and JPEG twice over, then ringing: Real-ESRGAN (Wang et al. 2021,
    arXiv 2107.10833, section 3.2). Blurs are elliptical Gaussians; noise is Gaussian or Poisson,
    of one or three colours; ringing is their sinc filter."""
    h, w = image.shape[:2]
    picture = image
    done: dict[str, float] = {}
    for turn in (1, 2):
        draws = rng.uniform(0.4, 1, 6) * severity
        angle, how = float(rng.uniform(0, np.pi)), rng.random(3)
        kernel = ellipse(2.4 * draws[0] * h / 256, 2.4 * draws[1] * h / 256, angle)
        size = 1 + (3 if turn == 1 else 1.5) * draws[2]
        small = max(round(h / size), 1), max(round(w / size), 1)
        method = ("area", "linear", "cubic")[int(how[0] * 3)]
        blurred = resize(convolve(_unit(picture), kernel), *small, method)  # type: ignore[arg-type]
        planes = 1 if how[1] < 0.4 else 3
        noise = rng.standard_normal((*small, planes), np.float32) * np.float32(draws[3])
        level = np.float32(0.06) if how[2] < 0.5 else 0.09 * np.sqrt(np.clip(blurred, 0, 1))
        quality = round(95 - 60 * draws[4])
        picture = jpeg(to_bytes(blurred + noise * level), quality)
        done |= {f"factor{turn}": size, f"quality{turn}": float(quality)}
    cutoff = float(rng.uniform(np.pi / 3, np.pi))
    back = resize(_unit(picture), h, w, "cubic")
    ringing = convolve(back, sinc(cutoff)) if severity > 0.5 else back
    return Degraded(to_bytes(ringing), done | {"cutoff": cutoff})


def ellipse(a: float, b: float, angle: float) -> Floats:
    """A Gaussian kernel, sum 1, with spreads a, b (pixels) along axes turned by `angle` rad."""
    reach = max(int(3 * max(a, b) + 0.5), 0)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-0.5 * ((u / max(a, 0.05)) ** 2 + (v / max(b, 0.05)) ** 2))
    return np.asarray(kernel / kernel.sum(), np.float32)


def sinc(cutoff: float, reach: int = 5) -> Floats:
    """A round low-pass kernel (2 reach + 1 square), sum 1, cut off at `cutoff` rad a pixel.

    cutoff / (2 pi r) J1(cutoff r), with Bessel's function as the mean of cos(t - x sin t) over a
    period; its limit at 0 is cutoff² / (4 pi).
    """
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    r = np.hypot(x, y)
    turn = (np.arange(64) + 0.5) * (2 * np.pi / 64)
    bessel = np.cos(turn - cutoff * r[..., None] * np.sin(turn)).mean(-1)
    away = cutoff / (2 * np.pi * np.maximum(r, 0.5)) * bessel
    kernel = np.where(r == 0, cutoff**2 / (4 * np.pi), away)
    return np.asarray(kernel / kernel.sum(), np.float32)


def turbulence(rng: Random, image: Bytes, severity: float) -> Degraded:
    """Seen through hot air: places tremble in patches and blur; `flow` says where they went.

    Tilt of neighbouring points goes together, as in Chan 2022, "Tilt-then-blur or
    blur-then-tilt?": tilt first, then blur.
    """
    h, w = image.shape[:2]
    cell = float(rng.uniform(0.12, 0.3)) * h
    tilt = np.concatenate([clouds(rng, h, w, max(cell, 1), 3) for _ in range(2)], 2)
    pixels = 0.012 * h * severity
    flow = (tilt * np.float32(pixels)).astype(np.float32)
    y, x = np.mgrid[0.5:h, 0.5:w].astype(np.float32)
    moved = sample(_linear(image), np.stack([x, y], -1) + flow)
    sigma = 0.012 * h * severity * float(rng.uniform(0.6, 1))
    seen = soften(moved, sigma)
    return Degraded(to_bytes(encode(seen)), {"tilt": pixels, "sigma": sigma}, flow)


def low_light(rng: Random, image: Bytes, severity: float) -> Degraded:
    """Little light, brought up again: photon noise, coarse steps, smearing, faded colours."""
    stops = 6 * severity * float(rng.uniform(0.8, 1))
    light = _linear(image)
    full = 4000.0 / 2**stops
    noise = rng.standard_normal(light.shape, np.float32)
    read = light + noise * np.sqrt(light / full + (3 / full) ** 2).astype(np.float32)
    shown = 2.0 ** (-0.22 * stops)
    step = np.float32(full * shown)
    dim = np.round(np.maximum(read * np.float32(shown), 0) * step) / step
    smooth = gaussian(dim, 0.5 * severity)
    grey = smooth.mean(2, keepdims=True)
    faded = grey + (smooth - grey) * np.float32(1 - 0.5 * severity)
    return Degraded(to_bytes(encode(faded)), {"stops": stops, "shown": shown})


def fog(rng: Random, image: Bytes, severity: float) -> Degraded:
    """Haze of uneven thickness: Koschmieder's law, J t + A (1 - t), t = exp(-thickness)."""
    h, w = image.shape[:2]
    thick = 1.7 * severity * float(rng.uniform(0.8, 1))
    bright = rng.uniform(0.55, 0.9) * (1 + rng.normal(0, 0.02, 3))
    drift = np.maximum(1 + 0.3 * clouds(rng, h, w, 0.5 * h, 3), 0.1)
    through = np.exp(-np.float32(thick) * drift)
    veiled = _linear(image) * through + np.asarray(bright, np.float32) * (1 - through)
    blurred = soften(veiled, 0.006 * h * severity)
    return Degraded(to_bytes(encode(blurred)), {"thickness": thick})


def rain(rng: Random, image: Bytes, severity: float) -> Degraded:
    """Falling streaks that add light, over a thin veil of spray."""
    h, w = image.shape[:2]
    slant = float(rng.uniform(-25, 25)) + 90
    dots = rng.random((h, w, 1), np.float32)
    speed, bright = rng.uniform(0.05, 0.11) * h, float(rng.uniform(0.6, 0.9))
    drops = (dots < 0.016 * severity).astype(np.float32)
    streaks = motion(drops, max(speed, 1), slant) * np.float32(speed * 0.8)
    streaks = np.minimum(gaussian(streaks, 0.0025 * h), 1) * np.float32(0.35 + 0.4 * severity)
    veil = np.float32(0.18 * severity)
    light = _linear(image) * (1 - veil) + veil * np.float32(0.5)
    wet = light * (1 - streaks) + streaks * np.float32(bright)
    return Degraded(to_bytes(encode(wet)), {"share": 0.016 * severity, "slant": slant - 90})


def blocks(rng: Random, image: Bytes, severity: float) -> Degraded:
    """Video with lost data: runs of blocks roll on as their mean or as a neighbour's picture."""
    h, w = image.shape[:2]
    side = max(int(max(h, w) // 14), 4)
    rows, columns = -(-h // side), -(-w // side)
    start, kind = rng.random((rows, columns)), rng.random((rows, columns))
    shift = rng.integers(-side, side + 1, (rows, columns, 2))
    run = rng.geometric(0.35, (rows, columns))
    lost = np.zeros((rows, columns), bool)
    for i, j in np.argwhere(start < 0.22 * severity):
        lost[i, j : j + run[i, j]] = True
    result = jpeg(image, round(95 - 70 * severity)).copy()
    before = result.copy()
    for i, j in np.argwhere(lost):
        y, x = i * side, j * side
        part = before[y : y + side, x : x + side]
        if kind[i, j] < 0.5:
            result[y : y + side, x : x + side] = part.reshape(-1, 3).mean(0).astype(np.uint8)
        else:
            v = np.clip(np.arange(y, y + part.shape[0]) + shift[i, j, 0], 0, h - 1)
            u = np.clip(np.arange(x, x + part.shape[1]) + shift[i, j, 1], 0, w - 1)
            result[y : y + side, x : x + side] = before[np.ix_(v, u)]
    return Degraded(result, {"side": float(side), "lost": float(lost.mean())})


def tiny(rng: Random, image: Bytes, severity: float) -> Degraded:
    """A face from far away, as in TinyFace (Cheng et al. 2018): 32 down to 8 pixels high, with
    light noise, enlarged again. Severities below 1/4 shrink less."""
    h, w = image.shape[:2]
    size = (
        h * (32 / h) ** (4 * severity)
        if severity < 0.25
        else 32 * 0.25 ** ((severity - 0.25) / 0.75)
    )
    size = min(size, float(h))
    small = resize(_linear(image), max(round(size), 1), max(round(size * w / h), 1), "area")
    noise = rng.standard_normal((*small.shape[:2], 1), np.float32) * np.float32(0.01 * severity)
    stored = to_bytes(encode(small + noise))
    way = "cubic" if rng.random() < 0.7 else "linear"
    result = resize(_unit(stored), h, w, way)  # type: ignore[arg-type]
    return Degraded(to_bytes(result), {"height": size})


def dirt(rng: Random, image: Bytes, severity: float) -> Degraded:
    """A smeared lens: soft spots and a glow around all that is bright."""
    h, w = image.shape[:2]
    count = 40
    x, y = rng.uniform(0, w / h, count), rng.uniform(0, 1, count)
    size = rng.uniform(0.01, 0.12, count)
    tone = rng.uniform(0.1, 0.8, (count, 1)) * np.ones(3)
    light = _linear(image)
    strength = np.float32(0.6 * severity)
    glow = light + strength * (soften(light, 0.06 * h) - light)
    alpha = np.asarray(rng.uniform(0.1, 0.5, count) * severity)
    spots = shapes("oval", x - size, y - size, x + size, y + size, tone, 1, alpha, size)
    smeared = paint(np.ascontiguousarray(glow), spots, h)
    return Degraded(to_bytes(encode(smeared)), {"strength": float(strength)})


def _unit(image: Bytes) -> Floats:
    return image.astype(np.float32) / np.float32(255)


def _linear(image: Bytes) -> Floats:
    return decode(image)


_KINDS: dict[str, Degradation] = {
    "restoration": restoration,
    "second_order": second_order,
    "turbulence": turbulence,
    "low_light": low_light,
    "fog": fog,
    "rain": rain,
    "blocks": blocks,
    "tiny": tiny,
    "dirt": dirt,
}
KINDS = tuple(_KINDS)
