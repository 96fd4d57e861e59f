"""Losses that pull views of one picture together and push others away."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fusiform.core.errors import ChoiceError


def nt_xent(one: Tensor, other: Tensor, temperature: float = 0.2) -> Tensor:
    """The normalised temperature-scaled cross-entropy of Chen et al., "SimCLR", ICML 2020, eq. 1.

    Row i of `one` and of `other`, both `(n, d)` of any length, are two views of picture i: each has
    to find the other among the 2n - 1 that it is not. The mean over all 2n.
    Raises ChoiceError if the shapes differ or the temperature is not above 0.
    """
    if one.shape != other.shape or temperature <= 0:
        raise ChoiceError(
            "views and temperature", "of one shape, above 0", (one.shape, other.shape)
        )
    n = len(one)
    unit = functional.normalize(torch.cat([one, other]))
    logits = unit @ unit.T / temperature
    itself = torch.eye(2 * n, dtype=torch.bool, device=one.device)
    mate = torch.arange(2 * n, device=one.device).roll(n)
    return functional.cross_entropy(logits.masked_fill(itself, -torch.inf), mate)
