"""Alignment against Umeyama's SVD, OpenCV's warp and dlib's own chips."""

import cv2
import dlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.align import (
    TEMPLATES,
    align,
    inverse,
    magnification,
    similarity,
    template,
    warp,
)
from fusiform.core.errors import ChoiceError
from fusiform.core.pictures import read
from fusiform.detection.five import FIVE, PADDING
from fusiform.hub.store import locate

ARCFACE = TEMPLATES["arcface112"].points


def umeyama(source, target):
    """The textbook form: Umeyama 1991, equations 34 to 43."""
    middle, target_middle = source.mean(0), target.mean(0)
    a, b = source - middle, target - target_middle
    u, d, vt = np.linalg.svd(b.T @ a / len(a))
    signs = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ signs @ vt
    scale = np.trace(np.diag(d) @ signs) / a.var(0).sum()
    return np.hstack([scale * rotation, (target_middle - scale * rotation @ middle)[:, None]])


@given(st.integers(0, 2**32 - 1))
def test_similarity_is_umeyamas(seed):
    points = np.random.default_rng(seed).normal(0, 50, (3, 5, 2))
    expected = [umeyama(p, ARCFACE) for p in points]
    assert np.allclose(similarity(points, ARCFACE), expected, atol=1e-6)


@given(st.floats(-180, 180), st.floats(0.1, 10), st.floats(-500, 500), st.floats(-500, 500))
def test_similarity_undoes_any_similarity(angle, scale, dx, dy):
    turn = np.deg2rad(angle)
    spin = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    moved = ARCFACE @ spin.T + (dx, dy)
    matrix = similarity(moved[None], ARCFACE)[0]
    assert np.allclose(moved @ matrix[:, :2].T + matrix[:, 2], ARCFACE, atol=1e-2)
    back = inverse(matrix)
    assert np.allclose(ARCFACE @ back[:, :2].T + back[:, 2], moved, atol=1e-1)
    assert magnification(moved[None], "arcface112")[0] == pytest.approx(1 / scale, rel=1e-4)


def test_warp_is_opencvs(rng):
    picture = cv2.GaussianBlur(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8), (9, 9), 3)
    back = np.array([[1.3, 0.4, 20.0], [-0.4, 1.3, 60.0]])
    # OpenCV counts from pixel centres at 0, fusiform has them at 0.5.
    shift = np.array([0.5, 0.5])
    theirs = np.hstack([back[:, :2], (back[:, :2] @ shift + back[:, 2] - shift)[:, None]])
    expected = cv2.warpAffine(
        picture, theirs, (112, 112), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    ours = warp(picture, back, 112).astype(int)
    inside = cv2.erode((expected.sum(2) > 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert np.abs(ours - expected)[inside].mean() < 1


def test_shrinking_averages_instead_of_aliasing():
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = warp(stripes, np.array([[4.0, 0, 0], [0, 4.0, 0]]), 112)
    assert np.abs(crop.astype(int) - 127).max() <= 1


def test_a_face_outside_or_without_extent_is_black(rng):
    picture = rng.integers(1, 256, (50, 50, 3), dtype=np.uint8)
    far = ARCFACE + 10_000
    assert not align(picture, np.stack([far, np.full((5, 2), 7.0)]), "arcface112").any()


def test_no_faces_no_crops(rng):
    picture = rng.integers(0, 256, (50, 50, 3), dtype=np.uint8)
    assert align(picture, np.zeros((0, 5, 2)), "dlib150").shape == (0, 150, 150, 3)


@pytest.mark.parametrize("size", [48, 64, 224])
def test_a_template_is_scaled_with_its_crop(rng, size):
    """The same region at another size: OpenCV resizes the one to the other."""
    picture = cv2.GaussianBlur(rng.integers(0, 256, (300, 300, 3), dtype=np.uint8), (0, 0), 6)
    points = ARCFACE[None] * 1.6 + 40
    crop = align(picture, points, "arcface112", size)
    assert crop.shape == (1, size, size, 3)
    large = align(picture, points, "arcface112")[0]
    expected = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(crop[0].astype(int) - expected).mean() < 1.5
    assert template("arcface112", size).points == pytest.approx(ARCFACE * size / 112)
    assert magnification(points, "arcface112", size)[0] == pytest.approx(size / 112 / 1.6, rel=1e-4)
    assert np.array_equal(align(picture, points, "arcface112", 112)[0], large)


def test_unknown_template():
    with pytest.raises(ChoiceError, match="arcface112"):
        align(np.zeros((9, 9, 3), np.uint8), np.zeros((0, 5, 2)), "oval")


def test_chips_are_dlibs(real):
    """The five-point chip of dlib's users, within rounding: mean difference below 2.5 levels."""
    picture = np.ascontiguousarray(read(real / "officials" / "obama-720p.jpg"))
    predictor = dlib.shape_predictor(str(locate("dlib-points").data))
    (box,) = dlib.get_frontal_face_detector()(picture, 0)
    marks = predictor(picture, box)
    theirs = dlib.get_face_chip(picture, marks, 150, PADDING).astype(int)
    points = np.array([[[p.x + 0.5, p.y + 0.5] for p in marks.parts()]])
    matrix = similarity(points, (FIVE + PADDING) / (2 * PADDING + 1) * 150)[0]
    assert np.abs(warp(picture, inverse(matrix), 150) - theirs).mean() < 2.5
