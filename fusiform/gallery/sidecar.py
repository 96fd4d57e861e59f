"""Regions in the files other photo programs read: sidecars, and packets inside the pictures.

The sidecar of photo.jpg is photo.jpg.xmp (digiKam, darktable) or photo.xmp (Adobe's programs, which
also tell there whether it belongs to photo.jpg or, say, photo.CR2). Of the sidecars and the packet
inside, in this order, the first with a region list counts and hides the others, so a list that
begins in a sidecar begins with what others had put into the picture.

A picture's bytes are changed only where `embed` asks for it, in JPEG (XMP specification part 3,
1.1.3: one APP1 segment) and PNG (an iTXt chunk); what is compressed in it is copied as it is. Every
file is written beside the old one and takes its place when it is whole and on the disk.
"""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fusiform.core.errors import (
    DamagedPicture,
    GalleryBusy,
    GalleryError,
    GalleryUnwritable,
    NotAPicture,
    PictureError,
    PictureTooLarge,
)
from fusiform.gallery import packet as xmp
from fusiform.gallery.frames import Frame
from fusiform.gallery.regions import Region, build, parse, without

_LARGEST = 64 << 20  # bytes of a sidecar; the largest real ones, with long histories, have a few
_LARGEST_SEGMENT = 65502  # bytes of a packet in one JPEG segment (part 3, 1.1.3)
_STANDARD = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
_KEYWORD = b"XML:com.adobe.xmp"
_PART = ".fusiform-part"
_INSTEAD = "leave out embed, to use a sidecar"

Choose = Callable[[Sequence[Region]], Sequence[Region]]


@dataclass(frozen=True)
class _Photo:
    """A picture's path, frame, format as `core.decode` names it, and the packet inside."""

    path: Path
    frame: Frame
    format: str
    packet: bytes | None


def read(path: str | Path) -> tuple[Region, ...]:
    """The regions that go with a picture, in pixels of the upright picture; () if there are none.

    Raises PictureError if the picture or a sidecar cannot be read, GalleryError if a packet is no
    XMP.
    """
    photo = _open(Path(path))
    for source, packet in _packets(photo).items():
        found = parse(packet, photo.frame, str(source))
        if found is not None:
            return found
    return ()


def write(
    path: str | Path,
    regions: Sequence[Region],
    *,
    tags: bool = False,
    embed: bool = False,
    choose: Choose | None = None,
) -> tuple[Path, ...]:
    """Puts `regions`, boxes in pixels of the upright picture, beside a picture or into it.

    They go into the sidecar: photo.jpg.xmp, unless only photo.xmp is there. With `embed` they go
    into the picture, and also into a sidecar whose region list would hide them. `choose` gives
    those that go into a file whose list has the regions that it is told. How they meet
    what is there, and what `tags` adds, is told at `regions.build`. Without a packet and regions
    nothing is made. Returns the files that changed. Raises what `read` and `build` raise,
    GalleryError if a packet cannot be embedded, GalleryUnwritable, or GalleryBusy if another
    program changes a file meanwhile; the file is then as it was.
    """
    photo = _open(Path(path))
    packets = _packets(photo)
    new = {}
    for file in _targets(photo, packets, embed):
        old = packets.get(file)
        carried = _first_listed({f: p for f, p in packets.items() if f != file}, photo.frame)
        chosen = choose(_listed(photo.frame, file, old, carried)) if choose else regions
        if old is not None or chosen:
            packet = build(chosen, photo.frame, old, tags=tags, carried=carried, source=str(file))
            if packet != old:
                new[file] = packet
    for file, packet in new.items():
        if file == photo.path:
            _embed(photo, packet)
        else:
            _save(file, packet, packets.get(file), like=file if file in packets else photo.path)
    return tuple(new)


def _listed(frame: Frame, file: Path, *packets: bytes | None) -> tuple[Region, ...]:
    """What the first of these packets that has a list tells: what a new list begins with."""
    told = (parse(packet, frame, str(file)) for packet in packets if packet is not None)
    return next((found for found in told if found is not None), ())


def remove(path: str | Path, names: Iterable[str], *, embed: bool = False) -> int:
    """Takes people out of a picture's sidecars, and with `embed` out of the picture.

    Regions with these names go, whoever wrote them, and the tags that `regions.without` lists. The
    picture need not be there any more, unless for `embed`. Returns how many entries went. Raises
    what `write` raises.
    """
    wanted, gone = list(names), 0
    for file in _sidecars(Path(path)):
        old = _load(file)
        new, count = without(old, wanted, str(file))
        if count:
            _save(file, new, old, like=file)
        gone += count
    photo = _open(Path(path)) if embed else None
    if photo and photo.packet is not None:
        new, count = without(photo.packet, wanted, str(path))
        if count:
            _embed(photo, new)
        gone += count
    for file in (Path(path), *_beside(Path(path))):
        _sweep(file)
    return gone


