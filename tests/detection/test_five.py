"""dlib's five points: carried and refined."""

import dlib
import numpy as np
import pytest

from fusiform.core.align import similarity, template
from fusiform.core.pictures import read
from fusiform.detection.five import FIVE, PADDING, FivePoints, carried
from fusiform.detection.hog import again
from fusiform.detection.load import load
from fusiform.hub.store import locate

CHIP = template("dlib150")


@pytest.fixture(scope="module")
def five():
    return FivePoints(locate("dlib-points").data)


def test_carried_points_align_as_the_marks_do(rng):
    marks = rng.normal(0, 40, (6, 5, 2)).astype(np.float32)
    target = (FIVE + PADDING) / (2 * PADDING + 1) * CHIP.size
    expected = similarity(marks, target)
    assert np.allclose(similarity(carried(marks), CHIP.points), expected, rtol=1e-3, atol=1e-2)


def test_marks_are_dlibs(five, real):
    picture = np.ascontiguousarray(read(real / "officials" / "obama-240p.jpg"))
    (box,) = dlib.get_frontal_face_detector()(picture, 0)
    theirs = dlib.shape_predictor(str(five.path))(picture, box).parts()
    assert np.allclose(five.marks(picture, box), [[p.x + 0.5, p.y + 0.5] for p in theirs])


def test_refining_brings_any_points_to_dlibs_alignment(five, real, rng):
    """From HOG's points shaken by 4 % of the face, refining leads back to within 2 %."""
    picture = read(real / "officials" / "obama-720p.jpg")
    (faces,) = load(locate("dlib-hog"), five=five)([picture])
    side = faces.boxes[0, 2] - faces.boxes[0, 0]
    shaken = faces.points + rng.normal(0, 0.04 * side, (1, 5, 2)).astype(np.float32)
    refined = five.refine(picture, shaken)
    off = np.abs(refined - faces.points).max()
    assert off < 0.03 * side
    assert off < np.abs(shaken - faces.points).max()


def test_no_faces(five):
    nothing = np.zeros((0, 5, 2), np.float32)
    assert five.refine(np.zeros((9, 9, 3), np.uint8), nothing).shape == (0, 5, 2)


def test_a_second_look_tells_a_face_from_a_ghost(real):
    detector = dlib.get_frontal_face_detector()
    picture = read(real / "officials" / "obama-720p.jpg")
    (box,) = detector(np.ascontiguousarray(picture), 0)
    face = np.array([box.left(), box.top(), box.right(), box.bottom()], np.float32)
    assert again(detector, picture, face) > 1
    assert again(detector, picture, face + 300) < 0
