"""What is told of one face beyond its box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusiform.core.faces import Face
from fusiform.recognise.quality import Quality


@dataclass(frozen=True)
class Description:
    """One face and what its pixels tell: quality in [0, 1] and its parts, roll in degrees.

    `roll` > 0 when the line of the eyes falls to the right of the picture; None with dlib-hog's
    template points it is still exact, since they carry the alignment.
    """

    face: Face
    sharpness: float
    brightness: float
    contrast: float
    eye_distance: float
    roll: float


def description_of(face: Face, quality: Quality, i: int) -> Description:
    dx, dy = face.points[1] - face.points[0]
    return Description(
        face,
        float(quality.sharpness[i]),
        float(quality.brightness[i]),
        float(quality.contrast[i]),
        float(quality.eye_distance[i]),
        float(np.degrees(np.arctan2(dy, dx))),
    )
