"""What the tests of people share: the head that ships, some who wear it, checks of what is worn."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from fusiform.lab.geometry.head import Floats, Head, load_head
from fusiform.lab.geometry.mesh import nearest, tree_of, vertex_normals
from fusiform.lab.world.person import body, founder
from fusiform.lab.world.wear_fit import cast, skin_of
from fusiform.lab.world.wear_piece import Piece


@pytest.fixture(scope="session")
def head() -> Head:
    """The model that ships; nothing may change its arrays."""
    return load_head()


@pytest.fixture(scope="session")
def people(head: Head) -> list[Floats]:
    """Unposed vertices (n, 3) of the mean head and of four people of the world."""
    return [head.mean, *(body(founder(6, number)).vertices for number in range(4))]


def corners(pieces: Sequence[Piece]) -> NDArray[np.float64]:
    """All triangles (t, 3, 3) of opaque pieces."""
    solid = [p for p in pieces if p.cover >= 1]
    return np.concatenate([p.mesh.vertices[p.mesh.triangles] for p in solid]).astype(np.float64)


def covered(points: NDArray[np.floating], pieces: Sequence[Piece]) -> NDArray[np.bool_]:
    """Whether anything lies before each point (k, 3), seen from far in front."""
    ahead = np.tile([0.0, 0, 1], (len(points), 1))
    return cast(np.ascontiguousarray(points, np.float64), ahead, corners(pieces), 10.0) > 0.0005


def sound(pieces: Sequence[Piece], most: int) -> None:
    """Finite places, unit normals and tangents, colours in range, at most so many triangles."""
    for p in pieces:
        m = p.mesh
        assert np.isfinite(m.vertices).all(), p.part
        assert np.allclose(np.linalg.norm(m.normals, axis=1), 1, atol=2e-3), p.part
        assert np.allclose(np.linalg.norm(p.tangents, axis=1), 1, atol=2e-3), p.part
        assert m.triangles.max() < len(m.vertices)
        assert p.tint.shape == m.vertices.shape
        assert 0 <= p.tint.min() <= p.tint.max() <= 1
        assert 0 < p.openness.min() <= p.openness.max() <= 1
        if p.skin is not None:
            index, weight = p.skin
            assert index.shape == weight.shape
            assert len(index) == len(m.vertices)
            assert np.allclose(weight.sum(1), 1, atol=1e-5)
    assert sum(len(p.mesh.triangles) for p in pieces) < most


def outward(piece: Piece) -> float:
    """Share of triangles wound the way their normals point."""
    m = piece.mesh
    a, b, c = (m.vertices[m.triangles[:, k]].astype(np.float64) for k in range(3))
    facing = (np.cross(b - a, c - a) * m.normals[m.triangles].mean(1)).sum(1)
    return float((facing > 0).mean())


def gaps(points: NDArray[np.floating], head: Head, rest: Floats) -> NDArray[np.float64]:
    """Metres (k,) that points lie outside the outer skin, negative inside."""
    triangles = skin_of(head)
    found, weights = nearest(tree_of(rest, triangles), np.asarray(points))
    normals = vertex_normals(rest, head.triangles)[triangles[found]]
    foot = np.einsum("kc,kcd->kd", weights, rest[triangles[found]])
    side = (np.einsum("kc,kcd->kd", weights, normals) * (points - foot)).sum(1)
    return np.asarray(np.linalg.norm(points - foot, axis=1) * np.sign(side))


def same(one: Sequence[Piece], other: Sequence[Piece]) -> bool:
    """Whether the meshes of two fits agree byte for byte."""
    pairs = zip(one, other, strict=True)
    return all(a.mesh.vertices.tobytes() == b.mesh.vertices.tobytes() for a, b in pairs)


@pytest.fixture(scope="session")
def wear() -> SimpleNamespace:
    """The checks of what is worn."""
    return SimpleNamespace(
        corners=corners, covered=covered, sound=sound, outward=outward, same=same, gaps=gaps
    )
