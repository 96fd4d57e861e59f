"""Tests of jewellery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.jewellery import (
    EARRINGS,
    GOLD,
    NECKLACES,
    SILVER,
    STONES,
    Jewellery,
    ball,
    fit_jewellery,
    lobe,
    sample_jewellery,
)
from fusiform.lab.world.wear_collar import neck_of
from fusiform.lab.world.wear_fit import landmarks

MOST = 6000


@pytest.mark.parametrize("earrings", EARRINGS)
@pytest.mark.parametrize("necklace", NECKLACES)
def test_jewellery_is_where_it_belongs(head, wear, earrings, necklace):
    work = Jewellery(earrings, necklace, nose=True)
    pieces = fit_jewellery(work, head, head.mean)
    wear.sound(pieces, MOST)
    p = landmarks(head, head.mean)
    ears = head.mean[head.masks["pinna"] > 0.5]
    for one in pieces:
        middle = one.mesh.vertices.mean(0)
        if one.label is Label.EARRING:
            assert abs(middle[0]) > 0.055
            assert middle[1] < np.median(ears[:, 1])
        elif one.label is Label.NECKLACE:
            assert middle[1] < p[8, 1]
        else:
            assert np.linalg.norm(middle - p[35]) < 0.02


def test_one_earring_is_enough(head):
    one = fit_jewellery(Jewellery("hoop", ears=(False, True)), head, head.mean)
    assert len(one) == 1
    assert one[0].mesh.vertices[:, 0].max() < 0


def test_balls_are_round():
    place = np.array([0.1, 0.2, 0.3])
    mesh = ball(place, 0.01, 9)
    assert np.allclose(np.linalg.norm(mesh.vertices - place, axis=1), 0.01, atol=1e-6)
    assert np.allclose(mesh.vertices.mean(0), place, atol=0.002)


def test_lobes_are_mirror_images_at_the_ears_ends(head, people):
    left, out = lobe(head, head.mean, 0)
    right, other = lobe(head, head.mean, 1)
    assert np.allclose(left * [-1, 1, 1], right, atol=0.002)
    assert np.allclose(out * [-1, 1, 1], other)
    for rest in people:
        ears = rest[head.masks["pinna"] > 0.5]
        for side in (0, 1):
            spot, _ = lobe(head, rest, side)
            mine = ears[np.sign(ears[:, 0]) == (1, -1)[side]]
            assert abs(spot[1] - mine[:, 1].min()) < 0.015
            assert np.linalg.norm(mine - spot, axis=1).min() < 0.006


def test_earrings_touch_the_ears_of_everybody(head, people, wear):
    for rest in people:
        for kind in EARRINGS[1:]:
            pieces = fit_jewellery(Jewellery(kind), head, rest)
            wear.sound(pieces, MOST)
            assert all(p.label is Label.EARRING for p in pieces)
            assert all(p.material is Material.GLOSS for p in pieces)
            ears = rest[head.masks["pinna"] > 0.5]
            top = pieces[0].mesh.vertices
            apart = np.linalg.norm(ears[:, None] - top[None], axis=2).min()
            assert apart < 0.005


@pytest.mark.parametrize("size", [0.0, 0.5, 1.0])
def test_hoops_and_drops_are_as_large_as_asked(head, size):
    hoop = fit_jewellery(Jewellery("hoop", size=size), head, head.mean)[0].mesh.vertices
    thick = 2 * (0.0008 + 0.0006 * size)
    assert np.ptp(hoop[:, 1]) == pytest.approx(2 * (0.006 + 0.016 * size) + thick, rel=0.05)
    wire = fit_jewellery(Jewellery("drop", size=size), head, head.mean)[1].mesh.vertices
    assert np.ptp(wire[:, 1]) == pytest.approx(0.010 + 0.022 * size, rel=0.02)


def test_small_studs_are_metal_and_large_ones_stone(head):
    ruby = STONES[1]
    small = fit_jewellery(Jewellery("stud", stone=ruby, size=0.2), head, head.mean)[0]
    large = fit_jewellery(Jewellery("stud", stone=ruby, size=0.8), head, head.mean)[0]
    assert np.allclose(small.tint, GOLD)
    assert np.allclose(large.tint, ruby)


def test_necklaces_go_around_the_neck_and_lie_on_it(head, people, wear):
    for rest in people:
        neck = neck_of(head, rest)
        for kind in NECKLACES[1:]:
            made = fit_jewellery(Jewellery(necklace=kind, size=0.3), head, rest)
            v = made[0].mesh.vertices
            assert np.abs(v[:, 0]).max() > 0.8 * neck.half
            assert v[:, 2].min() < neck.axis < v[:, 2].max()
            gap = wear.gaps(v, head, rest)
            assert np.mean(gap > -0.003) > 0.85
            assert np.abs(gap).max() < 0.03
            assert all(p.follow == "torso" and p.skin is not None for p in made)


def test_longer_necklaces_hang_lower(head):
    low = [
        fit_jewellery(Jewellery(necklace="chain", size=s), head, head.mean)[0]
        .mesh.vertices[:, 1].min()
        for s in (0.0, 0.5, 1.0)
    ]  # fmt: skip
    assert low[0] > low[1] + 0.015 > low[2] + 0.03


def test_beads_are_evenly_strung(head):
    beads = fit_jewellery(Jewellery(necklace="beads", size=0.5), head, head.mean)[0].mesh
    one = len(ball(np.zeros(3), 1.0, 5).vertices)
    middles = beads.vertices.reshape(-1, one, 3).mean(1)
    assert len(middles) <= 90
    apart = np.linalg.norm(np.diff(middles, axis=0, append=middles[:1]), axis=1)
    assert np.allclose(apart, apart.mean(), rtol=0.1)
    assert apart.min() > 2 * (0.0028 + 0.0025 * 0.5) * 0.95  # none is strung through another


def test_pendants_hang_in_the_middle_of_the_chest(head, people):
    for rest in people:
        chain, charm = fit_jewellery(Jewellery(necklace="pendant"), head, rest)
        middle = charm.mesh.vertices.mean(0)
        assert abs(middle[0]) < 0.001
        assert middle[2] > neck_of(head, rest).axis
        lowest = chain.mesh.vertices[:, 1].min()
        assert abs(middle[1] - lowest) < 0.02


@pytest.mark.parametrize("left", [True, False])
def test_a_nose_stud_sits_on_its_wing(head, people, wear, left):
    for rest in people:
        work = Jewellery(nose=True, ears=(left, not left))
        (stud,) = fit_jewellery(work, head, rest)
        middle = stud.mesh.vertices.mean(0)
        assert np.sign(middle[0]) == (1 if left else -1)
        assert np.linalg.norm(middle - landmarks(head, rest)[35 if left else 31]) < 0.015
        assert abs(wear.gaps(middle[None], head, rest)[0]) < 0.0025
        assert stud.label is Label.NOSE


def test_nothing_is_nothing(head):
    assert fit_jewellery(Jewellery(), head, head.mean) == ()


def test_fitting_repeats_byte_for_byte(head, wear):
    work = Jewellery("drop", "pendant", nose=True)
    first = fit_jewellery(work, head, head.mean)
    assert fit_jewellery(replace(work), head, head.mean) is first
    assert wear.same(first, fit_jewellery.__wrapped__(work, head, head.mean))


def test_sampled_jewellery():
    drawn = [sample_jewellery(rng(1, i), True, i % 2 == 0, i % 3 == 0) for i in range(300)]
    assert {j.earrings for j in drawn} == set(EARRINGS[1:])
    assert {j.necklace for j in drawn} == set(NECKLACES)
    assert {j.metal for j in drawn} == {GOLD, SILVER}
    assert {j.stone for j in drawn} == set(STONES)
    assert all(j.nose == (i % 3 == 0) for i, j in enumerate(drawn))
    assert np.mean([j.ears != (True, True) for j in drawn]) == pytest.approx(0.08, abs=0.05)
    assert all(any(j.ears) for j in drawn)
    assert sample_jewellery(rng(1), False, False, False).earrings == ""
