"""export, import, backup and table, as somebody types them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusiform.api import Gallery
from fusiform.app.cli import app
from fusiform.core.errors import ChoiceError, GalleryError


def typed(*words: object) -> str:
    """What a command prints on both outputs."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def shown(gallery: Gallery) -> list[tuple[object, ...]]:
    return [(p.id, p.name, sorted(f.id for f in p.faces)) for p in gallery.people()]


def test_to_another_machine(gallery, folder, tmp_path):
    gallery.name(1, "Grace Hopper")
    archive, place = tmp_path / "family.fusiform", tmp_path / "new.db"
    assert "4 photos, 4 faces, 2 people" in typed("export", archive, "-g", gallery.store.path)
    moved = shutil.move(folder, tmp_path / "elsewhere")
    told = typed("import", archive, "-g", place)
    assert "4 photos do not lie there" in told
    place.unlink()
    told = typed("import", archive, "-g", place, "--move", f"{folder}={moved}")
    assert "do not lie there" not in told
    assert "--move" not in told
    wrong = typed("import", archive, "-g", tmp_path / "wrong.db", "--move", f"{folder}s={moved}")
    assert f"--move {folder}s={moved}: nothing in the archive lies in {folder}s\n" in wrong
    with Gallery(place) as there:
        assert shown(there) == shown(gallery)
        assert {Path(f.photo).parent for p in there.people() for f in p.faces} == {Path(moved)}
        again = there.index(moved)
        assert (again.photos, again.unchanged, again.gone) == (0, 4, 0)
        assert len(there.find(Path(moved) / "grace_hopper.jpg")[0].matches) == 4


def test_without_templates_they_are_made_again(gallery, folder, tmp_path):
    """People who were named are found again; who was forgotten stays so."""
    one, two = (p.id for p in gallery.people())
    gallery.name(two, "Eileen Collins")
    gallery.forget(one)
    before = shown(gallery)
    vectors = gallery.store.vectors()
    archive = tmp_path / "names.fusiform"
    typed("export", archive, "--no-templates", "-g", gallery.store.path)
    told = typed("import", archive, "-g", tmp_path / "new.db")
    assert "`fusiform index` on the photos makes them again" in told
    with Gallery(tmp_path / "new.db") as there:
        assert shown(there) == before
        assert there.find(folder / "eileen_collins.jpg")[0].matches == ()
        report = there.index(folder)
        assert (report.refilled, report.photos, report.faces) == (2, 0, 0)
        assert report.duplicates + report.unchanged == 2
        assert shown(there) == before
        for one, other in zip(there.store.vectors(), vectors, strict=True):
            assert one == pytest.approx(other, abs=1e-3)
        assert there.index(folder).unchanged == 4
        found = there.find(folder / "eileen_collins.jpg")[0].matches
        assert {match.name for match in found} == {"Eileen Collins"}


def test_moves_are_two_folders(gallery, tmp_path):
    archive = tmp_path / "family.fusiform"
    gallery.export(archive)
    for told in ("/photos", "=/photos", "/photos="):
        with pytest.raises(ChoiceError, match="OLD=NEW"):
            typed("import", archive, "-g", tmp_path / "new.db", "--move", told)
    assert not (tmp_path / "new.db").exists()
    with Gallery.from_archive(archive, tmp_path / "new.db", moves={"/a": "/b"}) as there:
        assert shown(there) == shown(gallery)


def test_forgetting_tells_of_copies(gallery, tmp_path):
    words = ("-g", gallery.store.path)
    typed("export", tmp_path / "family.fusiform", *words)
    assert "checked" in typed("backup", tmp_path / "copy.db", *words)
    told = typed("forget", 1, "--yes", *words)
    assert f"still in {tmp_path}/family.fusiform" in told
    assert f"still in {tmp_path}/copy.db" in told
    told = typed("forget", 2, "--yes", "--from-exports", *words)
    assert "still in" not in told
    assert "2 exports" in told
    with Gallery(tmp_path / "copy.db") as copy:
        assert [p.id for p in copy.people()] == [1]


def test_a_table(gallery, tmp_path):
    told = typed("table", tmp_path / "photos.csv", "--what", "photos", "-g", gallery.store.path)
    assert "4 rows of photo, sha256" in told
    with pytest.raises(GalleryError, match="is there already"):
        typed("table", tmp_path / "photos.csv", "-g", gallery.store.path)
