from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fusiform.app.bench import sharded
from fusiform.app.bench.sharded import (
    ASSUMED,
    BATCH,
    CAREFUL,
    SPARE,
    Costs,
    Size,
    breaking,
    fitted,
    planned,
    sizes,
    within,
)

ROOT = Path(__file__).parents[2]
MACHINE = {"flops": 2e10, "bandwidth": 1e10}
COSTS = Costs(3.0, 4.0, 20.0, 10.0, 50.0)
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed (extra: lab)"
)


def as_measured(size: Size) -> dict[str, float]:
    seconds = COSTS.seconds(size, MACHINE["flops"], MACHINE["bandwidth"])
    return {"bytes": COSTS.memory(size), "seconds": seconds}


def test_a_size_is_counted_out():
    size = Size(1000, 16, 0.5, 8, 1)
    assert (size.table, size.seen, size.logits, size.draws) == (64_000, 32_000, 16_000, 4_000)
    assert size.work == 6 * 8 * 500 * 16
    assert COSTS.memory(size) == 128_000 + 96_000 + 64_000
    assert COSTS.seconds(size, 1e6, 1e6) == pytest.approx(
        (384_000 + 640_000 + 160_000 + 200_000) / 1e6
    )
    assert replace(size, rate=1.0).draws == 0


def test_costs_are_found_again():
    rows = [(size, as_measured(size)) for size in sizes([1000, 5000], [16, 64])]
    found = fitted(rows, rows[:4] + rows[-4:], MACHINE)
    assert vars(found) == pytest.approx(vars(COSTS))


def test_costs_are_never_below_nothing():
    rows = [(size, as_measured(size)) for size in sizes([1000], [16, 64])]
    free = [(size, {"bytes": row["bytes"], "seconds": size.work / 4e10}) for size, row in rows]
    found = fitted(rows, free, MACHINE)
    assert (found.seen_passes, found.logits_passes, found.draw_passes) == (0, 0, 0)
    assert found.seen_held == pytest.approx(3)


def test_the_estimate_before_is_above_what_was_measured():
    found = json.loads((ROOT / "results" / "sharded.json").read_text("utf-8"))["tables"]["steps"]
    for row in found:
        size = Size(*(row[name] for name in ("classes", "dim", "rate", "batch", "moments")))
        if size.table > 4e8:  # smaller ones show what torch takes once
            assert row["MB"] * 1e6 < SPARE * CAREFUL.memory(size)


def test_what_needs_too_much_is_not_run():
    size = Size(1_000_000, 128, 1.0)
    most = SPARE * CAREFUL.memory(size) / 1e9 + 1e-9
    assert within(size, most) == size
    assert within(size, most - 0.1) == replace(size, moments=0)
    assert within(size, 1.0) is None


def test_the_plan_by_hand():
    """10^8 classes of 512 floats on 8 GPUs, a tenth of them seen by 1,024 rows."""
    row = planned(COSTS, 8, 0.1)
    own = 1e8 / 8
    assert row["GB prototypes"] == pytest.approx(own * 512 * 4 * 2 / 1e9, abs=0.06)
    assert row["GB seen prototypes"] == pytest.approx(3 * 0.1 * own * 512 * 4 / 1e9, abs=0.06)
    assert row["GB logits"] == pytest.approx(4 * 0.1 * own * 1024 * 4 / 1e9, abs=0.06)
    assert row["GB a GPU"] == pytest.approx(51.2 + 7.68 + 20.48 + 20, abs=0.06)
    sent = 2 * 7 / 8 * (1024 * 512 * 4 + 3 * 1024 * 4 + 65e6 * 4)
    assert row["MB sent a step"] == round(sent / 1e6)
    assert row["ms network"] == pytest.approx(1e3 * sent / 25e9, abs=0.06)
    products = 6 * 1024 * 0.1 * own * 512 / 247e12
    moved = 20 * 0.1 * own * 2048 + 10 * 0.1 * own * 4096 + 50 * own * 4
    assert row["ms head"] == pytest.approx(1e3 * (products + moved / 1.675e12), abs=0.06)
    assert row["ms a step"] == pytest.approx(
        row["ms head"] + row["ms net"] + row["ms network"], abs=0.2
    )
    days = 2e9 / 1024 * row["ms a step"] / 1e3 / 86_400
    assert row["days an epoch"] == pytest.approx(days, abs=0.06)
    assert row["breaks first"] == "memory: prototypes"


def test_more_gpus_and_smaller_samples_need_less():
    for rate in (1.0, 0.1):
        rows = [planned(COSTS, gpus, rate) for gpus in (8, 16, 64)]
        assert [row["GB prototypes"] for row in rows] == [51.2, 25.6, 6.4]
        assert rows[0]["GB logits"] == rows[1]["GB logits"]  # fewer columns, as many more rows
    assert planned(COSTS, 8, 0.02)["ms head"] < planned(COSTS, 8, 0.1)["ms head"]


def test_what_breaks_first():
    memory, seconds = {"prototypes": 50.0, "logits": 40.0}, {"head": 1.0, "network": 2.0}
    assert breaking(memory, seconds, 80) == "memory: prototypes"
    assert breaking(memory, seconds, 100) == "time: network"


@needs_torch
def test_it_runs_and_says_what_it_left_out(monkeypatch):
    """Small: one measured in a process of its own, the rest as if."""
    alone = sharded.measured("step", json.dumps(vars(Size(2000, 16, 0.1, 8))), "3", keeping=True)
    assert 0 < alone["seconds"] < 60
    assert 0 <= alone["bytes"] < 1e9

    def as_if(what, size="", seed="", keeping=False):
        return MACHINE if what == "machine" else as_measured(Size(**json.loads(size)))

    monkeypatch.setattr(sharded, "measured", as_if)
    result = sharded.bench_sharded([100_000, 9_000_000], dims=(16, 128), limit=4.0, seed=3)
    assert len(result.tables["steps"]) == 4 + 1 + 4
    left = [f"9,000,000 x {case}" for case in ("16 at rate 1", "128 at rate 1", "128 at rate 0.1")]
    assert result.notes[1] == f"not run, as 4 GB would not do: {', '.join(left)}"
    for row in result.tables["steps"]:
        assert row["MB"] == row["MB by costs"]
        assert row["ms"] == row["ms by costs"]
    assert result.comparisons[0].what == f"100,000 x 16, batch {BATCH}, rate 0.1"
    assert result.comparisons[0].ratio > 5
    json.dumps(result.to_json())


def test_the_page_says_what_was_measured():
    """Its table is the one of results/sharded.json."""
    page = (ROOT / "docs" / "many_classes.md").read_text("utf-8")
    found = json.loads((ROOT / "results" / "sharded.json").read_text("utf-8"))["tables"]
    costs = Costs(**{k: v for k, v in found["costs"][0].items() if k not in MACHINE})
    assert {row["input"]: row["value"] for row in found["assumed"]} == {
        name: value for name, (value, *_) in ASSUMED.items()
    }
    for row in found["100 million"]:
        again = planned(costs, row["GPUs"], row["rate"])
        assert again["GB a GPU"] == pytest.approx(row["GB a GPU"], rel=0.02)
        assert again["ms a step"] == pytest.approx(row["ms a step"], rel=0.02)
    for row in found["steps"]:
        line = f"| {row['classes']:,} | {row['dim']} | {row['rate']:g} | {row['batch']} |"
        assert f"{line} {row['MB']:,} | {row['ms']:,} |" in page
