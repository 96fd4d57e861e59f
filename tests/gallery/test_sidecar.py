"""Regions in sidecars and pictures: what exiftool sees, what stays, what a kill leaves."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from fusiform.core.errors import (
    DamagedPicture,
    GalleryBusy,
    GalleryError,
    GalleryUnwritable,
    NotAPicture,
    PictureError,
)
from fusiform.gallery import sidecar
from fusiform.gallery.packet import NAMESPACES
from fusiform.gallery.regions import Frame, Region, build
from fusiform.gallery.sidecar import read, remove, write

ADA = Region("Ada Lovelace", (4, 6, 24, 30))
GRACE = Region("Grace Hopper", (26, 6, 38, 30))
FRAME = Frame(48, 40)
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
STANDARD = b"http://ns.adobe.com/xap/1.0/\0"

needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="no exiftool here")


def exiftool(*words: object) -> str:
    done = subprocess.run(["exiftool", *map(str, words)], capture_output=True, check=True)
    return done.stdout.decode()


def told(path: Path) -> list[dict]:
    """The regions as exiftool reads them."""
    answer = json.loads(exiftool("-json", "-struct", "-RegionInfo", path))
    return answer[0].get("RegionInfo", {}).get("RegionList", [])


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """picture("a.png", orientation=6, xmp=b"..."): 48 x 40 stored pixels, Exif, colour profile."""

    def make(name: str = "photo.jpg", orientation: int = 1, size=(48, 40), xmp=None) -> Path:
        pixels = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), np.uint8)
        exif = Image.Exif()
        exif[0x0112] = orientation
        settings = {"xmp": xmp} if xmp else {}
        if xmp and name.endswith("png"):
            settings = {"pnginfo": PngImagePlugin.PngInfo()}
            settings["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=True)
        elif xmp and name.endswith("tif"):
            exif[700] = xmp
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        image = Image.fromarray(pixels)
        image.save(tmp_path / name, exif=exif, icc_profile=profile, **settings)
        return tmp_path / name

    return make


def names(path: Path) -> list[str | None]:
    return [region.name for region in read(path)]


def files(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


# Where regions are read


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_embedded_packets(picture, name, orientation):
    path = picture(name, orientation, xmp=build([ADA], Frame(48, 40, orientation)))
    (found,) = read(path)
    assert found.name == "Ada Lovelace"
    assert np.allclose(found.box, ADA.box, atol=1e-4)


def test_a_packet_behind_the_pixels_of_a_png(picture):
    path = picture("a.png")
    changed = sidecar._into_png(path.read_bytes(), build([ADA], FRAME))
    (start, end), *_ = [s for s in sidecar._chunks(changed) if changed[s[0] + 4 :][:4] == b"iTXt"]
    rest = changed[:start] + changed[end:]
    path.write_bytes(rest[:-12] + changed[start:end] + rest[-12:])
    assert names(path) == ["Ada Lovelace"]


def test_the_first_list_counts(picture):
    path = picture(xmp=build([GRACE], FRAME))
    assert names(path) == ["Grace Hopper"]
    adobes = path.with_suffix(".xmp")
    adobes.write_bytes(build([Region("Charles Babbage", GRACE.box)], FRAME))
    assert names(path) == ["Charles Babbage"]
    digikams = Path(f"{path}.xmp")
    digikams.write_bytes(build([], FRAME))
    assert names(path) == []
    digikams.write_bytes(b'<r:RDF xmlns:r="%s"/>' % NAMESPACES["rdf"].encode())
    assert names(path) == ["Charles Babbage"]


def test_a_raw_files_sidecar_is_not_the_jpegs(picture):
    path = picture()
    raws = path.with_suffix(".xmp")
    told = b' xmlns:p="%s" p:SidecarForExtension="CR2"' % NAMESPACES["photoshop"].encode()
    raws.write_bytes(build([ADA], FRAME).replace(b" rdf:about", told + b" rdf:about"))
    assert names(path) == []
    assert write(path, [GRACE]) == (Path(f"{path}.xmp"),)
    assert remove(path, ["Ada Lovelace"]) == 0
    raws.write_bytes(raws.read_bytes().replace(b"CR2", b"JPG"))
    assert remove(path, ["Ada Lovelace"]) == 1


def test_faults_name_the_file(picture, tmp_path):
    path = picture()
    beside = Path(f"{path}.xmp")
    beside.write_bytes(b"<x:xmpmeta")
    with pytest.raises(GalleryError, match=r"photo\.jpg\.xmp: its XMP is malformed"):
        read(path)
    with pytest.raises(GalleryError, match=r"photo\.jpg\.xmp: its XMP is malformed"):
        write(path, [ADA])
    assert beside.read_bytes() == b"<x:xmpmeta"
    bad = picture("bad.jpg", xmp=b"<!DOCTYPE a><a/>")
    for act in (lambda: read(bad), lambda: write(bad, [ADA])):
        with pytest.raises(GalleryError, match=r"bad\.jpg: its XMP is malformed"):
            act()
    with pytest.raises(PictureError, match="does not exist"):
        read(tmp_path / "none.jpg")
    (tmp_path / "text.jpg").write_text("text")
    with pytest.raises(NotAPicture, match=r"text\.jpg"):
        read(tmp_path / "text.jpg")
    (tmp_path / "cut.png").write_bytes(picture("a.png").read_bytes()[:200])
    with pytest.raises(DamagedPicture, match=r"cut\.png"):
        read(tmp_path / "cut.png")


def test_a_huge_sidecar_is_refused(picture, monkeypatch):
    path = picture()
    write(path, [ADA])
    monkeypatch.setattr(sidecar, "_LARGEST", 100)
    with pytest.raises(GalleryError, match="too large for a sidecar"):
        read(path)


# Sidecars


def test_names_of_sidecars(picture):
    path = picture()
    assert write(path, []) == ()
    assert files(path) == {"photo.jpg"}
    assert write(path, [ADA]) == (Path(f"{path}.xmp"),)
    assert files(path) == {"photo.jpg", "photo.jpg.xmp"}
    other = picture("other.jpg")
    other.with_suffix(".xmp").write_bytes(build([GRACE], FRAME))
    assert write(other, [ADA]) == (other.with_suffix(".xmp"),)
    assert names(other) == ["Ada Lovelace"]
    Path(f"{other}.xmp").write_bytes(build([], FRAME))
    assert write(other, [GRACE]) == (Path(f"{other}.xmp"),)


def test_writing_the_same_again_touches_nothing(picture):
    path = picture()
    (made,) = write(path, [ADA, GRACE], tags=True)
    before = made.stat()
    assert write(str(path), [ADA, GRACE], tags=True) == ()
    assert made.stat() == before


def test_what_the_picture_holds_begins_the_sidecar(picture):
    inside = build([GRACE], FRAME, tags=True).replace(b"fusiform", b"Another 1.0")
    path = picture(xmp=inside)
    before = path.read_bytes()
    (made,) = write(path, [ADA], tags=True)
    assert sorted(names(path)) == ["Ada Lovelace", "Grace Hopper"]
    assert b"<rdf:li>Grace Hopper</rdf:li><rdf:li>Ada Lovelace</rdf:li>" in made.read_bytes()
    assert path.read_bytes() == before


def test_permissions_and_links_stay(picture, tmp_path):
    path = picture()
    path.chmod(0o640)
    (made,) = write(path, [ADA])
    assert made.stat().st_mode & 0o777 == 0o640
    made.chmod(0o604)
    kept = made.rename(tmp_path / "kept.xmp")
    made.symlink_to(kept)
    write(path, [GRACE])
    assert made.is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o604
    assert names(path) == ["Grace Hopper"]


@pytest.mark.parametrize("embed", [False, True])
def test_a_full_disk_loses_nothing(picture, monkeypatch, embed):
    path = picture()
    (made,) = write(path, [ADA], embed=embed)
    before, there = made.read_bytes(), files(path)

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GalleryUnwritable, match=r"photo\.jpg.*No space left.*as it was; make room"):
        write(path, [GRACE], embed=embed)
    with pytest.raises(GalleryUnwritable):
        remove(path, ["Ada Lovelace"], embed=embed)
    assert (made.read_bytes(), files(path)) == (before, there)


def test_a_change_by_another_program_is_not_lost(picture, monkeypatch):
    path = picture()
    (made,) = write(path, [ADA])
    real = sidecar._written_beside

    def meanwhile(*given):
        made.write_bytes(build([GRACE], FRAME))
        return real(*given)

    monkeypatch.setattr(sidecar, "_written_beside", meanwhile)
    with pytest.raises(GalleryBusy, match="another program changed it"):
        write(path, [Region("Charles Babbage", ADA.box)])
    assert names(path) == ["Grace Hopper"]
    assert files(path) == {"photo.jpg", "photo.jpg.xmp"}


LOOP = """
import sys
from fusiform.gallery.regions import Region
from fusiform.gallery.sidecar import write
path, many = sys.argv[1], [Region(f"Name {i}", (i, 0, i + 1, 9)) for i in range(40)]
print("began", flush=True)
while True:
    for n in (40, 20):
        write(path, many[:n], embed=sys.argv[2] == "True")
