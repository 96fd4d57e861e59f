"""Light from one side comes from the side asked for."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.lab.papers.rec_loss.symface import from_side
from fusiform.lab.world.light import facing


@pytest.mark.parametrize("left", [True, False])
def test_light_comes_mostly_from_the_side_asked_for(left: bool) -> None:
    sides = np.array([[1.0, 0, 0], [-1, 0, 0]])
    for seed in range(8):
        light = from_side(np.random.default_rng(seed), left)
        lit, dark = facing(light, sides).mean(1)[:: 1 if left else -1]
        assert lit > 3 * dark
        ahead = facing(light, np.array([[0, 0, 1.0]])).mean()
        assert 0.02 < ahead < 1.5
