from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from sklearn.metrics import precision_recall_curve

from fusiform.core.errors import ChoiceError
from fusiform.measure import rejection as r

samples = st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=1, max_size=30)
limits = st.floats(0.01, 1)


def split(found) -> tuple[np.ndarray, np.ndarray]:
    quality, wrong = zip(*found, strict=True)
    return np.array(quality) / 4, np.array(wrong)


@given(samples)
def test_curve_counts_literally(found):
    quality, wrong = split(found)
    ours = r.edc(quality, wrong)
    for value, discarded, error in zip(np.unique(quality), *ours, strict=True):
        assert discarded == pytest.approx(np.mean(quality < value), abs=1e-15)
        assert error == np.mean(wrong[quality >= value])
    assert (ours.discarded[0], ours.error[0]) == (0, wrong.mean())


@given(samples)
def test_error_is_one_kind_of_precision_in_scikit_learn(found):
    quality, wrong = split([*found, (-5, True)])
    precision, recall, _ = precision_recall_curve(wrong, quality)
    ours = r.edc(quality, wrong)
    np.testing.assert_allclose(ours.error, precision[:-1])
    kept_wrong = (1 - ours.discarded) * ours.error * len(wrong) / wrong.sum()
    np.testing.assert_allclose(kept_wrong, recall[:-1], atol=1e-12)


@given(samples, limits)
def test_area_is_literal(found, limit):
    """Discards one after another, those of one quality only once all of them can go."""
    quality, wrong = split(found)
    n, area = len(quality), 0.0
    order = np.sort(quality)
    for k in range(n):  # the discarded share runs from k / n to (k + 1) / n
        kept = quality >= order[k]  # equal ones stay until all of them go
        area += wrong[kept].mean() * max(0.0, min((k + 1) / n, limit) - k / n)
    assert r.pauc(r.edc(quality, wrong), limit) == pytest.approx(area)


@given(samples, limits, st.randoms(use_true_random=False))
def test_neither_order_nor_a_monotone_change_matters(found, limit, random):
    quality, wrong = split(found)
    order = list(range(len(quality)))
    random.shuffle(order)
    one, other = r.edc(quality, wrong), r.edc(np.exp(quality)[order], wrong[order])
    np.testing.assert_array_equal(one, other)
    assert r.normalised_pauc(one, limit) == pytest.approx(
        r.normalised_pauc(other, limit), nan_ok=True
    )


@given(st.floats(0, 1), limits)
def test_ideal_area_is_the_integral_of_the_ideal(error, limit):
    corner = [error] if 0 < error < limit else None
    area, _ = quad(lambda x: float(r.ideal(error, x)), 0, limit, points=corner)
    assert r.ideal_pauc(error, limit) == pytest.approx(area, abs=1e-9)


@given(samples, limits)
def test_no_quality_beats_the_ideal(found, limit):
    curve = r.edc(*split(found))
    assert (curve.error >= r.ideal(curve.error[0], curve.discarded) - 1e-12).all()
    assert r.pauc(curve, limit) >= r.ideal_pauc(curve.error[0], limit) - 1e-12


def test_perfect_random_constant_and_misleading_qualities():
    random = np.random.default_rng(1)
    wrong = np.arange(20_000) < 400
    perfect = r.edc(np.where(wrong, random.random(20_000), 2 + random.random(20_000)), wrong)
    at = r.ideal(0.02, perfect.discarded) / (1 - perfect.discarded)
    np.testing.assert_allclose(perfect.error, at, atol=1e-12)
    assert r.normalised_pauc(perfect, 0.2) == pytest.approx(0, abs=1e-2)
    assert r.normalised_pauc(r.edc(random.random(20_000), wrong), 0.2) == pytest.approx(1, abs=0.1)
    assert r.normalised_pauc(r.edc(np.ones(20_000), wrong), 0.2) == pytest.approx(1)
    assert r.normalised_pauc(r.edc(np.where(wrong, 1.0, 0.0), wrong), 0.99) > 0.9
    assert r.normalised_pauc(r.edc(np.where(wrong, 2, random.random(20_000)), wrong), 0.2) > 1.1


def test_extremes_of_error():
    assert np.isnan(r.normalised_pauc(r.edc([1.0, 2.0], [False, False]), 0.5))
    all_wrong = r.edc([1.0, 2.0], [True, True])
    assert r.pauc(all_wrong, 0.5) == 0.5
    assert r.normalised_pauc(all_wrong, 1.0) == 1


@given(st.integers(0, 40))
def test_a_pair_is_as_good_as_its_worse_face(seed):
    random = np.random.default_rng(seed)
    quality, similarity = random.integers(0, 5, 9) / 5, random.random(25)
    pairs = random.integers(0, 9, (25, 2))
    ours = r.fnmr_edc(quality, pairs, similarity, 0.4)
    for discarded, error in zip(*ours, strict=True):
        kept = [
            s
            for (a, b), s in zip(pairs, similarity, strict=True)
            if np.mean(
                [min(quality[c], quality[d]) < min(quality[a], quality[b]) for c, d in pairs]
            )
            >= discarded - 1e-12
        ]
        assert 1 - len(kept) / 25 == pytest.approx(discarded, abs=1e-12)
        assert error == pytest.approx(np.mean(np.array(kept) < 0.4))


def test_at_the_threshold_a_pair_is_accepted():
    ours = r.fnmr_edc([0.1, 0.9, 0.8], [[0, 1], [1, 2]], [0.3, 0.5], 0.5)
    assert ours.discarded.tolist() == [0, 0.5]
    assert ours.error.tolist() == [0.5, 0]


CURVE = r.edc([1.0, 2.0], [True, False])


@pytest.mark.parametrize(
    "call",
    [
        lambda: r.edc([], np.zeros(0, bool)),
        lambda: r.edc([np.nan], [True]),
        lambda: r.edc([1.0], [True, False]),
        lambda: r.edc([1.0], [1]),
        lambda: r.fnmr_edc([1.0, 2.0], [[0, 2]], [0.5], 0.1),
        lambda: r.fnmr_edc([1.0, 2.0], [[0, -1]], [0.5], 0.1),
        lambda: r.fnmr_edc([1.0, 2.0], [[0.0, 1.0]], [0.5], 0.1),
        lambda: r.fnmr_edc([1.0, 2.0], [[0, 1]], [0.5, 0.6], 0.1),
        lambda: r.fnmr_edc([1.0, 2.0], [[0, 1]], [0.5], np.nan),
        lambda: r.pauc(CURVE, 0),
        lambda: r.ideal_pauc(0.1, 1.1),
        lambda: r.normalised_pauc(CURVE, np.nan),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()
