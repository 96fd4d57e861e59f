"""A gallery by its number of faces: grouping, adding, searching, opening; against peers.

As a script: one measurement in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.crowd import FACES_EACH, LIMIT, crowd, stored
from fusiform.app.bench.peers import optional
from fusiform.app.bench.run import Comparison, Result, environment, peak_mb
from fusiform.app.bench.searching import FIGURES, clocked, contestants, searching
from fusiform.core.faces import Faces
from fusiform.gallery import Photo, Store, absorb, group, regroup
from fusiform.gallery.index import open_index
from fusiform.measure.clusters import bcubed

Floats = NDArray[np.float32]
NEW = 1_000  # faces added
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
PEER_LIMIT = 20_000  # vectors that DBSCAN and HDBSCAN are given


def bench_gallery(
    sizes: Sequence[int] = (1_000, 10_000, 100_000), *, seed: int = 0, limit: float = 1_200.0
) -> Result:
    """Curves over `sizes` of grouping, adding NEW faces, searching and opening; DBSCAN and HDBSCAN
    (scikit-learn), IVF (faiss), hnswlib and usearch beside them where they are installed.

    `limit`: seconds after which a measurement is stopped.
    """
    rows: dict[str, list[dict[str, Any]]] = {"grouping": [], "adding": [], "searching": []}
    for size in sizes:
        methods = ["ours"]
        if size <= PEER_LIMIT and optional("sklearn.cluster"):
            methods += ["DBSCAN", "HDBSCAN"]
        for method in methods:
            told = _asked("grouping", size, seed, limit, method)
            rows["grouping"].append({"faces": size, "method": method} | told)
        rows["adding"].append({"faces": size} | _asked("adding", size, seed, limit, "ours"))
        for method in contestants():
            told = _asked("searching", size, seed, limit, method)
            rows["searching"].append({"faces": size, "method": method} | told)
    first, last = rows["adding"][0], rows["adding"][-1]
    lines = [
        Comparison(f"adding {NEW} faces to {last['faces']:,}", last["seconds"],
                   f"to {first['faces']:,}", first["seconds"], "s"),
        *(_line(row, rows["grouping"]) for row in rows["grouping"] if row["method"] == "ours"),
        *(line for size in sizes for line in _searches(size, rows["searching"])),
    ]  # fmt: skip
    return Result(
        "gallery",
        "one run of each, in a process of its own; searches: median of single ones, one thread",
        tuple(line for line in lines if isinstance(line.ours, float)),
        rows,
        {},
        (f"simulated identities ({FACES_EACH} faces a person on average, heavy-tailed, 2 % junk)",),
        environment(
            seed=seed,
            peers=["scikit-learn", "faiss-cpu", "hnswlib", "usearch"],
            limit_seconds=limit,
        ),
    )


def _line(row: dict[str, Any], rows: list[dict[str, Any]]) -> Comparison:
    peers = [r for r in rows if r["faces"] == row["faces"] and isinstance(r["B-cubed F"], float)]
    peers = [r for r in peers if r["method"] != "ours"]
    best = max(peers, key=lambda r: r["B-cubed F"], default=None)
    what = f"B-cubed F of {row['faces']:,} faces"
    if best is None:
        return Comparison(what, row["B-cubed F"], unit="", lower_is_better=False)
    told = (best["method"], best["B-cubed F"])
    return Comparison(what, row["B-cubed F"], *told, "", lower_is_better=False)


def _searches(size: int, rows: list[dict[str, Any]]) -> Iterator[Comparison]:
    """Beside the peer that is fastest of those that find as much, or finds the most."""
    told = {row["method"]: row for row in rows if row["faces"] == size}
    told = {name: row for name, row in told.items() if isinstance(row["ms"], float)}
    ours = told.pop("ours", None)
    if ours is None:
        return
    equal = [name for name in told if told[name]["recall@1"] >= ours["recall@1"] - 0.002]
    peer = min(equal, key=lambda name: told[name]["ms"], default=None)
    peer = peer or max(told, key=lambda name: told[name]["recall@1"], default="")
    theirs = told.get(peer, {})
    for figure, unit, lower in (("recall@1", "", False), ("ms", "ms", True)):
        what = f"{figure if lower is False else 'a search'}, {size:,} faces"
        yield Comparison(what, ours[figure], peer, theirs.get(figure), unit, lower)


def _asked(task: str, size: int, seed: int, limit: float, method: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "fusiform.app.bench.gallery"]
    try:
        done = subprocess.run(
            [*command, task, str(size), str(seed), method],
            capture_output=True,
            text=True,
            check=True,
            timeout=limit,
            env=os.environ | (ONE_THREAD if task == "searching" else {}),
        )
    except subprocess.TimeoutExpired:
        if task == "searching":
            return dict.fromkeys(FIGURES, "-") | {"build s": f"over {limit:g}"}
        return {"seconds": f"over {limit:g}", "B-cubed F": "-", "peak MB": "-"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# In a process of its own


def grouping(size: int, seed: int, method: str) -> dict[str, Any]:
    """Seconds, peak memory and agreement of grouping from scratch."""
    vectors, who = crowd(size, max(1, size // FACES_EACH), seed)
    ways: dict[str, Callable[[], NDArray[Any]]] = {"ours": lambda: group(vectors, LIMIT)}
    if method != "ours":
        cluster = optional("sklearn.cluster")  # its import is not part of the time
        assert cluster is not None
        near = float(np.sqrt(2 - 2 * LIMIT))
        ways["DBSCAN"] = lambda: _alone(
            cluster.DBSCAN(eps=near, min_samples=2).fit_predict(vectors)
        )
        ways["HDBSCAN"] = lambda: _alone(
            cluster.HDBSCAN(min_cluster_size=2, copy=False).fit_predict(vectors)
        )
    seconds, labels = clocked(ways[method])
    told = {"seconds": seconds, "B-cubed F": round(float(bcubed(who, labels).f), 4)}
    return told | {"peak MB": round(peak_mb())}


def _alone(labels: NDArray[Any]) -> NDArray[Any]:
    """Noise (-1) is everyone alone."""
    return np.where(labels < 0, len(labels) + np.arange(len(labels)), labels)


def adding(size: int, seed: int, method: str) -> dict[str, Any]:
    """Seconds to store NEW faces, one photo each, in a grouped gallery, and to group them."""
    vectors, who = crowd(size + NEW, max(1, size // FACES_EACH), seed)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "gallery.db") as store:
        store.use_models("detector", "embedder", "ab" * 32)
        stored(store, vectors[:size])
        regroup(store, LIMIT)
        open_index(store)
        storing, _ = clocked(lambda: _photos(store, vectors[size:], size))
        seconds, _ = clocked(lambda: absorb(store, LIMIT))
        found = dict(store.read("SELECT face_id, person_id FROM members"))
        labels = np.array([found[i + 1] for i in range(size + NEW)])
        agreement = round(float(bcubed(who, labels).f), 4)
    told = {"seconds": round(seconds + storing, 3), "of them storing": round(storing, 3)}
    return told | {"B-cubed F": agreement, "peak MB": round(peak_mb())}


def _photos(store: Store, vectors: Floats, first: int) -> None:
    for i, row in enumerate(vectors, first):
        ones = np.ones((1, 5, 2), np.float32)
        faces = Faces(ones[:, :2].reshape(1, 4), ones[:, 0, 0], ones, row[None])
        store.add_photo(Photo(f"{i:064x}", f"/photos/{i}.jpg", i, i, 9, 9), faces)


def main(task: str, size: str, seed: str, method: str) -> None:
    """Prints one measurement as a JSON object."""
    work = {"grouping": grouping, "adding": adding, "searching": searching}[task]
    sys.stdout.write(json.dumps(work(int(size), int(seed), method)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
