"""Tests of beards and moustaches."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Head, at, load_head
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.beard import (
    STYLES,
    Beard,
    follow_beard,
    grow_beard,
    rebearded,
    sample_beard,
)
from fusiform.lab.world.hair import Growth, sample_growth
from fusiform.lab.world.hair_grow import Strands, mixed
from fusiform.lab.world.hair_proxy import STEP, Proxy, distances, make_proxy
from fusiform.lab.world.traits import Traits

CAMERA = np.array([0.0, 0.0, 0.7], np.float32)
GROWING = [s for s in STYLES if s != "none"]
LIPPED = ("thin", "chevron", "handlebar", "goatee", "full", "long", "short")


@cache
def proxy() -> Proxy:
    head = load_head()
    return make_proxy(head, head.mean)


@cache
def marks() -> np.ndarray:
    head = load_head()
    return at(head.landmarks["68"], head.triangles, head.mean)


@cache
def beard(style: str, detail: float = 128, **changes: float) -> Strands:
    head = load_head()
    out = grow_beard(Beard(style, seed=3, **changes), head, head.mean, detail, proxy())
    assert out is not None
    return out


def length(one: Strands) -> np.ndarray:
    return np.linalg.norm(np.diff(one.points, axis=1), axis=2).sum(1)


# ---- sampling


@settings(max_examples=50, deadline=None)
@given(st.floats(5, 90), st.floats(0, 1), st.integers(0, 10**6))
def test_sampled_beards_stay_in_range(age: float, male: float, seed: int) -> None:
    traits = Traits((0.3, 0.3, 0.4), male, age)
    one = sample_beard(rng(seed), traits, sample_growth(rng(seed, "g"), traits))
    assert one.style in STYLES
    assert 0.6 <= one.length <= 1.5
    for name in ("tidy", "density", "patchy", "reach", "curl", "grey"):
        assert 0 <= getattr(one, name) <= 1
    assert max(STYLES[one.style][:5]) * one.length < 0.2


@pytest.mark.parametrize(("male", "age"), [(0.0, 40), (1.0, 10), (0.3, 30)])
def test_women_and_children_have_none(male: float, age: float) -> None:
    traits = Traits((0, 0, 1), male, age)
    some = [sample_beard(rng(2, i), traits, Growth()) for i in range(60)]
    assert all(b.style == "none" and b.density == 0 for b in some)


def test_men_have_many_kinds() -> None:
    traits = Traits((0, 0, 1), 1.0, 40)
    styles = [sample_beard(rng(2, i), traits, Growth()).style for i in range(400)]
    assert 0.15 < np.mean([s == "none" for s in styles]) < 0.75
    assert len(set(styles)) >= 9


def test_sampling_is_determined() -> None:
    traits = Traits((0, 0, 1), 1.0, 40)
    assert sample_beard(rng(6), traits, Growth()) == sample_beard(rng(6), traits, Growth())


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_a_barber_changes_the_cut_only(seed: int) -> None:
    one = Beard("full", density=0.8, patchy=0.3, grey=0.2, seed=5)
    after = rebearded(one, rng(seed))
    assert replace(after, style=one.style, length=one.length, tidy=one.tidy) == one


def test_weak_beards_stay_short() -> None:
    weak = Beard(density=0.3)
    styles = [rebearded(weak, rng(4, i)).style for i in range(200)]
    assert np.mean([s in ("long", "full") for s in styles]) < 0.08


def test_unknown_style() -> None:
    with pytest.raises(ChoiceError, match="beard"):
        Beard("fu")


# ---- where it grows


def test_none_grows_nothing(head: Head) -> None:
    assert grow_beard(Beard(), head, head.mean, 64, proxy()) is None
    assert grow_beard(Beard("full", density=0.0), head, head.mean, 64, proxy()) is None
    assert follow_beard(None, head, head.mean, head.mean, CAMERA) == ()


@pytest.mark.parametrize("style", GROWING)
def test_roots_are_where_hair_can_be(style: str, head: Head) -> None:
    one = beard(style)
    root = mixed(head.mean, head.triangles, one.triangle, one.weights)
    np.testing.assert_allclose(one.points[:, 0], root, atol=1e-6)
    mask = np.maximum(head.masks["beard"], head.masks["moustache"])
    assert mixed(mask, head.triangles, one.triangle, one.weights).min() > 0
    assert mixed(head.masks["lips"], head.triangles, one.triangle, one.weights).max() < 0.26
    assert root[:, 1].max() < marks()[30, 1] + 0.03  # below the eyes


@pytest.mark.parametrize("style", ["thin", "chevron", "handlebar"])
def test_moustaches_stay_over_the_mouth(style: str) -> None:
    root = beard(style).points[:, 0]
    p = marks()
    assert root[:, 1].min() > p[[48, 54], 1].mean() - 0.012
    assert root[:, 1].max() < p[30, 1]
    assert np.abs(root[:, 0]).max() < 1.7 * np.abs(p[[48, 54], 0]).max()
    assert len(root) > 100


@pytest.mark.parametrize("style", ["chin", "goatee", "soul_patch"])
def test_chin_beards_leave_the_cheeks(style: str) -> None:
    x = np.abs(beard(style).points[:, 0, 0])
    assert x.max() < 1.9 * np.abs(marks()[[48, 54], 0]).max()
    full = np.abs(beard("full").points[:, 0, 0])
    assert full.max() > 1.4 * x.max()


def test_thin_moustache_is_thinner_than_chevron() -> None:
    p = marks()

    def middle(style: str) -> np.ndarray:
        root = beard(style).points[:, 0]
        return root[np.abs(root[:, 0]) < 0.6 * p[54, 0], 1]

    assert np.ptp(np.quantile(middle("thin"), [0.1, 0.9])) < np.ptp(
        np.quantile(middle("chevron"), [0.1, 0.9])
    )


def test_mutton_chops_leave_the_chin() -> None:
    root = beard("mutton").points[:, 0]
    p = marks()
    chin = (np.abs(root[:, 0]) < 0.012) & (root[:, 1] < p[57, 1])
    assert chin.mean() < 0.02


def test_patchy_cheeks_have_fewer_hairs() -> None:
    def cheeks(patchy: float) -> int:
        root = beard("short", patchy=patchy).points[:, 0]
        return int((np.abs(root[:, 0]) > 0.04).sum())

    assert cheeks(1.0) < 0.8 * cheeks(0.0)


def test_reach_raises_the_cheek_line() -> None:
    def top(reach: float) -> float:
        root = beard("full", reach=reach).points[:, 0]
        wide = np.abs(root[:, 0]) > 0.035
        front = root[:, 2] > marks()[0, 2] + 0.035
        return float(np.quantile(root[wide & front, 1], 0.95))

    assert top(1.0) > top(0.1) + 0.004


@pytest.mark.parametrize("density", [0.3, 0.6])
def test_density_thins(density: float) -> None:
    assert len(beard("full", density=density).points) < (density**0.5) * len(beard("full").points)


# ---- how it hangs


@pytest.mark.parametrize("style", GROWING)
def test_beards_stay_outside_the_skin(style: str) -> None:
    points = beard(style).points
    value = distances(proxy().grid, proxy().origin, STEP, points.reshape(-1, 3))[:, 0]
    assert np.isfinite(points).all()
    assert np.quantile(value, 0.02) > -0.002
    assert value.min() > -0.006


@pytest.mark.parametrize("style", ["stubble", "short", "full", "long"])
@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_lengths_scale(style: str, factor: float) -> None:
    a, b = np.median(length(beard(style))), np.median(length(beard(style, length=factor)))
    assert b / a == pytest.approx(factor, rel=0.1)


def test_lengths_are_those_of_the_style() -> None:
    assert np.median(length(beard("stubble"))) == pytest.approx(0.0023, rel=0.25)
    assert np.median(length(beard("shadow"))) < 0.001
    assert np.quantile(length(beard("long")), 0.95) > 0.09


def test_long_beards_hang(head: Head) -> None:
    one = beard("long")
    chin = marks()[8, 1]
    assert one.points[:, -1, 1].min() < chin - 0.06
    fall = one.points[:, -1] - one.points[:, 0]
    low = one.points[:, 0, 1] < marks()[57, 1]
    assert (fall[low, 1] < 0).mean() > 0.97


@pytest.mark.parametrize("style", LIPPED)
def test_the_mouth_stays_free(style: str) -> None:
    """No hair between the lips, and the lower lip is not covered."""
    p = marks()
    points = beard(style).points.reshape(-1, 3)
    inside = (np.abs(points[:, 0]) < 0.8 * p[54, 0]) & (points[:, 1] < p[62, 1] - 0.001)
    inside &= points[:, 1] > p[57, 1] + 0.002
    assert inside.sum() <= 0.004 * len(points)


def test_moustache_hair_goes_out_to_the_sides() -> None:
    one = beard("chevron")
    x0, x1 = one.points[:, 0, 0], one.points[:, -1, 0]
    wide = np.abs(x0) > 0.006
    assert (np.abs(x1) > np.abs(x0))[wide].mean() > 0.9


def test_handlebars_turn_up() -> None:
    one = beard("handlebar")
    x = np.abs(one.points[:, -1, 0])
    ends = x > np.quantile(x, 0.85)
    rise = one.points[ends, -1, 1] - one.points[ends, -2, 1]
    plain = beard("chevron")
    x = np.abs(plain.points[:, -1, 0])
    other = plain.points[x > np.quantile(x, 0.85)]
    assert rise.mean() > (other[:, -1, 1] - other[:, -2, 1]).mean()


# ---- as a surface


def test_surface_is_labelled_hair(head: Head) -> None:
    (one,) = follow_beard(beard("full"), head, head.mean, head.mean, CAMERA)
    assert one.label is Label.HAIR
    assert one.part == "beard"
    assert np.isfinite(one.vertices).all()


def test_beards_follow_the_jaw(head: Head) -> None:
    down = np.array([0, -0.01, -0.004], np.float32)
    mask = np.maximum(head.masks["beard"], head.masks["moustache"]) > 0
    posed = (head.mean + mask[:, None] * down).astype(np.float32)
    own = beard("full")
    (still,) = follow_beard(own, head, head.mean, head.mean, CAMERA)
    (open_,) = follow_beard(own, head, head.mean, posed, CAMERA)
    n, k, _ = own.points.shape
    whole = mask[head.triangles[own.triangle]].all(1)
    a = still.vertices.reshape(n, k, 2, 3).mean(2)[whole]
    b = open_.vertices.reshape(n, k, 2, 3).mean(2)[whole]
    np.testing.assert_allclose(b - a, np.broadcast_to(down, a.shape), atol=2e-5)


def test_same_beard_same_bytes(head: Head) -> None:
    one, two = (grow_beard(Beard("full", seed=9), head, head.mean, 64, proxy()) for _ in range(2))
    assert one is not None
    assert two is not None
    assert one.points.tobytes() == two.points.tobytes()
    assert one.tint.tobytes() == two.tint.tobytes()


def test_larger_pictures_get_more_and_finer_hairs() -> None:
    small, large = beard("full", 112), beard("full", 256)
    assert len(large.points) > 1.5 * len(small.points)
    assert large.width.mean() < small.width.mean()
    cover = [float((length(b)[:, None] * b.width).mean(1).sum()) for b in (small, large)]
    assert max(cover) / min(cover) < 1.5


def test_grey_beards() -> None:
    one = beard("full", grey=0.5, eumelanin=1.3)
    assert abs(one.tint[:, 0, 0].mean() / 0.37 - 0.5) < 0.06
