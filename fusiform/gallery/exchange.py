"""Names from and to other photo programs, by the face regions in sidecars (see `sidecar`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.gallery import sidecar
from fusiform.gallery.consent import ask_consent
from fusiform.gallery.decisions import name
from fusiform.gallery.journal import names_borne
from fusiform.gallery.paths import shown_path
from fusiform.gallery.persons import number_of, tidy
from fusiform.gallery.places import note_places, same_photo
from fusiform.gallery.records import Box
from fusiform.gallery.regions import Region
from fusiform.gallery.store import Store

Progress = Callable[[int, int], None]
SAME_FACE = 0.3  # overlap (IoU) from which a region is a face; programs draw them differently


@dataclass(frozen=True)
class Differing:
    """A face in `photo` that is `name`, number `person`, here, and that another program calls
    `theirs`."""

    photo: str
    person: int
    name: str
    theirs: str


@dataclass(frozen=True)
class Written:
    """`photos` with a named face, `regions` beside them now, photos whose sidecar or, where names
    go into them, whose file `changed`, and what `failed`; photos that failed are not counted.
    `differing` are the faces that were left with another program's name."""

    photos: int
    regions: int
    changed: int
    failed: tuple[FusiformError, ...]
    differing: tuple[Differing, ...] = ()


@dataclass(frozen=True)
class Taken:
    """`photos` that have named regions; people `named` by them as (number, name); `open` questions:
    person -> how many of its faces have which name; and what `failed`."""

    photos: int
    named: tuple[tuple[int, str], ...]
    open: dict[int, dict[str, int]]
    failed: tuple[FusiformError, ...]


@dataclass(frozen=True)
class _Face:
    """A face with a name: whose it is, what is to be written, and every name that it bore here."""

    person: int
    region: Region
    borne: frozenset[str]

    def other_name(self, there: Sequence[Region], faces: Sequence[_Face]) -> str | None:
        """The name that another program gave it, None if it has none; `there` is what lies where it
        is to be written, `faces` are all that are to be."""
        near = max(there, key=lambda r: (_overlap(r.box, self.region.box), r.ours), default=None)
        if near is None or near.ours or near.name is None or near.kind != "Face":
            return None
        nearest = max(faces, key=lambda one: _overlap(one.region.box, near.box))
        if nearest is not self or _overlap(near.box, self.region.box) < SAME_FACE:
            return None
        known = {_folded(name) for name in (*self.borne, self.region.name or "")}
        return None if _folded(near.name) in known else near.name


def write_names(
    store: Store,
    people: Iterable[int | str] = (),
    *,
    tags: bool = False,
    embed: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    allowed: frozenset[int] | None = None,
) -> Written:
    """Puts every name beside every photo, or beside the photos of `people`, as face regions, and
    with `tags` as tags; with `embed` into the photos, which stay the photos they were.

    What other programs wrote of other faces is not touched, nor, without `overwrite`, a name that
    one gave to a face and that it never bore here. Done again, it brings the regions up to date:
    names that a face bore when they were written, and bears no more, go. A photo that fails does
    not stop the others. `allowed`: nobody else is written. Raises UnknownPerson, PolicyForbids,
    GalleryUnwritable.
    """
    wanted = {number_of(store, ref, allowed) for ref in people}
    for number in wanted:
        ask_consent(number, allowed)
    borne = names_borne(store)
    named, earlier = _named(store, borne, allowed), _earlier(store, borne)
    paths = sorted(named if wanted else {*named, *earlier})
    chosen = [p for p in paths if not wanted or wanted & {face.person for face in named[p]}]
    note_places(store, chosen, embed)
    photos, regions, changed, failed, differing = 0, 0, 0, [], list[Differing]()
    for i, path in enumerate(chosen, 1):
        faces, place = named.get(path, []), shown_path(path)
        try:
            with same_photo(store, place, must=True) if embed else nullcontext():
                one = _write_one(place, faces, earlier.get(path, []), tags, embed, overwrite)
            changed += one[0]
            differing += one[1]
            photos += bool(faces)
            regions += len(faces) - len(one[1])
        except FusiformError as error:
            failed.append(error)
        if progress:
            progress(i, len(chosen))
    return Written(photos, regions, changed, tuple(failed), tuple(differing))


def _named(
    store: Store, borne: dict[int, set[str]], allowed: frozenset[int] | None
) -> dict[str, list[_Face]]:
    """path -> its faces that have a name."""
    found = defaultdict(list)
    sql = (
        "SELECT path, person_id, faces.id, name, x1, y1, x2, y2 FROM files "
        "JOIN faces USING (photo_id) JOIN members ON face_id = faces.id "
        "JOIN people ON people.id = person_id "
        "WHERE name IS NOT NULL AND no_face = 0 ORDER BY path, faces.id"
    )
    for path, person, face, called, *box in store.read(sql):
        if allowed is None or person in allowed:
            region = Region(called, (box[0], box[1], box[2], box[3]))
            found[path].append(_Face(person, region, frozenset(borne.get(face, ()))))
    return found


