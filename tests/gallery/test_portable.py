"""A gallery goes into an archive and comes back as it was, between files and servers."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusiform.core.errors import GalleryBusy, GalleryDamaged, GalleryError
from fusiform.core.faces import Dropped
from fusiform.gallery import (
    Skipped,
    Store,
    entries,
    export,
    forget,
    hide,
    import_archive,
    merge,
    name,
    no_faces,
    people,
    person,
    regroup,
    seal,
    split,
    undo,
)
from fusiform.gallery.cipher import passphrase
from fusiform.gallery.portable import TABLES, moved
from fusiform.gallery.schema import MIGRATIONS

ODD = '/photos/caf\udce9/\u2028 "=7.jpg'  # bytes that are no UTF-8


@pytest.fixture(params=["file", "server"])
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    """A second place for a gallery."""
    if request.param == "file":
        yield tmp_path / "new.db"
        return
    url = request.getfixturevalue("server").url
    schema = f"test_{secrets.token_hex(6)}"
    yield f"{url}?schema={schema}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')


@pytest.fixture
def rich(store, crowd, fill, photo, faces) -> Store:
    """A gallery that has something in every table, and numbers that are gone."""
    vectors = crowd(60, 5, d=128, noise=0.4)[0]
    fill(store, vectors, each=3)
    found = Dropped((1.5, 2.0, 3.0, 4.0), 0.25, "too small: 3 pixels")
    store.add_photo(photo(99, ODD), faces(np.zeros((0, 128))), [found])
    store.add_skipped(Skipped("/photos/broken.jpg", 3, 4, "DamagedPicture", "is cut", "mend it"))
    regroup(store, 0.5)
    name(store, 2, "Ada Lovelace")
    merge(store, 3, 4)
    split(store, 1, [face.id for face in person(store, 1).faces[:2]])
    no_faces(store, [person(store, 1).faces[0].id])
    hide(store, 3)
    forget(store, 5)
    name(store, 2, "Ada King")
    undo(store)
    name(store, 1, "Alan Turing")
    fill(store, crowd(2, 1, d=128, seed=7)[0], first=200)  # nobody's
    with store.write() as db:
        db.execute("INSERT INTO sidecars VALUES (?, ?)", ("/photos/1.jpg.xmp", 1))
        db.execute("INSERT INTO crops VALUES (?, ?)", (1, bytes(40) + b"\xff\xd8 one"))
        db.execute("INSERT INTO crops VALUES (?, ?)", (2, bytes(39) + b"?two\n"))
        sql = "INSERT INTO zones(folder, x1, y1, x2, y2) VALUES (?, ?, ?, ?, ?)"
        db.execute(sql, ("/photos", 0, 0.1, 0.3, 1))
    store.note("calibration", '{"threshold": 0.61}')
    return store


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables, but for what a gallery notes of itself."""
    columns = {table: ", ".join(f.name for f in fields) for table, fields in TABLES.items()}
    columns |= {
        "embeddings": "face_id, model_id, vector",
        "crops": "face_id, crop",
        "ungrouped": "face_id",
    }
    told = {
        table: sorted(map(tuple, store.read(f"SELECT {names} FROM {table}")), key=repr)
        for table, names in columns.items()
    }
    own = {"exports", "indexer", "schema"}
    return told | {"meta": [row for row in told["meta"] if row[0] not in own]}


def test_every_table_is_told(tmp_path):
    with Store(tmp_path / "album.db") as store:
        tables = store.read("SELECT name FROM sqlite_master WHERE type = 'table'")
        found = {
            table: [column[1] for column in store.read(f"PRAGMA table_info({table})")]
            for (table,) in tables
            if not table.startswith("sqlite_")
        }
    known = {table: [field.name for field in fields] for table, fields in TABLES.items()}
    known |= {"embeddings": ["face_id", "model_id", "vector"], "ungrouped": ["face_id"]}
    known |= {"crops": ["face_id", "crop"]}
    assert len(MIGRATIONS) == 5
    assert {t: sorted(names) for t, names in known.items()} == {
        t: sorted(names) for t, names in found.items()
    }


def test_it_comes_back_as_it_was(rich, other, tmp_path):
    before = everything(rich)
    assert all(before.values())
    made = export(rich, tmp_path / "family.fusiform")
    assert made.rows["faces"] == len(before["faces"])
    assert made.bytes == (tmp_path / "family.fusiform").stat().st_size
    done = import_archive(tmp_path / "family.fusiform", other)
    assert (done.rows, done.templates) == (made.rows, True)
    with Store(other) as back:
        back.check()
        assert everything(back) == before
        assert entries(back) == entries(rich)
        again = export(back, tmp_path / "again.fusiform")
    with (
        zipfile.ZipFile(tmp_path / "family.fusiform") as one,
        zipfile.ZipFile(again.path) as two,
    ):
        first, second = (json.loads(z.read("manifest.json")) for z in (one, two))
    assert first["parts"] == second["parts"]
    assert first["last"] == second["last"]


