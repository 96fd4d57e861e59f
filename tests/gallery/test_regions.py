"""Regions in XMP packets: as others spell them, through every orientation, losing nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fusiform.core.decode import TURNS
from fusiform.core.errors import ChoiceError, GalleryError
from fusiform.gallery.packet import NAMESPACES
from fusiform.gallery.regions import Frame, Region, build, parse, without

DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
needs_exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="no exiftool here")
FRAME = Frame(400, 300)
ADA = Region("Ada Lovelace", (40, 60, 120, 150))
GRACE = Region("Grace Hopper", (200, 60, 280, 150))


def packed(inside: str) -> bytes:
    described = f'<rdf:Description rdf:about="" {DECLARED}>{inside}</rdf:Description>'
    return f'<rdf:RDF xmlns:rdf="{NAMESPACES["rdf"]}">{described}</rdf:RDF>'.encode()


def listed(*items: str, size: tuple[int, int] | None = (400, 300)) -> str:
    """An MWG list as digiKam's XMP library spells it."""
    told = f'<mwg-rs:AppliedToDimensions stDim:w="{size[0]}" stDim:h="{size[1]}"/>' if size else ""
    bag = f"<mwg-rs:RegionList><rdf:Bag>{''.join(items)}</rdf:Bag></mwg-rs:RegionList>"
    return f'<mwg-rs:Regions rdf:parseType="Resource">{told}{bag}</mwg-rs:Regions>'


def item(name: str, x: float, y: float, w: float, h: float, kind: str = "Face", more="") -> str:
    area = f'stArea:x="{x}" stArea:y="{y}" stArea:w="{w}" stArea:h="{h}" stArea:unit="normalized"'
    start = f'<rdf:Description mwg-rs:Name="{name}" mwg-rs:Type="{kind}">'
    return f"<rdf:li>{start}<mwg-rs:Area {area}/>{more}</rdf:Description></rdf:li>"


def microsoft(*items: tuple[str, str]) -> str:
    lis = "".join(
        f'<rdf:li rdf:parseType="Resource"><MPReg:Rectangle>{where}</MPReg:Rectangle>'
        f"<MPReg:PersonDisplayName>{who}</MPReg:PersonDisplayName></rdf:li>"
        for who, where in items
    )
    regions = f"<MPRI:Regions><rdf:Bag>{lis}</rdf:Bag></MPRI:Regions>"
    return f'<MP:RegionInfo rdf:parseType="Resource">{regions}</MP:RegionInfo>'


# Two faces of a 400 x 300 picture: x 40..120, y 60..150 and x 200..280, y 60..150.
ADAS, GRACES = (0.2, 0.35, 0.2, 0.3), (0.6, 0.35, 0.2, 0.3)


def exiftool(*words: object) -> str:
    done = subprocess.run(["exiftool", *map(str, words)], capture_output=True, check=True)
    return done.stdout.decode()


def names(packet: bytes, frame: Frame = FRAME) -> list[str | None]:
    return [region.name for region in parse(packet, frame) or ()]


def boxes(packet: bytes, frame: Frame = FRAME) -> np.ndarray:
    return np.array([region.box for region in parse(packet, frame) or ()]).round(3)


# Reading


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_coordinates_are_turned_as_pillow_turns_pixels(orientation):
    pixels = np.zeros((300, 400), np.uint8)
    pixels[60:150, 40:120] = 1
    stored = Image.fromarray(pixels)
    turned = stored.transpose(TURNS[orientation]) if orientation > 1 else stored
    rows, columns = np.nonzero(np.asarray(turned))
    seen = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    frame = Frame(400, 300, orientation)
    assert frame.upright == turned.size
    assert boxes(packed(listed(item("Ada", *ADAS))), frame).tolist() == [list(map(float, seen))]
    written = build([Region("Ada", tuple(map(float, seen)))], frame)
    assert 'stArea:x="0.2" stArea:y="0.35" stArea:w="0.2" stArea:h="0.3"' in written.decode()
    assert 'stDim:w="400" stDim:h="300"' in written.decode()


