"""The head's own mesh, built from a block-headed source made here."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry import levels, lines, mesh
from fusiform.lab.geometry import topology as top
from fusiform.lab.geometry.head import REGIONS, Points
from fusiform.lab.geometry.unwrap import signed_areas

SIDE = 12  # quads along an edge of the block
SKIN = ("face", "nose", "upper_lip", "lower_lip", "eyelid_l", "eyelid_r", "ear_l", "ear_r")


class Block:
    """A cube of quads, rounded, with bags pushed in for mouth and eyes and holes for the arms."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float]] = []
        self.index: dict[tuple[int, int, int], int] = {}
        self.quads: list[list[int]] = []
        self.region: list[str] = []

    def corner(self, x: int, y: int, z: int) -> int:
        """The vertex at a place of the lattice, made when first asked for."""
        if (x, y, z) not in self.index:
            self.index[x, y, z] = len(self.points)
            p = 2 * np.array([x, y, z]) / SIDE - 1
            self.points.append(tuple(p / (np.abs(p) ** 3).sum() ** (1 / 3)))
        return self.index[x, y, z]

    def add(self, quad: list[int], region: str) -> None:
        self.quads.append(quad)
        self.region.append(region)

    def bag(self, columns: range, row: int, depth: float, region: str) -> list[int]:
        """Push the front quads of `columns` in; the loop around them."""
        x0, x1 = columns[0], columns[-1] + 1
        low = [self.corner(x, row, SIDE) for x in range(x0, x1 + 1)]
        high = [self.corner(x, row + 1, SIDE) for x in range(x0, x1 + 1)]
        loop = low + high[::-1]
        inner = {}
        for v in loop:
            x, y, z = self.points[v]
            inner[v] = len(self.points)
            self.points.append((x * 0.95, y, z - depth))
        for a, b in zip(loop, loop[1:] + loop[:1], strict=True):
            self.add([a, b, inner[b], inner[a]], region)
        for i in range(len(low) - 1):
            self.add([inner[v] for v in (low[i], low[i + 1], high[i + 1], high[i])], region)
        return loop


def front_region(i: int, j: int) -> str | None:
    """What the front quad in column i, row j is; None where a bag opens."""
    if j == 3 and 4 <= i <= 7:
        return None
    if j in (2, 3, 4) and 3 <= i <= 8:
        return "lower_lip" if j < 3 else "upper_lip"
    if j == 8 and i in (2, 3, 8, 9):
        return None
    if j in (7, 8, 9) and i in (1, 2, 3, 4, 7, 8, 9, 10):
        return "eyelid_l" if i > 5 else "eyelid_r"
    return "nose" if i in (5, 6) and j in (5, 6) else "face" if j else "neck"


def side_region(i: int, j: int, side: str) -> str | None:
    """What a quad of a side is: hole of the arm, ear or whatever is around."""
    if i in (5, 6) and j == 1:
        return None
    if i in (5, 6) and j in (5, 6, 7):
        return f"ear_{side}"
    return "torso" if j < 3 else "neck" if j < 4 else "face" if i > 6 else "scalp"


def block_head() -> SimpleNamespace:
    block, n = Block(), SIDE
    for i in range(n):
        for j in range(n):
            square = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
            faces = [
                (front_region(i, j), [(x, y, n) for x, y in square]),
                ("torso" if j < 3 else "scalp", [(n - x, y, 0) for x, y in square]),
                (side_region(n - 1 - i, j, "l"), [(n, y, n - x) for x, y in square]),
                (side_region(i, j, "r"), [(0, y, x) for x, y in square]),
                ("scalp", [(x, n, n - y) for x, y in square]),
            ]
            for region, corners in faces:
                if region is not None:
                    block.add([block.corner(*c) for c in corners], region)
    lips = block.bag(range(4, 8), 3, 0.5, "inner_mouth")
    left = block.bag(range(8, 10), 8, 0.25, "eye_socket_l")
    block.bag(range(2, 4), 8, 0.25, "eye_socket_r")
    points = np.array(block.points) * [0.08, 0.12, 0.1]
    quads = np.array(block.quads, np.int32)
    gaps = np.abs(points[:, None] * [-1, 1, 1] - points[None]).sum(axis=2)
    mirror = gaps.argmin(axis=1).astype(np.int32)
    region = np.array([REGIONS.index(name) for name in block.region], np.uint8)
    eye = Points(np.int32([0, 5]), np.float32([[1, 0, 0], [0.2, 0.3, 0.5]]))
    return SimpleNamespace(
        mean=points.astype(np.float32),
        triangles=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
        region=np.tile(region, 2),
        mirror=mirror,
        masks={"lips": np.isin(np.arange(len(points)), lips).astype(np.float32)},
        landmarks={"2": eye},
        rims=np.stack([left, mirror[left]]).astype(np.int32),
        lips=np.array(sorted(lips), np.int32),
    )


