"""Average linkage against a literal version that keeps the whole matrix, and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from fusiform.gallery import linkage
from fusiform.gallery.linkage import Conflicts, average_linkage


def no_conflicts(n: int) -> Conflicts:
    none = np.zeros(0, np.int64)
    return Conflicts.of(none, none, np.zeros(0, np.float32), n, 0.0)


def literal(similarity, threshold, start, pins, against, cost):
    """One pair at a time, everything computed anew from the faces' own similarities."""
    parts = [list(np.flatnonzero(start == g)) for g in range(len(pins))]
    pins = list(pins)

    def alike(a, b):
        if pins[a] >= 0 and pins[b] >= 0 and pins[a] != pins[b]:
            return -np.inf
        cells = np.ix_(parts[a], parts[b])
        smaller = min(len(parts[a]), len(parts[b]))
        return similarity[cells].mean() - cost * against[cells].sum() / smaller

    while len(parts) > 1:
        pairs = [(alike(a, b), a, b) for a in range(len(parts)) for b in range(a)]
        best, a, b = max(pairs)
        if best < threshold:
            break
        parts[b] += parts.pop(a)
        pins[b] = max(pins[b], pins.pop(a))
    labels = np.zeros(len(similarity), int)
    for number, part in enumerate(parts):
        labels[part] = number
    return labels


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    threshold=st.floats(0.1, 0.95),
    pinned=st.floats(0, 0.6),
    pairs=st.integers(0, 40),
    nearest=st.integers(1, 6),
)
def test_equals_the_literal_version(crowd, seed, threshold, pinned, pairs, nearest):
    rng = np.random.default_rng(seed)
    n = 30
    vectors, _ = crowd(n, 6, d=8, noise=rng.uniform(0.4, 1.2), seed=seed)
    pins = np.where(rng.random(n) < pinned, rng.permutation(n), -1)
    a, b = rng.integers(0, n, (2, pairs))
    against = np.zeros((n, n))
    np.add.at(against, (a, b), 1)
    against = against + against.T
    conflicts = Conflicts.of(a, b, np.ones(pairs, np.float32), n, 0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linkage, "_NEAREST", nearest)
        patch.setattr(linkage, "_CELLS", 200)
        ours = average_linkage(vectors, threshold, np.arange(n), pins, conflicts)
    exact = vectors.astype(float) @ vectors.T.astype(float)
    theirs = literal(exact, threshold, np.arange(n), pins, against, 0.2)
    assert adjusted_rand_score(ours, theirs) == 1


def test_starts_from_given_groups(crowd):
    vectors, _ = crowd(60, 9, d=8, noise=1.0)
    start = np.arange(60) % 25
    pins = np.where(np.arange(25) < 8, np.arange(25), -1)
    ours = average_linkage(vectors, 0.5, start, pins, no_conflicts(25))
    exact = vectors.astype(float) @ vectors.T.astype(float)
    theirs = literal(exact, 0.5, start, pins, np.zeros((60, 60)), 0.0)
    assert adjusted_rand_score(ours, theirs) == 1


@pytest.mark.parametrize("noise", [0.5, 0.9, 1.3])
def test_equals_scikit_learn(crowd, noise):
    vectors, _ = crowd(1500, 120, noise=noise, seed=3)
    ours = average_linkage(vectors, 0.45, np.arange(1500), np.full(1500, -1), no_conflicts(1500))
    distance = np.maximum(1 - vectors.astype(float) @ vectors.T.astype(float), 0)
    theirs = AgglomerativeClustering(
        n_clusters=None, metric="precomputed", linkage="average", distance_threshold=0.55
    ).fit_predict(distance)
    assert adjusted_rand_score(ours, theirs) == 1


def test_equal_vectors_become_one_group():
    vectors = np.tile(np.float32([[0.6, 0.8]]), (100, 1))
    labels = average_linkage(vectors, 0.9, np.arange(100), np.full(100, -1), no_conflicts(100))
    assert set(labels) == {0}


def test_one_group_with_more_faces_than_a_list_holds(crowd):
    vectors, _ = crowd(700, 1, noise=0.3)
    labels = average_linkage(vectors, 0.7, np.arange(700), np.full(700, -1), no_conflicts(700))
    assert set(labels) == {0}


def test_nothing_in_nothing_out():
    none = np.zeros(0, np.int64)
    assert not len(average_linkage(np.zeros((0, 4), np.float32), 0.5, none, none, no_conflicts(0)))


def test_conflicts_are_summed_however_given():
    ones = np.ones(5, np.float32)
    a, b = np.array([2, 0, 2, 3, 1]), np.array([0, 2, 3, 3, 2])
    conflicts = Conflicts.of(a, b, ones, 4, 0.1)
    pairs = zip(conflicts.first, conflicts.second, conflicts.count, strict=True)
    assert list(pairs) == [(0, 2, 2), (1, 2, 1), (2, 3, 1)]
    asked = conflicts.between(np.array([2, 0, 3]), np.array([0, 1, 2]), 4)
    assert asked.tolist() == [2, 0, 1]
