"""The recognizability index, its loss, and what they are made of."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fusiform.lab.blocks.recognizability import (
    HopelessCentre,
    Perceptibility,
    diversion,
    recognizability,
)


def slow(cosine: np.ndarray, labels: np.ndarray, hopeless: np.ndarray) -> list[float]:
    out = []
    for row, label, h in zip(cosine, labels, hopeless, strict=True):
        near = 1 - row[label]
        far = min(1 - c for k, c in enumerate(row) if k != label)
        out.append((1 - h) / 2 * far / (near + far))
    return out


@given(st.integers(0, 10_000))
def test_index_agrees_with_a_literal_twin(seed: int):
    random = np.random.default_rng(seed)
    cosine, labels = random.uniform(-1, 0.99, (6, 4)), random.integers(4, size=6)
    hopeless = random.uniform(-1, 1, 6)
    tensors = (torch.from_numpy(array) for array in (cosine, labels, hopeless))
    index = recognizability(*tensors)
    assert np.allclose(index.numpy(), slow(cosine, labels, hopeless))
    assert ((index >= 0) & (index <= 1)).all()


def test_ends_of_the_index():
    cosine = torch.tensor([[1.0, -1.0], [0.3, 0.3], [1.0, 0.0], [-1.0, 1.0]])
    index = recognizability(
        cosine, torch.zeros(4, dtype=torch.int64), torch.tensor([-1.0, -1, 1, -1])
    )
    assert torch.allclose(index, torch.tensor([1.0, 0.5, 0.0, 0.0]))


def test_both_prototypes_on_the_spot_are_no_division_by_zero():
    index = recognizability(torch.ones(1, 2), torch.tensor([0]), torch.zeros(1))
    assert torch.isfinite(index).all()


def test_diversion_is_zero_for_the_recognisable_and_the_far():
    assert diversion(torch.ones(3), torch.rand(3)) == 0
    assert diversion(torch.zeros(3), -torch.ones(3)) == 0
    assert diversion(torch.zeros(3), torch.ones(3)) == 1


def test_diversion_pushes_away_and_leaves_the_index_alone():
    index = torch.tensor([0.2, 0.9], dtype=torch.float64, requires_grad=True)
    hopeless = torch.tensor([0.1, 0.1], dtype=torch.float64, requires_grad=True)
    diversion(index, hopeless).backward()
    assert index.grad is None
    assert hopeless.grad is not None
    assert hopeless.grad[0] > hopeless.grad[1] > 0
    fixed = index.detach()
    assert torch.autograd.gradcheck(lambda h: diversion(fixed, h), (hopeless,))


def test_attention_starts_as_the_identity():
    maps = torch.randn(2, 8, 5, 5)
    assert torch.equal(Perceptibility(8)(maps), maps)


def test_attention_passes_gradcheck():
    torch.manual_seed(0)
    block = Perceptibility(4).double()
    torch.nn.init.normal_(block.place.weight)
    maps = torch.randn(1, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(block, (maps,))
    assert ((block.attention(maps) > 0) & (block.attention(maps) < 1)).all()


def test_the_centre_follows_what_is_added():
    centre = HopelessCentre(3, momentum=0.5)
    probe = torch.tensor([[2.0, 0, 0], [0, 3.0, 0]])
    assert not centre(probe).any()
    for _ in range(20):
        centre.add(torch.tensor([[5.0, 0, 0], [7.0, 0, 0]]))
    assert torch.allclose(centre(probe), torch.tensor([1.0, 0.0]))
