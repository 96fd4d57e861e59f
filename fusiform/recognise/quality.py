"""How well a face can be recognised: size, sharpness and the detector's certainty.

The limits were chosen where blurring or shrinking real faces makes dlib's network lose them:
see docs/quality.md for the table.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from fusiform.core.faces import Floats

SHARPNESS_SIDE = 48  # detail finer than this barely matters to the networks
FULL_SHARPNESS = 0.5
FULL_EYE_DISTANCE = 20.0


@dataclass(frozen=True)
class Quality:
    """Per face, `(n,)` float32 each.

    `overall` in [0, 1]; `sharpness` from 0 (flat) through 0.15 (lost) to about 1 (crisp);
    `brightness` and `contrast`, mean and standard deviation of grey in [0, 1]; `eye_distance`
    in pixels of the full picture.
    """

    overall: Floats
    sharpness: Floats
    brightness: Floats
    contrast: Floats
    eye_distance: Floats

    def __getitem__(self, which: NDArray[np.bool_] | slice) -> Quality:
        """The chosen faces."""
        return Quality(*(getattr(self, field.name)[which] for field in fields(self)))


def grey(crops: NDArray[np.uint8]) -> Floats:
    """Luma of `(n, S, S, 3)` uint8 RGB as `(n, S, S)` float32 in [0, 255] (ITU-R BT.601)."""
    return np.asarray(crops @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def sharpness(crops: NDArray[np.uint8]) -> Floats:
    """Detail over contrast of crops `(n, S, S, 3)`, S >= 96: `(n,)` float32.

    The standard deviation of the Laplacian (a focus measure: Pech-Pacheco et al., ICPR 2000)
    over that of the grey levels, in the middle of the crop averaged down to 48 pixels.
    """
    block = crops.shape[1] // SHARPNESS_SIDE
    span = block * SHARPNESS_SIDE
    start = (crops.shape[1] - span) // 2
    levels = grey(crops[:, start : start + span, start : start + span])
    shape = (len(crops), SHARPNESS_SIDE, block, SHARPNESS_SIDE, block)
    edge = SHARPNESS_SIDE // 5
    inner = levels.reshape(shape).mean((2, 4))[:, edge:-edge, edge:-edge]
    around = inner[:, :-2, 1:-1] + inner[:, 2:, 1:-1] + inner[:, 1:-1, :-2] + inner[:, 1:-1, 2:]
    laplacian = around - 4 * inner[:, 1:-1, 1:-1]
    contrast = np.maximum(inner.std((1, 2)), 1.0)
    return np.asarray(laplacian.std((1, 2)) / contrast, np.float32)


def assess(
    crops: NDArray[np.uint8], points: Floats, scores: Floats, minimum_score: float
) -> Quality:
    """Quality of faces from crops `(n, S, S, 3)`, points `(n, 5, 2)` and scores `(n,)`.

    `points` in pixels of the full picture. `overall` is a product of three factors: sharpness
    over 0.5 and eye distance over 20 px, both at most 1, and certainty, which goes from 0.5 at
    the detector's `minimum_score` to 1 a quarter of the way to a score of 1.
    """
    levels = grey(crops) / 255
    eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=1).astype(np.float32)
    detail = sharpness(crops)
    excess = (np.asarray(scores) - minimum_score) / max(1 - minimum_score, 1e-6)
    certainty = np.clip(0.5 + 2 * excess, 0.5, 1)
    known = np.minimum(detail / FULL_SHARPNESS, 1) * np.minimum(eyes / FULL_EYE_DISTANCE, 1)
    return Quality(
        overall=(certainty * known).astype(np.float32),
        sharpness=detail,
        brightness=levels.mean((1, 2)).astype(np.float32),
        contrast=levels.std((1, 2)).astype(np.float32),
        eye_distance=eyes,
    )
