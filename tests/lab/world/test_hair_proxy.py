"""Tests of the grid of distances that hair lies on."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import REGIONS, Head, load_head
from fusiform.lab.world.hair_proxy import STEP, Proxy, distance, distances, make_proxy, outline
from fusiform.lab.world.shapes import vertex_normals


@cache
def proxy() -> Proxy:
    head = load_head()
    return make_proxy(head, head.mean)


def test_outline_is_dense_and_on_the_skin(head: Head) -> None:
    points, normals = outline(head, head.mean)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-4)
    scalp = head.mean[head.masks["scalp"] > 0.5]
    inside = points[(points > scalp.min(0)).all(1) & (points < scalp.max(0)).all(1)]
    gap, _ = cKDTree(inside).query(inside, k=2)
    assert np.percentile(gap[:, 1], 99) < STEP


def test_distance_is_that_of_the_nearest_point(head: Head) -> None:
    hidden = [REGIONS.index(r) for r in ("inner_mouth", "eye_socket_l", "eye_socket_r")]
    corners = head.mean[head.triangles[~np.isin(head.region, hidden)]]
    share = rng(0, "share").dirichlet(np.ones(3), (len(corners), 60))
    points = np.einsum("tkc,tcd->tkd", share, corners).reshape(-1, 3)
    scalp = head.mean[head.masks["scalp"] > 0.5]
    probe = rng(0).uniform([-0.09, 0, -0.19], [0.09, 0.13, 0.0], (400, 3)).astype(np.float32)
    value = distances(proxy().grid, proxy().origin, STEP, probe)[:, 0]
    true, _ = cKDTree(points).query(probe)
    upper = (value > 0.005) & (np.abs(probe[:, 0]) < np.abs(scalp[:, 0]).max())
    assert upper.sum() > 20
    np.testing.assert_allclose(value[upper], true[upper], atol=0.003)


@given(st.floats(0.001, 0.03), st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_distance_grows_along_normals(away: float, seed: int) -> None:
    head = load_head()
    scalp = np.flatnonzero(head.masks["hairline"] > 0.06)  # clear of the ears
    pick = rng(seed).choice(scalp, 20)
    normals = vertex_normals(head.mean, head.triangles)[pick]
    out = distances(proxy().grid, proxy().origin, STEP, head.mean[pick] + away * normals)
    np.testing.assert_allclose(out[:, 0], away, atol=0.0025)
    assert ((out[:, 1:] * normals).sum(1) > 0.85).all()


def test_distance_far_outside_the_grid() -> None:
    inside = distance(proxy().grid, proxy().origin, STEP, 0.0, 0.14, -0.07)
    outside = distance(proxy().grid, proxy().origin, STEP, 0.0, 0.44, -0.07)
    assert outside[0] == pytest.approx(inside[0] + 0.3, abs=0.02)
    assert outside[2] > 0.9
    assert np.linalg.norm(outside[1:]) == pytest.approx(1, abs=1e-6)


def test_inside_is_negative() -> None:
    assert distance(proxy().grid, proxy().origin, STEP, 0.0, 0.05, -0.08)[0] < -0.03
