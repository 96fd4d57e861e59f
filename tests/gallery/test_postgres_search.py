"""The server's own index of vectors: it is used, finds what an exact search finds, and keeps up."""

from __future__ import annotations

import numpy as np
import pytest

from fusiform.gallery import Store, absorb, find, forget, incremental, no_faces, people, postgres
from fusiform.gallery.index import OnServer, open_index

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

SIZE = 1_200


@pytest.fixture
def place(schema_url):
    return schema_url


def put(store: Store, vectors: np.ndarray, first: int = 0) -> None:
    """Faces as `add_photo` stores them, a photo each, in a few statements."""
    numbers = range(first + 1, first + len(vectors) + 1)
    with store.write() as db:
        sql = "INSERT INTO photos(sha256, width, height, added_at) VALUES (?, 9, 9, '2026')"
        db.executemany(sql, [(f"{i:064x}",) for i in numbers])
        db.executemany("INSERT INTO files VALUES (?, ?, 1, 1)", [(f"/{i}.jpg", i) for i in numbers])
        db.executemany(
            "INSERT INTO faces(photo_id, x1, y1, x2, y2, score, quality, points) "
            "VALUES (?, 0, 0, 9, 9, 0.9, 0.9, ?)",
            [(i, bytes(40)) for i in numbers],
        )
        packed = [store.db.vector(row.astype("<f2").tobytes()) for row in vectors]
        db.executemany("INSERT INTO embeddings VALUES (?, 1, ?)", zip(numbers, packed, strict=True))


def filed(store: Store) -> list[tuple[str, bool]]:
    """The indexes of vectors and whether they are whole."""
    sql = (
        "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid "
        "WHERE relnamespace = to_regnamespace(?) AND relname LIKE 'near%' ORDER BY 1"
    )
    return store.read(sql, (store.db.schema,))


