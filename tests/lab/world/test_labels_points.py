"""The truth about points and gaze: they lie where the scene puts them, and are seen or not.

How landmarks are found again in the buffers: `triangle` and `barycentric` give the point of the
posed skin that each pixel's centre shows. Those of the four pixels around a visible landmark are
a nearly flat patch; least squares gives it as a linear function of the place in the picture,
solved for the place where it comes closest to the landmark. That must be the labelled one.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.lab.geometry.camera import project
from fusiform.lab.geometry.head import at, load_head
from fusiform.lab.geometry.render import render
from fusiform.lab.geometry.scene import Frame, Label
from fusiform.lab.world.compose import Composed, compose
from fusiform.lab.world.expressions import vector
from fusiform.lab.world.eyes import BULGE
from fusiform.lab.world.glasses import Glasses
from fusiform.lab.world.hands import Occluder
from fusiform.lab.world.hats import Hat
from fusiform.lab.world.labels import (
    FIVE,
    IRIS_ROWS,
    PUPIL_ROWS,
    Photo,
    angles,
    developed,
)
from fusiform.lab.world.masks import Mask
from fusiform.lab.world.person import Person, founder
from fusiform.lab.world.shot import Shot
from fusiform.lab.world.traits import Traits

SETS = ("5", "68", "106", "478")
SIZE = 128
YAWS = (-60, -30, 0, 20, 45, 60)
EYES = {0: "left eye", 1: "right eye"}


class Taken(NamedTuple):
    made: Composed
    frame: Frame
    photo: Photo


@cache
def sitter() -> Person:
    """Somebody whose face nothing hides."""
    person = founder(6, 1, Traits((0.1, 0.2, 0.7), 0.0, 33.0))
    return person.with_makeup(None).with_hair("buzz").wearing(glasses=None)


def take(person: Person, shot: Shot) -> Taken:
    made = compose(person, shot)
    frame = render(made.scene, 2)
    return Taken(made, frame, developed(made, frame))


@cache
def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Taken:
    shot = Shot(SIZE, bearing=(yaw, pitch, roll), expression=vector({"jawOpen": 0.2}))
    return take(sitter(), shot)


@cache
def wearing(**items: object) -> Taken:
    """The calm sitter from the front, with such things on."""
    return take(sitter().wearing(**items), Shot(SIZE))


def skin_points(taken) -> np.ndarray:
    """(h, w, 3): world point of the posed skin at each pixel, from triangle and barycentric; nan
    elsewhere."""
    arrays, head = taken.photo.arrays, load_head()
    corners = taken.made.posed.vertices.astype(float)[head.triangles[arrays["triangle"]]]
    points = (corners * arrays["barycentric"][..., None]).sum(axis=2)
    return np.where(arrays["triangle"][..., None] >= 0, points, np.nan)


def seen_rows(taken, name: str) -> np.ndarray:
    return np.nonzero(taken.photo.arrays[f"points{name}_seen"])[0]


# Points


@pytest.mark.parametrize("yaw", YAWS)
def test_3d_points_land_on_their_pixels(yaw):
    """By the pinhole formula, and by the (3, 4) matrix from world points."""
    taken = turned(yaw, 10, -15)
    camera, arrays = taken.made.scene.camera, taken.photo.arrays
    for name in SETS:
        x, y, z = arrays[f"points{name}_3d"].T.astype(float)
        landed = camera.focal * np.stack([x, y]) / z + np.array(camera.centre)[:, None]
        assert np.allclose(landed.T, arrays[f"points{name}"], atol=2e-3)
        world = (arrays[f"points{name}_3d"] - camera.shift) @ camera.rotation
        ends = np.c_[world, np.ones(len(world))] @ arrays["camera"].T
        assert np.allclose(ends[:, :2] / ends[:, 2:], arrays[f"points{name}"], atol=2e-3)


@pytest.mark.parametrize("yaw", YAWS)
def test_landmarks_are_found_again_in_the_buffers(yaw):
    """See the module; for 95 % of the visible ones with skin around them, within 0.25 pixels."""
    taken = turned(yaw)
    skin, arrays, camera = skin_points(taken), taken.photo.arrays, taken.made.scene.camera
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    off = []
    rows = [row for row in seen_rows(taken, "478") if row < 468]
    for row in rows:
        pixel = arrays["points478"][row].astype(float)
        cells = np.floor(pixel - 0.5).astype(int) + corners
        patch = skin[cells[:, 1], cells[:, 0]]
        whole = np.isfinite(patch[:, 0])
        if whole.sum() < 3 or np.ptp(patch[whole] @ camera.rotation[2]) > 0.01:
            continue  # too little skin, or a contour runs through
        places = np.c_[cells + 0.5, np.ones(4)]
        plane = np.linalg.lstsq(places[whole], patch[whole], rcond=None)[0]
        point = (arrays["points478_3d"][row] - camera.shift) @ camera.rotation
        found = np.linalg.lstsq(plane[:2].T, point - plane[2], rcond=None)[0]
        off.append(np.linalg.norm(found - pixel))
    assert len(off) > 0.5 * len(rows)
    assert np.mean(np.array(off) < 0.25) >= 0.95


@pytest.mark.parametrize("yaw", YAWS)
def test_landmarks_that_a_pixel_shows_are_where_it_shows_them(yaw):
    """Exactly: where a pixel shows the landmark's own triangle, both have one place in common: the
    plane of the triangle, on which the pixel's centre and landmark lie as far apart as labelled."""
    taken, head = turned(yaw), load_head()
    arrays, points = taken.photo.arrays, head.landmarks["478"]
    x, y = arrays["points478"].astype(int).T
    inside = (np.minimum(x, y) >= 0) & (np.maximum(x, y) < SIZE)
    shown = np.zeros(478, bool)
    shown[inside] = (arrays["triangle"][y[inside], x[inside]] == points.triangle[inside]) & (
        np.arange(478) < 468
    )[inside]
    assert shown.sum() > 15
    assert arrays["points478_seen"][shown].all()
    corners = taken.made.posed.vertices[head.triangles[points.triangle[shown]]]
    pixels, depth = project(taken.made.scene.camera, corners.reshape(-1, 3))
    pixels, depth = pixels.reshape(-1, 3, 2), depth.reshape(-1, 3)
    for weights, wanted in (
        (points.weights[shown], arrays["points478"][shown]),
        (arrays["barycentric"][y[shown], x[shown]], np.stack([x, y], 1)[shown] + 0.5),
    ):
        share = weights * depth  # perspective: places weighed by depth
        landed = (pixels * share[..., None]).sum(axis=1) / share.sum(axis=1, keepdims=True)
        assert np.allclose(landed, wanted, atol=0.02)


