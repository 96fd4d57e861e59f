from __future__ import annotations

import numpy as np

from fusiform.core.seeds import rng
from fusiform.lab.world.maps import halves


def test_halves_are_numpys() -> None:
    drawn = rng(2).normal(size=50_000) * 10.0 ** rng(3).uniform(-9, 4, 50_000)
    edges = np.array([0, -0.0, 65504, 65503, 2**-14, 2**-24, 2**-25, 1.5 * 2**-24, -(2**-25)])
    values = np.clip(np.concatenate([drawn, edges]), -65504, 65504).astype(np.float32)
    wanted = values.astype(np.float16)
    np.testing.assert_array_equal(halves(values).view(np.uint16), wanted.view(np.uint16))
    assert halves(values[:12].reshape(2, 2, 3)).shape == (2, 2, 3)
