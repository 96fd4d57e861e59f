"""The measures of fine detail."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from fusiform.lab.papers._backbones import parameters
from fusiform.lab.papers.rec_backbone import volo as paper
from fusiform.lab.world.crowd import Crowd


def test_average_precision_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(0)
    for share in (0.02, 0.3, 0.9):
        there = draw.random(500) < share
        scores = (draw.normal(size=500) + there).astype(np.float32)
        wanted = metrics.average_precision_score(there, scores)
        assert paper.average_precision(scores, there) == pytest.approx(wanted)


def test_only_look_alikes_count_as_impostors():
    facts = {
        "ancestry": np.array(["asian", "asian", "asian", "african", "asian"]),
        "male": np.array([0.9, 0.9, 0.8, 0.9, 0.1]),
        "age": np.array([30.0, 30.0, 38.0, 30.0, 30.0]),
    }
    faces = Crowd(np.zeros((5, 8, 8, 3), np.uint8), np.array([0, 0, 1, 2, 3]), facts)
    close = np.array([[1, 0], [0.9, 0.1], [0, 1], [1, 0], [1, 0]], np.float32)
    assert paper.among_alike(close, faces) == 1.0  # the last two are the same, but not alike
    facts["male"][4] = 0.9
    assert paper.among_alike(close, faces) == 0.0


def test_nets_are_of_equal_size():
    counts = [parameters(paper.Volo(32, 134, look=k, times=t)) for k, t in paper.LOOKS.values()]
    assert max(counts) < 1.01 * min(counts)


def test_units_are_those_of_the_pack(monkeypatch):
    from fusiform.lab.world.expressions import weights
    from fusiform.lab.world.samples import Options, shot_of

    monkeypatch.setitem(paper.POOLS, "small", (2, 3, 64))
    paper.at_work.cache_clear()
    found = paper.at_work("small")
    paper.at_work.cache_clear()
    shot = shot_of(Options("recognition", paper.WORLD, 112, ()), 1, 2)
    told = weights(shot.expression)
    assert found.shape == (6, 6)
    assert [told.get(n, 0) >= paper.PRESENT for n in paper.UNITS.values()] == found[5].tolist()
