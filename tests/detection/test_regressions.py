"""Pictures that other libraries' users reported as failing."""

import numpy as np
import pytest
from PIL import Image

from fusiform.core.pictures import read
from fusiform.detection.boxes import Pixels
from fusiform.detection.five import FivePoints
from fusiform.detection.load import load
from fusiform.detection.tiles import tiled
from fusiform.hub.store import locate


@pytest.fixture(params=["dlib-hog", "yunet-s"])
def detector(request, monkeypatch):
    if request.param.startswith("yunet"):
        monkeypatch.setenv("FUSIFORM_MODELS", str(request.getfixturevalue("public_models")))
    return load(locate(request.param), five=FivePoints(locate("dlib-points").data))


def enlarged(pixels: Pixels, width: int, height: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("name", ["obama_partial_face.jpg", "obama_partial_face2.jpg"])
def test_a_face_cut_by_the_border(detector, real, name):
    (faces,) = detector([read(real / "officials" / name)])
    assert len(faces) == 1


def test_twenty_megapixels(detector, real):
    huge = enlarged(read(real / "officials" / "obama-1080p.jpg"), 5962, 3354)
    (faces,) = detector([huge])
    assert len(faces) == 1
    assert faces.boxes[0, 2] < 5962


def test_upside_down_is_no_error(detector, real):
    picture = np.ascontiguousarray(read(real / "officials" / "biden.jpg")[::-1, ::-1])
    (faces,) = detector([picture])
    assert len(faces) <= 2
    assert (faces.scores <= 1).all()


def test_two_hundred_faces(detector, real):
    """A class photo of 200: tiles find nearly all of them, each once."""
    files = sorted((real / "orl").rglob("*.pgm"))
    rows = [np.hstack([read(f) for f in files[i : i + 20]]) for i in range(0, 200, 20)]
    sheet = np.vstack(rows)
    faces = tiled(detector, enlarged(sheet, 2 * sheet.shape[1], 2 * sheet.shape[0]), 960)
    places = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 // (184, 224)
    seen = {tuple(place) for place in places.tolist()}
    assert len(seen) >= 190
    assert len(faces) <= 206
