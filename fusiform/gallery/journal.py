"""The user's acts, kept in order. Replaying them gives every name and every pin.

A pin says which person a face belongs to because the user said so. For all later grouping, faces
pinned to one person must stay together and faces pinned to different people must stay apart.
Every act lists the faces it concerned, so the journal alone, without the tables that grouping
fills, rebuilds what the user decided. Only `forget` ever changes past entries, by taking the
forgotten person's faces and names out of them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field

from fusiform.gallery.store import Store, now

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Named:
    """`person` is called `name`; its `faces` are its own from now on."""

    person: int
    name: str
    faces: Ids

    def pins(self) -> dict[int, int]:
        return dict.fromkeys(self.faces, self.person)

    def names(self, before: Mapping[int, str]) -> dict[int, str | None]:
        return {self.person: self.name}


@dataclass(frozen=True)
class Merged:
    """`gone` was `person` all along: all `faces` of both are `person`'s; `gone` is no more."""

    person: int
    gone: int
    faces: Ids

    def pins(self) -> dict[int, int]:
        return dict.fromkeys(self.faces, self.person)

    def names(self, before: Mapping[int, str]) -> dict[int, str | None]:
        return {self.person: before.get(self.person, before.get(self.gone)), self.gone: None}


@dataclass(frozen=True)
class Split:
    """`taken` are the new person `other`; `faces` are what stays with `person`."""

    person: int
    other: int
    faces: Ids
    taken: Ids

    def pins(self) -> dict[int, int]:
        return dict.fromkeys(self.faces, self.person) | dict.fromkeys(self.taken, self.other)

    def names(self, before: Mapping[int, str]) -> dict[int, str | None]:
        return {}


@dataclass(frozen=True)
class Forgotten:
    """A person with `count` faces was erased. Who it was is not kept."""

    count: int

    def pins(self) -> dict[int, int]:
        return {}

    def names(self, before: Mapping[int, str]) -> dict[int, str | None]:
        return {}


Act = Named | Merged | Split | Forgotten
_KINDS: dict[str, Callable[..., Act]] = {
    "name": Named,
    "merge": Merged,
    "split": Split,
    "forget": Forgotten,
}
_KIND_OF = {maker: kind for kind, maker in _KINDS.items()}
_LISTS = ("faces", "taken")  # the fields that hold face numbers


@dataclass(frozen=True)
class Decisions:
    """What the user decided: `pins` face -> person, `names` person -> name."""

    pins: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


def replay(acts: Iterable[Act]) -> Decisions:
    """The decisions that result from `acts` in their order; for one face the last act counts."""
    state = Decisions()
    for act in acts:
        for person, name in act.names(state.names).items():
            if name is None:
                state.names.pop(person, None)
            else:
                state.names[person] = name
        state.pins.update(act.pins())
    return state


def append(db: sqlite3.Connection, act: Act) -> None:
    """Writes `act` at the end of the journal, inside the caller's transaction."""
    payload = json.dumps(asdict(act), ensure_ascii=False)
    entry = (now(), _KIND_OF[type(act)], payload)
    db.execute("INSERT INTO journal(at, kind, payload) VALUES (?, ?, ?)", entry)


def acts(store: Store) -> list[Act]:
    """All acts of the journal, oldest first."""
    return [act for _, act in _entries(store.read(_ALL))]


_ALL = "SELECT id, kind, payload FROM journal ORDER BY id"


def _entries(rows: Iterable[tuple[int, str, str]]) -> list[tuple[int, Act]]:
    return [(number, _act(kind, json.loads(payload))) for number, kind, payload in rows]


def _act(kind: str, values: Mapping[str, object]) -> Act:
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return _KINDS[kind](**tuples)


def forget(db: sqlite3.Connection, person: int, faces: Iterable[int]) -> set[str]:
    """Takes `faces`, and every name `person` ever had, out of the journal; returns those names.

    Runs inside the caller's transaction. People who were merged into `person` count as `person`.
    """
    gone, names = frozenset(faces), set[str]()
    entries = _entries(db.execute(_ALL))
    who = _with_merged(person, [act for _, act in entries])
    for number, act in entries:
        if isinstance(act, Named) and act.person in who:
            names.add(act.name)
            db.execute("DELETE FROM journal WHERE id = ?", (number,))
        else:
            _rewrite(db, number, act, gone)
    return names


def _with_merged(person: int, acts: list[Act]) -> set[int]:
    who = {person}
    for act in reversed(acts):
        if isinstance(act, Merged) and act.person in who:
            who.add(act.gone)
    return who


def _rewrite(db: sqlite3.Connection, number: int, act: Act, gone: frozenset[int]) -> None:
    before = asdict(act)
    after = {
        key: tuple(face for face in value if face not in gone) if key in _LISTS else value
        for key, value in before.items()
    }
    if after != before:
        payload = json.dumps(after, ensure_ascii=False)
        db.execute("UPDATE journal SET payload = ? WHERE id = ?", (payload, number))
