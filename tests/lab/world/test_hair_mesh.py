"""Tests of ribbons: how strands follow a posed head and face the camera."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from fusiform.core.seeds import rng
from fusiform.lab.geometry.head import Head, load_head
from fusiform.lab.geometry.scene import Label, Material, Surface
from fusiform.lab.world.hair import Cut, Growth, Hair
from fusiform.lab.world.hair_grow import Grown, Strands, grow
from fusiform.lab.world.hair_mesh import (
    cap_surface,
    follow,
    neck_motion,
    strand_surface,
    surfaces,
)
from fusiform.lab.world.hair_proxy import Proxy, make_proxy
from fusiform.lab.world.shapes import rigid, vertex_normals

CAMERA = np.array([0.1, 0.05, 0.8], np.float32)


@cache
def proxy() -> Proxy:
    head = load_head()
    return make_proxy(head, head.mean)


@cache
def grown(style: str = "bob", detail: float = 64) -> Grown:
    head = load_head()
    out = grow(Hair(Growth(seed=1), Cut(style, seed=2)), head, head.mean, detail, proxy())
    assert out is not None
    return out


def ribbons(
    head: Head, strands: Strands, posed: np.ndarray | None = None, camera: np.ndarray = CAMERA
) -> Surface:
    posed = head.mean if posed is None else posed
    return strand_surface("hair", Label.HAIR, strands, head, head.mean, posed, camera)


def middles(surface: Surface, strands: Strands) -> np.ndarray:
    n, k, _ = strands.points.shape
    return surface.vertices.reshape(n, k, 2, 3).mean(2)


def moved(head: Head, turn: Rotation, shift: np.ndarray) -> np.ndarray:
    return (turn.apply(head.mean.astype(np.float64)) + shift).astype(np.float32)


def head_turned(head: Head, degrees: float) -> np.ndarray:
    """A yaw that fades out down the neck, torso still."""
    y = head.mean[:, 1]
    neck = head.mean[head.masks["neck"] > 0.3]
    share = np.clip((y - neck[:, 1].min()) / (neck[:, 1].max() - neck[:, 1].min()), 0, 1)
    share[head.masks["torso"] > 0.5] = 0
    axis = np.array([0, neck[:, 1].mean(), neck[:, 2].mean()])
    turn = Rotation.from_rotvec(np.radians(degrees) * share[:, None] * np.array([0, 1.0, 0]))
    return (turn.apply(head.mean - axis) + axis).astype(np.float32)


turns = st.tuples(*(st.floats(-1.5, 1.5) for _ in range(3)))
shifts = st.tuples(*(st.floats(-0.5, 0.5) for _ in range(3)))


# ---- following


@pytest.mark.parametrize("style", ["bob", "buzz", "long_curly", "ponytail"])
def test_unposed_hair_is_where_it_grew(style: str, head: Head) -> None:
    strands = grown(style).strands
    got = middles(ribbons(head, strands), strands)
    np.testing.assert_allclose(got, strands.points, atol=2e-6)


@given(turns, shifts)
@settings(max_examples=8, deadline=None)
def test_rigid_motion_moves_hair_rigidly(turn: tuple[float, ...], shift: tuple[float, ...]) -> None:
    head, strands = load_head(), grown("long_straight").strands
    spin, by = Rotation.from_rotvec(turn), np.array(shift)
    got = middles(ribbons(head, strands, moved(head, spin, by)), strands)
    expected = spin.apply(strands.points.reshape(-1, 3).astype(np.float64)) + by
    np.testing.assert_allclose(got.reshape(-1, 3), expected, atol=3e-5)


@pytest.mark.parametrize("degrees", [-60.0, 35.0])
def test_short_hair_turns_with_the_head(degrees: float, head: Head) -> None:
    strands = grown("crew").strands
    posed = head_turned(head, degrees)
    got = middles(ribbons(head, strands, posed), strands)
    scalp = head.masks["scalp"] > 0.5
    spin, by = rigid(head.mean[scalp], posed[scalp])
    expected = strands.points @ spin.T + by
    high = strands.points[:, 0, 1] > 0
    np.testing.assert_allclose(got[high], expected[high], atol=4e-4)


@pytest.mark.parametrize("degrees", [-50.0, 50.0])
def test_tips_on_the_torso_stay(degrees: float, head: Head) -> None:
    strands = grown("long_straight").strands
    got = middles(ribbons(head, strands, head_turned(head, degrees)), strands)
    low = strands.torso > 0.999
    assert low.sum() > 50
    np.testing.assert_allclose(got[low], strands.points[low], atol=4e-4)


def test_strands_keep_about_their_length_in_a_turn(head: Head) -> None:
    strands = grown("long_straight").strands
    before = np.linalg.norm(np.diff(strands.points, axis=1), axis=2).sum(1)
    got = middles(ribbons(head, strands, head_turned(head, 45)), strands)
    after = np.linalg.norm(np.diff(got, axis=1), axis=2).sum(1)
    ratio = after / before
    assert 0.85 < np.median(ratio) < 1.25
    assert ratio.max() < 1.8


def test_turning_does_not_break_strands(head: Head) -> None:
    """No jump between neighbours along a strand where the head's motion turns into the torso's."""
    strands = grown("long_straight", 256).strands
    got = middles(ribbons(head, strands, head_turned(head, 40)), strands)
    piece = np.linalg.norm(np.diff(got, axis=1), axis=2)
    was = np.linalg.norm(np.diff(strands.points, axis=1), axis=2)
    assert (piece < was + 0.03).all()


def test_roots_follow_a_moving_scalp(head: Head) -> None:
    strands = grown("buzz").strands
    lift = 0.005 * (head.masks["hairline"] > 0)
    posed = (head.mean + lift[:, None] * np.array([0, 1, 0])).astype(np.float32)
    got = middles(ribbons(head, strands, posed), strands)
    root = np.einsum("kc,kcd->kd", strands.weights, posed[head.triangles[strands.triangle]])
    np.testing.assert_allclose(got[:, 0], root, atol=1e-5)


@given(turns, shifts)
@settings(max_examples=25, deadline=None)
def test_rigid_fit_against_scipy(turn: tuple[float, ...], shift: tuple[float, ...]) -> None:
    points = rng(1).random((30, 3))
    spin = Rotation.from_rotvec(turn)
    noisy = spin.apply(points) + shift + 0.01 * rng(2).standard_normal((30, 3))
    got, by = rigid(points, noisy)
    expected, _ = Rotation.align_vectors(noisy - noisy.mean(0), points - points.mean(0))
    np.testing.assert_allclose(got, expected.as_matrix(), atol=1e-6)
    np.testing.assert_allclose(got @ points.mean(0) + by, noisy.mean(0), atol=1e-9)


def test_neck_motion_goes_from_head_to_torso(head: Head) -> None:
    posed = head_turned(head, 40)
    rotation, shift = neck_motion(head, head.mean, posed)
    scalp, torso = head.masks["scalp"] > 0.5, head.masks["torso"] > 0.95
    for level, part in ((0, scalp), (16, torso)):
        spin, by = rigid(head.mean[part], posed[part])
        np.testing.assert_allclose(rotation[level], spin, atol=1e-6)
        np.testing.assert_allclose(shift[level], by, atol=1e-6)
    for r in rotation:
        np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-9)
    angles = [Rotation.from_matrix(r).magnitude() for r in rotation]
    assert np.all(np.diff(angles) < 1e-9)  # evenly back to none
    np.testing.assert_allclose(np.diff(angles), np.diff(angles)[0], atol=1e-5)


def test_neck_motion_of_rest_is_none(head: Head) -> None:
    rotation, shift = neck_motion(head, head.mean, head.mean)
    np.testing.assert_allclose(rotation, np.tile(np.eye(3), (17, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(shift, 0, atol=1e-6)


# ---- ribbons


def test_surface_is_sound(head: Head) -> None:
    strands = grown("bob").strands
    n, k, _ = strands.points.shape
    one = ribbons(head, strands)
    assert one.material is Material.HAIR
    assert one.label is Label.HAIR
    assert one.casts_shadow
    assert one.texture is None
    assert one.vertices.shape == one.normals.shape == one.tangents.shape == (2 * n * k, 3)
    assert one.tint.shape == (2 * n * k, 3)
    assert one.uv.shape == (2 * n * k, 2)
    assert one.openness.shape == (2 * n * k,)
    assert one.triangles.shape == (2 * n * (k - 1), 3)
    assert one.triangles.dtype == np.int32
    assert one.triangles.min() == 0
    assert one.triangles.max() == 2 * n * k - 1
    for a in (one.vertices, one.normals, one.tangents, one.tint, one.uv, one.openness):
        assert a.dtype == np.float32
        assert np.isfinite(a).all()
    assert len(np.unique(one.triangles)) == 2 * n * k


def test_triangles_join_neighbours_only(head: Head) -> None:
    strands = grown("bob").strands
    k = strands.points.shape[1]
    one = ribbons(head, strands)
    point = one.triangles // 2
    assert (point // k == (point // k)[:, :1]).all()  # one strand
    assert (point.max(1) - point.min(1) == 1).all()  # one piece


def test_normals_and_tangents_are_units(head: Head) -> None:
    one = ribbons(head, grown("bob").strands)
    np.testing.assert_allclose(np.linalg.norm(one.normals, axis=1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(one.tangents, axis=1), 1, atol=1e-4)
    lying = np.abs((one.normals * one.tangents).sum(1))
    assert np.median(lying) < 0.1


def test_tangents_run_from_root_to_tip(head: Head) -> None:
    strands = grown("long_straight").strands
    one = ribbons(head, strands)
    n, k, _ = strands.points.shape
    way = np.gradient(strands.points, axis=1)
    dot = (one.tangents.reshape(n, k, 2, 3)[:, :, 0] * way).sum(2)
    assert (dot > 0).all()


def test_normals_point_away_from_the_head(head: Head) -> None:
    strands = grown("buzz").strands
    one = ribbons(head, strands)
    centre = head.mean[head.masks["scalp"] > 0.5].mean(0)
    outward = one.vertices - centre
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    assert ((one.normals * outward).sum(1) > 0).mean() > 0.85


@given(st.tuples(st.floats(-1, 1), st.floats(-0.5, 0.5), st.floats(0.4, 1.5)))
@settings(max_examples=8, deadline=None)
def test_ribbons_face_the_camera(place: tuple[float, float, float]) -> None:
    head, strands = load_head(), grown("bob").strands
    camera = np.array(place, np.float32)
    one = ribbons(head, strands, camera=camera)
    a, b, c = (one.vertices[one.triangles[:, k]].astype(np.float64) for k in range(3))
    face = np.cross(b - a, c - a)
    face /= np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-20)
    view = camera - (a + b + c) / 3
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    dot = (face * view).sum(1)
    assert (dot > 0).mean() > 0.98  # counter-clockwise as seen
    # and turned to it about the strand as far as a ribbon can
    tangent = one.tangents[one.triangles[:, 0]]
    best = np.sqrt(np.clip(1 - (tangent * view).sum(1) ** 2, 0, 1))
    assert np.median(best - dot) < 0.05


def test_widths_are_those_of_the_strands(head: Head) -> None:
    strands = grown("bob").strands
    n, k, _ = strands.points.shape
    pair = ribbons(head, strands).vertices.reshape(n, k, 2, 3)
    np.testing.assert_allclose(
        np.linalg.norm(pair[:, :, 0] - pair[:, :, 1], axis=2), strands.width, atol=3e-6
    )


def test_colours_and_openness_are_passed_on(head: Head) -> None:
    strands = grown("bob").strands
    n, k, _ = strands.points.shape
    one = ribbons(head, strands)
    for edge in range(2):
        np.testing.assert_array_equal(one.tint.reshape(n, k, 2, 3)[:, :, edge], strands.tint)
        np.testing.assert_array_equal(one.openness.reshape(n, k, 2)[:, :, edge], strands.openness)
    along = one.uv.reshape(n, k, 2, 2)
    np.testing.assert_allclose(along[0, :, 0, 1], np.linspace(0, 1, k), atol=1e-6)


# ---- whole heads


def test_base_lies_under_the_strands(head: Head) -> None:
    cap = grown("bob").cap
    assert cap is not None
    one = cap_surface(cap, head, head.mean)
    assert one.material is Material.HAIR
    assert one.label is Label.HAIR
    normals = vertex_normals(head.mean, head.triangles)[cap.vertices]
    expected = head.mean[cap.vertices] + normals * cap.lift[:, None]
    np.testing.assert_allclose(one.vertices, expected, atol=1e-6)
    assert cap.lift.max() < 0.004
    strands = grown("bob").strands
    assert one.tint.mean() < strands.tint.mean()


def test_base_turns_with_the_head(head: Head) -> None:
    cap = grown("bob").cap
    assert cap is not None
    spin = Rotation.from_euler("y", 40, degrees=True)
    one = cap_surface(cap, head, moved(head, spin, np.zeros(3)))
    two = cap_surface(cap, head, head.mean)
    np.testing.assert_allclose(one.vertices, spin.apply(two.vertices), atol=2e-5)
    np.testing.assert_allclose(one.normals, spin.apply(two.normals), atol=2e-3)


def test_follow_gives_base_and_strands(head: Head) -> None:
    both = follow(grown("bob"), head, head.mean, head.mean, CAMERA)
    assert [s.part for s in both] == ["hair base", "hair"]
    assert len(follow(grown("shaved"), head, head.mean, head.mean, CAMERA)) == 1
    assert follow(None, head, head.mean, head.mean, CAMERA) == ()


def test_surfaces_is_grow_then_follow(head: Head) -> None:
    hair = Hair(Growth(seed=1), Cut("crew", seed=2))
    once = surfaces(hair, head, head.mean, head.mean, CAMERA, 48)
    split = follow(grow(hair, head, head.mean, 48), head, head.mean, head.mean, CAMERA)
    for a, b in zip(once, split, strict=True):
        assert a.vertices.tobytes() == b.vertices.tobytes()
        assert a.normals.tobytes() == b.normals.tobytes()
    assert surfaces(Hair(Growth(), Cut("bald")), head, head.mean, head.mean, CAMERA) == ()


def test_following_changes_nothing_it_is_given(head: Head) -> None:
    strands = grown("bob").strands
    before = strands.points.copy(), strands.normals.copy()
    posed = head_turned(head, 30)
    kept = posed.copy()
    ribbons(head, strands, posed)
    np.testing.assert_array_equal(strands.points, before[0])
    np.testing.assert_array_equal(strands.normals, before[1])
    np.testing.assert_array_equal(posed, kept)
