"""The terms of materials against numerical integration and formulas written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from fusiform.lab.geometry import brdf, materials, shade
from fusiform.lab.geometry.shadow import DISC

Array = NDArray[np.float64]
share = st.floats(0, 1)


def directions(count: int) -> Array:
    """A Fibonacci sphere (count, 3): as good as even."""
    k = np.arange(count) + 0.5
    z, phi = 1 - 2 * k / count, k * np.pi * (3 - np.sqrt(5))
    return np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z], 1)


SPHERE = directions(20000)
UP = (0.0, 0.0, 1.0)


def basis(d: Array) -> Array:
    """The nine functions of Ramamoorthi and Hanrahan 2001, eq. 3, at directions (n, 3)."""
    x, y, z = d.T
    rows = [0.282095 + 0 * x, 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y]
    rows += [1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z]
    return np.stack([*rows, 0.546274 * (x * x - y * y)], 1)


@pytest.fixture
def environment() -> NDArray[np.float32]:
    made = np.random.default_rng(2).normal(0, 0.3, (9, 3))
    made[0] += 4
    return made.astype(np.float32)


def test_irradiance_is_the_integral_over_the_sphere(environment: NDArray[np.float32]) -> None:
    radiance = basis(SPHERE) @ environment
    for n in directions(7):
        cosine = np.maximum(SPHERE @ n, 0)
        wanted = (radiance * cosine[:, None]).mean(0) * 4 * np.pi / np.pi
        np.testing.assert_allclose(
            brdf.ambient(brdf.prepare(environment), tuple(n)), wanted, rtol=2e-3
        )


def test_a_perfect_mirror_shows_the_radiance(environment: NDArray[np.float32]) -> None:
    sky = brdf.prepare(environment)
    for n in directions(7):
        wanted = (basis(n[None]) @ environment)[0]
        np.testing.assert_allclose(brdf.mirrored(sky, tuple(n), 0.0), wanted, rtol=1e-5)
        np.testing.assert_allclose(brdf.mirrored(sky, tuple(n), 1.0), brdf.ambient(sky, tuple(n)))


@given(st.floats(-1, 1), st.floats(0.05, 0.5))
def test_ramp_is_lambert_averaged_over_a_box(cosine: float, width: float) -> None:
    x = cosine + width * (np.arange(4000) + 0.5) / 2000 - width
    assert brdf.ramp(cosine, width) == pytest.approx(np.maximum(x, 0).mean(), abs=1e-4)


@given(share, share)
def test_bounced_light_only_adds(albedo: float, openness: float) -> None:
    assert openness <= brdf.bounced(albedo, openness) <= 1.1
    assert brdf.bounced(albedo, 0.0) == 0


@pytest.mark.parametrize(("roughness", "least"), [(0.4, 0.87), (0.6, 0.75), (0.9, 0.4)])
def test_ggx_gives_back_no_more_light_than_it_gets(roughness: float, least: float) -> None:
    alpha = materials.widened(roughness, 0.0)
    for nv in (0.3, 0.7, 1.0):
        view = (np.sqrt(1 - nv * nv), 0.0, nv)
        given_back = [materials.highlight(UP, view, tuple(d), 1.0, alpha) for d in SPHERE]
        total = np.mean(given_back) * 4 * np.pi / np.pi
        assert least < total < 1.03, (nv, total)


@pytest.mark.parametrize("roughness", [0.3, 0.6])
def test_share_mirrored_of_even_light_is_the_integral_of_the_lobe(roughness: float) -> None:
    for nv in (0.4, 0.9):
        view = (np.sqrt(1 - nv * nv), 0.0, nv)
        alpha = materials.widened(roughness, 0.0)
        lobe = np.mean([materials.highlight(UP, view, tuple(d), 0.04, alpha) for d in SPHERE[::5]])
        assert brdf.shine(0.04, nv, roughness) == pytest.approx(lobe * 4, abs=0.03)


def test_a_bigger_lamp_has_a_wider_and_dimmer_highlight() -> None:
    peaks = [
        materials.highlight(UP, UP, UP, 0.04, materials.widened(0.2, s)) for s in (0, 0.1, 0.4)
    ]
    assert peaks[0] > peaks[1] > peaks[2] > 0


def test_textures_are_read_like_scipy_reads_pictures() -> None:
    rng = np.random.default_rng(3)
    channels = rng.uniform(size=(5, 7, 8)).astype(np.float32)
    for u, v in rng.uniform(-0.1, 1.1, (40, 2)):
        at = [[np.clip(v * 5 - 0.5, 0, 4)], [np.clip(u * 7 - 0.5, 0, 6)]]
        wanted = [ndimage.map_coordinates(channels[..., c], at, order=1)[0] for c in range(8)]
        np.testing.assert_allclose(shade.texel(channels, u, v), wanted, atol=1e-6)


def test_relief_tilts_the_normal_away_from_where_it_rises() -> None:
    right = (1.0, 0.0, 0.0)  # u to the right, v down, the face towards us
    np.testing.assert_allclose(shade.bent(UP, right, 1.0, 0.0, 0.0), UP)
    np.testing.assert_allclose(
        shade.bent(UP, right, 1.0, 0.5, 0.0), np.array([-0.5, 0, 1]) / 1.25**0.5
    )
    np.testing.assert_allclose(
        shade.bent(UP, right, 1.0, 0.0, 0.5), np.array([0, 0.5, 1]) / 1.25**0.5
    )
    np.testing.assert_allclose(
        shade.bent(UP, right, -1.0, 0.0, 0.5), np.array([0, -0.5, 1]) / 1.25**0.5
    )


def test_the_window_holds_its_share_of_the_directed_light() -> None:
    """A lamp's worth of light from one side, written as harmonics, comes back as the window."""
    way = np.array([0.36, 0.48, 0.8])
    inside = np.arccos(np.clip(SPHERE @ way, -1, 1)) < shade.WINDOW
    bright = np.where(inside[:, None], [30.0, 20.0, 10.0], 0.5)
    environment = basis(SPHERE).T @ bright * 4 * np.pi / len(SPHERE)
    sky = brdf.prepare(environment.astype(np.float32))
    sun = shade.window(sky, np.zeros(3))
    np.testing.assert_allclose(sun[:3], way, atol=0.02)
    np.testing.assert_allclose(
        sun[3:6], shade.WINDOW_SHARE * np.array([29.5, 19.5, 9.5]), rtol=0.04
    )
    pulled = shade.window(sky, np.array(UP))
    assert pulled[2] > sun[2]
    assert np.linalg.norm(pulled[:3]) == pytest.approx(1)
    even = brdf.prepare(np.eye(9, 1, dtype=np.float32).repeat(3, 1))
    dark = shade.window(even, np.zeros(3))
    assert (dark[3:6] == 0).all()


