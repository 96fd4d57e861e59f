"""The main centre of a class, by loops."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from fusiform.lab.papers.rec_loss.arcface import main_angles


def test_the_main_centre_is_the_one_most_faces_are_nearest_to() -> None:
    draw = np.random.default_rng(4)
    labels = draw.integers(0, 4, 60)
    cosines = draw.uniform(-1, 1, (60, 4, 3)).astype(np.float32)
    found = main_angles(cosines, labels)
    for label in range(4):
        rows = np.flatnonzero(labels == label)
        votes = Counter(int(cosines[r, label].argmax()) for r in rows)
        most = max(votes.values())
        main = min(c for c, n in votes.items() if n == most)
        wanted = [math.acos(cosines[r, label, main]) for r in rows]
        np.testing.assert_allclose(found[rows], wanted, rtol=1e-5)


def test_one_centre_is_the_main_one() -> None:
    cosines = np.array([[[0.5], [0.1]], [[-0.2], [1.0]]])
    np.testing.assert_allclose(main_angles(cosines, np.array([0, 1])), [math.pi / 3, 0], atol=1e-6)
