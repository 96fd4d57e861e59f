"""What the shared set-ups of papers make: probes, plates, mugshots."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fusiform.lab.papers import _plates as plates
from fusiform.lab.papers._mugshots import frontal
from fusiform.lab.papers._probes import Probes, spoiled
from fusiform.lab.world.crowd import Crowd


def probes(n: int) -> Probes:
    images = np.random.default_rng(0).integers(0, 256, (n, 112, 112, 3), dtype=np.uint8)
    boxes = np.tile(np.array([30, 20, 80, 85], np.float32), (n, 1))
    return Probes(images, np.arange(n) // 2, np.zeros((n, 68, 2), np.float32), boxes, np.ones(n))


def test_spoiled_probes_keep_who_and_where_and_know_their_scale():
    sharp = probes(40)
    soft = spoiled(sharp, 3)
    assert soft.images.shape == sharp.images.shape
    assert (soft.person == sharp.person).all()
    assert ((soft.scale > 0.1) & (soft.scale <= 1)).all()
    heights = 65 * soft.scale
    assert heights.min() < 20
    assert heights.max() == 65
    detail = np.abs(np.diff(soft.images.astype(int), axis=2)).mean((1, 2, 3))
    assert np.corrcoef(detail, soft.scale)[0, 1] > 0.3


def test_spoiling_is_drawn_from_the_seed_alone():
    one, same, other = (spoiled(probes(6), seed).images for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_probes_of_some_people():
    some = probes(10).of(np.array([1, 4]))
    assert some.person.tolist() == [1, 1, 4, 4]
    assert len(some.images) == len(some.boxes) == 4


def test_the_most_frontal_face_of_each():
    facts = {"yaw": np.array([30.0, -5, 0, 8, 2]), "pitch": np.array([0.0, 2, 20, 1, 0])}
    faces = Crowd(np.zeros((5, 8, 8, 3), np.uint8), np.array([0, 0, 0, 1, 1]), facts)
    assert frontal(faces).tolist() == [1, 4]


def test_plates_show_their_signs():
    frames, text = plates.strips(3, torch.Generator().manual_seed(0))
    assert frames.shape == (3, plates.FRAMES, 1, 8, 32)
    still = plates.glyphs()[text]
    small = functional.avg_pool2d(still, plates.SHRINK)  # (3, 7, 8, 4)
    middle = frames[:, 0, 0, :, 2:-2].unfold(2, 4, 4).permute(0, 2, 1, 3)
    assert (middle - small).abs().mean() < 1.5 * plates.NOISE
    assert len(torch.unique(plates.glyphs().flatten(1), dim=0)) == len(plates.SIGNS)


def test_patches_lie_about_each_sign():
    strip = torch.zeros(1, 1, 24, 96)
    for k in range(plates.LENGTH):
        strip[..., 12 + 12 * k - 1 : 12 + 12 * k + 1] = k
    patches = plates.signs(strip)
    assert patches.shape == (plates.LENGTH, 3, 24, 24)
    assert patches[:, 0, 0, 12].tolist() == [2 * k - 1 for k in range(plates.LENGTH)]


def test_many_frames_are_nearer_to_the_plate_than_one():
    draw = torch.Generator().manual_seed(1)
    frames, text = plates.strips(6, draw)
    drawn = plates.glyphs()[text].permute(0, 2, 1, 3).reshape(6, 1, 40, 140)
    sharp = functional.pad(drawn, (10, 10), value=235 / 255)
    wanted = functional.interpolate(sharp, size=(24, 96), mode="area")
    errors = [(plates.enlarged(frames, many) - wanted).square().mean() for many in (False, True)]
    assert errors[1] < 0.7 * errors[0]
