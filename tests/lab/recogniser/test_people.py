"""Where faces come from: folders of crops and photos, .rec files, packs; cut once, and kept."""

import json
import shutil
import struct

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="torch is not installed")

from fusiform.core.align import align
from fusiform.core.errors import ChoiceError, DataError, FusiformError
from fusiform.core.pictures import read
from fusiform.lab.recogniser import people
from fusiform.lab.recogniser.people import are_crops, cut, listed, resized
from fusiform.pipeline import load_detector

MAGIC = 0xCED7230A


def test_a_folder_of_crops(crops, tmp_path):
    found = listed(crops, 32)
    made = cut(found, 32, tmp_path / "cache")
    assert (made.aligned, made.missed, made.unreadable) == (True, 0, 0)
    assert made.faces.person.tolist() == np.repeat(np.arange(8), 4).tolist()
    first = np.asarray(Image.open(crops / "003" / "2.png"))
    assert np.array_equal(made.faces.images[14], first)
    assert found.says == "the folder crops"


def test_they_are_cut_once_and_anew_if_the_folder_changed(crops, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    first = cut(listed(crops, 32), 32, cache)
    monkeypatch.setattr(people, "_made", None)  # would end with a TypeError
    again = cut(listed(crops, 32), 32, cache)
    assert np.array_equal(again.faces.images, first.faces.images)
    assert (again.aligned, again.faces.person.tolist()) == (True, first.faces.person.tolist())
    monkeypatch.undo()
    shutil.rmtree(crops / "007")
    assert cut(listed(crops, 32), 32, cache).faces.people == 7


def test_crops_of_another_size_are_scaled(crops, tmp_path):
    made = cut(listed(crops, 64), 64, tmp_path / "cache")
    assert made.faces.images.shape == (32, 64, 64, 3)
    wide = tmp_path / "wide.png"
    Image.new("RGB", (48, 32), (9, 8, 7)).save(wide)
    assert (resized(wide, 32) == (9, 8, 7)).all()


def test_photos_are_aligned_and_those_without_a_face_counted(album, tmp_path):
    for name, files in {
        "grace": ["grace_hopper.jpg", "grace_hopper_mirrored.jpg"],
        "cat": ["cat_chelsea.jpg"],
        "eileen": ["eileen_collins.jpg"],
    }.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for file in files:
            shutil.copy(album / file, tmp_path / "set" / name)
    (tmp_path / "set" / "eileen" / "broken.jpg").write_text("no picture")
    seen: list[tuple[int, int]] = []
    made = cut(
        listed(tmp_path / "set", 64), 64, tmp_path / "cache", progress=lambda *n: seen.append(n)
    )
    assert (made.aligned, made.missed, made.unreadable) == (False, 1, 1)
    assert made.faces.person.tolist() == [0, 1, 1]  # of the cat nothing is left
    assert len(made.faces.images) == 3
    pixels = read(album / "eileen_collins.jpg")
    points = load_detector()([pixels])[0].points[:1]
    assert np.array_equal(made.faces.images[0], align(pixels, points, "arcface112", 64)[0])
    assert seen[-1] == (5, 5)


def test_auto_takes_squares_of_one_size_for_crops(crops, album):
    assert are_crops(listed(crops, 32))
    Image.new("RGB", (32, 40)).save(crops / "000" / "tall.png")
    assert not are_crops(listed(crops, 32))


def test_pictures_of_nobody_are_an_error(tmp_path, album):
    for name in ("one", "two"):
        (tmp_path / "cats" / name).mkdir(parents=True)
        shutil.copy(album / "cat_chelsea.jpg", tmp_path / "cats" / name)
    with pytest.raises(DataError, match="shows no face in 2 pictures"):
        cut(listed(tmp_path / "cats", 64), 64, tmp_path / "cache", "photos")
    assert not list((tmp_path / "cache").iterdir())


def record(number: int, labels: list[float], picture: bytes = b"") -> bytes:
    """A record as MXNet packs it."""
    several = len(labels) > 1
    head = struct.pack(
        "<IfQQ", len(labels) if several else 0, 0 if several else labels[0], number, 0
    )
    content = head + (struct.pack(f"<{len(labels)}f", *labels) if several else b"") + picture
    return struct.pack("<II", MAGIC, len(content)) + content + b"\0" * (-len(content) % 4)


@pytest.mark.parametrize("header", [False, True])
def test_a_record_file(crops, tmp_path, header):
    """With a header, people are ranges of pictures, whatever stands with the pictures."""
    files = sorted(crops.rglob("*.png"))
    told = [0.0 if header else float(file.parent.name) for file in files]
    parts = {
        i: record(i, [label], file.read_bytes())
        for i, (label, file) in enumerate(zip(told, files, strict=True), 1)
    }
    if header:
        parts[0] = record(0, [33, 41])
        parts |= {33 + i: record(33 + i, [1 + 4 * i, 5 + 4 * i]) for i in range(8)}
    folder = tmp_path / "set"
    folder.mkdir()
    data, index = b"", []
    for number in sorted(parts):
        index.append(f"{number}\t{len(data)}")
        data += parts[number]
    (folder / "train.rec").write_bytes(data)
    (folder / "train.idx").write_text("\n".join(index))
    made = cut(listed(folder, 32), 32, tmp_path / "cache")
    plain = cut(listed(crops, 32), 32, tmp_path / "other")
    assert made.aligned
    assert np.array_equal(made.faces.images, plain.faces.images)
    assert np.array_equal(made.faces.person, plain.faces.person)
    assert listed(folder, 32).says == "the set set"


def test_what_is_no_data_is_one_sentence(tmp_path, crops):
    with pytest.raises(DataError, match="gone: does not exist; give a pack, or a folder"):
        listed(tmp_path / "gone", 64)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file: is no folder"):
        listed(tmp_path / "file", 64)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "labels.csv").write_text("a.jpg,1\n")
    with pytest.raises(DataError, match="has no folders of pictures; give each person a folder"):
        listed(tmp_path / "labels", 64)
    half = tmp_path / "half"
    half.mkdir()
    (half / "manifest.json").write_text(json.dumps({"format": 1, "shards": []}))
    with pytest.raises(FusiformError, match="holds no finished pack"):
        listed(half, 64)
    with pytest.raises(ChoiceError, match="kind of pictures must be one of"):
        cut(listed(crops, 32), 32, tmp_path / "cache", "paintings")


def test_a_full_disk_is_told_before_work_begins(crops, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(people.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(FusiformError, match=r"the crops need 0.0 GB and 0.0 GB are free"):
        cut(listed(crops, 32), 32, tmp_path / "cache")
