"""Consent, retention and zones through `Gallery`, on real pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fusiform import Gallery
from fusiform.core.errors import ChoiceError, GalleryBusy
from fusiform.gallery import Store

GRACE = "grace_hopper.jpg"


def aged(gallery: Gallery, day: str = "2001-01-01") -> None:
    with gallery.store.write() as db:
        db.execute("UPDATE photos SET added_at = ?", (f"{day}T00:00:00+00:00",))


def holder(gallery: Gallery, photo: str) -> int:
    return next(p.id for p in gallery.people() if any(Path(f.photo).name == photo for f in p.faces))


def test_consent_is_told_with_everybody(gallery):
    one, two = (person.id for person in gallery.people())
    gallery.duties.consent(one, given="by letter", until="2001-01-01")
    gallery.hide(one)
    assert [who.id for who in gallery.duties.standing()] == [one, two]
    assert [who.id for who in gallery.duties.standing(two)] == [two]
    assert [who.id for who in gallery.duties.lapsed()] == [one]
    assert gallery.duties.forget_lapsed().people == (one,)
    for both in ({}, {"given": "a", "withdrawn": "b"}):
        with pytest.raises(ChoiceError, match="either given or withdrawn"):
            gallery.duties.consent(two, **both)
    assert [who.id for who in gallery.people()] == [two]


def test_index_applies_the_rule_before_all_else(gallery, folder, album):
    grace = holder(gallery, GRACE)
    gallery.duties.consent(grace, given="by letter")
    aged(gallery)
    gallery.duties.keep_for("2y")
    assert (gallery.duties.kept_for, gallery.duties.due) == ("2y", 2)
    shutil.copy(album / "eileen_collins_cropped_darker.jpg", folder)
    report = gallery.index(folder)
    assert (report.erased, report.proven, report.photos, report.faces) == (2, True, 1, 1)
    assert sorted(len(who.faces) for who in gallery.people()) == [1, 2]
    again = gallery.index(folder)
    assert (again.erased, again.photos, again.unchanged) == (0, 0, 5)
    gallery.duties.keep_for(None)
    aged(gallery)
    assert gallery.duties.expire().removed["faces"] == 0
    with pytest.raises(ChoiceError, match="such as 90d"):
        gallery.duties.keep_for("2 years")


def test_the_policys_rule_holds_in_every_gallery(gallery, folder, tmp_path, monkeypatch):
    aged(gallery)
    (tmp_path / "policy.toml").write_text('[keep]\nretention = "1y"')
    monkeypatch.setenv("FUSIFORM_POLICY", str(tmp_path / "policy.toml"))
    assert (gallery.duties.kept_for, gallery.duties.due) == (None, 4)
    report = gallery.index(folder)
    assert (report.erased, report.people) == (4, 0)


def test_nothing_is_stored_in_a_zone(folder, tmp_path, album):
    with Gallery(tmp_path / "zones.db") as gallery:
        gallery.duties.add_zone(folder, (0, 0, 1, 1))
        report = gallery.index(folder, album)
        assert report.drop_reasons["zone"] == 4
        dropped = {Path(path).name for path, drop in report.drops if drop.reason == "zone"}
        assert dropped == {path.name for path in folder.iterdir()}
        assert (report.photos, report.erased, report.faces) == (9, 0, 5)
        assert gallery.duties.faces_in(folder, (0, 0, 1, 1)) == 0
        assert gallery.index(folder).erased == 0


def test_a_known_photo_that_comes_into_a_zone_loses_its_face(gallery, folder, tmp_path):
    camera = tmp_path / "camera"
    camera.mkdir()
    zone, nothing = gallery.duties.add_zone(camera, (0, 0, 1, 1))
    assert (gallery.duties.zones(), nothing.removed["faces"]) == ([zone], 0)
    shutil.copy(folder / GRACE, camera)
    report = gallery.index(camera)
    assert (report.duplicates, report.erased, report.proven) == (1, 1, True)
    assert sum(len(who.faces) for who in gallery.people()) == 3
    gallery.duties.remove_zone(zone.id)
    assert gallery.index(folder, camera).faces == 0


def test_a_run_that_is_not_alone_leaves_that_to_the_next(gallery, folder, tmp_path, monkeypatch):
    gallery.duties.add_zone(tmp_path, (0.9, 0.9, 1, 1))
    shutil.copy(folder / GRACE, folder / "copy.jpg")
    honest, calls = type(gallery.duties).clear_zones, []

    def busy(duties, wait):
        calls.append(wait)
        if len(calls) == 2:
            raise GalleryBusy("somebody else")
        return honest(duties, wait)

    monkeypatch.setattr(type(gallery.duties), "clear_zones", busy)
    assert gallery.index(folder, wait=7).duplicates == 1
    assert calls == [7, 7]


def test_what_is_due_waits_for_who_is_indexing(gallery, folder):
    aged(gallery)
    gallery.duties.keep_for("1y")
    with Store(gallery.store.path) as other, other.lock_for_indexing():
        with pytest.raises(GalleryBusy):
            gallery.index(folder)
        assert gallery.duties.due == 4
