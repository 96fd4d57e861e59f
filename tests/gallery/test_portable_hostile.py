"""Archives that are damaged, forged or cut off, and processes that die, leave nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fusiform.core.errors import ChoiceError, GalleryDamaged, GalleryError
from fusiform.gallery import Store, export, import_archive, name, people, regroup
from fusiform.gallery import portable_read as reading
from fusiform.gallery.portable import TABLES

Change = Callable[[dict[str, bytes], dict[str, Any]], None]


@pytest.fixture
def sound(tmp_path, crowd, fill) -> Path:
    """A sound archive."""
    with Store(tmp_path / "album.db") as store:
        store.use_models("yunet-s", "dlib-resnet", "ab" * 32)
        fill(store, crowd(30, 3, d=64, noise=0.4)[0], each=3)
        regroup(store, 0.5)
        name(store, 2, "Ada Lovelace")
        export(store, tmp_path / "sound.fusiform")
    return tmp_path / "sound.fusiform"


@pytest.fixture
def forged(sound: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """forged(change): an archive whose parts were changed, with a manifest that agrees again."""

    def make(change: Change) -> Path:
        with zipfile.ZipFile(sound) as archive:
            parts = {part: archive.read(part) for part in archive.namelist()}
        manifest = json.loads(parts.pop("manifest.json"))
        change(parts, manifest)
        for part, data in parts.items():
            told = manifest["parts"].setdefault(part, {})
            told["bytes"], told["sha256"] = len(data), hashlib.sha256(data).hexdigest()
            told["rows"] = data.count(b"\n")
        path = tmp_path / "forged.fusiform"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, data in parts.items():
                archive.writestr(part, data)
            archive.writestr("manifest.json", json.dumps(manifest))
        return path

    return make


def refused(
    path: Path, *, saying: str = "fusiform", kind: type[Exception] = GalleryDamaged
) -> None:
    """Not taken, the file is named, and nothing was made."""
    place = path.parent / "folder" / "new.db"
    with pytest.raises(kind, match=saying) as caught:
        import_archive(path, place)
    assert str(path) in str(caught.value)
    assert not list(path.parent.glob("folder/*"))


def rows(parts: dict[str, bytes], table: str, **fields: object) -> None:
    """Changes the first row of a table."""
    first, _, rest = parts[f"{table}.jsonl"].partition(b"\n")
    line = json.dumps(json.loads(first) | fields)
    parts[f"{table}.jsonl"] = line.encode() + b"\n" + rest


def test_a_forged_one_that_agrees_is_read(forged, tmp_path):
    path = forged(lambda parts, manifest: rows(parts, "people", name="Grace Hopper"))
    import_archive(path, tmp_path / "new.db")
    with Store(tmp_path / "new.db") as store:
        assert sorted(p.name or "" for p in people(store)) == ["", "Ada Lovelace", "Grace Hopper"]


def test_no_archive(tmp_path, sound):
    refused(tmp_path / "none.fusiform", saying="check the path", kind=GalleryError)
    (tmp_path / "text.fusiform").write_text("hello")
    refused(tmp_path / "text.fusiform", saying="no sound archive")
    refused(tmp_path / "album.db", saying="no sound archive")
    with zipfile.ZipFile(tmp_path / "zip.fusiform", "w") as archive:
        archive.writestr("a.txt", "hello")
    refused(tmp_path / "zip.fusiform", saying="of another program")


def test_cut_off_anywhere(sound):
    whole = sound.read_bytes()
    for size in range(0, len(whole), len(whole) // 40):
        sound.write_bytes(whole[:size])
        refused(sound)


def test_a_byte_changed_anywhere(sound, tmp_path):
    whole = sound.read_bytes()
    with zipfile.ZipFile(sound) as archive:
        before = {part: archive.read(part) for part in archive.namelist()}
    for at in range(0, len(whole), len(whole) // 150):
        changed = bytearray(whole)
        changed[at] ^= 0x40
        sound.write_bytes(changed)
        try:
            with zipfile.ZipFile(sound) as archive:
                same = {part: archive.read(part) for part in archive.namelist()} == before
        except Exception:  # whatever zipfile raises
            same = False
        if not same:
            refused(sound)


def test_a_newer_one(forged):
    path = forged(lambda parts, manifest: manifest.update(version=2))
    refused(path, saying="newer fusiform .*upgrade")


@pytest.mark.parametrize("part", ["../../evil.db", "/etc/evil", "..\\evil", "notes.txt"])
def test_parts_that_are_none_are_never_written(forged, part, tmp_path):
    path = forged(lambda parts, manifest: parts.update({part: b"evil\n"}))
    before = {file for file in tmp_path.parent.rglob("*") if file != path}
    refused(path, saying="parts are not those")
    new = {file for file in tmp_path.parent.rglob("*") if file != path} - before
    assert new <= {tmp_path / "folder"}


BROKEN: dict[str, Change] = {
    "a face without its photo": lambda parts, _: rows(parts, "faces", photo_id=999),
    "two faces of one number": lambda parts, _: rows(parts, "faces", id=2),
    "a number that is text": lambda parts, _: rows(parts, "faces", score="1; DROP TABLE faces"),
    "not finite": lambda parts, _: rows(parts, "faces", score=float("inf")),
    "infinite in disguise": lambda parts, _: parts.update(
        {"faces.jsonl": parts["faces.jsonl"].replace(b"\"score\":", b"\"score\":1e999,\"was\":")}
    ),
    "too large": lambda parts, _: rows(parts, "photos", width=1 << 63),
    "true for one": lambda parts, _: rows(parts, "photos", width=True),
    "no value": lambda parts, _: rows(parts, "photos", sha256=None),
    "negative": lambda parts, _: rows(parts, "people", id=-7),
    "half a character": lambda parts, _: rows(parts, "people", name="\ud800"),
    "four points": lambda parts, _: rows(parts, "faces", points=[[1, 2]] * 4),
    "no points": lambda parts, _: rows(parts, "faces", points="none"),
    "a list": lambda parts, _: parts.update({"faces.jsonl": b"[1]\n"}),
    "no JSON": lambda parts, _: parts.update({"faces.jsonl": b"{\n"}),
    "lists in lists": lambda parts, _: parts.update({"zones.jsonl": b"[" * 200_000 + b"\n"}),
    "no end": lambda parts, _: parts.update({"people.jsonl": parts["people.jsonl"][:-1]}),
    "vectors too few": lambda parts, _: parts.update({"vectors.bin": parts["vectors.bin"][:-2]}),
    "vectors too many": lambda parts, _: parts.update({"vectors.bin": parts["vectors.bin"] * 2}),
    "no number": lambda parts, _: parts.update(
        {"vectors.bin": b"\xff\xff" + parts["vectors.bin"][2:]}
    ),
    "wide": lambda parts, _: rows(parts, "embeddings", width=1 << 40),
    "of two widths": lambda parts, _: rows(parts, "embeddings", width=32),
    "a journal of nonsense": lambda parts, _: rows(parts, "journal", payload="{}"),
    "an unknown act": lambda parts, _: rows(parts, "journal", kind="explode"),
    "its own notes": lambda parts, _: rows(parts, "meta", key="exports"),
    "no last numbers": lambda _, manifest: manifest.pop("last"),
    "last number too large": lambda _, manifest: manifest["last"].update(faces=1 << 70),
    "no id": lambda _, manifest: manifest.update(id=7),
    "a part missing": lambda parts, manifest: (
        parts.pop("zones.jsonl"), manifest["parts"].pop("zones.jsonl"), None
    )[-1],
    "a list of parts": lambda parts, manifest: (parts.clear(), manifest.update(parts=[]), None)[-1],
}  # fmt: skip


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_rows_that_cannot_be(forged, change):
    refused(forged(change), saying="no sound archive")


def test_on_a_server_too(forged, schema_url):
    for change in BROKEN.values():
        with pytest.raises(GalleryDamaged, match="no sound archive"):
            import_archive(forged(change), schema_url)
        with Store(schema_url) as store:
            assert not [t for t in TABLES if t != "meta" and store.read(f"SELECT 1 FROM {t}")]
    path = forged(lambda parts, _: rows(parts, "people", name="a\0b"))
    with pytest.raises(GalleryDamaged, match="no sound archive"):  # text that it cannot hold
        import_archive(path, schema_url)


def test_a_bomb(forged):
    """A gigabyte of zeros in a megabyte is refused before it is unpacked."""
    path = forged(lambda parts, _: parts.update({"crops.bin": bytes(200_000_000)}))
    assert path.stat().st_size < 1_000_000
    started = time.process_time()
    refused(path, saying="far more than it can honestly hold")
    assert time.process_time() - started < 60


def test_the_same_rows_again_and_again_are_no_bomb(tmp_path):
    with Store(tmp_path / "album.db") as store:
        with store.write() as db:
            sql = "INSERT INTO skipped VALUES (?, 0, 0, 'NotAPicture', ?, ?, '')"
            long = ("is no picture that is known here " * 4, "convert it to JPEG or PNG " * 4)
            some = [(f"/photos/{i:06}.jpg", *long) for i in range(20_000)]
            db.executemany(sql, some)
        export(store, tmp_path / "much.fusiform")
    done = import_archive(tmp_path / "much.fusiform", tmp_path / "new.db")
    assert done.rows["skipped"] == 20_000


def test_a_part_packed_in_another_way(sound, tmp_path):
    with zipfile.ZipFile(sound) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "lzma.fusiform", "w", zipfile.ZIP_LZMA) as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    refused(tmp_path / "lzma.fusiform", saying="packed in a way that is not known")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_part_that_is_there_twice(sound):
    with zipfile.ZipFile(sound, "a") as archive:
        archive.writestr("faces.jsonl", archive.read("faces.jsonl"))
    refused(sound, saying="there twice")


def test_folders_need_names(sound, tmp_path):
    with pytest.raises(ChoiceError):
        import_archive(sound, tmp_path / "new.db", {"": "/mnt"})


# Death


def dying(work: Callable[[], object], seconds: float) -> None:
    """Does `work` in a process of its own and kills it."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    time.sleep(seconds)
    assert child.pid
    os.kill(child.pid, signal.SIGKILL)
    child.join()


