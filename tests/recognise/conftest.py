"""Crops of real faces."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.align import align
from fusiform.core.pictures import read
from fusiform.pipeline import load_detector, load_embedder
from fusiform.recognise.embedder import Embedder

Crops = np.ndarray


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    return load_embedder()


def crops_of(photos: Iterable[Path]) -> Crops:
    """The chips (n, 150, 150, 3) that dlib's network sees, one of each photo with a face."""
    detector, found = load_detector("dlib-hog"), []
    for photo in photos:
        pixels = read(photo)
        found.append(align(pixels, detector([pixels])[0].points[:1], "dlib150"))
    return np.concatenate(found)


@pytest.fixture(scope="session")
def crops(album: Path) -> Crops:
    return crops_of(sorted(album.glob("*.jpg")))


@pytest.fixture(scope="session")
def real_crops(real: Path) -> Crops:
    return crops_of([*sorted(real.glob("orl/*/*.pgm")), *sorted(real.glob("officials/*.jpg"))])
