"""Cells against brute force and scikit-learn's k-means, and grouping through them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances

from fusiform.gallery import cells as room
from fusiform.gallery import group, linkage
from fusiform.gallery.cells import Cells, Filed, blocks, close_pairs, count_for, learn
from fusiform.measure.clusters import bcubed


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 15))
def test_nearest_cells_are_those_of_brute_force(crowd, seed, count, probes):
    vectors, _ = crowd(40, 6, d=5, noise=1.0, seed=seed)
    cells = Cells(vectors[:count])
    found = cells.nearest(vectors, probes)
    apart = pairwise_distances(vectors, cells.centres)
    wanted = np.sort(apart, axis=1)[:, : min(probes, count)]
    np.testing.assert_allclose(np.take_along_axis(apart, found, 1), wanted, atol=2e-3)


def test_learned_centres_are_about_as_good_as_scikit_learns(crowd):
    vectors, _ = crowd(4000, 60, d=16, noise=0.9, seed=2)
    ours = pairwise_distances(vectors, learn(vectors, 40).centres).min(axis=1)
    theirs = KMeans(40, n_init=1, max_iter=6, init="random", random_state=0).fit(vectors)
    assert (ours**2).sum() < 1.1 * theirs.inertia_
    again = learn(vectors, 40).centres
    np.testing.assert_array_equal(again, learn(vectors, 40).centres)


def test_more_cells_than_vectors_and_vectors_all_alike(crowd):
    few, _ = crowd(3, 3)
    assert len(learn(few, 10).centres) == 3
    alike = np.tile(few[:1], (50, 1))
    assert np.isfinite(learn(alike, 5).centres).all()


def test_a_sample_is_enough(crowd, monkeypatch):
    monkeypatch.setattr(room, "SAMPLE", 5)
    vectors, _ = crowd(2000, 20, noise=0.4)
    home = learn(vectors, 20).nearest(vectors)[:, 0]
    assert len(set(home.tolist())) > 10


def test_filed_rows_are_those_of_the_cell():
    home = np.array([2, 0, 2, 1, 2])
    filed = Filed.by(home, 4)
    assert [filed.of(c).tolist() for c in range(4)] == [[1], [3], [0, 2, 4], []]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(-0.5, 0.9), st.integers(1, 6), st.integers(1, 9))
def test_close_pairs_are_all_there_are_in_the_probed_cells(crowd, seed, least, probes, most):
    vectors, _ = crowd(50, 7, d=6, noise=0.9, seed=seed)
    cells = Cells(vectors[:9])
    home, probed = cells.nearest(vectors)[:, 0], cells.nearest(vectors[:20], probes)
    found = list(close_pairs(vectors[:20], probed, vectors, Filed.by(home, 9), least, most))
    pairs = {(q, r) for who, which, _ in found for q, r in zip(who, which, strict=True)}
    assert len(pairs) == sum(len(who) for who, _, _ in found)
    products = vectors[:20] @ vectors.T
    for q in range(20):
        for cell in probed[q]:
            inside = np.flatnonzero((home == cell) & (products[q] >= least))
            best = inside[np.argsort(-products[q, inside], kind="stable")][:most]
            assert {(q, r) for r in best} <= pairs
            got = {r for p, r in pairs if p == q and home[r] == cell}
            assert got <= set(inside.tolist())


def test_blocks_cover_everything_once():
    assert [list(range(10))[part] for part in blocks(10, 4)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert not list(blocks(0, 4))
    assert count_for(0) == 1
    assert count_for(1_000_000) == 2000


# Grouping through cells


@pytest.fixture
def small(monkeypatch):
    """Galleries of more than 100 groups count as large."""
    monkeypatch.setattr(linkage, "EXACT", 100)


@pytest.mark.parametrize("noise", [0.5, 0.8])
def test_large_galleries_are_grouped_as_small_ones_are(crowd, monkeypatch, noise):
    vectors, who = crowd(3000, 150, noise=noise, seed=4)
    exact = group(vectors, 0.5)
    monkeypatch.setattr(linkage, "EXACT", 100)
    near = group(vectors, 0.5)
    assert bcubed(exact, near).f > 0.985
    assert bcubed(who, near).f > bcubed(who, exact).f - 0.005


def test_one_person_of_thousands_is_one(crowd, small):
    vectors, _ = crowd(4000, 1, d=64, noise=0.4)
    strangers, _ = crowd(300, 300, d=64, seed=9)
    labels = group(np.concatenate([vectors, strangers]), 0.6)
    assert len(set(labels[:4000].tolist())) == 1
    assert len(set(labels[4000:].tolist())) == 300


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.3, 0.9), st.floats(0, 1))
def test_pins_are_obeyed_by_stars_too(crowd, seed, threshold, share):
    rng = np.random.default_rng(seed)
    vectors, _ = crowd(160, 6, d=6, noise=1.0, seed=seed)
    pins = np.where(rng.random(160) < share, rng.integers(0, 9, 160), -1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linkage, "EXACT", 20)
        labels = group(vectors, threshold, pins=pins, photos=rng.integers(0, 60, 160))
    held = pins >= 0
    together = labels[held][:, None] == labels[held]
    assert (together == (pins[held][:, None] == pins[held])).all()


def test_faces_of_one_photo_do_not_join_in_one_star(crowd, small):
    """Twins in every photo: alike enough to be one person, but seen together."""
    one, _ = crowd(200, 1, d=64, noise=0.4, seed=1)
    photos = np.arange(200) // 2
    assert len(set(group(one, 0.8).tolist())) == 1
    together = group(one, 0.8, photos=photos)
    assert (together[0::2] != together[1::2]).mean() > 0.5


def test_equal_vectors_in_a_large_gallery(crowd, small):
    vectors, _ = crowd(130, 130)
    labels = group(np.concatenate([vectors, np.tile(vectors[:1], (200, 1))]), 0.9)
    assert len(set(labels[130:].tolist()) | {labels[0]}) == 1
