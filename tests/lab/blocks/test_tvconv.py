"""Convolutions whose kernel is another at each place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.blocks.tvconv import PlaceConv, TVConv, settled, varying  # noqa: E402


def literal(x, weights, stride):
    """Place by place."""
    n, c, height, width = x.shape
    size, out = weights.shape[1], torch.zeros(n, c, *weights.shape[3:], dtype=x.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            for di in range(size):
                for dj in range(size):
                    y, z = i * stride + di - size // 2, j * stride + dj - size // 2
                    if 0 <= y < height and 0 <= z < width:
                        out[:, :, i, j] += x[:, :, y, z] * weights[:, di, dj, i, j]
    return out


@settings(deadline=None)
@given(st.sampled_from([1, 3, 5]), st.integers(1, 2), st.integers(3, 7), st.integers(3, 7))
def test_agrees_with_loops(size, stride, height, width):
    draw = torch.Generator().manual_seed(height * 10 + width)
    x = torch.randn(2, 3, height, width, generator=draw)
    out = [(side + stride - 1) // stride for side in (height, width)]
    weights = torch.randn(3, size, size, *out, generator=draw)
    assert torch.allclose(varying(x, weights, stride), literal(x, weights, stride), atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_constant_maps_are_a_depthwise_convolution(stride):
    conv = TVConv(6, 9, stride).eval()
    with torch.no_grad():
        conv.affinity.copy_(torch.randn(1, 4, 1, 1).expand_as(conv.affinity))
    kernel = conv.weights()[:, None, :, :, 0, 0]
    x = torch.randn(2, 6, 9, 9)
    plain = functional.conv2d(x, kernel, stride=stride, padding=1, groups=6)
    assert torch.allclose(conv(x), plain, atol=1e-6)


def test_other_maps_are_not():
    conv = TVConv(2, 8)
    with torch.no_grad():
        x = torch.zeros(1, 2, 8, 8)
        x[..., 2, 2] = x[..., 5, 5] = 1
        y = conv(x)
    assert not torch.allclose(y[..., 1:4, 1:4], y[..., 4:7, 4:7], atol=1e-3)


def test_gradients():
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 3, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: varying(a, b, 2), (x, weights))
    conv = TVConv(2, 5)
    conv(x.float()).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in conv.parameters())


def test_settled_nets_say_the_same_with_the_kernels_alone():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(TVConv(4, 8, 2)), TVConv(4, 4)).eval()
    x = torch.randn(2, 3, 8, 8)
    before = net(x)
    small = settled(net)
    assert torch.allclose(small(x), before)
    assert isinstance(small[1][0], PlaceConv)
    assert sum(p.numel() for p in small.parameters()) == 16  # of the 1 x 1 convolution
    assert small.state_dict()["2.kernels"].shape == (4, 3, 3, 4, 4)


def test_even_kernels_have_no_middle():
    with pytest.raises(ChoiceError, match="kernel"):
        TVConv(4, 8, kernel=2)