@pytest.fixture(scope="module")
def source() -> SimpleNamespace:
    return block_head()


@pytest.fixture(scope="module")
def built(source) -> top.Topology:
    return top.build(source, source.mean.astype(float), scale=1.6, coarse=1.8)


@pytest.fixture(scope="module")
def places(source, built) -> np.ndarray:
    return built.matrix @ source.mean.astype(float)


def in_full(matrix: mesh.Sparse) -> np.ndarray:
    shape = (len(matrix.start) - 1, matrix.width)
    return csr_matrix((matrix.weight, matrix.column, matrix.start), shape=shape).toarray()


def edge_set(triangles: np.ndarray) -> set[tuple[int, int]]:
    return {tuple(edge) for edge in mesh.edges_of(triangles)[0].tolist()}


def characteristic(triangles: np.ndarray) -> int:
    return int(triangles.max()) + 1 - len(mesh.edges_of(triangles)[0]) + len(triangles)


def test_the_smooth_surface_nearly_interpolates(source):
    quads = lines.quads_of(source.triangles)
    loose = lines.smooth_surface(quads, len(source.mean), restore=0)
    tight = lines.smooth_surface(quads, len(source.mean), restore=4)
    corners = np.arange(len(source.mean))
    off = [np.abs(s.matrix.take(corners) @ source.mean - source.mean).max() for s in (loose, tight)]
    assert off[1] < 0.5 * off[0]
    assert np.allclose(tight.matrix @ np.ones(len(source.mean)), 1)
    assert tight.blend.weight.min() > 0
    assert len(tight.quads) == 16 * len(quads)


def test_triangles_that_are_no_quads_are_refused():
    with pytest.raises(FusiformError, match="quads"):
        lines.quads_of(np.int32([[0, 1, 2], [3, 4, 5]]))


def test_rows_sum_to_one_and_masks_stay_in_range(built):
    for matrix in (built.matrix, built.blend, *(v.matrix for v in built.levels.values())):
        assert np.allclose(matrix @ np.ones(matrix.width), 1)
    assert built.blend.weight.min() > 0
    assert built.masks["lips"].min() >= 0
    assert 0.5 < built.masks["lips"].max() <= 1


def test_vertices_lie_on_the_sources_smooth_surface(source, places):
    quads = lines.quads_of(source.triangles)
    surface = lines.smooth_surface(quads, len(source.mean))
    fine = surface.matrix @ source.mean.astype(float)
    triangles = lines.split_quads(fine, surface.quads)
    found, weights = mesh.nearest(mesh.tree_of(fine, triangles), places)
    there = np.einsum("kc,kcd->kd", weights, fine[triangles[found]])
    assert np.linalg.norm(there - places, axis=1).max() < 2e-4  # small weights are left out


def test_the_matrix_carries_other_heads_over(source, built, places):
    """It is linear: a source twice as wide gives a mesh twice as wide."""
    wide = source.mean.astype(float) * [2, 1, 1] + [0, 0, 1]
    assert np.allclose(built.matrix @ wide, places * [2, 1, 1] + [0, 0, 1])


