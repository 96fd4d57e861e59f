from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Faces
from fusiform.measure.boxes import average_precision, iou, matched, recall_at

whole_boxes = st.lists(
    st.tuples(*[st.integers(0, 6)] * 4).map(
        lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
    ),
    max_size=6,
)


def faces(boxes, scores) -> Faces:
    n = len(boxes)
    return Faces(np.array(boxes, float).reshape(n, 4), np.array(scores), np.zeros((n, 5, 2)))


def pixels(box) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@given(whole_boxes, whole_boxes)
def test_iou_counts_pixels(a, b):
    found = iou(a, b)
    assert found.shape == (len(a), len(b))
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            union = pixels(one) | pixels(other)
            share = len(pixels(one) & pixels(other)) / len(union) if union else 0
            assert found[i, j] == pytest.approx(share)


@given(whole_boxes, whole_boxes)
def test_iou_is_symmetric(a, b):
    np.testing.assert_array_equal(iou(a, b), iou(b, a).T)


def pictures(seed: int, count: int = 12):
    """True boxes far apart; found ones are some of them, shaken, and some beside any face."""
    random = np.random.default_rng(seed)
    found, truth = [], []
    for _ in range(count):
        corner = 100 * np.arange(random.integers(0, 5))[:, None] + np.zeros((1, 2))
        true = np.hstack([corner, corner + 40])
        seen = true[random.random(len(true)) < 0.8] + random.normal(0, 6, 4)
        wrong = np.array([[0, 500, 40, 540]] * random.integers(0, 3)).reshape(-1, 4)
        boxes = np.vstack([seen, wrong])
        found.append(faces(boxes, np.round(random.random(len(boxes)), 1)))
        truth.append(true)
    return found, truth


def slow_average_precision(found, truth, overlap):
    """Area under the best precision reachable at each recall, threshold by threshold."""
    total = sum(map(len, truth))
    points = []
    for threshold in sorted({float(s) for f in found for s in f.scores}):
        right = kept = 0
        for f, true in zip(found, truth, strict=True):
            free = [list(box) for box in true]
            for i in sorted(range(len(f)), key=lambda i: -f.scores[i]):
                if f.scores[i] < threshold:
                    continue
                kept += 1
                covers = [iou([f.boxes[i]], [box])[0, 0] for box in free]
                if covers and max(covers) >= overlap:
                    right += 1
                    free.pop(int(np.argmax(covers)))
        points.append((right / total, right / kept))
    area, last = 0.0, 0.0
    for recall, _ in sorted(points):
        area += (recall - last) * max(p for r, p in points if r >= recall)
        last = recall
    return area


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.7])
def test_average_precision_literally(seed, overlap):
    found, truth = pictures(seed)
    expected = slow_average_precision(found, truth, overlap)
    assert average_precision(found, truth, overlap) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(4))
def test_order_of_pictures_does_not_matter(seed):
    found, truth = pictures(seed)
    order = np.random.default_rng(seed).permutation(len(found))
    shuffled = [found[i] for i in order], [truth[i] for i in order]
    assert average_precision(*shuffled) == pytest.approx(average_precision(found, truth))


def test_average_precision_bounds_that_of_scikit_learn():
    # Without interpolation the area can only be smaller; they meet where precision never rises.
    box = [[0, 0, 10, 10]]
    beside = [[50, 50, 60, 60]]
    for right in [(1, 0, 1, 1), (1, 1, 0, 0)]:
        scores = (0.9, 0.8, 0.7, 0.6)
        found = [faces(box if r else beside, [s]) for r, s in zip(right, scores, strict=True)]
        truth = [np.array(box) if r else np.zeros((0, 4)) for r in right]
        theirs = average_precision_score(right, scores)
        ours = average_precision(found, truth)
        assert ours == pytest.approx(theirs) if right[1] else ours > theirs


def test_a_second_box_on_one_face_is_wrong_whatever_the_order():
    twice = faces([[1, 0, 10, 10], [0, 0, 10, 10]], [0.6, 0.9])
    assert matched(twice, [[0, 0, 10, 10]]).tolist() == [False, True]


def test_recall_counts_by_score_and_overlap():
    found = [faces([[0, 0, 10, 10], [20, 0, 30, 10]], [0.9, 0.4]), faces([], [])]
    truth = [np.array([[0, 0, 10, 10], [20, 0, 30, 14]]), np.array([[5, 5, 9, 9]])]
    assert recall_at(found, truth) == pytest.approx(2 / 3)
    assert recall_at(found, truth, minimum_score=0.5) == pytest.approx(1 / 3)
    assert recall_at(found, truth, overlap=0.8) == pytest.approx(1 / 3)


def test_nothing_found_is_zero():
    assert average_precision([faces([], [])], [[[0, 0, 1, 1]]]) == 0
    assert recall_at([faces([], [])], [[[0, 0, 1, 1]]]) == 0


@pytest.mark.parametrize("measure", [recall_at, average_precision])
def test_bad_input_is_named(measure):
    with pytest.raises(ChoiceError, match="found must be"):
        measure([], [[[0, 0, 1, 1]]])
    with pytest.raises(ChoiceError, match="truth must be"):
        measure([Faces.empty()], [[]])
