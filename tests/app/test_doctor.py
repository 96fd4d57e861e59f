"""`doctor` finds what is wrong, and every bad finding names the remedy."""

from __future__ import annotations

import json
import os
import re
import shutil
from importlib import metadata
from pathlib import Path

import pytest
from postgres_server import PASSWORD, USER

from fusiform.api import Gallery
from fusiform.app import doctor
from fusiform.app.doctor import Finding, examine
from fusiform.gallery import Store, regroup
from fusiform.hub import store as hub_store

REMEDY = re.compile(
    r"[Rr]un `|pip install|make room|change (the|its) permissions|set FUSIFORM_HOME"
    r"|restore a copy|choose another|bring that one back|give the path|make it with"
)


def bad(gallery: str | Path) -> dict[str, str]:
    """What `doctor` finds wrong, by what it looked at; each with its remedy."""
    found = {f.check: f.says for f in examine(gallery) if f.level == "bad"}
    assert all(REMEDY.search(says) for says in found.values()), found
    return found


def finding(gallery: str | Path, check: str) -> Finding:
    return next(f for f in examine(gallery) if f.check == check)


def test_a_sound_machine(indexed):
    assert bad(indexed) == {}
    assert finding(indexed, "auto detector").says == "dlib-hog"
    assert finding(indexed, "gallery").says == f"{indexed}: 9 photos, 9 faces"
    assert "onnxruntime" in finding(indexed, "software").says
    assert re.fullmatch(r"SQLite [\d.]+", finding(indexed, "database").says)


def test_a_gallery_on_a_server(run, schema_url, server, folder):
    with Gallery(schema_url) as gallery:
        gallery.index(folder)
    assert bad(schema_url) == {}
    name = schema_url.replace(f":{PASSWORD}@", "@")
    assert finding(schema_url, "gallery").says == f"{name}: 4 photos, 4 faces"
    said = finding(schema_url, "database").says
    assert re.fullmatch(r"PostgreSQL \d+\.\d+, pgvector \d+\.\d+\.\d+", said)
    assert finding(schema_url, "index").says == "as the photos lie there"
    well = run("doctor", FUSIFORM_GALLERY=schema_url)
    assert (well.returncode, well.stderr) == (0, "all well\n")
    assert said in well.stdout
    (folder / "grace_hopper.jpg").unlink()
    assert "1 photo gone since indexing" in bad(schema_url)["index"]
    assert "make it with `fusiform index`" in bad(f"{schema_url}_other")["gallery"]
    nowhere = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:1/postgres"
    ill = run("doctor", "--gallery", nowhere)
    assert (ill.returncode, ill.stderr) == (1, "1 problem found\n")
    assert re.search(r"✗ gallery: .*cannot be reached .*check the URL", ill.stdout)
    assert PASSWORD not in well.stdout + ill.stdout


def test_the_last_backup(copied, tmp_path):
    with Gallery(copied) as gallery:
        gallery.backup(tmp_path / "old.db")
        known = json.loads(gallery.store.noted("backups"))
        gallery.store.note("backups", json.dumps([known[0] | {"at": "2020-01-01T00:00:00+00:00"}]))
        assert re.fullmatch(r".*old\.db, made [\d,]{5,} days ago", finding(copied, "backup").says)
        gallery.backup(tmp_path / "new.db")
    assert finding(copied, "backup").says == f"{tmp_path}/new.db, made today"
    assert bad(copied) == {}


def test_no_gallery_yet(tmp_path):
    assert bad(tmp_path / "none.db") == {}
    assert "`fusiform index` makes it" in finding(tmp_path / "none.db", "gallery").says
    assert not (tmp_path / "none.db").exists()


def test_a_model_that_can_be_fetched_is_only_noted(indexed):
    found = finding(indexed, "yunet-s")
    assert found.level == "note"
    assert "Run `fusiform pull yunet-s`" in found.says


def test_a_missing_package(indexed, monkeypatch):
    honest = metadata.distribution

    def without_weights(name):
        if name == "face_recognition_models":
            raise metadata.PackageNotFoundError(name)
        return honest(name)

    monkeypatch.setattr(hub_store.metadata, "distribution", without_weights)
    found = bad(indexed)
    assert {"dlib-points", "dlib-resnet", "gallery's models"} <= set(found)
    assert "pip install --force-reinstall face_recognition_models" in found["dlib-resnet"]


def test_a_missing_library(indexed, monkeypatch):
    monkeypatch.setattr(doctor, "LIBRARIES", ("numpy", "no-such-library"))
    assert bad(indexed) == {
        "no-such-library": "is not installed; run `pip install no-such-library`"
    }


