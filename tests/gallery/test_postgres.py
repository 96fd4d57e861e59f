"""A gallery on a server: one clear sentence for every fault, and many writers lose nothing."""

from __future__ import annotations

import itertools
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from postgres_server import PASSWORD, USER

from fusiform.core.errors import GalleryBusy, GalleryDamaged, GalleryError, GalleryUnwritable
from fusiform.core.faces import Dropped, Faces
from fusiform.gallery import (
    Store,
    faults_postgres,
    forget,
    merge,
    people,
    postgres,
    regroup,
    split,
    undo,
)
from fusiform.gallery.faults_postgres import named_faults

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")


@pytest.fixture
def place(schema_url):
    return schema_url


def schema_of(place: str) -> str:
    return place.partition("schema=")[2]


# One clear sentence


def fault(kind: type[GalleryError], url: str, **how: object) -> str:
    """The sentence with which a gallery cannot be opened; it never has the password."""
    with pytest.raises(kind) as found:
        Store(url, **how).close()
    said = str(found.value)
    assert type(found.value) is kind
    assert PASSWORD not in said
    assert "\n" not in said
    assert said.endswith(".")
    return said


def test_its_name_has_no_password(store, place, server):
    assert store.name == f"postgresql://{USER}@127.0.0.1:{server.port}/postgres?schema=" + (
        schema_of(place)
    )
    with pytest.raises(GalleryError, match="is no file"):
        _ = store.path
    inside = f"postgresql://{USER}@127.0.0.1:{server.port}/postgres?password={PASSWORD}&schema="
    with Store(inside + schema_of(place), create=False) as again:
        assert again.name == store.name
        assert again.models() == store.models()


@pytest.mark.parametrize("inside", [True, False])
def test_a_server_that_cannot_be_reached(server, inside):
    login, more = (USER, f"?password={PASSWORD}") if inside else (f"{USER}:{PASSWORD}", "")
    nowhere = f"postgresql://{login}@127.0.0.1:1/postgres{more}"
    assert re.search(
        r"cannot be reached \(.*refused.*\); check the URL", fault(GalleryError, nowhere)
    )
    other = f"postgresql://{login}@127.0.0.1:{server.port}/elsewhere{more}"
    assert 'database "elsewhere" does not exist' in fault(GalleryError, other)


def test_a_wrong_password(server):
    for word in ("wrong", "wr%23ng"):
        url = f"postgresql://{USER}:{word}@127.0.0.1:{server.port}/postgres"
        said = fault(GalleryError, url)
        assert "password authentication failed" in said
        assert "wr" not in said.replace("write", "")


def test_no_such_gallery(place, admin):
    said = "does not exist; make it with `fusiform index`."
    assert said in fault(GalleryError, place, create=False)
    admin.execute(f"CREATE SCHEMA {schema_of(place)}")
    assert said in fault(GalleryError, place, create=False)
    Store(place).close()  # an empty schema may become one
    Store(place, create=False).close()


def test_without_the_package(place, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = fault(GalleryError, place)
    assert 'needs the package psycopg; install it: pip install "fusiform[postgres]".' in said


def test_without_pgvector(place, admin, monkeypatch):
    words = "needs the extension pgvector; install it"
    with pytest.raises(GalleryError, match=words), named_faults("gallery"):
        admin.execute("CREATE EXTENSION no_such_extension")
    monkeypatch.setattr(postgres, "STEPS", ("CREATE TABLE photos(vector HALFVECTOR)",))
    assert "needs pgvector 0.8 or newer" in fault(GalleryError, place)
    assert admin.execute("SELECT to_regnamespace(%s)", (schema_of(place),)).fetchone() == (None,)


def test_another_programs_tables(place, admin):
    schema = schema_of(place)
    admin.execute(f"CREATE SCHEMA {schema}")
    admin.execute(f"CREATE TABLE {schema}.meta(key TEXT, value INT)")
    said = fault(GalleryDamaged, place)
    assert "no gallery (a schema with tables of another program); choose another" in said
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
    assert admin.execute(tables, (schema,)).fetchall() == [("meta",)]


def test_galleries_of_one_database_are_apart(server, store, crowd, fill):
    """Even where one is in "public", which all have on their search path."""
    fill(store, crowd(3, 1)[0])
    url = f"{server.url}?schema=public"
    with Store(url) as public, closing(public.db._connect()) as other:
        try:
            public.use_models("detector", "embedder", "cd" * 32)
            with pytest.raises(GalleryError, match="does not exist"):
                Store(f"{server.url}?schema=nowhere_yet", create=False)
            with Store(f"{server.url}?schema=third") as third:
                assert third.models() is None
            assert public.counts()["faces"] == 0
            assert store.models()[2] == "ab" * 32
        finally:
            other.execute("DROP SCHEMA IF EXISTS third CASCADE")
            for (table,) in public.read(
                "SELECT tablename FROM pg_tables WHERE schemaname='public'"
            ):
                other.execute(f"DROP TABLE public.{table} CASCADE")
            for function in ("face_came", "face_placed", "face_freed"):
                other.execute(f"DROP FUNCTION public.{function}")


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("40P01", GalleryBusy, "in use by others"),
        ("53300", GalleryBusy, "at its limit"),
        ("53100", GalleryUnwritable, "disk is full"),
        ("57014", GalleryBusy, "stopped by the server or its administrator; try again"),
        ("57P01", GalleryError, "start the server and run again"),
        ("25006", GalleryUnwritable, "primary"),
        ("XX001", GalleryDamaged, "restore a copy"),
    ],
)
def test_the_servers_codes(admin, code, kind, words):
    raising = f"DO $$ BEGIN RAISE 'oh' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(kind, match=words) as found, named_faults("gallery"):
        admin.execute(raising)
    assert str(found.value).startswith("gallery ")


