"""XMP packets as trees (ISO 16684-1): read safely, changed in place, written with all they held.

A tree is of `xml.etree` elements. Namespace declarations stay in it as attributes `xmlns:prefix`,
so that every prefix comes out as it went in (some programs search for `tiff:Orientation` as text).
Names are given as `prefix:name` with the prefixes of NAMESPACES, whatever the packet calls them.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from fusiform.core.errors import GalleryError

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}
"""The prefixes used here and what they stand for."""

_XML_URI = "http://www.w3.org/XML/1998/namespace"
_PREFIXES = {uri: prefix for prefix, uri in NAMESPACES.items()}
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'  # ISO 16684-1, 7.3.2
    f'<x:xmpmeta xmlns:x="{NAMESPACES["x"]}">\n <rdf:RDF xmlns:rdf="{NAMESPACES["rdf"]}">\n'
    ' </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
).encode()
_DEEPEST = 100  # levels; real packets have about ten
_REMEDY = "repair it or move it away, and try again"


@dataclass(frozen=True)
class Packet:
    """The `root` of the tree, the `rdf` (rdf:RDF) in it, what stands `before` and `after` it."""

    root: ET.Element
    rdf: ET.Element
    before: str
    after: str


def read_packet(data: bytes | None, source: str) -> Packet:
    """The tree of a packet in any Unicode encoding; an empty one of None.

    A DOCTYPE is refused, so no entity can expand or name a file. Raises GalleryError naming
    `source` if the bytes are no XML or no XMP.
    """
    builder = _Builder()
    try:
        parser = ET.XMLParser(target=builder)
        parser.feed(_EMPTY if data is None else _without_padding(data))
        root = parser.close()
    except (ET.ParseError, _Refused, LookupError, ValueError) as error:
        raise GalleryError(f"{source}: its XMP is malformed ({error}); {_REMEDY}.") from error
    rdf = next(root.iter(q("rdf:RDF")), None)
    if rdf is None:
        raise GalleryError(f"{source}: it holds XML that is no XMP (no rdf:RDF); {_REMEDY}.")
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n' if _declares(data) else ""
    return Packet(root, rdf, declaration + "".join(builder.before), "".join(builder.after))


def write_packet(packet: Packet) -> bytes:
    """The packet in UTF-8, equal to what was read but for spelling (quotes, entities, CDATA)."""
    body = "".join(_serialised(packet.root, {"xmlns:xml": _XML_URI}))
    return f"{packet.before}{body}{packet.after}".encode()


def _without_padding(data: bytes) -> bytes:
    return data if b"\0" in data[:4] else data.rstrip(b"\0")  # UTF-16 has NULs of its own


def _declares(data: bytes | None) -> bool:
    return data is not None and b"<?xml " in data[:16].replace(b"\0", b"")


class _Refused(Exception):
    """Something XMP has no use for."""


class _Builder(ET.TreeBuilder):
    """A tree builder that also keeps prefixes, comments and what stands outside the root."""

    def __init__(self) -> None:
        super().__init__(insert_comments=True, insert_pis=True)
        self.before: list[str] = []
        self.after: list[str] = []
        self._declared: dict[str, str] = {}
        self._depth, self._rooted = 0, False

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _Refused("a DOCTYPE, which XMP does not have")

    def start_ns(self, prefix: str, uri: str) -> None:
        self._declared[f"xmlns:{prefix}" if prefix else "xmlns"] = uri

    def start(self, tag: str, attrs: dict[str, str]) -> ET.Element:
        self._depth, self._rooted = self._depth + 1, True
        if self._depth > _DEEPEST:
            raise _Refused(f"more than {_DEEPEST} levels")
        declared, self._declared = self._declared, {}
        return super().start(tag, declared | attrs)

    def end(self, tag: str) -> ET.Element:
        self._depth -= 1
        return super().end(tag)

    def comment(self, text: str | None) -> ET.Element:
        self._outside(f"<!--{text or ''}-->")
        return super().comment(text)

    def pi(self, target: str, text: str | None = None) -> ET.Element:
        self._outside(f"<?{target} {text}?>" if text else f"<?{target}?>")
        return super().pi(target, text)

    def _outside(self, markup: str) -> None:
        if not self._rooted:
            self.before.append(markup + "\n")
        elif not self._depth:
            self.after.append("\n" + markup)


def _serialised(element: ET.Element, scope: Mapping[str, str]) -> Iterator[str]:
    """The markup of an element and its tail; `scope` is what is declared: `xmlns:prefix` -> URI."""
    if not isinstance(element.tag, str):  # a comment's tag is the function that makes it
        form = "<!--{}-->" if element.tag is ET.Comment else "<?{}?>"
        yield form.format(element.text)
    else:
        own = {key: value for key, value in element.items() if _is_declaration(key)}
        inner = {**scope, **own}
        tag = _spelt(element.tag, inner)
        named = {
            _spelt(key, inner, is_attribute=True): value
            for key, value in element.items()
            if key not in own
        }
        new = {key: uri for key, uri in inner.items() if key in own or key not in scope}
        yield f"<{tag}" + "".join(
            f' {k}="{_escaped(v, _QUOTED)}"' for k, v in (new | named).items()
        )
        if len(element) or element.text:
            yield f">{_escaped(element.text or '', _PLAIN)}"
            for child in element:
                yield from _serialised(child, inner)
            yield f"</{tag}>"
        else:
            yield "/>"
    yield _escaped(element.tail or "", _PLAIN)


def _is_declaration(key: str) -> bool:
    return key == "xmlns" or key.startswith("xmlns:")


def _spelt(name: str, scope: dict[str, str], is_attribute: bool = False) -> str:
    """`{uri}local` with a prefix of `scope`; a new one is added there if there is none."""
    if name[0] != "{":
        return name
    uri, local = name[1:].split("}", 1)
    for key, known in scope.items():
        if known == uri and not (is_attribute and key == "xmlns"):
            return f"{key[6:]}:{local}".lstrip(":")
    prefix = _PREFIXES.get(uri, "ns")
    while f"xmlns:{prefix}" in scope:
        prefix += "1"
    scope[f"xmlns:{prefix}"] = uri
    return f"{prefix}:{local}"


# A reader turns a bare CR into LF, and in attributes each of these into a space (XML 1.0, 2.11
# and 3.3.3).
_PLAIN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_QUOTED = _PLAIN | {'"': "&quot;", "\t": "&#9;", "\n": "&#10;"}


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return text.translate({ord(character): entity for character, entity in table.items()})


def q(name: str) -> str:
    """`prefix:local` as `xml.etree` spells it, `{uri}local`."""
    prefix, local = name.split(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def element(name: str, attributes: Mapping[str, str] = MappingProxyType({})) -> ET.Element:
    """A new element; names of attributes have prefixes too."""
    return ET.Element(q(name), {q(key): value for key, value in attributes.items()})


def properties(rdf: ET.Element, name: str) -> list[ET.Element]:
    """The elements of a top-level property; a correct packet has one at most."""
    return rdf.findall(f"{q('rdf:Description')}/{q(name)}")


def add_property(rdf: ET.Element, made: ET.Element, *prefixes: str) -> None:
    """Puts a property into a description of its own that declares `prefixes`."""
    first = rdf.find(q("rdf:Description"))
    about = "" if first is None else first.get(q("rdf:about"), first.get("about", ""))
    part = ET.SubElement(rdf, q("rdf:Description"), {q("rdf:about"): about})  # the same for all
    part.attrib |= {f"xmlns:{prefix}": NAMESPACES[prefix] for prefix in prefixes}
    part.append(made)
    part.tail = "\n "


def fields(struct: ET.Element) -> ET.Element:
    """The element that holds a structure's fields: itself, or the rdf:Description inside."""
    inner = struct.find(q("rdf:Description"))
    return struct if inner is None else inner


