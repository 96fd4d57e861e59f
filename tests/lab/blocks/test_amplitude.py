"""Amplitudes mixed against NumPy's transform of whole pictures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fusiform.lab.blocks.amplitude import amplitude_mixed


def pictures(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)).double()


@given(st.integers(1, 7), st.integers(2, 8), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_as_numpy_does_it_with_the_whole_spectrum(h: int, w: int, share: float) -> None:
    own, other = pictures(h, 2, h, w), pictures(w + 9, 2, h, w)
    mine, theirs = np.fft.fft2(own.numpy()), np.fft.fft2(other.numpy())
    amplitude = (1 - share) * np.abs(mine) + share * np.abs(theirs)
    want = np.fft.ifft2(amplitude * np.exp(1j * np.angle(mine)))
    assert np.abs(want.imag).max() < 1e-9
    assert np.allclose(amplitude_mixed(own, other, share).numpy(), want.real, atol=1e-9)


def test_the_phase_stays() -> None:
    own, other = pictures(1, 3, 8, 8).float(), pictures(2, 3, 8, 8).float()
    found = torch.fft.rfft2(amplitude_mixed(own, other, 0.7))
    turn = torch.fft.rfft2(own).angle() - found.angle()
    # At -pi and pi the angle is the same.
    assert (torch.remainder(turn + np.pi, 2 * np.pi) - np.pi).abs().max() < 1e-3
    assert float((turn.cos() - 1).abs().max()) < 1e-5


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_and_all(share: float) -> None:
    own, other = pictures(1, 8, 8), pictures(2, 8, 8)
    found = amplitude_mixed(own, other, share)
    whose = other if share else own
    assert torch.allclose(torch.fft.rfft2(found).abs(), torch.fft.rfft2(whose).abs(), atol=1e-9)
    assert torch.allclose(amplitude_mixed(own, own, share), own)


def test_each_picture_may_have_its_share() -> None:
    own, other = pictures(1, 2, 3, 4, 4), pictures(2, 2, 3, 4, 4)
    found = amplitude_mixed(own, other, torch.tensor([0.2, 0.9]).view(2, 1, 1, 1))
    for i, share in enumerate((0.2, 0.9)):
        assert torch.allclose(found[i], amplitude_mixed(own[i], other[i], share))


def test_gradient() -> None:
    own, other = pictures(1, 4, 4).requires_grad_(), pictures(2, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: amplitude_mixed(a, b, 0.4), (own, other))
