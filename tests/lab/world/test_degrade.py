from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import j1

from fusiform.core.errors import ChoiceError
from fusiform.core.seeds import rng
from fusiform.lab.world import degrade as bad
from fusiform.lab.world.degrade import KINDS, degrade
from fusiform.lab.world.filters import sample


def picture(h: int = 64, w: int = 56, seed: int = 0) -> np.ndarray:
    """Smooth forms with fine grain on them, as in photos."""
    values = rng(seed, "picture").normal(0, 1, (h, w, 3))
    smooth = ndimage.gaussian_filter(values, (5, 5, 0), mode="nearest")
    fine = ndimage.gaussian_filter(values, (0.7, 0.7, 0), mode="nearest")
    return np.clip(115 + 380 * smooth + 25 * fine, 0, 255).astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(((a.astype(float) - b) ** 2).mean(), 1e-9)))


@pytest.mark.parametrize("kind", KINDS)
def test_more_severe_is_worse(kind: str) -> None:
    """PSNR falls, on average over seeds: some draws are luckier than others."""
    steps = (0.1, 0.3, 0.6, 1.0)
    image = picture(96, 96)
    scores = [
        np.mean([psnr(image, degrade(image, kind, rng(s, kind), x).image) for s in range(4)])
        for x in steps
    ]
    assert all(a > b + 0.2 for a, b in pairwise(scores)), scores


@pytest.mark.parametrize("kind", KINDS)
def test_none_is_the_same_picture(kind: str) -> None:
    image = picture()
    same = degrade(image, kind, rng(0), 0)
    np.testing.assert_array_equal(same.image, image)
    assert not np.shares_memory(same.image, image)


@given(st.sampled_from(KINDS), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_any_size_any_severity(kind: str, h: int, w: int, severity: float) -> None:
    image = picture(h, w)
    kept = image.copy()
    first, again = (degrade(image, kind, rng(3, kind), severity) for _ in range(2))
    assert first.image.shape == (h, w, 3)
    assert first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(image, kept)
    assert json.loads(json.dumps(first.parameters)) == first.parameters
    assert all(np.isfinite(list(first.parameters.values())))


def test_restoration_reaches_the_published_ranges() -> None:
    done = [degrade(picture(512, 64), "restoration", rng(i), 1.0).parameters for i in range(30)]
    for name, low, high in (
        ("sigma", 0.2, 10),
        ("factor", 1, 8),
        ("noise", 0, 15),
        ("quality", 60, 95),
    ):
        values = [d[name] for d in done]
        assert low <= min(values) <= max(values) <= high
        # Quality falls where the others grow.
        edge = min(values) - low if name == "quality" else high - max(values)
        assert edge < 0.15 * (high - low), name


def test_turbulence_says_where_things_went() -> None:
    image = picture(80, 80)
    result = degrade(image, "turbulence", rng(1), 0.3)
    assert result.flow is not None
    y, x = np.mgrid[0.5:80, 0.5:80].astype(np.float32)
    moved = sample(image.astype(np.float32), np.stack([x, y], -1) + result.flow)
    assert psnr(moved, result.image) > psnr(image, result.image) + 3
    other = degrade(image, "fog", rng(1), 0.3)
    assert other.flow is None


def test_fog_follows_koschmieder() -> None:
    """Contrast left is exp(-thickness), whatever the airlight."""
    image = picture(64, 64)
    image[:, :32], image[:, 32:] = 40, 200
    thin = degrade(image, "fog", rng(2), 0.5)
    linear = bad.decode(thin.image)
    clear = bad.decode(image)
    left = (linear[:, 48:] - linear[:, :16]).mean() / (clear[:, 48:] - clear[:, :16]).mean()
    assert left == pytest.approx(np.exp(-thin.parameters["thickness"]), rel=0.35)


def test_tiny_keeps_as_many_pixels_as_it_says() -> None:
    for severity, pixels in ((0.25, 32), (1.0, 8)):
        assert degrade(picture(112, 112), "tiny", rng(0), severity).parameters["height"] == pixels
    blurred = degrade(picture(112, 112), "tiny", rng(0), 1.0).image.astype(float)
    spectrum = np.abs(np.fft.rfft(blurred.mean((1, 2)) - blurred.mean()))
    assert spectrum[12:].max() < 0.1 * spectrum[:6].max()


def test_rain_adds_light_and_blocks_are_square() -> None:
    dark = np.full((96, 96, 3), 20, np.uint8)
    assert degrade(dark, "rain", rng(0), 0.7).image.min() >= 20
    lost = degrade(picture(98, 98), "blocks", rng(0), 1.0)
    assert 0 < lost.parameters["lost"] < 1
    assert lost.parameters["side"] == 7


def test_kernels_sum_to_one() -> None:
    for kernel in (bad.ellipse(2, 0.6, 0.7), bad.ellipse(0, 0, 0), bad.sinc(1.5)):
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
    wide = bad.ellipse(3, 1, 0)
    x = np.arange(wide.shape[1]) - wide.shape[1] // 2
    assert (wide.sum(0) * x**2).sum() == pytest.approx(9, rel=0.05)
    assert (wide.sum(1) * x**2).sum() == pytest.approx(1, rel=0.05)
    y, x = np.indices((11, 11)) - 5
    r = np.hypot(x, y)
    r[5, 5] = 1e-9
    wanted = 1.5 / (2 * np.pi * r) * j1(1.5 * r)
    np.testing.assert_allclose(bad.sinc(1.5), wanted / wanted.sum(), atol=1e-6)


def test_unfit_arguments_are_refused() -> None:
    for match, arguments in (
        ("kind", (picture(), "snow", rng(0), 0.5)),
        ("severity", (picture(), "fog", rng(0), 1.5)),
        ("image", (picture().astype(np.float32), "fog", rng(0), 0.5)),
        ("image", (picture()[..., 0], "fog", rng(0), 0.5)),
    ):
        with pytest.raises(ChoiceError, match=match):
            degrade(*arguments)  # type: ignore[arg-type]
