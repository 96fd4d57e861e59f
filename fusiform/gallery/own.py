"""Thresholds and probabilities from a gallery's own named faces: measured, kept, used."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusiform.gallery.persons import pins_of
from fusiform.gallery.store import Store
from fusiform.measure.own_calibration import OwnCalibration, own_calibration

Floats = NDArray[np.float64]
_KEY = "calibration"


@dataclass(frozen=True)
class Kept:
    """What a gallery goes by in place of the card: two faces match from the similarity `threshold`
    upward; `probability` that they are one person, at equal priors, as `OwnCalibration` has it."""

    threshold: float
    slope: float
    intercept: float
    steps: tuple[tuple[float, float], ...]

    def probability(self, similarity: float) -> float:
        """0..1 for a cosine."""
        if self.steps:
            scores, values = np.array(self.steps).T
            return float(np.interp(similarity, scores, values))
        return float(1 / (1 + np.exp(-(self.slope * similarity + self.intercept))))


def calibrate(
    store: Store, fmr: float, before: Callable[[Floats], Floats] | None = None, seed: int = 0
) -> OwnCalibration:
    """Measures on the faces that somebody named or corrected, see `own_calibration`.

    `before`: the probabilities used so far, to be compared with. Raises GalleryError where too few
    people are named, saying which rate they are enough for.
    """
    sql = "SELECT id FROM people WHERE name IS NOT NULL"
    names = {row[0] for row in store.read(sql)}
    named = {face: who for face, who in pins_of(store).items() if who in names}
    ids, vectors, _ = store.vectors_of(sorted(named))
    photo = dict(store.read("SELECT id, photo_id FROM faces"))
    who = np.array([named[face] for face in ids.tolist()], np.int64)
    photos = np.array([photo[face] for face in ids.tolist()], np.int64)
    return own_calibration(vectors, who, photos, fmr=fmr, before=before, seed=seed)


def keep(store: Store, result: OwnCalibration) -> None:
    """From now on the gallery goes by `result`, as long as it has this embedder."""
    kept = {
        "embedder": (store.models() or ("", "", ""))[2],
        "threshold": result.threshold.value,
        "slope": result.slope,
        "intercept": result.intercept,
        "steps": result.steps,
    }
    store.note(_KEY, json.dumps(kept))


def kept(store: Store) -> Kept | None:
    """What the gallery goes by; None for the card."""
    told = json.loads(store.noted(_KEY) or "{}")
    if told.pop("embedder", None) != (store.models() or ("", "", ""))[2]:
        return None
    return Kept(**told | {"steps": tuple(tuple(step) for step in told["steps"])})


def drop(store: Store) -> None:
    """The gallery goes by the card again."""
    store.note(_KEY, "{}")
