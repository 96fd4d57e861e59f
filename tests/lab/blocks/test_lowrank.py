"""Linear layers in two steps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.blocks.lowrank import LowRank, linear  # noqa: E402


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.floats(0.01, 0.99))
def test_rank_and_weights(inputs, outputs, ratio):
    layer = linear(inputs, outputs, ratio)
    product = layer.widen.weight @ layer.narrow.weight
    rank = max(2, int(ratio * min(inputs, outputs)))
    assert product.shape == (outputs, inputs)
    assert torch.linalg.matrix_rank(product.double(), rtol=1e-6) <= rank
    assert sum(p.numel() for p in layer.parameters()) == rank * (inputs + outputs) + outputs


def test_is_a_product():
    layer, x = LowRank(6, 4, 2), torch.randn(3, 5, 6)
    wanted = x @ (layer.widen.weight @ layer.narrow.weight).T + layer.widen.bias
    assert torch.allclose(layer(x), wanted, atol=1e-6)
    assert LowRank(6, 4, 2, bias=False)(torch.zeros(1, 6)).abs().sum() == 0


def test_full_rank_can_be_any_linear_layer():
    plain, layer = nn.Linear(5, 7), LowRank(5, 7, 5)
    left, values, right = torch.linalg.svd(plain.weight, full_matrices=False)
    with torch.no_grad():
        layer.widen.weight.copy_(left * values)
        layer.widen.bias.copy_(plain.bias)
        layer.narrow.weight.copy_(right)
    x = torch.randn(9, 5)
    assert torch.allclose(layer(x), plain(x), atol=1e-5)
    assert isinstance(linear(5, 7, 1.0), nn.Linear)


def test_gradients():
    layer = LowRank(4, 3, 2).double()
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


@pytest.mark.parametrize("ratio", [0.0, -1.0, 1.5])
def test_ratios_that_cannot_be(ratio):
    with pytest.raises(ChoiceError, match="ratio"):
        linear(4, 4, ratio)


@pytest.mark.parametrize("rank", [0, 4])
def test_ranks_that_cannot_be(rank):
    with pytest.raises(ChoiceError, match="rank"):
        LowRank(3, 8, rank)
