"""Tests of masks, bandanas and scarves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.masks import (
    COLUMNS,
    MASKS,
    ROWS,
    SHARES,
    Mask,
    fit_mask,
    loops,
    mask_hides,
    patch_of,
    rings,
    sample_mask,
    tent,
)
from fusiform.lab.world.wear_fabric import Fabric
from fusiform.lab.world.wear_fit import landmarks
from fusiform.lab.world.wear_piece import place

MOST = 3000
STILL = np.eye(4, dtype=np.float32)[:3]
UNMOVED = {"skull": STILL, "jaw": STILL, "torso": STILL}


@pytest.mark.parametrize("kind", ["surgical", "cloth", "cup", "gaiter"])
def test_masks_cover_mouth_and_nose_and_not_the_eyes(head, people, wear, kind):
    for rest in people:
        pieces = fit_mask(Mask(kind=kind), head, rest)
        wear.sound(pieces, MOST)
        p = landmarks(head, rest)
        assert wear.covered(p[48:60] + np.array([0, 0, 0.0005]), pieces).all()
        assert wear.covered(p[30 + (rest is not head.mean) : 36], pieces).all()  # rare tips pierce
        assert not wear.covered(p[36:48] + np.array([0, 0, 0.002]), pieces).any()
        assert not wear.covered(p[17:27] + np.array([0, 0, 0.002]), pieces).any()
        assert all(one.label is Label.OCCLUDER for one in pieces)


def test_a_mask_that_slipped_leaves_the_nose_free(head, wear):
    pieces = fit_mask(Mask(down=1.0), head, head.mean)
    p = landmarks(head, head.mean)
    assert wear.covered(p[48:60], pieces).all()
    assert not wear.covered(p[[28, 29, 30]] + np.array([0, 0, 0.001]), pieces).any()


def test_scarves_cover_the_mouth_only_when_high(head, wear):
    mouth = landmarks(head, head.mean)[[51, 57, 62]]
    assert not wear.covered(mouth, fit_mask(Mask("scarf"), head, head.mean)).any()
    assert wear.covered(mouth, fit_mask(Mask("scarf", high=True), head, head.mean)).any()
    low, high = (fit_mask(Mask("scarf", high=h), head, head.mean)[0].label for h in (False, True))
    assert (low, high) == (Label.CLOTH, Label.OCCLUDER)


@pytest.mark.parametrize("kind", MASKS)
def test_masks_hide_beards(head, kind):
    hidden = mask_hides(Mask(kind=kind, high=True), head, head.mean)
    lips = head.masks["lips"] > 0.8
    assert hidden[lips].mean() > 0.9
    assert hidden[head.masks["scalp"] > 0.9].max() == 0
    assert mask_hides(Mask("scarf"), head, head.mean).max() == 0


def test_masks_are_carried_by_an_opening_jaw(head):
    rest = head.mean
    chin = np.exp(-(((rest - landmarks(head, rest)[8]) / 0.045) ** 2).sum(1))[:, None]
    posed = (rest + chin * [0, -0.02, 0]).astype(np.float32)
    piece = fit_mask(Mask(), head, rest)[0]
    before, after = (place(piece, rest, v, UNMOVED).vertices for v in (rest, posed))
    low = before[:, 1] < np.quantile(before[:, 1], 0.1)
    assert (before - after)[low, 1].mean() > 0.008
    high = before[:, 1] > np.quantile(before[:, 1], 0.9)
    assert np.abs(before - after)[high].max() < 0.004


def plane(rows=9, columns=11):
    """A flat skin (rows, columns, 3) in z = 0, and its way out."""
    y, x = np.meshgrid(np.linspace(1, 0, rows), np.linspace(-1, 1, columns), indexing="ij")
    skin = np.stack([x, y, 0 * x], -1)
    return skin, np.broadcast_to([0.0, 0, 1], skin.shape)


def test_a_tent_on_a_plane_is_that_plane():
    skin, out = plane()
    cloth = tent(skin, out, np.full(skin.shape[:2], 0.1))
    assert np.allclose(cloth[..., 2], 0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_tent_never_touches_what_is_under_it(seed):
    skin, out = plane()
    skin = skin + out * rng(seed, "bumps").normal(0, 0.05, skin.shape[:2])[..., None]
    lift = rng(seed, "lift").uniform(0.01, 0.05, skin.shape[:2])
    cloth = tent(skin, out, lift)
    assert ((cloth - skin) * out).sum(-1).min() > lift.min() - 1e-9
    assert (((cloth - skin) * out).sum(-1) >= lift - 1e-9).all()


def test_a_tent_over_a_pole_slopes_down_from_it():
    skin, out = plane()
    skin = skin.copy()
    skin[4, 5, 2] = 1.0
    z = tent(skin, out, np.zeros(skin.shape[:2]), 400)[..., 2]
    assert z[4, 5] == pytest.approx(1.0)
    assert (np.diff(z[4, 1:6]) > 0).all()
    assert np.allclose(z[4], z[4, ::-1], atol=1e-6)
    inner = z[1:-1, 1:-1]
    around = 0.25 * (z[:-2, 1:-1] + z[2:, 1:-1] + z[1:-1, :-2] + z[1:-1, 2:])
    free = np.ones_like(inner, bool)
    free[3, 4] = False
    assert np.allclose(inner[free], around[free], atol=2e-3)  # a soap film: harmonic


def test_patches_run_from_the_nose_to_the_chin(head, people):
    for rest in people:
        p = landmarks(head, rest)
        patch = patch_of(head, rest, Mask())
        assert patch.skin.shape == (ROWS, COLUMNS, 3)
        assert np.allclose(np.linalg.norm(patch.ray, axis=1), 1)
        middle = patch.skin[:, COLUMNS // 2]
        assert p[28, 1] > middle[0, 1] > p[30, 1]
        assert middle[-1, 1] == pytest.approx(p[8, 1], abs=0.002)
        assert (np.diff(patch.skin[..., 1], axis=0) < 0).all()


def test_masks_lie_on_the_skin(head, people, wear):
    """Close to it everywhere, in it almost nowhere: noses and jaws are finer than the cloth."""
    for rest in people:
        for kind in ("surgical", "cloth"):
            cloth = fit_mask(Mask(kind), head, rest)[0].mesh
            inner = cloth.vertices.reshape(-1, COLUMNS + 2, 3)[1:-1, 1:-1].reshape(-1, 3)
            gap = wear.gaps(inner, head, rest)
            assert np.mean(gap < -0.001) < 0.03
            assert gap.max() < 0.04
            assert np.median(gap) < 0.012


def test_cups_stand_off_the_mouth(head):
    ahead = [
        fit_mask(Mask(kind), head, head.mean)[0].mesh.vertices[:, 2].max()
        for kind in ("cloth", "cup")
    ]
    assert ahead[1] > ahead[0] + 0.004


def test_masks_of_a_symmetric_head_are_symmetric(head):
    cloth = fit_mask(Mask("cloth"), head, head.mean)[0].mesh.vertices
    rows = cloth.reshape(-1, COLUMNS + 2, 3)
    assert np.allclose(rows, rows[:, ::-1] * [-1, 1, 1], atol=0.003)


def test_cords_run_around_the_ears_outside_the_skull(head, people, wear):
    for rest in people:
        made = fit_mask(Mask(), head, rest)
        assert [p.part for p in made] == ["mask", "mask loop", "mask loop"]
        left, right = (p.mesh.vertices for p in made[1:])
        assert left[:, 0].min() > 0 > right[:, 0].max()
        assert wear.gaps(left, head, rest).min() > -0.010  # the ears' roots are left out
        ears = rest[head.masks["pinna"] > 0.5]
        behind = ears[ears[:, 0] > 0]
        assert left[:, 2].min() < np.quantile(behind[:, 2], 0.3)
        assert left[:, 1].max() < behind[:, 1].max() + 0.003


def test_loops_start_at_the_corners_of_the_mask(head):
    patch = patch_of(head, head.mean, Mask())
    left, right = loops(patch.skin, head, head.mean)
    for cord, column in ((left, -1), (right, 0)):
        for row in (2, -3):
            apart = np.linalg.norm(cord.vertices - patch.skin[row, column], axis=1)
            assert apart.min() < 0.004


def test_rings_go_around_the_neck(head, people):
    for rest in people:
        chin = landmarks(head, rest)[8, 1]
        heights = chin - np.array([0.01, 0.03])
        around = rings(head, rest, heights, 0.0, 40)
        assert around.shape == (2, 40, 3)
        assert np.allclose(around[..., 1], heights[:, None])
        away = around[0] - around[0].mean(0)
        angle = np.unwrap(np.arctan2(away[:, 0], away[:, 2]))
        assert abs(angle[-1] - angle[0]) == pytest.approx(2 * np.pi, abs=0.6)
        tilted = rings(head, rest, heights, 0.02, 40)
        assert tilted[0, 0, 1] - tilted[0, 20, 1] == pytest.approx(0.02)


def test_gaiters_and_scarves_go_around(head, people, wear):
    for rest in people:
        for mask in (Mask("gaiter"), Mask("scarf"), Mask("scarf", high=True)):
            pieces = fit_mask(mask, head, rest)
            wear.sound(pieces, MOST)
            v = np.concatenate([p.mesh.vertices for p in pieces])
            assert v[:, 0].min() < -0.04 < 0.04 < v[:, 0].max()
            assert v[:, 2].min() < -0.08
            assert min(wear.outward(p) for p in pieces) > 0.9


def test_blue_black_and_white_cords(head):
    black = Fabric(colour=(0.02, 0.02, 0.022))
    assert fit_mask(Mask(), head, head.mean)[1].tint.mean() > 0.5
    assert fit_mask(Mask(fabric=black), head, head.mean)[1].tint.mean() < 0.05


def test_fitting_repeats_byte_for_byte(head, wear):
    for kind in MASKS:
        first = fit_mask(Mask(kind), head, head.mean)
        assert fit_mask(Mask(kind), head, head.mean) is first
        assert wear.same(first, fit_mask.__wrapped__(Mask(kind), head, head.mean))


def test_what_a_mask_hides_follows_how_it_sits(head):
    lips = head.masks["lips"] > 0.8
    assert mask_hides(Mask(), head, head.mean)[lips].mean() > 0.9
    high = mask_hides(Mask("scarf", high=True), head, head.mean)
    behind = head.mean[:, 2] < landmarks(head, head.mean)[[3, 13], 2].mean() - 0.001
    cloth = mask_hides(Mask("cloth"), head, head.mean)
    assert high[behind].max() == 1
    assert cloth[behind].max() == 0
    assert cloth.min() == 0
    assert cloth.max() == 1


def test_sampled_masks():
    drawn = [sample_mask(rng(1, i)) for i in range(400)]
    counts = np.array([sum(m.kind == kind for m in drawn) for kind in MASKS]) / 400
    assert np.allclose(counts, SHARES, atol=0.08)
    assert np.mean([m.down > 0 for m in drawn]) == pytest.approx(1 / 12, abs=0.04)
    assert all(m.down == 0 or 0.8 <= m.down <= 1 for m in drawn)
    assert replace(drawn[3]) == sample_mask(rng(1, 3))
    assert sample_mask(rng(1), "cup").kind == "cup"
