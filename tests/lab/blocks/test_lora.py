"""Adapters: nothing when fresh, exact when merged, alone in being trained."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.lora import (
    LoRA,
    adapt,
    adapters,
    by_block,
    group_norms,
    grouped,
    merge,
    shared,
    silence,
)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 5))
    return nn.Sequential(block, nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3))).double()


def filled(made: dict[str, LoRA]) -> None:
    """As if they had been trained."""
    for adapter in made.values():
        nn.init.normal_(adapter.up)


def inputs(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3)).double()


def test_a_fresh_adapter_and_one_of_strength_0_change_nothing() -> None:
    x = inputs(7, 5)
    plain, adapted = net(), net()
    made = adapt(adapted, 2, sets=3)
    assert torch.equal(adapted(x), plain(x))
    filled(made)
    assert not torch.allclose(adapted(x), plain(x))
    for adapter in made.values():
        adapter.strength = 0.0
    assert torch.equal(adapted(x), plain(x))


@given(st.integers(1, 4), st.integers(1, 3), st.floats(0.1, 3), st.booleans())
@settings(max_examples=20, deadline=None)
def test_merged_is_the_same(rank: int, sets: int, strength: float, mixed: bool) -> None:
    adapted = net()
    filled(adapt(adapted, rank, sets, strength))
    x = inputs(4, 5)
    with shared(adapted, torch.linspace(0.2, 1, sets).double() if mixed else None):
        before = adapted(x)
        merge(adapted)
    assert torch.allclose(adapted(x), before, atol=1e-10)
    assert not adapters(adapted)
    assert all(type(m) is not LoRA for m in adapted.modules())


def test_each_sample_has_its_own_mixture() -> None:
    layer = LoRA(nn.Linear(5, 4), 2, sets=2, strength=0.7).double()
    nn.init.normal_(layer.up)
    x, shares = inputs(3, 6, 5), torch.tensor([[1.0, 0], [0, 1], [0.3, 0.6]]).double()
    with shared(layer, shares):
        found = layer(x)
    for i in range(3):
        change = sum(shares[i, s] * layer.up[s] @ layer.down[s] for s in range(2))
        assert torch.allclose(found[i], layer.layer(x[i]) + 0.7 * x[i] @ change.T, atol=1e-12)
    assert layer.shares is None


def test_gradients() -> None:
    layer = LoRA(nn.Linear(3, 2), 2, sets=2).double()
    shares = inputs(4, 2).requires_grad_()

    def mixed(x: Tensor, down: Tensor, up: Tensor, shares: Tensor) -> Tensor:
        with shared(layer, shares):
            return torch.func.functional_call(layer, {"down": down, "up": up}, x)

    parts = inputs(4, 3).requires_grad_(), layer.down, inputs(2, 2, 2).requires_grad_(), shares
    assert torch.autograd.gradcheck(mixed, parts)


def test_only_adapters_are_trained() -> None:
    adapted = net()
    made = adapt(adapted, 2, where=r"^0\.")
    assert list(made) == ["0.0", "0.2"]
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert trained == {"0.0.down", "0.0.up", "0.2.down", "0.2.up"}
    before = {n: p.clone() for n, p in adapted.named_parameters()}
    optimiser = torch.optim.SGD(adapted.parameters(), 0.1)
    for _ in range(2):
        adapted(inputs(8, 5)).square().sum().backward()
        optimiser.step()
    assert {n for n, p in adapted.named_parameters() if not torch.equal(p, before[n])} == trained


def test_groups_and_their_norms() -> None:
    adapted = net()
    filled(adapt(adapted, 2))
    groups = grouped(adapted)
    assert [len(g) for g in groups.values()] == [2, 2]
    for group, norm in zip(groups.values(), group_norms(groups), strict=True):
        flat = torch.cat([p.flatten() for a in group for p in (a.up, a.down)])
        assert torch.isclose(norm, flat.norm())
    assert by_block("blocks.3.perceptron.rise") == "blocks.3"
    assert by_block("head") == "head"


def test_quiet_groups_are_silenced() -> None:
    adapted = net()
    filled(made := adapt(adapted, 2))
    with torch.no_grad():
        for name in ("1.0", "1.1"):
            made[name].up.mul_(1e-6)
            made[name].down.mul_(1e-6)
    groups = grouped(adapted)
    assert silence(groups, 1e-3) == ["1"]
    norms = group_norms(groups)
    norms.sum().backward()
    assert norms[1] < 1e-9
    assert made["1.0"].up.grad is not None
    assert (made["1.0"].up.grad == 0).all()
    assert torch.equal(adapted[1](inputs(2, 5)), net()[1](inputs(2, 5)))


def test_wrong_choices() -> None:
    with pytest.raises(ChoiceError):
        adapt(net(), where="attention")
    with pytest.raises(ChoiceError):
        LoRA(nn.Linear(2, 2), 0)
    layer = LoRA(nn.Linear(2, 2), 1, sets=2)
    layer.shares = torch.ones(3, 2)
    with pytest.raises(ChoiceError):
        layer.merged()
