from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn.metrics.pairwise import cosine_similarity

from fusiform.core.errors import ChoiceError
from fusiform.measure import fairness as f
from fusiform.measure.bootstrap import interval

rates = st.lists(st.floats(0, 1), min_size=2, max_size=6)
both = st.integers(2, 6).flatmap(
    lambda k: st.tuples(*[st.lists(st.floats(0, 1), min_size=k, max_size=k)] * 2)
)


def world(seed: int, people: int = 12, noise: float = 1.0):
    """Four faces of each person; people of group "b" look more alike and vary more."""
    random = np.random.default_rng(seed)
    second = np.arange(people) % 2 == 1
    centre = random.normal(size=(people, 6)) + 1.5 * second[:, None]
    labels = np.repeat(np.arange(people) + 30, 4)
    spread = noise * np.where(second, 1.5, 0.7)[labels - 30, None]
    faces = centre[labels - 30] + spread * random.normal(size=(len(labels), 6))
    return faces, labels, np.where(second, "b", "a")[labels - 30]


def literal(faces, labels, groups, threshold, counts=None):
    """Rates of each group, over every pair of faces, people met `counts` times."""
    cosine, people = cosine_similarity(faces), np.unique(labels).tolist()
    counts = np.ones(len(people)) if counts is None else counts
    shares = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        wrong, met = np.zeros(2), np.zeros(2)
        for i, j in itertools.combinations(rows, 2):
            a, b = counts[people.index(labels[i])], counts[people.index(labels[j])]
            same = labels[i] == labels[j]
            weight, accepted = (a if same else a * b), cosine[i, j] >= threshold
            met[int(same)] += weight
            wrong[int(same)] += weight * (accepted != same)
        shares.append(wrong / met)
    return np.array(shares).T


@pytest.mark.parametrize("seed", range(3))
def test_rates_are_literal(seed):
    found = f.group_pairs(*world(seed)).rates(0.4)
    assert found.groups.tolist() == ["a", "b"]
    np.testing.assert_allclose([found.fmr, found.fnmr], literal(*world(seed), 0.4))
    assert found.fmr[1] > found.fmr[0]


@pytest.mark.parametrize("seed", range(3))
def test_drawn_rates_are_literal(seed):
    counts = np.random.default_rng(seed).integers(3, size=12)
    counts[:4] += 1
    ours = f.group_pairs(*world(seed)).drawn(0.4, counts)
    np.testing.assert_allclose(ours, literal(*world(seed), 0.4, counts))


def test_a_pair_at_the_threshold_is_accepted():
    faces = np.array([[1, 0], [1, 0], [1, 0], [0, 1]] * 2)  # all cosines are exactly 0 or 1
    found = f.group_pairs(faces, np.repeat([0, 1, 2, 3], 2), np.repeat([0, 1], 4)).rates(1.0)
    assert (found.fmr.tolist(), found.fnmr.tolist()) == ([0.5, 0.5], [0.5, 0.5])


def test_order_does_not_matter():
    faces, labels, groups = world(4)
    order = np.random.default_rng(5).permutation(len(faces))
    one = f.group_pairs(faces, labels, groups).rates(0.4)
    other = f.group_pairs(faces[order], labels[order], groups[order]).rates(0.4)
    np.testing.assert_array_equal(one.fmr, other.fmr)
    np.testing.assert_array_equal(one.fnmr, other.fnmr)


@given(both, st.floats(0, 1))
def test_figures_are_their_formulas(pair, alpha):
    """By sums over all pairs of groups, as the papers write them."""

    def gini(x):
        k, mean = len(x), sum(x) / len(x)
        differences = sum(abs(a - b) for a in x for b in x)
        return k / (k - 1) * differences / (2 * k**2 * mean) if sum(x) > 1e-300 else 0.0

    def gap(x):
        return max(abs(a - b) for a in x for b in x)

    fmr, fnmr = pair
    if all(sum(x) == 0 or sum(x) > 1e-300 for x in pair):
        assert f.gini(fmr) == pytest.approx(gini(fmr))
        assert f.garbe(fmr, fnmr, alpha) == pytest.approx(
            alpha * gini(fmr) + (1 - alpha) * gini(fnmr)
        )
    assert f.max_gap(fmr) == gap(fmr)
    assert f.fairness_discrepancy_rate(fmr, fnmr, alpha) == pytest.approx(
        1 - (alpha * gap(fmr) + (1 - alpha) * gap(fnmr))
    )


