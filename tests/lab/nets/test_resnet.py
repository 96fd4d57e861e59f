"""The small residual network."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from fusiform.lab.nets.resnet import FaceResNet, Residual  # noqa: E402


@pytest.mark.parametrize("size", [32, 48, 50, 64])
def test_shapes(size):
    net = FaceResNet(size, 24, 4)
    assert net(torch.randn(3, 3, size, size)).shape == (3, 24)
    assert net.maps(torch.randn(3, 3, size, size)).shape[:2] == (3, 16)


def test_a_block_is_what_it_says():
    block = Residual(4, 6, 2).eval()
    x = torch.randn(2, 4, 8, 8)
    conv, norm, bend, again, last = block.body
    body = last(again(bend(norm(conv(x)))))
    assert torch.equal(block(x), block.straight(x[..., ::2, ::2]) + body)
    assert isinstance(Residual(4, 4, 1).straight, nn.Identity)


def test_a_narrow_block_is_that_of_a_strided_convolution():
    narrow = Residual(8, 8, 2).eval()
    conv = narrow.straight[0]
    x = torch.randn(2, 8, 9, 9)
    strided = nn.functional.conv2d(x, conv.weight, stride=2)
    assert torch.allclose(conv(x[..., ::2, ::2]), strided, atol=1e-6)
    assert Residual(16, 16, 2).straight[0].stride == (2, 2)


@pytest.mark.parametrize("width", [8, 12])
def test_narrow_nets_learn_with_channels_last(width):
    net = FaceResNet(48, 16, width).to(memory_format=torch.channels_last)
    for _ in range(2):
        net(torch.randn(16, 3, 48, 48)).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())


def test_pictures_do_not_bear_on_one_another_when_evaluated():
    net = FaceResNet(32, 8, 4).eval()
    x = torch.randn(4, 3, 32, 32)
    assert torch.allclose(net(x)[1:2], net(x[1:2]), atol=1e-5)


def test_every_weight_learns():
    net = FaceResNet(32, 8, 4)
    net(torch.randn(4, 3, 32, 32)).square().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None] == []
