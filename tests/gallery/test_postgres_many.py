"""Many at a gallery on a server: waiting, ends in the middle, the same photos at the same time."""

from __future__ import annotations

import itertools
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from postgres_server import PASSWORD

from fusiform.core.errors import GalleryBusy, GalleryError
from fusiform.core.faces import Dropped, Faces
from fusiform.gallery import Skipped, Store, forget, merge, name, people, regroup, split

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")


@pytest.fixture
def place(schema_url):
    return schema_url


# Waiting


@pytest.mark.parametrize("patience", [0, 0.1])
def test_a_lock_is_not_waited_for_for_ever(store, place, admin, photo, patience):
    with Store(place, patience=patience) as other:
        with store.write(), pytest.raises(GalleryBusy, match="is in use by another process; try"):
            other.add_photo(photo(1), Faces.empty())
        with admin.transaction():
            admin.execute(f"LOCK TABLE {store.db.schema}.photos")
            with pytest.raises(GalleryBusy):
                other.read("SELECT * FROM photos")
        other.add_photo(photo(1), Faces.empty())


def test_those_who_add_do_not_wait_for_one_another(store, place, photo):
    with Store(place, patience=0.1) as other, store.write(shared=True) as db:
        db.execute("DELETE FROM skipped")
        other.add_photo(photo(1), Faces.empty())
        with pytest.raises(GalleryBusy):
            regroup(other, 0.5)


def test_who_indexes_waits_until_another_has_grouped(store, place, photo):
    with Store(place, patience=0.1) as other, ThreadPoolExecutor(1) as pool:
        with other.lock_for_indexing():
            with store.write():
                adding = pool.submit(other.add_photo, photo(1), Faces.empty())
                time.sleep(0.5)
                assert not adding.done()
            adding.result()
        with store.write(), pytest.raises(GalleryBusy):
            other.add_photo(photo(2), Faces.empty())


def test_a_connection_may_be_silent(store):
    for limit in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        assert store.read("SELECT current_setting(?)", (limit,)) == [("0",)]


def test_many_may_make_the_same_gallery_at_once(server):
    def make(url: str) -> int:
        with Store(url) as store:
            return store.read("SELECT count(*) FROM people")[0][0]

    names = [f"made_{secrets.token_hex(4)}" for _ in range(3)]
    urls = [f"{server.url}?schema={name}" for name in names for _ in range(4)]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(make, urls)) == [0] * 12
    with psycopg.connect(server.url, autocommit=True) as db:
        for name_ in names:
            db.execute(f"DROP SCHEMA {name_} CASCADE")


# Ends in the middle


def end(admin: psycopg.Connection, store: Store) -> None:
    number = store.read("SELECT pg_backend_pid()")[0][0]
    admin.execute("SELECT pg_terminate_backend(%s, 5000)", (number,))


def test_a_connection_that_ends_in_the_middle_leaves_nothing(
    store, place, admin, photo, faces, crowd
):
    def drops() -> Iterator[Dropped]:
        end(admin, store)
        yield Dropped((0, 0, 1, 1), 0.1, "small")

    with pytest.raises(GalleryError, match="cannot be reached any more; start the server"):
        store.add_photo(photo(1), faces(crowd(3, 1)[0]), drops())
    with pytest.raises(GalleryError, match="cannot be reached any more"):
        store.counts()
    with Store(place) as again:
        assert set(again.counts().values()) == {0}
        again.add_photo(photo(1), faces(crowd(3, 1)[0]))
        assert len(again.vectors()[0]) == 3


def test_a_statement_that_is_stopped_leaves_nothing(store, place, admin, crowd, fill):
    fill(store, crowd(9, 3, noise=0.3)[0])
    number = store.read("SELECT pg_backend_pid()")[0][0]

    def stop() -> None:
        sleeping = (
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND query ~ %s"
        )
        while not admin.execute(sleeping, (number, "pg_sleep")).fetchall():
            time.sleep(0.01)

    def delete_for_long() -> None:
        with store.write() as db:
            db.execute("DELETE FROM faces")
            db.execute("SELECT pg_sleep(60)")

    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(stop)
        with pytest.raises(GalleryBusy, match="try again"):
            delete_for_long()
        stopping.result()
    assert store.counts()["faces"] == 9  # and it goes on


