"""10^9 faces on up to 1,000 workers, simulated from what was measured on one small machine.

Nothing of that size was run. `INPUTS` are measured; a queueing network of them is played through,
event by event: each worker one server, each client and its scheduler one server each. As a script:
prints what the inputs from it are, for some numbers of faces.
"""

from __future__ import annotations

import heapq
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fusiform.app.bench.crowd import LIMIT, crowd
from fusiform.app.bench.run import Comparison, Result, environment
from fusiform.core.seeds import rng
from fusiform.gallery import group
from fusiform.gallery.cells import learn
from fusiform.gallery.index import make_index
from fusiform.spreading import AHEAD, BATCH

FACES = 1e9
ASKED = (1, 3, 10)  # shards of those nearest to a face
WORKERS = (1, 2, 10, 100, 1_000)
SHARDS = (1, 10, 100, 1_000)
SPREAD, SCRIPT, GUESS = "bench spread", "python -m fusiform.app.bench.scale", "assumed"

# name: (value, unit, where it comes from); two cores that other programs shared
INPUTS: dict[str, tuple[float, str, str]] = {
    "worker": (31.4, "CPU ms a photo", SPREAD),
    "scheduler": (0.472, "CPU ms a photo", SPREAD),
    "client": (0.747, "CPU ms a photo, storing taken off", SPREAD),
    "SQLite, one writer": (0.469, "ms a photo", SPREAD),
    "PostgreSQL, one writer": (4.57, "ms a photo, all on these cores", SPREAD),
    "PostgreSQL, at its best": (3.42, "ms a photo, four writers", SPREAD),
    "result": (892, "bytes a photo", SPREAD),
    "gallery": (847, "bytes a face", SPREAD),
    "index": (539, "bytes a face", "bench gallery, 1,000,000 faces"),
    "search of 100,000": (1.02, "CPU ms", SCRIPT),
    "search of 1,000,000": (3.93, "CPU ms", SCRIPT),
    "grouping": (0.132, "CPU ms a face, of 100,000; taken as no worse beyond", SCRIPT),
    "index insert": (0.014, "CPU ms a face, at 1,000,000", SCRIPT),
    "faces": (1.0, "a photo", GUESS),
    "spread of a worker's times": (0.5, "sigma of their logarithm", GUESS),
    "spread of a shard's times": (0.3, "sigma of their logarithm", GUESS),
    "network": (0.5, "ms there and back", GUESS),
    "merging": (0.001, "ms a shard's 20 answers", GUESS),
}  # fmt: skip
CORES = 2
MEASURED = {1: 64.3, 2: 80.2}  # ms a photo of `bench spread`, by workers


@dataclass(frozen=True)
class Plan:
    """Who stores: `writers` clients, each with a scheduler and its share of the workers, in a
    SQLite file each or, with `server`, all in one PostgreSQL server."""

    name: str
    writers: int
    server: bool = False


PLANS = (
    Plan("one writer, SQLite", 1),
    Plan("8 writers, one PostgreSQL", 8, True),
    Plan("8 shards, SQLite", 8),
    Plan("64 shards, SQLite", 64),
)


def bench_scale(*, seed: int = 0) -> Result:
    """Photos a second, days and the busiest part for each of PLANS and WORKERS; and search over
    SHARDS by hash and by cell."""
    flow = [
        played(plan, workers, seed) for plan in PLANS for workers in WORKERS if fits(plan, workers)
    ]
    search = [searched(shards, seed) for shards in SHARDS]
    last = {row["plan"]: row["photos/s"] for row in flow}
    one, many = PLANS[0].name, PLANS[-1].name
    lines = (Comparison(many, last[many], one, last[one], "photos/s", lower_is_better=False),)
    inputs = [
        {"input": name, "value": value, "unit": unit, "from": where}
        for name, (value, unit, where) in INPUTS.items()
    ]
    return Result(
        "scale",
        "simulated, not measured, but for the inputs",
        lines,
        {
            "inputs": inputs,
            "indexing": flow,
            "search": search,
            "cells": celled(seed),
            "check": [checked(workers, seed) for workers in MEASURED],
        },
        {},
        (f"days and disk for {FACES:.0e} faces; disk is {disk_tb():.1f} TB whatever the plan",),
        environment(seed=seed, batch=BATCH, ahead=AHEAD),
    )


def fits(plan: Plan, workers: int) -> bool:
    """Whether every writer has a worker."""
    return workers >= plan.writers


def value(name: str) -> float:
    return INPUTS[name][0]


