"""Fixtures of all rooms: a home of its own for every run, and where the real data lies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

BESIDE = Path(__file__).resolve().parents[2] / "shared"
REAL = Path(os.environ.get("FUSIFORM_REAL") or BESIDE / "data" / "real")
MODELS = Path(os.environ.get("FUSIFORM_MODELS") or BESIDE / "models")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty FUSIFORM_HOME; the user's own settings are out of sight."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUSIFORM_HOME", str(folder))
        patch.delenv("FUSIFORM_OFFLINE", raising=False)
        patch.delenv("FUSIFORM_MODELS", raising=False)
        yield folder


@pytest.fixture(scope="session")
def real() -> Path:
    """Folder of real photos: `officials/` and `orl/`."""
    if not REAL.is_dir():
        pytest.skip(f"no real photos in {REAL}; set FUSIFORM_REAL to their folder")
    return REAL


@pytest.fixture(scope="session")
def public_models() -> Path:
    """Folder of public weights, such as `yunet_s_dynamic.onnx`."""
    if not MODELS.is_dir():
        pytest.skip(f"no public weights in {MODELS}; set FUSIFORM_MODELS to their folder")
    return MODELS


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same at every run."""
    return np.random.default_rng(20)
