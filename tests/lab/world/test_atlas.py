"""The atlas: places, masks, borders, labels, padding and the chart."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError
from fusiform.lab.geometry.head import REGIONS, Head, at
from fusiform.lab.geometry.mesh import vertex_normals
from fusiform.lab.geometry.scene import Label
from fusiform.lab.world.atlas import Atlas, atlas, make_atlas
from fusiform.lab.world.atlas_chart import WIDEST, azimuth, borders, chart, make_chart, place
from fusiform.lab.world.atlas_cover import paint
from fusiform.lab.world.skin_zones import ZONES, Z, zones

SIZE = 192


@pytest.fixture(scope="module")
def skin(head: Head) -> Atlas:
    return atlas(head, SIZE)


def test_barycentrics_give_places_and_masks(head: Head, skin: Atlas) -> None:
    corners = head.triangles[skin.triangle]
    weights = skin.barycentric.astype(np.float64)
    assert np.abs(weights.sum(axis=1) - 1).max() < 1e-6
    assert weights.min() > -1e-5
    there = np.einsum("kc,kcd->kd", weights, head.mean[corners].astype(np.float64))
    assert np.abs(there - skin.position).max() < 1e-6
    for name, mask in head.masks.items():
        want = (weights * mask[corners]).sum(axis=1)
        assert np.abs(want - skin.masks[name]).max() < 1e-5, name


def test_texels_lie_where_the_texture_says(head: Head, skin: Atlas) -> None:
    """uv of a covered texel, from its triangle, is its centre."""
    rows, columns = np.nonzero(skin.index >= 0)
    uv = head.uv[head.uv_triangles[skin.triangle]].astype(np.float64)
    there = np.einsum("kc,kcd->kd", skin.barycentric, uv) * SIZE
    off = np.hypot(there[:, 0] - columns - 0.5, there[:, 1] - rows - 0.5)
    assert off[skin.inside].max() < 1e-3
    assert 0 < off[~skin.inside].max() < 8


def test_cover_is_complete(head: Head, skin: Atlas) -> None:
    """As many texels as the area of the islands, whatever OpenCV fills."""
    cv2 = pytest.importorskip("cv2")
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    for t in head.uv_triangles:
        corner = np.round((head.uv[t] * SIZE - 0.5) * 64).astype(np.int32)
        cv2.fillConvexPoly(drawn, corner, 1, shift=6)
    mine = np.asarray(skin.spread(skin.inside)).astype(bool)
    assert (mine & (drawn == 0)).mean() < 0.002
    assert abs(mine.mean() - drawn.mean()) < 0.05


def test_padding_goes_around(skin: Atlas) -> None:
    """Every texel beside a covered one has content, so bilinear lookups stay on skin."""
    inside = np.asarray(skin.spread(skin.inside)).astype(bool)
    for shift in np.ndindex(3, 3):
        moved = np.roll(inside, np.array(shift) - 1, axis=(0, 1))
        moved[[0, -1]] = False
        moved[:, [0, -1]] = False
        assert (skin.index[moved] >= 0).all()


def test_axes(skin: Atlas) -> None:
    for a in (skin.normal, skin.along_u, skin.along_v):
        assert np.abs(np.linalg.norm(a, axis=1) - 1).max() < 1e-4
    for a, b in ((skin.normal, skin.along_u), (skin.normal, skin.along_v)):
        assert np.abs((a * b).sum(axis=1)).max() < 1e-4
    # the next texel to the right lies along_u, the next one down not against along_v
    right = skin.index[:, :-1] >= 0
    right &= skin.index[:, 1:] >= 0
    here, there = skin.index[:, :-1][right], skin.index[:, 1:][right]
    same = (skin.region[here] == 0) & (skin.region[there] == 0)
    step = (skin.position[there] - skin.position[here])[same]
    ahead = (step * skin.along_u[here[same]]).sum(axis=1)
    close = np.linalg.norm(step, axis=1) < 0.01
    assert (ahead[close] > 0).mean() > 0.995
    length = np.median(np.linalg.norm(step[close], axis=1) / skin.texel[here[same]][close])
    assert 0.6 < length <= 1.1


def test_normals_point_out(head: Head, skin: Atlas) -> None:
    want = vertex_normals(head.mean, head.triangles)[head.triangles[skin.triangle]]
    mixed = np.einsum("kc,kcd->kd", skin.barycentric, want)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    assert np.nanmin((mixed * skin.normal).sum(axis=1)) > 0.999


def test_labels(head: Head, skin: Atlas) -> None:
    found = set(np.unique(skin.labels))
    need = {Label.SKIN, Label.NOSE, Label.UPPER_LIP, Label.LOWER_LIP, Label.LEFT_EAR}
    need |= {Label.RIGHT_EAR, Label.NECK, Label.LEFT_BROW, Label.RIGHT_BROW, Label.MOUTH}
    need |= {Label.LEFT_EYE, Label.RIGHT_EYE}
    assert need <= found
    label = skin.labels[skin.index >= 0]
    for left, right in ((Label.LEFT_BROW, Label.RIGHT_BROW), (Label.LEFT_EAR, Label.RIGHT_EAR)):
        assert (skin.position[label == left, 0] > 0).all()
        assert (skin.position[label == right, 0] < 0).all()
        areas = [float((skin.texel[label == side] ** 2).sum()) for side in (left, right)]
        assert areas[0] == pytest.approx(areas[1], rel=0.15)
    torso = skin.region == REGIONS.index("torso")
    assert (label[torso] == Label.NECK).all()


def test_lip_distance_is_signed(head: Head, skin: Atlas) -> None:
    label = skin.labels[skin.index >= 0]
    lips = np.isin(label, [Label.UPPER_LIP, Label.LOWER_LIP])
    assert skin.lip[lips].min() > -1e-6
    face = np.isin(label, [Label.SKIN, Label.NOSE, Label.NECK]) & (label != Label.MOUTH)
    assert skin.lip[face].max() < 1e-6
    marks = at(head.landmarks["68"], head.triangles, head.mean)
    wide = marks[54, 0] - marks[48, 0]
    assert wide / 12 < skin.lip[lips].max() < wide / 2


def test_borders_against_brute_force(head: Head) -> None:
    """Distances to lid margins against dense points on them."""
    edge = borders(head)
    dense = []
    for rim in head.rims:
        start, stop = head.mean[rim], head.mean[np.roll(rim, -1)]
        dense += [start + s * (stop - start) for s in np.linspace(0, 1, 40)]
    points = np.concatenate(dense)
    some = np.argsort(edge.lid)[:: max(1, len(edge.lid) // 200)]
    some = some[edge.lid[some] < 0.02]
    want = np.linalg.norm(head.mean[some][:, None] - points[None], axis=2).min(axis=1)
    assert np.abs(want - edge.lid[some]).max() < 2e-4


def test_boxes_hold_every_texel_once(skin: Atlas) -> None:
    boxes = skin.boxes
    assert np.array_equal(np.sort(boxes.texels), np.arange(len(skin.triangle)))
    assert boxes.start[-1] == len(skin.triangle)
    cell = ((skin.position - boxes.low) / boxes.edge).astype(int)
    name = (cell[:, 0] * boxes.shape[1] + cell[:, 1]) * boxes.shape[2] + cell[:, 2]
    box = np.repeat(np.arange(len(boxes.start) - 1), np.diff(boxes.start))
    assert (name[boxes.texels] == box).mean() > 0.999


def test_kept_as_long_as_the_head(head: Head) -> None:
    other = replace(head)
    first = atlas(other, 32)
    assert atlas(other, 32) is first
    assert atlas(head, 32) is not first
    gone = weakref.ref(first)
    del other, first
    gc.collect()
    assert gone() is None


def test_same_bytes(head: Head, skin: Atlas) -> None:
    again = make_atlas(head, SIZE)
    assert again.position.tobytes() == skin.position.tobytes()
    assert again.labels.tobytes() == skin.labels.tobytes()


@pytest.mark.parametrize("size", [0, 15, 5000])
def test_wrong_size(head: Head, size: int) -> None:
    with pytest.raises(ChoiceError, match="size"):
        make_atlas(head, size)


def test_any_unwrap_will_do(head: Head) -> None:
    """Turned by 90 degrees, every texel shows the same place as before."""
    turned = replace(head, uv=np.stack([1 - head.uv[:, 1], head.uv[:, 0]], axis=1))
    one, two = make_atlas(head, 64), make_atlas(turned, 64)
    back = np.rot90(two.index >= 0, 1)
    both = (one.index >= 0) & back
    a = one.position[one.index[both]]
    b = two.position[np.rot90(two.index, 1)[both]]
    inside = one.inside[one.index[both]] & two.inside[np.rot90(two.index, 1)[both]]
    assert inside.sum() > 1500
    assert np.median(np.linalg.norm(a - b, axis=1)[inside]) < 1e-6


def test_paint_keeps_the_nearer() -> None:
    square = np.array([[[0, 0], [8, 0], [0, 8]], [[0, 0], [8, 0], [0, 8]]], np.float32)
    depth = np.array([[1, 1, 1], [2, 2, 2]], np.float32)
    owner, weights = paint(square, depth, 8, 8)
    assert set(np.unique(owner)) == {-1, 1}
    assert weights[owner >= 0].sum(axis=1) == pytest.approx(1)
    assert (owner[:4, :4] == 1).all()


def test_chart_brings_landmarks_back(head: Head) -> None:
    surface = chart(head)
    marks = at(head.landmarks["68"], head.triangles, head.mean)
    skin_marks = [*range(1, 16), *range(17, 31), 48, 54, 51, 57]
    found = place(surface, surface.anchors[skin_marks])
    away = np.linalg.norm(found - marks[skin_marks], axis=1)
    assert np.nanmedian(away) < 0.0006
    assert np.isfinite(away).mean() > 0.9


def test_chart_is_outermost_and_mirrored(head: Head) -> None:
    surface = make_chart(head)
    for turn in (10.0, 40.0, 70.0):
        for height in (-0.05, 0.05):
            pair = place(surface, np.array([[turn, height], [-turn, height]]))
            assert pair[0] == pytest.approx(pair[1] * [-1, 1, 1], abs=0.0015)
            back = azimuth(pair[:1], surface.axis)[0]
            assert back == pytest.approx([turn, height], abs=0.2)
    off = place(surface, np.array([[0.0, 0.9], [WIDEST + 5, 0.0]]))
    assert np.isnan(off).all()


def test_zones(head: Head, skin: Atlas) -> None:
    found = zones(head, skin)
    assert found.share.shape == (len(skin.triangle), len(ZONES))
    assert found.share.min() >= 0
    assert found.share.max() <= 1.0001
    assert found.start[-1] == len(found.named) == len(found.part)
    for name in ("cheek", "nose", "temple", "circle", "chin", "forehead", "ear"):
        share = found.share[:, Z[name]]
        assert share.max() > 0.6, name
        area = skin.texel**2 * share
        left = float(area[skin.position[:, 0] > 0].sum())
        assert left == pytest.approx(float(area.sum()) / 2, rel=0.12), name
    t = int(np.argmax(found.share[:, Z["cheek"]]))
    rows = slice(found.start[t], found.start[t + 1])
    full = np.zeros(len(ZONES), np.float32)
    full[found.named[rows]] = found.part[rows]
    assert np.abs(full - found.share[t]).max() < 0.005
    assert zones(head, skin) is found
