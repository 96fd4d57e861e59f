from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.lab.world import shapes
from fusiform.lab.world.shapes import Mesh


def volume(mesh: Mesh) -> float:
    """Signed volume of a closed mesh (divergence theorem), positive when wound outward."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def facing(mesh: Mesh) -> float:
    """Least cosine between a triangle's own normal and the mean of its vertices' normals."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k]].astype(np.float64) for k in range(3))
    n = np.cross(b - a, c - a)
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    return float((n * mesh.normals[mesh.triangles].mean(1)).sum(1).min())


def ring(count: int = 40) -> np.ndarray:
    t = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(t), np.sin(t), 0 * t], 1)


BODIES = {
    "sphere": (shapes.sphere(1.0, 33, 64), 4 / 3 * np.pi),
    "torus": (shapes.tube(ring(), 0.1, 24, closed=True), 2 * np.pi**2 * 0.01),
    "cylinder": (shapes.tube(np.linspace([0, 0, 0], [0, 2, 0], 5), 0.3, 48), np.pi * 0.09 * 2),
    "lathe": (shapes.lathe(np.array([[0, 1.0], [1, 1], [1, -1], [0, -1]]), 64), 2 * np.pi),
    "plate": (shapes.extrude(shapes.circle(1.0, 64), 0.2), 0.2 * np.pi),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_have_the_volume_of_their_formula_and_face_outward(name):
    mesh, expected = BODIES[name]
    assert volume(mesh) == pytest.approx(expected, rel=0.09)
    assert facing(mesh) > 0.5
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-5)
    assert mesh.uv.min() >= -1e-6
    assert mesh.uv.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", BODIES)
def test_bodies_have_the_right_types(name):
    mesh, _ = BODIES[name]
    assert mesh.vertices.dtype == mesh.normals.dtype == mesh.uv.dtype == np.float32
    assert mesh.triangles.dtype == np.int32
    assert mesh.triangles.max() < len(mesh.vertices)


def test_sphere_normals_are_radial():
    mesh = shapes.sphere(2.0, 17, 32)
    assert np.allclose(mesh.normals, mesh.vertices / 2, atol=0.02)


def test_vertex_normals_agree_with_a_loop():
    mesh = shapes.sphere(1.0, 5, 7)
    slow = np.zeros((len(mesh.vertices), 3))
    for i, j, k in mesh.triangles:
        a, b, c = mesh.vertices[[i, j, k]].astype(np.float64)
        for v in (i, j, k):
            slow[v] += np.cross(b - a, c - a)
    length = np.linalg.norm(slow, axis=1)
    used = length > 1e-9
    fast = shapes.vertex_normals(mesh.vertices, mesh.triangles)
    assert np.allclose(fast[used], slow[used] / length[used, None], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3), min_size=1, max_size=8))
def test_unit_vectors_have_length_one(vectors):
    out = shapes.unit(np.array(vectors))
    assert np.allclose(np.linalg.norm(out, axis=-1), 1)


def test_no_direction_becomes_z():
    assert np.array_equal(shapes.unit(np.zeros((2, 3))), [[0, 0, 1], [0, 0, 1]])


def test_grid_is_seen_as_a_page():
    x, y = np.meshgrid(np.arange(4.0), -np.arange(3.0))
    mesh = shapes.grid(np.stack([x, y, 0 * x], -1))
    assert np.allclose(mesh.normals, [0, 0, 1])
    assert np.allclose(mesh.uv[0], [0, 0])
    assert np.allclose(mesh.uv[-1], [1, 1])
    assert np.allclose(shapes.tangents(mesh), [1, 0, 0], atol=1e-6)


def test_tangents_are_square_to_normals_and_unit():
    mesh = shapes.sphere(1.0, 9, 16)
    t = shapes.tangents(mesh)
    assert np.allclose(np.linalg.norm(t, axis=1), 1, atol=1e-5)
    assert np.abs((t * mesh.normals).sum(1)).max() < 1e-4


def test_frames_are_right_handed():
    curve = np.stack([np.linspace(0, 1, 9), np.linspace(0, 1, 9) ** 2, np.zeros(9)], 1)
    tangent, side, lift = shapes.frames(curve, np.array([0, 0, 1.0]))
    assert np.allclose(np.cross(tangent, lift), side, atol=1e-9)
    assert np.allclose(lift, [0, 0, 1], atol=1e-9)


def test_spline_passes_through_its_points():
    points = np.random.default_rng(1).normal(size=(5, 3))
    assert np.allclose(shapes.spline(points, 17)[::4], points)
    assert np.allclose(shapes.spline(points, 20, closed=True)[::4], points)


def test_spline_of_a_line_is_the_line():
    points = np.linspace([0, 0, 0], [1, 2, 3], 5)
    assert np.allclose(shapes.spline(points, 9), np.linspace([0, 0, 0], [1, 2, 3], 9))


def test_join_counts_on():
    one = shapes.sphere(1.0, 4, 5)
    both = shapes.join([one, shapes.moved(one, np.eye(3), np.array([3.0, 0, 0]))])
    assert len(both.vertices) == 2 * len(one.vertices)
    assert volume(both) == pytest.approx(2 * volume(one), rel=1e-5)


def test_mirroring_keeps_the_outside_out():
    mesh = shapes.tube(np.linspace([0.2, 0, 0], [1, 0.5, 0], 4), np.linspace(0.2, 0.1, 4))
    other = shapes.mirrored(mesh)
    assert volume(other) == pytest.approx(volume(mesh))
    assert facing(other) == pytest.approx(facing(mesh), abs=1e-6)


def test_moving_turns_normals_too():
    mesh = shapes.moved(shapes.sphere(1.0, 9, 16), shapes.about_z(90), np.array([1.0, 2, 3]))
    assert np.allclose(mesh.normals, mesh.vertices - [1, 2, 3], atol=0.05)


@pytest.mark.parametrize(
    ("turn", "start", "end"),
    [
        (shapes.about_x(90), [0, 1, 0], [0, 0, 1]),
        (shapes.about_y(90), [0, 0, 1], [1, 0, 0]),
        (shapes.about_z(90), [1, 0, 0], [0, 1, 0]),
    ],
)
def test_rotations_are_right_handed(turn, start, end):
    assert np.allclose(turn @ start, end, atol=1e-12)


@pytest.mark.parametrize(("depth", "bevel"), [(0.0, 0.0), (0.1, 0.2), (0.1, -0.1)])
def test_impossible_plates_are_refused(depth, bevel):
    with pytest.raises(ChoiceError, match="extrude"):
        shapes.extrude(shapes.circle(1.0, 8), depth, bevel)


def test_steady_up_is_never_along_a_flat_curve():
    assert np.allclose(np.abs(shapes.steady_up(ring())), [0, 0, 1], atol=1e-9)
