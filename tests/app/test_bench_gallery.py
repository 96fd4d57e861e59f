"""The benchmark of large galleries, on small ones."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.app.bench import gallery, searching
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
    monkeypatch.setattr(searching, "PROBES", 30)
    told = getattr(gallery, task)(600, 1, "ours")
    assert all(value >= 0 for value in told.values())
    assert told.get("B-cubed F", told.get("recall@1")) > 0.95


@pytest.mark.parametrize("method", list(searching.PEERS))
def test_a_peer_is_asked_as_we_are(method, monkeypatch):
    pytest.importorskip(searching.PEERS[method])
    monkeypatch.setattr(searching, "PROBES", 30)
    told = searching.searching(600, 1, method)
    assert list(told) == list(searching.FIGURES)
    assert told["recall@1"] > 0.5


def test_a_search_is_shown_beside_the_fastest_that_finds_as_much():
    figures = {"ours": (0.99, 2.0), "a": (0.8, 0.1), "b": (0.989, 3.0), "c": (1.0, 4.0)}
    rows = [{"faces": 9, "method": m, "recall@1": r, "ms": t} for m, (r, t) in figures.items()]
    recall, ms = gallery._searches(9, rows)
    assert (recall.peer, recall.peer_figure, ms.peer_figure) == ("b", 0.989, 3.0)
    assert ms.ratio == 1.5
    best, _ = gallery._searches(9, rows[:2])
    assert best.peer == "a"  # nobody finds as much
    alone, _ = gallery._searches(9, rows[:1])
    assert (alone.peer, alone.peer_figure) == ("", None)
    assert list(gallery._searches(9, [rows[0] | {"ms": "-"}])) == []


def test_the_whole_and_what_takes_too_long():
    result = gallery.bench_gallery((300, 400), seed=1)
    assert {row["faces"] for row in result.tables["searching"]} == {300, 400}
    assert {"ours", "DBSCAN", "HDBSCAN"} <= {row["method"] for row in result.tables["grouping"]}
    assert result.comparisons
    assert result.to_json()["environment"]
    told = gallery._asked("grouping", 300, 1, 0.01, "ours")
    assert told["seconds"] == "over 0.01"
    assert gallery._asked("searching", 300, 1, 0.01, "ours")["build s"] == "over 0.01"
