"""kill -9 at any moment: the gallery opens, nothing is half there, lost, or there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fusiform.core.errors import GalleryBusy
from fusiform.gallery import Store

KILLS = int(os.environ.get("FUSIFORM_KILLS", "0"))  # 0: as many as a quick run has time for
SCRIPT = Path(__file__).with_name("adding.py")


@pytest.fixture
def begin(place: str | Path) -> Iterator[Callable[[str], tuple[int, Iterator[str]]]]:
    """begin(what) starts a writing process; gives its number and the lines it prints."""
    root = Path(__file__).parents[2]
    parts = [str(root), os.environ.get("PYTHONPATH", "")]
    settings = os.environ | {"PYTHONPATH": os.pathsep.join(parts), "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), str(place)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=settings,
    ) as parent:  # fmt: skip
        assert parent.stdin
        assert parent.stdout

        def start(what: str) -> tuple[int, Iterator[str]]:
            parent.stdin.write(what + "\n")
            parent.stdin.flush()
            lines = iter(parent.stdout.readline, "")
            first = [next(lines).split()]
            while first[-1][0] != "began":  # the child may speak before its parent
                first.append(next(lines).split())
            early = (" ".join(words) for words in first[:-1])
            rest = (line.strip() for line in lines)
            return int(first[-1][1]), _chain(early, rest)

        yield start
        parent.stdin.close()


def _chain(*parts: Iterator[str]) -> Iterator[str]:
    for part in parts:
        yield from part


def kill_when(number: int, lines: Iterator[str], photos: int, delay: float) -> list[int]:
    """Kills the process some time after it stored `photos` photos; gives all it said it stored."""
    said = [int(next(lines)) for _ in range(photos)]
    time.sleep(delay)
    os.kill(number, signal.SIGKILL)
    for line in lines:
        if line == "ended":
            break
        said.append(int(line))
    return said


def test_many_kills(place, begin):
    file = isinstance(place, Path)
    chance, kills, latest = random.Random(0), KILLS or (40 if file else 15), 0.004 if file else 0.02
    stored: list[int] = []
    for _ in range(kills):
        number, lines = begin("add")
        stored += kill_when(number, lines, chance.randrange(4), chance.random() * latest)
        with Store(place) as store:
            wait_until_noticed(store)
            store.check()
            assert_whole(store, stored)
    assert len(stored) == len(set(stored))
    assert len(stored) > kills


def wait_until_noticed(store: Store) -> None:
    """A server may take a moment to see that a client is gone, and ends what it did then."""
    others = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE application_name = 'fusiform' AND pid != pg_backend_pid()"
    )
    while store.db.file is None and store.read(others):
        time.sleep(0.005)


def assert_whole(store: Store, stored: list[int]) -> None:
    """Every acknowledged photo is there, and every photo there has all its faces and vectors."""
    rows = store.read(
        "SELECT sha256, path, count(faces.id), count(vector) FROM photos "
        "JOIN files ON files.photo_id = photos.id LEFT JOIN faces ON faces.photo_id = photos.id "
        "LEFT JOIN embeddings ON face_id = faces.id GROUP BY photos.id, path"
    )
    found = {int(sha, 16): (path, n, v) for sha, path, n, v in rows}
    assert set(stored) <= set(found)
    assert all(row == (f"/photos/{i}.jpg", i % 5, i % 5) for i, row in found.items())
    # at most the photo of each kill was stored and not yet acknowledged
    assert sorted(found) == list(range(len(found)))
    assert store.counts()["photos"] == len(found) == len(rows)


def test_the_lock_names_its_holder_and_dies_with_it(place, begin):
    number, lines = begin("hold")
    assert next(lines) == "held"
    with Store(place) as store:
        words = f"process {number};"
        with pytest.raises(GalleryBusy, match=words), store.lock_for_indexing(alone=True):
            pass
        os.kill(number, signal.SIGKILL)
        assert next(lines) == "ended"
        with store.lock_for_indexing(wait=5, alone=True):
            pass
