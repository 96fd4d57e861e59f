"""The index against a plain sort, and as a cache that may be missing, old, damaged or cut off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.gallery import find, forget, index, no_faces, people, regroup, undo
from fusiform.gallery import index_file as file
from fusiform.gallery.index import erase, make_index, open_index, path_of


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
    assert len(made.filed.centres) > 200
    probes, whose = crowd(300, 300, d=64, noise=0.7, seed=3)
    for thorough in (True, False):
        found = [made.search(probe, 1, 16, thorough)[0][0] for probe in probes]
        assert (who[found] == whose).mean() > 0.99
        exact = [plain(vectors, probe, 1)[0] for probe in probes]
        assert (np.array(exact) == found).mean() > 0.99


@pytest.mark.parametrize("k", [1, 20, 300])
def test_who_is_like_nobody_is_looked_for_everywhere(crowd, small, k):
    """Strangers' nearest faces lie in any cell, as do those a person has too few of."""
    vectors, _ = crowd(5000, 500, d=64, noise=0.7, seed=3)
    made = make_index(np.arange(5000), vectors)
    probes, _ = crowd(60, 60, d=64, seed=8)
    for thorough, least in ((True, 0.985), (False, 0.0)):
        found = [made.search(probe, k, 8, thorough)[0] for probe in probes]
        shares = [
            np.isin(plain(vectors, p, k), f).mean() for p, f in zip(probes, found, strict=True)
        ]
        assert np.mean(shares) > least
        assert all(len(set(f.tolist())) == k for f in found) or not thorough
    assert np.mean(shares) < 0.9  # without, they are not found


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 90))
def test_similarities_are_those_of_the_faces(crowd, seed, k, late):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "SCANNED", 100)
        vectors, _ = crowd(400, 9, d=12, noise=0.9, seed=seed)
        made = make_index(np.arange(400 - late), vectors[: 400 - late])
        for i in range(400 - late, 400):
            made.add(np.array([i]), vectors[i : i + 1])
        probe = crowd(1, 1, d=12, seed=seed + 1)[0][0]
        found, sims = made.search(probe, k)
    assert len(set(found.tolist())) == len(found) == k
    np.testing.assert_allclose(sims, vectors[found] @ probe, atol=1e-6)
    assert (np.diff(sims) <= 0).all()


def test_the_search_ends_where_it_has_seen_enough(crowd, small, monkeypatch):
    vectors, _ = crowd(5000, 500, d=64, noise=0.7, seed=3)
    made = make_index(np.arange(5000), vectors)
    probe = crowd(1, 1, d=64, seed=8)[0][0]
    monkeypatch.setattr(index, "_PART", 100)
    monkeypatch.setattr(index, "MOST", 0)
    assert len(made.search(probe, 500, 8)[0]) < 500
    monkeypatch.setattr(index, "MOST", 5000)
    assert len(made.search(probe, 500, 8)[0]) == 500


# The file


@pytest.fixture
def filled(store, crowd, fill, small):
    fill(store, crowd(60, 6, noise=0.3)[0])
    regroup(store, 0.5)
    find(store, store.vectors()[1][0])
    assert path_of(store).exists()
    return store


DAMAGES = ["centres", "widths", "shape", "mean", "axes", "starts"]


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
    assert open_index(filled).tail.count == 5
    assert find(filled, filled.vectors()[1][-1])[0].face.id == 65
    assert path_of(filled).read_bytes() == before
    many, _ = crowd(130, 6, noise=0.3)
    fill(filled, many[65:], first=65)
    assert open_index(filled).tail.count == 0  # made anew
    assert len(open_index(filled).filed.ids) == 130


@pytest.mark.parametrize("harm", ["cut", "empty", "head", *DAMAGES, "other", "text", "old"])
def test_a_damaged_or_foreign_file_is_made_anew(filled, harm):
    path, right = path_of(filled), answers(filled)
    data = bytearray(path.read_bytes())
    if harm == "other":
        data = data.replace(b"ab" * 16, b"cd" * 16)
    elif harm == "text":
        data = bytearray(b"FUSINDEX2\n\x05\x00\x00\x00hello")
    elif harm == "old":
        data[8:9] = b"1"
    elif harm in ("cut", "empty"):
        data = data[: len(data) - 9 if harm == "cut" else 0]
    else:
        places = file.places(file.head_of(path))
        data[{"head": 16}.get(harm, places.get(harm, 0)) + 1] ^= 0x40
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

    monkeypatch.setattr(file.os, "replace", refuse)
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


def test_no_array_keeps_anything_of_a_forgotten_face(filled, crowd):
    """Not the vector, nor its code, its length, its number; nor a centre that is its vector."""
    path, (ids, vectors, _) = path_of(filled), filled.vectors()
    lonely, _ = crowd(1, 1, seed=5)
    ids, vectors = np.append(ids, 1000), np.concatenate([vectors, lonely])
    made = index.file_by_cell(ids, vectors)
    homes = np.repeat(np.arange(len(made.centres)), np.diff(made.starts))
    of = {int(i): row for row, i in enumerate(made.ids)}
    gone = [1000, *made.ids[homes == homes[of[1]]].tolist()]
    file.write(path, made, "ab" * 32)
    before = path.read_bytes()
    for i in gone:
        assert before.count(made.vectors[of[i]].tobytes()) >= 1
        assert before.count(made.codes[of[i]].tobytes()) >= 1
    erase(filled, np.array(gone))
    after, read = path.read_bytes(), file.read(path, "ab" * 32)
    assert len(after) == len(before)
    rows = [of[i] for i in gone]
    assert (read.ids[rows] == -1).all()
    assert not read.vectors[rows].any()
    assert not read.codes[rows].any()
    assert not read.norms[rows].any()
    for row in rows:
        assert made.vectors[row].tobytes()[:16] not in after
        assert made.codes[row].tobytes() not in after
    kept = np.setdiff1d(np.arange(len(ids)), rows)
    np.testing.assert_array_equal(read.vectors[kept], made.vectors[kept])
    assert not set(gone) & set(index.Index(read).search(vectors[0], 60)[0].tolist())


def test_a_centre_of_many_faces_stays_their_mean(crowd, small, tmp_path):
    vectors, _ = crowd(300, 10, seed=2)
    made, path = index.file_by_cell(np.arange(300), vectors), tmp_path / "index"
    for cell, centre in enumerate(made.centres):
        inside = made.vectors[made.starts[cell] : made.starts[cell + 1]]
        np.testing.assert_allclose(centre, inside.mean(axis=0), atol=1e-6)
    file.write(path, made, "model")
    cell = int(np.diff(made.starts).argmax())
    rows = np.arange(made.starts[cell], made.starts[cell + 1])
    file.overwrite(path, file.read(path, None), made.ids[rows[:2]])
    read = file.read(path, "model")
    np.testing.assert_allclose(read.centres[cell], made.vectors[rows[2:]].mean(axis=0), atol=1e-6)
    others = np.arange(len(made.centres)) != cell
    np.testing.assert_array_equal(read.centres[others], made.centres[others])


def test_no_faces_are_not_found_though_the_file_has_them(filled):
    probe = filled.vectors()[1][0]
    no_faces(filled, [find(filled, probe, 1)[0].face.id])
    assert len(find(filled, probe, 60)) == 59
    path_of(filled).unlink()
    assert len(find(filled, probe, 60)) == 59  # made anew without it
    undo(filled)
    assert len(find(filled, probe, 60)) == 60