def plans(store: Store, probe: np.ndarray, monkeypatch, times: int) -> list[str]:
    """How the server goes about `nearest`, at every one of so many times."""
    said = []
    true = store.db.read

    def explained(sql: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        if "<#>" not in sql:
            return true(sql, values)
        said.append("\n".join(row[0] for row in true(f"EXPLAIN {sql}", values)))
        return []

    with monkeypatch.context() as patch:
        patch.setattr(store.db, "read", explained)
        for _ in range(times):
            store.db.nearest(store.model_id(), probe, 33)
    return said


@pytest.fixture
def indexed(store, crowd, monkeypatch):
    """A gallery with an index in which a search looks into a few lists only."""
    monkeypatch.setattr(postgres, "INDEXED", 1_000)
    monkeypatch.setattr(postgres, "PROBED", 5)
    put(store, crowd(SIZE, 60)[0])
    assert filed(store) == []
    store.db.tidy(store.model_id())
    assert filed(store) == [("near_1", True)]
    assert store.read("SELECT current_setting('ivfflat.probes')") == [("5",)]
    return store


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
def test_the_index_is_used_however_often_one_asks(indexed, crowd, monkeypatch, mode):
    """After five times the server may plan once for all values, psycopg prepares it as well."""
    indexed.read("SELECT set_config('plan_cache_mode', ?, false)", (mode,))
    probe = crowd(1, 1, seed=9)[0][0]
    for plan in plans(indexed, probe, monkeypatch, times=12):
        assert "Index Scan using near_1 on embeddings" in plan
        assert "Seq Scan" not in plan


def test_it_finds_what_an_exact_search_finds(indexed, crowd):
    rng = np.random.default_rng(3)
    ids, vectors, _ = indexed.vectors()
    some = vectors[rng.choice(SIZE, 200, replace=False)] + rng.normal(0, 0.04, (200, 32))
    probes = (some / np.linalg.norm(some, axis=1, keepdims=True)).astype(np.float32)
    true = vectors @ probes.T
    right = 0
    for probe, exact in zip(probes, true.T, strict=True):
        best = find(indexed, probe, k=5)
        assert [match.similarity for match in best] == sorted(
            (match.similarity for match in best), reverse=True
        )
        right += best[0].face.id == ids[exact.argmax()]
        assert best[0].similarity == pytest.approx(exact[best[0].face.id - 1], abs=1e-5)
    assert right / 200 >= 0.98


def test_similarities_are_those_of_the_vectors(store, crowd):
    """Without an index all are looked at; float16 is all that stands between."""
    vectors, _ = crowd(50, 5)
    put(store, vectors)
    probe = crowd(1, 1, seed=9)[0][0]
    got = store.db.nearest(store.model_id(), probe, 50)
    true = vectors @ probe
    assert sorted(face for face, _ in got) == list(range(1, 51))
    np.testing.assert_allclose([s for _, s in got], np.sort(true)[::-1], atol=1e-3)
    np.testing.assert_allclose([s for _, s in got], [true[f - 1] for f, _ in got], atol=1e-3)
    assert store.db.nearest(99, probe, 5) == []


def test_new_faces_are_found_and_what_is_no_face_or_forgotten_is_not(indexed, crowd):
    new, _ = crowd(3, 3, seed=8)
    put(indexed, new, first=SIZE)
    for number, vector in enumerate(new, SIZE + 1):
        assert find(indexed, vector, k=1)[0].face.id == number
    absorb(indexed, 0.5)
    no_faces(indexed, [SIZE + 1])
    forget(indexed, next(p.id for p in people(indexed) if SIZE + 2 in {f.id for f in p.faces}))
    for number in (1, 2):
        ids = [face for face, _ in indexed.db.nearest(indexed.model_id(), new[number - 1], 40)]
        assert len(ids) == 40
        assert SIZE + number not in ids


def test_many_that_are_no_faces_do_not_hide_the_others(indexed, crowd):
    """The 300 nearest are none: the index is read on until there are enough that are."""
    ids, vectors, _ = indexed.vectors()
    near = ids[np.argsort(-vectors @ vectors[0])]
    no_faces(indexed, near[:300].tolist())
    got = [face for face, _ in indexed.db.nearest(indexed.model_id(), vectors[0], 10)]
    assert len(got) == 10
    assert not set(got) & set(near[:300].tolist())


def test_it_is_made_anew_when_the_gallery_is_three_times_as_large(indexed, crowd):
    def file_node() -> list[tuple[int]]:
        return indexed.read("SELECT pg_relation_filenode('near_1')")

    first = file_node()
    vectors, _ = crowd(3 * SIZE, 60, seed=5)
    put(indexed, vectors[: 2 * SIZE - 1], first=SIZE)
    indexed.db.tidy(indexed.model_id())
    assert file_node() == first
    put(indexed, vectors[-1:], first=3 * SIZE - 1)
    indexed.db.tidy(indexed.model_id())
    assert file_node() != first
    assert filed(indexed) == [("near_1", True)]
    assert indexed.noted("near_1") == str(3 * SIZE)


def test_a_search_looks_into_a_share_of_the_lists(indexed, place, monkeypatch):
    monkeypatch.setattr(postgres, "SHARE", 2)
    with Store(place) as again:
        assert again.read("SELECT current_setting('ivfflat.probes')") == [("17",)]  # of 34
    indexed.db.tidy(indexed.model_id())
    assert indexed.read("SELECT current_setting('ivfflat.probes')") == [("17",)]


def test_others_add_and_search_while_it_is_made(store, place, crowd, photo, faces, monkeypatch):
    monkeypatch.setattr(postgres, "INDEXED", 1_000)
    vectors, _ = crowd(SIZE, 60)
    put(store, vectors)
    with Store(place, patience=0.2) as other:
        true, seen = store.db.write, []

        def beside(shared: bool = False):
            # the index is whole, and has not taken the place of the old one yet
            seen.append(filed(other))
            other.add_photo(photo(9_999), faces(vectors[:1]))
            other.db.nearest(1, vectors[0], 5)
            return true(shared)

        monkeypatch.setattr(store.db, "write", beside)
        store.db.tidy(store.model_id())
        assert seen == [[("near_1_new", True)]]
        assert filed(other) == [("near_1", True)]
        assert find(other, vectors[0], k=2)[1].face.id == SIZE + 1


def test_it_is_left_for_another_time_where_somebody_is_in_the_way(store, place, crowd, monkeypatch):
    monkeypatch.setattr(postgres, "INDEXED", 1_000)
    put(store, crowd(SIZE, 60)[0])
    with Store(place, patience=0.2) as other:
        with store.db._only_tidying() as first:
            assert first
            other.db.tidy(1)  # another process is at it
        assert filed(store) == []
        with store.write() as db:
            db.execute("UPDATE embeddings SET model_id = 1 WHERE face_id = 1")
            other.db.tidy(1)
        assert ("near_1", True) not in filed(store)
        other.db.tidy(1)
        assert filed(store) == [("near_1", True)]


def test_many_new_faces_are_compared_here(indexed, crowd, monkeypatch):
    """The same neighbours, whether the server is asked for each or all are read."""
    monkeypatch.setattr(postgres, "PROBED", 40)
    indexed.db.tidy(1)
    assert isinstance(open_index(indexed), OnServer)
    fresh = indexed.vectors()[1][:20]
    asked = list(incremental._nearest(indexed, fresh))
    monkeypatch.setattr(incremental, "MANY", 5)
    monkeypatch.setattr(incremental, "_BLOCK", 7)
    read = list(incremental._nearest(indexed, fresh))
    for (ids, told), (others, true) in zip(asked, read, strict=True):
        assert set(ids.tolist()) == set(others.tolist())
        np.testing.assert_allclose(np.sort(told), np.sort(true), atol=2e-3)
