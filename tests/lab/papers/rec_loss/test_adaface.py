"""Degradations keep their severity."""

from __future__ import annotations

import numpy as np

from fusiform.lab.papers.rec_loss.adaface import degraded
from fusiform.lab.world.crowd import Crowd


def test_worse_pictures_are_farther_from_the_good_one() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    faces = Crowd(images, np.zeros(3, np.int64))
    found = degraded(faces, np.array([0.0, 0.3, 1.0]), 5)
    away = np.abs(found.images.astype(float) - images).mean((1, 2, 3))
    assert away[0] == 0
    assert 0 < away[1] < away[2]
    assert np.array_equal(found.images, degraded(faces, np.array([0.0, 0.3, 1.0]), 5).images)
