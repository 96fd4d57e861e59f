"""Mesh algorithms against closed forms, SciPy and slow literal versions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.geometry import mesh, subdivide

GOLDEN = (1 + 5**0.5) / 2
TETRAHEDRON = np.int32([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
CUBE_QUADS = np.int32(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)


def icosahedron() -> tuple[np.ndarray, np.ndarray]:
    corners = [(0, a, b * GOLDEN) for a in (-1, 1) for b in (-1, 1)]
    points = np.array([np.roll(c, k) for k in range(3) for c in corners], float)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = np.isclose(gaps, 2)
    found = [
        (i, j, k)
        for i in range(12)
        for j in range(i + 1, 12)
        for k in range(j + 1, 12)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    turned = [t if np.linalg.det(points[list(t)]) > 0 else t[::-1] for t in found]
    return points, np.array(turned, np.int32)


def sphere(steps: int) -> tuple[np.ndarray, np.ndarray]:
    points, triangles = icosahedron()
    for _ in range(steps):
        matrix, triangles = subdivide.subdivide_triangles(triangles, len(points))
        points = matrix @ points
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points, triangles


def random_matrix(rng: np.random.Generator, shape: tuple[int, int]) -> mesh.Sparse:
    count = 3 * shape[0]
    rows, columns = rng.integers(shape[0], size=count), rng.integers(shape[1], size=count)
    return mesh.sparse(rows, columns, rng.normal(size=count), shape)


def dense(matrix: mesh.Sparse) -> np.ndarray:
    shape = (len(matrix.start) - 1, matrix.width)
    return csr_matrix((matrix.weight, matrix.column, matrix.start), shape=shape).toarray()


def test_normals_of_a_sphere_point_away_from_its_middle():
    points, triangles = sphere(3)
    normals = mesh.vertex_normals(points, triangles)
    assert np.einsum("nd,nd->n", normals, points).min() > 0.9995
    assert np.allclose(np.linalg.norm(normals, axis=1), 1)


def test_normals_are_weighted_by_area():
    """A big face that looks up and a small one that looks along x."""
    points = np.float32([[0, 0, 0], [0, 0, 3], [3, 0, 0], [0, 1, 0]])
    normals = mesh.vertex_normals(points, np.int32([[0, 1, 2], [0, 3, 1]]))
    assert normals.dtype == np.float32
    assert np.allclose(normals[0], np.array([3, 9, 0]) / np.hypot(3, 9))
    assert np.allclose(normals[2], [0, 1, 0])


def test_normals_without_area_are_zero():
    points = np.zeros((3, 3))
    triangles = np.int32([[0, 1, 2]])
    assert not mesh.vertex_normals(points, triangles).any()
    assert not mesh.face_normals(points, triangles).any()


def test_face_crosses_are_twice_the_area():
    points, triangles = sphere(4)
    crosses = mesh.face_crosses(points, triangles)
    assert np.linalg.norm(crosses, axis=1).sum() / 2 == pytest.approx(4 * np.pi, rel=0.005)
    assert np.allclose(crosses.sum(axis=0), 0)


def test_edges_and_the_faces_beside_them():
    edges, sides = mesh.edges_of(CUBE_QUADS)
    assert len(edges) == 12
    assert (sides >= 0).all()
    for edge, pair in zip(edges, sides, strict=True):
        assert all(np.isin(edge, CUBE_QUADS[face]).all() for face in pair)
    assert np.allclose(mesh.edge_lengths(CUBE, edges), 2)


def test_three_faces_at_an_edge_are_refused():
    with pytest.raises(FusiformError, match="manifold"):
        mesh.edges_of(np.int32([[0, 1, 2], [1, 0, 3], [0, 1, 4]]))


def test_borders_are_loops_in_the_direction_of_their_faces():
    loops = mesh.boundary_loops(CUBE_QUADS[1:])
    assert [len(loop) for loop in loops] == [4]
    start = loops[0].tolist().index(CUBE_QUADS[0, 0])
    assert np.roll(loops[0], -start).tolist() == [0, 2, 3, 1]  # against the missing face
    assert mesh.boundary_loops(CUBE_QUADS) == []


def test_borders_that_touch_are_refused():
    with pytest.raises(FusiformError, match="touch"):
        mesh.boundary_loops(np.int32([[0, 1, 2], [0, 3, 4]]))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_sparse_matrices_multiply_like_full_ones(seed):
    rng = np.random.default_rng(seed)
    a, b = random_matrix(rng, (7, 5)), random_matrix(rng, (5, 6))
    values = rng.normal(size=(6, 2, 3))
    assert np.allclose(b @ values, np.einsum("ij,jkl->ikl", dense(b), values))
    assert np.allclose(dense(a.after(b)), dense(a) @ dense(b))
    rows = rng.integers(7, size=4)
    assert np.allclose(dense(a.take(rows)), dense(a)[rows])


def test_sparse_entries_at_one_place_are_added():
    matrix = mesh.sparse(np.array([1, 1, 0]), np.array([2, 2, 0]), np.array([1.0, 2, 0]), (2, 3))
    assert dense(matrix).tolist() == [[0, 0, 0], [0, 0, 3]]
    assert matrix.rows().tolist() == [1]


def test_sparse_keeps_the_type_of_what_it_mixes():
    matrix = mesh.sparse(np.array([0]), np.array([1]), np.array([2.0]), (1, 2))
    assert (matrix @ np.float32([1, 3])).dtype == np.float32
    assert (matrix @ np.array([1.0, 3])).tolist() == [6]


def test_sparse_refuses_the_wrong_number_of_rows():
    matrix = mesh.sparse(np.array([0]), np.array([1]), np.array([2.0]), (1, 2))
    with pytest.raises(ChoiceError, match="2 rows"):
        matrix @ np.zeros((3, 3))


def test_barycentric_points():
    points, triangles = sphere(1)
    weights = np.array([[0.2, 0.3, 0.5], [1, 0, 0]])
    matrix = mesh.barycentric(np.int32([4, 9]), weights, triangles, len(points))
    wanted = np.einsum("kc,kcd->kd", weights, points[triangles[[4, 9]]])
    assert np.allclose(matrix @ points, wanted)


def test_loop_subdivision_counts_and_symmetry():
    points, triangles = icosahedron()
    matrix, fine = subdivide.subdivide_triangles(triangles, 12)
    assert (dense(matrix).shape, fine.shape) == ((42, 12), (80, 3))
    assert np.allclose(dense(matrix).sum(axis=1), 1)
    radii = np.linalg.norm(matrix @ points, axis=1)
    assert np.ptp(radii[:12]) < 1e-12
    assert np.ptp(radii[12:]) < 1e-12
    assert (np.linalg.det((matrix @ points)[fine]) > 0).all()
    # Valence 5: 1 - 5 * 3 / 40 of itself, 3 / 40 of each neighbour.
    assert np.allclose(np.unique(dense(matrix)[:12]), [0, 3 / 40, 5 / 8])


def test_loop_subdivision_of_a_border_is_a_cubic_spline():
    matrix, fine = subdivide.subdivide_triangles(np.int32([[0, 1, 2]]), 3)
    full = dense(matrix)
    assert np.allclose(full[:3], 0.125 + 0.625 * np.eye(3))
    assert np.allclose(full[3:], [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    assert fine.tolist() == [[0, 3, 4], [1, 5, 3], [2, 4, 5], [3, 5, 4]]


def test_loop_subdivision_keeps_planes_and_lines():
    """A flat regular grid: interior points move only in the plane, linear functions survive."""
    size = 6
    at = np.arange(size * size).reshape(size, size)
    a, b, c, d = (q.ravel() for q in (at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    points = np.stack(np.divmod(np.arange(size * size), size), axis=1).astype(float)
    matrix, _ = subdivide.subdivide_triangles(triangles, size * size)
    inner = at[1:-1, 1:-1].ravel()
    assert np.allclose((matrix @ points)[inner], points[inner])


def test_catmull_clark_of_a_cube():
    """The textbook case: corners to 5/9, edges to 3/4, faces stay at 1."""
    matrix, fine = subdivide.subdivide_quads(CUBE_QUADS, 8)
    points = matrix @ CUBE
    assert (len(points), fine.shape) == (26, (24, 4))
    assert np.allclose(np.abs(points[:8]), 5 / 9)
    assert np.allclose(np.sort(np.abs(points[8:20]), axis=1), [0, 0.75, 0.75])
    assert np.allclose(np.sort(np.abs(points[20:]), axis=1), [0, 0, 1])
    assert np.allclose(dense(matrix).sum(axis=1), 1)
    a, b, d = points[fine[:, 0]], points[fine[:, 1]], points[fine[:, 3]]
    assert (np.einsum("qd,qd->q", np.cross(b - a, d - a), a) > 0).all()
    assert len(mesh.edges_of(fine)[0]) == 48


def test_catmull_clark_of_a_border_is_a_cubic_spline():
    matrix, _ = subdivide.subdivide_quads(np.int32([[0, 1, 2, 3]]), 4)
    full = dense(matrix)
    assert np.allclose(full[0], [0.75, 0.125, 0, 0.125])
    assert np.allclose(np.sort(full[4:8], axis=1), [0, 0, 0.5, 0.5])
    assert np.allclose(full[8], 0.25)


def nearest_by_cases(corners: np.ndarray, p: np.ndarray) -> float:
    """Distance to one triangle: the foot on its plane if inside, else the nearest edge."""
    a, b, c = corners
    basis = np.stack([b - a, c - a], axis=1)
    u, v = np.linalg.lstsq(basis, p - a, rcond=None)[0]
    if min(u, v, 1 - u - v) >= 0:
        return float(np.linalg.norm(a + basis @ [u, v] - p))
    gaps = []
    for s, e in ((a, b), (b, c), (c, a)):
        t = np.clip((p - s) @ (e - s) / ((e - s) @ (e - s)), 0, 1)
        gaps.append(np.linalg.norm(s + t * (e - s) - p))
    return float(min(gaps))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_nearest_points_are_those_of_a_search_of_all(seed):
    rng = np.random.default_rng(seed)
    points, triangles = rng.normal(size=(30, 3)), rng.integers(30, size=(40, 3)).astype(np.int32)
    triangles = triangles[(np.diff(np.sort(triangles, axis=1), axis=1) > 0).all(axis=1)]
    asked = rng.normal(size=(8, 3))
    found, weights = mesh.nearest(mesh.tree_of(points, triangles), asked)
    there = np.einsum("kc,kcd->kd", weights, points[triangles[found]])
    wanted = [min(nearest_by_cases(points[t], p) for t in triangles) for p in asked]
    assert np.allclose(np.linalg.norm(there - asked, axis=1), wanted)
    assert np.allclose(weights.sum(axis=1), 1)
    assert weights.min() >= -1e-12


def test_nearest_takes_the_side_that_faces_alike():
    """Two sheets a little apart: the normal says which one is meant."""
    sheet = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
    points = np.concatenate([sheet, sheet - [0, 0, 0.1]])
    triangles = np.int32([[0, 1, 2], [3, 5, 4]])
    tree = mesh.tree_of(points, triangles)
    asked, facing = np.array([[0.2, 0.2, 0.01]] * 3), np.array([[0, 0, 1.0], [0, 0, -1], [1, 0, 0]])
    found, weights = mesh.nearest(tree, asked, facing)
    assert found.tolist() == [0, 1, -1]
    assert not weights[2].any()


def test_a_tree_needs_triangles():
    with pytest.raises(ChoiceError, match="triangles"):
        mesh.tree_of(np.zeros((3, 3)), np.zeros((0, 3), np.int32))
