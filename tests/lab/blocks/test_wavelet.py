"""The wavelet transform: against loops, closed forms and PyWavelets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.blocks.wavelet import daubechies, dwt, idwt, low_band, step  # noqa: E402


def literal(signal, moments):
    """One step along the last axis, tap by tap."""
    taps, n = daubechies(moments), signal.shape[-1]
    out = np.zeros(signal.shape)
    for i in range(n // 2):
        for k, tap in enumerate(taps):
            place = (2 * i + k - moments + 1) % n
            out[..., i] += tap * signal[..., place]
            out[..., n // 2 + i] += (-1) ** k * taps[-1 - k] * signal[..., place]
    return out


@pytest.mark.parametrize("moments", [1, 2, 4])
def test_a_step_is_the_sum_it_says(moments):
    picture = np.random.default_rng(0).normal(size=(3, 16, 24))
    rows = literal(picture, moments)
    both = literal(rows.swapaxes(1, 2), moments).swapaxes(1, 2)
    low, details = dwt(torch.from_numpy(picture), moments)
    assert np.allclose(low, both[:, :8, :12])
    assert np.allclose(details[:, 0], both[:, 8:, :12])
    assert np.allclose(details[:, 1], both[:, :8, 12:])
    assert np.allclose(details[:, 2], both[:, 8:, 12:])


def test_filters_known_in_closed_form():
    assert np.allclose(daubechies(1), [math.sqrt(0.5)] * 2)
    root = math.sqrt(3)
    wanted = np.array([1 + root, 3 + root, 3 - root, 1 - root]) / (4 * math.sqrt(2))
    assert np.allclose(daubechies(2), wanted)


@pytest.mark.parametrize("moments", range(1, 11))
def test_agrees_with_pywavelets(moments):
    pywt = pytest.importorskip("pywt", reason="PyWavelets is not installed")
    wavelet = pywt.Wavelet(f"db{moments}")
    assert np.allclose(daubechies(moments), wavelet.rec_lo, atol=1e-7)
    picture = np.random.default_rng(1).normal(size=(32, 64))
    low, details = dwt(torch.from_numpy(picture), moments)
    theirs, rest = pywt.dwt2(picture, wavelet, "periodization")
    assert np.allclose(low, theirs, atol=1e-6)
    for ours, other in zip(details, rest, strict=True):
        assert np.allclose(ours, other, atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 10), st.integers(1, 20))
def test_steps_are_orthogonal(moments, half):
    matrix = step(2 * half, moments)
    assert np.allclose(matrix @ matrix.T, np.eye(2 * half), atol=1e-6)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_there_and_back(moments, height, width, seed):
    x = torch.randn(
        2, 2 * height, 2 * width, generator=torch.Generator().manual_seed(seed)
    ).double()
    low, details = dwt(x, moments)
    assert torch.allclose(idwt(low, details, moments), x, atol=1e-6)
    assert torch.allclose(low.square().sum() + details.square().sum(), x.square().sum())


def test_polynomials_leave_no_details():
    """As many vanishing moments as the name says: away from the edge a line has no difference."""
    line = torch.arange(32.0, dtype=torch.float64).expand(32, 32)
    _, details = dwt(line, 2)
    assert details[..., 1:-1].abs().max() < 1e-9
    assert dwt(line, 1)[1].abs().max() > 0.1


def test_low_band_of_haar_is_a_mean():
    x = torch.rand(3, 16, 32)
    blocks = x.view(3, 4, 4, 8, 4).mean((2, 4))
    assert torch.allclose(low_band(x, 2), 4 * blocks, atol=1e-5)
    assert torch.equal(low_band(x, 0), x)


def test_gradients():
    x = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: dwt(v, 2), x)


@pytest.mark.parametrize(
    ("call", "said"), [((3, 1), "side"), ((4, 0), "moments"), ((4, 11), "mom")]
)
def test_what_cannot_be(call, said):
    with pytest.raises(ChoiceError, match=said):
        step(*call)
