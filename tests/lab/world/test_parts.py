"""A part of another's face: what moves, what is taken along, what stays."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba")

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import load_head
from fusiform.lab.world.parts import MASKS, PARTS, local, with_part
from fusiform.lab.world.person import body
from fusiform.lab.world.world import World


@pytest.mark.parametrize("part", PARTS)
def test_shape_moves_in_the_part_alone(part):
    one, donor = World(5).person(1), World(5).person(2)
    moved = body(with_part(one, donor, part)).vertices - body(one).vertices
    far = np.linalg.norm(moved, axis=1)
    head = load_head()
    mask = head.masks[MASKS[part]]
    elsewhere = (head.masks["front"] > 0.5) & (mask < 0.05)
    assert far[mask > 0.5].mean() > 3 * far[elsewhere].mean()
    assert far[elsewhere].mean() < 0.001


def test_who_is_given_their_own_part_stays_who_they_are():
    one = World(5).person(1)
    for part in PARTS:
        assert np.array_equal(body(with_part(one, one, part)).vertices, body(one).vertices)


def test_the_part_comes_from_the_donor():
    one, donor = World(5).person(1), World(5).person(2)
    assert with_part(one, donor, "brows").brows == donor.brows
    assert with_part(one, donor, "eyes").eyes == donor.eyes
    assert with_part(one, donor, "mouth").skin.lips == donor.skin.lips
    assert with_part(one, donor, "nose").brows == one.brows


def test_the_fit_is_the_best_there_is():
    """Any nudge of the fitted coefficients makes the weighted, stiffened error larger."""
    linalg = pytest.importorskip("scipy.linalg")
    head = load_head()
    moves = np.tensordot(head.extra["own_spread"].T, head.shape.rows, axes=1).astype(float)
    inside = np.clip(head.masks["nose"], 0, 1)[None, :, None]
    face = np.maximum(head.masks["front"], head.masks["ears"])[None, :, None] > 0.5
    weight = np.where(face, np.maximum(inside, 1 - inside), 0.2)
    rows = (moves * weight).reshape(len(moves), -1)
    ridge = np.sqrt(1e-2 * (rows**2).sum() / len(rows))
    wish = (moves[3:4] * inside * weight).reshape(-1)
    tall = np.vstack([rows.T, ridge * np.eye(len(rows))])
    wanted = linalg.lstsq(tall, np.concatenate([wish, np.zeros(len(rows))]))[0]
    assert np.allclose(local("nose")[:, 3], wanted, atol=1e-4)


def test_another_part_is_told():
    one = World(5).person(1)
    with pytest.raises(ChoiceError, match="nose"):
        with_part(one, one, "chin")
