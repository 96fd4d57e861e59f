from __future__ import annotations

import io
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage, stats

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.world import sensor as camera
from fusiform.lab.world.cameras import MAKES, sample_sensor
from fusiform.lab.world.sensor import Sensor, capture, develop, expose, normals
from fusiform.lab.world.srgb import encode, to_bytes

sizes = st.integers(1, 17)


def scene(h: int = 24, w: int = 30, seed: int = 0) -> np.ndarray:
    values = rng(seed, "scene").random((h, w, 3), np.float32)
    return ndimage.gaussian_filter(values, (1, 1, 0)).astype(np.float32)


def flat(value: float, side: int = 200) -> np.ndarray:
    return np.full((side, side, 3), value, np.float32)


def test_clean_is_the_srgb_curve_exactly() -> None:
    image = np.linspace(-0.2, 1.4, 20 * 30 * 3, dtype=np.float32).reshape(20, 30, 3)
    srgb = np.where(image <= 0.0031308, 12.92 * image, 1.055 * np.abs(image) ** (1 / 2.4) - 0.055)
    wanted = np.floor(np.clip(srgb, 0, 1) * 255 + 0.5)
    np.testing.assert_array_equal(expose(image, Sensor.clean(), rng(0)), wanted)
    assert Sensor.clean() == Sensor() == sample_sensor(rng(0), 0)


