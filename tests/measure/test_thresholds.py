"""Thresholds with intervals against the slow way: every pair, drawn again each time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.measure import thresholds
from fusiform.measure.bootstrap import verification_interval
from fusiform.measure.thresholds import allowed_of, strangers, threshold_intervals
from fusiform.measure.verification import labelled_pairs, threshold_at_fmr


def people(seed: int, count: int = 12, most: int = 6):
    draw = np.random.default_rng(seed)
    label = np.repeat(np.arange(count), draw.integers(1, most, count))
    vectors = draw.normal(size=(count, 6))[label] + draw.normal(size=(len(label), 6))
    return vectors.astype(np.float32), label


@given(st.integers(0, 1000), st.sampled_from([0.0, 1e-3, 0.01, 0.1, 0.37, 1.0]))
def test_a_draw_is_that_of_all_pairs(seed, fmr):
    vectors, label = people(seed)
    pairs = labelled_pairs(vectors, label)
    counts = np.bincount(np.random.default_rng(seed).integers(12, size=12), minlength=12)
    known = strangers(pairs, np.bincount(label))
    assert known.threshold(counts, fmr) == threshold_at_fmr(pairs.drawn(counts)[1], fmr)


@given(st.integers(1, 5000), st.floats(0, 1))
def test_allowed_is_the_largest_count_within_the_rate(total, fmr):
    allowed = allowed_of(total, fmr)
    assert allowed / total <= fmr
    assert allowed == total or (allowed + 1) / total > fmr


def test_intervals_are_those_of_the_slow_way():
    vectors, label = people(3)
    found = threshold_intervals(vectors, label, (0.1, 0.01), seed=5, rounds=200)
    for fmr, mine in found.items():
        slow = verification_interval(
            lambda genuine, impostor, f=fmr: threshold_at_fmr(impostor, f),
            vectors, label, seed=5, rounds=200,
        )  # fmt: skip
        assert mine == pytest.approx(slow, rel=1e-6)


def test_the_highest_scores_are_enough(monkeypatch):
    vectors, label = people(1, count=40)
    whole = threshold_intervals(vectors, label, (1e-2, 1e-3), seed=0, rounds=100)
    monkeypatch.setattr(thresholds, "LEAST", 500)
    assert threshold_intervals(vectors, label, (1e-2, 1e-3), seed=0, rounds=100) == whole


def test_a_rate_beyond_the_scores_kept_is_not_made_up(monkeypatch):
    monkeypatch.setattr(thresholds, "LEAST", 10)
    vectors, label = people(2)
    known = strangers(labelled_pairs(vectors, label), np.bincount(label))
    assert np.isnan(known.threshold(np.ones(12, np.int64), 0.9))
    assert np.isnan(known.threshold(np.eye(12, dtype=np.int64)[0], 0.1))  # nobody to compare with


def test_one_person_has_no_strangers():
    with pytest.raises(ChoiceError, match="people must be at least 2"):
        threshold_intervals(np.ones((3, 2)), [1, 1, 1], (0.1,), seed=0)
