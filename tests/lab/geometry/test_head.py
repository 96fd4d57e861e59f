"""The shipped head: that its parts fit together, and reading it."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.geometry.head import (
    JOINTS,
    REGIONS,
    SEAMS,
    Head,
    Linear,
    at,
    at_level,
    load_head,
    read_head,
)

RESULTS = Path(__file__).parents[3] / "results/head.json"
DATA = Path(str(resources.files("fusiform.lab.geometry") / "data"))
MASKS = (
    *("beard", "brow", "cheek", "crowsfeet", "ears", "eyelid", "forehead", "front", "hairline"),
    *("lips", "moustache", "neck", "nose", "nosetip", "pinna", "rigid", "scalp", "torso"),
    "undereye",
)


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def edges_seen_once(triangles: np.ndarray) -> np.ndarray:
    """Edges (k, 2) with a triangle on one side only, the slow way."""
    sides: dict[tuple[int, int], int] = {}
    for a, b, c in triangles.tolist():
        for edge in ((a, b), (b, c), (c, a)):
            assert edge not in sides, "two triangles run along an edge in the same direction"
            sides[edge] = 1
    return np.array([edge for edge in sides if edge[::-1] not in sides])


def test_sizes_and_types_fit(head: Head) -> None:
    n, t, m = len(head.mean), len(head.triangles), len(head.uv)
    k = len(head.shape.rows)
    assert head.mean.shape == (n, 3)
    assert head.mean.dtype == np.float32
    assert head.triangles.shape == head.uv_triangles.shape == (t, 3)
    assert head.triangles.max() == n - 1
    assert head.uv_triangles.max() == m - 1
    assert head.region.shape == (t,)
    assert head.region.max() < len(REGIONS)
    assert head.shape.rows.shape == (k, n, 3)
    assert head.shape.rows.dtype == head.expressions.dtype == np.float32
    assert head.joints.rows.shape == (k, len(JOINTS), 3)
    assert head.eyes.rows.shape == (k, 2, 3)
    assert head.expressions.shape == (52, n, 3)
    assert head.openness.shape == (n,)
    assert head.openness_change.shape == (52, n)
    assert head.jaw_turn.shape == (52, 3)
    assert set(head.seams) == set(SEAMS)
    assert sorted(head.masks) == sorted(MASKS)
    assert all(mask.shape == (n,) for mask in head.masks.values())


def test_every_number_is_finite(head: Head) -> None:
    loose = [head.mean, head.uv, head.shape.rows, head.expressions, head.openness_change]
    assert all(np.isfinite(one).all() for one in [*loose, *head.extra.values()])


def test_mesh_is_cut_at_waist_and_arms_only(head: Head) -> None:
    border = edges_seen_once(head.triangles)
    after = dict(border.tolist())
    assert len(after) == len(border)
    middles = []
    while after:
        first, following = after.popitem()
        loop = [first]
        while following != first:
            loop.append(following)
            following = after.pop(following)
        assert head.mean[loop, 1].max() < -0.3
        middles.append(head.mean[loop, 0].mean())
    assert sorted(np.sign(np.round(middles, 2))) == [-1, 0, 1]


def test_scale_and_axes(head: Head) -> None:
    """Metres, eyes at the origin, the face looking along +z."""
    x, y, z = head.mean.T
    assert np.linalg.norm(head.eye_centres[0] - head.eye_centres[1]) == pytest.approx(
        0.0632, abs=0.001
    )
    assert head.eye_centres[0, 0] > 0 > head.eye_centres[1, 0]
    assert np.abs(head.eye_centres.mean(axis=0)).max() < 1e-4
    assert 0.09 < y.max() < 0.14
    chin = at(head.landmarks["68"], head.triangles, head.mean)[8]
    assert -0.125 < chin[1] < -0.1
    assert 0.12 < np.ptp(x[y > 0]) < 0.2
    assert z[head.masks["nosetip"].argmax()] > 0.03


def test_outside_is_counter_clockwise(head: Head) -> None:
    corners = head.mean[head.triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    scalp = head.region == REGIONS.index("scalp")
    away = corners[scalp].mean(axis=1) - head.mean.mean(axis=0) * [1, 0, 1]
    assert (np.einsum("td,td->t", normals[scalp], away) > 0).mean() > 0.98
    # the volume of what faces outwards is positive (divergence theorem)
    assert np.einsum("td,td->", corners.mean(axis=1), normals) > 0


def test_mirror_is_a_reflection(head: Head) -> None:
    mirror = head.mirror
    assert np.array_equal(mirror[mirror], np.arange(len(mirror)))
    flipped = head.mean[mirror] * np.float32([-1, 1, 1])
    # drawn people are as often lopsided to one side as to the other, but not exactly
    assert np.abs(flipped - head.mean)[head.masks["front"] > 0.5].max() < 1e-3
    both = {tuple(sorted(row)) for row in head.triangles.tolist()}
    assert {tuple(sorted(row)) for row in mirror[head.triangles].tolist()} == both


def test_mirrored_landmarks_are_each_others(head: Head) -> None:
    p = at(head.landmarks["68"], head.triangles, head.mean)
    twin = [*range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31]
    twin += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    twin += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    assert np.abs(p[twin] * np.float32([-1, 1, 1]) - p).max() < 1.5e-3


@pytest.mark.parametrize("name", ["68", "106", "478"])
def test_landmarks_lie_on_the_mesh(head: Head, name: str) -> None:
    points = head.landmarks[name]
    assert points.triangle.shape == (int(name),)
    assert points.triangle.min() >= 0
    assert points.triangle.max() < len(head.triangles)
    assert points.weights.min() > -1e-6
    assert np.abs(points.weights.sum(axis=1) - 1).max() < 1e-5
    places = at(points, head.triangles, head.mean)
    corners = head.mean[head.triangles[points.triangle]]
    assert (places >= corners.min(axis=1) - 1e-6).all()
    assert (places <= corners.max(axis=1) + 1e-6).all()


def test_landmark_orders(head: Head) -> None:
    """The subject's right comes first and lies at x < 0."""
    p = at(head.landmarks["68"], head.triangles, head.mean)
    assert (np.diff(p[:17, 0]) > 0).all()
    for first, last in ((17, 27), (31, 36), (48, 55), (60, 65)):
        assert (np.diff(p[first:last, 0]) > 0).all()
    assert (np.diff(p[27:31, 1]) < 0).all()
    assert (p[36:42, 0] < 0).all()
    assert (p[42:48, 0] > 0).all()
    assert (p[[37, 38, 43, 44], 1] > p[[41, 40, 47, 46], 1]).all()
    assert p[51, 1] > p[62, 1] > p[66, 1] > p[57, 1]
    q = at(head.landmarks["106"], head.triangles, head.mean)
    assert np.abs(q[:33:2] - p[:17]).max() < 2e-3
    assert (np.diff(q[:33, 0]) > 0).all()
    for mine, ibug in ((33, 17), (43, 27), (47, 31), (52, 36), (84, 48), (96, 60)):
        count = {33: 10, 43: 4, 47: 5, 52: 12, 84: 12, 96: 8}[mine]
        assert np.abs(q[mine : mine + count] - p[ibug : ibug + count]).max() < 2e-3
    assert (q[64:68, 0] < 0).all()
    assert (q[68:72, 0] > 0).all()
    assert q[72, 0] < 0 < q[75, 0]
    assert (q[[78, 80, 82], 0] < 0).all()
    assert (q[[79, 81, 83], 0] > 0).all()
    dense = at(head.landmarks["478"], head.triangles, head.mean)
    assert np.abs(dense[:68] - p).max() < 1e-6
    gaps = np.linalg.norm(dense[:468, None] - dense[None, :468], axis=2)
    assert np.median((gaps + np.eye(468)).min(axis=1)) > 0.0015


