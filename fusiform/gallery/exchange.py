"""Names from and to other photo programs, by the face regions in sidecars (see `sidecar`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fusiform.core.errors import ChoiceError, FusiformError
from fusiform.gallery import sidecar
from fusiform.gallery.consent import ask_consent
from fusiform.gallery.decisions import name
from fusiform.gallery.journal import names_borne
from fusiform.gallery.paths import shown_path
from fusiform.gallery.persons import number_of
from fusiform.gallery.records import Box
from fusiform.gallery.regions import Region
from fusiform.gallery.store import Store

Progress = Callable[[int, int], None]
SAME_FACE = 0.3  # overlap (IoU) from which a region is a face; programs draw them differently


@dataclass(frozen=True)
class Written:
    """`photos` with a named face, `regions` beside them now, sidecars `changed`, and what `failed`;
    photos that failed are not counted."""

    photos: int
    regions: int
    changed: int
    failed: tuple[FusiformError, ...]


@dataclass(frozen=True)
class Taken:
    """`photos` that have named regions; people `named` by them as (number, name); `open` questions:
    person -> how many of its faces have which name; and what `failed`."""

    photos: int
    named: tuple[tuple[int, str], ...]
    open: dict[int, dict[str, int]]
    failed: tuple[FusiformError, ...]


def write_names(
    store: Store,
    people: Iterable[int | str] = (),
    *,
    tags: bool = False,
    progress: Progress | None = None,
    allowed: frozenset[int] | None = None,
) -> Written:
    """Puts every name beside every photo, or beside the photos of `people`, as face regions, and
    with `tags` as tags.

    Photos are not touched, nor what other programs wrote of other faces. Done again, it brings the
    sidecars up to date: names that a face bore when they were written, and bears no more, go. A
    photo that fails does not stop the others. `allowed`: nobody else is written. Raises
    UnknownPerson, PolicyForbids, GalleryUnwritable.
    """
    wanted = {number_of(store, ref, allowed) for ref in people}
    for number in wanted:
        ask_consent(number, allowed)
    rows = store.read(
        "SELECT path, person_id, name, x1, y1, x2, y2 FROM files JOIN faces USING (photo_id) "
        "JOIN members ON face_id = faces.id JOIN people ON people.id = person_id "
        "WHERE name IS NOT NULL AND no_face = 0 ORDER BY path, faces.id"
    )
    rows = [row for row in rows if allowed is None or row[1] in allowed]
    named = {path: list(some) for path, some in groupby(rows, key=lambda row: row[0])}
    earlier = _earlier(store)
    paths = sorted(named if wanted else {*named, *earlier})
    chosen = [p for p in paths if not wanted or wanted & {row[1] for row in named[p]}]
    _note(store, chosen)
    photos, regions, changed, failed = 0, 0, 0, []
    for i, path in enumerate(chosen, 1):
        told = [Region(row[2], (row[3], row[4], row[5], row[6])) for row in named.get(path, ())]
        try:
            changed += _write_one(shown_path(path), told, earlier.get(path, []), tags)
            photos += bool(told)
            regions += len(told)
        except FusiformError as error:
            failed.append(error)
        if progress:
            progress(i, len(chosen))
    return Written(photos, regions, changed, tuple(failed))


def _earlier(store: Store) -> dict[str, list[tuple[Box, set[str]]]]:
    """path -> (box, every name it bore) of the faces of photos beside which names were written."""
    borne = names_borne(store)
    found = defaultdict(list)
    sql = (
        "SELECT path, faces.id, x1, y1, x2, y2 FROM sidecars JOIN files USING (path) "
        "JOIN faces USING (photo_id)"
    )
    for path, face, *box in store.read(sql):
        found[path].append(((box[0], box[1], box[2], box[3]), borne.get(face, set())))
    return found


def _write_one(
    path: str, told: list[Region], earlier: list[tuple[Box, set[str]]], tags: bool
) -> bool:
    """Whether the sidecar changed. A name that a region elsewhere in the picture has stays."""
    changed = bool(sidecar.write(path, told, tags=tags))
    stale = set().union(*(names for _, names in earlier)) - {region.name for region in told}
    if stale:
        boxes = [box for box, _ in earlier]
        others = (r for r in sidecar.read(path) if _best(r.box, boxes) < SAME_FACE)
        stale -= {region.name for region in others}
    return (bool(stale) and sidecar.remove(path, sorted(stale)) > 0) or changed


def _best(box: Box, boxes: list[Box]) -> float:
    return max(_overlap(box, other) for other in boxes)


def _note(store: Store, paths: Iterable[str]) -> None:
    """Before anything is written: `forget` must know of every name that lies somewhere."""
    with store.write() as db:
        sql = "INSERT INTO sidecars VALUES (?) ON CONFLICT DO NOTHING"
        db.executemany(sql, [(path,) for path in paths])


def erase_names(store: Store, names: Iterable[str]) -> int:
    """Takes people out of all sidecars that `write_names` ever wrote; returns how many entries
    went. Raises what `sidecar.remove` raises."""
    gone, wanted = 0, list(names)
    for (path,) in store.read("SELECT path FROM sidecars ORDER BY path"):
        gone += sidecar.remove(shown_path(path), wanted)
    return gone


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
