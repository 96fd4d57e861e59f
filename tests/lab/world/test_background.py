from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.world import light
from fusiform.lab.world.background import FITTING, KINDS, sample_background
from fusiform.lab.world.painting import paint, shapes


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_sane_picture(kind: str) -> None:
    for seed in range(4):
        picture = sample_background(rng(seed, kind), 48, 36, kind=kind)
        assert picture.shape == (36, 48, 3)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert picture.min() >= 0
        assert 0.001 < picture.mean() < 4
        again = sample_background(rng(seed, kind), 48, 36, kind=kind)
        np.testing.assert_array_equal(picture, again)


@given(st.sampled_from(KINDS), st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_size(kind: str, width: int, height: int, seed: int) -> None:
    picture = sample_background(rng(seed), width, height, kind=kind)
    assert picture.shape == (height, width, 3)
    assert np.isfinite(picture).all()


def test_pictures_of_a_kind_differ() -> None:
    for kind in KINDS:
        some = [sample_background(rng(s, kind), 24, 24, kind=kind) for s in range(3)]
        assert np.abs(some[0] - some[1]).mean() > 1e-3
        assert np.abs(some[1] - some[2]).mean() > 1e-3


def test_things_take_the_colour_of_the_light() -> None:
    warm = sample_background(rng(2), 32, 32, (1.0, 0.5, 0.25), "brick")
    white = sample_background(rng(2), 32, 32, (1.0, 1.0, 1.0), "brick")
    np.testing.assert_allclose(warm, white * [1.0, 0.5, 0.25], rtol=1e-4, atol=1e-6)


def test_blur_takes_detail_and_keeps_the_mean() -> None:
    sharp, soft, softer = (
        sample_background(rng(4), 96, 96, kind="bookcase", blur=b) for b in (0, 0.02, 0.06)
    )
    detail = [np.abs(np.diff(p, axis=1)).mean() for p in (sharp, soft, softer)]
    assert detail[0] > 1.2 * detail[1] > 2 * detail[2]
    assert soft.mean() == pytest.approx(sharp.mean(), rel=0.1)
    assert softer.mean() == pytest.approx(sharp.mean(), rel=0.2)


def test_every_kind_of_light_has_fitting_places() -> None:
    assert set(FITTING) == set(light.KINDS)
    assert {kind for kinds in FITTING.values() for kind in kinds} == set(KINDS)
    for name in light.KINDS:
        assert sample_background(rng(0, name), 16, 16, light=name).shape == (16, 16, 3)


def test_unfit_arguments_are_refused() -> None:
    for match, arguments in (
        ("kind", {"kind": "moon"}),
        ("light", {"light": "moon"}),
        ("blur", {"blur": -0.1}),
    ):
        with pytest.raises(ChoiceError, match=match):
            sample_background(rng(0), 8, 8, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ChoiceError, match="size"):
        sample_background(rng(0), 0, 8)


def blank(h: int = 20, w: int = 30) -> np.ndarray:
    return np.zeros((h, w, 3), np.float32)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 1), st.floats(0.1, 1))
@settings(max_examples=40, deadline=None)
def test_a_box_covers_its_area(x: float, y: float, wide: float, tall: float) -> None:
    canvas = paint(
        blank(60, 60), shapes("box", 0.1 + x, 0.1 + y, 0.1 + x + wide, 0.1 + y + tall, 1.0), 25
    )
    assert canvas[..., 0].sum() == pytest.approx(wide * tall * 625, rel=0.1, abs=2)


def test_an_oval_covers_its_area() -> None:
    canvas = paint(blank(60, 60), shapes("oval", 0.2, 0.3, 1.8, 1.3, 1.0), 30)
    assert canvas[..., 1].sum() == pytest.approx(np.pi * 0.8 * 0.5 * 900, rel=0.02)


def test_a_sharp_box_on_whole_pixels_is_exact() -> None:
    canvas = paint(blank(), shapes("box", 3, 4, 9, 7, (0.2, 0.4, 0.6)), 1)
    wanted = blank()
    wanted[4:7, 3:9] = (0.2, 0.4, 0.6)
    np.testing.assert_allclose(canvas, wanted, atol=1e-6)


def test_later_shapes_lie_on_top_and_alpha_mixes() -> None:
    table = np.concatenate(
        [shapes("box", 0, 0, 30, 20, 1.0), shapes("box", 0, 0, 30, 20, 0.0, 1, 0.25)]
    )
    np.testing.assert_allclose(paint(blank(), table, 1)[5:15, 5:25], 0.75, atol=1e-6)


def test_shade_and_hollow() -> None:
    canvas = paint(blank(), shapes("box", 0, 0, 30, 20, 1.0, 0.5), 1)
    np.testing.assert_allclose(canvas[[0, 19], 5, 0], [1 - 0.5 / 40, 0.5 + 0.5 / 40], atol=1e-5)
    ring = paint(blank(20, 20), shapes("oval", 0, 0, 20, 20, 1.0, 1, 1, 0, 0.5), 1)
    assert ring[10, 10, 0] < 0.52 < ring[10, 18, 0]


def test_no_shapes_at_all() -> None:
    none = np.zeros(0)
    table = shapes("oval", none, none, none, none, np.zeros((0, 3)))
    assert table.shape == (0, 12)
    assert shapes("oval", none, 1, 2, 3, 0.5).shape == (0, 12)
    assert paint(blank(), table, 1).max() == 0


def test_shapes_beyond_the_picture_do_no_harm() -> None:
    table = np.concatenate(
        [shapes("oval", -9, -9, -5, -5, 1.0), shapes("box", 50, 50, 60, 60, 1.0)]
    )
    assert paint(blank(), table, 1).max() == 0
    assert paint(blank(), shapes("box", 5, 5, 5, 9, 1.0), 1).max() == 0