def test_it_is_its_own_mirror_image(source, built, places):
    mirror = built.mirror
    assert np.array_equal(mirror[mirror], np.arange(len(mirror)))
    assert np.abs(places[mirror] * [-1, 1, 1] - places).max() < 1e-8
    assert np.abs(places[mirror == np.arange(len(mirror)), 0]).max() < 1e-8
    faces = {frozenset(t) for t in built.triangles.tolist()}
    assert {frozenset(t) for t in mirror[built.triangles].tolist()} == faces
    full = in_full(built.matrix)
    assert np.allclose(full[mirror], full[:, source.mirror])


def test_it_is_a_manifold_with_the_borders_of_the_source(source, built, places):
    quads = lines.quads_of(source.triangles)
    edges, _ = mesh.edges_of(quads)
    assert characteristic(built.triangles) == len(source.mean) - len(edges) + len(quads)
    assert len(mesh.boundary_loops(built.triangles)) == len(mesh.boundary_loops(quads)) == 3
    assert len(places) == built.triangles.max() + 1


def test_triangles_are_well_shaped(built, places):
    corners = places[built.triangles]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    areas = np.linalg.norm(mesh.face_crosses(places, built.triangles), axis=1) / 2
    quality = 4 * 3**0.5 * areas / (sides**2).sum(axis=1)
    assert np.percentile(quality, 1) > 0.5
    assert quality.min() > 0.1


def test_loops_are_edges_of_the_mesh(source, built, places):
    known = edge_set(built.triangles)
    for loop in (*built.rims, built.lips, built.vermilion):
        pairs = np.sort(np.stack([loop, np.roll(loop, -1)], axis=1), axis=1)
        assert {tuple(pair) for pair in pairs.tolist()} <= known
    assert np.array_equal(built.rims[1], built.mirror[built.rims[0]])
    first = source.mean[source.rims[0][:2]]
    gaps = np.linalg.norm(places[built.rims[0]] - first[0], axis=1)
    assert gaps.argmin() == 0
    ahead = np.linalg.norm(places[built.rims[0][[1, -1]]] - first[1], axis=1)
    assert ahead[0] < ahead[1]
    for loop in (built.lips, built.vermilion):  # right corner, upper lip, left corner, lower lip
        x, y = places[loop, 0], places[loop, 1]
        assert x.argmin() in (0, 1, len(loop) - 1)
        quarter = len(loop) // 4
        assert y[quarter] > y[-quarter]


def test_regions_fit_the_sheets_and_mirror(built, places):
    names = np.array(REGIONS)[built.region]
    assert set(names) >= {"face", "upper_lip", "lower_lip", "eyelid_l", "ear_r", "scalp", "torso"}
    assert np.array_equal(names == "inner_mouth", built.island == 1)
    assert np.array_equal(names == "eye_socket_l", built.island == 2)
    assert np.array_equal(names == "eye_socket_r", built.island == 3)
    centres = places[built.triangles].mean(axis=1)
    for name in ("ear", "eyelid", "eye_socket"):
        assert (centres[names == f"{name}_l", 0] > 0).all()
        assert (names == f"{name}_l").sum() == (names == f"{name}_r").sum()
    assert centres[names == "upper_lip", 1].mean() > centres[names == "lower_lip", 1].mean()


def drawn_twice(uv: np.ndarray, triangles: np.ndarray, size: int = 300) -> int:
    """How many pixel centres lie inside two triangles."""
    count = np.zeros((size, size), int)
    for a, b, c in uv[triangles].astype(float) * size:
        low = np.floor(np.minimum(np.minimum(a, b), c)).astype(int)
        high = np.ceil(np.maximum(np.maximum(a, b), c)).astype(int)
        y, x = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
        inside = np.ones(x.shape, bool)
        for p, q in ((a, b), (b, c), (c, a)):
            inside &= (q[0] - p[0]) * (y - p[1]) < (q[1] - p[1]) * (x - p[0])
        count[low[1] : high[1], low[0] : high[0]] += inside
    return int((count > 1).sum())


def test_the_texture_is_one_to_one(built):
    assert built.uv.min() >= 0
    assert built.uv.max() <= 1
    assert signed_areas(built.uv, built.uv_triangles).min() > 0
    assert drawn_twice(built.uv, built.uv_triangles) == 0


