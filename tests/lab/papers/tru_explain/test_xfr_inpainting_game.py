"""The inpainting game: what differs between mate and non-mate is one part of the face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from fusiform.lab.geometry.head import load_head  # noqa: E402
from fusiform.lab.papers.tru_explain import xfr_inpainting_game as paper  # noqa: E402
from fusiform.lab.world.person import body  # noqa: E402
from fusiform.lab.world.shot import Shot  # noqa: E402
from fusiform.lab.world.world import World  # noqa: E402


@pytest.mark.parametrize("part", paper.PARTS)
def test_shape_moves_in_the_part_alone(part):
    one, donor = World(5).person(1), World(5).person(2)
    moved = body(paper.altered(one, donor, part)).vertices - body(one).vertices
    far = np.linalg.norm(moved, axis=1)
    head = load_head()
    mask = head.masks[paper.PARTS[part]]
    elsewhere = (head.masks["front"] > 0.5) & (mask < 0.05)
    assert far[mask > 0.5].mean() > 3 * far[elsewhere].mean()
    assert far[elsewhere].mean() < 0.001


def test_who_is_given_their_own_part_stays_who_they_are():
    one = World(5).person(1)
    for part in paper.PARTS:
        assert np.array_equal(body(paper.altered(one, one, part)).vertices, body(one).vertices)


def test_the_part_comes_from_the_donor():
    one, donor = World(5).person(1), World(5).person(2)
    assert paper.altered(one, donor, "brows").brows == donor.brows
    assert paper.altered(one, donor, "eyes").eyes == donor.eyes
    assert paper.altered(one, donor, "mouth").skin.lips == donor.skin.lips
    assert paper.altered(one, donor, "nose").brows == one.brows


def test_a_pair_differs_where_the_part_is():
    one, donor = World(5).person(1), World(5).person(2)
    own, new = paper.pair(one, paper.altered(one, donor, "mouth"), Shot(size=112))
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
