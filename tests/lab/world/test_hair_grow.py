"""Tests of growing strands on a resting head."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Head, at, load_head
from fusiform.lab.world.hair import Cut, Growth, Hair, hairline_height
from fusiform.lab.world.hair_grow import Grown, Strands, _nearest, budget, grow, mixed, roots_on
from fusiform.lab.world.hair_proxy import STEP, Proxy, distances, make_proxy
from fusiform.lab.world.hair_styles import STYLES

GROWING = [name for name in STYLES if name != "bald"]


@cache
def proxy() -> Proxy:
    head = load_head()
    return make_proxy(head, head.mean)


@cache
def grown(style: str, detail: float = 96, curl: float = 0.1, **cut: float) -> Grown:
    head = load_head()
    low, high = STYLES[style].curl
    growth = Growth(curl=min(max(curl, low), high), seed=3)
    out = grow(Hair(growth, Cut(style, seed=5, **cut)), head, head.mean, detail, proxy())
    assert out is not None
    return out


def strands(style: str, detail: float = 96, **more: float) -> Strands:
    return grown(style, detail, **more).strands


def arc(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.diff(points, axis=1), axis=2).sum(1)


# ---- roots


def test_budget_is_as_promised() -> None:
    for detail, count, pieces in ((112, 950, 5), (256, 2300, 6), (512, 14000, 12)):
        assert budget(detail) == (count, pieces)
    with pytest.raises(ChoiceError, match="detail"):
        budget(4)


@given(st.floats(8, 4000), st.floats(1, 3))
def test_budget_grows(detail: float, more: float) -> None:
    a, b = budget(detail), budget(detail * more)
    assert a[0] <= b[0]
    assert a[1] <= b[1]


def test_roots_are_even_over_the_area(head: Head) -> None:
    density = (head.masks["hairline"] > 0.02).astype(np.float32)
    chance = rng(3).random((20000, 3)).astype(np.float32)
    triangle, weights = roots_on(head, density, chance, 20000)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert weights.min() >= -1e-6
    a, b, c = (head.mean[head.triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    area[~(density[head.triangles] > 0).any(1)] = 0
    left = a[:, 0] > 0
    expected = area[left].sum() / area.sum()
    assert abs(left[triangle].mean() - expected) < 0.015
    big = np.argsort(area)[-200:]
    share = area[big].sum() / area.sum()
    assert abs(np.isin(triangle, big).mean() - share) < 0.02
    # and even within a triangle: the mean weights are thirds
    np.testing.assert_allclose(weights.mean(0), 1 / 3, atol=0.01)


def test_roots_by_weight(head: Head) -> None:
    left = head.mean[:, 0] > 0
    density = np.where(left, 3.0, 1.0).astype(np.float32) * (head.masks["hairline"] > 0.02)
    chance = rng(4).random((20000, 3)).astype(np.float32)
    triangle, weights = roots_on(head, density.astype(np.float32), chance, 20000, weigh=True)
    x = mixed(head.mean, head.triangles, triangle, weights)[:, 0]
    assert abs((x > 0).mean() - 0.75) < 0.03


def test_no_roots_without_density(head: Head) -> None:
    triangle, weights = roots_on(head, np.zeros(len(head.mean), np.float32), np.ones((9, 3)), 9)
    assert len(triangle) == len(weights) == 0


def test_mixed_is_a_weighted_mean(head: Head) -> None:
    triangle = np.array([5, 70], np.int32)
    weights = np.array([[0.2, 0.3, 0.5], [1, 0, 0]], np.float32)
    corners = head.mean[head.triangles[triangle]]
    expected = [(corners[i] * weights[i][:, None]).sum(0) for i in range(2)]
    np.testing.assert_allclose(mixed(head.mean, head.triangles, triangle, weights), expected, 1e-5)


@pytest.mark.parametrize("style", GROWING)
def test_strands_start_on_the_scalp(style: str, head: Head) -> None:
    one = strands(style)
    root = mixed(head.mean, head.triangles, one.triangle, one.weights)
    np.testing.assert_allclose(one.points[:, 0], root, atol=1e-6)
    height = mixed(head.masks["hairline"], head.triangles, one.triangle, one.weights)
    assert height.min() > -0.004


def test_bald_heads_have_no_strands(head: Head) -> None:
    assert grow(Hair(Growth(), Cut("bald")), head, head.mean, 64, proxy()) is None


def test_bare_crown_has_no_roots(head: Head) -> None:
    growth = Growth(crown=0.06, front=0.08, temples=0.04)
    out = grow(Hair(growth, Cut("tonsure")), head, head.mean, 96, proxy())
    assert out is not None
    s = out.strands
    place = mixed(head.mean, head.triangles, s.triangle, s.weights)
    mask = mixed(head.masks["hairline"], head.triangles, s.triangle, s.weights)
    scalp = head.mean[head.masks["scalp"] > 0.5]
    assert hairline_height(growth, mask, place, scalp).min() > -0.004
    assert len(s.points) < 0.8 * len(strands("tonsure").points)


@pytest.mark.parametrize("density", [0.4, 0.7])
def test_density_thins(density: float, head: Head) -> None:
    full = grow(Hair(Growth(), Cut("buzz")), head, head.mean, 64, proxy())
    thin = grow(Hair(Growth(density=density), Cut("buzz")), head, head.mean, 64, proxy())
    assert full is not None
    assert thin is not None
    share = len(thin.strands.points) / len(full.strands.points)
    assert share == pytest.approx(density, abs=0.05)


# ---- paths


@pytest.mark.parametrize("style", GROWING)
def test_strands_stay_outside(style: str) -> None:
    points = strands(style).points
    value = distances(proxy().grid, proxy().origin, STEP, points[:, 1:].reshape(-1, 3))[:, 0]
    assert np.isfinite(points).all()
    assert value.min() > -0.002
    assert (value < 0).mean() < 0.01


@pytest.mark.parametrize("style", ["buzz", "crew", "slick", "long_straight", "curtain"])
def test_lengths_are_as_asked(style: str, head: Head) -> None:
    one, double = strands(style), strands(style, length=1.5)
    a, b = np.median(arc(one.points)), np.median(arc(double.points))
    assert b / a == pytest.approx(1.5, rel=0.1)
    s = STYLES[style]
    place = mixed(head.mean, head.triangles, one.triangle, one.weights)
    top = place[:, 1] > place[:, 1].max() - 0.02
    middle = top & (place[:, 2] < place[:, 2].mean() + 0.02)
    # the shortest strand is 0.86 of the longest, so the mean is at 0.93
    assert np.median(arc(one.points)[middle]) == pytest.approx(0.93 * s.top, rel=0.1)


@pytest.mark.parametrize("style", GROWING)
def test_faces_stay_visible(style: str, head: Head) -> None:
    """Few strands cross the eyes, the nose or the mouth, seen from the front."""
    p = at(head.landmarks["68"], head.triangles, head.mean)
    points = strands(style).points.reshape(-1, 3)
    front = points[points[:, 2] > p[36, 2] - 0.005]
    for k in (37, 40, 43, 46, 30, 48, 54, 57):
        near = np.linalg.norm(front[:, :2] - p[k, :2], axis=1) < 0.006
        assert near.sum() <= 0.001 * len(points)


@pytest.mark.parametrize("style", ["crop", "pixie", "bob_fringe"])
def test_fringes_are_cut(style: str, head: Head) -> None:
    eyes = head.mean[head.rims][:, :, 1].mean()
    one = strands(style)
    front = (np.abs(one.points[:, :, 0]) < 0.03) & (one.points[:, :, 2] > 0.01)
    assert front.any()
    lowest = one.points[:, :, 1][front].min()
    assert lowest > eyes + STYLES[style].fringe_level - 0.012


def test_blunt_cut_is_level(head: Head) -> None:
    tips = strands("bob").points[:, -1]
    eyes = head.mean[head.rims][:, :, 1].mean()
    assert tips[:, 1].min() > eyes + STYLES["bob"].level - 0.02


def test_long_hair_hangs_and_short_does_not(head: Head) -> None:
    chin = at(head.landmarks["68"], head.triangles, head.mean)[8, 1]
    assert (strands("long_straight").points[:, -1, 1] < chin).mean() > 0.6
    assert strands("crew").points[:, :, 1].min() > chin


def test_parting_divides(head: Head) -> None:
    one = strands("long_straight")
    fore = (one.points[:, 0, 2] > -0.06) & (np.abs(one.points[:, 0, 0]) > 0.01)
    same = np.sign(one.points[fore, 0, 0]) == np.sign(one.points[fore, -1, 0])
    assert same.mean() > 0.95


def test_parting_side_mirrors() -> None:
    left, right = strands("side_short", part=1), strands("side_short", part=-1)
    place = left.points[:, 0]
    top = (place[:, 1] > place[:, 1].max() - 0.03) & (np.abs(place[:, 0]) < 0.015)
    drift = (left.points[top, -1, 0] - left.points[top, 0, 0]).mean()
    place = right.points[:, 0]
    top = (place[:, 1] > place[:, 1].max() - 0.03) & (np.abs(place[:, 0]) < 0.015)
    other = (right.points[top, -1, 0] - right.points[top, 0, 0]).mean()
    assert drift < -0.005
    assert other > 0.005


def test_slicked_hair_goes_back() -> None:
    one = strands("slick")
    top = one.points[:, 0, 1] > one.points[:, 0, 1].max() - 0.04
    assert (one.points[top, -1, 2] < one.points[top, 0, 2]).mean() > 0.95


@pytest.mark.parametrize("style", ["ponytail", "bun"])
def test_gathered_hair_meets(style: str) -> None:
    one = strands(style)
    tail = one.points[arc(one.points) > 0.8 * np.percentile(arc(one.points), 95)]
    spread = tail.std(0).sum(1)
    assert spread.min() < 0.55 * spread[0]


def test_afro_stands_off_the_head() -> None:
    tips = strands("afro_large", curl=0.95).points[:, -1]
    value = distances(proxy().grid, proxy().origin, STEP, tips)[:, 0]
    assert np.median(value) > 0.04
    flat = distances(proxy().grid, proxy().origin, STEP, strands("slick").points[:, -1])[:, 0]
    assert np.median(flat) < 0.015


def test_curls_bend() -> None:
    def turning(points: np.ndarray) -> float:
        d = np.diff(points, axis=1)
        d /= np.maximum(np.linalg.norm(d, axis=2, keepdims=True), 1e-9)
        return float(np.arccos(np.clip((d[:, 1:] * d[:, :-1]).sum(2), -1, 1)).mean())

    straight, curly = strands("ponytail", 256, curl=0.0), strands("long_curly", 256, curl=0.75)
    assert turning(curly.points) > 2 * turning(straight.points)


def test_cornrows_leave_rows_bare() -> None:
    rows, full = strands("cornrows", curl=0.1), strands("crew")
    assert len(rows.points) < 0.95 * len(full.points) * 6 / 5
    value = distances(proxy().grid, proxy().origin, STEP, rows.points.reshape(-1, 3))[:, 0]
    assert np.percentile(value, 99) < 0.012


def test_styles_differ() -> None:
    tips = {n: np.median(np.abs(strands(n).points[:, -1]), 0) for n in GROWING}
    pairs = [(a, b) for i, a in enumerate(GROWING) for b in GROWING[i + 1 :]]
    close = [p for p in pairs if np.abs(tips[p[0]] - tips[p[1]]).max() < 2e-4]
    assert not close


# ---- looks


@pytest.mark.parametrize("style", ["side_short", "bob", "long_wavy"])
def test_coverage_is_the_same_at_every_size(style: str) -> None:
    def cover(detail: float) -> float:
        one = strands(style, detail)
        piece = np.linalg.norm(np.diff(one.points, axis=1), axis=2)
        return float((piece * one.width[:, 1:]).sum())

    areas = [cover(d) for d in (112, 256)]
    assert max(areas) / min(areas) < 1.35


def test_smaller_pictures_have_fewer_strands() -> None:
    assert len(strands("bob", 64).points) < 0.7 * len(strands("bob", 256).points)


@pytest.mark.parametrize("style", ["bob", "afro_small", "ponytail"])
def test_arrays_are_sound(style: str) -> None:
    one = strands(style)
    n, k, _ = one.points.shape
    assert one.triangle.dtype == np.int32
    assert one.normals.shape == one.tint.shape == (n, k, 3)
    assert one.width.shape == one.openness.shape == one.torso.shape == (n, k)
    for a in (one.points, one.normals, one.tint, one.width, one.openness, one.torso):
        assert a.dtype == np.float32
        assert np.isfinite(a).all()
    assert one.width.min() > 0
    assert one.width.max() < 0.008
    assert 0 < one.openness.min() < one.openness.max() <= 1
    assert one.tint.min() > 0
    assert one.torso.min() >= 0
    assert one.torso.max() <= 1


def test_roots_and_depths_are_darker() -> None:
    one = strands("bob")
    assert one.openness[:, 0].mean() < 0.8 * one.openness[:, -1].mean()
    short = strands("buzz")
    assert short.openness[:, -1].mean() > one.openness[:, 1].mean()


def test_only_hanging_hair_follows_the_torso(head: Head) -> None:
    one = strands("long_straight")
    chin = at(head.landmarks["68"], head.triangles, head.mean)[8, 1]
    assert one.torso[one.points[:, :, 1] > chin + 0.04].max() == 0
    assert one.torso[one.points[:, :, 1] < chin - 0.1].min() > 0.9
    assert strands("crew").torso.max() < 0.01


def test_tips_are_thin() -> None:
    one = strands("long_straight")
    assert (one.width[:, -1] < 0.5 * one.width.max(1)).all()


def test_dense_styles_have_a_base(head: Head) -> None:
    cap = grown("bob").cap
    assert cap is not None
    assert cap.triangles.max() == len(cap.vertices) - 1
    assert cap.lift.max() <= STYLES["bob"].cap * 1.2
    edge = head.masks["hairline"][cap.vertices] < 0.004
    assert cap.lift[edge].max() < 0  # its rim dives under the skin
    assert grown("shaved").cap is None
    assert grown("cornrows").cap is None


# ---- determinism


@pytest.mark.parametrize("style", ["bob", "long_curly", "braids"])
def test_same_hair_same_bytes(style: str, head: Head) -> None:
    hair = Hair(Growth(seed=8), Cut(style, seed=2))
    one, two = (grow(hair, head, head.mean, 64, proxy()) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.strands.points.tobytes() == two.strands.points.tobytes()
    assert one.strands.tint.tobytes() == two.strands.tint.tobytes()
    assert one.strands.openness.tobytes() == two.strands.openness.tobytes()


def test_seed_of_the_growth_moves_roots_that_of_the_cut_does_not(head: Head) -> None:
    base = Hair(Growth(seed=1), Cut("buzz", seed=1))
    other = replace(base, cut=replace(base.cut, seed=2))
    third = replace(base, growth=replace(base.growth, seed=2))
    a, b, c = (grow(h, head, head.mean, 64, proxy()) for h in (base, other, third))
    assert a is not None
    assert b is not None
    assert c is not None
    np.testing.assert_array_equal(a.strands.points[:, 0], b.strands.points[:, 0])
    assert (
        a.strands.points.shape != c.strands.points.shape
        or (a.strands.points[:, 0] != c.strands.points[:, 0]).any()
    )


def test_bigger_heads_have_bigger_hair(head: Head) -> None:
    big = (head.mean * 1.1).astype(np.float32)
    one = grow(Hair(Growth(seed=3), Cut("crew", seed=5)), head, big, 96)
    assert one is not None
    small = strands("crew", curl=0.1)
    assert len(one.strands.points) == len(small.points)
    np.testing.assert_allclose(
        np.median(arc(one.strands.points)), 1.1 * np.median(arc(small.points)), rtol=0.03
    )


def test_clump_owners_against_a_tree() -> None:
    points = rng(7).random((300, 3)).astype(np.float32)
    owner = _nearest(points, 40)
    np.testing.assert_array_equal(owner[:40], np.arange(40))
    _, expected = cKDTree(points[:40]).query(points[40:])
    np.testing.assert_array_equal(owner[40:], expected)
