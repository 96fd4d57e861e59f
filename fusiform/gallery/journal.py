"""The user's acts, kept in order. Replaying them gives every name and every pin.

A pin says which person a face belongs to because the user said so. For all later grouping, faces
pinned to one person must stay together and faces pinned to different people must stay apart.
Every act lists the faces it concerned, so the journal alone, without the tables that grouping
fills, rebuilds what the user decided. With each act stands what it changed as it was before, so
that it can be undone. An undone act stays in the journal, and so does the undoing; only `forget`
and its kin ever change past entries, by taking erased faces, names and notes out of them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from fusiform.gallery.acts import KINDS, Act, Apart, Born, Consented, Merged, Named, Split, Undone
from fusiform.gallery.database import Connection, Readable, now
from fusiform.gallery.records import Consent

_T = TypeVar("_T")
_LISTS = ("faces", "taken", "others")  # the fields that hold face numbers


@dataclass(frozen=True)
class Before:
    """What an act changed, as it was: `members` face -> person (None: nobody's), `people` number ->
    (name, created_at, hidden), None for one that the act made."""

    members: dict[int, int | None] = field(default_factory=dict)
    people: dict[int, tuple[str | None, str, int] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """An act as it stands in the journal: its number, when (UTC ISO 8601), whether it was undone,
    and what was before (None in galleries of the first format)."""

    number: int
    at: str
    act: Act
    undone: bool
    before: Before | None


@dataclass(frozen=True)
class Decisions:
    """What the user decided: `pins` face -> person, `names` person -> name, `hidden` people, finds
    that are `no_faces`, and `consents` person -> what stands."""

    pins: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    no_faces: set[int] = field(default_factory=set)
    consents: dict[int, Consent] = field(default_factory=dict)
    births: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gone:
    """What was taken out of the journal: `names`, and `notes` of consents."""

    names: set[str]
    notes: set[str]


def replay(acts: Iterable[Act]) -> Decisions:
    """The decisions that result from `acts` in their order; for one face the last act counts."""
    state = Decisions()
    for act in acts:
        _update(state.names, act.names(state.names))
        _update(state.consents, act.consents(state.consents))
        _update(state.births, act.births(state.births))
        state.pins.update(act.pins())
        for face in act.no_faces():
            state.pins.pop(face, None)
            state.no_faces.add(face)
        for person, hidden in act.hides().items():
            (state.hidden.add if hidden else state.hidden.discard)(person)
    return state


def _update(known: dict[int, _T], new: Mapping[int, _T | None]) -> None:
    for person, value in new.items():
        if value is None:
            known.pop(person, None)
        else:
            known[person] = value


def append(db: Connection, act: Act, before: Before | None = None) -> None:
    """Writes `act` at the end of the journal, inside the caller's transaction."""
    payload = json.dumps(asdict(act), ensure_ascii=False)
    past = json.dumps(asdict(before), ensure_ascii=False) if before else None
    sql = "INSERT INTO journal(at, kind, payload, before) VALUES (?, ?, ?, ?)"
    db.execute(sql, (now(), act.kind, payload, past))


def entries(store: Readable) -> list[Entry]:
    """The whole journal, oldest first."""
    return list(_entries(store.read(_ALL)))


def acts(store: Readable) -> list[Act]:
    """All acts that stand, oldest first: neither undone ones nor the undoing of them."""
    return [e.act for e in entries(store) if not e.undone and not isinstance(e.act, Undone)]


def consents(store: Readable) -> dict[int, Consent]:
    """person -> what stands of its consent."""
    return _standing(store, Consented.kind).consents


def births(store: Readable) -> dict[int, str]:
    """person -> day of birth."""
    return _standing(store, Born.kind).births


def _standing(store: Readable, kind: str) -> Decisions:
    """What stands of all that acts of one kind say; reads only those that can bear on it."""
    first = store.read("SELECT min(id) FROM journal WHERE kind = ?", (kind,))[0][0]
    if first is None:
        return Decisions()
    kinds = (kind, Merged.kind, Undone.kind)
    sql = (
        "SELECT id, at, kind, payload, NULL FROM journal "  # what was before is long, and not asked
        "WHERE id >= ? AND kind IN (?, ?, ?) ORDER BY id"
    )
    past = list(_entries(store.read(sql, (first, *kinds))))
    return replay(e.act for e in past if not e.undone)


def replayed_pins(db: Connection) -> dict[int, int]:
    """face -> person, as the journal has them."""
    past = list(_entries(db.execute(_ALL)))
    return replay(e.act for e in past if not e.undone).pins


def parted(store: Readable, some: Iterable[int], others: Iterable[int]) -> bool:
    """Whether an act that stands (split, not-same) says that two sets of faces are two people."""
    these, those = set(some), set(others)
    for act in acts(store):
        if isinstance(act, Split | Apart):
            left, right = set(act.faces), set(act.taken if isinstance(act, Split) else act.others)
            if (left & these and right & those) or (left & those and right & these):
                return True
    return False


def names_borne(store: Readable) -> dict[int, set[str]]:
    """face -> every name that somebody had whose it was when something was decided about it."""
    past = entries(store)
    called, whose = defaultdict[int, set[str]](set), defaultdict[int, set[int]](set)
    for entry in past:
        before = entry.before or Before()
        for person, row in before.people.items():
            called[person] |= {row[0]} if row and row[0] else set()
        if isinstance(entry.act, Named):
            called[entry.act.person].add(entry.act.name)
        for face, owner in (*entry.act.pins().items(), *before.members.items()):
            whose[face] |= {owner} if owner is not None else set()
    return {face: set().union(*(called[p] for p in owners)) for face, owners in whose.items()}


_ALL = "SELECT id, at, kind, payload, before FROM journal ORDER BY id"


def _entries(rows: Iterable[tuple[int, str, str, str, str | None]]) -> Iterator[Entry]:
    read = [(row[0], row[1], _act(row[2], json.loads(row[3])), row[4]) for row in rows]
    undone = {act.entry for _, _, act, _ in read if isinstance(act, Undone)}
    for number, at, act, before in read:
        yield Entry(number, at, act, number in undone, _before(before))


def _act(kind: str, values: Mapping[str, object]) -> Act:
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return KINDS[kind](**tuples)


def _before(text: str | None) -> Before | None:
    if text is None:
        return None
    told = json.loads(text)
    people = {int(k): None if row is None else tuple(row) for k, row in told["people"].items()}
    return Before({int(k): v for k, v in told["members"].items()}, people)


def names_of(store: Readable, people: Iterable[int]) -> set[str]:
    """Every name that one of `people`, or who was merged into them, ever had."""
    past = entries(store)
    who = _with_merged(people, [entry.act for entry in past if not entry.undone])
    return {name for entry in past for name in _names_in(entry, who)}


def forget(
    db: Connection, people: Iterable[int], faces: Iterable[int], faceless: Iterable[int] = ()
) -> Gone:
    """Takes `faces`, and every name and note that `people` ever had, out of the journal; of those
    who are `faceless` then only the notes, so that older acts can still be undone.

    Runs inside the caller's transaction. People who were merged into one of them count as it.
    """
    past = list(_entries(db.execute(_ALL)))
    standing = [entry.act for entry in past if not entry.undone]
    who, mute = _with_merged(people, standing), _with_merged(faceless, standing)
    own = [e for e in past if isinstance(e.act, Named | Consented | Born) and e.act.person in who]
    removed = {entry.number for entry in own}
    removed |= {e.number for e in past if isinstance(e.act, Undone) and e.act.entry in removed}
    gone = frozenset(faces)
    for entry in past:
        if entry.number in removed:
            db.execute("DELETE FROM journal WHERE id = ?", (entry.number,))
        else:
            _rewrite(db, entry, who, gone, mute)
    names = set[str]().union(*(_names_in(entry, who) for entry in past))
    said = [e.act for e in past if isinstance(e.act, Consented)]
    return Gone(names, {act.note for act in said if act.person in who | mute} - {""})


def _with_merged(people: Iterable[int], acts: list[Act]) -> set[int]:
    who = set(people)
    for act in reversed(acts):
        if isinstance(act, Merged) and act.person in who:
            who.add(act.gone)
    return who


def _names_in(entry: Entry, who: set[int]) -> set[str]:
    act, before = entry.act, entry.before
    names = {act.name} if isinstance(act, Named) and act.person in who else set()
    rows = before.people.items() if before else ()
    return names | {row[0] for number, row in rows if number in who and row and row[0]}


def _rewrite(
    db: Connection, entry: Entry, who: set[int], gone: frozenset[int], mute: set[int]
) -> None:
    told = asdict(entry.act)
    after = {
        key: tuple(face for face in value if face not in gone) if key in _LISTS else value
        for key, value in told.items()
    }
    if isinstance(entry.act, Consented) and entry.act.person in mute:
        after["note"] = ""
    past = None if entry.before is None else _without(entry.before, who, gone)
    if after != told or past != entry.before:
        payload = json.dumps(after, ensure_ascii=False)
        before = json.dumps(asdict(past), ensure_ascii=False) if past else None
        sql = "UPDATE journal SET payload = ?, before = ? WHERE id = ?"
        db.execute(sql, (payload, before, entry.number))


def _without(before: Before, who: set[int], gone: frozenset[int]) -> Before:
    members = {face: person for face, person in before.members.items() if face not in gone}
    return Before(members, {n: row for n, row in before.people.items() if n not in who})
