"""Outlook attention against the paper's sums, written out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.blocks.outlook import OutlookAttention  # noqa: E402


def literal(layer, x):
    """Window by window: the middle says how its values mix, and they add up where they lie."""
    n, height, width, dim = x.shape
    size, near = layer.kernel, layer.kernel // 2
    each = dim // layer.heads
    value, said = layer.value(x), layer.attend(x)
    total = torch.zeros(n, height, width, dim, dtype=x.dtype)
    places = [(i - near, j - near) for i in range(size) for j in range(size)]
    for b in range(n):
        for i in range(height):
            for j in range(width):
                all_heads = said[b, i, j].view(layer.heads, size**2, size**2)
                for head, weights in enumerate(all_heads):
                    own = slice(head * each, (head + 1) * each)
                    window = torch.zeros(size**2, each, dtype=x.dtype)
                    for k, (di, dj) in enumerate(places):
                        if 0 <= i + di < height and 0 <= j + dj < width:
                            window[k] = value[b, i + di, j + dj, own]
                    mixed = (weights / each**0.5).softmax(-1) @ window
                    for k, (di, dj) in enumerate(places):
                        if 0 <= i + di < height and 0 <= j + dj < width:
                            total[b, i + di, j + dj, own] += mixed[k]
    return layer.out(total)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([1, 3]), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
def test_agrees_with_loops(kernel, heads, height, width):
    torch.manual_seed(height * 7 + width)
    layer = OutlookAttention(heads * 4, heads, kernel)
    x = torch.randn(2, height, width, heads * 4)
    with torch.no_grad():
        assert torch.allclose(layer(x), literal(layer, x), atol=1e-5)


def test_a_window_of_one_is_linear():
    layer, x = OutlookAttention(8, 2, 1), torch.randn(2, 3, 4, 8)
    assert torch.allclose(layer(x), layer.out(layer.value(x)), atol=1e-6)


def test_sees_two_steps_far_and_no_further():
    layer = OutlookAttention(4, 1)
    x = torch.zeros(1, 9, 9, 4, requires_grad=True)
    layer(x)[0, 4, 4].sum().backward()
    reach = x.grad.abs().sum(3)[0] > 0
    assert reach[2:7, 2:7].all()
    assert reach.sum() == 25


def test_gradients():
    layer = OutlookAttention(4, 2).double()
    x = torch.randn(1, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)


@pytest.mark.parametrize(("heads", "kernel"), [(3, 3), (2, 2)])
def test_what_cannot_be(heads, kernel):
    with pytest.raises(ChoiceError, match="heads and kernel"):
        OutlookAttention(8, heads, kernel)
