"""NT-Xent against the formula written out pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.lab.blocks.contrastive import nt_xent


def literal(one: np.ndarray, other: np.ndarray, temperature: float) -> float:
    rows = [*one, *other]
    n = len(one)

    def alike(i: int, j: int) -> float:
        a, b = rows[i], rows[j]
        return math.exp(a @ b / np.linalg.norm(a) / np.linalg.norm(b) / temperature)

    total = 0.0
    for i in range(2 * n):
        mate = (i + n) % (2 * n)
        total -= math.log(alike(i, mate) / sum(alike(i, k) for k in range(2 * n) if k != i))
    return total / (2 * n)


@given(st.integers(1, 6), st.integers(1, 5), st.floats(0.1, 2))
@settings(max_examples=30, deadline=None)
def test_as_written(n: int, d: int, temperature: float) -> None:
    draw = np.random.default_rng(n * 10 + d)
    one, other = draw.normal(size=(2, n, d))
    found = nt_xent(torch.from_numpy(one), torch.from_numpy(other), temperature)
    assert np.isclose(float(found), literal(one, other, temperature))


def test_equal_views_far_from_all_others_cost_nothing() -> None:
    views = torch.eye(4) * torch.tensor([1.0, 2, 3, 4])[:, None]
    assert float(nt_xent(views, 5 * views, 0.01)) < 1e-6
    assert float(nt_xent(views[:1], views[1:2])) == 0.0


def test_gradient() -> None:
    one, other = torch.randn(2, 3, 4, dtype=torch.float64).requires_grad_().unbind()
    assert torch.autograd.gradcheck(nt_xent, (one, other))


def test_wrong_choices() -> None:
    with pytest.raises(ChoiceError):
        nt_xent(torch.ones(2, 3), torch.ones(3, 3))
    with pytest.raises(ChoiceError):
        nt_xent(torch.ones(2, 3), torch.ones(2, 3), 0)