def test_an_export_that_is_killed(sound, tmp_path, monkeypatch):
    target = tmp_path / "family.fusiform"
    with Store(tmp_path / "album.db") as store:
        export(store, target)
    whole = target.read_bytes()
    slow(monkeypatch)

    def work() -> None:
        with Store(tmp_path / "album.db") as store:
            export(store, target, force=True)

    for i in range(1, 4):
        dying(work, 0.15 * i)
        assert target.read_bytes() == whole
    assert list(tmp_path.glob(".family.fusiform.*"))
    monkeypatch.undo()
    with Store(tmp_path / "album.db") as store:
        export(store, target, force=True)
    assert not list(tmp_path.glob(".family.fusiform.*"))
    import_archive(target, tmp_path / "new.db")


def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes writing of parts of an archive and of rows of a gallery take long."""
    from fusiform.gallery import portable_write as writing

    quick_part, quick_fill = writing._write_part, reading._fill

    def part(*words: Any) -> Any:
        time.sleep(0.1)
        return quick_part(*words)

    def fill(*words: Any) -> None:
        quick_fill(*words)
        time.sleep(0.1)

    monkeypatch.setattr(writing, "_write_part", part)
    monkeypatch.setattr(reading, "_fill", fill)


@pytest.mark.parametrize("where", ["file", "server"])
def test_an_import_that_is_killed(sound, tmp_path, monkeypatch, where, request):
    place = tmp_path / "new.db" if where == "file" else request.getfixturevalue("schema_url")
    slow(monkeypatch)
    for i in range(1, 4):
        dying(lambda: import_archive(sound, place), 0.2 * i)
        with Store(place) as store:
            store.check()
            told = [t for t in TABLES if t != "meta" and store.read(f"SELECT 1 FROM {t}")]
            assert told == []
    monkeypatch.undo()
    import_archive(sound, place)
    with Store(place) as store, Store(tmp_path / "album.db") as known:
        assert people(store) == people(known)


def test_the_bytes_of_an_archive_do_not_depend_on_the_hour(sound, tmp_path):
    with zipfile.ZipFile(sound) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert zipfile.ZipFile(io.BytesIO(sound.read_bytes())).testzip() is None


def test_an_archive_of_before_a_field_came_is_read(forged, tmp_path):
    def older(parts: dict[str, bytes], manifest: dict[str, object]) -> None:
        for part, left_out in (("photos.jsonl", "pixels"), ("sidecars.jsonl", "embedded")):
            lines = [json.loads(line) for line in parts[part].splitlines()]
            told = [{k: v for k, v in row.items() if k != left_out} for row in lines]
            parts[part] = b"".join(json.dumps(row).encode() + b"\n" for row in told)

    import_archive(forged(older), tmp_path / "new.db")
    with Store(tmp_path / "new.db") as store:
        assert set(store.read("SELECT pixels FROM photos")) == {(None,)}