def _open(path: Path) -> _Photo:
    from fusiform.core import decode
    from fusiform.core.pictures import regular_file

    with regular_file(str(path)) as file:
        kind = decode.sniff(file.read(decode.HEAD_BYTES))
        file.seek(0)
        if kind is None:
            raise NotAPicture(path, "is no picture of a known format", "name a picture")
        try:
            return _inspect(path, file, kind)
        except PictureError:
            raise
        except ImportError as error:
            needs = f"needs {error.name}, which is not installed"
            raise PictureError(path, needs, 'pip install "fusiform[heic]"') from error
        except Exception as error:  # whatever a decoder raises on hostile bytes
            reason = f"is damaged or cut short ({error})"
            raise DamagedPicture(path, reason, "copy it again from where it came") from error


def _inspect(path: Path, file: IO[bytes], kind: str) -> _Photo:
    from fusiform.core import decode
    from fusiform.core.pictures import PIXEL_LIMIT

    with decode.lazy_image(file, kind) as image:
        width, height = image.size
        if width * height > PIXEL_LIMIT:
            raise PictureTooLarge(path, f"has {width} x {height} pixels", "make it smaller")
        turn = decode.orientation(image)
        if kind == "PNG" and "xmp" not in image.info:
            image.load()  # the packet may come behind the pixels
        if kind == "TIFF" and turn > 4:
            width, height = height, width  # Pillow tells a TIFF's upright size
        # HEIC turns its pictures itself and has no stored size to speak of: it comes upright.
        packet = image.info.get("xmp") or None
        return _Photo(path, Frame(width, height, turn), kind, packet)


def _sidecars(path: Path) -> list[Path]:
    """The sidecars that are there, the one that hides the others first."""
    return [file for file in _beside(path) if file.is_file() and _belongs(file, path)]


def _beside(path: Path) -> list[Path]:
    return list(dict.fromkeys([Path(f"{path}.xmp"), path.with_suffix(".xmp")]))


def _belongs(sidecar: Path, path: Path) -> bool:
    """False for the photo.xmp of a photo.CR2 that has a photo.jpg beside it."""
    if sidecar.name == f"{path.name}.xmp":
        return True
    parts = xmp.read_packet(_load(sidecar), str(sidecar)).rdf.iterfind(xmp.q("rdf:Description"))
    told = (xmp.text(part, "photoshop:SidecarForExtension") for part in parts)
    return all(not suffix or suffix.lower() == path.suffix[1:].lower() for suffix in told)


def _load(sidecar: Path) -> bytes:
    from fusiform.core.pictures import regular_file

    with regular_file(str(sidecar)) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise GalleryError(f"{sidecar}: it is too large for a sidecar; move it away and try again.")
    return data


def _packets(photo: _Photo) -> dict[Path, bytes]:
    """Every packet of a picture by its file, in the order in which they count."""
    inside = {} if photo.packet is None else {photo.path: photo.packet}
    return {file: _load(file) for file in _sidecars(photo.path)} | inside


def _first_listed(packets: dict[Path, bytes], frame: Frame) -> bytes | None:
    """The first packet with a region list, or else the first."""
    listed = (p for file, p in packets.items() if parse(p, frame, str(file)) is not None)
    return next(listed, next(iter(packets.values()), None))


def _targets(photo: _Photo, packets: dict[Path, bytes], embed: bool) -> list[Path]:
    sidecars = [file for file in packets if file != photo.path]
    if not embed:
        return sidecars[:1] or [Path(f"{photo.path}.xmp")]
    hiding = [f for f in sidecars if parse(packets[f], photo.frame, str(f)) is not None]
    return [photo.path, *hiding]


def _embed(photo: _Photo, packet: bytes) -> None:
    from fusiform.core.pictures import read_bytes

    put: dict[str, Callable[[bytes, bytes], bytes]] = {"JPEG": _into_jpeg, "PNG": _into_png}
    if photo.format not in put:
        raise GalleryError(f"{photo.path}: XMP is not put into {photo.format} files; {_INSTEAD}.")
    data = read_bytes(photo.path)
    try:
        changed = put[photo.format](data, packet)
    except _CannotEmbed as error:
        raise GalleryError(f"{photo.path}: {error}; {_INSTEAD}.") from error
    _save(photo.path, changed, data, like=photo.path)