def text(struct: ET.Element | None, name: str) -> str | None:
    """A simple field of a structure, be it attribute or element; None if it is not there."""
    if struct is None:
        return None
    for owner in (fields(struct), struct):
        if q(name) in owner.attrib:
            return owner.attrib[q(name)]
    found = fields(struct).find(q(name))
    return None if found is None else value_of(found)


def number(struct: ET.Element | None, name: str) -> float:
    """A simple field as a number; NaN if it is not there or none."""
    try:
        return float(text(struct, name) or "nan")
    except ValueError:
        return math.nan


def decimal(value: float) -> str:
    """A number as fields hold it, with at most nine decimals."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def set_text(struct: ET.Element, name: str, value: str) -> None:
    """Changes a simple field where it stands, or adds it as an element."""
    for owner in (fields(struct), struct):
        if q(name) in owner.attrib:
            owner.set(q(name), value)
            return
    new = element(name)
    new.text = value
    put(struct, new)


def put(struct: ET.Element, new: ET.Element) -> None:
    """Puts a field into a structure, in the place of the one of its name if there is one."""
    owner = fields(struct)
    old = owner.find(new.tag)
    if old is None:
        owner.append(new)
    else:
        new.tail = old.tail
        owner[list(owner).index(old)] = new


def container(array: ET.Element | None) -> ET.Element | None:
    """The rdf:Bag, rdf:Seq or rdf:Alt of an array property; None if it has none."""
    kinds = [q("rdf:Bag"), q("rdf:Seq"), q("rdf:Alt")]
    return None if array is None else next((part for part in array if part.tag in kinds), None)


def items(rdf: ET.Element, name: str) -> list[tuple[ET.Element, ET.Element]]:
    """The items of a top-level array property, each with the container it is in."""
    found = [part for part in map(container, properties(rdf, name)) if part is not None]
    return [(part, item) for part in found for item in part]


def value_of(item: ET.Element) -> str:
    """The text of an element, without comments in it."""
    return (item.text or "") + "".join(part.tail or "" for part in item)


def add_items(rdf: ET.Element, name: str, kind: str, values: Sequence[str]) -> None:
    """Appends texts to a top-level array; without one, to a new one of `kind`, such as rdf:Bag."""
    if not values:
        return
    if not properties(rdf, name):
        add_property(rdf, element(name), name.split(":")[0])
    array = properties(rdf, name)[0]
    target = container(array)
    if target is None:
        target = ET.SubElement(array, q(kind))
    for value in values:
        ET.SubElement(target, q("rdf:li")).text = value
