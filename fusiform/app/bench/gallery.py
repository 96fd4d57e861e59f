"""A gallery by its number of faces: grouping, adding, searching, opening; against peers.

As a script: one measurement in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.crowd import LIMIT, crowd
from fusiform.app.bench.peers import optional
from fusiform.app.bench.run import Comparison, Result, environment, peak_mb
from fusiform.core.faces import Faces
from fusiform.gallery import Photo, Store, absorb, group, regroup
from fusiform.gallery.index import Index, make_index, open_index, path_of
from fusiform.measure.clusters import bcubed
from fusiform.recognise.embedder import unit

Floats = NDArray[np.float32]
FACES_EACH = 20  # a person, on average
NEW = 1_000  # faces added
PROBES = 500  # searches
PEER_LIMIT = 20_000  # vectors that DBSCAN and HDBSCAN are given


def bench_gallery(
    sizes: Sequence[int] = (1_000, 10_000, 100_000), *, seed: int = 0, limit: float = 1_200.0
) -> Result:
    """Curves over `sizes` of grouping, adding NEW faces, searching and opening; DBSCAN and HDBSCAN
    (scikit-learn) and IVF (faiss) beside them where they are installed.

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
        for method in ["ours"] + (["faiss IVF"] if optional("faiss") else []):
            told = _asked("searching", size, seed, limit, method)
            rows["searching"].append({"faces": size, "method": method} | told)
    first, last = rows["adding"][0], rows["adding"][-1]
    lines = [
        Comparison(f"adding {NEW} faces to {last['faces']:,}", last["seconds"],
                   f"to {first['faces']:,}", first["seconds"], "s"),
        *(_line(row, rows["grouping"]) for row in rows["grouping"] if row["method"] == "ours"),
    ]  # fmt: skip
    return Result(
        "gallery",
        "one run of each, in a process of its own; searches: median of single ones, one thread",
        tuple(line for line in lines if isinstance(line.ours, float)),
        rows,
        {},
        (f"simulated identities ({FACES_EACH} faces a person on average, heavy-tailed, 2 % junk)",),
        environment(seed=seed, peers=["scikit-learn", "faiss-cpu"], limit_seconds=limit),
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


def _asked(task: str, size: int, seed: int, limit: float, method: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "fusiform.app.bench.gallery"]
    try:
        done = subprocess.run(
            [*command, task, str(size), str(seed), method],
            capture_output=True,
            text=True,
            check=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
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
    seconds, labels = _clocked(ways[method])
    told = {"seconds": seconds, "B-cubed F": round(float(bcubed(who, labels).f), 4)}
    return told | {"peak MB": round(peak_mb())}


def _alone(labels: NDArray[Any]) -> NDArray[Any]:
    """Noise (-1) is everyone alone."""
    return np.where(labels < 0, len(labels) + np.arange(len(labels)), labels)


def _clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    answer = work()
    return round(time.perf_counter() - start, 4), answer


def adding(size: int, seed: int, method: str) -> dict[str, Any]:
    """Seconds to store NEW faces, one photo each, in a grouped gallery, and to group them."""
    vectors, who = crowd(size + NEW, max(1, size // FACES_EACH), seed)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "gallery.db") as store:
        store.use_models("detector", "embedder", "ab" * 32)
        _stored(store, vectors[:size])
        regroup(store, LIMIT)
        open_index(store)
        storing, _ = _clocked(lambda: _photos(store, vectors[size:], size))
        seconds, _ = _clocked(lambda: absorb(store, LIMIT))
        found = dict(store.read("SELECT face_id, person_id FROM members"))
        labels = np.array([found[i + 1] for i in range(size + NEW)])
        agreement = round(float(bcubed(who, labels).f), 4)
    told = {"seconds": round(seconds + storing, 3), "of them storing": round(storing, 3)}
    return told | {"B-cubed F": agreement, "peak MB": round(peak_mb())}


def _stored(store: Store, vectors: Floats) -> None:
    """Faces as `add_photo` stores them, in one transaction: a gallery to begin with."""
    count = len(vectors)
    photos = ((i + 1, f"{i:064x}", 9, 9, "2026-01-01") for i in range(count))
    files = ((f"/photos/{i}.jpg", i + 1, i, i) for i in range(count))
    points = bytes(40)
    faces = ((i + 1, i + 1, 0.0, 0.0, 9.0, 9.0, 0.9, 0.9, points) for i in range(count))
    packed = ((i + 1, 1, row.astype("<f2").tobytes()) for i, row in enumerate(vectors))
    with store.write() as db:
        sql = "INSERT INTO photos(id, sha256, width, height, added_at) VALUES (?, ?, ?, ?, ?)"
        db.executemany(sql, photos)
        db.executemany("INSERT INTO files VALUES (?, ?, ?, ?)", files)
        columns = "id, photo_id, x1, y1, x2, y2, score, quality, points"
        db.executemany(f"INSERT INTO faces({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", faces)
        db.executemany("INSERT INTO embeddings VALUES (?, ?, ?)", packed)


def _photos(store: Store, vectors: Floats, first: int) -> None:
    for i, row in enumerate(vectors, first):
        ones = np.ones((1, 5, 2), np.float32)
        faces = Faces(ones[:, :2].reshape(1, 4), ones[:, 0, 0], ones, row[None])
        store.add_photo(Photo(f"{i:064x}", f"/photos/{i}.jpg", i, i, 9, 9), faces)


def searching(size: int, seed: int, method: str) -> dict[str, Any]:
    """Recall of the nearest face, milliseconds a search, inserts a second, seconds to open."""
    vectors, _ = crowd(size + 2 * PROBES, max(1, size // FACES_EACH), seed)
    vectors = unit(vectors.astype(np.float16).astype(np.float32))  # as a gallery keeps them
    stored, late, probes = vectors[:size], vectors[size : size + PROBES], vectors[size + PROBES :]
    if method == "ours":
        told, search = _ours(stored, late)
    else:
        told, search = _faiss(stored, late)
    known = vectors[: size + PROBES]
    true = np.concatenate(
        [(probes[i : i + 50] @ known.T).argmax(axis=1) for i in range(0, PROBES, 50)]
    )
    times, found = zip(*(_clocked_ms(search, probe) for probe in probes), strict=True)
    recall = float((np.array(found) == true).mean())
    return {"recall@1": round(recall, 4), "ms": round(float(np.median(times)), 3)} | told


def _clocked_ms(search: Callable[[Floats], int], probe: Floats) -> tuple[float, int]:
    start = time.perf_counter()
    found = search(probe)
    return 1e3 * (time.perf_counter() - start), found


def _ours(stored: Floats, late: Floats) -> tuple[dict[str, float], Callable[[Floats], int]]:
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "gallery.db") as store:
        store.use_models("detector", "embedder", "ab" * 32)
        _stored(store, stored)
        build, index = _clocked(lambda: open_index(store))
        opening, again = _clocked(lambda: open_index(store))
        size = path_of(store).stat().st_size if path_of(store).exists() else 0
        index = Index(**vars(again)) if size else make_index(*store.vectors()[:2])
        index.vectors = np.array(index.vectors)  # the folder goes
    ids = len(stored) + 1 + np.arange(len(late))
    adding, _ = _clocked(lambda: _one_by_one(index, ids, late))
    told = {"inserts/s": round(len(late) / max(adding, 1e-9)), "open s": opening, "build s": build}
    return told | {
        "file MB": round(size / 1e6, 1)
    }, lambda probe: int(index.search(probe, 1)[0][0]) - 1


def _one_by_one(index: Index, ids: NDArray[np.int64], vectors: Floats) -> None:
    for i in range(len(ids)):
        index.add(ids[i : i + 1], vectors[i : i + 1])


def _faiss(stored: Floats, late: Floats) -> tuple[dict[str, float], Callable[[Floats], int]]:
    faiss = optional("faiss")
    assert faiss is not None
    faiss.omp_set_num_threads(1)
    width, lists = stored.shape[1], max(1, int(4 * len(stored) ** 0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
    build, _ = _clocked(lambda: (index.train(stored), index.add(stored)))
    index.nprobe = 16
    adding, _ = _clocked(lambda: [index.add(late[i : i + 1]) for i in range(len(late))])
    told = {"inserts/s": round(len(late) / max(adding, 1e-9)), "open s": 0.0, "build s": build}
    return told | {"file MB": 0.0}, lambda probe: int(index.search(probe[None], 1)[1][0, 0])


def main(task: str, size: str, seed: str, method: str) -> None:
    """Prints one measurement as a JSON object."""
    work = {"grouping": grouping, "adding": adding, "searching": searching}[task]
    sys.stdout.write(json.dumps(work(int(size), int(seed), method)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
