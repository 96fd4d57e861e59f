"""Bad input and faults of the machine: one clear word about each, and nothing lost."""

from __future__ import annotations

import io
import json
import os
import random
import resource
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusiform import Gallery, pipeline
from fusiform.core.errors import GalleryBusy, GalleryUnwritable
from fusiform.core.pictures import read
from fusiform.gallery import Store

KILLS = int(os.environ.get("FUSIFORM_KILLS", "12"))
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files and signals")


@pytest.fixture(scope="module")
def portraits(album: Path) -> list[bytes]:
    """Two small JPEGs, of two people."""
    boxes = {"grace_hopper.jpg": (130, 90, 420, 380), "eileen_collins.jpg": (110, 20, 330, 240)}
    found = []
    for name, box in boxes.items():
        file = io.BytesIO()
        small = Image.fromarray(read(album / name)).crop(box).resize((110, 110))
        small.save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def different(content: bytes, number: int) -> bytes:
    """Nearly the same picture: the number as two grey squares in a corner."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        for i, grey in enumerate(divmod(number, 256)):
            image.paste((grey,) * 3, (8 * i, 0, 8 * i + 8, 8))
        image.save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()


def fill(folder: Path, portraits: list[bytes], count: int) -> None:
    folder.mkdir()
    for i in range(count):
        (folder / f"{i:04}.jpg").write_bytes(different(portraits[i % 2], i))


# A folder of anything


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def sparse(path: Path, _: bytes) -> None:
    with path.open("wb") as file:
        file.write(b"\xff\xd8\xff\xe0")
        file.truncate(30 << 30)


def listening(path: Path, _: bytes) -> None:
    home = os.getcwd()
    os.chdir(path.parent)  # a socket's path may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(home)


def looping(path: Path, _: bytes) -> None:
    path.symlink_to(path.name)


Spoiler = Callable[[Path, bytes], object]
HOSTILE: dict[str, tuple[Spoiler, str]] = {
    "text": (lambda p, _: p.write_text("To whom it may concern"), "is no picture"),
    "empty": (lambda p, _: p.touch(), "is empty"),
    "cut": (lambda p, good: p.write_bytes(good[: len(good) // 2]), "is damaged or cut short"),
    "head": (lambda p, good: p.write_bytes(good[:20]), "is damaged or cut short"),
    "noise": (lambda p, _: p.write_bytes(b"\xff\xd8\xff" + bytes(range(256)) * 9), "is damaged"),
    "zeros": (lambda p, _: p.write_bytes(bytes(5000)), "is no picture"),
    "script": (lambda p, _: p.write_text("%!PS-Adobe-3.0 EPSF-3.0"), "is no picture"),
    "bomb": (lambda p, _: p.write_bytes(png(60_000, 60_000, zlib.compress(b""))), "more than the"),
    "idat": (lambda p, _: p.write_bytes(png(64, 64, b"not deflated")), "is damaged"),
    "huge": (sparse, "has 32.2 GB, more than"),
    "fifo": (lambda p, _: os.mkfifo(p), "is no regular file"),
    "socket": (listening, "is no regular file"),
    "dangling": (lambda p, _: p.symlink_to("nowhere.jpg"), "is a link to a file that is gone"),
    "loop": (looping, "cannot be read"),
}
PLACES = ["plain", "with space", "кириллица", "写真", "🙂🙂", "new\nline", "\x1b[31m", "l" * 200]


def hostile_folder(folder: Path, portraits: list[bytes]) -> tuple[set[str], dict[str, str]]:
    """1,000 files in ten folders: the good ones, and what is wrong with each bad one."""
    good, bad = set(), {}
    folders = [folder / place for place in PLACES]
    folders += [folder / ("d" * 120) / ("e" * 120) / ("f" * 120), folder / "folder.jpg"]
    for place in folders:
        place.mkdir(parents=True)
    kinds = list(HOSTILE)
    for i in range(1000):
        place = folders[i % len(folders)]
        if i // 10 % 10 == 0:
            path = place / f"{i}.jpg"
            path.write_bytes(different(portraits[i % 2], i))
            good.add(str(path))
        else:
            kind = kinds[i % len(kinds)]
            path = place / f"{i}.{kind}.png"
            HOSTILE[kind][0](path, portraits[0])
            bad[str(path)] = HOSTILE[kind][1]
    (folder / "again").symlink_to(folder)
    (folder / ".hidden.jpg").write_text("not looked at")
    (folder / "notes.txt").write_text("not looked at")
    return good, bad


def test_a_thousand_files_of_every_kind(run, tmp_path, portraits):
    folder, path = tmp_path / "anything", tmp_path / "anything.db"
    good, bad = hostile_folder(folder, portraits)
    done = run("index", folder, "--gallery", path, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    reasons = {error["photo"]: error["reason"] for error in told["errors"]}
    assert len(told["errors"]) == told["skipped"] == len(bad)
    assert {photo: wanted for photo, wanted in bad.items() if wanted not in reasons[photo]} == {}
    assert all(error["remedy"] for error in told["errors"])
    assert (told["photos"], told["faces"], told["people"]) == (len(good), len(good), 2)
    people = json.loads(run("people", "--gallery", path, "--json").stdout)
    assert {face["photo"] for person in people for face in person["faces"]} == good
    assert len(done.stderr.splitlines()) == 11
    assert "\x1b" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission(gallery, folder):
    (folder / "grace_hopper.jpg").chmod(0)
    (folder / "locked").mkdir(mode=0)
    assert gallery.index(folder).skipped == 2


# Death at any moment

SLOWLY = """
import sys
sys.path.insert(0, {root!r})
import fusiform.api, onnxruntime, dlib
from fusiform.app.cli import main
print("ready", flush=True)
main()
"""


def killed_index(folder: Path, gallery: Path, delay: float) -> int:
    """Kills `fusiform index` after `delay` seconds; its exit code."""
    code = SLOWLY.format(root=str(Path(__file__).parents[1]))
    words = [sys.executable, "-c", code, "index", str(folder), "--gallery", str(gallery)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        time.sleep(delay)
        child.kill()
    return child.returncode


def whole_photos(path: Path) -> Counter[str]:
    """How often each content is stored; every photo has its file, its face and its vector."""
    with Store(path, create=False) as store:
        store.check()
        rows = store.read(
            "SELECT sha256, count(DISTINCT path), count(DISTINCT faces.id), count(vector) "
            "FROM photos LEFT JOIN files ON files.photo_id = photos.id "
            "LEFT JOIN faces ON faces.photo_id = photos.id "
            "LEFT JOIN embeddings ON face_id = faces.id GROUP BY photos.id"
        )
    assert all(row[1:] == (1, 1, 1) for row in rows)
    return Counter(row[0] for row in rows)


def groups(gallery: Gallery) -> set[frozenset[str]]:
    return {frozenset(face.photo for face in person.faces) for person in gallery.people()}


def test_kill_at_any_moment_loses_nothing(tmp_path, portraits):
    folder, path = tmp_path / "photos", tmp_path / "killed.db"
    fill(folder, portraits, 30 * max(KILLS, 13))
    chance, before = random.Random(KILLS), Counter[str]()
    ends = []
    for _ in range(KILLS):
        ends.append(killed_index(folder, path, chance.uniform(0.0, 1.2)))
        if path.exists():
            now = whole_photos(path)
            assert before <= now
            assert max(now.values(), default=1) == 1
            before = now
    assert -signal.SIGKILL in ends
    with Gallery(path) as gallery, Gallery(tmp_path / "calm.db") as calm:
        gallery.index(folder)
        calm.index(folder)
        assert groups(gallery) == groups(calm)
        assert len(groups(calm)) == 2
    assert whole_photos(path) == whole_photos(tmp_path / "calm.db")


# Two at once


def test_the_second_index_says_who_is_at_it(run, gallery, folder):
    with gallery.store.lock_for_indexing():
        done = run("index", folder, "--gallery", gallery.store.path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"fusiform: {gallery.store.path} is being indexed by process {os.getpid()}; "
            "wait until it is done.\n"
        )
        assert run("people", "--gallery", gallery.store.path).returncode == 0


def test_the_second_index_waits_if_told_to(run, gallery, folder):
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with Store(gallery.store.path) as store, store.lock_for_indexing():
            held.set()
            release.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    threading.Timer(1.5, release.set).start()
    done = run("index", folder, "--gallery", gallery.store.path, "--wait", "60")
    holder.join()
    assert (done.returncode, done.stderr) == (0, "")


def test_a_gallery_another_program_writes_to(gallery, folder):
    (folder / "new.jpg").write_bytes(different((folder / "grace_hopper.jpg").read_bytes(), 1))
    gallery.store.read("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(gallery.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(GalleryBusy, match="is in use by another process; try again"):
        gallery.index(folder)
    other.execute("ROLLBACK")
    other.close()
    assert gallery.index(folder).photos == 1


# Disks


def limited(size: int) -> Callable[[], None]:
    """No file may grow beyond `size` bytes, as on a disk that is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_full_disk_ends_in_one_sentence(program, run, tmp_path, portraits):
    folder, path = tmp_path / "photos", tmp_path / "full.db"
    fill(folder, portraits, 250)
    words = [*program, "index", str(folder), "--gallery", str(path)]
    room = limited(160_000)
    done = subprocess.run(words, capture_output=True, text=True, preexec_fn=room)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"fusiform: {path} cannot ")
    assert "room" in done.stderr
    stored = whole_photos(path)
    assert run("index", folder, "--gallery", path).returncode == 0
    assert stored < whole_photos(path)
    assert len(whole_photos(path)) == 250


