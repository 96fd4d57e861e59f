from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from fusiform.core.errors import ChoiceError
from fusiform.measure import calibration as c

answers = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def sample(seed: int, genuine: int = 200, impostor: int = 900, gap: float = 0.4):
    random = np.random.default_rng(seed)
    scores = np.r_[random.normal(gap, 0.15, genuine), random.normal(0, 0.15, impostor)]
    return scores, np.arange(genuine + impostor) < genuine


def sklearn_fit(scores, same, balanced):
    """Soft targets as pairs of weighted hard ones, which is the same likelihood."""
    g, i = same.sum(), (~same).sum()
    target = np.where(same, (g + 1) / (g + 2), 1 / (i + 2))
    each = np.where(same, 0.5 / g, 0.5 / i) if balanced else np.full(len(same), 1 / len(same))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, solver="newton-cholesky")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(
            np.r_[scores, scores][:, None],
            np.r_[np.ones_like(target), np.zeros_like(target)],
            np.r_[each * target, each * (1 - target)] * len(same),
        )
    return model.coef_[0, 0], model.intercept_[0]


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("gap", [0.1, 0.4, 3.0])
def test_fit_is_that_of_scikit_learn(balanced, gap):
    scores, same = sample(1, gap=gap)
    assert c.fit_logistic(scores, same, balanced) == pytest.approx(
        sklearn_fit(scores, same, balanced), rel=1e-4
    )


def test_fit_finds_the_law_it_was_drawn_from():
    random = np.random.default_rng(2)
    scores = random.uniform(-1, 1, 60_000)
    same = random.random(60_000) < c.apply((6, -2), scores)
    assert c.fit_logistic(scores, same, balanced=False) == pytest.approx((6, -2), rel=0.03)


def test_balanced_fit_assumes_an_even_prior():
    scores, same = sample(3, genuine=20_000, impostor=60_000)
    a, b = c.fit_logistic(scores, same)
    plain_a, plain_b = c.fit_logistic(scores, same, balanced=False)
    assert a == pytest.approx(plain_a, rel=0.05)
    assert b - plain_b == pytest.approx(np.log(3), abs=0.15)
    assert c.apply((a, b), 0.2) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("scores", [[0.1, 0.9], [0.5, 0.5], [1e6, 3e6]])
def test_fit_stays_finite(scores):
    a, b = c.fit_logistic(scores, [False, True])
    assert np.isfinite([a, b]).all()
    assert a >= 0


def test_fit_follows_scale_and_shift_of_the_scores():
    scores, same = sample(4)
    a, b = c.fit_logistic(scores, same)
    assert c.fit_logistic(10 * scores + 3, same) == pytest.approx((a / 10, b - 3 * a / 10))


def test_apply_is_monotone_and_never_overflows():
    p = c.apply((1.0, 0.0), np.array([-1e9, -1.0, 0.0, 1.0, 1e9]))
    assert p == pytest.approx([0, 1 / (1 + np.e), 0.5, 1 / (1 + 1 / np.e), 1])
    assert (np.diff(p) > 0).all()


@given(answers)
def test_brier_is_that_of_scikit_learn(given_answers):
    p, same = map(np.array, zip(*given_answers, strict=True))
    expected = brier_score_loss(same, p, labels=[False, True])
    assert c.brier(p, same) == pytest.approx(expected, abs=1e-12)


@given(answers, st.integers(1, 20))
def test_ece_literally(given_answers, bins):
    p, same = map(np.array, zip(*given_answers, strict=True))
    expected = 0.0
    for k in range(bins):
        inside = (p * bins >= k) & ((p * bins < k + 1) | (k == bins - 1))
        if inside.any():
            expected += inside.mean() * abs(p[inside].mean() - same[inside].mean())
    assert c.ece(p, same, bins) == pytest.approx(expected, abs=1e-12)


def test_a_true_law_is_well_calibrated_and_a_bold_one_is_not():
    random = np.random.default_rng(5)
    p = random.random(50_000)
    same = random.random(50_000) < p
    assert c.ece(p, same) < 0.01
    assert c.ece((p > 0.5).astype(float), same) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    "call",
    [
        lambda: c.fit_logistic([0.1, 0.2], [True, True]),
        lambda: c.fit_logistic([0.1, np.inf], [True, False]),
        lambda: c.brier([0.1], [True, False]),
        lambda: c.ece([], []),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
