"""How a file becomes a gallery, moves to a newer schema, or is refused unchanged."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from fusiform.core.errors import GalleryDamaged
from fusiform.gallery import Store, schema


@pytest.fixture
def place(tmp_path):
    """Only files have these settings and steps."""
    return tmp_path / "album.db"


def test_settings_hold(store):
    def setting(name):
        return store.read(f"PRAGMA {name}")[0][0]

    assert setting("journal_mode") == "wal"
    assert setting("synchronous") == 1
    assert setting("foreign_keys") == 1
    assert setting("secure_delete") == 1
    assert setting("application_id") == schema.APPLICATION_ID
    assert setting("user_version") == len(schema.MIGRATIONS)


def note(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE photos ADD COLUMN note TEXT")


def fail(db: sqlite3.Connection) -> None:
    note(db)
    raise ZeroDivisionError


def test_an_older_gallery_gains_the_new_steps_and_loses_nothing(
    tmp_path, monkeypatch, crowd, fill, store
):
    fill(store, crowd(6, 2)[0], each=2)
    store.close()
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, note))
    with Store(store.path) as newer:
        assert newer.counts()["faces"] == 6
        assert newer.read("SELECT note FROM photos") == [(None,)] * 3
        assert newer.read("PRAGMA user_version") == [(len(schema.MIGRATIONS),)]


def test_a_step_that_fails_leaves_the_file_as_it_was(monkeypatch, store):
    store.close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, fail))
        with pytest.raises(ZeroDivisionError):
            Store(store.path)
    with Store(store.path) as again:
        assert "note" not in [row[1] for row in again.read("PRAGMA table_info(photos)")]


def test_a_newer_gallery_is_refused(store):
    store.read("PRAGMA user_version = 99")
    store.close()
    with pytest.raises(GalleryDamaged, match=r"newer fusiform \(schema 99.*upgrade"):
        Store(store.path)


def test_other_databases_and_files_are_refused_unchanged(tmp_path):
    other, text = tmp_path / "other.db", tmp_path / "notes.txt"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE recipes(title)")
    db.close()
    text.write_text("not a database, " * 100)
    for path, words in ((other, "another program"), (text, "not an SQLite file")):
        before = path.read_bytes()
        with pytest.raises(GalleryDamaged, match=f"{path.name} is no gallery.*{words}.*--gallery"):
            Store(path)
        assert path.read_bytes() == before


def test_an_empty_file_becomes_a_gallery(tmp_path):
    path = tmp_path / "new.db"
    path.touch()
    with Store(path) as store:
        store.check()


def test_many_may_make_the_same_gallery_at_once(tmp_path):
    def make(_: int) -> int:
        with Store(tmp_path / "deep" / "er" / "album.db") as store:
            return store.read("SELECT count(*) FROM people")[0][0]

    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(make, range(8))) == [0] * 8
        for file in (tmp_path / "deep" / "er").iterdir():
            file.unlink()


@pytest.mark.parametrize("cut", [100, 5000, 20000])
def test_a_truncated_gallery_is_named(store, crowd, fill, cut):
    fill(store, crowd(60, 3)[0])
    store.close()
    with store.path.open("r+b") as file:
        file.truncate(cut)
    with pytest.raises(GalleryDamaged, match=r"album\.db"), Store(store.path) as broken:
        broken.check()


def test_garbage_inside_is_found(store, crowd, fill):
    fill(store, crowd(60, 3)[0])
    store.close()
    with store.path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 30000)
    with pytest.raises(GalleryDamaged, match="restore a copy"), Store(store.path) as broken:
        broken.check()
