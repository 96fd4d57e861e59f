"""What all small networks for faces promise, and what each is made of."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from fusiform.core.errors import ChoiceError  # noqa: E402
from fusiform.lab.blocks.tvconv import TVConv  # noqa: E402
from fusiform.lab.nets import edgeface, volo  # noqa: E402
from fusiform.lab.nets.edgeface import EdgeFace  # noqa: E402
from fusiform.lab.nets.mobilefacenet import Bottleneck, MobileFaceNet, depthwise  # noqa: E402
from fusiform.lab.nets.volo import Volo  # noqa: E402

NETS = {
    "mobilefacenet": lambda size: MobileFaceNet(size, 24, 4),
    "mobilefacenet tvconv": lambda size: MobileFaceNet(size, 24, 4, (1, 1), spatial=TVConv),
    "edgeface": lambda size: EdgeFace(size, 24, 8),
    "edgeface full rank": lambda size: EdgeFace(size, 24, 8, ratio=1.0),
    "edgeface three stages": lambda size: EdgeFace(size, 24, 12, (1, 1, 2), heads=2),
    "volo": lambda size: Volo(size, 24, 8),
    "volo self": lambda size: Volo(size, 24, 8, look=volo.SelfAttention),
    "volo near": lambda size: Volo(size, 24, 8, look=volo.Near),
}


@pytest.fixture(params=NETS, name="make")
def make_net(request):
    torch.manual_seed(0)
    return NETS[request.param]


@pytest.mark.parametrize("size", [32, 48])
def test_pictures_to_features(make, size):
    assert make(size)(torch.randn(3, 3, size, size)).shape == (3, 24)


def test_pictures_do_not_bear_on_one_another_when_evaluated(make):
    net, x = make(32).eval(), torch.randn(3, 3, 32, 32)
    assert torch.allclose(net(x)[1:2], net(x[1:2]), atol=1e-5)


def test_every_weight_learns(make):
    net = make(32)
    net(torch.randn(4, 3, 32, 32)).sin().sum().backward()
    assert [n for n, p in net.named_parameters() if p.grad is None] == []


def test_layouts_of_memory_do_not_matter(make):
    net, x = make(32).eval(), torch.randn(2, 3, 32, 32)
    wanted = net(x)
    net.to(memory_format=torch.channels_last)
    assert torch.allclose(net(x.to(memory_format=torch.channels_last)), wanted, atol=1e-4)


def test_a_bottleneck_is_straight_beside_where_it_can_be():
    x = torch.randn(2, 4, 6, 6)
    block = Bottleneck(4, 4, 6, 1, 2, depthwise).eval()
    assert torch.equal(block(x), x + block.body(x))
    wider = Bottleneck(4, 8, 6, 2, 2, depthwise).eval()
    assert torch.equal(wider(x), wider.body(x))
    assert wider(x).shape == (2, 8, 3, 3)


def test_channel_attention_is_the_papers_sum():
    """XCiT, eq. 2, head by head: V softmax(K^T Q / tau) with columns of unit length."""
    layer, x = edgeface.ChannelAttention(8, 2, 1.0), torch.randn(2, 5, 8)
    with torch.no_grad():
        layer.temperature.copy_(torch.tensor([0.7, 1.9]).view(2, 1, 1))
        query, key, value = layer.qkv(x).chunk(3, -1)
        parts = []
        for head, own in enumerate((slice(0, 4), slice(4, 8))):
            q, k = (functional.normalize(t[..., own], dim=1) for t in (query, key))
            weights = ((q.mT @ k) * layer.temperature[head]).softmax(-1)
            parts.append(value[..., own] @ weights.mT)
        wanted = layer.out(torch.cat(parts, -1))
        assert torch.allclose(layer(x), wanted, atol=1e-5)
        assert torch.allclose(layer(x[:, [3, 1, 0, 4, 2]]), wanted[:, [3, 1, 0, 4, 2]], atol=1e-5)


def test_split_channels_are_mixed_in_turn():
    block = edgeface.SplitEncoder(9, 3, 1, 2, 1.0)
    x = torch.randn(1, 5, 5, 9)
    first, second, third = x.permute(0, 3, 1, 2).chunk(3, 1)
    one, two = block.convs
    wanted = torch.cat([first, one(second), two(third + one(second))], 1).permute(0, 2, 3, 1)
    assert torch.allclose(block.cascade(x), wanted, atol=1e-6)


def test_blocks_without_gain_are_the_straight_way():
    x = torch.randn(2, 4, 4, 8)
    for block in (edgeface.ConvEncoder(8, 3, 4, 0.5), edgeface.SplitEncoder(8, 2, 2, 4, 0.5)):
        assert (block(x) - x).abs().max() > 0.1
        torch.nn.init.zeros_(block.mixer.gain)
        assert torch.equal(block(x), x)


def test_low_rank_halves_what_it_should():
    full, low = (sum(p.numel() for p in EdgeFace(ratio=r).parameters()) for r in (1.0, 0.25))
    assert low < 0.6 * full


def test_self_attention_sees_all_and_class_attention_forgets_order():
    look, x = volo.SelfAttention(8, 2), torch.randn(1, 3, 3, 8, requires_grad=True)
    look(x)[0, 0, 0].sum().backward()
    assert (x.grad.abs().sum(3) > 0).all()
    gather, tokens = volo.ClassAttention(8, 2), torch.randn(2, 5, 8)
    one = torch.randn(2, 1, 8)
    assert torch.allclose(gather(one, tokens), gather(one, tokens.flip(1)), atol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: EdgeFace(30),
        lambda: edgeface.ChannelAttention(9, 2, 1.0),
        lambda: edgeface.SplitEncoder(9, 2, 1, 2, 1.0),
    ],
)
def test_what_cannot_be(call):
    with pytest.raises(ChoiceError):
        call()