class _CannotEmbed(Exception):
    """Why a packet has no place in a file."""


def _into_jpeg(data: bytes, packet: bytes) -> bytes:
    """`data` with the packet in its APP1 segment, or in a new one behind JFIF and Exif."""
    spans = list(_segments(data))
    own = _starting(data, spans, b"\xff\xe1", _STANDARD)
    if len(own) > 1:
        raise _CannotEmbed("it has more than one XMP packet")
    if _starting(data, spans, b"\xff\xe1", _EXTENDED) or b"HasExtendedXMP" in packet:
        raise _CannotEmbed("its XMP goes on in extended segments, which a change would cut off")
    if _starting(data, spans, b"\xff\xe2", b"MPF\0"):
        raise _CannotEmbed("it holds more pictures, found by their distance from its beginning")
    if len(packet) > _LARGEST_SEGMENT:
        raise _CannotEmbed(f"its XMP would have {len(packet)} bytes, a JPEG takes 65502")
    place = _behind_exif(data, spans)
    start, end = own[0] if own else (place, place)
    body = _STANDARD + packet
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    return data[:start] + segment + data[end:]


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of a JPEG's segments up to the compressed data (ITU-T T.81, B.1.1)."""
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        marker, length = data[at : at + 2], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (b"\xff\xda", b"\xff\xd9"):  # SOS, EOI
            return
        end = at + 2 + length
        if marker[:1] != b"\xff" or length < 2 or end > len(data):
            raise _CannotEmbed("its segments are damaged")
        yield at, end
        at = end


def _starting(
    data: bytes, spans: Iterable[tuple[int, int]], marker: bytes, name: bytes
) -> list[tuple[int, int]]:
    return [
        (start, end)
        for start, end in spans
        if data.startswith(marker, start) and data.startswith(name, start + 4)
    ]


def _behind_exif(data: bytes, spans: Iterable[tuple[int, int]]) -> int:
    place = 2
    for start, end in spans:
        is_exif = data.startswith(b"Exif\0", start + 4)
        if not (data.startswith(b"\xff\xe0", start) or is_exif):
            break
        place = end
    return place


def _into_png(data: bytes, packet: bytes) -> bytes:
    """`data` with the packet in its iTXt chunk, or in a new one before the pixels."""
    spans = list(_chunks(data))
    own = [span for span in spans if data.startswith(b"iTXt" + _KEYWORD + b"\0", span[0] + 4)]
    pixels = [start for start, _ in spans if data.startswith(b"IDAT", start + 4)]
    if len(own) > 1 or not pixels:
        raise _CannotEmbed("it has more than one XMP packet" if pixels else "it has no pixels")
    start, end = own[0] if own else (pixels[0], pixels[0])
    body = b"iTXt" + _KEYWORD + bytes(5) + packet  # not compressed, no language
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    return data[:start] + chunk + data[end:]


def _chunks(data: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of a PNG's chunks (ISO/IEC 15948, 5.3)."""
    at = 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            raise _CannotEmbed("its chunks are damaged")
        yield at, end
        if data.startswith(b"IEND", at + 4):
            return
        at = end


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GalleryUnwritable(
            f"{path}: cannot be written ({error.strerror}), and is as it was; make room on the "
            "disk, or change the permissions of its folder."
        ) from error


def _save(path: Path, data: bytes, before: bytes | None, like: Path) -> None:
    """Replaces a file that holds `before` (None: is not there), with the permissions of `like`."""
    real = Path(os.path.realpath(path))  # a link stays a link
    with _blaming(path):
        part = _written_beside(real, data, like)
        try:
            if (real.read_bytes() if real.exists() else None) != before:
                raise GalleryBusy(f"{path}: another program changed it meanwhile; try again.")
            os.replace(part, real)
        finally:
            part.unlink(missing_ok=True)
    with suppress(OSError):  # Windows has no folders that can be opened
        folder = os.open(real.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def _written_beside(real: Path, data: bytes, like: Path) -> Path:
    """A file of `data` that is on the disk; hidden, and no picture to those that list folders."""
    number, name = tempfile.mkstemp(_PART, f".{real.name}.", real.parent)
    try:
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(number)
        shutil.copymode(like, name)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _sweep(path: Path) -> None:
    """Removes what a killed process left beside a file; it may hold a name."""
    real = Path(os.path.realpath(path))
    with _blaming(path):
        for part in real.parent.glob(f".{glob.escape(real.name)}.*{_PART}"):
            part.unlink(missing_ok=True)
