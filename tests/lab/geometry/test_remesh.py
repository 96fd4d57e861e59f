"""Remeshing of spheres and of parts of them, and its small helpers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from fusiform.lab.geometry import mesh, subdivide
from fusiform.lab.geometry.remesh import Remeshed, grade, remesh, trace_curves

NONE = np.zeros((0, 3), np.int32)
NO_CORNER = np.zeros(0, np.int32)


def sphere(steps: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """An octahedron, split and pushed out to radius 1."""
    points = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    triangles = np.int32(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    )
    for _ in range(steps):
        edges, _ = mesh.edges_of(triangles)
        _, triangles = subdivide.subdivide_triangles(triangles, len(points))
        points = np.concatenate([points, points[edges].mean(axis=1)])
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points, triangles


def least_angles(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    corners = points[triangles]
    angles = []
    for k in range(3):
        u = corners[:, (k + 1) % 3] - corners[:, k]
        w = corners[:, (k + 2) % 3] - corners[:, k]
        cosine = np.einsum("td,td->t", u, w)
        angles.append(np.arccos(cosine / np.linalg.norm(u, axis=1) / np.linalg.norm(w, axis=1)))
    return np.degrees(np.min(angles, axis=0))


def cut(points: np.ndarray, triangles: np.ndarray, keep: np.ndarray):
    used, index = np.unique(triangles[keep], return_inverse=True)
    return points[used], index.reshape(-1, 3).astype(np.int32)


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray, Remeshed]:
    points, triangles = sphere()
    size = np.full(len(points), 0.2)
    return points, triangles, remesh(points, triangles, size, NONE, NO_CORNER)


@pytest.fixture(scope="module")
def bowl() -> tuple[np.ndarray, np.ndarray, Remeshed]:
    """A sphere without its cap, finer on the right, with its equator as a feature."""
    points, triangles = sphere()
    points, triangles = cut(points, triangles, (points[triangles, 2] < 0.6).all(axis=1))
    edges, _ = mesh.edges_of(triangles)
    equator = edges[(np.abs(points[edges, 2]) < 1e-9).all(axis=1)]
    features = np.column_stack([equator, np.full(len(equator), 7)]).astype(np.int32)
    size = np.where(points[:, 0] > 0, 0.1, 0.3)
    size = grade(points, triangles, size, np.full(len(points), 0.3))
    corner = [int(np.argmax(points[:, 0] - 10 * np.abs(points[:, 2])))]
    return points, triangles, remesh(points, triangles, size, features, np.array(corner))


def test_a_sphere_gets_even_triangles(ball):
    points, _, made = ball
    placed = made.matrix @ points
    edges, sides = mesh.edges_of(made.triangles)
    lengths = mesh.edge_lengths(placed, edges)
    assert (sides >= 0).all()
    assert len(placed) - len(edges) + len(made.triangles) == 2
    assert 0.16 < lengths.mean() < 0.22
    assert lengths.max() < 2 * lengths.min()
    assert least_angles(placed, made.triangles).min() > 30
    valence = np.bincount(edges.ravel())
    assert ((valence >= 5) & (valence <= 7)).mean() > 0.97


def test_vertices_stay_on_the_surface(ball):
    points, triangles, made = ball
    placed = made.matrix @ points
    found, weights = mesh.nearest(mesh.tree_of(points, triangles), placed)
    there = np.einsum("kc,kcd->kd", weights, points[triangles[found]])
    assert np.abs(there - placed).max() < 1e-12
    assert np.linalg.norm(placed, axis=1).max() <= 1 + 1e-12


def test_rows_mix_corners_of_one_triangle(ball):
    points, triangles, made = ball
    assert np.diff(made.matrix.start).max() <= 3
    assert np.allclose(made.matrix @ np.ones(len(points)), 1)
    faces = {frozenset(t) for t in triangles.tolist()}
    inner = np.flatnonzero(np.diff(made.matrix.start) == 3)[:200]
    for row in inner:
        columns = made.matrix.column[made.matrix.start[row] : made.matrix.start[row + 1]]
        assert frozenset(columns.tolist()) in faces


def test_faces_look_outward(ball):
    points, _, made = ball
    placed = made.matrix @ points
    centres = placed[made.triangles].mean(axis=1)
    outward = np.einsum("td,td->t", mesh.face_normals(placed, made.triangles), centres)
    assert outward.min() > 0.9


def test_remeshing_is_a_pure_function(ball):
    points, triangles, made = ball
    again = remesh(points, triangles, np.full(len(points), 0.2), NONE, NO_CORNER)
    assert np.array_equal(again.triangles, made.triangles)
    assert np.array_equal(again.matrix.weight, made.matrix.weight)


def test_coarse_surfaces_are_refined():
    points, triangles = sphere(1)
    made = remesh(points, triangles, np.full(len(points), 0.2), NONE, NO_CORNER)
    placed = made.matrix @ points
    edges, _ = mesh.edges_of(made.triangles)
    assert 0.14 < mesh.edge_lengths(placed, edges).mean() < 0.23
    assert len(placed) - len(edges) + len(made.triangles) == 2


def test_sizes_follow_the_field(bowl):
    points, _, made = bowl
    placed = made.matrix @ points
    edges, sides = mesh.edges_of(made.triangles)
    lengths, x = mesh.edge_lengths(placed, edges), placed[edges, 0].mean(axis=1)
    assert lengths[x > 0.1].mean() < 0.12
    assert lengths[x < -0.7].mean() > 0.22
    assert least_angles(placed, made.triangles).min() > 15
    assert len(placed) - len(edges) + len(made.triangles) == 1
    assert len(mesh.boundary_loops(made.triangles)) == 1
    assert (sides[:, 1] < 0).sum() == (made.features[:, 2] == 0).sum()


def test_features_stay_edges(bowl):
    points, _, made = bowl
    placed = made.matrix @ points
    known = {tuple(edge) for edge in mesh.edges_of(made.triangles)[0].tolist()}
    assert {tuple(sorted(edge)) for edge in made.features[:, :2].tolist()} <= known
    equator = made.features[made.features[:, 2] == 7, :2]
    assert np.abs(placed[equator, 2]).max() < 1e-12
    assert (np.bincount(equator.ravel())[np.unique(equator)] == 2).all()
    assert np.abs(placed - [1, 0, 0]).sum(axis=1).min() == 0  # the corner


def test_no_edge_cuts_from_feature_to_feature(bowl):
    _, _, made = bowl
    lines = {tuple(sorted(edge)) for edge in made.features[:, :2].tolist()}
    on = np.unique(made.features[:, :2])
    edges, _ = mesh.edges_of(made.triangles)
    across = edges[np.isin(edges, on).all(axis=1)].tolist()
    assert {tuple(edge) for edge in across} == lines


def test_graded_sizes_are_those_of_shortest_paths():
    points, triangles = sphere(3)
    rng = np.random.default_rng(1)
    size, slope = rng.uniform(0.1, 3, len(points)), rng.uniform(0.1, 0.4, len(points))
    edges, _ = mesh.edges_of(triangles)
    steps = mesh.edge_lengths(points, edges) * slope[edges].mean(axis=1)
    graph = coo_matrix((steps, edges.T), shape=(len(points),) * 2)
    wanted = (dijkstra(graph, directed=False) + size[:, None]).min(axis=0)
    assert np.allclose(grade(points, triangles, size, slope), wanted)


def test_curves_end_at_corners_and_where_tags_change():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0], [3, 1, 0], [0, 1, 0], [9, 9, 9]])
    ring = np.int32([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0]])
    curves = trace_curves(points, ring, np.int32([1, 1, 1, 2, 2]), np.array([2]))
    paths = [curves.vertex[a:b].tolist() for a, b in zip(curves.start[:-1], curves.start[1:])]  # noqa: B905
    assert sorted(paths) == [[0, 1, 2], [0, 4, 3], [2, 3]]
    assert np.flatnonzero(curves.corner).tolist() == [0, 2, 3]
    first = paths.index([0, 1, 2])
    assert curves.arc[curves.start[first] : curves.start[first + 1]].tolist() == [0, 1, 3]
    assert not curves.closed.any()


def test_a_ring_without_corners_is_closed():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0]])
    edges = np.int32([[0, 1], [1, 2], [2, 0]])
    curves = trace_curves(points, edges, np.zeros(3, np.int32), NO_CORNER)
    assert curves.closed.tolist() == [True]
    assert len(curves.vertex) == 4
    assert curves.arc[-1] == pytest.approx(2 + 2**0.5)
