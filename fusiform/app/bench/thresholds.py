"""Thresholds and calibration of dlib's network on the real photos, as its card states them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusiform.app.bench import realset
from fusiform.app.bench.run import Comparison, Result, environment, ready_detectors, real_photos
from fusiform.hub.store import locate
from fusiform.measure.bootstrap import Interval, interval
from fusiform.measure.calibration import apply, brier, fit_logistic
from fusiform.measure.verification import (
    Pairs,
    Scores,
    eer,
    labelled_pairs,
    tar_at_far,
    threshold_at_fmr,
)

RATES = (1e-2, 1e-3, 1e-4)
Statistic = Callable[[Scores, Scores], float]


@dataclass(frozen=True)
class Pooled:
    """The pairs within each detector's crops; a crop of one is never paired with another's.

    One face cropped by two detectors would be the easiest of genuine pairs.
    """

    parts: tuple[Pairs, ...]
    people: int

    def drawn(self, counts: NDArray[np.int64]) -> tuple[Scores, Scores]:
        """Genuine and impostor scores as if person p had been met `counts[p]` times."""
        drawn = [part.drawn(counts) for part in self.parts]
        genuine, impostor = zip(*drawn, strict=True)
        return np.concatenate(genuine), np.concatenate(impostor)

    @property
    def scores(self) -> tuple[Scores, Scores]:
        """Genuine and impostor scores as they are."""
        return self.drawn(np.ones(self.people, np.int64))


def bench_thresholds(real: Path | None, *, rounds: int = 1000, seed: int = 0) -> Result:
    """Similarity at FMR 1e-2, 1e-3 and 1e-4 with 95 % intervals, calibration, and their card."""
    folder = real_photos(real)
    found = {name: _usable(realset.find(folder, name)) for name in ready_detectors()}
    pairs = pooled(list(found.values()))
    limits = {fmr: _interval(pairs, partial(_limit, fmr=fmr), seed, rounds) for fmr in RATES}
    accepted = {fmr: _interval(pairs, partial(_tar, fmr=fmr), seed, rounds) for fmr in RATES}
    calibration = fit(pairs)
    card = card_part(limits, calibration, source(pairs, found, rounds, seed))
    stated = {t.fmr: t.similarity for t in locate("dlib-resnet").card.thresholds}
    lines = tuple(
        Comparison(f"similarity at FMR {fmr:g}", limits[fmr].value, "the card", stated.get(fmr),
                   "cosine", False) for fmr in RATES
    )  # fmt: skip
    return Result(
        "thresholds",
        f"all pairs once; intervals: {rounds} draws of people, 95 %",
        lines,
        {
            "pooled": [_row("pooled", f, limits[f], accepted[f]) for f in RATES],
            "each detector alone": _alone(found),
            "counts": _counts(found, pairs, calibration),
            "for the card": [card],
        },
        notes=(card["thresholds_source"],),
        environment=environment(seed=seed, rounds=rounds, detectors=list(found)),
    )


def _usable(found: realset.Found) -> realset.Found:
    """Without false boxes, and without copies of one portrait, whose pairs prove nothing."""
    copies = np.array([found.paths[i].name in realset.COPIES for i in found.photo], bool)
    return found[~found.false & ~copies]


def pooled(found: Sequence[realset.Found]) -> Pooled:
    """Pairs of the people whom every detector found, so that one draw of people fits all."""
    common = set.intersection(*(set(faces.who.tolist()) for faces in found))
    kept = [faces[np.isin(faces.who, sorted(common))] for faces in found]
    parts = tuple(labelled_pairs(faces.vectors, faces.who) for faces in kept)
    return Pooled(parts, len(common))


def _interval(pairs: Pooled, statistic: Statistic, seed: int, rounds: int) -> Interval:
    def of(counts: NDArray[np.int64]) -> float:
        genuine, impostor = pairs.drawn(counts)
        return statistic(genuine, impostor) if len(genuine) and len(impostor) else np.nan

    return interval(of, pairs.people, seed, rounds)


def _limit(genuine: Scores, impostor: Scores, fmr: float) -> float:
    return threshold_at_fmr(impostor, fmr)


def _tar(genuine: Scores, impostor: Scores, fmr: float) -> float:
    return tar_at_far(genuine, impostor, fmr)


def fit(pairs: Pooled) -> tuple[float, float]:
    """The logistic of the card's calibration, same and different being equally likely."""
    genuine, impostor = pairs.scores
    same = np.repeat([True, False], [len(genuine), len(impostor)])
    return fit_logistic(np.concatenate([genuine, impostor]), same)


