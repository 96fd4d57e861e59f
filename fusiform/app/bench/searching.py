"""Searching a gallery by its number of faces: recall, time, inserts, opening; ours and peers'."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.crowd import FACES_EACH, crowd, stored
from fusiform.app.bench.peers import optional
from fusiform.app.bench.run import peak_mb
from fusiform.gallery import Store
from fusiform.gallery.index import open_index, path_of
from fusiform.recognise.embedder import unit

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Search = Callable[[Floats, int], Ints]  # places of the nearest of all faces in order of coming

PROBES = 500  # searches, and faces that are added one by one
FOUND = (1, 10)  # how many are looked for
FIGURES = (
    "recall@1", "recall@10", "ms", "ms mean", "ms for 10", "inserts/s", "open s", "build s",
    "file MB", "peak MB",
)  # fmt: skip
# Each with the module it needs.
PEERS = {
    "faiss IVF, 16 cells": "faiss",
    "faiss IVF, 256 cells": "faiss",
    "hnswlib": "hnswlib",
    "usearch": "usearch.index",
}


def contestants() -> list[str]:
    """Ours and the peers that are installed."""
    return ["ours", *(name for name, module in PEERS.items() if optional(module))]


def searching(size: int, seed: int, method: str) -> dict[str, Any]:
    """FIGURES of one method: recall against all templates as stored, milliseconds of single
    searches (median; mean; median for 10 faces), inserts one by one, opening, and what it takes."""
    vectors, _ = crowd(size + 2 * PROBES, max(1, size // FACES_EACH), seed)
    vectors = unit(vectors.astype(np.float16).astype(np.float32))  # as a gallery keeps them
    first, late, probes = vectors[:size], vectors[size : size + PROBES], vectors[size + PROBES :]
    true = _nearest(probes, vectors[: size + PROBES], max(FOUND))
    with tempfile.TemporaryDirectory() as folder:
        told, search = _WAYS[method.partition(",")[0]](Path(folder), first, late, method)
        figures: dict[str, float] = {}
        for k in FOUND:
            times, found = zip(*(_timed(search, probe, k) for probe in probes), strict=True)
            hits = [np.isin(t[:k], f).mean() for t, f in zip(true, found, strict=True)]
            figures[f"recall@{k}"] = round(float(np.mean(hits)), 4)
            figures["ms" if k == 1 else f"ms for {k}"] = round(float(np.median(times)), 3)
            if k == 1:
                figures["ms mean"] = round(float(np.mean(times)), 3)
    figures |= told | {"peak MB": round(peak_mb())}
    return {name: figures[name] for name in FIGURES}


def _nearest(probes: Floats, known: Floats, k: int) -> list[Ints]:
    found = []
    for probe in probes:
        sims = known @ probe
        best = np.argpartition(-sims, k)[:k]
        found.append(best[np.argsort(-sims[best], kind="stable")])
    return found


def _timed(search: Search, probe: Floats, k: int) -> tuple[float, Ints]:
    start = time.perf_counter()
    found = search(probe, k)
    return 1e3 * (time.perf_counter() - start), found


def clocked(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the work gives."""
    start = time.perf_counter()
    answer = work()
    return round(time.perf_counter() - start, 4), answer


def _told(build: float, adding: float, opening: float, file: float) -> dict[str, float]:
    rate = round(PROBES / max(adding, 1e-9))
    return {"inserts/s": rate, "open s": opening, "build s": build, "file MB": round(file, 1)}


def _ours(
    folder: Path, first: Floats, late: Floats, method: str
) -> tuple[dict[str, float], Search]:
    with Store(folder / "gallery.db") as store:
        store.use_models("detector", "embedder", "ab" * 32)
        stored(store, first)
        build, _ = clocked(lambda: open_index(store))
        opening, index = clocked(lambda: open_index(store))
        size = path_of(store).stat().st_size / 1e6 if path_of(store).exists() else 0.0
    ids = len(first) + 1 + np.arange(len(late))

    def add() -> None:
        for i in range(len(ids)):
            index.add(ids[i : i + 1], late[i : i + 1])

    adding, _ = clocked(add)
    return _told(build, adding, opening, size), lambda probe, k: index.search(probe, k)[0] - 1


def _faiss(
    folder: Path, first: Floats, late: Floats, method: str
) -> tuple[dict[str, float], Search]:
    faiss = optional("faiss")
    assert faiss is not None
    faiss.omp_set_num_threads(1)
    width, lists = first.shape[1], max(1, int(4 * len(first) ** 0.5))
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, lists, faiss.METRIC_INNER_PRODUCT)
    build, _ = clocked(lambda: (index.train(first), index.add(first)))
    index.nprobe = int(method.split()[2])
    adding, _ = clocked(lambda: [index.add(late[i : i + 1]) for i in range(len(late))])
    path = folder / "faiss"
    faiss.write_index(index, str(path))
    opening, _ = clocked(lambda: faiss.read_index(str(path)))
    told = _told(build, adding, opening, path.stat().st_size / 1e6)
    return told, lambda probe, k: np.asarray(index.search(probe[None], k)[1][0])


def _hnswlib(
    folder: Path, first: Floats, late: Floats, method: str
) -> tuple[dict[str, float], Search]:
    hnswlib, width, path = optional("hnswlib"), first.shape[1], folder / "hnswlib"
    assert hnswlib is not None
    index = hnswlib.Index("ip", width)
    index.init_index(len(first) + len(late), ef_construction=200, M=16)
    build, _ = clocked(lambda: index.add_items(first, num_threads=1))
    adding, _ = clocked(lambda: [index.add_items(late[i], num_threads=1) for i in range(len(late))])
    index.set_ef(64)
    index.save_index(str(path))
    opening, _ = clocked(lambda: hnswlib.Index("ip", width).load_index(str(path)))
    told = _told(build, adding, opening, path.stat().st_size / 1e6)
    return told, lambda probe, k: index.knn_query(probe, k, num_threads=1)[0][0].astype(np.int64)


def _usearch(
    folder: Path, first: Floats, late: Floats, method: str
) -> tuple[dict[str, float], Search]:
    usearch, width, path = optional("usearch.index"), first.shape[1], folder / "usearch"
    assert usearch is not None
    index = usearch.Index(ndim=width, metric="ip", dtype="f32")
    build, _ = clocked(lambda: index.add(np.arange(len(first)), first, threads=1))
    adding, _ = clocked(lambda: [index.add(len(first) + i, late[i]) for i in range(len(late))])
    index.save(str(path))
    opening, _ = clocked(lambda: usearch.Index.restore(str(path)))
    told = _told(build, adding, opening, path.stat().st_size / 1e6)
    return told, lambda probe, k: index.search(probe, k, threads=1).keys.astype(np.int64)


_WAYS = {"ours": _ours, "faiss IVF": _faiss, "hnswlib": _hnswlib, "usearch": _usearch}