ELEMENTS = (
    '<mwg-rs:Regions><rdf:Description><mwg-rs:RegionList><rdf:Seq><rdf:li rdf:parseType="Resource">'
    "<mwg-rs:Name>Ada Lovelace</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type>"
    '<mwg-rs:Area rdf:parseType="Resource"><stArea:x>0.2</stArea:x><stArea:y>0.35</stArea:y>'
    "<stArea:w>0.2</stArea:w><stArea:h>0.3</stArea:h></mwg-rs:Area></rdf:li></rdf:Seq>"
    "</mwg-rs:RegionList></rdf:Description></mwg-rs:Regions>"
)


MICROSOFT = microsoft(("Ada Lovelace", "0.1, 0.2, 0.2, 0.3"))


@pytest.mark.parametrize("inside", [listed(item("Ada Lovelace", *ADAS)), ELEMENTS, MICROSOFT])
def test_every_spelling(inside):
    found = parse(packed(inside), FRAME)
    assert [(r.name, r.kind) for r in found] == [("Ada Lovelace", "Face")]
    assert boxes(packed(inside)).tolist() == [list(ADA.box)]


def test_none_is_told_from_empty():
    assert parse(packed("<dc:title/>"), FRAME) is None
    assert parse(packed(listed()), FRAME) == ()
    assert parse(build([], FRAME), FRAME) == ()


def test_a_region_in_both_formats_is_one():
    second = ("Augusta", "0.11, 0.2, 0.2, 0.3"), ("Grace", "0.5,0.2,0.2,0.3"), ("Lost", "")
    both = packed(listed(item("Ada", *ADAS)) + microsoft(*second))
    assert names(both) == ["Ada", "Grace"]


def test_what_is_no_rectangle_of_the_picture_is_left_out():
    point = "<rdf:li rdf:parseType='Resource'><mwg-rs:Area stArea:x='.5' stArea:y='.5'/></rdf:li>"
    outside = item("Out", 1.01, 0.5, 0.2, 0.2)
    senseless = [item("Nan", "nan", 0.5, 0.2, 0.2), item("Text", "a", 0.5, 0.2, 0.2)]
    flat = item("Flat", 0.5, 0.5, 1e-300, 0.2)
    inches = item("Inch", *ADAS).replace("normalized", "inch")
    edge = item("Edge", 0.95, 0.1, 0.2, 0.4)
    packet = packed(listed(point, outside, *senseless, flat, inches, edge))
    assert names(packet) == ["Edge"]
    assert boxes(packet).tolist() == [[340, 0, 400, 90]]


def test_kinds_and_missing_names():
    nameless = item("", *GRACES).replace('mwg-rs:Name=""', "").replace('mwg-rs:Type="Face"', "")
    packet = packed(listed(item("Rex", *ADAS, kind="Pet"), item(" ", *ADAS), nameless))
    found = [(r.name, r.kind) for r in parse(packet, FRAME)]
    assert found == [("Rex", "Pet"), (None, "Face"), (None, "Face")]


def test_the_size_tells_which_picture_is_meant():
    turned = Frame(400, 300, 6)
    stored, thumbnail = listed(item("Ada", *ADAS)), listed(item("Ada", *ADAS), size=(160, 120))
    upright, cropped = (listed(item("Ada", *ADAS), size=s) for s in ((300, 400), (300, 300)))
    unsized = listed(item("Ada", *ADAS), size=None)
    as_stored = boxes(packed(stored), turned).tolist()
    assert as_stored == [[150, 40, 240, 120]]
    assert boxes(packed(thumbnail), turned).tolist() == as_stored
    assert boxes(packed(unsized), turned).tolist() == as_stored
    assert boxes(packed(upright), turned).tolist() == [[30, 80, 90, 200]]
    assert parse(packed(cropped), turned) == parse(packed(upright), FRAME) == ()


# Writing

people = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda name: name.strip() and not set(name) & {"\ufffe", "\uffff"}
)
special = st.sampled_from(
    ["<&>\"'", "]]>", "&amp;", "😀 O’Neil", "a\tb\r\nc", "--><!--", "ﷺ", " x "]
)


