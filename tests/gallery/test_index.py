"""The index against a plain sort, and as a cache that may be missing, old, damaged or cut off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.gallery import find, forget, index, no_faces, people, regroup, undo
from fusiform.gallery.index import make_index, open_index, path_of


def plain(vectors, probe, k):
    exact = vectors.astype(float) @ probe.astype(float)
    return np.argsort(-exact, kind="stable")[:k]


@pytest.fixture
def place(tmp_path):
    """Only files have an index file."""
    return tmp_path / "album.db"


@pytest.fixture
def small(monkeypatch):
    """Galleries of more than 20 faces have a file, of more than 100 are searched by cells."""
    monkeypatch.setattr(index, "SMALL", 20)
    monkeypatch.setattr(index, "SCANNED", 100)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 70), st.integers(1, 90), st.integers(0, 60))
def test_equals_a_plain_sort(crowd, seed, n, k, late):
    vectors, _ = crowd(n, 5, d=8, noise=0.9, seed=seed)
    ids = np.arange(1, n + 1) * 3
    cut = n - late % n if n else 0
    made = make_index(ids[:cut], vectors[:cut])
    made.add(ids[cut:], vectors[cut:])
    found, sims = made.search(vectors[seed % n], k)
    wanted = plain(vectors, vectors[seed % n], k)
    assert len(found) == min(n, k)
    np.testing.assert_allclose(sims, vectors[wanted] @ vectors[seed % n], atol=1e-6)
    assert set(found) <= set(ids.tolist())
    assert (np.diff(sims) <= 0).all()


def test_equals_come_in_order_of_their_number():
    vectors = np.tile(np.float32([[0, 1]]), (9, 1))
    made = make_index(np.arange(9)[::-1].copy(), vectors)
    assert made.search(vectors[0], 3)[0].tolist() == [0, 1, 2]


def test_refuses_another_width_and_no_answers(crowd):
    vectors, _ = crowd(5, 2)
    made = make_index(np.arange(5), vectors)
    with pytest.raises(ChoiceError, match="probe"):
        made.search(vectors[0, :8], 1)
    with pytest.raises(ChoiceError, match="k must"):
        made.search(vectors[0], 0)


@pytest.mark.parametrize("late", [0, 700])
def test_cells_find_the_nearest_of_people(crowd, small, late):
    """Faces of 300 people, another picture of each as the probe."""
    vectors, who = crowd(6000, 300, d=64, noise=0.7, seed=3)
    made = make_index(np.arange(6000 - late), vectors[: 6000 - late])
    made.add(np.arange(6000 - late, 6000), vectors[6000 - late :])
    probes, whose = crowd(300, 300, d=64, noise=0.7, seed=3)
    right = [who[made.search(probe, 1, probes=8)[0][0]] for probe in probes]
    assert (np.array(right) == whose).mean() > 0.99
    exact = [plain(vectors, probe, 1)[0] for probe in probes]
    found = [made.search(probe, 1, probes=8)[0][0] for probe in probes]
    assert (np.array(exact) == found).mean() > 0.99


# The file


@pytest.fixture
def filled(store, crowd, fill, small):
    fill(store, crowd(60, 6, noise=0.3)[0])
    regroup(store, 0.5)
    find(store, store.vectors()[1][0])
    assert path_of(store).exists()
    return store


def answers(store):
    probes = store.vectors()[1][::7]
    return [[(m.face.id, round(m.similarity, 5)) for m in find(store, p, 9)] for p in probes]


def test_the_file_changes_no_answer(filled):
    with_file = answers(filled)
    ids, vectors, _ = filled.vectors()
    for probe, found in zip(vectors[::7], with_file, strict=True):
        assert [face for face, _ in found] == ids[plain(vectors, probe, 9)].tolist()
    path_of(filled).unlink()
    assert answers(filled) == with_file


def test_faces_that_came_since_are_found(filled, crowd, fill):
    before = path_of(filled).read_bytes()
    late, _ = crowd(65, 6, noise=0.3)
    fill(filled, late[60:], first=60)
    assert len(open_index(filled).tail_ids) == 5
    assert find(filled, filled.vectors()[1][-1])[0].face.id == 65
    assert path_of(filled).read_bytes() == before
    many, _ = crowd(130, 6, noise=0.3)
    fill(filled, many[65:], first=65)
    assert len(open_index(filled).tail_ids) == 0  # made anew
    assert len(open_index(filled).ids) == 130


@pytest.mark.parametrize("harm", ["cut", "empty", "head", "centres", "starts", "other", "text"])
def test_a_damaged_or_foreign_file_is_made_anew(filled, harm):
    path, right = path_of(filled), answers(filled)
    data = bytearray(path.read_bytes())
    if harm == "other":
        data = data.replace(b"ab" * 16, b"cd" * 16)
    elif harm == "text":
        data = bytearray(b"FUSINDEX1\n\x05\x00\x00\x00hello")
    elif harm in ("cut", "empty"):
        data = data[: len(data) - 9 if harm == "cut" else 0]
    else:
        head = index._head(path)
        data[{"head": 16}.get(harm, index._spots(head).get(harm, 0)) + 1] ^= 0x40
    path.write_bytes(data)
    assert answers(filled) == right
    assert path.stat().st_size > 1000


@settings(deadline=None, max_examples=40)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_flipped_bit_changes_an_answer(filled_once, place, bit):
    path = path_of(filled_once)
    right = path.read_bytes()
    data = bytearray(right)
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    probe = filled_once.vectors()[1][5]
    found = find(filled_once, probe, 1)
    path.write_bytes(right)
    assert found[0].similarity == pytest.approx(1, abs=2e-3)


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory, crowd, fill):
    from fusiform.gallery import Store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "SMALL", 20)
        with Store(tmp_path_factory.mktemp("index") / "album.db") as store:
            store.use_models("yunet-s", "dlib-resnet", "ab" * 32)
            fill(store, np.repeat(crowd(10, 10)[0], 6, axis=0))
            find(store, store.vectors()[1][0])
            yield store


def test_a_place_that_cannot_be_written_only_costs_time(filled, monkeypatch):
    path_of(filled).unlink()

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(index.os, "replace", refuse)
    assert answers(filled)
    assert [p.suffix for p in filled.path.parent.iterdir() if ".part" in p.name] == []


def test_what_is_forgotten_leaves_the_file_at_once(filled):
    who = people(filled)[0]
    ids = [face.id for face in who.faces]
    rows = filled.vectors_of(ids)[1]
    data = path_of(filled).read_bytes()
    assert all(row.tobytes() in data for row in rows)
    left = path_of(filled).with_name(f"{path_of(filled).name}.part-1")
    left.write_bytes(data)  # of a run that was killed
    assert forget(filled, who.id).proven
    assert not left.exists()
    data = path_of(filled).read_bytes()
    assert not any(row.tobytes()[:16] in data for row in rows)
    assert not set(ids) & {m.face.id for m in find(filled, rows[0], 60)}
    assert not set(ids) & set(open_index(filled).search(rows[0], 60)[0].tolist())


def test_no_faces_are_not_found_though_the_file_has_them(filled):
    probe = filled.vectors()[1][0]
    no_faces(filled, [find(filled, probe, 1)[0].face.id])
    assert len(find(filled, probe, 60)) == 59
    path_of(filled).unlink()
    assert len(find(filled, probe, 60)) == 59  # made anew without it
    undo(filled)
    assert len(find(filled, probe, 60)) == 60
