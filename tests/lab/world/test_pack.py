from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.alone import LOCK
from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.lab.world import shard
from fusiform.lab.world.pack import MANIFEST, Pack, read_pack, verify_pack, write_pack

KEYS = [f"{person:03d}_{shot}" for person in range(6) for shot in range(3)]
OPTIONS = {"size": 112, "lights": ["sunny"], "strength": 0.5}


def make(key: str) -> dict[str, bytes]:
    """At the top of the file so that worker processes find it."""
    noise = hashlib.sha256(key.encode()).digest()
    return {"jpg": noise * 40, "npz": noise[:7], "json": json.dumps({"key": key}).encode()}


def die(key: str) -> dict[str, bytes]:
    if key == KEYS[7]:
        os._exit(3)
    return make(key)


def fail(key: str) -> dict[str, bytes]:
    if key == KEYS[7]:
        raise OSError(errno.ENOENT, "no such texture")
    return make(key)


def literal_digest(keys: list[str]) -> str:
    """The definition in the docstring, word by word."""
    lines = ""
    for key in sorted(keys):
        members = make(key)
        inner = "".join(f"{e} {hashlib.sha256(members[e]).hexdigest()}\n" for e in sorted(members))
        lines += f"{key} {hashlib.sha256(inner.encode()).hexdigest()}\n"
    return hashlib.sha256(lines.encode()).hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write(folder: Path, **other: object) -> Pack:
    return write_pack(folder, KEYS, make, OPTIONS, **{"per_shard": 4} | other)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an undisturbed pack."""
    folder = tmp_path_factory.mktemp("whole") / "pack"
    write(folder)
    return contents(folder)


def test_a_pack_says_what_it_holds(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    pack = write(tmp_path / "new" / "pack", progress=lambda done, of: seen.append((done, of)))
    assert (pack.people, pack.images, pack.digest) == (6, 18, literal_digest(KEYS))
    assert seen == [(0, 18), (4, 18), (8, 18), (12, 18), (16, 18), (18, 18)]
    assert pack.seconds > 0
    assert pack.images_per_second > 0
    manifest = json.loads((pack.folder / MANIFEST).read_text("utf-8"))
    assert manifest["options"] == OPTIONS
    assert manifest["samples"] == 18
    for name, entry in manifest["shards"].items():
        data = (pack.folder / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    assert sum(entry["images"] for entry in manifest["shards"].values()) == 18


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    write_pack(tmp_path, KEYS[::-1], make, OPTIONS, per_shard=5)
    assert list(read_pack(tmp_path)) == [(key, make(key)) for key in KEYS]
    verified = verify_pack(tmp_path)
    assert verified.digest == literal_digest(KEYS)
    assert (verified.people, verified.images, verified.images_per_second) == (6, 18, 0)


def test_tars_are_plain_and_reproducible(tmp_path: Path, whole: dict[str, bytes]) -> None:
    write(tmp_path)
    assert contents(tmp_path) == whole
    with tarfile.open(tmp_path / "shard-000000.tar") as tar:
        infos = tar.getmembers()
    assert [i.name for i in infos[:4]] == ["000_0.jpg", "000_0.json", "000_0.npz", "000_1.jpg"]
    assert {(i.mtime, i.uid, i.gid, i.uname, i.gname, i.mode) for i in infos} == {
        (0, 0, 0, "", "", 0o644)
    }


def test_workers_change_nothing(tmp_path: Path, whole: dict[str, bytes]) -> None:
    seen: list[int] = []
    pack = write(tmp_path, workers=2, progress=lambda done, _: seen.append(done))
    assert contents(tmp_path) == whole
    assert pack.digest == literal_digest(KEYS)
    assert seen == sorted(seen)
    assert seen[-1] == 18


@given(st.integers(1, 20), st.integers(0, 18))
@settings(max_examples=15, deadline=None)
def test_the_digest_depends_on_the_samples_alone(per_shard: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pack = write_pack(folder, KEYS[:count], make, {}, per_shard)
        assert pack.digest == literal_digest(KEYS[:count])
        assert len(list(Path(folder).glob("*.tar"))) == -(-count // per_shard)
        assert len(list(read_pack(folder))) == count


def test_a_finished_pack_is_checked_and_left(tmp_path: Path, whole: dict[str, bytes]) -> None:
    write(tmp_path)
    times = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.tar")}

    def never(key: str) -> dict[str, bytes]:
        raise AssertionError(key)

    pack = write_pack(tmp_path, KEYS, never, OPTIONS, 4)
    assert pack.images_per_second == 0
    assert (pack.people, pack.images) == (6, 18)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.tar")} == times
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "empty"])
def test_a_damaged_tar_is_found_and_written_again(
    tmp_path: Path, whole: dict[str, bytes], harm: str
) -> None:
    write(tmp_path)
    path = tmp_path / "shard-000002.tar"
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes({"flip": bytes(data), "cut": bytes(data[:900]), "empty": b""}[harm])
    with pytest.raises(FusiformError, match=r"shard-000002\.tar\. Write the pack again"):
        verify_pack(tmp_path)
    made: list[str] = []

    def noted(key: str) -> dict[str, bytes]:
        made.append(key)
        return make(key)

    write_pack(tmp_path, KEYS, noted, OPTIONS, 4)
    assert made == KEYS[8:12]
    assert contents(tmp_path) == whole


RUN = """
import sys, time
sys.path.insert(0, {here!r})
import {module} as tests
from fusiform.lab.world.pack import write_pack
def slow(key):
    time.sleep(0.04)
    return tests.make(key)
