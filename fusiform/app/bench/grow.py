"""Grouping by number of vectors. As a script: one method in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench.peers import optional
from fusiform.app.bench.run import peak_mb
from fusiform.core.seeds import rng
from fusiform.gallery import group
from fusiform.measure.clusters import pairwise_f1
from fusiform.recognise.embedder import unit

FACES = 10
LIMIT = 0.925


def vectors(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """`count` unit vectors of 128 numbers and their people, ten a person.

    Like dlib's: all share a direction (strangers' similarity is about .85), faces of one person
    more (about .96).
    """
    draw = rng(seed, "grow")
    people = np.arange(count) // FACES
    common = _directions(draw, 1)
    person = _directions(draw, people[-1] + 1)[people]
    own = _directions(draw, count)
    made = np.sqrt(0.85) * common + np.sqrt(0.11) * person + np.sqrt(0.04) * own
    return unit(made.astype(np.float32)), people


def _directions(draw: np.random.Generator, count: int) -> NDArray[np.float32]:
    return unit(draw.normal(size=(count, 128)).astype(np.float32))


def labels(method: str, rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Labels of unit vectors; noise is everyone alone. DBSCAN's radius is our limit's distance."""
    if method == "ours":
        return group(rows, LIMIT)
    cluster = optional("sklearn.cluster")
    assert cluster is not None
    way = (
        cluster.DBSCAN(eps=float(np.sqrt(2 - 2 * LIMIT)), min_samples=2)
        if method == "DBSCAN"
        else cluster.HDBSCAN(min_cluster_size=2, copy=False)
    )
    found = way.fit_predict(rows)
    return np.where(found < 0, len(found) + np.arange(len(found)), found)


def scaling(sizes: Sequence[int], seed: int, limit: float) -> list[dict[str, Any]]:
    """Seconds, peak memory and F1 of each method at each size, each in a process of its own."""
    methods = ["ours"] + (["DBSCAN", "HDBSCAN"] if optional("sklearn.cluster") else [])
    rows: list[dict[str, Any]] = []
    for size in sizes:
        rows += [{"vectors": size, "method": m} | _grown(m, size, seed, limit) for m in methods]
    return rows


def _grown(method: str, size: int, seed: int, limit: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "fusiform.app.bench.grow", method, str(size), str(seed)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"seconds": f"over {limit:g}", "peak MB": "-", "pairwise F1": "-"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main(method: str, count: str, seed: str) -> None:
    """Prints seconds, the process's peak memory and the agreement as one JSON object."""
    rows, people = vectors(int(count), int(seed))
    if method != "ours":
        optional("sklearn.cluster")  # its import is not part of the time
    start = time.perf_counter()
    found = labels(method, rows)
    seconds = time.perf_counter() - start
    f1 = round(pairwise_f1(people, found).f, 4)
    answer = {"seconds": round(seconds, 2), "peak MB": round(peak_mb()), "pairwise F1": f1}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
