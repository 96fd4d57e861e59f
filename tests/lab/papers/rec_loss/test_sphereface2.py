"""The spread of thresholds, by loops."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.lab.papers.rec_loss.sphereface2 import spread
from fusiform.measure.verification import threshold_at_fmr


def embedded(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    person = np.repeat(np.arange(6), 4)
    vectors = draw.normal(size=(6, 8))[person] + 0.5 * draw.normal(size=(24, 8))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), person


def test_spread_is_the_deviation_of_peoples_own_thresholds() -> None:
    vectors, person = embedded()
    own, genuine, impostor = [], [], []
    for p in range(6):
        strangers = []
        for i in np.flatnonzero(person == p):
            for j in range(len(person)):
                if i == j:
                    continue
                score = float(vectors[i] @ vectors[j])
                (genuine if person[j] == p else impostor).append(score)
                if person[j] != p:
                    strangers.append(score)
        own.append(threshold_at_fmr(strangers, 1e-2))
    wanted = np.std(own) / (np.mean(genuine) - np.mean(impostor))
    assert spread(vectors, person) == pytest.approx(wanted)


def test_people_alike_far_apart_need_one_threshold() -> None:
    vectors = np.eye(4).repeat(2, 0)
    assert spread(vectors, np.arange(4).repeat(2)) == pytest.approx(0, abs=1e-12)