@pytest.mark.parametrize("place", ["file/gallery.db", "folder", "/proc/gallery.db"])
def test_a_place_that_cannot_be_written(tmp_path, place, run):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("no /proc here")
    done = run("index", tmp_path / "folder", "--gallery", tmp_path / place)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    with pytest.raises(GalleryUnwritable):
        Gallery(tmp_path / place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(GalleryUnwritable, match="permissions"):
        Gallery(tmp_path / "gallery.db")


def test_a_drawing_that_cannot_be_saved(run, indexed, tmp_path):
    done = run("people", "--gallery", indexed, "--sheet", tmp_path / "gone" / "people.jpg")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "people.jpg" in done.stderr


# Files that change under our hands


def test_a_photo_deleted_between_listing_and_reading(gallery, folder, monkeypatch):
    honest = pipeline.read_bytes
    gone = folder / "a.jpg"
    gone.write_bytes(different((folder / "grace_hopper.jpg").read_bytes(), 1))

    def vanishing(path):
        gone.unlink(missing_ok=True)
        return honest(path)

    monkeypatch.setattr(pipeline, "read_bytes", vanishing)
    report = gallery.index(folder)
    assert [str(error) for error in report.errors] == [f"{gone}: does not exist; check the path"]
    assert gallery.index(folder).skipped == 0
    assert gallery.store.counts() == {"photos": 4, "files": 4, "faces": 4, "skipped": 0}


def test_a_photo_replaced_between_listing_and_reading(gallery, folder, monkeypatch, album):
    honest = pipeline.read_bytes
    photo = folder / "a.jpg"
    photo.write_bytes(different((folder / "grace_hopper.jpg").read_bytes(), 1))
    cat = (album / "cat_chelsea.jpg").read_bytes()

    def replacing(path):
        photo.write_bytes(cat)
        return honest(path)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "read_bytes", replacing)
        assert gallery.index(folder).faces == 0
    gallery.index(folder)
    assert gallery.index(folder).unchanged == 5
    (number,) = gallery.store.read("SELECT photo_id FROM files WHERE path = ?", (str(photo),))[0]
    assert gallery.store.read("SELECT width FROM photos WHERE id = ?", (number,))[0][0] == 451


def test_a_photo_deleted_later_is_named_by_the_library(gallery, folder):
    (folder / "grace_hopper.jpg").unlink()
    assert gallery.sheet().dtype == np.uint8
    assert gallery.index(folder).gone == 1
