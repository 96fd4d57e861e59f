"""Tiny sets in the exact formats: people are colours, so that a mean of pixels tells them apart."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def jpeg(person: int, number: int = 0, size: int = 24) -> bytes:
    """A picture of a person, a colour, with some grain of its own."""
    colour = np.random.default_rng([1, person]).integers(40, 216, 3)
    grain = np.random.default_rng([2, person, number]).integers(-20, 21, (size, size, 3))
    file = io.BytesIO()
    Image.fromarray((colour + grain).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


@pytest.fixture
def draw() -> Callable[..., bytes]:
    """draw(person, number): the bytes of a JPEG file."""
    return jpeg


@pytest.fixture
def put() -> Callable[..., Path]:
    """put(path, person, number): a JPEG file there."""

    def write(path: Path, person: int, number: int = 0, size: int = 24) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(person, number, size))
        return path

    return write


@pytest.fixture
def look() -> Callable[[list[np.ndarray]], np.ndarray]:
    """A network that sees the mean colour, its own mean taken off."""

    def embed(crops: list[np.ndarray]) -> np.ndarray:
        return np.array([crop.mean((0, 1)) for crop in crops]) - 128

    return embed