def test_a_wrong_file_for_a_model(indexed, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIFORM_HOME", str(tmp_path / "own"))
    models = tmp_path / "own" / "models"
    models.mkdir(parents=True)
    (models / "yunet-s.onnx").write_bytes(b"<html>not found</html>")
    found = bad(indexed)
    assert set(found) == {"yunet-s"}
    assert found["yunet-s"].startswith("damaged. Run `fusiform pull yunet-s`")
    assert finding(indexed, "auto detector").says == "dlib-hog"


def test_a_gallery_whose_detector_is_gone(tmp_path, album, yunet, monkeypatch):
    path = tmp_path / "yunet.db"
    with Gallery(path, detector="yunet-s") as gallery:
        gallery.index(album / "grace_hopper.jpg")
    assert bad(path) == {}
    monkeypatch.delenv("FUSIFORM_MODELS")
    assert "fusiform pull yunet-s" in bad(path)["gallery's models"]


def test_a_gallery_of_another_embedder(copied):
    with Store(copied) as store, store.write() as db:
        db.execute("UPDATE models SET hash = ?", ("ab" * 32,))
        db.execute("UPDATE meta SET value = ? WHERE key = 'embedder'", ("ab" * 32,))
    assert set(bad(copied)) == {"gallery's models"}


@pytest.mark.parametrize("where", ["a file", "below a file"])
def test_a_home_that_cannot_be_written(indexed, tmp_path, monkeypatch, where):
    (tmp_path / "file").touch()
    home = tmp_path / "file" if where == "a file" else tmp_path / "file" / "home"
    monkeypatch.setenv("FUSIFORM_HOME", str(home))
    found = bad(indexed)
    assert set(found) == {"store"}
    assert "cannot be written" in found["store"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_gallery_that_may_not_be_written(copied):
    copied.chmod(0o444)
    assert "read-only" in bad(copied)["gallery"]


def test_a_full_disk(indexed, monkeypatch):
    monkeypatch.setattr(doctor, "LITTLE_ROOM", 1 << 60)
    assert "make room" in bad(indexed)["store"]


def test_a_corrupt_gallery(copied):
    with copied.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(4096 * 3))
    assert "damaged" in bad(copied)["gallery"]


def test_a_file_that_is_no_gallery(tmp_path):
    path = tmp_path / "photo.db"
    path.write_bytes(b"\xff\xd8\xff" * 999)
    assert "is no gallery" in bad(path)["gallery"]


def test_a_stale_index_and_its_remedy(gallery, folder):
    path = gallery.store.path
    (folder / "grace_hopper.jpg").unlink()
    (folder / "eileen_collins.jpg").touch()
    found = [f.says for f in examine(path) if f.check == "index"]
    assert [says.split(",")[0] for says in found] == [
        "1 photo changed since indexing", "1 photo gone since indexing",
    ]  # fmt: skip
    gallery.index(folder)
    assert bad(path) == {}


def test_ungrouped_faces_and_their_remedy(gallery, folder):
    with gallery.store.write() as db:
        db.execute("DELETE FROM members WHERE face_id = 2")
    assert bad(gallery.store.path) == {
        "grouping": "1 face not grouped yet; run `fusiform index` again"
    }
    gallery.index(folder)
    assert bad(gallery.store.path) == {}
    regroup(gallery.store, 0.9)
    assert bad(gallery.store.path) == {}


def test_files_that_could_not_be_read_are_noted(gallery, folder):
    (folder / "text.jpg").write_text("no picture")
    gallery.index(folder)
    found = finding(gallery.store.path, "skipped")
    assert found.level == "note"
    assert f"1 file could not be read, such as {folder}/text.jpg (is no picture" in found.says


def test_exit_codes_and_words(run, indexed, tmp_path):
    well = run("doctor", "--gallery", indexed)
    assert (well.returncode, well.stderr) == (0, "all well\n")
    assert all(line[0] in "✓·" for line in well.stdout.splitlines())
    shutil.copy(indexed, tmp_path / "cut.db")
    os.truncate(tmp_path / "cut.db", 9000)
    ill = run("doctor", "--gallery", tmp_path / "cut.db")
    assert (ill.returncode, ill.stderr) == (1, "1 problem found\n")
    assert [line for line in ill.stdout.splitlines() if line[0] == "✗"]
    told = json.loads(run("doctor", "--gallery", tmp_path / "cut.db", "--json").stdout)
    assert [f["check"] for f in told if f["level"] == "bad"] == ["gallery"]
