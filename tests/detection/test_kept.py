"""Kept crops: small pictures in which a face lies as it should, with its points."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fusiform.core.align import align, template
from fusiform.core.crop import Crop
from fusiform.detection.kept import KEPT, SIDE, kept_crops


def smooth(height: int, width: int) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def turned(points: np.ndarray, scale: float, angle: float, at: tuple[float, float]) -> np.ndarray:
    z = (points - points.mean(axis=0)) @ (1, 1j) * scale * np.exp(1j * angle)
    return (np.stack([z.real, z.imag], 1) + at).astype(np.float32)


@pytest.mark.parametrize(("scale", "angle"), [(1.0, 0.0), (3.0, 0.4), (0.4, -0.3)])
def test_the_points_lie_where_the_face_is(scale, angle):
    """Aligning the crop by its points gives what aligning the picture gives."""
    pixels = smooth(900, 1200)
    points = turned(template("dlib150").points, scale, angle, (600, 450))
    (crop,) = kept_crops(pixels, points[None])
    assert (crop.points.shape, crop.points.dtype) == ((5, 2), np.float32)
    there = align(pixels, points[None], "dlib150").astype(float)
    here = align(crop.pixels(), crop.points[None], "dlib150").astype(float)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert np.abs(there[inner] - here[inner]).mean() < 4


def test_small_faces_have_small_crops_and_large_ones_no_larger_than_the_rest():
    pixels = smooth(900, 1200)
    sides = []
    for scale in (0.1, 0.3, 0.6, 2.0):
        points = turned(KEPT.points, scale, 0.0, (600, 450))
        sides.append(kept_crops(pixels, points[None])[0].pixels().shape[0])
    assert sides[0] == 48
    assert sides[1] == pytest.approx(0.3 * SIDE, abs=1)
    assert sides[2] == pytest.approx(0.6 * SIDE, abs=1)
    assert sides[3] == SIDE


def test_there_is_room_for_other_alignments():
    """ArcFace's crop lies wholly inside the kept one."""
    pixels = np.full((900, 1200, 3), 255, np.uint8)
    points = turned(template("arcface112").points, 2.0, 0.2, (600, 450))
    (crop,) = kept_crops(pixels, points[None])
    assert align(crop.pixels(), crop.points[None], "arcface112").min() > 240


def test_points_in_one_place_and_no_faces_are_no_trouble():
    pixels = smooth(90, 120)
    (crop,) = kept_crops(pixels, np.full((1, 5, 2), 30, np.float32))
    assert not crop.points.any()
    assert crop.pixels().max() == 0
    assert kept_crops(pixels, np.zeros((0, 5, 2), np.float32)) == ()


def test_a_grey_jpeg_comes_back_in_colour():
    out = io.BytesIO()
    Image.new("L", (8, 9), 77).save(out, "JPEG")
    assert Crop(out.getvalue(), np.zeros((5, 2), np.float32)).pixels().shape == (9, 8, 3)