@st.composite
def pictures(draw) -> tuple[Frame, list[Region]]:
    frame = Frame(draw(st.integers(2, 9000)), draw(st.integers(2, 9000)), draw(st.integers(1, 8)))
    regions = []
    for _ in range(draw(st.integers(0, 5))):
        pairs = [st.sets(st.integers(0, n), min_size=2, max_size=2) for n in frame.upright]
        (x1, x2), (y1, y2) = (sorted(draw(pair)) for pair in pairs)
        shift = draw(st.floats(0, 0.5))
        box = (x1 + shift * (x1 > 0), float(y1), float(x2), y2 - shift)
        name = draw(st.none() | people | special)
        regions.append(Region(name, box, draw(st.sampled_from(["Face", "Pet", "Focus"]))))
    return frame, regions


@settings(max_examples=300, deadline=None)
@given(pictures())
def test_round_trip(picture):
    frame, regions = picture
    packet = build(regions, frame)
    assert build(regions, frame, packet) == packet
    found, wanted = parse(packet, frame), sorted(regions, key=lambda r: r.name is None)
    assert [(r.name, r.kind) for r in found] == [(r.name, r.kind) for r in wanted]
    gaps = np.subtract([r.box for r in found], [r.box for r in wanted])
    assert not found or np.abs(gaps).max() < 0.01  # half a pixel is what is asked for


def test_named_regions_come_first():
    assert names(build([Region(None, ADA.box), GRACE], FRAME)) == ["Grace Hopper", None]


def test_ours_are_replaced_and_others_kept():
    theirs = packed(listed(item("Charles Babbage", 0.6, 0.35, 0.2, 0.3)))
    packet = build([ADA], FRAME, theirs)
    assert names(packet) == ["Ada Lovelace", "Charles Babbage"]
    moved = build([Region("Ada King", (0, 60, 60, 150))], FRAME, packet)
    assert names(moved) == ["Ada King", "Charles Babbage"]
    assert names(build([], FRAME, moved)) == ["Charles Babbage"]


def test_a_region_that_another_program_changed_is_its_own():
    packet = build([ADA, GRACE], FRAME)
    renamed = packet.replace(b"Ada Lovelace", b"Ada King")
    assert names(build([], FRAME, packet)) == []
    assert names(build([], FRAME, renamed)) == ["Ada King"]
    assert names(build([], FRAME, renamed.replace(b'x="0.2"', b'x="0.200000001"'))) == ["Ada King"]
    moved = packet.replace(b'y="0.35"', b'y="0.4"')
    assert names(build([], FRAME, moved)) == [ADA.name, GRACE.name]


def test_an_overlapping_region_is_updated_and_keeps_its_other_fields():
    more = "<mwg-rs:Description>left of the engine</mwg-rs:Description>"
    theirs = packed(
        listed(item("Ada?", 0.21, 0.35, 0.2, 0.3, more=more), item("Rex", *ADAS, kind="Pet"))
        + microsoft(("Ada?", "0.11, 0.2, 0.2, 0.3"))
    )
    packet = build([ADA], FRAME, theirs)
    assert names(packet) == ["Ada Lovelace", "Rex"]
    assert boxes(packet)[0].tolist() == list(ADA.box)
    assert b"left of the engine" in packet
    assert b"Ada?" not in packet  # Microsoft's twin has the new name too
    assert b">0.1, 0.2, 0.2, 0.3<" in packet
    assert names(build([], FRAME, packet)) == ["Ada Lovelace", "Rex"]  # others' regions stay


def test_half_an_overlap_is_another_face():
    theirs = packed(listed(item("Grace Hopper", 0.2, 0.35, 0.2, 0.15)))
    assert names(build([ADA], FRAME, theirs)) == ["Ada Lovelace", "Grace Hopper"]


def test_a_face_without_a_name_takes_no_name_away():
    theirs = packed(listed(item("Ada Lovelace", 0.21, 0.35, 0.2, 0.3)))
    packet = build([Region(None, ADA.box)], FRAME, theirs)
    assert names(packet) == ["Ada Lovelace"]
    assert boxes(packet).tolist() == [list(ADA.box)]


