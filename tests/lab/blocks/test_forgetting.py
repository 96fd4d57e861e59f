"""Forgetting losses against sums over samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fusiform.lab.blocks.forgetting import leaving_loss, prototype_ties

LOGITS = torch.tensor([[2.0, 0, 1], [0, 3, 0], [1, 1, 1], [0, 0, 4]], dtype=torch.float64)
LABELS = torch.tensor([0, 1, 1, 2])


def literal(i: int) -> float:
    row = LOGITS[i].tolist()
    return math.log(sum(map(math.exp, row))) - row[LABELS[i]]


def test_who_stays_is_learnt_and_who_leaves_is_pushed() -> None:
    found = leaving_loss(LOGITS, LABELS, torch.tensor([1]), 5.0)
    assert math.isclose(
        float(found), (literal(0) + literal(3)) / 2 + 5 - (literal(1) + literal(2)) / 2
    )


def test_nothing_is_pushed_beyond_the_bound() -> None:
    logits = LOGITS.clone().requires_grad_()
    leaving_loss(logits, LABELS, torch.tensor([1]), 0.5).backward()
    assert logits.grad is not None
    # The second sample is nearly right, the third is not.
    assert (logits.grad[2] == 0).all()
    assert (logits.grad[1] != 0).all()
    assert (logits.grad[[0, 3]] != 0).any(1).all()


def test_a_batch_of_one_kind() -> None:
    everybody = torch.arange(3)
    mean = sum(literal(i) for i in range(4)) / 4
    assert math.isclose(float(leaving_loss(LOGITS, LABELS, everybody[:0], 5)), mean)
    assert math.isclose(float(leaving_loss(LOGITS, LABELS, everybody, 5)), 5 - mean)


def test_ties() -> None:
    prototypes = torch.eye(3, dtype=torch.float64)
    far = [float(((LOGITS[i] - prototypes[LABELS[i]]) ** 2).sum()) for i in range(4)]
    found = prototype_ties(LOGITS, LABELS, torch.tensor([2]), prototypes, 20.0)
    assert math.isclose(float(found), sum(far[:3]) / 3 + 20 - far[3])
    at_home = prototype_ties(
        prototypes, torch.arange(3), torch.tensor([], dtype=int), prototypes, 1
    )
    assert float(at_home) == 0


def test_gradients() -> None:
    def both(logits: Tensor) -> Tensor:
        gone = torch.tensor([1])
        ties = prototype_ties(logits, LABELS, gone, torch.eye(3).double(), 50)
        return leaving_loss(logits, LABELS, gone, 5) + ties

    assert torch.autograd.gradcheck(both, LOGITS.clone().requires_grad_())