def test_loops_go_around(head: Head) -> None:
    """Rims and lips run along edges, once around, and the two rims are mirror images."""
    sides = {
        (int(a), int(b)) for t in head.triangles for a, b in zip(t, np.roll(t, 1), strict=True)
    }
    for loop in (*head.rims, head.lips):
        assert len(set(loop.tolist())) == len(loop)
        assert all(
            (int(a), int(b)) in sides or (int(b), int(a)) in sides
            for a, b in zip(loop, np.roll(loop, -1), strict=True)
        )
    assert np.array_equal(np.sort(head.mirror[head.rims[0]]), np.sort(head.rims[1]))
    left = head.mean[head.rims[0]]
    assert 0.024 < np.ptp(left[:, 0]) < 0.034
    assert np.abs(np.linalg.norm(left - head.eye_centres[0], axis=1) - head.eye_radius).max() < 0.01


def test_skinning_weights_sum_to_one(head: Head) -> None:
    assert head.skinning.min() >= 0
    assert np.abs(head.skinning.sum(axis=1) - 1).max() < 1e-5
    top = head.mean[:, 1] > 0.05
    assert head.skinning[top, JOINTS.index("skull")].min() > 0.99
    bottom = head.mean[:, 1] < -0.35
    assert head.skinning[bottom, JOINTS.index("torso")].min() > 0.9


def test_seams_weigh_their_stations(head: Head) -> None:
    for seam in head.seams.values():
        for side in (seam.upper, seam.lower):
            assert np.abs(side.sum(axis=1) - 1).max() < 1e-5
        for one in (seam.pull_upper, seam.pull_lower):
            assert one.min() >= 0
            assert one.max() <= 1 + 1e-6
        # a station pulled moves by what it was pulled
        assert np.abs(seam.upper @ seam.pull_upper - np.eye(len(seam.upper))).max() < 1e-5


