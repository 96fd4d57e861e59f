"""Synthetic faces whose people are known, and galleries made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from postgres_server import Server

from fusiform.core.faces import Faces
from fusiform.gallery import Photo, Store

Crowd = tuple[np.ndarray, np.ndarray]


def make_crowd(n: int, people: int, d: int = 32, noise: float = 0.6, seed: int = 0) -> Crowd:
    """Unit vectors (n, d) around `people` random directions, and who each is."""
    rng = np.random.default_rng(seed)
    who = np.arange(n) % people
    vectors = unit(rng.normal(size=(people, d)))[who] + noise / np.sqrt(d) * rng.normal(size=(n, d))
    return unit(vectors).astype(np.float32), who


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_photo(number: int, path: str = "") -> Photo:
    return Photo(f"{number:064x}", path or f"/photos/{number}.jpg", 100 + number, 7, 640, 480)


def make_faces(vectors: np.ndarray, quality: float = 0.9) -> Faces:
    n = len(vectors)
    boxes = np.arange(4 * n).reshape(n, 4) + np.array([0, 0, 9, 9])
    points = np.arange(10 * n).reshape(n, 5, 2)
    return Faces(boxes, np.full(n, 0.8), points, vectors, np.full(n, quality))


@pytest.fixture(scope="session")
def crowd() -> Callable[..., Crowd]:
    return make_crowd


@pytest.fixture(scope="session")
def photo() -> Callable[..., Photo]:
    return make_photo


@pytest.fixture(scope="session")
def faces() -> Callable[..., Faces]:
    return make_faces


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where a gallery may be made: once a file, once a schema on a real server."""
    if request.param == "file":
        return tmp_path / "album.db"
    return str(request.getfixturevalue("schema_url"))


@pytest.fixture
def store(place: str | Path) -> Iterator[Store]:
    with Store(place) as opened:
        opened.use_models("yunet-s", "dlib-resnet", "ab" * 32)
        yield opened


@pytest.fixture
def only_files(store: Store) -> None:
    """For what only files do."""
    if store.db.file is None:
        pytest.skip("about files")


@pytest.fixture(scope="session")
def fill() -> Callable[..., None]:
    """fill(store, vectors, each=1, first=0): photos of `each` faces from `vectors`."""

    def add(store: Store, vectors: np.ndarray, each: int = 1, first: int = 0) -> None:
        for i in range(0, len(vectors), each):
            store.add_photo(make_photo(first + i), make_faces(vectors[i : i + each]))

    return add


@pytest.fixture
def admin(server: Server) -> Iterator[Any]:
    """Who may do everything on the server, beside the gallery."""
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as db:
        yield db
