"""Captions of what is known, and poisoned galleries."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from fusiform.lab.papers.rec_adapt import clip_facerec as paper  # noqa: E402
from fusiform.lab.world.crowd import Crowd  # noqa: E402


def two() -> Crowd:
    facts = {
        "age": np.array([70.0, 10.0]),
        "male": np.array([0.1, 0.9]),
        "ancestry": np.array(["european", "asian"]),
        "light": np.array(["sunny", "office"]),
        "glasses": np.array([True, False]),
        "yaw": np.array([30.0, 0.0]),
    }
    return Crowd(np.zeros((2, 4, 4, 3), np.uint8), np.arange(2), facts)


def test_a_caption_says_what_is_known():
    rows = [" ".join(row).split() for row in zip(*paper.phrases(two()), strict=True)]
    assert rows[0] == ["old", "european", "woman", "glasses", "sunny", "left"]
    assert rows[1] == ["child", "asian", "man", "office", "ahead"]


def test_words_are_numbered_and_none_is_0():
    found = paper.captions(two())
    assert found.shape == (2, paper.WORDS)
    assert found[1, 3] == 0
    assert sorted(found[found > 0]) == list(range(1, 12))


def test_so_many_names_are_wrong():
    names = np.repeat(np.arange(50), 10)
    found = paper.poisoned(names, 0.2, np.random.default_rng(0))
    assert (found != names).sum() == 100
    assert set(found) <= set(names)
    assert np.array_equal(paper.poisoned(names, 0.0, np.random.default_rng(0)), names)


def test_votes():
    rows = np.array([[3, 1, 1, 2, 4], [5, 6, 7, 8, 9], [2, 4, 4, 2, 1]])
    assert paper.voted(rows).tolist() == [1, 5, 2]