if __name__ == "__main__":
    write_pack({folder!r}, tests.KEYS, slow, tests.OPTIONS, 4, {workers})
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_it_goes_on(
    tmp_path: Path, whole: dict[str, bytes], workers: int
) -> None:
    folder, script = tmp_path / "pack", tmp_path / "run.py"
    here = Path(__file__)
    script.write_text(
        RUN.format(here=str(here.parent), module=here.stem, folder=str(folder), workers=workers),
        "utf-8",
    )
    kills = 0
    for wanted in (1, 2, 3):  # Kill it when that many tars are there and a next one is begun.
        run = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
        try:
            for _ in range(3000):
                parts = list(folder.glob("shard-*.part-*"))
                far = len(list(folder.glob("*.tar"))) >= wanted and parts
                if far or run.poll() is not None:
                    break
                time.sleep(0.01)
            kills += run.poll() is None
            run.send_signal(signal.SIGKILL)
        finally:
            run.kill()
            run.wait()
        if wanted == 1:
            with pytest.raises(FusiformError, match="not finished"):
                verify_pack(folder)
    assert kills >= 2
    time.sleep(0.2)  # Its workers notice and end.
    assert list(folder.glob("*.tar"))
    made: list[str] = []

    def noted(key: str) -> dict[str, bytes]:
        made.append(key)
        return make(key)

    pack = write_pack(folder, KEYS, noted, OPTIONS, 4)
    assert len(made) < len(KEYS)
    assert contents(folder) == whole
    assert pack.digest == literal_digest(KEYS)


@pytest.mark.parametrize("after", [0, 3, 20, 26])
def test_a_full_disk_gives_one_clear_error_and_a_pack_that_goes_on(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    writes = 0
    real = shard._Sum.write

    def full(self: shard._Sum, data: bytes) -> int:
        nonlocal writes
        writes += 1
        if writes > after:
            self.file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, data)

    with monkeypatch.context() as patch:
        patch.setattr(shard._Sum, "write", full)
        with pytest.raises(FusiformError, match=r"The disk is full: .*pack\. Make room"):
            write(tmp_path / "pack")
    assert not list((tmp_path / "pack").glob("*.part*"))
    write(tmp_path / "pack")
    assert contents(tmp_path / "pack") == whole


@pytest.mark.parametrize("at", [1, 3, 5, 6])
def test_a_full_disk_when_syncing_and_when_saving_the_manifest(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real, calls = os.fsync, 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(FusiformError, match="The disk is full"):
            write(tmp_path)
    assert not list(tmp_path.glob("*.part*"))
    write(tmp_path)
    assert contents(tmp_path) == whole


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FusiformError, match=r"file is a file"):
        write(tmp_path / "file")
    with pytest.raises(FusiformError, match=r"Cannot write to .*pack"):
        write(tmp_path / "file" / "pack")


