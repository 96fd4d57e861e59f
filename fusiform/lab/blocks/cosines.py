"""Cosines in full precision, whatever the precision around them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Between the rows of `a (n, dim)` and `b (m, dim)`: `(n, m)`, in float32, or float64 where
    one of them is.

    Within `torch.autocast` too: margins and thresholds are finer than half precision, whose
    steps near 1 are 1/256 (bfloat16).
    """
    exact = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    with torch.autocast(a.device.type, enabled=False):
        return functional.normalize(a.to(exact)) @ functional.normalize(b.to(exact)).T