def test_five_points_are_means_of_the_68():
    arrays = turned(20).photo.arrays
    wanted = [arrays["points68_3d"][a:b].mean(axis=0) for a, b in FIVE]
    assert np.allclose(arrays["points5_3d"], wanted, atol=1e-6)
    front = wearing().photo.arrays["points5"]
    assert front[0, 0] < front[2, 0] < front[1, 0]  # eye on the left of the picture first
    assert front[3, 0] < front[4, 0]
    assert front[0, 1] < front[2, 1] < front[3, 1]


def test_irises_lie_on_the_eyeballs():
    taken = take(sitter(), Shot(SIZE, gaze=(15.0, 5.0), bearing=(10.0, 0.0, 0.0)))
    camera, points = taken.made.scene.camera, taken.photo.arrays["points478_3d"]
    head, radius = load_head(), sitter().eyes.diameter / 2
    for side, first in IRIS_ROWS.items():
        own = (points[first : first + 5] - camera.shift) @ camera.rotation
        away = np.linalg.norm(own - taken.made.posed.eyes[side], axis=1)
        assert away[0] == pytest.approx(head.eye_radius + BULGE, abs=1e-5)
        assert np.allclose(away[1:], head.eye_radius, atol=1e-5)
        ring = own[1:] - own[1:].mean(axis=0)
        assert np.allclose(np.linalg.norm(ring, axis=1), radius, atol=1e-5)
        outward = own[1, 0] - own[3, 0]
        assert outward > 0 if side == 0 else outward < 0
        assert own[2, 1] > own[4, 1]
        surface = next(one for one in taken.made.scene.surfaces if one.part == EYES[side])
        gap = np.linalg.norm(surface.vertices - own[0], axis=1).min()
        assert gap < 2e-5  # the pupil's middle is a vertex of the eyeball
    for row, side in PUPIL_ROWS["106"].items():
        assert np.allclose(taken.photo.arrays["points106_3d"][row], points[IRIS_ROWS[side]])


