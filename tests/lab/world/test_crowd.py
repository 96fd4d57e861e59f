"""Crowds: faces of a pack, aligned, in one array."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from fusiform.core.align import template  # noqa: E402
from fusiform.core.errors import ChoiceError, FusiformError  # noqa: E402
from fusiform.lab.world.crowd import Crowd, aligned, crowd, gathered  # noqa: E402
from fusiform.lab.world.pack import write_pack  # noqa: E402
from fusiform.lab.world.samples import Options, keys, sample, take  # noqa: E402

OPTIONS = Options("recognition", 5, 48, ())


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """A pack of three people, two pictures each."""
    folder = tmp_path_factory.mktemp("packs") / "pack"
    write_pack(folder, keys(3, 2), partial(sample, OPTIONS), {"seed": 5}, 4)
    return folder


def toy(person=(0, 1, 1, 2), side=4):
    images = np.arange(len(person) * side * side * 3, dtype=np.uint8)
    ages = np.array([20.0 + p for p in person])
    return Crowd(images.reshape(-1, side, side, 3), np.array(person), {"age": ages})


def test_a_pack_becomes_a_crowd(pack):
    found = crowd(pack, 32)
    assert (found.images.shape, found.images.dtype) == ((6, 32, 32, 3), np.uint8)
    assert found.person.tolist() == [0, 0, 1, 1, 2, 2]
    photo = take(OPTIONS, 1, 1)
    assert found.facts["age"][3] == pytest.approx(photo.facts["age"], abs=1e-3)
    assert found.facts["ancestry"][3] == photo.facts["main_ancestry"]
    # The pack's JPEG is what `take` gives too.
    assert np.abs(found.images[3].astype(int) - aligned(photo, 32)[0]).max() <= 2


def test_points_fall_on_the_template(pack):
    found = crowd(pack, 32)
    target = template("arcface112").points * 32 / 112
    assert np.abs(found.facts["points"] - target).mean() < 2
    assert np.allclose(found.facts["points"].mean(1), target.mean(0), atol=0.01)


def test_crops_are_cut_once(pack):
    first = crowd(pack, 24)
    file = pack / "aligned-arcface112-24.npy"
    marked = np.load(file)
    marked[0] = 7
    np.save(file, marked)
    assert (crowd(pack, 24).images[0] == 7).all()
    (pack / "aligned-arcface112-24.npz").write_bytes(b"PK half")
    assert np.array_equal(crowd(pack, 24).images, first.images)


def test_another_pack_in_the_same_place_is_cut_anew(tmp_path):
    folder = tmp_path / "pack"
    write_pack(folder, keys(1, 1), partial(sample, OPTIONS), {}, 1)
    first = crowd(folder, 24)
    manifest = folder / "manifest.json"
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"digest": "0" * 64}))
    marks = dict(np.load(folder / "aligned-arcface112-24.npz"))
    assert str(marks["digest"]) != "0" * 64
    assert np.array_equal(crowd(folder, 24).images, first.images)
    assert str(np.load(folder / "aligned-arcface112-24.npz")["digest"]) == "0" * 64


def test_a_folder_without_a_pack(tmp_path):
    with pytest.raises(FusiformError, match="no finished pack"):
        crowd(tmp_path)


def test_photos_become_a_crowd():
    photos = [take(OPTIONS, number, 0) for number in (7, 3, 7)]
    found = gathered(photos, 24)
    assert found.person.tolist() == [1, 0, 1]
    assert np.array_equal(found.images[0], found.images[2])
    assert len(gathered([], 24)) == 0


def test_rows_and_people():
    faces = toy()
    assert (len(faces), faces.people, faces.size) == (4, 3, 4)
    assert faces[faces.person > 0].person.tolist() == [1, 1, 2]
    other = faces.of([2, 1])
    assert other.person.tolist() == [1, 1, 0]
    assert other.facts["age"].tolist() == [21, 21, 22]
    assert len(faces.of([])) == 0


def test_smaller_crops_are_averaged():
    faces = toy(side=4)
    small = faces.resized(2)
    blocks = faces.images.reshape(4, 2, 2, 2, 2, 3).astype(float).mean((2, 4))
    assert np.abs(small.images - blocks).max() <= 1
    assert faces.resized(4) is faces
    peer = Image.fromarray(faces.images[0]).reduce(2)
    assert np.abs(np.asarray(peer).astype(int) - small.images[0]).max() <= 1


def test_lengths_are_checked():
    with pytest.raises(ChoiceError, match="person must be"):
        Crowd(np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3, np.int64))
    with pytest.raises(ChoiceError, match="images must be"):
        Crowd(np.zeros((2, 4, 5, 3), np.uint8), np.zeros(2, np.int64))