def test_a_list_in_upright_coordinates_is_turned():
    turned = Frame(400, 300, 6)
    theirs = packed(listed(item("Ada", *ADAS), size=(300, 400)))
    packet = build([], turned, theirs)
    assert b'stDim:w="400" stDim:h="300"' in packet
    assert boxes(packet, turned).tolist() == boxes(theirs, turned).tolist() == [[30, 80, 90, 200]]


def test_a_list_of_another_picture_is_refused():
    cropped = packed(listed(item("Ada", *ADAS), size=(300, 300)))
    with pytest.raises(GalleryError, match=r"^a\.xmp: .*another shape; remove them"):
        build([GRACE], FRAME, cropped, source="a.xmp")
    assert names(build([GRACE], FRAME, packed(listed(size=(300, 300))))) == ["Grace Hopper"]


def test_carried_regions_begin_a_new_list():
    inside = packed(listed(item("Ada?", *ADAS), item("Grace Hopper", *GRACES)))
    packet = build([ADA], FRAME, packed(""), carried=build([], FRAME, inside))
    assert sorted(names(packet)) == ["Ada Lovelace", "Grace Hopper"]
    assert names(build([ADA], FRAME, packed(listed()), carried=inside)) == ["Ada Lovelace"]
    ours = build([GRACE], FRAME)
    assert names(build([ADA], FRAME, carried=ours)) == ["Ada Lovelace"]


# Tags


def tagged(*keywords: str) -> str:
    lis = "".join(f"<rdf:li>{keyword}</rdf:li>" for keyword in keywords)
    return f"<dc:subject><rdf:Bag>{lis}</rdf:Bag></dc:subject>"


def test_tags_are_added_once_and_only_when_asked_for():
    accented = Region("Zoë", GRACE.box)
    packet = packed(tagged("engine", unicodedata.normalize("NFD", "Zoë")))
    assert b"digiKam:TagsList>" not in build([ADA], FRAME, packet)
    others = Region(None, (0, 0, 9, 9)), Region("Rex", (0, 200, 50, 250), "Pet")
    packet = build([ADA, accented, *others], FRAME, packet, tags=True)
    text = packet.decode()
    assert text.count("<rdf:li>Ada Lovelace</rdf:li>") == 1
    assert text.count("<rdf:li>People/Ada Lovelace</rdf:li>") == 1
    assert text.count("<rdf:li>engine</rdf:li>") == 1
    assert "<rdf:li>Zoë</rdf:li>" not in text  # it was there, written in two characters
    assert "<rdf:li>People/Zoë</rdf:li>" in text
    assert "People/Rex" not in text
    assert build([ADA, accented, *others], FRAME, packet, tags=True) == packet


def test_tags_of_the_picture_begin_a_new_list():
    packet = build([ADA], FRAME, tags=True, carried=packed(tagged("engine"))).decode()
    assert "<rdf:li>engine</rdf:li><rdf:li>Ada Lovelace</rdf:li>" in packet


def test_a_name_with_a_slash_is_no_tag():
    with pytest.raises(ChoiceError, match="without /"):
        build([Region("AC/DC", ADA.box)], FRAME, tags=True)


# Forgetting


def test_nothing_of_a_person_is_left():
    copies = (
        "<lr:hierarchicalSubject><rdf:Bag><rdf:li>People|Ada Lovelace</rdf:li></rdf:Bag>"
        "</lr:hierarchicalSubject><Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Ada Lovelace"
        "</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>"
    )
    unplaced = item("Ada Lovelace", 2, 2, 1, 1)
    theirs = listed(item("A. Lovelace", *ADAS), item("Ada", 0.6, 0.8, 0.1, 0.1), unplaced)
    packet = packed(theirs + microsoft(("Ada Lovelace", "0.1, 0.2, 0.2, 0.3")) + copies)
    packet = build([ADA, GRACE, Region(None, (0, 0, 9, 9))], FRAME, packet, tags=True)
    left, gone = without(packet, ["Ada Lovelace"])
    assert gone == 7  # two MWG regions, Microsoft's, two tags and two copies
    assert b"Lovelace" not in left
    assert names(left) == ["Grace Hopper", "Ada", None]
    assert b"People/Grace Hopper" in left
    assert without(left, ["Ada Lovelace", "", " "]) == (left, 0)


