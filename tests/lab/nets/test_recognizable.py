"""The net with attention and an index."""

from __future__ import annotations

import torch

from fusiform.lab.nets.recognizable import RecognizableNet
from fusiform.lab.nets.resnet import FaceResNet


def test_shapes_and_range():
    net = RecognizableNet(32, 16).eval()
    images = torch.randn(3, 3, 32, 32)
    features, index = net.rated(images)
    assert torch.equal(features, net(images))
    assert features.shape == (3, 16)
    assert index.shape == (3,)
    assert ((index > 0) & (index < 1)).all()


def test_untrained_it_is_the_plain_net():
    net = RecognizableNet(32, 16).eval()
    plain = FaceResNet(32, 16).eval()
    plain.load_state_dict({k: v for k, v in net.state_dict().items() if k in plain.state_dict()})
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(net(images), plain(images))


def test_attention_comes_before_the_head():
    net = RecognizableNet(24, 8, blocks=(1, 1)).eval()
    images = torch.randn(2, 3, 24, 24)
    before = net.maps(images)
    torch.nn.init.constant_(net.attend.place.bias, -20.0)  # nothing is readable any more
    assert before.abs().max() > 0
    assert net.maps(images).abs().max() < 1e-6 * before.abs().max()