def card_part(
    limits: dict[float, Interval], calibration: tuple[float, float], text: str
) -> dict[str, Any]:
    """`thresholds`, `thresholds_source` and `calibration` as they stand on a card.

    The similarity is rounded up, so that its rate is not exceeded.
    """
    rows = [
        {
            "fmr": fmr,
            "similarity": float(np.ceil(one.value * 1e4) / 1e4),
            "low": round(one.low, 4),
            "high": round(one.high, 4),
        }
        for fmr, one in limits.items()
    ]
    a, b = calibration
    return {
        "thresholds": rows,
        "thresholds_source": text,
        "calibration": [round(a, 3), round(b, 3)],
    }


def source(pairs: Pooled, found: dict[str, realset.Found], rounds: int, seed: int) -> str:
    """What the numbers were measured on, and how far they carry."""
    genuine, impostor = pairs.scores
    photos = {str(f.paths[i]) for f in found.values() for i in f.photo if not _is_orl(f, i)}
    return (
        "Half of ORL (AT&T Laboratories Cambridge; 20 people, 10 grey pictures each) and "
        f"{len(photos)} photos of two United States office holders, copies of one portrait left "
        f"out; crops of {' and of '.join(found)}, pairs taken within each and pooled: "
        f"{len(genuine):,} genuine and {len(impostor):,} impostor pairs of {pairs.people} people. "
        f"Intervals: 95 %, {rounds} bootstrap draws of people, seed {seed}. A small set: the "
        "intervals are wide, FMR 1e-4 is near what it can resolve, and few kinds of people and "
        "cameras are in it"
    )


def _is_orl(found: realset.Found, photo: int) -> bool:
    return found.paths[photo].parent.name != "officials"


def _row(what: str, fmr: float, limit: Interval, tar: Interval) -> dict[str, Any]:
    return {
        "crops": what,
        "FMR": f"{fmr:g}",
        "similarity": f"{limit.value:.4f} ({limit.low:.4f} to {limit.high:.4f})",
        "TAR": f"{tar.value:.4f} ({tar.low:.4f} to {tar.high:.4f})",
    }


def _alone(found: dict[str, realset.Found]) -> list[dict[str, Any]]:
    rows = []
    for name, faces in found.items():
        genuine, impostor = pooled([faces]).scores
        for fmr in RATES:
            limit, tar = threshold_at_fmr(impostor, fmr), tar_at_far(genuine, impostor, fmr)
            rows.append({"crops": name, "FMR": f"{fmr:g}", "similarity": round(limit, 4),
                         "TAR": round(tar, 4)})  # fmt: skip
    return rows


def _counts(
    found: dict[str, realset.Found], pairs: Pooled, calibration: tuple[float, float]
) -> list[dict[str, Any]]:
    genuine, impostor = pairs.scores
    same = np.repeat([True, False], [len(genuine), len(impostor)])
    chances = apply(calibration, np.concatenate([genuine, impostor]))
    return [
        {
            "faces": " + ".join(str(len(faces.who)) for faces in found.values()),
            "people": pairs.people,
            "genuine pairs": len(genuine),
            "impostor pairs": len(impostor),
            "EER": round(eer(genuine, impostor), 5),
            "Brier score of the probability": round(brier(chances, same), 5),
        }
    ]
