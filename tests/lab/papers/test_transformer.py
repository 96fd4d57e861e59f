"""The shared set-up of papers about transformers."""

from __future__ import annotations

import torch

from fusiform.lab.papers._transformer import BUDGETS, settled, small_vit, spent


def test_a_settled_net_says_the_same_and_has_no_statistics() -> None:
    net = small_vit(0, 16, 1, 8)
    x = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    net(x)  # its statistics move
    before = net.eval()(x)
    after = settled(net).train()
    assert torch.allclose(after(x), before, atol=1e-5)
    assert torch.allclose(after(x[:1]), before[:1], atol=1e-5)
    assert not list(after.buffers())
    after(x).sum().backward()
    assert all(p.grad is not None for p in after.parameters())


def test_budgets() -> None:
    whole = BUDGETS["small"]
    assert spent("small", 1) == whole
    half = spent("small", 0.5, 0.01)
    assert (half.steps, half.batch, half.rate) == (whole.steps // 2, whole.batch, 0.01)
    assert spent("tiny", 1e-6).steps == 1
