"""Landmarks as a quality: normalisation, sharpness, areas."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from fusiform.lab.papers.rec_lowres import fqa_landmark_rf as paper


@given(st.floats(0.2, 5), st.floats(-50, 50), st.integers(0, 1000))
def test_place_and_size_are_taken_out(factor: float, shift: float, seed: int):
    points = np.random.default_rng(seed).normal(0, 10, (3, 68, 2))
    scale = np.ones(3)
    one = paper.normalised(points, scale)
    other = paper.normalised(points * factor + shift, scale)
    assert one.shape == (3, 137)
    assert np.allclose(one[:, :-1], other[:, :-1])
    assert np.allclose(other[:, -1] - one[:, -1], np.log(factor))


def test_size_is_that_in_the_camera():
    points = np.random.default_rng(0).normal(0, 10, (2, 68, 2))
    small = paper.normalised(points, np.array([1.0, 0.5]))[:, -1]
    assert np.allclose(small, paper.normalised(points, np.ones(2))[:, -1] + np.log([1, 0.5]))


def test_laplacian_agrees_with_scipy():
    crops = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    theirs = [ndimage.laplace(c.mean(2))[1:-1, 1:-1].var() for c in crops]
    assert np.allclose(paper.laplacian(crops), theirs)


class Oracle:
    """A forest that says what it is given."""

    def predict(self, landmarks: np.ndarray) -> np.ndarray:
        return landmarks[:, 0]


def test_areas_of_the_best_quality_and_of_a_flat_one():
    genuine = np.linspace(0, 1, 100)
    test = paper.Seen(genuine[:, None], genuine, np.zeros(100), np.zeros(1))
    found = paper.areas(Oracle(), test, 0.2)
    assert found.random == 0.1  # a fifth is wrong, up to half is discarded
    assert np.isclose(found.laplacian, found.random)  # all alike: nothing can be told
    assert found.forest < 0.03


def test_the_forest_learns_what_landmarks_say():
    random = np.random.default_rng(2)
    landmarks = random.normal(size=(400, 5))
    known = paper.Seen(landmarks, landmarks[:, 1] ** 2, np.zeros(400), np.zeros(1))
    predicted = paper.forest([known], 0).predict(random.normal(size=(50, 5)))
    again = paper.forest([known], 0).predict(landmarks)
    assert predicted.shape == (50,)
    assert np.corrcoef(again, known.genuine)[0, 1] > 0.9
