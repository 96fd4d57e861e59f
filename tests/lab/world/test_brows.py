"""Tests of brows and lashes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Head, at, load_head
from fusiform.lab.geometry.scene import Label, Material
from fusiform.lab.world.brows import (
    Brows,
    FaceHair,
    brow_count,
    follow_face_hair,
    grow_brows,
    grow_face_hair,
    grow_lashes,
    lid_edge,
    project_front,
    sample_brows,
)
from fusiform.lab.world.hair import Growth, sample_growth
from fusiform.lab.world.hair_grow import Strands
from fusiform.lab.world.traits import Traits

CAMERA = np.array([0.0, 0.0, 0.7], np.float32)


@cache
def face(detail: float = 200) -> FaceHair:
    head = load_head()
    return grow_face_hair(Brows(seed=4), head, head.mean, detail)


def brows(**changes: float) -> tuple[Strands, Strands]:
    head = load_head()
    return grow_brows(replace(Brows(uneven=0.0, seed=4), **changes), head, head.mean, 300)


def spine(one: Strands) -> np.ndarray:
    """Heights of the brow at ten places from the nose outwards."""
    root = one.points[:, 0]
    x = np.abs(root[:, 0])
    edges = np.quantile(x, np.linspace(0, 1, 11))
    return np.array([root[(x >= a) & (x <= b), 1].mean() for a, b in pairwise(edges)])


def length(one: Strands) -> np.ndarray:
    return np.linalg.norm(np.diff(one.points, axis=1), axis=2).sum(1)


@st.composite
def people(draw: st.DrawFn) -> Traits:
    raw = [draw(st.floats(0.01, 1)) for _ in range(2)]
    a, b = raw[0] / (sum(raw) + 0.5), raw[1] / (sum(raw) + 0.5)
    return Traits((a, b, 1 - a - b), draw(st.floats(0, 1)), draw(st.floats(5, 90)))


# ---- sampling


@settings(max_examples=60, deadline=None)
@given(people(), st.integers(0, 10**6))
def test_sampled_brows_stay_in_range(traits: Traits, seed: int) -> None:
    one = sample_brows(rng(seed), traits, sample_growth(rng(seed, "g"), traits))
    assert 150 <= one.count <= 450
    assert 0.001 < one.thickness < 0.018
    assert abs(one.rise) < 0.02
    assert -0.0015 <= one.arch <= 0.009
    assert 0.5 <= one.peak <= 0.76
    assert abs(one.head) <= 0.12
    assert -0.1 <= one.tail <= 0.28
    assert 0 <= one.gap <= 1
    assert 0.003 < one.length < 0.025
    assert 0 <= one.mascara <= 1
    assert 0 <= one.grey <= 1
    assert 0.5 < one.lash < 1.5


def test_sampling_is_determined() -> None:
    traits = Traits((0, 0, 1), 0.3, 30)
    one, two = (sample_brows(rng(3), traits, Growth()) for _ in range(2))
    assert one == two
    assert one != sample_brows(rng(4), traits, Growth())


def group(male: float, age: float, growth: Growth, count: int = 80) -> list[Brows]:
    traits = Traits((0, 0, 1), male, age)
    return [sample_brows(rng(9, "group", i), traits, growth) for i in range(count)]


def test_brows_vary_between_people() -> None:
    people = group(0.5, 35, Growth())
    for name, least in (
        *(("thickness", 0.001), ("rise", 0.0015), ("arch", 0.001), ("slant", 0.0015)),
        *(("count", 20), ("length", 0.0005), ("taper", 0.1), ("tail", 0.04)),
    ):
        assert np.std([getattr(b, name) for b in people]) > least


def test_brows_of_blonds_are_darker_than_their_hair() -> None:
    blond = Growth(eumelanin=0.08)
    assert np.mean([b.eumelanin for b in group(0.5, 30, blond)]) > 2 * blond.eumelanin
    dark = Growth(eumelanin=1.5)
    assert np.mean([b.eumelanin for b in group(0.5, 30, dark)]) == pytest.approx(1.7, rel=0.1)


def test_men_have_more_brow_and_old_men_wilder() -> None:
    women, men, old = (group(m, a, Growth()) for m, a in ((0, 30), (1, 30), (1, 80)))
    assert np.mean([b.thickness for b in men]) > np.mean([b.thickness for b in women]) + 0.001
    assert np.mean([b.length for b in old]) > 1.2 * np.mean([b.length for b in men])
    assert np.mean([b.wild for b in old]) > np.mean([b.wild for b in men])
    assert np.mean([b.gap for b in men]) > np.mean([b.gap for b in women])


def test_only_grown_women_wear_mascara() -> None:
    assert all(b.mascara == 0 for b in group(1.0, 30, Growth()))
    assert all(b.mascara == 0 for b in group(0.0, 9, Growth()))
    assert any(b.mascara > 0.3 for b in group(0.0, 30, Growth()))


# ---- brows


@given(st.integers(150, 450), st.floats(30, 1000), st.floats(1, 4))
def test_hairs_drawn_grow_with_the_picture(count: int, detail: float, more: float) -> None:
    assert 40 <= brow_count(count, detail) <= brow_count(count, detail * more)


def test_counts_at_portrait_size() -> None:
    left, right = brows(count=300)
    for side in (left, right):
        assert 270 < len(side.points) <= 310


def test_brows_sit_over_their_eyes(head: Head) -> None:
    left, right = face().brows
    assert (left.points[:, 0, 0] > 0).mean() > 0.99
    assert (right.points[:, 0, 0] < 0).mean() > 0.99
    p = at(head.landmarks["68"], head.triangles, head.mean)
    root = left.points[:, 0]
    assert root[:, 1].min() > p[[43, 44], 1].max()
    assert abs(root[:, 1].mean() - p[22:27, 1].mean()) < 0.01
    assert root[:, 0].min() > p[22, 0] - 0.012
    assert root[:, 0].max() < p[26, 0] + 0.012


def test_roots_are_on_the_skin(head: Head) -> None:
    for one in (*face().brows, *face().lashes):
        root = np.einsum("kc,kcd->kd", one.weights, head.mean[head.triangles[one.triangle]])
        gap = np.linalg.norm(one.points[:, 0] - root, axis=1)
        assert gap.max() < 0.0003
        assert one.weights.min() > -1e-5
        np.testing.assert_allclose(one.weights.sum(1), 1, atol=1e-5)


def test_sides_are_much_alike_but_not_the_same() -> None:
    left, right = brows()
    np.testing.assert_allclose(spine(left), spine(right), atol=0.003)
    assert left.points.shape != right.points.shape or (left.points != right.points).any()


@pytest.mark.parametrize("rise", [-0.003, 0.004])
def test_rise_lifts_the_whole_brow(rise: float) -> None:
    plain, lifted = brows()[0], brows(rise=rise)[0]
    np.testing.assert_allclose(spine(lifted) - spine(plain), rise, atol=4e-4)


def test_arch_bends_the_brow() -> None:
    flat, high = spine(brows(arch=0.0)[0]), spine(brows(arch=0.006)[0])
    change = high - flat
    assert change.argmax() in (4, 5, 6, 7)
    assert change.max() > 0.002
    assert change[0] < 0


def test_slant_turns_the_brow() -> None:
    change = spine(brows(slant=0.004)[0]) - spine(brows()[0])
    assert change[0] < -0.001
    assert change[-1] > 0.001


def test_thickness_and_taper() -> None:
    def high(one: Strands, outer: bool) -> float:
        x, y = np.abs(one.points[:, 0, 0]), one.points[:, 0, 1]
        y = y - np.polyval(np.polyfit(x, y, 5), x)
        part = x > np.quantile(x, 0.85) if outer else (x < np.quantile(x, 0.5))
        return float(y[part].std())

    thin, thick = brows(thickness=0.006)[0], brows(thickness=0.013)[0]
    assert high(thick, False) > 1.3 * high(thin, False)
    assert high(brows(taper=0.95)[0], True) < high(brows(taper=0.2)[0], True)


def test_tail_and_head_move_the_ends() -> None:
    def reach(one: Strands) -> tuple[float, float]:
        x = np.abs(one.points[:, 0, 0])
        return float(x.min()), float(x.max())

    base = reach(brows()[0])
    assert reach(brows(tail=0.2)[0])[1] < base[1] - 0.005
    assert reach(brows(head=-0.1)[0])[0] > base[0] + 0.002


def test_a_gap_is_bridged_in_some() -> None:
    def between(gap: float) -> int:
        return int((np.abs(brows(gap=gap)[0].points[:, 0, 0]) < 0.006).sum())

    assert between(0.0) == 0
    assert between(1.0) > 8


def test_hairs_point_up_then_outwards() -> None:
    left = brows(wild=0.0)[0]
    way = left.points[:, 2] - left.points[:, 0]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    x = left.points[:, 0, 0]
    inner, outer = x < np.quantile(x, 0.08), x > np.quantile(x, 0.6)
    assert way[inner, 1].mean() > 0.5
    assert way[outer, 0].mean() > 0.5
    assert way[outer, 1].mean() < 0.3


def test_hair_lengths_are_as_asked() -> None:
    short, long = brows(length=0.006)[0], brows(length=0.012)[0]
    assert np.median(length(long)) / np.median(length(short)) == pytest.approx(2, rel=0.03)
    assert np.median(length(short)) == pytest.approx(0.006, rel=0.2)


@given(st.floats(0, 1))
@settings(max_examples=6, deadline=None)
def test_grey_share_of_hairs(grey: float) -> None:
    one = brows(eumelanin=1.4, grey=grey, count=450)[0]
    assert abs(one.tint[:, 0, 0].mean() / 0.37 - grey) < 0.1


def test_same_brows_same_bytes(head: Head) -> None:
    one, two = (grow_face_hair(Brows(seed=7), head, head.mean, 100) for _ in range(2))
    for a, b in zip((*one.brows, *one.lashes), (*two.brows, *two.lashes), strict=True):
        assert a.points.tobytes() == b.points.tobytes()
        assert a.tint.tobytes() == b.tint.tobytes()


def test_a_raised_brow_carries_its_hairs(head: Head) -> None:
    up = np.array([0.0005, 0.006, 0.001], np.float32)
    posed = head.mean + (head.masks["brow"] > 0.0)[:, None] * up
    own = face()
    still = follow_face_hair(own, head, head.mean, head.mean, CAMERA)
    raised = follow_face_hair(own, head, head.mean, posed.astype(np.float32), CAMERA)
    for k in range(2):
        strands = own.brows[k]
        whole = (head.masks["brow"][head.triangles[strands.triangle]] > 0).all(1)
        assert whole.mean() > 0.5
        n, m, _ = strands.points.shape
        a = still[k].vertices.reshape(n, m, 2, 3).mean(2)
        b = raised[k].vertices.reshape(n, m, 2, 3).mean(2)
        np.testing.assert_allclose(
            b[whole] - a[whole], np.broadcast_to(up, a[whole].shape), atol=2e-5
        )


def test_surfaces_are_labelled(head: Head) -> None:
    all_four = follow_face_hair(face(), head, head.mean, head.mean, CAMERA)
    labels = [Label.LEFT_BROW, Label.RIGHT_BROW, Label.LEFT_EYE, Label.RIGHT_EYE]
    assert [s.label for s in all_four] == labels
    assert all(s.material is Material.HAIR for s in all_four)
    for s in all_four:
        left = s.label in (Label.LEFT_BROW, Label.LEFT_EYE)
        assert (s.vertices[:, 0].mean() > 0) == left


# ---- the projection


def test_front_projection_against_every_triangle(head: Head) -> None:
    places = rng(5).uniform([-0.05, -0.03], [0.05, 0.05], (60, 2))
    triangle, weights, hit = project_front(head, head.mean, places, -0.06)
    corners = head.mean[head.triangles].astype(np.float64)
    ok = 0
    for place, found in zip(places, hit, strict=True):
        best = -np.inf
        for a, b, c in corners:
            if min(a[2], b[2], c[2]) < -0.06:
                continue
            m = np.array([b[:2] - a[:2], c[:2] - a[:2]]).T
            det = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
            if det <= 1e-14:
                continue
            d = place - a[:2]
            v = (d[0] * m[1, 1] - d[1] * m[0, 1]) / det
            w = (m[0, 0] * d[1] - m[1, 0] * d[0]) / det
            if v >= 0 and w >= 0 and v + w <= 1:
                best = max(best, a[2] + v * (b[2] - a[2]) + w * (c[2] - a[2]))
        assert found == np.isfinite(best)
        if found:
            z = weights[ok] @ corners[triangle[ok]]
            np.testing.assert_allclose(z, [*place, best], atol=1e-6)
            ok += 1
    assert ok > 40


def test_projection_misses_the_air(head: Head) -> None:
    _, _, hit = project_front(head, head.mean, np.array([[0.4, 0.3], [0.0, 0.03]]), -0.1)
    assert hit.tolist() == [False, True]


# ---- lashes


def test_lash_counts() -> None:
    head = load_head()
    left, right = grow_lashes(Brows(), head, head.mean, 256)
    for one in (left, right):
        assert 120 <= len(one.points) <= 140
    assert left.points[:, 0, 0].min() > 0 > right.points[:, 0, 0].max()


def test_lid_edges_enclose_the_eye(head: Head) -> None:
    for rim in head.rims:
        over, under = lid_edge(head, rim, True), lid_edge(head, rim, False)
        np.testing.assert_allclose(over[:, 0], under[:, 0])
        assert (over[2:-2, 1] > under[2:-2, 1] + 0.002).all()
        assert np.abs(over[:, 1] - head.mean[rim][:, 1].mean()).max() < 0.012


def test_lashes_rise_above_and_fall_below(head: Head) -> None:
    for one in face().lashes:
        root, tip = one.points[:, 0], one.points[:, -1]
        upper = length(one) > 0.0065
        assert upper.sum() > 20
        assert (tip[upper, 1] > root[upper, 1]).mean() > 0.95
        assert (tip[:, 2] > root[:, 2]).mean() > 0.95
        low = root[:, 1] < np.quantile(root[:, 1], 0.2)
        assert (tip[low, 1] < root[low, 1] + 0.001).mean() > 0.9


def test_lash_length_and_mascara(head: Head) -> None:
    plain = grow_lashes(Brows(), head, head.mean)[0]
    long = grow_lashes(Brows(lash=1.3), head, head.mean)[0]
    np.testing.assert_allclose(length(long), 1.3 * length(plain), rtol=1e-3)
    made_up = grow_lashes(Brows(mascara=1.0), head, head.mean)[0]
    assert made_up.tint.max() < 0.01
    assert made_up.width.mean() > 1.5 * plain.width.mean()
    assert np.median(length(plain)) < 0.011


def test_lashes_follow_a_closing_lid(head: Head) -> None:
    down = np.array([0, -0.006, 0], np.float32)
    posed = head.mean + (head.masks["eyelid"] > 0)[:, None] * down
    own = face()
    still = follow_face_hair(own, head, head.mean, head.mean, CAMERA)
    closed = follow_face_hair(own, head, head.mean, posed.astype(np.float32), CAMERA)
    for k in (2, 3):
        fall = closed[k].vertices[:, 1] - still[k].vertices[:, 1]
        assert np.median(fall) == pytest.approx(-0.006, abs=3e-4)
