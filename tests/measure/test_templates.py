from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize

from fusiform.core.errors import ChoiceError
from fusiform.measure import templates as t
from fusiform.measure.tar_table import tar_table


def world(seed: int, n: int = 40):
    random = np.random.default_rng(seed)
    faces = normalize(random.normal(size=(n, 5)))
    return faces, random.integers(100, 106, n), random.integers(0, 4, n), random.random(n)


def literal(faces, template, medium, weight):
    """Weighted means by numpy's own average, first of the frames, then of the media."""
    vectors = []
    for name in np.unique(template):
        means, worth = [], []
        for source in np.unique(medium[template == name]):
            rows = (template == name) & (medium == source)
            means.append(np.average(faces[rows], axis=0, weights=weight[rows]))
            worth.append(weight[rows].mean())
        vectors.append(np.average(means, axis=0, weights=worth))
    return normalize(np.array(vectors))


@pytest.mark.parametrize("seed", range(5))
def test_pooling_is_literal(seed):
    faces, template, medium, weight = world(seed)
    plain, weighed = t.pooled(faces, template, medium), t.pooled(faces, template, medium, weight)
    assert plain.ids.tolist() == np.unique(template).tolist()
    ones = np.ones(len(faces))
    np.testing.assert_allclose(plain.vectors, literal(faces, template, medium, ones))
    np.testing.assert_allclose(weighed.vectors, literal(faces, template, medium, weight))


@given(st.integers(0, 50), st.sampled_from([0.5, 1, 8]))
def test_neither_order_nor_names_nor_equal_weights_matter(seed, scale):
    faces, template, medium, _ = world(seed)
    order = np.random.default_rng(seed).permutation(len(faces))
    names = np.array(["still 1", "film 2", "film 1", "still 2"])[medium]
    one = t.pooled(faces, template, medium)
    other = t.pooled(faces[order], template[order], names[order], np.full(len(faces), scale))
    np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-12)


def test_a_long_video_does_not_outweigh_a_still():
    faces = np.array([[1.0, 0]] + [[0.0, 1]] * 99)
    found = t.pooled(faces, ["a"] * 100, [0] + [1] * 99)
    np.testing.assert_allclose(found.vectors, [[0.5**0.5, 0.5**0.5]])


def test_faces_and_media_that_weigh_nothing_are_left_out():
    faces = np.eye(3)
    found = t.pooled(faces, [1, 1, 1], [0, 1, 1], [0, 1, 0])
    np.testing.assert_allclose(found.vectors, [[0, 1, 0]])


def test_a_lone_face_is_its_own_template_in_its_own_precision():
    faces = normalize(np.random.default_rng(1).normal(size=(4, 6))).astype(np.float32)
    found = t.pooled(faces, [3, 2, 1, 0], [0, 0, 0, 0])
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(found.vectors, faces[::-1], rtol=1e-6)


def test_similarities_of_pairs_are_cosines(monkeypatch):
    monkeypatch.setattr(t, "_PAIRS", 7)
    found = t.pooled(*world(6)[:3])
    place = np.random.default_rng(7).integers(len(found.ids), size=(30, 2))
    cosine = cosine_similarity(found.vectors)[place[:, 0], place[:, 1]]
    np.testing.assert_allclose(t.template_similarity(found, found.ids[place]), cosine)


def test_table_is_that_of_the_pairs():
    found = t.pooled(*world(8)[:3])
    first, second = np.triu_indices(len(found.ids), k=1)
    pairs, same = found.ids[np.stack([first, second], axis=1)], np.arange(len(first)) % 3 == 0
    cosine = t.template_similarity(found, pairs)
    ours = t.template_tar_table(found, pairs, same, [0.1, 0.5])
    assert [row.resolved for row in ours] == [True, True]
    assert ours == tar_table(cosine[same], cosine[~same], [0.1, 0.5])


ONE = t.Templates(np.array([4, 6]), np.eye(2))


@pytest.mark.parametrize(
    "call",
    [
        lambda: t.pooled(np.zeros((0, 2)), [], []),
        lambda: t.pooled([[np.nan, 1.0]], [0], [0]),
        lambda: t.pooled(np.eye(2), [0], [0, 0]),
        lambda: t.pooled(np.eye(2), [0, 0], [0]),
        lambda: t.pooled(np.eye(2), [0, 0], [0, 0], [1, -1]),
        lambda: t.pooled(np.eye(2), [0, 0], [0, 0], [1]),
        lambda: t.pooled([[1.0, 0], [-1, 0]], [5, 5], [0, 1]),
        lambda: t.template_similarity(ONE, [[4, 5]]),
        lambda: t.template_similarity(ONE, [[4, 7]]),
        lambda: t.template_similarity(ONE, np.zeros((0, 2), int)),
        lambda: t.template_similarity(ONE, [4, 6]),
        lambda: t.template_tar_table(ONE, [[4, 6]], [True, False]),
        lambda: t.template_tar_table(ONE, [[4, 6]], [1]),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ChoiceError, match="must be"):
        call()


def test_the_template_without_a_direction_is_named():
    with pytest.raises(ChoiceError, match=r"Got .*5"):
        t.pooled([[1.0, 0], [-1, 0], [1, 0]], [5, 5, 6], [0, 1, 2])
