"""Rotations against SciPy, projection against OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry import camera as cameras
from fusiform.lab.geometry.camera import (
    euler,
    from_six,
    look_at,
    matrix,
    project,
    to_six,
    unproject,
)

angles = st.floats(-179, 179)
tilts = st.floats(-89, 89)
places = st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3)


def test_signs_of_head_angles() -> None:
    nose, crown = np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    assert (matrix(30, 0, 0) @ nose)[0] > 0.4  # to the subject's own left, +x
    assert (matrix(0, 30, 0) @ nose)[1] < -0.4  # down
    assert (matrix(0, 0, 30) @ crown)[0] < -0.4  # to the right shoulder


@given(angles, tilts, angles)
def test_matrix_is_scipys(yaw: float, pitch: float, roll: float) -> None:
    wanted = Rotation.from_euler("YXZ", [yaw, pitch, roll], degrees=True).as_matrix()
    np.testing.assert_allclose(matrix(yaw, pitch, roll), wanted, atol=1e-12)


@given(angles, tilts, angles)
def test_euler_undoes_matrix(yaw: float, pitch: float, roll: float) -> None:
    np.testing.assert_allclose(euler(matrix(yaw, pitch, roll)), (yaw, pitch, roll), atol=1e-6)


@pytest.mark.parametrize("pitch", [90, -90])
def test_euler_straight_up_and_down(pitch: float) -> None:
    turned = matrix(50, pitch, 20)
    assert euler(turned)[2] == 0
    np.testing.assert_allclose(matrix(*euler(turned)), turned, atol=1e-7)


@given(angles, tilts, angles)
def test_six_numbers_there_and_back(yaw: float, pitch: float, roll: float) -> None:
    turned = matrix(yaw, pitch, roll)
    np.testing.assert_allclose(from_six(to_six(turned)), turned, atol=1e-12)


def test_any_six_numbers_give_a_rotation() -> None:
    made = from_six(np.random.default_rng(0).normal(size=(50, 6)))
    np.testing.assert_allclose(
        made @ made.transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(made), 1)


def test_project_is_opencvs() -> None:
    camera = look_at((0.2, 0.3, 0.8), (0.01, 0, 0), 420.0, (320, 240), roll=12)
    points = np.random.default_rng(1).uniform(-0.2, 0.2, (100, 3))
    inner = np.array([[camera.focal, 0, 160], [0, camera.focal, 120], [0, 0, 1]])
    turn, _ = cv2.Rodrigues(camera.rotation.astype(np.float64))
    wanted, _ = cv2.projectPoints(points, turn, camera.shift.astype(np.float64), inner, None)
    pixels, depth = project(camera, points)
    np.testing.assert_allclose(pixels, wanted[:, 0], atol=1e-3)
    assert (depth > 0.4).all()


@given(places, st.floats(-60, 60))
def test_unproject_undoes_project(point: list[float], roll: float) -> None:
    camera = look_at((0.1, -0.2, 0.9), (0, 0, 0), 300.0, 128, roll=roll)
    pixels, depth = project(camera, [point])
    np.testing.assert_allclose(unproject(camera, pixels, depth), [point], atol=1e-6)


def test_look_at_centres_its_target_and_keeps_up_upright() -> None:
    eye, target = np.array([0.3, 0.1, 1.0]), np.array([0.0, 0.05, 0.0])
    camera = look_at(eye, target, 500, (200, 100))
    steps = np.array([[0, 0, 0], [0, 0.02, 0], [0.02, 0, 0]])
    pixels, depth = project(camera, target + steps)
    np.testing.assert_allclose(pixels[0], (100, 50), atol=1e-3)
    np.testing.assert_allclose(depth[0], np.linalg.norm(eye - target), rtol=1e-6)
    assert pixels[1, 1] < 50  # up in the picture
    assert pixels[2, 0] > 100  # the subject's left is at the right of the picture
    np.testing.assert_allclose(cameras.position(camera), eye, atol=1e-6)


def test_roll_turns_the_picture_counter_clockwise() -> None:
    camera = look_at((0, 0, 1), (0, 0, 0), 500, 100, roll=20)
    pixels, _ = project(camera, [[0, 0.05, 0]])
    assert pixels[0, 0] < 50  # what was at the top leans left


def test_portrait_spans_what_it_says() -> None:
    camera = cameras.portrait(0.7, 0.3, 256, (0, -0.01, 0.02))
    pixels, depth = project(camera, [[-0.15, -0.01, 0.02], [0.15, -0.01, 0.02], [0, 0.14, 0.02]])
    np.testing.assert_allclose(pixels, [[0, 128], [256, 128], [128, 0]], atol=1e-3)
    np.testing.assert_allclose(depth, 0.7, rtol=1e-6)


@pytest.mark.parametrize("target", [(0.0, 0.0, 1.0), (0.0, -2.0, 1.0)])
def test_no_view_without_a_direction(target: tuple[float, float, float]) -> None:
    with pytest.raises(ChoiceError, match="look_at"):
        look_at((0, 0, 1), target, 100, 10)
