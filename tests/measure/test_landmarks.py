from __future__ import annotations

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.measure.landmarks import inter_ocular, nme


def faces(seed: int, n: int = 4, k: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 100, (n, k, 2))


def test_nme_literally():
    ours, truth, norm = faces(1), faces(2), np.array([1.0, 2.0, 3.0, 4.0])
    expected = []
    for face in range(4):
        apart = [np.hypot(*(ours[face, p] - truth[face, p])) for p in range(5)]
        expected.append(sum(apart) / 5 / norm[face])
    np.testing.assert_allclose(nme(ours, truth, norm), expected)


def test_nme_does_not_depend_on_scale_or_place():
    ours, truth = faces(1), faces(2)
    plain = nme(ours, truth, inter_ocular(truth))
    np.testing.assert_allclose(plain, nme(3 * ours + 7, 3 * truth + 7, 3 * inter_ocular(truth)))
    np.testing.assert_array_equal(nme(truth, truth, inter_ocular(truth)), 0)


def test_one_point_off_by_the_eye_distance_is_one_kth():
    truth = np.array([[[0, 0], [10, 0], [5, 5], [2, 8], [8, 8]]])
    moved = truth + np.array([[[0, 10], [0, 0], [0, 0], [0, 0], [0, 0]]])
    assert nme(moved, truth, inter_ocular(truth)) == pytest.approx([1 / 5])


def test_inter_ocular_takes_means_of_the_named_points():
    points = np.array([[[0.0, 0], [2, 0], [6, 3], [4, 5]]])
    assert inter_ocular(points, left=(0, 1), right=(2, 3)) == pytest.approx([np.hypot(4, 4)])


def test_no_faces_give_no_errors():
    assert nme(np.zeros((0, 5, 2)), np.zeros((0, 5, 2)), []).shape == (0,)


@pytest.mark.parametrize(
    ("ours", "truth", "norm"),
    [
        (faces(1), faces(1, k=4), np.ones(4)),
        (faces(1), faces(1), 1.0),
        (faces(1), faces(1), [0] * 4),
    ],
)
def test_bad_input_is_named(ours, truth, norm):
    with pytest.raises(ChoiceError, match="must be"):
        nme(ours, truth, norm)
