from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_curve

from fusiform.core.errors import ChoiceError
from fusiform.measure.tar_table import FARS, tar_table
from fusiform.measure.verification import tar_at_far

tied = st.lists(st.integers(-5, 5).map(lambda k: k / 5), min_size=1, max_size=30)


@given(tied, tied, st.floats(0, 1))
def test_rows_are_points_of_scikit_learns_curve(genuine, impostor, far):
    truth = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))]
    fpr, tpr, _ = roc_curve(truth, np.r_[genuine, impostor], drop_intermediate=False)
    (row,) = tar_table(genuine, impostor, [far])
    assert row.resolved == (far >= 1 / len(impostor))
    assert row.accepted == np.sum(np.array(impostor) >= row.threshold) <= far * len(impostor) + 1e-9
    assert row.fmr.value == row.accepted / len(impostor)
    if row.resolved:
        assert row.tar.value == pytest.approx(tpr[fpr <= far].max())
        assert row.tar.value == tar_at_far(genuine, impostor, far)


def test_a_far_that_the_impostors_cannot_show_is_not_claimed():
    random = np.random.default_rng(1)
    genuine, impostor = random.normal(3, 1, 200), random.normal(0, 1, 1000)
    rows = tar_table(genuine, impostor)
    assert [row.far for row in rows] == list(FARS)
    assert [row.resolved for row in rows] == [False] * 3 + [True] * 3
    for row in rows[:3]:
        assert row.threshold == np.nextafter(impostor.max(), np.inf)
        assert np.isnan(row.tar).all()
        # two-sided at 95 %; the one-sided bound would be 3 / 1000
        assert (row.accepted, row.fmr.high) == (0, pytest.approx(3.69 / 1000, rel=1e-2))


def test_intervals_are_those_of_scipy():
    random = np.random.default_rng(2)
    genuine, impostor = random.normal(1, 1, 300), random.normal(0, 1, 500)
    (row,) = tar_table(genuine, impostor, [0.1])
    truth = binomtest(int((genuine >= row.threshold).sum()), 300).proportion_ci()
    assert row.tar[1:] == pytest.approx((truth.low, truth.high))
    assert row.accepted == 50


def test_mixed_precision_accepts_what_lies_just_above():
    (row,) = tar_table([np.nextafter(0.5, 1)], np.array([0.5, 0.6], np.float32), [0.5])
    assert row.tar.value == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: tar_table([], [0.1]),
        lambda: tar_table([0.1], []),
        lambda: tar_table([np.nan], [0.1]),
        lambda: tar_table([0.1], [np.inf]),
        lambda: tar_table([0.1], [0.1], [-0.1]),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
