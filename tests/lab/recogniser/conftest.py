"""Faces that any network can tell apart: a person is a pattern, a picture some noise."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image


def patterns(people: int, each: int, size: int, seed: int = 0) -> NDArray[np.uint8]:
    """`(people, each, size, size, 3)`: blocks of colour, the same for all pictures of a person."""
    draw = np.random.default_rng(seed)
    coarse = draw.integers(0, 256, (people, 1, 8, 8, 3)).repeat(each, axis=1)
    noisy = np.clip(coarse + draw.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)
    return noisy.repeat(size // 8, axis=2).repeat(size // 8, axis=3)


def write_crops(folder: Path, people: int = 8, each: int = 4, size: int = 32) -> Path:
    """`folder`/PERSON/NUMBER.png."""
    for name, pictures in enumerate(patterns(people, each, size)):
        (folder / f"{name:03d}").mkdir(parents=True)
        for number, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"{name:03d}" / f"{number}.png")
    return folder


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Eight people with four crops of 32 pixels each."""
    return write_crops(tmp_path / "crops")
