"""What holds of every detector."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from fusiform.core.pictures import read
from fusiform.detection.five import FivePoints
from fusiform.detection.load import load
from fusiform.detection.tiles import starts, tiled
from fusiform.hub.store import locate

DETECTORS = ["dlib-hog", "yunet-s"]


@pytest.fixture(params=DETECTORS)
def detector(request, monkeypatch):
    if request.param.startswith("yunet"):
        folder = request.getfixturevalue("public_models")
        monkeypatch.setenv("FUSIFORM_MODELS", str(folder))
    return load(locate(request.param), five=FivePoints(locate("dlib-points").data))


@pytest.fixture
def portrait(real):
    return read(real / "officials" / "obama-720p.jpg")


def test_nothing_in_nothing_out(detector):
    assert detector([]) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (64, 64), (777, 501)])
def test_no_face_is_an_empty_answer(detector, shape):
    (faces,) = detector([np.full((*shape, 3), 120, np.uint8)])
    assert len(faces) == 0
    assert faces.detector == detector.name


def test_one_face(detector, portrait):
    (faces,) = detector([portrait])
    assert len(faces) == 1
    x1, y1, x2, y2 = faces.boxes[0]
    left_eye, right_eye, nose, left_mouth, right_mouth = faces.points[0]
    assert 0 <= x1 < left_eye[0] < nose[0] < right_eye[0] < x2 <= portrait.shape[1]
    assert 0 <= y1 < left_eye[1] < nose[1] < left_mouth[1] < y2 <= portrait.shape[0]
    assert left_mouth[0] < right_mouth[0]
    assert 0.5 < faces.scores[0] <= 1


def test_inputs_stay_as_they_were(detector, portrait):
    frozen = portrait.copy()
    frozen.flags.writeable = False
    before = frozen.copy()
    detector([frozen])
    assert (frozen == before).all()


def test_same_answers_every_time_and_in_eight_threads(detector, portrait):
    (alone,) = detector([portrait])
    with ThreadPoolExecutor(8) as pool:
        for (faces,) in pool.map(detector, [[portrait]] * 24):
            assert np.array_equal(faces.boxes, alone.boxes)
            assert np.array_equal(faces.points, alone.points)


def test_no_score_under_the_minimum(detector, real):
    picture = read(real / "officials" / "obama_and_biden.jpg")
    (faces,) = detector([picture], minimum=0.6)
    assert (faces.scores >= 0.6).all()
    assert (np.diff(faces.scores) <= 0).all()
    assert len(detector([picture], minimum=0.9999)[0]) == 0


def test_one_face_fills_the_frame(detector, real):
    picture = read(real / "orl" / "s1" / "1.pgm")
    assert len(detector([picture])[0]) == 1


def test_many_faces(detector, real):
    """Forty faces on one sheet, each found once."""
    files = sorted((real / "orl").rglob("1.pgm"))
    rows = [np.hstack([read(f) for f in files[i : i + 5]]) for i in range(0, 20, 5)]
    sheet = np.vstack(rows)
    (faces,) = detector([np.repeat(np.repeat(sheet, 2, 0), 2, 1)])
    middles = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 // (184, 224)
    assert len(faces) >= 18
    assert len({tuple(m) for m in middles}) == len(faces)


def test_tiles_find_small_faces_once(detector, portrait):
    """The 720p portrait shrunk into a corner of a huge picture, away from every tile's middle."""
    huge = np.full((2600, 3900, 3), 90, np.uint8)
    small = portrait[::2, ::2]
    huge[100 : 100 + small.shape[0], 500 : 500 + small.shape[1]] = small
    huge[2200 : 2200 + small.shape[0], 3200 : 3200 + small.shape[1]] = small
    faces = tiled(detector, huge, 640)
    (alone,) = detector([small])
    assert len(faces) == 2
    offsets = np.array([[500, 100], [3200, 2200]])
    found = faces.boxes[np.argsort(faces.boxes[:, 0]), :2] - offsets
    assert np.abs(found - alone.boxes[0, :2]).max() < 20


def test_tiles_cover_everything():
    for length in (1, 640, 641, 960, 961, 5000):
        begin = starts(length, 640)
        assert begin[0] == 0
        assert begin[-1] + 640 >= length
        assert all(b - a <= 320 for a, b in pairwise(begin))
