"""The benchmark of many workers, on a few photos, and the simulation, against what must hold."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from fusiform.app.bench import scale, spread
from fusiform.app.bench.scale import Plan, bench_scale, played, value
from fusiform.core.errors import ClusterError
from fusiform.gallery import Store


@pytest.fixture
def inputs(monkeypatch):
    """Round figures: 20 ms a photo look, 1 ms land, 0.5 ms schedule, 1 ms store."""
    round_ones = {
        "worker": 20, "scheduler": 0.5, "client": 1, "SQLite, one writer": 1,
        "PostgreSQL, one writer": 3, "PostgreSQL, at its best": 0.8,
    }  # fmt: skip
    changed = {name: (float(v), "", "") for name, v in round_ones.items()}
    monkeypatch.setattr(scale, "INPUTS", scale.INPUTS | changed)


@pytest.mark.parametrize(
    ("plan", "workers", "rate", "busiest"),
    [
        (Plan("one", 1), 1, 50, "workers"),
        (Plan("one", 1), 10, 500, "workers"),
        (Plan("one", 1), 300, 500, "writer"),
        (Plan("four", 4), 300, 2_000, "writer"),
        (Plan("server", 1, True), 300, 250, "writer"),
        (Plan("servers", 16, True), 300, 1_250, "server"),
    ],
)
def test_throughput_is_that_of_the_slowest_part(inputs, plan, workers, rate, busiest):
    row = played(plan, workers, seed=1)
    expected = min(rate, 1e3 * workers / value("worker"))
    assert row["photos/s"] == pytest.approx(expected, rel=0.08)
    if busiest != "workers" or workers == 1:
        assert row["busiest"] == busiest
    assert max(row[f"{part} %"] for part in ("workers", "scheduler", "writer", "server")) <= 103
    assert row == played(plan, workers, seed=1)


def test_a_search_waits_for_the_slowest_shard():
    rows = [scale.searched(shards, seed=0) for shards in (1, 100)]
    assert rows[0]["median ms"] < 1.1 * rows[0]["one shard, ms"]
    assert rows[1]["median ms"] > 1.5 * rows[1]["one shard, ms"]
    assert scale.search_ms(1e5) == pytest.approx(value("search of 100,000"))
    assert scale.search_ms(1e6) == pytest.approx(value("search of 1,000,000"))


def test_the_whole_simulation_and_its_picture():
    result = bench_scale()
    plans = {row["plan"] for row in result.tables["indexing"]}
    assert plans == {plan.name for plan in scale.PLANS}
    for row in result.tables["cells"]:
        found = [row[f"in the nearest {p}"] for p in scale.ASKED]
        assert found == sorted(found)
        assert found[-1] > 0.9
    root = ElementTree.fromstring(scale.svg(result.tables["indexing"]))
    assert len(root.findall("{*}polyline")) == len(scale.PLANS)


def test_what_is_measured_for_it():
    told = scale.measured(600, 5)
    assert set(told) == {"faces", "search, ms", "insert, ms", "grouping, ms a face"}
    assert min(told.values()) > 0


def test_writers_store_what_they_say(tmp_path, monkeypatch):
    monkeypatch.setattr(spread, "STORED", 30)
    place = str(tmp_path / "stored.db")
    with Store(place) as store:
        store.use_models("detector", "embedder", "ab" * 32)
    start, end, used = spread.store_photos(place, 0, "a")
    spread.store_photos(place, 0, "b")
    assert end - start >= used > 0
    with Store(place) as store:
        assert store.counts()["photos"] == store.counts()["faces"] == 60


def test_two_workers_and_two_threads(home):
    pytest.importorskip("distributed", reason="distributed is not installed")
    result = spread.bench_spread(8, rounds=1)
    assert set(result.rounds) == {"1 threads", "2 threads", "1 workers", "2 workers"}
    parts = {
        row["what"].split(",")[0]: row["a photo"] for row in next(iter(result.tables.values()))
    }
    assert set(parts) == {"workers", "scheduler", "client", "result"}
    assert 500 < parts["result"] < 20_000
    (stored,) = result.tables["storing photos of one face"]
    assert stored["bytes a photo"] > 256


def test_without_dask(monkeypatch):
    monkeypatch.setattr(spread, "optional", lambda name: None)
    with pytest.raises(ClusterError, match="Dask is not installed"):
        spread.bench_spread(8)
