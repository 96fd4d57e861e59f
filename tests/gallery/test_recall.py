"""Forgetting tells which archives and backups still hold a person, and erases there, too."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from fusiform.core.errors import GalleryDamaged
from fusiform.gallery import (
    Store,
    backup,
    copies,
    entries,
    export,
    forget,
    import_archive,
    merge,
    name,
    people,
    person,
    regroup,
    replay,
    split,
    undo,
)


@pytest.fixture
def grouped(store, crowd, fill) -> Store:
    fill(store, crowd(60, 4, d=128, noise=0.4)[0], each=3)
    regroup(store, 0.5)
    name(store, 2, "Wilhelmina")
    name(store, 3, "Jonathan")
    return store


def contents(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(part) for part in archive.namelist())


def vectors(store: Store, who: int) -> list[bytes]:
    sql = "SELECT vector FROM embeddings JOIN members USING (face_id) WHERE person_id = ?"
    return [row[0] for row in store.read(sql, (who,))]


def test_archives_that_hold_the_person_are_told(grouped, tmp_path):
    export(grouped, tmp_path / "one.fusiform")
    export(grouped, tmp_path / "two.fusiform", templates=False)
    export(grouped, tmp_path / "gone.fusiform")
    (tmp_path / "gone.fusiform").unlink()
    erased = forget(grouped, 2)
    assert erased.exports == (str(tmp_path / "one.fusiform"), str(tmp_path / "two.fusiform"))
    assert erased.proven
    export(grouped, tmp_path / "one.fusiform", force=True)  # without that person
    assert forget(grouped, 3).exports == (
        str(tmp_path / "two.fusiform"),
        str(tmp_path / "one.fusiform"),
    )
    export(grouped, tmp_path / "one.fusiform", force=True)
    export(grouped, tmp_path / "two.fusiform", force=True)
    assert forget(grouped, 4).exports != ()
    assert [copy.path for copy in copies.exports(grouped)] == [
        str(tmp_path / name) for name in ("gone.fusiform", "one.fusiform", "two.fusiform")
    ]


def test_nothing_is_left_in_rewritten_archives(grouped, tmp_path):
    path = tmp_path / "family.fusiform"
    export(grouped, path)
    gone, kept = vectors(grouped, 2), vectors(grouped, 3)
    assert all(vector in contents(path) for vector in (*gone, *kept))
    with zipfile.ZipFile(path) as archive:
        before = json.loads(archive.read("manifest.json"))["id"]
    erased = forget(grouped, "Wilhelmina", from_exports=True)
    assert erased.exports == ()
    assert erased.removed["exports"] == 1
    left = contents(path)
    assert not [vector for vector in gone if vector[:16] in left]
    assert all(vector in left for vector in kept)
    assert b"Wilhelmina" not in left
    assert b"Jonathan" in left
    assert [file.name for file in tmp_path.glob("*family*")] == [path.name]
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read("manifest.json"))["id"] == before
    import_archive(path, tmp_path / "new.db")
    with Store(tmp_path / "new.db") as back:
        back.check()
        told = [(p.id, p.name, p.faces) for p in people(back)]
        assert told == [(p.id, p.name, p.faces) for p in people(grouped)]
        assert back.read("SELECT sum(forgotten) FROM photos") == [(15,)]
        regroup(back, 0.5)
    assert forget(grouped, 3, from_exports=True).exports == ()  # the archive is still known


def test_an_archive_of_earlier_days(grouped, tmp_path):
    """There the person was two, one of them had a face of somebody else, and another name."""
    other = person(grouped, 3).faces[0].id
    with grouped.write() as db:
        db.execute("UPDATE members SET person_id = 2 WHERE face_id = ?", (other,))
    name(grouped, 2, "Mina Murray")
    name(grouped, 1, "Lucy")
    path = tmp_path / "family.fusiform"
    export(grouped, path)
    split(grouped, 2, [other])
    merge(grouped, 1, 2)
    name(grouped, 1, "Mina Harker")
    gone = vectors(grouped, 1)
    stays = vectors(grouped, person(grouped, 3).id)
    erased = forget(grouped, 1, from_exports=True)
    assert erased.exports == ()
    left = contents(path)
    assert not [vector for vector in gone if vector[:16] in left]
    assert all(vector in left for vector in stays)
    for told in (b"Mina", b"Lucy", b"Wilhelmina"):
        assert told not in left
    import_archive(path, tmp_path / "new.db")
    with Store(tmp_path / "new.db") as back:
        back.check()
        assert [(p.id, p.name, len(p.faces)) for p in people(back)] == [
            (4, None, 15),
            (3, "Jonathan", 14),
        ]
        pins = dict(back.read("SELECT face_id, person_id FROM pins"))
        assert set(replay(e.act for e in entries(back) if not e.undone).pins) >= set(pins)
        assert back.read("SELECT face_id FROM ungrouped") == [(other,)]
        regroup(back, 0.5)
        assert len(person(back, "Jonathan").faces) == 15


def test_of_others_only_the_faces_go(grouped, tmp_path):
    """A face that was somebody else's in the archive; a name that is another's by now."""
    wrong = person(grouped, 2).faces[0].id
    with grouped.write() as db:
        db.execute("UPDATE members SET person_id = 3 WHERE face_id = ?", (wrong,))
    undo(grouped)
    name(grouped, 3, "Jonathan")
    path = tmp_path / "family.fusiform"
    export(grouped, path)
    split(grouped, 3, [wrong])
    name(grouped, 2, "Arthur")
    merge(grouped, 2, person(grouped, "Jonathan").id + 2)
    name(grouped, 4, "Wilhelmina")
    forget(grouped, "Arthur", from_exports=True)
    import_archive(path, tmp_path / "new.db")
    with Store(tmp_path / "new.db") as back:
        back.check()
        assert [(p.id, p.name, len(p.faces)) for p in people(back)] == [
            (1, None, 15),
            (3, "Jonathan", 15),
            (4, None, 15),
        ]


def test_backups_too(grouped, only_files, tmp_path):
    copy = tmp_path / "copy.db"
    backup(grouped, copy)
    gone = vectors(grouped, 2)
    assert forget(grouped, 3).exports == (str(copy),)
    assert forget(grouped, 2, from_exports=True).exports == ()
    data = copy.read_bytes()
    assert not [vector for vector in gone if vector[:16] in data]
    assert b"Wilhelmina" not in data
    with Store(copy) as other:
        other.check()
        assert [p.id for p in people(other)] == [1, 3, 4]


def test_an_archive_that_cannot_be_read_may_hold_the_person(grouped, tmp_path):
    path = tmp_path / "family.fusiform"
    export(grouped, path)
    path.write_bytes(path.read_bytes()[:-100])
    before = [p.id for p in people(grouped)]
    with pytest.raises(GalleryDamaged, match=r"family\.fusiform is no sound archive"):
        forget(grouped, 2, from_exports=True)
    assert [p.id for p in people(grouped)] == before  # so that it can be done again
    assert forget(grouped, 2).exports == (str(path),)


def test_what_cannot_be_looked_at_may_hold_the_person(grouped, tmp_path, monkeypatch):
    path, look = str(tmp_path / "family.fusiform"), os.stat
    export(grouped, path)

    def closed(file: object, *words: object, **more: object) -> os.stat_result:
        if str(file) == path:
            raise PermissionError(13, "Permission denied")
        return look(file, *words, **more)

    monkeypatch.setattr(os, "stat", closed)
    assert forget(grouped, 2).exports == (path,)


def test_another_file_of_that_name_is_left_alone(grouped, tmp_path, crowd, fill):
    path = tmp_path / "family.fusiform"
    export(grouped, path)
    with Store(tmp_path / "stranger.db") as stranger:
        stranger.use_models("yunet-s", "dlib-resnet", "ab" * 32)
        fill(stranger, crowd(60, 4, d=128, noise=0.4)[0], each=3)
        export(stranger, path, force=True)
    before = path.read_bytes()
    assert forget(grouped, 2, from_exports=True).exports == ()
    assert path.read_bytes() == before


def test_a_gallery_knows_the_archive_it_came_from(grouped, tmp_path):
    path = tmp_path / "family.fusiform"
    export(grouped, path)
    import_archive(path, tmp_path / "new.db")
    with Store(tmp_path / "new.db") as back:
        assert forget(back, "Wilhelmina").exports == (str(path),)
