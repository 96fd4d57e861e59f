"""Face regions in XMP packets, so that names travel between fusiform and other photo programs.

MWG regions (Metadata Working Group, Guidelines for Handling Image Metadata 2.0, section 5.9) are
what digiKam, Lightroom and Picasa write: centre, width and height in 0..1. Microsoft's (WIC, People
Tagging Overview: left, top, width, height) are read, and kept in step where a packet has them.

Both lie in the picture AS STORED: section 5.9 has coordinates relative to the stored image, before
the Exif orientation is applied, and digiKam turns what it reads by the orientation. Boxes of
`Region` lie in the upright picture, so each is turned here. AppliedToDimensions is the stored
size. A list that fits the upright size alone comes from a program that took this otherwise: it is
read as upright, and turned when it is next written. A list that fits neither belongs to the
picture before it was cropped and is not read, as section 5.9 advises.

What else a packet holds stays: properties, namespaces and their prefixes, comments. A region made
here says so in its Extensions (xmp:CreatorTool, with a checksum of what was written), so that it
is replaced later, unless another program has changed it: then it is that program's.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np

from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.gallery import packet as xmp
from fusiform.gallery.frames import Box, Frame, stored, upright
from fusiform.measure.boxes import iou

SAME_PLACE = 0.5
"""Two regions of one kind whose IoU is above this are the same face."""

# What `tags` writes; then also the copies that digiKam and Lightroom make of it.
_WRITTEN_TAGS = {"dc:subject": ("rdf:Bag", "{}"), "digiKam:TagsList": ("rdf:Seq", "People/{}")}
_PATTERNS = {tag: pattern for tag, (_, pattern) in _WRITTEN_TAGS.items()} | {
    "lr:hierarchicalSubject": "People|{}",
    "MicrosoftPhoto:LastKeywordXMP": "People/{}",
    "Iptc4xmpExt:PersonInImage": "{}",
}

_XML_TEXT = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")  # XML 1.0, 2.2


@dataclass(frozen=True)
class Region:
    """A part of a picture: `name`; `box` x1, y1, x2, y2 in pixels of the upright picture; `kind`
    Face, Pet, Focus or BarCode; `ours`: it was read, and nobody has changed it since it was made
    here. Raises ChoiceError for a box without area or text unfit for XML.
    """

    name: str | None
    box: Box
    kind: str = "Face"
    ours: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        for word in (self.kind, self.name):
            if word is not None and not (word.strip() and _XML_TEXT.fullmatch(word)):
                raise ChoiceError("name and kind", "text without control characters", word)
        x1, y1, x2, y2 = self.box
        if not (all(map(math.isfinite, self.box)) and x1 < x2 and y1 < y2):
            raise ChoiceError("box", "x1, y1, x2, y2 with x1 < x2 and y1 < y2", self.box)


@dataclass(frozen=True)
class _Format:
    """Where a packet keeps regions: the property, the list in it, the name in an item."""

    info: str
    listed: str
    name: str


_MWG = _Format("mwg-rs:Regions", "mwg-rs:RegionList", "mwg-rs:Name")
_MICROSOFT = _Format("MP:RegionInfo", "MPRI:Regions", "MPReg:PersonDisplayName")
_FORMATS = _MWG, _MICROSOFT


@dataclass(frozen=True)
class _Entry:
    """One item of a region list; `region` is None where it is no rectangle in this picture."""

    bag: Element
    item: Element
    format: _Format
    region: Region | None
    ours: bool


def parse(packet: bytes, frame: Frame, source: str = "XMP") -> tuple[Region, ...] | None:
    """The regions of an XMP packet, clipped to the picture; None if it has no region list.

    Left out are points, circles, regions whose centre is outside, and Microsoft's twins of MWG
    regions. An untold kind is Face. Raises GalleryError naming `source` if the packet is no XMP.
    """
    rdf = xmp.read_packet(packet, source).rdf
    if not _has_regions(rdf):
        return None
    return tuple(_distinct(_entries(rdf, frame)))


def build(
    regions: Sequence[Region],
    frame: Frame,
    packet: bytes | None = None,
    *,
    tags: bool = False,
    carried: bytes | None = None,
    source: str = "XMP",
) -> bytes:
    """`packet` (or a new one) with `regions`, as an XMP packet in UTF-8.

    Regions that an earlier call made are replaced. One by others of the same kind and an IoU
    above SAME_PLACE takes the new box, and the new name if there is one; others stay. Boxes are
    clipped to the picture. `tags` adds faces' names to dc:subject, and as People/NAME to
    digiKam:TagsList. Where `packet` has no such list, that of `carried`, another packet of the
    picture, is copied first, as readers look at one list alone.
    Raises ChoiceError for a box outside the picture or a name that cannot be a tag, GalleryError
    naming `source` if a packet is no XMP or its regions are of a picture of another shape.
    """
    document = xmp.read_packet(packet, source)
    rdf = document.rdf
    if carried is not None:
        _carry(rdf, xmp.read_packet(carried, source).rdf, frame, tags)
    kept = _without_ours(rdf, frame, source)
    placed, _ = (_update(regions, [e for e in kept if e.format is f], frame) for f in _FORMATS)
    _insert(rdf, [r for i, r in enumerate(regions) if i not in placed], frame)
    size = {"stDim:w": str(frame.width), "stDim:h": str(frame.height), "stDim:unit": "pixel"}
    for info in xmp.properties(rdf, _MWG.info):
        xmp.put(info, xmp.element("mwg-rs:AppliedToDimensions", size))
    if tags:
        _add_tags(rdf, [r.name for r in regions if r.name and r.kind == "Face"])
    return xmp.write_packet(document)


def without(packet: bytes, names: Iterable[str], source: str = "XMP") -> tuple[bytes, int]:
    """`packet` without the regions and tags of `names`, and how many entries were taken out.

    Goes by the name, whoever wrote it. Tags are those of `build` and the copies digiKam and
    Lightroom make of them; free text, such as a title, stays. If nothing is found the packet is
    returned as it was. Raises GalleryError naming `source` if it is no XMP.
    """
    document = xmp.read_packet(packet, source)
    rdf, wanted = document.rdf, {_normal(name) for name in names} - {""}
    lists = [(bag, form.name) for form in _FORMATS for bag in _bags(rdf, form)]
    found = [(b, i) for b, name in lists for i in b if _normal(xmp.text(i, name)) in wanted]
    for tag, pattern in _PATTERNS.items():
        tags, items = {pattern.format(name) for name in wanted}, xmp.items(rdf, tag)
        found += [(bag, item) for bag, item in items if _normal(xmp.value_of(item)) in tags]
    for bag, item in found:
        bag.remove(item)
    return (xmp.write_packet(document) if found else packet), len(found)


def _turn_of(rdf: Element, frame: Frame) -> int | None:
    """The turn that makes this packet's regions upright; None if they are of another picture."""
    turns = {frame.width / frame.height: frame.orientation}
    turns.setdefault(frame.upright[0] / frame.upright[1], 1)
    for info in xmp.properties(rdf, _MWG.info):
        size = xmp.fields(info).find(xmp.q("mwg-rs:AppliedToDimensions"))
        shape = xmp.number(size, "stDim:w") / (xmp.number(size, "stDim:h") or math.nan)
        if shape > 0:  # thumbnails' sizes are rounded to pixels
            return next((t for s, t in turns.items() if abs(math.log(shape / s)) < 0.01), None)
    return frame.orientation