def test_errors_of_our_own_making_are_not_dressed_up(store):
    with pytest.raises(psycopg.errors.UndefinedTable):
        store.read("SELECT * FROM wherever")
    with pytest.raises(psycopg.errors.ForeignKeyViolation), store.write() as db:
        db.execute("INSERT INTO members VALUES (1, 1)")
    assert store.counts()["faces"] == 0


# Rights


@pytest.fixture
def guest(server, admin) -> Iterator[tuple[str, str]]:
    """A user without any rights: its name, and the URL of the database for it."""
    role, word = f"guest_{secrets.token_hex(4)}", secrets.token_hex(8)
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{word}'")
    yield role, f"postgresql://{role}:{word}@127.0.0.1:{server.port}/postgres"
    admin.execute(f"DROP OWNED BY {role} CASCADE")
    admin.execute(f"DROP ROLE {role}")


def test_who_may_only_read(store, place, admin, guest, crowd, fill, photo):
    fill(store, crowd(6, 2)[0])
    role, url = guest
    theirs, schema = f"{url}?schema={schema_of(place)}", schema_of(place)
    assert "is not open to this user" in fault(GalleryUnwritable, theirs)
    admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    with Store(theirs) as reader:
        assert reader.counts()["faces"] == 6
        assert len(reader.vectors()[0]) == 6
        reader.check()
        for write in (
            lambda: reader.add_photo(photo(9), Faces.empty()),
            lambda: regroup(reader, 0.5),
            lambda: reader.lock_for_indexing().__enter__(),
        ):
            with pytest.raises(GalleryUnwritable, match="not open to this user for that"):
                write()


def test_who_may_not_make_one(place, guest):
    url = f"{guest[1]}?schema={schema_of(place)}"
    assert "is not open to this user" in fault(GalleryUnwritable, url)


def test_an_ordinary_user_may_have_one_and_forget_but_cannot_prove_it(
    place, admin, guest, crowd, fill
):
    """Only who may read the server's files can say what is in them."""
    role, url = guest
    admin.execute(f"GRANT CREATE ON DATABASE postgres TO {role}")
    with Store(f"{url}?schema={schema_of(place)}") as own:
        own.use_models("detector", "embedder", "ab" * 32)
        fill(own, crowd(12, 2, noise=0.3)[0])
        regroup(own, 0.5)
        erased = forget(own, people(own)[0].id)
        assert (erased.removed["faces"], erased.proven) == (6, False)
        admin.execute(f"GRANT pg_read_all_settings, pg_checkpoint TO {role}")
        admin.execute(f"GRANT EXECUTE ON FUNCTION pg_switch_wal() TO {role}")
        erased = forget(own, people(own)[0].id)
        assert (erased.removed["faces"], erased.proven) == (6, True)


def test_a_folder_of_the_same_name_is_no_proof(store, tmp_path):
    data = store.read("SELECT current_setting('data_directory')")[0][0]
    assert store.db._lies_in(postgres.Path(data))
    assert not store.db._lies_in(tmp_path)
    assert store.noted("word") is None


def test_files_behind_links_are_looked_at(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "1").write_bytes(b"Wilhelmina")
    (tmp_path / "data" / "pg_wal").symlink_to(tmp_path / "log")
    found = list(postgres._files(tmp_path / "data"))
    assert [file.name for file in found] == ["1"]
    assert postgres._has(found[0], set(), ["Wilhelmina"])
    assert not postgres._has(tmp_path / "gone", set(), ["Wilhelmina"])
    with pytest.raises(OSError, match="nowhere"):
        list(postgres._files(tmp_path / "nowhere"))


# Numbers


def test_a_number_that_was_taken_back_is_never_given_again(store, photo, faces, crowd, fill):
    def drops() -> Iterator[Dropped]:
        yield Dropped((0, 0, 1, 1), 0.1, "small")
        raise ZeroDivisionError

    vectors, _ = crowd(8, 2, noise=0.3)
    with pytest.raises(ZeroDivisionError):
        store.add_photo(photo(1), faces(vectors[:3]), drops())
    fill(store, vectors, each=4)
    ids, found, _ = store.vectors()
    assert ids.tolist() == list(range(ids[0], ids[0] + 8))
    assert abs(found @ vectors.T).argmax(axis=1).tolist() == list(range(8))
    assert [row.id for row in store.face_rows(ids.tolist())] == ids.tolist()


def test_a_number_that_undo_brings_back_is_not_given_to_another(store, crowd, fill):
    fill(store, crowd(12, 2, noise=0.3)[0])
    regroup(store, 0.5)
    one, two = (person.id for person in people(store))
    merge(store, one, two)
    undo(store)
    made = split(store, one, [people(store)[0].faces[0].id])
    assert made.id > max(one, two)
    undo(store)
    assert {person.id for person in people(store)} == {one, two}


def test_the_faults_are_in_order_from_the_particular_to_the_general():
    codes = [code for code, _, _ in faults_postgres._FAULTS]
    for first, second in itertools.combinations(codes, 2):
        assert not second.startswith(first)
