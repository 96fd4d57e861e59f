"""Finding landmarks in probes, and cutting faces out by them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from fusiform.core.align import template
from fusiform.lab.papers import _landmarks as landmarks
from fusiform.lab.papers._probes import Probes


def test_points_of_the_template_give_the_picture_itself():
    picture = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    points = (template("arcface112").points * (32 / 112))[None].astype(np.float64)
    assert np.abs(landmarks.cut(picture, points, 32).astype(int) - picture).max() <= 1


def test_frames_hold_the_box_and_know_where_they_are():
    y, x = np.mgrid[:112, :112]
    plane = np.stack([x, y, 0 * x], -1).astype(np.uint8)
    boxes = np.tile(np.array([40, 30, 70, 66], np.float32), (20, 1))
    points = np.zeros((20, 68, 2), np.float32)
    probes = Probes(np.stack([plane] * 20), np.arange(20), points, boxes, np.ones(20))
    crops, origin, reach = landmarks.framed(probes, 4)
    assert crops.shape == (20, 32, 32, 3)
    assert (np.abs(reach / 36 / 1.3 - 1) <= 0.08).all()
    middle = crops[:, 15:17, 15:17, :2].mean((1, 2))
    assert np.abs(middle + 0.5 - (origin + reach[:, None] / 2)).max() < 1.5
    assert len(np.unique(origin)) == 40


def test_places_of_points():
    points = torch.from_numpy(np.random.default_rng(3).uniform(-1, 1, (4, 136))).float()
    objective = landmarks.Places(points)
    rows = torch.tensor([2, 0])
    exact = points[rows]
    assert objective(nn.Identity(), {"image": exact, "label": rows})[0] == 0
    assert np.isclose(objective(nn.Identity(), {"image": exact + 0.5, "label": rows})[0], 0.5)


def test_spread_undoes_a_batch_norm():
    values = torch.randn(50, 4) * torch.tensor([1.0, 2, 3, 4]) + 7
    spread = landmarks.Spread(values)
    unit = (values - values.mean(0)) / values.std(0)
    assert torch.allclose(spread(unit), values, atol=1e-5)
