from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import sph_harm_y

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.geometry.scene import Lamp, Lighting
from fusiform.lab.world import light, srgb
from fusiform.lab.world.harmonics import GRID, WEIGHTS, harmonics, project, sphere


def real_harmonics(d: np.ndarray) -> np.ndarray:
    """From SciPy's complex ones, in the published order, without the Condon-Shortley sign."""
    polar, around = np.arccos(d[:, 2]), np.arctan2(d[:, 1], d[:, 0])
    rows = []
    for band in range(3):
        for m in range(-band, band + 1):
            value = sph_harm_y(band, abs(m), polar, around) * (-1.0) ** m
            part = value.imag if m < 0 else value.real
            rows.append(part * (np.sqrt(2) if m else 1))
    return np.stack(rows, -1)


def test_harmonics_are_scipys() -> None:
    np.testing.assert_allclose(harmonics(GRID), real_harmonics(GRID), atol=1e-8)


def test_harmonics_are_orthonormal() -> None:
    d, weights = sphere(11)
    assert weights.sum() == pytest.approx(4 * np.pi)
    products = harmonics(d).T @ (harmonics(d) * weights[:, None])
    np.testing.assert_allclose(products, np.eye(9), atol=1e-9)


def test_even_light_is_as_bright_on_every_surface() -> None:
    lit = Lighting(project(np.full((len(GRID), 3), 0.7)))
    np.testing.assert_allclose(lit.environment[0], 0.7 * np.sqrt(4 * np.pi), rtol=1e-6)
    np.testing.assert_allclose(light.facing(lit, GRID[::50]), 0.7, rtol=1e-5)


def test_half_a_sky_is_the_known_ramp() -> None:
    """A white hemisphere gives (1 + n_y) / 2; nine coefficients are within a few hundredths."""
    sky = np.repeat((GRID[:, 1:2] > 0) + 0.0, 3, 1)
    got = light.facing(Lighting(project(sky)), GRID)[:, 0]
    np.testing.assert_allclose(got, (1 + GRID[:, 1]) / 2, atol=0.03)


def test_facing_is_the_cosine_integral() -> None:
    """For light of order 2 nothing is lost."""
    coefficients = rng(1, "sh").normal(0, 0.1, (9, 3)) + np.eye(9, 3) * 3
    lit = Lighting(coefficients.astype(np.float32))
    fine, weights = sphere(200)
    for n in (light.towards(0, 0), light.towards(70, 30)):
        slow = (harmonics(fine) @ coefficients * (weights * np.maximum(fine @ n, 0))[:, None]).sum(
            0
        )
        np.testing.assert_allclose(light.facing(lit, n[None])[0], slow / np.pi, atol=1e-3)


def test_disc_matches_a_numerical_integral() -> None:
    disc = light.Disc(light.towards(40, 20), np.array([1.0, 2.0, 0.5]), 0.6)
    fine, weights = sphere(300)
    inside = (fine @ disc.direction > np.cos(0.6)) * weights
    slow = harmonics(fine).T @ inside
    wanted = np.outer(slow, disc.power / np.sin(0.6) ** 2)
    np.testing.assert_allclose(light.project_disc(disc), wanted, atol=0.02)


def test_a_lamp_lights_what_faces_it() -> None:
    lamp = Lamp(light.towards(90, 0).astype(np.float32), np.array([1, 2, 3], np.float32))
    lit = Lighting(np.zeros((9, 3), np.float32), (lamp,))
    got = light.facing(lit, [[1, 0, 0], [-1, 0, 0], [np.sqrt(0.5), np.sqrt(0.5), 0]])
    np.testing.assert_allclose(got, [[1, 2, 3], [0, 0, 0], [0.7071, 1.4142, 2.1213]], atol=1e-4)


def test_lamps_and_harmonics_bring_the_same_light() -> None:
    discs = tuple(light.Disc(light.towards(a, 30), np.ones(3), 0.5) for a in (0, 100, 220))
    place = light.Place(lambda d: np.full((len(d), 3), 0.2), discs)
    average = [light.facing(light.shine(place, n), GRID).T @ WEIGHTS for n in (0, 3)]
    # A lamp is as strong as its disc for what faces it, up to 2 / (1 + cos 0.5) too weak else.
    np.testing.assert_allclose(average[0], average[1], rtol=0.07)
    strongest = light.Disc(light.towards(7, 0), np.full(3, 9.0), 0.1)
    kept = light.shine(light.Place(place.glow, (*discs, strongest)), 1).lamps
    np.testing.assert_allclose(kept[0].direction, strongest.direction, atol=1e-6)


