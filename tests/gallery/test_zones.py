"""No face is kept in a zone, whichever way its photo came."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import ChoiceError
from fusiform.core.faces import Dropped, Faces
from fusiform.gallery import (
    Store,
    Zone,
    acts,
    add_zone,
    all_zones,
    clear_zones,
    faces_in,
    people,
    regroup,
    remove_zone,
    without_zones,
    zone_of,
)
from fusiform.gallery.acts import Erased


@pytest.fixture
def camera(tmp_path):
    folder = tmp_path / "webcam"
    folder.mkdir()
    return folder


def at(made, *centres):
    """`Faces` of 20 pixels around these centres."""
    middle = np.array(centres, np.float32)
    return replace(made, boxes=np.concatenate([middle - 10, middle + 10], axis=1))


@pytest.fixture
def filled(store, crowd, photo, faces, camera):
    """Photos of 640 x 480 with two faces each: in the folder, below it, and beside it."""
    vectors = crowd(8, 8, noise=0.1)[0]
    places = (camera / "a.jpg", camera / "2024" / "b.jpg", camera.parent / "webcam2" / "c.jpg")
    raw = os.fsdecode(os.fsencode(camera) + b"/d\xff.jpg")
    for i, path in enumerate((*map(str, places), raw)):
        made = at(faces(vectors[2 * i : 2 * i + 2]), (100, 100), (500, 300))
        store.add_photo(photo(i, path), made)
    regroup(store, 0.9)
    return store


def test_a_zone_clears_its_folder_and_all_below(filled, camera):
    zone = zone_of(camera, (0, 0, 0.25, 0.5))
    assert faces_in(filled, zone) == [1, 3, 7]
    made, erased = add_zone(filled, zone)
    assert (made, all_zones(filled)) == (Zone(1, str(camera), zone.box), [made])
    assert erased.removed == {"faces": 3, "embeddings": 3, "names": 0}
    assert erased.proven
    assert acts(filled) == [Erased(3, "zone")]
    assert faces_in(filled, zone) == []
    assert sum(len(who.faces) for who in people(filled)) == 5
    assert filled.read("SELECT sum(forgotten) FROM photos") == [(3,)]


def test_another_path_of_a_photo_counts(filled, camera):
    add_zone(filled, zone_of(camera, (0.5, 0.5, 1, 1)))
    assert clear_zones(filled).removed["faces"] == 0
    filled.add_file(3, str(camera / "moved.jpg"), 1, 1)
    assert clear_zones(filled).removed["faces"] == 1
    assert [act.count for act in acts(filled)] == [3, 1]


def test_edges_belong_to_a_zone(filled, camera):
    assert faces_in(filled, zone_of(camera, (100 / 640, 100 / 480, 0.5, 0.5))) == [1, 3, 7]
    assert faces_in(filled, zone_of(camera, (0.157, 100 / 480, 0.5, 0.5))) == []
    assert len(faces_in(filled, zone_of("/", (0, 0, 1, 1)))) == 8


def test_a_zone_that_is_removed(filled, camera):
    made, _ = add_zone(filled, zone_of(camera, (0, 0, 1, 1)))
    with pytest.raises(ChoiceError, match=r"the number of a zone \(1\)"):
        remove_zone(filled, 7)
    remove_zone(filled, made.id)
    assert all_zones(filled) == []
    with pytest.raises(ChoiceError, match="none yet"):
        remove_zone(filled, made.id)


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 1), (0.5, 0, 0.4, 1), (-0.1, 0, 1, 1), (0, 0, 640, 480), (0, 0, 1, np.nan)]
)
def test_what_is_no_zone(camera, box):
    with pytest.raises(ChoiceError, match="shares from 0 to 1"):
        zone_of(camera, box)


def test_a_misspelt_folder_is_told(camera):
    with pytest.raises(ChoiceError, match="a folder that exists"):
        zone_of(camera / "wbcam", (0, 0, 1, 1))


def test_found_faces_are_parted(faces, crowd, camera):
    found = at(faces(crowd(3, 3)[0]), (100, 100), (500, 300), (320, 240))
    zones = [zone_of(camera, (0, 0, 0.2, 0.3)), zone_of(camera.parent, (0.5, 0.5, 1, 1))]
    kept, barred = without_zones(zones, str(camera / "a.jpg"), (640, 480), found)
    assert kept.tolist() == [False] * 3
    assert barred[0] == Dropped((90.0, 90.0, 110.0, 110.0), pytest.approx(0.8), "zone")
    kept, barred = without_zones(zones, str(camera.parent / "b.jpg"), (640, 480), found)
    assert (found[kept].boxes[:, 0].tolist(), len(barred)) == ([90.0], 2)
    kept, barred = without_zones(zones, "/elsewhere/a.jpg", (640, 480), found)
    assert (kept.tolist(), barred) == ([True] * 3, ())
    empty = found[[]]
    assert without_zones(zones, str(camera / "a.jpg"), (640, 480), empty)[1] == ()


SHARES = st.floats(0, 1, width=32)
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("zones") / "album.db") as opened:
        opened.use_models("yunet-s", "dlib-resnet", "ab" * 32)
        yield opened


@settings(deadline=None)
@given(
    centres=st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=5),
    corners=st.tuples(*[SHARES] * 4),
    edge=st.booleans(),
)
def test_what_comes_and_what_is_stored_are_judged_alike(shelf, photo, centres, corners, edge):
    number = next(NUMBERS)
    x1, y1, x2, y2 = centres[0] + corners[2:] if edge else corners
    box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    zone = Zone(number, f"/photos/{number}", box)
    n, path = len(centres), f"/photos/{number}/a.jpg"
    middle = np.array(centres, np.float32) * np.float32((640, 480))
    boxes = np.concatenate([middle, middle], axis=1)
    found = Faces(boxes, np.ones(n), np.ones((n, 5, 2)), np.full((n, 4), 0.5))
    kept, barred = without_zones([zone], path, (640, 480), found)
    inside = [
        box[0] * 640 <= x <= box[2] * 640 and box[1] * 480 <= y <= box[3] * 480
        for x, y in middle.astype(float)
    ]
    assert (int(kept.sum()), len(barred)) == (n - sum(inside), sum(inside))
    shelf.add_photo(photo(number, path), found)
    assert len(faces_in(shelf, zone)) == len(barred)
