"""Rank correlation against SciPy; degradations keep their severity."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from fusiform.lab.papers.rec_loss.adaface import degraded, rank_correlation
from fusiform.lab.world.crowd import Crowd


@pytest.mark.parametrize("seed", range(3))
def test_rank_correlation_is_scipys(seed: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 50))
    b = b + seed * a
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(a, np.exp(a)) == 1
    assert rank_correlation(a, -a) == -1


def test_worse_pictures_are_farther_from_the_good_one() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    faces = Crowd(images, np.zeros(3, np.int64))
    found = degraded(faces, np.array([0.0, 0.3, 1.0]), 5)
    away = np.abs(found.images.astype(float) - images).mean((1, 2, 3))
    assert away[0] == 0
    assert 0 < away[1] < away[2]
    assert np.array_equal(found.images, degraded(faces, np.array([0.0, 0.3, 1.0]), 5).images)