def test_life_goes_on_there(rich, other, tmp_path, crowd, fill):
    """Numbers go on, undoing works, grouping is the same."""
    export(rich, tmp_path / "family.fusiform")
    import_archive(tmp_path / "family.fusiform", other)
    with Store(other) as back:
        for store in (rich, back):
            undo(store, 1)
            fill(store, crowd(10, 5, d=128, noise=0.4, seed=3)[0], first=300)
            regroup(store, 0.5)
        assert [(p.id, p.name, p.faces) for p in people(back)] == [
            (p.id, p.name, p.faces) for p in people(rich)
        ]
        for store in (rich, back):
            regroup(store, 0.5, reset=True)
            name(store, people(store)[0].id, "Grace Hopper")
        told, known = everything(back), everything(rich)
        for table in ("members", "pins", "faces", "embeddings"):
            assert told[table] == known[table]
        assert [row[0] for row in told["people"]] == [row[0] for row in known["people"]]
        assert [row[0] for row in told["journal"]] == [row[0] for row in known["journal"]]


def test_another_program_can_read_it(rich, tmp_path):
    """With the knowledge of docs/gallery.md alone."""
    path = tmp_path / "family.fusiform"
    export(rich, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        parts = {part: archive.read(part) for part in manifest["parts"]}
        assert set(archive.namelist()) == {"manifest.json", *parts}
    assert (manifest["format"], manifest["version"]) == ("fusiform gallery", 1)
    for part, data in parts.items():
        told = manifest["parts"][part]
        assert (told["bytes"], told["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    tables = {
        part.removesuffix(".jsonl"): [json.loads(line) for line in data.split(b"\n")[:-1]]
        for part, data in parts.items()
        if part.endswith(".jsonl")
    }
    assert all(len(rows) == manifest["parts"][f"{t}.jsonl"]["rows"] for t, rows in tables.items())
    name_of = {row["id"]: row["name"] for row in tables["people"]}
    owner = {row["face_id"]: name_of[row["person_id"]] for row in tables["members"]}
    ada = [face for face, who in owner.items() if who == "Ada Lovelace"]
    assert sorted(ada) == [face.id for face in person(rich, "Ada Lovelace").faces]
    at, vectors = 0, {}
    for row in tables["embeddings"]:
        values = np.frombuffer(parts["vectors.bin"], "<f2", row["width"], at)
        vectors[row["face_id"]] = values.astype(np.float32)
        at += 2 * row["width"]
    assert at == len(parts["vectors.bin"])
    ids, known, _ = rich.vectors()
    told = np.array([vectors[face] for face in ids.tolist()])
    assert np.allclose(told, known, atol=1e-3)
    sizes = [row["size"] for row in tables["crops"]]
    assert sum(sizes) == len(parts["crops.bin"])
    assert parts["crops.bin"][: sizes[0]] == b"\xff\xd8 one"
    face = next(row for row in tables["faces"] if row["id"] == ids[0])
    assert np.asarray(face["points"]).shape == (5, 2)
    paths = {row["path"] for row in tables["files"]}
    odd = next(path for path in paths if path.startswith("\x01"))
    assert odd[1:].encode("latin-1") == os.fsencode(ODD)


def test_only_its_user_may_read_it_and_nothing_is_replaced(rich, tmp_path):
    path = tmp_path / "family.fusiform"
    export(rich, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    whole = path.read_bytes()
    with pytest.raises(GalleryError, match=r"family\.fusiform is there already"):
        export(rich, path)
    assert path.read_bytes() == whole
    export(rich, path, force=True)
    assert [file.name for file in tmp_path.glob("*family*")] == [path.name]


def test_what_is_sealed_stays_sealed(rich, tmp_path):
    seal(rich, passphrase("correct horse"))
    with pytest.raises(GalleryError, match="an archive would not be"):
        export(rich, tmp_path / "family.fusiform")
    assert "embeddings" not in export(rich, tmp_path / "a.fusiform", templates=False).rows
    with zipfile.ZipFile(tmp_path / "a.fusiform") as archive:
        assert b'"lock"' not in archive.read("meta.jsonl")


def test_a_gallery_is_not_its_own_export(rich, only_files):
    with pytest.raises(GalleryError, match="is the gallery itself"):
        export(rich, rich.path, force=True)
    rich.check()


def test_nobody_changes_it_meanwhile(rich, place, tmp_path):
    with (
        Store(place) as another,
        another.lock_for_indexing(),
        pytest.raises(GalleryBusy),
    ):
        export(rich, tmp_path / "family.fusiform")
    assert not list(tmp_path.glob("*fusiform*"))


def test_only_an_empty_gallery_takes_it(rich, other, tmp_path):
    path = tmp_path / "family.fusiform"
    export(rich, path)
    with Store(other):
        pass  # made and left: empty
    import_archive(path, other)
    with pytest.raises(GalleryError, match="is not empty"):
        import_archive(path, other)
    with Store(other) as back:
        assert everything(back) == everything(rich)


def test_photos_that_lie_elsewhere(rich, other, tmp_path):
    path = tmp_path / "family.fusiform"
    export(rich, path)
    moves = {"/photos": "/mnt/b", "/photos/caf\udce9": "/mnt/c", "/photo": "/x", "/photos/no": "/y"}
    assert import_archive(path, other, moves).unmoved == ("/photo", "/photos/no")
    with Store(other) as back:
        paths = {row.photo for row in back.face_rows(range(1, 9))}
        assert paths == {"/mnt/b/0.jpg", "/mnt/b/3.jpg", "/mnt/b/6.jpg"}
        assert [skipped.path for skipped in back.skipped()] == ["/mnt/b/broken.jpg"]
        assert [drop[0] for drop in back.dropped()] == [ODD.replace("/photos/caf\udce9", "/mnt/c")]
        assert back.read("SELECT * FROM sidecars") == [("/mnt/b/1.jpg.xmp", 1)]
        assert back.read("SELECT folder FROM zones") == [("/mnt/b",)]


def test_two_photos_cannot_have_one_path(rich, other, tmp_path):
    with rich.write() as db:
        db.execute("UPDATE files SET path = '/old/3.jpg' WHERE path = '/photos/0.jpg'")
    export(rich, tmp_path / "family.fusiform")
    with pytest.raises(GalleryDamaged, match="one path after --move"):
        import_archive(tmp_path / "family.fusiform", other, {"/old": "/photos"})
    assert_nothing(other)


def assert_nothing(place: str | Path) -> None:
    """Neither a file nor rows."""
    if isinstance(place, Path):
        assert not list(place.parent.glob(f"{place.name}*"))
        return
    with Store(place) as store:
        assert not store.read("SELECT 1 FROM photos") + store.read("SELECT 1 FROM models")


names = st.text(st.characters(exclude_characters="/\\:\0"), min_size=1, max_size=5)
folders = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(folders, folders, st.lists(folders, max_size=3))
def test_what_is_inside_a_folder_moves_with_it(old, new, others):
    moves = {old: new}
    assert moved(old, moves) == new
    for inside in others:
        assert moved(old + inside, moves) == new + inside
        assert moved(old + "x" + inside, moves) == old + "x" + inside
        assert moved(moved(old + inside, moves), {new: old}) == old + inside
        assert moved(old + inside, {old + "/": new + "/"}) == new + inside
        assert moved(inside, {"/": "/mnt"}) == "/mnt" + inside
        assert moved("/mnt" + inside, {"/mnt": "/"}) == inside
        deeper = {old: "/a", old + inside: "/b"}
        assert moved(old + inside + "/1.jpg", deeper) == "/b/1.jpg"


@given(st.text(max_size=20))
def test_other_paths_stay(path):
    assert moved(path, {}) == path
    assert moved(path, {"/no/such folder": "/x"}) == path


def test_between_windows_and_others():
    assert moved("C:\\photos\\a\\1.jpg", {"C:\\photos": "/mnt"}) == "/mnt/a/1.jpg"
    assert moved("/mnt/a/1.jpg", {"/mnt": "D:\\p\\"}) == "D:\\p\\a\\1.jpg"
    assert moved("/mnt\\1.jpg", {"/mnt": "/x"}) == "/mnt\\1.jpg"  # a name of its own


def test_a_gallery_without_anything(tmp_path):
    with Store(tmp_path / "album.db") as store:
        export(store, tmp_path / "empty.fusiform")
    import_archive(tmp_path / "empty.fusiform", tmp_path / "new.db")
    with sqlite3.connect(tmp_path / "new.db") as db:
        assert db.execute("SELECT count(*) FROM photos").fetchone() == (0,)
    db.close()
