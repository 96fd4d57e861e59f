from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import sem
from sklearn.metrics import accuracy_score, roc_curve
from sklearn.model_selection import LeaveOneGroupOut

from fusiform.core.errors import ChoiceError
from fusiform.measure.folds import best_threshold, fold_accuracy

pairs = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30)


def split(found) -> tuple[np.ndarray, np.ndarray]:
    values, same = zip(*found, strict=True)
    return np.array(values) / 4, np.array(same)


def literal_threshold(values, same) -> float:
    ordered = sorted(set(values))
    middles = [(a + b) / 2 for a, b in itertools.pairwise(ordered)]
    right = [(np.mean((values >= t) == same), t) for t in [-np.inf, *middles, np.inf]]
    return max(right)[1]


@given(pairs)
def test_threshold_is_the_literal_one(found):
    values, same = split(found)
    assert best_threshold(values, same) == literal_threshold(values, same)


@given(pairs)
def test_threshold_is_the_best_of_scikit_learns_curve(found):
    values, same = split([*found, (-5, False), (5, True)])
    fpr, tpr, _ = roc_curve(same, values, drop_intermediate=False)
    best = (tpr * same.sum() + (1 - fpr) * (~same).sum()).max() / len(same)
    ours = accuracy_score(same, values >= best_threshold(values, same))
    assert ours == pytest.approx(best)


def test_threshold_by_hand():
    assert best_threshold([0.2, 0.8], [False, True]) == 0.5
    assert best_threshold([0.1, 0.9], [True, True]) == -np.inf
    assert best_threshold([0.1, 0.9], [False, False]) == np.inf
    # -inf, 0.4 and inf all tell two of four rightly; the highest accepts fewest
    assert best_threshold([0.2, 0.2, 0.6, 0.6], [True, False, True, False]) == np.inf


def test_threshold_between_neighbouring_floats_accepts_only_the_upper():
    for low in (0.1, 1e308, 5e-324, -0.3):
        high = np.nextafter(low, np.inf)
        assert low < best_threshold([low, high], [False, True]) <= high


def sample(seed: int, n: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """As LFW: ten folds of 300 genuine and 300 impostor pairs each."""
    random = np.random.default_rng(seed)
    same = np.tile(np.repeat([True, False], n // 20), 10)
    return random.normal(np.where(same, 0.5, 0.1), 0.2).round(2), same


def test_protocol_is_the_literal_one_over_scikit_learns_folds():
    values, same = sample(1)
    fold = np.repeat(np.arange(10), 600)
    accuracy, thresholds = [], []
    for train, test in LeaveOneGroupOut().split(values, same, fold):
        thresholds.append(literal_threshold(values[train], same[train]))
        accuracy.append(accuracy_score(same[test], values[test] >= thresholds[-1]))
    ours = fold_accuracy(values, same)
    assert ours.accuracy.tolist() == accuracy
    assert ours.threshold.tolist() == thresholds
    assert ours.mean == pytest.approx(np.mean(accuracy))
    assert ours.standard_error == pytest.approx(sem(accuracy))
    assert 0.7 < ours.mean < 0.95


def test_named_folds_in_any_order_are_the_same():
    values, same = sample(2, 400)
    fold = np.repeat(list("abcdefghij"), 40)
    order = np.random.default_rng(3).permutation(400)
    shuffled = fold_accuracy(values[order], same[order], fold[order])
    assert shuffled.accuracy.tolist() == fold_accuracy(values, same).accuracy.tolist()


@given(pairs, st.integers(2, 5), st.sampled_from([0.25, 2.0, 64.0]))
def test_scale_does_not_matter(found, folds, scale):
    values, same = split(found * folds)
    one, other = fold_accuracy(values, same, folds), fold_accuracy(values * scale, same, folds)
    assert one.accuracy.tolist() == other.accuracy.tolist()


def test_perfect_and_upside_down_scores():
    same = np.tile([True, False], 50)
    assert fold_accuracy(same.astype(float), same)[2:] == (1, 0)
    assert fold_accuracy(-same.astype(float), same).mean == 0.5


@pytest.mark.parametrize(
    "call",
    [
        lambda: fold_accuracy([], np.zeros(0, bool)),
        lambda: fold_accuracy([0.1, np.nan], [True, False], 2),
        lambda: fold_accuracy([0.1, 0.2], [True], 2),
        lambda: fold_accuracy([0.1, 0.2], [1, 0], 2),
        lambda: fold_accuracy([0.1, 0.2, 0.3], [True, False, True], 2),
        lambda: fold_accuracy([0.1, 0.2], [True, False], 1),
        lambda: fold_accuracy([0.1, 0.2], [True, False], [0, 0]),
        lambda: fold_accuracy([0.1, 0.2], [True, False], [0, 1, 2]),
        lambda: best_threshold([np.inf], [True]),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