def test_two_runs_do_not_mix(tmp_path: Path) -> None:
    with FileLock(tmp_path / LOCK), pytest.raises(FusiformError, match="Another run is writing"):
        write(tmp_path)
    assert write(tmp_path).digest == literal_digest(KEYS)


def hear_ctrl_c() -> None:
    """What a shell starts in the background ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_an_interrupted_run_ends_at_once(tmp_path: Path) -> None:
    """Its workers are not waited for, though each has a tar of a minute before it."""
    folder, script = tmp_path / "pack", tmp_path / "run.py"
    here = Path(__file__)
    text = RUN.format(here=str(here.parent), module=here.stem, folder=str(folder), workers=2)
    script.write_text(text.replace("time.sleep(0.04)", "time.sleep(20)"), "utf-8")
    run = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, preexec_fn=hear_ctrl_c
    )
    try:
        for _ in range(3000):
            if len(list(folder.glob("shard-*.part-*"))) == 2:
                break
            time.sleep(0.01)
        run.send_signal(signal.SIGINT)
        _, told = run.communicate(timeout=15)
    finally:
        run.kill()
    assert b"KeyboardInterrupt" in told
    assert write(folder).digest == literal_digest(KEYS)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_make_raises_goes_through(tmp_path: Path, workers: int) -> None:
    with pytest.raises(OSError, match="no such texture"):
        write_pack(tmp_path, KEYS, fail, OPTIONS, 4, workers)
    assert not list(tmp_path.glob("*.part*"))
    assert write(tmp_path).digest == literal_digest(KEYS)


def test_a_dead_worker_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FusiformError, match=r"killed.*Run the same again"):
        write_pack(tmp_path, KEYS, die, OPTIONS, 4, 2)
    assert write(tmp_path).digest == literal_digest(KEYS)
    assert not list(tmp_path.glob("*.part*"))
    assert not multiprocessing.active_children()


def test_other_options_are_not_mixed_in(tmp_path: Path, whole: dict[str, bytes]) -> None:
    write(tmp_path)
    for change, said in (
        ({"options": OPTIONS | {"size": 256}}, "option size was 112, now 256"),
        ({"options": {"size": 112}}, "option lights was .*, now None"),
        ({"per_shard": 5}, "per_shard was 4, now 5"),
        ({"keys": KEYS[1:]}, "samples was 18, now 17"),
        ({"keys": [*KEYS[1:], "zzz"]}, "other samples were asked for"),
    ):
        arguments = {"keys": KEYS, "make": make, "options": OPTIONS, "per_shard": 4} | change
        with pytest.raises(FusiformError, match=rf"{said}.*another folder"):
            write_pack(tmp_path, **arguments)  # type: ignore[arg-type]
    assert contents(tmp_path) == whole


def test_a_folder_with_strange_tars_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "shard-000000.tar").write_bytes(b"mine")
    with pytest.raises(FusiformError, match=r"no readable manifest\.json\. Give an empty folder"):
        write(tmp_path)
    assert (tmp_path / "shard-000000.tar").read_bytes() == b"mine"


@pytest.mark.parametrize("text", ["", "[]", '{"shards": 3}', '{"shards": {"../x": {}}}'])
def test_a_spoilt_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    for read in (verify_pack, lambda folder: list(read_pack(folder))):
        with pytest.raises(FusiformError, match="is no pack"):
            read(tmp_path)


def test_reading_a_missing_tar_says_so(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "shard-000001.tar").unlink()
    with pytest.raises(FusiformError, match=r"shard-000001.tar"):
        list(read_pack(tmp_path))


def test_unfit_arguments_are_refused(tmp_path: Path) -> None:
    for keys in (["a", "a"], ["a.b"], ["../a"], [""], ["é"]):
        with pytest.raises(ChoiceError, match="keys"):
            write_pack(tmp_path, keys, make, {})
    with pytest.raises(ChoiceError, match="at least 1"):
        write_pack(tmp_path, ["a"], make, {}, per_shard=0)
    with pytest.raises(ChoiceError, match="options"):
        write_pack(tmp_path, ["a"], make, {"x": {1, 2}})
    for members in ({}, {"JPG": b""}, {"a/b": b""}):
        with pytest.raises(ChoiceError, match="sample a"):
            write_pack(tmp_path / "p", ["a"], lambda _, m=members: m, {})  # type: ignore[misc]
