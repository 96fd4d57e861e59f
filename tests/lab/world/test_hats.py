"""Tests of what is worn on the head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.hats import (
    HATS,
    MAKERS,
    SHARES,
    Hat,
    Skull,
    brim,
    crown_points,
    edge_heights,
    filled,
    fit_hat,
    hides,
    sample_hat,
    skull_of,
    spun,
    turned_in,
)
from fusiform.lab.world.wear import WRAPS
from fusiform.lab.world.wear_fit import cast, landmarks

MOST = 4000
SKULL = Skull(np.array([0.0, 0.04, -0.06]), 0.03, 0.03, -0.015)
FITTED = sorted(MAKERS)


@pytest.mark.parametrize("kind", HATS)
def test_hats_sit_on_the_head_and_leave_the_eyes_free(head, people, wear, kind):
    for rest in people:
        hat = Hat(kind=kind, low=0.016)
        pieces = fit_hat(hat, head, rest)
        wear.sound(pieces, MOST)
        assert min(wear.outward(p) for p in pieces) > 0.95
        eyes = landmarks(head, rest)[36:48]
        assert not wear.covered(eyes + np.array([0, 0, 0.002]), pieces).any()
        assert {p.label for p in pieces} <= {Label.HAT, Label.CLOTH}


@pytest.mark.parametrize("kind", [k for k in HATS if k not in (*WRAPS, "headband")])
def test_the_scalp_does_not_pierce_a_hat(head, people, wear, kind):
    for rest in people:
        pieces = fit_hat(Hat(kind=kind), head, rest)
        hidden = hides(Hat(kind=kind), head, rest) > 0.99
        crown = np.nonzero(hidden & (head.masks["scalp"] > 0.9))[0][::3]
        middle = np.array([0, landmarks(head, rest)[27, 1] + 0.03, -0.06])
        rays = rest[crown] - middle
        far = np.linalg.norm(rays, axis=1)
        starts = np.tile(middle, (len(crown), 1))
        hit = cast(starts, rays / far[:, None], wear.corners(pieces), 10.0)
        assert (hit - far > -0.001).mean() > 0.93


@pytest.mark.parametrize("kind", HATS)
def test_hats_hide_the_hair_under_them_and_none_of_the_face(head, kind):
    hidden = hides(Hat(kind=kind), head, head.mean)
    assert hidden.shape == (len(head.mean),)
    assert 0 <= hidden.min() <= hidden.max() <= 1
    scalp = head.masks["scalp"] > 0.9
    y = head.mean[:, 1]
    if kind != "headband":
        assert hidden[scalp & (y > np.quantile(y[scalp], 0.75))].mean() > 0.95
    nose = head.masks["nosetip"] > 0.5
    assert hidden[nose].max() == 0


def test_a_cap_can_be_worn_back_to_front(head, wear):
    front = fit_hat(Hat(kind="cap"), head, head.mean)
    back = fit_hat(Hat(kind="cap", back=True), head, head.mean)
    assert front[1].mesh.vertices[:, 2].mean() > 0 > back[1].mesh.vertices[:, 2].mean() + 0.05
    assert min(wear.outward(p) for p in back) > 0.97
    eyes = landmarks(head, head.mean)[36:48] + np.array([0, 0, 0.002])
    assert not wear.covered(eyes, back).any()


@pytest.mark.parametrize("kind", FITTED)
def test_edges_run_from_brow_over_ears_to_nape(kind):
    hat = Hat(kind, low=0.01)
    front, left, back, right = edge_heights(hat, SKULL, np.radians([0.0, 90, 180, 270]))
    assert left == pytest.approx(right)
    assert front > left > back
    assert front > SKULL.brow
    lower = edge_heights(replace(hat, low=0.016), SKULL, np.array([0.0]))[0]
    assert 0.003 < front - lower <= 0.006 + 1e-9


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(FITTED), st.floats(-np.pi, np.pi))
def test_edges_are_mirror_images_without_steps(kind, phi):
    there, mirrored, beside = edge_heights(Hat(kind), SKULL, np.array([phi, -phi, phi + 1e-4]))
    assert there == pytest.approx(mirrored, abs=1e-12)
    assert abs(beside - there) < 1e-4


def test_gaps_are_filled_from_around():
    far = np.array([[1.0, -1, 3, -1], [2, 2, 2, 2], [-1, -1, -1, -1]])
    assert np.array_equal(filled(far), [[1, 2, 3, 2], [2, 2, 2, 2], [-1, -1, -1, -1]])


def test_a_brim_around_a_ring_is_a_wider_ring():
    phi = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([0.1 * np.sin(phi), 0 * phi, 0.1 * np.cos(phi)], 1)
    flat = brim(ring, np.full(40, 0.05), np.full(40, 0.02), 0 * phi).vertices
    radius = np.hypot(flat[:, 0], flat[:, 2])
    assert radius.max() == pytest.approx(0.15, abs=1e-6)
    outer = radius > 0.1499
    assert np.allclose(np.unique(flat[outer, 1].round(5)), [-0.023, -0.02], atol=1e-6)
    curled = brim(ring, np.full(40, 0.05), 0 * phi, np.full(40, 0.01)).vertices
    assert curled[:, 1].max() == pytest.approx(0.01, abs=1e-6)


def test_edges_are_folded_inwards():
    rows = np.stack([np.full((4, 3), float(i)) for i in range(3)])
    out = np.broadcast_to([0.0, 0, 1], rows.shape)
    folded = turned_in(rows, out, 0.5, 0.25)
    assert np.array_equal(folded[:-1], rows)
    assert np.allclose(folded[-1], [2.0, 2.25, 1.5])


def test_the_dome_lies_on_the_scalp(head, people, wear):
    for rest in people:
        hat = Hat("beanie")
        points, out, phi = crown_points(hat, head, rest, skull_of(head, rest))
        assert points.shape == out.shape == (13, 48, 3)
        assert np.allclose(np.linalg.norm(out, axis=-1), 1)
        gap = wear.gaps(points[1:-2].reshape(-1, 3), head, rest)
        assert np.abs(gap).max() < 0.012
        assert np.median(np.abs(gap)) < 0.003
        edge = edge_heights(hat, skull_of(head, rest), phi)
        assert np.allclose(points[-1, :, 1], edge, atol=1e-3)


@pytest.mark.parametrize("kind", FITTED)
def test_hats_of_a_symmetric_head_are_symmetric(head, kind):
    for one in fit_hat(Hat(kind), head, head.mean)[:1]:
        v = one.mesh.vertices
        if kind not in ("turban", "beanie"):  # wound and wrinkled ones are not
            assert np.allclose(v[:, 0].max(), -v[:, 0].min(), atol=0.002)
        assert abs(v[:, 0].mean()) < 0.004


def test_taller_and_lower_hats(head):
    def top(**form):
        return fit_hat(Hat("beanie", **form), head, head.mean)[0].mesh.vertices[:, 1].max()

    def front(low):
        v = fit_hat(Hat("headband", low=low), head, head.mean)[0].mesh.vertices
        return v[v[:, 2] > v[:, 2].max() - 0.01, 1].min()

    assert top(tall=0.03) > top(tall=0.004) + 0.015
    assert front(0.0) > front(0.016) + 0.004
    assert hides(Hat(low=0.016), head, head.mean).sum() > hides(Hat(low=0), head, head.mean).sum()


def test_hats_sit_askew_about_the_vertical(head):
    straight = fit_hat(Hat("cap"), head, head.mean)
    askew = fit_hat(Hat("cap", turned=12.0), head, head.mean)
    middle = skull_of(head, head.mean).centre
    for a, b in zip(straight, askew, strict=True):
        assert np.allclose(a.mesh.vertices[:, 1], b.mesh.vertices[:, 1], atol=1e-6)
        assert np.linalg.norm(b.tangents, axis=1) == pytest.approx(1, abs=1e-4)
        one, two = (p.mesh.vertices - middle for p in (a, b))
        assert np.allclose(np.hypot(*one[:, [0, 2]].T), np.hypot(*two[:, [0, 2]].T), atol=1e-5)
    peaks = [np.arctan2(*(p[1].mesh.vertices.mean(0) - middle)[[0, 2]]) for p in (straight, askew)]
    assert np.degrees(peaks[1] - peaks[0]) == pytest.approx(12, abs=0.1)
    back = spun(askew[0], skull_of(head, head.mean), -12.0)
    assert np.allclose(back.mesh.vertices, straight[0].mesh.vertices, atol=1e-6)


def test_each_kind_has_its_own_parts(head):
    def parts(kind):
        return [p.part for p in fit_hat(Hat(kind), head, head.mean)]

    assert parts("cap") == ["cap", "cap peak", "cap button"]
    assert parts("fedora") == ["hat", "hat brim", "hat band"]
    assert parts("bucket") == ["hat", "hat brim"]
    assert parts("helmet") == ["helmet", "helmet brim"]
    assert parts("headscarf") == ["headscarf", "headscarf drape"]
    shell = fit_hat(Hat("helmet"), head, head.mean)[0]
    assert shell.material is Material.GLOSS
    assert shell.fabric is None
    band = fit_hat(Hat("fedora"), head, head.mean)[2].fabric
    assert band is not None
    assert np.mean(band.colour) < 0.05


def test_brims_stand_out_beyond_crowns(head):
    for kind in ("fedora", "bucket", "helmet"):
        crown, ledge = (p.mesh.vertices for p in fit_hat(Hat(kind), head, head.mean)[:2])
        assert ledge[:, 2].max() > crown[:, 2].max() + 0.02
        assert ledge[:, 1].mean() < crown[:, 1].mean()


def test_headbands_leave_the_crown_free(head):
    scalp = head.masks["scalp"] > 0.9
    top = scalp & (head.mean[:, 1] > np.quantile(head.mean[scalp, 1], 0.8))
    assert hides(Hat("headband"), head, head.mean)[top].max() == 0
    assert hides(Hat("headband"), head, head.mean)[scalp].max() == 1


@pytest.mark.parametrize("kind", HATS)
def test_fitting_repeats_byte_for_byte(head, people, wear, kind):
    first = fit_hat(Hat(kind), head, head.mean)
    assert fit_hat(Hat(kind), head, head.mean) is first
    assert not wear.same(first, fit_hat(Hat(kind), head, people[1]))
    assert wear.same(first, fit_hat.__wrapped__(Hat(kind), head, head.mean))


def test_sampled_hats():
    drawn = [sample_hat(rng(1, i)) for i in range(400)]
    counts = np.array([sum(h.kind == kind for h in drawn) for kind in HATS]) / 400
    assert np.allclose(counts, SHARES, atol=0.07)
    assert all(0 <= h.low <= 0.016 and 0.004 <= h.tall <= 0.03 for h in drawn)
    assert all(h.kind == "cap" for h in drawn if h.back)
    assert np.std([h.turned for h in drawn]) == pytest.approx(5, rel=0.2)
    assert {h.fabric.pattern for h in drawn if h.kind == "helmet"} == {"plain"}
    assert sample_hat(rng(2), "turban").kind == "turban"
