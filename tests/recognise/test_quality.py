"""Quality falls as faces are blurred or shrunk, as docs/quality.md tells it."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFilter

from fusiform.recognise.quality import assess, grey, sharpness

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
FIVE = np.array([[50, 60], [100, 60], [75, 90], [55, 110], [95, 110]], np.float32)


def blurred(crops: np.ndarray, sigma: float) -> np.ndarray:
    if not sigma:
        return crops
    blur = ImageFilter.GaussianBlur(sigma)
    return np.array([np.asarray(Image.fromarray(crop).filter(blur)) for crop in crops])


def shrunk(crops: np.ndarray, side: int) -> np.ndarray:
    """Down to `side` pixels and up again."""
    full, small = crops.shape[1:3], (side, side)
    way = Image.Resampling.BICUBIC
    pictures = [Image.fromarray(crop).resize(small, way).resize(full, way) for crop in crops]
    return np.array([np.asarray(picture) for picture in pictures])


def test_grey_is_that_of_pillow(crops):
    pillow = [np.asarray(Image.fromarray(crop).convert("L"), float) for crop in crops]
    assert np.abs(grey(crops) - pillow).max() <= 1


def slow_sharpness(crop: np.ndarray) -> float:
    """OpenCV's Laplacian over its area average, for a crop whose middle is 144 pixels."""
    edge = (len(crop) - 144) // 2
    middle = grey(crop[None])[0][edge : edge + 144, edge : edge + 144]
    small = cv2.resize(middle, (48, 48), interpolation=cv2.INTER_AREA)[9:-9, 9:-9]
    return cv2.Laplacian(small, cv2.CV_32F, ksize=1)[1:-1, 1:-1].std() / max(small.std(), 1)


def test_sharpness_is_that_of_opencv(crops):
    expected = [slow_sharpness(crop) for crop in crops]
    assert sharpness(crops) == pytest.approx(expected, rel=1e-4)


def test_sharpness_does_not_depend_on_light(crops):
    darker = (crops * 0.5).astype(np.uint8)
    assert sharpness(darker) == pytest.approx(sharpness(crops), rel=0.1)


@pytest.mark.parametrize("spoil", [blurred, lambda crops, step: shrunk(crops, 80 - 8 * step)])
def test_spoiling_a_face_lowers_its_sharpness(crops, spoil):
    values = np.array([sharpness(spoil(crops, step)) for step in range(1, 9, 2)])
    assert (np.diff(values, axis=0) < 0).all()


def test_flat_crops_have_none():
    assert sharpness(np.full((2, 112, 112, 3), 90, np.uint8)).tolist() == [0, 0]


@pytest.mark.parametrize("side", [112, 150])
def test_quality_of_no_face(side):
    nothing = np.zeros((0, 5, 2), np.float32)
    found = assess(np.zeros((0, side, side, 3), np.uint8), nothing, np.zeros(0, np.float32), 0.5)
    assert found.overall.shape == found.eye_distance.shape == (0,)


def overall(crops: np.ndarray, scale: float = 1.0, score: float = 1.0) -> float:
    return float(assess(crops[:1], FIVE[None] * scale, np.array([score]), 0.6).overall[0])


def test_overall_is_the_product_of_its_factors(crops):
    assert overall(crops) == 1
    assert overall(crops, scale=0.2) == pytest.approx(0.5)  # ten of twenty pixels
    assert overall(crops, score=0.6) == pytest.approx(0.5)
    assert overall(crops, score=0.65) == pytest.approx(0.75)
    soft = blurred(crops, 5)
    assert overall(soft) == pytest.approx(2 * float(sharpness(soft)[0]))
    assert overall(soft, 0.2, 0.6) == pytest.approx(overall(soft) / 4)


def test_parts_are_in_their_units(crops):
    found = assess(crops[:1], FIVE[None], np.array([0.9]), 0.6)
    levels = np.asarray(Image.fromarray(crops[0]).convert("L")) / 255
    assert found.eye_distance.tolist() == [50]
    assert found.brightness[0] == pytest.approx(levels.mean(), abs=0.004)
    assert found.contrast[0] == pytest.approx(levels.std(), abs=0.004)
    assert found[np.array([False])].overall.shape == (0,)


def measured(crops: np.ndarray, spoilt: np.ndarray, embedder) -> tuple[float, float, float]:
    """Median sharpness, median and 5th percentile of the cosine to the unspoilt crop."""
    cosine = (embedder(crops) * embedder(spoilt)).sum(1)
    return float(np.median(sharpness(spoilt))), float(np.median(cosine)), float(
        np.percentile(cosine, 5)
    )  # fmt: skip


def rows(heading: str) -> dict[int, list[float]]:
    """The numbers of the table under a heading of docs/quality.md, by their first column."""
    part = PAGE.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\|((?: *[\d.]+ *\|)+)$", part, re.MULTILINE)
    numbers = [[float(cell) for cell in line.split("|")[:-1]] for line in found]
    return {int(first): rest for first, *rest in numbers}


@pytest.mark.parametrize(
    ("heading", "spoil", "amount"), [("Blur", blurred, 3), ("Size", shrunk, 24)]
)
def test_the_table_is_as_measured(real_crops, embedder, heading, spoil, amount):
    found = measured(real_crops, spoil(real_crops, amount), embedder)
    assert found == pytest.approx(rows(heading)[amount], abs=0.015)