def test_the_texture_is_symmetric_and_cut_at_the_back(built, places):
    corners = built.uv[built.uv_triangles]
    half = len(corners) // 2
    assert np.allclose(corners[half:], corners[:half][:, [0, 2, 1]] * [-1, 1] + [1, 0], atol=1e-6)
    copies = np.zeros(len(places), int)
    pairs = np.unique(
        np.stack([built.triangles.ravel(), built.uv_triangles.ravel()], axis=1), axis=0
    )
    np.add.at(copies, pairs[:, 0], 1)
    split = np.setdiff1d(np.flatnonzero(copies > 1), [*built.rims.ravel(), *built.lips])
    assert np.abs(places[split, 0]).max() < 1e-8
    assert places[split, 2].max() < 0.02


def test_sheets_lie_apart(built):
    boxes = []
    for sheet in range(4):
        own = built.uv[built.uv_triangles[built.island == sheet]].reshape(-1, 2)
        boxes.append((own.min(axis=0), own.max(axis=0)))
    for i in range(4):
        for j in range(i):
            apart = np.maximum(boxes[i][0] - boxes[j][1], boxes[j][0] - boxes[i][1])
            assert apart.max() >= 4 / 512


def test_landmarks_stay_where_they_were(source, built, places):
    points = built.landmarks["2"]
    there = np.einsum("kc,kcd->kd", points.weights, places[built.triangles[points.triangle]])
    old = source.landmarks["2"]
    corners = source.mean[source.triangles[old.triangle]]
    wanted = np.einsum("kc,kcd->kd", old.weights, corners)
    assert np.linalg.norm(there - wanted, axis=1).max() < 0.004


@pytest.mark.parametrize("name", ["coarse", "fine"])
def test_levels_are_meshes_of_the_same_head(built, places, name):
    level = built.levels[name]
    moved = level.matrix @ places
    factor = len(level.triangles) / len(built.triangles)
    assert factor == 4 if name == "fine" else 0.1 < factor < 0.6
    assert characteristic(level.triangles) == characteristic(built.triangles)
    assert len(moved) == level.triangles.max() + 1
    assert np.array_equal(level.mirror[level.mirror], np.arange(len(moved)))
    assert np.abs(moved[level.mirror] * [-1, 1, 1] - moved).max() < 1e-8
    found, weights = mesh.nearest(mesh.tree_of(places, built.triangles), moved)
    there = np.einsum("kc,kcd->kd", weights, places[built.triangles[found]])
    assert np.linalg.norm(there - moved, axis=1).max() < 0.004
    assert level.uv_triangles.shape == level.triangles.shape
    turned = signed_areas(level.uv, level.uv_triangles) <= 0
    assert turned.mean() <= (0.01 if name == "coarse" else 0)
    assert set(level.region) <= set(built.region)


def test_what_is_saved_can_be_read(built, tmp_path):
    top.save(built, tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz", allow_pickle=False) as stored:
        names = ("start", "column", "weight", "width")
        start, column, weight, width = (stored[f"matrix/{name}"] for name in names)
        matrix = mesh.Sparse(start, column, weight, int(width))
        assert np.array_equal(in_full(matrix), in_full(built.matrix))
        assert np.array_equal(stored["level/fine/triangles"], built.levels["fine"].triangles)
        assert np.array_equal(stored["landmark/2/triangle"], built.landmarks["2"].triangle)
        assert np.array_equal(stored["mask/lips"], built.masks["lips"])


def test_a_chain_runs_through_its_edges():
    edges = np.int32([[3, 1], [5, 7], [1, 5]])
    assert lines.chain(edges, 3).tolist() == [3, 1, 5, 7]
    assert lines.chain(np.int32([[0, 2], [2, 1], [1, 0]]), 0).tolist() == [0, 1, 2]


def test_sides_are_exchanged():
    regions = np.array([REGIONS.index(n) for n in ("face", "ear_l", "brow_r")], np.uint8)
    assert [REGIONS[r] for r in levels.other_side(regions)] == ["face", "ear_r", "brow_l"]