def test_black_body_is_krysteks_published_one() -> None:
    """colour-science gives u, v = 0.2004720, 0.3102929 for 6504.389 K by the same method."""
    u, v = 0.2004720, 0.3102929
    x, y = 3 * u / (2 * u - 8 * v + 4), 2 * v / (2 * u - 8 * v + 4)
    np.testing.assert_allclose(srgb.kelvin(6504.38938305), srgb.from_xy(x, y), atol=2e-6)


def test_known_whites() -> None:
    np.testing.assert_allclose(srgb.daylight(6504), 1, atol=0.005)  # D65 is the white of sRGB
    np.testing.assert_allclose(srgb.from_xy(0.3127, 0.3290), 1, atol=0.002)
    # CIE illuminant A is a black body of 2856 K at x, y = 0.44758, 0.40745.
    np.testing.assert_allclose(srgb.kelvin(2856), srgb.from_xy(0.44758, 0.40745), atol=0.01)
    # D50 (5003 K): x, y = 0.34567, 0.35850.
    np.testing.assert_allclose(srgb.daylight(5003), srgb.from_xy(0.34567, 0.3585), atol=0.01)


@given(st.floats(1000, 14000))
@settings(max_examples=30, deadline=None)
def test_hotter_is_bluer(temperature: float) -> None:
    colour, hotter = srgb.kelvin(temperature), srgb.kelvin(temperature + 900)
    assert colour @ srgb.LUMINANCE == pytest.approx(1)
    assert colour.min() >= 0
    assert hotter[2] >= colour[2]
    assert hotter[0] < colour[0]


def test_srgb_curve_at_its_published_points() -> None:
    np.testing.assert_allclose(
        srgb.encode([0.0, 0.0031308, 0.18, 1.0]), [0, 0.04045, 0.46135, 1], atol=1e-4
    )
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(srgb.to_bytes(srgb.encode(srgb.decode(every))), every)
    np.testing.assert_allclose(srgb.decode(every / 255), srgb.decode(every), atol=1e-6)
    np.testing.assert_allclose(srgb.encode([-3.0, 8.0]), [0, 1], atol=1e-7)


@pytest.mark.parametrize("kind", light.KINDS)
def test_every_kind_is_sane(kind: str) -> None:
    for seed in range(12):
        name, lit = light.sample_light(rng(seed, kind), kind)
        assert name == kind
        assert lit.environment.shape == (9, 3)
        assert lit.environment.dtype == np.float32
        assert len(lit.lamps) <= light.MOST_LAMPS
        for lamp in lit.lamps:
            assert np.linalg.norm(lamp.direction) == pytest.approx(1, abs=1e-5)
            assert lamp.colour.min() >= 0
            assert 0 < lamp.size < 1
        assert light.level(lit) @ srgb.LUMINANCE == pytest.approx(1, rel=1e-3)
        grey = 0.18 * light.facing(lit, [[0, 0, 1]])[0] @ srgb.LUMINANCE
        assert 0.03 < grey < 0.4
        assert np.isfinite(light.facing(lit, GRID)).all()


def test_the_same_seed_gives_the_same_light() -> None:
    first, again = (light.sample_light(rng(9, "light")) for _ in range(2))
    assert first[0] == again[0]
    np.testing.assert_array_equal(first[1].environment, again[1].environment)
    kinds = {light.sample_light(rng(i, "light"))[0] for i in range(150)}
    assert kinds == set(light.KINDS)


def test_exposure_keeps_the_asked_share_of_the_cast() -> None:
    lit = Lighting(project(np.full((len(GRID), 3), [4.0, 2.0, 1.0])))
    for cast in (0.0, 0.5, 1.0):
        seen = light.level(light.expose(lit, cast))
        assert seen @ srgb.LUMINANCE == pytest.approx(1, rel=1e-4)
        assert seen[0] / seen[2] == pytest.approx(4**cast, rel=1e-4)


def test_unknown_values_are_refused() -> None:
    with pytest.raises(ChoiceError, match="kind"):
        light.sample_light(rng(0), "moon")
    for bad in (999, 15001):
        with pytest.raises(ChoiceError, match="kelvin"):
            srgb.kelvin(bad)
    with pytest.raises(ChoiceError, match="kelvin"):
        srgb.daylight(3999)
