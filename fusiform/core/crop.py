"""A face cut out to be kept: enough to embed it again without its photo."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Crop:
    """`picture`: a JPEG; `points (5, 2)` float32: eyes, nose, mouth corners in its pixels."""

    picture: bytes
    points: NDArray[np.float32]

    def pixels(self) -> NDArray[np.uint8]:
        """RGB (H, W, 3) uint8."""
        with Image.open(io.BytesIO(self.picture)) as image:
            return np.asarray(image.convert("RGB"))
