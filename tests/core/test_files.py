"""`open_picture` and the file system: names, what is no file, what is no picture, failing disks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from fusiform.core.errors import DamagedPicture, NotAPicture, PictureError, PictureTooLarge
from fusiform.core.pictures import open_picture, read, read_bytes

NAMES = [
    "Фото ☃.png",
    "写真.png",
    "a b\n c.png",
    "😀.png",
    "x" * 250 + ".png",
    "no suffix",
    "%s{}.png",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_read(name, tmp_path, scene, encode) -> None:
    path = tmp_path / name
    path.write_bytes(encode(scene, "PNG"))
    assert np.array_equal(read(path), scene)
    path.write_bytes(b"")
    with pytest.raises(DamagedPicture) as caught:
        read(str(path))
    assert name in str(caught.value)


def test_long_and_undecodable_paths_are_read(tmp_path, scene, encode) -> None:
    folder = tmp_path.joinpath(*["d" * 100] * 4)
    folder.mkdir(parents=True)
    assert len(str(folder)) > 400
    for name in ("a.png", os.fsdecode(b"\xff\xfe.png")):
        (folder / name).write_bytes(encode(scene, "PNG"))
        assert np.array_equal(read(folder / name), scene)


def refusal(path: str | Path) -> PictureError:
    with pytest.raises(PictureError) as caught:
        open_picture(path)
    assert type(caught.value) is PictureError
    assert caught.value.remedy
    return caught.value


def test_what_is_no_file_is_refused_with_reason(tmp_path) -> None:
    gone = tmp_path / "gone.jpg"
    link = tmp_path / "link.jpg"
    link.symlink_to(gone)
    loop = tmp_path / "loop.jpg"
    loop.symlink_to(loop)
    assert refusal(gone).reason == "does not exist"
    assert "link" in refusal(link).reason
    assert "cannot be read" in refusal(loop).reason
    assert refusal(tmp_path).reason == "is a folder"
    assert "cannot be read" in refusal(tmp_path / ("x" * 300)).reason
    assert "cannot be read" in refusal("a\0b.jpg").reason
    assert str(gone) in str(refusal(gone))


def test_bytes_of_a_file_come_whole_or_with_a_reason(tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"\0\xff" * 5)
    assert read_bytes(tmp_path / "a") == b"\0\xff" * 5
    with pytest.raises(PictureError, match="does not exist"):
        read_bytes(str(tmp_path / "b"))
    with pytest.raises(PictureError, match="is a folder"):
        read_bytes(tmp_path)


def test_a_pipe_does_not_hang(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg").reason == "is no regular file"
    assert refusal("/dev/null").reason == "is no regular file"


def test_missing_permission_is_named(tmp_path, monkeypatch) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(b"x")

    def forbidden(*args: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)  # root may read anything, so chmod is no test
    error = refusal(path)
    assert "may not be read" in error.reason
    assert "permission" in error.remedy


def test_a_failing_disk_is_not_called_a_damaged_picture(scene, encode, monkeypatch) -> None:
    def failing(self: object) -> None:
        raise OSError(5, "Input/output error")

    data = encode(scene, "PNG")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", failing, raising=False)
    with pytest.raises(PictureError, match="Input/output error") as caught:
        open_picture(data)
    assert type(caught.value) is PictureError


def test_no_memory_is_said(scene, encode, monkeypatch) -> None:
    def full(self: object) -> None:
        raise MemoryError

    data = encode(scene, "PNG")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", full, raising=False)
    with pytest.raises(PictureTooLarge, match="memory"):
        open_picture(data)


def test_heic_without_its_library_names_the_extra(scene, encode, monkeypatch) -> None:
    data = encode(scene, "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r'pip install "fusiform\[heic\]"') as caught:
        open_picture(data)
    assert "pillow_heif" in caught.value.reason


@pytest.mark.parametrize(
    "data",
    [
        b"This is a text and no picture.\n",
        b"BM stands for British Museum",
        b"P5 is a file format, is it not?",
        b"%PDF-1.7\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"SQLite format 3\0",
        b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(99),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\0" * 4096,
        b"x",
    ],
)
def test_other_files_are_no_pictures(data) -> None:
    with pytest.raises(NotAPicture, match="no picture of a known format"):
        open_picture(data)