def test_points_keep_their_side():
    """The subject's right is on the picture's left: rows 36 to 41 are the right eye."""
    points = wearing().photo.arrays["points68"]
    assert points[36:42, 0].max() < points[42:48, 0].min()
    assert points[0, 0] < points[8, 0] < points[16, 0]
    irises = wearing().photo.arrays["points478"]
    assert irises[IRIS_ROWS[1], 0] < irises[IRIS_ROWS[0], 0]


# What is seen


def test_a_bare_face_from_the_front_is_seen():
    arrays = wearing().photo.arrays
    assert arrays["points68_seen"][17:].mean() > 0.97
    assert arrays["points5_seen"].all()
    assert arrays["points478_seen"][468:].sum() >= 6  # lids cover the irises' upper edges
    assert wearing().photo.facts["quality"]["hidden"] < 0.03


@pytest.mark.parametrize(("yaw", "far", "near"), [(70, 45, 36), (-70, 36, 45)])
def test_turning_away_hides_the_far_eye(yaw, far, near):
    """Rows 36 and 45 are the outer corners of the right and the left eye; yaw > 0 turns the face
    to its left, which takes the left one out of sight."""
    seen = turned(yaw).photo.arrays["points68_seen"]
    assert not seen[far]
    assert seen[near]
    jaw = seen[9:17] if yaw > 0 else seen[:8]
    assert not jaw[2:].any()


def test_closed_eyes_hide_irises_and_nothing_else():
    shut = take(sitter(), Shot(SIZE, expression=vector({"eyeBlink": 1.0}))).photo.arrays
    assert not shut["points478_seen"][468:].any()
    assert not shut["points106_seen"][list(PUPIL_ROWS["106"])].any()
    assert shut["points68_seen"][17:].mean() > 0.95
    assert shut["points5_seen"].all()
    assert not np.isin(shut["parsing"], [Label.BACKGROUND]).all()


def test_open_eyes_show_their_pupils():
    for yaw in (0, 20, -30):
        taken = turned(yaw)
        pupils = [IRIS_ROWS[0], IRIS_ROWS[1]]
        assert taken.photo.arrays["points478_seen"][pupils].all()


@pytest.mark.parametrize(("cover", "shown"), [(0.08, True), (0.9, False)])
def test_only_dark_glasses_hide_eyes(cover, shown):
    taken = wearing(glasses=Glasses(cover=cover, outline="square", width=0.055, thickness=0.0012))
    arrays = taken.photo.arrays
    assert (arrays["points5_seen"][:2] == shown).all()
    assert (arrays["points478_seen"][[468, 473]] == shown).all()
    assert arrays["points5_seen"][2:].all()
    assert taken.photo.facts["attributes"]["glasses"] == ("glasses" if shown else "sunglasses")
    x, y = arrays["points5"][0].astype(int)
    assert arrays["parsing"][y, x] == Label.GLASSES


def test_a_mask_hides_mouth_and_nose():
    """It clings to the skin, a few tenths of a millimetre off."""
    taken = wearing(mask=Mask("surgical"))
    arrays = taken.photo.arrays
    assert not arrays["points5_seen"][2:].any()
    assert arrays["points5_seen"][:2].all()
    assert not arrays["points68_seen"][48:].any()
    assert arrays["points68_seen"][36:48].all()
    x, y = arrays["points5"][3:].mean(axis=0).astype(int)
    assert arrays["parsing"][y, x] == Label.OCCLUDER
    assert taken.photo.facts["quality"]["hidden"] > 0.25
    assert taken.photo.facts["attributes"]["mask"] == "surgical"


def test_a_hat_covers_hair_and_forehead():
    hat = wearing(hat=Hat("beanie")).photo
    bare = wearing().photo
    assert (hat.arrays["parsing"] == Label.HAT).mean() > 0.03
    hair = [np.mean(one.arrays["parsing"] == Label.HAIR) for one in (hat, bare)]
    assert hair[0] < 0.6 * hair[1]
    over = (hat.arrays["parsing"] == Label.HAT) & (bare.arrays["parsing"] == Label.HAIR)
    assert over.any()
    assert (hat.arrays["depth"][over] < bare.arrays["depth"][over] + 0.03).all()


