"""The largest part of a mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from fusiform.lab.blocks.regions import largest  # noqa: E402


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.floats(0.2, 0.7))
def test_agrees_with_scipy(seed, share):
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = np.random.default_rng(seed).random((24, 31)) < share
    parts, count = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    found = largest(torch.from_numpy(mask)).numpy()
    assert found.sum() == sizes.max()
    assert len(np.unique(parts[found])) == 1


def test_of_nothing_there_is_nothing():
    assert not largest(torch.zeros(4, 5, dtype=torch.bool)).any()


def test_of_equals_the_last():
    mask = torch.eye(5, dtype=torch.bool)
    mask[2, 2] = False
    wanted = mask.clone()
    wanted[:2] = False
    assert torch.equal(largest(mask), wanted)