def test_expressions_have_their_names_and_twins(head: Head) -> None:
    names = head.expression_names
    assert len(set(names)) == 52
    jaw = head.expressions[names.index("jawOpen")]
    chin = head.landmarks["68"].triangle[8]
    assert jaw[head.triangles[chin], 1].max() < -0.01
    for name in ("eyeBlink", "mouthSmile", "browDown", "cheekSquint", "noseSneer"):
        left, right = (head.expressions[names.index(name + side)] for side in ("Left", "Right"))
        flipped = left[head.mirror] * np.float32([-1, 1, 1])
        assert np.abs(flipped - right).max() < 0.15 * np.abs(left).max()
        assert np.linalg.norm(left[head.mean[:, 0] > 0]) > np.linalg.norm(left[head.mean[:, 0] < 0])


def test_openness_is_a_share(head: Head) -> None:
    assert 0 < head.openness.min() < head.openness.max() <= 1
    nose = head.openness[head.masks["nosetip"] > 0.9]
    inside = np.unique(head.triangles[head.region == REGIONS.index("inner_mouth")])
    assert np.median(head.openness[inside]) < 0.3 < nose.mean()


@pytest.mark.parametrize("name", ["coarse", "fine"])
def test_levels_follow_the_head(head: Head, name: str) -> None:
    level = head.levels[name]
    count = len(level.mirror)
    least, most = {"coarse": (900, 1200), "fine": (21_000, 27_000)}[name]
    assert least < count < most
    placed = at_level(head, name, head.mean)
    assert placed.shape == (count, 3)
    assert placed.dtype == np.float32
    assert level.triangles.max() == count - 1
    assert level.uv_triangles.max() == len(level.uv) - 1
    assert np.abs(at_level(head, name, np.ones((len(head.mean), 1), np.float32)) - 1).max() < 1e-5
    # the same surface: no vertex of the level far from the head's nearest (coarse ones are its own)
    x = placed[:: max(1, count // 300)]
    gaps = np.linalg.norm(head.mean[None] - x[:, None], axis=2).min(axis=1)
    assert np.percentile(gaps, 95) < 0.012
    flipped = placed[level.mirror] * np.float32([-1, 1, 1])
    assert np.percentile(np.abs(flipped - placed), 99) < 5e-4
    moved = at_level(head, name, head.mean + np.float32([0.1, 0.2, 0.3]))
    assert np.abs(moved - placed - np.float32([0.1, 0.2, 0.3])).max() < 1e-5


def test_unknown_level_is_told(head: Head) -> None:
    with pytest.raises(ChoiceError, match="coarse"):
        at_level(head, "middle", head.mean)


def test_missing_coefficients_count_as_none(head: Head) -> None:
    few = np.float32([1.0, -0.5])
    full = np.zeros(len(head.shape.rows), np.float32)
    full[:2] = few
    assert np.abs(head.shape(few) - head.shape(full)).max() < 1e-7
    by_hand = head.shape.start + 1.0 * head.shape.rows[0] - 0.5 * head.shape.rows[1]
    assert np.abs(head.shape(few) - by_hand).max() < 1e-6


def test_linear_is_affine() -> None:
    rng = np.random.default_rng(0)
    one = Linear(
        rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=(5, 4, 3)).astype(np.float32)
    )
    a, b = rng.normal(size=(2, 5)).astype(np.float32)
    assert np.allclose(one((a + b) / 2), (one(a) + one(b)) / 2, atol=1e-5)


def test_the_card_is_about_this_file() -> None:
    about = json.loads((DATA / "head.json").read_text())
    model = (DATA / "head.npz").read_bytes()
    assert about["sha256"] == hashlib.sha256(model).hexdigest()
    assert about["bytes"] == len(model) < 16 * 2**20
    assert about["sizes"]["vertices"] == len(load_head().mean)
    assert about["sizes"]["components"] == len(load_head().shape.rows)
    assert "CC0" in about["credit"]


def test_figures_are_about_this_file() -> None:
    """What was measured when the model was made, on heads that it was not learned from."""
    figures = json.loads(RESULTS.read_text())
    model = (DATA / "head.npz").read_bytes()
    assert figures["model_sha256"] == hashlib.sha256(model).hexdigest()
    shape, trials = figures["shape"], figures["trials"]
    assert shape["heads"] == trials["heads"] == 1000
    assert shape["face_error"]["median"] < 0.5
    assert shape["head_medians"]["p99"] < 0.5
    assert shape["components_99"] < shape["components"]
    assert trials["blink"]["heads_shut"] >= 0.99
    assert trials["lips"]["most"] < 0.2
    assert trials["clearance"] > 0.39


def test_what_is_no_head_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "none.npz"
    with pytest.raises(FusiformError, match=r"none\.npz"):
        read_head(missing)
    other = tmp_path / "other.npz"
    np.savez(other, mean=np.zeros((3, 3)))
    with pytest.raises(FusiformError, match="not a head model"):
        read_head(other)
    other.write_bytes(b"no archive")
    with pytest.raises(FusiformError, match="not a head model"):
        read_head(other)


def test_load_head_reads_once() -> None:
    assert load_head() is load_head()