def _earlier(store: Store, borne: dict[int, set[str]]) -> dict[str, list[tuple[Box, set[str]]]]:
    """path -> (box, every name it bore) of the faces of photos beside which names were written."""
    found = defaultdict(list)
    sql = (
        "SELECT path, faces.id, x1, y1, x2, y2 FROM sidecars JOIN files USING (path) "
        "JOIN faces USING (photo_id)"
    )
    for path, face, *box in store.read(sql):
        found[path].append(((box[0], box[1], box[2], box[3]), borne.get(face, set())))
    return found


def _write_one(
    path: str,
    faces: list[_Face],
    earlier: list[tuple[Box, set[str]]],
    tags: bool,
    embed: bool,
    overwrite: bool,
) -> tuple[bool, list[Differing]]:
    """Whether anything changed, and what was left. A name that a region elsewhere in the picture
    has stays."""
    left = dict[int, Differing]()

    def choose(there: Sequence[Region]) -> list[Region]:
        theirs = {i: face.other_name(there, faces) for i, face in enumerate(faces)}
        for i, other in theirs.items():
            if other is not None:
                one = faces[i]
                left[i] = Differing(path, one.person, one.region.name or "", other)
        return [face.region for i, face in enumerate(faces) if theirs[i] is None]

    told = [face.region for face in faces]
    written = sidecar.write(
        path, told, tags=tags, embed=embed, choose=None if overwrite else choose
    )
    stale = set().union(*(names for _, names in earlier)) - {region.name for region in told}
    stale -= {one.theirs for one in left.values()}
    if stale:
        boxes = [box for box, _ in earlier]
        others = (r for r in sidecar.read(path) if _best(r.box, boxes) < SAME_FACE)
        stale -= {region.name for region in others}
    gone = bool(stale) and sidecar.remove(path, sorted(stale), embed=embed) > 0
    return gone or bool(written), list(left.values())


def _best(box: Box, boxes: list[Box]) -> float:
    return max(_overlap(box, other) for other in boxes)


def _folded(name: str) -> str:
    return tidy(name).casefold()


def read_names(
    store: Store, progress: Progress | None = None, allowed: frozenset[int] | None = None
) -> Taken:
    """Names people after the regions that other programs keep of their faces. `allowed`: nobody
    else is looked at.

    A person without a name gets the one that all its named regions have, unless somebody else has
    it: that and differing names are left as open questions.
    """
    votes, photos, failed = _votes(store, progress, allowed)
    taken = {
        told.casefold() for (told,) in store.read("SELECT name FROM people WHERE name IS NOT NULL")
    }
    called = dict(store.read("SELECT id, name FROM people"))
    named, unsure = [], {}
    for person, names in sorted(votes.items(), key=lambda one: (-sum(one[1].values()), one[0])):
        first = next(iter(names))
        known = called[person]
        if known is None and len(names) == 1 and first.casefold() not in taken:
            try:
                name(store, person, first)
            except ChoiceError as error:
                failed.append(error)
                continue
            named.append((person, first))
            taken.add(first.casefold())
        elif {told.casefold() for told in names} != {(known or "").casefold()}:
            unsure[person] = dict(names.most_common())
    return Taken(photos, tuple(named), unsure, tuple(failed))


def _votes(
    store: Store, progress: Progress | None, allowed: frozenset[int] | None
) -> tuple[dict[int, Counter[str]], int, list[FusiformError]]:
    faces: dict[Any, list[tuple[int, Box]]] = defaultdict(list)
    sql = (
        "SELECT path, person_id, x1, y1, x2, y2 FROM files JOIN faces USING (photo_id) "
        "JOIN members ON face_id = faces.id WHERE no_face = 0 ORDER BY path, faces.id"
    )
    for path, person, *box in store.read(sql):
        if allowed is None or person in allowed:
            faces[path].append((person, (box[0], box[1], box[2], box[3])))
    votes: dict[int, Counter[str]] = defaultdict(Counter)
    photos, failed = 0, list[FusiformError]()
    for i, (path, found) in enumerate(faces.items(), 1):
        try:
            regions = [r for r in sidecar.read(shown_path(path)) if r.name and r.kind == "Face"]
        except FusiformError as error:
            failed.append(error)
            regions = []
        photos += bool(regions)
        for region in regions:
            person, best = max(((p, _overlap(region.box, b)) for p, b in found), key=_second)
            if best >= SAME_FACE:
                votes[person][region.name or ""] += 1
        if progress:
            progress(i, len(faces))
    return votes, photos, failed


def _second(pair: tuple[int, float]) -> float:
    return pair[1]


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return both / (areas - both)
