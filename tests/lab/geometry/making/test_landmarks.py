"""Landmark sets of the made-up face: counts, orders, spread."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.lab.geometry.head import at
from fusiform.lab.geometry.making.landmarks import (
    between,
    landmark_sets,
    loop_points,
    middles,
    set_106,
    spread,
    under_brows,
)
from fusiform.lab.geometry.making.layout import Layout


@pytest.fixture(scope="module")
def marks(layout: Layout) -> dict[str, np.ndarray]:
    sets = landmark_sets(layout.vertices, layout)
    return {name: at(one, layout.triangles, layout.vertices) for name, one in sets.items()}


def test_sets_have_their_counts(marks: dict[str, np.ndarray]) -> None:
    assert {name: len(one) for name, one in marks.items()} == {"68": 68, "106": 106, "478": 478}


def test_106_holds_the_68(marks: dict[str, np.ndarray]) -> None:
    p, q = marks["68"], marks["106"]
    rows = {0: 0, 32: 16, 33: 17, 42: 26, 46: 30, 47: 31, 52: 36, 63: 47, 84: 48, 96: 60, 103: 67}
    for mine, ibug in rows.items():
        assert np.abs(q[mine] - p[ibug]).max() < 1e-5, (mine, ibug)


def test_478_starts_with_the_68_and_is_spread(marks: dict[str, np.ndarray]) -> None:
    q = marks["478"]
    assert np.abs(q[:68] - marks["68"]).max() < 1e-6
    filled = q[128:468]
    gaps = np.linalg.norm(filled[:, None] - filled[None], axis=2) + np.eye(len(filled))
    assert gaps.min() > 1e-4
    assert np.array_equal(q[468:473], np.repeat(q[[468]], 5, axis=0))


def test_spread_is_symmetric(layout: Layout) -> None:
    found = spread(layout.vertices, layout, layout.vertices[:3], 41)
    assert len(set(found.tolist())) == 41
    assert set(layout.mirror[found].tolist()) == set(found.tolist())


def test_middles_and_lower_brows(marks: dict[str, np.ndarray]) -> None:
    p = marks["68"]
    lids = middles(p)
    assert lids[0, 1] > lids[1, 1]
    assert lids[0, 0] < 0 < lids[3, 0]
    low = under_brows(p)
    assert (low[:4, 0] < 0).all()
    assert (low[4:, 0] > 0).all()
    assert np.allclose(low[0], (p[17] + p[18]) / 2 - [0, 0.005, 0])
    assert set_106(p, lids).shape == (106, 3)


def test_between_closes_the_ring() -> None:
    square = np.float32([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
    assert np.allclose(between(square), [[1, 0, 0], [2, 1, 0], [1, 2, 0], [0, 1, 0]])


def test_loop_points_are_evenly_apart() -> None:
    square = np.float32([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]])
    found = loop_points(square, 16)
    assert np.array_equal(found[0], square[0])
    steps = np.linalg.norm(np.diff(np.concatenate([found, found[:1]]), axis=0), axis=1)
    assert np.allclose(steps, 0.5)