def test_other_texts_are_the_photographers():
    title = "<dc:title><rdf:Alt><rdf:li xml:lang='x'>Ada Lovelace</rdf:li></rdf:Alt></dc:title>"
    packet = packed(title + tagged("Ada Lovelace and her engine"))
    assert without(packet, ["Ada Lovelace"]) == (packet, 0)


def test_names_are_compared_composed():
    packet = build([Region(unicodedata.normalize("NFD", "Zoë"), ADA.box)], FRAME)
    assert without(packet, ["Zoë"])[1] == 1


# Arguments


@pytest.mark.parametrize(
    ("name", "box", "kind"),
    [
        ("", (0, 0, 1, 1), "Face"),
        ("a\0b", (0, 0, 1, 1), "Face"),
        ("\ud800", (0, 0, 1, 1), "Face"),
        ("a", (0, 0, 1, 1), ""),
        ("a", (1, 0, 1, 1), "Face"),
        ("a", (0, 2, 1, 1), "Face"),
        ("a", (0, 0, float("nan"), 1), "Face"),
    ],
)
def test_senseless_regions(name, box, kind):
    with pytest.raises(ChoiceError):
        Region(name, box, kind)


@pytest.mark.parametrize(("width", "height", "orientation"), [(0, 1, 1), (1, 1, 0), (1, 1, 9)])
def test_senseless_frames(width, height, orientation):
    with pytest.raises(ChoiceError):
        Frame(width, height, orientation)


def test_boxes_are_clipped_and_must_meet_the_picture():
    assert boxes(build([Region("Ada", (-20, -5, 60, 400))], FRAME)).tolist() == [[0, 0, 60, 300]]
    with pytest.raises(ChoiceError, match="inside the picture of 400 x 300 pixels"):
        build([Region("Ada", (400, 0, 500, 100))], FRAME)


# exiftool


@needs_exiftool
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exiftool_reads_the_stored_place(tmp_path, orientation):
    frame, file = Frame(400, 300, orientation), tmp_path / "a.xmp"
    awkward = Region('Zoë <&> "O\'Neil" 😀', (1, 2, 11, 32))
    file.write_bytes(build([ADA, awkward], frame))
    info = json.loads(exiftool("-json", "-struct", "-RegionInfo", file))[0]["RegionInfo"]
    assert info["AppliedToDimensions"] == {"W": 400, "H": 300, "Unit": "pixel"}
    found = [(region["Name"], region["Type"]) for region in info["RegionList"]]
    assert found == [(ADA.name, "Face"), (awkward.name, "Face")]
    upright = np.zeros(frame.upright[::-1], np.uint8)
    upright[60:150, 40:120] = 1
    back = TURNS.get({6: 8, 8: 6}.get(orientation, orientation))
    stored = Image.fromarray(upright).transpose(back) if back is not None else upright
    ys, xs = np.nonzero(stored)
    x1, x2, y1, y2 = xs.min() / 400, (xs.max() + 1) / 400, ys.min() / 300, (ys.max() + 1) / 300
    area = [info["RegionList"][0]["Area"][key] for key in "XYWH"]
    assert np.allclose(area, [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], atol=1e-8)


@needs_exiftool
def test_exiftools_microsoft_regions(tmp_path):
    people = "{Regions=[{PersonDisplayName=Grace Hopper,Rectangle=0.25|, 0.25|, 0.5|, 0.25}]}"
    exiftool(f"-RegionInfoMP={people}", tmp_path / "a.xmp")
    packet = (tmp_path / "a.xmp").read_bytes()
    assert names(packet) == ["Grace Hopper"]
    assert boxes(packet).tolist() == [[100, 75, 300, 150]]
