"""Losses that make a classifier forget some classes and keep the others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def leaving_loss(logits: Tensor, labels: Tensor, leaving: Tensor, bound: float) -> Tensor:
    """Cross-entropy of those who stay, plus max(0, bound - cross-entropy) of those who leave.

    Zhao et al., "Continual forgetting for pre-trained vision models", CVPR 2024, section 4.3.
    `logits (n, c)`, `labels (n,)`, `leaving (k,)` labels. Each sample is bounded by
    itself, so that a few that are far off do not pay for others. Where a batch has nobody of one
    kind, their part is 0.
    """
    each = functional.cross_entropy(logits, labels, reduction="none")
    return kept_and_bounded(each, torch.isin(labels, leaving), bound)


def prototype_ties(
    outputs: Tensor, labels: Tensor, leaving: Tensor, prototypes: Tensor, bound: float
) -> Tensor:
    """The same with squared distances of `outputs (n, d)` from their class's prototype `(c, d)`.

    The extended version, Zhao et al. 2025: those who stay are pulled to what they were, those who
    leave pushed from it until they are `bound` away.
    """
    far = (outputs - prototypes[labels]).square().sum(1)
    return kept_and_bounded(far, torch.isin(labels, leaving), bound)


def kept_and_bounded(each: Tensor, gone: Tensor, bound: float) -> Tensor:
    """Mean of `each (n,)` where not `gone`, plus of what it lacks to `bound` where gone."""
    stay = each[~gone].mean() if (~gone).any() else each.new_zeros(())
    return stay + (bound - each[gone]).relu().mean() if gone.any() else stay
