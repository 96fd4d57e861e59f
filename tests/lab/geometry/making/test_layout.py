"""The layout: rings followed outwards, the source as the mesh builder sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fusiform.core.errors import FusiformError
from fusiform.lab.geometry.head import REGIONS, at
from fusiform.lab.geometry.making.layout import (
    FRONT,
    Layout,
    corner_points,
    face_vertices,
    held_share,
    layout_of,
    opened,
    outward,
    source_head,
)
from fusiform.lab.geometry.making.source import Source, read_source
from fusiform.lab.geometry.mesh import sparse

REAL = Path(__file__).parents[5] / "shared/data/head_cc0.npz"
SIDE = 29


def test_outward_follows_the_rings(source: Source) -> None:
    start = source.arrays["eye_rim_l"]
    for steps in range(4):
        found = outward(source, "eye_rim_l", "eyelid_ring", steps)
        assert np.array_equal(found, start + steps * SIDE)
        assert (source.arrays["eyelid_ring"][found] == steps).all()


def test_rings_that_fit_no_loop_are_told(source: Source) -> None:
    wrong = source.arrays["eyelid_ring"].copy()
    wrong[wrong == 2] = 255
    broken = replace(source, arrays={**source.arrays, "eyelid_ring": wrong})
    with pytest.raises(FusiformError, match="eyelid_ring"):
        outward(broken, "eye_rim_l", "eyelid_ring", 3)


def test_source_head_is_the_mean_adult(source: Source) -> None:
    head = source_head(source)
    assert len(head.mean) == source.skin
    assert len(head.triangles) == len(head.region) == 2 * len(source.arrays["skin_quads"])
    eyes = head.eye_centres
    assert np.linalg.norm(eyes[0] - eyes[1]) == pytest.approx(0.0632, rel=1e-4)
    marks = at(head.landmarks["68"], head.triangles, head.mean)
    assert np.array_equal(marks, head.mean[source.arrays["lm68"]])
    assert np.array_equal(head.shape(np.ones(1, np.float32)), head.mean)
    # the height above the hairline is a length, the other masks are shares
    ours, theirs = head.masks["hairline"], source.arrays["masks"][1].astype(np.float32)
    assert np.allclose(ours, theirs * source.scale)
    assert np.allclose(head.masks["scalp"], source.arrays["masks"][0])


def test_opened_lowers_the_jaw_and_the_lids(source: Source) -> None:
    head = source_head(source)
    moved = opened(head) - head.mean
    jaw = head.expressions[head.expression_names.index("jawOpen")]
    blink = [head.expressions[head.expression_names.index(f"eyeBlink{s}")] for s in LEFT_RIGHT]
    assert np.abs(moved - (0.4 * jaw + 0.75 * (blink[0] + blink[1]))).max() < 1e-7


LEFT_RIGHT = ("Left", "Right")


def test_corner_points_are_the_vertices() -> None:
    triangles = np.array([[0, 1, 2], [2, 1, 3]], np.int32)
    vertices = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    points = corner_points(triangles, np.array([3, 1, 2]))
    assert np.array_equal(at(points, triangles, vertices), vertices[[3, 1, 2]])


def test_held_share_mixes_membership() -> None:
    blend = sparse(np.array([0, 0, 1]), np.array([0, 1, 2]), np.array([0.25, 0.75, 1.0]), (2, 3))
    assert np.allclose(held_share(blend, np.array([1]), 3), [0.75, 0])


def test_face_vertices_are_in_front_regions(source: Source) -> None:
    found = face_vertices(source)
    wanted = [REGIONS.index(name) for name in FRONT]
    quads = source.arrays["skin_quads"]
    mine = np.isin(source.arrays["skin_quad_region"], wanted)
    assert set(found) == set(quads[mine].ravel().tolist())


def test_resample_takes_any_leading_axes(layout: Layout) -> None:
    fields = np.random.default_rng(0).normal(size=(2, 3, len(layout.vertices), 3))
    fields = fields.astype(np.float32)
    assert np.abs(layout.resample(fields) - fields).max() < 1e-6


def test_layout_of_takes_the_mesh_over(source: Source, layout: Layout) -> None:
    """A mesh that has every vertex of the source once gives that source back."""
    plain = source_head(source)
    mesh = SimpleNamespace(
        matrix=layout.matrix,
        blend=layout.matrix,
        triangles=plain.triangles,
        uv=plain.uv,
        uv_triangles=plain.uv_triangles,
        region=plain.region,
        mirror=plain.mirror,
        masks=plain.masks,
        rims=plain.rims,
        lips=plain.lips,
        landmarks=plain.landmarks,
        levels={
            "coarse": SimpleNamespace(
                matrix=layout.matrix,
                triangles=plain.triangles,
                uv=plain.uv,
                uv_triangles=plain.uv_triangles,
                region=plain.region,
                mirror=plain.mirror,
            )
        },
    )
    found = layout_of(source, mesh)
    assert np.abs(found.vertices - plain.mean).max() < 1e-6
    assert set(np.flatnonzero(found.masks["rigid"])) == set(source.arrays["skull_rigid"].tolist())
    assert set(np.flatnonzero(found.masks["front"])) == set(face_vertices(source).tolist())
    assert found.levels["coarse"].matrix is layout.matrix


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} (the CC0 head) is not here")
def test_real_source_has_loops_that_close() -> None:
    """Every vertex of rims and lips has two neighbours on its loop; opened, lips lie apart."""
    head = source_head(read_source(REAL, 0.0632))
    quads = read_source(REAL, 0.0632).arrays["skin_quads"].astype(int)
    sides = {frozenset((row[k], row[k - 1])) for row in quads.tolist() for k in range(4)}
    for loop in (*head.rims.tolist(), head.lips.tolist()):
        met = [sum(frozenset((one, other)) in sides for other in loop) for one in loop]
        assert set(met) == {2}
        assert len(set(loop)) == len(loop)
    lips = opened(head)[head.lips]
    shut = head.mean[head.lips]
    assert np.ptp(lips[:, 1]) > np.ptp(shut[:, 1]) + 0.008
    # the rims are the lids' front edges: as far out as the eyeballs' fronts
    for side in range(2):
        rim = head.mean[head.rims[side]]
        assert 0.026 < np.ptp(rim[:, 0]) < 0.034
        assert 0.008 < np.ptp(rim[:, 1]) < 0.014
