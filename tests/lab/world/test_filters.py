from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.world import filters

sizes = st.integers(1, 19)


def noise(h: int, w: int, c: int = 3, seed: int = 0) -> np.ndarray:
    return rng(seed, "picture").random((h, w, c), np.float32)


def pillow(image: np.ndarray, h: int, w: int, how: Image.Resampling) -> np.ndarray:
    planes = [Image.fromarray(image[..., k]).resize((w, h), how) for k in range(image.shape[2])]
    return np.stack([np.asarray(plane) for plane in planes], -1)


@given(sizes, sizes, st.floats(0, 6))
@settings(max_examples=40, deadline=None)
def test_gaussian_is_scipys(h: int, w: int, sigma: float) -> None:
    image = noise(h, w)
    wanted = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="reflect", truncate=3)
    np.testing.assert_allclose(filters.gaussian(image, sigma), wanted, atol=3e-6)


def test_soften_is_nearly_a_gaussian() -> None:
    image = ndimage.gaussian_filter(noise(90, 121), (1, 1, 0))
    for sigma in (3.0, 9.0):
        wanted = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="reflect")
        assert np.abs(filters.soften(image, sigma) - wanted).max() < 0.01


@given(sizes, sizes, st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 7]))
@settings(max_examples=30, deadline=None)
def test_convolve_is_scipys_correlate(h: int, w: int, tall: int, wide: int) -> None:
    image, kernel = noise(h, w, 2), noise(tall, wide, 1, 5)[..., 0]
    wanted = ndimage.correlate(image, kernel[..., None], mode="reflect")
    np.testing.assert_allclose(filters.convolve(image, kernel), wanted, rtol=1e-5, atol=1e-5)


@given(st.floats(0, 9))
@settings(max_examples=30, deadline=None)
def test_disc_has_the_spread_of_a_disc(radius: float) -> None:
    kernel = filters.disc_kernel(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(kernel, kernel[::-1].T, atol=1e-7)
    if radius > 1.5:  # the mean of x² over a disc is r² / 4, over a pixel 1 / 12
        x = np.arange(len(kernel)) - len(kernel) // 2
        assert (kernel.sum(0) * x**2).sum() == pytest.approx(radius**2 / 4 + 1 / 12, rel=0.16)


@given(st.floats(0.5, 15), st.floats(-180, 180))
@settings(max_examples=30, deadline=None)
def test_motion_has_the_spread_of_a_line(length: float, angle: float) -> None:
    kernel = filters.motion_kernel(length, angle)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    y, x = np.indices(kernel.shape) - len(kernel) // 2
    along = x * np.cos(np.radians(angle)) - y * np.sin(np.radians(angle))
    # A line's variance is l² / 12; sharing points among pixels adds at most a quarter.
    assert length**2 / 12 - 1e-3 <= (kernel * along**2).sum() <= length**2 / 12 + 0.3


def test_motion_goes_the_way_it_says() -> None:
    dot = np.zeros((11, 11, 1), np.float32)
    dot[5, 5] = 1
    assert filters.motion(dot, 6, 0)[5, 2:9].min() > 0
    rising = filters.motion(dot, 6, 45)[..., 0]
    assert rising[3, 7] > 0
    assert rising[3, 3] == 0


@given(sizes, sizes, sizes, sizes)
@settings(max_examples=40, deadline=None)
def test_linear_and_cubic_are_pillows(h: int, w: int, tall: int, wide: int) -> None:
    image = noise(h, w)
    for kernel, how in (("linear", Image.Resampling.BILINEAR), ("cubic", Image.Resampling.BICUBIC)):
        got = filters.resize(image, tall, wide, kernel)
        np.testing.assert_allclose(got, pillow(image, tall, wide, how), atol=2e-5)


@given(st.integers(8, 40), st.integers(8, 40), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=40, deadline=None)
def test_area_is_opencvs_and_keeps_the_mean(h: int, w: int, tall: int, wide: int) -> None:
    image = noise(h, w)
    got = filters.resize(image, tall, wide)
    wanted = cv2.resize(image, (wide, tall), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(got, wanted, atol=2e-5)
    np.testing.assert_allclose(got.mean((0, 1)), image.mean((0, 1)), atol=1e-5)


def test_same_size_gives_a_copy() -> None:
    image = noise(5, 4)
    for same in (filters.resize(image, 5, 4), filters.gaussian(image, 0)):
        np.testing.assert_array_equal(same, image)
        assert not np.shares_memory(same, image)


CORNERS = np.array([[0, 0], [30, 0], [30, 24], [0, 24]], np.float64)
MOVED = np.array([[3, 2], [27, 5], [25, 22], [1, 20]], np.float64)


def test_homography_is_opencvs() -> None:
    wanted = cv2.getPerspectiveTransform(CORNERS.astype(np.float32), MOVED.astype(np.float32))
    np.testing.assert_allclose(filters.homography(CORNERS, MOVED), wanted, atol=1e-5)
    with pytest.raises(ChoiceError, match="corners"):
        filters.homography(np.zeros((4, 2)), MOVED)


def test_warp_is_opencvs() -> None:
    image = ndimage.gaussian_filter(noise(24, 30), (1.5, 1.5, 0))
    matrix = filters.homography(CORNERS, MOVED)
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # its pixel centres are whole numbers
    theirs = cv2.warpPerspective(
        image, np.linalg.inv(half) @ matrix @ half, (30, 24), borderMode=cv2.BORDER_REPLICATE
    )
    np.testing.assert_allclose(filters.warp(image, matrix, 24, 30), theirs, atol=0.02)


def test_sample_reads_pixel_centres_and_stays_inside() -> None:
    image = noise(4, 5)
    y, x = np.mgrid[0:4, 0:5]
    centres = np.stack([x, y], -1).astype(np.float32) + 0.5
    np.testing.assert_array_equal(filters.sample(image, centres), image)
    np.testing.assert_array_equal(filters.sample(image, centres - 99)[0, 0], image[0, 0])
    np.testing.assert_array_equal(filters.sample(image, centres + 99)[0, 0], image[3, 4])


@given(sizes, sizes, st.floats(1, 30))
@settings(max_examples=20, deadline=None)
def test_clouds_are_the_same_for_the_same_seed(h: int, w: int, cell: float) -> None:
    first, again = (filters.clouds(rng(3, "c"), h, w, cell) for _ in range(2))
    assert first.shape == (h, w, 1)
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)


def test_clouds_spread_and_size() -> None:
    many = np.stack([filters.clouds(rng(i, "c"), 64, 64, 16, 4) for i in range(20)])
    assert abs(many.mean()) < 0.15
    assert 0.7 < many.std() < 1.3
    rough = np.abs(np.diff(many, axis=2)).mean()
    smooth = np.stack([filters.clouds(rng(i, "c"), 64, 64, 60, 1) for i in range(20)])
    assert np.abs(np.diff(smooth, axis=2)).mean() < rough / 4


def test_unfit_numbers_are_refused() -> None:
    image = noise(3, 3)
    with pytest.raises(ChoiceError, match="sigma"):
        filters.gaussian(image, -1)
    with pytest.raises(ChoiceError, match="radius"):
        filters.disc(image, float("nan"))
    with pytest.raises(ChoiceError, match="odd"):
        filters.convolve(image, np.ones((2, 3), np.float32))
    with pytest.raises(ChoiceError, match="size"):
        filters.resize(image, 0, 3)
    with pytest.raises(ChoiceError, match="kernel"):
        filters.resize(image, 2, 2, "best")  # type: ignore[arg-type]
