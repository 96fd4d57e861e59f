"""The benchmark of large galleries, on small ones."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.app.bench import gallery
from fusiform.app.bench.crowd import JUNK, LIMIT, crowd
from fusiform.gallery import group
from fusiform.measure.clusters import bcubed


def test_the_crowd_is_as_described():
    vectors, who = crowd(4_000, 200, seed=3)
    assert vectors.shape == (4_000, 128)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    sizes = np.bincount(who)
    assert (sizes[200:] == 1).sum() == int(4_000 * JUNK)
    assert sizes[:200].min() >= 1
    assert sizes.max() > 5 * np.median(sizes[:200])
    same = who[:, None] == who
    cosine = vectors @ vectors.T
    assert np.median(cosine[~same]) == pytest.approx(0.85, abs=0.01)
    assert np.median(cosine[same]) > LIMIT
    again, _ = crowd(4_000, 200, seed=3)
    np.testing.assert_array_equal(again, vectors)
    assert bcubed(who, group(vectors, LIMIT)).f > 0.98


@pytest.mark.parametrize("task", ["grouping", "adding", "searching"])
def test_one_measurement(task, monkeypatch):
    monkeypatch.setattr(gallery, "NEW", 20)
    monkeypatch.setattr(gallery, "PROBES", 30)
    told = getattr(gallery, task)(600, 1, "ours")
    assert all(value >= 0 for value in told.values())
    assert told.get("B-cubed F", told.get("recall@1")) > 0.95


def test_the_whole_and_what_takes_too_long():
    result = gallery.bench_gallery((300, 400), seed=1)
    assert {row["faces"] for row in result.tables["searching"]} == {300, 400}
    assert {"ours", "DBSCAN", "HDBSCAN"} <= {row["method"] for row in result.tables["grouping"]}
    assert result.comparisons
    assert result.to_json()["environment"]
    told = gallery._asked("grouping", 300, 1, 0.01, "ours")
    assert told["seconds"] == "over 0.01"