def _has_regions(rdf: Element) -> bool:
    return any(xmp.properties(rdf, form.info) for form in _FORMATS)


def _bags(rdf: Element, form: _Format) -> Iterator[Element]:
    for info in xmp.properties(rdf, form.info):
        bag = xmp.container(xmp.fields(info).find(xmp.q(form.listed)))
        if bag is not None:
            yield bag


def _entries(rdf: Element, frame: Frame) -> list[_Entry]:
    turn = _turn_of(rdf, frame)
    return [
        _Entry(bag, item, form, _region(item, form, frame, turn), _is_ours(item))
        for form in _FORMATS
        for bag in _bags(rdf, form)
        for item in bag.iterfind(xmp.q("rdf:li"))
    ]


def _region(item: Element, form: _Format, frame: Frame, turn: int | None) -> Region | None:
    told = _read_mwg(item) if form is _MWG else _read_microsoft(item)
    box = None if turn is None else upright(told, frame, turn)
    if box is None:
        return None
    name, kind = xmp.text(item, form.name), xmp.text(item, "mwg-rs:Type") or ""
    name = name if name and name.strip() else None
    return Region(name, box, kind.strip() or "Face", _is_ours(item))


def _distinct(entries: Iterable[_Entry]) -> list[Region]:
    """The regions of entries, without Microsoft's twins of MWG ones."""
    found = [(entry.format, entry.region) for entry in entries if entry.region]
    mwg = [region for form, region in found if form is _MWG]
    others = [region for form, region in found if form is not _MWG]
    return mwg + [r for r in others if not (iou([r.box], [m.box for m in mwg]) > SAME_PLACE).any()]


def _read_mwg(item: Element) -> list[float]:
    """Left, top, width, height; NaN where they are not told, or not in 0..1."""
    area = xmp.fields(item).find(xmp.q("mwg-rs:Area"))
    x, y, w, h = (xmp.number(area, f"stArea:{key}") for key in "xywh")
    known = xmp.text(area, "stArea:unit") in (None, "normalized")
    return [x - w / 2, y - h / 2, w, h] if known else [math.nan] * 4


def _read_microsoft(item: Element) -> list[float]:
    try:
        left, top, w, h = map(float, (xmp.text(item, "MPReg:Rectangle") or "").split(","))
    except ValueError:
        return [math.nan] * 4
    return [left, top, w, h]


def _is_ours(item: Element) -> bool:
    tool = xmp.text(xmp.fields(item).find(xmp.q("mwg-rs:Extensions")), "xmp:CreatorTool")
    return tool == _mark(item)


def _mark(item: Element) -> str:
    """What an item made here says of itself; it fits no more once another program changes it."""
    words = xmp.text(item, _MWG.name), xmp.text(item, "mwg-rs:Type")
    told = repr([*words, *(f"{number:.5f}" for number in _read_mwg(item))])
    return f"fusiform {zlib.crc32(told.encode()):08x}"


