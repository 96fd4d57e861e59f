"""Similarity, thresholds of a card, and the probability of its calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from fusiform.core.errors import ChoiceError, ModelUnsupported
from fusiform.hub.card import Threshold, shipped_cards
from fusiform.recognise.compare import DEFAULT_FMR, probability, similarity, threshold
from fusiform.recognise.embedder import unit

PLAIN = replace(
    shipped_cards()["dlib-resnet"],
    thresholds=(Threshold(1e-2, 0.5, 0.4, 0.6), Threshold(1e-3, 0.7, 0.6, 0.8)),
    calibration=(10.0, -6.0),
)


def test_similarity_is_the_cosine(rng):
    a, b = (unit(rng.normal(size=(n, 16)).astype(np.float32)) for n in (5, 7))
    assert np.allclose(similarity(a, b), cosine_similarity(a, b), atol=1e-6)
    assert similarity(a, a).max() <= 1
    assert similarity(a[:0], b).shape == (0, 7)


def test_the_threshold_of_a_rate():
    assert threshold(PLAIN, 1e-2) == 0.5
    assert threshold(PLAIN) == threshold(PLAIN, DEFAULT_FMR) == 0.7


def test_a_rate_that_was_not_measured_is_refused():
    with pytest.raises(ChoiceError, match=r"fmr must be one of 0\.01, 0\.001\. Got 0\.5"):
        threshold(PLAIN, 0.5)


def test_a_card_without_thresholds_asks_for_one():
    with pytest.raises(ModelUnsupported, match=r"states no thresholds.*limit=0\.4.*--threshold"):
        threshold(replace(PLAIN, thresholds=()))


def test_a_card_without_calibration_gives_no_probability():
    assert probability(replace(PLAIN, calibration=None), 0.9) is None


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_probability_is_the_logistic_and_grows(low, high):
    low, high = sorted((low, high))
    found = [probability(PLAIN, value) for value in (low, high)]
    assert found == pytest.approx([1 / (1 + np.exp(6 - 10 * value)) for value in (low, high)])
    assert 0 <= found[0] <= found[1] <= 1


def test_shipped_thresholds_rise_as_the_rate_falls():
    card = shipped_cards()["dlib-resnet"]
    ordered = sorted(card.thresholds, key=lambda t: -t.fmr)
    assert [t.fmr for t in ordered] == [1e-2, 1e-3, 1e-4]
    limits = [t.similarity for t in ordered]
    assert limits == sorted(limits)
    assert all(t.low <= t.similarity <= t.high for t in ordered)
    assert card.thresholds_source
    assert 0.05 < probability(card, threshold(card)) <= 1
