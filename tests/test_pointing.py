"""A drawn box is as good as a found face."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform import verbs
from fusiform.core.errors import ChoiceError
from fusiform.core.pictures import read
from fusiform.detection.five import expected
from fusiform.pointing import face_at


def test_a_rough_box_gives_the_embedding_of_the_find(album):
    models = verbs.models("dlib-hog")
    picture = album / "grace_hopper.jpg"
    found = verbs.embed(picture, detector="dlib-hog")
    x1, y1, x2, y2 = found.boxes[0].tolist()
    side = x2 - x1
    rough = (x1 - 0.15 * side, y1 + 0.1 * side, x2 + 0.05 * side, y2 + 0.2 * side)
    told = face_at(picture, rough, models)
    assert told.faces.embeddings is not None
    assert float(told.faces.embeddings[0] @ found.embeddings[0]) > 0.98
    np.testing.assert_allclose(told.faces.boxes[0], rough, atol=1e-3)
    assert told.faces.quality[0] > 0.5
    assert len(told.crops) == 1


def test_where_nothing_is_found_the_points_lie_as_in_an_upright_face(album):
    models = verbs.models("dlib-hog")
    picture = np.full((200, 300, 3), 127, np.uint8)
    told = face_at(picture, (100, 50, 180, 130), models)
    points = told.faces.points[0]
    np.testing.assert_array_equal(points, expected(np.array([100, 50, 180, 130], np.float32)))
    assert points[1, 0] > points[0, 0]
    assert (points[3:, 1] > points[:2, 1]).all()


def test_expected_points_are_where_detectors_find_them(album):
    for name in ("grace_hopper.jpg", "eileen_collins.jpg"):
        found = verbs.detect(read(album / name), detector="dlib-hog")
        side = found.boxes[0][2] - found.boxes[0][0]
        guess = expected(found.boxes[0])
        assert np.abs(guess - found.points[0]).max() < 0.2 * side


@pytest.mark.parametrize(
    "box", [(-5, 0, 50, 50), (0, 0, 9999, 50), (50, 50, 50, 90), (60, 9, 50, 90)]
)
def test_boxes_outside_or_of_no_size_are_refused(album, box):
    with pytest.raises(ChoiceError, match="box must be x1 y1 x2 y2 within"):
        face_at(album / "grace_hopper.jpg", box, verbs.models("dlib-hog"))
