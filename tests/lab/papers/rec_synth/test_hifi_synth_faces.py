"""Landmark crops: points stay on what they mark."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from fusiform.core.seeds import rng  # noqa: E402
from fusiform.lab.papers.rec_synth import hifi_synth_faces as paper  # noqa: E402
from fusiform.lab.world.labels import Photo  # noqa: E402


def test_points_move_with_their_crops():
    places = np.array([[[0.3, -0.2]], [[-0.4, 0.1]]], np.float32)
    grid = (torch.arange(96) + 0.5) / 48 - 1
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    spots = [torch.exp(-((x - p[0, 0]) ** 2 + (y - p[0, 1]) ** 2) / 0.005) for p in places]
    images = torch.stack(spots)[:, None].expand(-1, 3, -1, -1)
    out, points = paper.moved(images, places, torch.Generator().manual_seed(3))
    for picture, place in zip(out[:, 0], points[:, 0], strict=True):
        found = [float((picture * axis).sum() / picture.sum()) for axis in (x, y)]
        assert found == pytest.approx(place.tolist(), abs=0.01)
    assert not np.allclose(points.numpy(), places, atol=0.01)


def test_a_crop_and_its_points_are_of_one_place():
    image = np.zeros((112, 112, 3), np.uint8)
    image[50:54, 70:74] = 255
    box, marks = [20.0, 30.0, 100.0, 90.0], np.full((68, 2), [72.0, 52.0], np.float32)
    crop, points, norm = paper.cut(Photo(image, {"points68": marks}, {"box": box}), rng(1, "x"))
    middle = (points[0] + 1) / 2 * paper.SIDE
    rows, columns = np.nonzero(crop[..., 0] > 100)
    assert [columns.mean() + 0.5, rows.mean() + 0.5] == pytest.approx(middle.tolist(), abs=0.6)
    side = 80 * paper.WIDE
    assert float(norm) == pytest.approx(2 * np.sqrt(80 * 60) / side, rel=0.06)


def test_each_arm_leaves_out_less():
    names = [set(arm) for arm in paper.ARMS.values()]
    assert all(later < earlier for earlier, later in pairwise(names))