def disk_tb() -> float:
    """Gallery and index of FACES, in TB of 10^12 bytes."""
    return FACES * (value("gallery") + value("index")) / 1e12


# Indexing


def checked(workers: int, seed: int) -> dict[str, Any]:
    """The real cluster of `bench spread` beside the simulated one, which cannot be faster than all
    its CPU time over CORES that it has alone."""
    alone = 1e3 / float(played(PLANS[0], workers, seed)["photos/s"])
    storing = value("SQLite, one writer")
    shared = (value("worker") + value("scheduler") + value("client") + storing) / CORES
    told = {"workers": workers, "simulated ms/photo": round(max(alone, shared), 1)}
    return told | {"measured ms/photo": MEASURED[workers]}


@dataclass
class _Group:
    """One client with its scheduler and its workers; when these are free again, in seconds."""

    workers: list[float]
    scheduler: float = 0.0
    storing: bool = False
    landed: int = 0  # batches that wait for the client


def played(plan: Plan, workers: int, seed: int) -> dict[str, Any]:
    """One row: photos a second once all is under way, days for FACES, and how busy who is.

    Busy is demand times throughput (the utilisation law: Denning and Buzen 1978, "The Operational
    Analysis of Queueing Network Models", ACM Computing Surveys 10(3)), waiting left out.
    """
    share = [len(part) for part in np.array_split(np.arange(workers), plan.writers)]
    groups = [_Group([0.0] * n) for n in share]
    rate = _play(plan, groups, rng(seed, plan.name, workers))
    storing = value("PostgreSQL, one writer" if plan.server else "SQLite, one writer")
    demands = {
        "workers": value("worker") / workers,
        "scheduler": value("scheduler") / plan.writers,
        "writer": (value("client") + storing) / plan.writers,
        "server": value("PostgreSQL, at its best") if plan.server else 0.0,
    }
    busy = {part: rate * demand / 1e3 for part, demand in demands.items()}
    alone = 1 if plan.server else plan.writers  # who groups in one gallery is alone
    days = FACES / value("faces") / rate / 86_400
    return {
        "plan": plan.name,
        "workers": workers,
        "photos/s": round(rate, 1),
        "days": round(days, 1),
        "busiest": max(busy, key=lambda part: busy[part]),
        **{f"{part} %": round(100 * share) for part, share in busy.items()},
        "MB/s": round(rate * value("result") / 1e6, 2),
        "days of grouping": round(FACES * value("grouping") / 1e3 / alone / 86_400, 1),
    }


def _play(plan: Plan, groups: list[_Group], draw: np.random.Generator) -> float:
    """Photos a second over the second half of a run. Batches go round: scheduler, worker, client,
    gallery and back; whoever is busy takes them in the order they come."""
    free = 0.0  # when the server is
    events = [(0.0, 0, i) for i, g in enumerate(groups) for _ in range(AHEAD * len(g.workers))]
    wanted, stored = 6 * len(events) + 600, list[float]()
    sigma = value("spread of a worker's times") / BATCH**0.5
    cost = {name: 1e-3 * BATCH * value(name) for name in INPUTS}
    while len(stored) < wanted:
        now, stage, number = heapq.heappop(events)
        group = groups[number]
        if stage == 0:
            group.scheduler = max(now, group.scheduler) + cost["scheduler"]
            heapq.heappush(events, (group.scheduler, 1, number))
        elif stage == 1:
            slow = draw.lognormal(-(sigma**2) / 2, sigma)
            done = max(now, group.workers[0]) + cost["worker"] * slow
            heapq.heapreplace(group.workers, done)
            heapq.heappush(events, (done, 2, number))
        elif stage == 2:
            group.landed += 1
        elif stage == 3 and plan.server:
            free = max(now, free) + cost["PostgreSQL, at its best"]
            done = max(now + cost["PostgreSQL, one writer"], free)
            heapq.heappush(events, (done, 4, number))
        elif stage == 3:
            heapq.heappush(events, (now + cost["SQLite, one writer"], 4, number))
        else:
            group.storing = False
            stored.append(now)
            heapq.heappush(events, (now, 0, number))
        if group.landed and not group.storing:
            group.landed, group.storing = group.landed - 1, True
            heapq.heappush(events, (now + cost["client"], 3, number))
    half = len(stored) // 2
    return BATCH * (len(stored) - half) / (stored[-1] - stored[half - 1])


# Search