def test_a_server_that_stops_loses_no_photo_that_was_stored(server, place, photo, faces, crowd):
    vectors, _ = crowd(4000, 4, d=128)
    stored: list[int] = []

    def add() -> None:
        with Store(place) as own:
            own.use_models("detector", "embedder", "ab" * 32)
            for i in itertools.count():
                own.add_photo(photo(i), faces(vectors[3 * i : 3 * i + 3]))
                stored.append(i)

    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(add)
        while len(stored) < 20:
            time.sleep(0.01)
            assert not adding.done() or adding.result()
        server.control("stop", "-m", "immediate")
        try:
            with pytest.raises(GalleryError, match="cannot be reached any more; start the server"):
                adding.result()
            with pytest.raises(GalleryError, match="refused"):
                Store(place)
        finally:
            server.start()
    with Store(place, create=False) as store:
        rows = store.read(
            "SELECT sha256, count(faces.id), count(vector), count(DISTINCT path) FROM photos "
            "JOIN files ON files.photo_id = photos.id "
            "LEFT JOIN faces ON faces.photo_id = photos.id "
            "LEFT JOIN embeddings ON face_id = faces.id GROUP BY photos.id"
        )
        assert all(row[1:] == (3, 3, 1) for row in rows)
        found = sorted(int(row[0], 16) for row in rows)
        assert found in (stored, [*stored, len(stored)])
        store.check()


# Many at once


def test_two_who_add_the_same_in_opposite_order(place, store, photo, faces, crowd):
    """Photos and files that cannot be read, each under the same paths: no one waits in a circle."""
    vectors, _ = crowd(60, 3)
    start = threading.Barrier(3)

    def add(numbers: range) -> None:
        with Store(place) as own:
            start.wait()
            for _, i in itertools.product(range(2), numbers):
                bad = Skipped(f"/photos/{i}.jpg", 1, 1, "DamagedPicture", "cut off", "copy again")
                own.add_skipped(bad)
                own.add_photo(photo(i), faces(vectors[i : i + 1]))
                own.add_photo(photo(i, "/the same.jpg"), faces(vectors[i : i + 1]))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, (range(60), range(59, -1, -1), range(60))))
    assert store.counts() == {"photos": 60, "files": 61, "faces": 60, "skipped": 0}
    assert len(store.vectors()[0]) == 60


def test_two_processes_index_the_same_folder(place, program, folder, home):
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [*program, "index", str(folder), "--gallery", place, "--workers", "1"]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=240)[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert PASSWORD not in "".join(said)
    with Store(place, create=False) as store:
        assert store.counts() == {"photos": 4, "files": 4, "faces": 4, "skipped": 0}
        assert [len(who.faces) for who in people(store)] == [2, 2]
        assert store.read("SELECT * FROM ungrouped") == []


def test_decisions_while_another_adds(place, store, photo, faces, crowd, fill):
    vectors, who = crowd(160, 4, noise=0.3)
    fill(store, vectors[:40])
    regroup(store, 0.5)
    one, two, three, _ = people(store)
    begun = threading.Event()

    def add() -> None:
        with Store(place) as own, own.lock_for_indexing():
            for i in range(40, 160):
                own.add_photo(photo(i), faces(vectors[i : i + 1]))
                begun.set()
                if i % 40 == 39:
                    regroup(own, 0.5)

    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(add)
        begun.wait()
        name(store, one.id, "Ada")
        merge(store, one.id, two.id)
        part = split(store, three.id, [three.faces[0].id])
        with pytest.raises(GalleryBusy, match="being indexed by process"):
            forget(store, three.id)
        adding.result()
    everybody = {p.id: p for p in people(store)}
    assert everybody[one.id].name == "Ada"
    assert two.id not in everybody
    assert {who[face.id - 1] for face in everybody[one.id].faces} == {0, 1}
    assert three.faces[0].id in {face.id for face in everybody[part.id].faces}
    assert sum(len(p.faces) for p in everybody.values()) == 160
