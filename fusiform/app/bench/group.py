"""Grouping: ours against DBSCAN and dlib's Chinese whispers, on real faces and by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench import realset
from fusiform.app.bench.grow import scaling
from fusiform.app.bench.peers import not_installed
from fusiform.app.bench.run import Comparison, Result, environment, ready_detectors, real_photos
from fusiform.app.bench.ways import (
    DBSCAN,
    DISTANCE,
    OURS,
    SWEEP,
    WHISPERS,
    Method,
    default_limit,
    methods,
)
from fusiform.core.seeds import rng
from fusiform.measure.clusters import bcubed, pairwise_f1

Rows = list[dict[str, Any]]
SEEN = (
    "the default similarity of ours was set with these photos in view, so the table of halves, "
    "where every method chooses on other people than it is scored on, is the fairer one"
)


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
    found = {name: realset.find(folder, name) for name in ready_detectors()}
    lines, table, figures = _agreement(found, shuffles, seed)
    tables = {
        "agreement over shuffles": table,
        "thresholds, all faces": _every(_sweep, found, shuffles, seed),
        "threshold chosen on half of the people, scored on the others": _every(
            _halves, found, shuffles, seed
        ),
        "growing (made vectors, ten a person)": scaling(sizes, seed, limit),
    }
    used = (
        f"ours: similarity {default_limit()}; DBSCAN (min_samples 2) and Chinese whispers: "
        f"Euclidean distance {DISTANCE} of dlib's descriptors"
    )
    return Result(
        "group",
        f"mean over {shuffles} shuffles of the photos' order; every method sees the same faces",
        tuple(lines),
        tables,
        figures,
        (used, SEEN),
        environment(seed=seed, peers=["scikit-learn"], shuffles=shuffles, limit_seconds=limit),
    )


def _agreement(
    found: Mapping[str, realset.Found], shuffles: int, seed: int
) -> tuple[list[Comparison], Rows, dict[str, list[float]]]:
    """Comparisons, table rows, and the F1 of every shuffle: of all faces and of each set."""
    lines: list[Comparison] = []
    table: Rows = []
    figures: dict[str, list[float]] = {}
    for detector, faces in found.items():
        parts = {"all": faces, "ORL": faces[faces.orl], "officials": faces[~faces.orl]}
        for part, some in parts.items():
            scores = {who: _scores(some, way, shuffles, seed) for who, way in methods().items()}
            lines += _lines(f"{detector}, {part}", scores)
            for who, s in scores.items():
                row = {"detector": detector, "set": part, "method": who, "faces": len(some.who)}
                table.append(row | _summary(s))
                figures[f"{detector}, {part}, {who}"] = s[:, 0].tolist()
    return lines, table, figures


def _every(
    of: Callable[[realset.Found, int, int], Rows],
    found: Mapping[str, realset.Found],
    shuffles: int,
    seed: int,
) -> Rows:
    """The rows of each detector's faces, the detector named in front."""
    return [
        {"detector": detector} | row
        for detector, faces in found.items()
        for row in of(faces, shuffles, seed)
    ]


def _scores(faces: realset.Found, way: Method, shuffles: int, seed: int) -> NDArray[np.float64]:
    """Pairwise F1 and B-cubed F of each shuffle, `(shuffles, 2)`."""
    rows = []
    for i in range(shuffles):
        rank = rng(seed, "shuffle", i).permutation(len(faces.paths))
        order = np.argsort(rank[faces.photo], kind="stable")
        labels = np.empty(len(order), np.int64)
        labels[order] = way(faces[order])
        rows.append((pairwise_f1(faces.who, labels).f, bcubed(faces.who, labels).f))
    return np.array(rows)


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


def _sweep(found: realset.Found, shuffles: int, seed: int) -> Rows:
    rows: Rows = []
    for who in methods():
        for value in SWEEP[who]:
            way = methods(limit=value, distance=value)[who]
            few = shuffles if who == WHISPERS else 1  # the others give every order one answer
            summary = _summary(_scores(found, way, few, seed))
            row = {"method": who, "threshold": value}
            rows.append(row | {k: v for k, v in summary.items() if "mean" in k})
    return rows


def _halves(found: realset.Found, splits: int, seed: int) -> Rows:
    """F1 on people that the threshold was not chosen on: every method picks its best of `SWEEP`
    on a random half of the people (the middle one of equals), and is scored on the rest."""
    people = np.unique(found.who)
    scores: dict[str, list[float]] = {who: [] for who in methods()}
    for i in range(splits):
        chosen = rng(seed, "half", i).permutation(people)[: len(people) // 2]
        seen = found[np.isin(found.who, chosen)]
        unseen = found[~np.isin(found.who, chosen)]
        for who, figures in scores.items():
            own = [_f1(seen, who, value) for value in SWEEP[who]]
            best = np.flatnonzero(np.array(own) == max(own))
            figures.append(_f1(unseen, who, SWEEP[who][best[len(best) // 2]]))
    return [
        {"method": who, "splits": splits}
        | {k: round(f(v), 4) for k, f in (("mean F1", np.mean), ("min F1", min), ("max F1", max))}
        for who, v in scores.items()
    ]


def _f1(faces: realset.Found, who: str, value: float) -> float:
    return pairwise_f1(faces.who, methods(limit=value, distance=value)[who](faces)).f
