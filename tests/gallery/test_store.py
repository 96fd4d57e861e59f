"""Photos in, rows and vectors out; and one clear sentence for everything that goes wrong."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.errors import (
    ChoiceError,
    GalleryBusy,
    GalleryError,
    GalleryUnwritable,
    ModelsDiffer,
)
from fusiform.core.faces import Dropped, Faces
from fusiform.gallery import Skipped, Store, schema, sqlite_file


def test_a_photo_comes_back(store, crowd, photo, faces):
    vectors, _ = crowd(2, 2)
    lost = Dropped((1.0, 2.0, 3.0, 4.0), 0.25, "too small")
    number = store.add_photo(photo(5), faces(vectors), [lost])
    assert store.photo_id(photo(5).sha256) == number
    assert store.photo_id("unknown") is None
    row = store.face_rows([2, 1])[0]
    assert (row.id, row.photo, row.box) == (2, "/photos/5.jpg", (4.0, 5.0, 15.0, 16.0))
    assert row.score == pytest.approx(0.8)
    assert row.quality == pytest.approx(0.9)
    assert store.dropped() == [("/photos/5.jpg", lost)]
    points = store.read("SELECT points FROM faces")[1][0]
    assert np.frombuffer(points, "<f4").tolist() == list(range(10, 20))


def test_vectors_come_back_of_unit_length(store, crowd, fill):
    vectors, _ = crowd(50, 5, d=512)
    fill(store, vectors, each=5)
    ids, matrix, quality = store.vectors()
    assert ids.tolist() == list(range(1, 51))
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6)
    assert np.abs(matrix @ matrix.T - vectors @ vectors.T).max() < 2e-4  # float16 at rest
    np.testing.assert_allclose(quality, 0.9)
    assert store.vectors("another model")[1].shape == (0, 0)


def test_a_face_without_quality_counts_with_its_score(store, photo):
    plain = Faces(np.ones((1, 4)), [0.7], np.ones((1, 5, 2)), np.ones((1, 4)))
    store.add_photo(photo(1), plain)
    assert store.vectors()[2].tolist() == pytest.approx([0.7])


def test_the_same_content_twice_is_one_photo(store, crowd, photo, faces):
    found = faces(crowd(2, 2)[0])
    first = store.add_photo(photo(1), found)
    assert store.add_photo(photo(1, "/copies/1.jpg"), found) == first
    store.add_file(first, "/another/1.jpg", 1, 2)
    assert store.counts() == {"photos": 1, "files": 3, "faces": 2, "skipped": 0}
    assert store.face_rows([1])[0].photo == "/another/1.jpg"
    assert store.dropped() == []


def test_seen_only_as_it_lies_there_now(store, photo):
    store.add_photo(photo(1), Faces.empty())
    store.add_skipped(Skipped("/photos/bad.jpg", 4, 5, "DamagedPicture", "cut off", "copy again"))
    assert store.seen("/photos/1.jpg", 101, 7)
    assert store.unreadable("/photos/bad.jpg", 4, 5) == store.skipped()[0]
    assert not store.seen("/photos/bad.jpg", 4, 5)
    assert not store.seen("/photos/1.jpg", 101, 8)
    assert store.unreadable("/photos/bad.jpg", 3, 5) is None
    assert not store.seen("/photos/2.jpg", 101, 7)


def test_a_mended_file_is_no_longer_skipped_and_a_broken_one_no_longer_shown(store, photo):
    bad = Skipped("/photos/1.jpg", 4, 5, "DamagedPicture", "cut off", "copy again")
    store.add_skipped(bad)
    assert store.skipped() == [bad]
    store.add_photo(photo(1), Faces.empty())
    assert store.skipped() == []
    store.add_skipped(bad)
    assert store.counts() == {"photos": 0, "files": 0, "faces": 0, "skipped": 1}


def test_an_edited_file_shows_its_new_faces_only(store, crowd, photo, faces):
    vectors, _ = crowd(4, 2)
    store.add_photo(photo(1, "/a.jpg"), faces(vectors[:2]))
    store.add_photo(photo(2, "/a.jpg"), faces(vectors[2:]))
    assert [row.id for row in store.face_rows([1, 2, 3, 4])] == [3, 4]
    assert len(store.vectors()[0]) == 4  # what was decided about the old faces still counts


def test_edited_metadata_leave_a_photo_what_it_was(store, crowd, photo, faces):
    first = replace(photo(1), pixels="ab" * 32, taken_at="2019-06-05T10:00:00")
    number = store.add_photo(first, faces(crowd(2, 2)[0]))
    assert (store.photo_showing("ab" * 32), store.photo_showing("cd" * 32)) == (number, None)
    store.add_edited(number, replace(photo(2, "/photos/1.jpg"), pixels="ab" * 32))
    assert (store.photo_id(photo(1).sha256), store.photo_id(photo(2).sha256)) == (None, number)
    assert (store.photo_at("/photos/1.jpg"), store.photo_at("/photos/2.jpg")) == (number, None)
    assert store.seen("/photos/1.jpg", 102, 7)
    assert store.read("SELECT taken_at FROM photos") == [("2019-06-05T10:00:00",)]
    store.add_photo(photo(3), Faces.empty())
    store.add_edited(number, photo(3, "/photos/1.jpg"))  # bytes that were another photo's
    assert store.photo_id(photo(2).sha256) == store.photo_at("/photos/1.jpg") == number


@pytest.mark.parametrize(
    "path", ["/фото/日本 語 😀.jpg", "/" + "long/" * 200 + "x.jpg", os.fsdecode(b"/latin-\xe9.jpg")]
)
def test_any_path(store, crowd, photo, faces, path):
    store.add_photo(photo(1, path), faces(crowd(1, 1)[0]), [Dropped((0, 0, 1, 1), 0, "small")])
    assert store.seen(path, 101, 7)
    assert store.face_rows([1])[0].photo == path
    assert store.dropped()[0][0] == path
    store.add_skipped(Skipped(path, 1, 1, "NotAPicture", "text", "remove it"))
    assert store.skipped()[0].path == path


def test_models_are_recorded_once(store):
    assert store.models() == ("yunet-s", "dlib-resnet", "ab" * 32)
    store.use_models("yunet-s", "dlib-resnet", "ab" * 32)
    remedy = "`--detector yunet-s --embedder dlib-resnet` or a new --gallery"
    for detector, embedder in (("dlib-hog", "ab" * 32), ("yunet-s", "cd" * 32)):
        with pytest.raises(ModelsDiffer, match=remedy):
            store.use_models(detector, "x", embedder)


def test_faces_need_models_and_vectors(tmp_path, store, photo, faces, crowd):
    with pytest.raises(ChoiceError, match="embeddings"):
        store.add_photo(photo(1), Faces([[0, 0, 1, 1]], [1], np.ones((1, 5, 2))))
    with Store(tmp_path / "new.db") as empty, pytest.raises(GalleryError, match="no models yet"):
        empty.add_photo(photo(1), faces(crowd(1, 1)[0]))


def test_nothing_is_made_where_nothing_should_be(tmp_path):
    with pytest.raises(GalleryError, match=r"none\.db does not exist.*fusiform index"):
        Store(tmp_path / "none.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_inside_a_transaction_leaves_nothing(store, photo, faces, crowd):
    def drops() -> Iterator[Dropped]:
        yield Dropped((0, 0, 1, 1), 0.1, "small")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.add_photo(photo(1), faces(crowd(3, 1)[0]), drops())
    assert store.counts() == {"photos": 0, "files": 0, "faces": 0, "skipped": 0}
    assert store.read("SELECT count(*) FROM dropped") == [(0,)]


# Faults


def test_a_full_disk_is_named_and_what_was_stored_stays(only_files, store, crowd, photo, faces):
    vectors, _ = crowd(600, 3, d=128)
    pages = store.read("PRAGMA page_count")[0][0]
    store.read(f"PRAGMA max_page_count = {pages + 4}")

    def add_all() -> None:
        for i in range(200):
            store.add_photo(photo(i), faces(vectors[3 * i : 3 * i + 3]))

    with pytest.raises(GalleryUnwritable, match=r"album\.db .*disk is full"):
        add_all()
    stored = store.counts()["photos"]
    assert 0 < stored < 199
    assert store.counts()["faces"] == 3 * stored
    store.check()
    store.read("PRAGMA max_page_count = 100000")
    store.add_photo(photo(stored), faces(vectors[:3]))


@contextmanager
def closed(folder: Path) -> Iterator[None]:
    """This process may read in the folder and not write, even when the tests run as root."""
    (folder / "album.db").chmod(0o444)
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder with a gallery, in which anybody may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with Store(folder / "album.db") as made:
            made.note("a", "b")
        yield folder


@pytest.fixture
def closed_folder(open_folder) -> Iterator[Path]:
    with closed(open_folder):
        yield open_folder


@pytest.mark.skipif(os.name != "posix", reason="permissions work differently on this system")
def test_a_folder_without_write_permission(closed_folder):
    for path in (closed_folder / "new.db", closed_folder / "x" / "y.db"):
        with pytest.raises(GalleryUnwritable, match=str(closed_folder)):
            Store(path).close()


@pytest.mark.skipif(os.name != "posix", reason="permissions work differently on this system")
def test_what_may_not_be_written_can_be_read(closed_folder):
    with Store(closed_folder / "album.db", create=False) as store:
        assert store.noted("a") == "b"
        store.check()
        with pytest.raises(GalleryUnwritable, match=r"album\.db may not be written; .*copy it"):
            store.note("a", "c")
        with pytest.raises(GalleryUnwritable, match=r"album\.db\.lock cannot be written"):
            store.lock_for_indexing().__enter__()
        assert store.noted("a") == "b"
    assert [path.name for path in closed_folder.iterdir()] == ["album.db"]


@pytest.mark.skipif(os.name != "posix", reason="permissions work differently on this system")
def test_changes_that_lie_beside_it_are_not_passed_over(open_folder):
    log = open_folder / "album.db-wal"
    log.write_bytes(b"changes")
    log.chmod(0o444)
    with closed(open_folder), pytest.raises(GalleryUnwritable, match=r"changes in album\.db-wal"):
        Store(open_folder / "album.db", create=False)


@pytest.mark.skipif(os.name != "posix", reason="permissions work differently on this system")
def test_an_older_gallery_that_may_not_be_written_is_told(open_folder, monkeypatch):
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, lambda db: None))
    with closed(open_folder), pytest.raises(GalleryUnwritable, match="may not be written"):
        Store(open_folder / "album.db", create=False)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(GalleryUnwritable, match="cannot be made"):
        Store(tmp_path / "file" / "album.db")
    with pytest.raises(GalleryUnwritable, match="cannot be opened"):
        Store(tmp_path)


def test_a_locked_file_is_named(only_files, store, photo):
    with Store(store.path, patience=0) as second:
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(GalleryBusy, match=r"album\.db is in use"):
            second.add_photo(photo(1), Faces.empty())
        other.execute("ROLLBACK")
        other.close()
        second.add_photo(photo(1), Faces.empty())


@pytest.mark.parametrize("patience", [5, 0])
def test_a_file_that_is_busy_while_opening_is_tried_again(tmp_path, monkeypatch, patience):
    real, tries = sqlite_file.migrate, []

    def migrate(db: sqlite3.Connection, path: Path, fixed: bool) -> None:
        tries.append(path)
        if len(tries) < 4:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        real(db, path, fixed)

    monkeypatch.setattr(sqlite_file, "migrate", migrate)
    if patience:
        Store(tmp_path / "album.db", patience=patience).close()
    else:
        with pytest.raises(GalleryBusy):
            Store(tmp_path / "album.db", patience=patience)
    assert len(tries) == (4 if patience else 1)


def test_errors_of_our_own_making_are_not_dressed_up(only_files, store):
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.read("SELECT * FROM wherever")
    with pytest.raises(sqlite3.IntegrityError), store.write() as db:
        db.execute("INSERT INTO members VALUES (1, 1)")


# Many at once


@pytest.mark.parametrize("alone", [True, False])
def test_only_one_may_index(store, place, alone):
    """On a server many may, as long as nobody wants to be alone."""
    with Store(place) as second:
        with store.lock_for_indexing(alone=alone):
            words = f"being indexed by process {os.getpid()};"
            with pytest.raises(GalleryBusy, match=words), second.lock_for_indexing(alone=True):
                pass
            with pytest.raises(GalleryBusy), second.lock_for_indexing(wait=0.05, alone=True):
                pass
            free = not alone and store.db.file is None
            with nullcontext() if free else pytest.raises(GalleryBusy), second.lock_for_indexing():
                pass
        with second.lock_for_indexing():
            pass


def test_two_writers_lose_nothing(store, place, crowd, photo, faces):
    vectors, _ = crowd(120, 3)

    def add(half: int) -> None:
        with Store(place) as own:
            for i in range(half, 120, 2):
                own.add_photo(photo(i), faces(vectors[i : i + 1]))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, (0, 1)))
    assert store.counts() == {"photos": 120, "files": 120, "faces": 120, "skipped": 0}
    store.check()


@pytest.mark.parametrize("shared", [True, False])
def test_eight_readers_see_whole_photos_while_one_writes(store, place, crowd, photo, faces, shared):
    vectors, _ = crowd(300, 3)
    done = threading.Event()

    def read(_: int) -> bool:
        own = store if shared else Store(place)
        counts = []
        while not done.is_set() or not counts:
            counts.append(len(own.vectors()[0]))
        if not shared:
            own.close()
        return all(n % 3 == 0 for n in counts) and counts == sorted(counts)

    with ThreadPoolExecutor(8) as pool:
        reads = [pool.submit(read, i) for i in range(8)]
        for i in range(100):
            store.add_photo(photo(i), faces(vectors[3 * i : 3 * i + 3]))
        done.set()
        assert all(r.result() for r in reads)
