from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.metrics.pairwise import cosine_similarity

from fusiform.core.errors import ChoiceError
from fusiform.measure import verification as v

# Few distinct values, so that ties are the rule.
tied = st.lists(st.integers(-5, 5).map(lambda k: k / 5), min_size=1, max_size=30)
rates = st.floats(0, 1)


def sample(seed: int, genuine: int = 300, impostor: int = 500) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(0.6, 0.2, genuine), random.normal(0.1, 0.2, impostor)


def sklearn_curve(genuine, impostor):
    truth = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
    return truth, np.r_[genuine, impostor]


@given(tied, tied)
def test_roc_is_that_of_scikit_learn(genuine, impostor):
    truth, scores = sklearn_curve(genuine, impostor)
    fpr, tpr, thresholds = roc_curve(truth, scores, drop_intermediate=False)
    ours = v.roc(genuine, impostor)
    np.testing.assert_array_equal(ours.thresholds, thresholds)
    np.testing.assert_allclose(ours.fmr, fpr, atol=1e-15)
    np.testing.assert_allclose(ours.fnmr, 1 - tpr, atol=1e-15)


@given(tied, tied)
def test_roc_counts_literally_and_is_monotone(genuine, impostor):
    thresholds, fmr, fnmr = v.roc(genuine, impostor)
    assert np.array_equal(fmr, [np.mean(np.array(impostor) >= t) for t in thresholds])
    assert np.array_equal(fnmr, [np.mean(np.array(genuine) < t) for t in thresholds])
    assert (np.diff(thresholds) < 0).all()
    assert (np.diff(fmr) >= 0).all()
    assert (np.diff(fnmr) <= 0).all()


@given(tied, tied)
def test_auc_is_that_of_scikit_learn(genuine, impostor):
    assert v.auc(genuine, impostor) == pytest.approx(
        roc_auc_score(*sklearn_curve(genuine, impostor))
    )


@given(tied, tied)
def test_auc_mirrors(genuine, impostor):
    assert v.auc(genuine, impostor) == pytest.approx(1 - v.auc(impostor, genuine))


@given(tied, rates, st.sampled_from([np.float32, np.float64]))
def test_threshold_is_the_smallest_that_keeps_the_rate(impostor, fmr, dtype):
    scores = np.array(impostor, dtype)
    threshold = v.threshold_at_fmr(scores, fmr)
    assert np.mean(scores >= threshold) <= fmr
    if threshold > -np.inf:
        below = np.nextafter(dtype(threshold), dtype(-np.inf))
        assert np.mean(scores >= below) > fmr


def test_threshold_convention_with_few_impostors():
    impostor = [0.1, 0.5, 0.3]
    assert v.threshold_at_fmr(impostor, 1e-4) == np.nextafter(0.5, 1)
    assert v.threshold_at_fmr(impostor, 1.0) == -np.inf


def test_threshold_keeps_exact_fractions():
    scores = np.arange(100) / 100
    for k in range(100):
        assert np.sum(scores >= v.threshold_at_fmr(scores, k / 100)) == k


@given(tied, tied, rates)
def test_tar_is_the_best_point_of_the_curve(genuine, impostor, far):
    fpr, tpr, _ = roc_curve(*sklearn_curve(genuine, impostor), drop_intermediate=False)
    assert v.tar_at_far(genuine, impostor, far) == pytest.approx(tpr[fpr <= far].max())


@given(tied, tied, rates, rates)
def test_tar_grows_with_far(genuine, impostor, one, other):
    low, high = sorted([one, other])
    assert v.tar_at_far(genuine, impostor, low) <= v.tar_at_far(genuine, impostor, high)


def test_tar_with_mixed_precision_accepts_what_lies_just_above():
    just_above = np.nextafter(0.5, 1)
    assert v.tar_at_far([just_above], np.array([0.5], np.float32), 0) == 1


