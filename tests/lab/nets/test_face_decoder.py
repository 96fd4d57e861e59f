"""The decoder of faces: shapes, gradients, and what its prior costs."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch

from fusiform.core.errors import ChoiceError
from fusiform.lab.nets.face_decoder import FaceDecoder, StyleEncoder, divergence, drawn_style


@pytest.mark.parametrize("size", [4, 8, 32, 64])
def test_pictures_are_of_the_size_asked_for(size):
    torch.manual_seed(0)
    decoder, encoder = FaceDecoder(10, 3, size, 4), StyleEncoder(10, 3, size, 4)
    identity = torch.randn(2, 10)
    pictures = decoder(identity, torch.randn(2, 3))
    assert pictures.shape == (2, 3, size, size)
    assert pictures.abs().max() <= 1
    assert [part.shape for part in encoder(pictures, identity)] == [(2, 3), (2, 3)]


def test_identity_and_style_both_matter():
    torch.manual_seed(0)
    decoder = FaceDecoder(6, 2, 8, 4).eval()
    identity, style = torch.randn(1, 6, requires_grad=True), torch.randn(1, 2, requires_grad=True)
    decoder(identity, style).square().sum().backward()
    assert identity.grad.abs().min() > 0
    assert style.grad.abs().min() > 0


def test_divergence_is_that_of_torch_s_distributions():
    torch.manual_seed(0)
    mean, log = torch.randn(5, 3), torch.randn(5, 3)
    mine = torch.distributions.Normal(mean, (log / 2).exp())
    plain = torch.distributions.Normal(torch.zeros(3), torch.ones(3))
    theirs = torch.distributions.kl_divergence(mine, plain).sum(1).mean()
    assert float(divergence(mean, log)) == pytest.approx(float(theirs), rel=1e-5)
    assert float(divergence(torch.zeros(2, 3), torch.zeros(2, 3))) == 0
    inputs = [t.double().requires_grad_() for t in (mean, log)]
    assert torch.autograd.gradcheck(divergence, inputs)


def test_styles_are_drawn_with_the_deviation_told():
    torch.manual_seed(0)
    drawn = drawn_style(torch.full((20_000, 1), 2.0), torch.full((20_000, 1), -2.0))
    assert float(drawn.mean()) == pytest.approx(2, abs=0.01)
    assert float(drawn.std()) == pytest.approx(torch.tensor(-1.0).exp().item(), abs=0.01)


def test_sizes_that_do_not_double_are_refused():
    with pytest.raises(ChoiceError, match="power of two"):
        FaceDecoder(size=48)
