"""Cosines, within autocast too."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn import functional

from fusiform.lab.blocks.binary import SphereFace2
from fusiform.lab.blocks.cosines import cosines
from fusiform.lab.blocks.triplets import Triplets


def test_cosines_are_torchs() -> None:
    a, b = torch.randn(4, 7), torch.randn(3, 7) * 9
    wanted = functional.cosine_similarity(a[:, None], b[None], dim=2)
    torch.testing.assert_close(cosines(a, b), wanted)


def test_gradients_are_exact() -> None:
    inputs = torch.randn(2, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    assert gradcheck(cosines, tuple(x.requires_grad_() for x in inputs))


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        (torch.bfloat16, torch.float32, torch.float32),
        (torch.float16, torch.float16, torch.float32),
        (torch.float32, torch.float64, torch.float64),
    ],
)
def test_precision_is_single_or_double(a: torch.dtype, b: torch.dtype, wanted: torch.dtype) -> None:
    assert cosines(torch.randn(2, 3).to(a), torch.randn(2, 3).to(b)).dtype == wanted


def test_autocast_changes_nothing() -> None:
    draw = torch.Generator().manual_seed(0)
    features, labels = torch.randn(8, 16, generator=draw), torch.arange(8) // 2
    head = SphereFace2(16, 4)
    before = head(features, labels), Triplets()(features, labels)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(features, labels), Triplets()(features, labels)
    for one, other in zip(before, found, strict=True):
        torch.testing.assert_close(one, other)
