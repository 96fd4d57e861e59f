"""How a schema on a server becomes a gallery, gains newer steps, or is refused unchanged."""

from __future__ import annotations

import pytest

from fusiform.core.errors import GalleryDamaged, GalleryError
from fusiform.gallery import Store, postgres
from fusiform.gallery.schema_postgres import STEPS

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

NOTE = "ALTER TABLE photos ADD COLUMN note TEXT;"
MORE = "CREATE TABLE notes(id BIGINT); INSERT INTO notes SELECT id FROM photos;"


@pytest.fixture
def place(schema_url):
    return schema_url


def columns(store: Store, table: str) -> list[str]:
    sql = (
        "SELECT column_name FROM information_schema.columns WHERE table_schema = ? "
        "AND table_name = ? ORDER BY 1"
    )
    return [row[0] for row in store.read(sql, (store.db.schema, table))]


def test_it_has_the_tables_and_columns_of_a_file(store, tmp_path):
    with Store(tmp_path / "album.db") as file:
        tables = {row[0] for row in file.read("SELECT name FROM sqlite_master WHERE type='table'")}
        tables -= {"sqlite_sequence"}
        for table in tables:
            known = sorted(row[1] for row in file.read(f"PRAGMA table_info({table})"))
            assert columns(store, table) == known, table
    assert set(store.db._tables()) == tables
    assert store.noted("schema") == str(len(STEPS))


def test_an_older_gallery_gains_the_new_steps_and_loses_nothing(
    place, monkeypatch, crowd, fill, store
):
    fill(store, crowd(6, 2)[0], each=2)
    monkeypatch.setattr(postgres, "STEPS", (*STEPS, NOTE, MORE))
    with pytest.raises(GalleryError, match="does not exist"):
        Store(f"{place}_other", create=False)
    with Store(place, create=False) as newer:
        assert newer.counts()["faces"] == 6
        assert newer.read("SELECT note FROM photos") == [(None,)] * 3
        assert newer.read("SELECT count(*) FROM notes") == [(3,)]
        assert newer.noted("schema") == str(len(STEPS) + 2)
    with Store(place) as again:  # no step is done twice
        assert again.read("SELECT count(*) FROM notes") == [(3,)]
    monkeypatch.setattr(postgres, "STEPS", STEPS)
    told = rf"newer fusiform \(schema {len(STEPS) + 2}, known here up to {len(STEPS)}\)"
    with pytest.raises(GalleryDamaged, match=told):
        Store(place)


@pytest.mark.parametrize("broken", ["SELECT 1 / 0;", NOTE])
def test_a_step_that_fails_leaves_the_gallery_as_it_was(place, monkeypatch, store, broken):
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "STEPS", (*STEPS, NOTE + MORE, broken))
        with pytest.raises(psycopg.Error, match=r"division by zero|already exists"):
            Store(place)
    with Store(place) as again:
        assert "note" not in columns(again, "photos")
        assert columns(again, "notes") == []
        assert again.noted("schema") == str(len(STEPS))


def test_a_first_step_that_fails_leaves_no_schema(place, server, monkeypatch):
    monkeypatch.setattr(postgres, "STEPS", (*STEPS, "SELECT 1 / 0"))
    with pytest.raises(psycopg.errors.DivisionByZero):
        Store(place)
    with psycopg.connect(server.url) as db:
        name = place.partition("schema=")[2]
        assert db.execute("SELECT to_regnamespace(%s)", (name,)).fetchone() == (None,)


def test_a_newer_gallery_is_refused(place, store):
    store.note("schema", "99")
    with pytest.raises(GalleryDamaged, match=r"newer fusiform \(schema 99.*upgrade"):
        Store(place)