def test_eer_of_equal_normals_is_known():
    genuine, impostor = sample(3, 40_000, 40_000)
    assert v.eer(genuine, impostor) == pytest.approx(norm.cdf(-0.5 / 2 / 0.2), abs=3e-3)


def test_eer_by_hand():
    assert v.eer([0.9, 0.8], [0.1, 0.2]) == 0
    assert v.eer([0.1, 0.2], [0.8, 0.9]) == 1
    assert v.eer([0.5], [0.5]) == 0.5
    assert v.eer([0.9, 0.9, 0.3, 0.9], [0.1, 0.5, 0.1, 0.1]) == 0.25


@given(tied, tied)
def test_eer_lies_on_the_curve(genuine, impostor):
    _, fmr, fnmr = v.roc(genuine, impostor)
    rate = v.eer(genuine, impostor)
    # FMR + FNMR's crossing lies between the last point above and the first below it.
    assert fmr[fmr <= fnmr].max() - 1e-12 <= rate <= fnmr[fmr <= fnmr].min() + 1e-12


@given(tied, tied)
def test_all_rates_survive_a_monotone_change_of_scores(genuine, impostor):
    genuine, impostor = np.array(genuine), np.array(impostor)
    bent = genuine**3 + genuine, impostor**3 + impostor
    assert v.eer(*bent) == v.eer(genuine, impostor)
    assert v.auc(*bent) == v.auc(genuine, impostor)
    assert v.tar_at_far(*bent, 0.1) == v.tar_at_far(genuine, impostor, 0.1)


def test_det_is_the_curve_in_normal_deviates():
    genuine, impostor = sample(4)
    x, y = v.det(genuine, impostor)
    _, fmr, fnmr = v.roc(genuine, impostor)
    inside = (fmr > 0) & (fmr < 1) & (fnmr > 0) & (fnmr < 1)
    np.testing.assert_allclose(x, norm.ppf(fmr[inside]))
    np.testing.assert_allclose(y, norm.ppf(fnmr[inside]))
    assert v.det([1.0], [0.0])[0].shape == (0,)


def test_pairs_literally():
    random = np.random.default_rng(5)
    embeddings, labels = random.normal(size=(14, 6)), random.choice(["b", "a", "c"], 14)
    cosine, genuine, impostor = cosine_similarity(embeddings), [], []
    for i in range(14):
        for j in range(i):
            (genuine if labels[i] == labels[j] else impostor).append(cosine[i, j])
    ours = v.pairs(embeddings, labels)
    np.testing.assert_allclose(np.sort(ours[0]), np.sort(genuine))
    np.testing.assert_allclose(np.sort(ours[1]), np.sort(impostor))


@pytest.mark.parametrize("seed", range(5))
def test_drawn_pairs_are_those_of_people_met_again(seed):
    random = np.random.default_rng(seed)
    embeddings, labels = random.normal(size=(12, 4)), random.integers(4, size=12)
    _, labels = np.unique(labels, return_inverse=True)
    counts = random.integers(3, size=labels.max() + 1)
    met = [(i, copy) for i in range(12) for copy in range(counts[labels[i]])]
    cosine, genuine, impostor = cosine_similarity(embeddings), [], []
    for a, (i, copy) in enumerate(met):
        for j, other_copy in met[:a]:
            if labels[i] != labels[j]:
                impostor.append(cosine[i, j])
            elif copy == other_copy:
                genuine.append(cosine[i, j])
    ours = v.labelled_pairs(embeddings, labels).drawn(counts)
    np.testing.assert_allclose(np.sort(ours[0]), np.sort(genuine))
    np.testing.assert_allclose(np.sort(ours[1]), np.sort(impostor))


@pytest.mark.parametrize(
    "call",
    [
        lambda: v.roc([], [1.0]),
        lambda: v.auc([1.0], [np.nan]),
        lambda: v.threshold_at_fmr([0.1], 1.5),
        lambda: v.pairs(np.zeros((2, 3)), ["a", "b"]),
        lambda: v.pairs(np.ones((2, 3)), ["a"]),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