def test_a_hand_before_the_face_hides_what_is_behind_it():
    for kind in ("mouth", "eye"):
        taken = wearing(occluder=Occluder(kind))
        arrays = taken.photo.arrays
        lost = wearing().photo.arrays["points478_seen"] & ~arrays["points478_seen"]
        assert lost.mean() > 0.05
        x, y = arrays["points478"][lost].astype(int).T
        assert (arrays["parsing"][y, x] == Label.OCCLUDER).mean() > 0.9
        before = wearing().photo.facts["quality"]
        assert taken.photo.facts["quality"]["hidden"] > before["hidden"] + 0.05
        assert taken.photo.facts["quality"]["seen"] < before["seen"] - 0.05


def test_points_off_the_picture_are_not_seen():
    taken = take(sitter(), Shot(SIZE, offset=(0.45, 0.0), fill=0.7))
    arrays = taken.photo.arrays
    outside = (arrays["points478"] >= SIZE).any(axis=1) | (arrays["points478"] < 0).any(axis=1)
    assert outside.any()
    assert not arrays["points478_seen"][outside].any()
    assert taken.photo.facts["quality"]["inside"] < 0.9
    assert wearing().photo.facts["quality"]["inside"] == 1


def test_the_world_positions_are_those_of_the_mesh():
    taken, head = turned(45), load_head()
    own = at(head.landmarks["68"], head.triangles, taken.made.posed.vertices)
    camera = taken.made.scene.camera
    assert np.allclose(own @ camera.rotation.T + camera.shift, taken.photo.arrays["points68_3d"])


# Gaze


@pytest.mark.parametrize("gaze", [(0.0, 0.0), (20.0, 0.0), (-10.0, 12.0), (5.0, -15.0)])
def test_gaze_runs_from_the_eyeball_through_the_pupil(gaze):
    taken = take(sitter(), Shot(64, gaze=gaze, bearing=(-15.0, 10.0, 5.0), head=(10.0, 0.0, 0.0)))
    camera, arrays = taken.made.scene.camera, taken.photo.arrays
    for side, first in IRIS_ROWS.items():
        centre = taken.made.posed.eyes[side] @ camera.rotation.T + camera.shift
        way = arrays["points478_3d"][first] - centre
        way = way / np.linalg.norm(way)
        assert np.degrees(np.arccos(min(1.0, way @ arrays["gaze"][side]))) < 0.1
        told = taken.photo.facts["gaze"][("left", "right")[side]]
        yaw, pitch = np.radians([told["yaw"], told["pitch"]])
        ways = [np.sin(yaw) * np.cos(pitch), np.sin(pitch), -np.cos(yaw) * np.cos(pitch)]
        assert np.allclose(ways, arrays["gaze"][side], atol=1e-5)


def test_gaze_has_the_signs_of_a_pose():
    """Eyes that look to the subject's left go right in the picture; pitch > 0 looks down."""
    ahead, left, down = (
        take(sitter(), Shot(SIZE, gaze=gaze)).photo for gaze in ((0, 0), (20, 0), (0, 15))
    )
    moved = [one.arrays["points478"][468] - ahead.arrays["points478"][468] for one in (left, down)]
    assert moved[0][0] > 0.5
    assert moved[1][1] > 0.5
    assert left.facts["gaze"]["left"] == pytest.approx({"yaw": 20, "pitch": 0}, abs=1e-3)
    assert down.facts["gaze"]["right"] == pytest.approx({"yaw": 0, "pitch": 15}, abs=1e-3)


def test_looking_back_at_the_camera_is_no_angle():
    photo = take(sitter(), Shot(32, bearing=(20.0, 0.0, 0.0), gaze=(-20.0, 0.0))).photo
    for eye in photo.facts["gaze"].values():
        assert eye == pytest.approx({"yaw": 0, "pitch": 0}, abs=1e-3)


@given(st.floats(-89, 89), st.floats(-89, 89))
def test_angles_of_a_direction_give_it_back(yaw, pitch):
    a, b = np.radians([yaw, pitch])
    told = angles(np.array([np.sin(a) * np.cos(b), np.sin(b), -np.cos(a) * np.cos(b)]))
    assert told == pytest.approx({"yaw": yaw, "pitch": pitch}, abs=1e-4)
