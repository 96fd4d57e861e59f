"""The inpainting game: what differs between mate and non-mate is one part of the face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from fusiform.lab.papers.tru_explain import xfr_inpainting_game as paper  # noqa: E402
from fusiform.lab.world.parts import with_part  # noqa: E402
from fusiform.lab.world.shot import Shot  # noqa: E402
from fusiform.lab.world.world import World  # noqa: E402


def test_a_pair_differs_where_the_part_is():
    one, donor = World(5).person(1), World(5).person(2)
    own, new = paper.pair(one, with_part(one, donor, "mouth"), Shot(size=112))
    gap = np.abs(own.astype(int) - new).max(-1)
    assert gap[34:46, 14:34].max() > paper.CHANGED  # the mouth of an aligned crop
    assert gap[34:46, 14:34].mean() > 5 * gap[:24].mean()
    same, again = paper.pair(one, replace(one), Shot(size=112))
    assert np.array_equal(same, again)


def test_changed_pixels_and_rows():
    plain = np.zeros((3, 2, 2, 3), np.uint8)
    twin = plain.copy()
    twin[1, 0, 1, 2] = paper.CHANGED + 1
    twin[1, 1, 0] = paper.CHANGED
    game = paper.Game(plain, twin, plain, twin)
    assert np.argwhere(game.changed).tolist() == [[1, 0, 1]]
    assert game[np.array([1])].changed.sum() == 1
