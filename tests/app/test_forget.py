"""`fusiform forget` leaves nothing of a person in any file: the test looks for itself."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusiform import api
from fusiform.app.cli import app
from fusiform.gallery import Store
from fusiform.hub.files import home

NAME = "Grace Brewster Murray Hopper"
PIECE = 16


@pytest.fixture
def shell(run, copied: Path) -> Callable[..., str]:
    """shell("people", "--json"): what a command prints, in its own process and home."""
    shutil.copytree(home(), copied.parent / "home")

    def answer(*words: object) -> str:
        settings = {"FUSIFORM_GALLERY": str(copied), "FUSIFORM_HOME": str(copied.parent / "home")}
        done = run(*words, **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return answer


def vectors(gallery: Path, person: int) -> list[bytes]:
    sql = "SELECT vector FROM embeddings JOIN members USING (face_id) WHERE person_id = ?"
    with Store(gallery) as store:
        return [row[0] for row in store.read(sql, (person,))]


def traces(folder: Path, pieces: set[bytes]) -> list[str]:
    """The files anywhere below `folder` in which one of `pieces` stands."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(p in path.read_bytes() for p in pieces)]


def test_nothing_is_left_in_any_file(shell, copied, album):
    person = json.loads(shell("find", album / "grace_hopper.jpg", "--json"))
    number = person["faces"][0]["matches"][0]["person"]
    shell("name", number, NAME)
    shell("index", album, "--limit", "0.9")
    owned = vectors(copied, number)
    cut = {v[i : i + PIECE] for v in owned for i in range(0, len(v) - PIECE + 1, PIECE)}
    pieces = cut | {NAME.encode(), NAME.casefold().encode(), NAME.encode("utf-16-le")}
    assert len(owned) == 4
    assert copied.name in traces(copied.parent, cut)
    assert copied.name in traces(copied.parent, {NAME.encode()})

    told = json.loads(shell("forget", NAME, "--yes", "--json"))
    assert told["proven"]
    assert told["removed"] == {"faces": 4, "embeddings": 4, "names": 1, "crops": 4}
    assert traces(copied.parent, pieces) == []


def test_indexing_again_does_not_bring_a_person_back(shell, album, run, copied):
    shell("forget", 1, "--yes")
    before = shell("people", "--json")
    shell("index", album)
    assert shell("people", "--json") == before
    assert len(json.loads(before)) == 1


def test_forget_asks_on_stderr_and_nobody_with_json(run, copied):
    done = run("forget", "1", FUSIFORM_GALLERY=str(copied))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Erase Person 1 (")
    done = run("forget", "1", "--json", FUSIFORM_GALLERY=str(copied))
    assert (done.returncode, done.stdout) == (1, "")
    assert "With --json nobody is asked: add --yes if you mean it." in done.stderr
    with Store(copied) as store:
        assert store.counts()["faces"] == 9


def test_a_reader_of_the_past_spoils_the_proof_and_forget_says_so(copied, monkeypatch):
    monkeypatch.setattr(api, "Store", partial(Store, patience=0.1))
    pieces = set(vectors(copied, 1))
    reader = sqlite3.connect(copied, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM faces").fetchall()
    done = CliRunner().invoke(app, ["forget", "1", "--yes", "--gallery", str(copied)])
    assert done.exit_code == 1
    assert "TRACES ARE LEFT" in done.stdout
    assert "close the other programs" in done.stdout
    assert traces(copied.parent, pieces)
    reader.execute("COMMIT")
    reader.close()
    with Store(copied):  # whoever closes the file last empties its log
        pass
    assert traces(copied.parent, pieces) == []