@given(sizes, sizes, st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_any_size_any_camera(h: int, w: int, seed: int) -> None:
    sensor = sample_sensor(rng(seed), 2.0 if seed % 2 else 1.0, h)
    photo, again = (expose(scene(h, w), sensor, rng(seed, "shot")) for _ in range(2))
    assert photo.shape == (h, w, 3)
    assert photo.dtype == np.uint8
    np.testing.assert_array_equal(photo, again)


@pytest.mark.parametrize("mosaic", [False, True])
def test_photon_transfer(mosaic: bool) -> None:
    """Noise variance grows in a line with the signal: slope `shot`, offset `read` squared."""
    shot, read = 4e-4, 0.006
    sensor = Sensor(shot=shot, read=read, mosaic=mosaic)
    levels = np.array([0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
    spread = []
    for level in levels:
        raw = capture(flat(level), sensor, rng(1, int(level * 100)))
        # Only sites that carry red themselves: interpolated ones are averages.
        red = raw[2:-2:2, 2:-2:2, 0] if mosaic else raw[..., 0]
        assert red.mean() == pytest.approx(level, abs=1e-3)
        spread.append(red.var())
    slope, offset = np.polyfit(levels, spread, 1)
    assert slope == pytest.approx(shot, rel=0.1)
    assert offset == pytest.approx(read**2, rel=0.6)


def test_noise_is_normal() -> None:
    drawn = normals(rng(4), (300, 200, 3))
    assert drawn.shape == (300, 200, 3)
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.01
    assert abs(float((drawn[1:] * drawn[:-1]).mean())) < 0.01
    np.testing.assert_array_equal(drawn, normals(rng(4), (300, 200, 3)))


def test_white_balance_is_neutral_but_noisier() -> None:
    balanced = Sensor(shot=4e-4, balance=(2.0, 1.0, 1.5))
    raw = capture(flat(0.3), balanced, rng(2))
    np.testing.assert_allclose(raw.mean((0, 1)), 0.3, atol=1e-3)
    red, green, blue = raw.var((0, 1))
    assert red / green == pytest.approx(2.0, rel=0.1)
    assert blue / green == pytest.approx(1.5, rel=0.1)


def test_exposure_and_cast_multiply() -> None:
    raw = capture(flat(0.1, 8), Sensor(exposure=1, cast=(1.5, 1, 0.5)), rng(0))
    np.testing.assert_allclose(raw[4, 4], [0.3, 0.2, 0.1], rtol=1e-5)


def test_light_beyond_white_saturates() -> None:
    raw = capture(flat(50, 8), Sensor(exposure=1, shot=1e-4), rng(0))
    assert raw.max() == 1


def test_automatic_exposure_finds_mid_grey() -> None:
    for level in (0.02, 0.18, 0.4):
        raw = capture(flat(level, 16), Sensor(auto=1), rng(0))
        np.testing.assert_allclose(raw.mean(), 0.18, rtol=0.06)
        half = capture(flat(level, 16), Sensor(auto=0.5), rng(0))
        # Half of the way, in stops.
        np.testing.assert_allclose(half.mean(), np.sqrt(0.18 * level), rtol=0.04)


def test_metering_looks_where_it_is_told() -> None:
    image = flat(0.02, 40)
    image[:, 20:] = 0.5
    left = np.zeros((40, 40), np.float32)
    left[:, :20] = 1
    assert camera.metered(image, left) > 3 * camera.metered(image, left[:, ::-1])
    assert camera.metered(flat(0.0, 8)) == 16


def test_corners_fall_off_by_the_fourth_power_of_the_cosine() -> None:
    raw = capture(flat(0.5, 401), Sensor(vignette=0.25), rng(0))
    corner = np.cos(np.arctan(0.5)) ** 4
    assert raw[0, 0, 1] == pytest.approx(0.5 * corner, rel=0.01)
    assert raw[200, 200, 1] == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("level", [0.1, 0.6])
def test_a_mosaic_keeps_even_colours(level: float) -> None:
    image = flat(level, 9) * np.array([1, 0.5, 0.25], np.float32)
    np.testing.assert_allclose(capture(image, Sensor(mosaic=True), rng(0)), image, rtol=1e-6)


def test_demosaicing_is_the_plain_bilinear_one() -> None:
    raw = scene(12, 14)[..., 1]
    wanted = np.zeros((12, 14, 3))
    y, x = np.indices(raw.shape)
    site = (y % 2) + (x % 2)
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    square = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    for c, kernel in enumerate((square, cross, square)):
        wanted[..., c] = ndimage.convolve(np.where(site == c, raw, 0), kernel, mode="mirror")
    got = camera._demosaic(np.ascontiguousarray(raw[..., None]))
    np.testing.assert_allclose(got, wanted, atol=1e-6)


def test_labels_stay_where_they_are() -> None:
    """No step moves a dot: its centre of mass stays within a twentieth of a pixel."""
    image = flat(0.02, 41)
    image[18:23, 18:23] = 0.7
    steps = {
        "defocus": 2.0,
        "motion": 4.0,
        "mosaic": True,
        "denoise": 1.0,
        "sharpen": 1.0,
        "vignette": 0.3,
        "fringe": 1.5,
    }
    for name, value in steps.items():
        photo = develop(capture(image, replace(Sensor(), **{name: value}), rng(0)), Sensor())
        weight = photo[..., 1].astype(float) - photo[0, 0, 1] + 1e-9
        weight[np.abs(weight) < 3] = 0
        for axis in (0, 1):
            middle = (weight.sum(1 - axis) * np.arange(41)).sum() / weight.sum()
            assert middle == pytest.approx(20, abs=0.05), name


def test_fringes_part_red_and_blue_outwards() -> None:
    image = np.zeros((61, 61, 3), np.float32)
    image[:, 50:] = 1
    seen = camera.lens(image, Sensor(fringe=3.0))
    edge = (1 - seen[30]).sum(0)
    assert edge[0] > edge[1] + 0.5
    assert edge[2] < edge[1] - 0.5
    np.testing.assert_array_equal(seen[..., 1], image[..., 1])


def test_tone_curve_bends_above_its_knee_only() -> None:
    ramp = np.repeat(np.linspace(0, 1.5, 601, dtype=np.float32)[None, :, None], 3, 2)
    bent, plain = develop(ramp, Sensor(knee=0.6)), develop(ramp, Sensor())
    below = np.linspace(0, 1.5, 601) < 0.6
    assert np.abs(bent[0, below].astype(int) - plain[0, below]).max() <= 1
    assert (np.diff(bent[0, :, 0].astype(int)) >= 0).all()
    assert bent[0, 400, 0] < 255
    assert bent[0, 400, 0] < plain[0, 400, 0]


def test_contrast_saturation_and_black_and_white() -> None:
    ramp = np.repeat(np.linspace(0, 1, 400, dtype=np.float32)[None, :, None], 3, 2)
    steep = develop(ramp, Sensor(contrast=0.8))[0, :, 0].astype(int)
    plain = develop(ramp, Sensor())[0, :, 0].astype(int)
    assert (np.diff(steep) >= 0).all()
    assert steep[5] < plain[5]
    assert steep[300] > plain[300]
    assert steep[[0, -1]].tolist() == [0, 255]
    colour = np.array([[[0.5, 0.2, 0.1]]], np.float32)
    grey = develop(colour, Sensor(mono=True))[0, 0]
    luminance = to_bytes(encode(colour @ np.array([0.2126, 0.7152, 0.0722], np.float32)))
    assert np.abs(grey.astype(int) - luminance[0, 0]).max() <= 1
    vivid = develop(colour, Sensor(saturation=1.3))[0, 0].astype(int)
    assert np.ptp(vivid) > np.ptp(develop(colour, Sensor())[0, 0].astype(int))


def test_sharpening_is_an_unsharp_mask_that_leaves_even_areas() -> None:
    assert camera.halo_kernel(0.7).sum() == pytest.approx(1, abs=1e-6)
    even = develop(flat(0.3, 9), Sensor(sharpen=2.0))
    np.testing.assert_array_equal(even, develop(flat(0.3, 9), Sensor()))
    step = flat(0.2, 20)
    step[:, 10:] = 0.5
    edge = develop(step, Sensor(sharpen=1.0))[10, :, 0].astype(int)
    assert edge.max() > edge[-1]
    assert edge.min() < edge[0]


def test_jpeg_is_pillows() -> None:
    image = to_bytes(encode(scene(33, 47)))
    packed = camera.jpeg_bytes(image, 80)
    with Image.open(io.BytesIO(packed)) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (47, 33)
        np.testing.assert_array_equal(np.asarray(picture), camera.jpeg(image, 80))
    errors = [np.abs(camera.jpeg(image, q).astype(int) - image).mean() for q in (95, 60, 10)]
    assert errors[0] < errors[1] < errors[2]
    for quality in (0, 96):
        with pytest.raises(ChoiceError, match="quality"):
            camera.jpeg(image, quality)


def test_packing_can_be_left_to_others() -> None:
    image, sensor = scene(), Sensor(shot=1e-3, jpeg=30)
    bare = expose(image, sensor, rng(1), pack=False)
    np.testing.assert_array_equal(camera.jpeg(bare, 30), expose(image, sensor, rng(1)))


def test_blurs_follow_strength_and_size() -> None:
    many = [
        [sample_sensor(rng(i), s, n) for i in range(60)]
        for s, n in ((0.5, 112), (1, 112), (1, 256))
    ]
    blur = [np.mean([s.defocus for s in some]) for some in many]
    assert blur[0] < blur[1] < blur[2]
    names = {f.name for f in fields(Sensor)}
    assert all(len({getattr(s, name) for s in many[1]}) > 1 for name in names)
    assert len(MAKES) > 3


def test_unfit_arguments_are_refused() -> None:
    for strength in (-0.1, 2.1):
        with pytest.raises(ChoiceError, match="strength"):
            sample_sensor(rng(0), strength)
    for shape in ((4, 4), (4, 4, 4), (0, 4, 3)):
        with pytest.raises(ChoiceError, match="image"):
            expose(np.zeros(shape, np.float32), Sensor(), rng(0))