def _without_ours(rdf: Element, frame: Frame, source: str) -> list[_Entry]:
    """Removes what an earlier call made; the rest, which lies as stored from now on."""
    entries, turn = _entries(rdf, frame), _turn_of(rdf, frame)
    for entry in entries:
        if entry.ours:
            entry.bag.remove(entry.item)
        elif turn != frame.orientation:
            if entry.region is None:
                raise GalleryError(
                    f"{source}: its regions were made for a picture of another shape; remove them "
                    "with the program that made them, or move the file away, and write again."
                )
            _place(entry, entry.region, frame)
    return [entry for entry in entries if not entry.ours]


def _update(regions: Sequence[Region], kept: Sequence[_Entry], frame: Frame) -> set[int]:
    """Gives others' regions the boxes and names of ours; which of ours are there now."""
    theirs = [(entry, entry.region) for entry in kept if entry.region]
    placed = set[int]()
    if not regions or not theirs:
        return placed
    cover = iou([r.box for r in regions], [t.box for _, t in theirs])
    cover *= np.array([[r.kind == t.kind for _, t in theirs] for r in regions])
    while cover.max() > SAME_PLACE:
        i, j = map(int, np.unravel_index(cover.argmax(), cover.shape))
        cover[i], cover[:, j] = 0, 0
        _place(theirs[j][0], regions[i], frame)
        placed.add(i)
    return placed


def _place(entry: _Entry, region: Region, frame: Frame) -> None:
    """Writes the box, and the name if there is one, into an item that stands."""
    if entry.format is _MWG:
        xmp.put(entry.item, _area(region, frame))
    else:
        numbers = map(xmp.decimal, stored(region.box, frame))
        xmp.set_text(entry.item, "MPReg:Rectangle", ", ".join(numbers))
    if region.name is not None:
        xmp.set_text(entry.item, entry.format.name, region.name)


def _insert(rdf: Element, regions: Iterable[Region], frame: Frame, ours: bool = True) -> None:
    """Adds new items, the named in front: some readers stop at the first without a name."""
    bag = _first_bag(rdf)
    for place, region in enumerate(sorted(regions, key=lambda r: r.name is None)):
        item = _item(region, frame)
        if ours:
            item[0].append(xmp.element("mwg-rs:Extensions", {"xmp:CreatorTool": _mark(item)}))
        bag.insert(len(bag) if region.name is None else place, item)


def _item(region: Region, frame: Frame) -> Element:
    named = {} if region.name is None else {_MWG.name: region.name}
    described = xmp.element("rdf:Description", named | {"mwg-rs:Type": region.kind})
    described.append(_area(region, frame))
    item = xmp.element("rdf:li")
    item.append(described)
    item.tail = "\n"
    return item


def _area(region: Region, frame: Frame) -> Element:
    left, top, w, h = stored(region.box, frame)
    numbers = {"x": left + w / 2, "y": top + h / 2, "w": w, "h": h}
    texts = {f"stArea:{key}": xmp.decimal(number) for key, number in numbers.items()}
    return xmp.element("mwg-rs:Area", texts | {"stArea:unit": "normalized"})


def _first_bag(rdf: Element) -> Element:
    """The list that new items go to; made if there is none."""
    for bag in _bags(rdf, _MWG):
        return bag
    bag, listed = xmp.element("rdf:Bag"), xmp.element(_MWG.listed)
    listed.append(bag)
    if not xmp.properties(rdf, _MWG.info):
        made = xmp.element(_MWG.info, {"rdf:parseType": "Resource"})
        xmp.add_property(rdf, made, "mwg-rs", "stArea", "stDim", "xmp")
    xmp.put(xmp.properties(rdf, _MWG.info)[0], listed)
    return bag


def _carry(rdf: Element, other: Element, frame: Frame, tags: bool) -> None:
    """Copies the regions of another packet that others made, and its tags, where `rdf` has none."""
    if not _has_regions(rdf):
        theirs = _distinct(entry for entry in _entries(other, frame) if not entry.ours)
        _insert(rdf, theirs, frame, ours=False)
    for tag, (kind, _) in _WRITTEN_TAGS.items() if tags else ():
        if not xmp.properties(rdf, tag):
            xmp.add_items(rdf, tag, kind, [xmp.value_of(i) for _, i in xmp.items(other, tag)])


def _add_tags(rdf: Element, names: list[str]) -> None:
    for name in names:
        if "/" in name:
            raise ChoiceError("a name", "without / to be one of digiKam's tags; or no tags", name)
    for tag, (kind, pattern) in _WRITTEN_TAGS.items():
        known = {_normal(xmp.value_of(item)) for _, item in xmp.items(rdf, tag)}
        wanted = {_normal(value): value for value in map(pattern.format, names)}
        xmp.add_items(rdf, tag, kind, [value for key, value in wanted.items() if key not in known])


def _normal(name: str | None) -> str:
    """Names are compared composed: macOS writes accents as characters of their own."""
    return unicodedata.normalize("NFC", name or "")
