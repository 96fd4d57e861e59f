"""Names go beside photos and come back from there, face by face."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusiform.core.errors import UnknownPerson
from fusiform.core.faces import Faces
from fusiform.gallery import (
    Store,
    forget,
    merge,
    name,
    no_faces,
    people,
    person,
    read_names,
    regroup,
    sidecar,
    split,
    undo,
    write_names,
)
from fusiform.gallery.exchange import Differing, _overlap
from fusiform.gallery.regions import Region


@pytest.fixture
def album(store, tmp_path, crowd, photo) -> Store:
    """12 pictures on the disk, two faces in each, four people."""
    vectors, _ = crowd(24, 4, noise=0.3)
    points = np.ones((2, 5, 2))
    boxes = np.array([[10, 10, 60, 60], [100, 20, 150, 90]])
    for i in range(12):
        path = tmp_path / f"{i}.jpg"
        Image.new("RGB", (200, 120), (i, 90, 90)).save(path)
        faces = Faces(boxes, np.ones(2), points, vectors[2 * i : 2 * i + 2])
        size = {"width": 200, "height": 120, "size": path.stat().st_size}
        lying = replace(photo(i, str(path)), mtime_ns=path.stat().st_mtime_ns, **size)
        store.add_photo(lying, faces)
    regroup(store, 0.5)
    return store


def files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*.jpg"))}


def test_names_lie_beside_the_photos_which_stay_as_they_are(album, tmp_path):
    before = files(tmp_path)
    name(album, 1, "Ada")
    name(album, 2, "Grace")
    done = write_names(album)
    assert (done.photos, done.regions, done.changed, done.failed) == (6, 12, 6, ())
    assert files(tmp_path) == before
    for face in person(album, "Ada").faces:
        found = {region.name: region.box for region in sidecar.read(face.photo)}
        np.testing.assert_allclose(found["Ada"], face.box, atol=0.6)
        assert set(found) == {"Ada", "Grace"}
    assert write_names(album).changed == 0
    name(album, 2, "Emmy")
    assert write_names(album, ["Emmy"], tags=True).changed == 6
    assert {r.name for r in sidecar.read(person(album, 2).faces[0].photo)} == {"Ada", "Emmy"}
    with pytest.raises(UnknownPerson):
        write_names(album, ["Sophie"])


def written(path: str) -> bytes:
    return Path(f"{path}.xmp").read_bytes()


@pytest.mark.parametrize("tags", [False, True])
def test_names_that_were_changed_since_go(album, tags):
    name(album, 1, "Ada")
    name(album, 2, "Grace")
    write_names(album, tags=tags)
    photos = {Path(face.photo) for face in person(album, "Ada").faces}
    name(album, "Ada", "Emmy")
    done = write_names(album, tags=tags)
    assert (done.photos, done.regions, done.changed) == (6, 12, 6)
    assert not any(b"Ada" in written(photo) for photo in photos)
    assert all(b"Emmy" in written(photo) and b"Grace" in written(photo) for photo in photos)
    undo(album)
    merge(album, "Ada", "Grace")
    write_names(album, tags=tags)
    assert not any(b"Grace" in written(p) or b"Emmy" in written(p) for p in photos)
    assert write_names(album, tags=tags).changed == 0


@pytest.mark.parametrize("tags", [False, True])
def test_names_of_who_was_split_off_or_is_no_face_go(album, tags):
    name(album, 1, "Ada")
    first, second = person(album, "Ada").faces[:2]
    write_names(album, tags=tags)
    split(album, "Ada", [first.id])
    no_faces(album, [second.id])
    done = write_names(album, tags=tags)
    assert (done.photos, done.changed) == (4, 2)
    assert b"Ada" not in written(first.photo) + written(second.photo)
    assert write_names(album, tags=tags).changed == 0
    assert forget(album, "Ada").removed["regions"] >= 4


def test_the_same_name_by_another_program_on_another_face_stays(album):
    name(album, 1, "Ada")
    photo = person(album, "Ada").faces[0].photo
    sidecar.write(photo, [Region("Ada", (160, 90, 190, 118))], tags=True)
    theirs = Path(f"{photo}.xmp")
    theirs.write_bytes(theirs.read_bytes().replace(b"fusiform", b"somebody"))
    write_names(album)
    name(album, "Ada", "Emmy")
    write_names(album)
    assert sorted(region.name for region in sidecar.read(photo)) == ["Ada", "Emmy"]


def renamed(photo: str, old: bytes, new: bytes) -> None:
    """What another program does that knows nothing of our mark."""
    path = Path(f"{photo}.xmp")
    path.write_bytes(path.read_bytes().replace(old, new))


def test_what_another_program_has_renamed_is_listed_and_left(album):
    name(album, 1, "Ada")
    name(album, 2, "Grace")
    write_names(album)
    photo = person(album, "Ada").faces[0].photo
    renamed(photo, b"Ada", b"Ada King")
    done = write_names(album)
    assert done.differing == (Differing(photo, 1, "Ada", "Ada King"),)
    assert (done.photos, done.regions, done.failed) == (6, 11, ())
    assert {r.name for r in sidecar.read(photo)} == {"Ada King", "Grace"}
    assert write_names(album).changed == 0
    name(album, 2, "Emmy")  # all else is brought up to date, also in that photo
    assert write_names(album).differing == done.differing
    assert {r.name for r in sidecar.read(photo)} == {"Ada King", "Emmy"}
    assert write_names(album, overwrite=True).differing == ()
    assert {r.name for r in sidecar.read(photo)} == {"Ada", "Emmy"}


def test_a_name_that_the_face_bore_here_is_no_other_programs(album):
    name(album, 1, "ada")
    write_names(album)
    name(album, 1, "Augusta")
    name(album, 1, "Ada")
    photo = person(album, "Ada").faces[0].photo
    renamed(photo, b"ada", b"Augusta")
    done = write_names(album)
    assert (done.differing, done.regions) == ((), 6)
    assert [r.name for r in sidecar.read(photo)] == ["Ada"]


def test_names_go_into_the_photos_where_that_is_asked_for(album, tmp_path):
    name(album, 1, "Ada")
    before = files(tmp_path)
    done = write_names(album, embed=True)
    assert (done.photos, done.regions, done.changed, done.failed) == (6, 6, 6, ())
    after = files(tmp_path)
    assert not list(tmp_path.glob("*.xmp"))
    assert sum(before[path] != after[path] for path in before) == 6
    for face in person(album, "Ada").faces:
        stat = Path(face.photo).stat()
        assert album.seen(face.photo, stat.st_size, stat.st_mtime_ns)
        digest = hashlib.sha256(Path(face.photo).read_bytes()).hexdigest()
        assert album.photo_id(digest) == album.photo_at(face.photo)
    assert write_names(album, embed=True).changed == 0
    name(album, 1, "Emmy")
    write_names(album, embed=True)
    assert not any(b"Ada" in data for data in files(tmp_path).values())
    assert forget(album, "Emmy").removed["regions"] == 6
    assert not any(b"Emmy" in data for data in files(tmp_path).values())
    assert all(
        album.seen(p, Path(p).stat().st_size, Path(p).stat().st_mtime_ns) for p in paths(album)
    )


def paths(store: Store) -> list[str]:
    return [path for (path,) in store.read("SELECT path FROM files")]


def test_a_name_changed_in_the_photo_is_left_there(album):
    """Also where a sidecar, which other programs pass over, has ours."""
    name(album, 1, "Ada")
    write_names(album)
    write_names(album, embed=True)
    photo = Path(person(album, 1).faces[0].photo)
    sidecar.write(photo, [replace(r, name="Eve") for r in sidecar.read(photo)], embed=True)
    renamed(str(photo), b"Eve", b"Ada")
    photo.write_bytes(photo.read_bytes().replace(b"fusiform", b"somebody"))
    known_again(album, photo)
    done = write_names(album, embed=True)
    assert [one.theirs for one in done.differing] == ["Eve"]
    assert b"Eve" in photo.read_bytes()
    assert [region.name for region in sidecar.read(photo)] == ["Ada"]


def known_again(store: Store, photo: Path) -> None:
    state = photo.stat()
    store.add_file(store.photo_at(str(photo)), str(photo), state.st_size, state.st_mtime_ns)


def test_a_photo_that_cannot_hold_names_stops_nothing(album, tmp_path):
    name(album, 1, "Ada")
    webp, changed, gone = (Path(face.photo) for face in person(album, 1).faces[:3])
    with Image.open(webp) as image:
        image.save(webp, "WEBP")
    known_again(album, webp)
    os.utime(changed, (1, 1))
    gone.unlink()
    before = webp.read_bytes(), changed.read_bytes()
    done = write_names(album, embed=True)
    assert (done.photos, done.regions, done.changed) == (3, 3, 3)
    told = sorted(str(error) for error in done.failed)
    assert [Path(line.split(": ")[0]) for line in told] == sorted([webp, changed, gone])
    text = " ".join(told)
    assert "XMP is not put into WEBP files" in text
    assert "not as it was indexed; run `fusiform index`" in text
    assert (webp.read_bytes(), changed.read_bytes()) == before
    assert forget(album, "Ada").removed["regions"] == 3


def test_names_come_back(album):
    for number, called in enumerate(("Ada", "Grace", "Emmy"), 1):
        name(album, number, called)
    write_names(album)
    undo(album, 3)
    told = []
    taken = read_names(album, lambda done, total: told.append((done, total)))
    assert set(taken.named) == {(1, "Ada"), (2, "Grace"), (3, "Emmy")}
    assert (taken.photos, taken.open, taken.failed) == (12, {}, ())
    assert told[-1] == (12, 12)
    assert read_names(album).named == ()


def test_what_does_not_agree_is_left_to_the_user(album):
    name(album, 1, "Ada")
    name(album, 2, "Grace")
    write_names(album)
    undo(album, 2)
    merge(album, 1, 2)
    assert read_names(album).open == {1: {"Ada": 6, "Grace": 6}}
    undo(album)
    name(album, 3, "ada")  # somebody else has the name here
    taken = read_names(album)
    assert taken.named == ((2, "Grace"),)
    assert taken.open == {1: {"Ada": 6}}


def test_other_programs_boxes_need_only_be_about_right(album):
    face = person(album, 1).faces[0]
    x1, y1, x2, y2 = face.box
    sidecar.write(face.photo, [Region("Ada", (x1 - 8, y1 - 9, x2 + 7, y2 + 8))])
    other = person(album, 3).faces[0]
    sidecar.write(other.photo, [Region("Nobody", (0, 100, 20, 120))])
    assert read_names(album).named == ((1, "Ada"),)


def test_one_broken_sidecar_stops_nothing(album):
    name(album, 1, "Ada")
    path = Path(person(album, 1).faces[0].photo)
    path.with_name(f"{path.name}.xmp").write_text("<broken")
    done = write_names(album)
    assert (done.photos, done.regions, done.changed, len(done.failed)) == (5, 5, 5, 1)
    assert path.name in str(done.failed[0])
    undo(album)
    taken = read_names(album)
    assert (taken.named, len(taken.failed)) == (((1, "Ada"),), 1)


def test_forgetting_takes_the_name_out_of_our_sidecars(album, tmp_path):
    name(album, 1, "Wilhelmina")
    name(album, 2, "Grace")
    write_names(album, tags=True)
    removed = forget(album, "Wilhelmina").removed
    assert removed["regions"] >= 6
    left = b"".join(p.read_bytes() for p in tmp_path.glob("*.xmp"))
    assert b"Wilhelmina" not in left
    assert b"Grace" in left
    assert people(album)[0].id != 1


def test_overlap_is_intersection_over_union():
    assert _overlap((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert _overlap((0, 0, 2, 2), (2, 0, 3, 3)) == 0
    assert _overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
