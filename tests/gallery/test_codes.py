"""Codes against literal counting, and against the similarities that they bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.gallery.codes import Coder, bits_for


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.sampled_from([3, 8, 128, 200]), st.integers(1, 1100))
def test_bits_are_counted_as_by_hand(crowd, seed, width, count):
    vectors, _ = crowd(count, 5, d=width, seed=seed)
    coder = Coder.of(vectors)
    words, _ = coder.codes(vectors)
    bits = (vectors - coder.mean) @ coder.axes > 0
    question = coder.ask(vectors[0])
    found = question.apart([words[: count // 3], words[:0], words[count // 3 :]])
    np.testing.assert_array_equal(found, (bits != bits[0]).sum(axis=1))
    assert words.shape == (count, bits_for(width) // 64)


def test_lengths_are_those_beside_the_mean(crowd):
    vectors, _ = crowd(300, 9, noise=1.0)
    coder = Coder.of(vectors)
    apart = np.linalg.norm(vectors.astype(float) - vectors.mean(axis=0), axis=1)
    np.testing.assert_allclose(coder.codes(vectors)[1] / 128, apart, atol=0.51 / 128)


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_what_is_more_similar_is_seldom_beyond_the_limit(crowd, shift):
    """Five in a thousand, as 2.5 standard deviations of a normal distribution say; and few that
    are much less similar are within it."""
    vectors, _ = crowd(4000, 80, d=128, noise=0.8, seed=1)
    vectors = vectors + np.float32(shift / np.sqrt(128))
    vectors = np.float32(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    coder = Coder.of(vectors)
    words, norms = coder.codes(vectors)
    passed, beyond, most = 0, 0, []
    for probe in vectors[:200]:
        question, sims = coder.ask(probe), vectors @ probe
        cut = float(np.partition(sims, -30)[-30])
        within = question.apart([words]) <= question.limits(cut)[norms]
        beyond += int((~within & (sims >= cut)).sum())
        passed += int((within & (sims >= cut)).sum())
        most.append(within.mean())
    assert beyond / passed < 0.01
    assert np.mean(most) < 0.05


def test_limits_at_both_ends(crowd):
    coder = Coder.of(crowd(50, 5)[0])
    question = coder.ask(crowd(1, 1)[0][0])
    assert (question.limits(-np.inf) == bits_for(32)).all()
    assert (question.limits(2.0) == 0).all()


def test_the_same_vectors_give_the_same_coder_and_none_give_one(crowd):
    vectors, _ = crowd(50, 5)
    np.testing.assert_array_equal(Coder.of(vectors).axes, Coder.of(vectors).axes)
    turned = Coder.of(vectors).axes[:, :32].astype(float)
    np.testing.assert_allclose(turned.T @ turned, np.eye(32), atol=1e-6)
    none = np.zeros((0, 0), np.float32)
    assert Coder.of(none).codes(none)[0].shape == (0, 2)
