"""After `forget` no byte of the person is left, and the proof notices when one is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psycopg
import pytest

from fusiform.core.crop import Crop
from fusiform.core.errors import GalleryBusy, UnknownPerson
from fusiform.gallery import (
    Store,
    acts,
    compact,
    find,
    forget,
    merge,
    name,
    people,
    person,
    regroup,
    replay,
)


@pytest.fixture
def grouped(store, crowd, fill):
    fill(store, crowd(60, 4, d=128, noise=0.4)[0], each=3)
    regroup(store, 0.5)
    return store


def blobs(store: Store, who: int) -> list[bytes]:
    sql = "SELECT vector FROM embeddings JOIN members USING (face_id) WHERE person_id = ?"
    return [row[0] for row in store.read(sql, (who,))]


def all_bytes(store: Store) -> bytes:
    if store.db.file:
        files = [store.path, *(Path(f"{store.path}{end}") for end in ("-wal", "-shm"))]
    else:
        with store.db._connect() as other:
            other.execute("CHECKPOINT")
        files = list(Path(store.read("SELECT current_setting('data_directory')")[0][0]).rglob("*"))
    return b"".join(file.read_bytes() for file in files if file.is_file())


def test_nothing_is_left(grouped, crowd):
    name(grouped, 2, "Wilhelmina")
    name(grouped, 2, "Mina Harker")
    name(grouped, 3, "Jonathan")
    kept = blobs(grouped, 1)
    gone = blobs(grouped, 2)
    assert all(blob in all_bytes(grouped) for blob in gone + kept)
    erased = forget(grouped, "mina harker")
    assert (erased.people, erased.proven) == ((2,), True)
    assert erased.removed == {"faces": 15, "embeddings": 15, "names": 2}
    left = all_bytes(grouped)
    for trace in (*gone, b"Wilhelmina", b"Mina Harker"):
        assert trace not in left
        assert trace[:8] not in left
    assert all(blob in left for blob in kept)
    with pytest.raises(UnknownPerson):
        person(grouped, 2)
    assert person(grouped, "Jonathan").id == 3
    assert {match.person for match in find(grouped, crowd(60, 4, d=128, noise=0.4)[0][1], 60)} == {
        1, 3, 4,
    }  # fmt: skip
    grouped.check()


def test_the_photos_stay_known_so_that_the_faces_do_not_come_back(grouped, crowd, fill):
    before = grouped.counts()
    forget(grouped, 1)
    after = grouped.counts()
    assert (after["photos"], after["faces"]) == (before["photos"], before["faces"] - 15)
    fill(grouped, crowd(60, 4, d=128, noise=0.4)[0], each=3)  # index again
    regroup(grouped, 0.5)
    assert grouped.counts() == after
    assert 1 not in [who.id for who in people(grouped)]
    assert grouped.read("SELECT sum(forgotten) FROM photos") == [(15,)]


def test_the_journal_keeps_only_that_and_how_many(grouped):
    name(grouped, 1, "Wilhelmina")
    name(grouped, 2, "Jonathan")
    gone = {face.id for who in (1, 2) for face in person(grouped, who).faces}
    merge(grouped, 1, 2)  # both names belong to person 1 now
    name(grouped, 3, "Abraham")
    erased = forget(grouped, 1)
    assert erased.removed["names"] == 2
    assert erased.proven
    text = json.dumps(grouped.read("SELECT kind, payload FROM journal"))
    assert "Wilhelmina" not in text
    assert "Jonathan" not in text
    assert acts(grouped)[-1].count == 30
    decided = replay(acts(grouped))
    assert not gone & set(decided.pins)
    assert decided.names == {3: "Abraham"}


def test_a_name_that_rightly_stands_elsewhere_does_not_spoil_the_proof(grouped, photo, faces):
    name(grouped, 1, "Wilhelmina")
    name(grouped, 2, "Wilhelmina Smith")
    assert forget(grouped, 1).proven
    assert person(grouped, 2).name == "Wilhelmina Smith"


@contextmanager
def reading(place):
    """Another program that has the faces open."""
    if isinstance(place, Path):
        other = sqlite3.connect(place, isolation_level=None)
    else:
        url, _, schema = place.partition("?schema=")
        other = psycopg.connect(url, autocommit=True, options=f"-c search_path={schema}")
    with closing(other):
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM faces")
        yield


def test_a_trace_in_the_log_of_a_reader_is_noticed(grouped, place):
    """While somebody reads, the past is kept for them: that is no proof of erasure."""
    with Store(place, patience=0.1) as eraser:
        with reading(place):
            erased = forget(eraser, 1)
            assert erased.removed["faces"] == 15
            assert not erased.proven
        assert compact(eraser)


def test_not_while_indexing(grouped, place):
    with Store(place) as other, other.lock_for_indexing():
        with pytest.raises(GalleryBusy):
            forget(grouped, 1)
        assert len(people(grouped)) == 4


def test_crops_leave_too(store, crowd, photo, faces):
    vectors, _ = crowd(12, 2, d=64, noise=0.3)
    rng = np.random.default_rng(0)
    crops = [Crop(rng.bytes(3000), np.ones((5, 2), np.float32)) for _ in range(12)]
    for i in range(12):
        store.add_photo(photo(i), faces(vectors[i : i + 1]), crops=crops[i : i + 1])
    regroup(store, 0.5)
    mine = [face.id - 1 for face in people(store)[0].faces]
    assert all(crops[i].picture[2200:2264] in all_bytes(store) for i in range(12))
    erased = forget(store, people(store)[0].id)
    assert (erased.removed["crops"], erased.proven) == (6, True)
    left = all_bytes(store)
    for i in range(12):
        assert (crops[i].picture[2200:2264] in left) == (i not in mine)
    assert sorted(store.crops_of(range(1, 13))) == [i + 1 for i in range(12) if i not in mine]