def lit(
    kind: str, way: tuple[float, float, float], skill: tuple[float, ...], **more: float
) -> Array:
    """Light from a point that faces +z, seen from straight above, under one lamp."""
    n, albedo = UP, (0.5, 0.4, 0.3)
    view = (0.3 * more.get("view", 0), 0.0, 1.0)
    view = tuple(np.array(view) / np.linalg.norm(view))
    tangent = (0.0, 1.0, 0.0)
    point = ((0.0, 0.0, 0.0), n, n, tangent, view, albedo)
    lamps = np.array([[*way, 1.0, 1.0, 1.0, 0.02, 0.0]])
    light = (
        np.zeros((9, 3)),
        lamps,
        np.full((1, 1, 1), np.inf, np.float32),
        np.ones((1, 12)),
        DISC,
    )
    window = np.array([0, 0, 1.0, 0, 0, 0, 0.9, 0.05])
    if kind == "solid":
        return np.array(materials.solid(point, skill, *light, window, int(more["material"])))
    if kind == "wet":
        return np.array(materials.wet(point, skill, *light, window))
    return np.array(getattr(materials, kind)(point, skill, *light))


def slanted(degrees: float) -> tuple[float, float, float]:
    angle = np.radians(degrees)
    return float(np.sin(angle)), 0.0, float(np.cos(angle))


def test_cloth_without_highlight_is_lamberts() -> None:
    for degrees in (0, 40, 80, 100):
        got = lit("solid", slanted(degrees), (0.0, 0.5, 1.0, 1.0), material=4)
        wanted = np.array([0.5, 0.4, 0.3]) * max(np.cos(np.radians(degrees)), 0)
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_metal_mirrors_its_own_colour_and_has_no_body() -> None:
    side = lit("solid", slanted(60), (1.0, 0.2, 1.0, 1.0), material=5)
    assert (side < 0.01).all()
    peak = lit("solid", UP, (1.0, 0.2, 1.0, 1.0), material=5)
    np.testing.assert_allclose(peak / peak[0], np.array([0.5, 0.4, 0.3]) / 0.5)


def test_skins_terminator_is_red_and_thin_skin_glows() -> None:
    edge = lit("skin", slanted(92), (0.0, 0.5, 1.0, 1.0)) / np.array([0.5, 0.4, 0.3])
    assert edge[0] > edge[1] > edge[2] > 0
    thick = lit("skin", slanted(160), (0.0, 0.5, 1.0, 1.0))
    thin = lit("skin", slanted(160), (0.0, 0.5, 0.05, 1.0))
    assert (thick == 0).all()
    assert thin[0] > 0.1
    assert thin[0] > 2 * thin[1] > 2 * thin[2] > 0


def test_eyes_are_sharper_than_skin() -> None:
    wet, dry = (lit(k, UP, (1.0, 0.15 if k == "wet" else 0.5, 1.0, 1.0)) for k in ("wet", "skin"))
    assert wet[2] > 3 * dry[2]
    off = lit("wet", slanted(25), (1.0, 0.15, 1.0, 1.0))
    np.testing.assert_allclose(off, np.array([0.5, 0.4, 0.3]) * np.cos(np.radians(25)), atol=0.01)


def test_hair_shines_across_and_lets_light_through_from_behind() -> None:
    across = lit("hair", slanted(20), (1.0, 0.3, 1.0, 1.0))
    along = lit("hair", (0.0, 0.8, 0.6), (1.0, 0.3, 1.0, 1.0))
    assert across[1] > along[1]
    rim = lit("hair", slanted(172), (1.0, 0.3, 1.0, 1.0))
    assert rim[1] > lit("hair", slanted(100), (1.0, 0.3, 1.0, 1.0))[1]
    deep = lit("hair", slanted(20), (1.0, 0.3, 1.0, 0.2))
    assert (deep < across).all()


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(share, share, share, share),
    st.floats(0, 180),
    st.sampled_from(["skin", "wet", "hair"]),
)
def test_light_is_finite_and_never_negative(
    skill: tuple[float, ...], degrees: float, kind: str
) -> None:
    got = lit(kind, slanted(degrees), skill, view=1.0)
    assert np.isfinite(got).all()
    assert (got >= 0).all()
