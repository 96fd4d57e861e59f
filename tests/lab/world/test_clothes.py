"""Tests of clothes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.clothes import (
    GARMENTS,
    LIFT,
    SHARES,
    Clothes,
    body,
    body_uv,
    edge_frames,
    fit_clothes,
    neckline,
    sample_clothes,
    torso_openness,
    turtleneck,
)
from fusiform.lab.world.wear_collar import Neck, neck_of, over
from fusiform.lab.world.wear_fabric import Fabric
from fusiform.lab.world.wear_fit import landmarks, reach

MOST = 7500
NECK = Neck(np.array([0, -0.18, 0.02]), np.array([0, -0.14, -0.10]), -0.04, 0.06, -0.11)
PIT = np.float32([[0, -0.18, 0.02]])


@pytest.mark.parametrize("kind", GARMENTS)
def test_clothes_cover_the_chest_and_not_the_face(head, people, wear, kind):
    for rest in people:
        pieces = fit_clothes(sample_clothes(rng(2, kind), kind), head, rest)
        wear.sound(pieces, MOST)
        assert all(p.label is Label.CLOTH for p in pieces)
        assert not wear.covered(landmarks(head, rest)[:68] + np.array([0, 0, 0.002]), pieces).any()
        pit = neck_of(head, rest).front[1]
        tall = pit - rest[:, 1].min()
        x, y = np.meshgrid(np.linspace(-0.06, 0.06, 9), pit - tall * np.linspace(0.15, 0.5, 6))
        chest = over(head, rest, np.stack([x.ravel(), y.ravel()], 1), 0.0)
        least = {"v-neck": 0.5, "tank": 0.2, "shirt": 0.7, "polo": 0.7, "jacket": 0.7}
        assert wear.covered(chest, pieces).mean() > least.get(kind, 0.999)


@pytest.mark.parametrize("kind", ["crew", "v-neck", "jacket", "hoodie", "shirt"])
def test_cloth_lies_outside_the_skin(head, kind):
    main = fit_clothes(Clothes(kind=kind), head, head.mean)[0]
    points = main.mesh.vertices[::9].astype(np.float64)
    inward = points - main.mesh.normals[::9] * 0.03
    gap = reach(head, head.mean, inward, main.mesh.normals[::9].astype(np.float64), far=0.06)
    near = gap > 0
    assert (gap[near] < 0.03).mean() > 0.95


def test_the_neckline_follows_its_depth(head):
    def top(low):
        main = fit_clothes(Clothes(kind="crew", low=low), head, head.mean)[0].mesh.vertices
        return main[np.abs(main[:, 0]) < 0.01][:, 1][
            main[np.abs(main[:, 0]) < 0.01][:, 2] > -0.08
        ].max()

    assert top(0.0) - top(0.02) == pytest.approx(0.02, abs=0.008)


def test_necklines_pass_through_the_points_they_are_fitted_to():
    assert neckline(NECK, PIT, "crew", 0.0) == pytest.approx([0.0], abs=1e-7)
    assert neckline(NECK, PIT, "crew", 0.012) == pytest.approx([-0.012], abs=1e-7)
    behind = np.float32([[0, -0.14 - 0.016, -0.10]])
    assert neckline(NECK, behind, "crew", 0.0) == pytest.approx([0.0], abs=1e-7)
    assert neckline(NECK, PIT, "v-neck", 0.0) == pytest.approx([-0.085], abs=1e-6)
    assert neckline(NECK, PIT, "shirt", 0.0) == pytest.approx([-0.05], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(GARMENTS),
    st.tuples(st.floats(-0.2, 0.2), st.floats(-0.4, -0.1), st.floats(-0.15, 0.1)),
)
def test_necklines_are_symmetric_and_fall_with_height(kind, place):
    x, y, z = place
    rest = np.float32([[x, y, z], [-x, y, z], [x, y - 0.05, z]])
    here, mirrored, below = neckline(NECK, rest, kind, 0.01)
    assert here == pytest.approx(mirrored, abs=1e-6)
    assert below >= here  # the arms of a tank top are cut upright
    assert below - here <= 0.05 * 3.2 + 1e-6


def test_open_necklines_bare_more(head):
    neck = neck_of(head, head.mean)
    bare = {k: (neckline(neck, head.mean, k, 0.01) < 0).sum() for k in GARMENTS}
    assert bare["crew"] < bare["v-neck"] < bare["tank"]
    assert bare["crew"] < bare["shirt"] < bare["jacket"]


def test_texture_runs_across_and_down(head):
    neck = neck_of(head, head.mean)
    uv = body_uv(head.mean, neck)
    assert uv.dtype == np.float32
    assert np.allclose(uv[head.mirror, 0], 1 - uv[:, 0], atol=0.02)
    torso = (head.masks["torso"] > 0.9) & (head.mean[:, 2] > neck.front[2] - 0.02)
    assert np.corrcoef(uv[torso, 1], -head.mean[torso, 1])[0, 1] > 0.9
    assert 0 <= uv[:, 1].min() <= uv[:, 1].max() <= 1


def test_it_is_darker_near_the_neck():
    x = np.linspace(0.06, 0.3, 9)
    row = np.stack([x, np.full(9, -0.18), np.full(9, -0.04)], 1)
    shade = torso_openness(row, NECK)
    assert (np.diff(shade) >= 0).all()
    assert shade[0] == pytest.approx(0.42)
    assert shade[-1] == pytest.approx(0.95)


def test_a_garment_ends_at_its_neckline(head, people):
    for rest in people:
        neck = neck_of(head, rest)
        for kind in ("crew", "v-neck", "tank"):
            _, part = body(head, rest, neck, kind, 0.01, Fabric(), LIFT)
            below = part.carry(neckline(neck, rest, kind, 0.01)[:, None])[:, 0]
            assert below.min() > -1e-5
            assert np.abs(below[part.edge]).max() < 1e-5
            assert part.ring or kind == "tank"
            assert len(np.unique(part.edge)) == len(part.edge)


def test_the_edge_has_frames_all_round(head, people):
    for rest in people:
        neck = neck_of(head, rest)
        main, part = body(head, rest, neck, "crew", 0.01, Fabric(), LIFT)
        p, n, up = edge_frames(main, part, 64)
        assert p.shape == n.shape == up.shape == (64, 3)
        for vectors in (n, up):
            assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
        assert np.abs((n * up).sum(1)).max() < 1e-9
        steps = np.linalg.norm(np.diff(p, axis=0, append=p[:1]), axis=1)
        assert steps.max() < 1.6 * steps.mean()
        assert p[0, 2] < neck.axis < p[32, 2]  # from behind to the front
        assert p[16, 0] > 0 > p[48, 0]  # over the subject's left
        assert up[:, 1].mean() > 0.3


@pytest.mark.parametrize("kind", ["crew", "v-neck", "tank", "turtleneck", "hoodie", "shirt"])
def test_cloth_keeps_its_distance_from_everybody(head, people, wear, kind):
    for rest in people:
        main = fit_clothes(Clothes(kind), head, rest)[0]
        gap = wear.gaps(main.mesh.vertices, head, rest)
        assert np.mean(gap > 0.0005) > 0.98
        assert np.median(gap) < 0.02
        assert gap.max() < 0.04


def test_loose_cloth_lies_farther_out(head, wear):
    far = [
        np.median(wear.gaps(one[0].mesh.vertices, head, head.mean))
        for one in (fit_clothes(Clothes(loose=a), head, head.mean) for a in (0.001, 0.008))
    ]
    assert far[1] - far[0] == pytest.approx(0.007, abs=0.003)


def test_roll_necks_reach_up_the_neck(head, people, wear):
    for rest in people:
        neck = neck_of(head, rest)
        tube = turtleneck(head, rest, neck)
        assert neck.top - 0.03 < tube.vertices[:, 1].max() < neck.top + 0.045
        assert np.mean(wear.gaps(tube.vertices, head, rest) > -0.006) > 0.85


def test_each_garment_has_its_parts(head):
    def parts(kind, **more):
        return [p.part for p in fit_clothes(Clothes(kind, **more), head, head.mean)]

    assert parts("crew") == ["crew", "neckband"]
    assert parts("tank") == ["tank"]
    assert parts("shirt") == ["shirt", "collar", "button", "button"]
    assert parts("polo") == parts("shirt")
    assert parts("turtleneck") == ["turtleneck", "roll neck"]
    assert parts("hoodie") == ["hoodie", "neckband", "hood", "cord", "cord"]
    bare, tied = parts("jacket"), parts("jacket", tie=Fabric("stripes"))
    assert [p for p in tied if p not in bare] == ["tie knot", "tie"]
    assert {"jacket", "shirt", "collar", "lapel"} <= set(bare)


def test_buttons_shine_in_the_middle_one_below_the_other(head, people, wear):
    for rest in people:
        buttons = [p for p in fit_clothes(Clothes("shirt"), head, rest) if p.part == "button"]
        middles = np.array([p.mesh.vertices.mean(0) for p in buttons])
        assert np.abs(middles[:, 0]).max() < 0.002
        assert buttons
        assert np.allclose(np.diff(middles[:, 1]), -0.075, atol=1e-4)
        assert all(p.material is Material.GLOSS for p in buttons)
        assert wear.gaps(middles, head, rest).min() > 0.002


def test_all_of_it_goes_with_the_torso_and_its_skin(head):
    for kind in GARMENTS:
        pieces = fit_clothes(Clothes(kind, tie=Fabric()), head, head.mean)
        assert all(p.follow == "torso" for p in pieces)
        assert all(p.skin is not None for p in pieces)


def test_fitting_repeats_byte_for_byte(head, wear):
    for kind in ("jacket", "hoodie"):
        first = fit_clothes(Clothes(kind), head, head.mean)
        assert fit_clothes(Clothes(kind), head, head.mean) is first
        assert wear.same(first, fit_clothes.__wrapped__(Clothes(kind), head, head.mean))


def test_sampled_clothes():
    drawn = [sample_clothes(rng(1, i)) for i in range(400)]
    counts = np.array([sum(c.kind == kind for c in drawn) for kind in GARMENTS]) / 400
    assert np.allclose(counts, SHARES, atol=0.07)
    assert all(0.002 <= c.low <= 0.03 and 0.001 <= c.loose <= 0.008 for c in drawn)
    assert np.mean([c.tie is not None for c in drawn]) == pytest.approx(0.6, abs=0.08)
    assert {c.fabric.pattern for c in drawn if c.kind == "jacket"} == {"plain", "checks"}
    assert sample_clothes(rng(2), "tank").kind == "tank"
