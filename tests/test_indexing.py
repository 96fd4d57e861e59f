"""Filling a gallery: new, known, moved, edited, broken and vanished files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusiform import Gallery, api
from fusiform import gallery as rooms
from fusiform.core.errors import ChoiceError, NotAPicture
from fusiform.core.pictures import read
from fusiform.indexing import Progress

GRACE = "grace_hopper.jpg"


def who_is_where(gallery: Gallery) -> set[frozenset[str]]:
    return {frozenset(Path(face.photo).name for face in p.faces) for p in gallery.people()}


def holder(gallery: Gallery, photo: str) -> int:
    return next(p.id for p in gallery.people() if any(Path(f.photo).name == photo for f in p.faces))


def test_the_album_is_two_people(indexed):
    with Gallery(indexed) as gallery:
        collage = {"both_collage.jpg"}
        eileen = "eileen_collins{}.jpg", ["", "_mirrored", "_cropped_darker", "_grey_tilted"]
        grace = "grace_hopper{}.jpg", ["", "_mirrored", "_small_faded"]
        expected = [
            frozenset(collage | {name.format(end) for end in ends})
            for name, ends in (eileen, grace)
        ]
        assert who_is_where(gallery) == set(expected)
        assert all(os.path.isabs(f.photo) for p in gallery.people() for f in p.faces)


def test_index_says_what_it_did(album, tmp_path):
    seen: list[Progress] = []
    with Gallery(tmp_path / "new.db") as gallery:
        report = gallery.index(album, progress=seen.append)
    assert (report.photos, report.faces, report.people) == (9, 9, 2)
    assert (report.skipped, report.duplicates, report.unchanged, report.gone) == (0, 0, 0, 0)
    assert (report.detector, report.embedder) == ("dlib-hog", "dlib-resnet")
    assert report.seconds > 0
    assert sum(report.drop_reasons.values()) == report.dropped == len(report.drops)
    assert [p.done for p in seen] == list(range(1, 10))
    assert seen[-1].faces == 9


def test_indexing_again_changes_nothing(gallery, folder):
    before, bytes_before = gallery.people(), gallery.store.counts()
    seen: list[Progress] = []
    again = gallery.index(folder, progress=seen.append)
    assert (again.photos, again.faces, again.unchanged) == (0, 0, 4)
    assert seen[-1].done == 4
    assert (gallery.people(), gallery.store.counts()) == (before, bytes_before)


def test_only_what_is_new_is_looked_at(gallery, folder, album, monkeypatch):
    looked: list[str] = []
    honest = api.analyse

    def watching(sources, *rest, **settings):
        return honest((looked.append(s) or s for s in sources), *rest, **settings)

    monkeypatch.setattr(api, "analyse", watching)
    shutil.copy(album / "grace_hopper_small_faded.jpg", folder / "new.jpg")
    report = gallery.index(folder)
    assert looked == [str(folder / "new.jpg")]
    assert (report.photos, report.unchanged, report.people) == (1, 4, 2)


def test_a_moved_file_keeps_its_faces_and_loses_its_old_place(gallery, folder):
    before = {face.id for person in gallery.people() for face in person.faces}
    (folder / "sub").mkdir()
    shutil.move(folder / GRACE, folder / "sub" / "commodore.jpg")
    report = gallery.index(folder)
    assert (report.photos, report.duplicates, report.gone) == (0, 1, 1)
    faces = [face for person in gallery.people() for face in person.faces]
    assert {face.id for face in faces} == before
    assert str(folder / "sub" / "commodore.jpg") in {face.photo for face in faces}
    assert str(folder / GRACE) not in {face.photo for face in faces}


def test_a_copy_is_known(gallery, folder):
    shutil.copy(folder / GRACE, folder / "a_copy.jpg")
    report = gallery.index(folder)
    assert (report.photos, report.duplicates, report.faces) == (0, 1, 0)
    assert gallery.store.counts()["photos"] == 4
    (folder / "a_copy.jpg").unlink()
    assert gallery.index(folder).gone == 1
    assert len(gallery.people()) == 2


def test_copies_in_one_run_are_one_photo(folder, tmp_path):
    for i in range(5):
        shutil.copy(folder / GRACE, folder / f"copy{i}.jpg")
    with Gallery(tmp_path / "copies.db") as gallery:
        report = gallery.index(folder)
        assert (report.photos, report.duplicates) == (4, 5)
        assert gallery.store.counts() == {"photos": 4, "files": 9, "faces": 4, "skipped": 0}


def test_an_edited_file_is_looked_at_again(gallery, folder, album):
    shutil.copy(album / "cat_chelsea.jpg", folder / GRACE)
    report = gallery.index(folder)
    assert (report.photos, report.faces) == (1, 0)
    assert sorted(len(p.faces) for p in gallery.people()) == [1, 2]


def rated(path: Path, taken: str = "2019:06:05 10:00:00") -> None:
    """Another program writes a rating and a date into a JPEG, and leaves the picture as it is."""
    exif = Image.Exif()
    exif[0x4746] = 5  # Rating
    exif.get_ifd(0x8769)[0x9003] = taken  # DateTimeOriginal
    body = b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    data = path.read_bytes()
    path.write_bytes(data[:2] + segment + data[2:])


def test_a_file_whose_metadata_was_edited_keeps_faces_and_decisions(gallery, folder):
    gallery.name(holder(gallery, GRACE), "Grace")
    none = gallery.person(holder(gallery, "eileen_collins.jpg")).faces[0].id
    gallery.not_a_face(none)
    before, counts, acts = gallery.people(), gallery.store.counts(), gallery.journal()
    for path in folder.glob("*.jpg"):
        rated(path)
    report = gallery.index(folder)
    assert (report.photos, report.faces, report.duplicates, report.unchanged) == (0, 0, 0, 4)
    assert (gallery.people(), gallery.store.counts(), gallery.journal()) == (before, counts, acts)
    taken = {row.taken_at for row in gallery.photos("nobody OR NOT nobody")}
    assert taken == {"2019-06-05T10:00:00"}
    assert gallery.index(folder).unchanged == 4


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exiftools_edits_leave_the_photo_what_it_was(folder, tmp_path, suffix):
    photo = tmp_path / "one" / f"grace.{suffix}"
    photo.parent.mkdir()
    with Image.open(folder / GRACE) as image:
        image.save(photo)
    with Gallery(tmp_path / "one.db") as gallery:
        gallery.index(photo.parent)
        before = gallery.people()
        words = ["exiftool", "-overwrite_original", "-XMP:Rating=5", "-EXIF:Artist=Ada", photo]
        subprocess.run(words, check=True, capture_output=True)
        report = gallery.index(photo.parent)
        assert (report.photos, report.unchanged, gallery.people()) == (0, 1, before)


def test_the_forgotten_do_not_come_back_with_edited_metadata(gallery, folder):
    gallery.forget(holder(gallery, GRACE))
    for path in folder.glob("*.jpg"):
        rated(path)
    (folder / "moved").mkdir()
    shutil.move(folder / GRACE, folder / "moved" / "renamed.jpg")
    report = gallery.index(folder)
    assert (report.photos, report.faces, report.unchanged, report.duplicates) == (0, 0, 3, 1)
    assert len(gallery.people()) == 1


def test_a_copy_with_other_metadata_is_the_same_photo(folder, tmp_path):
    shutil.copy(folder / GRACE, folder / "a_copy.jpg")
    rated(folder / "a_copy.jpg")
    with Gallery(tmp_path / "copies.db") as gallery:
        report = gallery.index(folder)
        assert (report.photos, report.duplicates) == (4, 1)
        for name in ("a_copy.jpg", GRACE):
            rated(folder / name, "2020:01:01 00:00:00")
            assert gallery.index(folder).unchanged == 5
        assert gallery.store.counts() == {"photos": 4, "files": 5, "faces": 4, "skipped": 0}


def test_another_picture_at_the_same_path_is_new(gallery, folder):
    with Image.open(folder / GRACE) as image:
        image.point(lambda value: min(255, value + 1)).save(folder / GRACE, quality=95)
    report = gallery.index(folder)
    assert (report.photos, report.faces) == (1, 1)


def test_a_deleted_file_is_hidden_and_comes_back_with_its_person(gallery, folder, tmp_path):
    gallery.name(holder(gallery, GRACE), "Grace")
    for name in (GRACE, "grace_hopper_mirrored.jpg"):
        shutil.move(folder / name, tmp_path / name)
    assert gallery.index(folder).gone == 2
    assert gallery.person("Grace").faces == ()
    shutil.move(tmp_path / GRACE, folder / GRACE)
    gallery.index(folder)
    assert [Path(face.photo).name for face in gallery.person("Grace").faces] == [GRACE]


def test_a_drive_that_is_not_there_takes_nothing_away(gallery, folder, tmp_path):
    shutil.move(folder, tmp_path / "elsewhere")
    report = gallery.index(folder)
    assert (report.skipped, report.gone) == (1, 0)
    assert sum(len(p.faces) for p in gallery.people()) == 4


def test_a_neighbouring_folder_is_left_alone(gallery, folder, tmp_path):
    other = tmp_path / "photos2"
    shutil.copytree(folder, other)
    gallery.index(other)
    shutil.rmtree(other)
    assert gallery.index(folder).gone == 0


def test_a_file_named_twice_counts_once(folder, tmp_path):
    with Gallery(tmp_path / "twice.db") as gallery:
        report = gallery.index(folder / GRACE, folder, folder / GRACE, str(folder))
        assert (report.photos, report.duplicates, report.skipped) == (4, 0, 0)


def test_a_tilde_is_the_users_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Gallery("~/tilde.db") as gallery:
        assert gallery.index("~/photos").photos == 4
    assert (tmp_path / "tilde.db").is_file()


def test_files_whose_content_is_broken_are_tried_when_they_change(gallery, folder):
    (folder / "text.jpg").write_text("no picture")
    first, second = gallery.index(folder), gallery.index(folder)
    assert (first.skipped, second.skipped, second.unchanged) == (1, 1, 4)
    for told in (first.errors[0], second.errors[0]):
        assert isinstance(told, NotAPicture)
        assert str(told) == str(first.errors[0])
    shutil.copy(folder / GRACE, folder / "text.jpg")
    assert gallery.index(folder).skipped == 0
    assert gallery.store.counts()["skipped"] == 0


def test_files_that_could_not_be_read_are_tried_every_time(gallery, folder):
    link = folder / "link.jpg"
    link.symlink_to(folder / "later.jpg")
    fifo = folder / "pipe.jpg"
    os.mkfifo(fifo)
    assert [gallery.index(folder).skipped for _ in range(2)] == [2, 2]
    link.unlink()
    fifo.unlink()
    assert gallery.index(folder).skipped == 0
    assert gallery.store.counts()["skipped"] == 0


def test_an_unfinished_run_is_grouped_by_the_next(folder, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with Gallery(tmp_path / "broken_off.db") as gallery:
        with monkeypatch.context() as patch:
            patch.setattr(rooms, "absorb", stop)
            with pytest.raises(KeyboardInterrupt):
                gallery.index(folder)
        assert gallery.people() == []
        report = gallery.index(folder)
        assert (report.photos, report.people) == (0, 2)


def test_pictures_of_nobody_need_no_grouping(gallery, folder, album, monkeypatch):
    shutil.copy(album / "cat_chelsea.jpg", folder)
    monkeypatch.setattr(rooms, "absorb", None)
    assert gallery.index(folder).photos == 1


def test_a_limit_groups_anew(gallery, folder):
    assert gallery.index(folder, limit=0.9999999).people == 4
    assert gallery.index(folder, limit=0.5).people == 1
    gallery.regroup()
    assert len(gallery.people()) == 2


@pytest.mark.parametrize("limit", [-1.0, 1.5, float("nan")])
def test_a_senseless_limit_is_refused_before_any_work(folder, tmp_path, limit):
    with Gallery(tmp_path / "limit.db") as gallery:
        with pytest.raises(ChoiceError, match="limit must be a similarity"):
            gallery.index(folder, limit=limit)
        assert gallery.store.counts()["photos"] == 0


def state(gallery: Gallery) -> list[tuple[object, ...]]:
    return [(p.id, p.name, sorted(face.id for face in p.faces)) for p in gallery.people()]


def test_names_that_were_put_into_photos_make_no_new_photos(gallery, folder, tmp_path):
    one, two = (person.id for person in gallery.people())
    gallery.name(one, "Ada Lovelace")
    gallery.not_same(one, two)
    elsewhere = tmp_path / "elsewhere.db"
    gallery.backup(elsewhere)
    before, pixels = state(gallery), [read(path) for path in sorted(folder.iterdir())]
    done = gallery.write_names(embed=True)
    assert (done.photos, done.changed, done.failed) == (2, 2, ())
    for path, was in zip(sorted(folder.iterdir()), pixels, strict=True):
        np.testing.assert_array_equal(read(path), was)
    report = gallery.index(folder)
    assert (report.photos, report.faces, report.unchanged, report.gone) == (0, 0, 4, 0)
    assert state(gallery) == before
    with Gallery(elsewhere) as other:  # which has not heard of it
        report = other.index(folder)
        assert (report.photos, report.faces, report.unchanged, report.gone) == (0, 0, 4, 0)
        assert state(other) == before
    moved = shutil.move(folder, tmp_path / "moved")
    report = gallery.index(moved)
    assert (report.photos, report.faces, report.duplicates) == (0, 0, 4)
    assert [(n, name) for n, name, _ in state(gallery)] == [(n, name) for n, name, _ in before]
