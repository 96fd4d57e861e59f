"""The vision transformer against a literal twin, and its parts by themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fusiform.core.errors import ChoiceError
from fusiform.lab.nets.vit import POSITIONS, READS, Attention, Block, FaceViT, GatedViT, waves


def small(**options: object) -> FaceViT:
    torch.manual_seed(1)
    return FaceViT(12, 5, 8, 2, 2, 4, **options).double().eval()  # type: ignore[arg-type]


def pictures(n: int = 3) -> Tensor:
    return torch.rand(n, 3, 12, 12, generator=torch.Generator().manual_seed(2)).double() * 2 - 1


def literal_attention(a: Attention, x: Tensor) -> Tensor:
    """One sample, one head, one token at a time."""
    out = torch.zeros_like(x)
    width = x.shape[2]
    each = width // a.heads
    for n in range(len(x)):
        q, k, v = (a.qkv(x[n])[:, i * width : (i + 1) * width] for i in range(3))
        for h in range(a.heads):
            mine = slice(h * each, (h + 1) * each)
            for t in range(x.shape[1]):
                weight = torch.softmax(k[:, mine] @ q[t, mine] / math.sqrt(each), 0)
                out[n, t, mine] = weight @ v[:, mine]
    return a.out(out)


def test_attention_is_the_literal_one() -> None:
    torch.manual_seed(0)
    attention = Attention(6, 3).double()
    x = torch.randn(2, 4, 6).double()
    assert torch.allclose(attention(x), literal_attention(attention, x), atol=1e-12)


def test_a_block_has_the_gradient_it_says() -> None:
    torch.manual_seed(0)
    block = Block(4, 2, 2).double()
    x = torch.randn(2, 3, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(block, x)


def test_patches_are_cut_row_by_row() -> None:
    x = pictures(1)
    found = small().patches(x)
    assert found.shape == (1, 9, 48)
    for i in range(9):
        top, left = 4 * (i // 3), 4 * (i % 3)
        assert torch.equal(found[0, i], x[0, :, top : top + 4, left : left + 4].reshape(-1))


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("positions", POSITIONS)
def test_shapes_and_singles(read: str, positions: str) -> None:
    net, x = small(read=read, positions=positions), pictures()
    tokens = net.tokens(x)
    assert tokens.shape == (3, 9 + (read == "class"), 8)
    assert net(x).shape == (3, 5)
    assert torch.allclose(net(x)[1:2], net(x[1:2]), atol=1e-12)


def test_what_the_head_sees() -> None:
    x = pictures()
    for read, seen in (("mean", lambda t: t.mean(1)), ("class", lambda t: t[:, 0])):
        net = small(read=read)
        assert torch.equal(net.seen(net.tokens(x)), seen(net.tokens(x)))
        assert torch.equal(net(x), net.head(seen(net.tokens(x))))


def test_without_positions_the_mean_forgets_where_patches_were() -> None:
    net = small(read="mean")
    with torch.no_grad():
        net.place.zero_()
    x = pictures(1)
    tokens = net.embedded(x)
    turned = tokens[:, torch.randperm(9)]
    assert torch.allclose(net.through(tokens).mean(1), net.through(turned).mean(1), atol=1e-12)


def test_a_part_of_the_tokens_goes_through() -> None:
    net = small()
    assert net.through(net.embedded(pictures())[:, [0, 4, 7]]).shape == (3, 3, 8)


def test_waves_are_sines_of_the_place() -> None:
    found = waves(3, 8).numpy()
    for row in range(3):
        for column in range(3):
            want = [
                f(p * rate)
                for p in (column, row)
                for f in (math.sin, math.cos)
                for rate in (1, 0.01)
            ]
            assert np.allclose(found[3 * row + column], want, atol=1e-6)
    assert len({tuple(line) for line in found.round(5).tolist()}) == 9


def test_every_weight_is_trained() -> None:
    net = small(read="class").train()
    net(pictures()).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(
    "wrong",
    [{"size": 50}, {"width": 64, "heads": 3}, {"read": "some"}, {"positions": "none"}],
)
def test_wrong_choices(wrong: dict[str, object]) -> None:
    with pytest.raises(ChoiceError):
        FaceViT(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ChoiceError):
        waves(3, 6)


def test_gates_weigh_tokens() -> None:
    torch.manual_seed(0)
    net = GatedViT(small()).double().eval()
    x = pictures()
    tokens, gates = net.gated(x)
    assert gates.shape == (3, 9)
    assert ((gates > 0) & (gates < 1)).all()
    assert torch.equal(tokens, net.vit.tokens(x) * gates[:, :, None])
    with torch.no_grad():
        net.gate[2].weight.fill_(0.0)
    halved = net.vit.head((net.vit.tokens(x) / 2).flatten(1))
    assert torch.allclose(net(x), halved, atol=1e-12)
    with pytest.raises(ChoiceError):
        GatedViT(small(read="mean"))
