"""Grouping: ours against DBSCAN and dlib's Chinese whispers, on real faces and by size."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench import realset
from fusiform.app.bench.peers import not_installed, optional
from fusiform.app.bench.run import Comparison, Result, environment, real_photos
from fusiform.core.seeds import rng
from fusiform.gallery import group
from fusiform.hub.store import available, locate
from fusiform.measure.clusters import bcubed, pairwise_f1

Labels = NDArray[np.int64]
Method = Callable[[realset.Found], Labels]
OURS, DBSCAN, WHISPERS = "ours", "DBSCAN", "Chinese whispers"
DISTANCE = 0.5  # what the users of dlib's vectors take
SWEEP = {
    OURS: (0.9, 0.91, 0.915, 0.92, 0.925, 0.93, 0.935, 0.94, 0.95),
    DBSCAN: (0.3, 0.35, 0.4, 0.45, 0.5, 0.55),
    WHISPERS: (0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
}


def bench_group(
    real: Path | None,
    *,
    shuffles: int = 20,
    seed: int = 0,
    sizes: Sequence[int] = (1_000, 10_000, 50_000),
    limit: float = 300.0,
) -> Result:
    """Agreement with the truth over shuffles of the photos, a sweep of thresholds, and scaling.

    `limit`: seconds after which a method is stopped at one size.
    """
    folder = real_photos(real)
    ready = {card.name for card, state in available() if state == "ready"}
    lines: list[Comparison] = []
    table, sweep, figures = [], [], {}
    for detector in [name for name in ("yunet-s", "dlib-hog") if name in ready]:
        found = realset.find(folder, detector)
        parts = {"all": found, "ORL": found[found.orl], "officials": found[~found.orl]}
        for part, faces in parts.items():
            scores = {who: _scores(faces, way, shuffles, seed) for who, way in _methods().items()}
            table += [{"detector": detector, "set": part, "method": who, "faces": len(faces.who)}
                      | _summary(s) for who, s in scores.items()]  # fmt: skip
            figures |= {f"{detector}, {part}, {who}": s[:, 0].tolist() for who, s in scores.items()}
            lines += _lines(f"{detector}, {part}", scores)
        sweep += _sweep(found, detector, shuffles, seed)
    tables = {"agreement over shuffles": table, "thresholds, all faces": sweep}
    tables["growing (made vectors, ten a person)"] = scaling(sizes, seed, limit)
    return Result(
        "group",
        f"mean over {shuffles} shuffles of the photos' order; every method sees the same faces",
        tuple(lines),
        tables,
        figures,
        (f"ours: similarity {default_limit()}; DBSCAN (min_samples 2) and Chinese whispers: "
         f"Euclidean distance {DISTANCE} of dlib's descriptors",),
        environment(seed=seed, peers=["scikit-learn"], shuffles=shuffles, limit_seconds=limit),
    )  # fmt: skip


def default_limit() -> float:
    """The average similarity for grouping on the card of dlib's network."""
    return locate("dlib-resnet").card.grouping or 1.0


def _methods(limit: float | None = None, distance: float = DISTANCE) -> dict[str, Method]:
    ways: dict[str, Method] = {OURS: partial(ours, limit=limit or default_limit())}
    if optional("sklearn.cluster"):
        ways[DBSCAN] = partial(dbscan, distance=distance)
    return ways | {WHISPERS: partial(whispers, distance=distance)}


def ours(faces: realset.Found, limit: float) -> Labels:
    """As `Gallery.regroup` does."""
    return group(faces.vectors, limit, quality=faces.quality, photos=faces.photo)


def dbscan(faces: realset.Found, distance: float) -> Labels:
    """scikit-learn's; noise, which it labels -1, is everyone alone."""
    cluster: Any = optional("sklearn.cluster")
    labels = cluster.DBSCAN(eps=distance, min_samples=2).fit_predict(faces.descriptors)
    return np.where(labels < 0, labels.max() + 1 + np.arange(len(labels)), labels)


def whispers(faces: realset.Found, distance: float) -> Labels:
    """dlib's, as the examples that come with it call it."""
    import dlib

    vectors = [dlib.vector(row) for row in faces.descriptors.astype(float)]
    return np.array(dlib.chinese_whispers_clustering(vectors, distance), np.int64)


def _scores(faces: realset.Found, way: Method, shuffles: int, seed: int) -> NDArray[np.float64]:
    """Pairwise F1 and B-cubed F of each shuffle, `(shuffles, 2)`."""
    rows = []
    for i in range(shuffles):
        rank = rng(seed, "shuffle", i).permutation(len(faces.paths))
        order = np.argsort(rank[faces.photo], kind="stable")
        labels = np.empty(len(order), np.int64)
        labels[order] = way(_ordered(faces, order))
        rows.append((pairwise_f1(faces.who, labels).f, bcubed(faces.who, labels).f))
    return np.array(rows)


def _ordered(faces: realset.Found, order: NDArray[np.intp]) -> realset.Found:
    arrays = (faces.descriptors, faces.vectors, faces.quality, faces.photo)
    return realset.Found(*(a[order] for a in arrays), faces.paths, faces.who[order])


def _summary(scores: NDArray[np.float64]) -> dict[str, float]:
    return {
        f"{name} {what}": round(float(value), 4)
        for name, column in zip(("pairwise F1", "B-cubed F"), scores.T, strict=True)
        for what, value in (("mean", column.mean()), ("min", column.min()), ("max", column.max()))
    }


def _lines(what: str, scores: dict[str, NDArray[np.float64]]) -> list[Comparison]:
    own = float(scores[OURS][:, 0].mean())
    lines = []
    for peer in (DBSCAN, WHISPERS):
        figure = float(scores[peer][:, 0].mean()) if peer in scores else None
        note = "" if peer in scores else not_installed("scikit-learn")
        lines.append(Comparison(what, own, peer, figure, "pairwise F1", False, note))
    return lines


def _sweep(found: realset.Found, detector: str, shuffles: int, seed: int) -> list[dict[str, Any]]:
    rows = []
    for who in _methods():
        for value in SWEEP[who]:
            way = _methods(limit=value, distance=value)[who]
            few = shuffles if who == WHISPERS else 1  # the others give every order one answer
            summary = _summary(_scores(found, way, few, seed))
            row = {"detector": detector, "method": who, "threshold": value}
            rows.append(row | {k: v for k, v in summary.items() if "mean" in k})
    return rows


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