"""


@pytest.mark.parametrize("embed", [False, True])
def test_a_killed_writer_leaves_the_old_file_or_the_new(picture, embed):
    path = picture()
    root = {"PYTHONPATH": str(Path(__file__).parents[2])}
    for attempt in range(6):
        words = [sys.executable, "-c", LOOP, path, str(embed)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | root) as writer:
            writer.stdout.readline()
            time.sleep(0.02 + 0.013 * attempt)
            writer.send_signal(signal.SIGKILL)
        assert len(read(path)) in (0, 20, 40)
        with Image.open(path) as image:
            image.load()
    remove(path, [f"Name {i}" for i in range(40)], embed=True)
    assert not any(b"Name 1" in file.read_bytes() for file in path.parent.iterdir())


# Pictures


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("inside", [None, build([GRACE], FRAME).replace(b"fusiform", b"x")])
def test_only_the_packet_changes(picture, name, inside):
    path = picture(name, xmp=inside)
    before = path.read_bytes()
    assert write(path, [ADA], embed=True) == (path,)
    assert write(path, [ADA], embed=True) == ()
    after = path.read_bytes()
    behind = before[before.index(b"\xff\xdb" if name == "a.jpg" else b"IDAT") - 4 :]
    assert after.endswith(behind)  # quantisation tables and all that comes after them, or pixels
    assert len(behind) > 1500
    assert after.startswith(before[:20])  # a JFIF segment comes first
    assert files(path) == {name}
    assert names(path) == (["Ada Lovelace", "Grace Hopper"] if inside else ["Ada Lovelace"])
    with Image.open(io.BytesIO(before)) as old, Image.open(io.BytesIO(after)) as new:
        assert new.tobytes() == old.tobytes()
        assert new.info["icc_profile"] == old.info["icc_profile"]
        assert dict(new.getexif()) == dict(old.getexif())


def test_a_sidecar_that_would_hide_the_picture_is_written_too(picture):
    path = picture()
    beside = Path(f"{path}.xmp")
    beside.write_bytes(b'<r:RDF xmlns:r="%s"/>' % NAMESPACES["rdf"].encode())
    assert write(path, [ADA], embed=True) == (path,)
    write(path, [ADA])
    assert write(path, [GRACE], embed=True) == (path, beside)
    assert names(path) == ["Grace Hopper"]
    beside.unlink()
    assert names(path) == ["Grace Hopper"]


@pytest.mark.parametrize(
    ("marker", "body", "reason"),
    [
        (b"\xff\xe1", EXTENDED + b"0" * 50, "extended segments"),
        (b"\xff\xe1", STANDARD + build([], FRAME), "more than one XMP packet"),
        (b"\xff\xe2", b"MPF\0" + bytes(20), "holds more pictures"),
    ],
)
def test_jpegs_that_a_change_would_harm_are_refused(picture, marker, body, reason):
    path = picture(xmp=build([GRACE], FRAME))
    data = path.read_bytes()
    before = data[:2] + marker + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    path.write_bytes(before)
    with pytest.raises(GalleryError, match=rf"photo\.jpg: .*{reason}.*; leave out embed"):
        write(path, [ADA], embed=True)
    assert path.read_bytes() == before
    assert write(path, [ADA]) == (Path(f"{path}.xmp"),)


def test_too_much_for_a_jpeg(picture):
    path = picture(size=(4000, 40))
    many = [Region("x" * 100, (i, 0, i + 1, 9)) for i in range(400)]
    with pytest.raises(GalleryError, match="a JPEG takes 65502; leave out embed"):
        write(path, many, embed=True)
    write(path, many)
    assert len(read(path)) == 400


@pytest.mark.parametrize("name", ["a.webp", "a.tif", "a.bmp"])
def test_other_formats_take_no_packet(picture, name):
    path = picture(name)
    with pytest.raises(GalleryError, match=r"not put into \w+ files; leave out embed, to use a"):
        write(path, [ADA], embed=True)


# Forgetting


def test_no_byte_of_a_forgotten_name_is_left(picture):
    path = picture()
    write(path, [ADA, GRACE], tags=True, embed=True)
    write(path, [ADA, GRACE], tags=True)
    path.with_suffix(".xmp").write_bytes(build([ADA], FRAME))
    (path.parent / ".photo.jpg.xmp.k1ll3d.fusiform-part").write_bytes(b"Ada Lovelace")
    assert remove(path, ["Ada Lovelace"]) == 4
    assert b"Ada Lovelace" in path.read_bytes()
    assert remove(path, ["Ada Lovelace"], embed=True) == 3
    assert remove(path, ["Ada Lovelace"], embed=True) == 0
    assert not any(b"Lovelace" in file.read_bytes() for file in path.parent.iterdir())
    assert names(path) == ["Grace Hopper"]
    path.unlink()
    assert remove(path, ["Grace Hopper"]) == 3


# exiftool


REGION = (
    "{AppliedToDimensions={W=48,H=40,Unit=pixel},RegionList=["
    "{Area={X=0.5,Y=0.5,W=0.25,H=0.5,Unit=normalized},Name=Grace Hopper,Type=Face},"
    "{Area={X=0.25,Y=0.5,W=0.25,H=0.5,Unit=normalized},Name=Rex,Type=Pet}]}"
)


@needs_exiftool
@pytest.mark.parametrize("place", ["photo.jpg", "photo.xmp", "a.png", "a.webp", "a.tif"])
def test_exiftools_regions_are_read_and_kept(picture, place):
    path = picture("photo.jpg" if place == "photo.xmp" else place, orientation=3)
    file = path.with_name(place)
    options = ["-overwrite_original"] if file.exists() else []
    exiftool(*options, f"-RegionInfo={REGION}", "-XMP:Rating=4", "-XMP:Subject=engine", file)
    assert [(r.name, r.kind) for r in read(path)] == [("Grace Hopper", "Face"), ("Rex", "Pet")]
    assert np.allclose(read(path)[1].box, (30, 10, 42, 30), atol=0.01)
    (made,) = write(path, [ADA])
    assert {r["Name"] for r in told(made)} == {"Ada Lovelace", "Grace Hopper", "Rex"}
    if place == "photo.xmp":
        kept = json.loads(exiftool("-json", "-XMP:Rating", "-XMP:Subject", made))[0]
        assert (kept["Rating"], kept["Subject"]) == (4, "engine")


@needs_exiftool
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_exiftool_finds_no_fault(picture, name):
    path = picture(name)
    before = exiftool("-validate", "-warning", "-error", "-a", path)
    (beside,) = write(path, [ADA, GRACE], tags=True)
    write(path, [ADA, GRACE], tags=True, embed=True)
    assert exiftool("-validate", "-warning", "-error", "-a", path) == before
    assert exiftool("-validate", "-warning", "-error", "-a", beside).split(":")[-1].strip() == "OK"
    assert told(path) == told(beside)
    assert [r["Name"] for r in told(path)] == ["Ada Lovelace", "Grace Hopper"]
    assert exiftool("-s3", "-XMP:TagsList", path) == exiftool("-s3", "-XMP:TagsList", beside)
