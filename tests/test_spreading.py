"""Indexing by the workers of a real Dask cluster on this machine, some of whom die."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from test_faults import groups, whole_photos

from fusiform import Gallery, api, spreading
from fusiform.app.bench.cluster import cluster, scheduler, workers
from fusiform.core.errors import ChoiceError, ClusterError, GalleryError
from fusiform.core.pictures import read
from fusiform.gallery import Store
from fusiform.pipeline import Analysed, Limits

distributed = pytest.importorskip("distributed", reason="distributed is not installed")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

# the names of a preloaded file are gone once it has run
DEADLY = """
import os, signal
from fusiform import pipeline
def deadly(path, os=os, signal=signal, honest=pipeline._content):
    if "deadly" in str(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return honest(path)
pipeline._content = deadly
"""
OTHER = "import fusiform\nfusiform.__version__ = '0.0.9'\n"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dask")


@pytest.fixture(scope="module")
def address(space: Path, home: Path) -> Iterator[str]:
    """A scheduler with two workers, whom a file named "deadly" kills; two deaths are enough."""
    preload = space / "deadly.py"
    preload.write_text(DEADLY)
    patient = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    with scheduler(space, patient) as found, workers(found, 2, space, "--preload", str(preload)):
        with distributed.Client(found, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield found


@pytest.fixture(scope="module")
def many(album: Path, space: Path) -> Path:
    """A folder of 160 small portraits of two people."""
    folder = space / "many"
    folder.mkdir()
    boxes = {"grace_hopper.jpg": (130, 90, 420, 380), "eileen_collins.jpg": (110, 20, 330, 240)}
    for start, (name, box) in enumerate(boxes.items()):
        portrait = Image.fromarray(read(album / name)).crop(box).resize((110, 110))
        for i in range(start, 160, 2):
            portrait.paste((i, i, i), (0, 0, 8, 8))
            portrait.save(folder / f"{i:03}.jpg")
    return folder


@pytest.fixture(scope="module")
def calm(many: Path, space: Path) -> Path:
    """A gallery of `many`, made without Dask."""
    with Gallery(space / "calm.db") as gallery:
        gallery.index(many)
    return space / "calm.db"


def content(store: Store) -> dict[str, list[Any]]:
    """All that indexing stores but for the order, vectors as bytes."""
    faces = "x1, y1, x2, y2, score, quality, points, vector"
    queries = {
        "faces": f"SELECT sha256, {faces} FROM photos JOIN faces ON photo_id = photos.id "
        "JOIN embeddings ON face_id = faces.id",
        "photos": "SELECT sha256, width, height, taken_at FROM photos",
        "files": "SELECT path, sha256, size, mtime_ns FROM files JOIN photos ON id = photo_id",
    }
    rows = {name: sorted(store.read(sql), key=repr) for name, sql in queries.items()}
    skipped = [(s.path, s.size, s.kind, s.reason, s.remedy) for s in store.skipped()]
    return rows | {"skipped": skipped, "dropped": sorted(store.dropped(), key=repr)}


def counted(report: Any) -> dict[str, Any]:
    names = "photos faces dropped skipped duplicates unchanged gone people detector embedder"
    errors, drops = sorted(map(str, report.errors)), sorted(report.drops, key=repr)
    return {n: getattr(report, n) for n in names.split()} | {"errors": errors, "drops": drops}


def pids(address: str) -> list[int]:
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
        return list(client.run(os.getpid).values())


@pytest.fixture
def mixed(album: Path, tmp_path: Path) -> Path:
    """The album, with copies and with files that are broken in several ways."""
    folder = Path(shutil.copytree(album, tmp_path / "mixed"))
    shutil.copy(folder / "grace_hopper.jpg", folder / "copy.jpg")
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.png").touch()
    (folder / "cut.jpg").write_bytes((folder / "cat_chelsea.jpg").read_bytes()[:2000])
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    Image.fromarray(read(album / "grace_hopper.jpg")).resize((90, 110)).resize((512, 600)).save(
        folder / "blurred.png"
    )
    return folder


def both(one: Gallery, other: Gallery, folder: Path, address: str) -> tuple[Any, Any]:
    return counted(one.index(folder)), counted(other.index(folder, dask=address))


def test_a_local_run_says_the_same(address, mixed, tmp_path):
    with Gallery(tmp_path / "local.db") as local, Gallery(tmp_path / "spread.db") as wide:
        first = both(local, wide, mixed, address)
        assert first[0] == first[1]
        assert first[0]["duplicates"] == 1
        assert first[0]["skipped"] == 4
        assert first[0]["drops"]
        again = both(local, wide, mixed, address)
        assert again[0] == again[1]
        assert (again[0]["unchanged"], again[0]["skipped"]) == (11, 4)
        assert content(local.store) == content(wide.store)
        assert groups(local) == groups(wide)


def test_on_a_server(address, mixed, schema_url, tmp_path):
    with Gallery(tmp_path / "local.db") as local, Gallery(schema_url) as wide:
        local.index(mixed)
        assert wide.index(mixed, dask=address).photos == 10
        here, there = content(local.store), content(wide.store)
        assert here["faces"] == there["faces"]
        assert here["files"] == there["files"]
        assert groups(local) == groups(wide)


def test_the_command_and_its_bar(address, run, folder, tmp_path):
    seen = []
    with Gallery(tmp_path / "bar.db") as gallery:
        gallery.index(folder, dask=address, progress=seen.append)
    assert [p.done for p in seen] == [1, 2, 3, 4]
    done = run("index", folder, "--gallery", tmp_path / "typed.db", "--dask", address)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 new photos, 4 faces; 2 people")


def test_what_may_be_a_copy_is_not_looked_at(address, gallery, folder, monkeypatch):
    found: list[Analysed] = []
    honest = api.spread

    def watched(*given, **named):
        for result in honest(*given, **named):
            found.append(result)
            yield result

    monkeypatch.setattr(api, "spread", watched)
    small, *_, large = sorted(folder.iterdir(), key=lambda path: path.stat().st_size)
    padded = small.read_bytes().ljust(large.stat().st_size, b"\0")
    (folder / "as_large.jpg").write_bytes(padded)
    shutil.move(large, folder / "moved.jpg")
    report = gallery.index(folder, dask=address)
    assert (report.photos, report.duplicates, report.gone) == (0, 2, 1)  # the pixels are known
    assert {Path(r.source).name: r.known for r in found} == {
        "moved.jpg": True,
        "as_large.jpg": False,
    }


# Death


def test_a_killed_worker_loses_nothing(address, many, calm, tmp_path):
    victims = pids(address)

    def kill(progress):
        if progress.done == 25:
            os.kill(victims[0], signal.SIGKILL)

    with Gallery(tmp_path / "killed.db") as gallery, Gallery(calm) as quiet:
        report = gallery.index(many, dask=address, progress=kill)
        assert (report.photos, report.duplicates, report.skipped) == (160, 0, 0)
        assert content(gallery.store) == content(quiet.store)
        assert groups(gallery) == groups(quiet)
    assert whole_photos(tmp_path / "killed.db") == whole_photos(calm)


def test_a_picture_that_kills_is_named_and_tried_again(address, folder, tmp_path):
    deadly = folder / "deadly.jpg"
    (folder / "grace_hopper.jpg").rename(deadly)
    with Gallery(tmp_path / "deadly.db") as gallery:
        report = gallery.index(folder, dask=address)
        assert (report.photos, report.skipped) == (3, 1)
        assert str(report.errors[0]).startswith(f"{deadly}: killed every worker that looked at it")
        deadly.rename(folder / "grace_hopper.jpg")
        assert gallery.index(folder, dask=address).photos == 1
        assert gallery.store.counts() == {"photos": 4, "files": 4, "faces": 4, "skipped": 0}


def test_a_killed_client_goes_on_when_run_again(address, program, run, many, calm, tmp_path):
    path = tmp_path / "killed.db"
    words = [*program, "index", str(many), "--gallery", str(path), "--dask", address]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and stored(path) < 20:
            time.sleep(0.02)
        child.kill()
    before = whole_photos(path)
    assert len(before) >= 20
    assert before <= whole_photos(calm)
    done = run("index", many, "--gallery", path, "--dask", address)
    assert (done.returncode, done.stderr) == (0, "")
    with Store(path) as store, Store(calm) as quiet:
        assert content(store) == content(quiet)


def stored(path: Path) -> int:
    try:
        with Store(path, create=False) as store:
            return store.counts()["photos"]
    except GalleryError:  # not yet made
        return 0


def test_stopping_the_client_keeps_what_was_done(address, many, tmp_path):
    def stop(progress):
        if progress.done == 10:
            raise KeyboardInterrupt

    with Gallery(tmp_path / "stopped.db") as gallery:
        with pytest.raises(KeyboardInterrupt):
            gallery.index(many, dask=address, progress=stop)
        assert gallery.store.counts()["photos"] == 10
        assert gallery.index(many, dask=address).photos == 150


def test_memory_stays_flat(address, many, monkeypatch):
    """However slow the client is, few batches are under way, and the rest is not even listed."""
    monkeypatch.setattr(spreading, "ASKED", 16)
    pids(address)
    used = api.models()
    names, listed, given = (used.detector.name, used.embedder.name), [], 0
    sources = (listed.append(path) or str(path) for path in many.iterdir())
    most = 2 * spreading.AHEAD * spreading.BATCH
    settings = {"names": names, "limits": Limits(), "known": lambda paths: {}}
    for result in spreading.spread(sources, used, address=address, **settings):
        given += 1
        assert len(listed) - given <= most + spreading.BATCH + spreading.ASKED
        assert result.error is None
        time.sleep(0.005)
    assert given == 160


# What is refused


@pytest.fixture
def hasty(monkeypatch):
    for name in ("REACHED", "PATIENCE", "TICK"):
        monkeypatch.setattr(spreading, name, 1.0)


@pytest.mark.parametrize("wrong", ["tcp://127.0.0.1:1", "ftp://here", "nonsense", "tcp://[::"])
def test_no_scheduler(gallery, folder, wrong, hasty):
    with pytest.raises(ClusterError, match="start one with `dask scheduler`"):
        gallery.index(folder, dask=wrong)


def test_without_dask(gallery, folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ClusterError, match=r'pip install "fusiform\[dask\]"'):
        gallery.index(folder, dask="tcp://127.0.0.1:1")


def test_threads_and_workers_at_once(gallery, folder):
    with pytest.raises(ChoiceError, match="workers must be left out"):
        gallery.index(folder, dask="tcp://127.0.0.1:1", workers=2)


def test_no_workers_others_and_a_scheduler_that_goes(many, tmp_path, hasty):
    other = tmp_path / "other.py"
    other.write_text(OTHER)
    with Gallery(tmp_path / "none.db") as gallery, ExitStack() as stack:
        found = stack.enter_context(scheduler(tmp_path))
        with pytest.raises(ClusterError, match="has no workers; start some with `dask worker tcp"):
            gallery.index(many, dask=found)
        with workers(found, 1, tmp_path, "--preload", str(other)):
            with distributed.Client(found, set_as_default=False) as client:
                client.wait_for_workers(1, timeout=60)
            with pytest.raises(ClusterError, match=r"has fusiform 0\.0\.9, not"):
                gallery.index(many, dask=found)
        assert gallery.store.counts()["photos"] == 0


def test_a_scheduler_that_dies(many, tmp_path, monkeypatch):
    monkeypatch.setattr(spreading, "PATIENCE", 5.0)
    with Gallery(tmp_path / "gone.db") as gallery, ExitStack() as stack:
        found = stack.enter_context(cluster(1, tmp_path))

        def kill(progress):
            if progress.done == 10:
                stack.close()

        with pytest.raises(ClusterError, match=r"scheduler at tcp://\S+ is gone"):
            gallery.index(many, dask=found, progress=kill)
        assert gallery.store.counts()["photos"] >= 10


def answer(**changed: Any) -> spreading.Answer:
    return spreading.Answer(**{"worker": "tcp://w:1", "identity": ("1", "d", "e")} | changed)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (answer(identity=("1", "other", "e")), "has detector other, not d as here"),
        (answer(identity=("1", "d", "other")), "has embedder other, not e as here"),
        (answer(refusal="weights are missing"), "cannot load the models: weights are missing"),
    ],
)
def test_other_models(said, expected):
    task = spreading.Task("d", "e", Limits(), ("1", "d", "e"))
    flight = spreading._Flight(SimpleNamespace(), "tcp://s:1", task)
    flight._check(answer())
    with pytest.raises(ClusterError, match=expected):
        flight._check(said)
