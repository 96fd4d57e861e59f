"""GS-LoRA's batches and its score."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from fusiform.lab.papers.rec_adapt.gs_lora import REPLAY, After, both


def test_those_who_stay_are_seen_by_few_faces_and_the_forgotten_not_at_all() -> None:
    person = np.repeat(np.arange(6), 10)
    rows = np.concatenate(
        [both(person, np.array([1, 2]), np.array([3, 4, 5]), 0, 8)(k) for k in range(30)]
    )
    faces = {p: set(rows[person[rows] == p]) for p in range(6)}
    assert [len(faces[p]) for p in range(6)] == [0, 10, 10, REPLAY, REPLAY, REPLAY]
    first = both(person, np.array([1]), np.array([2]), 0, 8)(0)
    assert (person[first[:8]] == 1).all()
    assert (person[first[8:]] == 2).all()
    assert len(first) == 24


def test_the_score_is_a_harmonic_mean() -> None:
    # F1 is the harmonic mean of precision 2/3 and recall 1/2.
    true, told = [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]
    after = After(0.9, 0.95, 0.9 - 0.5, 2 / 3, 0.4)
    assert np.isclose(after.mean, f1_score(true, told))
    assert After(0.9, 0.9, 0.95, 0.9, 1).mean == 0.0
