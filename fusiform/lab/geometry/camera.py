"""Rotations, and the pinhole that maps the world to pixels.

Angles are degrees and right-handed about the world axes (x to the subject's left, y up, z out of
the face): yaw > 0 turns the face to its own left, pitch > 0 bends it down (the nose towards the
chest), roll > 0 tips the crown to the subject's right shoulder. A head pose is
`Ry(yaw) @ Rx(pitch) @ Rz(roll)`: rolled first, then pitched, then turned.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.brdf import cross
from fusiform.lab.geometry.scene import Camera

Doubles = NDArray[np.float64]


def matrix(yaw: float, pitch: float, roll: float) -> Doubles:
    """The rotation (3, 3) float64 of a head pose, degrees; see the module for signs and order."""
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    about_y = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    about_x = [[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]]
    about_z = [[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]]
    turn: Doubles = np.array(about_y) @ np.array(about_x) @ np.array(about_z)
    return turn


def euler(rotation: ArrayLike) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a rotation (3, 3): `matrix` undone.

    Yaw and roll lie in -180..180, pitch in -90..90. Where the face looks straight up or down the
    two others turn about one axis; roll is then called 0.
    """
    r = np.asarray(rotation, np.float64)
    sine = float(np.clip(-r[1, 2], -1, 1))
    if 1 - abs(sine) < 1e-12:
        yaw = math.atan2(-r[2, 0], r[0, 0])
        return math.degrees(yaw), math.copysign(90, sine), 0.0
    yaw, roll = math.atan2(r[0, 2], r[2, 2]), math.atan2(r[1, 0], r[1, 1])
    return math.degrees(yaw), math.degrees(math.asin(sine)), math.degrees(roll)


def to_six(rotation: ArrayLike) -> Doubles:
    """The first two columns of rotations (..., 3, 3), laid out as (..., 6).

    A continuous way to write rotations (Zhou et al. 2019, "On the Continuity of Rotation
    Representations in Neural Networks", eq. 15).
    """
    r = np.asarray(rotation, np.float64)
    return np.concatenate([r[..., 0], r[..., 1]], -1)


def from_six(six: ArrayLike) -> Doubles:
    """Rotations (..., 3, 3) from any six numbers (..., 6), by Gram-Schmidt (Zhou et al., eq. 16).

    The two triples must be neither 0 nor parallel.
    """
    six = np.asarray(six, np.float64)
    first = six[..., :3] / np.linalg.norm(six[..., :3], axis=-1, keepdims=True)
    second = six[..., 3:] - (first * six[..., 3:]).sum(-1, keepdims=True) * first
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], -1)


def look_at(
    eye: ArrayLike,
    target: ArrayLike,
    focal: float,
    size: int | tuple[int, int],
    up: ArrayLike = (0.0, 1.0, 0.0),
    roll: float = 0.0,
) -> Camera:
    """A camera at `eye` (3,) that sees `target` (3,) in the middle of its picture.

    `focal` in pixels; `size`: the side of a square picture or (width, height); `up` points up in
    the picture; `roll` degrees turns the camera about its axis, so that the picture's content
    turns counter-clockwise for roll > 0.

    Raises ChoiceError if `eye` is `target` or the camera looks along `up`.
    """
    eye, target = np.asarray(eye, np.float64), np.asarray(target, np.float64)
    forward = target - eye
    right = np.array(cross(tuple(forward), tuple(np.asarray(up, np.float64))))
    if np.linalg.norm(right) < 1e-9 * max(1.0, float(np.linalg.norm(forward))):
        raise ChoiceError("look_at", "an eye away from its target, not looking along `up`", eye)
    forward, right = forward / np.linalg.norm(forward), right / np.linalg.norm(right)
    rotation = np.stack([right, cross(tuple(forward), tuple(right)), forward])
    turn = math.radians(roll)
    cos, sin = math.cos(turn), math.sin(turn)
    rotation = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ rotation
    width, height = (size, size) if isinstance(size, int) else size
    shift = (-rotation @ eye).astype(np.float32)
    centre = (width / 2, height / 2)
    return Camera(float(focal), centre, rotation.astype(np.float32), shift, width, height)


def portrait(
    distance: float, span: float, size: int, target: ArrayLike = (0.0, -0.01, 0.0)
) -> Camera:
    """A level camera `distance` metres in front of `target`, whose square picture of `size` pixels
    spans `span` metres at the target's depth."""
    x, y, z = np.asarray(target, np.float64)
    return look_at((x, y, z + distance), (x, y, z), size * distance / span, size)


def position(camera: Camera) -> Doubles:
    """Where the camera stands: (3,) world, metres."""
    return -camera.rotation.astype(np.float64).T @ camera.shift.astype(np.float64)


def project(camera: Camera, points: ArrayLike) -> tuple[Doubles, Doubles]:
    """Pixels (k, 2) and camera depth (k,) in metres, of world points (k, 3).

    Points behind the camera have depth <= 0 and meaningless pixels.
    """
    seen = np.asarray(points, np.float64) @ camera.rotation.astype(np.float64).T
    seen = seen + camera.shift.astype(np.float64)
    depth = seen[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = camera.focal * seen[:, :2] / depth[:, None] + np.asarray(camera.centre)
    return pixels, depth


def unproject(camera: Camera, pixels: ArrayLike, depth: ArrayLike) -> Doubles:
    """World points (k, 3) at `pixels` (k, 2) and camera `depth` (k,): `project` undone."""
    z = np.asarray(depth, np.float64)[:, None]
    xy = (np.asarray(pixels, np.float64) - np.asarray(camera.centre)) / camera.focal * z
    seen = np.concatenate([xy, z], 1) - camera.shift.astype(np.float64)
    return seen @ camera.rotation.astype(np.float64)