def searched(shards: int, seed: int, asked: int = 2_000) -> dict[str, Any]:
    """Latency and searches a second of FACES over `shards` machines that are all asked."""
    draw, sigma = rng(seed, "search", shards), value("spread of a shard's times")
    one = search_ms(FACES / shards)
    times = one * draw.lognormal(-(sigma**2) / 2, sigma, (asked, shards)).max(axis=1)
    times += value("network") + shards * value("merging")
    middle, late = np.percentile(times, [50, 99])
    return {
        "shards": shards,
        "faces each": int(FACES / shards),
        "one shard, ms": round(one, 2),
        "median ms": round(float(middle), 1),
        "p99 ms": round(float(late), 1),
        "searches/s": round(1e3 / max(one, shards * value("merging"))),
        "disk each, GB": round(1e3 * disk_tb() / shards, 1),
    }


def search_ms(faces: float) -> float:
    """One search of an index: both its parts, centres and PROBES cells, grow as sqrt(faces)."""
    low, high = value("search of 100,000"), value("search of 1,000,000")
    share = (faces**0.5 - 1e5**0.5) / (1e6**0.5 - 1e5**0.5)
    return float(max(low + share * (high - low), 0.1))


def celled(seed: int, count: int = 20_000, probes: int = 500) -> list[dict[str, Any]]:
    """Shards that are parts of vector space, on `count` simulated faces: how uneven they are, and
    how often the nearest face is in the 1, 3 and 10 nearest shards."""
    vectors, _ = crowd(count + probes, count // 20, seed)
    known, asked = vectors[:count], vectors[count:]
    nearest = (asked @ known.T).argmax(axis=1)
    rows = []
    for shards in SHARDS[1:3]:
        cells = learn(known, shards)
        home = cells.nearest(known)[:, 0]
        sizes = np.bincount(home, minlength=shards)
        hit = cells.nearest(asked, 10) == home[nearest][:, None]
        row = {"shards": shards, "largest / mean": round(float(sizes.max() / sizes.mean()), 2)}
        rows.append(
            row | {f"in the nearest {p}": round(float(hit[:, :p].any(1).mean()), 3) for p in ASKED}
        )
    return rows


# The picture

COLOURS = ("#b3432b", "#2b6cb3", "#8a8f98", "#2f8f5b")


def svg(rows: list[dict[str, Any]]) -> str:
    """Photos a second by number of workers, both on logarithmic axes, one line a plan."""

    def at(workers: float, rate: float) -> str:
        return f"{70 + 150 * np.log10(workers):.0f},{300 - 62 * np.log10(rate / 10):.0f}"

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 360" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="760" height="360" fill="white"/>',
    ]
    for power in range(4):
        x = at(10**power, 10).split(",")[0]
        parts.append(f'<text x="{x}" y="325" text-anchor="middle">{10**power:,}</text>')
    for power in range(1, 6):
        y = at(1, 10**power).split(",")[1]
        parts.append(f'<path d="M70 {y}H520" stroke="#ddd"/>')
        parts.append(f'<text x="62" y="{int(y) + 4}" text-anchor="end">{10**power:,}</text>')
    parts.append('<text x="295" y="348" text-anchor="middle">workers (cores)</text>')
    parts.append('<text x="70" y="30">photos a second, simulated</text>')
    for i, (plan, colour) in enumerate(zip(PLANS, COLOURS, strict=True)):
        points = [at(r["workers"], r["photos/s"]) for r in rows if r["plan"] == plan.name]
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" '
                     f'stroke-width="2.5"/>')  # fmt: skip
        parts.append(f'<text x="540" y="{80 + 24 * i}" fill="{colour}">{plan.name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


# What `bench gallery` measures by the clock, as CPU time: other work disturbs it less


def measured(faces: int, probes: int = 200) -> dict[str, float]:
    """CPU time of a search (ms, median), of adding to the index and of grouping (ms a face)."""
    vectors, _ = crowd(faces + probes, max(1, faces // 20))
    known, asked = vectors[:faces], vectors[faces:]
    ids = np.arange(faces + probes)
    index = make_index(ids[:faces], known)
    search = [_cpu_ms(partial(index.search, probe, 20)) for probe in asked]
    told = {"faces": faces, "search, ms": float(np.median(search))}
    each = [
        _cpu_ms(partial(index.add, ids[i : i + 1], vectors[i : i + 1]))
        for i in range(faces, len(ids))
    ]
    told["insert, ms"] = float(np.mean(each))
    if faces <= 100_000:
        told["grouping, ms a face"] = _cpu_ms(lambda: group(known, LIMIT)) / faces
    return told


def _cpu_ms(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def main(*sizes: str) -> None:
    """Prints one measurement a line."""
    for size in sizes:
        sys.stdout.write(json.dumps(measured(int(size))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
