"""A backup is a sound gallery of one moment, whoever writes meanwhile."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing

import pytest

from fusiform.core.errors import GalleryDamaged, GalleryError, GalleryUnwritable
from fusiform.gallery import Store, backup, copies, forget, name, people, regroup


@pytest.fixture
def grouped(store, only_files, crowd, fill) -> Store:
    fill(store, crowd(60, 4, d=128, noise=0.4)[0], each=3)
    regroup(store, 0.5)
    name(store, 2, "Ada Lovelace")
    return store


def test_it_is_the_gallery(grouped, tmp_path):
    copy = tmp_path / "copy.db"
    size = backup(grouped, copy)
    assert size == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(file.name for file in tmp_path.glob("*copy*")) == ["copy.db"]
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as db:  # SQLite alone
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with Store(copy, create=False) as other:
        assert people(other) == people(grouped)
    assert [known.path for known in copies.backups(grouped)] == [str(copy)]


def test_what_was_forgotten_is_not_in_it(grouped, tmp_path):
    sql = "SELECT vector FROM embeddings JOIN members USING (face_id) WHERE person_id = 2"
    gone = [row[0] for row in grouped.read(sql)]
    forget(grouped, 2)
    backup(grouped, tmp_path / "copy.db")
    data = (tmp_path / "copy.db").read_bytes()
    assert not [vector for vector in gone if vector[:16] in data]
    assert b"Ada Lovelace" not in data


def test_while_others_write(grouped, place, tmp_path, crowd, photo, faces):
    """Every photo in the copy has all its faces and vectors."""
    stop = threading.Event()

    def write() -> None:
        with Store(place) as other:
            number = 1000
            while not stop.is_set():
                other.add_photo(photo(number), faces(crowd(4, 2, d=128)[0]))
                number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for i in range(8):
            backup(grouped, tmp_path / f"{i}.db")
    finally:
        stop.set()
        writer.join()
    for i in range(8):
        with Store(tmp_path / f"{i}.db", create=False) as copy:
            copy.check()
            sql = (
                "SELECT count(DISTINCT faces.id), count(vector) FROM photos JOIN faces "
                "ON photo_id = photos.id LEFT JOIN embeddings ON face_id = faces.id "
                "WHERE photos.id > 20 GROUP BY photos.id"
            )
            assert {tuple(row) for row in copy.read(sql)} <= {(4, 4)}


def test_a_file_that_is_there_stays(grouped, tmp_path):
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(GalleryError, match=r"copy\.db is there already"):
        backup(grouped, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"
    backup(grouped, tmp_path / "copy.db", force=True)
    with pytest.raises(GalleryError, match="is the gallery itself"):
        backup(grouped, grouped.path, force=True)
    with pytest.raises(GalleryUnwritable, match="choose another place"):
        backup(grouped, tmp_path / "none" / "copy.db")


def test_a_damaged_gallery_gives_no_backup(grouped, tmp_path):
    grouped.db.compact()
    with grouped.path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 8)
    with Store(grouped.path) as opened, pytest.raises(GalleryDamaged, match="is damaged"):
        backup(opened, tmp_path / "copy.db")
    assert not list(tmp_path.glob("*copy*"))


def test_on_a_server(store, tmp_path):
    if store.db.file:
        pytest.skip("about servers")
    with pytest.raises(GalleryError, match="fusiform export"):
        backup(store, tmp_path / "copy.db")
