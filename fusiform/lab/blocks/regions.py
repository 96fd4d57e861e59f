"""Parts of masks that hang together."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def largest(mask: Tensor) -> Tensor:
    """The largest part of `mask (h, w)` bool that hangs together by sides and corners, as such a
    mask; of equal ones the last. Nothing set: nothing.

    The largest number in each part spreads through it until nothing changes.
    """
    count = mask.numel()
    marks = torch.arange(1, count + 1, dtype=torch.float64, device=mask.device).view(mask.shape)
    inside = mask.double()[None, None]
    marks = marks * inside
    while True:
        spread = functional.max_pool2d(marks, 3, 1, 1) * inside
        if torch.equal(spread, marks):
            break
        marks = spread
    named = marks[0, 0].long()
    sizes = torch.bincount(named[mask], minlength=1)
    return mask & (named == len(sizes) - 1 - sizes.flip(0).argmax())
