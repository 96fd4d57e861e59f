from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import betainc
from scipy.stats import beta, binom, binomtest

from fusiform.core.errors import ChoiceError
from fusiform.measure.binomial import beta_cdf, clopper_pearson

levels = st.sampled_from([0.5, 0.9, 0.95, 0.999])


@given(st.integers(1, 5000), st.data(), levels)
def test_interval_is_that_of_scipy(trials, data, level):
    events = data.draw(st.integers(0, trials))
    truth = binomtest(events, trials).proportion_ci(level, method="exact")
    ours = clopper_pearson(events, trials, level)
    assert ours.value == events / trials
    # its root finder stops within 2e-12
    assert (ours.low, ours.high) == pytest.approx((truth.low, truth.high), rel=1e-9, abs=1e-11)
    low = beta.ppf((1 - level) / 2, events, trials - events + 1) if events else 0
    high = beta.ppf((1 + level) / 2, events + 1, trials - events) if events < trials else 1
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-9)


@pytest.mark.parametrize(("events", "trials"), [(0, 10**8), (3, 10**8), (10**7, 3 * 10**7)])
def test_many_trials(events, trials):
    truth = binomtest(events, trials).proportion_ci(method="exact")
    ours = clopper_pearson(events, trials)
    assert (ours.low, ours.high) == pytest.approx((truth.low, truth.high), rel=1e-6)


# SciPy itself is off by half a percent at the smallest subnormal x.
@given(st.floats(0, 1, allow_subnormal=False), st.floats(1e-2, 1e4), st.floats(1e-2, 1e4))
@example(0.0, 1.0, 1.0)
@example(1.0, 1.0, 1.0)
def test_beta_cdf_is_that_of_scipy(x, a, b):
    assert beta_cdf(x, a, b) == pytest.approx(betainc(a, b, x), rel=1e-8, abs=1e-12)


@given(st.integers(1, 300), st.data(), levels)
def test_interval_mirrors(trials, data, level):
    events = data.draw(st.integers(0, trials))
    ours = clopper_pearson(events, trials, level)
    other = clopper_pearson(trials - events, trials, level)
    assert ours.low == pytest.approx(1 - other.high, abs=1e-12)


def test_no_event_gives_the_closed_form_and_about_three_over_n():
    one_sided = clopper_pearson(0, 1000, 0.9).high
    assert one_sided == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert one_sided == pytest.approx(3 / 1000, rel=4e-3)
    assert clopper_pearson(0, 7).low == 0
    assert clopper_pearson(7, 7).high == 1


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_it_covers_independent_trials_at_least_as_often_as_it_says(rate):
    found = [clopper_pearson(k, 40, 0.9) for k in range(41)]
    chance = binom.pmf(np.arange(41), 40, rate)
    assert sum(p for p, f in zip(chance, found, strict=True) if f.low <= rate <= f.high) >= 0.9


@pytest.mark.parametrize(
    "call",
    [
        lambda: clopper_pearson(0, 0),
        lambda: clopper_pearson(3, 2),
        lambda: clopper_pearson(-1, 2),
        lambda: clopper_pearson(1, 2, 1.0),
        lambda: beta_cdf(1.5, 1, 1),
        lambda: beta_cdf(0.5, 0, 1),
        lambda: beta_cdf(float("nan"), 1, 1),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