@given(both)
def test_figures_stay_in_their_ranges_and_do_not_depend_on_order(pair):
    fmr, fnmr = pair
    assert 0 <= f.garbe(fmr, fnmr) <= 1 + 1e-12
    assert 0 <= f.fairness_discrepancy_rate(fmr, fnmr) <= 1
    assert f.worst_best_ratio(fmr) >= 1
    assert f.garbe(fmr[::-1], fnmr[::-1]) == pytest.approx(f.garbe(fmr, fnmr))


@given(rates)
def test_gini_does_not_depend_on_the_level_but_the_gap_does(values):
    values = np.round(values, 6)
    assert f.gini(values / 8) == pytest.approx(f.gini(values))
    assert f.max_gap(values / 8) == f.max_gap(values) / 8


@pytest.mark.parametrize("k", [2, 3, 7])
def test_degenerate_cases_of_the_papers(k):
    equal, one = np.full(k, 0.2), np.eye(k)[0]
    assert f.garbe(equal, equal) == pytest.approx(0)
    assert f.garbe(one, one) == pytest.approx(1)
    assert f.fairness_discrepancy_rate(equal, equal) == 1
    assert f.fairness_discrepancy_rate(one, one) == 0
    assert f.fairness_discrepancy_rate(one, equal) == 0.5
    assert f.gini(np.zeros(k)) == 0
    assert f.worst_best_ratio(np.zeros(k)) == 1
    assert f.worst_best_ratio(one) == np.inf
    assert f.worst_best_ratio([0.01, 0.04]) == pytest.approx(4)


def test_interval_of_one_groups_rate_is_scipys():
    """With one genuine pair a person, FNMR is a mean over people."""
    random = np.random.default_rng(6)
    faces, labels = random.normal(size=(400, 3)), np.repeat(np.arange(200), 2)
    pairs = f.group_pairs(faces, labels, labels // 100)
    ours = f.fairness_interval(lambda fmr, fnmr: fnmr[0], pairs, 0.3, seed=1)
    wrong = pairs.genuine[pairs.genuine_person < 100] < 0.3
    truth = bootstrap((wrong,), np.mean, method="percentile", rng=1).confidence_interval
    assert ours.value == wrong.mean()
    assert ours[1:] == pytest.approx((truth.low, truth.high), abs=0.02)


def test_interval_of_a_gap_covers_it_in_most_worlds():
    def gap(fmr, fnmr):
        return float(fnmr[1] - fnmr[0])

    truth = np.mean([gap(*f.group_pairs(*world(s, 60)).rates(0.5)[1:]) for s in range(30)])
    found = [
        f.fairness_interval(gap, f.group_pairs(*world(s, 16)), 0.5, s, rounds=100)
        for s in range(60)
    ]
    assert np.mean([i.low <= truth <= i.high for i in found]) > 0.8


def test_an_infinite_ratio_has_an_infinite_bound():
    found = interval(lambda counts: 1.0 if counts[0] else np.inf, 10, seed=1)
    assert found == (1, 1, np.inf)
    pairs = f.group_pairs(*world(7))
    ours = f.fairness_interval(lambda fmr, fnmr: f.worst_best_ratio(fmr), pairs, 0.85, 1, 200)
    assert 1 <= ours.low <= ours.high == np.inf


FACES, LABELS, GROUPS = world(8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: f.group_pairs(FACES, LABELS, GROUPS[1:]),
        lambda: f.group_pairs(FACES, LABELS, np.arange(len(LABELS))),
        lambda: f.group_pairs(FACES, LABELS[1:], GROUPS),
        lambda: f.group_pairs(np.eye(4), [0, 0, 1, 1], [0, 0, 1, 1]).rates(0.5),
        lambda: f.group_pairs(np.eye(4), [0, 1, 2, 3], [0, 0, 1, 1]).rates(0.5),
        lambda: f.fairness_interval(f.garbe, f.group_pairs(FACES, LABELS, GROUPS), 0.5, 0, 0),
        lambda: f.gini([0.1]),
        lambda: f.max_gap([0.1, np.nan]),
        lambda: f.worst_best_ratio([0.1, 1.2]),
        lambda: f.garbe([0.1, 0.2], [0.1, 0.2, 0.3]),
        lambda: f.fairness_discrepancy_rate([0.1, 0.2], [0.1, 0.2], 1.5),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
