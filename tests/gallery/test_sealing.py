"""Encrypted galleries: everything works as before, and nothing is readable without the key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fusiform.core.crop import Crop
from fusiform.core.errors import GalleryDamaged, GalleryError
from fusiform.gallery import Store, absorb, find, forget, index, name, people, regroup, undo
from fusiform.gallery.cipher import WrongKey, key_file, make_key_file, passphrase
from fusiform.gallery.sealing import change, seal, unseal

WORD, OTHER = passphrase("correct horse"), passphrase("battery staple")


@pytest.fixture
def album(store, crowd, photo, faces) -> Store:
    vectors, _ = crowd(60, 4, d=128, noise=0.4)
    for i in range(0, 60, 3):
        store.add_photo(photo(i), faces(vectors[i : i + 3]), crops=[crop(i + j) for j in range(3)])
    regroup(store, 0.5)
    return store


def crop(i: int) -> Crop:
    return Crop(np.random.default_rng(i).bytes(3000), np.full((5, 2), i, np.float32))


def on_disk(store: Store) -> bytes:
    if store.db.file:
        return b"".join(p.read_bytes() for p in store.path.parent.glob("album.db*"))
    tables = ("SELECT vector FROM embeddings", "SELECT crop FROM crops")
    return b"".join(bytes(row[0]) for sql in tables for row in store.read(sql))


def templates(store: Store) -> np.ndarray:
    return store.vectors()[1]


def test_nothing_is_lost_and_nothing_is_readable(album, place):
    before, pictures = templates(album), album.crops_of(range(1, 61))
    plain = [before[5].astype("<f2").tobytes(), pictures[7].picture]
    assert all(value[:32] in on_disk(album) for value in plain)
    done = seal(album, WORD)
    assert (done.vectors, done.crops, done.proven) == (60, 60, True)
    assert not any(value[at : at + 16] in on_disk(album) for value in plain for at in (0, 64))
    np.testing.assert_allclose(templates(album), before, atol=1e-7)
    with Store(place, secret=lambda: WORD) as again:
        assert np.array_equal(templates(again), templates(album))
        assert again.crops_of([8])[8].picture == pictures[8].picture
        np.testing.assert_array_equal(again.crops_of([8])[8].points, pictures[8].points)
        again.check()


def test_without_the_key_there_is_one_clear_sentence(album, place, monkeypatch, tmp_path):
    seal(album, WORD)
    monkeypatch.delenv("FUSIFORM_PASSPHRASE", raising=False)
    monkeypatch.delenv("FUSIFORM_KEY_FILE", raising=False)
    with pytest.raises(GalleryError, match="is sealed; set FUSIFORM_KEY_FILE or FUSIFORM_PASS"):
        Store(place)
    with pytest.raises(WrongKey, match="does not open"):
        Store(place, secret=lambda: OTHER)
    make_key_file(tmp_path / "key")
    with pytest.raises(WrongKey, match="locked with a passphrase"):
        Store(place, secret=lambda: key_file(tmp_path / "key"))
    monkeypatch.setenv("FUSIFORM_PASSPHRASE", "correct horse")
    Store(place).close()


def test_work_goes_on_as_before(album, place, crowd, photo, faces, fill):
    names = [person.id for person in people(album)]
    seal(album, WORD)
    more = crowd(66, 4, d=128, noise=0.4)[0][60:]
    fill(album, more, first=100)
    assert more[0].astype("<f2").tobytes() not in on_disk(album)
    absorb(album, 0.5)
    assert [person.id for person in people(album)] == names
    assert [len(person.faces) for person in people(album)] == [17, 17, 16, 16]
    assert find(album, templates(album)[61])[0].similarity > 0.999
    name(album, 1, "Wilhelmina")
    undo(album)
    gone = on_disk(album)
    erased = forget(album, 1)
    assert erased.proven
    assert erased.removed["embeddings"] in (16, 17)
    assert len(on_disk(album)) < len(gone)
    assert len(templates(album)) == 66 - erased.removed["faces"]


def test_no_index_lies_in_the_clear(album, monkeypatch, tmp_path):
    monkeypatch.setattr(index, "SMALL", 20)
    probe = templates(album)[3]
    expected = [match.face.id for match in find(album, probe, k=9)]
    seal(album, WORD)
    assert [match.face.id for match in find(album, probe, k=9)] == expected
    assert not list(tmp_path.glob("*.index*"))


def test_a_new_passphrase_replaces_the_old(album, place):
    seal(album, WORD)
    kept = templates(album)
    with pytest.raises(WrongKey):
        change(album, OTHER, WORD)
    change(album, WORD, OTHER)
    with pytest.raises(WrongKey):
        Store(place, secret=lambda: WORD)
    with Store(place, secret=lambda: OTHER) as again:
        assert np.array_equal(templates(again), kept)


def test_unsealing_gives_everything_back(album, place):
    before = templates(album)
    seal(album, WORD)
    with pytest.raises(GalleryError, match="sealed already"):
        seal(album, OTHER)
    done = unseal(album)
    assert (done.vectors, done.crops) == (60, 60)
    with Store(place) as again:
        np.testing.assert_allclose(templates(again), before, atol=1e-7)
        assert len(again.crops_of(range(1, 61))) == 60
        with pytest.raises(GalleryError, match="not sealed"):
            unseal(again)
        with pytest.raises(GalleryError, match="not sealed"):
            change(again, WORD, OTHER)


def test_a_value_put_in_another_row_is_found_out(album):
    seal(album, WORD)
    with album.write() as db:
        rows = db.execute("SELECT vector FROM embeddings WHERE face_id = 1").fetchone()
        db.execute("UPDATE embeddings SET vector = ? WHERE face_id = 2", rows)
    with pytest.raises(GalleryDamaged, match=r"embeddings/2/1 .*another row or key"):
        templates(album)


def test_a_failure_in_the_middle_changes_nothing(album, place, monkeypatch):
    before = templates(album)

    def broken(self: object, values: object, places: object) -> list[bytes]:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("fusiform.gallery.cipher.Seal.close_many", broken)
        with pytest.raises(MemoryError):
            seal(album, WORD)
    with Store(place) as again:
        np.testing.assert_array_equal(templates(again), before)
        assert Path(place).exists() if again.db.file else True


def test_who_opened_it_before_stores_nothing_in_the_clear(album, place, crowd, photo, faces):
    vector = crowd(61, 4, d=128)[0][60:]
    with Store(place) as other:
        seal(album, WORD)
        with pytest.raises(GalleryError, match="another lock since it was opened"):
            other.add_photo(photo(99), faces(vector))
        with pytest.raises(GalleryError, match="another lock"):
            name(other, 1, "Ada")
    assert vector.astype("<f2").tobytes() not in on_disk(album)
    assert album.counts()["photos"] == 20
    album.add_photo(photo(99), faces(vector))
    with Store(place, secret=lambda: WORD) as other:
        change(album, WORD, OTHER)
        album.note("some", "thing")
        unseal(album)
        with pytest.raises(GalleryError, match="another lock"):
            other.add_photo(photo(100), faces(vector))
