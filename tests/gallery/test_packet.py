"""XMP packets as trees: nothing lost on the way, nothing dangerous let in."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusiform.core.errors import GalleryError
from fusiform.gallery.packet import (
    NAMESPACES,
    add_items,
    element,
    fields,
    items,
    number,
    properties,
    put,
    q,
    read_packet,
    set_text,
    text,
    value_of,
    write_packet,
)

DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


def packed(inside: str) -> bytes:
    described = f'<rdf:Description rdf:about="" {DECLARED}>{inside}</rdf:Description>'
    return f'<rdf:RDF xmlns:rdf="{NAMESPACES["rdf"]}">{described}</rdf:RDF>'.encode()


ALIEN = f"""<?xml version="1.0" encoding="utf-8"?>
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<!-- of a program that is gone -->
<meta xmlns="adobe:ns:meta/" xmlns:ü="urn:ü"><rdf:RDF xmlns:rdf="{NAMESPACES["rdf"]}">
  <rdf:Description rdf:about="uuid:1" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
      xmlns:a="{NAMESPACES["xmp"]}" tiff:Orientation="6" a:Rating='4'
      ü:history="one&#10;two&#9;&quot;three&quot;&#13;">
    <x:own xmlns:x="urn:other"><![CDATA[1 < 2 & 3]]><!-- kept --><?do this?> tail&#13;
    <plain xmlns="">none<rdf:Bag/></plain></x:own>
  </rdf:Description>
</rdf:RDF></meta>
<?xpacket end="r"?>""".encode()


def canonical(packet: bytes) -> str:
    return ET.canonicalize(packet.decode(), with_comments=True, rewrite_prefixes=True)


def test_a_packet_read_and_written_is_the_same():
    again = write_packet(read_packet(ALIEN, "alien"))
    assert canonical(again) == canonical(ALIEN)
    for word in ("<!-- of a program", "xmlns:tiff=", 'tiff:Orientation="6"', "a:Rating", '"r"?>'):
        assert word in again.decode()
    assert write_packet(read_packet(again, "again")) == again


texts = st.text(st.sampled_from("ab<&>\"' \n\r\t\x85\u2028😀"), max_size=6)
trees = st.recursive(
    st.builds(lambda name, value: (name, value, []), st.sampled_from(["p:a", "q:b", "c"]), texts),
    lambda inner: st.tuples(st.sampled_from(["p:a", "q:b"]), texts, st.lists(inner, max_size=3)),
    max_leaves=8,
)


def spelt(tree: tuple, outer: bool = True) -> str:
    name, value, inner = tree
    coded = "".join(f"&#{ord(c)};" for c in value)
    spaces = ' xmlns:p="urn:1" xmlns:q="urn:2" xmlns="urn:1"' if outer else ""
    content = coded + "".join(spelt(child, False) for child in inner)
    return f'<{name}{spaces} q:k="{coded}" k="{coded}">{content}</{name}>{"" if outer else coded}'


@settings(deadline=None)
@given(trees)
def test_any_packet_read_and_written_is_the_same(tree):
    packet = packed(spelt(tree))
    assert canonical(write_packet(read_packet(packet, "any"))) == canonical(packet)


def test_a_new_property_has_a_description_of_its_own():
    packet = read_packet(ALIEN, "alien")
    add_items(packet.rdf, "dc:subject", "rdf:Bag", ["one", "two & three"])
    again = read_packet(write_packet(packet), "again")
    assert [value_of(i) for _, i in items(again.rdf, "dc:subject")] == ["one", "two & three"]
    added = list(again.rdf)[1]
    assert added.get(q("rdf:about")) == "uuid:1"  # one resource, not two
    again.rdf.remove(added)
    assert canonical(write_packet(again)) == canonical(ALIEN)


def test_a_prefix_that_means_something_else_is_left_alone():
    packet = read_packet(ALIEN.replace(b"xmlns:tiff", b"xmlns:dc='urn:x' xmlns:tiff"), "alien")
    packet.rdf[0].append(element("dc:subject", {"dc:format": "1"}))
    packet.root.append(element("x:xmptk", {"x:xmptk": "2"}))  # x is the default there
    written = write_packet(packet).decode()
    assert f'<dc1:subject xmlns:dc1="{NAMESPACES["dc"]}" dc1:format="1"/>' in written
    assert f'<xmptk xmlns:x="{NAMESPACES["x"]}" x:xmptk="2"/>' in written


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "latin-1"])
def test_other_encodings_become_utf_8(encoding):
    declared = "utf-16" if "16" in encoding else encoding.removesuffix("-sig")
    spelling = (
        f'<?xml version="1.0" encoding="{declared}"?>' + packed("<dc:title>Ä</dc:title>").decode()
    )
    written = write_packet(read_packet(spelling.encode(encoding), "a.xmp"))
    assert written.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    assert "<dc:title>Ä</dc:title>".encode() in written


def test_padding_is_no_fault():
    assert read_packet(packed("") + b"\0\0", "a.xmp").rdf is not None
    assert read_packet(None, "new").rdf.tag == q("rdf:RDF")


STRUCTURES = [
    '<dc:s stDim:w="1.5"/>',
    '<dc:s rdf:parseType="Resource"><stDim:w>1.5</stDim:w></dc:s>',
    '<dc:s><rdf:Description stDim:w="1.5"/></dc:s>',
    "<dc:s><rdf:Description><stDim:w>1.<!-- half -->5</stDim:w></rdf:Description></dc:s>",
]


@pytest.mark.parametrize("inside", STRUCTURES)
def test_fields_of_every_spelling(inside):
    packet = read_packet(packed(inside), "a.xmp")
    (struct,) = properties(packet.rdf, "dc:s")
    assert (text(struct, "stDim:w"), number(struct, "stDim:w")) == ("1.5", 1.5)
    assert text(struct, "stDim:h") is text(None, "stDim:h") is None
    set_text(struct, "stDim:w", "wide")
    assert (text(struct, "stDim:w"), str(number(struct, "stDim:w"))) == ("wide", "nan")
    assert write_packet(packet).count(b"wide") == 1
    put(struct, element("stDim:h"))
    put(struct, element("stDim:h", {"stDim:unit": "inch"}))
    assert [text(f, "stDim:unit") for f in fields(struct).iterfind(q("stDim:h"))] == ["inch"]


BOMB = '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
FOREIGN = '<!DOCTYPE r SYSTEM "http://localhost/x.dtd">'


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (BOMB.encode() + packed("&b;"), "a DOCTYPE"),
        (FOREIGN.encode() + packed(""), "a DOCTYPE"),
        (packed("&b;"), "undefined entity"),
        (packed("<dc:title>"), "mismatched tag"),
        (packed("<un:known/>"), "unbound prefix"),
        (b"", "no element found"),
        (b"\xff\xd8\xff\xe0", "malformed"),
        (packed("<dc:title>\0</dc:title>"), "not well-formed"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", "malformed"),
        (packed("<dc:a>" * 200 + "</dc:a>" * 200), "more than 100 levels"),
        (b"<svg/>", "no rdf:RDF"),
    ],
)
def test_what_is_no_xmp_is_refused_by_name(packet, reason):
    with pytest.raises(GalleryError, match=rf"^a\.xmp: .*{reason}.*; repair it or move it away"):
        read_packet(packet, "a.xmp")
