"""Rank correlation against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from fusiform.core.errors import ChoiceError
from fusiform.measure.ranks import rank_correlation, ranks

FEW = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=3, max_size=30)


@given(FEW)
def test_ranks_are_those_of_scipy(values):
    assert ranks(np.array(values)).tolist() == rankdata(values).tolist()


@given(FEW, st.integers(0, 99))
def test_rank_correlation_is_that_of_scipy(values, seed):
    other = np.random.default_rng(seed).permutation(len(values)) / 10
    wanted = spearmanr(values, other).statistic if len(set(values)) > 1 else 0
    assert rank_correlation(values, other) == pytest.approx(wanted)


def test_only_the_order_counts():
    values = np.random.default_rng(0).standard_normal(50)
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)


@pytest.mark.parametrize(("one", "other"), [([1, 2], [1, 2, 3]), ([], []), ([1, np.nan], [1, 2])])
def test_what_has_no_ranks_is_refused(one, other):
    with pytest.raises(ChoiceError, match="other"):
        rank_correlation(one, other)
