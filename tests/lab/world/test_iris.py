"""Tests of the picture on an eyeball."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.seeds import rng
from fusiform.lab.world.iris import (
    BODY,
    CORNEA,
    DISH,
    LIMBUS,
    LIMBUS_UV,
    TONES,
    Eyes,
    corneal_slope,
    dish,
    iris_colour,
    iris_texture,
    ramp,
    ring_noise,
    sclera_colour,
    tone,
    vein_map,
    veins_of,
)


def polar(size=64):
    """Radius and turn (0..1) of the texels of a texture."""
    axis = (np.arange(size) + 0.5) / size - 0.5
    x, y = np.meshgrid(axis, -axis)
    return np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi)


def disc():
    """Radius 0..1 and turn over an iris, (40, 240)."""
    return np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 240, endpoint=False), indexing="ij")


@settings(max_examples=40, deadline=None)
@given(st.floats(-1, 1), st.floats(0.01, 1), st.floats(-3, 3))
def test_ramps_rise_smoothly_and_fall_when_turned_round(low, wide, x):
    up = ramp(low, low + wide, x)
    assert 0 <= up <= 1
    assert up + ramp(low + wide, low, x) == pytest.approx(1)
    assert up <= ramp(low, low + wide, x + 0.01) + 1e-12
    assert ramp(low, low + wide, low + wide / 2) == pytest.approx(0.5)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 6), st.integers(2, 40), st.integers(0, 10**6))
def test_ring_noise_closes_and_passes_through_its_table(rows, sectors, seed):
    table = rng(seed).uniform(-1, 1, (rows + 1, sectors))
    r, turn = np.meshgrid(np.arange(rows + 1) / rows, np.arange(sectors) / sectors, indexing="ij")
    nodes = ring_noise(rng(seed), rows, sectors, r, turn + 1e-12)
    assert nodes == pytest.approx(table, abs=1e-6)
    ends = ring_noise(rng(seed), rows, sectors, np.full(2, 0.3), np.array([0.0, 1.0 - 1e-9]))
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)
    free = ring_noise(rng(seed), rows, sectors, *disc())
    assert np.abs(free).max() <= np.abs(table).max() + 1e-12


def test_colours_stand_at_their_melanin():
    for row, melanin in zip(BODY, TONES, strict=True):
        assert tone(BODY, melanin) == pytest.approx(row)
    between = tone(BODY, (TONES[1] + TONES[2]) / 2)
    assert between == pytest.approx((BODY[1] + BODY[2]) / 2)


def test_blue_eyes_are_blue_and_brown_ones_brown():
    plain = Eyes(flecks=0, collarette=0.1)
    r, turn = disc()
    body = (r > 0.5) & (r < 0.7)
    blue = iris_colour(plain, 0.0, r, turn)[body].mean(0)
    brown = iris_colour(plain, 0.8, r, turn)[body].mean(0)
    assert blue[2] > blue[1] > blue[0]
    assert brown[0] > brown[1] > brown[2]
    assert blue.mean() > 3 * brown.mean()


def test_hue_turns_light_eyes_green_or_grey():
    r, turn = disc()
    grey, plain, green = (
        iris_colour(Eyes(hue=h, flecks=0), 0.0, r, turn).mean((0, 1)) for h in (-1.0, 0.0, 1.0)
    )
    assert green[1] / green.sum() > plain[1] / plain.sum() > 0.3
    assert np.ptp(grey / grey.mean()) < np.ptp(plain / plain.mean())
    dark = [iris_colour(Eyes(hue=h, flecks=0), 1.0, r, turn) for h in (-1.0, 1.0)]
    assert np.allclose(dark[0], dark[1])


def test_irises_join_at_the_seam_and_are_positive():
    r = np.linspace(0, 1, 30)
    for melanin in (0.0, 0.5, 1.0):
        eyes = Eyes(flecks=1.0, crypts=1.0, ring=1.0)
        start, end = (iris_colour(eyes, melanin, r, np.full(30, t)) for t in (0.0, 1 - 1e-9))
        assert np.allclose(start, end, atol=1e-5)
        assert start.min() > 0


def test_flecks_are_brown_and_only_in_light_eyes():
    r, turn = disc()

    def change(melanin):
        none, many = (iris_colour(Eyes(flecks=f), melanin, r, turn) for f in (0.0, 0.79))
        return np.abs(none - many).max((0, 1))

    assert change(0.1)[2] > 0.02
    assert change(1.0).max() == pytest.approx(0, abs=1e-9)


def test_the_limbal_ring_darkens_the_edge():
    r, turn = disc()
    weak, strong = (iris_colour(Eyes(ring=v), 0.3, r, turn) for v in (0.0, 1.0))
    edge = r > 0.9
    assert strong[edge].mean() < 0.6 * weak[edge].mean()
    assert np.allclose(strong[r < 0.55], weak[r < 0.55])


def test_veins_start_at_the_rim_and_stay_on_the_white():
    for path, strength in veins_of(rng(3), 40):
        rho = np.hypot(*(path - 0.5).T)
        assert rho[0] == pytest.approx(0.48)
        assert (np.diff(rho) < 0).all()
        assert rho[-1] > LIMBUS_UV
        assert 0.25 <= strength <= 1


def test_there_are_more_veins_towards_the_corners():
    ends = np.array([path[0] - 0.5 for path, _ in veins_of(rng(5), 300)])
    assert np.mean(np.abs(ends[:, 0]) > np.abs(ends[:, 1])) > 0.7
    assert np.mean(ends[:, 0] > 0) == pytest.approx(0.5, abs=0.1)


def test_red_eyes_are_redder():
    assert vein_map(Eyes(veins=1.0), 64).sum() > 1.5 * vein_map(Eyes(veins=0.0), 64).sum()
    assert 0 <= vein_map(Eyes(veins=1.0), 64).max() <= 1
    rho, turn = polar()
    pale, red = (sclera_colour(Eyes(veins=v), rho, turn, 64)[rho > 0.3].mean(0) for v in (0.0, 1.0))
    assert red[1] / red[0] < pale[1] / pale[0]


def test_yellow_whites_lack_blue():
    rho, turn = polar()
    white, yellow = (
        sclera_colour(Eyes(yellow=v), rho, turn, 64)[rho > 0.3].mean(0) for v in (0.0, 1.0)
    )
    assert yellow[2] / white[2] == pytest.approx(0.7, abs=0.01)
    assert yellow[0] / white[0] == pytest.approx(0.94, abs=0.01)


def test_the_corneas_slope_is_the_tangent_of_its_lean():
    share = np.linspace(0, 0.8, 9)
    want = -np.tan((CORNEA + DISH) * LIMBUS * share)  # both lean by their share of the limbus
    assert corneal_slope(share * LIMBUS_UV) == pytest.approx(want, abs=1e-9)
    assert corneal_slope(np.array([1.3, 2.0]) * LIMBUS_UV) == pytest.approx([0, 0], abs=1e-12)
    assert dish(np.array([0.0, 0.5, 1.2])) == pytest.approx([0, 0.5, 0])


def test_sizes_show_the_same_eye():
    large, small = (iris_texture(Eyes(veins=0), n).channels for n in (128, 64))
    half = large.reshape(64, 2, 64, 2, 8).mean((1, 3))
    assert np.abs(half[..., :3] - small[..., :3]).mean() < 0.02
    assert np.abs(half[..., 3:5] - small[..., 3:5]).mean() < 0.03


def test_arcus_is_a_pale_ring_near_the_limbus():
    rho, _ = polar()
    dark = Eyes(melanin=(1.0, 1.0), ring=0.0)
    young, old = (
        iris_texture(replace(dark, arcus=v), 64).channels[..., :3].mean(-1) for v in (0.0, 1.0)
    )
    ring = (rho > 0.175) & (rho < 0.195)
    assert (old - young)[ring].mean() > 0.05
    assert np.abs(old - young)[rho < 0.13].max() < 1e-6
